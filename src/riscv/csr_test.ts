import { assert, assertEquals } from "@std/assert";
import { CONTINUE, FINISH } from "../ir/frontend.ts";
import { csrPlain, csrRow, csrRows } from "./csr.ts";
import { loadFloating, parseIsa } from "./instruction_set.ts";
import { GUEST_END } from "../ir/layout.ts";
import { CSRS, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, X } from "./slots.ts";
import { rig } from "./testing/fake_env.ts";

await loadFloating();

const ONES = 0xffff_ffff_ffff_ffffn, ONES32 = 0xffff_ffffn;
const CSR_ROWS = csrRows();
const number = (name: string) => CSR_ROWS.find((r) => r.name === name)!.number;

Deno.test("every row has its own number and name, and the number's access bits agree with the row", () => {
  assertEquals(new Set(CSR_ROWS.map((r) => r.number)).size, CSR_ROWS.length);
  assertEquals(new Set(CSR_ROWS.map((r) => r.name)).size, CSR_ROWS.length);
  for (const r of CSR_ROWS) assertEquals(csrRow(r.number)?.name, r.name);
  for (const r of CSR_ROWS) assert(!(r.number >> 10 === 3 && r.write), `${r.name} is read-only by its number`);
});

Deno.test("csrrw, csrrs, csrrc: old value to rd, operand as told", () => {
  const { hart, csr } = rig("rv64gc"), at = number("mscratch");
  csr(1, at, 0xf0f0_0000_1234n);
  csr(2, at, 0xfn << 60n | 1n);
  assertEquals(hart.reg("a0"), 0xf0f0_0000_1234n);
  csr(3, at, 0x1000n);
  assertEquals(hart.reg("a0"), 0xf000_f0f0_0000_1235n);
  csr(2, at, ONES, 0); // rs1 = x0: no write
  assertEquals([hart.reg("a0"), hart.reg("mscratch")], [0xf000_f0f0_0000_0235n, 0xf000_f0f0_0000_0235n]);
});

Deno.test("RV32: values have 32 bits, and x registers keep to their low half", () => {
  const { hart, csr, env } = rig("rv32gc");
  csr(1, number("mscratch"), ONES32);
  csr(2, number("mscratch"), 0n, 0);
  assertEquals(hart.reg("a0"), ONES32);
  assertEquals(env.i32[X(10) >> 2], -1);
});

Deno.test("illegal: absent, privilege, read-only; mtval is the word", () => {
  const { hart, csr } = rig("rv64gc");
  hart.setReg("mstatus", 0n);
  assert(csr(1, 0x7c0, 0n)); // custom
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [2n, 0x7c0n << 20n | 1n << 15n | 1n << 12n | 10n << 7n | 0x73n]);
  assert(csr(1, number("mhartid"), 0n));
  assert(!csr(2, number("mhartid"), 0n, 0));
  hart.setReg("priv", 1n);
  assert(csr(2, number("mstatus"), 0n, 0));
  hart.setReg("priv", 0n);
  assert(csr(2, number("sstatus"), 0n, 0));
  for (
    const [isa, name] of [["rv64gc", "mstatush"], ["rv64gc", "stimecmp"], ["rv64imac", "fcsr"], ["rv64gc", "pmpcfg1"], ["rv64gc", "cycleh"]]
  ) {
    assert(rig(isa).csr(2, number(name), 0n, 0), `${name} on ${isa}`);
  }
});

