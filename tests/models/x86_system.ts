// A second model of x86's system instructions: control and debug registers, MSRs, flags, ports, descriptor table registers, protection keys, fast
// system calls. For tests only: slow, without a fast way for anything, written from the manuals' pseudo-code, instruction by instruction.
// Source: Intel SDM volume 2 (253666-083) for each instruction; volume 3A (253668-083), 2.2 to 2.6, 4.1, 4.4.1, 5.8.7, 5.8.8, 17.2, 20.2;
// volume 1 (253665-083), 19.5.2; volume 4 (335592-083), table 2-2; AMD64 volume 3 (24594), SYSCALL and SYSRET.

export class Fault {
  constructor(readonly vector: number, readonly code: number = 0) {}
}
const DB = 1, UD = 6, GP = 13;

export interface Register {
  base: bigint;
  limit: number;
}
export interface Segment extends Register {
  selector: number;
  attr: number;
}
export const ES = 0, CS = 1, SS = 2, FS = 4, GS = 5, LDTR = 6, TR = 7;

// RFLAGS, CR0, CR4, EFER by the names of their bits' numbers.
const bits = (...numbers: number[]): number => numbers.reduce((set, n) => set | 1 << n, 0);
const CF_TO_SF = bits(0, 2, 4, 6, 7),
  TF = bits(8),
  IF = bits(9),
  DF = bits(10),
  OF = bits(11),
  IOPL = bits(12, 13),
  NT = bits(14),
  RF = bits(16);
const VM = bits(17), AC = bits(18), ID = bits(21);
const ANY = CF_TO_SF | TF | DF | OF | NT | AC | ID;
const PE = bits(0), MP = bits(1), EM = bits(2), TS = bits(3), ET = bits(4), NE = bits(5), WP = bits(16), AM = bits(18), NW = bits(29);
const CD = bits(30), PG = bits(31);
const TSD = bits(2), DE = bits(3), PSE = bits(4), PAE = bits(5), PGE = bits(7), UMIP = bits(11), LA57 = bits(12);
const FSGSBASE = bits(16), PCIDE = bits(17), OSXSAVE = bits(18), SMEP = bits(20), SMAP = bits(21), PKE = bits(22), PKS = bits(24);
/** TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT: every processor here has them. */
const CR4_ALWAYS = bits(2, 3, 4, 5, 6, 7, 8, 9, 10);
const CR4_FEATURES: Readonly<Record<string, number>> = {
  umip: UMIP,
  la57: LA57,
  fsgsbase: FSGSBASE,
  pcid: PCIDE,
  xsave: OSXSAVE,
  smep: SMEP,
  smap: SMAP,
  pku: PKE,
  pks: PKS,
};
const SCE = bits(0), LME = bits(8), LMA = bits(10), NXE = bits(11);
const DR7_GD = bits(13), LONG = 0x20_0000, BIG = 0x40_0000;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const low = (v: bigint): number => Number(BigInt.asIntN(32, v));
const high = (v: bigint): number => Number(BigInt.asIntN(32, v >> 32n));
const canonical = (v: bigint, width: number): boolean => u64(BigInt.asIntN(width, v)) === v;

/** MSRs that only remember what is written, with their values after reset (but for the MTRRs, which are 0). */
const MTRRS = [
  0x250,
  0x258,
  0x259,
  0x268,
  0x269,
  0x26a,
  0x26b,
  0x26c,
  0x26d,
  0x26e,
  0x26f,
  ...Array.from({ length: 16 }, (_, n) => 0x200 + n),
];
export const REMEMBERED: ReadonlyMap<number, bigint> = new Map<number, bigint>([
  [0x3a, 1n],
  [0x8b, 1n << 32n],
  [0x17a, 0n],
  [0x1a0, 1n],
  [0x1d9, 0n],
  [0x277, 0x0007_0406_0007_0406n],
  [0x2ff, 0n],
  ...[0xc001_0010, 0xc001_0015, 0xc001_001f, 0xc001_0055, 0xc001_0112, 0xc001_0113].map((n): [number, bigint] => [n, 0n]),
  [0xc001_1029, 2n],
  ...MTRRS.map((n): [number, bigint] => [n, 0n]),
]);
const READ_ONLY: ReadonlyMap<number, bigint> = new Map([[0x17, 0n], [0xfe, 0x508n], [0x179, 0n]]);

