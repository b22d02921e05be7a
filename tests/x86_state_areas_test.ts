// FXSAVE, XSAVE and their relatives over random states and random memory, against their layout and rules written down once more: which bytes are
// written and which are not, what each component becomes, what faults. In 64-bit code and 32-bit code, with REX.W and without, every kind.
// Intel SDM volume 1 (253665-083), 10.5 with table 10-2, 13.4 to 13.12.
import { assert, assertEquals } from "@std/assert";
import { FAULTED } from "../src/x86/faults.ts";
import {
  FPU_CS,
  FPU_CW,
  FPU_DP,
  FPU_DS,
  FPU_EMPTY,
  FPU_IP,
  FPU_OPCODE,
  FPU_REG,
  FPU_SW,
  FPU_TOP,
  GPR,
  MXCSR,
  XMM,
} from "../src/x86/slots.ts";
import { fxrstor, fxsave, xrstor, xsave } from "../src/x86/state.ts";
import { Random } from "./fuzz/random.ts";
import { Lab } from "./x86/lab.ts";

const AREA = 0x6000, BYTES = 0xb00, X87 = 1, SSE = 2, KEYS = 0x200, GP = 13;

/** Registers of x87 and SSE, PKRU. Vectors and significands are text, so that states can be compared. */
interface State {
  x87: { cw: number; sw: number; top: number; empty: number; opcode: number; ip: bigint; cs: number; dp: bigint; ds: number; st: bigint[] };
  mxcsr: number;
  xmm: bigint[];
  pkru: number;
}
const INITIAL: State["x87"] = { cw: 0x37f, sw: 0, top: 0, empty: 0xff, opcode: 0, ip: 0n, cs: 0, dp: 0n, ds: 0, st: new Array(8).fill(0n) };

class Rig {
  readonly random = new Random(9);
  readonly memory = new Uint8Array(BYTES);
  readonly view = new DataView(this.memory.buffer);
  constructor(readonly lab: Lab, readonly long: boolean) {}

  get vectors(): number {
    return this.long ? 16 : 8;
  }
  state(): State {
    const { lab: { cpu } } = this,
      wide = (slot: number) => BigInt.asUintN(64, BigInt(cpu.window.hi(slot)) << 32n | BigInt(cpu.window.lo(slot) >>> 0));
    const [cw, sw, top, empty, opcode, cs, ds] = [FPU_CW, FPU_SW, FPU_TOP, FPU_EMPTY, FPU_OPCODE, FPU_CS, FPU_DS].map((s) =>
      cpu.window.lo(s)
    );
    return {
      x87: {
        ...{ cw, sw, top, empty, opcode, cs, ds, ip: wide(FPU_IP), dp: wide(FPU_DP) },
        st: Array.from({ length: 8 }, (_, n) => wide(FPU_REG(n)) | BigInt(cpu.window.lo(FPU_REG(n) + 8) & 0xffff) << 64n),
      },
      mxcsr: cpu.window.lo(MXCSR),
      xmm: Array.from({ length: 16 }, (_, n) => wide(XMM(n)) | wide(XMM(n) + 8) << 64n),
      pkru: cpu.s.pkru,
    };
  }
  /** Random registers, and a random area whose header is right mostly. */
  fill(): void {
    const { lab: { cpu }, random, memory, view } = this, bits = () => random.bits() | 0;
    for (let n = 0; n < 8; n++) {
      cpu.window.set(FPU_REG(n), bits(), bits());
      cpu.window.set(FPU_REG(n) + 8, bits() & 0xffff, 0);
    }
    for (let n = 0; n < 16; n++) for (const half of [0, 8]) cpu.window.set(XMM(n) + half, bits(), bits());
    for (const slot of [FPU_IP, FPU_DP]) cpu.window.set(slot, bits(), bits());
    const words = [[FPU_CW, bits() & 0x1f3f | 0x40], [FPU_SW, bits() & 0xc7ff], [FPU_TOP, random.below(8)], [FPU_EMPTY, random.below(256)]];
    words.push([FPU_OPCODE, random.below(0x800)], [FPU_CS, bits() & 0xffff], [FPU_DS, bits() & 0xffff], [MXCSR, bits() & 0xffff]);
    for (const [slot, v] of words) cpu.window.setLo(slot, v);
    cpu.s.pkru = random.pick([0, bits() & ~3]); // pages have key 0
    cpu.s.xcr0 = random.pick([X87, X87 | SSE, X87 | SSE | KEYS, X87 | SSE | KEYS]);
    cpu.window.set(GPR(0), random.pick([0, 1, 2, 3, 0x200, 0x203, 0x201, -1]), 0);
    for (let n = 0; n < BYTES; n += 4) view.setUint32(n, random.bits(), true);
    view.setUint32(24, random.one(6) ? random.bits() : random.below(0x1_0000), true);
    memory.fill(0, 512, 576);
    view.setUint16(512, random.pick([0, 1, 2, 3, 0x200, 0x201, 0x203, random.one(3) ? 4 : 3]), true);
    if (random.one(2)) {
      view.setUint16(520, random.pick([3, 0x203, 0x203, 0x200, 1]), true);
      memory[527] = 0x80;
    }
    // Each byte of the header, now and then.
    if (random.one(4)) memory[512 + random.below(64)] ^= 1 << random.below(8);
    this.lab.machine.bus.writeBytes(AREA, memory);
    cpu.derived.reload();
  }

