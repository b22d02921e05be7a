// Physical memory protection (RISC-V Privileged 20240411, 3.7), grain 4 bytes as QEMU has it. An access that crosses a page is two
// accesses. Not modelled: Smepmp (mseccfg).

const R = 1, X = 4, ALL = 7, A_SHIFT = 3, A_MASK = 0x18, LOCK = 0x80;
const OFF = 0, TOR = 1, NA4 = 2;

export class Pmp {
  readonly cfg: Uint8Array;
  /** pmpaddr, halves; the address in units of 4 bytes. */
  readonly addressLo: Uint32Array;
  readonly addressHi: Uint32Array;
  /** Set by `rights`: whether every byte of the 4 KiB page has the same rights. */
  whole = true;
  /** Everybody may do everything everywhere: the state in which most systems run. */
  open!: boolean;
  /** M-mode may do everything everywhere: no entry is locked, and none ends inside a page, where an access could lie across its end. */
  unlocked!: boolean;
  // The entries that are not OFF, in order of priority: first byte, byte after the last, configuration.
  readonly #start: Float64Array;
  readonly #end: Float64Array;
  readonly #rights: Uint8Array;
  #active = 0;

  /** `entries` is 0, 16 or 64. */
  constructor(readonly entries: number, readonly xlen: 32 | 64) {
    this.cfg = new Uint8Array(entries);
    this.addressLo = new Uint32Array(entries);
    this.addressHi = new Uint32Array(entries);
    this.#start = new Float64Array(entries);
    this.#end = new Float64Array(entries);
    this.#rights = new Uint8Array(entries);
    this.refresh();
  }

  reset(): void {
    this.cfg.fill(0);
    this.addressLo.fill(0);
    this.addressHi.fill(0);
    this.refresh();
  }

  /** Plain data for a snapshot. */
  save() {
    return { cfg: this.cfg.slice(), addressLo: this.addressLo.slice(), addressHi: this.addressHi.slice() };
  }
  load(saved: ReturnType<Pmp["save"]>): void {
    this.cfg.set(saved.cfg);
    this.addressLo.set(saved.addressLo);
    this.addressHi.set(saved.addressHi);
    this.refresh();
  }

  /** Writes one configuration byte; a locked entry keeps what it has (Priv 3.7.1.2). Call `refresh` after the last. */
  writeCfg(entry: number, value: number): void {
    if (this.cfg[entry] & LOCK) return;
    // R=0 W=1 is reserved; QEMU 8.2 takes the write permission away.
    this.cfg[entry] = value & R ? value & (LOCK | A_MASK | ALL) : value & (LOCK | A_MASK | X);
  }

  /** Writes pmpaddr from halves. It is locked by its own entry, and by a locked TOR entry above it. */
  writeAddress(entry: number, lo: number, hi: number): void {
    const above = entry + 1 < this.entries ? this.cfg[entry + 1] : 0;
    if (this.cfg[entry] & LOCK || (above & LOCK && (above & A_MASK) >> A_SHIFT === TOR)) return;
    this.addressLo[entry] = lo;
    this.addressHi[entry] = this.xlen === 64 ? hi & 0x3f_ffff : 0;
    this.refresh();
  }

  /** Recomputes the ranges after the registers changed. */
  refresh(): void {
    let n = 0;
    this.unlocked = true;
    for (let i = 0; i < this.entries; i++) {
      const kind = (this.cfg[i] & A_MASK) >> A_SHIFT;
      if (this.cfg[i] & LOCK) this.unlocked = false;
      if (kind === OFF) continue;
      const [start, end] = this.#range(i, kind);
      if (start >= end) continue;
      this.#start[n] = start;
      this.#end[n] = end;
      this.#rights[n] = this.cfg[i];
      n++;
    }
    this.#active = n;
    for (let i = 0; i < n; i++) if (this.#start[i] % 4096 > 0 || this.#end[i] % 4096 > 0) this.unlocked = false;
    this.open = this.entries === 0 || (n > 0 && this.#start[0] === 0 && this.#end[0] === Infinity && (this.#rights[0] & ALL) === ALL);
  }

  #range(entry: number, kind: number): [number, number] {
    const lo = this.addressLo[entry], hi = this.addressHi[entry];
    const at = 4 * (hi * 2 ** 32 + lo);
    if (kind === TOR) {
      return [entry === 0 ? 0 : 4 * (this.addressHi[entry - 1] * 2 ** 32 + this.addressLo[entry - 1]), this.#everything(at)];
    }
    if (kind === NA4) return [at, at + 4];
    // NAPOT: n trailing ones stand for a size of 2^(n+3) bytes.
    const ones = lo === 0xffff_ffff ? 32 + trailingOnes(hi) : trailingOnes(lo);
    const size = 2 ** (ones + 3);
    return [Math.floor(at / size) * size, this.#everything(Math.floor(at / size) * size + size)];
  }
  /** No register value is beyond the 56 address bits, 34 on RV32, so a range that reaches their end reaches the end of everything. */
  #everything(end: number): number {
    return end >= (this.xlen === 64 ? 2 ** 56 - 4 : 2 ** 34 - 4) ? Infinity : end;
  }

  /**
   * What may be done with `size` bytes from a physical address on, all in one page: R 1, W 2, X 4. `machine` is the effective privilege M.
   * The first entry that has any of the bytes decides, and has to have them all (3.7.1, "Priority and Matching Logic"). Sets `whole`.
   */
  rights(paddr: number, machine: boolean, size = 1): number {
    this.whole = true;
    if (this.open) return ALL;
    const page = Math.floor(paddr / 4096) * 4096, end = page + 4096;
    for (let i = 0; i < this.#active; i++) {
      if (this.#start[i] >= end || this.#end[i] <= page) continue;
      if (this.#start[i] > page || this.#end[i] < end) this.whole = false;
      if (paddr + size <= this.#start[i] || paddr >= this.#end[i]) continue;
      if (paddr < this.#start[i] || paddr + size > this.#end[i]) return 0;
      const cfg = this.#rights[i];
      return machine && !(cfg & LOCK) ? ALL : cfg & ALL;
    }
    return machine ? ALL : 0;
  }
}

/** Of a number with a zero among its 32 bits. */
const trailingOnes = (n: number): number => 31 - Math.clz32(~n & (n + 1));
