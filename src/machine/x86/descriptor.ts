// x86 as a machine file, descriptions and GDB have it. Processors: src/x86; machines: platform.ts.
import type { Cpu } from "../../core/cpu.ts";
import type { DiskKind } from "../../core/disk.ts";
import { bool, choice, type Config, file, int, type Keys, list, string } from "../../core/schema.ts";
import { EM_386, EM_X86_64 } from "../elf.ts";
import { BOOT, CLOCK } from "../format.ts";
import type { Architecture, GdbArchitecture } from "../architecture.ts";

const CPU = {
  model: string("CPUID table", { default: "qemu64" }),
  features: list(
    "changes to the model",
    string("one feature", { pattern: /^[+-][a-z0-9_.-]+$/, form: `a feature with its sign, like "+fsgsbase"` }),
    { default: [] as string[] },
  ),
  cores: int("number of processors", { default: 1, min: 1, max: 64 }),
  reset: string("segment and offset of the first instruction", {
    pattern: /^[0-9a-f]{1,4}:[0-9a-f]{1,4}$/i,
    form: `a real-mode address like "f000:fff0"`,
    default: "f000:fff0",
  }),
  triple_fault: choice("what a triple fault does", { choices: ["stop", "reset"], default: "stop" }),
  ferr: string("where the first processor's FERR# leads (x87 errors while CR0.NE is clear)", { optional: true }),
} satisfies Keys;

export type X86CpuNode = Omit<Config<typeof CPU>, "cores"> & { readonly arch: "x86_64"; readonly family: "x86"; readonly harts: number };

export const X86: Architecture<X86CpuNode> = {
  title: "x86",
  names: ["x86_64"],
  keys: {
    cpu: CPU,
    clock: { ...CLOCK, tsc_hz: int("rate of the time-stamp counter; cpu_hz when absent", { optional: true, min: 1 }) },
    firmware: {
      bios: string("builtin: served by the emulator; otherwise the path of a ROM image, such as SeaBIOS", { default: "builtin" }),
      serial: bool("what programs print by the BIOS goes to the first console, too, as SeaBIOS's serial console does", { default: false }),
      vga: file("the VGA's ROM for a BIOS that is not built in; the file vgabios-stdvga.bin beside the BIOS when absent", {
        optional: true,
      }),
    },
    boot: {
      ...BOOT,
      order: list(
        "kinds of disks in the order in which a BIOS tries them; the image of the command line comes first",
        choice("kind", { choices: ["floppy", "hard", "cd"] as DiskKind[] }),
        { default: ["floppy", "hard", "cd"] as DiskKind[] },
      ),
      protocol: choice("kind of image; auto looks at the file", {
        choices: ["auto", "bios", "multiboot1", "multiboot2", "pvh", "linux", "linux64", "linux16"],
        default: "auto",
      }),
    },
  },
  harts: "cores",
  firmwareWords: ["builtin"],
  inputs: { intr: 0, nmi: 1, smi: 2, a20m: 3, ignne: 4 },
  ports: true,
  elf: [EM_X86_64, EM_386],
  platform: "machine/x86/platform.ts",
  inspector: "machine/x86/inspect.ts",

  cpu(_arch, values) {
    const { cores, ...rest } = values as Config<typeof CPU>;
    return { ...rest, arch: "x86_64", family: "x86", harts: cores };
  },
  clock: (clock) => ({ ...clock, tsc_hz: clock.tsc_hz ?? clock.cpu_hz }),
  outputs: ({ ferr }) => ({ ferr }),
  // MAXPHYADDR is what CPUID tells of our models.
  physicalBits: () => 40,
  loadAt: () => 0,

  describe: (cpu, { clock }) => ({
    processor: [["model", [cpu.model, ...cpu.features].join(" ")], ["cores", cpu.harts], ["reset", cpu.reset], [
      "triple fault",
      cpu.triple_fault,
    ]],
    timer: ["time-stamp counter", `${clock.tsc_hz} Hz`],
    kernel: "as its protocol says",
    boot: [],
  }),
  // System V ABI, AMD64 supplement 1.0, figure 3.36; i386 supplement 1.1, table 2.14.
  stack: (bits) => ({
    bytes: bits / 8,
    registers: bits === 64
      ? ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", ...Array.from({ length: 8 }, (_, n) => `r${n + 8}`)]
      : ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"],
    stack: bits === 64 ? 7 : 4,
    frame: bits === 64 ? 6 : 5,
    saved: { frame: 0, returnAddress: 1, above: 2 },
  }),
  exceptions: "machine/x86/exception_frames.ts",
  deaths: "machine/x86/deaths.ts",
  gdb,
};

/** GDB manual (version 13), G.5.5 "i386 Features"; what GDB has no name for goes to a feature of our own. */
function gdb(): Record<string, GdbArchitecture> {
  const features = {
    general: "org.gnu.gdb.i386.core",
    float: "org.gnu.gdb.i386.core",
    vector: "org.gnu.gdb.i386.sse",
    segments: "org.gnu.gdb.i386.segments",
    system: "bringup.x86.system",
  };
  // GDB refuses a description whose architecture is not its symbol file's, and then shows nothing right. For a kernel in a 32-bit ELF file there
  // are the registers of both in one feature and no architecture: as an i386 GDB looks for EAX and so on, as an x86-64 ("set architecture
  // i386:x86-64") for RAX. What has the size of the architecture's pointers is an integer, since the two differ in it.
  const halves = { eax: "rax", ecx: "rcx", edx: "rdx", ebx: "rbx", esp: "rsp", ebp: "rbp", esi: "rsi", edi: "rdi", eip: "rip" };
  const long = (cpu: Cpu): readonly [string, string] | undefined =>
    Object.values(halves).some((of) => cpu.reg(of) >> 32n)
      ? ["long", "the processor is in 64-bit mode: GDB shows all of it after 'set architecture i386:x86-64', or with --gdb-arch x86_64"]
      : undefined;
  return {
    x86_64: { name: "i386:x86-64", bits: 64, features, hidden: segmented },
    i386: {
      bits: 32,
      // GDB 13 ends with a failed assertion where an i386 has the feature for these.
      features: { ...features, segments: "bringup.x86.system" },
      types: Object.fromEntries(["rsp", "rbp", "rip"].map((name) => [name, "int"])),
      halves,
      hidden: (cpu) => segmented(cpu) ?? long(cpu),
    },
  };
}

/** Where a segment has a base GDB sees less than the address. */
function segmented(cpu: Cpu): readonly [string, string] | undefined {
  const rip = cpu.reg("rip"), at = (n: bigint) => `0x${n.toString(16)}`;
  return rip === cpu.pc ? undefined : [
    "base",
    `stopped at ${at(cpu.pc)}: GDB is told the offset ${at(rip)} in its segment, while breakpoints and memory go by linear addresses`,
  ];
}
