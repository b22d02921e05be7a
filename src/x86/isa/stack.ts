// Pushes, pops, frames. Intel SDM volume 2 (253666-083).
import type { Val } from "../../ir/builder.ts";
import { BP, SP } from "../emit.ts";
import { H } from "../helpers.ts";
import { MEM, type RowText, type Semantics, x86 } from "../insn.ts";
import { SELECTOR } from "../slots.ts";

const push: Semantics = (b, s) => b.stack.push(s.size, b.get(s));
const pop: Semantics = (b, d) => {
  const size = d.size, v = b.stack.top(size);
  if (d.kind === MEM) {
    // rSP as a base is the one after the pop.
    b.memory.spBias = size;
    b.put(d, v);
    b.stack.setSp(b.stack.spPlus(size));
  } else {
    b.stack.setSp(b.stack.spPlus(size));
    b.put(d, v);
  }
};
const pushSegment: Semantics = (b, s) => {
  const size = b.i.operand, v = b.and(b.getI(SELECTOR(s.n)), b.i32(0xffff));
  b.stack.push(size, size === 8 ? b.extU(v) : v);
};
const popSegment: Semantics = (b, d) => {
  const v = b.zx(b.stack.top(2));
  b.call(H.loadSegment, b.i64(d.n), d.n === 2 ? b.or(v, b.i64(0x1_0000)) : v);
  b.stack.setSp(b.stack.spPlus(b.i.operand));
};
const pusha: Semantics = (b) => {
  const size = b.i.operand;
  for (let n = 0; n < 8; n++) b.stack.store(-size * (n + 1), size, b.reg(n, size));
  b.stack.setSp(b.stack.spPlus(-size * 8));
};
const popa: Semantics = (b) => {
  const size = b.i.operand, values: Val[] = [];
  for (let n = 0; n < 8; n++) values.push(b.stack.load(size * n, size));
  b.stack.setSp(b.stack.spPlus(8 * size));
  for (let n = 0; n < 8; n++) if (7 - n !== SP) b.setReg(7 - n, size, values[n]);
};
const pushf: Semantics = (b) => {
  const size = b.i.operand, v = b.call(H.readFlags, b.i64(size));
  b.stack.push(size, size === 8 ? v : b.wrap(v));
};
const popf: Semantics = (b) => {
  const size = b.i.operand;
  b.call(H.writeFlags, b.zx(b.stack.top(size)), b.i64(size));
  b.flags.unknown();
  b.stack.setSp(b.stack.spPlus(size));
};
const enter: Semantics = (b) => {
  const size = b.i.operand, level = b.i.imm2 & 31, stack = b.stackBytes, bp = b.reg(BP, stack), frame = b.stack.spPlus(-size);
  b.stack.store(-size, size, b.reg(BP, size));
  let depth = 1;
  for (let n = 1; n < level; n++) {
    const from = b.mask(stack, b.add(bp, b.like(bp, -size * n)));
    b.stack.store(-size * ++depth, size, b.memory.load(size, b.memory.linear(2, from, size, false)));
  }
  // FrameTemp is all of ESP even where the stack pointer is SP.
  const pushed = size === 4 && stack === 2 ? b.or(b.and(b.reg(SP, 4), b.i32(0xffff_0000 | 0)), frame) : frame;
  if (level > 0) b.stack.store(-size * ++depth, size, size === 8 ? pushed : b.mask(size, b.low(pushed)));
  const sp = b.stack.spPlus(-size * depth - b.i.imm);
  // It faults where a write at the new top of the stack would.
  b.memory.modify(size, b.memory.linear(2, sp, size, true));
  // So is EBP, then.
  b.setReg(BP, size === 4 && stack === 2 ? 4 : stack, pushed);
  b.stack.setSp(sp);
};
const leave: Semantics = (b) => {
  const size = b.i.operand, stack = b.stackBytes, bp = b.reg(BP, stack), v = b.memory.load(size, b.memory.linear(2, bp, size, false));
  b.stack.setSp(b.mask(stack, b.add(bp, b.like(bp, size))));
  b.setReg(BP, size, v);
};

export const stack: RowText[] = [
  x86("50+r", "push Zv", "d64", push),
  x86("58+r", "pop Zv", "d64", pop),
  x86("68", "push Iz", "d64", push),
  x86("6A", "push sIb", "d64", push),
  x86("FF /6", "push Ev", "d64", push),
  x86("8F /0", "pop Ev", "d64", pop),
  x86("60", "pusha", "i64", pusha),
  x86("61", "popa", "i64", popa),
  x86("9C", "pushf", "d64", pushf),
  x86("9D", "popf", "d64", popf),
  x86("C8", "enter Iw, Ib", "d64", enter),
  x86("C9", "leave", "d64", leave),
];
const segments: readonly (readonly [string, string, string, string])[] = [
  ["ES", "06", "07", "i64"],
  ["CS", "0E", "", "i64"],
  ["SS", "16", "17", "i64"],
  ["DS", "1E", "1F", "i64"],
  ["FS", "0F A0", "0F A1", "d64"],
  ["GS", "0F A8", "0F A9", "d64"],
];
for (const [name, pushes, pops, marks] of segments) {
  stack.push(x86(pushes, `push ${name}`, marks, pushSegment));
  if (pops) stack.push(x86(pops, `pop ${name}`, marks, popSegment));
}