/** What all ones and zero leave in a register just after reset. */
Deno.test("WARL: what all ones and all zeros become", () => {
  const full = "rv64gc_zicbom_zicboz_sstc_svpbmt";
  // deno-fmt-ignore
  const table: [isa: string, name: string, ones: bigint, zero: bigint][] = [
    [full, "mstatus", 0x8000_000a_007e_79aan, 0xa_0000_0000n],
    [full, "sstatus", 0x8000_0002_000c_6122n, 0x2_0000_0000n],
    [full, "medeleg", 0xb3ffn, 0n],
    [full, "mideleg", 0x222n, 0n],
    [full, "mie", 0xaaan, 0n],
    [full, "mip", 0x222n, 0n],
    [full, "mtvec", 0n, 0n], // mode 3 is reserved: the write is ignored
    [full, "mepc", ONES - 1n, 0n],
    ["rv64imafd", "mepc", ONES - 3n, 0n],
    [full, "mcause", ONES, 0n],
    [full, "misa", 0x8000_0000_0014_112dn, 0x8000_0000_0014_112dn],
    [full, "menvcfg", 0xc000_0000_0000_00f1n, 0n],
    ["rv64gc", "menvcfg", 1n, 0n],
    [full, "senvcfg", 0xf1n, 0n],
    [full, "mcountinhibit", 5n, 0n],
    [full, "satp", 0n, 0n], // mode 15
    [full, "pmpaddr3", (1n << 54n) - 1n, 0n],
    [full, "mhpmcounter3", 0n, 0n],
    ["rv32gc", "mstatus", 0x807e_79aan, 0n],
    ["rv32gc", "mstatush", 0n, 0n],
    ["rv32gc", "satp", 0xffff_ffffn, 0n],
    ["rv32gc", "pmpaddr0", 0xffff_ffffn, 0n],
    ["rv32gc_sstc", "menvcfgh", 0x8000_0000n, 0n],
  ];
  for (const [isa, name, ones, zero] of table) {
    const r = rig(isa);
    r.csr(1, number(name), isa.startsWith("rv32") ? ONES32 : ONES);
    assertEquals(r.hart.reg(name), ones, `${name} of ${isa} after ones`);
    r.csr(1, number(name), 0n);
    assertEquals(r.hart.reg(name), zero, `${name} of ${isa} after zero`);
  }
});

Deno.test("CBIE keeps what it was when 2, a reserved value, is written", () => {
  const r = rig("rv64gc_zicbom_zicboz");
  for (const name of ["menvcfg", "senvcfg"]) {
    const after = [0x10n, 0x60n, 0x30n, 0xa0n].map((value) => (r.csr(1, number(name), value), r.hart.reg(name)));
    assertEquals(after, [0x10n, 0x50n, 0x30n, 0xb0n], name);
  }
});

Deno.test("satp takes the modes up to the widest, with a 16-bit ASID", () => {
  for (const [mmu, modes] of [["bare", [0n]], ["sv39", [0n, 8n]], ["sv48", [0n, 8n, 9n]], ["sv57", [0n, 8n, 9n, 10n]]] as const) {
    const { hart } = rig("rv64gc", { mmu });
    for (let mode = 0n; mode < 16n; mode++) {
      hart.setReg("satp", 0n);
      hart.setReg("satp", mode << 60n | 0xfff_ffff_ffff_ffffn);
      assertEquals(hart.reg("satp") >> 60n, (modes as readonly bigint[]).includes(mode) ? mode : 0n);
      if (mode === 8n && mmu !== "bare") assertEquals(hart.reg("satp"), 0x8fff_ffff_ffff_ffffn);
    }
  }
});

Deno.test("TVM: satp and sfence.vma are illegal in S", () => {
  const { hart, csr, call } = rig("rv64gc");
  hart.setReg("mstatus", 1n << 20n);
  hart.setReg("priv", 1n);
  assert(csr(2, number("satp"), 0n, 0));
  hart.setReg("priv", 1n);
  call("sfenceVma", 0, 0, 0x1200_0073n << 32n, 0x8000_0000n);
  assertEquals([hart.reg("mcause"), hart.reg("mtval")], [2n, 0x1200_0073n]);
});

Deno.test("MPP keeps what it was when the privilege does not exist", () => {
  const { hart } = rig("rv64gc");
  hart.setReg("mstatus", 1n << 11n);
  hart.setReg("mstatus", 2n << 11n);
  assertEquals(hart.reg("mstatus") >> 11n & 3n, 1n);
});

