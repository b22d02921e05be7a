import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CONTINUE, FAULT, FETCH, FINISH, READ } from "../ir/frontend.ts";
import { type Rig, rig } from "./testing/fake_env.ts";
import { causeName, mostUrgent } from "./trap.ts";

const MIE = 1n << 3n, SIE = 1n << 1n, MPIE = 1n << 7n, SPIE = 1n << 5n, SPP = 1n << 8n, MPRV = 1n << 17n, TW = 1n << 21n, TSR = 1n << 22n;
const MPP = (priv: bigint) => priv << 11n;
const STATUS = MIE | SIE | MPIE | SPIE | SPP | MPP(3n) | MPRV | TW | TSR;

Deno.test("an exception in M stacks MIE and MPP and writes the m registers", () => {
  const { hart, call, pc } = rig("rv64gc");
  hart.setReg("mtvec", 0x8000_0101n); // vectored: exceptions still go to the base
  hart.setReg("mstatus", MIE);
  assertEquals(call("exception", 2, 0x1234_5678_9abcn, 0x8000_0042n), CONTINUE);
  assertEquals([hart.reg("mcause"), hart.reg("mepc"), hart.reg("mtval"), pc()], [2n, 0x8000_0042n, 0x1234_5678_9abcn, 0x8000_0100n]);
  assertEquals(hart.reg("mstatus") & STATUS, MPIE | MPP(3n));
});

Deno.test("delegated: an exception of S or U goes to S, one of M to M", () => {
  for (const [priv, to, status] of [[0n, 1n, SPIE], [1n, 1n, SPIE | SPP], [3n, 3n, SIE | MPP(3n)]]) {
    const { hart, call, pc } = rig("rv64gc");
    hart.setReg("mtvec", 0x1_0000n);
    hart.setReg("stvec", 0xffff_ffc0_0000_0000n);
    hart.setReg("medeleg", 1n << 8n | 1n << 3n | 1n << 9n);
    hart.setReg("mstatus", SIE);
    hart.setReg("priv", priv);
    if (priv === 3n) call("ebreak", 0x100);
    else call("ecall", 0x100);
    assertEquals(hart.reg("priv"), to);
    assertEquals(pc(), to === 1n ? 0xffff_ffc0_0000_0000n : 0x1_0000n);
    assertEquals(hart.reg(to === 1n ? "scause" : "mcause"), priv === 3n ? 3n : 8n + priv);
    assertEquals(hart.reg("mstatus") & STATUS, status);
  }
});

Deno.test("ecall from M, and the tval of ebreak and ecall", () => {
  const { hart, call } = rig("rv64gc");
  call("ecall", 0x100);
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [11n, 0n]);
  call("ebreak", 0x108);
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [3n, 0x108n]);
});

Deno.test("vectored interrupts, by priority, with the top bit of cause", () => {
  for (const [isa, top] of [["rv64gc", 1n << 63n], ["rv32gc", 1n << 31n]] as const) {
    const { hart, pc } = rig(isa);
    hart.setReg("mtvec", 0x8000_0001n);
    hart.setReg("mie", 0xaaan);
    hart.setReg("mstatus", MIE);
    assertEquals(hart.interrupt(), false);
    for (const name of ["mtip", "meip", "msip"]) hart.input(name)!.set(true);
    for (const cause of [11n, 3n, 7n]) {
      assertEquals(hart.interrupt(), true);
      assertEquals([hart.reg("mcause"), pc(), hart.reg("mtval")], [top | cause, 0x8000_0000n + 4n * cause, 0n]);
      hart.input({ 11: "meip", 3: "msip", 7: "mtip" }[Number(cause)]!)!.set(false);
      assertEquals(hart.interrupt(), false); // MIE is off now
      hart.setReg("mstatus", MIE);
    }
  }
});

Deno.test("delegated interrupts: never in M, always in U, by SIE in S", () => {
  const { hart, env } = rig("rv64gc");
  hart.setReg("mideleg", 0x222n);
  hart.setReg("mie", 0x222n);
  hart.setReg("stvec", 0x4000n);
  hart.setReg("mstatus", MIE | SIE);
  hart.interrupts.setPending(1 << 5, true);
  assertEquals(hart.interrupt(), false);
  hart.setReg("mstatus", 0n);
  hart.setReg("priv", 1n);
  assertEquals(hart.interrupt(), false);
  env.changes = 0;
  hart.setReg("sstatus", SIE);
  assertEquals(env.changes, 0); // no translation depends on it
  assertEquals(hart.interrupt(), true);
  assertEquals([hart.reg("scause"), hart.reg("sstatus") & (SPP | SPIE | SIE)], [1n << 63n | 5n, SPP | SPIE]);
  hart.setReg("priv", 0n);
  assertEquals(hart.interrupt(), true);
  assertEquals(hart.reg("sstatus") & (SPP | SPIE | SIE), 0n);
});