export class Processor {
  gpr: bigint[] = [];
  ip = 0n;
  flags = 2;
  cpl = 0;
  segments: Segment[] = [];
  cr0 = 0;
  cr2 = 0n;
  cr3 = 0n;
  cr4 = 0;
  cr8 = 0;
  efer = 0;
  xcr0 = 1;
  pkru = 0;
  pkrs = 0;
  dr: bigint[] = [];
  dr6 = 0;
  dr7 = 0;
  gdt: Register = { base: 0n, limit: 0 };
  idt: Register = { base: 0n, limit: 0 };
  pdptes: bigint[] = [];
  sysenterCs = 0;
  sysenterEsp = 0n;
  sysenterEip = 0n;
  star = 0n;
  lstar = 0n;
  cstar = 0n;
  fmask = 0;
  kernelGs = 0n;
  tscAux = 0;
  tscOffset = 0;
  msrs: Record<number, bigint> = {};
  shadow = false;
  stackShadow = false;
  /** What memory and ports were asked for. */
  written: Record<number, number> = {};
  ports: string[] = [];

  // What is no state: the processor that it is, and where it is.
  constructor(
    readonly is: { readonly intel: boolean; has(feature: string): boolean; readonly wide: boolean; readonly components: number },
    readonly tsc: number,
    readonly memory: (at: number) => number,
  ) {}

