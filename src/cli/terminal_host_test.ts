// A session tied to a terminal or to pipes, with a machine and a terminal that are not there.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { type Action, BASE, FakeMachine, HZ } from "../../tests/fake_machine.ts";
import type { KeyPort, ScreenPort, TextScreen } from "../core/device.ts";
import type { MachineLike } from "../scenario/machine_like.ts";
import { scancodesOfChord, scancodesOfText } from "../scenario/keyboard.ts";
import { loadPeripherals, MachineSession } from "../scenario/session.ts";
import * as display from "./display.ts";
import { KEYS } from "./help.ts";
import { SILENCE_MS } from "./output.ts";
import type { SerialPorts } from "./serial.ts";
import { TerminalHost } from "./terminal_host.ts";

await loadPeripherals();

type How = ConstructorParameters<typeof TerminalHost>[1];
interface Setting {
  /** Stdin, stdout and stderr are a terminal, ours or another job's. */
  readonly terminal?: "ours" | "theirs";
  readonly program?: readonly Action[];
  readonly harts?: number;
  /** A screen with this text, or in a graphics mode (null). */
  readonly screen?: { text: string | null };
  readonly console?: boolean;
  readonly machine?: Partial<MachineLike>;
  readonly how?: Partial<How>;
  /** The host's clock goes on, as it has to where a machine runs; else the test moves it. */
  readonly clockRuns?: boolean;
}

/** One row of text on a screen. */
const textScreen = (text: string): TextScreen => ({
  columns: 8,
  rows: 1,
  cells: Uint16Array.from(text.padEnd(8), (c) => 0x0700 | c.charCodeAt(0)),
  blink: true,
  cursor: { row: 0, column: 0, visible: true },
});

/** What a test sees and moves: the host's clock, what was printed (stderr in angle brackets), signals. */
class Desk {
  shown = "";
  nowMs = 1000;
  group = 5;
  readonly raw: boolean[] = [];
  readonly signals = new Map<string, () => void>();
  readonly keys: number[] = [];
  readonly #waiting: ((piece: string | null) => void)[] = [];
  broken: Error | undefined;
  machine!: FakeMachine;
  session!: MachineSession;
  host!: TerminalHost;

  /** What was shown since the last time. */
  get news(): string {
    const text = this.shown;
    this.shown = "";
    return text;
  }
  read(into: Uint8Array): Promise<number | null> {
    return new Promise((resolve) => {
      this.#waiting.push((piece) => {
        if (piece !== null) into.set(new TextEncoder().encode(piece));
        resolve(piece === null ? null : piece.length);
      });
    });
  }
  get reads(): number {
    return this.#waiting.length;
  }
  /** Types a text, or ends the input. */
  async type(piece: string | null): Promise<void> {
    this.#waiting.shift()!(piece);
    await this.settled();
  }
  settled(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 0));
  }
  /** The guest prints. */
  prints(text: string): void {
    for (const b of new TextEncoder().encode(text)) this.machine.port.onByte(b);
  }
  /** As after a slice of the machine. */
  slice(): Promise<void> | void {
    return this.session.hooks.afterSlice!();
  }
  #closed = false;
  close(): void {
    if (!this.#closed) this.host.close();
    this.#closed = true;
  }
  get limit(): number {
    return this.session.hooks.limitTicks!();
  }
}

