// What a hart does beside its registers: starts, addresses in two halves, instructions at the edges of protected memory, loops and storms,
// traces, registers for the debugger, reports.
import { assertEquals } from "@std/assert";
import { type Access, CONTINUE, FAULT, FETCH, FINISH, READ, WRITE } from "../ir/frontend.ts";
import { csrRows } from "./csr.ts";
import { RES_ADDRESS } from "./slots.ts";
import { RAM, RAM_BYTES, type Rig, rig } from "./testing/fake_env.ts";
import { CAUSE, causeName, EXCEPTION_NAMES, TrapLog } from "./trap.ts";

const ONES = (1n << 64n) - 1n, SV39 = 8n << 60n;
const lo = (v: bigint) => Number(BigInt.asIntN(32, v)), hi = (v: bigint) => Number(BigInt.asIntN(32, v >> 32n));
const translate = ({ hart }: Rig, at: bigint, access: Access, size?: number) => hart.translate(lo(at), hi(at), access, size);
/** Cause and trap value of the exception that was recorded, or of the one that was taken. */
function taken(r: Rig, record = true): [bigint, bigint, bigint] {
  if (record) r.hart.raise();
  const to = r.hart.s.priv === 1 ? "s" : "m";
  return [r.hart.reg(`${to}cause`), r.hart.reg(`${to}tval`), r.hart.reg(`${to}epc`)];
}

for (
  const [isa, pmpEntries, envcfg] of [["rv64gc_zicbom_zicboz_sstc_svpbmt_svadu", 16, 0xc000_0000_0000_00f1n + (1n << 61n)], [
    "rv64imac_svadu_svade",
    0,
    1n,
  ], ["rv32gc", 16, 1n]] as const
) {
  Deno.test(`${isa}: what a supervisor finds is the same, whatever was there before`, () => {
    const xlen = isa.startsWith("rv64") ? 64 : 32, all = (1n << BigInt(xlen)) - 1n;
    for (const dirty of [false, true]) {
      const r = rig(isa, { hartId: 5, pmpEntries }), { hart } = r, before: Record<string, bigint> = {};
      if (dirty) {
        for (const { name, write, when } of csrRows()) {
          if (write && when?.(hart.csrs) !== false && !/^pmp/.test(name)) {
            hart.setReg(name, name === "mtvec" || name === "stvec" ? all & ~2n : all);
          }
        }
        if (pmpEntries) { for (const n of [0, 3, 15]) hart.setReg(`pmpaddr${n}`, 0x2000_0000n), hart.setReg("pmpcfg0", 0x9f00_009fn); }
        hart.setReg("satp", (xlen === 64 ? SV39 : 1n << 31n) | 0x8_0001n);
        hart.s.stopped = hart.s.waiting = true;
        for (const name of ["mtvec", "stvec", "mepc", "sscratch", "mscratch"]) before[name] = hart.reg(name);
      }
      hart.startSupervisor(0x8020_0000n, 0x1_8700_0000n);
      const wanted: Record<string, bigint> = {
        priv: 1n,
        pc: 0x8020_0000n,
        a0: 5n,
        a1: 0x1_8700_0000n & all,
        sstatus: hart.reg("sstatus") & ~0xc_0002n | (isa.includes("g") ? 0x6000n : 0n),
        scounteren: 7n,
        mcounteren: 0xffff_ffffn,
        medeleg: 0xb1ffn,
        mideleg: 0x222n,
        menvcfg: envcfg,
        satp: 0n,
        mie: 0n,
        mip: dirty && isa.includes("sstc") ? hart.reg("mip") & 0x20n : 0n,
        ...before,
      };
      if (pmpEntries) {
        Object.assign(wanted, { pmpcfg0: 0x1fn, pmpaddr0: xlen === 64 ? (1n << 54n) - 1n : all, pmpaddr3: 0n, pmpaddr15: 0n });
      }
      for (const [name, value] of Object.entries(wanted)) assertEquals(hart.reg(name).toString(16), value.toString(16), name);
      assertEquals([hart.reg("mstatus") >> 17n & 1n, hart.waiting, hart.physical, hart.regime()], [0n, false, true, 0]);
      assertEquals(hart.probe(0x8000_0000n, WRITE), RAM);
      assertEquals(r.env.u64[RES_ADDRESS >> 3], ONES);
    }
  });
}

Deno.test("a reset forgets traps, translations, locks and the reservation; Svadu is on unless Svade is there", () => {
  for (
    const [isa, svade, updates] of [
      ["rv64gc_svadu", false, true],
      ["rv64gc_svadu", true, false],
      ["rv64gc_svadu_svade", false, false],
      ["rv64gc", false, true],
      ["rv64gc", true, false],
      ["rv64gc_svade", false, false],
    ] as const
  ) {
    const r = rig(isa, { svade }), { hart, env } = r;
    assertEquals(hart.mmu.updates, updates, `${isa} ${svade}`);
    for (let i = 0; i < 3; i++) r.call("ebreak", 0);
    hart.setReg("menvcfg", isa.includes("svadu") && !updates ? 1n << 61n : 0n);
    hart.setReg("satp", SV39 | 0x8_0001n);
    hart.setReg("pmpaddr0", 5n);
    hart.setReg("pmpcfg0", 0x9fn);
    env.u64[RES_ADDRESS >> 3] = 5n;
    env.flushes = 0;
    r.clock.alarm = 5;
    hart.reset();
    assertEquals(r.clock.alarm, Infinity);
    assertEquals([hart.traps.count, hart.traps.loop, hart.traps.last(), hart.reg("pmpcfg0"), hart.reg("pmpaddr0"), hart.physical], [
      0,
      0,
      [],
      0n,
      0n,
      true,
    ]);
    assertEquals([env.u64[RES_ADDRESS >> 3], hart.mmu.levels, hart.mmu.updates, env.flushes > 0], [ONES, 0, updates, true]);
  }
});

