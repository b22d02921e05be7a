// Source lines of addresses. DWARF 5 (2017), 6.2 "Line Number Information"; versions 2 to 4 by their own headers (DWARF 4, 6.2.4).
import { countBefore } from "../elf.ts";
import { DwarfReader, textAt } from "./reader.ts";
import type { ElfSection } from "./elf_sections.ts";

export interface SourceLine {
  /** As the compiler was given it; below the folder that it was started in where that is known. */
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
  /** From 1 on; 0: not known. */
  readonly column: number;
}

/** Instructions one behind the other, in the order of their addresses. */
interface Sequence {
  readonly from: bigint;
  readonly to: bigint;
  /** For each row: bytes from `from`, file, line, column. */
  readonly rows: Uint32Array;
  readonly files: readonly string[];
}
const ROW = 4;

/** Standard opcodes (6.2.5.2), extended ones (6.2.5.3), and what a table of files tells (7.22). */
const COPY = 1, ADVANCE_PC = 2, ADVANCE_LINE = 3, SET_FILE = 4, SET_COLUMN = 5, CONST_ADD_PC = 8, FIXED_ADVANCE_PC = 9;
const END_SEQUENCE = 1, SET_ADDRESS = 2, DEFINE_FILE = 3;
const LNCT_PATH = 1, LNCT_DIRECTORY = 2;
const FORM = {
  block2: 3,
  block4: 4,
  data2: 5,
  data4: 6,
  data8: 7,
  string: 8,
  block: 9,
  data1: 0xb,
  strp: 0xe,
  udata: 0xf,
  data16: 0x1e,
  line_strp: 0x1f,
};

export interface Lines {
  /** The source line of an address. */
  find(address: bigint): SourceLine | undefined;
  /** A file by its number in the table that is at an offset. */
  file(table: number | undefined, number: number): string | undefined;
}

export function linesOf(section: (name: string) => ElfSection | undefined): Lines {
  const sequences: Sequence[] = [], tables = new Map<number, readonly string[]>(), data = section(".debug_line")?.bytes;
  const strings = { strp: section(".debug_str")?.bytes, line: section(".debug_line_str")?.bytes };
  try {
    const r = new DwarfReader(data ?? new Uint8Array());
    while (!r.done) {
      const at = r.at, { length, wide } = r.length(), unit = r.piece(length);
      try {
        readUnit(unit, wide, strings, sequences, (files) => tables.set(at, files));
      } catch (e) {
        // A unit that is damaged or of another version says nothing; those behind it do.
        if (!(e instanceof RangeError)) throw e;
      }
    }
  } catch (e) {
    if (!(e instanceof RangeError)) throw e;
  }
  sequences.sort((a, b) => a.from < b.from ? -1 : a.from > b.from ? 1 : 0);
  const find = (address: bigint): SourceLine | undefined => {
    const s = sequences[countBefore(sequences.length, (i) => sequences[i].from <= address) - 1];
    if (!s || address >= s.to) return undefined;
    const at = Number(address - s.from), { rows } = s, row = ROW * (countBefore(rows.length / ROW, (i) => rows[ROW * i] <= at) - 1);
    return rows[row + 2] === 0 ? undefined : { file: s.files[rows[row + 1]] ?? "", line: rows[row + 2], column: rows[row + 3] };
  };
  return { find, file: (table, number) => table === undefined ? undefined : tables.get(table)?.[number] };
}

interface Strings {
  readonly strp: Uint8Array | undefined;
  readonly line: Uint8Array | undefined;
}