async function atDesk(setting: Setting, work: (desk: Desk) => Promise<void> | void): Promise<void> {
  const desk = new Desk(), { terminal, screen } = setting;
  if (terminal === "theirs") desk.group = 6;
  const isTerminal = () => terminal !== undefined,
    write = (mark: (text: string) => string) => (p: Uint8Array) => {
      if (desk.broken) throw desk.broken;
      desk.shown += mark(new TextDecoder().decode(p));
      return p.length;
    };
  await withChanged([
    [Deno.stdin, { isTerminal, read: (p: Uint8Array) => desk.read(p), setRaw: (on: boolean) => desk.raw.push(on) }],
    [Deno.stdout, { isTerminal, writeSync: write((s) => s) }],
    [Deno.stderr, { isTerminal, writeSync: write((s) => `<${s}>`) }],
    [performance, setting.clockRuns ? {} : { now: () => desk.nowMs }],
    [Deno, {
      consoleSize: () => ({ columns: 80, rows: 24 }),
      readTextFileSync: () => `1 (x) S 2 5 6 7 ${desk.group} 9`,
      addSignalListener: (name: string, f: () => void) => (assert(!desk.signals.has(name)), desk.signals.set(name, f)),
      removeSignalListener: (name: string, f: () => void) => (assertEquals(desk.signals.get(name), f), desk.signals.delete(name)),
    }],
  ], async () => {
    const machine = desk.machine = new FakeMachine(setting.program ?? [{ sleep: 10 * HZ }], {
      harts: setting.harts ?? 1,
      console: setting.console ?? true,
    });
    if (screen) {
      const port: ScreenPort = {
        text: () => screen.text === null ? undefined : textScreen(screen.text),
        image: () => ({ width: 0, height: 0, rgb: new Uint8Array() }),
        onChange: undefined,
      };
      const keyboard: KeyPort = { room: () => 1, receive: (b) => void desk.keys.push(b), onRoom: () => {} };
      Object.assign(machine, { screen: port, keyboard });
    }
    for (const [name, value] of Object.entries(setting.machine ?? {})) Object.defineProperty(machine, name, { value, configurable: true });
    desk.session = new MachineSession(machine, { budget: { guest: "none", wall: "none" } });
    desk.host = new TerminalHost(desk.session, { feed: true, jump: false, bounded: false, ...setting.how });
    try {
      await work(desk);
    } finally {
      desk.broken = undefined;
      if (desk.reads) await desk.type(null);
      desk.close();
    }
  });
}
const ports = (more: Partial<SerialPorts>): SerialPorts => ({
  stdio: undefined,
  live: false,
  flush() {},
  close: () => Promise.resolve(),
  ...more,
});
const serial = (more: Partial<SerialPorts>) => () => ports(more);

const WALL = HZ / 20, AUTO = 60 * HZ + 1, JUMP = Infinity;
/** How long a slice may be says how time passes. */
const PACING: readonly [what: string, setting: Setting, limit: number, ended: number][] = [
  ["a pipe, whose writer may take a while", {}, AUTO, JUMP],
  ["a pipe, and something to wait for", { how: { jump: true } }, JUMP, JUMP],
  ["somebody at a terminal", { terminal: "ours" }, WALL, JUMP],
  ["the same, and something to wait for", { terminal: "ours", how: { jump: true } }, WALL, JUMP],
  ["another job's terminal", { terminal: "theirs" }, AUTO, AUTO],
  ["a script", { how: { feed: false } }, JUMP, JUMP],
  ["a script on a terminal", { terminal: "ours", how: { feed: false } }, JUMP, JUMP],
  ["a machine with the host's clock", { machine: { paced: true } }, WALL, WALL],
  ["a script for such a machine", { machine: { paced: true }, how: { feed: false } }, WALL, WALL],
  ["a port that somebody may connect to", { how: { serial: serial({ live: true }) } }, WALL, WALL],
  ["a script beside one", { how: { feed: false, serial: serial({ live: true }) } }, JUMP, JUMP],
  ["a file", { how: { serial: serial({}) } }, AUTO, JUMP],
];
for (const [what, setting, limit, ended] of PACING) {
  Deno.test(`how time passes: ${what}`, () =>
    atDesk(setting, async (desk) => {
      assertEquals(desk.limit, limit);
      desk.host.start();
      await desk.slice;
      if (desk.reads) await desk.type(null);
      else if (setting.how?.feed !== false && !setting.terminal) {
        await desk.slice();
        await desk.type(null);
      }
      assertEquals(desk.limit, ended, "when the input has ended");
    }));
}

