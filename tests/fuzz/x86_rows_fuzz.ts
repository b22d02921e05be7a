// Single x86 instructions drawn from the rows, with random registers, flags and memory, against the processor of the host: a static ELF made here
// loads all registers from a record, executes one instruction, and stores all registers back; its output is the reference for the evaluator.
// 32-bit code runs natively too where the kernel allows it (else --run qemu-i386, which lacks F6 /1 and F7 /1); 16-bit code does so in segments
// of the local descriptor table, with a 16-bit stack. --memory segmented translates 32-bit code as if segments had to be checked.
// With --length N, cases are straight lines of up to N instructions on registers, so that flags go from one to the next.
// Usage: deno run -A tests/fuzz/x86_rows_fuzz.ts [--cases N] [--length N] [--seed S] [--code 16|32|64] [--rows REGEXP] [--memory flat|segmented] [--run COMMAND] [--engine]
// --engine compares the interpreter and compiled code with the evaluator instead, on the same cases.
// Left out: privileged and system instructions, far transfers, ports, and the flags that rows mark as undefined.
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { Bus } from "../../src/core/bus.ts";
import { Engine, loadJit } from "../../src/engine/engine.ts";
import { Builder } from "../../src/ir/builder.ts";
import { type EvalMachine, evaluate, type Exit } from "../../src/ir/evaluate.ts";
import { type Code, CONTINUE, type Core, type CoreEnv, FAULT, type Helper, type Status } from "../../src/ir/frontend.ts";
import { ARG, RESULT } from "../../src/ir/layout.ts";
import { verifyIr } from "../../src/ir/verify.ts";
import { OK, RIP } from "../../src/x86/decode.ts";
import { disassemble } from "../../src/x86/disasm.ts";
import { type Encoding, randomInstruction } from "../../src/x86/encode.ts";
import { readStatus, writeStatus } from "../../src/x86/flags.ts";
import { SYSTEM_HELPERS } from "../../src/x86/helpers.ts";
import { IMM, Insn, MEM, type Row, STRING } from "../../src/x86/insn.ts";
import { AF, STATUS } from "../../src/x86/registers.ts";
import { x86Table } from "../../src/x86/instruction_set.ts";
import {
  CODE_END,
  CODE_LIMIT,
  FPU_CW,
  FPU_EMPTY,
  FPU_REG,
  FPU_SW,
  FPU_TOP,
  GPR,
  MODE_CODE32,
  MODE_CODE64,
  MODE_CPL_SHIFT,
  MODE_FLAT,
  MODE_OSFXSR,
  MODE_PROTECTED,
  MODE_SSE_FAST,
  MODE_STACK32,
  MXCSR,
  mxcsrIsFast,
  RFLAGS,
  SEG_BASE,
  SEG_READ_TOP,
  SEG_WRITE_TOP,
  XMM,
} from "../../src/x86/slots.ts";
import { instructionHelpers, translateBlock } from "../../src/x86/translate.ts";
import { Random } from "./random.ts";

await loadJit();

/** Code of the cases; that around them has 32 bits where they have 16. */
type Width = 16 | 32 | 64;

/** Cases of one run of the reference. */
const BATCH = 2000;
/** The code of case n is at CODE + SLOT * n and its record at RECORDS + RECORD * n; SCRATCH is the stack of the code around it. */
const CODE = 0x0100_0000, SLOT = 768, RECORDS = 0x4000_0000, RECORD = 2048;
/** Record: flags, a word that a taken branch sets, 16 registers, the fxsave area, memory. */
const FLAGS = 0, TAKEN = 8, REGS = 16, FX = 256, BUFFER = 768;
/** Operands in memory are in this part of the record. */
const LOW = BUFFER + 384, HIGH = BUFFER + 832;
const DF = 0x400;
/** 16-bit cases: so many are in one code segment. The selectors are those of Linux for 32-bit code, and of the local table. */
const GROUP = 64, FLAT_CODE = 0x23, FLAT_DATA = 0x2b, NEAR_STACK = 7;
const codeSegment = (n: number) => 8 * (1 + Math.floor(n / GROUP)) + 7;
/** Linear address of offset 0 of case n's code segment. */
const codeBase = (code: Width, n: number) => code === 16 ? CODE + SLOT * GROUP * Math.floor(n / GROUP) : 0;
/** Bytes of the jump behind a case, after which taken branches land. */
const LANDING: Readonly<Record<Width, number>> = { 16: 8, 32: 5, 64: 5 };
/** Where the record's memory is while an instruction with 16-bit addresses runs. */
const NEAR = 0x4000, NEAR_SIZE = RECORD - BUFFER;

/** Rows that need privilege, change segments, or depend on the host (rcpps, fsin and their relatives: every maker's last bits are different). */
const LEFT_OUT =
  /^(in|out|ins|insb|outs|outsb|int|int3|int1|into|iret|retf|jmpf|callf|hlt|cli|sti|pushf|popf|sldt|str|lldt|ltr|verr|verw|arpl|sgdt|sidt|lgdt|lidt|smsw|lmsw|invlpg|monitor|mwait|xgetbv|xsetbv|rdpkru|wrpkru|swapgs|stac|clac|rdtscp|lar|lsl|syscall|sysret|clts|invd|wbinvd|ud[012]|wrmsr|rdtsc|rdmsr|rdpmc|sysenter|sysexit|cpuid|fxsave|fxrstor|xsave\w*|xrstor\w*|rd[fg]sbase|wr[fg]sbase|invpcid|rdrand|rdseed|rdpid|l[defgs]s|bound|salc|stmxcsr|ldmxcsr|endbr\d\d|rcp[ps]s|rsqrt[ps]s|f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos|fneni|fndisi|fnsetpm|clflush\w*|clwb)$/;
// --- random numbers
const rng = new Random(1);
const below = (n: number) => rng.below(n);
const random64 = () => rng.bits64();
const pick = <T>(from: readonly T[]): T => rng.pick(from);
const u64 = (n: bigint) => BigInt.asUintN(64, n);

const randomInteger = () => rng.integer();
const randomFloat = (exponentBits: number, fractionBits: number) => rng.float(exponentBits, fractionBits);
function randomExtended(): bigint {
  const exponent = pick([0, 0x7fff, 0x7ffe, 1, below(0x8000), 0x3fff, 0x3fff + below(70), 0x3fff - below(70), 0x3fff + below(20)]);
  let fraction = pick([0n, -1n, 1n << 62n, random64(), random64(), random64(), 1n << BigInt(below(63)), -1n << BigInt(below(63))]);
  fraction = BigInt.asUintN(63, fraction) | (exponent !== 0 && below(40) !== 0 ? 1n << 63n : 0n);
  return (BigInt(below(2)) << 79n) | (BigInt(exponent) << 64n) | fraction;
}
const random128 = (row: Row): [bigint, bigint] => {
  const kind = /s[sd]?$|ps|ss/.test(row.mnemonic) && below(5) !== 0
    ? (/(sd|pd)/.test(row.mnemonic) ? "d" : "s")
    : pick(["s", "d", "x", "i", "i"]);
  const half = () => {
    if (kind === "d") return randomFloat(11, 52);
    if (kind === "s") return (randomFloat(8, 23) << 32n) | randomFloat(8, 23);
    return kind === "i" ? randomInteger() : random64();
  };
  return [half(), half()];
};

