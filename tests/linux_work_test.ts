// Real work in Debian's Linux, riscv64 and amd64, on 1 and 4 harts: what busybox makes of 20 MB, by checksums, against the host's own tools. Kernel
// and user programs run under paging, over frames as the kernel gives them out, and with the timer's interrupts in between. The interpreter, which
// takes some ten times as long, goes on from the same snapshot with 1.5 MB.
// `deno run -A scripts/dev/fetch_debian.ts [--arch amd64]` gets the kernels; without them this is skipped, which CI (the variable CI is set) takes for a
// failure.
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { boot, type MachineSession } from "../mod.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** A line of the shell that reads `file` and prints one line. Hashes and copies get most of the bytes: other tools take 50 times as long for one. */
interface Step {
  readonly file: string;
  readonly run: string;
}
/** What makes the files, in this order. N numbers are the text, which is in `big` T times, in letters and in others in turn. */
const FIRST: Readonly<Record<string, Step>> = {
  seq: { file: "a", run: "seq $((N * $1 + 1)) $((N * $1 + N)) > a; md5sum < a" },
  gzip: { file: "a", run: "gzip -c a > a.gz; gunzip -c a.gz | cmp - a && gunzip -c a.gz | sha256sum" },
  big: {
    file: "a",
    run: "tr '0-9\\n' '\\200-\\212' < a > u; i=0; while [ $i -lt $T ]; do cat a u; i=$((i + 1)); done > big; tail -c 5000 big | md5sum",
  },
  awk: { file: "a4", run: "head -n $((N / 4)) a > a4; awk '{ s = (s * 31 + $1) % 65521; print s, $1, NR % 7 }' < a4 > b; md5sum < b" },
  sed: { file: "b", run: "sed -e 's/\\([0-9]\\)\\([0-9]\\) /\\2-\\1 /g' -e 's/7/seven/g' -e '/^1/d' b > d; md5sum < d" },
};
/** What works on them: each job begins elsewhere, so that the harts do different things. */
const THEN: Readonly<Record<string, Step>> = {
  md5: { file: "big", run: "md5sum < big" },
  sha256: { file: "big", run: "sha256sum < big" },
  copy: { file: "big", run: "dd if=big of=e bs=4093 2>/dev/null; cmp big e && tail -c +4 e | sha512sum" },
  tar: { file: "big", run: "mkdir t; tar cf - big b d | tar xf - -C t; cat t/big t/b t/d | sha256sum" },
  cat: { file: "big", run: "cat big | tr 0-9 a-j | sha1sum" },
  gunzip: { file: "g", run: "head -c $((N * 20)) big > g; gzip -1 -c g | gunzip -c | md5sum" },
  sort: { file: "b", run: "sort -n b > c; sort -k2,2 -k1,1nr c | sha256sum" },
  bzip2: { file: "d", run: "bzip2 -c d > d.bz2; bunzip2 -c d.bz2 | cmp - d && bunzip2 -c d.bz2 | md5sum" },
  od: { file: "o", run: "head -c 30000 b > o; od -An -v -tx1 < o | tr -d ' \\n' | md5sum" },
};

const JOBS = 4;
/** `sh work JOBS N T`: so many jobs at a time, each in a folder of its own; a line for each step: job, step, bytes of its file, result. */
const SCRIPT = [
  "N=$2 T=$3 LC_ALL=C; export LC_ALL",
  ...Object.entries({ ...FIRST, ...THEN }).map(([name, { run }]) => `do_${name}() { ${run}; }`),
  ...Object.entries({ ...FIRST, ...THEN }).map(([name, { file }]) => `of_${name}=${file}`),
  ...Array.from({ length: JOBS }, (_, job) => {
    const names = Object.keys(THEN), at = 2 * job;
    return `order_${job}='${[...Object.keys(FIRST), ...names.slice(at), ...names.slice(0, at)].join(" ")}'`;
  }),
  "job() {",
  "  mkdir $1; cd $1",
  '  eval "steps=\\$order_$1"',
  '  for s in $steps; do r=$(do_$s $1); eval "f=\\$of_$s"; echo "$1 $s $(stat -c %s $f) $r"; done',
  "}",
  "j=0; while [ $j -lt $1 ]; do job $j & j=$((j + 1)); done; wait",
];

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
interface Dose {
  /** What the files have at least that the tools read, over all jobs: counted by the guest and by the host. */
  readonly bytes: number;
  readonly numbers: number;
  readonly times: number;
}
const DOSES: Readonly<Record<number, Readonly<Record<"jit" | "interp", Dose>>>> = {
  1: { jit: { bytes: 20e6, numbers: 20_000, times: 18 }, interp: { bytes: 1.5e6, numbers: 2_000, times: 18 } },
  4: { jit: { bytes: 20e6, numbers: 5_000, times: 18 }, interp: { bytes: 1.5e6, numbers: 500, times: 18 } },
};

