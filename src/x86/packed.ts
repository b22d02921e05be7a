// The packed integer operations of MMX and SSE, one definition for both register sizes, on lanes of typed arrays. Intel SDM volume 2 (253666-083).
// An operation fills R from A (the destination) and B (the source): `n` is 8 or 16 bytes, `imm` the immediate.

const buffer = new ArrayBuffer(64);
/** A at 0, B at 16, R at 32, in every lane type. */
export const u8 = new Uint8Array(buffer), i8 = new Int8Array(buffer), u16 = new Uint16Array(buffer), i16 = new Int16Array(buffer);
export const u32 = new Uint32Array(buffer), i32 = new Int32Array(buffer), u64 = new BigUint64Array(buffer), i64 = new BigInt64Array(buffer);

export type Packed = (n: 8 | 16, imm: number) => void;
type Lanes = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

const clamp = (v: number, lo: number, hi: number) => v < lo ? lo : v > hi ? hi : v;
const s8 = (v: number) => clamp(v, -0x80, 0x7f), s16 = (v: number) => clamp(v, -0x8000, 0x7fff);
const us8 = (v: number) => clamp(v, 0, 0xff), us16 = (v: number) => clamp(v, 0, 0xffff);

/** Lane by lane. */
function each(view: Lanes, f: (a: number, b: number) => number): Packed {
  const width = view.BYTES_PER_ELEMENT, b = 16 / width, r = 32 / width;
  return (n) => {
    for (let k = 0, lanes = n / width; k < lanes; k++) view[r + k] = f(view[k], view[b + k]);
  };
}
/** Low or high lanes of A and B by turns. */
function unpack(view: Lanes | BigUint64Array, high: boolean): Packed {
  const width = view.BYTES_PER_ELEMENT, b = 16 / width, r = 32 / width;
  return (n) => {
    const half = n / width / 2, from = high ? half : 0;
    for (let k = 0; k < half; k++) {
      view[r + 2 * k] = view[from + k];
      view[r + 2 * k + 1] = view[b + from + k];
    }
  };
}
/** Lanes of A, then of B, saturated into lanes of half the width. */
function pack(from: Int16Array | Int32Array, to: Lanes, saturate: (v: number) => number): Packed {
  const width = from.BYTES_PER_ELEMENT, b = 16 / width, r = 32 / to.BYTES_PER_ELEMENT;
  return (n) => {
    const lanes = n / width;
    for (let k = 0; k < lanes; k++) {
      to[r + k] = saturate(from[k]);
      to[r + lanes + k] = saturate(from[b + k]);
    }
  };
}
/** Neighbours combined: those of A, then those of B. */
function pairs(view: Int16Array | Int32Array, f: (x: number, y: number) => number): Packed {
  const width = view.BYTES_PER_ELEMENT, b = 16 / width, r = 32 / width;
  return (n) => {
    const half = n / width / 2;
    for (let k = 0; k < half; k++) {
      view[r + k] = f(view[2 * k], view[2 * k + 1]);
      view[r + half + k] = f(view[b + 2 * k], view[b + 2 * k + 1]);
    }
  };
}
/** Shifts of all lanes by one count: the low 64 bits of B, or the immediate when `count` is given. */
function shift(bits: 16 | 32 | 64, kind: "left" | "right" | "arithmetic"): Packed {
  return (n) => {
    const count = u64[2] > 255n ? 255 : Number(u64[2]);
    if (bits === 64) {
      for (let k = 0; k < n / 8; k++) u64[4 + k] = count > 63 ? 0n : kind === "left" ? u64[k] << BigInt(count) : u64[k] >> BigInt(count);
    } else if (bits === 32) {
      for (let k = 0; k < n / 4; k++) {
        if (kind === "arithmetic") i32[8 + k] = i32[k] >> (count > 31 ? 31 : count);
        else u32[8 + k] = count > 31 ? 0 : kind === "left" ? u32[k] << count : u32[k] >>> count;
      }
    } else {
      for (let k = 0; k < n / 2; k++) {
        if (kind === "arithmetic") i16[16 + k] = i16[k] >> (count > 15 ? 15 : count);
        else u16[16 + k] = count > 15 ? 0 : kind === "left" ? u16[k] << count : u16[k] >>> count;
      }
    }
  };
}
/** Sign or zero extension of the low lanes of B. */
function widen(from: Lanes, to: Lanes | BigUint64Array | BigInt64Array): Packed {
  const b = 16 / from.BYTES_PER_ELEMENT, r = 32 / to.BYTES_PER_ELEMENT, lanes = 16 / to.BYTES_PER_ELEMENT;
  const big = to instanceof BigUint64Array || to instanceof BigInt64Array;
  return () => {
    for (let k = 0; k < lanes; k++) {
      if (big) to[r + k] = BigInt(from[b + k]);
      else (to as Lanes)[r + k] = from[b + k];
    }
  };
}
const mulHigh32 = (a: number, b: number) => BigInt(a) * BigInt(b);

