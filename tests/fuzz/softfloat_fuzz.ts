// Random and edge operands through src/ir/softfloat.ts, against three oracles: the host's SSE, FMA, F16C and x87 instructions (x86-64 hosts with gcc),
// RISC-V F, D and Zfh under qemu-riscv64 (with riscv64-linux-gnu-gcc), and exact rational arithmetic in BigInt (every mode and format).
// Results, flags and, on the x87, C0-C3 must be equal. Usage: deno run -A tests/fuzz/softfloat_fuzz.ts [--cases N] [--seed S] [--only x86|riscv|exact]
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import {
  f16,
  f32,
  f64,
  f80,
  FloatEnv,
  type FloatFormat,
  NV,
  NX,
  OF,
  type Order,
  type Rounding,
  toX86Flags,
  UF,
  X86_ROUNDING,
} from "../../src/ir/softfloat.ts";
import { Random } from "./random.ts";

const CHUNK = 100_000, RECORD = 56, ANSWER = 24;
const M64 = 0xffff_ffff_ffff_ffffn;

// ---- random operands ----

const rng = new Random(1);
const below = (n: number) => rng.below(n);
const random64 = () => rng.bits64();

/** `width` bits that are dense, sparse, or a run of ones. */
function pattern(width: number): bigint {
  const n = BigInt(width), all = (1n << n) - 1n;
  switch (below(6)) {
    case 0:
      return 0n;
    case 1:
      return (1n << BigInt(below(width))) & all;
    case 2:
      return all ^ (1n << BigInt(below(width)));
    case 3:
      return all << BigInt(below(width + 1)) & all;
    case 4:
      return (1n << BigInt(below(width + 1))) - 1n;
    default:
      return random64() & all;
  }
}

const fields = (f: FloatFormat) => f.explicitOne ? f.precision : f.precision - 1;

/** A number of format `f`: edges are as frequent as the middle. */
function operand(f: FloatFormat): bigint {
  const field = fields(f), max = Number(f.infinity >> BigInt(field)), bias = max >> 1;
  let exp: number;
  switch (below(8)) {
    case 0:
      exp = 0;
      break;
    case 1:
      exp = max;
      break;
    case 2:
      exp = below(Math.min(max, 2 * field)); // around the smallest numbers
      break;
    case 3:
      exp = max - below(Math.min(max, 2 * field));
      break;
    case 4:
      exp = below(max + 1);
      break;
    case 5:
      exp = (bias >> 1) + below(4); // products near the underflow threshold
      break;
    default:
      exp = Math.max(0, Math.min(max, bias + below(140) - 70));
  }
  let frac = pattern(f.precision - 1);
  // The x87's leading one agrees with the exponent, except now and then (pseudo-denormals, unnormals).
  if (f.explicitOne && (exp !== 0) !== (below(32) === 0)) frac |= 1n << 63n;
  return (below(2) ? f.signBit : 0n) | BigInt(exp) << BigInt(field) | frac;
}

/** Three operands, often with cancellation: b near -a, c near -(a * b), or b near a; or short and of like size, for ties and exact results. */
function operands(f: FloatFormat): [bigint, bigint, bigint] {
  if (below(10) === 0) {
    const one = f64.convert(new FloatEnv(), 0x3ff0_0000_0000_0000n, f);
    const short = () =>
      one + (BigInt(below(8)) << BigInt(fields(f))) + (BigInt(below(16)) << BigInt(f.precision - 5)) | (below(2) ? f.signBit : 0n);
    return [short(), short(), short()];
  }
  const a = operand(f), mask = (1n << BigInt(f.bits)) - 1n;
  let b = operand(f), c = operand(f);
  const near = below(8), delta = BigInt(below(5) - 2);
  if (near === 0) b = (a ^ f.signBit) + delta & mask;
  if (near === 1) b = a + delta & mask;
  if (near === 2) c = (f.mul(new FloatEnv(), a, b) ^ f.signBit) + delta & mask;
  if (near === 3) c = f.mul(new FloatEnv(), a, b) ^ f.signBit ^ BigInt(below(2)) << BigInt(below(f.precision));
  return [a, b, c];
}

/** A 64-bit integer of any magnitude. */
const integer = () => (pattern(64) >> BigInt(below(64))) ^ (below(2) ? M64 : 0n);
const s = (bits: number, x: bigint) => BigInt.asIntN(bits, x);