Deno.test("addresses have two halves: faults, calls, fences and instructions over a page's end carry from one to the other", () => {
  const at = 0x1234_5678_9abc_def1n;
  for (const [name, cause] of [["misalignedLoad", 4n], ["misalignedStore", 6n], ["misalignedFetch", 0n]] as const) {
    const r = rig("rv64gc");
    assertEquals(r.call(name, at), FAULT);
    assertEquals(taken(r).slice(0, 2), [cause, at], name);
  }
  for (const [access, cause] of [[READ, 5n], [WRITE, 7n], [FETCH, 1n]] as const) {
    const r = rig("rv64gc");
    r.hart.busFault(lo(at), hi(at), access);
    assertEquals(taken(r).slice(0, 2), [cause, at]);
    assertEquals(translate(r, at, access), -1); // more than 56 bits
    assertEquals(taken(r).slice(0, 2), [cause, at]);
    // The last that fits, and the first that does not.
    assertEquals([translate(r, (1n << 56n) - 16n, access), translate(r, 1n << 56n, access)], [2 ** 56 - 16, -1]);
    assertEquals([r.hart.probe((1n << 56n) - 16n, access), r.hart.probe(1n << 56n, access)], [2 ** 56 - 16, undefined]);
    assertEquals([r.hart.probe(0x5_8000_0008n, access)], [0x5_8000_0008]);
  }
  for (const pc of [0x1_ffff_fffcn, 0xffff_fff8n, 0x8000_0000n, 0x7fff_fffcn, ONES - 3n, 0xffff_ffff_7fff_fffcn]) {
    const next = BigInt.asUintN(64, pc + 4n);
    const seen: bigint[] = [];
    let serves = true;
    const r: Rig = rig("rv64gc", { firmware: () => (seen.push(r.hart.pc), serves) });
    r.hart.startSupervisor(pc, 0n);
    assertEquals(r.call("ecall", pc), FINISH);
    assertEquals([seen, r.pc()], [[next], next]);
    assertEquals(r.call("sfenceVma", 0, 0, 0x1200_0073n << 32n, pc), CONTINUE);
    assertEquals(r.pc(), next);
    serves = false;
    r.call("ecall", pc);
    assertEquals(taken(r, false), [9n, 0n, pc]);
    // Calls that are the supervisor's own are nobody else's; neither are those of U and M.
    for (const [priv, delegated] of [[1n, true], [0n, true], [3n, true], [0n, false], [3n, false]] as const) {
      r.hart.setReg("medeleg", delegated ? 0xb3ffn : 0n);
      r.hart.setReg("priv", priv);
      serves = true;
      seen.length = 0;
      r.call("ecall", pc);
      assertEquals([seen.length, ...taken(r, false)], [0, 8n + priv, 0n, pc]);
    }
  }
  for (const pc of [0x1_ffff_fffen, 0x7fff_fffen, 0x8000_0ffen, 0x4_1234_5ffen]) {
    const r = rig("rv64gc"), next = (pc & ~0xfffn) + 0x1000n;
    assertEquals(r.call("fetchFault", pc), next >= BigInt(RAM) && next < BigInt(RAM + RAM_BYTES) ? FINISH : CONTINUE);
    if (next === BigInt(RAM) || next === BigInt(RAM) + 0x1000n) assertEquals([r.pc(), r.hart.traps.count], [pc, 0]);
    else assertEquals(taken(r, false), [1n, next, pc]);
  }
});