// --- one case
interface Case {
  readonly row: Row;
  readonly bytes: readonly number[];
  readonly text: string;
  /** The record before, and (from the evaluator) after. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** Part of the record that is not compared. */
  readonly ignored: readonly [number, number];
  /** 16-bit addresses: memory is at NEAR meanwhile. */
  readonly near: boolean;
}

/** The evaluator's machine: slots, and the record's buffer as memory. */
class Rig implements EvalMachine {
  readonly bytes = new Uint8Array(0x1_0000);
  readonly slots = new DataView(this.bytes.buffer);
  readonly i32 = new Int32Array(this.bytes.buffer);
  readonly helpers: readonly Helper[];
  readonly builder = new Builder();
  readonly insn = new Insn();
  record = new Uint8Array(RECORD);
  base = 0;
  /** Base of CS. */
  codeBase = 0;
  mode: number;

  constructor(readonly code: Width, readonly segmented: boolean) {
    const narrow = code === 32 ? MODE_CODE32 | MODE_STACK32 | (segmented ? 0 : MODE_FLAT) : 0;
    this.mode = (code === 64 ? MODE_CODE64 | MODE_FLAT : narrow) | MODE_PROTECTED | MODE_OSFXSR | (3 << MODE_CPL_SHIFT);
    const env = {
      u8: this.bytes,
      i32: this.i32,
      u32: new Uint32Array(this.bytes.buffer),
      u64: new BigUint64Array(this.bytes.buffer),
      changed: () => {},
    };
    const result = (v: bigint): Status => {
      this.slots.setBigUint64(RESULT, v, true);
      return CONTINUE;
    };
    const allowed: Readonly<Record<string, () => Status>> = {
      segRead: () => result(this.slots.getBigUint64(ARG, true)),
      segWrite: () => result(this.slots.getBigUint64(ARG, true)),
    };
    // A drawn instruction that calls one of the system's helpers is a mistake of the generator or of a row.
    const system = SYSTEM_HELPERS.map((name): Helper => ({
      name,
      run: allowed[name] ?? (() => {
        throw new Error(`helper ${name} was called`);
      }),
    }));
    this.helpers = [...system, ...instructionHelpers(env as unknown as CoreEnv, () => FAULT)];
    for (let n = 0; n < 6; n++) {
      this.slots.setBigUint64(SEG_READ_TOP(n), 1n << 32n, true);
      this.slots.setBigUint64(SEG_WRITE_TOP(n), 1n << 32n, true);
    }
    for (const slot of [CODE_LIMIT, CODE_END]) this.slots.setInt32(slot, -1, true);
  }

  #at(address: bigint, size: number): number {
    const offset = Number(address) - this.base;
    if (offset < BUFFER || offset + size > RECORD) {
      throw new OutOfRange(`access to 0x${address.toString(16)}, record at 0x${this.base.toString(16)}`);
    }
    return offset;
  }
  load(address: bigint, size: number): bigint {
    const at = this.#at(address, size);
    let v = 0n;
    for (let i = size - 1; i >= 0; i--) v = (v << 8n) | BigInt(this.record[at + i]);
    return v;
  }
  store(address: bigint, size: number, value: bigint): boolean {
    const at = this.#at(address, size);
    for (let i = 0; i < size; i++) this.record[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    return true;
  }
}
class OutOfRange extends Error {}

const prologueLength = (code: Width, near = false) => prologue(code, RECORDS, near).length;

/** Copies a record's registers into the slots, or the slots into the record. */
function load(rig: Rig, v: DataView): void {
  const { slots } = rig, flags = v.getUint32(FLAGS, true);
  writeStatus(rig.i32, flags & STATUS);
  slots.setBigUint64(RFLAGS, BigInt(2 | (flags & DF)), true);
  slots.setBigUint64(SEG_BASE(1), BigInt(rig.codeBase), true);
  for (let n = 0; n < 16; n++) slots.setBigUint64(GPR(n), v.getBigUint64(REGS + 8 * n, true), true);
  const top = (v.getUint16(FX + 2, true) >> 11) & 7;
  slots.setInt32(FPU_CW, v.getUint16(FX, true), true);
  slots.setInt32(FPU_SW, v.getUint16(FX + 2, true) & ~0x3800, true);
  slots.setInt32(FPU_TOP, top, true);
  slots.setInt32(FPU_EMPTY, ~v.getUint8(FX + 4) & 0xff, true);
  slots.setInt32(MXCSR, v.getUint32(FX + 24, true), true);
  for (let n = 0; n < 8; n++) {
    const at = FPU_REG((top + n) & 7);
    slots.setBigUint64(at, v.getBigUint64(FX + 32 + 16 * n, true), true);
    slots.setBigUint64(at + 8, BigInt(v.getUint16(FX + 40 + 16 * n, true)), true);
  }
  for (let n = 0; n < 16; n++) {
    slots.setBigUint64(XMM(n), v.getBigUint64(FX + 160 + 16 * n, true), true);
    slots.setBigUint64(XMM(n) + 8, v.getBigUint64(FX + 168 + 16 * n, true), true);
  }
}
function store(rig: Rig, v: DataView): void {
  const { slots, code } = rig, top = slots.getInt32(FPU_TOP, true);
  v.setUint32(FLAGS, readStatus(rig.i32) | Number(slots.getBigUint64(RFLAGS, true) & BigInt(DF)), true);
  for (let n = 0; n < (code === 64 ? 16 : 8); n++) {
    if (code === 64) v.setBigUint64(REGS + 8 * n, slots.getBigUint64(GPR(n), true), true);
    else v.setUint32(REGS + 8 * n, slots.getUint32(GPR(n), true), true);
  }
  v.setUint16(FX, slots.getInt32(FPU_CW, true), true);
  v.setUint16(FX + 2, slots.getInt32(FPU_SW, true) | (top << 11), true);
  v.setUint8(FX + 4, ~slots.getInt32(FPU_EMPTY, true) & 0xff);
  v.setUint32(FX + 24, slots.getInt32(MXCSR, true), true);
  for (let n = 0; n < 8; n++) {
    const at = FPU_REG((top + n) & 7);
    v.setBigUint64(FX + 32 + 16 * n, slots.getBigUint64(at, true), true);
    v.setUint16(FX + 40 + 16 * n, slots.getUint16(at + 8, true), true);
  }
  for (let n = 0; n < (code === 64 ? 16 : 8); n++) {
    v.setBigUint64(FX + 160 + 16 * n, slots.getBigUint64(XMM(n), true), true);
    v.setBigUint64(FX + 168 + 16 * n, slots.getBigUint64(XMM(n) + 8, true), true);
  }
}