// ---- rows: an instruction and what should come out ----

interface Row {
  readonly name: string;
  readonly asm: string;
  /** Format of the operands; none: integers. */
  readonly from: FloatFormat | undefined;
  readonly run: (env: FloatEnv, a: bigint, b: bigint, c: bigint) => bigint;
  /** Bits of the answer that count. */
  readonly bits: number;
  readonly unit: "sse" | "x87" | "riscv";
  /** Feature that the host may lack. */
  readonly needs?: string;
  /** The mode is the environment's alone: no DAZ and FTZ (F16C ignores FTZ). */
  readonly plain?: boolean;
}

const PARITY_CARRY: Readonly<Record<Order, bigint>> = { [-1]: 0x01n, 0: 0x40n, 1: 0n, 2: 0x45n };

function sseRows(): Row[] {
  const rows: Row[] = [];
  for (const [f, t, g, u] of [[f32, "ss", f64, "sd"], [f64, "sd", f32, "ss"]] as const) {
    const row = (name: string, asm: string, run: Row["run"], bits = f.bits, more: Partial<Row> = {}) =>
      rows.push({ name, asm, from: f, run, bits, unit: "sse", ...more });
    row(`add${t}`, `add${t} %%xmm1,%%xmm0`, (e, a, b) => f.add(e, a, b));
    row(`sub${t}`, `sub${t} %%xmm1,%%xmm0`, (e, a, b) => f.sub(e, a, b));
    row(`mul${t}`, `mul${t} %%xmm1,%%xmm0`, (e, a, b) => f.mul(e, a, b));
    row(`div${t}`, `div${t} %%xmm1,%%xmm0`, (e, a, b) => f.div(e, a, b));
    row(`sqrt${t}`, `sqrt${t} %%xmm0,%%xmm0`, (e, a) => f.sqrt(e, a));
    const fma = { needs: "fma" };
    row(`vfmadd213${t}`, `vfmadd213${t} %%xmm2,%%xmm1,%%xmm0`, (e, a, b, c) => f.fma(e, b, a, c), f.bits, fma);
    row(`vfmsub213${t}`, `vfmsub213${t} %%xmm2,%%xmm1,%%xmm0`, (e, a, b, c) => f.fma(e, b, a, c, false, true), f.bits, fma);
    row(`vfnmadd213${t}`, `vfnmadd213${t} %%xmm2,%%xmm1,%%xmm0`, (e, a, b, c) => f.fma(e, b, a, c, true), f.bits, fma);
    row(`vfnmsub213${t}`, `vfnmsub213${t} %%xmm2,%%xmm1,%%xmm0`, (e, a, b, c) => f.fma(e, b, a, c, true, true), f.bits, fma);
    row(`round${t}`, `round${t} $4,%%xmm0,%%xmm0`, (e, a) => f.roundToIntegral(e, a), f.bits, { needs: "sse4.1" });
    row(`round${t} trunc, no PE`, `round${t} $11,%%xmm0,%%xmm0`, (e, a) => f.roundToIntegral(e, a, 1, false), f.bits, { needs: "sse4.1" });
    row(
      `ucomi${t}`,
      `ucomi${t} %%xmm1,%%xmm0\n lahf\n movzbl %%ah,%%eax\n movd %%eax,%%xmm0`,
      (e, a, b) => PARITY_CARRY[f.compare(e, a, b, false)] | 2n,
      8,
    );
    row(
      `comi${t}`,
      `comi${t} %%xmm1,%%xmm0\n lahf\n movzbl %%ah,%%eax\n movd %%eax,%%xmm0`,
      (e, a, b) => PARITY_CARRY[f.compare(e, a, b, true)] | 2n,
      8,
    );
    row(`cvt${t}2${u}`, `cvt${t}2${u} %%xmm0,%%xmm0`, (e, a) => f.convert(e, a, g), g.bits);
    row(`cvt${t}2si 32`, `cvt${t}2si %%xmm0,%%eax\n movd %%eax,%%xmm0`, (e, a) => f.toInt(e, a, 32, true), 32);
    row(`cvt${t}2si 64`, `cvt${t}2si %%xmm0,%%rax\n movq %%rax,%%xmm0`, (e, a) => f.toInt(e, a, 64, true), 64);
    row(`cvtt${t}2si 32`, `cvtt${t}2si %%xmm0,%%eax\n movd %%eax,%%xmm0`, (e, a) => f.toInt(e, a, 32, true, 1), 32);
    row(`cvtt${t}2si 64`, `cvtt${t}2si %%xmm0,%%rax\n movq %%rax,%%xmm0`, (e, a) => f.toInt(e, a, 64, true, 1), 64);
    const int = { from: undefined };
    row(`cvtsi2${t} 32`, `movd %%xmm0,%%eax\n cvtsi2${t}l %%eax,%%xmm0`, (e, a) => f.fromInt(e, s(32, a)), f.bits, int);
    row(`cvtsi2${t} 64`, `movq %%xmm0,%%rax\n cvtsi2${t}q %%rax,%%xmm0`, (e, a) => f.fromInt(e, s(64, a)), f.bits, int);
  }
  const half = { unit: "sse", needs: "f16c", plain: true } as const;
  rows.push({ name: "vcvtph2ps", asm: "vcvtph2ps %%xmm0,%%xmm0", from: f16, run: (e, a) => f16.convert(e, a, f32), bits: 32, ...half });
  rows.push({ name: "vcvtps2ph", asm: "vcvtps2ph $4,%%xmm0,%%xmm0", from: f32, run: (e, a) => f32.convert(e, a, f16), bits: 16, ...half });
  return rows;
}

