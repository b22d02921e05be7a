// How a run ends: every stop by every way of waiting for it, with the status and each line that is said.
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Action, BASE, FakeMachine } from "../../tests/fake_machine.ts";
import { ConfigError, ConfigErrors } from "../core/errors.ts";
import type { Stop } from "../machine/stop.ts";
import { MachineSession, type SessionOptions } from "../scenario/session.ts";
import { drive, exitStatus, watch } from "./ends.ts";

/** A session of a machine with two harts, and what is said of its end. */
function started(program: readonly Action[], options: SessionOptions = {}) {
  const machine = new FakeMachine(program, { harts: 2 }), said: string[] = [];
  const session = new MachineSession(machine, { budget: { guest: "none", wall: "none" }, ...options });
  const output = { note: (text: string) => void said.push(...text.split("\n")), flush: () => void said.push("(flushed)") };
  return { machine, session, said, output };
}
/** Guest time passes no more, whoever still waits. */
async function standsStill(machine: FakeMachine): Promise<void> {
  const { ticks } = machine.s;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(machine.s.ticks, ticks);
}
const ADDRESS = `0x${BASE.toString(16)}`;
const PLACES = [`bringup: cpu0 at ${ADDRESS} a0`, `bringup: cpu1 at ${ADDRESS} a0, waiting for an interrupt`];

interface Row {
  readonly stop: Stop;
  /** Of a plain run. */
  readonly status: number;
  /** Of a script that waits for something else. */
  readonly script: number;
  readonly says: readonly string[];
}
const exit = (code: number, pass: boolean | undefined, status: number): Row => ({
  stop: { kind: "exit", code, ...pass === undefined ? {} : { pass } },
  status,
  script: 1,
  says: [`exit with code ${code}${pass === undefined ? "" : pass ? " (pass)" : " (fail)"}`],
});
const STOPS: readonly Row[] = [
  exit(0, true, 0),
  exit(0, false, 1),
  exit(0, undefined, 0),
  exit(1, undefined, 1),
  exit(33, true, 33),
  exit(255, false, 255),
  exit(256, true, 0),
  exit(256, false, 1),
  exit(256, undefined, 1),
  exit(512, undefined, 1),
  exit(0x12a, false, 42),
  { stop: { kind: "reset" }, status: 0, script: 1, says: ["the guest asked for a reset"] },
  { stop: { kind: "deadHalt", pc: 0x10n }, status: 3, script: 3, says: ["dead halt at 0x10: every hart waits and nothing can wake one"] },
  { stop: { kind: "tripleFault", pc: 0x11n, report: "one\ntwo" }, status: 3, script: 3, says: ["triple fault at 0x11", "one", "two"] },
  { stop: { kind: "trapLoop", pc: 0x12n, report: "one" }, status: 3, script: 3, says: ["unhandled trap at 0x12", "one"] },
];

Deno.test("the status of every stop, also of those that end no run by themselves", () => {
  for (const { stop, status } of STOPS) assertEquals(exitStatus(stop), status);
  assertEquals([exitStatus({ kind: "budget" }), exitStatus({ kind: "breakpoint", cpu: 0, pc: 0n })], [4, 3]);
});

for (const { stop, status, script, says } of STOPS) {
  Deno.test(`${says[0]}: by a plain run, in front of what is expected, behind it, and by scripts`, async () => {
    const by = async (run: (s: ReturnType<typeof started>) => Promise<number>) => {
      const all = started([{ spin: 1 }, { jump: 0 }]);
      all.session.end(stop);
      return [await run(all), all.said] as const;
    };
    const plain = [
      ...stop.kind === "exit" ? [] : says.map((l, i) => i === 0 ? `bringup: ${l}` : l),
      ...status === 3 ? PLACES : [],
    ];
    assertEquals(await by(({ session, output }) => watch(session, [], output)), [status, ["(flushed)", ...plain]]);
    assertEquals(await by(({ session, output }) => watch(session, [/never/m], output)), [1, [
      "(flushed)",
      ...plain,
      `bringup: the run ended (${says[0]}) before it printed /never/m`,
    ]]);
    const [failed, told] = await by(({ session, output }) => drive(session, async (m) => void await m.serial.toPrint("never"), output));
    assertEquals([failed, told.slice(0, says.length)], [
      script,
      [
        `bringup: UnexpectedStop: The machine stopped (${says[0]}`,
        ...says.slice(1),
      ].map((l, i) => i === says.length - 1 ? `${l}) before uart0 to print "never"` : l),
    ]);
    const awaited = await by(({ session, output }) => drive(session, async (m) => void assertEquals(await m.stopped(), stop), output));
    assertEquals(awaited, [0, ["(flushed)"]]);
  });
}