/** Rows for straight lines: no memory, and no flags that the manual leaves undefined but AF, which nothing reads there. */
function lineRows(rows: readonly Row[]): Row[] {
  return rows.filter((r) =>
    r.unit === "" && r.form !== 1 && (r.undefinedFlags & ~AF) === 0 &&
    !/^(lahf|daa|das|aa[asmd]|cmpxchg|div|idiv|fwait|j\w+|loop\w*|call|ret|push|pop|leave|enter|push\w|pop\w|xlat)$/.test(r.mnemonic) &&
    r.operands.every((o) => !"XYOJMST".includes(o.where))
  );
}
/** A case of several instructions. */
function makeLine(rig: Rig, rows: readonly Row[], n: number, length: number): Case | undefined {
  const { code, insn: i } = rig, bytes: number[] = [], texts: string[] = [], wanted = 2 + below(length - 1);
  const record = RECORDS + RECORD * n, pc = CODE + SLOT * n + prologueLength(code);
  while (texts.length < wanted && bytes.length < 100) {
    const row = pick(rows), e = randomInstruction(row, code, rng.unit).bytes;
    if (
      x86Table().decode(i, Uint8Array.from([...e, ...Array(15).fill(0x90)]), 0, 15, code) !== OK || i.row !== row || i.length !== e.length
    ) continue;
    if (i.operands.some((o) => o.kind === MEM)) continue;
    texts.push(disassemble(i, pc + bytes.length, code));
    bytes.push(...e);
  }
  const before = new Uint8Array(RECORD), v = new DataView(before.buffer);
  for (let k = 0; k < (code === 64 ? 16 : 8); k++) {
    const value = k === 1 && below(2) ? BigInt(below(70)) : randomInteger();
    v.setBigUint64(REGS + 8 * k, code === 64 ? value : BigInt.asUintN(32, value), true);
  }
  v.setUint32(FLAGS, (rng.bits() & (STATUS | DF)) | 0x202, true);
  v.setUint16(FX, 0x37f, true);
  v.setUint32(FX + 24, 0x1f80, true);
  rig.codeBase = codeBase(code, n);
  load(rig, v);
  rig.record = before.slice();
  rig.base = record;
  const end = pc + bytes.length,
    text = { bytes: Uint8Array.from([...bytes, 0xeb, 0xfe, ...Array(30).fill(0)]), at: 0, limit: bytes.length + 32, next: () => -1 };
  rig.builder.reset(pc, 0);
  translateBlock(rig.builder, text, texts.length, rig.mode);
  verifyIr(rig.builder);
  const exit = evaluate(rig.builder, rig);
  if (Number(exit.pc) !== end) throw new Error(`${texts.join("; ")}: ends at ${Number(exit.pc) - end}`);
  store(rig, new DataView(rig.record.buffer));
  return { row: rows[0], bytes, text: texts.join("\n  "), before, after: rig.record, ignored: [0, 0], near: false };
}

