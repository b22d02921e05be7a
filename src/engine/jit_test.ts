// What is made of a region: its IR behind the passes, and the WebAssembly. The texts are in tests/golden/regions.
import { assert } from "@std/assert";
import { Builder, printIr } from "../ir/builder.ts";
import { PAGE } from "../ir/layout.ts";
import { verifyIr } from "../ir/verify.ts";
import { encode } from "../riscv/insn.ts";
import { loadFloating, parseIsa } from "../riscv/instruction_set.ts";
import { MODE_FS, MODE_FS_DIRTY } from "../riscv/slots.ts";
import { translateBlock } from "../riscv/translate.ts";
import { compileRegion } from "./jit.ts";
import { JIT_OPTIONS, type JitOption } from "./jit_options.ts";
import { findRegion, type RegionNode } from "./region.ts";
import { regionText } from "./testing/wasm_text.ts";
import { LIMITS } from "../ir/limits.ts";
import { bytesOf, FLAT32, LONG } from "../x86/testing/bench.ts";
import { translateBlock as translateX86 } from "../x86/translate.ts";
import { compareGoldens } from "../../tests/golden_files.ts";

await loadFloating();

const CODE = 0x8000_0100, RAM = { base: 0x8000_0000, length: 1 << 20, offset: 0x10_0000, only: true };

type Line = readonly [mnemonic: string, fields?: Readonly<Record<string, number>>];

/** The region of a program at CODE; it ends with a jump out. */
function regionOf(xlen: 32 | 64, lines: readonly Line[]): RegionNode[] {
  const isa = parseIsa(`rv${xlen}gc`), bytes = new Uint8Array(2 * PAGE), view = new DataView(bytes.buffer), b = new Builder();
  lines.forEach(([name, fields], i) => view.setUint32(4 * i, encode(isa.table.row(name), fields ?? {}), true));
  return findRegion(b, (distance, max) => {
    if (distance < 0 || distance >= 4 * lines.length) return false;
    b.reset((CODE + distance) | 0, 0);
    translateBlock(
      b,
      { bytes, at: distance, limit: PAGE, next: () => -1 },
      Math.min(max, lines.length - distance / 4),
      MODE_FS | MODE_FS_DIRTY,
      isa,
    );
    return true;
  }, LIMITS)!;
}

const compile = (nodes: readonly RegionNode[], physical: boolean, off: readonly JitOption[] = []) =>
  compileRegion(nodes, {
    block: 0x100,
    memoryPages: 64,
    off: new Set(off),
    limits: LIMITS,
    verify: true,
    isExtended: () => true,
    guard: 0,
    count: 0,
    ram: physical ? { ...RAM, free: { from: 0x1000, length: 0xf_f000 } } : undefined,
  }).bytes;