Deno.test("vectors carry into the upper half on RV64, and wrap on RV32", () => {
  for (
    const [isa, base, want] of [
      ["rv64gc", 0x1_ffff_fff0n, 0x2_0000_001cn],
      ["rv64gc", 0x1_ffff_ffd4n, 0x2_0000_0000n],
      ["rv64gc", 0x1_ffff_ffdcn, 0x2_0000_0008n],
      ["rv64gc", 0x1_ffff_ffd4n, 0x2_0000_0000n],
      ["rv64gc", 0x1_ffff_ffdcn, 0x2_0000_0008n],
      ["rv64gc", 0x7fff_fff0n, 0x8000_001cn],
      ["rv64gc", 0x7000_0000n, 0x7000_002cn],
      ["rv64gc", ONES - 15n, 0x1cn],
      ["rv32gc", 0xffff_fff0n, 0x1cn],
    ] as const
  ) {
    for (const [to, vector] of [["m", "mtvec"], ["s", "stvec"]] as const) {
      const r = rig(isa), { hart } = r;
      hart.setReg(vector, base | 1n);
      hart.setReg("mie", 0xaaan);
      hart.setReg("mideleg", 0x222n);
      hart.setReg("priv", 1n);
      hart.setReg("sstatus", 2n);
      if (to === "m") hart.input("meip")!.set(true);
      else hart.interrupts.setPending(1 << 9, true);
      assertEquals([hart.interrupt(), r.pc()], [true, to === "m" ? want : BigInt.asUintN(hart.xlen, base + 36n)]);
      assertEquals(hart.traps.loop, 0);
      // An exception goes to the base, and its first instruction's is a loop: the vector is known in full.
      hart.setReg("medeleg", to === "s" ? 4n : 0n);
      hart.setReg("priv", 1n);
      hart.pc = 0x1000n;
      for (const loop of [0, 1, 2]) {
        hart.fault(2, 0, 0);
        hart.raise();
        if (to === "s") hart.setReg("priv", 1n);
        assertEquals([r.pc(), hart.traps.loop], [base, loop]);
      }
      if (isa === "rv64gc") {
        hart.pc = base ^ 1n << 32n; // the same low half
        hart.fault(2, 0, 0);
        hart.raise();
        assertEquals(hart.traps.loop, 0);
      }
    }
  }
});

/** PMP entries: cfg and the address of a TOR's end or an NA4. */
function protect(r: Rig, ...entries: readonly (readonly [cfg: number, address: number])[]): void {
  r.hart.setReg("pmpcfg0", 0n);
  entries.forEach(([, at], i) => r.hart.setReg(`pmpaddr${i}`, BigInt(at) >> 2n));
  r.hart.setReg("pmpcfg0", entries.reduceRight((all, [cfg]) => all << 8n | BigInt(cfg), 0n));
}

Deno.test("an instruction at the end of what may be executed: its second half counts, in the same page only", () => {
  const TOR = 8, R = 1, X = 4, L = 0x80, END = RAM + 0x1804;
  for (const [priv, locked] of [[1n, 0], [0n, 0], [3n, L]] as const) {
    const r = rig("rv64gc"), { hart, env } = r;
    protect(r, [TOR | R | X | locked, END], [TOR | R | locked, RAM + 0x3000], [TOR | R | X | locked, RAM + 0x10_0000]);
    hart.setReg("medeleg", 2n);
    const fetch = (at: number, word: number) => {
      env.u8[env.ram(at, 1)] = word;
      hart.setReg("priv", priv);
      hart.addressing.pageCacheable = true;
      const paddr = translate(r, BigInt(at), FETCH);
      return paddr < 0 ? taken(r).slice(0, 2) : [paddr, hart.pageCacheable];
    };
    assertEquals(fetch(END - 2, 3), [1n, BigInt(END)]);
    assertEquals(fetch(END - 2, 0x13), [1n, BigInt(END)]);
    for (const short of [0, 1, 2]) assertEquals(fetch(END - 2, short), [END - 2, false]);
    assertEquals(fetch(END - 4, 3), [END - 4, false]);
    assertEquals(fetch(END, 1), [1n, BigInt(END)]);
    assertEquals(fetch(RAM + 0xffe, 3), [RAM + 0xffe, true]);
    assertEquals(fetch(RAM, 3), [RAM, true]);
    assertEquals(fetch(RAM + 0x2ffe, 3), [1n, BigInt(RAM + 0x2ffe)]);
    assertEquals(fetch(RAM + 0x3000, 3), [RAM + 0x3000, true]);
    // The last halfword of a page of mixed rights: what is behind it is another page's business.
    protect(r, [TOR | R | locked, RAM + 0x80_0000]);
    const m = rig("rv64gc");
    protect(m, [TOR | R | locked, RAM + 0x1010], [TOR | R | X | locked, RAM + 0x2000], [TOR | R | locked, RAM + 0x3000]);
    m.env.u8[m.env.ram(RAM + 0x1ffe, 1)] = 3;
    m.hart.setReg("priv", priv);
    assertEquals(translate(m, BigInt(RAM + 0x1ffe), FETCH), RAM + 0x1ffe);
    // Nothing is there to look at.
    assertEquals(translate(rig("rv64gc"), 0x4000_0000n, FETCH), 0x4000_0000);
  }
});

Deno.test("an access that crosses a page is looked at up to the page's end", () => {
  const r = rig("rv64gc"), NAPOT = 0x18;
  protect(r, [NAPOT | 3, RAM + 0x1000 + 0x7fc]);
  r.hart.setReg("priv", 1n);
  for (const size of [1, 2, 4, 8]) {
    for (let k = 1; k <= 8; k++) {
      const at = RAM + 0x2000 - k;
      assertEquals(translate(r, BigInt(at), READ, size), at, `${size} bytes, ${k} below`);
    }
  }
  protect(r, [NAPOT | 3, RAM + 0x1000 + 0x3fc]);
  r.hart.setReg("priv", 1n);
  for (const [size, k, fine] of [[8, 8, true], [8, 7, false], [4, 4, true], [4, 3, false], [2, 1, false], [1, 1, true]] as const) {
    const at = RAM + 0x1800 - k;
    assertEquals(translate(r, BigInt(at), WRITE, size), fine ? at : -1, `${size} bytes, ${k} below`);
    r.hart.setReg("priv", 1n);
  }
});

