// How a run of the command line ends: nothing happens behind its end, and what is in the way of its output or its terminal is told in one line.
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { boot } from "../src/scenario/boot.ts";
import { cliArgs, installed, ROOT } from "./cli.ts";
import { guestFile } from "./guests/hostile.ts";

const VIRT = "machines/virt.toml", HELLO = "tests/guests/bin/hello.rv64.elf";
const scratch = Deno.makeTempDirSync({ prefix: "bringup-ends-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

Deno.test("a run ends with the instruction that printed what is expected, however long the statistics take to load", async () => {
  await using m = await boot(VIRT, { kernel: HELLO });
  await m.serial.toPrint(/line 1/);
  const script = `${scratch}/ends_test.ts`;
  Deno.writeTextFileSync(
    script,
    `import { scenario } from "${ROOT}mod.ts";
    export default scenario({ name: "x", machine: "${ROOT}${VIRT}", kernel: "${ROOT}${HELLO}" }, async (m) => {
      await Promise.race([m.stopped().catch(() => {}), m.serial.toPrint(/line 1/)]);
    });`,
  );
  const wanted = [m.machine.clock.ticks, m.machine.digest()];
  const ends: [string[], Record<string, string>][] = [
    [["--expect", "line 1"], {}],
    // Nothing is compiled yet there: loading takes as long as it can.
    [["--expect", "line 1"], { DENO_DIR: scratch }],
    [["--scenario", script], {}],
    [["--scenario", script], { DENO_DIR: scratch + "/2" }],
  ];
  for (const [how, env] of ends) {
    const args = cliArgs([VIRT, HELLO, ...how, "--stats"]);
    const { stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, env, stdin: "null", stdout: "null", stderr: "piped" })
      .output();
    const text = new TextDecoder().decode(stderr), value = (name: string) => new RegExp(`${name} +([0-9a-f]+)`).exec(text)?.[1];
    assertEquals([Number(value("ticks")), value("digest")], wanted, `${how} ${text}`);
  }
});

/** What a shell command on a pty of its own shows; job control as a terminal's shell has it. */
async function onTerminal(command: string): Promise<string> {
  const args = ["-qec", `bash -c ${JSON.stringify(command).replaceAll("$", "\\$")}`, "/dev/null"];
  const child = new Deno.Command("script", { args, cwd: ROOT, stdin: "piped", stdout: "piped" }).spawn();
  const kill = setTimeout(() => child.kill("SIGKILL"), 60_000);
  const { stdout } = await child.output();
  clearTimeout(kill);
  await child.stdin.close().catch(() => {});
  return new TextDecoder().decode(stdout);
}
const hello = [Deno.execPath(), ...cliArgs([VIRT, HELLO])].join(" ");

Deno.test({
  name: "another job's terminal is left alone: behind `&`, under `timeout`, with and without something expected",
  ignore: !installed("script") || !installed("timeout"),
  fn: async () => {
    for (
      const command of [
        `timeout 50 ${hello}; echo status $?`,
        `timeout 50 ${hello} --expect Hello; echo status $?`,
        `set -m; ${hello} & wait; echo status $?`,
      ]
    ) assertMatch(await onTerminal(command), /Hello[^]*status 0/, command);
  },
});

/** Runs a shell command in the scratch folder; status and stderr. `$B` is bringup. */
async function shell(command: string): Promise<[code: number, stderr: string]> {
  const B = [Deno.execPath(), ...cliArgs([])].join(" ");
  const kill = new AbortController(), timer = setTimeout(() => kill.abort(), 60_000);
  const env = { B, V: ROOT + VIRT, P: `${ROOT}machines/pc.toml`, H: ROOT + HELLO, S: `${ROOT}tests/guests/bin/x86_sector.bin` };
  const ran = await new Deno.Command("bash", {
    args: ["-c", command],
    cwd: scratch,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: kill.signal,
  }).output();
  clearTimeout(timer);
  return [ran.code, new TextDecoder().decode(ran.stderr)];
}

const FULL = /^bringup: standard output: No space left on device\n$/,
  DEVICE = /^bringup: [^\n]*\/dev\/zero[^\n]*: it is a device and no file\n$/;
const LARGE = /^bringup: [^\n]*big[^\n]*: it has 5\.0 GiB, and no machine has more memory than 3\.5 GiB\n$/;
const DENIED = (flag: string) => new RegExp(`^bringup: [^\\n]*run again with the --allow-${flag} flag\\n$`);
/** What is in the way, with its status and the one line. */
const OBSTACLES: [command: string, code: number, stderr: RegExp][] = [
  ["$B $V $H >/dev/full", 1, FULL],
  ["$B --help >/dev/full", 1, FULL],
  ["$B devices >/dev/full", 1, FULL],
  ["$B describe $V >/dev/full", 1, FULL],
  ["$B check $V >/dev/full", 1, FULL],
  ["$B $V $H 2>/dev/full", 0, /^$/],
  ["set -o pipefail; $B devices | head -1", 0, /^$/],
  ["$B $V big", 2, LARGE],
  ["$B $V $H --initrd big", 2, LARGE],
  ["$B $V $H --firmware big", 2, LARGE],
  ["$B $V /dev/zero", 2, DEVICE],
  ["$B $V $H --initrd /dev/zero", 2, DEVICE],
  ["$B $V $H --firmware /dev/zero", 2, DEVICE],
  ["$B $V $H --scenario /dev/zero", 2, DEVICE],
  ["$B /dev/zero", 2, DEVICE],
  ["$B $P $S --disk fifo", 2, /^bringup: fifo: cannot be read: a disk has sectors, and this is a pipe or a device\n$/],
  ["$B $P $S --disk /dev/zero", 2, /^bringup: \/dev\/zero: cannot be read: a disk has sectors, and this is a pipe or a device\n$/],
  ["$B $P $S --disk .", 2, /^bringup: \.: cannot be read: Is a directory\n$/],
  ["$B $P $S --screenshot /dev/full", 1, /^bringup: [^\n]*cannot be written: No space left on device\n$/],
  ["$B $V $H --serial /dev/full", 1, /^bringup: \/dev\/full: --serial: cannot be written: No space left on device\n$/],
  // Asked for before the guest prints anything.
  ["${B/-A/--allow-read} $P $S --screenshot x.png 2>&1 >out | cat >&2; test ! -s out -a ! -e x.png", 0, DENIED("write")],
  ["${B/-A/--allow-read} $V $H --serial x.log 2>&1 >out | cat >&2; test ! -s out -a ! -e x.log", 0, DENIED("write")],
  ["${B/-A/--allow-read} w.toml $S 2>&1 >out | cat >&2; test ! -s out", 0, DENIED("write")],
  // What was there stays until there is a picture.
  ["echo old >p.png; $B $P $S --screenshot p.png --serial no/such/folder; grep -q old p.png", 0, /cannot be written: No such file/],
  ["head -c 99999 /dev/zero >p.png; $B $P $S --screenshot p.png; tail -c 8 p.png | od -c | grep -q 'I *E *N *D'", 0, /^$/],
  ["$B $P $S --screenshot >(cat >q.png); sleep 0.2; tail -c 8 q.png | od -c | grep -q 'I *E *N *D'", 0, /^$/],
  ["$B describe $V --dtb /dev/full", 1, /^bringup: [^\n]*cannot be written: No space left on device\n$/],
  ["$B $V <(cat $H)", 0, /^$/],
  ["$B $V $'a\\xffb'", 2, /^bringup: [^\n]*a name that is not UTF-8 cannot be given: rename the file, or link to it\n$/],
  ["${B/-A/} $V $H", 2, DENIED("read")],
  ["${B/-A/} virt $H", 2, DENIED("read")],
  ["${B/-A/} describe $V", 2, DENIED("read")],
  ["${B/-A/--allow-read} describe $V --dtb x", 2, DENIED("write")],
  ["${B/-A/--allow-read} test x_test.ts", 2, DENIED("run")],
  ["${B/-A/--allow-read} $V $H --gdb", 2, DENIED("net")],
];
Deno.writeTextFileSync(`${scratch}/x_test.ts`, "");
Deno.writeTextFileSync(`${scratch}/big`, "");
Deno.writeTextFileSync(`${scratch}/w.toml`, 'extends = "pc.toml"\n[device.ide.disk1]\nfile = "w.img"\noverlay = false\n');
Deno.writeFileSync(`${scratch}/w.img`, new Uint8Array(4096));
Deno.truncateSync(`${scratch}/big`, 5 * 2 ** 30);

for (const [command, code, stderr] of OBSTACLES) {
  Deno.test({
    name: `in the way: ${command}`,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      if (command.includes("fifo")) await new Deno.Command("mkfifo", { args: [`${scratch}/fifo`] }).output();
      const [status, text] = await shell(command);
      assertEquals(status, code, text);
      assertMatch(text, stderr);
    },
  });
}

