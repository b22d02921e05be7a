// Control registers, EFER and XCR0: what may be written and what follows from it. Intel SDM volume 3A (253668-083), 2.2.1, 2.5, 2.6, 4.1, 4.4.1, 9.8.
import type { Microcode } from "./microcode.ts";
import {
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
  CR4_FSGSBASE,
  CR4_LA57,
  CR4_OSXSAVE,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_PKS,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_UMIP,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
} from "./registers.ts";
import { hex, wide, XCPT } from "./exceptions.ts";
import { CS, LONG } from "./segments.ts";

const CR0_WRITABLE = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
/** CR4 bits that every processor here has (TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT), and those that come with a feature. */
const CR4_ALWAYS = 0x7fc;
const CR4_BY_FEATURE: readonly (readonly [string, number])[] = [
  ["umip", CR4_UMIP],
  ["la57", CR4_LA57],
  ["fsgsbase", CR4_FSGSBASE],
  ["pcid", CR4_PCIDE],
  ["xsave", CR4_OSXSAVE],
  ["smep", CR4_SMEP],
  ["smap", CR4_SMAP],
  ["pku", CR4_PKE],
  ["pks", CR4_PKS],
];
/** Upper half of a physical address of 40 bits: what must be zero. */
const BEYOND = ~0xff;

/** MOV to CR0, and LMSW. */
export function writeCr0(cpu: Microcode, lo: number, hi: number): void {
  const s = cpu.s, old = s.cr0, value = (lo & CR0_WRITABLE) | CR0_ET;
  if (hi !== 0 || (value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) cpu.fault(XCPT.GP, 0);
  const paging = (value & CR0_PG) !== 0;
  if (paging !== ((old & CR0_PG) !== 0)) {
    if (paging) {
      if (cpu.window.efer & EFER_LME) {
        if (!(s.cr4 & CR4_PAE) || cpu.segments.attr[CS] & LONG) cpu.fault(XCPT.GP, 0);
      } else if (s.cr4 & CR4_PAE) loadPdptes(cpu, s.cr3Lo);
    } else if (cpu.modes.code64 || s.cr4 & CR4_PCIDE) cpu.fault(XCPT.GP, 0);
    cpu.window.efer = paging && cpu.window.efer & EFER_LME ? cpu.window.efer | EFER_LMA : cpu.window.efer & ~EFER_LMA;
  }
  s.cr0 = value;
  if (!(value & CR0_PE)) cpu.window.cpl = 0;
  if ((old ^ value) & (CR0_PG | CR0_WP | CR0_PE)) {
    cpu.trace?.mmu?.(`cr0 = ${hex(value >>> 0)}`);
    cpu.derived.setPaging();
    cpu.derived.flushAll();
  } else cpu.derived.refresh();
}

/** MOV to CR3. */
export function writeCr3(cpu: Microcode, lo: number, hi: number): void {
  // Bit 63 asks that translations of the PCID be kept (SDM volume 3A, 4.10.4.1); they are coherent with the tables, so it makes no difference.
  if (cpu.s.cr4 & CR4_PCIDE) hi &= 0x7fff_ffff;
  if (cpu.modes.lma && hi & BEYOND) cpu.fault(XCPT.GP, 0);
  loadCr3(cpu, lo, cpu.modes.lma ? hi : 0);
}

/** CR3 with PAE's page directory pointers; also of a task switch. */
export function loadCr3(cpu: Microcode, lo: number, hi: number): void {
  const s = cpu.s;
  if (s.cr0 & CR0_PG && s.cr4 & CR4_PAE && !cpu.modes.lma) loadPdptes(cpu, lo);
  s.cr3Lo = lo;
  s.cr3Hi = hi;
  cpu.trace?.mmu?.(`cr3 = ${hex(wide(lo, hi))}`);
  cpu.derived.setPaging();
  cpu.derived.newRoot();
}

/** SDM 4.4.1: the four entries are registers that are loaded with CR3. */
function loadPdptes(cpu: Pick<Microcode, "env" | "paging" | "fault">, cr3: number): void {
  const { env } = cpu, at = (cr3 & ~31) >>> 0, slot = env.ram(at, 32), entries = new Int32Array(8);
  if (slot >= 0) entries.set(env.i32.subarray(slot >>> 2, (slot >>> 2) + 8));
  for (let n = 0; n < 4; n++) if (entries[2 * n] & 1 && (entries[2 * n] & 0x1e6 || entries[2 * n + 1] & BEYOND)) cpu.fault(XCPT.GP, 0);
  for (let n = 0; n < 4; n++) {
    cpu.paging.pdpteLo[n] = entries[2 * n];
    cpu.paging.pdpteHi[n] = entries[2 * n + 1];
  }
}

/** MOV to CR4. */
export function writeCr4(cpu: Microcode, lo: number, hi: number): void {
  const s = cpu.s, changed = s.cr4 ^ lo;
  let allowed = CR4_ALWAYS;
  for (const [feature, bit] of CR4_BY_FEATURE) if (cpu.features.has(feature)) allowed |= bit;
  if (hi !== 0 || lo & ~allowed) cpu.fault(XCPT.GP, 0);
  if (cpu.modes.lma && (!(lo & CR4_PAE) || changed & CR4_LA57)) cpu.fault(XCPT.GP, 0);
  if (changed & lo & CR4_PCIDE && (!cpu.modes.lma || s.cr3Lo & 0xfff)) cpu.fault(XCPT.GP, 0);
  if (s.cr0 & CR0_PG && lo & CR4_PAE && !cpu.modes.lma && changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) loadPdptes(cpu, s.cr3Lo);
  s.cr4 = lo;
  if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP | CR4_SMAP | CR4_LA57 | CR4_PCIDE | CR4_PKE | CR4_PKS)) {
    cpu.trace?.mmu?.(`cr4 = ${hex(lo >>> 0)}`);
    cpu.derived.setPaging();
    cpu.derived.flushAll();
  } else cpu.derived.refresh();
}

/** IA32_EFER. */
export function writeEfer(cpu: Microcode, lo: number, hi: number): void {
  const s = cpu.s;
  const allowed = (cpu.features.has("syscall") ? EFER_SCE : 0) | (cpu.features.has("lm") ? EFER_LME | EFER_LMA : 0) |
    (cpu.features.has("nx") ? EFER_NXE : 0);
  if (hi !== 0 || lo & ~allowed || (s.cr0 & CR0_PG && (lo ^ cpu.window.efer) & EFER_LME)) cpu.fault(XCPT.GP, 0);
  cpu.window.efer = (lo & ~EFER_LMA) | (cpu.window.efer & EFER_LMA);
  cpu.trace?.mmu?.(`efer = ${hex(cpu.window.efer)}`);
  cpu.derived.setPaging();
  cpu.derived.flushAll();
}

/** Sets PKRU and IA32_PKRS. */
export function writeKeys(cpu: Pick<Microcode, "s" | "derived" | "trace">, pkru: number, pkrs: number): void {
  const { s } = cpu;
  if (pkru !== s.pkru) cpu.trace?.mmu?.(`pkru = ${hex(pkru >>> 0)}`);
  if (pkrs !== s.pkrs) cpu.trace?.mmu?.(`pkrs = ${hex(pkrs >>> 0)}`);
  s.pkru = pkru;
  s.pkrs = pkrs;
  cpu.derived.keysMoved();
}