function x87Rows(): Row[] {
  const f = f80, rows: Row[] = [];
  const row = (name: string, asm: string, run: Row["run"], bits = 80, from: FloatFormat | undefined = f) =>
    rows.push({ name, asm, from, run, bits, unit: "x87" });
  const st = (insn: string) => `fldt %[b]\n fldt %[a]\n fnclex\n ${insn}\n fnstsw %[flags]\n fstpt %[r]`;
  const un = (insn: string) => `fldt %[a]\n fnclex\n ${insn}\n fnstsw %[flags]\n fstpt %[r]`;
  const store = (insn: string) => `fldt %[a]\n fnclex\n ${insn} %[r]\n fnstsw %[flags]`;
  const load = (insn: string) => `fnclex\n ${insn} %[a]\n fnstsw %[flags]\n fstpt %[r]`;
  row("fadd", st("fadd %%st(1),%%st"), (e, a, b) => f.add(e, a, b));
  row("fsub", st("fsub %%st(1),%%st"), (e, a, b) => f.sub(e, a, b));
  row("fmul", st("fmul %%st(1),%%st"), (e, a, b) => f.mul(e, a, b));
  row("fdiv", st("fdiv %%st(1),%%st"), (e, a, b) => f.div(e, a, b));
  row("fsqrt", un("fsqrt"), (e, a) => f.sqrt(e, a));
  row("frndint", un("frndint"), (e, a) => f.roundToIntegral(e, a));
  // C0, C3, C1 are bits 2, 1, 0 of the quotient and C2 tells that the reduction is incomplete; they stand above the answer here.
  const rem = (nearest: boolean): Row["run"] => (e, a, b) => {
    const r = f.remainder(e, a, b, nearest), q = r.quotient;
    return r.value | BigInt((q & 4 ? 0x100 : 0) | (q & 2 ? 0x4000 : 0) | (q & 1 ? 0x200 : 0) | (r.complete ? 0 : 0x400)) << 80n;
  };
  row("fprem", st("fprem"), rem(false), 96);
  row("fprem1", st("fprem1"), rem(true), 96);
  row(
    "fucomi",
    `fldt %[b]\n fldt %[a]\n fnclex\n fucomi %%st(1),%%st\n lahf\n mov %%ah,%[r]\n fnstsw %[flags]`,
    (e, a, b) => PARITY_CARRY[f.compare(e, a, b, false)] | 2n,
    8,
  );
  row(
    "fcomi",
    `fldt %[b]\n fldt %[a]\n fnclex\n fcomi %%st(1),%%st\n lahf\n mov %%ah,%[r]\n fnstsw %[flags]`,
    (e, a, b) => PARITY_CARRY[f.compare(e, a, b, true)] | 2n,
    8,
  );
  row("fistp 16", store("fistps"), (e, a) => f.toInt(e, a, 16, true), 16);
  row("fistp 32", store("fistpl"), (e, a) => f.toInt(e, a, 32, true), 32);
  row("fistp 64", store("fistpq"), (e, a) => f.toInt(e, a, 64, true), 64);
  row("fisttp 64", store("fisttpq"), (e, a) => f.toInt(e, a, 64, true, 1), 64);
  row("fst 32", store("fstps"), (e, a) => f.convert(e, a, f32), 32);
  row("fst 64", store("fstpl"), (e, a) => f.convert(e, a, f64), 64);
  row("fld 32", load("flds"), (e, a) => f32.convert(e, a, f80), 80, f32);
  row("fld 64", load("fldl"), (e, a) => f64.convert(e, a, f80), 80, f64);
  row("fild 64", load("fildq"), (e, a) => f.fromInt(e, s(64, a)), 80, undefined);
  return rows;
}