/** Draws a case and computes its outcome; undefined: draw again. */
function makeCase(rig: Rig, row: Row, n: number): Case | undefined {
  const { code, insn: i } = rig, e: Encoding = randomInstruction(row, code, rng.unit);
  const bytes = e.bytes, before = new Uint8Array(RECORD), v = new DataView(before.buffer);
  if (x86Table().decode(i, Uint8Array.from(bytes), 0, 15, code) !== OK || i.row !== row || i.length !== bytes.length) return undefined;
  // Where the record is, or would be if its memory were at NEAR.
  const near = i.address === 2, record = near ? NEAR - BUFFER : RECORDS + RECORD * n;
  const pc = CODE + SLOT * n + prologueLength(code, near), end = pc + bytes.length, taken = end + LANDING[code];
  const base = rig.codeBase = codeBase(code, n);
  const target = record + LOW + 8 * below((HIGH - LOW) / 8) + (below(4) ? 0 : below(8));
  const put32 = (at: number, v: number) => [0, 8, 16, 24].forEach((s, k) => bytes[at + k] = (v >> s) & 255);
  if (e.displacement >= 0) {
    const alone = i.base === RIP ? target - end : target;
    if (near) [bytes[e.displacement], bytes[e.displacement + 1]] = [alone & 255, alone >> 8];
    else put32(e.displacement, alone);
    if (row.operands.some((o) => o.where === "O") && i.address === 8) put32(e.displacement + 4, 0);
  }
  if (e.relative >= 0) {
    if (e.relativeBytes === 2 && code !== 16) return undefined;
    if (e.relativeBytes === 1) bytes[e.relative] = taken - end;
    else if (e.relativeBytes === 2) [bytes[e.relative], bytes[e.relative + 1]] = [taken - end, 0];
    else put32(e.relative, taken - end);
  }
  x86Table().decode(i, Uint8Array.from(bytes), 0, 15, code);
  // Counts above 16 give an undefined result.
  if (/^sh[lr]d$/.test(row.mnemonic) && i.operand === 2 && (i.operands[2].kind !== IMM || (i.imm & 31) > 16)) return undefined;
  const transfer = /^(jmp|call|ret)$/.test(row.mnemonic);
  // With 66, AMD's processors cut the target to 16 bits, Intel's ignore the prefix in 64-bit mode.
  if (code !== 16 && (transfer || e.relative >= 0) && i.data16) return undefined;

  // Registers.
  const regs = Array.from({ length: 16 }, randomInteger), mask = code === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  const pointer = (r: number, address: number, bytesOfAddress: number) => {
    if (bytesOfAddress === 2) regs[r] = ((regs[r] & ~0xffffn) | BigInt(address)) & mask;
    else regs[r] = bytesOfAddress === 8 || code === 32 ? u64(BigInt(address)) : (regs[r] & ~0xffff_ffffn) | BigInt(address >>> 0);
  };
  // Register operands are often small counts or alike.
  if (below(3) === 0) regs[1] = (regs[1] & ~0xffn) | BigInt(below(70));
  if (below(8) === 0) regs[pick([0, 1, 2, 3])] = regs[pick([0, 1, 2, 3])];
  const memory = i.operands.some((o) => o.kind === MEM), strings = i.operands.some((o) => o.kind === STRING);
  let at = target;
  // The stack of 16-bit cases is 64 KiB long.
  if (code === 16 && !near && (memory || strings) && i.segment === 2) return undefined;
  if (memory) {
    const size = i.operands.find((o) => o.kind === MEM)!.size;
    if (size === 16 && (below(20) !== 0 || /^cmpxchg16b/.test(row.mnemonic))) at = target & ~15;
    if (/^(bt|bts|btr|btc)$/.test(row.mnemonic) && i.operands[1].kind !== IMM) {
      const r = i.operands[1], offset = BigInt(below(2000) - 1000) & ((1n << BigInt(8 * r.size)) - 1n);
      if (r.n === i.base || r.n === i.index) return undefined;
      regs[r.n] = (regs[r.n] & ~((1n << BigInt(8 * r.size)) - 1n)) | offset;
    }
    if (i.base >= 0 && i.base < 16) {
      if (i.index === i.base) return undefined;
      if (/^(bt|bts|btr|btc)$/.test(row.mnemonic) && i.operands[1].kind !== IMM && i.operands[1].n === i.base) return undefined;
      const scaled = i.index >= 0 ? regs[i.index] << BigInt(i.scale) : 0n;
      const bias = row.mnemonic === "pop" && i.base === 4 ? i.operand : 0;
      if (bias || (i.base === 4 || i.index === 4) && /^(push|pop|call|enter|leave|ret)/.test(row.mnemonic)) return undefined;
      const rest = u64(BigInt(at) - scaled - BigInt(i.disp));
      if (i.address === 4 && code === 64) regs[i.base] = (regs[i.base] & ~0xffff_ffffn) | BigInt.asUintN(32, rest);
      else if (near) regs[i.base] = ((regs[i.base] & ~0xffffn) | BigInt.asUintN(16, rest)) & mask;
      else regs[i.base] = rest & mask;
    } else if (i.index >= 0) {
      if (i.base === RIP) return undefined;
      regs[i.index] = 0n;
    }
  }
  const stack = /^(push|pop|pusha|popa|call|ret|enter|leave)$/.test(row.mnemonic);
  if (stack) {
    if (i.base === 4 || i.index === 4) return undefined;
    // The stack of 16-bit cases is where memory of 16-bit addresses is.
    if (code === 16 && !near) return undefined;
    const width = code === 16 ? 2 : 8;
    pointer(4, target & ~7, width);
    if (/^(enter|leave)$/.test(row.mnemonic)) pointer(5, record + LOW + 8 * below(40), width);
    if (row.mnemonic === "enter") {
      const k = bytes.length - 4;
      bytes[k + 1] &= 63;
      bytes[k + 2] = 0;
      bytes[k + 3] &= pick([0, 1, 3, 31]);
      if (i.operand === 2) bytes[k + 3] &= 3;
      x86Table().decode(i, Uint8Array.from(bytes), 0, 15, code);
    }
  }
  if (strings) {
    const size = Math.max(i.operands[0].size, i.operands[1].size);
    pointer(6, target, i.address);
    pointer(7, record + LOW + below(HIGH - LOW), i.address);
    // With 16-bit addresses AMD's fast rep movs looks for overlaps in the upper halves as well, which do not count (QEMU agrees with the evaluator).
    if (i.rep && near) { for (const r of [6, 7]) regs[r] &= 0xffffn; }
    if (i.rep) pointer(1, below(200 / size), i.address);
  }
  if (/^maskmov/.test(row.mnemonic)) pointer(7, record + LOW + below(HIGH - LOW), i.address);
  if (/^pcmpestr/.test(row.mnemonic)) { for (const r of [0, 2]) if (below(3)) regs[r] = u64(BigInt(below(40) - 20)); }
  if (row.mnemonic === "xlat") pointer(3, record + BUFFER + below(700), i.address);

  for (let k = 0; k < RECORD - BUFFER; k += 8) v.setBigUint64(BUFFER + k, below(3) ? random64() : randomInteger(), true);
  // Some strings are alike, so that repe goes on.
  if (strings && below(2)) before.fill(below(2) ? 0 : before[BUFFER], BUFFER);
  if (row.unit === "" ? false : memory) {
    const k = at - record;
    let [lo, hi] = random128(row);
    if (/^pcmp[ei]str/.test(row.mnemonic)) [lo, hi] = [lo & 0x0303_0303_0303_0303n, hi & 0x0303_0303_0303_0303n];
    if (/^fbld$/.test(row.mnemonic)) {
      [lo, hi] = [0, 1].map(() => BigInt("0x" + [...lo.toString(16)].map((c) => "0123456789012345"[parseInt(c, 16)]).join("")));
    }
    v.setBigUint64(k, lo, true);
    v.setBigUint64(k + 8, hi, true);
    if (i.operands.some((o) => o.kind === MEM && o.size === 10)) {
      const x = randomExtended();
      v.setBigUint64(k, u64(x), true);
      v.setUint16(k + 8, Number(x >> 64n), true);
    }
  }
  if (transfer) {
    const to = BigInt(taken - base);
    if (row.mnemonic === "ret") v.setBigUint64((target & ~7) - record, to, true);
    else if (memory) v.setBigUint64(at - record, to, true);
    else if (e.relative < 0) {
      if (i.operands[0].n === 4) return undefined;
      regs[i.operands[0].n] = to;
    }
  }
  if (/^(cmpxchg)/.test(row.mnemonic) && below(2)) {
    // Equal to the accumulator.
    if (i.operands[0].kind === MEM) {
      const k = at - record;
      if (i.base !== 0 && i.index !== 0) regs[0] = v.getBigUint64(k, true) & (row.mnemonic === "cmpxchg8b" ? 0xffff_ffffn : mask);
      if (row.mnemonic !== "cmpxchg" && i.base !== 2 && i.index !== 2) {
        regs[2] = row.mnemonic === "cmpxchg8b" ? BigInt(v.getUint32(k + 4, true)) : v.getBigUint64(k + 8, true);
      }
    } else regs[0] = regs[i.operands[0].n & 15];
  }
  for (let k = 0; k < 16; k++) v.setBigUint64(REGS + 8 * k, code === 64 ? regs[k] : k < 8 ? regs[k] & mask : 0n, true);
  v.setUint32(FLAGS, (rng.bits() & (STATUS | DF)) | 0x202, true);
  // Some exceptions unmasked: their signal would come with the next waiting instruction only, and there is none.
  const unmasked = row.unit === "fpu" && below(4) === 0 ? below(64) & 0x3f : 0;
  v.setUint16(FX, (0x007f & ~unmasked) | (pick([3, 3, 3, 0, 2]) << 8) | (pick([0, 0, 1, 2, 3]) << 10), true);
  const empty = pick([0, 0, 0, 0xff, below(256)]);
  v.setUint16(FX + 2, (below(8) << 11) | (rng.bits() & 0x4700) | (unmasked || below(2) ? 0 : below(64)), true);
  v.setUint8(FX + 4, ~empty & 0xff);
  v.setUint32(
    FX + 24,
    0x1f80 | (below(2) ? 0x20 : below(64)) | (below(4) ? 0 : below(4) << 13) | (below(6) ? 0 : 0x8000) | (below(6) ? 0 : 0x40),
    true,
  );
  for (let k = 0; k < 8; k++) {
    const x = row.unit === "mmx" ? random64() | 0xffffn << 64n : randomExtended();
    v.setBigUint64(FX + 32 + 16 * k, u64(x), true);
    v.setUint16(FX + 40 + 16 * k, Number(x >> 64n), true);
  }
  for (let k = 0; k < (code === 64 ? 16 : 8); k++) {
    let [lo, hi] = random128(row);
    if (/^pcmp[ei]str/.test(row.mnemonic)) [lo, hi] = [lo & 0x0303_0303_0303_0303n, hi & 0x0303_0303_0303_0303n];
    v.setBigUint64(FX + 160 + 16 * k, lo, true);
    v.setBigUint64(FX + 168 + 16 * k, hi, true);
  }

  // The evaluator; a repeated instruction runs its block again and again.
  load(rig, v);
  const mxcsr = v.getUint32(FX + 24, true);
  const code2 = { bytes: new Uint8Array(64), at: 0, limit: 64, next: () => -1 };
  code2.bytes.set(bytes);
  rig.record = before.slice();
  rig.base = record;
  let exit: Exit;
  try {
    for (let k = 0;; k++) {
      rig.builder.reset(pc, 0);
      translateBlock(rig.builder, code2, 1, rig.mode | (mxcsrIsFast(mxcsr) ? MODE_SSE_FAST : 0));
      verifyIr(rig.builder);
      exit = evaluate(rig.builder, rig);
      if (exit.pc !== BigInt(pc) || exit.kind !== "next" || k > 400) break;
    }
  } catch (error) {
    if (error instanceof OutOfRange) return undefined;
    throw new Error(`${hex(bytes)} ${row.mnemonic}: ${error}`);
  }
  if (exit.kind === "fault") return undefined;
  const next = Number(exit.pc), after = rig.record, out = new DataView(after.buffer);
  store(rig, out);
  const text = `${hex(bytes)}  ${disassemble(i, pc, code)}`;
  if (next === taken) out.setUint32(TAKEN, 1, true);
  else if (next !== end) throw new Error(`${text}: next pc is ${next - pc} away`);
  // The pointers to instruction and operand: AMD's processors keep them only while an exception is pending.
  const word = i.operand === 2 ? 2 : 4, environment = /^fn(stenv|save)$/.test(row.mnemonic), from = at - record + 3 * word;
  return { row, bytes: bytes.slice(), text, before, after, ignored: environment ? [from, from + 4 * word] : [0, 0], near };
}

