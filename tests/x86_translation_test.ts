// Address translation against the slow model of tests/models, over random page tables of every kind of paging. Each kind of answer must have
// come often enough, or the test has seen nothing.
import { assert, assertEquals } from "@std/assert";
import { type Access, type CoreEnv, FETCH, READ, WRITE } from "../src/ir/frontend.ts";
import { limitsOf } from "../src/ir/limits.ts";
import { Paging } from "../src/x86/paging.ts";
import { Random } from "./fuzz/random.ts";
import { type Control, type Kind, translate } from "./models/x86_translation.ts";

const BYTES = 0x1_0000, ROUNDS = 400, ACCESSES = 60, TABLES = 8, TABLE = (n: number) => 0x1000 * (n + 1);
const KINDS: readonly (readonly [Kind, Access])[] = [["read", READ], ["write", WRITE], ["fetch", FETCH]];
const SLOTS = [0, 1, 2, 255, 256, 510, 511], SLOTS32 = [0, 1, 2, 511, 512, 1022, 1023];

/** An entry that makes sense up to a bit or two. */
function entry(r: Random, levels: number): bigint {
  const flags = BigInt(r.pick([0x07, 0x07, 0x27, 0x67, 0x05, 0x25, 0x03, 0x23, 0x63, 0x01, 0x61, 0x67 | 0x100]));
  let e = BigInt(TABLE(r.below(TABLES))) | flags;
  if (r.one(2)) {
    // A page: a large one, above the last level.
    const at = levels === 2 ? BigInt(r.bits()) : r.bits64() & 0xff_ffff_ffffn;
    const mask = r.pick([0xfffn, 0x1f_ffffn, 0x3fff_ffffn, levels === 2 ? 0x3f_ffffn : 0x1f_ffffn]);
    e = at & ~mask | flags | (r.one(2) ? 0x80n : 0n) | (r.one(8) ? 0x1000n : 0n);
    if (levels === 2 && r.one(2)) e |= BigInt(r.below(256)) << 13n;
  }
  if (levels > 2 && r.one(8)) e |= 1n << 63n;
  if (r.one(12)) e ^= 1n << BigInt(r.below(9));
  if (r.one(12)) e ^= 1n << BigInt(12 + r.below(20));
  if (levels > 2 && r.one(12)) e ^= 1n << BigInt(40 + r.below(23));
  if (levels > 3 && !r.one(4)) e |= r.pick([1n, 2n, 8n, 15n]) << 59n;
  return e;
}

