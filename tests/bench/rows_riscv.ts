// The rows of RISC-V guests. Counts are chosen so that QEMU takes one to two seconds: the start of a process has rows of its own.
import { basename } from "@std/path";
import type { Command } from "./measure.ts";
import { bringup, NATIVE, path, qemu, type Row } from "./row.ts";

type Bits = 64 | 32;

/** Programs of guests/suite.c and how often each is run: once is about 150 million instructions. */
const INTEGER = { sieve: 48, matmul: 48, quicksort: 15, crc: 27, fib: 18, list: 6, sha256: 60, copy: 39, search: 24 };
const REAL = {
  nbody_double: 4,
  nbody_single: 2,
  mandel_double: 4,
  mandel_single: 2,
  linpack_double: 8,
  linpack_single: 4,
  fft_double: 14,
  fft_single: 6,
};
/** Programs of guests/system.c and how many events each has. */
const SYSTEM = { syscall: 1_000_000, switch: 1_000_000, fault: 1_000_000, smc: 200_000, fork: 500_000 };

const MARKER = "bringup: userspace is up";
const LINUX = ["cache/linux/Image", "cache/linux/initramfs.cpio.gz", "cache/linux/fw_dynamic.bin"];
const APPEND = "console=ttyS0 earlycon=sbi";

const ours = (kernel: string, args: readonly string[] = [], bits: Bits = 64, until?: string): Command =>
  bringup([path(bits === 64 ? "machines/virt.toml" : "machines/virt32.toml"), path(kernel), ...args], until);
const theirs = (kernel: string, args: readonly string[] = [], bits: Bits = 64, until?: string): Command =>
  qemu(`riscv${bits}`, ["-M", "virt", "-nographic", "-kernel", path(kernel), ...args], until);

/** The same M-mode image on both, with a parameter. */
function program(group: string, image: string, bits: Bits, name: string, count: number, more: Partial<Row> = {}): Row {
  const file = `tests/bench/bin/${image}.rv${bits}.elf`, parameter = `bench=${name}:${count}`;
  return {
    name,
    group,
    measures: "time",
    ours: ours(file, ["--append", parameter], bits),
    other: theirs(file, ["-bios", "none", "-append", parameter], bits),
    ...more,
  };
}

function linux(name: string, engine: string, target: number): Row {
  return {
    name,
    group: "Debian's Linux to its first process",
    measures: "time",
    ours: ours(
      LINUX[0],
      ["--engine", engine, "--firmware", path(LINUX[2]), "--initrd", path(LINUX[1]), "--memory", "256MiB", "--append", APPEND],
      64,
      MARKER,
    ),
    other: theirs(LINUX[0], ["-m", "256M", "-bios", path(LINUX[2]), "-initrd", path(LINUX[1]), "-append", APPEND], 64, MARKER),
    target,
    needs: LINUX,
  };
}

const DISK = "cache/bench/disk.img", DISK_INITRD = "cache/bench/disk.cpio.gz", DISK_MARKER = "bringup: the disk was written and read";
const DISK_NEEDS = [LINUX[0], LINUX[1], "cache/linux/modules.cpio.gz"];

/** Linux writes 256 MiB to a virtio disk and reads them back, from its start on; what it writes stays in memory, or in QEMU's temporary file. */
const disk: Row = {
  name: "256 MiB written and read by dd",
  group: "Virtio disk",
  measures: "time",
  ours: ours(
    LINUX[0],
    ["--initrd", path(DISK_INITRD), "--disk", path(DISK), "--append", "console=ttyS0 quiet rdinit=/disk-bench"],
    64,
    DISK_MARKER,
  ),
  other: theirs(
    LINUX[0],
    [
      ...["-initrd", path(DISK_INITRD), "-append", "console=ttyS0 quiet rdinit=/disk-bench"],
      ...["-drive", `if=none,id=d,format=raw,snapshot=on,file=${path(DISK)}`, "-device", "virtio-blk-device,drive=d"],
    ],
    64,
    DISK_MARKER,
  ),
  printsTimes: true,
  target: 1.0,
  needs: DISK_NEEDS,
  prepare: async () => {
    const archives = await Promise.all(DISK_NEEDS.slice(1).map((file) => Deno.readFile(path(file))));
    await Deno.mkdir(path("cache/bench"), { recursive: true });
    await Deno.writeFile(path(DISK_INITRD), new Uint8Array(await new Blob(archives).arrayBuffer()));
    using file = await Deno.open(path(DISK), { write: true, create: true });
    await file.truncate(256 << 20);
  },
};

const hello = (bits: Bits) => `tests/guests/bin/hello.rv${bits}.elf`;
const mHello = (bits: Bits) => `tests/guests/bin/m_hello.rv${bits}.elf`;

/** An image of the user's own that starts in M-mode on RV64 and powers off. */
export function kernelRow(file: string): Row {
  return {
    name: basename(file),
    group: "Kernels of the command line",
    measures: "time",
    ours: ours(file),
    other: theirs(file, ["-bios", "none"]),
    printsTimes: true,
  };
}

/** `count` scales how often a program runs. */
export function riscvRows(count: (n: number) => number): Row[] {
  const programs = (table: Readonly<Record<string, number>>, make: (name: string, n: number) => Row) =>
    Object.entries(table).map(([name, n]) => make(name, count(n)));
  const start = "Start to exit";
  const native = (name: string, n: number): Command => ({ program: NATIVE, args: [`${name}:${n}`] });
  return [
    {
      name: "hello S-mode (QEMU: its own OpenSBI)",
      group: start,
      measures: "time",
      ours: ours(hello(64)),
      other: theirs(hello(64)),
      target: 0.8,
      most: 120,
    },
    {
      name: "hello M-mode RV64",
      group: start,
      measures: "time",
      ours: ours(mHello(64)),
      other: theirs(mHello(64), ["-bios", "none"]),
    },
    {
      name: "hello M-mode RV32",
      group: start,
      measures: "time",
      ours: ours(mHello(32), [], 32),
      other: theirs(mHello(32), ["-bios", "none"], 32),
    },
    {
      name: "2 GiB machine (other: 128 MiB here)",
      group: start,
      measures: "time",
      ours: ours(mHello(64), ["--memory", "2GiB"]),
      other: ours(mHello(64), ["--memory", "128MiB"]),
      target: 1.1,
    },
    program("Memory", "bench_suite", 64, "sieve", count(6), { name: "128 MiB machine, 1 MiB used", measures: "memory", most: 120 }),
    {
      ...program("Interpreter alone", "bench_suite", 64, "integer", 1),
      ours: ours("tests/bench/bin/bench_suite.rv64.elf", ["--engine", "interp", "--append", "bench=integer:1"]),
      leastMips: 300,
    },
    linux("JIT", "jit", 1.0),
    linux("interpreter alone", "interp", 6.0),
    disk,
    ...programs(INTEGER, (name, n) => program("Integer, RV64", "bench_suite", 64, name, n, { target: 1.0, native: native(name, n) })),
    ...programs(INTEGER, (name, n) => program("Integer, RV32", "bench_suite", 32, name, n)),
    ...programs(REAL, (name, n) => program("Floating point, RV64", "bench_suite", 64, name, n, { native: native(name, n) })),
    ...programs(SYSTEM, (name, n) => program("System-heavy, RV64", "system", 64, name, n)),
  ];
}
