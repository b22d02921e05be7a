// `failOn`: what no console may print and no screen may show.
import { Matcher, type Pattern } from "./console.ts";
import type { MachineLike } from "./machine_like.ts";
import type { SessionScreen } from "./peripherals.ts";
import type { ScreenMatcher } from "./screen.ts";
import type { SerialConsole } from "./serial_console.ts";

export class Forbidden {
  /** What was seen, and on what. Whoever tells of it forgets it. */
  seen: { readonly where: string; readonly pattern: Pattern } | undefined;
  readonly #onConsoles: { readonly console: SerialConsole; readonly matcher: Matcher }[] = [];
  /** After the machine has changed at once: what is on the screen then was there before. */
  #lookAtScreen: () => void = () => {};

  constructor(readonly machine: MachineLike, patterns: readonly Pattern[], consoles: Iterable<SerialConsole>) {
    if (patterns.length === 0) return;
    for (const console of consoles) {
      for (const pattern of patterns) this.#onConsoles.push({ console, matcher: new Matcher(pattern, 0) });
      console.watchers.add(() => this.#lookAt(console));
    }
  }

  #lookAt(console: SerialConsole): void {
    if (this.seen) return;
    for (const f of this.#onConsoles) {
      const found = f.console === console ? f.matcher.find(console) : undefined;
      if (!found) continue;
      f.matcher.from = found.end;
      this.seen = { where: `${console.name} printed`, pattern: f.matcher.pattern };
      this.machine.requestBreak();
      return;
    }
  }

  /** A forbidden text on the screen fails the waits once; it may stay there. */
  watchScreen(screen: SessionScreen, matchers: readonly ScreenMatcher[]): void {
    const shown = new Set<ScreenMatcher>();
    this.#lookAtScreen = () => {
      shown.clear();
      const text = screen.port.text();
      for (const m of matchers) if (text && m.find(text)) shown.add(m);
    };
    screen.watch((row) => {
      if (this.seen) return;
      const text = screen.port.text(shown.size === 0 && matchers.every((m) => m.byRow) ? row : -1);
      for (const m of matchers) {
        if (shown.has(m) ? text && m.find(text) : !(text && m.find(text, m.byRow ? row : -1))) continue;
        if (shown.delete(m)) continue;
        shown.add(m);
        this.seen = { where: "the screen shows", pattern: m.pattern };
        return this.machine.requestBreak();
      }
    });
  }

  /** Up to where each console was searched for each pattern. */
  save(): readonly number[] {
    return this.#onConsoles.map((f) => f.matcher.from);
  }
  load(from: readonly number[]): void {
    for (const [i, f] of this.#onConsoles.entries()) f.matcher.from = from[i];
    this.#lookAtScreen();
    this.seen = undefined;
  }
}
