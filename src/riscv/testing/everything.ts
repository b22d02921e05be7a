// Instruction sets with every extension there is: what tests and fuzzers go through has new rows as soon as they are written down.
import { EXTENSION_NAMES, type Isa, parseIsa } from "../instruction_set.ts";

/** Extensions that have no instructions, but change what page tables mean. */
export const OF_PAGE_TABLES: readonly string[] = ["svade", "svadu", "svnapot", "svpbmt"];

/** All of them but those of `without`, and what needs those. */
export function everything(xlen: 32 | 64, without: readonly string[] = []): Isa {
  const alone = (name: string) => parseIsa(`rv${xlen}i_${name}`);
  return parseIsa(`rv${xlen}i_${EXTENSION_NAMES.filter((name) => !without.some((other) => alone(name).has(other))).join("_")}`);
}
