// A second model of what x86 does with segment descriptors: loads, far transfers, events, returns and what looks at descriptors. For tests only:
// slow, without a fast way for anything, and written from the manual's pseudo-code, operation by operation.
// Source: Intel SDM volume 2 (253666-083), MOV, POP, LDS, JMP, CALL, RET, IRET, INT n, LLDT, LTR, LAR, LSL, VERR, VERW, SYSENTER, SYSEXIT;
// volume 3A (253668-083), 3.4.5, 3.5, 5.8, 6.12 to 6.15; AMD64 volume 3 (24594), SYSCALL and SYSRET. Tasks and virtual-8086 mode are left out.

export interface Segment {
  selector: number;
  base: number;
  limit: number;
  /** The descriptor's upper half without base and limit; 0 (or the DPL of a null SS) when it is not usable. */
  attr: number;
}
export const ES = 0, CS = 1, SS = 2, LDTR = 6, TR = 7;

export class Fault {
  constructor(readonly vector: number, readonly code: number) {}
}
/** What the model does not have: a task switch. */
export class Task {}

const P = 0x8000, L = 0x20_0000, D = 0x40_0000;
const TS = 10, NP = 11, SSF = 12, GP = 13, PF = 14;
const TFLAG = 0x100, IF = 0x200, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, STATUS = 0x8d5, IOPL = 0x3000, VIFP = 0x18_0000;

interface Descriptor {
  readonly at: number;
  readonly lo: number;
  readonly hi: number;
}
const dplOf = (hi: number): number => hi >>> 13 & 3;
const typeOf = (hi: number): number => hi >>> 8 & 15;
const isSystem = (hi: number): boolean => !(hi & 0x1000);
const isCode = (hi: number): boolean => !isSystem(hi) && (hi & 0x800) !== 0;
const isConforming = (hi: number): boolean => isCode(hi) && (hi & 0x400) !== 0;
const isWritableData = (hi: number): boolean => !isSystem(hi) && !(hi & 0x800) && (hi & 0x200) !== 0;
const isDataOrReadableCode = (hi: number): boolean => !isSystem(hi) && (!(hi & 0x800) || (hi & 0x200) !== 0);
const limitOf = ({ lo, hi }: Descriptor): number => {
  const limit = (hi & 0xf_0000) + (lo & 0xffff);
  return hi & 0x80_0000 ? limit * 4096 + 4095 : limit;
};
const baseOf = ({ lo, hi }: Descriptor): number => ((hi & 0xff00_0000) >>> 0) + ((hi & 0xff) << 16) + (lo >>> 16);
const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const isCanonical = (v: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, v)) === u64(v);

export class Model {
  segments: Segment[] = [];
  cpl = 0;
  lma = false;
  ip = 0n;
  rsp = 0n;
  flags = 2;
  rcx = 0n;
  rdx = 0n;
  r11 = 0n;
  gdtBase = 0;
  gdtLimit = 0;
  idtBase = 0;
  idtLimit = 0;
  star = 0n;
  lstar = 0n;
  cstar = 0n;
  fmask = 0;
  sysenterCs = 0;
  sysenterEsp = 0n;
  sysenterEip = 0n;
  /** What LAR, LSL, VERR and VERW found; undefined: ZF is clear. */
  found: number | undefined;
  /** An event was given up for another one: what it had marked as accessed may be so. */
  nested = false;
  readonly written = new Map<number, number>();

  constructor(readonly memory: (at: number) => number) {}

  /** 64-bit code runs. */
  get long(): boolean {
    return this.lma && (this.segments[CS].attr & L) !== 0;
  }
  read(at: number, size: number): bigint {
    let v = 0n;
    for (let i = size - 1; i >= 0; i--) v = v << 8n | BigInt(this.written.get(at + i) ?? this.memory(at + i));
    return v;
  }
  write(at: number, size: number, v: bigint): void {
    for (let i = 0; i < size; i++) this.written.set(at + i, Number(v >> BigInt(8 * i) & 0xffn));
  }

