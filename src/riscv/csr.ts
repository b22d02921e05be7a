// Control and status registers: one row each. RISC-V Privileged 20240411 ("Priv"), Sstc 1.0.0, Unprivileged 20240411 ("Unpriv").
// Where the documents leave a choice, QEMU's `-cpu rv64` decides. Not modelled: H, N, Smepmp, Sscofpmf (the event counters read 0), triggers.
import type { Addressing } from "./addressing.ts";
import type { Counters } from "./counters.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Pmp } from "./pmp.ts";
import { CY, FS, IR, MIE, MPIE, MPP, MPP_SHIFT, MPRV, MXR, SD, SIE, SPIE, SPP, SSTATUS, STCE, SUM, TM, TSR, TVM, TW } from "./registers.ts";
import type { HartState, HartWindow } from "./state.ts";
import { CSRS, FFLAGS, FRM, MODE_PRIV_SHIFT, STATUS } from "./slots.ts";
import { low32, M_INTERRUPTS, S_INTERRUPTS, SEIP, SSIP } from "./trap.ts";

/** What the registers' functions need of their hart. */
export interface CsrHost {
  readonly xlen: 32 | 64;
  readonly isa: { readonly misa: number; has(extension: string): boolean };
  readonly identity: HartIdentity;
  readonly s: HartState;
  readonly window: HartWindow;
  readonly pmp: Pmp;
  readonly counters: Counters;
  readonly interrupts: Pick<Interrupts, "mip" | "update" | "stimecmpActive" | "setStimecmp">;
  readonly addressing: Pick<Addressing, "setSatp" | "pmpChanged">;
  /** Bits that an instruction address may have set, low half. */
  readonly pcMask: number;
  // Writes that change more than their register:
  setStatus(status: number): void;
  setFcsr(fflags: number, frm: number): void;
  setSenvcfg(lo: number): void;
  setMenvcfg(lo: number, hi: number): void;
}

/** What the registers tell of which hart this is. */
export interface HartIdentity {
  readonly hartId: number;
  readonly mvendorid?: bigint;
  readonly marchid?: bigint;
  readonly mimpid?: bigint;
}

type Read = (h: CsrHost) => number;
/**
 * `named` has the bits that the instruction names: all for csrrw, the operand for csrrs and csrrc. `late`: 1 where an instruction writes, which
 * counts when the write takes effect.
 */
type Write = (h: CsrHost, lo: number, hi: number, named: number, late: number) => void;

/** One register. Values are pairs of signed 32-bit halves. */
export interface CsrRow {
  readonly number: number;
  readonly name: string;
  /** Where the register is described. */
  readonly spec: string;
  /** Whether a hart has it; absent: always. */
  readonly when?: ((h: CsrHost) => boolean) | undefined;
  /** Whether an access is illegal now although the privilege suffices. */
  readonly denied?: (h: CsrHost) => boolean;
  readonly read: Read;
  /** The upper half; absent: 0. */
  readonly high?: Read;
  /** Absent: writes are ignored (or illegal, where the number says read-only). */
  readonly write?: Write | undefined;
  /** Slot of a register that is nothing but a slot. */
  readonly slot?: number;
  /** Whether that slot holds an instruction address: its lowest bit is 0, the lowest two without C. */
  readonly address?: boolean;
}

const zero = (): number => 0;
const hasF = (h: CsrHost) => h.isa.has("f");
const rv32 = (h: CsrHost) => h.xlen === 32;
const fpOff = (h: CsrHost) => (h.window.status & FS) === 0;

/** Registers without side effects, in the order of their slots. */
const PLAIN: CsrRow[] = [];
const plain = (number: number, name: string, spec: string, address = false): CsrRow => {
  const slot = CSRS + 8 * PLAIN.length;
  const row: CsrRow = {
    number,
    name,
    spec,
    slot,
    address,
    read: (h) => h.window.lo(slot),
    high: (h) => h.window.hi(slot),
    write: (h, lo, hi) => h.window.set(slot, address ? lo & h.pcMask : lo, hi),
  };
  PLAIN.push(row);
  return row;
};