function riscvRows(): Row[] {
  const rows: Row[] = [];
  for (const [f, t] of [[f16, "h"], [f32, "s"], [f64, "d"]] as const) {
    const u = (x: bigint) => f.unbox(x);
    const row = (name: string, args: string, run: Row["run"], bits = 64, from: FloatFormat | undefined = f) =>
      rows.push({ name, asm: `${name} ${args}` + (args.startsWith("fa0") ? "\n fmv.x.d a0, fa0" : ""), from, run, bits, unit: "riscv" });
    const two = (name: string, op: (e: FloatEnv, a: bigint, b: bigint) => bigint) =>
      row(`${name}.${t}`, "fa0, fa0, fa1", (e, a, b) => f.box(op(e, u(a), u(b))));
    const test = (name: string, op: (e: FloatEnv, a: bigint, b: bigint) => boolean) =>
      row(`${name}.${t}`, "a0, fa0, fa1", (e, a, b) => op(e, u(a), u(b)) ? 1n : 0n);
    const fma = (name: string, np: boolean, na: boolean) =>
      row(`${name}.${t}`, "fa0, fa0, fa1, fa2", (e, a, b, c) => f.box(f.fma(e, u(a), u(b), u(c), np, na)));
    two("fadd", (e, a, b) => f.add(e, a, b));
    two("fsub", (e, a, b) => f.sub(e, a, b));
    two("fmul", (e, a, b) => f.mul(e, a, b));
    two("fdiv", (e, a, b) => f.div(e, a, b));
    two("fmin", (e, a, b) => f.min(e, a, b));
    two("fmax", (e, a, b) => f.max(e, a, b));
    row(`fsqrt.${t}`, "fa0, fa0", (e, a) => f.box(f.sqrt(e, u(a))));
    fma("fmadd", false, false);
    fma("fmsub", false, true);
    fma("fnmsub", true, false);
    fma("fnmadd", true, true);
    test("feq", (e, a, b) => f.eq(e, a, b));
    test("flt", (e, a, b) => f.lt(e, a, b));
    test("fle", (e, a, b) => f.le(e, a, b));
    row(`fclass.${t}`, "a0, fa0", (_, a) => BigInt(f.classify(u(a))));
    for (const [i, width, signed] of [["w", 32, true], ["wu", 32, false], ["l", 64, true], ["lu", 64, false]] as const) {
      const number = (x: bigint) => signed ? BigInt.asIntN(width, x) : BigInt.asUintN(width, x);
      row(`fcvt.${i}.${t}`, "a0, fa0", (e, a) => BigInt.asUintN(64, BigInt.asIntN(width, f.toInt(e, u(a), width, signed))));
      row(`fcvt.${t}.${i}`, "fa0, a1", (e, a) => f.box(f.fromInt(e, number(a))), 64, undefined);
    }
    for (const [g, v] of [[f16, "h"], [f32, "s"], [f64, "d"]] as const) {
      if (g !== f) row(`fcvt.${v}.${t}`, "fa0, fa0", (e, a) => g.box(f.convert(e, u(a), g)));
    }
  }
  return rows;
}

// ---- the C programs: read records, answer each ----

const HEAD = `#include <stdint.h>
#include <stdio.h>
#include <string.h>
struct record { uint32_t op, mode; uint8_t a[16], b[16], c[16]; };
struct answer { uint8_t r[16]; uint32_t flags, missing; };
static struct record in; static struct answer out;
`;
const MAIN = `int main(int argc, char **argv) {
  FILE *i = fopen(argv[1], "rb"), *o = fopen(argv[2], "wb");
  if (argc != 3 || !i || !o) return 1;
  while (fread(&in, sizeof in, 1, i) == 1) { memset(&out, 0, sizeof out); answer(); fwrite(&out, sizeof out, 1, o); }
  return fclose(o) != 0;
}
`;
const lines = (asm: string) => JSON.stringify(asm + "\n");