// deno-fmt-ignore
/** Operations that both MMX and SSE2 (or SSSE3) have. */
export const PACKED_BOTH = {
  punpcklbw: unpack(u8, false), punpcklwd: unpack(u16, false), punpckldq: unpack(u32, false),
  punpckhbw: unpack(u8, true), punpckhwd: unpack(u16, true), punpckhdq: unpack(u32, true),
  packsswb: pack(i16, i8, s8), packuswb: pack(i16, u8, us8), packssdw: pack(i32, i16, s16),
  pcmpgtb: each(i8, (a, b) => a > b ? -1 : 0), pcmpgtw: each(i16, (a, b) => a > b ? -1 : 0), pcmpgtd: each(i32, (a, b) => a > b ? -1 : 0),
  pcmpeqb: each(i8, (a, b) => a === b ? -1 : 0), pcmpeqw: each(i16, (a, b) => a === b ? -1 : 0), pcmpeqd: each(i32, (a, b) => a === b ? -1 : 0),
  psrlw: shift(16, "right"), psrld: shift(32, "right"), psrlq: shift(64, "right"), psraw: shift(16, "arithmetic"), psrad: shift(32, "arithmetic"),
  psllw: shift(16, "left"), pslld: shift(32, "left"), psllq: shift(64, "left"),
  paddb: each(u8, (a, b) => a + b), paddw: each(u16, (a, b) => a + b), paddd: each(u32, (a, b) => a + b),
  psubb: each(u8, (a, b) => a - b), psubw: each(u16, (a, b) => a - b), psubd: each(u32, (a, b) => a - b),
  paddsb: each(i8, (a, b) => s8(a + b)), paddsw: each(i16, (a, b) => s16(a + b)),
  paddusb: each(u8, (a, b) => us8(a + b)), paddusw: each(u16, (a, b) => us16(a + b)),
  psubsb: each(i8, (a, b) => s8(a - b)), psubsw: each(i16, (a, b) => s16(a - b)),
  psubusb: each(u8, (a, b) => us8(a - b)), psubusw: each(u16, (a, b) => us16(a - b)),
  pminub: each(u8, Math.min), pmaxub: each(u8, Math.max), pminsw: each(i16, Math.min), pmaxsw: each(i16, Math.max),
  pavgb: each(u8, (a, b) => (a + b + 1) >> 1), pavgw: each(u16, (a, b) => (a + b + 1) >> 1),
  pmullw: each(i16, (a, b) => a * b), pmulhw: each(i16, (a, b) => (a * b) >> 16), pmulhuw: each(u16, (a, b) => (a * b) / 0x1_0000),
  pmulhrsw: each(i16, (a, b) => (((a * b) >> 14) + 1) >> 1),
  pmuludq: ((n) => { for (let k = 0; k < n / 8; k++) u64[4 + k] = mulHigh32(u32[2 * k], u32[4 + 2 * k]); }) as Packed,
  pmaddwd: ((n) => { for (let k = 0; k < n / 4; k++) i32[8 + k] = i16[2 * k] * i16[8 + 2 * k] + i16[2 * k + 1] * i16[9 + 2 * k]; }) as Packed,
  pmaddubsw: ((n) => { for (let k = 0; k < n / 2; k++) i16[16 + k] = s16(u8[2 * k] * i8[16 + 2 * k] + u8[2 * k + 1] * i8[17 + 2 * k]); }) as Packed,
  psadbw: ((n) => {
    for (let k = 0; k < n / 8; k++) {
      let sum = 0;
      for (let j = 8 * k; j < 8 * k + 8; j++) sum += Math.abs(u8[j] - u8[16 + j]);
      u64[4 + k] = BigInt(sum);
    }
  }) as Packed,
  phaddw: pairs(i16, (x, y) => x + y), phaddd: pairs(i32, (x, y) => x + y), phaddsw: pairs(i16, (x, y) => s16(x + y)),
  phsubw: pairs(i16, (x, y) => x - y), phsubd: pairs(i32, (x, y) => x - y), phsubsw: pairs(i16, (x, y) => s16(x - y)),
  psignb: each(i8, (a, b) => b < 0 ? -a : b ? a : 0), psignw: each(i16, (a, b) => b < 0 ? -a : b ? a : 0), psignd: each(i32, (a, b) => b < 0 ? -a : b ? a : 0),
  pabsb: each(i8, (_a, b) => Math.abs(b)), pabsw: each(i16, (_a, b) => Math.abs(b)), pabsd: each(i32, (_a, b) => Math.abs(b)),
  pshufb: ((n) => { for (let k = 0; k < n; k++) u8[32 + k] = u8[16 + k] & 0x80 ? 0 : u8[u8[16 + k] & (n - 1)]; }) as Packed,
  palignr: ((n, imm) => {
    for (let k = 0; k < n; k++) {
      const from = k + imm;
      u8[32 + k] = from < n ? u8[16 + from] : from < 2 * n ? u8[from - n] : 0;
    }
  }) as Packed,
} satisfies Record<string, Packed>;

