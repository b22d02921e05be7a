// What snapshots cost: forks, rewinds, files, and the first command behind each; how many tests a second on one booted Linux; small kernels in one
// process. Writes snapshots.md; `deno task bench` runs it at its end.
// Run: deno run -A tests/bench/snapshots.ts [--only TEXT] [--rounds N]
import { parseArgs } from "@std/cli";
import process from "node:process";
import { boot, type BootOptions, expect, type MachineSession } from "../../mod.ts";
import { Shared } from "../../src/scenario/shared.ts";
import { path } from "./row.ts";

const options = parseArgs(Deno.args, { string: ["only", "rounds", "load"] }),
  only = String(options.only ?? ""),
  ROUNDS = Number(options.rounds ?? 5);
const LINUX = path("cache/linux/"), FILE = Deno.makeTempFileSync({ suffix: ".snap" });
const linux = (memory: string): BootOptions => ({
  kernel: `${LINUX}Image`,
  initrd: `${LINUX}initramfs.cpio.gz`,
  append: "console=ttyS0 earlycon=sbi",
  set: { memory },
});

interface Subject {
  readonly name: string;
  readonly machine: string;
  readonly options: BootOptions;
  readonly ready: (m: MachineSession) => Promise<unknown>;
  readonly command: (m: MachineSession) => Promise<unknown>;
  readonly needs?: string;
}
const shell = {
  machine: "virt",
  ready: async (m: MachineSession) => {
    await expect(m.serial).toPrint("bringup: userspace is up");
    await expect(m.serial).toPrint(/# $/);
    // Behind the prompt the kernel has work for another second.
    await m.run({ for: "1s" });
  },
  command: async (m: MachineSession) => {
    await m.serial.send("uname -srm; ls /bin | md5sum\n");
    await expect(m.serial).toPrint(/^[0-9a-f]{32} [^]*# $/m);
  },
  needs: `${LINUX}Image`,
};
const SUBJECTS: readonly Subject[] = [
  { name: "Debian's Linux, 256 MiB", options: linux("256MiB"), ...shell },
  { name: "Debian's Linux, 2 GiB", options: linux("2GiB"), ...shell },
  {
    name: "PC, BIOS, a shell, 128 MiB",
    machine: "pc",
    options: { kernel: path("tests/guests/bin/x86_shell.img") },
    ready: (m) => expect(m.screen).toShow("> ", { row: -1 }),
    command: async (m) => {
      await m.keyboard.type("warn Careful\n");
      await expect(m.screen).toShow("Careful", { fg: "yellow", bg: "red" });
    },
  },
];

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}
async function cost(work: () => unknown): Promise<Cost> {
  const from = performance.now(), before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - from, cpu: (user + system) / 1000 };
}
/** The least of some rounds: on a busy machine the others tell of the others. */
const least = (costs: readonly Cost[]): Cost => ({
  wall: Math.min(...costs.map((c) => c.wall)),
  cpu: Math.min(...costs.map((c) => c.cpu)),
});
async function times(work: () => unknown, before: () => unknown = () => {}): Promise<Cost> {
  const costs: Cost[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    await before();
    costs.push(await cost(work));
  }
  return least(costs);
}

const lines: string[] = [];
const say = (line: string) => {
  console.log(line);
  lines.push(line);
};
const row = (what: string, { wall, cpu }: Cost, more = "") =>
  say(`| ${what} | ${wall.toFixed(1)} | ${Number.isNaN(cpu) ? "" : cpu.toFixed(1)} | ${more} |`);
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