const hex = (bytes: readonly number[]) => bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");

// --- the reference
const le32 = (n: number) => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255];
/** An instruction `opcode /reg` with an absolute address of 32 bits. */
const absolute = (code: Width, rex: number, opcode: readonly number[], reg: number, address: number) => [
  ...(code === 64 && rex ? [0x40 | rex | (reg > 7 ? 4 : 0)] : []),
  ...opcode,
  ...(code === 64 ? [((reg & 7) << 3) | 4, 0x25] : [(reg << 3) | 5]),
  ...le32(address),
];
/** Where the stack of the surrounding code begins; it grows down. */
const SCRATCH = 0x00ff_f000;
const setStack = (code: Width) => code === 64 ? [0x48, 0xc7, 0xc4, ...le32(SCRATCH)] : [0xbc, ...le32(SCRATCH)];

const farJump = (selector: number, offset: number) => [0xea, ...le32(offset), selector & 255, selector >> 8];
/** mov ax, selector; mov ss, ax */
const setStackSegment = (selector: number) => [0x66, 0xb8, selector & 255, selector >> 8, 0x8e, 0xd0];

/** Copies a record's memory to or from NEAR. */
const copy = (from: number, to: number) => [0xbe, ...le32(from), 0xbf, ...le32(to), 0xb9, ...le32(NEAR_SIZE / 4), 0xf3, 0xa5];
function prologue(code: Width, record: number, near: boolean): number[] {
  const out = [
    ...(near ? copy(record + BUFFER, NEAR) : []),
    ...setStack(code),
    ...absolute(code, 0, [0xff], 6, record + FLAGS),
    0x9d,
    ...absolute(code, 0, [0x0f, 0xae], 1, record + FX),
  ];
  if (code === 16) out.push(...setStackSegment(NEAR_STACK));
  for (let r = 0; r < (code === 64 ? 16 : 8); r++) out.push(...absolute(code, 8, [0x8b], r, record + REGS + 8 * r));
  if (code === 16) {
    const n = (record - RECORDS) / RECORD, after = CODE + SLOT * n + out.length + 7;
    out.push(...farJump(codeSegment(n), after - codeBase(code, n)));
  }
  return out;
}
/** `at`: its linear address. */
function epilogue(code: Width, record: number, near: boolean, at: number): number[] {
  if (code === 16) {
    // Back to 32-bit code, straight on or as after a taken branch.
    const back = (offset: number) => [0x66, ...farJump(FLAT_CODE, at + 2 * LANDING[16] + offset)];
    return [...back(0), ...back(LANDING[32]), ...epilogueOf(code, record, near)];
  }
  return epilogueOf(code, record, near);
}
function epilogueOf(code: Width, record: number, near: boolean): number[] {
  // Straight on: jump over the landing of taken branches, which notes itself and comes back.
  const mark = [...absolute(code, 0, [0xc7], 0, record + TAKEN), ...le32(1)];
  const out = [0xe9, ...le32(mark.length), ...mark];
  for (let r = 0; r < (code === 64 ? 16 : 8); r++) out.push(...absolute(code, 8, [0x89], r, record + REGS + 8 * r));
  if (code === 16) out.push(...setStackSegment(FLAT_DATA));
  out.push(
    ...setStack(code),
    0x9c,
    ...absolute(code, 0, [0x8f], 0, record + FLAGS),
    0xfc,
    ...absolute(code, 0, [0x0f, 0xae], 0, record + FX),
  );
  if (near) out.push(...copy(NEAR, record + BUFFER));
  return out;
}
/** write(1, RECORDS, length); exit(0). */
function finish(code: Width, length: number): number[] {
  if (code === 64) {
    return [0xb8, ...le32(1), 0xbf, ...le32(1), 0xbe, ...le32(RECORDS), 0xba, ...le32(length), 0x0f, 0x05]
      .concat([0xb8, ...le32(60), 0x31, 0xff, 0x0f, 0x05]);
  }
  return [0xb8, ...le32(4), 0xbb, ...le32(1), 0xb9, ...le32(RECORDS), 0xba, ...le32(length), 0xcd, 0x80]
    .concat([0xb8, ...le32(1), 0x31, 0xdb, 0xcd, 0x80]);
}