/** S-mode with Sv39: 0x1000 executable, 0x2000 not accessed yet, 0x3000 the user's, 0x4000 no code. */
function paged(isa = "rv64gc_zicbom"): Rig {
  const r = rig(isa), page = (paddr: number, flags: number) => BigInt(paddr) >> 2n | BigInt(flags);
  r.hart.startSupervisor(0x8000_0000n, 0n);
  r.env.poke64(RAM + 0x1000, page(RAM + 0x2000, 1));
  r.env.poke64(RAM + 0x1ff8, page(RAM + 0x2000, 1)); // the same at the end of all addresses
  r.env.poke64(RAM + 0x2000, page(RAM + 0x3000, 1));
  for (const [n, flags] of [[1, 0xcf], [2, 0x8f], [3, 0xdf], [4, 0xc7], [5, 0xc9]]) {
    r.env.poke64(RAM + 0x3000 + 8 * n, page(RAM + 0x1_0000 + 0x1000 * n, flags));
  }
  r.hart.setReg("satp", SV39 | 0x8_0001n);
  return r;
}

Deno.test("a jump's target is looked at ahead where that changes nothing, and counts as fetched", () => {
  const r = paged(), { hart, env } = r;
  const probe = (at: bigint) => hart.probeFetch(lo(at), hi(at));
  const before = env.peek64(RAM + 0x3010);
  assertEquals([probe(0x1234n), probe(0x2000n), probe(0x3000n), probe(0x4000n), probe(0x7000n), probe(0x5000n)], [
    RAM + 0x1_1234,
    -1,
    -1,
    -1,
    -1,
    RAM + 0x1_5000,
  ]);
  assertEquals([env.peek64(RAM + 0x3010), env.written], [before, []]);
  hart.setReg("priv", 0n);
  assertEquals([probe(0x1000n), probe(0x3000n)], [-1, RAM + 0x1_3000]);
  // A change of the entry takes the user's code away, and of the table's the supervisor's too.
  const user = hart.context(), changed = (at: number) => hart.entryChanged(env.ram(at, 8) >> 2, 1, true);
  assertEquals([changed(RAM + 0x3018), hart.context() === user], [true, false]);
  hart.setReg("priv", 1n);
  const system = hart.context();
  assertEquals([changed(RAM + 0x3010), hart.context() === system], [false, true]);
  assertEquals([changed(RAM + 0x3008), hart.context() === system], [true, false]);
  hart.setReg("priv", 3n);
  assertEquals(probe(0x1000n), -1);
  hart.setReg("priv", 1n);
  hart.setReg("satp", 0n);
  assertEquals(probe(0x8000_0000n), -1);
  // A page that answers in part is not kept.
  const m = paged();
  protect(m, [0xf, RAM + 0x1_1800], [0xb, RAM + 0x1_1900], [0xf, RAM + 0x80_0000]);
  assertEquals([m.hart.probeFetch(0x1000, 0), m.hart.probeFetch(0x5000, 0)], [-1, RAM + 0x1_5000]);
});

Deno.test("cache-block instructions: the whole address, by reading or else by writing", () => {
  const at = ONES - (1n << 30n) + 1n;
  for (const [offset, ok] of [[0x1000n, true], [0x4040n, true], [0x5000n, false], [0x7000n, false]] as const) {
    const r = paged();
    assertEquals(r.call("cbo", 1 << 20 | 0x200f, at + offset), ok ? CONTINUE : FAULT, offset.toString(16));
    if (!ok) assertEquals(taken(r).slice(0, 2), [15n, at + offset]);
    assertEquals(r.call("cbo", 1 << 20 | 0x200f, at - 0x1000n), FAULT);
  }
  for (const [word, kind] of [[0, "inval"], [1, "clean"], [2, "flush"]] as const) {
    const r = paged();
    r.hart.setReg("menvcfg", 0n);
    assertEquals(r.call("cbo", word << 20 | 0x200f, 0x1000), FAULT, kind);
    assertEquals(taken(r).slice(0, 2), [2n, BigInt(word << 20 | 0x200f)]);
  }
});

