import { assertEquals } from "@std/assert";
import { type Access, FETCH, READ, WRITE } from "../ir/frontend.ts";
import { type MmuMode, REASONS } from "./mmu.ts";
import { rig } from "./testing/fake_env.ts";

const V = 1, R = 2, W = 4, X = 8, U = 0x10, A = 0x40, D = 0x80, FULL = V | R | W | X | A | D;
const MODE: Readonly<Record<string, bigint>> = { sv39: 8n, sv48: 9n, sv57: 10n };
const N = 1n << 63n, PBMT_NC = 1n << 61n;
const pte = (paddr: number, flags: number, high = 0n) => BigInt(paddr) >> 12n << 10n | BigInt(flags) | high;
/** Page tables of the tests: the root at 0x8000_1000, the next level at 0x8000_2000, and so on. */
const TABLE = (depth: number) => 0x8000_1000 + 0x1000 * depth;

/**
 * A hart in S-mode whose page tables map `vaddr` by a chain of pointers that ends in `leaf` at `level`. Gives the physical address of an access,
 * or the cause of its exception.
 */
function map(mode: MmuMode, vaddr: bigint, leaf: bigint, options: { level?: number; isa?: string; svade?: boolean } = {}) {
  const r = rig(options.isa ?? "rv64gc_svnapot_svpbmt", { svade: options.svade ?? false }), levels = Number(MODE[mode]) - 5;
  r.hart.startSupervisor(0x8000_0000n, 0n);
  let at = 0;
  for (let level = levels - 1, depth = 0; level >= (options.level ?? 0); level--, depth++) {
    at = TABLE(depth) + 8 * Number(vaddr >> BigInt(12 + 9 * level) & 511n);
    r.env.poke64(at, level === (options.level ?? 0) ? leaf : pte(TABLE(depth + 1), V));
  }
  r.hart.setReg("satp", MODE[mode] << 60n | BigInt(TABLE(0) >>> 12));
  const access = (kind: Access, address = vaddr): string => {
    const paddr = r.hart.translate(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)), kind);
    if (paddr >= 0) return paddr.toString(16);
    r.hart.raise();
    const cause = r.hart.reg("scause") || r.hart.reg("mcause"), tval = r.hart.reg("stval") || r.hart.reg("mtval");
    assertEquals(tval, BigInt.asUintN(64, address));
    r.hart.setReg("priv", 1n);
    for (const name of ["scause", "mcause", "stval", "mtval"]) r.hart.setReg(name, 0n);
    return `fault ${cause}`;
  };
  return { ...r, access, at };
}

Deno.test("a page of each mode, at addresses that use every index", () => {
  for (const [mode, vaddr] of [["sv39", 0x12_3456_7abcn], ["sv48", 0x5123_4567_8abcn], ["sv57", 0xa1_2345_6789_abcdn]] as const) {
    for (const sign of [0n, -1n << BigInt(9 * (Number(MODE[mode]) - 5) + 11)]) {
      const m = map(mode, vaddr | sign, pte(0x8001_2000, FULL));
      assertEquals(m.access(READ), (0x8001_2000 + Number(vaddr & 0xfffn)).toString(16), `${mode} ${vaddr | sign}`);
    }
  }
});

Deno.test("superpages of every level keep the low address bits; a misaligned one faults", () => {
  const vaddr = 0x51_2345_6789_abcdn;
  for (let level = 1; level < 5; level++) {
    const size = 4096 * 512 ** level, base = level < 3 ? 0x8000_0000 : 0;
    const m = map("sv57", vaddr, pte(base, FULL), { level });
    assertEquals(m.access(READ), (base + Number(vaddr % BigInt(size))).toString(16), `level ${level}`);
    assertEquals(map("sv57", vaddr, pte(base + 0x1000, FULL), { level }).access(READ), "fault 13", `level ${level}`);
  }
});

Deno.test("page faults have the cause of the access", () => {
  const m = map("sv39", 0x4000n, pte(0x8001_2000, 0));
  assertEquals([READ, WRITE, FETCH].map((k) => m.access(k as Access)), ["fault 13", "fault 15", "fault 12"]);
});

Deno.test("not canonical: a page fault", () => {
  const m = map("sv39", 0x4000n, pte(0x8001_2000, FULL));
  assertEquals(m.access(READ, 0x80_0000_4000n), "fault 13");
  assertEquals(m.access(READ, 1n << 63n | 0x4000n), "fault 13");
  assertEquals(REASONS[m.hart.mmu.reason], "the address is not canonical");
});