/** A static ELF that runs the cases one after another. */
function makeElf(code: Width, cases: readonly (Case | undefined)[]): Uint8Array {
  const text = new Uint8Array(SLOT * cases.length + 64).fill(0x90);
  cases.forEach((c, n) => {
    const record = RECORDS + RECORD * n;
    if (!c) return text.set([0xe9, ...le32(SLOT - 5)], SLOT * n);
    const head = [...prologue(code, record, c.near), ...c.bytes];
    const bytes = [...head, ...epilogue(code, record, c.near, CODE + SLOT * n + head.length)];
    if (bytes.length + 5 > SLOT) throw new Error("a slot is too small");
    bytes.push(0xe9, ...le32(SLOT - bytes.length - 5));
    text.set(bytes, SLOT * n);
  });
  text.set(finish(code, RECORD * cases.length), SLOT * cases.length);
  const data = new Uint8Array(RECORD * cases.length);
  cases.forEach((c, n) => c && data.set(c.before, RECORD * n));
  const stack = new Uint8Array(0x1000), setup = code === 16 ? makeSegments(cases.length) : undefined;
  return elf(code, setup ? SETUP : CODE, [
    { at: SCRATCH - 0x1000, bytes: stack, flags: 6 },
    ...(setup ? [{ at: SETUP, bytes: setup, flags: 7 }] : []),
    { at: CODE, bytes: text, flags: 5 },
    { at: RECORDS, bytes: data, flags: 6 },
    ...(code !== 64 ? [{ at: NEAR, bytes: new Uint8Array(NEAR_SIZE), flags: 6 }] : []),
  ]);
}

/** Code that makes the segments of 16-bit cases and goes on to the first; the descriptors follow it. */
const SETUP = 0x00f0_0000;
function makeSegments(cases: number): Uint8Array {
  // modify_ldt's struct user_desc: entry, base, limit, and flags, here of a writable data segment and of code.
  const descriptors = [[NEAR_STACK >> 3, 0, 0xffff, 0]];
  for (let n = 0; n < cases; n += GROUP) descriptors.push([codeSegment(n) >> 3, codeBase(16, n), 0xffff, 4]);
  const CALL = 22, at = SETUP + CALL * descriptors.length + 5, code: number[] = [];
  descriptors.forEach((_, k) => code.push(0xb8, ...le32(123), 0xbb, ...le32(1), 0xb9, ...le32(at + 16 * k), 0xba, ...le32(16), 0xcd, 0x80));
  code.push(0xe9, ...le32(CODE - at));
  return Uint8Array.from([...code, ...descriptors.flatMap((d) => d.flatMap(le32))]);
}

function elf(code: Width, entry: number, segments: readonly { at: number; bytes: Uint8Array; flags: number }[]): Uint8Array {
  const wide = code === 64, head = wide ? 64 : 52, entrySize = wide ? 56 : 32;
  let offset = 0x1000;
  const placed = segments.map((s) => {
    const p = { ...s, offset };
    offset += (s.bytes.length + 0xfff) & ~0xfff;
    return p;
  });
  const out = new Uint8Array(offset), v = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  v.setUint16(16, 2, true);
  v.setUint16(18, wide ? 62 : 3, true);
  v.setUint32(20, 1, true);
  v.setUint32(24, entry, true);
  v.setUint32(wide ? 32 : 28, head, true);
  v.setUint16(wide ? 52 : 40, head, true);
  v.setUint16(wide ? 54 : 42, entrySize, true);
  v.setUint16(wide ? 56 : 44, segments.length, true);
  placed.forEach((s, i) => {
    const at = head + i * entrySize;
    const fields = wide
      ? [[0, 1], [4, s.flags], [8, s.offset], [16, s.at], [24, s.at], [32, s.bytes.length], [40, s.bytes.length], [48, 0x1000]]
      : [[0, 1], [4, s.offset], [8, s.at], [12, s.at], [16, s.bytes.length], [20, s.bytes.length], [24, s.flags], [28, 0x1000]];
    for (const [o, value] of fields) v.setUint32(at + o, value, true);
    out.set(s.bytes, s.offset);
  });
  return out;
}

/** Makes parts of a record equal that are not compared: undefined flags, x87 pointers, reserved bytes. */
function blank(row: Row, record: Uint8Array, code: Width): void {
  const v = new DataView(record.buffer, record.byteOffset, RECORD);
  v.setUint32(FLAGS, v.getUint32(FLAGS, true) & (STATUS | DF) & ~row.undefinedFlags, true);
  v.setUint32(FLAGS + 4, 0, true);
  record.fill(0, FX + 5, FX + 24);
  record.fill(0, FX + 28, FX + 32);
  for (let n = 0; n < 8; n++) record.fill(0, FX + 42 + 16 * n, FX + 48 + 16 * n);
  record.fill(0, FX + 160 + (code === 64 ? 256 : 128), BUFFER);
  if (code !== 64) record.fill(0, REGS + 64, REGS + 128);
}