Deno.test("probes for the debugger: by the privilege of data or of code, without a trace", () => {
  const r = paged(), { hart } = r, all = (at: bigint) => ([READ, WRITE, FETCH] as const).map((a) => hart.probe(at, a));
  const at = ONES - (1n << 30n) + 1n;
  assertEquals(all(0x1010n), [RAM + 0x1_1010, RAM + 0x1_1010, RAM + 0x1_1010]);
  assertEquals(all(at + 0x1010n), [RAM + 0x1_1010, RAM + 0x1_1010, RAM + 0x1_1010]);
  assertEquals(all(0x5010n), [undefined, undefined, RAM + 0x1_5010]);
  assertEquals(all(0x3010n), [undefined, undefined, undefined]);
  hart.setReg("sstatus", 1n << 18n);
  assertEquals(all(0x3010n), [RAM + 0x1_3010, RAM + 0x1_3010, undefined]);
  hart.setReg("priv", 0n);
  assertEquals(all(0x3010n), [RAM + 0x1_3010, RAM + 0x1_3010, RAM + 0x1_3010]);
  hart.setReg("priv", 3n);
  assertEquals(all(0x3010n), [0x3010, 0x3010, 0x3010]);
  hart.setReg("mstatus", 1n << 17n); // data as U
  assertEquals(all(0x3010n), [RAM + 0x1_3010, RAM + 0x1_3010, 0x3010]);
  hart.setReg("satp", 0n);
  protect(r, [9, RAM], [0xf, RAM + 0x1000]);
  assertEquals(all(0x3010n), [0x3010, undefined, 0x3010]);
  assertEquals(all(BigInt(RAM + 0x1000)), [undefined, undefined, RAM + 0x1000]);
  assertEquals(r.hart.traps.count, 0);
  const rv32 = rig("rv32gc");
  assertEquals(rv32.hart.probe(0x1_8000_0000n, READ), RAM);
});

Deno.test("interrupts that follow each other without an instruction in between: advice after 10,000", () => {
  const told: number[] = [], r = rig("rv64gc", { onStorm: (n) => told.push(n) }), { hart } = r;
  hart.setReg("mie", 0x80n);
  hart.setReg("mepc", 0x100n);
  hart.input("mtip")!.set(true);
  const round = (between: number) => {
    hart.setReg("mstatus", 8n);
    assertEquals(hart.interrupt(), true);
    r.env.begun += 5; // the handler
    r.call("mret", 0, 4);
    r.env.begun += between;
  };
  for (let n = 0; n < 9999; n++) round(0);
  assertEquals(told, []);
  round(1);
  assertEquals(told, [7]);
  for (let n = 0; n < 9999; n++) round(0);
  assertEquals(told, [7]); // it began anew
  round(0);
  assertEquals(told, [7, 7]);
  round(0);
  assertEquals(told, [7, 7]);
});

Deno.test("loops of traps are told of, each time, and no interrupt is one", () => {
  let told = 0;
  const r = rig("rv64gc", { onTrapLoop: () => void told++ }), { hart } = r;
  hart.setReg("mtvec", 0x100n);
  const fault = () => (hart.fault(2, 0, 0), hart.raise(), [hart.traps.loop, told]);
  assertEquals([fault(), fault(), fault()], [[0, 0], [1, 1], [2, 2]]);
  hart.pc = 0x104n;
  assertEquals(fault(), [0, 2]);
  assertEquals(fault(), [1, 3]);
  hart.setReg("mie", 0x80n);
  hart.input("mtip")!.set(true);
  hart.setReg("mstatus", 8n);
  hart.pc = 0x100n;
  assertEquals([hart.interrupt(), hart.traps.loop, told], [true, 0, 3]);
});

Deno.test("the record of traps: every field, whatever the others are; equal ones are counted; saved, loaded and cleared", () => {
  const log = new TrapLog(),
    fields = { cause: 13, interrupt: false, epc: 0x1_8000_0000n, tval: 0xffff_ffff_8000_0001n, from: 0, to: 1, at: 7 };
  const record = (log: TrapLog, f: typeof fields, vector = 0x5_0000_0004n) =>
    log.record(f.cause, f.interrupt, lo(f.epc), hi(f.epc), lo(f.tval), hi(f.tval), f.from, f.to, f.at, lo(vector), hi(vector));
  const others: Partial<typeof fields>[] = [
    { cause: 15 },
    { interrupt: true },
    { epc: 0x8000_0000n },
    { epc: 0x1_8000_0002n },
    { tval: 1n },
    {
      tval: 0x8000_0001n,
    },
    { from: 1 },
    { from: 3, to: 3 },
    { at: 9 },
    { from: 1, cause: 0 },
  ];
  for (const other of others) {
    log.clear();
    record(log, fields);
    record(log, { ...fields, ...other });
    const times = "at" in other ? [{ ...fields, times: 2 }] : [{ ...fields, times: 1 }, { ...fields, ...other, times: 1 }];
    assertEquals(log.last(), times);
    assertEquals(log.count, 2);
  }
  // At the vector, in full: a loop.
  log.clear();
  for (
    const [epc, loop] of [[0x5_0000_0004n, 0], [0x5_0000_0004n, 1], [0x5_0000_0004n, 2], [0x4_0000_0004n, 0], [0x5_0000_0008n, 0]] as const
  ) {
    record(log, { ...fields, epc });
    assertEquals(log.loop, loop);
  }
  record(log, { ...fields, epc: 0x5_0000_0004n });
  const again = new TrapLog();
  again.load(structuredClone(log.save()));
  assertEquals([again.loop, again.count, again.last()], [log.loop, log.count, log.last()]);
  for (const l of [log, again]) {
    record(l, { ...fields, epc: 0x5_0000_0004n });
    assertEquals(l.loop, 2);
    l.clear();
    assertEquals([l.loop, l.count, l.last()], [0, 0, []]);
    record(l, { ...fields, epc: 0x5_0000_0004n }, 4n);
    l.clear();
    record(l, { ...fields, epc: 4n });
    assertEquals(l.loop, 0); // the vector is forgotten, too
  }
  const zero = new TrapLog();
  record(zero, { ...fields, epc: 0n });
  record(zero, { ...fields, epc: 1n });
  assertEquals(zero.loop, 0);
});

