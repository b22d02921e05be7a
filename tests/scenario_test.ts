// Sessions on a scripted machine: what a wait sees, when it ends, and how it fails.
import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import type { ScreenPort } from "../src/core/device.ts";
import { ConfigError } from "../src/core/errors.ts";
import type { Stop } from "../src/machine/stop.ts";
import { boot } from "../src/scenario/boot.ts";
import { parseDuration } from "../src/scenario/duration.ts";
import { FailPatternSeen, ScenarioTimeout, UnexpectedStop, WallClockTimeout } from "../src/scenario/failures.ts";
import { loadPeripherals, MachineSession, type SessionOptions } from "../src/scenario/session.ts";
import { ROOT } from "./cli.ts";
import { type Action, FakeMachine } from "./fake_machine.ts";

await loadPeripherals();

const start = (program: Action[], options: SessionOptions = {}) => {
  const machine = new FakeMachine(program);
  return { machine, m: new MachineSession(machine, options) };
};

Deno.test("a match stops the guest on the very instruction, and guest time stands still outside await", async () => {
  const { machine, m } = start([{ out: "one two three" }, { spin: 100 }, { exit: 7 }]);
  await m.serial.toPrint(/t.o/);
  assertEquals(machine.s.ticks, 7);
  await new Promise((r) => setTimeout(r, 20));
  assertEquals(machine.s.ticks, 7);
  assertEquals(m.serial.text(), "one two");
  assertEquals(await m.stopped(), { kind: "exit", code: 7 });
});

Deno.test("toPrint goes on after the last match, finds what is already there, and returns groups", async () => {
  const { machine, m } = start([{ out: "a=1\na=2\nprompt> " }, { echo: 1 }]);
  assertEquals(await m.serial.toPrint(/a=(\d)/), ["a=1", "1"]);
  assertEquals(await m.serial.toPrint(/a=(\d)/), ["a=2", "2"]);
  await m.serial.toPrint("> ");
  assertEquals(machine.s.ticks, 16);
  await assertRejects(() => m.serial.toPrint(/a=/, { within: "1ms" }), ScenarioTimeout);
});

Deno.test("patterns over several lines and anchors see the text since the cursor", async () => {
  const { m } = start([{ out: "x\none\ntwo\nthree\n" }, { exit: 0 }]);
  await m.serial.toPrint("x\n");
  await m.serial.toPrint(/^one\s+tw/);
  assertEquals(m.serial.text(), "x\none\ntw");
  await m.serial.toPrint(/^three$/m);
});

Deno.test("text is decoded as UTF-8, character by character", async () => {
  const { machine, m } = start([{ out: "谁家 OS é!" }, { spin: 10 }]);
  await m.serial.toPrint("家");
  assertEquals(machine.s.ticks, 6);
  await m.serial.toPrint(/é!$/);
  assertEquals(m.serial.text(), "谁家 OS é!");
});

Deno.test("send never gives the device more than it has room for, and logs every byte with its tick", async () => {
  const { m } = start([{ spin: 50 }, { echo: 5 }, { exit: 0 }]);
  await m.serial.send("hello");
  await m.serial.toPrint("hello");
  assertEquals(m.inputs.flatMap((e) => e.bytes), [...new TextEncoder().encode("hello")]);
  assertEquals(m.inputs.map((e) => e.ticks), [0, 51, 52, 53, 54]);
  await m.stopped();
});

Deno.test("a guest that does not read makes send time out", async () => {
  const { m } = start([{ jump: 0 }]);
  await assertRejects(() => m.serial.send("ab", { within: "10us" }), ScenarioTimeout, 'uart0 to take "ab"');
});

Deno.test("run: for, instructions, until a symbol, and the stop that comes first", async () => {
  const { machine, m } = start([{ spin: 100 }, { out: "ok" }, { spin: 10 }, { exit: 3 }]);
  assertEquals(await m.run({ for: "30ns" }), { kind: "budget" });
  assertEquals(machine.s.ticks, 30);
  assertEquals(await m.run({ instructions: 5 }), { kind: "budget" });
  assertEquals(machine.s.ticks, 35);
  assertEquals(await m.run({ until: "a1" }), { kind: "breakpoint", cpu: 0, pc: 0x8000_0190n });
  assertEquals(machine.s.ticks, 100);
  assertEquals(machine.cpus[0].breakpoints.size, 0);
  assertEquals(await m.run({ for: "1s" }), { kind: "exit", code: 3 });
  await assertRejects(() => m.run({ until: "nowhere" }), ConfigError, "no symbol 'nowhere'");
});

