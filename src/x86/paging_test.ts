import { assertEquals } from "@std/assert";
import { type Access, type CoreEnv, FETCH, READ, WRITE } from "../ir/frontend.ts";
import { Paging, PF_I, PF_P, PF_RSVD, PF_U, PF_W, REASONS } from "./paging.ts";
import { LIMITS } from "../ir/limits.ts";

const BYTES = 0x10_0000;

/** A page walker over 1 MiB of memory at address 0. */
function rig(levels: number) {
  const memory = new ArrayBuffer(BYTES), i32 = new Int32Array(memory), written: number[] = [];
  const ram = (paddr: number, size: number) => paddr + size <= BYTES ? paddr : -1;
  const tables: string[] = [], table = (at: number, level: number) => void tables.push(`${at.toString(16)}:${level}`);
  const paging = new Paging({ limits: LIMITS, i32, ram, walkerWrote: (at: number) => void written.push(at), table } as unknown as CoreEnv);
  paging.levels = levels;
  paging.root = 0x1000;
  paging.wp = paging.nxe = paging.pse = true;
  const set = (at: number, lo: number, hi = 0) => {
    i32[at >> 2] = lo;
    if (levels > 2) i32[(at >> 2) + 1] = hi;
  };
  const get = (at: number) => i32[at >> 2] >>> 0;
  const walk = (lo: number, hi: number, access: Access = READ, user = false, smap = false) =>
    paging.walk(lo, hi, access, user, smap, false);
  return { paging, set, get, walk, written, tables };
}

Deno.test("four and five levels: the physical address of pages of 4 KiB, 2 MiB and 1 GiB", () => {
  for (const levels of [4, 5]) {
    const { paging, set, walk } = rig(levels);
    paging.root = levels === 5 ? 0x8000 : 0x1000;
    set(0x8000 + 8 * 0x155, 0x1007); // bits 56..48
    set(0x1000 + 8 * 0x1aa, 0x2007); // bits 47..39
    set(0x2000 + 8 * 3, 0x3007);
    set(0x2000 + 8 * 4, 0x8000_0087 | 0, 0x12); // 1 GiB at 0x12_8000_0000
    set(0x3000 + 8 * 5, 0x4007);
    set(0x3000 + 8 * 6, 0x0060_0087, 0xff); // 2 MiB
    set(0x4000 + 8 * 7, 0x0009_9007, 0x34);
    // 0xd5.. for bits 47..39 = 0x1aa; sign-extended for four levels.
    const hi = (levels === 5 ? 0x155 << 16 : -1 << 16) | 0xd500;
    assertEquals(walk((3 << 30) | (5 << 21) | (7 << 12) | 0x123, hi), 0x34_0009_9123);
    assertEquals(walk((3 << 30) | (6 << 21) | 0x1f_fedc, hi), 0xff_007f_fedc);
    assertEquals(paging.leaf, 1);
    assertEquals(walk(0x3fff_1234, hi | 1), 0x12_bfff_1234);
    assertEquals(paging.leaf, 2);
  }
});

Deno.test("32-bit paging: 4 KiB, and 4 MiB with address bits 39..32; without PSE the bit is ignored", () => {
  const { paging, set, walk } = rig(2);
  set(0x1000 + 4 * 1, 0x2007);
  set(0x2000 + 4 * 2, 0x7777_7007);
  set(0x1000 + 4 * 0x300, 0x0040_0087 | 0x15 << 13);
  assertEquals(walk((1 << 22) | (2 << 12) | 0xabc, 0), 0x7777_7abc);
  assertEquals(walk(0xc012_3456 | 0, 0), 0x15_0052_3456);
  paging.pse = false;
  assertEquals(walk(0xc012_3456 | 0, 0), -1);
  assertEquals(REASONS[paging.reason], "the page table is not in RAM");
});

Deno.test("PAE: the pointers are registers, and their bits 62..52 are reserved below", () => {
  const { paging, set, walk } = rig(3);
  paging.pdpteLo[3] = 0x3001;
  set(0x3000 + 8 * 4, 0x4003);
  set(0x4000 + 8 * 9, 0x5003, 0x8000_0000 | 0);
  set(0x4000 + 8 * 10, 0x5003, 0x0010_0000);
  const at = (page: number) => (3 << 30) | (4 << 21) | (page << 12);
  assertEquals(walk(at(9) | 5, 0), 0x5005);
  assertEquals(walk(at(9), 0, FETCH), -1);
  assertEquals(paging.errorCode, PF_P | PF_I);
  assertEquals(walk(at(10), 0), -1);
  assertEquals(paging.errorCode, PF_P | PF_RSVD);
  assertEquals(walk(1 << 30, 0), -1);
  assertEquals([paging.errorCode, paging.level], [0, 2]);
});