const FX_NAMES: readonly (readonly [number, string])[] = [[FX, "fcw/fsw"], [FX + 8, "fip"], [FX + 24, "mxcsr"]];
function cellName(at: number): string {
  if (at === FLAGS) return "flags";
  if (at === TAKEN) return "taken";
  if (at < FX) return `r${(at - REGS) / 8}`;
  if (at < FX + 32) return FX_NAMES.findLast(([a]) => a <= at)![1];
  if (at < FX + 160) return `st${(at - FX - 32) >> 4}${(at & 8) ? ".hi" : ""}`;
  return at < BUFFER ? `xmm${(at - FX - 160) >> 4}${(at & 8) ? ".hi" : ""}` : `memory+${at - BUFFER}`;
}
/** The cells in which two records differ, with the inputs. */
function difference(c: Case, reference: Uint8Array): string {
  const ours = new DataView(c.after.buffer),
    theirs = new DataView(reference.buffer, reference.byteOffset),
    was = new DataView(c.before.buffer);
  const cell = (v: DataView, at: number) => "0x" + v.getBigUint64(at, true).toString(16);
  const out = [c.text, `  flags were ${cell(was, FLAGS)}, fcw ${cell(was, FX)}, mxcsr 0x${was.getUint32(FX + 24, true).toString(16)}`];
  for (let at = 0; at < RECORD; at += 8) {
    if (cell(ours, at) !== cell(theirs, at)) {
      out.push(`  ${cellName(at)}: was ${cell(was, at)}, ours ${cell(ours, at)}, host ${cell(theirs, at)}`);
    }
  }
  const o = new Insn();
  x86Table().decode(o, Uint8Array.from(c.bytes), 0, 15, 64);
  for (let n = 0; n < 16; n++) out[1] += `${n % 8 ? "" : "\n "} r${n}=${was.getBigUint64(REGS + 8 * n, true).toString(16)}`;
  if (c.row.unit !== "") {
    for (let n = 0; n < 8; n++) {
      const at = c.row.unit === "sse" ? FX + 160 + 16 * n : FX + 32 + 16 * n;
      out[1] += `\n  ${c.row.unit === "sse" ? "xmm" : "st"}${n} ${cell(was, at + 8)} ${cell(was, at)}`;
    }
    if (/\[/.test(c.text)) out.push("  memory operand somewhere in the buffer");
  }
  return out.slice(0, 24).join("\n");
}

async function reference(
  command: string,
  file: string,
  code: Width,
  cases: readonly (Case | undefined)[],
): Promise<Uint8Array | undefined> {
  Deno.writeFileSync(file, makeElf(code, cases), { mode: 0o755 });
  const [program, ...args] = [...command.split(" ").filter((s) => s), file];
  const out = await new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).output();
  return out.stdout.length === cases.length * RECORD ? out.stdout : undefined;
}
/** Whether the host runs code of this width: a kernel may have no 32-bit programs, or let them have no segments. */
export const runsHere = async (code: Width, directory: string): Promise<boolean> =>
  (await reference("", join(directory, `runs${code}`), code, [undefined]).catch(() => undefined)) !== undefined;
/** The first case that the reference does not survive. */
async function findCrash(command: string, file: string, code: Width, cases: readonly Case[]): Promise<Case> {
  let low = 0, high = cases.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1, part = cases.map((c, n) => n >= low && n < middle ? c : undefined);
    if (await reference(command, file, code, part)) low = middle;
    else high = middle;
  }
  return cases[low];
}

// --- the engine: the same cases once more
/** A processor of nothing but rows: flat memory, no exceptions, no interrupts. */
class RowsCore implements Core {
  readonly helpers: readonly Helper[];
  readonly waiting = false;
  readonly physical = false;
  pageCacheable = true;
  bits = 0;
  faulted = false;
  constructor(env: CoreEnv) {
    const { u64 } = env, same = (): Status => (u64[RESULT >> 3] = u64[ARG >> 3], CONTINUE);
    this.helpers = [...SYSTEM_HELPERS.map((name): Helper => ({ name, run: same })), ...instructionHelpers(env, () => FAULT)];
  }
  mode = () => this.bits;
  regime = () => 0;
  context = () => 1;
  translate = (lo: number) => lo >>> 0;
  busFault(): void {
    this.faulted = true;
  }
  raise(): void {
    this.faulted = true;
  }
  interrupt = () => false;
  translateBlock(b: Builder, code: Code, max: number): void {
    translateBlock(b, code, max, this.bits);
  }
}
/** The engine with its memory: code, records, and what is at NEAR. */
class EngineRig {
  readonly engine: Engine;
  readonly core: RowsCore;
  readonly memory: Uint8Array[];
  constructor(jit: boolean) {
    const rams = [[CODE, 0x10_0000], [RECORDS, 0x10_0000], [NEAR & ~0xffff, 0x1_0000]];
    this.engine = new Engine(
      1,
      rams.map(([base, length]) => ({ base, length, readonly: false })),
      new Bus(),
      jit ? { jit: true, threshold: 1 } : {},
    );
    this.engine.harts[0].core = this.core = new RowsCore(this.engine.harts[0]);
    this.memory = rams.map((_, n) => this.engine.ramBytes(n));
  }
  /** Runs `c`, made by `rig` for record number 0; what the record holds afterwards. Twice, so that the second time may be compiled code. */
  run(rig: Rig, c: Case, insns: number): Uint8Array {
    const { engine, core, memory } = this, hart = engine.harts[0], pc = CODE + prologueLength(rig.code, c.near), end = pc + c.bytes.length;
    const ram = c.near ? memory[2] : memory[1], at = c.near ? (NEAR & 0xffff) : BUFFER, size = RECORD - BUFFER;
    memory[0].set([...c.bytes, 0xeb, 0xfe, ...new Array(16).fill(0x90)], pc - CODE);
    engine.flushCode();
    engine.select(0);
    let out = c.before;
    c.after.fill(0, ...c.ignored);
    for (let round = 0; round < 3; round++) {
      ram.set(c.before.subarray(BUFFER), at);
      load({ ...rig, slots: new DataView(engine.memory.u8.buffer), i32: hart.i32 } as Rig, new DataView(c.before.buffer));
      core.bits = rig.mode | (mxcsrIsFast(hart.i32[MXCSR >> 2]) ? MODE_SSE_FAST : 0);
      engine.setPc(0, BigInt(pc));
      hart.changed();
      core.faulted = false;
      // The loop after the end takes what is left of the budget.
      engine.run(0, insns + (round === 2 ? 3 : 0));
      const after = Number(engine.pc(0));
      out = c.before.slice();
      out.set(ram.subarray(at, at + size), BUFFER);
      store({ ...rig, slots: new DataView(engine.memory.u8.buffer), i32: hart.i32 } as Rig, new DataView(out.buffer));
      if (c.after[TAKEN] && after !== end + 5 || !c.after[TAKEN] && after !== end || core.faulted) out[TAKEN] = 0xee;
      else out[TAKEN] = c.after[TAKEN];
      out.fill(0, ...c.ignored);
      if (out.some((b, k) => b !== c.after[k])) return out;
    }
    return out;
  }
}
/** The evaluator's results against the interpreter and compiled code. */
export function runEngine(o: Options): number {
  rng.state = o.seed;
  const rig = new Rig(o.code, false), rows = suitableRows(o), line = lineRows(rows), rigs = [new EngineRig(false), new EngineRig(true)];
  let failures = 0, compiled = 0;
  for (let n = 0; n < o.cases && failures < 20; n++) {
    const row = pick(rows), c = o.length > 1 ? makeLine(rig, line, 0, o.length) : makeCase(rig, row, 0);
    // Repeated instructions take a number of steps that is not kept; taken branches leave for other code.
    if (!c || rig.insn.rep || c.after[TAKEN]) continue;
    // Compiling takes most of the time: few cases go to the JIT.
    for (const engine of n % 16 ? rigs.slice(0, 1) : rigs) {
      if (engine === rigs[1]) compiled++;
      const out = engine.run(rig, c, o.length > 1 ? c.text.split("\n").length : 1);
      if (out.every((b, k) => b === c.after[k])) continue;
      failures++;
      console.log(`${engine === rigs[1] ? "JIT" : "interpreter"} (in the column of the host): ${difference(c, out)}`);
    }
  }
  console.log(
    `${o.code}-bit: ${o.cases} draws${
      o.length > 1 ? " of lines" : ""
    } in the interpreter, ${compiled} of them in the JIT, ${failures} differ from the evaluator`,
  );
  return failures;
}