function readUnit(r: DwarfReader, wide: boolean, strings: Strings, out: Sequence[], onFiles: (files: readonly string[]) => void): void {
  const version = r.u16();
  if (version < 2 || version > 5) return;
  if (version === 5) r.skip(2); // sizes of an address and of a segment selector
  const header = r.offset(wide), program = r.at + header, shortest = r.u8();
  if (version >= 4) r.skip(1); // operations of a VLIW instruction
  r.skip(1); // whether rows begin a statement
  const lineBase = r.i8(), lineRange = r.u8(), opcodeBase = r.u8();
  if (lineRange === 0) return;
  const operands = Array.from({ length: opcodeBase - 1 }, () => r.u8());
  const files = version === 5 ? filesOf5(r, wide, strings) : filesOf4(r);
  onFiles(files);
  r.at = program;

  let address = 0n, delta = 0, file = 1, line = 1, column = 0, rows: number[] = [];
  const add = () => {
    // A later row for the same address replaces an earlier one.
    if (rows.length && rows[rows.length - ROW] === delta) rows.length -= ROW;
    rows.push(delta, file, line, column);
  };
  const advance = (n: number) => delta += n * shortest;
  while (!r.done) {
    const opcode = r.u8();
    if (opcode >= opcodeBase) {
      const n = opcode - opcodeBase;
      advance(Math.floor(n / lineRange));
      line += lineBase + n % lineRange;
      add();
    } else if (opcode === 0) {
      const length = r.uleb(), next = r.at + length, extended = r.u8();
      if (extended === END_SEQUENCE) {
        // What the linker has removed begins at 0.
        if (rows.length && address !== 0n) out.push({ from: address, to: address + BigInt(delta), rows: Uint32Array.from(rows), files });
        address = 0n;
        delta = 0;
        file = line = 1;
        column = 0;
        rows = [];
      } else if (extended === SET_ADDRESS) {
        const to = r.word(length - 1);
        if (rows.length === 0) {
          address = to;
          delta = 0;
        } else delta = Number(to - address);
      } else if (extended === DEFINE_FILE) (files as string[]).push(r.text());
      r.at = next;
    } else if (opcode === COPY) add();
    else if (opcode === ADVANCE_PC) advance(r.uleb());
    else if (opcode === ADVANCE_LINE) line += r.sleb();
    else if (opcode === SET_FILE) file = r.uleb();
    else if (opcode === SET_COLUMN) column = r.uleb();
    else if (opcode === CONST_ADD_PC) advance(Math.floor((255 - opcodeBase) / lineRange));
    else if (opcode === FIXED_ADVANCE_PC) delta += r.u16();
    else for (let n = operands[opcode - 1]; n > 0; n--) r.uleb();
  }
}

const join = (folder: string, name: string): string => folder === "" || name.startsWith("/") ? name : `${folder}/${name}`;

/** Versions 2 to 4: files count from 1, folder 0 is the compiler's own. */
function filesOf4(r: DwarfReader): string[] {
  const folders = [""], files = [""];
  for (let text = r.text(); text !== ""; text = r.text()) folders.push(text);
  for (let name = r.text(); name !== ""; name = r.text()) {
    files.push(join(folders[r.uleb()] ?? "", name));
    r.uleb();
    r.uleb();
  }
  return files;
}

/** Version 5: tables that say themselves what they tell; folder 0 is the compiler's own, and what is below it is told without it. */
function filesOf5(r: DwarfReader, wide: boolean, strings: Strings): string[] {
  const table = () => {
    const formats = Array.from({ length: r.u8() }, () => [r.uleb(), r.uleb()] as const), count = r.uleb();
    // Each takes a byte at least, so that no count makes more of it than the file has.
    const rows: { path: string; folder: number }[] = [];
    for (let i = 0; i < count; i++) {
      const row = { path: "", folder: 0 }, before = r.at;
      for (const [content, form] of formats) {
        const value = read(r, form, wide, strings);
        if (content === LNCT_PATH) row.path = String(value);
        if (content === LNCT_DIRECTORY) row.folder = Number(value);
      }
      if (r.at === before) throw new RangeError("an entry of nothing");
      rows.push(row);
    }
    return rows;
  };
  const folders = table();
  return table().map(({ path, folder }) => join(folder === 0 ? "" : folders[folder]?.path ?? "", path));
}

function read(r: DwarfReader, form: number, wide: boolean, strings: Strings): string | number {
  switch (form) {
    case FORM.string:
      return r.text();
    case FORM.strp:
      return textAt(strings.strp, r.offset(wide));
    case FORM.line_strp:
      return textAt(strings.line, r.offset(wide));
    case FORM.udata:
      return r.uleb();
    case FORM.data1:
      return r.u8();
    case FORM.data2:
      return r.u16();
    case FORM.data4:
      return r.u32();
    case FORM.data8:
      return Number(r.u64());
    case FORM.data16:
      r.skip(16);
      return 0;
    case FORM.block:
      r.skip(r.uleb());
      return 0;
    case FORM.block2:
      r.skip(r.u16());
      return 0;
    case FORM.block4:
      r.skip(r.u32());
      return 0;
    default:
      throw new RangeError(`form ${form} is none of a line table`);
  }
}