  // --- the layout of table 10-2
  #put(s: State, wide: boolean, out: Uint8Array, component: number): void {
    const put = (at: number, bytes: number, v: bigint | number) => {
      for (let n = 0; n < bytes; n++) out[at + n] = Number(BigInt(v) >> BigInt(8 * n) & 0xffn);
    };
    if (component === SSE) {
      put(24, 4, s.mxcsr);
      put(28, 4, 0xffff);
      for (let n = 0; n < this.vectors; n++) put(160 + 16 * n, 16, s.xmm[n]);
      return;
    }
    const { cw, sw, top, empty, opcode, ip, cs, dp, ds, st } = s.x87;
    put(0, 2, cw);
    put(2, 2, sw & ~0x3800 | top << 11);
    put(4, 2, ~empty & 0xff);
    put(6, 2, opcode);
    put(8, 8, wide ? ip : ip & 0xffff_ffffn | BigInt(cs) << 32n);
    put(16, 8, wide ? dp : dp & 0xffff_ffffn | BigInt(ds) << 32n);
    // The registers are in the order of the stack.
    for (let n = 0; n < 8; n++) put(32 + 16 * n, 16, st[top + n & 7]);
  }
  #take(wide: boolean): State["x87"] {
    const { view } = this, sw = view.getUint16(2, true), top = sw >> 11 & 7, st = new Array<bigint>(8);
    for (let n = 0; n < 8; n++) st[top + n & 7] = view.getBigUint64(32 + 16 * n, true) | BigInt(view.getUint16(40 + 16 * n, true)) << 64n;
    const pointer = (at: number) => wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
    const selector = (at: number) => wide ? 0 : view.getUint16(at, true);
    return {
      ...{ cw: view.getUint16(0, true) & 0x1f7f | 0x40, sw: sw & ~0x3800, top, empty: ~view.getUint8(4) & 0xff },
      ...{ opcode: view.getUint16(6, true) & 0x7ff, ip: pointer(8), cs: selector(12), dp: pointer(16), ds: selector(20), st },
    };
  }
  #vectors(old: readonly bigint[]): bigint[] {
    return old.map((v, n) =>
      n < this.vectors ? this.view.getBigUint64(160 + 16 * n, true) | this.view.getBigUint64(168 + 16 * n, true) << 64n : v
    );
  }

  /** What an instruction makes of the state and of the area; a number is the exception. */
  fxsave(s: State, wide: boolean, out: Uint8Array): void {
    this.#put(s, wide, out, X87);
    this.#put(s, wide, out, SSE);
  }
  fxrstor(s: State, wide: boolean): State | number {
    const mxcsr = this.view.getUint32(24, true);
    return mxcsr > 0xffff ? GP : { ...s, x87: this.#take(wide), mxcsr, xmm: this.#vectors(s.xmm) };
  }
  xsave(s: State, wide: boolean, kind: number, out: Uint8Array): void {
    const { lab: { cpu } } = this, asked = cpu.window.lo(GPR(0)) & cpu.s.xcr0, compact = kind >= 2, header = new DataView(out.buffer);
    for (const component of [X87, SSE]) if (asked & component) this.#put(s, wide, out, component);
    const inUse = asked & (X87 | SSE | (s.pkru ? KEYS : 0));
    // XSAVE alone writes what is in its initial state.
    if ((kind === 0 ? asked : inUse) & KEYS) header.setBigUint64(compact ? 576 : 2688, BigInt(s.pkru >>> 0), true);
    if (compact) {
      header.setBigUint64(512, BigInt(inUse), true);
      header.setBigUint64(520, 1n << 63n | BigInt(asked), true);
    } else header.setUint32(512, header.getUint32(512, true) & ~asked | inUse, true);
  }
  xrstor(s: State, wide: boolean, kind: number): State | number {
    const { lab: { cpu }, view, memory } = this, has = view.getBigUint64(512, true), form = view.getBigUint64(520, true);
    const enabled = BigInt(cpu.s.xcr0), compact = form >> 63n === 1n, there = form & ~(1n << 63n);
    if (kind === 3 && !compact || !compact && form !== 0n || has & ~enabled || compact && (there & ~enabled || has & ~there)) return GP;
    if (memory.subarray(528, 576).some((v) => v !== 0)) return GP;
    const asked = cpu.window.lo(GPR(0)) & cpu.s.xcr0, present = Number(has), out = structuredClone(s);
    const loaded = !compact || (present & SSE) !== 0, mxcsr = loaded ? view.getUint32(24, true) : 0x1f80;
    if (asked & SSE && mxcsr > 0xffff) return GP;
    if (asked & X87) out.x87 = present & X87 ? this.#take(wide) : structuredClone(INITIAL);
    if (asked & SSE) {
      out.mxcsr = mxcsr;
      out.xmm = present & SSE ? this.#vectors(s.xmm) : s.xmm.map((v, n) => n < this.vectors ? 0n : v);
    }
    if (asked & KEYS) out.pkru = present & KEYS ? view.getInt32(compact ? 576 : 2688, true) : 0;
    return out;
  }
}