/** What to run. */
export interface Options {
  readonly code: Width;
  readonly segmented: boolean;
  readonly cases: number;
  /** Instructions in a case. */
  readonly length: number;
  readonly rows: RegExp;
  /** Command that runs the reference; empty: the host itself. */
  readonly command: string;
  readonly seed: number;
}
/** Rows that a user program can run, of those that were asked for. */
export function suitableRows(o: Options): Row[] {
  return x86Table().rows.filter((r) =>
    !LEFT_OUT.test(r.mnemonic) && !r.cpl0 && !r.protectedOnly && o.rows.test(`${r.mnemonic} ${r.opcode}`) &&
    !(o.code === 64 ? r.invalid64 : r.only64) &&
    !r.operands.some((op) => op.where === "s" || op.where === "S" || op.where === "C" || op.where === "D")
  );
}
/** What each row does by the evaluator, with how it is written: digests of cases that are drawn for it alone, by row. */
export function answers(code: Width, segmented: boolean, cases: number, digest: (bytes: Uint8Array) => number): string[] {
  const rig = new Rig(code, segmented),
    suitable = new Set(suitableRows({ code, segmented, cases, length: 1, rows: /./, command: "", seed: 0 }));
  const encoder = new TextEncoder(), names = new Map<string, number>();
  return x86Table().rows.filter((row) => !(code === 64 ? row.invalid64 : row.only64)).map((row) => {
    const name = `x86 ${code}${segmented ? " with segments" : ""} ${row.mnemonic} ${row.opcode}`, again = names.get(name) ?? 0;
    names.set(name, again + 1);
    rng.state = digest(encoder.encode(name + again)) | 0;
    let sum = 0;
    const add = (bytes: Uint8Array) => sum = Math.imul(sum, 31) + digest(bytes) | 0;
    for (let n = 0; n < cases; n++) {
      // Lines above the record tell cases apart; a row that is left out is only decoded.
      const c = suitable.has(row) ? makeCase(rig, row, 0) : undefined;
      if (c) {
        add(c.after);
        add(encoder.encode(c.text));
        continue;
      }
      const { bytes } = randomInstruction(row, code, rng.unit), { insn } = rig;
      const status = x86Table().decode(insn, Uint8Array.from([...bytes, ...Array(15).fill(0x90)]), 0, 15, code);
      add(encoder.encode(`${status} ${insn.row === row} ${insn.length} ${status === OK ? disassemble(insn, CODE, code) : ""}`));
    }
    return `${name}${again ? ` (${again + 1})` : ""}: ${(sum >>> 0).toString(16)}`;
  });
}

/** Runs cases and prints a line of counts, and what differs; the number of failures. */
export async function run(o: Options, directory: string): Promise<number> {
  rng.state = o.seed;
  const rig = new Rig(o.code, o.segmented), file = join(directory, `rows${o.code}`);
  const rows = suitableRows(o);
  const counts = new Map<Row, number>(rows.map((r) => [r, 0])), line = lineRows(rows);
  let failures = 0, done = 0;
  while (done < o.cases && failures < 20) {
    const cases: Case[] = [], size = Math.min(BATCH, o.cases - done);
    let tries = 0;
    while (cases.length < size) {
      const row = rows[(done + cases.length + Math.floor(tries / 200)) % rows.length];
      const c = o.length > 1 ? makeLine(rig, line, cases.length, o.length) : makeCase(rig, row, cases.length);
      if (!c) {
        tries++;
        continue;
      }
      cases.push(c);
      counts.set(row, counts.get(row)! + 1);
    }
    const out = await reference(o.command, file, o.code, cases);
    if (!out) {
      console.log(`the reference does not survive: ${difference(await findCrash(o.command, file, o.code, cases), new Uint8Array(RECORD))}`);
      return failures + 1;
    }
    cases.forEach((c, n) => {
      const theirs = out.subarray(n * RECORD, (n + 1) * RECORD);
      if (o.length > 1) { for (const r of [theirs, c.after]) r[FLAGS] &= ~AF; }
      blank(c.row, theirs, o.code);
      blank(c.row, c.after, o.code);
      theirs.fill(0, ...c.ignored);
      c.after.fill(0, ...c.ignored);
      if (c.after.every((b, k) => b === theirs[k])) return;
      if (failures++ < 20) console.log(difference(c, theirs));
    });
    done += size;
  }
  const least = Math.min(...counts.values()), never = rows.filter((r) => counts.get(r) === 0).map((r) => r.syntax);
  console.log(
    `${o.code}-bit${o.segmented ? ", segmented" : ""}: ${done} cases ${o.length > 1 ? `of up to ${o.length} instructions ` : ""}over ${
      o.length > 1 ? line.length : rows.length
    } rows${o.length > 1 ? "" : ` (at least ${least} each)`}, ${failures} differ` +
      (never.length ? `; never drawn: ${never.join("; ")}` : ""),
  );
  return failures;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    boolean: ["engine"],
    string: ["cases", "length", "seed", "code", "rows", "memory", "run"],
    default: { cases: "1000000", length: "1", seed: "1", rows: ".", memory: "flat", run: "" },
  });
  const directory = Deno.makeTempDirSync();
  let failures = 0;
  try {
    for (const code of [64, 32, 16] as const) {
      const segmented = args.memory === "segmented";
      if (args.code !== undefined && Number(args.code) !== code || segmented && code !== 32) continue;
      const options: Options = {
        code,
        segmented,
        cases: Number(args.cases),
        length: Number(args.length),
        rows: new RegExp(String(args.rows)),
        command: String(args.run),
        seed: Number(args.seed),
      };
      if (args.engine) failures += runEngine(options);
      else if (options.command || await runsHere(code, directory)) failures += await run(options, directory);
      else console.log(`${code}-bit: skipped, the host does not run such code`);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  Deno.exit(failures ? 1 : 0);
}