Deno.test("causes have the manual's numbers and names (Priv 3.1.15, table 14)", () => {
  assertEquals(Object.values(CAUSE), [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15]);
  assertEquals(EXCEPTION_NAMES.length, 16);
  const interrupts = [
    "interrupt 0",
    "supervisor software interrupt",
    "interrupt 2",
    "machine software interrupt",
    "interrupt 4",
    "supervisor timer interrupt",
    "interrupt 6",
    "machine timer interrupt",
    "interrupt 8",
    "supervisor external interrupt",
    "interrupt 10",
    "machine external interrupt",
    "interrupt 12",
  ];
  assertEquals(Array.from({ length: 13 }, (_, n) => causeName(n, true)), interrupts);
  const exceptions = [
    "instruction address misaligned",
    "instruction access fault",
    "illegal instruction",
    "breakpoint",
    "load address misaligned",
    "load access fault",
    "store/AMO address misaligned",
    "store/AMO access fault",
    "environment call from U-mode",
    "environment call from S-mode",
    "reserved (10)",
    "environment call from M-mode",
    "instruction page fault",
    "load page fault",
    "reserved (14)",
    "store/AMO page fault",
    "exception 16",
  ];
  assertEquals(Array.from({ length: 17 }, (_, n) => causeName(n, false)), exceptions);
});

Deno.test("traces: traps with their places, page faults with their walks, satp, fences and protection", () => {
  const traps: string[] = [], mmu: string[] = [], r = paged(), { hart } = r;
  hart.place = (at) => `<${at.toString(16)}>`;
  hart.trace = { trap: (line) => traps.push(line), mmu: (line) => mmu.push(line) };
  hart.setReg("stvec", 0x4000n);
  hart.pc = 0x8000_0042n;
  translate(r, 0x2_0000_7010n, READ);
  hart.raise();
  translate(r, 0x7008n, WRITE);
  hart.raise();
  hart.setReg("priv", 0n);
  translate(r, 0x1000n, FETCH);
  hart.raise();
  hart.setReg("mie", 0x80n);
  hart.input("mtip")!.set(true);
  hart.interrupt();
  r.call("exception", 2, 0xffff_ffff_ffff_fff1n, 0x1234);
  hart.setReg("satp", SV39 | 5n);
  r.call("sfenceVma", 0x1_2345_6000n, 0, 1n | 0x1200_0073n << 32n, 0);
  r.call("sfenceVma", 0x1_2345_6000n, 0, 2n | 0x1200_0073n << 32n, 0);
  hart.setReg("pmpaddr3", 1n);
  assertEquals(traps, [
    "S -> S  load page fault, epc <80000042> tval 0x200007010",
    "S -> S  store/AMO page fault, epc <4000> tval 0x7008",
    "U -> S  instruction page fault, epc <4000> tval 0x1000",
    "S -> M  machine timer interrupt, epc <4000>",
    "M -> M  illegal instruction, epc <1234> tval 0xfffffffffffffff1",
  ]);
  const walk = "level 2: entry at 0x80001000 = 0x20000801 -------V; level 1: entry at 0x80002000 = 0x20000c01 -------V";
  assertEquals(mmu, [
    "page fault: page walk of 0x200007010, root 0x80001000: level 2: entry at 0x80001040 = 0x0 --------; level 2: the entry is not valid",
    `page fault: page walk of 0x7008, root 0x80001000: ${walk}; level 0: entry at 0x80003038 = 0x0 --------; level 0: the entry is not valid`,
    `page fault: page walk of 0x1000, root 0x80001000: ${walk}; level 0: entry at 0x80003008 = 0x200044cf DA--XWRV; level 0: supervisor pages are closed to user mode`,
    "satp = 0x8000000000000005",
    "fence of <123456000>",
    "fence of everything",
    "the physical memory protection changes",
  ]);
});

