// Instruction sets by their ISA string, e.g. "rv64gc_zba_zbb" (RISC-V Unprivileged ISA 20240411, chapter 36 "ISA Extension Naming Conventions").
// Not accepted: version numbers, E, H, Q, V and custom extensions.
import { splitIsa } from "./isa_string.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";
import { DecodeTable, type Group } from "./insn.ts";
import { ATOMICS } from "./isa/a.ts";
import { BASE } from "./isa/base.ts";
import { COMPRESSED } from "./isa/c.ts";
import { PRODUCTS } from "./isa/m.ts";
import { SYSTEM } from "./isa/system.ts";
import { BITS } from "./isa/zb.ts";
import { BITS_FOR_CRYPTOGRAPHY } from "./isa/zbk.ts";
import { FLOAT } from "./lazy_floating.ts";

/** All rows but those of floating point, which are loaded when they are needed. */
export const GROUPS: readonly Group[] = [
  ...BASE,
  ...SYSTEM,
  ...PRODUCTS,
  ...ATOMICS,
  ...COMPRESSED,
  ...BITS,
  ...BITS_FOR_CRYPTOGRAPHY,
];

/** Every extension, in the order of ISA strings, with those that it contains or needs. Their rows say so themselves (`Group.needs`). */
const EXTENSIONS: readonly { readonly name: string; readonly implies?: readonly string[] }[] = [
  // Old documents count CSR instructions and fence.i as part of I, and the privileged architecture needs them.
  { name: "i", implies: ["zicsr", "zifencei"] },
  { name: "m" },
  { name: "a" },
  { name: "f", implies: ["zicsr"] },
  { name: "d", implies: ["f"] },
  { name: "c", implies: ["zca"] },
  { name: "b", implies: ["zba", "zbb", "zbs"] },
  { name: "zicbom" },
  { name: "zicbop" },
  { name: "zicboz" },
  { name: "zicntr" },
  { name: "zicond" },
  { name: "zicsr" },
  { name: "zifencei" },
  { name: "zihintntl" },
  { name: "zihintpause" },
  { name: "zihpm" },
  { name: "zmmul" },
  { name: "zawrs" },
  { name: "zfa", implies: ["f"] },
  { name: "zfh", implies: ["zfhmin"] },
  { name: "zfhmin", implies: ["f"] },
  { name: "zca" },
  { name: "zcb", implies: ["zca"] },
  { name: "zcd", implies: ["zca", "d"] },
  { name: "zcf", implies: ["zca", "f"] },
  { name: "zba" },
  { name: "zbb" },
  { name: "zbc" },
  { name: "zbkb" },
  { name: "zbkx" },
  { name: "zbs" },
  { name: "sstc" },
  { name: "svade" },
  { name: "svadu" },
  { name: "svinval" },
  { name: "svnapot" },
  { name: "svpbmt" },
];
export const EXTENSION_NAMES: readonly string[] = EXTENSIONS.map((e) => e.name);

/** An instruction set. */
export interface Isa {
  readonly xlen: 32 | 64;
  /** Names of its extensions, implied ones too, in the order of ISA strings: "i", "m", ..., "zicsr", ... */
  readonly extensions: readonly string[];
  /** The ISA string in full, e.g. "rv64imafdc_zicsr_zifencei". */
  readonly text: string;
  /** Bits 25..0 of misa, with S and U. */
  readonly misa: number;
  /** Its instructions. */
  readonly table: DecodeTable;
  has(extension: string): boolean;
}

/** Reads an ISA string. @throws {ConfigError} it is malformed, or names an extension that is not modelled. */
export function parseIsa(text: string): Isa {
  const split = splitIsa(text), wanted = new Set<string>();
  if (!split) throw new ConfigError(`ISA '${text}' must begin with rv32 or rv64`);
  const { xlen, names } = split;
  for (const name of names) include(name, text, wanted);
  if (!wanted.has("i")) throw new ConfigError(`ISA '${text}' must have the base 'i' (or 'g')`);
  if (wanted.has("c")) {
    if (wanted.has("d")) wanted.add("zcd");
    if (wanted.has("f") && xlen === 32) wanted.add("zcf");
  }
  const extensions = EXTENSION_NAMES.filter((n) => wanted.has(n));
  const full = `rv${xlen}${extensions.filter((n) => n.length === 1).join("")}${
    extensions.filter((n) => n.length > 1).map((n) => "_" + n).join("")
  }`;
  return interned(full, xlen, extensions);
}

function include(name: string, text: string, wanted: Set<string>): void {
  if (wanted.has(name)) return;
  const e = EXTENSIONS.find((x) => x.name === name);
  if (!e) throw new ConfigError(`ISA '${text}': unknown extension '${name}'${name.length > 1 ? didYouMean(name, EXTENSION_NAMES) : ""}`);
  wanted.add(name);
  for (const other of e.implies ?? []) include(other, text, wanted);
}

/** Harts of one kind share their table, and with it the cache of decoded words. */
const known = new Map<string, Isa>();
function interned(text: string, xlen: 32 | 64, extensions: readonly string[]): Isa {
  const before = known.get(text);
  if (before) return before;
  const set = new Set(extensions);
  let misa = bit("s") | bit("u");
  for (const e of extensions) if (e.length === 1) misa |= bit(e);
  const isa: Isa = { xlen, extensions, text, misa, table: new DecodeTable(), has: (e) => set.has(e) };
  addGroups(isa, GROUPS);
  known.set(text, isa);
  if (FLOAT.now) addGroups(isa, FLOAT.now.FLOATING);
  return isa;
}

/** Loads floating point, whose instructions no table has before. */
export const loadFloating = (): Promise<unknown> => FLOAT.load();
FLOAT.onLoad = ({ FLOATING }) => {
  for (const isa of known.values()) addGroups(isa, FLOATING);
};
/** True when the instruction set has floating point that is not loaded. */
export const lacksFloating = (isa: Isa): boolean => !FLOAT.now && isa.has("f");

function addGroups(isa: Isa, groups: readonly Group[]): void {
  const has = (name: string) => isa.has(name);
  for (const { needs, xlen = isa.xlen, rows } of groups) {
    if (xlen === isa.xlen && needs.split(" ").every((one) => one.split("|").some(has))) isa.table.add(rows);
  }
}
const bit = (letter: string) => 1 << (letter.charCodeAt(0) - 97);