Deno.test({
  name: "a disk without an overlay has what the guest wrote when the output is full, and when its reader has gone",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const { machine, kernel } = guestFile("x86 writes");
    for (const output of [">/dev/full", "| head -c 1"]) {
      Deno.writeFileSync(`${scratch}/out.img`, new Uint8Array(1 << 20));
      Deno.writeTextFileSync(`${scratch}/m.toml`, `extends = "${machine}"\n[device.ide.disk0]\nfile = "out.img"\noverlay = false\n`);
      await shell(`$B m.toml ${kernel} ${output}`);
      const written = Deno.readFileSync(`${scratch}/out.img`).some((b) => b !== 0);
      assertEquals(written, true, output);
    }
  },
});

Deno.test("a guest that fills a disk over an overlay's bound ends with one line", async () => {
  const { machine, kernel } = guestFile("x86 writes_all");
  Deno.writeFileSync(`${scratch}/large.img`, new Uint8Array(1 << 20));
  const set = { "device.ide.disk0.written": 51200 };
  await using m = await boot(machine, { kernel, set, disks: [`${scratch}/large.img`], budget: { guest: "none", wall: "none" } });
  const e = await assertRejects(() => m.stopped(), ConfigError);
  assertMatch(
    e.message,
    /^the guest has written 51200 bytes of a disk, and memory holds all of that; its drive's key `written` allows more$/,
  );
});