Deno.test("rights: R, W, X, MXR, U and SUM", () => {
  const at = 0x4000n, page = (flags: number) => map("sv39", at, pte(0x8001_2000, flags | A | D));
  const all = (m: ReturnType<typeof map>) =>
    [READ, WRITE, FETCH].map((k) => m.access(k as Access).startsWith("fault") ? "-" : "+").join("");
  assertEquals([V | R, V | R | W, V | X, V | R | X].map((f) => all(page(f))), ["+--", "++-", "--+", "+-+"]);
  assertEquals([V | W, V | W | X].map((f) => all(page(f))), ["---", "---"]); // reserved
  const x = page(V | X);
  x.hart.setReg("sstatus", 1n << 19n);
  assertEquals(all(x), "+-+");
  const user = page(V | R | W | X | U);
  assertEquals(all(user), "---");
  user.hart.setReg("sstatus", 1n << 18n);
  assertEquals(all(user), "++-"); // SUM never permits fetches
  user.hart.setReg("priv", 0n);
  assertEquals(user.access(FETCH), "80012000");
  const supervisor = page(V | R | W | X);
  supervisor.hart.setReg("priv", 0n);
  assertEquals(supervisor.access(READ), "fault 13");
});

Deno.test("A and D are set in memory, the write reported; with Svade a clear bit faults", () => {
  const m = map("sv39", 0x4000n, pte(0x8001_2000, V | R | W | X));
  m.access(READ);
  assertEquals(m.env.peek64(m.at) & 0xffn, BigInt(V | R | W | X | A));
  m.access(WRITE);
  assertEquals(m.env.peek64(m.at) & 0xffn, BigInt(FULL));
  m.access(WRITE);
  const at = m.env.ram(m.at, 8);
  assertEquals(m.env.written, [at, at]);
  const svade = { svade: true };
  assertEquals(map("sv39", 0x4000n, pte(0x8001_2000, FULL & ~A), svade).access(READ), "fault 13");
  const clean = map("sv39", 0x4000n, pte(0x8001_2000, FULL & ~D), svade);
  assertEquals([clean.access(READ), clean.access(WRITE)], ["80012000", "fault 15"]);
});

Deno.test("a probe changes neither PTEs nor the recorded exception", () => {
  const m = map("sv39", 0x4000n, pte(0x8001_2000, V | R));
  assertEquals(m.hart.probe(0x4123n, READ), 0x8001_2123);
  assertEquals(m.hart.probe(0x4123n, WRITE), undefined);
  assertEquals([m.env.peek64(m.at) & 0xffn, m.env.written.length], [BigInt(V | R), 0]);
});

Deno.test("pointers with A, D, U or attributes, reserved bits and a pointer at the last level are page faults", () => {
  for (const bad of [V | A, V | D, V | U]) assertEquals(map("sv39", 0x4000n, pte(0x8001_2000, bad), { level: 1 }).access(READ), "fault 13");
  assertEquals(map("sv39", 0x4000n, pte(0x8001_2000, V, N), { level: 1 }).access(READ), "fault 13");
  for (let bit = 54n; bit < 61n; bit++) assertEquals(map("sv39", 0x4000n, pte(0x8001_2000, FULL, 1n << bit)).access(READ), "fault 13");
  const deep = map("sv39", 0x4000n, pte(0x8001_2000, V));
  assertEquals([deep.access(READ), REASONS[deep.hart.mmu.reason]], ["fault 13", "the last level holds a pointer"]);
});

Deno.test("Svnapot: 64 KiB pages; other sizes, other levels and harts without it fault", () => {
  const vaddr = 0x5_7abcn;
  assertEquals(map("sv39", vaddr, pte(0x8001_8000, FULL, N)).access(READ), "80017abc");
  assertEquals(map("sv39", vaddr, pte(0x8001_4000, FULL, N)).access(READ), "fault 13");
  assertEquals(map("sv39", vaddr, pte(0x8000_0000, FULL, N), { level: 1 }).access(READ), "fault 13");
  assertEquals(map("sv39", vaddr, pte(0x8001_8000, FULL, N), { isa: "rv64gc" }).access(READ), "fault 13");
});

Deno.test("Svpbmt: types 1 and 2 when menvcfg.PBMTE is set, never 3", () => {
  for (
    const [high, pbmte, want] of [[1n, true, "80012000"], [2n, true, "80012000"], [3n, true, "fault 13"], [1n, false, "fault 13"]] as const
  ) {
    const m = map("sv39", 0x4000n, pte(0x8001_2000, FULL, high * PBMT_NC));
    if (!pbmte) m.hart.setReg("menvcfg", 0n);
    assertEquals(m.access(READ), want);
  }
});

Deno.test("page tables outside RAM or closed by the PMP are access faults; so is a page that the PMP closes", () => {
  const outside = map("sv39", 0x4000n, pte(0x1000_0000, V), { level: 1 });
  assertEquals([READ, WRITE, FETCH].map((k) => outside.access(k as Access)), ["fault 5", "fault 7", "fault 1"]);
  const m = map("sv39", 0x4000n, pte(0x8001_2000, FULL));
  m.hart.setReg("pmpaddr0", BigInt(TABLE(2) >>> 2));
  m.hart.setReg("pmpaddr1", BigInt(TABLE(3) >>> 2));
  m.hart.setReg("pmpaddr2", (1n << 54n) - 1n);
  m.hart.setReg("pmpcfg0", 0x1f_08_0fn); // below TABLE(2) open, TABLE(2) closed (TOR), the rest open
  assertEquals(m.access(READ), "fault 5");
  assertEquals(REASONS[m.hart.mmu.reason], "the physical memory protection forbids reading the page table");
  m.hart.setReg("pmpcfg0", 0x1f_09_0fn); // now readable
  assertEquals(m.access(READ), "80012000");
  m.hart.setReg("pmpaddr0", 0x8001_2000n >> 2n);
  m.hart.setReg("pmpaddr1", 0x8001_2800n >> 2n);
  assertEquals([m.access(READ), m.access(WRITE), m.hart.pageCacheable], ["80012000", "fault 7", false]);
  assertEquals(m.access(WRITE, 0x4800n), "80012800");
});