/** The lines of the steps, in order. */
const steps = (text: string) => (text.match(/^[0-3] [a-z]\w* \d.*$/gm) ?? []).map((line) => line.trimEnd()).sort();

async function onHost(jobs: number, { numbers, times }: Dose): Promise<string[]> {
  const cwd = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${cwd}/work`, SCRIPT.join("\n"));
    const args = ["work", jobs, numbers, times].map(String);
    const { stdout, stderr, success } = await new Deno.Command("sh", { args, cwd }).output();
    if (!success || stderr.length) throw new Error(`the host's tools: ${new TextDecoder().decode(stderr)}`);
    return steps(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

/** A virtio disk with packed queues, one for each hart, and drivers for it in a second archive behind the first. */
interface VirtioDisk {
  readonly initrd: string;
  readonly image: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}
const ON_DISK = {
  "device.virtio.force_legacy": false,
  "device.virtio.packed": true,
  "device.virtio[0].queues": 4,
  "device.virtio[1].type": "virtio.rng",
};

const start = (system: System, harts: number, engine: "jit" | "interp", disk?: VirtioDisk) =>
  boot(`${ROOT}machines/${system.machine}`, {
    kernel: `${ROOT}cache/${system.folder}/${system.kernel}`,
    initrd: disk?.initrd ?? `${ROOT}cache/${system.folder}/initramfs.cpio.gz`,
    append: "console=ttyS0 quiet",
    disks: disk ? [disk.image] : [],
    set: { [system.memory]: "256MiB", [system.harts]: harts, ...disk && ON_DISK },
    engine,
    failOn: [/Kernel panic/, /Oops/, /segfault/],
    budget: { guest: "200s" },
  });

/** The script in a file of the guest. */
async function prepare(m: MachineSession): Promise<void> {
  await m.serial.toPrint("bringup: userspace is up");
  await m.serial.toPrint(/# $/);
  // `cat` reads lines as the terminal makes them, without the shell's editing.
  await m.serial.send("cd /tmp 2>/dev/null || cd /; cat > work\n");
  for (const line of SCRIPT) await m.serial.send(`${line}\n`);
  await m.serial.send("\x04");
  await m.serial.toPrint(/# $/);
}

async function inGuest(m: MachineSession, jobs: number, { numbers, times }: Dose): Promise<string[]> {
  const before = m.serial.text().length;
  // What was typed is echoed, but not in this form.
  await m.serial.send(`sh work ${jobs} ${numbers} ${times}; grep '^cpu[0-9]' /proc/stat; echo do""ne\n`);
  await m.serial.toPrint(/^done\r$/m);
  return m.serial.text().slice(before).split("\n");
}

async function compare(m: MachineSession, harts: number, dose: Dose): Promise<void> {
  const lines = await inGuest(m, harts, dose), here = steps(lines.join("\n")), there = await onHost(harts, dose);
  assertEquals(here, there);
  const bytes = here.reduce((sum, line) => sum + Number(line.split(" ")[2]), 0);
  assert(here.length === harts * Object.keys({ ...FIRST, ...THEN }).length && bytes >= dose.bytes, `${here.length} steps, ${bytes} bytes`);
  // Hundredths of a second in user programs, of which the interpreter's dose has few.
  const worked = lines.flatMap((line) => /^cpu\d (\d+)/.exec(line)?.[1] ?? []).map(Number);
  assert(worked.length === harts && Math.min(...worked) >= Math.max(...worked) / 4 - 2, `hundredths of a second by hart: ${worked}`);
  console.log(`${bytes} bytes read by ${here.length} steps; hundredths of a second by hart: ${worked}`);
}

/** What a shell command of the guest prints, once the shell neither echoes nor prompts. */
async function ask(m: MachineSession, command: string): Promise<string> {
  const before = m.serial.text().length;
  await m.serial.send(`${command}; echo do""ne\n`);
  await m.serial.toPrint(/^done\r$/m);
  return m.serial.text().slice(before).replaceAll("\r", "").trim().replace(/\n?done$/, "");
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** A disk of 4 MiB in a file, and what the kernel is started with, as long as `use` takes. */
async function withDisk(folder: string, use: (disk: VirtioDisk) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir(), bytes = Uint8Array.from({ length: 4 << 20 }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 13);
  try {
    const archives = ["initramfs", "modules"].map((name) => Deno.readFileSync(`${ROOT}cache/${folder}/${name}.cpio.gz`));
    const disk = { initrd: `${dir}/initrd`, image: `${dir}/disk`, bytes };
    await Deno.writeFile(disk.initrd, new Uint8Array(await new Blob(archives).arrayBuffer()));
    await Deno.writeFile(disk.image, bytes);
    await use(disk);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The disk is what its image is, and what is written to it is read back; so is what its queues were agreed to be. */
async function onDisk(m: MachineSession, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await ask(m, "stty -echo; PS1=");
  await ask(m, "for module in /modules/*; do insmod $module; done");
  // Bits of the features: 12 several queues, 28 indirect, 29 event index, 32 version 1, 34 packed.
  const features = await ask(m, "cat /sys/bus/virtio/devices/virtio0/features");
  assertEquals([12, 28, 29, 32, 34].map((bit) => features[bit]).join(""), "11111", features);
  assertEquals(await ask(m, "sha256sum < /dev/vda; ls /sys/block/vda/mq | wc -l"), `${await sha256(bytes)}  -\n4`);
  // The third MiB is the first, and so is the fourth, a quarter by each of four at once.
  bytes.copyWithin(2 << 20, 0, 1 << 20);
  bytes.copyWithin(3 << 20, 0, 1 << 20);
  await ask(m, "dd if=/dev/vda of=/dev/vda bs=64k seek=32 count=16 conv=fsync 2>/dev/null");
  const copy = "dd if=/dev/vda of=/dev/vda bs=64k skip=$((4 * n)) seek=$((48 + 4 * n)) count=4 conv=fsync 2>/dev/null";
  await ask(m, `(for n in 0 1 2 3; do ${copy} & done; wait); echo 3 > /proc/sys/vm/drop_caches`);
  assertEquals(await ask(m, "sha256sum < /dev/vda"), `${await sha256(bytes)}  -`);
  assertEquals(await ask(m, "cat /sys/class/misc/hw_random/rng_current; head -c 64 /dev/hwrng | wc -c"), "virtio_rng.0\n64");
}

for (const [arch, system] of Object.entries(SYSTEMS)) {
  const have = existsSync(`${ROOT}cache/${system.folder}/${system.kernel}`);
  if (!have) console.log(`skipped: Debian's ${arch} kernel is not in cache/${system.folder}`);
  const modules = existsSync(`${ROOT}cache/${system.folder}/modules.cpio.gz`);
  for (const [harts, doses] of Object.entries(DOSES).map(([n, doses]) => [Number(n), doses] as const)) {
    Deno.test({
      name: `${arch} Linux, ${harts} harts: gzip, sha256, md5, sort, awk, sed, tar, bzip2 give what they give on the host`,
      ignore: !have && !Deno.env.get("CI"),
      fn: async (t) => {
        const work = async (disk?: VirtioDisk) => {
          await using m = await start(system, harts, "jit", disk);
          await prepare(m);
          const ready = m.snapshot();
          await t.step("JIT", () => compare(m, harts, doses.jit));
          await t.step("interpreter", async () => {
            await using m = await start(system, harts, "interp", disk);
            m.restore(ready);
            await compare(m, harts, doses.interp);
          });
          if (disk) await t.step("virtio disk", () => onDisk(m, disk.bytes));
        };
        await (arch === "riscv64" && harts === 4 && (modules || Deno.env.get("CI")) ? withDisk(system.folder, work) : work());
      },
    });
  }
}
