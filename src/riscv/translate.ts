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
let lately: Builder | undefined, latelyEmit: Emit | undefined;
/** The emitter that writes into a builder's arrays. */
function emitterOf(b: Builder): Emit {
  if (b === lately) return latelyEmit!;
  let e = b instanceof Emit ? b : emitters.get(b);
  if (!e) emitters.set(b, e = new Emit(b));
  lately = b;
  return latelyEmit = e;
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
  const { startLo, startHi } = e, memo = e.memo = b.memos?.of(isa, mode), end = max < MAX_BLOCK ? max : MAX_BLOCK;
  for (let offset = 0, last = 0, n = 0; !e.ended; n++) {
    const from = at + offset, short = (bytes[from] & 3) !== 3;
    if (n === end || offset >= limit || e.count > MAX_OPERATIONS || (n > 0 && !short && offset + 2 >= limit)) {
      moveTo(e, startLo, startHi, last);
      e.cut(offset - last);
      break;
    }
    let word = bytes[from] | (bytes[from + 1] << 8);
    if (!short) {
      const next = offset + 2 < limit ? from + 2 : code.next();
      if (next < 0) {
        e.insn(startLo, startHi, 0);
        e.callEnd(H.fetchFault, e.here());
        break;
      }
      word |= (bytes[next] << 16) | (bytes[next + 1] << 24);
    }
    last = offset;
    offset += short ? 2 : 4;
    const known = memo === undefined ? 0 : memo.find(word);
    if (known !== 0) {
      e.recall(known, last);
      continue;
    }
    moveTo(e, startLo, startHi, last);
    e.insn(e.pcLo, e.pcHi, last);
    if (memo !== undefined) e.learn(word);
    e.word = word;
    e.length = offset - last;
    if (!table.emit(word, e)) e.illegal();
  }
  if (e === b) return;
  b.count = e.count;
  b.insns = e.insns;
  b.ended = e.ended;
  b.pcLo = e.pcLo;
  b.pcHi = e.pcHi;
  b.memo = memo;
}

/** Sets the pc to `offset` bytes from the block's start. */
function moveTo(e: Emit, startLo: number, startHi: number, offset: number): void {
  const lo = (startLo >>> 0) + offset;
  e.at(lo, e.xlen === 64 && lo > 0xffff_ffff ? startHi + 1 : startHi);
}

/** The helpers of HELPERS that follow SYSTEM_HELPERS. `illegal` records an illegal instruction exception for an instruction word. */
export function instructionHelpers(env: CoreEnv, illegal: (word: number) => Status): Helper[] {
  return [...clmulHelpers(env), ...floatHelpers(env, illegal)];
}
