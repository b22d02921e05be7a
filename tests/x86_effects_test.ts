// Everything that each x86 row does to the world, against what it did when that was last looked at: loads and stores with their addresses, the
// helpers that it calls with their arguments, and what is left in the registers, in every mode that rows can tell apart, with any prefixes, segments
// of different bases and limits, and faults on the way. Digests for each row and width of code in tests/golden/x86_effects.txt. This sees also what a user program
// cannot run on the host's processor (rows_transcripts_test.ts has those): system instructions, far transfers, ports, privileges, prefixes that
// are none of theirs. Who changes a row on purpose writes it anew (`-- --update`).
import { assert, assertEquals } from "@std/assert";
import { Builder } from "../src/ir/builder.ts";
import { type EvalMachine, evaluate } from "../src/ir/evaluate.ts";
import { CONTINUE, type CoreEnv, FAULT, FINISH, type Helper } from "../src/ir/frontend.ts";
import { ANSWER, ARG, CONTEXT, GUEST, GUEST_END, PC, RESULT, SWITCH, SWITCH_END, TLB } from "../src/ir/layout.ts";
import { randomInstruction } from "../src/x86/encode.ts";
import { writeStatus } from "../src/x86/flags.ts";
import { ENDING_HELPERS, SYSTEM_HELPERS } from "../src/x86/helpers.ts";
import type { Row } from "../src/x86/insn.ts";
import { x86Table } from "../src/x86/instruction_set.ts";
import {
  CODE_END,
  CODE_LIMIT,
  CPL,
  FPU_CW,
  FPU_EMPTY,
  FPU_REG,
  FPU_SW,
  FPU_TOP,
  GDT_LIMIT,
  GPR,
  INTR,
  MODE_CODE32,
  MODE_CODE64,
  MODE_CPL_SHIFT,
  MODE_EM,
  MODE_FLAT,
  MODE_MP,
  MODE_OSFXSR,
  MODE_PROTECTED,
  MODE_SSE_FAST,
  MODE_STACK32,
  MODE_TF,
  MODE_TS,
  MODE_V86,
  MXCSR,
  mxcsrIsFast,
  RFLAGS,
  SEG_ATTR,
  SEG_BASE,
  SEG_READ_TOP,
  SEG_WRITE_TOP,
  SELECTOR,
  TSC_PLAIN,
} from "../src/x86/slots.ts";
import { instructionHelpers, translateBlock } from "../src/x86/translate.ts";
import { Random } from "./fuzz/random.ts";

const GOLDEN = new URL("golden/x86_effects.txt", import.meta.url).pathname;
const USER = 3 << MODE_CPL_SHIFT, SSE = MODE_OSFXSR, PE = MODE_PROTECTED;
/** Code's width, mode bits, and how many cases each row has there. */
const MODES: readonly (readonly [name: string, code: 16 | 32 | 64, mode: number, cases: number])[] = [
  ["real", 16, SSE, 2],
  ["v86", 16, SSE | PE | MODE_V86 | USER, 1],
  ["16", 16, SSE | PE | USER, 1],
  ["16, wide stack", 16, SSE | PE | MODE_STACK32, 1],
  ["32", 32, SSE | PE | MODE_CODE32 | MODE_STACK32 | MODE_FLAT, 2],
  ["32, segments", 32, SSE | PE | MODE_CODE32 | MODE_STACK32 | USER, 4],
  ["32, narrow stack", 32, SSE | PE | MODE_CODE32, 1],
  ["64, system", 64, SSE | PE | MODE_CODE64 | MODE_FLAT, 8],
  ["64, user", 64, SSE | PE | MODE_CODE64 | MODE_FLAT | USER, 6],
  // What CR0 and CR4 forbid, and single steps.
  ["stepped", 64, SSE | PE | MODE_CODE64 | MODE_FLAT | MODE_TF, 1],
  ["TS", 64, SSE | PE | MODE_CODE64 | MODE_FLAT | MODE_TS, 1],
  ["TS and MP", 32, SSE | PE | MODE_CODE32 | MODE_STACK32 | MODE_FLAT | MODE_TS | MODE_MP, 1],
  ["EM", 64, SSE | PE | MODE_CODE64 | MODE_FLAT | MODE_EM, 1],
  ["no SSE", 64, PE | MODE_CODE64 | MODE_FLAT, 1],
];
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
const EDGES = [0, 0, 1, 7, 8, 15, 16, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xff];
const PC_AT = [0x1000, 0x1009, 0x1_0ffe, 0x8000_0ff0, 0xffff_0010];

