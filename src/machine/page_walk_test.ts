// What page tables say of an address, against what the processors themselves make of the same tables: random ones, in every scheme.
import { assertEquals } from "@std/assert";
import type { Cpu } from "../core/cpu.ts";
import { inspectorOf, loadInspector } from "./inspector.ts";
import type { Machine } from "./machine.ts";
import { mappingOf, type PageTables } from "./page_walk.ts";
import { HALTED, machineFrom } from "./testing/machine_from.ts";

/** Numbers below `n` by a seed (a linear congruential generator of 32 bits). */
function randomOf(seed: number): (n: number) => number {
  let state = seed;
  return (n) => Math.floor((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 * n);
}

const PAGE = 4096;

/** Walks random tables, `rounds` times; how often each outcome was seen. `allowed`: which accesses the rights permit. */
async function compare(
  { bus, cpus: [cpu] }: Machine,
  base: number,
  rounds: number,
  how: {
    entry(random: (n: number) => number, level: number, next: number): bigint;
    allowed(m: Extract<ReturnType<typeof mappingOf>, { pa: bigint }>): Readonly<Record<"read" | "write" | "fetch", boolean>>;
  },
): Promise<Record<string, number>> {
  await loadInspector(cpu);
  const random = randomOf(7), tables = inspectorOf(cpu)!.tables(cpu) as PageTables, seen: Record<string, number> = {};
  const { indices, entryBytes } = tables, bits = indices.reduce((a, b) => a + b, 12), top = 1n << BigInt(bits - 1);
  for (let round = 0; round < rounds; round++) {
    let address = 0n;
    for (let i = 0; i < bits; i += 8) address = address << 8n | BigInt(random(256));
    address &= (1n << BigInt(bits)) - 1n;
    if (bits > 34 && address & top) address = BigInt.asUintN(64, BigInt.asIntN(bits, address));
    let below = bits;
    for (const [i, n] of indices.entries()) {
      below -= n;
      const index = Number(address >> BigInt(below) & ((1n << BigInt(n)) - 1n)), level = indices.length - 1 - i;
      const value = how.entry(random, level, base + PAGE * (i + 1)), at = base + PAGE * i + index * entryBytes;
      bus.write(at, 4, Number(value & 0xffff_ffffn));
      if (entryBytes === 8) bus.write(at + 4, 4, Number(value >> 32n));
    }
    const mapping = mappingOf(tables, bus, address), rights = mapping.pa === undefined ? undefined : how.allowed(mapping);
    for (const access of ["read", "write", "fetch"] as const) {
      const found = cpu.translate(address, access), expected = rights?.[access] ? Number(mapping.pa) : undefined;
      assertEquals(found, expected, `round ${round}: ${access} of 0x${address.toString(16)}: ${Deno.inspect(mapping)}`);
      seen[expected === undefined ? "refused" : access] = (seen[expected === undefined ? "refused" : access] ?? 0) + 1;
    }
    const kind = mapping.pa === undefined ? mapping.why.replace(/^the .*: /, "") : `page of ${mapping.pageBytes}`;
    seen[kind] = (seen[kind] ?? 0) + 1;
  }
  return seen;
}

const RISCV = [["riscv64", "sv39", 8n], ["riscv64", "sv48", 9n], ["riscv64", "sv57", 10n], ["riscv32", "sv32", 1n]] as const;
for (const [arch, mmu, mode] of RISCV) {
  Deno.test(`page tables of ${mmu}: as the hart itself walks them`, async () => {
    const isa = `${arch === "riscv64" ? "rv64" : "rv32"}gc${arch === "riscv64" ? "_svnapot_svpbmt" : ""}`;
    const m = await machineFrom(
      `schema = 1\n[cpu]\narch = "${arch}"\nisa = "${isa}"\nmmu = "${mmu}"\nreset = 0x8000_0000\n[memory.ram]\nat = 0x8000_0000\nsize = "256KiB"\n`,
      { kernel: new Uint8Array(4) },
      { set: { "boot.load": 0x8000_0000 } },
    );
    const [cpu] = m.cpus, base = 0x8000_0000, wide = arch === "riscv64";
    cpu.setReg("pmpaddr0", wide ? 0x3f_ffff_ffff_ffffn : 0xffff_ffffn);
    cpu.setReg("pmpcfg0", 0x1fn);
    cpu.setReg("priv", 1n);
    cpu.setReg("satp", mode << (wide ? 60n : 31n) | BigInt(base) >> 12n);
    const seen = await compare(m, base, 300, {
      entry: (random, level, next) => {
        const kind = random(10), address = BigInt(next) >> 12n << 10n;
        if (kind < 6 && level > 0) return address | 1n;
        const flags = BigInt(random(256)) | (kind < 9 ? 0xc1n : 0n), step = wide ? 9 : 10;
        let ppn = BigInt(random(1 << 20));
        if (random(4)) ppn = ppn >> BigInt(step * level) << BigInt(step * level);
        const napot = wide && random(8) === 0 ? 1n << 63n : 0n;
        if (napot && random(2)) ppn = ppn & ~15n | 8n;
        return ppn << 10n | flags | napot | (wide && random(30) === 0 ? 1n << BigInt(54 + random(7)) : 0n);
      },
      // Supervisor mode, SUM and MXR clear; A and D are set by the walk.
      allowed: ({ readable, writable, executable, user }) => ({
        read: readable && !user,
        write: writable && !user,
        fetch: executable && !user,
      }),
    });
    for (const what of ["read", "write", "fetch", "refused", "page of 4096", `page of ${wide ? 2 << 20 : 4 << 20}`]) {
      assertEquals(seen[what] > 5, true, `${what}: ${Deno.inspect(seen)}`);
    }
  });
}

/** Names, and CR4 and EFER. */
const X86 = [["32-bit", 0x10n, 0n], ["4-level", 0x20n, 0xd00n], ["5-level", 0x1020n, 0xd00n]] as const;
for (const [name, cr4, efer] of X86) {
  Deno.test(`page tables of ${name} paging: as the processor itself walks them`, async () => {
    const m = await machineFrom(`schema = 1\n[cpu]\narch = "x86_64"\n[memory.ram]\nat = 0\nsize = "2MiB"\n`, { kernel: HALTED });
    const [cpu]: readonly Cpu[] = m.cpus, base = 0x10_0000;
    cpu.setReg("cr4", cr4);
    cpu.setReg("efer", efer);
    cpu.setReg("cr3", BigInt(base));
    cpu.setReg("cr0", 0x8001_0001n);
    const long = efer !== 0n;
    const seen = await compare(m, base, 300, {
      entry: (random, level, next) => {
        const kind = random(10), flags = BigInt(random(512)) | (kind < 9 ? 1n : 0n), xd = long && random(3) === 0 ? 1n << 63n : 0n;
        if (kind < 6 && level > 0) return BigInt(next) | flags & ~0x80n | xd;
        let page = BigInt(random(1 << 20)) << 12n;
        const step = long ? 9 : 10, below = BigInt(12 + step * level);
        if (random(4)) page = page >> below << below;
        return page | flags | (level > 0 ? 0x80n : 0n) | xd | (long && random(30) === 0 ? 1n << BigInt(40 + random(12)) : 0n);
      },
      allowed: ({ writable, executable }) => ({ read: true, write: writable, fetch: executable }),
    });
    for (const what of ["read", "write", "fetch", "refused", "page of 4096", `page of ${long ? 2 << 20 : 4 << 20}`]) {
      assertEquals(seen[what] > 5, true, `${what}: ${Deno.inspect(seen)}`);
    }
  });
}
