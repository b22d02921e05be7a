// The instruction set: all rows, and which of them a processor has by its CPUID features; each is read when its opcode is first met.
import { FEATURE_NAMES } from "./cpuid.ts";
import { DecodeTable, RowGroup } from "./decode.ts";
import { alu } from "./isa/alu.ts";
import { bits } from "./isa/bits.ts";
import { control } from "./isa/control.ts";
import { mov } from "./isa/mov.ts";
import { sse } from "./isa/sse.ts";
import { stack } from "./isa/stack.ts";
import { strings } from "./isa/string.ts";
import { system } from "./isa/system.ts";
import { x87 } from "./isa/x87.ts";

/** Most programs know neither the x87 nor SIMD: those rows are not even made before one of their opcodes comes. */
const GROUPS: readonly RowGroup[] = [
  new RowGroup(() => [...alu, ...mov, ...stack, ...control, ...strings, ...bits, ...system], () => true),
  new RowGroup(sse, (map, byte) => map === 1 ? isSimd(byte) : map === 2 || map === 3),
  new RowGroup(x87, (map, byte) => map === 0 && byte >= 0xd8 && byte <= 0xdf),
];
/** Opcode bytes after 0F (SDM volume 2, table A-3). */
const isSimd = (byte: number): boolean =>
  byte >= 0x10 && byte <= 0x17 || byte >= 0x28 && byte <= 0x2f || byte >= 0x50 && byte <= 0x7f || byte >= 0xc2 && byte <= 0xc6 ||
  byte >= 0xd0;

const tables = new Map<string, DecodeTable>();
/** The table of the rows that a processor offers, of all rows without `features`; made at the first call. */
export function x86Table(features?: { has(name: string): boolean }): DecodeTable {
  const missing = features ? FEATURE_NAMES.filter((name) => !features.has(name)) : [], key = missing.join();
  let table = tables.get(key);
  if (!table) {
    const absent = new Set(missing);
    tables.set(key, table = new DecodeTable(GROUPS, absent.size ? (row) => !absent.has(row.feature) : undefined));
  }
  return table;
}
