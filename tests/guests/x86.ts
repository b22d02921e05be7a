// The table of the x86 guests: what each image is, what is typed, how it must end. Tests of the emulator, the build and the QEMU oracle read it.

/** How an image is made; `x86_build.ts` knows the kinds. */
export type X86Kind =
  /** NASM source that is the image: a boot sector, and what it loads. */
  | "sector"
  /** NASM source linked to an ELF kernel; of "elf64" with 64 bits. QEMU cannot start Multiboot2 kernels and those of 64 bits itself: GRUB does. */
  | "elf"
  | "multiboot2"
  | "elf64"
  /** Kernel in `rust_x86/src/bin`, or its tests, in a disk image of the bootloader crate; "mapped" has all physical memory in its page tables. */
  | "rust"
  | "rust-test"
  | "rust-mapped"
  /** C in `tests/bench/guests`: a PVH kernel in long mode, or in protected mode. */
  | "c"
  /** NASM source that is an image with Linux's header, for the entry in real mode. */
  | "linux16";

/** What is typed on the keyboard when the console has printed `after`. */
export interface Typed {
  readonly after: string;
  readonly text: string;
  /** Movements and buttons of the mouse, each a packet. */
  readonly mouse?: readonly { readonly dx: number; readonly dy: number; readonly buttons: number }[];
}

export interface X86Guest {
  /** Unique; expected are `expected/<name>.txt` on the serial port and `expected/<name>.screen` on the screen. */
  readonly name: string;
  readonly kind: X86Kind;
  /** Path from the repository's root. Images below `cache/` are not in the repository. */
  readonly image: string;
  /** Status of the run: what was written to the debug exit, or "triple" for the processor's shutdown. */
  readonly exit: number | "triple";
  readonly typed: readonly Typed[];
  /** Compare the screen, too. */
  readonly screen: boolean;
  readonly append: string;
  /** Processors. */
  readonly harts: number;
  /** A Multiboot module: a file in `asm/`, and its arguments. */
  readonly module?: { readonly file: string; readonly text: string };
}

type Row = Pick<X86Guest, "name" | "kind"> & Partial<X86Guest> & { readonly kept?: boolean };

const SHELL: readonly Typed[] = [
  { after: "> ", text: "echo hello\n" },
  { after: "hello\n> ", text: "warn Hotx\b!\n" },
  { after: "Hot!\n> ", text: "nonsense\n" },
  { after: "command: nonsense\n> ", text: "exit\n" },
];

const MOUSE: readonly Typed[] = [{
  after: "ready\n",
  text: "",
  mouse: [{ dx: 10, dy: 5, buttons: 0 }, { dx: 0, dy: 0, buttons: 1 }, { dx: 0, dy: 0, buttons: 0 }],
}];

const ROWS: readonly Row[] = [
  { name: "x86_sector", kind: "sector" },
  { name: "x86_protected", kind: "sector" },
  { name: "x86_bios", kind: "sector", screen: false },
  { name: "x86_pci", kind: "sector", screen: false },
  { name: "x86_disk", kind: "sector", screen: false },
  { name: "x86_int13", kind: "sector", screen: false },
  { name: "x86_mouse", kind: "sector", screen: false, typed: MOUSE },
  { name: "x86_typing", kind: "sector", screen: false, typed: [{ after: "ready\n", text: "Slow guest 2!\n" }] },
  { name: "x86_multiboot", kind: "elf", append: "first second=2" },
  { name: "x86_long", kind: "elf" },
  { name: "x86_pvh", kind: "elf", append: "pvh words" },
  { name: "x86_smp", kind: "elf", screen: false, harts: 4 },
  {
    name: "x86_multiboot2",
    kind: "multiboot2",
    append: "first second=2",
    module: { file: "x86_module.txt", text: "module arguments" },
  },
  { name: "x86_elf64", kind: "elf64" },
  { name: "x86_linux16", kind: "linux16", screen: false, append: "first second=2", module: { file: "x86_module.txt", text: "" } },
  { name: "x86_framebuffer", kind: "multiboot2", screen: false },
  { name: "x86_hello", kind: "rust" },
  { name: "x86_vga", kind: "rust" },
  { name: "x86_serial", kind: "rust" },
  { name: "x86_tests_pass", kind: "rust-test", screen: false },
  { name: "x86_tests_fail", kind: "rust-test", exit: 35, screen: false },
  { name: "x86_panic", kind: "rust", exit: 35 },
  { name: "x86_idt", kind: "rust", kept: true },
  { name: "x86_triple", kind: "rust", exit: "triple", screen: false },
  { name: "x86_timer", kind: "rust" },
  { name: "x86_shell", kind: "rust", typed: SHELL, kept: true },
  { name: "x86_memory", kind: "rust-mapped", kept: true },
  { name: "bench_suite.x86_64", kind: "c", image: "tests/bench/bin/bench_suite.x86_64.elf", screen: false, append: "bench=crc:1" },
  { name: "paged.x86_64", kind: "c", screen: false },
  { name: "paged.x86_32", kind: "c", screen: false },
  { name: "system.x86_64", kind: "c", image: "tests/bench/bin/system.x86_64.elf", screen: false, append: "bench=all:2000" },
];

const SUFFIX: Record<X86Kind, string> = {
  sector: "bin",
  elf: "elf",
  multiboot2: "elf",
  elf64: "elf",
  rust: "img",
  "rust-test": "img",
  "rust-mapped": "img",
  c: "elf",
  linux16: "bin",
};

const guest = ({ kept, ...row }: Row): X86Guest => ({
  image: `${kept || !row.kind.startsWith("rust") ? "tests/guests/bin" : "cache/guests"}/${row.name}.${SUFFIX[row.kind]}`,
  exit: 33,
  typed: [],
  screen: true,
  append: "",
  harts: 1,
  ...row,
});
export const X86_GUESTS: readonly X86Guest[] = ROWS.map(guest);
/** Its guests do not end by themselves (`answer_test.ts`). */
export const X86_HOSTILE: X86Guest = guest({ name: "x86_hostile", kind: "elf" });
/** One that dies as it is told (`deaths_test.ts`). */
export const X86_DEATHS: X86Guest = guest({ name: "x86_deaths", kind: "elf64" });

/**
 * A text screen as the expected files hold it: for each row that is not blank its number, its text and its attributes (a byte in hexadecimal, how
 * often). `cells` are 80 by 25 words of character and attribute.
 */
export function screenText(cells: ArrayLike<number>): string {
  const lines: string[] = [];
  for (let row = 0; row < 25; row++) {
    const words = Array.from({ length: 80 }, (_, column) => cells[row * 80 + column]);
    // A NUL and the blank look alike; everything else in the cell counts.
    const letters = words.map((w) => (w & 0xff) || 0x20);
    const runs: [number, number][] = [];
    for (const attribute of words.map((w) => w >> 8)) {
      if (runs.at(-1)?.[0] === attribute) runs.at(-1)![1]++;
      else runs.push([attribute, 1]);
    }
    const blank = letters.every((c) => c === 0x20) && runs.length === 1 && runs[0][0] === 7;
    if (blank) continue;
    const text = String.fromCharCode(...letters.map((c) => c >= 0x20 && c < 0x7f ? c : 0xb7)).trimEnd();
    lines.push(`${String(row).padStart(2)} |${text}|${runs.map(([a, n]) => `${a.toString(16).padStart(2, "0")}*${n}`).join(" ")}`);
  }
  return lines.join("\n") + "\n";
}