Deno.test("a time-out says what was awaited, the guest time, the last 20 lines, where the CPU is and how to repeat it", async () => {
  const lines = Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join("");
  const { m } = start([{ out: lines }, { jump: 1 }], { replay: "deno test -A x_test.ts" });
  const e = await assertRejects(() => m.serial.toPrint(/login:/, { within: "5us" }), ScenarioTimeout);
  const text = e.message.split("\n");
  assertEquals(text.slice(0, 3), [
    "Waited 5us of guest time in vain for uart0 to print /login:/",
    "  guest time: 5.000 us (tick 5000)",
    "  uart0, last lines:",
  ]);
  assertEquals(text.filter((l) => l.startsWith("    | line")).length, 19);
  assertEquals(text.slice(-2), ["  cpu0: pc 0x80000398 a1", "  replay: deno test -A x_test.ts"]);
  assertEquals(e.details.guestNs, 5000);
});

Deno.test("time-outs are in guest time: a guest that sleeps through them costs no wall time", async () => {
  const { m } = start([{ sleep: 3600 * 1e9 }, { exit: 0 }]);
  const t = performance.now();
  const e = await assertRejects(() => m.stopped({ within: "30m" }), ScenarioTimeout);
  assertStringIncludes(e.message, "guest time: 1800.000 s");
  assertLess(performance.now() - t, 20_000);
});

Deno.test("a guest that resets itself for ever, which sets its clock back, still times out", async () => {
  const { m } = start([{ spin: 1000 }, { reset: true }]);
  await assertRejects(() => m.stopped({ within: "1ms" }), ScenarioTimeout);
});

Deno.test("an unexpected stop rejects every pending wait", async () => {
  const { m } = start([{ out: "bye" }, { die: true }]);
  const waits = [m.serial.toPrint("never"), m.run({ until: "a9" }).catch((e) => e), m.serial.toPrint("nor this")];
  const results = await Promise.allSettled(waits);
  const [first, , third] = results;
  assert(first.status === "rejected" && first.reason instanceof UnexpectedStop && first.reason.details.stop?.kind === "deadHalt");
  assert(third.status === "rejected" && third.reason instanceof UnexpectedStop);
  assertStringIncludes(first.reason.message, "dead halt at 0x8000000c");
});

Deno.test("failOn fails every wait on the very instruction; the message has the guest's sentence to its end", async () => {
  const { machine, m } = start([{ out: "ok\npanicked at main.rs:3: boom\n" }, { exit: 9 }], { failOn: [/panicked at/] });
  await m.serial.toPrint("ok");
  const both = [m.serial.toPrint("never"), m.stopped()].map((p) => assertRejects(() => p, FailPatternSeen));
  const [e] = await Promise.all(both);
  assertStringIncludes(e.message, `uart0 printed /panicked at/ (failOn) while waiting for uart0 to print "never"`);
  assertStringIncludes(e.message, "main.rs:3: boom");
  // It has not run on: not the clock, not the history, and the exit is yet to come.
  assertEquals([machine.s.ticks, m.serial.text(), e.details.guestNs, e.details.stop], [14, "ok\npanicked at", 14, undefined]);
  await m.serial.toPrint("boom\n");
  assertEquals(await m.stopped(), { kind: "exit", code: 9 });
});

Deno.test("failOn fails each time the text is printed, also when a snapshot cuts it; what was told of before is not told again", async () => {
  const program: Action[] = [{ out: "a bad day, a b" }, { spin: 10 }, { out: "ad night\n" }, { spin: 10 }, { out: "bad\n" }, { exit: 0 }];
  const create = () => new FakeMachine(program);
  const m = new MachineSession(create(), { create, failOn: ["bad"] });
  const seen = async (s: MachineSession) => {
    const at: number[] = [];
    for (;;) {
      try {
        await s.stopped();
        return at;
      } catch (e) {
        assert(e instanceof FailPatternSeen);
        at.push(s.machine.age);
      }
    }
  };
  await assertRejects(() => m.stopped(), FailPatternSeen);
  await m.serial.toPrint(", a b");
  const state = m.snapshot(), fork = m.fork();
  assertEquals([m.machine.age, await seen(m), await seen(fork)], [14, [26, 46], [26, 46]]);
  m.restore(state);
  assertEquals(await seen(m), [26, 46]);
});