Deno.test("whether input may come: from who feeds the guest, from a port", async () => {
  const rows: readonly [Partial<How>, boolean | undefined, boolean | undefined][] = [
    [{}, true, false],
    [{ feed: false }, undefined, undefined],
    [{ serial: serial({}) }, true, false],
    [{ serial: serial({ live: true }) }, true, true],
    [{ feed: false, serial: serial({ live: true }) }, true, true],
    [{ feed: false, serial: serial({}) }, undefined, undefined],
  ];
  for (const [how, before, after] of rows) {
    await atDesk({ terminal: "ours", how }, async ({ session, host, ...desk }) => {
      assertEquals(session.hooks.inputMayCome!(), before);
      host.input.ended = true;
      assertEquals(session.hooks.inputMayCome!(), after);
      await desk;
    });
  }
});

Deno.test("signals and input are taken at once where somebody may need them, else behind the first slice", async () => {
  const END = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"], held = { paused: false, onBreakpoint() {}, onFinalStop() {} };
  const rows: readonly [Setting, atOnce: boolean, signals: string[], reads: number][] = [
    [{}, false, END, 1],
    [{ terminal: "ours" }, true, END, 1],
    [{ terminal: "theirs" }, false, [...END, "SIGCONT"], 0],
    [{ terminal: "theirs", how: { feed: false } }, true, END, 0],
    [{ how: { feed: false } }, true, END, 0],
    [{ terminal: "ours", screen: { text: "" }, how: { display } }, true, [...END, "SIGWINCH"], 1],
  ];
  for (const [setting, atOnce, signals, reads] of rows) {
    await atDesk(setting, async (desk) => {
      desk.host.start();
      assertEquals([...desk.signals.keys()], atOnce ? signals : []);
      const idle = desk.slice();
      assertEquals([[...desk.signals.keys()], desk.reads], [signals, reads]);
      assertEquals(desk.raw, setting.terminal === "ours" && reads ? [true] : [], "keys come one by one");
      desk.slice();
      assertEquals(desk.reads, reads, "once");
      desk.close();
      assertEquals([desk.signals.size, desk.raw], [0, desk.raw.length ? [true, false] : []]);
      if (desk.reads) await desk.type(null);
      desk.session.hooks = {};
      await Promise.race([idle, desk.settled()]);
    });
  }
  // A debugger may interrupt at once.
  await atDesk({}, (desk) => {
    desk.host.debugger = held;
    desk.host.start();
    assertEquals([...desk.signals.keys()], END);
  });
  // A run that is over in its first slice takes none.
  await atDesk({ program: [{ exit: 0 }] }, (desk) => {
    desk.host.start();
    desk.machine.run(10);
    desk.slice();
    assertEquals(desk.signals.size, 0);
  });
});

Deno.test("a signal ends the run with its status, also while something else is waited for", async () => {
  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    await atDesk({ program: [{ spin: 1 }, { jump: 0 }], how: { feed: false }, clockRuns: true }, async (desk) => {
      desk.host.start();
      const ended = desk.session.stopped();
      ended.catch(() => {});
      const raced = desk.host.race(new Promise(() => {}));
      setTimeout(desk.signals.get(signal)!, 1);
      assertEquals(await raced, status);
      await desk.settled();
      const { ticks } = desk.machine.s;
      await desk.settled();
      assertEquals(desk.machine.s.ticks, ticks, "guest time passes no more");
    });
  }
  await atDesk({}, async ({ host }) => assertEquals(await host.race(Promise.resolve(7)), 7));
});

Deno.test("a stopped job that comes to the front has the terminal", () =>
  atDesk({ terminal: "theirs" }, async (desk) => {
    desk.host.start();
    desk.slice();
    assertEquals([desk.raw, desk.limit], [[], AUTO]);
    desk.group = 5;
    desk.signals.get("SIGCONT")!();
    assertEquals([desk.raw, desk.reads, desk.limit], [[true], 1, WALL]);
    await desk.settled();
  }));

