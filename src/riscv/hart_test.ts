import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { CONTINUE, FAULT, FETCH, READ, WRITE } from "../ir/frontend.ts";
import { rig } from "./testing/fake_env.ts";

const FULL = 0xcf; // V R W X A D
const SV39 = 8n << 60n;

/** S-mode with Sv39: the root maps 0x4000_0000 as a 1 GiB page to RAM, and 0x0000 to 0x1f_ffff by pages of a table. */
function paged() {
  const r = rig("rv64gc_zicbom");
  r.hart.startSupervisor(0x8000_0000n, 0n);
  r.env.poke64(0x8000_1008, 0x8000_0000n >> 2n | BigInt(FULL));
  r.env.poke64(0x8000_1000, 0x8000_2000n >> 2n | 1n);
  r.env.poke64(0x8000_2000, 0x8000_3000n >> 2n | 1n);
  r.env.poke64(0x8000_2008, 0x8000_0000n >> 2n | BigInt(FULL)); // a 2 MiB page at 0x20_0000
  for (let i = 0; i < 8; i++) r.env.poke64(0x8000_3000 + 8 * i, BigInt(0x8000_8000 + 0x1000 * i) >> 2n | BigInt(FULL));
  r.hart.setReg("satp", SV39 | 0x8_0001n);
  r.env.flushes = 0;
  const fence = (vaddr?: number) =>
    r.call("sfenceVma", vaddr ?? 0, 0, BigInt(vaddr === undefined ? 0 : 1) | 0x1200_0073n << 32n, 0x8000_0000n);
  return { ...r, fence };
}

/** Which of an address space's data TLBs is in use. */
const rights = (hart: ReturnType<typeof paged>["hart"]) => hart.regime() % 4;

Deno.test("regimes: 0 without translation, 1 S, 2 S with SUM, 3 U; MPRV lends M another's; address spaces have their own", () => {
  const { hart } = paged(), SUM = 1n << 18n, MPRV = 1n << 17n;
  assertEquals(rights(hart), 1);
  hart.setReg("sstatus", SUM);
  assertEquals(rights(hart), 2);
  hart.setReg("priv", 0n);
  assertEquals(rights(hart), 3);
  hart.setReg("priv", 3n);
  assertEquals(rights(hart), 0);
  hart.setReg("mstatus", MPRV | 1n << 11n);
  assertEquals(rights(hart), 1);
  assertEquals([hart.translate(0x1234, 0, READ), hart.translate(0x1234, 0, FETCH)], [0x8000_9234, 0x1234]);
  hart.setReg("mstatus", MPRV | SUM);
  assertEquals(rights(hart), 3);
  const one = hart.regime();
  hart.setReg("mstatus", 1n << 11n);
  hart.setReg("satp", SV39 | 0x8_0005n);
  hart.setReg("mstatus", MPRV | SUM);
  assertEquals([rights(hart), hart.regime() === one], [3, false]);
});

/** Writes a page-table entry, and says so as the engine does. */
function change(r: ReturnType<typeof paged>, at: number, entry: bigint): boolean {
  r.env.poke64(at, entry);
  return r.hart.entryChanged(r.env.ram(at, 8) >> 2, 1, true);
}
/** Maps the page at 0x2000, from which tests fetch, to another frame. */
const move = (r: ReturnType<typeof paged>) => change(r, 0x8000_3010, 0x8000_f000n >> 2n | BigInt(FULL));

Deno.test("a context stands for one translation of fetches", () => {
  const r = paged(), { hart, fence } = r, s = hart.context();
  hart.translate(0x2000, 0, FETCH);
  hart.setReg("priv", 0n);
  const u = hart.context();
  hart.setReg("priv", 3n);
  const m = hart.context();
  assertEquals(new Set([s, u, m]).size, 3);
  hart.setReg("priv", 1n);
  hart.setReg("satp", SV39 | 0x8_0005n);
  assertNotEquals(hart.context(), s);
  hart.setReg("satp", SV39 | 0x8_0001n);
  assertEquals(hart.context(), s); // the same page tables, and no fence in between
  fence();
  assertEquals(hart.context(), s); // translations are coherent: a fence changes nothing
  assertEquals(move(r), true);
  assertNotEquals(hart.context(), s);
  hart.setReg("priv", 0n);
  assertEquals(hart.context(), u); // the user's code is where it was
  hart.setReg("priv", 3n);
  assertEquals(hart.context(), m);
  hart.setReg("pmpaddr5", 1n);
  assertNotEquals(hart.context(), m);
});