Deno.test("FXSAVE, XSAVE and what takes their areas: every byte and every register", async () => {
  const lab = await Lab.make("interp", "m.toml", { "cpu.model": "max" }), { cpu, machine: { bus } } = lab, seen = new Map<string, number>();
  for (const mode of ["32", "64"] as const) {
    lab.prepare(mode, 0);
    cpu.s.cr4 |= 0x4_0600;
    cpu.derived.reload();
    const rig = new Rig(lab, mode === "64"), { random } = rig;
    for (let n = 0; n < 400; n++) {
      rig.fill();
      const wide = rig.long && random.one(2),
        kind = random.below(4),
        what = random.pick(["fxsave", "fxrstor", "xsave", "xrstor", "xrstor"] as const);
      const before = rig.state(), area = rig.memory.slice(), restore = kind & 1 ? 3 : 0;
      let after: State | number = before, faulted = false;
      if (what === "fxsave") rig.fxsave(before, wide, area);
      else if (what === "xsave") rig.xsave(before, wide, kind, area);
      else after = what === "fxrstor" ? rig.fxrstor(before, wide) : rig.xrstor(before, wide, restore);
      try {
        if (what === "fxsave") fxsave(cpu, AREA, 0, wide);
        else if (what === "xsave") xsave(cpu, AREA, 0, wide, kind);
        else if (what === "fxrstor") fxrstor(cpu, AREA, 0, wide);
        else xrstor(cpu, AREA, 0, wide, restore);
      } catch (e) {
        assertEquals([e, cpu.faults.vector, cpu.faults.errorCode], [FAULTED, GP, 0]);
        faulted = true;
      }
      const where = `${mode}, case ${n}: ${what} ${kind}${wide ? ", wide" : ""}`, fault = typeof after === "number";
      assertEquals(faulted, fault, where);
      assertEquals(rig.state(), fault ? before : after as State, where);
      assertEquals(bus.readBytes(AREA, BYTES), area, where);
      seen.set(`${what} ${fault}`, (seen.get(`${what} ${fault}`) ?? 0) + 1);
    }
  }
  for (
    const [what, least] of [["fxsave false", 80], ["fxrstor false", 80], ["xsave false", 80], ["xrstor false", 60], ["fxrstor true", 10], [
      "xrstor true",
      60,
    ]] as const
  ) {
    assert((seen.get(what) ?? 0) >= least, `${what}: ${seen.get(what)}`);
  }
});
