// ELF files of whole programs for tests: one segment, sections, symbols.
import { elfFile, put, sizeOf, SYMBOL, type Values } from "./elf_file.ts";

/** A file with one segment at LOAD, sections in it or behind it, and symbols. */
export const LOAD = 0x8000_0000;
export interface Made {
  readonly bits?: 32 | 64;
  /** At offsets: a word, a text, instructions. */
  readonly words?: Readonly<Record<number, bigint | string | readonly number[]>>;
  readonly symbols?: readonly (readonly [name: string, value: number])[];
  readonly sections?: Readonly<Record<string, readonly [offset: number, size: number, address?: number]>>;
  readonly machine?: number;
  readonly entry?: number;
}
export function made({ bits = 64, words = {}, symbols = [], sections = {}, machine = 243, entry: start = 0 }: Made): Uint8Array {
  const text = (names: readonly string[]) => new TextEncoder().encode("\0" + names.map((n) => `${n}\0`).join(""));
  const at = (names: readonly string[], i: number) =>
    1 + names.slice(0, i).reduce((n, name) => n + new TextEncoder().encode(name).length + 1, 0);
  const named = symbols.map(([name]) => name), titles = Object.keys(sections), entry = sizeOf(SYMBOL[bits], bits);
  const strings = text(named), headings = text(titles), table = { offset: 0x4000, size: entry * symbols.length };
  const headers: Values[] = [
    {},
    { type: 2, offset: table.offset, size: table.size, link: 2 },
    { type: 3, offset: 0x5000, size: strings.length },
    { type: 3, offset: 0x7000, size: headings.length },
    ...titles.map((name, i) => {
      const [offset, size, addr = LOAD + offset] = sections[name];
      return { type: 1, name: at(titles, i), offset, size, addr };
    }),
  ];
  const programs = [{ type: 1, offset: 0, vaddr: LOAD, paddr: LOAD, filesz: 0x3000, memsz: 0x3000 }];
  const file = elfFile({
    bits,
    programs,
    phoff: 0x40,
    sections: headers,
    shoff: 0x7800,
    length: 0x8000,
    header: { shstrndx: 3, machine, entry: LOAD + start },
  });
  file.fill(0, 0x100, 0x7800);
  for (const [where, value] of Object.entries(words)) {
    if (typeof value === "object") file.set(new Uint8Array(Uint32Array.from(value).buffer), Number(where));
    else if (typeof value === "string") file.set(new TextEncoder().encode(value), Number(where));
    else for (let i = 0, v = value; i < bits / 8; i++, v >>= 8n) file[Number(where) + i] = Number(v & 0xffn);
  }
  symbols.forEach(([, value], i) =>
    put(file, table.offset + i * entry, SYMBOL[bits], bits, { name: at(named, i), value, size: 4, info: 2, shndx: 4 })
  );
  file.set(strings, 0x5000);
  file.set(headings, 0x7000);
  return file;
}
