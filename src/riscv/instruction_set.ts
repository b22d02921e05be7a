// Instruction sets by their ISA string, e.g. "rv64gc_zba_zbb" (RISC-V Unprivileged ISA 20240411, chapter 36 "ISA Extension Naming Conventions").
// Not accepted: version numbers, E, H, Q, V and custom extensions.
import { splitIsa } from "./isa_string.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";
import { DecodeTable, type Row } from "./insn.ts";
import { A, A64 } from "./isa/a.ts";
import { I, I32, I64, ZAWRS, ZICOND, ZIFENCEI, ZIHINTPAUSE } from "./isa/base.ts";
import { C, C32, C64, ZCB, ZCB_M, ZCB_ZBA64, ZCB_ZBB } from "./isa/c.ts";
import { M, M64 } from "./isa/m.ts";
import { PRIVILEGED, SVINVAL, ZICBOM, ZICBOP, ZICBOZ, ZICSR } from "./isa/system.ts";
import { ZBA, ZBA64, ZBB, ZBB32, ZBB64, ZBC, ZBS, ZBS32, ZBS64 } from "./isa/zb.ts";
import { ZBKB, ZBKB32, ZBKB64, ZBKX } from "./isa/zbk.ts";
import { FLOAT } from "./lazy_floating.ts";

interface Extension {
  readonly name: string;
  /** Rows of both widths, of RV32 only, of RV64 only. */
  readonly rows?: readonly Row[];
  readonly rows32?: readonly Row[];
  readonly rows64?: readonly Row[];
  /** Rows that it has only where another extension is there, too. */
  readonly with?: readonly { readonly needs: string; readonly rows?: readonly Row[]; readonly rows64?: readonly Row[] }[];
  /** Extensions that it contains or needs. */
  readonly implies?: readonly string[];
}

/** Every extension, in the order of ISA strings. */
const EXTENSIONS: readonly Extension[] = [
  // Old documents count CSR instructions and fence.i as part of I, and the privileged architecture needs them.
  { name: "i", rows: [...I, ...PRIVILEGED], rows32: I32, rows64: I64, implies: ["zicsr", "zifencei"] },
  { name: "m", rows: M, rows64: M64 },
  { name: "a", rows: A, rows64: A64 },
  { name: "f", implies: ["zicsr"] },
  { name: "d", implies: ["f"] },
  { name: "c", implies: ["zca"] },
  { name: "b", implies: ["zba", "zbb", "zbs"] },
  { name: "zicbom", rows: ZICBOM },
  { name: "zicbop", rows: ZICBOP },
  { name: "zicboz", rows: ZICBOZ },
  { name: "zicntr" },
  { name: "zicond", rows: ZICOND },
  { name: "zicsr", rows: ZICSR },
  { name: "zifencei", rows: ZIFENCEI },
  { name: "zihintntl" },
  { name: "zihintpause", rows: ZIHINTPAUSE },
  { name: "zihpm" },
  { name: "zawrs", rows: ZAWRS },
  { name: "zfa", implies: ["f"] },
  { name: "zfh", implies: ["zfhmin"] },
  { name: "zfhmin", implies: ["f"] },
  { name: "zca", rows: C, rows32: C32, rows64: C64 },
  {
    name: "zcb",
    rows: ZCB,
    implies: ["zca"],
    with: [{ needs: "m", rows: ZCB_M }, { needs: "zbb", rows: ZCB_ZBB }, { needs: "zba", rows64: ZCB_ZBA64 }],
  },
  { name: "zcd", implies: ["zca", "d"] },
  { name: "zcf", implies: ["zca", "f"] },
  { name: "zba", rows: ZBA, rows64: ZBA64 },
  { name: "zbb", rows: ZBB, rows32: ZBB32, rows64: ZBB64 },
  { name: "zbc", rows: ZBC },
  { name: "zbkb", rows: ZBKB, rows32: ZBKB32, rows64: ZBKB64 },
  { name: "zbkx", rows: ZBKX },
  { name: "zbs", rows: ZBS, rows32: ZBS32, rows64: ZBS64 },
  { name: "sstc" },
  { name: "svade" },
  { name: "svadu" },
  { name: "svinval", rows: SVINVAL },
  { name: "svnapot" },
  { name: "svpbmt" },
];
const NAMES = EXTENSIONS.map((e) => e.name);
/** Rows of floating point (isa/f.ts) and the extensions that they need. */
const FLOATING = [
  { needs: ["f"], rows: "SINGLE" },
  { needs: ["f"], rows: "SINGLE64", xlen: 64 },
  { needs: ["d"], rows: "DOUBLE" },
  { needs: ["d"], rows: "DOUBLE64", xlen: 64 },
  { needs: ["zfhmin"], rows: "ZFHMIN" },
  { needs: ["zfhmin", "d"], rows: "ZFHMIN_D" },
  { needs: ["zfh"], rows: "ZFH" },
  { needs: ["zfh"], rows: "ZFH64", xlen: 64 },
  { needs: ["zfa"], rows: "ZFA" },
  { needs: ["zfa", "zfh"], rows: "ZFA_H" },
  { needs: ["zfa", "d"], rows: "ZFA_D" },
  { needs: ["zfa", "d"], rows: "ZFA_D32", xlen: 32 },
  { needs: ["zcd"], rows: "CD" },
  { needs: ["zcf"], rows: "CF32", xlen: 32 },
] as const;

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
  if (wanted.has("zca") && wanted.has("c")) {
    if (wanted.has("d")) wanted.add("zcd");
    if (wanted.has("f") && xlen === 32) wanted.add("zcf");
  }
  const extensions = NAMES.filter((n) => wanted.has(n));
  const full = `rv${xlen}${extensions.filter((n) => n.length === 1).join("")}${
    extensions.filter((n) => n.length > 1).map((n) => "_" + n).join("")
  }`;
  return interned(full, xlen, extensions);
}