/** A running hash of words. */
class Digest {
  value = 0x811c9dc5;
  add(word: number): void {
    this.value = Math.imul(this.value ^ word ^ (this.value >>> 15), 0x01000193);
  }
  wide(v: bigint): void {
    this.add(Number(BigInt.asIntN(32, v)));
    this.add(Number(BigInt.asIntN(32, v >> 32n)));
  }
}

/** A state window whose helpers of the system note their calls and answer at random. */
class Rig implements EvalMachine {
  readonly bytes = new Uint8Array(0x1_0000);
  readonly slots = new DataView(this.bytes.buffer);
  readonly i32 = new Int32Array(this.bytes.buffer);
  readonly helpers: readonly Helper[];
  readonly builder = new Builder();
  digest = new Digest();
  random = new Random(1);
  /** One access or check in so many faults. */
  faults = 0;
  /** Which helpers were called at all, and how blocks were left. */
  readonly called = new Map<string, number>();
  readonly left = new Map<string, number>();

  constructor() {
    const { bytes, i32, slots } = this;
    const env = {
      u8: bytes,
      i32,
      u32: new Uint32Array(bytes.buffer),
      u64: new BigUint64Array(bytes.buffer),
      changed: () => this.digest.add(77),
    };
    const system = SYSTEM_HELPERS.map((name, n): Helper => ({
      name,
      run: () => {
        this.called.set(name, (this.called.get(name) ?? 0) + 1);
        this.digest.add(n);
        for (let k = 0; k < 4; k++) this.digest.wide(slots.getBigUint64(ARG + 8 * k, true));
        // What an earlier call left in the other arguments is nobody's.
        const result = name === "segRead" || name === "segWrite" || name === "codeLimit"
          ? slots.getBigUint64(ARG, true)
          : this.random.bits64();
        slots.setBigUint64(RESULT, result, true);
        if (ENDING_HELPERS.has(name)) slots.setBigUint64(PC, this.random.bits64() & 0xffff_ffffn, true);
        if (this.#faults()) return FAULT;
        return this.random.one(6) ? FINISH : CONTINUE;
      },
    }));
    this.helpers = [
      ...system,
      ...instructionHelpers(env as unknown as CoreEnv, (vector, error) => {
        this.digest.add(1000 + vector);
        this.digest.add(error);
        return FAULT;
      }, () => this.digest.add(78)),
    ];
  }
  #faults(): boolean {
    return this.faults > 0 && this.random.one(this.faults);
  }
  load(address: bigint, size: number, write: boolean): bigint | undefined {
    this.digest.add(size | (write ? 0x100 : 0x200));
    this.digest.wide(address);
    return this.#faults() ? undefined : BigInt.asUintN(8 * size, this.random.one(3) ? this.random.integer() : this.random.bits64());
  }
  store(address: bigint, size: number, value: bigint): boolean {
    this.digest.add(size | 0x300);
    this.digest.wide(address);
    this.digest.wide(value);
    return !this.#faults();
  }

  /** Random registers that a processor can have in this mode. */
  fill(code: 16 | 32 | 64, mode: number): number {
    const { random, i32, slots } = this;
    for (let at = GUEST; at < GUEST_END; at += 4) i32[at >> 2] = random.bits();
    const real = !(mode & PE);
    for (let n = 0; n < 16; n++) slots.setBigUint64(GPR(n), code === 64 ? random.integer() : BigInt.asUintN(32, random.integer()), true);
    if (random.one(2)) slots.setBigUint64(GPR(1), BigInt(random.one(2) ? random.below(5) : random.pick(EDGES)), true);
    slots.setBigUint64(RFLAGS, BigInt(random.bits() & 0x3c_7700 | 2), true);
    for (const at of [0x40, 0x48, 0x50, 0x58]) slots.setBigUint64(GUEST + 0x200 + at, 0n, true);
    writeStatus(i32, random.bits() & 0x8d5);
    for (let n = 0; n < 8; n++) {
      const base = code === 64 ? n < 4 ? 0n : random.bits64() & 0x7fff_ffff_ffffn : BigInt(random.bits() & 0xff_fff0);
      slots.setBigUint64(SEG_BASE(n), base, true);
      slots.setInt32(SELECTOR(n), random.bits(), true);
      // Mostly all is allowed.
      const top = () => random.pick([1n << 32n, 1n << 32n, 0n, 0x1_0000n, 0x8000_0000n]);
      slots.setBigUint64(SEG_READ_TOP(n), top(), true);
      slots.setBigUint64(SEG_WRITE_TOP(n), top(), true);
    }
    slots.setInt32(CODE_LIMIT, random.pick([-1, -1, 0xffff, 0x1000]), true);
    slots.setInt32(CODE_END, random.pick([-1, -1, -1, 0]), true);
    slots.setInt32(GDT_LIMIT, random.pick([0xffff, 0xffff, 0x7f]), true);
    slots.setInt32(INTR, random.below(2), true);
    slots.setInt32(CPL, mode >> MODE_CPL_SHIFT & 3, true);
    slots.setInt32(TSC_PLAIN, random.below(3), true);
    for (let n = 0; n < 8; n++) slots.setInt32(SEG_ATTR + 4 * n, random.one(2) ? 0 : random.bits() & 0xf0_ff00, true);
    slots.setInt32(FPU_CW, 0x40 | random.pick([0x37f, 0x37f, random.bits() & 0xf3f]), true);
    slots.setInt32(FPU_SW, random.bits() & 0x477f | (random.one(6) ? 0x80 : 0), true);
    slots.setInt32(FPU_TOP, random.below(8), true);
    slots.setInt32(FPU_EMPTY, random.pick([0, 0, 0xff, random.below(256)]), true);
    for (let n = 0; n < 8; n++) slots.setBigUint64(FPU_REG(n) + 8, BigInt(random.bits() & 0xffff), true);
    slots.setInt32(MXCSR, random.pick([0x1fa0, 0x1f80, random.bits() & 0xffff]), true);
    for (let at = SWITCH; at < SWITCH_END; at += 4) i32[at >> 2] = random.one(3) ? 0 : random.bits();
    i32[TLB >> 2] = i32[CONTEXT >> 2] = i32[ANSWER >> 2] = 0;
    i32.fill(0, ARG >> 2, SWITCH >> 2);
    return real ? mode : mode | (mxcsrIsFast(i32[MXCSR >> 2]) ? MODE_SSE_FAST : 0);
  }

