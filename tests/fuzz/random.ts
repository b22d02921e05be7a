// Random numbers for the fuzzers that depend on the seed alone, and operands drawn from them: half of them where instructions have edges.
const u64 = (n: bigint) => BigInt.asUintN(64, n);

/** mulberry32. */
export class Random {
  constructor(public state: number) {}
  bits(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  unit = (): number => this.bits() / 2 ** 32;
  below(n: number): number {
    return Math.floor(this.unit() * n);
  }
  one(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
  /** 0 to n-1 in random order. */
  order(n: number): number[] {
    const all = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [all[i], all[j]] = [all[j], all[i]];
    }
    return all;
  }
  bits64(): bigint {
    return (BigInt(this.bits()) << 32n) | BigInt(this.bits());
  }
  /** 64 bits: small of either sign, powers of two and their neighbours, extended words, bytes at their edges, anything. */
  integer(): bigint {
    switch (this.below(7)) {
      case 0:
        return BigInt(this.below(16));
      case 1:
        return u64(-BigInt(this.below(16)));
      case 2:
        return u64((this.pick([1n, -1n]) << BigInt(this.below(64))) + BigInt(this.below(3) - 1));
      case 3:
        return u64(BigInt(this.bits() | 0));
      case 4: {
        // Equal parts, and parts at the edges of 8, 16 and 32 bits.
        const part = () => BigInt(this.pick([0, 0xff, 0x7f, 0x80, this.below(256)]));
        return u64((this.bits64() & ~0xffffn) | (part() << 8n) | part());
      }
      default:
        return this.bits64();
    }
  }
  /** A number of a format: any exponent, or one near the bias so that sums cancel and products stay in range; edges of the fraction. */
  float(exponentBits: number, fractionBits: number): bigint {
    const top = 2 ** exponentBits - 1, bias = top >> 1, n = BigInt(fractionBits);
    const any = this.below(top + 1), near = [bias, bias + this.below(4), bias + this.below(fractionBits + 12), bias - this.below(30)];
    const exponent = this.pick([0, 0, top, 1, top - 1, any, any, ...near]), bit = BigInt(this.below(fractionBits)), dense = this.bits64();
    const fraction = this.pick([0n, -1n, 1n, 1n << (n - 1n), dense, dense, dense, (1n << bit) - 1n, -1n << bit]);
    const sign = BigInt(this.below(2)) << BigInt(exponentBits + fractionBits);
    return sign | (BigInt(Math.max(0, Math.min(top, exponent))) << n) | BigInt.asUintN(fractionBits, fraction);
  }
}
