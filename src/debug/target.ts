// Target descriptions for GDB, made from `Cpu.registers`: the XML, and the order of registers in its packets.
// GDB manual (version 13), appendix G "Target Descriptions". What GDB calls an architecture's registers is in its descriptor.
import { ConfigError } from "../core/errors.ts";
import type { Cpu, RegisterInfo } from "../core/cpu.ts";
import type { GdbArchitecture } from "../machine/architecture.ts";
import { architectureOf, familyOf } from "../machine/architectures.ts";

/** A register of a description: a processor's, or the lower half of one. */
export interface TargetRegister extends RegisterInfo {
  /** The register that this is the lower half of. */
  readonly of?: string;
}

export interface Target {
  readonly xml: string;
  /** Of its addresses, as GDB is told. */
  readonly bits: 32 | 64;
  readonly hidden: GdbArchitecture["hidden"];
  /** All registers; a register's number in GDB's packets is its index. */
  readonly registers: readonly TargetRegister[];
  /** The first so many are in the `g` packet; the others are read one by one. */
  readonly general: number;
}

/** How GDB may be told of a processor, by name: its own architecture's first. */
export const descriptionsOf = ({ arch }: Cpu): Readonly<Record<string, GdbArchitecture>> =>
  architectureOf({ family: familyOf(arch)! }).gdb(arch);

/** The description of a processor, as `wanted` ("i386", "x86_64") or as what it is. @throws {ConfigError} it is nothing like that. */
export function describeTarget(cpu: Cpu, wanted: string = cpu.arch): Target {
  const descriptions = descriptionsOf(cpu), known = Object.keys(descriptions);
  if (!known.includes(wanted)) throw new ConfigError(`--gdb-arch: must be ${known.join(" or ")} on this machine, got '${wanted}'`);
  const arch = descriptions[wanted], all: TargetRegister[] = [...cpu.registers];
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
  return { xml, bits: arch.bits, hidden: arch.hidden, registers, general: registers.filter((r) => r.group === "general").length };
}

function regElement(arch: GdbArchitecture, r: RegisterInfo, regnum: number): string {
  const name = r.debugName ?? r.name, type = arch.types?.[name] ?? r.type ?? "int";
  const group = r.group === "csr" || r.group === "float" ? ` group="${r.group}"` : "";
  return `<reg name="${name}" bitsize="${bytesOf(r) * 8}" regnum="${regnum}" type="${type}"${group}/>`;
}

/** Bytes of a register in a packet. */
export const bytesOf = (r: RegisterInfo): number => Math.ceil(r.bits / 8);