function x86Program(rows: readonly Row[]): string {
  const cases = rows.map((r, i) =>
    `  case ${i}: ` + (r.needs ? `if (!__builtin_cpu_supports("${r.needs}")) { out.missing = 1; break; } ` : "") +
    (r.unit === "sse"
      ? `__asm__ volatile("ldmxcsr %[mode]\\n movups %[a],%%xmm0\\n movups %[b],%%xmm1\\n movups %[c],%%xmm2\\n" ${lines(r.asm)} ` +
        `"movups %%xmm0,%[r]\\n stmxcsr %[flags]" : [r]"=m"(out.r), [flags]"=m"(out.flags) ` +
        `: [mode]"m"(in.mode), [a]"m"(in.a), [b]"m"(in.b), [c]"m"(in.c) : "xmm0", "xmm1", "xmm2", "rax", "cc", "memory"); break;`
      : `__asm__ volatile("fninit\\n fldcw %[mode]\\n" ${lines(r.asm)} "fninit" : [r]"+m"(out.r), [flags]"+m"(out.flags) ` +
        `: [mode]"m"(in.mode), [a]"m"(in.a), [b]"m"(in.b) : "rax", "cc", "memory"); break;`)
  );
  return `${HEAD}static void answer(void) {\n  switch (in.op) {\n${cases.join("\n")}\n  }\n}\n${MAIN}`;
}

function riscvProgram(rows: readonly Row[]): string {
  const cases = rows.map((r, i) =>
    `  case ${i}: __asm__ volatile("fsrm %[mode]\\n csrw fflags,zero\\n fld fa0,%[a]\\n fld fa1,%[b]\\n fld fa2,%[c]\\n ld a1,%[a]\\n" ${
      lines(r.asm)
    } ` +
    `"csrr a1,fflags\\n sd a0,%[r]\\n sw a1,%[flags]" : [r]"=m"(out.r), [flags]"=m"(out.flags) ` +
    `: [mode]"r"((long)in.mode), [a]"m"(in.a), [b]"m"(in.b), [c]"m"(in.c) : "a0", "a1", "fa0", "fa1", "fa2", "memory"); break;`
  );
  return `${HEAD}static void answer(void) {\n  switch (in.op) {\n${cases.join("\n")}\n  }\n}\n${MAIN}`;
}

async function run(command: string, args: string[]): Promise<{ ok: boolean; text: string }> {
  try {
    const r = await new Deno.Command(command, { args, stdout: "piped", stderr: "piped" }).output();
    return { ok: r.success, text: new TextDecoder().decode(r.stderr) };
  } catch (e) {
    if (e instanceof Deno.errors.NotFound) return { ok: false, text: `${command} is not installed` };
    throw e;
  }
}

// ---- comparison ----

let failures = 0;
function fail(text: string): void {
  if (failures++ < 20) console.error(`FAIL ${text}`);
}
const hex = (x: bigint) => x.toString(16);

/** The environment of a row for random mode bits, and the control register that selects it. */
function modeOf(r: Row): { env: FloatEnv; mode: number } {
  if (r.unit === "riscv") {
    const env = new FloatEnv("riscv");
    env.rm = below(5) as Rounding;
    return { env, mode: env.rm };
  }
  const env = new FloatEnv(r.unit), rc = below(4);
  env.rm = X86_ROUNDING[rc];
  if (r.unit === "x87") {
    const pc = [0, 2, 3, 3][below(4)];
    env.precision = [24, 0, 53, 64][pc];
    return { env, mode: 0x3f | pc << 8 | rc << 10 };
  }
  if (!r.plain) {
    env.daz = below(4) === 0;
    env.ftz = below(4) === 0;
  }
  return { env, mode: 0x1f80 | rc << 13 | (env.daz ? 0x40 : 0) | (env.ftz ? 0x8000 : 0) };
}

