// The hart in step with the model of tests/models/riscv_privileged.ts: every register, every bit, at every privilege; traps, returns, interrupts,
// waits and time in random order; saved and restored in between.
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { type Options, Privileged } from "../../tests/models/riscv_privileged.ts";
import { CONTINUE, FAULT, FINISH } from "../ir/frontend.ts";
import { ARG, PC } from "../ir/layout.ts";
import type { HartConfig } from "./hart.ts";
import { INPUTS } from "./interrupts.ts";
import { CBZE } from "./registers.ts";
import { parseIsa } from "./instruction_set.ts";
import { FFLAGS, FRM, HELD, MODE_CBZE, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, MODE_PRIV_SHIFT, X } from "./slots.ts";
import { type Rig, rig } from "./testing/fake_env.ts";

const LOW = 0xffff_ffffn;
/** Instruction sets and what else tells harts apart. */
const CONFIGURATIONS: readonly (readonly [isa: string, modes: readonly bigint[], options: Partial<HartConfig>])[] = [
  ["rv64gc_zicbom_zicboz_sstc_svpbmt_svadu", [8n, 9n, 10n], {
    pmpEntries: 64,
    hartId: 3,
    mvendorid: 0x1234n,
    marchid: 1n << 63n | 5n,
    mimpid: 0x8765_4321_0000_0007n,
  }],
  ["rv64imac_zicbom", [], { mmu: "bare", pmpEntries: 16 }],
  ["rv64imafd_sstc_svadu_svade", [8n], { mmu: "sv39", pmpEntries: 0 }],
  ["rv32imac", [], { mmu: "bare", pmpEntries: 0, svade: true }],
  ["rv32gc_zicboz_sstc_svadu_svpbmt", [1n], { pmpEntries: 16, hartId: 1, mvendorid: 0xffff_ffffn, marchid: 7n }],
];

/** A hart and a model of it. */
class Pair {
  r!: Rig;
  readonly model: Privileged;
  readonly xlen: 32 | 64;
  /** Registers that are compared after each step: those of a family are alike. */
  readonly compared: readonly string[];
  readonly #named = new Map<string, () => bigint>();

  constructor(readonly isa: string, modes: readonly bigint[], readonly options: Partial<HartConfig>) {
    const { has, misa, xlen } = parseIsa(isa), all = (1n << BigInt(xlen)) - 1n;
    this.xlen = xlen;
    const o: Options = {
      xlen,
      has,
      modes,
      misa: BigInt(misa) | BigInt(xlen === 64 ? 2 : 1) << BigInt(xlen - 2),
      pmpEntries: options.pmpEntries!,
      hartid: BigInt(options.hartId ?? 0),
      vendor: (options.mvendorid ?? 0n) & all,
      arch: (options.marchid ?? 0n) & all,
      impl: (options.mimpid ?? 0n) & all,
    };
    this.model = new Privileged(o);
    this.r = rig(isa, options);
    this.model.pc = 0x1000n;
    const families = /^(m?hpm|pmp(cfg|addr)[4-9]|pmp(cfg|addr)\d\d|tdata|tselect)/;
    for (const { name, read } of this.model.table.values()) this.#named.set(name, read);
    this.compared = [...this.model.table.values()].map(({ name }) => name).filter((name) => !families.test(name));
  }