Deno.test("Sv32: pages, 4 MiB superpages, 34-bit physical addresses", () => {
  const r = rig("rv32gc"), vaddr = 0xc123_4567 | 0;
  r.hart.startSupervisor(0x8000_0000n, 0n);
  r.env.poke32(TABLE(0) + 4 * (vaddr >>> 22), TABLE(1) >>> 2 | V);
  r.env.poke32(TABLE(1) + 4 * (vaddr >>> 12 & 1023), 0x8001_2000 >>> 2 | FULL);
  r.hart.setReg("satp", 0x8000_0000n | BigInt(TABLE(0) >>> 12));
  assertEquals(r.hart.translate(vaddr, 0, READ), 0x8001_2567);
  r.env.poke32(TABLE(0) + 4 * (vaddr >>> 22), 0xf00 << 20 | FULL);
  assertEquals(r.hart.translate(vaddr, 0, READ), 0xf00 * 2 ** 22 + (vaddr & 0x3f_ffff));
  r.env.poke32(TABLE(0) + 4 * (vaddr >>> 22), 0xf01 << 10 | FULL);
  assertEquals(r.hart.translate(vaddr, 0, READ), -1); // misaligned superpage
});

Deno.test("without translation an address of more than 56 bits is an access fault", () => {
  const r = rig("rv64gc");
  assertEquals(r.hart.translate(0, 1 << 24, READ), -1);
  r.hart.raise();
  assertEquals(r.hart.reg("mcause"), 5n);
});

Deno.test("750 random leaves in random modes give what QEMU gives", () => {
  const text = Deno.readTextFileSync(new URL("./testing/mmu_qemu.txt", import.meta.url));
  const harts = { 64: rig("rv64gc_svnapot_svpbmt"), 32: rig("rv32gc") }, root = 0x8050_0000;
  harts[64].hart.setReg("menvcfg", 1n << 62n);
  for (const r of Object.values(harts)) {
    r.hart.setReg("pmpaddr0", (1n << 54n) - 1n);
    r.hart.setReg("pmpcfg0", 0x1fn);
  }
  const cases = text.split("\n").filter((line) => line && !line.startsWith("#"));
  assertEquals(cases.length, 750);
  for (const line of cases) {
    const [first, ...rest] = line.split(" "), xlen = Number(first) as 32 | 64, { hart, env } = harts[xlen], bytes = xlen / 8;
    const [kind, levels, leaf, vaddr, pte, status, cause, paddr, after] = rest.map((w) => BigInt(`0x${w}`));
    const poke = (at: number, value: bigint) => xlen === 64 ? env.poke64(at, value) : env.poke32(at, Number(BigInt.asIntN(32, value)));
    let at = 0;
    for (let level = Number(levels) - 1, table = root; level >= Number(leaf); level--, table += 0x1000) {
      const bits = xlen === 64 ? 9 : 10;
      at = table + bytes * Number(vaddr >> BigInt(12 + bits * level) & BigInt((1 << bits) - 1));
      poke(at, level === Number(leaf) ? pte : BigInt(table + 0x1000) >> 2n | 1n);
    }
    hart.setReg("satp", (xlen === 64 ? levels + 5n << 60n : 1n << 31n) | BigInt(root >>> 12));
    const fetch = kind === 2n, lo = Number(BigInt.asIntN(32, fetch ? vaddr & ~3n : vaddr)), hi = Number(BigInt.asIntN(32, vaddr >> 32n));
    hart.setReg("priv", 3n);
    hart.setReg("mstatus", status | (fetch ? 0n : 1n << 17n));
    if (fetch) hart.setReg("priv", status >> 11n & 3n);
    const access = Number(kind) as Access,
      paddrOrFault = hart.translate(lo, hi, access),
      got = env.ram(paddrOrFault, 8) < 0 ? -1 : paddrOrFault;
    if (paddrOrFault >= 0 && got < 0) hart.busFault(lo, hi, access);
    if (got < 0) hart.raise();
    const marked = got >= 0x8040_0000 && got < 0x8041_0000; // the guest filled only these pages
    const fine = !fetch ? (1n << BigInt(xlen)) - 1n : marked ? 8n + (status >> 11n & 3n) : 2n;
    assertEquals(got < 0 ? hart.reg("mcause") : fine, cause, line);
    if (!fetch && got >= 0) assertEquals(marked ? BigInt(got) : 0n, paddr, line);
    assertEquals(xlen === 64 ? env.peek64(at) : env.peek64(at - at % 8) >> BigInt(8 * (at % 8)) & 0xffff_ffffn, after, line);
    poke(at, 0n);
  }
});
