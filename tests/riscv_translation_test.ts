// Address translation and PMP against the slow model of tests/models, over random page tables, modes and registers. Each kind of answer must
// have come often enough, or the test has seen nothing.
import { assert, assertEquals } from "@std/assert";
import { type Access, FETCH, READ, WRITE } from "../src/ir/frontend.ts";
import { RAM, rig } from "../src/riscv/testing/fake_env.ts";
import { Random } from "./fuzz/random.ts";
import { type Kind, type Outcome, type Registers, translate } from "./models/riscv_translation.ts";

const ROUNDS = 1000, ACCESSES = 60;
const TABLES = 8, TABLE = (n: number) => RAM + 0x1_0000 + 0x1000 * n;
/** Indices that are filled: the ends and the middle of tables. */
const SLOTS = [0, 1, 2, 255, 256, 510, 511], SLOTS32 = [0, 1, 2, 511, 512, 1022, 1023];
const KINDS: readonly (readonly [Kind, Access])[] = [["read", READ], ["write", WRITE], ["fetch", FETCH]];
const CAUSES: Readonly<Record<Kind, readonly [page: bigint, access: bigint]>> = { read: [13n, 5n], write: [15n, 7n], fetch: [12n, 1n] };
const MODES: Readonly<Record<number, number>> = { 0: 0, 8: 3, 9: 4, 10: 5 };

/** A page-table entry that makes sense up to a bit or two. */
function entry(r: Random, xlen: 32 | 64): bigint {
  const wide = xlen === 64;
  let pte: bigint;
  if (r.below(10) < 5) pte = BigInt(TABLE(r.below(TABLES))) >> 12n << 10n | 1n;
  else {
    const page = r.pick([
      BigInt(RAM) >> 12n,
      (BigInt(RAM) >> 12n) + BigInt(r.below(0x800)),
      r.bits64() & (wide ? 0xfff_ffff_ffffn : 0x3f_ffffn),
    ]);
    const aligned = r.one(3) ? page : page & ~(r.pick([0x1ffn, 0x3ffn, 0x3_ffffn, 0x7ff_ffffn, 0xf_ffff_ffffn]));
    pte = aligned << 10n | BigInt(r.pick([0xcf, 0xdf, 0xcf, 0xdf, 0xc7, 0xd7, 0xc3, 0xd3, 0xc9, 0xd9, 0x4f, 0x5f, 0x0f, 0x1f]));
    if (wide && r.one(6)) pte = pte & ~(0xfn << 10n) | 8n << 10n | 1n << 63n;
  }
  if (r.one(8)) pte ^= 1n << BigInt(r.below(10));
  if (wide && r.one(10)) pte |= BigInt(1 + r.below(3)) << 61n;
  if (wide && r.one(30)) pte ^= 1n << BigInt(54 + r.below(10));
  return pte;
}