  /** Everything that both have. */
  compare(what: string, names: readonly string[] = this.compared): void {
    const { hart, env, clock, pc } = this.r, m = this.model;
    assertEquals(pc(), m.pc, `${what}: pc`);
    assertEquals(hart.s.priv, Number(m.priv), `${what}: privilege`);
    for (const name of names) {
      const read = this.#named.get(name);
      if (read && hart.reg(name) !== read()) assertEquals(hart.reg(name).toString(16), read().toString(16), `${what}: ${name}`);
    }
    assertEquals(BigInt(hart.interrupts.deliverable), m.deliverable, `${what}: what can be delivered`);
    assertEquals(hart.waiting, m.waiting, `${what}: waiting`);
    const pending = m.mip & m.r.mie & m.r.mideleg;
    assertEquals(env.i32[HELD >> 2], pending === 0n ? ~2 : -1, `${what}: HELD`);
    const fast = (m.fcsr & 1n) !== 0n && m.fcsr >> 5n === 0n;
    const mode = Number(m.priv) << MODE_PRIV_SHIFT | (m.fs ? MODE_FS : 0) | (m.fs === 3 ? MODE_FS_DIRTY : 0) | (fast ? MODE_FP_FAST : 0) |
      (m.mayCbo(4) && (this.r.hart.csrs.envcfg & CBZE || m.priv === 3n) ? MODE_CBZE : 0);
    assertEquals(hart.mode() & ~8, mode, `${what}: mode`);
    const bare = m.r.satp >> (this.xlen === 64 ? 60n : 31n) === 0n;
    assertEquals(hart.regime() % 4, m.data === 3n || bare ? 0 : m.data === 0n ? 3 : m.sum ? 2 : 1, `${what}: regime`);
    const { stimecmp, menvcfg } = m.r;
    const alarm = menvcfg >> 63n & 1n && stimecmp > m.time && stimecmp < 1n << 53n ? Number(stimecmp) : Infinity;
    assertEquals(clock.alarm, alarm, `${what}: alarm`);
  }

  /** What the engine keeps must be told of changes. */
  #watch(act: () => void, what: string): void {
    const { hart, env, clock } = this.r, seen = () => `${hart.mode()} ${hart.regime()} ${hart.context()}`, before = seen();
    const { deliverable, waiting } = hart.interrupts, attention = clock.attention;
    env.changes = 0;
    act();
    if (seen() !== before) assert(env.changes > 0, `${what}: the engine was not told`);
    if ((deliverable === 0 && hart.interrupts.deliverable !== 0) || (waiting && !hart.waiting)) {
      assert(clock.attention > attention, `${what}: nobody looks at the interrupt`);
    } else assertEquals(clock.attention, attention, `${what}: a slice is cut for nothing`);
  }

  /** A CSR instruction; `rs1` 0 to name no bits. */
  csr(kind: 1 | 2 | 3, number: number, operand: bigint, rd = 10, rs1 = 11): boolean {
    const { r, model: m, xlen } = this, word = (number << 20 | rs1 << 15 | kind << 12 | rd << 7 | 0x73) >>> 0;
    const what = `${this.isa}, privilege ${m.priv}: ${["", "csrrw", "csrrs", "csrrc"][kind]} ${m.table.get(number)?.name ?? number}, 0x${
      operand.toString(16)
    }`;
    const writes = kind === 1 || rs1 !== 0, pc = m.pc, traps = r.hart.traps.count, known = m.allowed(number, writes) !== undefined;
    r.env.u64[X(10) >> 3] = 0x5555n;
    let status = -1;
    const old = m.csr(BigInt(word), kind, number, operand, writes);
    this.#watch(() => status = r.call("csr", word, operand, pc, pc + 4n), what);
    assertEquals(r.hart.traps.count - traps, known ? 0 : 1, `${what}: traps`);
    const got = xlen === 64 ? r.env.u64[X(10) >> 3] : r.env.u64[X(10) >> 3] & LOW;
    assertEquals(got, rd === 10 && old !== undefined ? old : 0x5555n, `${what}: rd`);
    assertEquals(r.env.u64[X(0) >> 3], 0n);
    assertEquals(status, m.deliverable ? FINISH : CONTINUE, `${what}: status`);
    return known;
  }

  /** Calls a helper; the model has done the same. */
  helper(name: Parameters<Rig["call"]>[0], status: "by interrupts" | "always", ...args: (bigint | number)[]): void {
    let got = -1;
    this.#watch(() => got = this.r.call(name, ...args), name);
    assertEquals(got, status === "always" || this.model.deliverable ? FINISH : CONTINUE, `${name}: status`);
  }
  /** A change from outside of instructions. */
  outside(act: () => void, what: string): void {
    this.#watch(act, what);
    this.model.settle();
  }
  interrupt(): void {
    const there = this.model.deliverable !== 0n;
    if (there) this.model.interrupt();
    let taken = false;
    this.#watch(() => taken = this.r.hart.interrupt(), "interrupt");
    assertEquals(taken, there);
  }

  /** A fresh hart goes on. */
  restore(): void {
    const saved = structuredClone(this.r.hart.save()), before = this.r, after = rig(this.isa, this.options);
    after.env.u8.set(before.env.u8);
    after.env.u8.fill(0, 0x1000, 0x2000); // its registers
    after.env.begun = before.env.begun;
    after.clock.now = before.clock.now;
    after.hart.load(saved);
    assertEquals(after.clock.attention, 0, "a restored interrupt is no news");
    assertEquals(after.hart.save(), saved);
    this.r = after;
  }
}

