// What scripts ask of a hart: its mode, its page tables, names of bits, its traps. RISC-V Privileged 20240411 ("Priv").
import type { Cpu } from "../../core/cpu.ts";
import type { Hart } from "../../riscv/hart.ts";
import { causeName } from "../../riscv/trap.ts";
import type { EngineCpu } from "../engine_cpu.ts";
import { type Inspector, listen, type Privilege } from "../inspector.ts";
import type { PageEntry, PageTables, Rights } from "../page_walk.ts";

const MODES: readonly string[] = ["U-mode", "S-mode", "reserved", "M-mode"],
  PRIVILEGES: readonly Privilege[] = ["user", "supervisor", "supervisor", "machine"];
const V = 1n, R = 2n, W = 4n, X = 8n, U = 0x10n, G = 0x20n, A = 0x40n, D = 0x80n, NAPOT = 1n << 63n;
/** Bits 60 to 54, and those for the attributes of a page (Svpbmt). */
const RESERVED = 0x1fc0_0000_0000_0000n, PBMT = 3n << 61n, PPN_MASK = (1n << 44n) - 1n;

/** Index bits by the MODE field of satp (Priv 10.1.11, tables 27 and 28). */
const SCHEMES: Readonly<Record<number, readonly number[]>> = { 1: [10, 10], 8: [9, 9, 9], 9: [9, 9, 9, 9], 10: [9, 9, 9, 9, 9] };

function tables(cpu: Cpu): PageTables | string {
  if (!cpu.registers.some((r) => r.name === "satp")) return "it has no page tables: no satp";
  const satp = cpu.reg("satp"), wide = cpu.arch === "riscv64", indices = SCHEMES[Number(wide ? satp >> 60n : satp >> 31n)];
  if (!indices) return "it has no page tables: satp.MODE is Bare";
  const root = (satp & (wide ? PPN_MASK : 0x3f_ffffn)) << 12n,
    bits = BigInt(indices.reduce((a, b) => a + b, 12)),
    step = BigInt(indices[0]);
  return {
    root,
    indices,
    entryBytes: wide ? 8 : 4,
    names: indices.map((_, i) => `level ${indices.length - 1 - i}`),
    refuses: (address) => {
      const sign = BigInt.asUintN(64, BigInt.asIntN(Number(bits), address));
      return wide
        ? address === sign ? undefined : "the address is not canonical"
        : address >> 32n
        ? "the address has more than 32 bits"
        : undefined;
    },
    entry: (value, level) => decode(value, wide, level, step),
    combine: (above, below): Rights => ({ ...below, global: above.global || below.global }),
  };
}

/** Priv 10.3.1, 10.4.1; Svnapot (11) has pages of 64 KiB only. */
function decode(value: bigint, wide: boolean, level: number, step: bigint): PageEntry {
  const has = (bit: bigint) => (value & bit) !== 0n, leaf = has(R | X), to = (value >> 10n & (wide ? PPN_MASK : 0x3f_ffffn)) << 12n;
  const rights = {
    readable: has(R),
    writable: has(W),
    executable: has(X),
    user: has(U),
    global: has(G),
    accessed: has(A),
    dirty: has(D),
  };
  const napot = wide && has(NAPOT), bytes = 1n << (12n + step * BigInt(level));
  const bad = !has(V)
    ? "the entry is not valid"
    : (value & (R | W)) === W || (wide && has(RESERVED)) || (!leaf && (has(D | A | U) || (wide && has(PBMT | NAPOT))))
    ? "the entry has reserved bits set"
    : leaf && napot && (level > 0 || (to >> 12n & 15n) !== 8n)
    ? "the entry has reserved bits set"
    : leaf && !napot && to & (bytes - 1n)
    ? "the superpage is misaligned"
    : undefined;
  return { bad, leaf, to, rights, ...(napot ? { bytes: 0x1_0000n } : {}) };
}

const bit = (names: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(names).map(([name, n]) => [name, 1n << BigInt(n)]));
const S_STATUS = { SIE: 1, SPIE: 5, SPP: 8, SUM: 18, MXR: 19 }, S_INTERRUPTS = { S: 1, T: 5, E: 9 };
/** SSIE, STIE, SEIE of `sie`, and so on: a letter for the privilege, the kind, and the end of the name. */
const interrupts = (end: string, machine: boolean) =>
  bit(Object.fromEntries(
    Object.entries(S_INTERRUPTS).flatMap(([kind, n]) => [[`S${kind}${end}`, n], ...machine ? [[`M${kind}${end}`, n + 2]] : []]),
  ));

/** Priv 3.1.6, 3.1.9, 10.1.1, 10.1.3. */
const FIELDS = {
  mstatus: bit({ ...S_STATUS, MIE: 3, MPIE: 7, MPRV: 17, TVM: 20, TW: 21, TSR: 22 }),
  sstatus: bit(S_STATUS),
  mie: interrupts("IE", true),
  mip: interrupts("IP", true),
  sie: interrupts("IE", false),
  sip: interrupts("IP", false),
};

export const inspector: Inspector = {
  modes: ["U-mode", "S-mode", "M-mode"],
  mode: (cpu) => MODES[Number(cpu.reg("priv") & 3n)],
  privilege: (cpu) => PRIVILEGES[Number(cpu.reg("priv") & 3n)],
  tables,
  fields: FIELDS,
  watchTraps: (cpu, onTrap) => listen((cpu as EngineCpu<Hart>).core.traps.history, 0x1ff, onTrap),
  trap: (what) => {
    const number = what & 0xff, interrupt = (what & 0x100) !== 0;
    return { interrupt, number, name: causeName(number, interrupt) };
  },
};