/** Runs `cases` cases of `rows` through `program` (a function of two paths) and through ours. */
async function differential(
  label: string,
  rows: readonly Row[],
  cases: number,
  dir: string,
  program: (a: string, b: string) => Promise<{ ok: boolean; text: string }>,
): Promise<void> {
  const counts = rows.map(() => 0), missing = new Set<string>(), start = failures;
  let done = 0;
  while (done < cases) {
    const n = Math.min(CHUNK, cases - done), input = new DataView(new ArrayBuffer(n * RECORD));
    const work: { row: number; env: FloatEnv; ops: bigint[] }[] = [];
    for (let i = 0; i < n; i++) {
      const row = (done + i) % rows.length, r = rows[row], { env, mode } = modeOf(r);
      let ops: bigint[] = r.from ? operands(r.from) : [integer(), 0n, 0n];
      // RISC-V registers are NaN-boxed, now and then badly.
      if (r.unit === "riscv" && r.from) ops = ops.map((x) => below(32) ? r.from!.box(x) : x | random64() << BigInt(r.from!.bits) & M64);
      input.setUint32(i * RECORD, row, true);
      input.setUint32(i * RECORD + 4, mode, true);
      ops.forEach((x, k) => {
        input.setBigUint64(i * RECORD + 8 + 16 * k, x & M64, true);
        input.setBigUint64(i * RECORD + 16 + 16 * k, x >> 64n, true);
      });
      work.push({ row, env, ops });
    }
    const inPath = join(dir, "in"), outPath = join(dir, "out");
    await Deno.writeFile(inPath, new Uint8Array(input.buffer));
    const r = await program(inPath, outPath);
    if (!r.ok) throw new Error(`${label}: the oracle failed: ${r.text}`);
    const bytes = await Deno.readFile(outPath), output = new DataView(bytes.buffer);
    if (bytes.length !== n * ANSWER) throw new Error(`${label}: ${bytes.length} bytes from the oracle, ${n * ANSWER} expected`);
    work.forEach(({ row, env, ops }, i) => {
      const r = rows[row], at = i * ANSWER;
      if (output.getUint32(at + 20, true)) {
        missing.add(r.name);
        return;
      }
      counts[row]++;
      const mine = r.run(env, ops[0], ops[1], ops[2]), status = output.getUint32(at + 16, true);
      let theirs = output.getBigUint64(at, true) | output.getBigUint64(at + 8, true) << 64n;
      let myFlags = env.flags, theirFlags = status & 0x3f;
      if (r.bits === 96) theirs = BigInt.asUintN(80, theirs) | BigInt(status & 0x4700) << 80n;
      else if (r.unit === "x87" && myFlags & NX) {
        if (env.roundedUp) myFlags |= 0x40000;
        if (status & 0x200) theirFlags |= 0x40000;
      }
      myFlags = r.unit === "riscv" ? myFlags : toX86Flags(myFlags) | myFlags & 0x40000;
      theirs = BigInt.asUintN(r.bits, theirs);
      if (mine !== theirs || myFlags !== theirFlags) {
        const modes = `rm=${env.rm}${env.daz ? " daz" : ""}${env.ftz ? " ftz" : ""}${r.unit === "x87" ? ` pc=${env.precision}` : ""}`;
        fail(
          `${label} ${r.name} ${modes} ${ops.map(hex).join(" ")}: ours ${hex(mine)} flags ${myFlags.toString(16)}, theirs ${
            hex(theirs)
          } flags ${theirFlags.toString(16)}`,
        );
      }
    });
    done += n;
  }
  const total = counts.reduce((a, b) => a + b, 0);
  if (missing.size) console.log(`${label}: skipped, the host has no such instruction: ${[...missing].join(" ")}`);
  console.log(
    `${label}: ${total} cases over ${rows.length - missing.size} instructions (${Math.min(...counts.filter((c) => c))} each or more), ${
      failures - start
    } differ`,
  );
}

// ---- exact rational arithmetic ----

const length = (x: bigint) => x.toString(2).length;
const abs = (x: bigint) => x < 0n ? -x : x;

/** Value of a finite number as numerator and power of two. */
function value(f: FloatFormat, x: bigint): { n: bigint; e: number } {
  const field = BigInt(fields(f)), magnitude = x & (f.signBit - 1n), exp = Number(magnitude >> field);
  let sig = BigInt.asUintN(Number(field), magnitude);
  if (!f.explicitOne && exp !== 0) sig += 1n << field;
  const bias = Number(f.infinity >> field) >> 1;
  return { n: x & f.signBit ? -sig : sig, e: Math.max(exp, 1) - bias - f.precision + 1 };
}