Deno.test("the report of a dead hart: the last fault of memory and how its address is translated now", () => {
  const r = paged(),
    { hart } = r,
    walk = () => hart.deathReport().split("\n").slice(hart.deathReport().split("\n").findIndex((l) => l.startsWith("mtvec")));
  hart.setReg("mtvec", 0x1000_0000n);
  hart.setReg("stvec", 0x4000n);
  assertEquals(hart.deathReport().split("\n"), [
    "privilege S, pc 0x80000000, 0 traps since reset; the first since a return, and the last:",
    "mtvec 0x10000000, stvec 0x4000, satp 0x8000000000080001",
  ]);
  // An access fault; and what came behind it is none of memory.
  hart.busFault(0x1008, 0, WRITE);
  hart.raise();
  hart.interrupts.setPending(2, true);
  hart.setReg("mie", 2n);
  hart.setReg("sstatus", 2n);
  hart.interrupt();
  hart.fault(CAUSE.illegal, 13, 0);
  hart.raise();
  const first = "  level 2: entry at 0x80001000 = 0x20000801 -------V", second = "  level 1: entry at 0x80002000 = 0x20000c01 -------V";
  assertEquals(walk().slice(1), [
    "page walk of 0x1008, root 0x80001000:",
    first,
    second,
    "  level 0: entry at 0x80003008 = 0x200044cf DA--XWRV",
    "  it is mapped now, to 0x80011008",
  ]);
  // A superpage: the walk ends there.
  r.env.poke64(RAM + 0x2008, 0x8000_0000n >> 2n | 0xcfn);
  hart.busFault(0x20_1238, 0, READ);
  hart.raise();
  const large = "  level 1: entry at 0x80002008 = 0x200000cf DA--XWRV";
  assertEquals(walk().slice(1), ["page walk of 0x201238, root 0x80001000:", first, large, "  it is mapped now, to 0x80001238"]);
  r.env.poke64(RAM + 0x2008, 0x8000_0000n >> 2n | 0x43n);
  translate(r, 0x20_1238n, WRITE);
  hart.raise();
  const stop = "  level 1: the page does not permit this access";
  assertEquals(walk().slice(1), [
    "page walk of 0x201238, root 0x80001000:",
    first,
    "  level 1: entry at 0x80002008 = 0x20000043 -A----RV",
    stop,
  ]);
  // It was a user's.
  hart.setReg("priv", 0n);
  translate(r, 0x1000n, READ);
  hart.raise();
  assertEquals(walk().at(-1), "  level 0: supervisor pages are closed to user mode");
  // No entry was looked at.
  hart.setReg("priv", 1n);
  translate(r, 0x80_0000_0000n, READ);
  hart.raise();
  assertEquals(walk().slice(1), ["page walk of 0x8000000000, root 0x80001000:", "  the address is not canonical"]);
  hart.setReg("priv", 3n);
  hart.busFault(0x5000, 1, READ);
  hart.raise();
  assertEquals(walk().slice(1), ["0x100005000 is a physical address here (no translation)"]);
  hart.setReg("satp", 0n);
  hart.setReg("priv", 1n);
  hart.busFault(0x6000, 0, READ);
  hart.raise();
  assertEquals(walk().slice(1), ["0x6000 is a physical address here (no translation)"]);
});

Deno.test("registers for the debugger: names, widths, groups and types; each alone, by each of its names", () => {
  const abi = "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(" ");
  const floatAbi =
    "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11"
      .split(" ");
  for (
    const [isa, bits, flen] of [["rv64gc", 64, 64], ["rv64imaf", 64, 32], ["rv32gc", 32, 64], ["rv32imaf", 32, 32], [
      "rv32imac",
      32,
      0,
    ]] as const
  ) {
    const { hart, env } = rig(isa),
      types: Record<string, string> = { ra: "code_ptr", sp: "data_ptr", gp: "data_ptr", tp: "data_ptr", s0: "data_ptr", pc: "code_ptr" };
    const floats = flen === 0 ? [] : Array.from(
      { length: 32 },
      (_, n) => ({ name: `f${n}`, debugName: floatAbi[n], bits: flen, group: "float", type: flen === 64 ? "ieee_double" : "ieee_single" }),
    );
    const general = [...abi, "pc"].map((name) => ({ name, bits, group: "general", ...name in types && { type: types[name] } }));
    const flags = flen === 0 ? [] : ["fflags", "frm", "fcsr"].map((name) => ({ name, bits: 32, group: "float" }));
    const csrs = csrRows().filter((r) => r.number > 3 && r.when?.(hart.csrs) !== false).map(({ name }) => ({ name, bits, group: "csr" }));
    assertEquals(hart.registers, [...general, ...floats, ...flags, ...csrs, { name: "priv", bits: 8, group: "system" }]);
    const all = (1n << BigInt(bits)) - 1n, value = (n: number) => 0x8765_4321_fedc_ba00n + BigInt(n);
    abi.forEach((name, n) => hart.setReg(name, value(n)));
    abi.forEach((name, n) => {
      for (const alias of n === 8 ? ["s0", "x8", "fp"] : [name, `x${n}`]) assertEquals(hart.reg(alias), n ? value(n) & all : 0n, alias);
    });
    if (bits === 32) assertEquals(env.u64[0x1000 + 8 >> 3], value(1) & all);
    hart.setReg("pc", value(0));
    assertEquals([hart.reg("pc"), hart.pc], [value(0) & all, value(0) & all]);
    for (let n = 0; n < 32 && flen; n++) hart.setReg(`f${n}`, value(n));
    for (let n = 0; n < 32 && flen; n++) {
      assertEquals([hart.reg(`f${n}`), hart.window.hi(0x1100 + 8 * n)], [value(n) & (1n << BigInt(flen)) - 1n, 0x8765_4321 | 0]);
    }
    for (const priv of [0n, 1n, 3n]) {
      hart.setReg("priv", priv + 4n);
      assertEquals([hart.reg("priv"), hart.mode() >> 4 & 3], [priv, Number(priv)]);
    }
  }
});