Deno.test("what is expected is printed, in its order: status 0, and the guest goes no further", async () => {
  for (const expected of [[/a/m], [/a/m, /c/m], [/b$/m, /c/m]]) {
    const { session, machine, said, output } = started([{ out: "abc" }, { spin: 1 }, { jump: 1 }]);
    assertEquals([await watch(session, expected, output), said], [0, ["(flushed)"]]);
    await standsStill(machine);
  }
  // With the last instruction of the run.
  const last = started([{ out: "abc" }, { exit: 7 }]);
  assertEquals([await watch(last.session, [/c/m], last.output), last.said], [0, ["(flushed)"]]);
  const half = started([{ out: "abc" }, { exit: 7 }]);
  assertEquals(await watch(half.session, [/b/m, /a/m], half.output), 1);
  assertEquals(half.said.at(-1), "bringup: the run ended (exit with code 7) before it printed /a/m");
});

Deno.test("a limit of guest time, what is forbidden, too little of the host's time", async () => {
  const SPIN: Action[] = [{ out: "a" }, { spin: 1000 }, { jump: 1 }];
  const limited = { budget: { guest: "1ms", wall: "none" } } as const, forbids = { failOn: [/a/m] };
  const late = started(SPIN, limited);
  assertEquals(await watch(late.session, [], late.output), 4);
  assertEquals(late.said[0], "bringup: time-out: 1.000 ms of guest time passed before the machine stopped");
  assertMatch(late.said[1], /^bringup: cpu0 at 0x8000[0-9a-f]+ a1/);
  assertEquals(late.said.length, 3);
  const missing = started(SPIN, limited);
  assertEquals(await watch(missing.session, [/a/m, /b/m], missing.output), 4);
  assertEquals(missing.said[0], "bringup: time-out: 1.000 ms of guest time passed before it printed /b/m");
  await standsStill(missing.machine);
  const seen = started([{ out: "a" }, { spin: 9 }, { exit: 0 }], forbids);
  assertEquals(await watch(seen.session, [], seen.output), 1);
  assertEquals([seen.said.length, seen.said[0]], [3, "bringup: uart0 printed /a/m (failOn) while waiting for the machine to stop"]);
  // A guest that dies behind forbidden words: those are the news.
  const died = started([{ out: "a" }, { die: true }], forbids);
  assertEquals(await drive(died.session, async (m) => void await m.serial.toPrint("never"), died.output), 1);
  const slow = started(SPIN, { budget: { guest: "none", wall: "1ms" } });
  assertEquals(await drive(slow.session, async (m) => void await m.stopped(), slow.output), 1);
  assertMatch(slow.said[0], /^bringup: WallClockTimeout: Waited 0 s of wall-clock time in vain for the machine to stop$/);
  const script = started(SPIN, limited);
  assertEquals(await drive(script.session, async (m) => void await m.serial.toPrint("never"), script.output), 4);
  assertEquals(script.said[0], `bringup: ScenarioTimeout: Waited 1ms of guest time in vain for uart0 to print "never"`);
  script.session.wait("nothing", undefined, () => undefined).catch(() => {});
  await standsStill(script.machine);
});

Deno.test("a script's own errors, and its user's mistakes, are shown as they are; a bug of ours is no failure of the guest's", async () => {
  const told = async (error: unknown) => {
    const { session, said, output } = started([{ spin: 1 }]);
    return [await drive(session, () => Promise.reject(error), output), ...said];
  };
  const own = new TypeError("my own");
  assertEquals(await told(own), [1, ...own.stack!.split("\n")]);
  const bare = new Error("bare");
  delete bare.stack;
  assertEquals(await told(bare), [1, "bare"]);
  assertEquals(await told("text"), [1, "text"]);
  assertEquals((await told(new ConfigError("wrong", { file: "a.toml", line: 3 }))).slice(0, 2), [
    1,
    "bringup: ConfigError: a.toml:3: wrong",
  ]);
  const two = await told(new ConfigErrors([new ConfigError("one"), new ConfigError("two")]));
  assertEquals(two[0], 1);
  assertMatch(String(two[1]), /^bringup: .*one/);
  const broken = started([{ spin: 1 }]);
  broken.machine.run = () => {
    throw new RangeError("ours");
  };
  await assertRejects(() => watch(broken.session, [], broken.output), RangeError, "ours");
});

Deno.test("a script that has ended has its disks on the host, and what it forgot to await is its failure", async () => {
  const { session, machine, said, output } = started([{ spin: 1 }, { jump: 0 }]);
  let flushed = 0;
  Object.assign(machine, { disks: { flush: () => flushed++ } });
  assertEquals([await drive(session, () => Promise.resolve(), output), said, flushed], [0, ["(flushed)"], 1]);
  const forgets = started([{ spin: 1 }, { jump: 0 }]);
  const status = await drive(forgets.session, (m) => {
    m.serial.toPrint("never");
    return Promise.resolve();
  }, forgets.output);
  assertEquals(status, 1);
  assertMatch(forgets.said[0], /The session ended while it waited for uart0 to print "never": is an `await` missing there\?$/);
});
