// Which functions an instruction is of: the one that was compiled and those that were put into it (inlined). DWARF 5 (2017), 3.3 (subroutines).
import { type Attributes, entriesOf, type Unit } from "./entries.ts";
import { DwarfReader } from "./reader.ts";
import type { ElfSection } from "./elf_sections.ts";

/** A function that an instruction belongs to. */
export interface InlinedCall {
  /** As the linker would call it, else its path; "" when it has no name. */
  readonly name: string;
  /** Number of the file and the line of the call that it stands for; the outermost has none. */
  readonly call: { readonly file: number; readonly line: number } | undefined;
}

const TAG_CLASS = 0x02,
  TAG_STRUCTURE = 0x13,
  TAG_ENUMERATION = 0x04,
  TAG_UNION = 0x17,
  TAG_NAMESPACE = 0x39,
  TAG_LEXICAL_BLOCK = 0x0b,
  TAG_SUBPROGRAM = 0x2e,
  TAG_INLINED = 0x1d;
const AT_SIBLING = 0x01, AT_NAME = 0x03, AT_LOW_PC = 0x11, AT_HIGH_PC = 0x12, AT_ORIGIN = 0x31, AT_SPECIFICATION = 0x47, AT_RANGES = 0x55;
const AT_CALL_FILE = 0x58, AT_CALL_LINE = 0x59, AT_LINKAGE_NAME = 0x6e;
/** Entries in each other, and references from one to another, that are followed. */
const DEEPEST = 200, LONGEST = 8;

/** Functions of an address, the innermost first, and the offset of the line table whose files they count by. */
export type Inlines = (address: bigint) => { readonly calls: readonly InlinedCall[]; readonly lines: number | undefined } | undefined;

export function inlinesOf(section: (name: string) => ElfSection | undefined): Inlines {
  const { info, units, entry, rangesOf } = entriesOf(section);

  const NAMES = new Set([AT_NAME, AT_LINKAGE_NAME, AT_ORIGIN, AT_SPECIFICATION]);
  const nameOf = (a: Attributes, at: number, depth = 0): string => {
    const linked = a.get(AT_LINKAGE_NAME), to = a.get(AT_ORIGIN) ?? a.get(AT_SPECIFICATION), own = a.get(AT_NAME);
    if (linked?.kind === "text" && linked.value !== "") return linked.value as string;
    if (to?.kind === "offset" && depth < LONGEST) {
      const offset = to.value as number, unit = units().find((u) => offset >= u.at && offset < u.end);
      const target = unit && entry(new DwarfReader(info, offset, unit.end), unit, NAMES);
      return target ? nameOf(target.attributes, offset, depth + 1) : "";
    }
    return own?.kind === "text" && own.value !== "" ? [...pathTo(at), own.value].join("::") : "";
  };
  const SCOPES = new Set([TAG_NAMESPACE, TAG_STRUCTURE, TAG_CLASS, TAG_ENUMERATION, TAG_UNION]), IN_SCOPES = new Set([AT_NAME, AT_SIBLING]);
  /** Names of the namespaces and types that an entry is in. */
  const pathTo = (at: number): string[] => {
    const unit = units().find((u) => at >= u.at && at < u.end);
    if (!unit) return [];
    const r = new DwarfReader(info, unit.first, unit.end), scopes: string[] = [];
    // The last entry in front of it on each level is what it is in.
    while (r.at < at) {
      const e = entry(r, unit, IN_SCOPES);
      if (!e) scopes.pop();
      else if (e.abbreviation.children) {
        const sibling = e.attributes.get(AT_SIBLING);
        if (sibling?.kind === "offset" && (sibling.value as number) <= at && (sibling.value as number) > r.at) {
          r.at = sibling.value as number;
        } else scopes.push(SCOPES.has(e.abbreviation.tag) ? String(e.attributes.get(AT_NAME)?.value ?? "") : "");
      }
    }
    return scopes.filter((name) => name !== "");
  };

  const WANTED = new Set([...NAMES, AT_LOW_PC, AT_HIGH_PC, AT_RANGES, AT_CALL_FILE, AT_CALL_LINE, AT_SIBLING]);
  const holds = (ranges: readonly (readonly [bigint, bigint])[] | undefined, address: bigint) =>
    ranges?.some(([from, to]) => address >= from && address < to);

  /** The functions of the children that begin at the reader's place. */
  const search = (r: DwarfReader, unit: Unit, address: bigint, depth: number): InlinedCall[] | undefined => {
    if (depth > DEEPEST) throw new RangeError("too many entries in each other");
    let found: InlinedCall[] | undefined;
    while (!r.done) {
      const at = r.at, e = entry(r, unit, WANTED);
      if (!e) return found;
      const { abbreviation: { tag, children }, attributes: a } = e, code = tag === TAG_SUBPROGRAM || tag === TAG_INLINED;
      const ranges = found === undefined && (code || tag === TAG_LEXICAL_BLOCK) ? rangesOf(a, unit) : undefined,
        inside = holds(ranges, address);
      if (!inside && children) {
        const sibling = a.get(AT_SIBLING);
        // A function that is not meant is stepped over where the compiler says how.
        if (ranges && sibling?.kind === "offset" && (sibling.value as number) > r.at) {
          r.at = sibling.value as number;
          continue;
        }
      }
      const within = children ? search(r, unit, address, depth + 1) : undefined;
      if (inside && code) {
        const file = a.get(AT_CALL_FILE), line = a.get(AT_CALL_LINE);
        const call = tag === TAG_INLINED ? { file: Number(file?.value ?? 0), line: Number(line?.value ?? 0) } : undefined;
        found = [...within ?? [], { name: nameOf(a, at), call }];
      } else found ??= within;
    }
    return found;
  };

  return (address) => {
    for (const unit of units()) {
      if (unit.ranges && !holds(unit.ranges, address)) continue;
      try {
        const r = new DwarfReader(info, unit.first, unit.end), root = entry(r, unit);
        const calls = root?.abbreviation.children ? search(r, unit, address, 0) : undefined;
        if (calls) return { calls, lines: unit.lines };
      } catch (e) {
        if (!(e instanceof RangeError)) throw e;
      }
    }
    return undefined;
  };
}