Deno.test("sie and sip show what is delegated; sip's only writable bit is SSIP", () => {
  const { hart, csr } = rig("rv64gc");
  hart.setReg("mideleg", 0x022n);
  hart.setReg("mie", 0x8n);
  csr(1, number("sie"), ONES);
  assertEquals([hart.reg("mie"), hart.reg("sie")], [0x2an, 0x22n]);
  csr(1, number("sip"), ONES);
  assertEquals([hart.reg("mip"), hart.reg("sip")], [0x2n, 0x2n]);
  csr(1, number("mip"), 0x220n);
  assertEquals([hart.reg("mip"), hart.reg("sip")], [0x220n, 0x20n]);
});

Deno.test("mip.SEIP: software's bit and the wire are one on reading and two on writing", () => {
  const { hart, csr } = rig("rv64gc"), mip = number("mip");
  hart.input("seip")!.set(true);
  csr(2, mip, 0x2n); // csrrs of SSIP must not make the wire's level software's
  assertEquals(hart.reg("mip"), 0x202n);
  hart.input("seip")!.set(false);
  assertEquals(hart.reg("mip"), 0x2n);
  csr(2, mip, 0x200n);
  hart.input("seip")!.set(true);
  csr(3, mip, 0x200n);
  assertEquals(hart.reg("a0"), 0x202n);
  assertEquals(hart.reg("mip"), 0x202n);
});

Deno.test("counters: rights by mcounteren and scounteren", () => {
  const { hart, csr } = rig("rv64gc");
  for (
    const [priv, m, s, traps] of [[3n, 0n, 0n, false], [1n, 0n, 7n, true], [1n, 2n, 0n, false], [0n, 2n, 0n, true], [
      0n,
      2n,
      2n,
      false,
    ]] as const
  ) {
    hart.setReg("mcounteren", m);
    hart.setReg("scounteren", s);
    hart.setReg("priv", priv);
    assertEquals(csr(2, 0xc01, 0n, 0), traps, `priv ${priv} mcounteren ${m} scounteren ${s}`);
  }
});

Deno.test("a write to minstret or mcycle is what the next instruction reads; trapped instructions do not retire", () => {
  for (const isa of ["rv64gc", "rv32gc"]) {
    const { hart, env, csr, call } = rig(isa);
    env.begun = 0x1_2345_6789;
    for (const [name, at] of [["minstret", 0xb02], ["mcycle", 0xb00]] as const) {
      csr(1, at, 0xffff_fff0n);
      csr(2, at, 0n, 0);
      assertEquals(hart.reg("a0"), 0xffff_fff0n, name);
      csr(2, at, 0n, 0);
      assertEquals(hart.reg("a0"), 0xffff_fff1n);
    }
    const [cycle, instret] = [hart.reg("mcycle"), hart.reg("minstret")];
    call("ebreak", 0x1000); // goes to mtvec = 0
    call("exception", 2, 0, 0x1000);
    call("misalignedLoad", 1);
    hart.raise();
    assertEquals([hart.reg("mcycle") - cycle, hart.reg("minstret") - instret], [3n, 0n]);
  }
});

Deno.test("RV32 writes the halves of a counter one by one", () => {
  const { hart, csr } = rig("rv32gc");
  csr(1, number("minstreth"), 0x1234n);
  csr(1, number("minstret"), 0xffff_fffen);
  csr(2, number("minstreth"), 0n, 0);
  assertEquals(hart.reg("a0"), 0x1234n);
  csr(2, 0, 0n, 0), csr(2, 0, 0n, 0); // traps: no progress
  csr(1, number("mscratch"), 0n);
  csr(2, number("minstreth"), 0n, 0);
  assertEquals(hart.reg("a0"), 0x1235n);
});

Deno.test("mcountinhibit stops a counter and lets it go on from where it was", () => {
  const { hart, env, csr } = rig("rv64gc");
  csr(1, number("mcountinhibit"), 1n);
  const stopped = hart.reg("mcycle");
  env.begun += 1000;
  assertEquals(hart.reg("mcycle"), stopped);
  csr(1, 0xb00, 5n);
  assertEquals(hart.reg("mcycle"), 5n);
  csr(1, number("mcountinhibit"), 0n);
  env.begun += 10;
  assertEquals(hart.reg("mcycle"), 15n);
});

