// A second model of RISC-V's control and status registers, traps, returns and interrupts, for tests only: slow, in bigints, written from the
// manual's own words, so that it shares no mistake with the one that runs. Without the H, N and debug extensions, as the hart.
// Source: RISC-V Privileged 20240411, 2.2 (numbers), 3.1, 3.3, 3.7 and chapters 10 and 12 (registers, returns, WFI), Sstc 1.0.0; where they leave a
// choice, what src/riscv/csr.ts says.

export interface Options {
  readonly xlen: 32 | 64;
  /** Names of extensions: "f", "zca", "sstc", "zicbom", "zicboz", "svpbmt", "svadu", "svade". */
  readonly has: (extension: string) => boolean;
  readonly misa: bigint;
  /** MODE values that satp takes beside 0. */
  readonly modes: readonly bigint[];
  readonly pmpEntries: number;
  readonly hartid: bigint;
  readonly vendor: bigint;
  readonly arch: bigint;
  readonly impl: bigint;
}

const bits = (...numbers: number[]): bigint => numbers.reduce((all, n) => all | 1n << BigInt(n), 0n);
const SIE = bits(1), MIE = bits(3), SPIE = bits(5), MPIE = bits(7), SPP = bits(8), MPP = bits(11, 12), FS = bits(13, 14), MPRV = bits(17);
const SUM = bits(18), MXR = bits(19), TVM = bits(20), TW = bits(21), TSR = bits(22);
const SUPERVISOR = SIE | SPIE | SPP | SUM | MXR;
/** Most urgent first (3.1.9). */
const ORDER = [11, 3, 7, 9, 1, 5];

interface Csr {
  readonly name: string;
  readonly read: () => bigint;
  /** Absent: writes change nothing. The second argument has the bits that the instruction names. */
  readonly write?: (value: bigint, named: bigint) => void;
  /** Whether an access is illegal although the privilege suffices. */
  readonly denied?: () => boolean;
}

export class Privileged {
  priv = 3n;
  pc = 0n;
  waiting = false;
  time = 0n;
  /** What software and what wires set of mip. */
  soft = 0n;
  lines = 0n;
  status = 0n;
  cycle = 0n;
  instret = 0n;
  fcsr = 0n;
  /** Registers that have nothing but a value. */
  readonly r: Record<string, bigint> = {};
  readonly pmpcfg: number[];
  readonly pmpaddr: bigint[];
  readonly table = new Map<number, Csr>();
  #wrote = "";

  constructor(readonly o: Options) {
    for (
      const name
        of "medeleg mideleg mie mtvec mcounteren menvcfg mscratch mepc mcause mtval stvec scounteren senvcfg sscratch sepc scause stval satp \
mcountinhibit".split(" ")
    ) this.r[name] = 0n;
    this.r.stimecmp = (1n << 64n) - 1n;
    if (o.has("svadu") && !o.has("svade")) this.r.menvcfg = bits(61);
    this.pmpcfg = Array(o.pmpEntries).fill(0);
    this.pmpaddr = Array(o.pmpEntries).fill(0n);
    this.#define();
  }