Deno.test("contexts change with the entries, of any level, that code was fetched by, and with no others", () => {
  for (const at of [0x8000_1000, 0x8000_2000, 0x8000_3010]) {
    const r = paged(), { hart, env } = r, before = hart.context();
    hart.translate(0x1000, 0, WRITE);
    hart.translate(0x4000_1000, 0, WRITE);
    hart.translate(0x2000, 0, FETCH);
    for (const other of [0x8000_3008, 0x8000_1008, 0x8000_2008]) {
      assertEquals(change(r, other, 0n), false);
      assertEquals(hart.context(), before);
    }
    assertEquals(hart.entryChanged(env.ram(at, 8) >> 2, 1, false), false); // no code was fetched by that table
    assertEquals(change(r, at, 0n), true);
    assertNotEquals(hart.context(), before);
  }
});

Deno.test("a space that was left loses its number when its entries change meanwhile, though they change back", () => {
  for (const changes of [0, 1, 2]) {
    const r = paged(), { hart, env } = r, first = hart.context();
    hart.translate(0x2000, 0, FETCH);
    const old = env.peek64(0x8000_3010);
    hart.setReg("satp", SV39 | 0x8_0005n);
    if (changes > 0) assertEquals(move(r), false);
    if (changes > 1) change(r, 0x8000_3010, old);
    hart.setReg("satp", SV39 | 0x8_0001n);
    assertEquals(hart.context() === first, changes === 0);
  }
});

Deno.test("the walker tells of each table once, until another takes its place or tables are forgotten", () => {
  const { hart, env } = paged(),
    told = (act: () => void) => {
      env.tables = [];
      act();
      return env.tables;
    };
  const one = ["80001000:2", "80002000:1", "80003000:0"];
  assertEquals(told(() => hart.translate(0x1000, 0, READ)), one);
  assertEquals(told(() => hart.translate(0x2000, 0, WRITE)), []);
  assertEquals(told(() => hart.translate(0x2000, 0, FETCH)), one); // that of code is news
  assertEquals(told(() => hart.translate(0x20_1000, 0, READ)), []);
  assertEquals(told(() => hart.translate(0x4000_1000, 0, READ)), []);
  assertEquals(told(() => hart.translate(0x60_0000, 0, READ)), []); // not mapped: nothing to remember
  hart.tablesForgotten();
  assertEquals(told(() => hart.probe(0x1000n, READ)), []);
  assertEquals(told(() => hart.translate(0x1000, 0, READ)), one);
});

Deno.test("what makes the data TLB stale flushes it: satp, MXR, PMP, menvcfg, but not SUM or a trap", () => {
  const { hart, env, call } = paged();
  const flushed = (act: () => void) => {
    env.flushes = 0;
    act();
    return env.flushes > 0;
  };
  assertEquals(flushed(() => hart.setReg("sstatus", 1n << 18n)), false);
  assertEquals(flushed(() => hart.setReg("sstatus", 1n << 19n)), true);
  assertEquals(flushed(() => hart.setReg("satp", SV39 | 0x8_0001n)), false); // the same value
  assertEquals(flushed(() => hart.setReg("satp", SV39 | 0x8_0002n)), true);
  assertEquals(flushed(() => call("ecall", 0x8000_0000n)), false);
  assertEquals(flushed(() => call("mret", 0x8000_0000n, 0x8000_0004n)), false);
  assertEquals(flushed(() => hart.setReg("pmpcfg0", 0n)), true);
  assertEquals(flushed(() => hart.setReg("menvcfg", 1n)), false);
});

Deno.test("M and untranslated S share a TLB: it is flushed between them when the PMP tells them apart", () => {
  const { hart, env } = rig("rv64gc");
  hart.setReg("pmpaddr0", 0x8000_0000n >> 2n);
  hart.setReg("pmpcfg0", 0x0fn); // TOR: below RAM only
  env.flushes = 0;
  assertEquals(hart.translate(0x8000_0000 | 0, 0, READ), 0x8000_0000);
  hart.setReg("priv", 1n);
  assertEquals(env.flushes, 1);
  assertEquals(hart.translate(0x8000_0000 | 0, 0, READ), -1);
});

Deno.test("code is physical in M unless an entry is locked, and in untranslated S when the PMP is open", () => {
  const { hart } = rig("rv64gc");
  assertEquals(hart.physical, true);
  hart.setReg("pmpcfg0", 0x80n);
  assertEquals(hart.physical, false);
  const p = paged();
  assertEquals(p.hart.physical, false);
  p.hart.setReg("satp", 0n);
  assertEquals(p.hart.physical, true);
  p.hart.setReg("pmpcfg0", 0n);
  assertEquals(p.hart.physical, false);
});