Deno.test("one that is not delegated preempts S with MIE clear", () => {
  const { hart } = rig("rv64gc");
  hart.setReg("mie", 0x80n);
  hart.setReg("priv", 1n);
  hart.input("mtip")!.set(true);
  assertEquals([hart.interrupt(), hart.reg("priv")], [true, 3n]);
});

Deno.test("a wire that makes an interrupt deliverable asks for attention, once; a masked one does not", () => {
  const { hart, clock } = rig("rv64gc");
  hart.setReg("mstatus", MIE);
  hart.input("mtip")!.set(true);
  assertEquals(clock.attention, 0);
  hart.setReg("mie", 0x80n);
  assertEquals(clock.attention, 1);
  hart.input("mtip")!.set(true);
  assertEquals(clock.attention, 1);
  hart.input("mtip")!.set(false);
  hart.input("mtip")!.set(true);
  assertEquals(clock.attention, 2);
  assertEquals([hart.input("nmi"), hart.input("mtip")!.level], [undefined, true]);
});

Deno.test("mret: MPP to U, MPIE to MIE, MPRV cleared below M", () => {
  const { hart, call, pc } = rig("rv64gc");
  hart.setReg("mepc", 0x8000_1235n);
  hart.setReg("mstatus", MPIE | MPP(1n) | MPRV);
  call("mret", 0x100, 0x104);
  assertEquals([pc(), hart.reg("priv"), hart.reg("mstatus") & STATUS], [0x8000_1234n, 1n, MIE | MPIE]);
  const m = rig("rv64gc");
  m.hart.setReg("mstatus", MPP(3n) | MPRV);
  m.call("mret", 0x100, 0x104);
  assertEquals([m.hart.reg("priv"), m.hart.reg("mstatus") & STATUS], [3n, MPIE | MPRV]);
});

Deno.test("sret from S and from M; TSR, and U-mode, make it illegal", () => {
  for (const priv of [1n, 3n]) {
    const { hart, call, pc } = rig("rv64gc");
    hart.setReg("sepc", 0x1236n);
    hart.setReg("mstatus", SPP | SPIE | MPRV);
    hart.setReg("priv", priv);
    call("sret", 0x100, 0x104);
    assertEquals([pc(), hart.reg("priv"), hart.reg("mstatus") & STATUS], [0x1236n, 1n, SIE | SPIE]);
  }
  for (const [priv, status] of [[1n, TSR], [0n, 0n]]) {
    const { hart, call } = rig("rv64gc");
    hart.setReg("mstatus", status);
    hart.setReg("priv", priv);
    call("sret", 0x100, 0x104);
    assertEquals([hart.reg("mcause"), hart.reg("mtval"), hart.reg("mepc")], [2n, 0x1020_0073n, 0x100n]);
  }
});

Deno.test("wfi waits for an enabled interrupt, whether or not it can be taken", () => {
  const { hart, call, pc } = rig("rv64gc");
  hart.setReg("mie", 0x80n);
  assertEquals(call("wfi", 0x100, 0x104), FINISH);
  assertEquals([hart.waiting, pc()], [true, 0x104n]);
  hart.input("msip")!.set(true);
  assertEquals(hart.waiting, true);
  hart.input("mtip")!.set(true);
  assertEquals([hart.waiting, hart.interrupt()], [false, false]);
  call("wfi", 0x104, 0x108);
  assertEquals(hart.waiting, false);
});

Deno.test("wfi is illegal in U-mode, and in S-mode with TW", () => {
  for (const [priv, status, cause] of [[0n, 0n, 2n], [1n, TW, 2n], [1n, 0n, 0n], [3n, TW, 0n]]) {
    const { hart, call } = rig("rv64gc");
    hart.setReg("mstatus", status);
    hart.setReg("priv", priv);
    call("wfi", 0x100, 0x104);
    assertEquals(hart.reg("mcause"), cause);
  }
});

