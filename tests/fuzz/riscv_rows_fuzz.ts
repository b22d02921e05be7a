// Single RISC-V instructions drawn from the rows, with random registers and memory, against qemu-riscv64 and qemu-riscv32: a static ELF made
// here loads all registers from a record, executes one word, and stores all registers back; its output is the reference for the evaluator.
// Usage: deno run -A tests/fuzz/riscv_rows_fuzz.ts [--cases N] [--seed S] [--xlen 32|64] [--rows TEXT]
// Left out: instructions whose effect is privileged (ecall, csr*, sfence.vma ...), waits, and what QEMU 7.2's user mode lacks (Zicond, Zfa, cbo.*).
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { Builder } from "../../src/ir/builder.ts";
import { type EvalMachine, evaluate } from "../../src/ir/evaluate.ts";
import { type CoreEnv, FAULT, type Helper } from "../../src/ir/frontend.ts";
import { verifyIr } from "../../src/ir/verify.ts";
import { SYSTEM_HELPERS } from "../../src/riscv/helpers.ts";
import { type DecodeTable, disassemble, encode, extract, mnemonic, operands, randomWord, type Row } from "../../src/riscv/insn.ts";
import { type Isa, loadFloating } from "../../src/riscv/instruction_set.ts";
import { F, FFLAGS, FRM, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, RES_ADDRESS, X } from "../../src/riscv/slots.ts";
import { instructionHelpers, translateBlock } from "../../src/riscv/translate.ts";
import { everything } from "../../src/riscv/testing/everything.ts";
import { Random } from "./random.ts";

await loadFloating();

/** Cases of one run of QEMU; a multiple of 4 (the end address is loaded by lui). */
const BATCH = 4000;
/** The code of case n is at CODE + 16 n and its record at RECORDS + 1024 n = code address << 6: so that x31 leads from one to the other. */
const CODE = 0x0100_0000, ROUTINES = CODE - 0x1000, RECORDS = 0x4000_0000, RECORD = 1024, SLOT = 16, SHIFT = 6;
/** Record: fcsr, x1..x31, f0..f31 (8 bytes each), a word that a taken branch sets, memory to load from and store to. */
const FLAG = 512, BUFFER = 528, BUFFER_END = 1016;
const NX = 1;

const PRIVILEGED = /^(ecall|ebreak|c\.ebreak|csr|sret|mret|wfi|sfence|sinval|fence\.i|wrs|cbo|hfence|hinval)/;
/** What QEMU 7.2's user mode lacks. */
const LACKING = ["zfa", "zicond", "zcb", "zicbom", "zicboz", "zawrs", "svinval"];
const TARGETS: Readonly<Record<32 | 64, { qemu: string; cpu: string }>> = {
  64: {
    qemu: "qemu-riscv64",
    cpu: "rv64,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,zbkx=true,Zfh=true",
  },
  32: {
    qemu: "qemu-riscv32",
    cpu: "rv32,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,zbkx=true,Zfh=true",
  },
};

// --- random numbers
const rng = new Random(1);
const below = (n: number) => rng.below(n);
const random64 = () => rng.bits64();
const pick = <T>(from: readonly T[]): T => rng.pick(from);
const u64 = (n: bigint) => BigInt.asUintN(64, n);

const randomInteger = () => rng.integer();

const randomFloat = (exponentBits: number, fractionBits: number) => rng.float(exponentBits, fractionBits);

/** `format` is the mnemonic's last letter where it has one: most registers then hold such a number. */
function randomFloatRegister(format: string): bigint {
  const kind = below(12) === 0 ? pick(["h", "s", "d", "x"]) : format;
  if (kind === "h") return u64(randomFloat(5, 10) | (-1n << 16n));
  if (kind === "s") return u64(randomFloat(8, 23) | (-1n << 32n));
  return kind === "x" ? random64() : randomFloat(11, 52);
}

