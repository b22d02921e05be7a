// Random numbers for the fuzzers that depend on the seed alone.

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
}