Deno.test("cache-block instructions: by menvcfg and senvcfg; their faults are those of stores", () => {
  const { hart, call } = rig("rv64gc_zicbom_zicboz"), word = (kind: number) => BigInt(kind << 20 | 0x200f);
  const allowed = () => [0, 1, 2, 4].map((kind) => call("cbo", word(kind), 0x8000_0000n) === CONTINUE ? "+" : "-").join("");
  assertEquals(allowed(), "++++");
  hart.startSupervisor(0n, 0n);
  assertEquals(allowed(), "++++");
  hart.setReg("menvcfg", 0x80n);
  assertEquals(allowed(), "---+");
  hart.setReg("menvcfg", 0x70n);
  hart.setReg("senvcfg", 0x40n);
  hart.setReg("priv", 0n);
  assertEquals(allowed(), "-++-");
  hart.raise();
  assertEquals([hart.reg("scause"), hart.reg("stval")], [2n, word(4)]);
  const p = paged();
  p.hart.setReg("priv", 3n);
  assertEquals(p.call("cbo", word(1), 0x8000_0000n), CONTINUE);
  p.hart.setReg("priv", 1n);
  assertEquals(p.call("cbo", word(1), 0x1f_f000), FAULT);
  p.hart.raise();
  assertEquals([p.hart.reg("scause"), p.hart.reg("stval")], [15n, 0x1f_f000n]);
});

Deno.test("fpDirty", () => {
  const { hart, call } = rig("rv64gc");
  hart.setReg("mstatus", 1n << 13n);
  call("fpDirty");
  assertEquals(hart.reg("mstatus") & (3n << 13n | 1n << 63n), 3n << 13n | 1n << 63n);
});

Deno.test("registers: ABI and x names, f, CSRs, pc, priv; unknown names throw", () => {
  const { hart } = rig("rv64gc");
  const names = hart.registers.map((r) => r.name);
  assertEquals(names.slice(0, 3).concat(names.slice(30, 34)), ["zero", "ra", "sp", "t5", "t6", "pc", "f0"]);
  assert(["fcsr", "mstatus", "satp", "pmpaddr15", "priv", "time"].every((n) => names.includes(n)));
  assert(!["mstatush", "stimecmp"].some((n) => names.includes(n)));
  for (const r of hart.registers) assert(hart.reg(r.name) >= 0n, r.name);
  hart.setReg("s0", 1n << 63n);
  assertEquals([hart.reg("fp"), hart.reg("x8")], [1n << 63n, 1n << 63n]);
  hart.setReg("zero", 5n);
  assertEquals(hart.reg("x0"), 0n);
  hart.setReg("f3", 0xffff_ffff_3f80_0000n);
  assertEquals(hart.reg("f3"), 0xffff_ffff_3f80_0000n);
  assertThrows(() => hart.reg("rax"), Error, "no register 'rax'");
  assertEquals(rig("rv32imac").hart.registers.filter((r) => r.bits !== 32).map((r) => r.name), ["priv"]);
});

Deno.test("save and load: another hart goes on as this one would", () => {
  const a = paged();
  a.hart.setReg("mie", 0xaaan);
  a.hart.setReg("a3", 77n);
  a.hart.setReg("pmpaddr7", 0x123n);
  a.hart.setReg("sepc", 0x5678n);
  a.hart.input("meip")!.set(true);
  a.call("ebreak", 0x8000_0000n);
  a.hart.setReg("mstatus", 8n);
  assertEquals(a.hart.interrupts.deliverable, 0x800);
  const saved = structuredClone(a.hart.save());
  const b = rig("rv64gc_zicbom");
  b.env.u8.set(a.env.u8.subarray(0x1_0000), 0x1_0000);
  b.env.begun = a.env.begun;
  b.hart.load(saved);
  for (const r of a.hart.registers) assertEquals(b.hart.reg(r.name), a.hart.reg(r.name), r.name);
  assertEquals([rights(b.hart), b.hart.interrupts.deliverable, b.hart.input("meip")!.level], [
    rights(a.hart),
    a.hart.interrupts.deliverable,
    true,
  ]);
  assertEquals(b.hart.probe(0x1234n, READ), 0x8000_9234);
  assertEquals(b.hart.save(), saved);
  assertEquals([b.clock.attention, b.clock.alarm], [0, Infinity]);
  assertEquals(b.hart.deathReport(), a.hart.deathReport());
});

Deno.test("reset keeps the levels of wires and forgets everything else", () => {
  const { hart } = paged();
  hart.input("mtip")!.set(true);
  hart.setReg("a0", 9n);
  hart.reset();
  assertEquals([hart.reg("a0"), hart.reg("pc"), hart.reg("satp"), hart.reg("mip"), hart.reg("priv"), hart.regime()], [
    0n,
    0x1000n,
    0n,
    0x80n,
    3n,
    0,
  ]);
});