  get long(): boolean {
    return (this.efer & LMA) !== 0 && (this.segments[CS].attr & LONG) !== 0;
  }
  get v86(): boolean {
    return (this.cr0 & PE) !== 0 && (this.flags & VM) !== 0;
  }
  get #iopl(): number {
    return (this.flags & IOPL) >> 12;
  }
  /** Of an address that a register is loaded with: what the processor has counts. */
  #loadable(v: bigint): boolean {
    return canonical(v, this.is.wide ? 57 : 48);
  }
  #canonical(v: bigint): boolean {
    return canonical(v, this.cr4 & LA57 ? 57 : 48);
  }
  #needs(condition: unknown, vector = GP): void {
    if (!condition) throw new Fault(vector);
  }
  #supervisor(): void {
    this.#needs(this.cpl === 0);
  }
  #protected(): void {
    this.#needs(this.cr0 & PE && !this.v86, UD);
  }
  read(at: bigint, size: number): bigint {
    let v = 0n;
    for (let n = size - 1; n >= 0; n--) v = v << 8n | BigInt(this.memory(Number(at) + n));
    return v;
  }
  write(at: bigint, size: number, v: bigint): void {
    for (let n = 0; n < size; n++) this.written[Number(at) + n] = Number(v >> BigInt(8 * n) & 0xffn);
  }
  #set32(n: number, v: number): void {
    this.gpr[n] = BigInt(v >>> 0);
  }
  #pair(v: bigint): void {
    this.#set32(0, low(v));
    this.#set32(2, high(v));
  }
  get #edxEax(): bigint {
    return this.gpr[2] << 32n & 0xffff_ffff_0000_0000n | this.gpr[0] & 0xffff_ffffn;
  }
  /** Writes a register with an operand's size. */
  put(n: number, size: number, v: bigint): void {
    if (size === 8) this.gpr[n] = u64(v);
    else if (size === 4) this.gpr[n] = v & 0xffff_ffffn;
    else this.gpr[n] = this.gpr[n] & ~0xffffn | v & 0xffffn;
  }

  // --- control registers
  #loadPdptes(cr3: bigint): void {
    const at = cr3 & 0xffff_ffe0n, entries = [0n, 8n, 16n, 24n].map((n) => this.read(at + n, 8));
    // Reserved: bits 2, 1, 8 to 5, and what is beyond 40 bits of a physical address.
    for (const entry of entries) this.#needs(!(entry & 1n) || !(entry & 0xffff_ff00_0000_01e6n));
    this.pdptes = entries;
  }
  readControl(n: number, to: number): void {
    this.#supervisor();
    const values: Record<number, bigint> = {
      0: BigInt(this.cr0 >>> 0),
      2: this.cr2,
      3: this.cr3,
      4: BigInt(this.cr4 >>> 0),
      8: BigInt(this.cr8),
    };
    this.#needs(n in values, UD);
    this.put(to, this.long ? 8 : 4, values[n]);
  }
  writeControl(n: number, from: number): void {
    this.#supervisor();
    const v = this.long ? this.gpr[from] : this.gpr[from] & 0xffff_ffffn;
    this.#needs([0, 2, 3, 4, 8].includes(n), UD);
    if (n === 0) this.setCr0(v);
    else if (n === 2) this.cr2 = v;
    else if (n === 3) this.#setCr3(v);
    else if (n === 4) this.#setCr4(v);
    else {
      this.#needs(v < 16n);
      this.cr8 = Number(v);
    }
  }
  setCr0(v: bigint): void {
    this.#needs(v >> 32n === 0n);
    const to = low(v) & (PE | MP | EM | TS | NE | WP | AM | NW | CD | PG) | ET, lma = (this.efer & LMA) !== 0;
    this.#needs(!(to & PG) || to & PE);
    this.#needs(!(to & NW) || to & CD);
    if (to & PG && !(this.cr0 & PG)) {
      if (this.efer & LME) {
        this.#needs(this.cr4 & PAE && !(this.segments[CS].attr & LONG));
        this.efer |= LMA;
      } else if (this.cr4 & PAE) this.#loadPdptes(this.cr3);
    }
    if (!(to & PG) && this.cr0 & PG) {
      this.#needs(!this.long && !(this.cr4 & PCIDE));
      if (lma) this.efer &= ~LMA;
    }
    this.cr0 = to;
  }
  lmsw(v: bigint): void {
    this.#supervisor();
    this.setCr0(BigInt(this.cr0 & ~(MP | EM | TS) | low(v) & (PE | MP | EM | TS)) & 0xffff_ffffn);
  }
  #setCr3(v: bigint): void {
    if (this.cr4 & PCIDE) v &= (1n << 63n) - 1n;
    if (this.efer & LMA) this.#needs(v >> 40n === 0n);
    else if (this.cr0 & PG && this.cr4 & PAE) this.#loadPdptes(v);
    this.cr3 = v;
  }
  #setCr4(v: bigint): void {
    const to = low(v), lma = (this.efer & LMA) !== 0, from = this.cr4;
    const allowed = Object.entries(CR4_FEATURES).reduce((set, [feature, bit]) => this.is.has(feature) ? set | bit : set, CR4_ALWAYS);
    this.#needs(v >> 32n === 0n && !(to & ~allowed));
    if (lma) this.#needs(to & PAE && (to & LA57) === (from & LA57));
    if (to & PCIDE && !(from & PCIDE)) this.#needs(lma && (this.cr3 & 0xfffn) === 0n);
    if (this.cr0 & PG && !lma && to & PAE && (to ^ from) & (PAE | PGE | PSE | SMEP)) this.#loadPdptes(this.cr3);
    this.cr4 = to;
  }
  clts(): void {
    this.#supervisor();
    this.cr0 &= ~TS;
  }
  #umip(): void {
    this.#needs(!(this.cr4 & UMIP) || this.cpl === 0);
  }
  /** SMSW, SLDT, STR: to a register of an operand's size, or 16 bits to memory. */
  storeWord(what: "msw" | "ldt" | "tr", to: number | undefined, size: number, at: bigint): void {
    if (what !== "msw") this.#protected();
    this.#umip();
    const v = what === "msw" ? BigInt(this.cr0 >>> 0) : BigInt(this.segments[what === "ldt" ? LDTR : TR].selector);
    if (to === undefined) this.write(at, 2, v);
    else this.put(to, size, v);
  }

  // --- debug registers (17.2)
  #debug(n: number): number {
    this.#supervisor();
    this.#needs(n < 8 && !((n === 4 || n === 5) && this.cr4 & DE), UD);
    this.#needs(!(this.dr7 & DR7_GD), DB);
    return n === 4 || n === 5 ? n + 2 : n;
  }
  readDebug(n: number, to: number): void {
    const m = this.#debug(n), v = m < 4 ? this.dr[m] : BigInt((m === 6 ? this.dr6 : this.dr7) >>> 0);
    this.put(to, this.long ? 8 : 4, v);
  }
  writeDebug(n: number, from: number): void {
    const m = this.#debug(n), v = this.long ? this.gpr[from] : this.gpr[from] & 0xffff_ffffn;
    if (m < 4) {
      this.dr[m] = v;
      return;
    }
    this.#needs(v >> 32n === 0n);
    // B0 to B3, BD, BS, BT; and of DR7 all but bits 10 (1), 11, 12, 14 and 15 (0). The rest of DR6 is 1 but for bit 12.
    if (m === 6) this.dr6 = low(v) & bits(0, 1, 2, 3, 13, 14, 15) | 0xffff_0ff0;
    else this.dr7 = low(v) & ~bits(11, 12, 14, 15) | bits(10);
  }

  // --- MSRs
  #extended(v: bigint): void {
    const mine = (this.is.has("syscall") ? SCE : 0) | (this.is.has("lm") ? LME | LMA : 0) | (this.is.has("nx") ? NXE : 0);
    this.#needs(v >> 32n === 0n && !(low(v) & ~mine));
    this.#needs(!(this.cr0 & PG) || (low(v) & LME) === (this.efer & LME));
    this.efer = low(v) & ~LMA | this.efer & LMA;
  }
  readMsr(): void {
    this.#supervisor();
    const n = Number(this.gpr[1] & 0xffff_ffffn);
    const values: Record<number, () => bigint> = {
      0x10: () => u64(BigInt(this.tsc + this.tscOffset)),
      0x174: () => BigInt(this.sysenterCs),
      0x175: () => this.sysenterEsp,
      0x176: () => this.sysenterEip,
      0xc000_0080: () => BigInt(this.efer),
      0xc000_0081: () => this.star,
      0xc000_0082: () => this.lstar,
      0xc000_0083: () => this.cstar,
      0xc000_0084: () => BigInt(this.fmask >>> 0),
      0xc000_0100: () => this.segments[FS].base,
      0xc000_0101: () => this.segments[GS].base,
      0xc000_0102: () => this.kernelGs,
      0xc000_0103: () => BigInt(this.tscAux >>> 0),
      ...(this.is.has("pks") ? { 0x6e1: () => BigInt(this.pkrs >>> 0) } : {}),
    };
    const remembered = REMEMBERED.get(n), fixed = READ_ONLY.get(n), amd = n >= 0xc001_0000 && n < 0xc001_2000 && !this.is.intel;
    if (n in values) this.#pair(values[n]());
    else if (remembered !== undefined) this.#pair(this.msrs[n] ?? remembered);
    else if (fixed !== undefined || amd) this.#pair(fixed ?? 0n);
    else throw new Fault(GP);
  }
  writeMsr(): void {
    this.#supervisor();
    const n = Number(this.gpr[1] & 0xffff_ffffn), v = this.#edxEax;
    const address = (set: () => void) => () => {
      this.#needs(this.#loadable(v));
      set();
    };
    const writes: Record<number, () => void> = {
      0x10: () => this.tscOffset = Number(v) - this.tsc,
      0x79: () => {},
      0x174: () => this.sysenterCs = Number(v & 0xffffn),
      0x175: address(() => this.sysenterEsp = v),
      0x176: address(() => this.sysenterEip = v),
      0x277: () => {
        for (let byte = 0n; byte < 8n; byte++) this.#needs([0n, 1n, 4n, 5n, 6n, 7n].includes(v >> 8n * byte & 0xffn));
        this.msrs[n] = v;
      },
      0xc000_0080: () => this.#extended(v),
      0xc000_0081: () => this.star = v,
      0xc000_0082: address(() => this.lstar = v),
      0xc000_0083: address(() => this.cstar = v),
      0xc000_0084: () => this.fmask = low(v),
      0xc000_0100: address(() => this.segments[FS].base = v),
      0xc000_0101: address(() => this.segments[GS].base = v),
      0xc000_0102: address(() => this.kernelGs = v),
      0xc000_0103: () => {
        this.#needs(v >> 32n === 0n);
        this.tscAux = low(v);
      },
      ...(this.is.has("pks")
        ? {
          0x6e1: () => {
            this.#needs(v >> 32n === 0n);
            this.pkrs = low(v);
          },
        }
        : {}),
    };
    if (n in writes) writes[n]();
    else if (REMEMBERED.has(n)) this.msrs[n] = v;
    else if (!(n >= 0xc001_0000 && n < 0xc001_2000 && !this.is.intel)) throw new Fault(GP);
  }
  timeStamp(also: "" | "p"): void {
    this.#needs(!(this.cr4 & TSD) || this.cpl === 0);
    this.#pair(u64(BigInt(this.tsc + this.tscOffset)));
    if (also) this.#set32(1, this.tscAux);
  }
  rdpid(to: number): void {
    this.put(to, this.long ? 8 : 4, BigInt(this.tscAux >>> 0));
  }
  rdpmc(): void {
    // There is no counter.
    throw new Fault(GP);
  }

  // --- flags
  #checkV86(): void {
    this.#needs(!this.v86 || this.#iopl === 3);
  }
  interruptFlag(to: boolean): void {
    this.#needs(!(this.cr0 & PE) || this.#iopl >= this.cpl);
    if (to && !(this.flags & IF)) this.shadow = true;
    this.flags = to ? this.flags | IF : this.flags & ~IF;
  }
  #stack(move: number): bigint {
    const wide = this.long ? 64 : this.segments[SS].attr & BIG ? 32 : 16, rsp = this.gpr[4], to = BigInt.asUintN(wide, rsp + BigInt(move));
    this.gpr[4] = wide === 16 ? rsp & ~0xffffn | to : to;
    const at = BigInt.asUintN(wide, move < 0 ? to : rsp);
    return this.long ? at : BigInt.asUintN(32, at + this.segments[SS].base);
  }
  pushFlags(size: number): void {
    this.#checkV86();
    this.write(this.#stack(-size), size, BigInt(this.flags & ~(VM | RF)));
  }
  popFlags(size: number): void {
    this.#checkV86();
    const image = low(this.read(this.#stack(size), size));
    let mask = ANY;
    if (!(this.cr0 & PE) || this.cpl === 0) mask |= IOPL | IF;
    else if (this.v86 || this.cpl <= this.#iopl) mask |= IF;
    if (size === 2) mask &= 0xffff;
    // VM, VIF and VIP are unaffected; RF is cleared, but not by 16 bits, which do not reach it.
    this.flags = this.flags & ~mask & (size === 2 ? -1 : ~RF) | image & mask | 2;
  }
  /** IRET in real and virtual-8086 mode. */
  interruptReturn(size: number): void {
    this.#checkV86();
    const ip = this.read(this.#stack(size), size), selector = Number(this.read(this.#stack(size), size) & 0xffffn);
    const image = low(this.read(this.#stack(size), size));
    this.#needs(ip <= BigInt(this.segments[CS].limit));
    // RF has no effect without breakpoints, and is left out.
    let mask = ANY | IF | (this.v86 ? 0 : IOPL);
    if (size === 2) mask &= 0xffff;
    this.flags = this.flags & ~mask | image & mask | 2;
    this.segments[CS] = { ...this.segments[CS], selector, base: BigInt(selector << 4) };
    this.ip = ip;
  }
  accessFlag(to: boolean): void {
    this.#needs(this.is.has("smap") && this.cpl === 0, UD);
    this.flags = to ? this.flags | AC : this.flags & ~AC;
  }

  // --- ports
  #permitted(port: number, size: number): void {
    if (!(this.cr0 & PE) || !this.v86 && this.cpl <= this.#iopl) return;
    const tss = this.segments[TR], type = tss.attr >> 8 & 15;
    this.#needs(tss.attr & 0x8000 && (type === 9 || type === 11) && tss.limit >= 0x67);
    const map = Number(this.read(tss.base + 0x66n, 2)), at = map + (port >> 3);
    this.#needs(at + 1 <= tss.limit);
    const two = Number(this.read(tss.base + BigInt(at), 2));
    for (let n = 0; n < size; n++) this.#needs(!(two >> (port & 7) + n & 1));
  }
  input(port: number, size: number, from: (port: number, size: number) => number): void {
    this.#permitted(port, size);
    this.ports.push(`in ${port} ${size}`);
    const v = BigInt(from(port, size));
    if (size === 1) this.gpr[0] = this.gpr[0] & ~0xffn | v;
    else this.put(0, size, v);
  }
  output(port: number, size: number): void {
    this.#permitted(port, size);
    this.ports.push(`out ${port} ${size} ${BigInt.asUintN(8 * size, this.gpr[0])}`);
  }

  // --- descriptor table registers
  storeTable(which: "gdt" | "idt", at: bigint): void {
    this.#umip();
    const { base, limit } = this[which];
    this.write(at, 2, BigInt(limit));
    this.write(at + 2n, this.long ? 8 : 4, base);
  }
  loadTable(which: "gdt" | "idt", at: bigint, size: number): void {
    this.#supervisor();
    const limit = Number(this.read(at, 2)), base = this.read(at + 2n, this.long ? 8 : 4);
    if (this.long) this.#needs(this.#loadable(base));
    this[which] = { base: !this.long && size === 2 ? base & 0xff_ffffn : base, limit };
  }

  // --- extended control register, protection keys, bases, INVPCID
  xgetbv(): void {
    this.#needs(this.cr4 & OSXSAVE, UD);
    this.#needs((this.gpr[1] & 0xffff_ffffn) === 0n);
    this.#pair(BigInt(this.xcr0));
  }
  xsetbv(): void {
    // The manual does not say which of the two comes first.
    this.#supervisor();
    this.#needs(this.cr4 & OSXSAVE, UD);
    const v = this.#edxEax;
    this.#needs((this.gpr[1] & 0xffff_ffffn) === 0n && v >> 32n === 0n && v & 1n && !(low(v) & ~this.is.components));
    this.xcr0 = low(v);
  }
  keys(write: boolean): void {
    this.#needs(this.cr4 & PKE, UD);
    this.#needs((this.gpr[1] & 0xffff_ffffn) === 0n);
    if (!write) return this.#pair(BigInt(this.pkru >>> 0));
    this.#needs((this.gpr[2] & 0xffff_ffffn) === 0n);
    this.pkru = low(this.gpr[0]);
  }
  swapGs(): void {
    this.#supervisor();
    [this.segments[GS].base, this.kernelGs] = [this.kernelGs, this.segments[GS].base];
  }
  base(segment: number, write: boolean, n: number, size: number): void {
    this.#needs(this.cr4 & FSGSBASE, UD);
    if (!write) return this.put(n, size, this.segments[segment].base);
    const v = size === 8 ? this.gpr[n] : this.gpr[n] & 0xffff_ffffn;
    this.#needs(this.#loadable(v));
    this.segments[segment].base = v;
  }
  /** Its order of checks is not the manual's to say; all but the first are #GP(0). */
  invpcid(n: number, at: bigint): void {
    this.#supervisor();
    this.#needs(this.is.has("invpcid"), UD);
    const type = this.long ? this.gpr[n] : this.gpr[n] & 0xffff_ffffn, pcid = this.read(at, 8), address = this.read(at + 8n, 8);
    this.#needs(type <= 3n);
    if (type <= 1n) this.#needs(pcid < (this.cr4 & PCIDE ? 0x1000n : 1n));
    if (type === 0n) this.#needs(this.#loadable(address));
  }
  /** INVLPG, INVD, WBINVD: nothing that shows. */
  nothing(): void {
    this.#supervisor();
  }
  unknown(): void {
    throw new Fault(UD);
  }

  // --- fast system calls
  #flat(code: number, stack: number, cpl: number, long: boolean): void {
    const common = 0x80_9100 | cpl << 13;
    this.segments[CS] = { selector: code & 0xfffc | cpl, base: 0n, limit: 0xffff_ffff, attr: common | 0xa00 | (long ? LONG : BIG) };
    this.segments[SS] = { selector: stack & 0xfffc | cpl, base: 0n, limit: 0xffff_ffff, attr: common | 0x200 | BIG };
    this.cpl = cpl;
  }
  get #fastCallsMissing(): boolean {
    return !(this.efer & SCE) || this.is.intel && !this.long;
  }
  syscall(next: bigint): void {
    this.#needs(!this.#fastCallsMissing && this.cr0 & PE, UD);
    const selector = Number(this.star >> 32n & 0xffffn), fromLong = this.long, lma = (this.efer & LMA) !== 0;
    this.gpr[1] = next;
    if (lma) {
      this.gpr[11] = BigInt(this.flags & ~RF);
      this.flags = this.flags & ~(this.fmask | RF) | 2;
    } else this.flags &= ~(IF | RF | VM);
    this.#flat(selector, selector + 8, 0, lma);
    this.ip = fromLong ? this.lstar : lma ? this.cstar : this.star & 0xffff_ffffn;
  }
  sysret(size: number): void {
    this.#needs(!this.#fastCallsMissing, UD);
    this.#needs(this.cr0 & PE && this.cpl === 0);
    const selector = Number(this.star >> 48n), to = this.gpr[1];
    // On AMD's processors the fault comes with the fetch, at CPL 3.
    if (size === 8 && this.is.intel) this.#needs(this.#canonical(to));
    if (this.efer & LMA) this.flags = low(this.gpr[11]) & ~(VM | bits(3, 5, 15)) & 0x3f_ffff | 2;
    else this.flags |= IF;
    this.#flat(size === 8 ? selector + 16 : selector, selector + 8, 3, size === 8);
    this.ip = size === 8 ? to : to & 0xffff_ffffn;
  }
  sysenter(): void {
    const lma = (this.efer & LMA) !== 0;
    // AMD's processors have neither of the two in long mode.
    this.#needs(!lma || this.is.intel, UD);
    this.#needs(this.cr0 & PE && this.sysenterCs & 0xfffc);
    this.flags &= ~(VM | IF | RF);
    this.#flat(this.sysenterCs, this.sysenterCs + 8, 0, lma);
    this.gpr[4] = lma ? this.sysenterEsp : this.sysenterEsp & 0xffff_ffffn;
    this.ip = lma ? this.sysenterEip : this.sysenterEip & 0xffff_ffffn;
  }
  sysexit(size: number): void {
    this.#supervisor();
    this.#needs(!(this.efer & LMA) || this.is.intel, UD);
    this.#needs(this.cr0 & PE && this.sysenterCs & 0xfffc);
    const long = size === 8, [, sp, ip] = this.gpr;
    if (long) this.#needs(this.#canonical(sp) && this.#canonical(ip));
    this.#flat(this.sysenterCs + (long ? 32 : 16), this.sysenterCs + (long ? 40 : 24), 3, long);
    [this.gpr[4], this.ip] = long ? [sp, ip] : [sp & 0xffff_ffffn, ip & 0xffff_ffffn];
  }

  // --- what follows from the state for paging (4.1.1, 4.5, 4.6)
  get paging(): string {
    const levels = !(this.cr0 & PG) ? 0 : this.efer & LMA ? this.cr4 & LA57 ? 5 : 4 : this.cr4 & PAE ? 3 : 2,
      flag = (v: number) => v ? 1 : 0;
    const root = levels >= 4 ? this.cr3 & 0xff_ffff_f000n : this.cr3 & 0xffff_f000n,
      keys = (on: number, v: number) => levels >= 4 && on ? v : 0;
    return `levels ${levels} root ${root.toString(16)} pse ${flag(this.cr4 & PSE)} nx ${flag(this.efer & NXE)} wp ${
      flag(this.cr0 & WP)
    } smep ${flag(this.cr4 & SMEP)} keys ${keys(this.cr4 & PKE, this.pkru)} ${keys(this.cr4 & PKS, this.pkrs)}`;
  }
}