Deno.test("rights: R/W and U/S of all levels together, WP, NX, SMEP, SMAP, with their error codes", () => {
  const { paging, set, walk } = rig(4);
  set(0x1000, 0x2007);
  set(0x2000, 0x3007);
  set(0x3000, 0x4007);
  set(0x3008, 0x5005); // a read-only directory entry
  const page = (n: number) => n << 12;
  set(0x4000 + 8 * 0, 0x1_0007); // user, writable
  set(0x4000 + 8 * 1, 0x1_1005); // user, read-only
  set(0x4000 + 8 * 2, 0x1_2003); // supervisor, writable
  set(0x4000 + 8 * 3, 0x1_3001); // supervisor, read-only
  set(0x4000 + 8 * 4, 0x1_4007, 0x8000_0000 | 0); // no execution
  set(0x5000, 0x1_5007); // writable, below the read-only entry
  const fault = (lo: number, access: Access, user: boolean, smap = false) => {
    const paddr = walk(lo, 0, access, user, smap);
    return paddr < 0 ? `${paging.errorCode}: ${REASONS[paging.reason]}` : "";
  };
  assertEquals(fault(page(0), WRITE, true), "");
  assertEquals(fault(page(1), WRITE, true), `${PF_P | PF_W | PF_U}: the page is read-only`);
  assertEquals(fault(page(2), READ, true), `${PF_P | PF_U}: a supervisor page is closed to user mode`);
  assertEquals(fault(page(2), WRITE, false), "");
  assertEquals(fault(page(3), WRITE, false), `${PF_P | PF_W}: the page is read-only`);
  assertEquals(fault(page(4), FETCH, true), `${PF_P | PF_U | PF_I}: the page may not be executed (XD)`);
  assertEquals(fault(1 << 21, WRITE, true), `${PF_P | PF_W | PF_U}: the page is read-only`);
  assertEquals(fault(1 << 21, READ, true), "");
  paging.wp = false;
  assertEquals(fault(page(3), WRITE, false), "");
  assertEquals(fault(page(1), WRITE, true), `${PF_P | PF_W | PF_U}: the page is read-only`);
  assertEquals(fault(page(0), READ, false, true), `${PF_P}: a user page is closed to the supervisor (SMAP)`);
  assertEquals(fault(page(0), FETCH, false, true), "");
  paging.smep = true;
  assertEquals(fault(page(0), FETCH, false), `${PF_P | PF_I}: a user page may not be executed by the supervisor (SMEP)`);
  assertEquals(fault(page(2), FETCH, false), "");
  paging.nxe = false;
  assertEquals(fault(page(4), READ, true), `${PF_P | PF_RSVD | PF_U}: the entry has reserved bits set`);
});

Deno.test("reserved bits: addresses beyond 40 bits, PS above the directory pointers, bits below a large page's address", () => {
  const { paging, set, walk } = rig(4);
  set(0x1000, 0x2003);
  set(0x1008, 0x2083);
  set(0x2000, 0x3003);
  set(0x2008, 0x4000_2083);
  set(0x3000, 0x4003);
  set(0x3008, 0x0020_2083);
  set(0x4000, 0x5003, 0x100);
  const reserved = (lo: number, hi: number) => walk(lo, hi) < 0 && paging.errorCode === (PF_P | PF_RSVD);
  assertEquals([reserved(0, 0), reserved(0, 0x80), reserved(1 << 30, 0), reserved(1 << 21, 0)], [true, true, true, true]);
});

Deno.test("accessed bits of every level and the dirty bit of the leaf are set, and only by an access that succeeds", () => {
  const { paging, set, get, walk, written } = rig(4);
  set(0x1000, 0x2007);
  set(0x2000, 0x3007);
  set(0x3000, 0x4007);
  set(0x4000, 0x5005);
  assertEquals(paging.walk(0, 0, READ, true, false, true), 0x5000);
  assertEquals([written, get(0x4000)], [[], 0x5005]);
  assertEquals(walk(0, 0, WRITE, true), -1);
  assertEquals([get(0x1000), get(0x4000)], [0x2027, 0x5005]);
  walk(0, 0, READ, true);
  assertEquals([get(0x2000), get(0x3000), get(0x4000)], [0x3027, 0x4027, 0x5025]);
  paging.wp = false;
  walk(0, 0, WRITE);
  assertEquals(get(0x4000), 0x5065);
  const before = written.length;
  walk(0, 0, WRITE);
  assertEquals(written.length, before);
});

Deno.test("the walker tells of the tables that it went through, once, and not of those of a walk that failed", () => {
  for (
    const [levels, first] of [[4, ["1000:3", "2000:2", "3000:1", "4000:0"]], [3, ["3000:1", "4000:0"]], [2, ["1000:1", "2000:0"]]] as [
      number,
      string[],
    ][]
  ) {
    const { paging, set, walk, tables } = rig(levels);
    set(0x1000, 0x2003);
    if (levels === 4) set(0x2000, 0x3003);
    else if (levels === 2) set(0x2000, 0x5003);
    paging.pdpteLo[0] = 0x3001;
    if (levels > 2) set(0x3000, 0x4003);
    if (levels > 2) set(0x4000, 0x5003);
    const told = (lo: number, access: Access) => {
      tables.length = 0;
      walk(lo, 0, access);
      return tables;
    };
    assertEquals(told(0x1000, READ), []);
    assertEquals(told(0, READ), first);
    assertEquals(told(0, WRITE), []);
    assertEquals(told(0, FETCH), first);
    paging.tables.forget();
    paging.walk(0, 0, READ, false, false, true);
    assertEquals(told(0, READ), first);
  }
});