Deno.test("a failure has its details once, and its stack is the script's", async () => {
  const { m } = start([{ out: "x\n" }, { jump: 1 }]);
  const e = await assertRejects(() => m.serial.toPrint("never", { within: "1us" }), ScenarioTimeout);
  const [first, ...frames] = e.stack!.split("\n");
  assertEquals(first, `ScenarioTimeout: ${e.message.split("\n")[0]}`);
  for (const f of frames) assert(/^ +at .*(scenario_test|std\/assert|ext:cli)/.test(f), f);
  assert(frames[0].includes("scenario_test"), frames[0]);
  assertEquals(Deno.inspect(e).split("guest time:").length, 2);
});

Deno.test("a stopped machine takes no more: whatever needs a running one says so", async () => {
  const { m } = start([{ out: "done" }, { exit: 5 }]);
  await m.stopped();
  for (
    const use of [() => m.serial.send("x"), () => m.run({ for: "1s" }), () => m.run({ instructions: 1 }), () => m.run({ until: "a0" })]
  ) {
    const e = await assertRejects(use, UnexpectedStop, "The machine has stopped already (exit with code 5): it is too late for");
    assertEquals(e.details.stop, { kind: "exit", code: 5 });
  }
  assertEquals([m.inputs, m.machine.cpus[0].breakpoints.size], [[], 0]);
  await assertRejects(() => m.serial.toPrint("more"), UnexpectedStop);
  // What was printed can still be looked for.
  await m.serial.toPrint("done");
  assertEquals(await m.stopped(), { kind: "exit", code: 5 });
});

Deno.test("the wall-clock safety net is a different error", async () => {
  const { m } = start([{ jump: 0 }], { budget: { guest: "none", wall: "50ms" } });
  await assertRejects(() => m.stopped(), WallClockTimeout);
});

Deno.test("snapshot, restore and fork repeat a run to the tick, queue and history included", async () => {
  const program: Action[] = [{ out: "> " }, { echo: 4 }, { exit: 0 }];
  const create = () => new FakeMachine(program);
  const m = new MachineSession(create(), { create });
  await m.serial.toPrint("> ");
  const state = m.snapshot(), fork = m.fork();
  const play = async (s: MachineSession, text: string) => {
    await s.serial.send(text);
    await s.stopped();
    return [s.serial.text(), s.machine.digest()];
  };
  const first = await play(m, "abcd");
  assertEquals(first[0], "> abcd");
  assertEquals((await play(fork, "wxyz"))[0], "> wxyz");
  m.restore(state);
  assertEquals(m.serial.text(), "> ");
  assertEquals(await play(m, "abcd"), first);
});

Deno.test("where the wall clock has cut a slice nothing is fed: input comes at the slices' ends, as without cuts", async () => {
  /** Slices of 300 ticks that nothing shortens, as several harts' are; with `cut` the host comes back every 100. */
  class Sliced extends FakeMachine {
    runs = 0;
    constructor(readonly cut: boolean) {
      super([{ spin: 5000 }, { exit: 0 }]);
      Object.assign(this.port, { room: () => 9, receive: () => {} });
    }
    override run(): Stop | undefined {
      const stop = super.run(this.s.ticks + (this.cut ? 100 : 300));
      this.yielded = !stop && this.cut && ++this.runs % 3 !== 0;
      return stop;
    }
  }
  const inputs = await Promise.all([true, false].map(async (cut) => {
    const m = new MachineSession(new Sliced(cut));
    await m.serial.send("abcdef", { pace: "200ns" });
    return m.inputs.map((i) => i.ticks);
  }));
  assertEquals(inputs, Array(2).fill([0, 300, 600, 900, 1200, 1500]));
});

Deno.test("waits made together see the same guest time; disposing ends pending ones", async () => {
  const { m } = start([{ out: "ab" }, { jump: 1 }]);
  await Promise.all([m.serial.toPrint("a"), m.run({ instructions: 50 })]);
  assertEquals(m.machine.clock.ticks, 50);
  const pending = m.stopped();
  await m[Symbol.asyncDispose]();
  await assertRejects(() => pending, Error, "The session ended");
  await assertRejects(() => m.stopped(), Error, "closed");
});