// --- one case
interface Case {
  readonly row: Row;
  readonly word: number;
  /** The record before, and (from the evaluator) after. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** The evaluator's machine: slots, and the record's buffer as memory. */
class Rig implements EvalMachine {
  readonly bytes = new Uint8Array(0x1_0000);
  readonly slots = new DataView(this.bytes.buffer);
  readonly helpers: readonly Helper[];
  readonly builder = new Builder();
  readonly code = { bytes: new Uint8Array(SLOT), at: 0, limit: SLOT, next: () => -1 };
  record = new Uint8Array(RECORD);
  base = 0;

  constructor(readonly isa: Isa) {
    const env = {
      i32: new Int32Array(this.bytes.buffer),
      u64: new BigUint64Array(this.bytes.buffer),
      changed: () => {},
    } as unknown as CoreEnv;
    // A drawn instruction that calls one of the system's helpers is a mistake of the generator or of a row.
    const system = SYSTEM_HELPERS.map((name): Helper => ({
      name,
      run: () => {
        throw new Error(`helper ${name} was called`);
      },
    }));
    this.helpers = [...system, ...instructionHelpers(env, () => FAULT)];
  }

  #at(address: bigint, size: number): number {
    const offset = Number(address) - this.base;
    if (offset < BUFFER || offset + size > RECORD) {
      throw new Error(`access to 0x${address.toString(16)}, record at 0x${this.base.toString(16)}`);
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

/** Fields and registers that a row needs so that branches land on their second exit and accesses in the buffer; undefined: draw again. */
function draw(table: DecodeTable, row: Row, xlen: 32 | 64, n: number): { word: number; x: bigint[]; f: bigint[] } | undefined {
  const x = Array.from({ length: 32 }, (_, i) => i === 0 ? 0n : randomInteger());
  const format = /\.(h|s|d)(\.|$)/.exec(mnemonic(row.syntax))?.[1] ?? "x", source = /^fcvt\.[a-z]+\.([hsd])/.exec(row.syntax)?.[1];
  const f = Array.from({ length: 32 }, () => randomFloatRegister(source ?? format));
  const slot = CODE + SLOT * n, record = RECORDS + RECORD * n;
  x[31] = BigInt(slot);
  let word = randomWord(row, rng.unit);
  const fields = extract(row, word);
  if (fields.rm === 5 || fields.rm === 6) return undefined;
  if (/pc\+/.test(row.syntax)) {
    fields.imm = 8;
    word = encode(row, fields);
  }
  // Small register numbers coincide often: rd = rs1 and so on.
  if (row.bits === 32 && below(4) === 0 && !/\(/.test(row.syntax)) {
    for (const r of ["rd", "rs1", "rs2", "rs3"]) if (r in fields) fields[r] = below(3);
    word = encode(row, fields);
  }
  const found = table.find(word);
  if (found !== row) return undefined;
  const d = table.decode(word);
  if (!d) return undefined;
  const syntax = row.expansion ?? row.syntax, name = mnemonic(syntax);
  // QEMU 7.2 counts on in the upper half when the lower is zero; Unpriv 28.4.17 has 32.
  if (name === "ctzw" && BigInt.asUintN(32, x[d.fields.rs1]) === 0n) return undefined;
  if (name === "jalr") {
    if (d.fields.rs1 === 0 || d.fields.rs1 === 31) return undefined;
    x[d.fields.rs1] = u64(BigInt(slot + 8 + below(2) - d.fields.imm));
  } else if (/\(/.test(syntax) && !name.startsWith("prefetch")) {
    if (d.fields.rs1 === 0 || d.fields.rs1 === 31) return undefined;
    const atomic = /^(lr|sc|amo)/.test(name), offset = BUFFER + below(BUFFER_END - BUFFER - 8);
    x[d.fields.rs1] = u64(BigInt(record + (atomic ? offset & ~7 : offset) - (d.fields.imm ?? 0)));
  }
  return { word: word >>> 0, x: xlen === 64 ? x : x.map((v) => BigInt.asUintN(32, v)), f };
}

/** Draws a case and computes its outcome; undefined: draw again. */
function makeCase(rig: Rig, row: Row, n: number): Case | undefined {
  const { isa, slots } = rig, drawn = draw(isa.table, row, isa.xlen, n);
  if (!drawn) return undefined;
  const { word, x, f } = drawn, fcsr = pick([0, NX, NX, below(32)]) | (pick([0, 0, 0, 1, 2, 3, 4]) << 5);
  const before = new Uint8Array(RECORD), view = new DataView(before.buffer);
  for (let i = 0; i < BUFFER_END - BUFFER; i += 4) view.setUint32(BUFFER + i, rng.bits(), true);
  view.setUint32(0, fcsr, true);
  for (let i = 1; i < 31; i++) view.setBigUint64(8 * i, x[i], true);
  for (let i = 0; i < 32; i++) view.setBigUint64(256 + 8 * i, f[i], true);

  slots.setBigUint64(RES_ADDRESS, u64(-1n), true);
  slots.setUint32(FFLAGS, fcsr & 31, true);
  slots.setUint32(FRM, fcsr >> 5, true);
  for (let i = 0; i < 32; i++) {
    slots.setBigUint64(X(i), x[i], true);
    slots.setBigUint64(F(i), f[i], true);
  }
  const pc = CODE + SLOT * n, fast = (fcsr & NX) !== 0 && fcsr >> 5 === 0;
  new DataView(rig.code.bytes.buffer).setUint32(0, word, true);
  rig.builder.reset(pc, 0);
  translateBlock(rig.builder, rig.code, 1, MODE_FS | MODE_FS_DIRTY | (fast ? MODE_FP_FAST : 0), isa);
  verifyIr(rig.builder);
  rig.record = before.slice();
  rig.base = RECORDS + RECORD * n;
  const exit = evaluate(rig.builder, rig);
  const after = rig.record, out = new DataView(after.buffer), mask = isa.xlen === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  if ((slots.getBigUint64(X(31), true) & mask) !== BigInt(pc)) return undefined; // the way back would be lost
  out.setUint32(0, slots.getUint32(FFLAGS, true) | (slots.getUint32(FRM, true) << 5), true);
  for (let i = 1; i < 31; i++) out.setBigUint64(8 * i, slots.getBigUint64(X(i), true) & mask, true);
  for (let i = 0; i < 32; i++) out.setBigUint64(256 + 8 * i, slots.getBigUint64(F(i), true), true);
  const next = Number(exit.pc) - pc;
  if (next === 8) out.setUint32(FLAG, RECORDS + RECORD * n, true);
  else if (next !== row.bits / 8) throw new Error(`${describe(row, word)}: next pc is ${next} away`);
  return { row, word, before, after };
}

// --- the reference
/** Machine code by mnemonic and fields, from the same rows. */
const assemble = (isa: Isa, name: string, fields: Record<string, number>) => encode(isa.table.row(name), fields);

/** A static ELF that runs the cases. */
function makeElf(isa: Isa, cases: readonly Case[]): Uint8Array {
  const load = isa.xlen === 64 ? "ld" : "lw", save = isa.xlen === 64 ? "sd" : "sw", words: number[] = [];
  const put = (name: string, fields: Record<string, number>) => words.push(assemble(isa, name, fields));
  const system = (number: number, a0: number) => {
    put("addi", { rd: 17, rs1: 0, imm: number });
    put("addi", { rd: 10, rs1: 0, imm: a0 });
    put("ecall", {});
  };
  const here = () => 4 * words.length;
  put("lui", { rd: 31, imm: RECORDS });
  const loop = here();
  put(load, { rd: 1, rs1: 31, imm: 0 });
  put("csrrw", { rd: 0, rs1: 1, csr: 3 });
  for (let i = 0; i < 32; i++) put("fld", { rd: i, rs1: 31, imm: 256 + 8 * i });
  for (let i = 1; i < 31; i++) put(load, { rd: i, rs1: 31, imm: 8 * i });
  put("srli", { rd: 31, rs1: 31, shamt: SHIFT });
  put("jalr", { rd: 0, rs1: 31, imm: 0 });
  const taken = here();
  put("slli", { rd: 31, rs1: 31, shamt: SHIFT });
  put("sw", { rs1: 31, rs2: 31, imm: FLAG });
  put("jal", { rd: 0, imm: 8 });
  const straight = here();
  put("slli", { rd: 31, rs1: 31, shamt: SHIFT });
  for (let i = 1; i < 31; i++) put(save, { rs2: i, rs1: 31, imm: 8 * i });
  for (let i = 0; i < 32; i++) put("fsd", { rs2: i, rs1: 31, imm: 256 + 8 * i });
  put("csrrs", { rd: 1, rs1: 0, csr: 3 });
  put("sw", { rs2: 1, rs1: 31, imm: 0 });
  put("addi", { rd: 31, rs1: 31, imm: RECORD });
  put("lui", { rd: 1, imm: RECORDS + RECORD * cases.length });
  put("bne", { rs1: 31, rs2: 1, imm: loop - here() });
  put("lui", { rd: 11, imm: RECORDS });
  put("lui", { rd: 12, imm: RECORD * cases.length });
  system(64, 1); // write(1, RECORDS, length)
  system(93, 0);

  const codeSize = SLOT * cases.length, code = new Uint8Array(CODE - ROUTINES + codeSize), view = new DataView(code.buffer);
  words.forEach((w, i) => view.setUint32(4 * i, w, true));
  cases.forEach((c, i) => {
    const at = CODE - ROUTINES + SLOT * i;
    view.setUint32(at, c.row.bits === 16 ? c.word | (0x0001 << 16) : c.word, true); // c.nop
    view.setUint32(at + 4, assemble(isa, "jal", { rd: 0, imm: straight - (at + 4) }), true);
    view.setUint32(at + 8, assemble(isa, "jal", { rd: 0, imm: taken - (at + 8) }), true);
  });
  return elf(isa.xlen, ROUTINES, [{ at: ROUTINES, bytes: code, flags: 5 }, {
    at: RECORDS,
    bytes: concat(cases.map((c) => c.before)),
    flags: 6,
  }]);
}

const concat = (parts: readonly Uint8Array[]) => {
  const out = new Uint8Array(parts.length * RECORD);
  parts.forEach((p, i) => out.set(p, i * RECORD));
  return out;
};

function elf(xlen: 32 | 64, entry: number, segments: readonly { at: number; bytes: Uint8Array; flags: number }[]): Uint8Array {
  const wide = xlen === 64, head = wide ? 64 : 52, entrySize = wide ? 56 : 32;
  let offset = 0x1000;
  const placed = segments.map((s) => {
    const p = { ...s, offset };
    offset += (s.bytes.length + 0xfff) & ~0xfff;
    return p;
  });
  const out = new Uint8Array(offset), v = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  v.setUint16(16, 2, true);
  v.setUint16(18, 243, true);
  v.setUint32(20, 1, true);
  v.setUint32(24, entry, true);
  v.setUint32(wide ? 32 : 28, head, true);
  v.setUint32(wide ? 48 : 36, 5, true); // double-float ABI, RVC
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

const describe = (row: Row, word: number) => `${word.toString(16).padStart(row.bits / 4, "0")} ${disassemble(row, word)}`;

/** The registers, flags and memory in which two records differ, with the inputs. */
function difference(c: Case, reference: Uint8Array): string {
  const ours = new DataView(c.after.buffer),
    theirs = new DataView(reference.buffer, reference.byteOffset),
    was = new DataView(c.before.buffer);
  const cell = (v: DataView, at: number) => "0x" + v.getBigUint64(at, true).toString(16);
  const name = (at: number) =>
    at === 0 ? "fcsr" : at < 256 ? `x${at / 8}` : at < FLAG ? `f${(at - 256) / 8}` : at === FLAG ? "taken" : `memory+${at - BUFFER}`;
  const out = [describe(c.row, c.word), `  fcsr was ${cell(was, 0)}`];
  for (const o of operands(c.row.syntax)) {
    const fields = extract(c.row, c.word), r = fields[o.replace(/^f/, "r")];
    if (r !== undefined && /^[rf]/.test(o) && o !== "rm") {
      out.push(`  ${o} = ${o[0]}${r} was ${cell(was, (o[0] === "f" ? 256 : 0) + 8 * r)}`);
    }
  }
  for (let at = 0; at < RECORD; at += 8) {
    if (cell(ours, at) !== cell(theirs, at)) out.push(`  ${name(at)}: ours ${cell(ours, at)}, QEMU ${cell(theirs, at)}`);
  }
  return out.join("\n");
}

/** Runs `total` cases (rounded up to 4000) of the rows whose syntax has `only` in it; the number that differ. Undefined: no QEMU. */
export async function fuzzRows(xlen: 32 | 64, total: number, only: string, seed: number): Promise<number | undefined> {
  if (!await available(TARGETS[xlen].qemu)) return undefined;
  rng.state = seed;
  const directory = Deno.makeTempDirSync();
  try {
    return await run(xlen, total, only, directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function run(xlen: 32 | 64, total: number, only: string, directory: string): Promise<number> {
  const target = TARGETS[xlen], isa = everything(xlen, LACKING), rig = new Rig(isa);
  const rows = isa.table.rows.filter((r) => r.syntax !== "" && !PRIVILEGED.test(r.syntax) && r.syntax.includes(only));
  if (!rows.length) {
    console.log(`RV${xlen}: no row has '${only}' in its syntax`);
    return 0;
  }
  const counts = new Map<Row, number>(rows.map((r) => [r, 0])), file = join(directory, `rows${xlen}`);
  let failures = 0, done = 0;
  while (done < total && failures < 20) {
    const cases: Case[] = [];
    while (cases.length < BATCH) {
      const row = rows[(done + cases.length) % rows.length], c = makeCase(rig, row, cases.length);
      if (!c) continue;
      cases.push(c);
      counts.set(row, counts.get(row)! + 1);
    }
    Deno.writeFileSync(file, makeElf(isa, cases), { mode: 0o755 });
    const out = await new Deno.Command(target.qemu, { args: ["-cpu", target.cpu, file], stdout: "piped", stderr: "piped" }).output();
    if (out.stdout.length !== BATCH * RECORD) {
      throw new Error(
        `${target.qemu} gave ${out.stdout.length} bytes, code ${out.code} ${out.signal}: ${new TextDecoder().decode(out.stderr)}`,
      );
    }
    cases.forEach((c, i) => {
      const reference = out.stdout.subarray(i * RECORD, (i + 1) * RECORD);
      if (c.after.every((b, k) => b === reference[k])) return;
      if (failures++ < 20) console.log(difference(c, reference));
    });
    done += BATCH;
  }
  const least = Math.min(...counts.values());
  console.log(`RV${xlen}: ${done} cases over ${rows.length} rows (at least ${least} each), ${failures} differ`);
  return failures;
}

/** What each row does by the evaluator, with how it is written: digests of cases that are drawn for it alone, by row. */
export function answers(xlen: 32 | 64, cases: number, digest: (bytes: Uint8Array) => number): string[] {
  const isa = everything(xlen), rig = new Rig(isa), encoder = new TextEncoder();
  return isa.table.rows.map((row) => {
    const name = `riscv ${xlen} ${row.syntax}`;
    rng.state = digest(encoder.encode(name)) | 0;
    let sum = 0;
    const add = (bytes: Uint8Array) => sum = Math.imul(sum, 31) + digest(bytes) | 0;
    for (let n = 0; n < cases; n++) {
      const c = PRIVILEGED.test(mnemonic(row.syntax)) ? undefined : makeCase(rig, row, 0);
      if (c) add(c.after);
      const word = c?.word ?? randomWord(row, rng.unit);
      add(encoder.encode(`${isa.table.find(word) === row} ${describe(row, word)}`));
    }
    return `${name}: ${(sum >>> 0).toString(16)}`;
  });
}

async function available(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["cases", "seed", "xlen", "rows"], default: { cases: "1000000", seed: "1", rows: "" } });
  let failures = 0;
  for (const xlen of [64, 32] as const) {
    if (args.xlen !== undefined && Number(args.xlen) !== xlen) continue;
    const differ = await fuzzRows(xlen, Number(args.cases), String(args.rows), Number(args.seed));
    if (differ === undefined) console.log(`skipped: ${TARGETS[xlen].qemu} is not installed`);
    failures += differ ?? 0;
  }
  Deno.exit(failures ? 1 : 0);
}