const pick32 = (from: number, imm: number) => {
  for (let k = 0; k < 4; k++) u32[8 + k] = u32[from + ((imm >> (2 * k)) & 3)];
};
/** Words of one half of B by the immediate, the other half as it is. */
const pick16 = (base: number, imm: number) => {
  u64[4] = u64[2];
  u64[5] = u64[3];
  for (let k = 0; k < 4; k++) u16[16 + base + k] = u16[8 + base + ((imm >> (2 * k)) & 3)];
};
/** Lanes of B where the immediate has a bit, else of A. */
const blend = (width: 2 | 4 | 8): Packed => (_n, imm) => {
  for (let k = 0; k < 16; k++) u8[32 + k] = (imm >> Math.floor(k / width)) & 1 ? u8[16 + k] : u8[k];
};

// deno-fmt-ignore
/** Operations of SSE alone. blendv takes its mask from the immediate's place: see sse.ts. */
export const PACKED_SSE = {
  punpcklqdq: unpack(u64, false), punpckhqdq: unpack(u64, true),
  unpcklps: unpack(u32, false), unpckhps: unpack(u32, true),
  packusdw: pack(i32, u16, us16),
  pcmpeqq: (() => { for (let k = 0; k < 2; k++) i64[4 + k] = i64[k] === i64[2 + k] ? -1n : 0n; }) as Packed,
  pcmpgtq: (() => { for (let k = 0; k < 2; k++) i64[4 + k] = i64[k] > i64[2 + k] ? -1n : 0n; }) as Packed,
  pminsb: each(i8, Math.min), pmaxsb: each(i8, Math.max), pminuw: each(u16, Math.min), pmaxuw: each(u16, Math.max),
  pminsd: each(i32, Math.min), pmaxsd: each(i32, Math.max), pminud: each(u32, Math.min), pmaxud: each(u32, Math.max),
  pmulld: each(i32, Math.imul),
  pmuldq: (() => { for (let k = 0; k < 2; k++) i64[4 + k] = mulHigh32(i32[2 * k], i32[4 + 2 * k]); }) as Packed,
  phminposuw: (() => {
    let best = 0;
    for (let k = 1; k < 8; k++) if (u16[8 + k] < u16[8 + best]) best = k;
    u64[4] = BigInt(u16[8 + best] | (best << 16));
    u64[5] = 0n;
  }) as Packed,
  mpsadbw: ((_n, imm) => {
    const a = (imm >> 2 & 1) * 4, b = 16 + (imm & 3) * 4;
    for (let k = 0; k < 8; k++) {
      let sum = 0;
      for (let j = 0; j < 4; j++) sum += Math.abs(u8[a + k + j] - u8[b + j]);
      u16[16 + k] = sum;
    }
  }) as Packed,
  pmovsxbw: widen(i8, i16), pmovsxbd: widen(i8, i32), pmovsxbq: widen(i8, i64), pmovsxwd: widen(i16, i32), pmovsxwq: widen(i16, i64), pmovsxdq: widen(i32, i64),
  pmovzxbw: widen(u8, u16), pmovzxbd: widen(u8, u32), pmovzxbq: widen(u8, u64), pmovzxwd: widen(u16, u32), pmovzxwq: widen(u16, u64), pmovzxdq: widen(u32, u64),
  pshufd: ((_n, imm) => pick32(4, imm)) as Packed, pshuflw: ((_n, imm) => pick16(0, imm)) as Packed, pshufhw: ((_n, imm) => pick16(4, imm)) as Packed,
  shufps: ((_n, imm) => { for (let k = 0; k < 4; k++) u32[8 + k] = u32[(k < 2 ? 0 : 4) + ((imm >> (2 * k)) & 3)]; }) as Packed,
  shufpd: ((_n, imm) => { u64[4] = u64[imm & 1]; u64[5] = u64[2 + (imm >> 1 & 1)]; }) as Packed,
  pslldq: (() => { const c = u64[2] > 15n ? 16 : Number(u64[2]); for (let k = 0; k < 16; k++) u8[32 + k] = k < c ? 0 : u8[k - c]; }) as Packed,
  psrldq: (() => { const c = u64[2] > 15n ? 16 : Number(u64[2]); for (let k = 0; k < 16; k++) u8[32 + k] = k + c > 15 ? 0 : u8[k + c]; }) as Packed,
  pblendw: blend(2), blendps: blend(4), blendpd: blend(8),
  movsldup: (() => { for (let k = 0; k < 4; k++) u32[8 + k] = u32[4 + (k & ~1)]; }) as Packed,
  movshdup: (() => { for (let k = 0; k < 4; k++) u32[8 + k] = u32[4 + (k | 1)]; }) as Packed,
  insertps: ((_n, imm) => {
    for (let k = 0; k < 4; k++) u32[8 + k] = (imm >> k) & 1 ? 0 : k === (imm >> 4 & 3) ? u32[4 + (imm >> 6)] : u32[k];
  }) as Packed,
} satisfies Record<string, Packed>;

/** MMX alone. */
export const PACKED_MMX = {
  pshufw: ((_n, imm) => {
    for (let k = 0; k < 4; k++) u16[16 + k] = u16[8 + ((imm >> (2 * k)) & 3)];
  }) as Packed,
} satisfies Record<string, Packed>;