Deno.test("a debugger holds the machine, and is told of breakpoints and of the end; what was printed is shown by then", () =>
  atDesk({}, (desk) => {
    const told: unknown[] = [],
      debug = { paused: true, onBreakpoint: (s: unknown) => told.push(["b", s]), onFinalStop: (s: unknown) => told.push(["f", s]) };
    const { hooks } = desk.session, stop = { kind: "breakpoint", cpu: 0, pc: 5n } as const, end = { kind: "exit", code: 1 } as const;
    hooks.onBreakpoint!(stop);
    hooks.onFinalStop!(end);
    desk.prints("> ");
    assertEquals([hooks.paused!(), desk.news], [false, ""]);
    desk.host.debugger = debug;
    assertEquals([hooks.paused!(), desk.news], [true, "> "]);
    debug.paused = false;
    assertEquals(hooks.paused!(), false);
    hooks.onBreakpoint!(stop);
    hooks.onFinalStop!(end);
    assertEquals(told, [["b", stop], ["f", end]]);
  }));

Deno.test("after a slice: the guest's output is written, ports are waited for, and a reader that has gone ends the run", async () => {
  await atDesk({ program: [{ spin: 5 }] }, (desk) => {
    desk.prints("hello");
    assertEquals([desk.slice(), desk.news], [undefined, "hello"]);
  });
  const held = Promise.withResolvers<void>();
  await atDesk({ program: [{ spin: 5 }], how: { serial: serial({ flush: () => held.promise }) } }, async (desk) => {
    const slice = desk.slice() as Promise<void>;
    let over = false;
    slice.then(() => over = true);
    await desk.settled();
    assertEquals(over, false);
    held.resolve();
    await slice;
  });
  await atDesk({ program: [{ spin: 5 }] }, async (desk) => {
    desk.broken = new Deno.errors.BrokenPipe("");
    desk.prints("x");
    desk.slice();
    assertEquals([await desk.host.race(new Promise(() => {})), desk.host.output.broken], [141, true]);
  });
});

Deno.test("a silent guest's progress: time, speed since the last look, and where a processor is that runs", async () => {
  const line = (text: string) => `<\x1b7\x1b[K [${text}]\x1b8>`;
  await atDesk({ terminal: "ours", program: [{ spin: 9 }] }, (desk) => {
    const look = (ms: number, ticks: number) => {
      desk.nowMs += ms;
      desk.machine.s.ticks = ticks;
      desk.slice();
      return desk.news;
    };
    assertEquals(look(1, 5), "");
    // 0.5 is rounded up, and just so much.
    assertEquals(look(SILENCE_MS - 1, 1_000_000), line(`guest 1.000 ms, 1 MIPS, pc 0x${BASE.toString(16)} a0`));
    assertEquals(look(500, 4_000_000), line(`guest 4.000 ms, 6 MIPS, pc 0x${BASE.toString(16)} a0`));
    assertEquals(look(500, 9_000_000), line(`guest 9.000 ms, 10 MIPS, pc 0x${BASE.toString(16)} a0`));
    desk.machine.s.wakeAt = 1e12;
    desk.host.output.tick();
    assertEquals(look(500, 9_500_000), "<\x1b[K>", "it waits: nothing to tell");
    desk.machine.s.wakeAt = -1;
    assertMatch(look(500, 9_500_000), /MIPS/);
    desk.close();
    assertEquals(desk.news, "<\x1b[K>", "nor at the end");
  });
  // Where nothing counts instructions ticks do.
  await atDesk({ terminal: "ours", program: [{ spin: 9 }], machine: { stats: {} } }, (desk) => {
    desk.nowMs += SILENCE_MS;
    desk.machine.s.ticks = 6_000_000;
    desk.slice();
    assertStringIncludes(desk.news, ", 3 MIPS, ");
  });
});