  case(row: Row, code: 16 | 32 | 64, mode: number): void {
    const { random, slots, i32, digest } = this, bytes = [...randomInstruction(row, code, random.unit).bytes];
    // Counts and so on at their edges half of the time.
    const last = row.operands.at(-1);
    if (last?.where === "I" && (last.signed || last.sizes[0] === 1) && random.one(2)) bytes[bytes.length - 1] = random.pick(EDGES);
    for (let n = random.pick([0, 0, 0, 1, 1, 2]); n > 0; n--) bytes.unshift(random.pick(PREFIXES));
    const all = { bytes: Uint8Array.from([...bytes, ...new Array(40).fill(0x90)]), at: 0, limit: bytes.length + 40, next: () => -1 };
    const mode1 = this.fill(code, mode), lo = random.pick(PC_AT), hi = code === 64 ? random.pick([0, 0, 0x7fff, -1]) : 0;
    this.faults = random.pick([0, 0, 0, 3, 8]);
    this.builder.reset(lo | 0, hi);
    translateBlock(this.builder, all, 1, mode1);
    const exit = evaluate(this.builder, this);
    this.left.set(exit.kind, (this.left.get(exit.kind) ?? 0) + 1);
    digest.add(exit.kind === "fault" ? 1 : exit.kind === "helper" ? 2 : 3);
    digest.wide(exit.kind === "helper" ? slots.getBigUint64(PC, true) : exit.pc);
    digest.add(this.builder.codeBytes);
    for (const at of [TLB, CONTEXT]) digest.add(i32[at >> 2]);
    for (let at = GUEST; at < GUEST_END; at += 4) digest.add(i32[at >> 2]);
  }
}

Deno.test("what x86 rows do to the world is as it was", () => {
  const rig = new Rig(), names = new Map<string, number>(), lines: string[] = [], encoder = new TextEncoder();
  for (const row of x86Table().rows) {
    const name = `${row.mnemonic} ${row.opcode}`, again = names.get(name) ?? 0;
    names.set(name, again + 1);
    const digests = [16, 32, 64].map((width) => {
      rig.digest = new Digest();
      for (const [modeName, code, mode, cases] of MODES) {
        if (code !== width) continue;
        const seed = new Digest();
        for (const byte of encoder.encode(`${name} ${again} ${modeName}`)) seed.add(byte);
        rig.random.state = seed.value;
        for (let n = cases; n > 0; n--) rig.case(row, code, mode);
      }
      return (rig.digest.value >>> 0).toString(36);
    });
    lines.push(`${name}${again ? ` (${again + 1})` : ""}: ${digests.join(" ")}`);
  }
  // Every helper of the system was called, and blocks were left in each way.
  assertEquals(SYSTEM_HELPERS.filter((name) => (rig.called.get(name) ?? 0) < 4 && name !== "fetchFault"), []);
  for (const kind of ["fault", "helper", "next"]) assert((rig.left.get(kind) ?? 0) > 500, kind);
  if (Deno.args.includes("--update")) Deno.writeTextFileSync(GOLDEN, lines.join("\n") + "\n");
  else assertEquals(lines, Deno.readTextFileSync(GOLDEN).trimEnd().split("\n"));
});