  get #all(): bigint {
    return (1n << BigInt(this.o.xlen)) - 1n;
  }
  #define(): void {
    const { o, r, table } = this, wide = o.xlen === 64, put = (number: number, csr: Csr) => table.set(number, csr);
    const plain = (number: number, name: string, mask = this.#all, more: Partial<Csr> = {}) =>
      put(number, { name, read: () => r[name] & this.#all, write: (v) => r[name] = v & mask, ...more });
    const vector = (number: number, name: string) => plain(number, name, 0n, { write: (v) => v & 2n ? 0 : r[name] = v });
    const halves = (number: number, upper: number, name: string, get: () => bigint, set: (v: bigint) => void, more: Partial<Csr> = {}) => {
      const low = bits(32) - 1n;
      put(number, { name, read: () => get() & this.#all, write: (v) => set(wide ? v : get() & ~low | v), ...more });
      if (!wide) put(upper, { name: `${name}h`, read: () => get() >> 32n & low, write: (v) => set(get() & low | v << 32n), ...more });
    };
    const odd = o.has("zca") ? bits(0) : bits(0, 1);

    if (o.has("f")) {
      const denied = () => (this.status & FS) === 0n, set = (v: bigint) => (this.fcsr = v, this.status |= FS);
      put(1, { name: "fflags", denied, read: () => this.fcsr & 31n, write: (v) => set(this.fcsr & ~31n | v & 31n) });
      put(2, { name: "frm", denied, read: () => this.fcsr >> 5n, write: (v) => set(this.fcsr & 31n | (v & 7n) << 5n) });
      put(3, { name: "fcsr", denied, read: () => this.fcsr, write: (v) => set(v & 0xffn) });
    }

    // Supervisor
    const uxl = wide ? bits(33) : 0n, sxl = wide ? bits(35) : 0n, sd = () => (this.status & FS) === FS ? 1n << BigInt(o.xlen - 1) : 0n;
    put(0x100, { name: "sstatus", read: () => this.status & (SUPERVISOR | FS) | uxl | sd(), write: (v) => this.#setStatus(v, SUPERVISOR) });
    put(0x104, { name: "sie", read: () => r.mie & r.mideleg, write: (v) => r.mie = r.mie & ~r.mideleg | v & r.mideleg });
    vector(0x105, "stvec");
    plain(0x106, "scounteren", bits(32) - 1n);
    const envcfg = (name: string) => (v: bigint) => {
      let mask = bits(0);
      if (o.has("zicbom")) mask |= (v >> 4n & 3n) === 2n ? bits(6) : bits(4, 5, 6);
      if (o.has("zicboz")) mask |= bits(7);
      const kept = o.has("zicbom") && (v >> 4n & 3n) === 2n ? bits(4, 5) : 0n;
      return v & mask | r[name] & kept;
    };
    plain(0x10a, "senvcfg", 0n, { write: (v) => r.senvcfg = envcfg("senvcfg")(v) });
    plain(0x140, "sscratch");
    plain(0x141, "sepc", ~odd);
    plain(0x142, "scause");
    plain(0x143, "stval");
    put(0x144, { name: "sip", read: () => this.mip & r.mideleg, write: (v, named) => this.#setSoft(v, named & bits(1) & r.mideleg) });
    if (o.has("sstc")) {
      const denied = () => this.priv < 3n && !(r.menvcfg & bits(63) && r.mcounteren & bits(1));
      halves(0x14d, 0x15d, "stimecmp", () => r.stimecmp, (v) => r.stimecmp = v, { denied });
    }
    plain(0x180, "satp", this.#all, {
      denied: () => this.priv === 1n && (this.status & TVM) !== 0n,
      write: (v) => [0n, ...o.modes].includes(v >> (wide ? 60n : 31n)) ? r.satp = v : 0,
    });

    // Machine
    const constant = (number: number, name: string, value: bigint) => put(number, { name, read: () => value });
    constant(0xf11, "mvendorid", o.vendor);
    constant(0xf12, "marchid", o.arch);
    constant(0xf13, "mimpid", o.impl);
    constant(0xf14, "mhartid", o.hartid);
    constant(0xf15, "mconfigptr", 0n);
    put(0x300, { name: "mstatus", read: () => this.status | uxl | sxl | sd(), write: (v) => this.#setStatus(v, ~0n) });
    constant(0x301, "misa", o.misa);
    plain(0x302, "medeleg", bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15));
    plain(0x303, "mideleg", bits(1, 5, 9));
    plain(0x304, "mie", bits(1, 3, 5, 7, 9, 11));
    vector(0x305, "mtvec");
    plain(0x306, "mcounteren", bits(32) - 1n);
    const upper = (o.has("sstc") ? bits(63) : 0n) | (o.has("svpbmt") ? bits(62) : 0n) | (o.has("svadu") ? bits(61) : 0n);
    halves(0x30a, 0x31a, "menvcfg", () => r.menvcfg, (v) => r.menvcfg = envcfg("menvcfg")(v) | v & upper);
    if (!wide) constant(0x310, "mstatush", 0n);
    plain(0x320, "mcountinhibit", bits(0, 2));
    plain(0x340, "mscratch");
    plain(0x341, "mepc", ~odd);
    plain(0x342, "mcause");
    plain(0x343, "mtval");
    put(0x344, {
      name: "mip",
      read: () => this.mip,
      write: (v, named) => this.#setSoft(v, named & (r.menvcfg & bits(63) ? bits(1, 9) : bits(1, 5, 9))),
    });

    // Memory protection: 3.7.1; R=0 with W=1 is reserved, and W is taken away.
    const each = o.xlen / 8;
    for (let n = 0; n < o.pmpEntries; n += each) {
      const entries = Array.from({ length: each }, (_, i) => n + i);
      put(0x3a0 + n / 4, {
        name: `pmpcfg${n / 4}`,
        read: () => entries.reduce((all, i) => all | BigInt(this.pmpcfg[i]) << BigInt(8 * (i - n)), 0n),
        write: (v) =>
          entries.forEach((i) => {
            const byte = Number(v >> BigInt(8 * (i - n)) & 0xffn);
            if (!(this.pmpcfg[i] & 0x80)) this.pmpcfg[i] = byte & (byte & 1 ? 0x9f : 0x9c);
          }),
      });
    }
    for (let i = 0; i < o.pmpEntries; i++) {
      put(0x3b0 + i, {
        name: `pmpaddr${i}`,
        read: () => this.pmpaddr[i],
        write: (v) => {
          const above = this.pmpcfg[i + 1] ?? 0;
          if (!(this.pmpcfg[i] & 0x80) && !(above & 0x80 && (above >> 3 & 3) === 1)) this.pmpaddr[i] = v & (bits(wide ? 54 : 32) - 1n);
        },
      });
    }

    // Counters
    const denied = (n: number) => () =>
      (this.priv < 3n && !(r.mcounteren >> BigInt(n) & 1n)) || (this.priv < 1n && !(r.scounteren >> BigInt(n) & 1n));
    for (let n = 0; n < 32; n++) {
      const name = ["cycle", "time", "instret"][n] ?? `hpmcounter${n}`;
      const get = () => n === 0 ? this.cycle : n === 1 ? this.time : n === 2 ? this.instret : 0n;
      const set = (v: bigint) => {
        if (n === 0) this.cycle = v;
        if (n === 2) this.instret = v;
        this.#wrote = name;
      };
      put(0xc00 + n, { name, denied: denied(n), read: () => get() & this.#all });
      if (!wide) put(0xc80 + n, { name: `${name}h`, denied: denied(n), read: () => get() >> 32n });
      if (n !== 1) halves(0xb00 + n, 0xb80 + n, `m${name}`, get, set);
      if (n > 2) constant(0x320 + n, `mhpmevent${n}`, 0n);
    }

    // Triggers: there are none (Debug 0.13.2, 5.2).
    for (let n = 0; n < 4; n++) constant(0x7a0 + n, n === 0 ? "tselect" : `tdata${n}`, 0n);
    constant(0x7a4, "tinfo", 1n);
  }

  #setStatus(value: bigint, within: bigint): void {
    const mask = (SIE | MIE | SPIE | MPIE | SPP | MPP | MPRV | SUM | MXR | TVM | TW | TSR) & within | (this.o.has("f") ? FS : 0n);
    const next = this.status & ~mask | value & mask;
    // MPP is WARL: there is no privilege 2.
    this.status = (next & MPP) === bits(12) ? next & ~MPP | this.status & MPP : next;
  }
  #setSoft(value: bigint, mask: bigint): void {
    this.soft = this.soft & ~mask | value & mask;
  }

  get mip(): bigint {
    const { menvcfg, stimecmp } = this.r;
    return this.lines | (menvcfg & bits(63) ? this.soft & ~bits(5) | (this.time >= stimecmp ? bits(5) : 0n) : this.soft);
  }
  /** Interrupts of which the most urgent would be taken now (3.1.6.1, 3.1.9, 10.1.1.1). */
  get deliverable(): bigint {
    const pending = this.mip & this.r.mie, toM = pending & ~this.r.mideleg, toS = pending & this.r.mideleg;
    if (toM && (this.priv < 3n || this.status & MIE)) return toM;
    return toS && (this.priv < 1n || (this.priv === 1n && this.status & SIE)) ? toS : 0n;
  }

  #vector(to: string, cause: bigint, interrupt: boolean): bigint {
    const vec = this.r[`${to}tvec`], base = vec & ~3n;
    return BigInt.asUintN(this.o.xlen, interrupt && vec & 1n ? base + 4n * cause : base);
  }
  /** A trap whose instruction is at `epc`. */
  enter(cause: bigint, interrupt: boolean, epc: bigint, tval: bigint): void {
    const { r, status, priv } = this, toS = priv < 3n && ((interrupt ? r.mideleg : r.medeleg) >> cause & 1n) !== 0n, to = toS ? "s" : "m";
    r[`${to}epc`] = epc;
    r[`${to}cause`] = cause | (interrupt ? 1n << BigInt(this.o.xlen - 1) : 0n);
    r[`${to}tval`] = tval & this.#all;
    if (toS) this.status = status & ~(SPP | SPIE | SIE) | (priv ? SPP : 0n) | (status & SIE ? SPIE : 0n);
    else this.status = status & ~(MPP | MPIE | MIE) | priv << 11n | (status & MIE ? MPIE : 0n);
    this.priv = toS ? 1n : 3n;
    this.pc = this.#vector(to, cause, interrupt);
  }
  interrupt(): void {
    const set = this.deliverable, n = ORDER.find((n) => set >> BigInt(n) & 1n)!;
    this.enter(BigInt(n), true, this.pc, 0n);
  }
  /** What every instruction ends with: counters, and waits that are over. */
  #retire(inhibit: bigint, trapped: boolean): void {
    if (!(inhibit & 1n) && this.#wrote !== "cycle") this.cycle = BigInt.asUintN(64, this.cycle + 1n);
    if (!(inhibit & 4n) && this.#wrote !== "instret" && !trapped) this.instret = BigInt.asUintN(64, this.instret + 1n);
    this.#wrote = "";
    this.settle();
  }
  settle(): void {
    if (this.mip & this.r.mie) this.waiting = false;
  }
  /** An instruction that raises an exception. */
  exception(cause: bigint, tval: bigint): void {
    const inhibit = this.r.mcountinhibit;
    this.enter(cause, false, this.pc, tval);
    this.#retire(inhibit, true);
  }
  #illegal(word: bigint): void {
    this.exception(2n, word);
  }
  #done(next: bigint, inhibit = this.r.mcountinhibit): void {
    this.pc = BigInt.asUintN(this.o.xlen, next);
    this.#retire(inhibit, false);
  }

  /** Whether the present privilege may access a register, and the register. */
  allowed(number: number, writes: boolean): Csr | undefined {
    const csr = this.table.get(number);
    return csr && this.priv >= BigInt(number >> 8 & 3) && !(writes && number >> 10 === 3) && !csr.denied?.() ? csr : undefined;
  }
  /** kind: 1 write, 2 set, 3 clear. The old value, or undefined when it trapped. */
  csr(word: bigint, kind: number, number: number, operand: bigint, writes: boolean): bigint | undefined {
    const csr = this.allowed(number, writes);
    if (!csr) return void this.#illegal(word);
    const old = csr.read(), inhibit = this.r.mcountinhibit;
    if (writes) {
      csr.write?.(kind === 1 ? operand : kind === 2 ? old | operand : old & ~operand, kind === 1 ? this.#all : operand);
    }
    this.#done(this.pc + 4n, inhibit);
    return old;
  }
  mret(word: bigint): void {
    if (this.priv < 3n) return this.#illegal(word);
    const { status } = this;
    this.priv = (status & MPP) >> 11n;
    this.status = status & ~(MPP | MIE | (this.priv === 3n ? 0n : MPRV)) | MPIE | (status & MPIE ? MIE : 0n);
    this.#done(this.r.mepc);
  }
  sret(word: bigint): void {
    if (this.priv < 1n || (this.priv === 1n && this.status & TSR)) return this.#illegal(word);
    const { status } = this;
    this.priv = status & SPP ? 1n : 0n;
    this.status = status & ~(SPP | SIE | MPRV) | SPIE | (status & SPIE ? SIE : 0n);
    this.#done(this.r.sepc);
  }
  wfi(word: bigint): void {
    if (this.priv < 1n || (this.priv < 3n && this.status & TW)) return this.#illegal(word);
    this.waiting = true;
    this.#done(this.pc + 4n);
  }
  sfence(word: bigint): void {
    if (this.priv < 1n || (this.priv === 1n && this.status & TVM)) return this.#illegal(word);
    this.#done(this.pc + 4n);
  }
  /** CMO 1.0, 2.6: whether a cache-block instruction may run: 0 inval, 1 clean, 2 flush, 4 zero. */
  mayCbo(kind: number): boolean {
    const field = kind === 4 ? bits(7) : kind === 0 ? bits(4, 5) : bits(6);
    return (this.priv === 3n || (this.r.menvcfg & field) !== 0n) && (this.priv > 0n || (this.r.senvcfg & field) !== 0n);
  }
  /** The privilege of loads and stores. */
  get data(): bigint {
    return this.status & MPRV ? (this.status & MPP) >> 11n : this.priv;
  }
  get sum(): boolean {
    return (this.status & SUM) !== 0n;
  }
  get fs(): number {
    return Number((this.status & FS) >> 13n);
  }
}