  // --- descriptors
  /** 3.5.1: beyond the limit of its table, or without an LDT. */
  #descriptor(selector: number, vector: number, ext = 0): Descriptor {
    const ldt = this.segments[LDTR], local = (selector & 4) !== 0, limit = local ? (ldt.attr & P ? ldt.limit : -1) : this.gdtLimit;
    if ((selector | 7) > limit) throw new Fault(vector, selector & 0xfffc | ext);
    const at = (local ? ldt.base : this.gdtBase) + (selector & 0xfff8);
    return { at, lo: Number(this.read(at, 4)), hi: Number(this.read(at + 4, 4)) };
  }
  #setAccessed(d: Descriptor): Descriptor {
    this.write(d.at + 5, 1, BigInt(d.hi >>> 8 & 0xff | 1));
    return { ...d, hi: d.hi | 0x100 };
  }
  #load(n: number, selector: number, d: Descriptor): void {
    this.segments[n] = { selector, base: baseOf(d), limit: limitOf(d), attr: d.hi & 0xf0_ff00 };
  }
  #loadNull(n: number, selector: number): void {
    this.segments[n] = { selector, base: 0, limit: 0, attr: n === SS ? (selector & 3) << 13 : 0 };
  }

  // --- stacks
  #width(): number {
    return this.long ? 8 : this.segments[SS].attr & D ? 4 : 2;
  }
  #at(segment: Segment, width: number, sp: bigint, size: number, code: number): number {
    if (width === 8) {
      if (!isCanonical(sp) || !isCanonical(sp + BigInt(size - 1))) throw new Fault(SSF, code);
      return Number(sp);
    }
    const offset = Number(BigInt.asUintN(8 * width, sp)), last = offset + size - 1, { attr, limit } = segment;
    const inside = attr & 0x400 && !(attr & 0x800) ? offset > limit && last <= (attr & D ? 0xffff_ffff : 0xffff) : last <= limit;
    if (!inside) throw new Fault(SSF, code);
    return (segment.base + offset) % 2 ** 32;
  }
  #moved(width: number, sp: bigint, by: number): bigint {
    const bits = 8 * width, low = BigInt.asUintN(bits, sp + BigInt(by));
    return width === 2 ? sp & ~0xffffn | low : low;
  }
  #push(segment: Segment, width: number, code: number, size: number, ...values: (bigint | number)[]): void {
    for (const v of values) {
      this.rsp = this.#moved(width, this.rsp, -size);
      this.write(this.#at(segment, width, this.rsp, size, code), size, BigInt.asUintN(8 * size, BigInt(v)));
    }
  }
  #pop(size: number): bigint {
    const width = this.#width(), v = this.read(this.#at(this.segments[SS], width, this.rsp, size, 0), size);
    this.rsp = this.#moved(width, this.rsp, size);
    return v;
  }

  // --- loads (MOV, POP, LDS and so on)
  loadSegment(n: number, selector: number): void {
    const { cpl } = this, rpl = selector & 3, code = selector & 0xfffc;
    if (n === SS) {
      if (isNull(selector)) {
        if (!this.long || cpl === 3 || rpl !== cpl) throw new Fault(GP, 0);
        return this.#loadNull(SS, selector);
      }
      const d = this.#descriptor(selector, GP);
      if (rpl !== cpl || !isWritableData(d.hi) || dplOf(d.hi) !== cpl) throw new Fault(GP, code);
      if (!(d.hi & P)) throw new Fault(SSF, code);
      return this.#load(SS, selector, this.#setAccessed(d));
    }
    if (isNull(selector)) return this.#loadNull(n, selector);
    const d = this.#descriptor(selector, GP);
    if (!isDataOrReadableCode(d.hi) || !isConforming(d.hi) && (rpl > dplOf(d.hi) || cpl > dplOf(d.hi))) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    this.#load(n, selector, this.#setAccessed(d));
  }

  // --- far transfers
  #enter(selector: number, cpl: number, d: Descriptor, ip: bigint): void {
    this.#load(CS, selector & 0xfffc | cpl, this.#setAccessed(d));
    this.cpl = cpl;
    this.ip = ip;
  }
  /** The offset has to be canonical, or within its segment; only 64-bit code has one of more than 32 bits. */
  #checkIp(d: Descriptor, ip: bigint, ext = 0): bigint {
    const long = this.lma && (d.hi & L) !== 0, to = long ? ip : BigInt.asUintN(32, ip);
    if (long ? !isCanonical(ip) : to > BigInt(limitOf(d))) throw new Fault(GP, ext);
    return to;
  }
  transfer(call: boolean, selector: number, ip: bigint, size: number, next: bigint): void {
    const { cpl } = this, rpl = selector & 3, code = selector & 0xfffc;
    if (isNull(selector)) throw new Fault(GP, 0);
    const d = this.#descriptor(selector, GP), dpl = dplOf(d.hi);
    if (isCode(d.hi)) {
      if (this.lma && d.hi & L && d.hi & D) throw new Fault(GP, code);
      if (isConforming(d.hi) ? dpl > cpl : rpl > cpl || dpl !== cpl) throw new Fault(GP, code);
      if (!(d.hi & P)) throw new Fault(NP, code);
      ip = this.#checkIp(d, ip);
      if (call) this.#push(this.segments[SS], this.#width(), 0, size, this.segments[CS].selector, next);
      return this.#enter(selector, cpl, d, ip);
    }
    const kinds = this.lma ? [12] : [1, 4, 5, 9, 12];
    if (!isSystem(d.hi) || !kinds.includes(typeOf(d.hi))) throw new Fault(GP, code);
    if (dpl < cpl || dpl < rpl) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    if (![4, 12].includes(typeOf(d.hi))) throw new Task();
    this.#throughGate(call, d, selector, next);
  }
  #throughGate(call: boolean, gate: Descriptor, gateSelector: number, next: bigint): void {
    const { cpl, lma } = this, wide = typeOf(gate.hi) === 12, size = lma ? 8 : wide ? 4 : 2;
    let ip = BigInt(gate.lo & 0xffff) + (wide ? BigInt(gate.hi & 0xffff_0000) & 0xffff_0000n : 0n);
    if (lma) {
      const limit = gateSelector & 4 ? this.segments[LDTR].limit : this.gdtLimit;
      if ((gateSelector & 0xfff8) + 15 > limit || this.read(gate.at + 12, 4) & 0x1f00n) throw new Fault(GP, gateSelector & 0xfffc);
      ip |= this.read(gate.at + 8, 4) << 32n;
    }
    const selector = gate.lo >>> 16, code = selector & 0xfffc;
    if (isNull(selector)) throw new Fault(GP, 0);
    const d = this.#descriptor(selector, GP), dpl = dplOf(d.hi);
    if (!isCode(d.hi) || dpl > cpl || !call && !isConforming(d.hi) && dpl !== cpl) throw new Fault(GP, code);
    if (lma && (!(d.hi & L) || d.hi & D)) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    this.#checkIp(d, ip);
    const cs = this.segments[CS].selector;
    if (!call || isConforming(d.hi) || dpl === cpl) {
      if (call) this.#push(this.segments[SS], this.#width(), 0, size, cs, next);
      return this.#enter(selector, cpl, d, ip);
    }
    const ss = this.segments[SS].selector, sp = this.rsp, parameters: bigint[] = [];
    if (!lma) { for (let n = gate.hi & 31; n > 0; n--) parameters.unshift(this.#pop(size)); }
    this.#newStack(dpl, 0, 0, (stack, width, stackCode) => {
      this.#push(stack, width, stackCode, size, ss, BigInt.asUintN(8 * size, sp), ...parameters, cs, next);
    });
    if (lma) this.#loadNull(SS, dpl);
    this.#enter(selector, dpl, d, ip);
  }
  /** The stack of an inner privilege, by the TSS (7.2.1, 7.6, 7.7; an IST in 64-bit mode), loaded when what is pushed has fitted. */
  #newStack(cpl: number, ist: number, ext: number, push: (stack: Segment, width: number, code: number) => void, align = false): void {
    const tss = this.segments[TR], code = tss.selector & 0xfffc | ext;
    if (this.lma) {
      const offset = ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * cpl;
      if (offset + 7 > tss.limit) throw new Fault(TS, code);
      this.rsp = this.read(tss.base + offset, 8);
      if (align) this.rsp &= ~15n;
      return push(this.segments[SS], 8, ext);
    }
    const wide = typeOf(tss.attr) >= 9, offset = wide ? 4 + 8 * cpl : 2 + 4 * cpl, size = wide ? 4 : 2;
    if (offset + size + 1 > tss.limit) throw new Fault(TS, code);
    const sp = this.read(tss.base + offset, size), ss = Number(this.read(tss.base + offset + size, 2)), d = this.#newSs(ss, cpl, TS, ext);
    const stack = { selector: ss, base: baseOf(d), limit: limitOf(d), attr: d.hi & 0xf0_ff00 | 0x100 };
    const before = this.rsp;
    this.rsp = sp;
    push(stack, d.hi & D ? 4 : 2, ss & 0xfffc | ext);
    // ESP above SP is what it was.
    if (!(d.hi & D)) this.rsp = before & ~0xffffn | this.rsp & 0xffffn;
    this.#load(SS, ss, this.#setAccessed(d));
  }
  #newSs(ss: number, cpl: number, vector: number, ext: number): Descriptor {
    if (isNull(ss)) throw new Fault(vector, ext);
    const d = this.#descriptor(ss, vector, ext), code = ss & 0xfffc | ext;
    if ((ss & 3) !== cpl || dplOf(d.hi) !== cpl || !isWritableData(d.hi)) throw new Fault(vector, code);
    if (!(d.hi & P)) throw new Fault(SSF, code);
    return d;
  }

  // --- returns
  #returnCode(selector: number): Descriptor {
    const rpl = selector & 3, code = selector & 0xfffc;
    if (isNull(selector)) throw new Fault(GP, 0);
    const d = this.#descriptor(selector, GP), dpl = dplOf(d.hi);
    if (!isCode(d.hi) || rpl < this.cpl || (isConforming(d.hi) ? dpl > rpl : dpl !== rpl)) throw new Fault(GP, code);
    if (this.lma && d.hi & L && d.hi & D) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    return d;
  }
  #returnStack(ss: number, cpl: number, sp: bigint, size: number, toLong: boolean): void {
    if (isNull(ss)) {
      if (!toLong || cpl === 3 || (ss & 3) !== cpl) throw new Fault(GP, 0);
      this.#loadNull(SS, ss);
    } else this.#load(SS, ss, this.#setAccessed(this.#newSs(ss, cpl, GP, 0)));
    if (toLong || this.segments[SS].attr & D) this.rsp = toLong && size === 8 ? sp : BigInt.asUintN(32, sp);
    else this.rsp = this.rsp & ~0xffffn | sp & 0xffffn;
  }
  /** 5.8.6: what the outer privilege may not have. */
  #dropSegments(): void {
    for (const n of [0, 3, 4, 5]) {
      const s = this.segments[n];
      if (!isSystem(s.attr) && dplOf(s.attr) < this.cpl && !isConforming(s.attr)) {
        this.segments[n] = { selector: 0, base: s.base, limit: 0, attr: 0 };
      }
    }
  }
  returnFar(size: number, drop: number): void {
    const popped = this.#pop(size), selector = Number(this.#pop(size) & 0xffffn), d = this.#returnCode(selector), cpl = selector & 3;
    const ip = this.#checkIp(d, popped);
    const outer = cpl > this.cpl, width = this.#width(), toLong = this.lma && (d.hi & L) !== 0;
    this.rsp = this.#moved(width, this.rsp, drop);
    if (outer) {
      const sp = this.#pop(size), ss = Number(this.#pop(size) & 0xffffn);
      this.#returnStack(ss, cpl, sp, size, toLong);
    }
    this.#enter(selector, cpl, d, ip);
    if (!outer) return;
    this.rsp = this.#moved(this.#width(), this.rsp, drop);
    this.#dropSegments();
  }
  interruptReturn(size: number): void {
    if (this.flags & NT) {
      if (this.lma) throw new Fault(GP, 0);
      throw new Task();
    }
    const popped = this.#pop(size), selector = Number(this.#pop(size) & 0xffffn), image = Number(BigInt.asUintN(32, this.#pop(size)));
    if (image & VM && !this.lma && this.cpl === 0 && size === 4) throw new Task();
    const d = this.#returnCode(selector), cpl = selector & 3, outer = cpl > this.cpl, old = this.cpl;
    const ip = this.#checkIp(d, popped);
    if (outer || this.long) {
      const sp = this.#pop(size), ss = Number(this.#pop(size) & 0xffffn);
      this.#returnStack(ss, cpl, sp, size, this.lma && (d.hi & L) !== 0);
    }
    // RF has no effect that shows without breakpoints, and is left out.
    let mask = STATUS | TFLAG | 0x400 | NT | 0x24_0000;
    if (old <= (this.flags & IOPL) >>> 12) mask |= IF;
    if (old === 0) mask |= IOPL | VIFP;
    if (size === 2) mask &= 0xffff;
    this.flags = this.flags & ~mask | image & mask | 2;
    this.#enter(selector, cpl, d, ip);
    if (outer) this.#dropSegments();
  }

  // --- events
  /** INT n ("soft"), an interrupt from outside, or an exception with its error code; and what comes of a fault on the way (6.15, table 6-5). */
  event(vector: number, kind: "soft" | "hard" | "exception", error: number): "shutdown" | undefined {
    for (;;) {
      const copy = this.#copy();
      try {
        copy.#deliver(vector, kind, error);
        Object.assign(this, copy);
        return undefined;
      } catch (f) {
        if (!(f instanceof Fault)) throw f;
        if (kind === "soft") throw f;
        this.nested = true;
        const contributory = (v: number) => [0, TS, NP, SSF, GP].includes(v), first = kind === "exception" ? vector : -1;
        if (first === 8) return "shutdown";
        const double = contributory(first) && contributory(f.vector) || first === PF && (contributory(f.vector) || f.vector === PF);
        [vector, error] = double ? [8, 0] : [f.vector, f.code];
        kind = "exception";
      }
    }
  }
  #copy(): Model {
    const segments = this.segments.map((s) => ({ ...s })), written = new Map(this.written);
    return Object.assign(new Model(this.memory), { ...this, segments, written });
  }
  #deliver(vector: number, kind: "soft" | "hard" | "exception", error: number): void {
    const { cpl, lma } = this, ext = kind === "soft" ? 0 : 1, where = 8 * vector | 2 | ext, entry = lma ? 16 : 8;
    const pushed = kind === "exception" && [8, 10, 11, 12, 13, 14, 17].includes(vector);
    if (entry * vector + entry - 1 > this.idtLimit) throw new Fault(GP, where);
    const at = this.idtBase + entry * vector, lo = Number(this.read(at, 4)), hi = Number(this.read(at + 4, 4)), type = typeOf(hi);
    if (!isSystem(hi) || !(lma ? [14, 15] : [5, 6, 7, 14, 15]).includes(type)) throw new Fault(GP, where);
    if (kind === "soft" && dplOf(hi) < cpl) throw new Fault(GP, where);
    if (!(hi & P)) throw new Fault(NP, where);
    if (type === 5) throw new Task();
    const wide = type >= 14, size = lma ? 8 : wide ? 4 : 2, selector = lo >>> 16, code = selector & 0xfffc | ext;
    let ip = BigInt(lo & 0xffff) + (wide ? BigInt(hi & 0xffff_0000) & 0xffff_0000n : 0n);
    if (lma) ip |= this.read(at + 8, 4) << 32n;
    if (isNull(selector)) throw new Fault(GP, ext);
    const d = this.#descriptor(selector, GP, ext), dpl = dplOf(d.hi);
    if (!isCode(d.hi) || dpl > cpl || lma && (!(d.hi & L) || d.hi & D)) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    this.#checkIp(d, ip, ext);
    // What is stored for the handler to find: a fault of an instruction has RF.
    const flags = kind === "exception" && vector !== 8 && vector !== 1 ? this.flags | RF : this.flags;
    const frame = [flags, this.segments[CS].selector, this.ip, ...(pushed ? [error] : [])], ss = this.segments[SS].selector, sp = this.rsp;
    const inner = !isConforming(d.hi) && dpl < cpl, ist = lma ? hi & 7 : 0, to = inner ? dpl : cpl;
    if (lma) {
      const push = (stack: Segment, width: number, stackCode: number) => this.#push(stack, width, stackCode, 8, ss, sp, ...frame);
      if (inner || ist) this.#newStack(to, ist, ext, push, true);
      else {
        this.rsp &= ~15n;
        push(this.segments[SS], 8, ext);
      }
      if (inner) this.#loadNull(SS, to);
    } else if (inner) {
      this.#newStack(to, 0, ext, (stack, width, stackCode) => this.#push(stack, width, stackCode, size, ss, sp, ...frame));
    } else this.#push(this.segments[SS], this.#width(), ext, size, ...frame);
    this.flags &= ~(TFLAG | NT | RF | VM | (type & 1 ? 0 : IF));
    this.#enter(selector, to, d, ip);
  }

  // --- system segments, and looks at descriptors
  loadSystem(n: number, selector: number): void {
    if (n === LDTR && isNull(selector)) return this.#loadNull(LDTR, selector);
    const code = selector & 0xfffc;
    if (isNull(selector)) throw new Fault(GP, 0);
    if (selector & 4) throw new Fault(GP, code);
    const d = this.#descriptor(selector, GP), kinds = n === LDTR ? [2] : this.lma ? [9] : [1, 9];
    if (!isSystem(d.hi) || !kinds.includes(typeOf(d.hi))) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    if (this.lma && ((selector & 0xfff8) + 15 > this.gdtLimit || this.read(d.at + 12, 4) & 0x1f00n)) throw new Fault(GP, code);
    if (n === LDTR) return this.#load(n, selector, d);
    this.write(d.at + 5, 1, BigInt(d.hi >>> 8 & 0xff | 2));
    this.#load(n, selector, { ...d, hi: d.hi | 0x200 });
  }
  look(what: "lar" | "lsl" | "verr" | "verw", selector: number): void {
    this.found = undefined;
    if (isNull(selector)) return;
    let d: Descriptor;
    try {
      d = this.#descriptor(selector, GP);
    } catch {
      return;
    }
    const dpl = dplOf(d.hi), visible = isConforming(d.hi) || dpl >= this.cpl && dpl >= (selector & 3);
    const lar = this.lma ? [2, 9, 11, 12] : [1, 2, 3, 4, 5, 9, 11, 12], lsl = this.lma ? [2, 9, 11] : [1, 2, 3, 9, 11];
    const known = !isSystem(d.hi) || (what === "lar" ? lar : what === "lsl" ? lsl : []).includes(typeOf(d.hi));
    if (!visible || !known) return;
    if (what === "verr" && !isDataOrReadableCode(d.hi) || what === "verw" && !isWritableData(d.hi)) return;
    this.found = what === "lar" ? d.hi & 0xf0_ff00 : limitOf(d);
  }

  // --- fast system calls, as AMD's processors have them
  #flat(code: number, stack: number, cpl: number, long: boolean): void {
    const common = 0x80_9100 | cpl << 13;
    this.segments[CS] = { selector: code & 0xfffc | cpl, base: 0, limit: 0xffff_ffff, attr: common | 0xa00 | (long ? L : D) };
    this.segments[SS] = { selector: stack & 0xfffc | cpl, base: 0, limit: 0xffff_ffff, attr: common | 0x200 | D };
    this.cpl = cpl;
  }
  syscall(next: bigint): void {
    const selector = Number(this.star >> 32n & 0xffffn), fromLong = this.long;
    this.rcx = next;
    if (this.lma) {
      this.r11 = BigInt(this.flags);
      this.flags = this.flags & ~this.fmask | 2;
      this.#flat(selector, selector + 8, 0, true);
      this.ip = fromLong ? this.lstar : this.cstar;
    } else {
      this.flags &= ~(IF | RF | VM);
      this.#flat(selector, selector + 8, 0, false);
      this.ip = BigInt.asUintN(32, this.star);
    }
  }
  sysret(size: number): void {
    const selector = Number(this.star >> 48n);
    if (this.cpl !== 0) throw new Fault(GP, 0);
    if (this.lma) this.flags = Number(this.r11 & 0x3c_7fd7n) | 2;
    else this.flags |= IF;
    this.#flat(size === 8 ? selector + 16 : selector, selector + 8, 3, size === 8);
    this.ip = size === 8 ? this.rcx : BigInt.asUintN(32, this.rcx);
  }
  sysenter(): void {
    if ((this.sysenterCs & 0xfffc) === 0) throw new Fault(GP, 0);
    this.flags &= ~(VM | IF | RF);
    this.#flat(this.sysenterCs, this.sysenterCs + 8, 0, false);
    this.rsp = BigInt.asUintN(32, this.sysenterEsp);
    this.ip = BigInt.asUintN(32, this.sysenterEip);
  }
  sysexit(): void {
    if (this.cpl !== 0 || (this.sysenterCs & 0xfffc) === 0) throw new Fault(GP, 0);
    this.#flat(this.sysenterCs + 16, this.sysenterCs + 24, 3, false);
    [this.rsp, this.ip] = [BigInt.asUintN(32, this.rcx), BigInt.asUintN(32, this.rdx)];
  }
}