Deno.test("a script goes on before the guest does, also when another wait keeps the guest running", async () => {
  const { machine, m } = start([{ out: "a" }, { spin: 300_000 }, { out: "b" }, { spin: 300_000 }, { out: "c" }, { exit: 0 }]);
  const stop = m.stopped();
  for (const [text, ticks] of [["a", 1], ["b", 300_002], ["c", 600_003]] as const) {
    await m.serial.toPrint(text);
    for (let i = 0; i < 20; i++) await null;
    assertEquals(machine.s.ticks, ticks);
  }
  assertEquals(await stop, { kind: "exit", code: 0 });
});

Deno.test("a machine without a console says so", () => {
  const m = new MachineSession(new FakeMachine([{ exit: 0 }], { console: false }));
  assertThrows(() => m.serial, ConfigError, "no console");
});

Deno.test("durations", () => {
  const cases: [string, number][] = [["5s", 5e9], ["100ms", 1e8], ["2us", 2000], ["1m30s", 90e9], ["1_000ns", 1000], ["1.5s", 1.5e9], [
    "1h",
    3600e9,
  ]];
  for (const [text, ns] of cases) assertEquals(parseDuration(text), ns, text);
  for (const bad of ["5", "", "s", "-5s", "5 sec", "5s later"]) assertThrows(() => parseDuration(bad), ConfigError, "is not a duration");
});

/** A machine whose output is on a screen of 4 rows of 10, too; "\n" begins the next row, "\f" clears it. */
class ScreenMachine extends FakeMachine {
  cells = new Uint16Array(40).fill(0x720);
  at = 0;
  readonly screen: ScreenPort = {
    onChange: undefined,
    // As the real one: of one row, only that is there.
    text: (row = -1) => {
      const cells = row < 0 ? this.cells : this.cells.map((cell, i) => Math.floor(i / 10) === row ? cell : 0);
      return row < -1 ? undefined : { columns: 10, rows: 4, cells, blink: true, cursor: { row: 0, column: 0, visible: false } };
    },
    image: () => ({ width: 1, height: 1, rgb: new Uint8Array(3) }),
  };
  override run(untilTicks: number): Stop | undefined {
    const { onByte } = this.port;
    this.port.onByte = (byte) => (onByte(byte), this.#show(byte));
    const stop = super.run(untilTicks);
    this.port.onByte = onByte;
    return stop;
  }
  override snapshot(): unknown {
    return structuredClone({ ...super.snapshot() as object, cells: this.cells, at: this.at });
  }
  override restore(state: unknown): void {
    super.restore(state);
    ({ cells: this.cells, at: this.at } = structuredClone(state as ScreenMachine));
  }
  #show(byte: number): void {
    const row = Math.floor(this.at / 10);
    if (byte === 0x0a) this.at = (row + 1) * 10;
    else if (byte === 0x0c) this.cells.fill(0x720), this.at = 0;
    else this.cells[this.at++] = 0x700 | byte;
    this.screen.onChange?.(byte < 0x20 ? -1 : row);
  }
}

Deno.test("failOn on a screen: once while it stays there, again when it had gone, over rows, and after a restore only what was not told of", async () => {
  // On tick 4, and still there while more is shown; again on 13 when it had been cleared; then over two rows.
  const program: Action[] = [{ out: "\fbad" }, { out: "\nmore" }, { out: "\fbad" }, { out: "\fx\ny" }, { out: "\fok" }, { exit: 0 }];
  const create = () => new ScreenMachine(program);
  // Patterns of the screen alone: the console has the same letters, but no blanks at the ends of rows.
  const failOn = [/^bad$/, /x {9}\ny/];
  const told = async (s: MachineSession) => {
    const at: string[] = [];
    for (;;) {
      try {
        await s.stopped();
        return at;
      } catch (e) {
        assert(e instanceof FailPatternSeen);
        at.push(`${s.machine.age} ${e.message.startsWith("the screen") ? "screen" : "console"}`);
      }
    }
  };
  const screens = ["4", "13", "17"].map((tick) => `${tick} screen`);
  assertEquals(await told(new MachineSession(create(), { create, failOn })), screens);

  const s = new MachineSession(create(), { create, failOn });
  await assertRejects(() => s.stopped(), FailPatternSeen);
  // It is on the screen of the fork, too, but was told of.
  const state = s.snapshot(), fork = s.fork();
  for (const one of [s, fork]) assertEquals(await told(one), screens.slice(1));
  s.restore(state);
  assertEquals(await told(s), screens.slice(1));
});

