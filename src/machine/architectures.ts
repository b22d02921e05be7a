// The architectures, a line for each.
import { choice, type Keys } from "../core/schema.ts";
import type { Architecture, Section } from "./architecture.ts";
import { RISCV } from "./riscv/descriptor.ts";
import { X86 } from "./x86/descriptor.ts";

const TABLE = { riscv: RISCV, x86: X86 };

/** By family. */
export const ARCHITECTURES: Record<string, Architecture> = TABLE;
/** The processors of a graph. */
export type CpuNode = ReturnType<(typeof TABLE)[keyof typeof TABLE]["cpu"]>;

/** Of processors, or the name of one. */
export const architectureOf = ({ family }: { readonly family: string }): Architecture => ARCHITECTURES[family];

/** The family of a name that `cpu.arch` may have. */
export const familyOf = (arch: unknown): string | undefined => {
  for (const family in ARCHITECTURES) if (ARCHITECTURES[family].names.includes(arch as string)) return family;
  return undefined;
};

/** `cpu.arch`, which says what the other keys are. */
export const archKey = () => choice("instruction set", { choices: Object.values(ARCHITECTURES).flatMap((a) => a.names) });

/** The keys of a section for each family. */
export const keysOf = (section: Section): Record<string, Keys> => {
  const own: Keys = section === "cpu" ? { arch: archKey() } : {};
  return Object.fromEntries(Object.entries(ARCHITECTURES).map(([family, a]) => [family, { ...own, ...a.keys[section] }]));
};