Deno.test("idle guests sleep: as long as their time takes, for ever where only input can end it, not where nobody can give any", async () => {
  const ECHO = [{ echo: 1 }] as const;
  /** Whether a guest in this state sleeps, and what of it wakes. */
  const sleeps = async (desk: Desk) => {
    let over = false;
    const idle = desk.slice();
    if (!idle) return false;
    idle.then(() => over = true);
    await desk.settled();
    return !over;
  };
  const idle = (setting: Setting, expected: boolean, what: string, sleep?: number) =>
    atDesk({ program: sleep ? [{ sleep }] : ECHO, ...setting }, async (desk) => {
      desk.host.start();
      desk.slice();
      desk.host.input.heard = !setting.terminal;
      desk.machine.run(1);
      desk.machine.run(2);
      assert(desk.machine.idle, what);
      assertEquals(await sleeps(desk), expected, what);
      if (expected) desk.session.hooks.limitTicks!();
    });
  await idle({ terminal: "ours" }, true, "a terminal");
  await idle({ terminal: "ours", how: { bounded: true } }, false, "a terminal, with a limit: its time goes on");
  await idle({}, true, "a pipe that goes on");
  await idle({ how: { jump: true } }, false, "a pipe, with something that is waited for");
  await idle({ how: { feed: false } }, false, "a script");
  await idle({ how: { feed: false, jump: true } }, false, "a script with a limit");
  await idle({ how: { feed: false }, machine: { paced: true } }, false, "a script, by the host's clock: nothing is to come");
  // With an alarm to come.
  const run = (setting: Setting, aheadMs: number) =>
    atDesk({ program: [{ sleep: 1e12 }], ...setting }, (desk) => {
      desk.host.start();
      desk.machine.run(1);
      desk.machine.s.ticks = 1 + aheadMs * 1e6;
      const idle = desk.slice();
      assertEquals(idle !== undefined, aheadMs > 2 && setting.terminal === "ours");
      desk.session.wake();
    });
  for (const ms of [0, 40]) for (const terminal of ["ours", undefined] as const) await run(terminal ? { terminal } : {}, ms);
  // Yielded in the midst: the wall clock decides nothing.
  await atDesk({ terminal: "ours", program: ECHO, machine: { yielded: true } }, (desk) => {
    desk.host.start();
    desk.machine.s.waiting = true;
    assertEquals(desk.slice(), undefined);
  });
  // Stopped: no sleep before it is told of.
  await atDesk({ terminal: "ours", program: ECHO }, (desk) => {
    desk.host.start();
    desk.machine.s.waiting = true;
    desk.session.end({ kind: "exit", code: 0 });
    assertEquals(desk.slice(), undefined);
  });
});

Deno.test("a guest with keys or bytes that wait for it does not sleep for ever", async () => {
  await atDesk({ terminal: "ours", program: [{ echo: 1 }], screen: { text: "" } }, async (desk) => {
    desk.host.start();
    desk.machine.s.waiting = true;
    const asleep = async () => {
      let over = false;
      desk.slice()?.then(() => over = true);
      await desk.settled();
      return !over;
    };
    const console = desk.session.serial;
    desk.machine.s.rx = [1];
    console.enqueue(Uint8Array.of(1));
    assertEquals([console.queued, desk.slice()], [1, undefined], "its time passes by the clock: it is not ahead");
    console.load({ ...console.save(), queue: [] });
    assertEquals(await asleep(), true);
  });
});

Deno.test("before a pipe is heard of, the guest's time stands still, also where it is jumped over", () =>
  atDesk({ program: [{ echo: 1 }], how: { jump: true } }, async (desk) => {
    desk.host.start();
    desk.machine.s.waiting = true;
    let over = false;
    (desk.slice() as Promise<void>).then(() => over = true);
    await desk.settled();
    assertEquals(over, false);
    await desk.type("x");
    await desk.settled();
    assertEquals([over, desk.session.serial.queued + desk.machine.s.rx.length], [true, 1]);
  }));

