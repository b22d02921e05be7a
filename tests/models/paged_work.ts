// The work of the guest `paged` (tests/guests/asm/paged_work.h) on plain memory: what it must print, by numbers of any size where the guest carries.

const PAGE = 4096, BYTES = 60 * PAGE, BLOCK = 9000;
/** FNV-1a. */
const START = 2166136261, PRIME = 16777619;
export const DEFAULT_SEED = 2463534242;

/** The lines that the guest prints. */
export function pagedWork(seed = DEFAULT_SEED): string {
  const bytes = new Uint8Array(64 * PAGE), m = new DataView(bytes.buffer);
  const lines: string[] = [];
  const report = (name: string, sum: number) => lines.push(`${name} ${(sum >>> 0).toString(16).padStart(8, "0")}`);
  const random = randomFrom(seed);
  const place = () => (1 + random() % 58) * PAGE - 24 + random() % 32;
  const sum = (at: number, length: number) => bytes.subarray(at, at + length).reduce((s, byte) => Math.imul(s ^ byte, PRIME), START);
  const get2 = (at: number) => m.getUint16(at, true), set2 = (at: number, value: number) => m.setUint16(at, value, true);
  const get4 = (at: number) => m.getUint32(at, true), set4 = (at: number, value: number) => m.setUint32(at, value, true);
  const get8 = (at: number) => m.getBigUint64(at, true), set8 = (at: number, value: bigint) => m.setBigUint64(at, value, true);
  /** A number of so many bytes. */
  const big = (at: number, length: number) => {
    let value = 0n;
    for (let i = length; i-- > 0;) value = value << 8n | BigInt(bytes[at + i]);
    return value;
  };
  const setBig = (at: number, length: number, value: bigint) => {
    for (let i = 0; i < length; i++, value >>= 8n) bytes[at + i] = Number(value & 255n);
  };

  /** What a round of copies does with 8 bytes, by its unit. */
  const units: readonly ((d: number, s: number, round: number) => void)[] = [
    (d, s, round) => set8(d, get8(s) + 0x0123456789abcdefn * BigInt(round)),
    (d, s, round) => (set4(d, get4(s) ^ round), set4(d + 4, get4(s + 4))),
    (d, s, round) => (set2(d + 1, get2(s + 1) + round), set2(d + 3, get2(s + 5)), set2(d + 5, get2(s + 3))),
    (d, s) => set8(d, get8(s)),
    (d, s) => (set4(d, get4(s)), set4(d + 4, get4(s + 3))),
    (d, s) => (set8(d, get8(d) ^ get8(s)), set4(d + 3, get4(d + 5)), bytes[d] = bytes[s] + 1),
    (d, s) => (set8(d + 5, BigInt(get4(s))), set2(d - 1, get2(s + 2)), bytes[d + 7] ^= bytes[s + 1]),
    (d, s, round) => {
      set8(d, get8(d) + get8(s));
      set4(d + 3, get4(d + 3) + round);
      const value = get4(s + 1), old = get4(d + 6);
      set4(d + 6, value);
      set4(d + 8, old);
    },
    (d, s) => bytes.copyWithin(d, s, s + 16),
  ];

  function copies(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      const to = place(), from = place();
      for (let i = 0; i < 40; i += 8) units[round % units.length](to + i, from + i, round);
    }
    report("copies", sum(0, BYTES));
  }

  function blocks(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      const unit = 1 << round % 4, length = random() % BLOCK & -unit, to = 64 + random() % (BYTES - BLOCK - 128);
      const from = round & 4 ? to - 32 + random() % 64 : random() % (BYTES - BLOCK);
      bytes.copyWithin(to, from, from + length);
      const at = place(), filled = random() % 160 & -unit, value = random();
      for (let i = 0; i < filled; i++) bytes[at + i] = value >>> 8 * (i % Math.min(unit, 4));
    }
    report("blocks", sum(0, BYTES));
  }

  /** The rounds of SHA-256 (FIPS 180-4, 6.2) with constants of our own. */
  function hash(at: number, count: number): void {
    const h = Array.from({ length: 8 }, (_, i) => Math.imul(0x9e3779b9, i + 1)), w: number[] = [];
    for (let block = at; block < at + 64 * count; block += 64) {
      for (let i = 0; i < 64; i++) {
        w[i] = i < 16 ? get4(block + 4 * i) : w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >>> 3) + w[i - 7] +
            (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >>> 10) | 0;
      }
      let [a, b, c, d, e, f, g, last] = h;
      for (let i = 0; i < 64; i++) {
        const t = last + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & f ^ ~e & g) + Math.imul(0x85ebca6b, i + 1) + w[i] | 0;
        const u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
        [a, b, c, d, e, f, g, last] = [t + u | 0, a, b, c, d + t | 0, e, f, g];
      }
      for (const [i, value] of [a, b, c, d, e, f, g, last].entries()) h[i] = h[i] + value | 0;
    }
    report("hash", h[0] ^ h[7]);
  }

  function sort(at: number, count: number): void {
    const values = Uint32Array.from({ length: count }, random).sort();
    for (const [i, value] of values.entries()) set4(at + 4 * i, value);
    report("sort", sum(at, 4 * count));
  }

  function factorial(at: number, n: number): void {
    let value = 1n;
    for (let k = 2n; k <= n; k++) value *= k;
    const words = Math.ceil(value.toString(2).length / 32);
    setBig(at, 4 * words, value);
    report("factorial", sum(at, 4 * words));
  }

  function product(at: number, words: number): void {
    const length = 8 * words, b = at + length + 3, to = b + length + 2, value = big(at, length) * big(b, length);
    setBig(to, 2 * length, value);
    report("product", sum(to, 2 * length));
    // The guest divides it away, the lowest digits first.
    const digits = value.toString().padStart(Math.ceil(value.toString().length / 9) * 9, "0").match(/.{9}/g)!.reverse();
    report("digits", digits.reduce((s, nine) => Math.imul(s ^ Number(nine), PRIME), START));
    setBig(to, 2 * length, 0n);
  }

  /** Byte code of one byte and an immediate of two; its stack grows down. */
  function code(at: number, steps: number): void {
    const code = at + PAGE - 301, top = at + 2 * PAGE + 37;
    for (let i = 0; i < 200; i++) {
      bytes[code + 3 * i] = random() % 8;
      set2(code + 3 * i + 1, random());
    }
    let next = 0, s = 1, sp = top;
    for (let n = 0; n < steps; n++) {
      const operation = bytes[code + 3 * next], immediate = get2(code + 3 * next + 1);
      next = (next + 1) % 200;
      if (operation < 3 && sp > top - 120) set4(sp -= 5, s + immediate);
      else if (operation < 5 && sp < top) {
        s = s + Math.imul(get4(sp), 2 * immediate + 1) | 0;
        sp += 5;
      } else if (operation === 5) set8(sp - 8, get8(sp - 8) * 3n + BigInt(s >>> 0));
      else if (operation === 6 && s & 1) next = immediate % 200;
      else s = rotate(s, 7) ^ get4(sp - 3) ^ immediate;
    }
    report("code", s);
  }

  for (let i = 0; i < BYTES; i += 4) set4(i, random());
  copies(4000);
  blocks(120);
  hash(PAGE - 13, 300);
  sort(4093, 6000);
  factorial(8 * PAGE - 99, 400);
  product(13 * PAGE - 500, 61);
  code(20 * PAGE, 60000);
  report("memory", sum(0, BYTES));
  return lines.join("\n") + "\n";
}

const rotate = (x: number, n: number) => x >>> n | x << 32 - n;

/** Random numbers of 32 bits (xorshift). */
function randomFrom(seed: number): () => number {
  let x = seed | 0;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