async function measure({ name, machine, options, ready, command }: Subject): Promise<void> {
  say(`\n| ${name} | wall, ms | CPU, ms | |\n| --- | --- | --- | --- |`);
  const m = await boot(machine, options);
  row("boot", await cost(() => ready(m)));
  const pages = () => (m.snapshot().machine as { pages: ReadonlyMap<number, unknown> }).pages.size;
  // The later ones share its snapshot, which counting the pages keeps.
  row("fork, the first of a state", await cost(() => void m.fork()), `${mib(4096 * pages())} are not zero`);
  const forks: MachineSession[] = [];
  row("fork, more of them", await times(() => void forks.push(m.fork())));
  const cold = await times(() => command(forks.shift()!));
  const used = m.fork(), state = m.snapshot();
  await command(used);
  row("restore", await times(() => used.restore(state), () => command(used)));
  await command(used);
  row("rewind", await times(() => used.rewind(), () => command(used)));
  row("save", await times(() => m.save(FILE)), `a file of ${mib(Deno.statSync(FILE).size)}`);
  row("load: `boot` to the first instruction", await elsewhere(name, FILE), "in a process that has nothing else");
  const loaded = await boot(machine, { ...options, load: FILE });
  row("first command in a fork", cold);
  row("first command in a loaded machine", await cost(() => command(loaded)));
  used.rewind();
  row("first command behind a rewind", await times(() => command(used), () => used.rewind()));
  const parent = await cost(() => command(m));
  row("first command in the parent", parent);
  row("its next one", await cost(() => command(m)));
}

/** What loading a file costs in a process of its own, as it mostly is. */
async function elsewhere(name: string, file: string): Promise<Cost> {
  const args = ["run", "-A", import.meta.filename!, "--only", name, "--load", file, "--rounds", String(ROUNDS)];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}
if (options.load !== undefined) {
  const { machine, options: booted } = SUBJECTS.find((s) => s.name === only)!;
  console.log(JSON.stringify(await times(() => boot(machine, { ...booted, load: String(options.load) }))));
  Deno.exit();
}

async function tests(): Promise<void> {
  const all = new Shared(async () => {
    const m = await boot("virt", linux("256MiB"));
    await shell.ready(m);
    m.snapshot();
    return m;
  });
  await all.with(async () => {});
  const hundred = await cost(async () => {
    for (let n = 0; n < 100; n++) {
      await all.with(async (m) => {
        await m.serial.send(`echo $((${n} * 7))\n`);
        await expect(m.serial).toPrint(`\n${n * 7}\r`);
      });
    }
  });
  say("\n| Debian's Linux, 256 MiB, one boot | wall, ms | CPU, ms | |\n| --- | --- | --- | --- |");
  row("100 tests, each a command of its shell", hundred, `${(100_000 / hundred.wall).toFixed(0)} a second`);
}

async function kernels(): Promise<void> {
  const kernel = path("tests/guests/bin/hello.rv64.elf");
  const ours = await cost(async () => {
    for (let n = 0; n < 20; n++) {
      const m = await boot("virt", { kernel });
      await m.stopped();
    }
  });
  const qemu = await cost(async () => {
    for (let n = 0; n < 20; n++) {
      await new Deno.Command("qemu-system-riscv64", { args: ["-M", "virt", "-nographic", "-kernel", kernel], stdin: "null" }).output();
    }
  }).catch(() => undefined);
  say("\n| a small kernel, 20 times | wall, ms | CPU, ms | |\n| --- | --- | --- | --- |");
  row("booted in one process", ours, qemu ? `${(ours.wall / qemu.wall).toFixed(2)} of QEMU's` : "");
  if (qemu) row("by 20 QEMU processes", { ...qemu, cpu: NaN });
}

const exists = (file: string) => {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
};
const wanted = (name: string) => name.toLowerCase().includes(only.toLowerCase());
say("# Snapshots\n");
say(
  `Written by \`deno run -A tests/bench/snapshots.ts\`; the least of ${ROUNDS} rounds where something is done more than once. ` +
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, load ${Deno.loadavg()[0].toFixed(1)}.`,
);
for (const subject of SUBJECTS) {
  if (!wanted(subject.name)) continue;
  if (subject.needs && !exists(subject.needs)) console.log(`skipped: ${subject.name}: ${subject.needs} is not there`);
  else await measure(subject);
}
if (wanted("tests") && exists(shell.needs)) await tests();
if (wanted("kernels")) await kernels();
Deno.removeSync(FILE);
if (!only) {
  const file = path("tests/bench/snapshots.md");
  Deno.writeTextFileSync(file, lines.join("\n") + "\n");
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", file] }).output();
}
Deno.exit();