// --- mstatus and its windows
const statusHigh = (h: CsrHost): number => h.xlen === 64 ? h.window.status & SD | 0xa : 0; // UXL, SXL: 64
const statusLow = (h: CsrHost): number => h.xlen === 64 ? h.window.status & ~SD : h.window.status;
const WRITABLE = SIE | MIE | SPIE | MPIE | SPP | MPP | MPRV | SUM | MXR | TVM | TW | TSR;
function writeStatus(h: CsrHost, lo: number): void {
  // Priv 3.1.6.1: MPP is WARL; the privilege that there is not leaves it as it was (QEMU 8).
  if ((lo & MPP) >> MPP_SHIFT === 2) lo = lo & ~MPP | h.window.status & MPP;
  const mask = hasF(h) ? WRITABLE | FS : WRITABLE;
  h.setStatus(h.window.status & ~mask | lo & mask);
}

// --- interrupts
/** Software writes SSIP, STIP (unless stimecmp drives it) and its own share of SEIP; only bits that the instruction names change (Priv 3.1.9). */
function writeMip(h: CsrHost, lo: number, mask: number): void {
  h.s.soft = h.s.soft & ~mask | lo & mask;
  h.interrupts.update();
}
const mipWritable = (h: CsrHost) => h.interrupts.stimecmpActive ? SSIP | SEIP : S_INTERRUPTS;

// --- counters
const counterDenied = (bit: number) => (h: CsrHost): boolean => {
  if (h.s.priv < 3 && !(h.s.mcounteren & bit)) return true;
  return h.s.priv < 1 && !(h.s.scounteren & bit);
};
/** A counter's halves, and how it is written. */
interface Counter {
  readonly read: Read;
  readonly high: Read;
  readonly write?: Write;
}
const CYCLE: Counter = {
  read: (h) => h.counters.cycleLo(),
  high: (h) => h.counters.cycleHi(),
  write: (h, lo, hi, _named, late) => h.counters.writeCycle(lo, hi, late),
};
const INSTRET: Counter = {
  read: (h) => h.counters.instretLo(),
  high: (h) => h.counters.instretHi(),
  write: (h, lo, hi, _named, late) => h.counters.writeInstret(lo, hi, late),
};
const TIME: Counter = { read: (h) => h.counters.timeLo(), high: (h) => h.counters.timeHi() };
/** The event counters count nothing. */
const EVENTS: Counter = { read: zero, high: zero };
/** A counter as user mode reads it, and its upper half for RV32. */
const userCounter = (n: number, name: string, { read, high }: Counter): CsrRow => (
  { number: 0xc00 + n, name, spec: "Unpriv 8.1", denied: counterDenied(1 << n), read, high }
);
const userUpper = (n: number, name: string, { high }: Counter): CsrRow => (
  { number: 0xc80 + n, name: `${name}h`, spec: "Unpriv 8.1", when: rv32, denied: counterDenied(1 << n), read: high }
);
/** The machine's view of it; RV32 writes one half and keeps the other. */
const machineCounter = (n: number, name: string, { read, high, write }: Counter): CsrRow => ({
  number: 0xb00 + n,
  name: `m${name}`,
  spec: "Priv 3.1.10",
  read,
  high,
  write: write && ((h, lo, hi, named, late) => write(h, lo, h.xlen === 64 ? hi : high(h), named, late)),
});
const machineUpper = (n: number, name: string, { read, high, write }: Counter): CsrRow => ({
  number: 0xb80 + n,
  name: `m${name}h`,
  spec: "Priv 3.1.10",
  when: rv32,
  read: high,
  write: write && ((h, lo, _hi, named, late) => write(h, read(h), lo, named, late)),
});

