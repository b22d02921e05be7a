// What scripts ask of an x86 processor: its mode, its page tables, names of bits, its events. Intel SDM volume 3A (253668-083), "SDM".
import type { Cpu } from "../../core/cpu.ts";
import type { X86Cpu } from "../../x86/cpu.ts";
import { modeName } from "../../x86/debug.ts";
import { type EventKind, eventName, EXTERNAL } from "../../x86/exceptions.ts";
import {
  AC,
  AF,
  CF,
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_DE,
  CR4_FSGSBASE,
  CR4_LA57,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_OSXSAVE,
  CR4_PAE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_PKS,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  DF,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  ID,
  IF,
  NT,
  OF,
  PF,
  RF,
  SF,
  TF,
  VIF,
  VIP,
  VM,
  ZF,
} from "../../x86/registers.ts";
import type { EngineCpu } from "../engine_cpu.ts";
import { type Inspector, listen } from "../inspector.ts";
import type { PageEntry, PageTables, Rights } from "../page_walk.ts";

const P = 1n, RW = 2n, US = 4n, A = 0x20n, D = 0x40n, PS = 0x80n, G = 0x100n, XD = 1n << 63n;
/** Physical addresses have 40 bits (MAXPHYADDR). */
const ADDRESS = 0xff_ffff_f000n;
const NAMES = ["PML5", "PML4", "page directory pointer table", "page directory", "page table"];

/** The tables of the mode that it is in (SDM 4.1.1). PAE's PDPTEs are read from memory, not from the registers that CR3's last load filled. */
function tables(cpu: Cpu): PageTables | string {
  const cr0 = BigInt.asUintN(32, cpu.reg("cr0")), cr4 = cpu.reg("cr4"), efer = cpu.reg("efer"), cr3 = cpu.reg("cr3");
  const has = (value: bigint, bit: number) => (value & BigInt(bit >>> 0)) !== 0n;
  if (!has(cr0, CR0_PG)) return "it has no page tables: CR0.PG is 0";
  const long = has(efer, EFER_LMA), pae = has(cr4, CR4_PAE);
  const indices = long ? has(cr4, CR4_LA57) ? [9, 9, 9, 9, 9] : [9, 9, 9, 9] : pae ? [2, 9, 9] : [10, 10];
  const nxe = has(efer, EFER_NXE), bits = indices.reduce((a, b) => a + b, 12);
  return {
    root: cr3 & (pae && !long ? 0xffff_ffe0n : ADDRESS),
    indices,
    entryBytes: pae || long ? 8 : 4,
    names: NAMES.slice(-indices.length),
    refuses: (address) =>
      long
        ? address === BigInt.asUintN(64, BigInt.asIntN(bits, address)) ? undefined : "the address is not canonical"
        : address >> 32n
        ? "the address has more than 32 bits"
        : undefined,
    entry: (value, level) =>
      pae || long ? wideEntry(value, level, long ? undefined : indices.length - 1, nxe) : narrowEntry(value, level, has(cr4, CR4_PSE)),
    combine: (above, below): Rights => ({
      ...below,
      writable: above.writable && below.writable,
      executable: above.executable && below.executable,
      user: above.user && below.user,
    }),
  };
}

const rightsOf = (value: bigint, nxe: boolean): Rights => ({
  readable: true,
  writable: (value & RW) !== 0n,
  executable: !(nxe && value & XD),
  user: (value & US) !== 0n,
  global: (value & G) !== 0n,
  accessed: (value & A) !== 0n,
  dirty: (value & D) !== 0n,
});

/** SDM 4.4, 4.5: entries of 8 bytes. `pdpte`: the level of PAE's four entries, which have no rights. */
function wideEntry(value: bigint, level: number, pdpte: number | undefined, nxe: boolean): PageEntry {
  const first = level === pdpte, leaf = level === 0 || (!first && level <= 2 && (value & PS) !== 0n);
  const reserved = value >> 40n & (pdpte === undefined ? 0xfffn : 0x7f_ffffn), size = 1n << BigInt(12 + 9 * level);
  const bad = !(value & P)
    ? "the entry is not present"
    : reserved || (value & XD && (!nxe || first)) || (level > 2 && value & PS) || (leaf && level > 0 && value & (size - 0x2000n))
    ? "the entry has reserved bits set"
    : undefined;
  return { bad, leaf, to: value & ADDRESS, rights: first ? rightsOf(RW | US, nxe) : rightsOf(value, nxe) };
}

/** SDM 4.3: entries of 4 bytes; a page of 4 MiB has bits 39 to 32 of its address in bits 20 to 13. */
function narrowEntry(value: bigint, level: number, pse: boolean): PageEntry {
  const large = level === 1 && pse && (value & PS) !== 0n;
  const bad = !(value & P) ? "the entry is not present" : large && value & 0x20_0000n ? "the entry has reserved bits set" : undefined;
  const to = large ? (value & 0xffc0_0000n) | (value >> 13n & 0xffn) << 32n : value & 0xffff_f000n;
  return { bad, leaf: level === 0 || large, to, rights: rightsOf(value, false) };
}

const field = (names: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(names).map(([name, bit]) => [name, BigInt(bit >>> 0)]));
// deno-fmt-ignore
const FIELDS = {
  cr0: field({ PE: CR0_PE, MP: CR0_MP, EM: CR0_EM, TS: CR0_TS, ET: CR0_ET, NE: CR0_NE, WP: CR0_WP, AM: CR0_AM, NW: CR0_NW, CD: CR0_CD, PG: CR0_PG }),
  cr4: field({
    TSD: CR4_TSD, DE: CR4_DE, PSE: CR4_PSE, PAE: CR4_PAE, PGE: CR4_PGE, PCE: CR4_PCE, OSFXSR: CR4_OSFXSR, OSXMMEXCPT: CR4_OSXMMEXCPT,
    UMIP: CR4_UMIP, LA57: CR4_LA57, FSGSBASE: CR4_FSGSBASE, PCIDE: CR4_PCIDE, OSXSAVE: CR4_OSXSAVE, SMEP: CR4_SMEP, SMAP: CR4_SMAP,
    PKE: CR4_PKE, PKS: CR4_PKS,
  }),
  efer: field({ SCE: EFER_SCE, LME: EFER_LME, LMA: EFER_LMA, NXE: EFER_NXE }),
  eflags: field({ CF, PF, AF, ZF, SF, TF, IF, DF, OF, NT, RF, VM, AC, VIF, VIP, ID }),
};

export const inspector: Inspector = {
  modes: ["real", "virtual-8086", "16-bit protected", "32-bit protected", "16-bit compatibility", "32-bit compatibility", "64-bit"],
  mode: (cpu) => modeName((cpu as EngineCpu<X86Cpu>).core),
  // SDM 5.5: the kernel's levels are 0 to 2 where pages are concerned.
  privilege: (cpu) => cpu.reg("cpl") === 3n ? "user" : "supervisor",
  tables,
  fields: FIELDS,
  watchTraps: (cpu, onTrap) => listen((cpu as EngineCpu<X86Cpu>).core.events.history, 0x3ff, onTrap),
  trap: (what) => {
    const number = what & 0xff, kind = what >> 8 & 3;
    return { interrupt: kind === EXTERNAL, number, name: eventName(number, kind as EventKind) };
  },
};
