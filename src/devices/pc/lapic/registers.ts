// The local APIC's registers: their numbers, bits and rights. Source: Intel SDM volume 3A (253668-083), 10.4 to 10.6 and 10.12.
/** Registers by number: the address is 16 times that, the MSR 0x800 more. */
export const REG = {
  id: 0x02,
  version: 0x03,
  tpr: 0x08,
  apr: 0x09,
  ppr: 0x0a,
  eoi: 0x0b,
  remoteRead: 0x0c,
  ldr: 0x0d,
  dfr: 0x0e,
  svr: 0x0f,
  isr: 0x10,
  tmr: 0x18,
  irr: 0x20,
  esr: 0x28,
  icrLow: 0x30,
  icrHigh: 0x31,
  lvt: 0x32,
  initialCount: 0x38,
  currentCount: 0x39,
  divide: 0x3e,
  selfIpi: 0x3f,
} as const;
export const VERSION_VALUE = 0x0005_0014;
/** Entries of the local vector table from REG.lvt on. */
export const ENTRY = { timer: 0, lint0: 3, lint1: 4, error: 5 } as const;
/** Which bits of each entry can be written. */
export const LVT_WRITABLE = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff];
export const LVT_DELIVERY_STATUS = 0x1000, LVT_MASKED = 0x1_0000, LVT_LEVEL = 0x8000, LVT_REMOTE_IRR = 0x4000, LVT_TIMER_MODE = 0x6_0000;
export const ONE_SHOT = 0, PERIODIC = 0x2_0000, TSC_DEADLINE = 0x4_0000;
export const SVR_ENABLED = 0x100, SVR_WRITABLE = 0x1ff;
export const BASE_BOOTSTRAP = 0x100, BASE_X2APIC = 0x400, BASE_ENABLED = 0x800;
/** Where messages of I/O APICs and devices go, and where the registers are. */
export const WINDOW = 0xfee0_0000, WINDOW_BYTES = 0x10_0000, REGISTER_BYTES = 0x1000;
/** Delivery modes. */
export const MODE = { fixed: 0, lowest: 1, smi: 2, nmi: 4, init: 5, startup: 6, external: 7 } as const;
export const ICR_WRITABLE = 0x000c_cfff, ICR_LOGICAL = 0x800, ICR_ASSERT = 0x4000, ICR_LEVEL = 0x8000;
export const SEND_ILLEGAL = 0x20, RECEIVE_ILLEGAL = 0x40, ILLEGAL_REGISTER = 0x80;
export const BROADCAST = 0xff, X2_BROADCAST = 0xffff_ffff;

const SINGLE: readonly number[] = [
  REG.id,
  REG.version,
  REG.tpr,
  REG.apr,
  REG.ppr,
  REG.eoi,
  REG.remoteRead,
  REG.ldr,
  REG.dfr,
  REG.svr,
  REG.esr,
  REG.initialCount,
  REG.currentCount,
  REG.divide,
];
/** Whether the map has a register of this number. */
export const isRegister = (register: number): boolean =>
  SINGLE.includes(register) ||
  (register >= REG.isr && register < REG.esr) || (register >= REG.icrLow && register < REG.lvt + 6);
/** A register in x2APIC mode: whether it can be read, and which bits may be written; the others raise #GP, as does a register without any. */
interface X2Register {
  readonly readable: boolean;
  readonly writable?: number;
}
const readOnly: X2Register = { readable: true };
const both = (writable: number): X2Register => ({ readable: true, writable });
/** Table 10-6 and 10.12.1.2, by number. What cannot be changed in an entry of the vector table may be written back. */
export const X2_REGISTERS: ReadonlyMap<number, X2Register> = new Map<number, X2Register>([
  ...[REG.id, REG.version, REG.ppr, REG.ldr, REG.currentCount].map((n) => [n, readOnly] as const),
  ...Array.from({ length: 24 }, (_, n) => [REG.isr + n, readOnly] as const),
  [REG.tpr, both(0xff)],
  [REG.eoi, { readable: false, writable: 0 }],
  [REG.svr, both(SVR_WRITABLE)],
  [REG.esr, both(0)],
  [REG.icrLow, both(ICR_WRITABLE)],
  ...LVT_WRITABLE.map((mask, n) => [REG.lvt + n, both(mask | LVT_DELIVERY_STATUS | LVT_REMOTE_IRR)] as const),
  [REG.initialCount, both(-1)],
  [REG.divide, both(0xb)],
  [REG.selfIpi, { readable: false, writable: 0xff }],
]);

// Sets of 256 vectors in eight words.
export const set = (words: number[], vector: number): void => void (words[vector >> 5] = (words[vector >> 5] | 1 << (vector & 31)) >>> 0);
export const clear = (words: number[], vector: number): void =>
  void (words[vector >> 5] = (words[vector >> 5] & ~(1 << (vector & 31))) >>> 0);
export const has = (words: number[], vector: number): boolean => (words[vector >> 5] >>> (vector & 31) & 1) !== 0;
/** The highest vector of a set, or -1. */
export function highest(words: readonly number[]): number {
  for (let n = 7; n >= 0; n--) if (words[n] !== 0) return 32 * n + 31 - Math.clz32(words[n]);
  return -1;
}
