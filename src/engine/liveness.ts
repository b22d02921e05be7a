// Which values are needed, how often and how long, and which are left to their only user: what micro-ops (select.ts) and compiled code
// (node_values.ts) both ask before they write anything. HOT: no bigint, no closures, no allocation.
import type { Ir } from "../ir/builder.ts";
import * as ops from "../ir/ops.ts";

// Constants of this module: V8 makes them part of the code, and looks imported ones up each time.
const { ARITY, GET_I, GET_L, PURE, SET_I, SET_L } = ops;

/** Index of an operation that there is not. */
export const NONE = 0x7fff_ffff;

/** What differs between those who ask. Tables are by opcode. */
export interface LivenessRules {
  /** Operations that no value may be computed behind, if it stands in front of them. */
  readonly barrier: Uint8Array;
  /** Those that may write any slot. */
  readonly clobbers: Uint8Array;
  /** The opcode of what is no more than another name of its operand; -1: none. */
  readonly alias: number;
  /** Whether a value is left to its only user where nothing intervenes. */
  readonly defer: boolean;
  /** For those that leave it so only to some, as their first operand: by `user * fusedRow + opcode`. */
  readonly fused: Uint16Array | undefined;
  readonly fusedRow: number;
}

/** By slot: the next operation that writes it. Empty between two analyses. */
const slotNext = new Int32Array(0x2000).fill(NONE);

export class Liveness {
  /** How often a value is used. */
  readonly uses: Uint16Array;
  /** Index at which a value is last needed; deferred users count where they are computed. */
  readonly last: Int32Array;
  /** Values that are computed by their only user. */
  readonly deferred: Uint8Array;
  /** For get and set: the next operation that may write the slot. */
  readonly nextWrite: Int32Array;

  /** @param capacity operations of the largest block */
  constructor(capacity: number, readonly rules: LivenessRules) {
    this.uses = new Uint16Array(capacity);
    this.last = new Int32Array(capacity);
    this.deferred = new Uint8Array(capacity);
    this.nextWrite = new Int32Array(capacity);
  }

  /** Looks at the operations from `from` to before `to`, backwards. */
  analyse(ir: Ir, from: number, to: number): void {
    const { uses, last, deferred, nextWrite } = this, { barrier: barriers, clobbers, alias, defer, fused, fusedRow } = this.rules;
    uses.fill(0, from, to);
    deferred.fill(0, from, to);
    let barrier = NONE, clobber = NONE;
    for (let i = to - 1; i >= from; i--) {
      const op = ir.op[i];
      let use = i;
      if (op === SET_I || op === SET_L || op === GET_I || op === GET_L) {
        const slot = ir.lo[i];
        nextWrite[i] = Math.min(slotNext[slot], clobber);
        if (op === SET_I || op === SET_L) slotNext[slot] = i;
      } else if (op === alias) use = uses[i] ? last[i] : i;
      else if (defer && PURE[op] && uses[i] === 1) {
        const user = last[i];
        if (user <= barrier && (fused === undefined || fused[ir.op[user] * fusedRow + op] && ir.a[user] === i)) {
          deferred[i] = 1;
          use = user;
        }
      }
      if (barriers[op]) barrier = i;
      if (clobbers[op]) clobber = i;
      const arity = ARITY[op];
      if (arity > 0) this.#use(ir.a[i], use);
      if (arity > 1) this.#use(ir.b[i], use);
      if (arity > 2) this.#use(ir.c[i], use);
      if (arity > 3) this.#use(ir.d[i], use);
      if (arity > 4) this.#use(ir.e[i], use);
    }
    for (let i = from; i < to; i++) if (ir.op[i] === SET_I || ir.op[i] === SET_L) slotNext[ir.lo[i]] = NONE;
  }
  #use(v: number, at: number): void {
    if (v < 0) return;
    if (this.uses[v]++ === 0 || at > this.last[v]) this.last[v] = at;
  }

  /** Whether a get is needed only while its slot has the value. */
  isInSlot(get: number): boolean {
    return this.last[get] <= this.nextWrite[get];
  }
}