// --- physical memory protection
const cfgWord = (h: CsrHost, at: number) => h.pmp.cfg[at] | h.pmp.cfg[at + 1] << 8 | h.pmp.cfg[at + 2] << 16 | h.pmp.cfg[at + 3] << 24;
const pmpcfg = (n: number): CsrRow => ({
  number: 0x3a0 + n,
  name: `pmpcfg${n}`,
  spec: "Priv 3.7.1",
  // RV64 packs eight entries into the even registers; the odd ones do not exist.
  when: (h) => 4 * n < h.pmp.entries && (h.xlen === 32 || n % 2 === 0),
  read: (h) => cfgWord(h, 4 * n),
  high: (h) => h.xlen === 64 ? cfgWord(h, 4 * n + 4) : 0,
  write: (h, lo, hi) => {
    for (let i = 0; i < (h.xlen === 64 ? 8 : 4); i++) h.pmp.writeCfg(4 * n + i, (i < 4 ? lo : hi) >>> 8 * (i & 3) & 0xff);
    h.pmp.refresh();
    h.addressing.pmpChanged();
  },
});
const pmpaddr = (n: number): CsrRow => ({
  number: 0x3b0 + n,
  name: `pmpaddr${n}`,
  spec: "Priv 3.7.1",
  when: (h) => n < h.pmp.entries,
  read: (h) => h.pmp.addressLo[n] | 0,
  high: (h) => h.pmp.addressHi[n] | 0,
  write: (h, lo, hi) => {
    h.pmp.writeAddress(n, lo, hi);
    h.addressing.pmpChanged();
  },
});

const id = (number: number, name: string, key: "mvendorid" | "marchid" | "mimpid"): CsrRow => ({
  number,
  name,
  spec: "Priv 3.1.2",
  read: (h) => low32(h.identity[key] ?? 0n),
  high: (h) => low32((h.identity[key] ?? 0n) >> 32n),
});

/** Mode 2 and 3 of a trap vector are reserved: such a write is ignored, as in QEMU. */
const vectorOk = (lo: number): boolean => (lo & 3) < 2;
const sstcDenied = (h: CsrHost): boolean => h.s.priv < 3 && !(h.s.menvcfgHi & STCE && h.s.mcounteren & TM);
const hasSstc = (h: CsrHost) => h.isa.has("sstc");

/** Like registers, numbered one after the other, whose rows are made when they are asked for. */
interface Family {
  readonly number: number;
  readonly count: number;
  readonly row: (n: number) => CsrRow;
}

