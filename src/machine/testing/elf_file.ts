// ELF files for tests, made by the tables of the System V ABI (chapters 4 and 5).
import { EM_RISCV } from "../elf.ts";

/** Fields in order: a number of bytes, or W, which is the width of addresses. */
export type Fields = readonly (readonly [name: string, bytes: number | "W"])[];
export const HEADER: Fields = [
  ...[["magic", 4], ["class", 1], ["data", 1], ["identVersion", 1], ["abi", 1], ["pad", 8], ["type", 2], ["machine", 2]] as const,
  ...[["version", 4], ["entry", "W"], ["phoff", "W"], ["shoff", "W"], ["flags", 4], ["ehsize", 2], ["phentsize", 2]] as const,
  ...[["phnum", 2], ["shentsize", 2], ["shnum", 2], ["shstrndx", 2]] as const,
];
export const PROGRAM: Record<number, Fields> = {
  32: [["type", 4], ["offset", 4], ["vaddr", 4], ["paddr", 4], ["filesz", 4], ["memsz", 4], ["flags", 4], ["align", 4]],
  64: [["type", 4], ["flags", 4], ["offset", 8], ["vaddr", 8], ["paddr", 8], ["filesz", 8], ["memsz", 8], ["align", 8]],
};
export const SECTION: Fields = [
  ...[["name", 4], ["type", 4], ["flags", "W"], ["addr", "W"], ["offset", "W"], ["size", "W"]] as const,
  ...[["link", 4], ["info", 4], ["align", "W"], ["entsize", "W"]] as const,
];
export const SYMBOL: Record<number, Fields> = {
  32: [["name", 4], ["value", 4], ["size", 4], ["info", 1], ["other", 1], ["shndx", 2]],
  64: [["name", 4], ["info", 1], ["other", 1], ["shndx", 2], ["value", 8], ["size", 8]],
};

export type Values = Readonly<Record<string, number | bigint>>;
export const sizeOf = (fields: Fields, bits: number): number => fields.reduce((n, [, size]) => n + (size === "W" ? bits / 8 : size), 0);
/** Writes a structure; what has no value is 0. */
export function put(file: Uint8Array, at: number, fields: Fields, bits: number, values: Values): void {
  for (const [name, width] of fields) {
    const size = width === "W" ? bits / 8 : width;
    let rest = BigInt.asUintN(64, BigInt(values[name] ?? 0));
    for (let i = 0; i < size; i++, rest >>= 8n) file[at + i] = Number(rest & 0xffn);
    at += size;
  }
}

export interface Built {
  readonly bits: 32 | 64;
  readonly header?: Values;
  readonly programs?: readonly Values[];
  readonly sections?: readonly Values[];
  readonly phoff?: number;
  readonly shoff?: number;
  /** Bytes that each entry of a table has beyond what is known of it. */
  readonly extra?: number;
  readonly length: number;
}
export function elfFile({ bits, header = {}, programs = [], sections = [], phoff = 0, shoff = 0, extra = 0, length }: Built): Uint8Array {
  const file = Uint8Array.from({ length }, (_, i) => i * 7 + 1);
  put(file, 0, HEADER, bits, {
    ...{ magic: 0x464c_457f, class: bits / 32, data: 1, identVersion: 1, type: 2, machine: EM_RISCV, version: 1, phoff, shoff },
    ...{ phentsize: sizeOf(PROGRAM[bits], bits) + extra, phnum: programs.length },
    ...{ shentsize: sizeOf(SECTION, bits) + extra, shnum: sections.length },
    ...header,
  });
  programs.forEach((p, i) => put(file, phoff + i * (sizeOf(PROGRAM[bits], bits) + extra), PROGRAM[bits], bits, p));
  sections.forEach((s, i) => put(file, shoff + i * (sizeOf(SECTION, bits) + extra), SECTION, bits, s));
  return file;
}