function fuzz(isa: string, xlen: 32 | 64, seed: number): Map<string, number> {
  const random = new Random(seed), seen = new Map<string, number>(), wide = xlen === 64;
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  const r = rig(isa, { mmu: wide ? "sv57" : "sv32" }), { hart, env } = r, slots = wide ? SLOTS : SLOTS32;
  const memory = { read: (at: bigint) => (at < BigInt(RAM) || env.ram(Number(at), 1) < 0) ? undefined : env.u8[env.ram(Number(at), 1)] };
  for (let round = 0; round < ROUNDS; round++) {
    hart.reset();
    for (let t = 0; t < TABLES; t++) {
      for (const n of slots) {
        wide
          ? env.poke64(TABLE(t) + 8 * n, entry(random, xlen))
          : env.poke32(TABLE(t) + 4 * n, Number(BigInt.asIntN(32, entry(random, xlen))));
      }
    }
    const root = random.one(40) ? RAM - 0x1000 : TABLE(0), mode = wide ? random.pick([0, 8, 9, 10]) : random.below(2);
    const satp = wide ? BigInt(mode) << 60n | BigInt(root >>> 12) : BigInt(mode) << 31n | BigInt(root >>> 12);
    const menvcfg = wide ? BigInt(random.below(4)) << 61n : BigInt(random.below(2)) << 61n;
    const pmp = Array.from({ length: 16 }, () => ({ cfg: 0, address: 0n }));
    // Mostly one entry behind some odd ones opens everything.
    for (let i = 0; i < 4; i++) {
      if (!random.one(3)) continue;
      const at = random.pick([RAM, TABLE(random.below(TABLES)), RAM + random.below(0x80_0000)]) >>> 2;
      const cfg = random.pick([1, 2, 3]) << 3 | random.pick([7, 3, 1, 5, 0]) | (random.one(4) ? 0x80 : 0);
      pmp[i] = { cfg, address: BigInt(at) | (random.one(2) ? (1n << BigInt(random.below(14))) - 1n : 0n) };
    }
    if (!random.one(5)) pmp[4] = { cfg: 0x1f, address: wide ? (1n << 54n) - 1n : 0xffff_ffffn };
    hart.setReg("satp", satp);
    if (wide) hart.setReg("menvcfg", menvcfg);
    else hart.setReg("menvcfgh", menvcfg >> 32n);
    pmp.forEach(({ address }, i) => hart.setReg(`pmpaddr${i}`, address));
    const perRegister = xlen / 8;
    for (let i = 0; i < 16; i += perRegister) {
      const value = pmp.slice(i, i + perRegister).reduceRight((all, { cfg }) => all << 8n | BigInt(cfg), 0n);
      hart.setReg(`pmpcfg${i / 4}`, value);
    }
    for (let n = 0; n < ACCESSES; n++) {
      const mstatus = BigInt(random.below(8)) << 17n | BigInt(random.pick([0, 1, 3])) << 11n;
      const privilege = random.pick([0, 1, 1, 3]);
      hart.setReg("priv", 3n);
      hart.setReg("mstatus", mstatus);
      hart.setReg("priv", BigInt(privilege));
      const levels = wide ? MODES[mode] || 3 : 2, bits = wide ? 9n : 10n;
      let va = Array.from({ length: levels }, () => BigInt(random.pick(slots))).reduce((all, n) => all << bits | n, 0n) << 12n |
        BigInt(random.below(4096));
      if (wide) va = BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, va));
      if (wide && random.one(20)) va ^= 1n << BigInt(random.below(64));
      if (mode === 0 || random.one(20)) va = BigInt(RAM + random.below(0x80_0000));
      const size = random.pick([1, 2, 4, ...(wide ? [8] : [])]);
      va &= ~BigInt(size - 1);
      const [kind, access] = random.pick(KINDS), bytes = kind === "fetch" ? 1 : size;
      // What the hart has, its own rules for writing registers applied.
      const registers: Registers = {
        xlen,
        privilege,
        mstatus: hart.reg("mstatus"),
        satp: hart.reg("satp"),
        menvcfg: wide ? hart.reg("menvcfg") : hart.reg("menvcfgh") << 32n,
        pmpcfg: Array.from(
          { length: 16 },
          (_, i) => Number(hart.reg(`pmpcfg${(i / perRegister | 0) * perRegister / 4}`) >> BigInt(8 * (i % perRegister)) & 0xffn),
        ),
        pmpaddr: Array.from({ length: 16 }, (_, i) => hart.reg(`pmpaddr${i}`)),
      };
      const model = translate(registers, memory, va, kind, bytes),
        update = "update" in model ? model.update as readonly [bigint, number] : undefined;
      const before = update && env.u8[env.ram(Number(update[0]), 1)];
      const got = hart.translate(Number(BigInt.asIntN(32, va)), Number(BigInt.asIntN(32, va >> 32n)), access, bytes);
      const where = `seed ${seed}, round ${round}, access ${n}: ${kind} of ${bytes} at 0x${
        va.toString(16)
      }, mode ${mode}, privilege ${privilege}`;
      // Beyond 53 bits addresses are rounded, and nothing is there: an access fault, now or at the access.
      const nowhere = "paddr" in model && model.paddr >= 2n ** 53n;
      if (nowhere) assert(got < 0 ? answer(r, got, kind) === expected({ fault: "access" }, kind) : got >= 2 ** 53, where);
      else assertEquals(answer(r, got, kind), expected(model, kind), where);
      if (update) {
        assertEquals(env.u8[env.ram(Number(update[0]), 1)], update[1], `${where}: A and D`);
        assert(before !== update[1]);
      }
      count(
        "paddr" in model
          ? (update ? "update" : privilege === 3 && !(registers.mstatus & 0x2_0000n) ? "machine" : `mode ${mode}`)
          : `${model.fault} fault`,
      );
    }
  }
  return seen;
}

/** The physical address, or the cause of the exception, which is taken and undone. */
function answer({ hart }: ReturnType<typeof rig>, paddr: number, kind: Kind): string {
  if (paddr >= 0) return BigInt(paddr).toString(16);
  const saved = hart.save();
  hart.setReg("medeleg", 0n);
  hart.raise();
  const cause = hart.reg("mcause");
  hart.load(saved);
  return `${kind} fault ${cause}`;
}
const expected = (model: Outcome, kind: Kind): string =>
  "paddr" in model ? model.paddr.toString(16) : `${kind} fault ${CAUSES[kind][model.fault === "page" ? 0 : 1]}`;

for (
  const [isa, xlen, floors] of [
    ["rv64gc_svnapot_svpbmt_svadu", 64, {
      "mode 8": 500,
      "mode 9": 200,
      "mode 10": 100,
      "mode 0": 2000,
      machine: 2000,
      update: 100,
      "page fault": 5000,
      "access fault": 2000,
    }],
    ["rv32gc_svadu", 32, { "mode 1": 1000, "mode 0": 2000, machine: 2000, update: 200, "page fault": 3000, "access fault": 2000 }],
  ] as const
) {
  Deno.test(`${isa}: translation and PMP are what the slow model says`, () => {
    const seen = fuzz(isa, xlen, 1);
    for (const [what, least] of Object.entries(floors)) {
      assert((seen.get(what) ?? 0) >= least, `${what}: ${seen.get(what) ?? 0}, not ${least}`);
    }
  });
}