Deno.test("what may wake a waiting hart, and what a hart that was not started says", () => {
  const { hart } = rig("rv64gc");
  for (
    const [mie, names] of [
      [0n, []],
      [0xaaan, ["msip", "timer", "mtip", "seip", "meip"]],
      [8n, ["msip"]],
      [0x20n, ["timer"]],
      [0x80n, ["mtip"]],
      [0x200n, ["seip"]],
      [0x800n, ["meip"]],
      [2n, []],
    ] as const
  ) {
    hart.setReg("mie", mie);
    assertEquals([hart.wakers, hart.resting], [names, undefined]);
  }
  hart.setReg("mie", 0xaaan);
  hart.s.stopped = true;
  assertEquals([hart.wakers, hart.resting, hart.waiting], [[], "waiting for its start", true]);
});

Deno.test("what the hart was told last does not outlive the instruction: SEIP by the debugger, FS among other bits, updates by menvcfg", () => {
  const { hart, call, csr } = rig("rv64gc_svadu");
  csr(2, 0x344, 2n); // csrrs names SSIP alone
  hart.setReg("mip", 0x222n);
  assertEquals(hart.reg("mip"), 0x222n);
  hart.setReg("mstatus", 0x7e_3faan);
  call("fpDirty");
  assertEquals(hart.reg("mstatus"), 0x8000_000a_007e_79aan);
  for (const [value, updates] of [[0n, false], [1n << 61n, true], [0n, false]] as const) {
    hart.setReg("menvcfg", value);
    assertEquals(hart.mmu.updates, updates);
  }
});

Deno.test("data TLBs without translation are flushed between M and S, once, and only where protection tells them apart", () => {
  for (const open of [true, false]) {
    const r = rig("rv64gc"), { hart, env } = r;
    hart.setReg("pmpaddr0", (1n << 54n) - 1n);
    hart.setReg("pmpcfg0", open ? 0x1fn : 0x1dn);
    env.flushes = 0;
    const flushed = (priv: bigint, n: number) => {
      hart.setReg("priv", priv);
      hart.setReg("fcsr", 0n); // looks again
      assertEquals(env.flushes, open ? 0 : n, `privilege ${priv}`);
      env.flushes = 0;
    };
    for (const [priv, n] of [[3n, 0], [1n, 1], [1n, 0], [0n, 0], [3n, 1], [3n, 0], [0n, 1]] as const) flushed(priv, n);
  }
});

Deno.test("mret and sret: every stacked state; TVM, TW and TSR at every privilege", () => {
  const bits = (n: number, at: readonly number[]) => at.reduce((all, bit, i) => all | (n >> i & 1) << bit, 0);
  const r = rig("rv64gc"), { hart } = r;
  const begin = (status: number, priv: number) => {
    hart.setReg("mstatus", 0n);
    hart.setReg("mstatus", BigInt(status));
    hart.setReg("priv", BigInt(priv));
    hart.setReg("mepc", 0x1_2345_6788n);
    hart.setReg("sepc", 0x5_4321_0010n);
  };
  for (let n = 0; n < 64; n++) {
    for (const mpp of [0, 1, 3]) {
      const [SIE, MIE, SPIE, MPIE, SPP, MPRV] = [1, 3, 5, 7, 8, 17].map((bit, i) => (n >> i & 1) << bit),
        status = bits(n, [1, 3, 5, 7, 8, 17]) | mpp << 11;
      begin(status, 3);
      r.call("mret", 0x100, 0x104);
      const afterM = SIE | SPIE | SPP | (MPIE ? 1 << 3 : 0) | 1 << 7 | (mpp === 3 ? MPRV : 0);
      assertEquals([hart.s.priv, hart.window.status, r.pc()], [mpp, afterM, 0x1_2345_6788n], `mret ${status.toString(16)}`);
      for (const priv of [1, 3]) {
        begin(status, priv);
        r.call("sret", 0x100, 0x104);
        const afterS = MIE | MPIE | mpp << 11 | (SPIE ? 1 << 1 : 0) | 1 << 5;
        assertEquals([hart.s.priv, hart.window.status, r.pc()], [SPP ? 1 : 0, afterS, 0x5_4321_0010n], `sret ${status.toString(16)}`);
      }
    }
  }
  hart.setReg("mtvec", 0x9000n);
  for (let n = 0; n < 8; n++) {
    const [TVM, TW, TSR] = [n & 1, n & 2, n & 4];
    for (const priv of [0, 1, 3]) {
      const illegal = (
        act: () => void,
      ) => (begin(bits(n, [20, 21, 22]), priv), act(), r.pc() === 0x9000n && hart.reg("mcause") === 2n && hart.reg("mtval"));
      const s = (trap: number) => priv === 0 || (priv === 1 && trap !== 0);
      assertEquals(illegal(() => r.call("mret", 0, 4)), priv < 3 && 0x3020_0073n);
      assertEquals(illegal(() => r.call("sret", 0, 4)), s(TSR) && 0x1020_0073n);
      assertEquals(illegal(() => r.call("wfi", 0, 4)), s(TW) && 0x1050_0073n);
      assertEquals(illegal(() => r.call("sfenceVma", 0, 0, 0x1200_0073n << 32n, 0)), s(TVM) && 0x1200_0073n);
      assertEquals(illegal(() => r.csr(2, 0x180, 0n, 0)), s(TVM) && 0x1800_2573n);
    }
  }
});