function include(name: string, text: string, wanted: Set<string>): void {
  if (wanted.has(name)) return;
  const e = EXTENSIONS.find((x) => x.name === name);
  if (!e) throw new ConfigError(`ISA '${text}': unknown extension '${name}'${name.length > 1 ? didYouMean(name, NAMES) : ""}`);
  wanted.add(name);
  for (const other of e.implies ?? []) include(other, text, wanted);
}

/** Harts of one kind share their table, and with it the cache of decoded words. */
const known = new Map<string, Isa>();
function interned(text: string, xlen: 32 | 64, extensions: readonly string[]): Isa {
  const before = known.get(text);
  if (before) return before;
  const set = new Set(extensions);
  // Extensions share some rows.
  const rows = new Set<Row>();
  for (const e of EXTENSIONS) {
    if (!set.has(e.name)) continue;
    for (const row of e.rows ?? []) rows.add(row);
    for (const row of (xlen === 64 ? e.rows64 : e.rows32) ?? []) rows.add(row);
    for (const more of e.with ?? []) {
      if (!set.has(more.needs)) continue;
      for (const row of more.rows ?? []) rows.add(row);
      if (xlen === 64) { for (const row of more.rows64 ?? []) rows.add(row); }
    }
  }
  let misa = bit("s") | bit("u");
  for (const e of extensions) if (e.length === 1) misa |= bit(e);
  const isa: Isa = { xlen, extensions, text, misa, table: new DecodeTable([...rows]), has: (e) => set.has(e) };
  known.set(text, isa);
  if (FLOAT.now) addFloating(isa, FLOAT.now);
  return isa;
}

/** Loads floating point, whose instructions no table has before. */
export const loadFloating = (): Promise<unknown> => FLOAT.load();
FLOAT.onLoad = (float) => {
  for (const isa of known.values()) addFloating(isa, float);
};
/** True when the instruction set has floating point that is not loaded. */
export const lacksFloating = (isa: Isa): boolean => !FLOAT.now && isa.has("f");

function addFloating(isa: Isa, float: NonNullable<typeof FLOAT.now>): void {
  for (const { needs, rows, ...only } of FLOATING) {
    if (needs.every((n) => isa.has(n)) && ("xlen" in only ? only.xlen : isa.xlen) === isa.xlen) isa.table.add(float[rows]);
  }
}
const bit = (letter: string) => 1 << (letter.charCodeAt(0) - 97);
