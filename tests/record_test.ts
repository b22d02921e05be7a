// Recording and replaying: a replay comes to the same digest at the same tick, however the run that was recorded was driven and however the
// replay is; and what is no recording of this run is told in one line.
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { boot, type BootOptions, ConfigError, ReplayDiverged } from "../mod.ts";
import { PROGRAM } from "../src/scenario/recording.ts";
import type { MachineSession } from "../src/scenario/session.ts";
import { cliArgs, ROOT, runHere } from "./cli.ts";
import { A1, A2, assemble, li, RAM, S0, T2 } from "./riscv_code.ts";

const scratch = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const FILE = `${scratch}/run.rec`;
const ECHO = "tests/guests/bin/echo.rv64.elf", SHELL = "tests/guests/bin/x86_shell.img";

/** Harts that all wait for the same bytes: who gets one prints it, and its own letter. */
const RACE = `${scratch}/race.bin`;
Deno.writeFileSync(
  RACE,
  assemble([
    ...li(A1, 0x1000_0000),
    "loop",
    ["addi", { rd: S0, rs1: S0, imm: 1 }],
    ["lbu", { rd: T2, rs1: A1, imm: 5 }],
    ["andi", { rd: T2, rs1: T2, imm: 1 }],
    ["beq", { rs1: T2, rs2: 0 }, "loop"],
    ["lbu", { rd: T2, rs1: A1, imm: 0 }],
    ["sb", { rs1: A1, rs2: T2, imm: 0 }],
    ["csrrs", { rd: A2, rs1: 0, csr: 0xf14 }],
    ["addi", { rd: A2, rs1: A2, imm: 65 }],
    ["sb", { rs1: A1, rs2: A2, imm: 0 }],
    ["beq", { rs1: 0, rs2: 0 }, "loop"],
  ]),
);

interface Run {
  readonly machine: string;
  readonly options: BootOptions;
  readonly drive: (m: MachineSession, chance: () => number) => Promise<unknown>;
}

/** A host that stops the machine anywhere and types whenever it likes: by slices, at breakpoints, and once by the reset button. */
async function restless(m: MachineSession, chance: () => number, bytes: number, reset: boolean, at: bigint): Promise<void> {
  let left = bytes;
  m.hooks = {
    limitTicks: () => 1 + Math.floor(chance() ** 4 * 40_000),
    afterSlice: () => {
      if (left > 0 && chance() < 0.3) m.serial.enqueue(Uint8Array.of(97 + left-- % 26));
      if (reset && left === bytes >> 1) {
        reset = false;
        m.reset();
      }
    },
  };
  while (left > 0) {
    await m.run({ instructions: Math.floor(chance() * 20_000) });
    if (chance() < 0.2) await m.run({ until: at });
    if (chance() < 0.2) m.serial.enqueue(Uint8Array.of(65 + left-- % 26));
  }
  await m.run({ instructions: Math.floor(chance() * 20_000) });
}

const RUNS: Readonly<Record<string, Run>> = {
  "a script that sends where it has read": {
    machine: "virt",
    options: { kernel: ECHO },
    drive: async (m) => {
      await m.serial.toPrint("> ");
      for (const [text, answer] of [["hello\r", "5 bytes: hello"], ["a\r", "1 bytes: a"], ["exit\r", "bye"]] as const) {
        m.serial.send(text);
        await m.serial.toPrint(answer);
      }
      await m.stopped();
    },
  },
  "one hart and a restless host": {
    machine: "virt",
    options: { kernel: RACE, set: { firmware: "none", "boot.load": RAM } },
    drive: (m, chance) => restless(m, chance, 40, true, BigInt(RAM + 16)),
  },
  "four harts that race for what a restless host types": {
    machine: "virt",
    options: { kernel: RACE, set: { firmware: "none", "boot.load": RAM, harts: 4 } },
    drive: (m, chance) => restless(m, chance, 16, true, BigInt(RAM + 16)),
  },
  "keys and forks": {
    machine: "pc",
    options: { kernel: SHELL },
    drive: async (m) => {
      await m.screen.toShow("> ", { row: -1 });
      const before = m.snapshot();
      await m.keyboard.type("help\n", { pace: "5ms" });
      m.restore(before);
      await m.keyboard.type("warn A\n", { pace: "5ms" });
      await m.screen.toShow("A", { fg: "yellow" });
    },
  },
};

/** A generator of its own for each seed. */
function chances(seed: number): () => number {
  let s = seed;
  return () => (s = Math.imul(s, 1_664_525) + 1_013_904_223 >>> 0) / 2 ** 32;
}