Deno.test("recorded faults: misaligned addresses, fetches, the engine's bus faults", () => {
  const { hart, call, env } = rig("rv64gc");
  assertEquals(call("misalignedLoad", 0x1003), FAULT);
  hart.raise();
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [4n, 0x1003n]);
  call("misalignedStore", 0x1005);
  hart.raise();
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [6n, 0x1005n]);
  hart.busFault(0x4000, 1, READ);
  hart.raise();
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [5n, 0x1_0000_4000n]);
  hart.busFault(0x4000, 1, FETCH);
  hart.raise();
  assertEquals(hart.reg("mcause"), 1n);
  // An instruction that crosses from the last RAM page into nothing: epc is its address, tval the page that is missing.
  const last = 0x8000_0000n + BigInt(env.u8.length - 0x1_0000) - 2n;
  call("fetchFault", last);
  assertEquals([hart.reg("mcause"), hart.reg("mepc"), hart.reg("mtval")], [1n, last, last + 2n]);
  assertEquals(call("fetchFault", 0x8000_0ffen), FINISH); // nothing wrong any more: try again
});

Deno.test("firmware serves calls from S; what it declines traps", () => {
  const seen: string[] = [];
  const { hart, call, pc }: Rig = rig("rv64gc", {
    firmware: () => {
      seen.push(`${hart.reg("a7")} at ${hart.reg("pc")}`);
      return hart.reg("a7") === 1n;
    },
  });
  hart.startSupervisor(0x8020_0000n, 0x8700_0000n);
  assertEquals([hart.reg("a0"), hart.reg("a1"), pc(), hart.reg("priv")], [0n, 0x8700_0000n, 0x8020_0000n, 1n]);
  hart.setReg("a7", 1n);
  assertEquals(call("ecall", 0x8020_0000n), FINISH);
  assertEquals(pc(), 0x8020_0004n);
  hart.setReg("a7", 2n);
  call("ecall", 0x8020_0004n);
  assertEquals([seen, hart.reg("mcause"), hart.reg("mepc")], [["1 at 2149580804", "2 at 2149580808"], 9n, 0x8020_0004n]);
  hart.setReg("priv", 0n);
  call("ecall", 0x1000);
  assertEquals([hart.reg("scause"), seen.length], [8n, 2]);
});

Deno.test("a stopped hart waits and takes no interrupt until it is started", () => {
  const { hart } = rig("rv64gc");
  hart.setReg("mie", 0x80n);
  hart.setReg("mstatus", MIE);
  hart.s.stopped = true;
  hart.input("mtip")!.set(true);
  assertEquals([hart.waiting, hart.interrupt()], [true, false]);
  hart.startSupervisor(0x8000_0000n, 0n);
  assertEquals([hart.waiting, hart.interrupt()], [false, false]); // it starts with every interrupt masked
  hart.setReg("mie", 0x80n);
  assertEquals([hart.interrupt(), hart.reg("priv")], [true, 3n]);
});

Deno.test("a handler that faults at its first instruction counts as a loop, and the report says so", () => {
  const { hart, call } = rig("rv64gc");
  hart.startSupervisor(0x8000_0000n, 0n);
  hart.setReg("stvec", 0x4000n);
  hart.setReg("satp", 8n << 60n | 0x8_0001n);
  hart.translate(0x1238, 0, READ);
  hart.raise();
  assertEquals(hart.traps.loop, 0);
  for (let i = 1; i < 20; i++) {
    hart.translate(0x4000, 0, FETCH);
    hart.raise();
    assertEquals(hart.traps.loop, i);
  }
  const report = hart.deathReport();
  assertStringIncludes(report, "S -> S  instruction page fault, epc 0x4000 tval 0x4000");
  assertStringIncludes(report, "the last 20 were raised by the first instruction of the trap handler itself");
  assertMatch(report, /level 2: entry at 0x80001000 = 0x0 -{8}\n {2}level 2: the entry is not valid/);
  call("ebreak", 0x5000n);
  assertStringIncludes(report, "load page fault, epc 0x80000000 tval 0x1238, instruction 0\n  S -> S");
  assertStringIncludes(report, "instruction 0 (19 times in a row)");
  assertEquals([hart.traps.loop, hart.traps.last().map((t) => t.times)], [0, [1, 19, 1]]);
});

Deno.test("names and priorities", () => {
  assertEquals([causeName(13, false), causeName(9, true), causeName(20, false)], [
    "load page fault",
    "supervisor external interrupt",
    "exception 20",
  ]);
  assertEquals([0xaaa, 0x2aa, 0x2a2, 0x222, 0x22, 0x20].map(mostUrgent), [11, 3, 7, 9, 1, 5]);
});