Deno.test("typing wakes a guest that sleeps, and so does a port", async () => {
  let active = () => {};
  const how = { serial: (onActivity: () => void) => (active = onActivity, ports({ live: true })) };
  for (
    const [setting, wake] of [
      [{ terminal: "ours" }, (desk: Desk) => desk.type("a")],
      [{ how }, () => Promise.resolve(active())],
    ] as const
  ) {
    await atDesk({ program: [{ echo: 1 }], ...setting }, async (desk) => {
      desk.host.start();
      desk.slice();
      desk.host.input.heard = true;
      desk.machine.s.waiting = true;
      let over = false;
      (desk.slice() as Promise<void>).then(() => over = true);
      await desk.settled();
      assertEquals(over, false);
      await wake(desk);
      await desk.settled();
      assertEquals([over, desk.session.serial.queued + desk.machine.s.rx.length], [true, "terminal" in setting ? 1 : 0]);
    });
  }
});

Deno.test("the guest's words keep a piped run fast", () =>
  atDesk({}, (desk) => {
    desk.machine.s.ticks = 59 * HZ;
    assertEquals(desk.limit, HZ + 1);
    desk.prints("x");
    assertEquals(desk.limit, AUTO);
    desk.machine.s.ticks += 61 * HZ;
    assertEquals(desk.limit, WALL);
  }));

Deno.test("the console is the first one, or the one that --serial puts here; without one nothing is printed", async () => {
  await atDesk({ how: { serial: serial({}) } }, (desk) => {
    desk.prints("elsewhere");
    desk.slice();
    assertEquals(desk.news, "");
  });
  await atDesk({ console: false }, (desk) => {
    desk.host.start();
    desk.slice();
    assertEquals([desk.news, desk.reads], ["", 1]);
  });
});

const TEXT = "<bringup: the guest writes on its screen, not on the serial port: --display terminal shows it\n>";
const PICTURE = "<bringup: the guest draws on its screen: --screenshot FILE.png shows it at the end\n>";
/** A guest with a screen: idle, busy, stopped; what is said at once, and behind a while. */
const HINTS: readonly [what: string, setting: Setting & { busy?: true; stop?: true; printed?: true }, atOnce: string, later: string][] = [
  ["idle", { screen: { text: "Hi" } }, TEXT, ""],
  ["busy", { screen: { text: "Hi" }, busy: true }, "", TEXT],
  ["stopped", { screen: { text: "Hi" }, busy: true, stop: true }, TEXT, ""],
  ["a picture", { screen: { text: null } }, PICTURE, ""],
  ["nothing on it", { screen: { text: "  " } }, "", ""],
  ["no screen", {}, "", ""],
  ["it prints as well", { screen: { text: "Hi" }, printed: true }, "", ""],
  ["who knows", { screen: { text: "Hi" }, how: { hint: false } }, "", ""],
  ["nobody sees it", { screen: { text: "Hi" }, how: { hint: true } }, "", ""],
];
for (const [what, { busy, stop, printed, ...setting }, atOnce, later] of HINTS) {
  Deno.test(`whoever sees an empty terminal is told of the screen, once: ${what}`, () => {
    const terminal = what === "nobody sees it" ? {} : { terminal: "ours" as const };
    return atDesk({ program: busy ? [{ spin: 9 }] : [{ echo: 1 }], how: { hint: true }, ...terminal, ...setting }, async (desk) => {
      desk.machine.s.waiting = !busy;
      if (stop) desk.session.end({ kind: "exit", code: 0 });
      if (printed) desk.prints("x");
      const look = () => {
        desk.slice();
        // deno-lint-ignore no-control-regex
        return desk.news.replace(/<\x1b[^>]*>/g, "").replace("x", "");
      };
      assertEquals(look(), atOnce);
      desk.nowMs += SILENCE_MS - 1;
      assertEquals(look(), "");
      desk.nowMs += 1;
      assertEquals(look(), later);
      desk.nowMs += 1;
      assertEquals(look(), "");
      await desk.settled();
    });
  });
}