// deno-fmt-ignore
const TABLE: readonly (CsrRow | Family)[] = [
  // Floating point
  { number: 0x001, name: "fflags", spec: "Unpriv 21.2", when: hasF, denied: fpOff, read: (h) => h.window.lo(FFLAGS), write: (h, lo) => h.setFcsr(lo & 31, h.window.lo(FRM)) },
  { number: 0x002, name: "frm",    spec: "Unpriv 21.2", when: hasF, denied: fpOff, read: (h) => h.window.lo(FRM), write: (h, lo) => h.setFcsr(h.window.lo(FFLAGS), lo & 7) },
  { number: 0x003, name: "fcsr",   spec: "Unpriv 21.2", when: hasF, denied: fpOff, read: (h) => h.window.lo(FFLAGS) | h.window.lo(FRM) << 5, write: (h, lo) => h.setFcsr(lo & 31, lo >> 5 & 7) },

  // Supervisor
  { number: 0x100, name: "sstatus",    spec: "Priv 10.1.1", read: (h) => statusLow(h) & (SSTATUS | SD), high: (h) => statusHigh(h) & (SD | 3), write: (h, lo) => writeStatus(h, h.window.status & ~SSTATUS | lo & SSTATUS) },
  { number: 0x104, name: "sie",        spec: "Priv 10.1.3", read: (h) => h.s.mie & h.s.mideleg, write: (h, lo) => { h.s.mie = h.s.mie & ~h.s.mideleg | lo & h.s.mideleg; h.interrupts.update(); } },
  { number: 0x105, name: "stvec",      spec: "Priv 10.1.2", read: (h) => h.s.stvecLo, high: (h) => h.s.stvecHi, write: (h, lo, hi) => { if (vectorOk(lo)) h.s.stvecLo = lo, h.s.stvecHi = hi; } },
  { number: 0x106, name: "scounteren", spec: "Priv 10.1.5", read: (h) => h.s.scounteren, write: (h, lo) => { h.s.scounteren = lo; } },
  { number: 0x10a, name: "senvcfg",    spec: "Priv 10.1.10", read: (h) => h.s.senvcfg, write: (h, lo) => h.setSenvcfg(lo) },
  plain(0x140, "sscratch", "Priv 10.1.6"),
  plain(0x141, "sepc", "Priv 10.1.7", true),
  plain(0x142, "scause", "Priv 10.1.8"),
  plain(0x143, "stval", "Priv 10.1.9"),
  { number: 0x144, name: "sip",        spec: "Priv 10.1.3", read: (h) => h.interrupts.mip & h.s.mideleg, write: (h, lo, _hi, named) => writeMip(h, lo, SSIP & h.s.mideleg & named) },
  { number: 0x14d, name: "stimecmp",   spec: "Sstc 2", when: hasSstc, denied: sstcDenied, read: (h) => h.s.stimecmpLo, high: (h) => h.xlen === 64 ? h.s.stimecmpHi : 0, write: (h, lo, hi) => h.interrupts.setStimecmp(lo, h.xlen === 64 ? hi : h.s.stimecmpHi) },
  { number: 0x15d, name: "stimecmph",  spec: "Sstc 2", when: (h) => hasSstc(h) && rv32(h), denied: sstcDenied, read: (h) => h.s.stimecmpHi, write: (h, lo) => h.interrupts.setStimecmp(h.s.stimecmpLo, lo) },
  { number: 0x180, name: "satp",       spec: "Priv 10.1.11", denied: (h) => h.s.priv === 1 && (h.window.status & TVM) !== 0, read: (h) => h.s.satpLo, high: (h) => h.s.satpHi, write: (h, lo, hi) => h.addressing.setSatp(lo, hi) },

  // Machine
  id(0xf11, "mvendorid", "mvendorid"),
  id(0xf12, "marchid", "marchid"),
  id(0xf13, "mimpid", "mimpid"),
  { number: 0xf14, name: "mhartid",    spec: "Priv 3.1.5", read: (h) => h.identity.hartId },
  { number: 0xf15, name: "mconfigptr", spec: "Priv 3.1.17", read: zero },
  { number: 0x300, name: "mstatus",    spec: "Priv 3.1.6", read: (h) => statusLow(h), high: (h) => statusHigh(h), write: writeStatus },
  { number: 0x310, name: "mstatush",   spec: "Priv 3.1.6", when: rv32, read: zero },
  { number: 0x301, name: "misa",       spec: "Priv 3.1.1", read: (h) => h.xlen === 64 ? h.isa.misa : h.isa.misa | 1 << 30, high: (h) => h.xlen === 64 ? 2 << 30 : 0 },
  { number: 0x302, name: "medeleg",    spec: "Priv 3.1.8", read: (h) => h.s.medeleg, write: (h, lo) => { h.s.medeleg = lo & 0xb3ff; } }, // not ecall from M (11)
  { number: 0x303, name: "mideleg",    spec: "Priv 3.1.8", read: (h) => h.s.mideleg, write: (h, lo) => { h.s.mideleg = lo & S_INTERRUPTS; h.interrupts.update(); } },
  { number: 0x304, name: "mie",        spec: "Priv 3.1.9", read: (h) => h.s.mie, write: (h, lo) => { h.s.mie = lo & (M_INTERRUPTS | S_INTERRUPTS); h.interrupts.update(); } },
  { number: 0x305, name: "mtvec",      spec: "Priv 3.1.7", read: (h) => h.s.mtvecLo, high: (h) => h.s.mtvecHi, write: (h, lo, hi) => { if (vectorOk(lo)) h.s.mtvecLo = lo, h.s.mtvecHi = hi; } },
  { number: 0x306, name: "mcounteren", spec: "Priv 3.1.11", read: (h) => h.s.mcounteren, write: (h, lo) => { h.s.mcounteren = lo; } },
  { number: 0x30a, name: "menvcfg",    spec: "Priv 3.1.18", read: (h) => h.s.menvcfgLo, high: (h) => h.xlen === 64 ? h.s.menvcfgHi : 0, write: (h, lo, hi) => h.setMenvcfg(lo, h.xlen === 64 ? hi : h.s.menvcfgHi) },
  { number: 0x31a, name: "menvcfgh",   spec: "Priv 3.1.18", when: rv32, read: (h) => h.s.menvcfgHi, write: (h, lo) => h.setMenvcfg(h.s.menvcfgLo, lo) },
  { number: 0x320, name: "mcountinhibit", spec: "Priv 3.1.12", read: (h) => h.s.mcountinhibit, write: (h, lo, _hi, _named, late) => h.counters.setCountinhibit(lo & (CY | IR), late) },
  plain(0x340, "mscratch", "Priv 3.1.13"),
  plain(0x341, "mepc", "Priv 3.1.14", true),
  plain(0x342, "mcause", "Priv 3.1.15"),
  plain(0x343, "mtval", "Priv 3.1.16"),
  { number: 0x344, name: "mip",        spec: "Priv 3.1.9", read: (h) => h.interrupts.mip, write: (h, lo, _hi, named) => writeMip(h, lo, mipWritable(h) & named) },
  { number: 0x3a0, count: 16, row: pmpcfg },
  { number: 0x3b0, count: 64, row: pmpaddr },

  // Counters; time has no machine counterpart but the platform's mtime
  userCounter(0, "cycle", CYCLE),
  userUpper(0, "cycle", CYCLE),
  machineCounter(0, "cycle", CYCLE),
  machineUpper(0, "cycle", CYCLE),
  userCounter(1, "time", TIME),
  userUpper(1, "time", TIME),
  userCounter(2, "instret", INSTRET),
  userUpper(2, "instret", INSTRET),
  machineCounter(2, "instret", INSTRET),
  machineUpper(2, "instret", INSTRET),
  { number: 0xc03, count: 29, row: (n) => userCounter(3 + n, `hpmcounter${3 + n}`, EVENTS) },
  { number: 0xc83, count: 29, row: (n) => userUpper(3 + n, `hpmcounter${3 + n}`, EVENTS) },
  { number: 0xb03, count: 29, row: (n) => machineCounter(3 + n, `hpmcounter${3 + n}`, EVENTS) },
  { number: 0xb83, count: 29, row: (n) => machineUpper(3 + n, `hpmcounter${3 + n}`, EVENTS) },
  { number: 0x323, count: 29, row: (n) => ({ number: 0x323 + n, name: `mhpmevent${3 + n}`, spec: "Priv 3.1.10", read: zero }) },

  // Debug 0.13.2, 5.2: no triggers; the registers are there so that probing finds out
  { number: 0x7a0, name: "tselect", spec: "Debug 5.2.1", read: zero },
  { number: 0x7a1, name: "tdata1",  spec: "Debug 5.2.2", read: zero },
  { number: 0x7a2, name: "tdata2",  spec: "Debug 5.2.3", read: zero },
  { number: 0x7a3, name: "tdata3",  spec: "Debug 5.2.4", read: zero },
  { number: 0x7a4, name: "tinfo",   spec: "Debug 5.2.5", read: () => 1 }, // only type 0: no trigger
];