Deno.test("stimecmp raises STIP at its time, when menvcfg.STCE lets it", () => {
  const { hart, clock, csr } = rig("rv64gc_sstc");
  hart.setReg("mcounteren", 2n);
  hart.setReg("priv", 1n);
  assert(csr(1, 0x14d, 100n));
  hart.setReg("menvcfg", 1n << 63n);
  hart.setReg("mideleg", 0x20n);
  hart.setReg("priv", 1n);
  assert(!csr(1, 0x14d, 100n));
  assertEquals([clock.alarm, hart.reg("mip")], [100, 0n]);
  clock.now = 100;
  hart.interrupts.timerDue();
  assertEquals([clock.alarm, hart.reg("mip")], [Infinity, 0x20n]);
  hart.setReg("mip", 0n); // not writable now
  assertEquals(hart.reg("mip"), 0x20n);
  csr(1, 0x14d, ONES);
  assertEquals([clock.alarm, hart.reg("mip")], [Infinity, 0n]);
  hart.setReg("menvcfg", 0n);
  hart.setReg("mip", 0x20n);
  assertEquals(hart.reg("mip"), 0x20n);
});

Deno.test("floating-point registers need FS; writing them makes it dirty and sets the mode bits", () => {
  const { hart, csr } = rig("rv64gc");
  assert(csr(2, 1, 0n, 0));
  hart.setReg("mstatus", 1n << 13n);
  assertEquals(hart.mode() & 7, MODE_FS);
  csr(1, 3, 0x1e5n);
  assertEquals([hart.reg("fflags"), hart.reg("frm"), hart.reg("fcsr")], [5n, 7n, 0xe5n]);
  assertEquals(hart.reg("mstatus") >> 63n, 1n);
  assertEquals(hart.mode() & 7, MODE_FS | MODE_FS_DIRTY);
  csr(1, 2, 0n);
  assertEquals(hart.mode() & 7, MODE_FS | MODE_FS_DIRTY | MODE_FP_FAST);
});

Deno.test("csrPlain: registers without effects, at sufficient privilege only", () => {
  const { hart } = rig("rv64gc"), isa = hart.config.isa, S = 1 << 4, M = 3 << 4;
  assertEquals(csrPlain(0x341, M, isa)!.writeMask, ONES - 1n);
  assertEquals(csrPlain(0x341, M, parseIsa("rv32i"))!.writeMask, ONES32 - 3n);
  const sscratch = csrPlain(0x140, S, isa)!;
  assertEquals(sscratch.writeMask, ONES);
  assertEquals([csrPlain(0x340, S, isa), csrPlain(0x140, 0, isa), csrPlain(0x300, M, isa), csrPlain(0x7c0, M, isa)], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  hart.setReg("sscratch", 0x1234_5678_9abcn);
  assertEquals([hart.window.lo(sscratch.slot), hart.window.hi(sscratch.slot)], [0x5678_9abc, 0x1234]);
});

Deno.test("plain registers have slots of 8 bytes of their own, among those of the guest", () => {
  const slots = CSR_ROWS.flatMap((r) => r.slot ?? []);
  assertEquals(slots, [...new Set(slots)]);
  assertEquals(slots.filter((at) => at % 8 !== 0 || at < CSRS || at + 8 > GUEST_END), []);
  assertEquals(slots.length, 8);
});

Deno.test("the status of a CSR instruction: FINISH when an interrupt has become deliverable", () => {
  const { hart, call } = rig("rv64gc");
  hart.setReg("mie", 0x80n);
  hart.input("mtip")!.set(true);
  const write = (csr: number, value: bigint) => call("csr", csr << 20 | 1 << 15 | 1 << 12 | 0x73, value, 0x1000, 0x1004);
  assertEquals(write(0x340, 1n), CONTINUE);
  assertEquals(write(0x300, 8n), FINISH);
});