Deno.test("run until a function of a real kernel, by its path; another name is answered with what may be meant", async () => {
  await using m = await boot("virt", { kernel: `${ROOT}tests/guests/bin/hello.rv64.elf` });
  await assertRejects(
    () => m.run({ until: "shutdown" }),
    ConfigError,
    "no symbol 'shutdown' in the kernel's symbol table (did you mean 'guests::sbi::shutdown'?)",
  );
  for (const wrong of ["guests::sib::shutdown", "shutdwon"]) {
    await assertRejects(
      () => m.run({ until: wrong }),
      ConfigError,
      `no symbol '${wrong}' in the kernel's symbol table (did you mean 'guests::sbi::shutdown'?)`,
    );
  }
  await assertRejects(
    () => m.run({ until: "_strat" }),
    ConfigError,
    "no symbol '_strat' in the kernel's symbol table (did you mean '_start'?)",
  );
  await using flat = await boot("pc", { kernel: `${ROOT}tests/guests/bin/x86_sector.bin` });
  const none = "no symbol 'main': the image has no symbol table, and `symbols` (--symbols) names no ELF file that has one";
  await assertRejects(() => flat.run({ until: "main" }), ConfigError, none);
  const stop = await m.run({ until: "guests::sbi::shutdown" });
  assertEquals(stop, { kind: "breakpoint", cpu: 0, pc: m.machine.symbols.address("guests::sbi::shutdown")! });
});

Deno.test("a script that is not type-checked is told of what it misspells, and of a machine that is missing", async () => {
  const kernel = "tests/guests/bin/hello.rv64.elf";
  await assertRejects(
    () => boot("virt", { kernel, append_: "x" } as never),
    ConfigError,
    "unknown option 'append_' (did you mean 'append'?)",
  );
  await assertRejects(() => boot(undefined as never, { machin: "virt" } as never), ConfigError, "(did you mean 'machine'?)");
  await assertRejects(() => boot(undefined as never, { kernel }), ConfigError, "which machine?");
  await assertRejects(() => boot("virt", { kernel, budget: { gest: "1s" } as never }), ConfigError, "budget: unknown option 'gest'");
  await using m = await boot("pc", { kernel: "tests/guests/bin/x86_sector.bin" });
  const odd = { witin: "1s" } as never, near = "unknown option 'witin' (did you mean 'within'?)";
  const waits: [what: string, wait: () => unknown][] = [
    ["toPrint", () => m.serial.toPrint("x", odd)],
    ["toShow", () => m.screen.toShow("x", odd)],
    ["send", () => m.serial.send("x", odd)],
    ["stopped", () => m.stopped(odd)],
    ["run", () => m.run({ until: "x", witin: "1s" } as never)],
    ["the keyboard", () => m.keyboard.type("x", odd)],
    ["the keyboard", () => m.keyboard.press("x", odd)],
    ["scancodes", () => m.keyboard.scancodes([1], odd)],
  ];
  for (const [what, wait] of waits) assertThrows(wait, ConfigError, `${what}: ${near}`);
  assertThrows(() => m.run({ instuctions: 5 } as never), ConfigError, "run: unknown option 'instuctions' (did you mean 'instructions'?)");
  assertThrows(() => m.serial.toPrint(""), ConfigError, "an empty text is found everywhere");
  assertThrows(() => m.serial.toPrint(undefined as never), ConfigError, "a text or a regular expression is looked for, got undefined");
  await assertRejects(() => boot("virt", { kernel, failOn: [""] }), ConfigError, "an empty text is found everywhere");
});

Deno.test("a number of instructions that is none is refused, and does not run for ever", () => {
  const { m } = start([{ spin: 1000 }]);
  for (const how of [{ instructions: NaN }, { instructions: -1 }, { instructions: 1.5 }, {}]) {
    assertThrows(() => m.run(how as never), ConfigError, "must be an integer of at least 0");
  }
});
