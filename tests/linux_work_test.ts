// Real work in Debian's Linux, riscv64 and amd64: what busybox makes of files of some megabytes, by checksums, against the host's own tools. Kernel and
// user programs run under paging, over frames as the kernel gives them out, and with the timer's interrupts in between.
// `deno run -A scripts/dev/fetch_debian.ts [--arch amd64]` gets the kernels; without them this is skipped, which CI (the variable CI is set) takes for a
// failure.
import { assertEquals } from "@std/assert";
import { boot } from "../mod.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** What is done, one line of the shell each, every one of which prints one line; N is how many numbers, n a tenth of it. */
const WORK: Readonly<Record<string, string>> = {
  seq: "seq 1 $N > a; md5sum < a",
  sha256: "sha256sum < a",
  gzip: "gzip -c a > a.gz; gunzip -c a.gz | cmp - a && gunzip -c a.gz | sha256sum",
  awk: "head -n $n a | awk '{ s = (s * 31 + $1) % 65521; print s, $1, NR % 7 }' > b; md5sum < b",
  sort: "sort -n b > c; sort -k2,2 -k1,1nr c | sha256sum",
  sed: "sed -e 's/\\([0-9]\\)\\([0-9]\\) /\\2-\\1 /g' -e 's/7/seven/g' -e '/^1/d' b > d; md5sum < d",
  bzip2: "bzip2 -c d > d.bz2; bunzip2 -c d.bz2 | cmp - d && bunzip2 -c d.bz2 | md5sum",
  tar: "mkdir -p t; tar cf - a b c d | tar xf - -C t; cat t/a t/b t/c t/d | sha256sum",
  od: "head -c 200000 b | od -An -v -tx1 | tr -d ' \\n' | md5sum",
  copy: "dd if=a of=e bs=4093 2>/dev/null; tail -c +4 e | head -c 3000001 | sha512sum",
};

interface System {
  readonly machine: string;
  readonly folder: string;
  readonly kernel: string;
  readonly memory: string;
  readonly harts: string;
}
const SYSTEMS: Readonly<Record<string, System>> = {
  riscv64: { machine: "virt.toml", folder: "linux", kernel: "Image", memory: "memory.dram.size", harts: "cpu.harts" },
  amd64: { machine: "pc.toml", folder: "linux_amd64", kernel: "vmlinuz", memory: "memory.ram.size", harts: "harts" },
};
/** The interpreter alone takes some ten times as long, so it has a tenth of the work. */
const RUNS = [{ engine: "jit", harts: 1, numbers: 100_000 }, { engine: "jit", harts: 4, numbers: 40_000 }, {
  engine: "interp",
  harts: 1,
  numbers: 10_000,
}] as const;

const vars = (numbers: number) => `N=${numbers} n=${numbers / 10} LC_ALL=C; export LC_ALL`;

async function onHost(numbers: number): Promise<string[]> {
  const cwd = await Deno.makeTempDir();
  try {
    const script = [vars(numbers), ...Object.values(WORK)].join("\n");
    const { stdout, stderr, success } = await new Deno.Command("sh", { args: ["-c", script], cwd }).output();
    if (!success) throw new Error(`the host's tools: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout).trim().split("\n");
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

async function inGuest(system: System, run: typeof RUNS[number]): Promise<string[]> {
  const folder = `${ROOT}cache/${system.folder}/`;
  await using m = await boot(`${ROOT}machines/${system.machine}`, {
    kernel: folder + system.kernel,
    initrd: `${folder}initramfs.cpio.gz`,
    append: "console=ttyS0 quiet",
    set: { [system.memory]: "256MiB", [system.harts]: run.harts },
    engine: run.engine,
    failOn: [/Kernel panic/, /Oops/, /segfault/],
    budget: { guest: "120s" },
  });
  await m.serial.toPrint("bringup: userspace is up");
  const lines: string[] = [];
  for (const command of [`cd /tmp 2>/dev/null || cd /; ${vars(run.numbers)}; echo ready`, ...Object.values(WORK)]) {
    await m.serial.toPrint(/# $/);
    // What was typed is echoed, but not in this form; the answer is the line in front.
    await m.serial.send(`${command}; echo do""ne\n`);
    const before = m.serial.text().length;
    await m.serial.toPrint(/^done\r$/m);
    lines.push(/([^\r\n]*)\r*\ndone\r/.exec(m.serial.text().slice(before))?.[1] ?? "");
  }
  return lines.slice(1);
}

for (const [arch, system] of Object.entries(SYSTEMS)) {
  for (const run of RUNS) {
    const have = exists(`${ROOT}cache/${system.folder}/${system.kernel}`);
    if (!have) console.log(`skipped: Debian's ${arch} kernel is not in cache/${system.folder}`);
    Deno.test({
      name:
        `${arch} Linux, ${run.harts} harts, ${run.engine}: gzip, sha256, md5, sort, awk, sed, tar, bzip2 give what they give on the host`,
      ignore: !have && !Deno.env.get("CI"),
      fn: async () => {
        const [here, there] = [await inGuest(system, run), await onHost(run.numbers)];
        assertEquals(
          Object.fromEntries(Object.keys(WORK).map((k, i) => [k, here[i]])),
          Object.fromEntries(Object.keys(WORK).map((k, i) => [k, there[i]])),
        );
      },
    });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