/**
 * The rational n / d (d > 0, n not 0) or, when `root`, its square root, rounded to format `f`: an encoding and flags, found by dividing out the one
 * candidate below in magnitude and comparing squares or products, never by shifting out sticky bits.
 */
function nearestTo(f: FloatFormat, rm: Rounding, n: bigint, d: bigint, root: boolean): { bits: bigint; flags: number } {
  const sign = n < 0n, p = f.precision, field = fields(f), bias = Number(f.infinity >> BigInt(field)) >> 1, emin = 1 - bias;
  n = abs(n);
  const scaled = (q: number) => { // floor(v / 2^q), and the sign of v / 2^q - floor - 1/2, and whether exact
    const k = root ? 2 * q : q, num = k < 0 ? n << BigInt(-k) : n, den = k > 0 ? d << BigInt(k) : d;
    let m = num / den;
    if (root) {
      let lo = 0n, hi = 1n << BigInt((length(m) >> 1) + 1);
      while (lo < hi) {
        const mid = (lo + hi + 1n) >> 1n;
        if (mid * mid <= m) lo = mid;
        else hi = mid - 1n;
      }
      m = lo;
      const twice = 4n * num - (2n * m + 1n) * (2n * m + 1n) * den;
      return { m, half: twice > 0n ? 1 : twice < 0n ? -1 : 0, exact: m * m * den === num };
    }
    const twice = 2n * num - (2n * m + 1n) * den;
    return { m, half: twice > 0n ? 1 : twice < 0n ? -1 : 0, exact: m * den === num };
  };
  const round = (q: number) => {
    const { m, half, exact } = scaled(q);
    const up = !exact && [half > 0 || half === 0 && (m & 1n) === 1n, false, sign, !sign, half >= 0][rm];
    return { m: up ? m + 1n : m, exact };
  };
  let e = length(n) - length(d); // v is in [2^(e-1), 2^(e+1)), squared for a root
  if (root) e = Math.floor(e / 2) + 1;
  while (scaled(e).m === 0n) e--; // the largest e with 2^e <= v
  const q = Math.max(e, emin) - p + 1, { m, exact } = round(q), one = 1n << BigInt(p - 1);
  let flags = exact ? 0 : NX, exp = q + p - 1, sig = m;
  if (!exact && e < emin) {
    const free = round(e - p + 1);
    const reaches = free.m === 2n * one ? e + 1 >= emin : e >= emin;
    if (!reaches) flags |= UF;
  }
  if (sig === 2n * one) [sig, exp] = [one, exp + 1];
  let bits: bigint;
  if (exp > bias) {
    flags |= OF | NX;
    bits = [true, false, sign, !sign, true][rm] ? f.infinity : f.maxFinite;
  } else bits = BigInt(sig < one ? 0 : exp + bias) << BigInt(field) | (f.explicitOne ? sig : sig & (one - 1n));
  return { bits: sign ? bits | f.signBit : bits, flags };
}

