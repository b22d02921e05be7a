// What property tests of the engine covered, and what was made meanwhile, held to tests/golden/properties.txt.
import { assert, assertEquals } from "@std/assert";

/** `--cases N`: how many times as many as a test may take. */
export const MORE = Number(Deno.args[Deno.args.indexOf("--cases") + 1]) || 1;

/** Counts of what was covered; each has to be at least so many. */
export class Covered {
  readonly counts = new Map<string, number>();
  count(kind: string, n = 1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + n);
  }
  atLeast(floors: Readonly<Record<string, number>>): void {
    for (const [kind, floor] of Object.entries(floors)) {
      assert((this.counts.get(kind) ?? 0) >= floor, `${kind}: ${this.counts.get(kind) ?? 0} of ${floor}; ${this}`);
    }
  }
  toString(): string {
    return [...this.counts].map(([kind, n]) => `${kind} ${n}`).join(", ");
  }
  #digest = 0;
  /** What a pass has made: numbers, or a text. */
  made(what: string | ArrayLike<number>): void {
    let h = this.#digest;
    for (let i = 0; i < what.length; i++) h = Math.imul(h ^ (typeof what === "string" ? what.charCodeAt(i) : what[i]), 0x0100_0193) + i | 0;
    this.#digest = h;
  }
  /** Holds all of it to the golden file. */
  golden(test: string): void {
    if (MORE > 1) return console.log(`${test}: ${this}`);
    const line = `${test}: ${[...this.counts].sort(([a], [b]) => a < b ? -1 : 1).map(([kind, n]) => `${kind} ${n}`).join(", ")}; ${
      (this.#digest >>> 0).toString(16)
    }`;
    const lines = Deno.readTextFileSync(GOLDEN).split("\n").filter((l) => l !== ""), at = lines.findIndex((l) => l.startsWith(`${test}: `));
    if (!Deno.args.includes("--update")) return assertEquals(line, lines[at]);
    lines[at < 0 ? lines.length : at] = line;
    Deno.writeTextFileSync(GOLDEN, lines.join("\n") + "\n");
  }
}
const GOLDEN = new URL("golden/properties.txt", import.meta.url);
