// What an address or value is, computed from registers and memory. DWARF 5 (2017), 2.5.1 "General Operations": what call frame information uses.
import { DwarfReader } from "./reader.ts";

export interface Surroundings {
  /** Of an address: 4 or 8. */
  readonly bytes: number;
  register(n: number): bigint | undefined;
  /** So many bytes of memory as a number; undefined where there is none. */
  read(address: bigint, bytes: number): bigint | undefined;
}

/** Steps that one expression may take: branches may loop. */
const MOST = 1000;

/** The result, or undefined when something that it needs is not known. `first`: what lies on the stack at the beginning. */
export function evaluate(expression: Uint8Array, around: Surroundings, first?: bigint): bigint | undefined {
  const bits = 8 * around.bytes, stack: bigint[] = first === undefined ? [] : [first], r = new DwarfReader(expression);
  const wrap = (v: bigint) => BigInt.asUintN(bits, v), signed = (v: bigint) => BigInt.asIntN(bits, v);
  const pop = (): bigint => {
    const value = stack.pop();
    if (value === undefined) throw new RangeError("nothing is there");
    return value;
  };
  const push = (v: bigint) => void stack.push(wrap(v));
  const known = (v: bigint | undefined): bigint => {
    if (v === undefined) throw new RangeError("it is not known");
    return v;
  };
  const two = (f: (a: bigint, b: bigint) => bigint) => {
    const b = pop(), a = pop();
    push(f(a, b));
  };
  const compare = (f: (a: bigint, b: bigint) => boolean) => two((a, b) => f(signed(a), signed(b)) ? 1n : 0n);
  const from = (n: number) => {
    const value = stack[stack.length - 1 - n];
    push(known(value));
  };
  const OPS: Readonly<Record<number, () => void>> = {
    0x03: () => push(r.word(around.bytes)),
    0x06: () => push(known(around.read(pop(), around.bytes))),
    0x08: () => push(BigInt(r.u8())),
    0x09: () => push(BigInt(r.i8())),
    0x0a: () => push(BigInt(r.u16())),
    0x0b: () => push(BigInt(r.i16())),
    0x0c: () => push(BigInt(r.u32())),
    0x0d: () => push(BigInt(r.i32())),
    0x0e: () => push(r.u64()),
    0x0f: () => push(r.u64()),
    0x10: () => push(BigInt(r.uleb())),
    0x11: () => push(BigInt(r.sleb())),
    0x12: () => from(0),
    0x13: () => void pop(),
    0x14: () => from(1),
    0x15: () => from(r.u8()),
    0x16: () => {
      const b = pop(), a = pop();
      push(b);
      push(a);
    },
    0x1a: () => two((a, b) => a & b),
    0x1c: () => two((a, b) => a - b),
    0x1e: () => two((a, b) => a * b),
    0x1f: () => push(-pop()),
    0x20: () => push(~pop()),
    0x21: () => two((a, b) => a | b),
    0x22: () => two((a, b) => a + b),
    0x23: () => push(pop() + BigInt(r.uleb())),
    0x24: () => two((a, b) => b >= BigInt(bits) ? 0n : a << b),
    0x25: () => two((a, b) => b >= BigInt(bits) ? 0n : a >> b),
    0x26: () => two((a, b) => signed(a) >> (b >= BigInt(bits) ? BigInt(bits - 1) : b)),
    0x27: () => two((a, b) => a ^ b),
    0x28: () => {
      const by = r.i16();
      if (pop() !== 0n) r.skip(by);
    },
    0x29: () => compare((a, b) => a === b),
    0x2a: () => compare((a, b) => a >= b),
    0x2b: () => compare((a, b) => a > b),
    0x2c: () => compare((a, b) => a <= b),
    0x2d: () => compare((a, b) => a < b),
    0x2e: () => compare((a, b) => a !== b),
    0x2f: () => r.skip(r.i16()),
    0x92: () => push(known(around.register(r.uleb())) + BigInt(r.sleb())),
    0x94: () => push(known(around.read(pop(), r.u8()))),
    0x96: () => {},
  };
  try {
    for (let steps = 0; !r.done; steps++) {
      if (steps === MOST) return undefined;
      const op = r.u8();
      if (op >= 0x30 && op < 0x50) push(BigInt(op - 0x30));
      else if (op >= 0x70 && op < 0x90) push(known(around.register(op - 0x70)) + BigInt(r.sleb()));
      else if (OPS[op]) OPS[op]();
      else return undefined;
    }
    return pop();
  } catch (e) {
    if (e instanceof RangeError) return undefined;
    throw e;
  }
}