/** All formats and modes, finite operands; zero results and invalid operations are left to the other oracles. */
function exactly(cases: number): void {
  const start = failures;
  let done = 0;
  const ops = ["add", "sub", "mul", "div", "sqrt", "fma", "convert", "toInt"] as const;
  for (let i = 0; done < cases; i++) {
    // The extended format's exponents make rationals of ten thousand digits: fewer of them.
    const f = [f16, f32, f64, f32, f64, f16, f64, i % 40 === 7 ? f80 : f32][i & 7], op = ops[below(ops.length)];
    const env = new FloatEnv();
    env.rm = below(5) as Rounding;
    const [a, b, c] = operands(f);
    if ([a, b, c].some((x) => !(f.classify(x) & 0x7e) || f.isNaN(x) || f.classify(x) & 0x18)) continue;
    const x = value(f, a), y = value(f, b), z = value(f, c);
    let n = x.n, d = 1n, e = x.e, to = f, root = false, mine: bigint;
    const plus = (v: { n: bigint; e: number }) => {
      const low = Math.min(e, v.e);
      n = (n << BigInt(e - low)) + (v.n << BigInt(v.e - low));
      e = low;
    };
    if (op === "add") plus(y), mine = f.add(env, a, b);
    else if (op === "sub") plus({ n: -y.n, e: y.e }), mine = f.sub(env, a, b);
    else if (op === "mul") n *= y.n, e += y.e, mine = f.mul(env, a, b);
    else if (op === "div") {
      d = abs(y.n);
      if (y.n < 0n) n = -n;
      e -= y.e;
      mine = f.div(env, a, b);
    } else if (op === "sqrt") {
      n = abs(n);
      root = true;
      mine = f.sqrt(env, a & ~f.signBit);
    } else if (op === "fma") n *= y.n, e += y.e, plus(z), mine = f.fma(env, a, b, c);
    else if (op === "convert") to = [f16, f32, f64, f80][below(4)], mine = f.convert(env, a, to);
    else {
      if (e > 64 || e < -3000) continue;
      mine = f.toInt(env, a, 64, true);
      const q = e < 0 ? 1n << BigInt(-e) : 1n, num = abs(n) << BigInt(Math.max(e, 0)), m = num / q, twice = 2n * (num - m * q) - q;
      const up = m * q !== num && [twice > 0n || twice === 0n && (m & 1n) === 1n, false, n < 0n, n > 0n, twice >= 0n][env.rm];
      const v = (n < 0n ? -1n : 1n) * (up ? m + 1n : m), saturated = v < -1n << 63n ? -1n << 63n : v >= 1n << 63n ? (1n << 63n) - 1n : v;
      const flags = saturated !== v ? NV : m * q === num ? 0 : NX;
      if (mine !== BigInt.asUintN(64, saturated) || env.flags !== flags) {
        fail(
          `exact toInt rm=${env.rm} ${f.bits} bits ${hex(a)}: ours ${hex(mine)} flags ${env.flags}, exact ${
            hex(BigInt.asUintN(64, v))
          } flags ${flags}`,
        );
      }
      done++;
      continue;
    }
    if (n === 0n) continue;
    if (e > 0) n <<= BigInt(e);
    else d <<= BigInt(-e);
    const want = nearestTo(to, env.rm, n, d, root);
    if (mine !== want.bits || env.flags !== want.flags) {
      fail(
        `exact ${op} rm=${env.rm} ${f.bits}->${to.bits} bits ${[a, b, c].map(hex).join(" ")}: ours ${hex(mine)} flags ${env.flags}, exact ${
          hex(want.bits)
        } flags ${want.flags}`,
      );
    }
    done++;
  }
  console.log(`exact rationals: ${done} cases over ${ops.length} operations, 4 formats, 5 modes, ${failures - start} differ`);
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["cases", "seed", "only"] });
  const cases = Number(args.cases ?? 1_000_000), seed = Number(args.seed ?? Math.floor(Math.random() * 2 ** 31));
  const wanted = (name: string) => !args.only || args.only === name;
  console.log(`seed ${seed}`);
  const dir = await Deno.makeTempDir({ prefix: "softfloat_fuzz" });
  try {
    if (wanted("x86")) {
      rng.state = seed;
      const groups = [["SSE, FMA, F16C", sseRows()], ["x87", x87Rows()]] as const;
      for (const [label, rows] of groups) {
        const c = join(dir, "host.c"), exe = join(dir, "host");
        await Deno.writeTextFile(c, x86Program(rows));
        const built = Deno.build.arch === "x86_64" ? await run("gcc", ["-O1", "-o", exe, c]) : { ok: false, text: "the host is no x86-64" };
        if (built.ok) await differential(label, rows, cases, dir, (a, b) => run(exe, [a, b]));
        else console.log(`${label}: SKIPPED: ${built.text}`);
      }
    }
    if (wanted("riscv")) {
      rng.state = seed;
      const rows = riscvRows(), c = join(dir, "riscv.c"), exe = join(dir, "riscv"), qemu = ["-cpu", "rv64,Zfh=true", exe];
      await Deno.writeTextFile(c, riscvProgram(rows));
      const built = await run("riscv64-linux-gnu-gcc", ["-O1", "-static", "-march=rv64gc_zfh", "-o", exe, c]);
      // Without arguments the program returns 1 and says nothing; a missing emulator says so.
      const probe = built.ok ? await run("qemu-riscv64", ["--version"]) : built;
      if (built.ok && probe.ok) await differential("RISC-V under QEMU", rows, cases, dir, (a, b) => run("qemu-riscv64", [...qemu, a, b]));
      else console.log(`RISC-V under QEMU: SKIPPED: ${probe.text}`);
    }
    if (wanted("exact")) {
      rng.state = seed;
      exactly(Math.ceil(cases / 10));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  if (failures) Deno.exit(1);
}