/** Every register, in the order in which the debugger shows them. */
export const csrRows = (): CsrRow[] => TABLE.flatMap((e) => "row" in e ? Array.from({ length: e.count }, (_, n) => e.row(n)) : e);

/** The register of a number; undefined when there is none. */
export function csrRow(number: number): CsrRow | undefined {
  for (const e of TABLE) {
    if ("row" in e) {
      if (number >= e.number && number < e.number + e.count) return e.row(number - e.number);
    } else if (number === e.number) return e;
  }
  return undefined;
}

/** Slots of the registers that traps write. @throws {Error} no plain register of that name. */
export function slotOf(name: string): number {
  for (const row of PLAIN) if (row.name === name) return row.slot!;
  throw new Error(`${name} is not a plain register`);
}

/** A register that rows may read and write inline: its slot, and the bits that a write changes. */
export interface PlainCsr {
  readonly slot: number;
  readonly writeMask: bigint;
}
/** sstatus: the slot has all of mstatus, and inline only SIE is changed. */
const SSTATUS_SLOT: PlainCsr = { slot: STATUS, writeMask: BigInt(SIE) };
/**
 * The register of a CSR instruction that neither traps at the privilege of these mode bits (slots.ts) nor has any effect but on its slot;
 * undefined for all others, which go through the helper.
 */
export function csrPlain(
  number: number,
  mode: number,
  isa: { readonly xlen: 32 | 64; has(extension: string): boolean },
): PlainCsr | undefined {
  if (number === 0x100) return mode >> MODE_PRIV_SHIFT & 3 ? SSTATUS_SLOT : undefined;
  const row = PLAIN.find((r) => r.number === number);
  if (!row || (mode >> MODE_PRIV_SHIFT & 3) < (number >> 8 & 3)) return undefined;
  const all = isa.xlen === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  return { slot: row.slot!, writeMask: row.address ? all - (isa.has("zca") ? 1n : 3n) : all };
}
