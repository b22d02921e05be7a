// Intel syntax of decoded instructions, from the rows' syntax strings.
import { RIP } from "./decode.ts";
import { CONST, CR, DR, FAR, IMM, type Insn, MEM, MMX, type Operand, REG, REL, SEG, ST, STRING, XMM } from "./insn.ts";

const R64 = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"];
const R32 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const R8 = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"];
const HIGH = ["ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "?", "?"];
const WIDTHS: Readonly<Record<number, string>> = {
  1: "byte",
  2: "word",
  4: "dword",
  6: "fword",
  8: "qword",
  10: "tbyte",
  16: "xmmword",
};

/** The name of general register n of `size` bytes. */
export function registerName(n: number, size: number): string {
  if (size === 8) return R64[n];
  if (size === 1) return n >= 16 ? HIGH[n - 16] : n < 8 ? R8[n] : `r${n}b`;
  if (n === RIP) return "eip";
  if (n >= 8) return `r${n}${size === 4 ? "d" : "w"}`;
  return size === 4 ? R32[n] : R32[n].slice(1);
}

const signed = (n: number) => n < 0 ? `-0x${(-n).toString(16)}` : `+0x${n.toString(16)}`;
function bits(lo: number, hi: number, size: number): string {
  if (size === 8) return "0x" + ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);
  return "0x" + (size === 4 ? lo >>> 0 : lo & (size === 1 ? 0xff : 0xffff)).toString(16);
}

function memory(i: Insn, size: number): string {
  const parts: string[] = [];
  if (i.base >= 0) parts.push(registerName(i.base, i.address));
  if (i.index >= 0) parts.push(registerName(i.index, i.address) + (i.scale || i.address !== 2 ? `*${1 << i.scale}` : ""));
  let text = parts.join("+");
  if (parts.length === 0) text = bits(i.disp, i.dispHi, i.address);
  else if (i.disp) text += signed(i.address === 2 ? (i.disp << 16) >> 16 : i.disp);
  const width = WIDTHS[size], override = i.override >= 0 ? `${SEGMENTS[i.override]}:` : "";
  return `${width ? `${width} ptr ` : ""}${override}[${text}]`;
}

function operand(i: Insn, o: Operand, pc: number | bigint, code: 16 | 32 | 64): string {
  switch (o.kind) {
    case REG:
      return registerName(o.n, o.size);
    case MEM:
      return memory(i, o.size);
    case IMM:
      return bits(i.imm, i.immHi, o.size);
    case REL: {
      const to = BigInt(pc) + BigInt(i.length + i.imm), width = code === 64 ? 64 : i.operand === 2 ? 16 : 32;
      return "0x" + BigInt.asUintN(width, to).toString(16);
    }
    case FAR:
      return `0x${i.imm2.toString(16)}:${bits(i.imm, 0, i.operand)}`;
    case SEG:
      return SEGMENTS[o.n];
    case CR:
      return `cr${o.n}`;
    case DR:
      return `dr${o.n}`;
    case MMX:
      return `mm${o.n}`;
    case XMM:
      return `xmm${o.n}`;
    case ST:
      return o.n === 0 && i.row.syntax.indexOf("STi") < 0 ? "st" : `st(${o.n})`;
    case STRING: {
      const segment = o.n === 7 ? "es" : SEGMENTS[i.override < 0 ? 3 : i.override];
      return `${WIDTHS[o.size]} ptr ${segment}:[${registerName(o.n, i.address)}]`;
    }
    case CONST:
      return String(o.n);
    default:
      return "?";
  }
}

/** Mnemonics that depend on the operand size: 16, 32, 64 bits. */
const BY_SIZE: Readonly<Record<string, readonly [string, string, string]>> = {
  cbw: ["cbw", "cwde", "cdqe"],
  cwd: ["cwd", "cdq", "cqo"],
  movs: ["movsw", "movsd", "movsq"],
  cmps: ["cmpsw", "cmpsd", "cmpsq"],
  stos: ["stosw", "stosd", "stosq"],
  lods: ["lodsw", "lodsd", "lodsq"],
  scas: ["scasw", "scasd", "scasq"],
  ins: ["insw", "insd", "insd"],
  outs: ["outsw", "outsd", "outsd"],
  pushf: ["pushf", "pushfd", "pushfq"],
  popf: ["popf", "popfd", "popfq"],
  pusha: ["pusha", "pushad", "pushad"],
  popa: ["popa", "popad", "popad"],
  iret: ["iret", "iretd", "iretq"],
};

/** Text of a decoded instruction at linear address `pc` in code of 16, 32 or 64 bits. */
export function disassemble(i: Insn, pc: number | bigint, code: 16 | 32 | 64): string {
  const { row } = i, variants = BY_SIZE[row.mnemonic], strings = i.operands.some((o) => o.kind === STRING);
  let name = variants ? variants[i.operand === 2 ? 0 : i.operand === 4 ? 1 : 2] : row.mnemonic;
  if (name === "jcxz") name = i.address === 2 ? "jcxz" : i.address === 4 ? "jecxz" : "jrcxz";
  if (row.syntax === "xchg Zv, rAX" && i.operands[0].n === 0) return i.rep === 0xf3 ? "pause" : "nop";
  const compares = strings && /^(cmps|scas)/.test(row.mnemonic);
  const prefix = (i.lock ? "lock " : "") + (strings && i.rep ? (i.rep === 0xf2 ? "repne " : compares ? "repe " : "rep ") : "");
  const operands: string[] = [];
  for (const o of i.operands) {
    if (o.kind) {
      operands.push(o.kind === IMM && operands.length && row.syntax.endsWith("Iw, Ib") ? bits(i.imm2, 0, 1) : operand(i, o, pc, code));
    }
  }
  return `${prefix}${name}${operands.length ? ` ${operands.join(", ")}` : ""}`;
}