for (const [levels, name] of [[2, "32-bit paging"], [3, "PAE"], [4, "4-level paging"], [5, "5-level paging"]] as const) {
  Deno.test(`${name} is what the slow model says`, () => {
    const random = new Random(levels), seen = new Map<string, number>(), legacy = levels === 2;
    const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
    const memory = new ArrayBuffer(BYTES), i32 = new Int32Array(memory), u8 = new Uint8Array(memory), view = new DataView(memory);
    const wrote = new Set<number>();
    const env = {
      limits: limitsOf({ walkedTables: 2 }),
      i32,
      ram: (at: number, size: number) => (at + size <= BYTES ? at : -1),
      walkerWrote: (at: number) => void wrote.add(at),
      table: () => {},
    };
    const entryAt = (at: bigint) =>
      at + (legacy ? 4n : 8n) > BigInt(BYTES)
        ? undefined
        : legacy
        ? BigInt(view.getUint32(Number(at), true))
        : view.getBigUint64(Number(at), true);
    const slots = legacy ? SLOTS32 : SLOTS, indexBits = legacy ? 10n : 9n;
    for (let round = 0; round < (levels > 3 ? 2 * ROUNDS : ROUNDS); round++) {
      const paging = new Paging(env as unknown as CoreEnv);
      for (let t = 0; t < TABLES; t++) {
        for (const n of slots) {
          const e = entry(random, levels);
          if (legacy) view.setUint32(TABLE(t) + 4 * n, Number(BigInt.asUintN(32, e)), true);
          else view.setBigUint64(TABLE(t) + 8 * n, e, true);
        }
      }
      const flag = () => random.one(2);
      paging.levels = levels;
      paging.root = random.one(40) ? BYTES : TABLE(0);
      const pdptes = [0, 1, 2, 3].map(() => random.one(6) ? 0n : BigInt(TABLE(random.below(TABLES))) | 1n);
      pdptes.forEach((e, i) => {
        paging.pdpteLo[i] = Number(BigInt.asIntN(32, e));
        paging.pdpteHi[i] = Number(BigInt.asIntN(32, e >> 32n));
      });
      for (let n = 0; n < ACCESSES; n++) {
        const [pse, nxe, wp, smep, smap, user] = [flag(), flag(), flag(), flag(), flag(), flag()];
        Object.assign(paging, { pse, nxe, wp, smep });
        // What has no keys never has their rights either: cpu.ts sees to that.
        const [pkru, pkrs] = [0, 1].map(() => levels > 3 && !random.one(4) ? random.bits() : undefined);
        Object.assign(paging, { userKeys: pkru ?? 0, systemKeys: pkrs ?? 0 });
        const control: Control = { levels, root: BigInt(paging.root), pdptes, pse, nxe, wp, smep, smap, pkru, pkrs };
        let la = Array.from({ length: levels }, (_, i) => BigInt(levels === 3 && i === 0 ? random.below(4) : random.pick(slots)))
              .reduce((all, i) => all << indexBits | i, 0n) << 12n | BigInt(random.below(4096));
        if (levels > 3) la = BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, la));
        const [kind, access] = random.pick(KINDS), model = translate(control, entryAt, la, kind, user);
        const [lo, hi] = [Number(BigInt.asIntN(32, la)), Number(BigInt.asIntN(32, la >> 32n))];
        const before = u8.slice(),
          where = `${name}, round ${round}, access ${n}: ${user ? "user" : "system"} ${kind} at 0x${la.toString(16)}`;
        const text = (paddr: number) => paddr < 0 ? `error ${paging.errorCode}` : paddr.toString(16);
        const wanted = model.paddr === undefined ? `error ${model.error}` : model.paddr.toString(16);
        assertEquals(text(paging.walk(lo, hi, access, user, smap, true)), wanted, `${where}, without effects`);
        assertEquals(u8, before, `${where}: no effects`);
        wrote.clear();
        assertEquals(text(paging.walk(lo, hi, access, user, smap, false)), wanted, where);
        const writable = model.paddr !== undefined && translate(control, entryAt, la, "write", user);
        if (writable && kind === "read") {
          // An entry for writes is filled, too, when a write is allowed and would change nothing.
          assertEquals(
            paging.writable,
            writable.paddr !== undefined && writable.updates.length === 0,
            `${where}: writable`,
          );
        }
        if (model.level !== undefined) assertEquals(paging.leaf, model.level - 1, where);
        if (model.failed !== undefined) assertEquals(paging.level, model.failed - 1, `${where}: the level of the failure`);
        for (const [at, value] of model.updates) before[Number(at)] = value;
        assertEquals(u8, before, `${where}: A and D`);
        assertEquals([...wrote].sort(), [...new Set(model.updates.map(([at]) => Number(at)))].sort(), `${where}: what was written is told`);
        count(model.paddr !== undefined ? `level ${model.level}` : `error ${model.error}`);
        if (model.error === 35) count(`error 35 with ${control.wp ? "WP" : "no WP"}`);
        if (model.updates.length) count("updates");
      }
    }
    const errors = [0, 2, 4, 6, 16, 20, 1, 3, 5, 7, 17, 21, 9, 11, 13, 15, 25, 29],
      least = (what: string, n: number) => assert((seen.get(what) ?? 0) >= n, `${what}: ${seen.get(what) ?? 0}, not ${n}`);
    for (const e of errors) least(`error ${e}`, 5);
    // Keys: reads and writes of both, user and supervisor.
    const keys = ["error 33", "error 35 with WP", "error 35 with no WP", "error 37", "error 39"];
    for (const what of keys) levels > 3 ? least(what, 5) : assertEquals(seen.get(what), undefined);
    for (let level = 1; level <= Math.min(3, levels === 3 ? 2 : levels); level++) least(`level ${level}`, 20);
    least("updates", 200);
  });
}