/** Replays FILE, cut into slices of `chance`. */
async function replay({ machine, options }: Run, how: BootOptions, chance?: () => number): Promise<[number, string, string]> {
  await using m = await boot(machine, { ...options, ...how, recording: FILE });
  if (chance) m.hooks = { limitTicks: () => 1 + Math.floor(chance() ** 4 * 200_000) };
  const { ticks, digest, complete } = await m.replayed();
  assert(complete);
  return [ticks, digest, JSON.stringify(m.inputs)];
}

for (const [name, run] of Object.entries(RUNS)) {
  Deno.test(`a replay ends in the same digest at the same tick: ${name}`, async () => {
    for (const seed of name.startsWith("one hart") ? [1, 2] : [1]) {
      let expected: [number, string, string];
      {
        await using m = await boot(run.machine, { ...run.options, record: FILE });
        await run.drive(m, chances(seed));
        m.settle();
        expected = [m.machine.age, m.machine.digest(), JSON.stringify(m.inputs)];
      }
      const where = `${name}, seed ${seed}`;
      assertEquals(await replay(run, {}), expected, where);
      assertEquals(await replay(run, { engine: "interp" }, chances(seed + 7)), expected, where);
      assertEquals(await replay(run, { tuning: { threshold: 20_000 } }, chances(seed + 8)), expected, where);
    }
  });
}

/** What a run of the command line leaves in FILE. */
async function recorded(args: string[], input: string): Promise<string> {
  const ran = await runHere([...args, "--record", FILE], input);
  assertEquals(ran.stderr, "");
  return Deno.readTextFileSync(FILE);
}
/** What the replay of a file with this text says. */
async function says(text: string | Uint8Array, ...args: string[]): Promise<string> {
  Deno.writeFileSync(FILE, typeof text === "string" ? new TextEncoder().encode(text) : text);
  const { code, stderr } = await runHere([...args, "--replay", FILE]);
  return `${code} ${stderr.replaceAll(FILE, "FILE")}`;
}

Deno.test("the command line records, and replays with nothing but the file; a replay prints and ends as the run did", async () => {
  const args = ["machines/virt.toml", ECHO],
    ran = await runHere([...args, "--record", FILE], "hello\rexit\r"),
    again = await runHere(["--replay", FILE]);
  assertEquals([again.code, again.stdout], [ran.code, ran.stdout]);
  assertMatch(
    again.stderr,
    /^bringup: the recording ends at tick \d+, [\d.]+ ms of guest time \(exit with code 0 \(pass\)\), with the digest \w{16} as it was recorded\n$/,
  );
  const until = await runHere(["--replay", FILE, "--until", "1ms"]);
  assertStringIncludes(until.stderr, "bringup: stopped at tick 1000000, 1.000 ms of guest time\nbringup: cpu0 at ");
  assertEquals([until.code, until.stdout], [0, ran.stdout.slice(0, until.stdout.length)]);
  // What the host decided ends the replay where it ended the run, with that status.
  for (
    const [kernel, options, status] of [[ECHO, [], 3], [
      RACE,
      ["--firmware=none", "--set=boot.load=0x80000000", "--timeout=100us"],
      4,
    ]] as const
  ) {
    const late = await runHere(["virt", kernel, "--record", FILE, ...options], "hi\r"), same = await runHere(["--replay", FILE]);
    assertEquals([late.code, same.code, same.stdout], [status, status, late.stdout], kernel);
  }
});

