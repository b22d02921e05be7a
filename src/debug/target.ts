// Target descriptions for GDB, made from `Cpu.registers`: the XML, and the order of registers in its packets.
// GDB manual (version 13), appendix G "Target Descriptions", G.5.11 "RISC-V Features".
import { ConfigError } from "../core/errors.ts";
import type { Cpu, RegisterInfo } from "../core/cpu.ts";

/** How an architecture is called, which feature each group of registers belongs to, and their names in GDB. */
interface Architecture {
  /** Absent: GDB takes what its symbol file, or the user, says. */
  readonly name?: string;
  readonly features: Readonly<Record<string, string>>;
  readonly types: Readonly<Record<string, string>>;
  /** Names for the lower half of registers. */
  readonly halves?: Readonly<Record<string, string>>;
}

const RISCV = {
  features: {
    general: "org.gnu.gdb.riscv.cpu",
    float: "org.gnu.gdb.riscv.fpu",
    csr: "org.gnu.gdb.riscv.csr",
    system: "org.gnu.gdb.riscv.virtual",
  },
  types: { ra: "code_ptr", pc: "code_ptr", sp: "data_ptr", gp: "data_ptr", tp: "data_ptr", fp: "data_ptr" },
};

/** G.5.5 "i386 Features"; what GDB has no name for goes to a feature of our own. */
const X86 = {
  features: {
    general: "org.gnu.gdb.i386.core",
    float: "org.gnu.gdb.i386.core",
    vector: "org.gnu.gdb.i386.sse",
    segments: "org.gnu.gdb.i386.segments",
    system: "bringup.x86.system",
  },
  types: {},
};

/**
 * GDB refuses a description whose architecture is not its symbol file's, and then shows nothing right. For a kernel in a 32-bit ELF file
 * there are the registers of both in one feature and no architecture: as an i386 GDB looks for EAX and so on, as an x86-64 ("set architecture
 * i386:x86-64") for RAX. What has the size of the architecture's pointers is an integer, since the two differ in it.
 */
const I386 = {
  ...X86,
  // GDB 13 ends with a failed assertion where an i386 has the feature for these.
  features: { ...X86.features, segments: "bringup.x86.system" },
  types: Object.fromEntries(["rsp", "rbp", "rip"].map((name) => [name, "int"])),
  halves: { eax: "rax", ecx: "rcx", edx: "rdx", ebx: "rbx", esp: "rsp", ebp: "rbp", esi: "rsi", edi: "rdi", eip: "rip" },
};

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  riscv64: { name: "riscv:rv64", ...RISCV },
  riscv32: { name: "riscv:rv32", ...RISCV },
  x86_64: { name: "i386:x86-64", ...X86 },
  i386: I386,
};
/** What GDB may be told instead of the processor's own architecture. */
const OTHERS: Readonly<Record<string, readonly string[]>> = { x86_64: ["i386"] };

/** A register of a description: a processor's, or the lower half of one. */
export interface TargetRegister extends RegisterInfo {
  /** The register that this is the lower half of. */
  readonly of?: string;
}

export interface Target {
  readonly xml: string;
  /** Of its addresses, as GDB is told. */
  readonly bits: 32 | 64;
  /** All registers; a register's number in GDB's packets is its index. */
  readonly registers: readonly TargetRegister[];
  /** The first so many are in the `g` packet; the others are read one by one. */
  readonly general: number;
}

/** The description of a processor, as `wanted` ("i386", "x86_64") or as what it is. @throws {ConfigError} it is nothing like that. */
export function describeTarget(cpu: Cpu, wanted: string = cpu.arch): Target {
  const known = [cpu.arch, ...OTHERS[cpu.arch] ?? []];
  if (!known.includes(wanted)) throw new ConfigError(`--gdb-arch: must be ${known.join(" or ")} on this machine, got '${wanted}'`);
  const arch = ARCHITECTURES[wanted], all: TargetRegister[] = [...cpu.registers];
  for (const [name, of] of Object.entries(arch.halves ?? {})) {
    if (cpu.registers.some((r) => r.name === of)) all.push({ name, bits: 32, group: "general", of });
  }
  const groups = Object.keys(arch.features);
  const registers = groups.flatMap((g) => all.filter((r) => r.group === g));
  const features = [...new Set(Object.values(arch.features))].map((feature) => {
    const regs = registers.map((r, i) => arch.features[r.group] === feature ? regElement(arch, r, i) : "").join("");
    return regs && `<feature name="${feature}">${regs}</feature>`;
  });
  const architecture = arch.name === undefined ? "" : `<architecture>${arch.name}</architecture>`;
  // Without an ABI GDB takes Linux's: on RISC-V it then steps by breakpoints where it thinks the next instruction is, and loses ECALL and SRET.
  const xml = `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">${architecture}<osabi>none</osabi>${
    features.join("")
  }</target>`;
  return { xml, bits: wanted.endsWith("64") ? 64 : 32, registers, general: registers.filter((r) => r.group === "general").length };
}

function regElement(arch: Architecture, r: RegisterInfo, regnum: number): string {
  const name = r.debugName ?? r.name, type = arch.types[name] ?? r.type ?? "int";
  const group = r.group === "csr" || r.group === "float" ? ` group="${r.group}"` : "";
  return `<reg name="${name}" bitsize="${bytesOf(r) * 8}" regnum="${regnum}" type="${type}"${group}/>`;
}

/** Bytes of a register in a packet. */
export const bytesOf = (r: RegisterInfo): number => Math.ceil(r.bits / 8);