/** As M-mode with everything allowed; a privilege is what the debugger sets. */
function become(p: Pair, priv: bigint): void {
  p.r.hart.setReg("priv", priv);
  p.model.priv = priv;
  p.model.settle();
}
function all(p: Pair): void {
  become(p, 3n);
  for (const name of ["mcounteren", "scounteren", "menvcfg", "menvcfgh", "mstatus"]) {
    const number = numberOf(p, name);
    if (number !== undefined) p.csr(1, number, name === "mstatus" ? 0x6000n : p.xlen === 64 ? 0x8000_0000_ffff_ffffn : LOW);
  }
}
const numberOf = (p: Pair, name: string): number | undefined => [...p.model.table].find(([, csr]) => csr.name === name)?.[0];

for (const [isa, modes, options] of CONFIGURATIONS) {
  Deno.test(`${isa}: which of the 4096 registers are there, for whom, and what they are after a reset`, () => {
    const p = new Pair(isa, modes, options);
    p.compare("reset", [...p.model.table.values()].map(({ name }) => name));
    all(p);
    for (const priv of [3n, 1n, 0n]) {
      let seen = 0;
      for (let number = 0; number < 4096; number++) {
        become(p, priv);
        if (p.csr(2, number, 0n, 10, 0)) seen++;
        // Writes of zero, where that takes no right away from what follows.
        become(p, priv);
        if (!/^(mcounteren|scounteren|menvcfgh?|mstatus|sstatus)$/.test(p.model.table.get(number)?.name ?? "")) p.csr(1, number, 0n);
        if (number === 0x180 || number === 2) all(p);
      }
      assert(seen >= [35, 0, 50, 90][Number(priv)] - (p.xlen === 64 ? 5 : 0), `${seen} at privilege ${priv}`);
    }
  });

  Deno.test(`${isa}: what one bit of another register opens and closes, at each privilege`, () => {
    const p = new Pair(isa, modes, options), xlen = p.xlen;
    const at = (names: string) => names.split(" ").map((name) => numberOf(p, name)).filter((n) => n !== undefined);
    const gates: readonly (readonly [string, readonly number[]])[] = [
      ["mcounteren", [0, 1, 2, 3, 31]],
      ["scounteren", [0, 1, 2, 3, 31]],
      [xlen === 64 ? "menvcfg" : "menvcfgh", [xlen - 1]],
      ["mstatus", [13, 14, 20]],
    ];
    const gated = at(
      "cycle time instret hpmcounter3 hpmcounter31 cycleh timeh instreth hpmcounter3h hpmcounter31h stimecmp stimecmph satp fflags frm fcsr",
    );
    let opened = 0, closed = 0;
    for (const open of [true, false]) {
      for (const [name, bits] of gates) {
        for (const bit of bits) {
          all(p);
          // Closed: nobody below M counts anything, has a timer or floating point, and S may not change satp.
          if (!open) { for (const number of at("mcounteren scounteren menvcfg menvcfgh")) p.csr(1, number, 0n); }
          if (!open) p.csr(1, 0x300, 1n << 20n);
          const number = numberOf(p, name)!, set = (p.model.table.get(number)!.read() >> BigInt(bit) & 1n) !== 0n;
          p.csr(set ? 3 : 2, number, 1n << BigInt(bit));
          for (const priv of [3n, 1n, 0n]) {
            for (const other of gated) {
              become(p, priv);
              p.csr(2, other, 0n, 10, 0) ? opened++ : closed++;
            }
          }
        }
      }
    }
    assert(opened > 100 && closed > 100, `${opened} accesses allowed, ${closed} not`);
  });

  Deno.test(`${isa}: every bit of every register, set alone, cleared alone, set and cleared among others`, () => {
    const p = new Pair(isa, modes, options), ones = (1n << BigInt(p.xlen)) - 1n;
    for (const [number, { name }] of p.model.table) {
      if (number >> 10 === 3) continue;
      // Registers of a family are alike: the first and the last.
      const n = Number(/\d+$/.exec(name)?.[0] ?? 0);
      if (n > 3 && n < (name.startsWith("pmpcfg") ? 14 : name.startsWith("pmp") ? options.pmpEntries! - 1 : 31)) continue;
      become(p, 3n);
      if (name !== "mstatus" && !name.startsWith("pmp")) all(p);
      const names = [name, "mstatus", "mie", "mip", "pmpaddr0", "pmpaddr1"];
      const write = (kind: 1 | 2 | 3, value: bigint) => {
        p.csr(kind, number, value);
        p.compare(`${name} 0x${value.toString(16)} by ${kind}`, names);
      };
      for (let bit = 0n; bit < BigInt(p.xlen); bit++) {
        if (name.startsWith("pmpcfg") && (bit & 7n) === 7n) continue; // locks stay until the end
        write(1, 1n << bit);
        write(3, 1n << bit);
        write(2, 1n << bit);
        write(1, ones & ~(1n << bit) & ~(name.startsWith("pmp") ? 0x8080_8080_8080_8080n : 0n));
        write(3, 1n << bit);
        write(1, 0n);
      }
      if (name !== "mstatus") write(1, name.startsWith("pmpcfg") ? 0n : ones);
    }
  });

  Deno.test(`${isa}: registers, traps, returns, interrupts, waits and time in random order`, () => {
    const p = new Pair(isa, modes, options), random = new Random(17), m = p.model, numbers = [...m.table.keys()], xlen = p.xlen;
    const common = numbers.filter((n) =>
      [0x100, 0x104, 0x144, 0x300, 0x302, 0x303, 0x304, 0x344, 0x14d, 0x15d, 0x30a, 0x31a, 1, 2, 3, 0x320].includes(n)
    );
    const ones = (1n << BigInt(xlen)) - 1n, seen = { traps: 0, interrupts: 0, waits: 0, returns: 0, hits: 0 };
    const operand = () => {
      const bit = 1n << BigInt(random.below(xlen));
      return random.pick([
        bit,
        ones & ~bit,
        random.integer() & ones,
        random.bits64() & ones,
        0n,
        ones,
        0xaaan,
        0x222n,
        BigInt(random.below(4096)),
      ]);
    };
    const pc = (at: bigint) => {
      p.r.hart.pc = at;
      m.pc = at;
    };
    for (let step = 0; step < 2000; step++) {
      const what = `step ${step}`, kind = random.below(34), at = m.pc;
      if (kind < 14) {
        const number = random.one(20) ? random.below(4096) : random.pick(random.one(2) ? common : numbers);
        const rs1 = random.one(8) ? 0 : 11, write = random.pick([1, 2, 3] as const);
        if (
          !p.csr(
            write,
            number,
            rs1 === 0 ? 0n : number >> 4 === 0x3a ? operand() & 0x7f7f_7f7f_7f7f_7f7fn : operand(),
            random.one(6) ? 0 : 12,
            rs1,
          )
        ) {
          seen.traps++;
        }
      } else if (kind === 14) {
        seen.traps++;
        const cause = m.priv + 8n;
        m.exception(cause, 0n);
        p.helper("ecall", "by interrupts", at);
      } else if (kind === 15) {
        m.exception(3n, at);
        p.helper("ebreak", "by interrupts", at);
      } else if (kind === 16 || kind === 17) {
        // A fault that was recorded, and one that a row raises.
        const cause = random.pick([0n, 1n, 2n, 4n, 5n, 6n, 7n, 12n, 13n, 15n]), tval = random.bits64() & ones;
        seen.traps++;
        m.exception(cause, tval);
        if (kind === 16) p.helper("exception", "by interrupts", cause, tval, at);
        else {
          assertEquals(p.r.hart.fault(Number(cause), Number(BigInt.asIntN(32, tval)), Number(BigInt.asIntN(32, tval >> 32n))), FAULT);
          p.r.env.begun++; // the instruction has begun
          p.outside(() => p.r.hart.raise(), "raise");
        }
      } else if (kind < 20) {
        seen.returns++;
        m.mret(0x3020_0073n);
        p.helper("mret", "by interrupts", at, at + 4n);
      } else if (kind < 22) {
        seen.returns++;
        m.sret(0x1020_0073n);
        p.helper("sret", "by interrupts", at, at + 4n);
      } else if (kind === 22) {
        const trap = m.priv === 0n || (m.priv === 1n && (m.status >> 21n & 1n) !== 0n);
        m.wfi(0x1050_0073n);
        p.helper("wfi", trap ? "by interrupts" : "always", at, at + 4n);
        if (m.waiting) seen.waits++;
      } else if (kind === 23) {
        const word = BigInt(random.pick([0x1200_0073, 0x1620_8073]));
        m.sfence(word);
        p.helper("sfenceVma", "by interrupts", 0, 0, word << 32n | BigInt(random.below(4)), at);
      } else if (kind < 27) {
        const name = random.pick(Object.keys(INPUTS)), level = random.one(2), bit = BigInt(INPUTS[name]);
        m.lines = level ? m.lines | bit : m.lines & ~bit;
        p.outside(() => p.r.hart.input(name)!.set(level), `${name} ${level}`);
        assertEquals(p.r.hart.input(name)!.level, level);
      } else if (kind === 27) {
        m.time += BigInt(random.pick([1, 5, 1000]));
        if (m.r.stimecmp > m.time && random.one(2)) m.time = m.r.stimecmp < 1n << 52n ? m.r.stimecmp : m.time;
        p.r.clock.now = Number(m.time);
        if (m.time >= m.r.stimecmp) seen.hits++;
        p.outside(() => p.r.hart.interrupts.timerDue(), "time");
      } else if (kind === 28) {
        const level = random.one(2), set = random.pick([0x2n, 0x20n, 0x200n, 0x222n]);
        m.soft = level ? m.soft | set : m.soft & ~set;
        p.outside(() => p.r.hart.interrupts.setPending(Number(set), level), "firmware's interrupt");
      } else if (kind === 29 || kind > 31) {
        if (m.deliverable) seen.interrupts++;
        p.interrupt();
      } else if (kind === 30) {
        const status = p.r.call("cbo", random.pick([0, 1, 2, 4]) << 20 | 0x200f, 0x8000_0000n), kind = p.r.env.i32[ARG >> 2] >>> 20;
        p.r.env.begun--;
        if (!m.mayCbo(kind)) assertEquals(status, FAULT, what);
        else if (kind === 4) assertEquals(status, CONTINUE, what);
      } else pc(random.pick([0x8000_0000n, 0x7fff_fffen, 0xffff_fffcn, ones & ~3n, 0x1000n]));
      m.settle();
      p.compare(what);
      if (random.one(60)) become(p, random.pick([0n, 1n, 3n]));
      if (random.one(100)) p.restore();
    }
    if (!isa.includes("sstc")) seen.hits = 5;
    for (const [what, n] of Object.entries(seen)) assert(n >= 5, `${what}: ${n}`);
    // Nothing outlives a reset but wires and time.
    const { lines, time, cycle } = m, fresh = new Pair(isa, modes, options);
    p.r.hart.reset();
    fresh.model.lines = lines;
    fresh.model.time = time;
    fresh.model.cycle = fresh.model.instret = BigInt(p.r.env.begun);
    assert(cycle >= 0n);
    fresh.r = p.r;
    fresh.compare("reset", [...fresh.model.table.values()].map(({ name }) => name));
    assertEquals([p.r.env.i32[FFLAGS >> 2], p.r.env.i32[FRM >> 2], p.r.env.u64[PC >> 3]], [0, 0, 0x1000n]);
  });
}