Deno.test("what is no recording of this run is told in one line", async () => {
  const text = await recorded(["machines/virt.toml", ECHO], "hello\rexit\r"), lines = text.split("\n");
  const other = "tests/guests/bin/hello.rv64.elf",
    cases: [string, string | Uint8Array, string, ...string[]][] = [
      [
        "another kernel",
        text,
        `2 bringup: FILE: '${other}' is not the image that was recorded: it has other contents\n`,
        "machines/virt.toml",
        other,
      ],
      [
        "another machine",
        text,
        "2 bringup: FILE: recorded on another machine: this is not 'machines/virt.toml' as it was, with the keys and the command line that it had\n",
        "--memory=64MiB",
      ],
      [
        "another command line",
        text,
        "2 bringup: FILE: recorded on another machine: this is not 'machines/virt.toml' as it was, with the keys and the command line that it had\n",
        "--append=x",
      ],
      [
        "another version",
        text.replace(PROGRAM, "9.9.9"),
        `2 bringup: FILE: recorded by bringup 9.9.9, and this is ${PROGRAM}: only the same version runs it the same\n`,
      ],
      [
        "another format",
        text.replace('"version":1', '"version":2'),
        "2 bringup: FILE: the recording's format is of version 2, and this program reads version 1\n",
      ],
      ["nothing", "", "2 bringup: FILE: this is no recording\n"],
      ["a kernel", Deno.readFileSync(ECHO), "2 bringup: FILE: this is no recording\n"],
      [
        "a changed byte",
        lines.with(3, lines[3].replace("65", "66").replace("6c", "6d")).join("\n"),
        "2 bringup: FILE:4: the recording is damaged here: it is not as it was written\n",
      ],
      ["a line less", lines.toSpliced(2, 1).join("\n"), "2 bringup: FILE:3: the recording is damaged here: it is not as it was written\n"],
      [
        "more behind its end",
        text + "x\n",
        `2 bringup: FILE:${lines.length}: the recording is damaged here: it is not as it was written\n`,
      ],
      [
        "a script beside it",
        text,
        "2 bringup: --replay and --scenario exclude each other: the recording says how the run goes\n",
        "--scenario=x.ts",
      ],
    ];
  for (const [what, content, message, ...args] of cases) assertEquals(await says(content, ...args), message, what);
  assertEquals((await runHere(["virt", ECHO, "--until", "5"])).stderr, "bringup: --until needs --replay\n");
  assertStringIncludes((await runHere(["virt", ECHO, "--record", FILE, "--gdb"])).stderr, "--record and --gdb exclude each other");
  assertStringIncludes((await runHere(["virt", ECHO, "--record", `${scratch}/no/x`])).stderr, "--record: cannot be written: No such file");
  const over = await runHere(["--replay", FILE, "--report", FILE]);
  assertEquals(over.stderr, `bringup: ${FILE}: --report would write over what the run reads: it is --replay\n`);
  if (Deno.build.os === "linux") {
    const full = await runHere(["virt", ECHO, "--record", "/dev/full"]);
    assertEquals([full.code, full.stderr], [1, "bringup: /dev/full: --record: cannot be written: No space left on device\n"]);
    await assertRejects(
      () => boot("virt", { kernel: ECHO, record: "/dev/full" }),
      ConfigError,
      "/dev/full: cannot be written: No space left",
    );
  }
  // A replay that is right in each line and yet another run.
  await says(text);
  const session = () => boot("virt", { kernel: ECHO, recording: FILE });
  {
    await using m = await session();
    m.machine.cpus[0].setReg("a7", 1n);
    m.machine.bus.write?.(0x8000_0000, 1, 1);
    await assertRejects(() => m.serial.send("x"), ConfigError, "await m.replayed() first");
    m.machine.run(2_000_000);
    await assertRejects(() => m.replayed(), ReplayDiverged, "the replay goes another way than the recording: at tick");
  }
});

Deno.test("every end of a recording that was cut off replays as far as it goes", async () => {
  const text = await recorded(["machines/virt.toml", ECHO], "hi\rexit\r"), from = text.indexOf("\n") + 1;
  const { stdout } = await runHere(["--replay", FILE]), lines = text.slice(from).split("\n").length - 1;
  assertEquals(lines, 9);
  for (let cut = from, step = 1; cut < text.length; cut += step = step * 7 % 97) {
    const said = await says(text.slice(0, cut));
    assertMatch(
      said,
      /^0 \n?bringup: the recording was cut off here, at tick \d+, [\d.]+ \w+ of guest time: its run was killed\nbringup: cpu0 at /,
    );
  }
  Deno.writeTextFileSync(FILE, text);
  assertEquals((await runHere(["--replay", FILE])).stdout, stdout);
});

Deno.test("a killed run leaves what it was given until then", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: cliArgs(["virt", ECHO, "--record", FILE]),
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter(), reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await writer.write(new TextEncoder().encode("hello\r"));
  let seen = "";
  while (!seen.includes("5 bytes: hello")) seen += (await reader.read()).value ?? "";
  child.kill("SIGKILL");
  await Promise.allSettled([child.status, writer.close(), reader.cancel()]);
  const { code, stdout, stderr } = await runHere(["--replay", FILE]);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "> hello");
  assertStringIncludes(stderr, "its run was killed");
});

Deno.test("the program's version is deno.json's", () => {
  assertEquals(JSON.parse(Deno.readTextFileSync("deno.json")).version, PROGRAM);
});