const MODULES = [import("./monitor.ts"), import("./help.ts"), import("../machine/address_names.ts"), import("../scenario/reporting.ts")];

Deno.test("Ctrl-A: the list of keys, the end, nothing; the monitor takes the keys until it is left", () =>
  atDesk({ terminal: "ours", program: [{ spin: 3 }, { jump: 0 }] }, async (desk) => {
    await Promise.all(MODULES);
    const key = async (keys: string) => {
      await desk.type(keys);
      await desk.settled();
      return desk.news;
    };
    desk.host.start();
    assertEquals(await key("\x01h"), `<${KEYS}\n>`);
    for (const c of ["z", "l", "1"]) assertEquals(await key(`\x01${c}`), "", c);
    assertEquals(await key("\x01r"), "<bringup: nobody knows this machine's processors well enough for a report\n>");
    assertEquals(await key("\x01c"), "<\n(bringup) >");
    assertEquals(desk.session.hooks.paused!(), false);
    assertMatch(await key("pause\r"), /<paused\n\(bringup\) >$/);
    assertEquals(desk.session.hooks.paused!(), true);
    assertEquals(desk.session.serial.queued + desk.machine.s.rx.length, 0, "the guest is given none of it");
    assertEquals(await key("\x01h"), `<\n${KEYS}\n>`.replace("\n", ""));
    assertMatch(await key("continue\r"), /<running\n\(bringup\) >$/);
    assertEquals(desk.session.hooks.paused!(), false);
    assertEquals(await key("\x01c"), "<\n>");
    await key("x");
    assertEquals(desk.session.serial.queued + desk.machine.s.rx.length, 1, "and now it is");
    await key("\x01c");
    await key("quit\r");
    assertEquals(await desk.host.race(new Promise(() => {})), 0);
  }));

Deno.test("Ctrl-A X ends the run with status 0", () =>
  atDesk({ terminal: "ours" }, async (desk) => {
    desk.host.start();
    await desk.type("\x01x");
    assertEquals(await desk.host.race(new Promise(() => {})), 0);
  }));

Deno.test("a paused machine goes on when the monitor says so", () =>
  atDesk({ terminal: "ours", program: [{ spin: 100 }, { exit: 3 }], clockRuns: true }, async (desk) => {
    await Promise.all(MODULES);
    desk.host.start();
    await desk.type("\x01c");
    await desk.settled();
    await desk.type("pause\r");
    let ended = false;
    const stop = desk.session.stopped().then((s) => (ended = true, s));
    await desk.settled();
    assertEquals([ended, desk.machine.s.ticks], [false, 0]);
    await desk.type("continue\r");
    assertEquals(await stop, { kind: "exit", code: 3 });
  }));

