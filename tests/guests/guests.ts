// The table of the guests: what each image is, how it is started and what it must print. Tests of the emulator, the build and the QEMU oracle read it.

export type Arch = "riscv64" | "riscv32";

/** One way to run one image. */
export interface Guest {
  /** Unique; also the name of the expected output, `tests/guests/expected/<name>.txt`. */
  readonly name: string;
  readonly arch: Arch;
  /** Path from the repository's root. */
  readonly image: string;
  /** "S": started by firmware at 0x8020_0000; "M": started at the beginning of RAM without firmware. */
  readonly mode: "S" | "M";
  /** Numbers of harts that must all give the expected output. */
  readonly harts: readonly number[];
  /** Sent to the console, each text when the one before it has been answered by `after`. */
  readonly input: readonly { readonly after: string; readonly send: string }[];
  /** Where QEMU 7.2 does not do what the specification says: the expected output is not QEMU's, but checked line by line by hand. */
  readonly notQemu?: string;
  /** Kernel command line. */
  readonly append: string;
  /** Exit status under the built-in SBI, or without firmware. */
  readonly exit: number;
  /** Exit status under OpenSBI, which drops the reason of a shutdown. */
  readonly exitOpensbi: number;
  /** Machine file, path from the repository's root. */
  readonly machine: string;
}

/** How an image is made; `build.ts` knows the kinds. */
export interface Source {
  readonly kind: "rust" | "rust-test" | "c";
  /** Rust: the binary's name. C: source files below `tests/`, and `defines`. */
  readonly from: readonly string[];
  readonly defines?: readonly string[];
  /** Keep line information for a debugger. */
  readonly debug?: boolean;
}

interface Row extends Partial<Omit<Guest, "name" | "arch" | "image" | "machine">> {
  readonly name: string;
  readonly source: Source;
  readonly arches?: readonly Arch[];
  /** The folder of the image below `tests/`. */
  readonly folder?: string;
  /** What it prints depends on the firmware: a test of its own compares. */
  readonly compared?: boolean;
}

const BOTH: readonly Arch[] = ["riscv64", "riscv32"];
const rust = (bin: string, debug = false): Source => ({ kind: "rust", from: [bin], debug });
const rustTest = (bin: string): Source => ({ kind: "rust-test", from: [bin] });
const asm = (...files: string[]): Source => ({ kind: "c", from: files.map((file) => `guests/asm/${file}`) });
const bench = (...defines: string[]): Source => ({ kind: "c", from: ["bench/guests/start.S", "bench/guests/bench.c"], defines });
const benchOf = (...files: string[]): Source => ({ kind: "c", from: ["start.S", ...files].map((file) => `bench/guests/${file}`) });

const TYPED = [{ after: "> ", send: "hello\r" }, { after: "bytes: hello", send: "abd\x7fc\r" }];

const ROWS: readonly Row[] = [
  { name: "loop", source: asm("loop.S"), mode: "M" },
  { name: "stack_bss", source: asm("stack_bss.S", "stack_bss.c"), mode: "M" },
  { name: "m_hello", source: rust("m_hello"), mode: "M" },
  { name: "m_fail", source: rust("m_fail"), mode: "M", exit: 42 },
  {
    name: "pmp",
    source: asm("pmp.S", "pmp.c"),
    mode: "M",
    notQemu:
      "it looks at both ends of an access only, refuses across pages what both pages allow, and runs on into code that may not be executed",
  },
  { name: "paged", source: asm("paged.S", "paged.c"), mode: "M", harts: [1] },
  { name: "hello", source: rust("hello", true) },
  { name: "hello_dbcn", source: rust("hello_dbcn") },
  { name: "panic", source: rust("panic"), exit: 1 },
  { name: "tests_pass", source: rustTest("tests_pass") },
  { name: "tests_fail", source: rustTest("tests_fail"), exit: 1 },
  { name: "fdt", source: rust("fdt"), append: "root=/dev/vda quiet=1", harts: [1] },
  { name: "timer", source: rust("timer") },
  { name: "user", source: rust("user", true) },
  { name: "echo", source: rust("echo"), input: [...TYPED, { after: "bytes: abc", send: "exit\r" }] },
  { name: "echo_eof", source: rust("echo"), input: [{ after: "> ", send: "last line\r" }, { after: "bytes: last line", send: "cut\x04" }] },
  { name: "smp1", source: rust("smp"), harts: [1] },
  { name: "smp4", source: rust("smp"), harts: [4] },
  { name: "crates_io", source: rust("crates_io") },
  { name: "entry", source: asm("entry.S", "entry.c"), arches: ["riscv64"], compared: true },
  { name: "cases", source: asm("cases.S", "cases.c"), mode: "M", compared: true },
  { name: "virtio", source: asm("virtio.S", "virtio.c"), mode: "M", compared: true },
  { name: "deaths", source: asm("deaths.S"), arches: ["riscv64"], compared: true },
  { name: "bench", source: bench(), mode: "M", harts: [1], folder: "bench" },
  ...["sieve", "matmul", "quicksort", "crc", "fib", "list", "sha256", "copy", "search", "mandelbrot"].map((name): Row => (
    { name: `bench_${name}`, source: bench(`ONLY=${name}`), mode: "M", harts: [1], folder: "bench" }
  )),
  { name: "bench_suite", source: benchOf("suite.c"), mode: "M", harts: [1], append: "bench=all:1", folder: "bench" },
  { name: "system", source: benchOf("trap.S", "system.c"), mode: "M", harts: [1], append: "bench=all:2000", folder: "bench" },
];

/** The stem of an image: guests made from the same source share it. */
function imageName(row: Row): string {
  return row.source.kind === "c" ? row.name : row.source.from[0];
}

function bits(arch: Arch): string {
  return arch === "riscv64" ? "rv64" : "rv32";
}

function imagePath(row: Row, arch: Arch): string {
  return `tests/${row.folder ?? "guests"}/bin/${imageName(row)}.${bits(arch)}.elf`;
}

/** Every guest on every architecture it is built for. */
export const GUESTS: readonly Guest[] = ROWS.filter((row) => !row.compared).flatMap((row) =>
  (row.arches ?? BOTH).map((arch): Guest => ({
    name: `${row.name}.${bits(arch)}`,
    arch,
    image: imagePath(row, arch),
    mode: row.mode ?? "S",
    harts: row.harts ?? [1, 4],
    input: row.input ?? [],
    append: row.append ?? "",
    ...(row.notQemu === undefined ? {} : { notQemu: row.notQemu }),
    exit: row.exit ?? 0,
    exitOpensbi: row.mode === "M" ? row.exit ?? 0 : 0,
    machine: arch === "riscv64" ? "machines/virt.toml" : "machines/virt32.toml",
  }))
);

/** Every image once, with its source; those of the first do not end by themselves (`answer_test.ts`). */
export const IMAGES: readonly {
  readonly name: string;
  readonly arch: Arch;
  readonly mode: "S" | "M";
  readonly image: string;
  readonly source: Source;
}[] = [
  { name: "hostile", arch: "riscv64", mode: "M", image: "tests/guests/bin/hostile.rv64.elf", source: asm("hostile.S") },
  ...new Map(
    ROWS.flatMap((row) =>
      (row.arches ?? BOTH).map((arch) => {
        const image = imagePath(row, arch);
        return [image, { name: imageName(row), arch, mode: row.mode ?? "S", image, source: row.source }] as const;
      })
    ),
  ).values(),
];

/** Console text as the expected files hold it: no carriage returns, and one newline at the end. */
export function normalise(text: string): string {
  return text.replaceAll("\r", "").trimEnd() + "\n";
}
