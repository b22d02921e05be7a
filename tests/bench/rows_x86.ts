// The rows of x86 guests, on machines/pc.toml and QEMU's `pc`.
import { bringup, path, qemu, type Row } from "./row.ts";

/** Programs of guests/suite.c in long mode and how often each is run. */
const INTEGER = { sieve: 36, matmul: 48, quicksort: 15, crc: 27, fib: 30, list: 6, sha256: 48, copy: 39, search: 24 };
const REAL = {
  nbody_double: 4,
  nbody_single: 4,
  mandel_double: 6,
  mandel_single: 6,
  linpack_double: 8,
  linpack_single: 8,
  fft_double: 10,
  fft_single: 10,
};
/** Programs of guests/x86/system.c and how many events each has. */
const SYSTEM = { syscall: 8_000_000, switch: 1_000_000, fault: 1_000_000, smc: 200_000 };

const QEMU = ["-display", "none", "-no-reboot", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"];
const PC = path("machines/pc.toml");

/** A disk image from the start of the process to the debug exit; those that are not in the repository are built by `deno task guests`. */
function disk(name: string, folder: string): Row {
  const image = `${folder}/x86_${name}.img`;
  return {
    name: `${name}, BIOS disk image`,
    group: "Start to exit, PC",
    measures: "time",
    ours: bringup([PC, path(image)]),
    other: qemu("x86_64", [...QEMU, "-drive", `format=raw,file=${path(image)},snapshot=on`]),
    target: 1,
    needs: [image],
  };
}

/** A PVH kernel with a parameter. */
function program(group: string, image: string, name: string, count: number, more: Partial<Row> = {}): Row {
  const file = path(`tests/bench/bin/${image}.x86_64.elf`), parameter = `bench=${name}:${count}`;
  return {
    name,
    group,
    measures: "time",
    ours: bringup([PC, file, "--append", parameter]),
    other: qemu("x86_64", [...QEMU, "-kernel", file, "-append", parameter]),
    ...more,
  };
}

/** `count` scales how often a program runs. */
export function x86Rows(count: (n: number) => number): Row[] {
  const programs = (table: Readonly<Record<string, number>>, make: (name: string, n: number) => Row) =>
    Object.entries(table).map(([name, n]) => make(name, count(n)));
  return [
    disk("serial", "cache/guests"),
    disk("tests_pass", "cache/guests"),
    disk("memory", "tests/guests/bin"),
    {
      ...program("Interpreter alone, x86-64", "bench_suite", "integer", 1),
      ours: bringup([PC, path("tests/bench/bin/bench_suite.x86_64.elf"), "--engine", "interp", "--append", "bench=integer:1"]),
      leastMips: 100,
    },
    ...programs(INTEGER, (name, n) => program("Integer, x86-64", "bench_suite", name, n, { target: 1 })),
    ...programs(REAL, (name, n) => program("Floating point, x86-64", "bench_suite", name, n)),
    ...programs(SYSTEM, (name, n) => program("System-heavy, x86-64", "system", name, n)),
  ];
}