const START = "\x1b[?1049h\x1b[2J", END = "\x1b[0m\x1b[?25h\x1b[?1049l";
// deno-lint-ignore no-control-regex
const plain = (text: string) => text.replace(/\x1b\[[\d;]*m/g, "");

Deno.test("the guest's screen: drawn, beside help and monitor, again; its keys; its text stays and the console's comes behind it", async () => {
  const screen = { text: "one" };
  await atDesk({ terminal: "ours", program: [{ spin: 9 }], screen, how: { display } }, async (desk) => {
    await Promise.all(MODULES);
    const drawn = (text: string) => `\x1b[1;1H${text.padEnd(8)}\x1b[K\x1b[1;1H\x1b[?25h`;
    const key = async (keys: string) => {
      await desk.type(keys);
      await desk.settled();
      return plain(desk.news);
    };
    desk.host.start();
    assertEquals(plain(desk.news), plain(START) + drawn("one"));
    desk.prints("serial\n");
    screen.text = "two";
    desk.slice();
    assertEquals(plain(desk.news), "", "not so soon, and nothing of the console");
    desk.nowMs += 40;
    desk.slice();
    assertEquals(plain(desk.news), `\x1b[1;1Htwo     \x1b[K\x1b[1;1H\x1b[?25h`);
    screen.text = "idle";
    desk.machine.s.wakeAt = 1e12;
    desk.slice();
    assertEquals(plain(desk.news), `\x1b[1;1Hidle    \x1b[K\x1b[1;1H\x1b[?25h`, "an idle guest's at once");
    // Keys of the guest.
    desk.keys.length = 0;
    await key("a");
    desk.machine.s.ticks += 2e9;
    desk.session.keyboard.keys.feed();
    assertEquals(desk.keys.slice(0, 1), scancodesOfText("a").slice(0, 1));
    // An escape character that is nothing else is a key when a picture was drawn since.
    desk.session.keyboard.keys.clear();
    await key("\x1b");
    assertEquals(desk.session.queuedKeys, 0);
    desk.slice();
    assertEquals([desk.session.queuedKeys > 0, scancodesOfChord("esc").length], [true, 2]);
    desk.session.keyboard.keys.clear();
    // Drawn again: by key, by another size of the terminal.
    const redrawn = "\x1b[2J" + drawn("idle");
    assertEquals(await key("\x01l"), redrawn);
    desk.signals.get("SIGWINCH")!();
    assertEquals(plain(desk.news), redrawn);
    // Help, and back by any key, which the guest does not get.
    assertEquals(await key("\x01h"), `${plain(END)}<${KEYS}\nAny key: back to the guest's screen\n>`);
    screen.text = "help";
    desk.nowMs += 40;
    desk.slice();
    assertEquals(plain(desk.news), "", "not over the list");
    assertEquals([await key("q"), desk.session.queuedKeys], [plain(START) + "\x1b[2J" + drawn("help"), 0]);
    await key("b");
    assert(desk.session.queuedKeys > 0, "the next one it does");
    desk.session.keyboard.keys.clear();
    // Help, then the monitor: it takes the place of the list.
    await key("\x01h");
    assertEquals(await key("\x01c"), "<\n(bringup) >");
    // In the monitor the list of keys is a line of ours, which waits until the guest's screen is gone.
    assertEquals(await key("\x01h"), "");
    assertEquals(await key("x"), "<x>", "and its keys are the monitor's");
    assertEquals(await key("\x01c"), "<\n>" + plain(START) + "\x1b[2J" + drawn("help"));
    assertEquals(await key("\x01c"), plain(END) + "<\n(bringup) >");
    assertEquals(await key("\x01c"), "<\n>" + plain(START) + "\x1b[2J" + drawn("help"), "and again");
    await desk.type(null);
    desk.close();
    assertEquals(plain(desk.news), `${plain(END)}help\nserial\n<${KEYS}\n>`);
  });
});

Deno.test("a screen without a keyboard: what is typed goes to the console", () =>
  atDesk(
    { terminal: "ours", program: [{ spin: 9 }], screen: { text: "" }, machine: { keyboard: undefined }, how: { display } },
    async (desk) => {
      desk.host.start();
      await desk.type("a");
      assertEquals(desk.session.serial.queued + desk.machine.s.rx.length, 1);
    },
  ));

Deno.test("what is piped to a guest's keyboard is read on", () =>
  atDesk({ program: [{ spin: 9 }], screen: { text: "" }, how: { display } }, async (desk) => {
    desk.host.start();
    desk.slice();
    await desk.type("a");
    assertEquals([desk.reads, desk.session.queuedKeys > 0], [1, true]);
  }));

Deno.test("the last words are shown when the terminal is given back", () =>
  atDesk({}, (desk) => {
    desk.prints("bye");
    desk.close();
    assertEquals(desk.news, "bye");
  }));
