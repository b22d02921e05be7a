// Turns guest code into IR, one block at a time.
// HOT: no bigint, no closures, no allocation (but for words seen for the first time).
import { Builder } from "../ir/builder.ts";
import type { Code, CoreEnv, Helper, Status } from "../ir/frontend.ts";
import { clmulHelpers } from "./clmul.ts";
import { Emit } from "./emit.ts";
import { floatHelpers } from "./float.ts";
import { H } from "./helpers.ts";
import type { Isa } from "./isa.ts";

/** Longest block, in instructions, and operations after which no further instruction is begun: the largest one takes less than what is left. */
const MAX_BLOCK = 64, MAX_OPERATIONS = Builder.CAPACITY - 512;

const emitters = new WeakMap<Builder, Emit>();
function emitterOf(b: Builder): Emit {
  if (b instanceof Emit) return b;
  let e = emitters.get(b);
  if (!e) emitters.set(b, e = new Emit(b));
  return e;
}

/**
 * Builds the block of at most `max` instructions (1 or more) that starts at the builder's pc. It ends where an instruction ends it, before a
 * page's end, or after 64 instructions; an instruction that crosses into the next page is always a block of its own.
 * `csrPlain` tells which CSRs are plain slots; without it every CSR instruction is a helper call.
 */
export function translateBlock(b: Builder, code: Code, max: number, mode: number, isa: Isa, csrPlain?: Emit["csrPlain"]): void {
  const e = emitterOf(b), { bytes, at, limit } = code, { table } = isa;
  e.reset(b.startLo, b.startHi);
  e.xlen = isa.xlen;
  e.compressed = isa.has("zca");
  e.mode = mode;
  e.csrPlain = csrPlain;
  e.length = 4;
  const memo = e.memo = b.memos?.of(isa, mode);
  for (let offset = 0, n = 0; !e.ended; n++) {
    const first = n === 0;
    if (n === MAX_BLOCK || n === max || offset >= limit || e.count > MAX_OPERATIONS) {
      e.cut(e.length);
      break;
    }
    let word = bytes[at + offset] | (bytes[at + offset + 1] << 8), next = at + offset + 2;
    if ((word & 3) === 3 && offset + 2 >= limit) {
      if (!first) {
        e.cut(e.length);
        break;
      }
      next = code.next();
      if (next < 0) {
        e.insn(e.startLo, e.startHi, 0);
        e.callEnd(H.fetchFault, e.here());
        break;
      }
    }
    if ((word & 3) === 3) word |= (bytes[next] << 16) | (bytes[next + 1] << 24);
    const lo = (e.startLo >>> 0) + offset;
    e.insn(lo | 0, isa.xlen === 64 && lo > 0xffff_ffff ? e.startHi + 1 : e.startHi, offset);
    e.word = word;
    offset += e.length = (word & 3) === 3 ? 4 : 2;
    if (memo && e.recall(word)) continue;
    const d = table.decode(word);
    if (d) d.emit(e, d.fields);
    else e.illegal();
  }
  if (e === b) return;
  b.count = e.count;
  b.insns = e.insns;
  b.ended = e.ended;
  b.pcLo = e.pcLo;
  b.pcHi = e.pcHi;
  b.memo = memo;
}

/** The helpers of HELPERS that follow SYSTEM_HELPERS. `illegal` records an illegal instruction exception for an instruction word. */
export function instructionHelpers(env: CoreEnv, illegal: (word: number) => Status): Helper[] {
  return [...clmulHelpers(env), ...floatHelpers(env, illegal)];
}