const PROGRAMS: readonly (readonly [title: string, xlen: 32 | 64, physical: boolean, lines: readonly Line[]])[] = [
  ["a rotation of 32 bits: no extension before somebody looks at the upper half", 64, true, [
    ["srliw", { rd: 6, rs1: 5, shamt: 7 }],
    ["slliw", { rd: 7, rs1: 5, shamt: 25 }],
    ["or", { rd: 6, rs1: 6, rs2: 7 }],
    ["addiw", { rd: 5, rs1: 6, imm: 0 }],
    ["addi", { rd: 10, rs1: 10, imm: -1 }],
    ["bne", { rs1: 10, rs2: 0, imm: -20 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["loads and stores off one register: one check", 64, true, [
    ["sd", { rs1: 2, rs2: 8, imm: 16 }],
    ["ld", { rd: 9, rs1: 2, imm: 8 }],
    ["sb", { rs1: 2, rs2: 9, imm: -1 }],
    ["addi", { rd: 2, rs1: 2, imm: 32 }],
    ["lw", { rd: 9, rs1: 2, imm: 0 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["the same on RV32", 32, true, [
    ["sw", { rs1: 2, rs2: 8, imm: 16 }],
    ["lw", { rd: 9, rs1: 2, imm: 8 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["loads only, from RAM at 2 GiB: one signed comparison of the base", 32, true, [
    ["lw", { rd: 9, rs1: 10, imm: 0 }],
    ["lbu", { rd: 8, rs1: 10, imm: 8 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["constants: an address needs no check, a branch that is never taken is left out", 64, true, [
    ["auipc", { rd: 10, imm: 0x2000 }],
    ["addi", { rd: 11, rs1: 0, imm: 3 }],
    ["lw", { rd: 9, rs1: 10, imm: 8 }],
    ["slli", { rd: 11, rs1: 11, shamt: 2 }],
    ["beq", { rs1: 11, rs2: 0, imm: -12 }],
    ["add", { rd: 10, rs1: 10, rs2: 11 }],
    ["sd", { rs1: 10, rs2: 9, imm: -4 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["a base that the loop does not change is checked in front of it, once for the nodes of the loop", 64, true, [
    ["lw", { rd: 9, rs1: 10, imm: 8 }],
    ["addi", { rd: 11, rs1: 11, imm: -1 }],
    ["bne", { rs1: 9, rs2: 0, imm: 8 }],
    ["lw", { rd: 9, rs1: 10, imm: 16 }],
    ["bne", { rs1: 11, rs2: 0, imm: -16 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["a base that is stepped: one check", 64, true, [
    ["addi", { rd: 2, rs1: 2, imm: -16 }],
    ["sd", { rs1: 2, rs2: 8, imm: 8 }],
    ["addi", { rd: 2, rs1: 2, imm: -16 }],
    ["sd", { rs1: 2, rs2: 9, imm: 8 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
  ["under translation: the page of a base register is remembered", 64, false, [
    ["ld", { rd: 9, rs1: 10, imm: 8 }],
    ["addi", { rd: 10, rs1: 10, imm: 16 }],
    ["bne", { rs1: 9, rs2: 0, imm: -8 }],
    ["jal", { rd: 0, imm: 0x400 }],
  ]],
];

/** Up to the exit: what comes behind is the same for all. */
const toExit = (text: string) => text.slice(0, text.indexOf("\n  end\n"));
const caseOf = (source: string, nodes: readonly RegionNode[], bytes: Uint8Array): string =>
  [`${source}\n`, ...nodes.map((n) => `node at +${n.at}\n${printIr(n.ir)}\n`), `${toExit(regionText(bytes))}\n`].join("\n");

Deno.test("RISC-V regions: IR behind the passes, and WebAssembly", () => {
  const cases = new Map<string, string>();
  for (const [title, xlen, physical, lines] of PROGRAMS) {
    const nodes = regionOf(xlen, lines), bytes = compile(nodes, physical);
    const source = lines.map(([name, f]) => `${name} ${Object.entries(f ?? {}).map(([k, v]) => `${k}=${v}`).join(" ")}`.trim());
    cases.set(`RV${xlen}: ${title}`, caseOf(source.join("\n"), nodes, bytes));
  }
  compareGoldens("regions", "rv", cases);
});

/** Code as bytes in hexadecimal, an instruction a line; it ends with a jump out. */
const X86_PROGRAMS: readonly (readonly [title: string, mode: number, physical: boolean, ...lines: string[]])[] = [
  ["64-bit code: a loop of 32-bit arithmetic", LONG, true, "01 c8", "31 d0", "ff c9", "75 f8", "e9 00 04 00 00"],
  ["64-bit code: loads and stores off one register", LONG, true, "48 8b 43 08", "48 89 43 10", "48 83 c3 10", "e9 00 04 00 00"],
  ["64-bit code: under translation", LONG, false, "8b 03", "48 83 c3 04", "85 c0", "75 f6", "e9 00 04 00 00"],
  ["32-bit code: flags that the next iteration replaces", FLAT32, true, "13 c8", "d1 e0", "49", "75 f9", "e9 00 04 00 00"],
];

Deno.test("x86 regions: IR behind the passes, and WebAssembly", () => {
  const cases = new Map<string, string>();
  for (const [title, mode, physical, ...lines] of X86_PROGRAMS) {
    const code = bytesOf(lines.join(" ")), bytes = new Uint8Array(2 * PAGE), b = new Builder();
    const starts = lines.map((_, i) => bytesOf(lines.slice(0, i).join(" ")).filter((n) => !Number.isNaN(n)).length);
    bytes.set(code);
    const nodes = findRegion(b, (distance, max) => {
      const first = starts.indexOf(distance);
      if (first < 0) return false;
      b.reset((CODE + distance) | 0, 0);
      translateX86(b, { bytes, at: distance, limit: PAGE, next: () => -1 }, Math.min(max, lines.length - first), mode);
      return true;
    }, LIMITS)!;
    cases.set(`x86, ${title}`, caseOf(lines.join("\n"), nodes, compile(nodes, physical)));
  }
  compareGoldens("regions", "x86", cases);
});

Deno.test("each pass changes one of these regions, and none makes what V8 refuses", () => {
  const made = (off: readonly JitOption[]) => PROGRAMS.map(([, xlen, physical, lines]) => compile(regionOf(xlen, lines), physical, off));
  const all = made([]);
  for (const pass of Object.keys(JIT_OPTIONS) as JitOption[]) {
    const without = made([pass]);
    for (const bytes of without) assert(WebAssembly.validate(bytes), pass);
    // Where these have no returns and few registers, two passes have nothing to do.
    if (pass !== "returns" && pass !== "through") assert(without.some((bytes, i) => String(bytes) !== String(all[i])), pass);
  }
});

Deno.test("the verifier finds what a pass must not leave behind", () => {
  const broken = (change: (b: Builder) => void): string => {
    const b = new Builder();
    b.reset(0x1000, 0);
    b.insn(0x1000, 0, 0);
    b.set(0x1008, b.add(b.getL(0x1000), b.i64(1)));
    b.insn(0x1004, 0, 4);
    b.set(0x1010, b.getL(0x1008));
    b.jump(4);
    verifyIr(b);
    change(b);
    try {
      verifyIr(b);
    } catch (e) {
      return (e as Error).message;
    }
    return "";
  };
  assert(/'l' is due/.test(broken((b) => b.op[2] = b.op[b.i32(0)])), "type");
  assert(/not before it/.test(broken((b) => b.a[3] = 4)), "order");
  assert(/not before it/.test(broken((b) => b.a[7] = 3)), "another instruction");
  assert(/does not end/.test(broken((b) => b.count--)), "end");
  assert(/slot/.test(broken((b) => b.lo[1] = 2)), "slot");
});
