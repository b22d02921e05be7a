// A second model of x86's hardware tasks and of the ways into virtual-8086 mode and out of it. For tests only: slow, and written from the manual.
// Source: Intel SDM volume 3A (253668-083), 6.12, 7.2 to 7.5 with table 7-1 and figures 7-2 and 7-10, 17.2.4, 20.2, 20.3; volume 2 (253666-083),
// CALL, JMP, INT n, IRET. Outside long mode only. Where the manual leaves the order of checks to the processor (table 7-1, note), it is ours.

export class Fault {
  constructor(readonly vector: number, readonly code: number) {}
}
export interface Segment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly attr: number;
}
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;
const TS = 10, NP = 11, SSF = 12, GP = 13;
const P = 0x8000, S = 0x1000, B = 0x40_0000, G = 0x80_0000;
const TFLAG = 0x100, IF = 0x200, IOPL = 0x3000, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000;

interface Descriptor {
  readonly at: number;
  readonly lo: number;
  readonly hi: number;
}
/** Where things are in a TSS (figures 7-2 and 7-10): bytes of a register, and how many segment registers are there. */
interface Layout {
  readonly bytes: 2 | 4;
  readonly ip: number;
  readonly flags: number;
  readonly gpr: number;
  readonly segments: number;
  readonly count: number;
  readonly ldt: number;
  readonly last: number;
}
const WIDE: Layout = { bytes: 4, ip: 0x20, flags: 0x24, gpr: 0x28, segments: 0x48, count: 6, ldt: 0x60, last: 0x67 };
const NARROW: Layout = { bytes: 2, ip: 0x0e, flags: 0x10, gpr: 0x12, segments: 0x22, count: 4, ldt: 0x2a, last: 0x2b };
const typeOf = (hi: number): number => hi >>> 8 & 15;
const dplOf = (hi: number): number => hi >>> 13 & 3;
const isCode = (hi: number): boolean => (hi & 0x1800) === 0x1800;
const isConforming = (hi: number): boolean => isCode(hi) && (hi & 0x400) !== 0;
const isWritable = (hi: number): boolean => (hi & 0x1a00) === 0x1200;
const isReadable = (hi: number): boolean => (hi & S) !== 0 && (!(hi & 0x800) || (hi & 0x200) !== 0);
const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

export class Tasks {
  gpr: number[] = [];
  ip = 0;
  flags = 2;
  cpl = 0;
  segments: Segment[] = [];
  cr0 = 0;
  cr3 = 0;
  dr7 = 0;
  /** A debug trap waits: the T bit of a task. */
  due = false;
  readonly written = new Map<number, number>();

  constructor(readonly memory: (at: number) => number, readonly gdt: number, readonly idt: number) {}

  read(at: number, bytes: number): number {
    let v = 0;
    for (let n = bytes - 1; n >= 0; n--) v = v * 256 + (this.written.get(at + n) ?? this.memory(at + n));
    return v;
  }
  write(at: number, bytes: number, v: number): void {
    for (let n = 0; n < bytes; n++) this.written.set(at + n, v >>> 8 * n & 0xff);
  }

  // --- descriptors
  #descriptor(selector: number, vector: number, ext: number): Descriptor {
    const ldt = this.segments[LDTR], local = (selector & 4) !== 0, limit = local ? (ldt.attr & P ? ldt.limit : -1) : 0xffff;
    if ((selector | 7) > limit) throw new Fault(vector, selector & 0xfffc | ext);
    const at = (local ? ldt.base : this.gdt) + (selector & 0xfff8);
    return { at, lo: this.read(at, 4), hi: this.read(at + 4, 4) };
  }
  #segment(selector: number, { lo, hi }: Descriptor): Segment {
    const limit = (hi & 0xf_0000) + (lo & 0xffff), base = ((hi & 0xff00_0000) >>> 0) + (hi & 0xff) * 65536 + (lo >>> 16);
    return { selector, base, limit: hi & G ? limit * 4096 + 4095 : limit, attr: hi & 0xf0_ff00 };
  }
  /** Loads a segment register, and marks the descriptor as accessed. */
  #load(n: number, selector: number, d: Descriptor): void {
    if (d.hi & S) this.write(d.at + 5, 1, d.hi >>> 8 & 0xff | 1);
    this.segments[n] = this.#segment(selector, d.hi & S ? { ...d, hi: d.hi | 0x100 } : d);
  }
  #mark(d: Descriptor, busy: boolean): void {
    this.write(d.at + 5, 1, busy ? d.hi >>> 8 & 0xff | 2 : d.hi >>> 8 & 0xfd);
  }

  // --- tasks
  /** JMP and CALL to a TSS or a task gate, whose type and privilege are checked first. */
  transfer(call: boolean, selector: number, next: number): void {
    const code = selector & 0xfffc;
    if (isNull(selector)) throw new Fault(GP, 0);
    const d = this.#descriptor(selector, GP, 0), dpl = dplOf(d.hi);
    if (d.hi & S || ![1, 5, 9].includes(typeOf(d.hi)) || dpl < this.cpl || dpl < (selector & 3)) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    this.switch(typeOf(d.hi) === 5 ? d.lo >>> 16 : selector, call ? "call" : "jump", 0, next, this.flags);
  }
  /** IRET with NT: to the task that is linked. */
  back(next: number): void {
    this.switch(this.read(this.segments[TR].base, 2), "return", 0, next, this.flags);
  }
  switch(selector: number, reason: "jump" | "call" | "event" | "return", ext: number, next: number, flags: number): void {
    // The steps are those of 7.3.
    const back = reason === "return", bad = back ? TS : GP, code = selector & 0xfffc | ext;
    if (selector & 4 || isNull(selector)) throw new Fault(bad, code);
    const d = this.#descriptor(selector, bad, ext), type = typeOf(d.hi);
    if (d.hi & S || !(back ? [3, 11] : [1, 9]).includes(type)) throw new Fault(bad, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    const to = type >= 9 ? WIDE : NARROW, tss = this.#segment(selector, d), old = this.segments[TR];
    if (tss.limit < to.last) throw new Fault(TS, code);
    const at = (offset: number, bytes: number = to.bytes) => this.read(tss.base + offset, bytes);
    const ip = at(to.ip), gpr = Array.from({ length: 8 }, (_, n) => at(to.gpr + n * to.bytes));
    const selectors = Array.from({ length: 6 }, (_, n) => n < to.count ? at(to.segments + n * to.bytes, 2) : 0);
    const ldt = at(to.ldt, 2), cr3 = at(0x1c, 4), trap = to === WIDE && (at(0x64, 2) & 1) !== 0;
    let image = at(to.flags);

    const from = typeOf(old.attr) >= 9 ? WIDE : NARROW,
      save = (offset: number, v: number, bytes: number = from.bytes) => {
        this.write(old.base + offset, bytes, v);
      };
    if (reason === "jump" || back) this.#mark(this.#descriptor(old.selector, TS, 0), false);
    save(from.ip, next);
    save(from.flags, back ? flags & ~NT : flags);
    for (let n = 0; n < 8; n++) save(from.gpr + n * from.bytes, this.gpr[n]);
    for (let n = 0; n < from.count; n++) save(from.segments + n * from.bytes, this.segments[n].selector, 2);
    if (reason === "call" || reason === "event") {
      this.write(tss.base, 2, old.selector);
      image |= NT;
    }
    if (!back) this.#mark({ ...d, hi: this.read(d.at + 4, 4) }, true);

    this.segments[TR] = { ...tss, attr: tss.attr | 0x200 };
    this.cr0 |= 8;
    if (to === WIDE && this.cr0 & 0x8000_0000) this.cr3 = cr3;
    this.dr7 &= ~0x55;
    // A TSS of 16 bits has no upper halves: they are ones, as in QEMU.
    this.gpr = gpr.map((v) => to === WIDE ? v >>> 0 : (v | 0xffff_0000) >>> 0);
    this.flags = to === WIDE ? image & 0x3f_7fd5 | 2 : this.flags & ~(0x7fd5 | VM) | image & 0x7fd5 | 2;
    const v86 = (this.flags & VM) !== 0;
    this.cpl = v86 ? 3 : selectors[CS] & 3;
    for (let n = 0; n < 6; n++) this.segments[n] = { selector: selectors[n], base: 0, limit: 0, attr: 0 };
    this.segments[LDTR] = { selector: ldt, base: 0, limit: 0, attr: 0 };
    this.ip = ip;

    // From here on faults are the new task's.
    this.#loadLdt(ldt, ext);
    if (v86) { for (let n = 0; n < 6; n++) this.#loadV86(n, selectors[n]); }
    else this.#loadSegments(selectors, ext);
    if (this.ip > this.segments[CS].limit) throw new Fault(GP, ext);
    if (trap) this.due = true;
  }
  #loadLdt(selector: number, ext: number): void {
    if (isNull(selector)) return;
    const code = selector & 0xfffc | ext;
    if (selector & 4) throw new Fault(TS, code);
    const d = this.#descriptor(selector, TS, ext);
    if (d.hi & S || typeOf(d.hi) !== 2 || !(d.hi & P)) throw new Fault(TS, code);
    this.segments[LDTR] = this.#segment(selector, d);
  }
  #loadV86(n: number, selector: number): void {
    this.segments[n] = { selector, base: selector * 16, limit: 0xffff, attr: 0xf300 };
  }
  #loadSegments(selectors: readonly number[], ext: number): void {
    const { cpl } = this, code = (n: number) => selectors[n] & 0xfffc | ext;
    if (isNull(selectors[CS])) throw new Fault(TS, ext);
    const cs = this.#descriptor(selectors[CS], TS, ext);
    if (!isCode(cs.hi) || (isConforming(cs.hi) ? dplOf(cs.hi) > cpl : dplOf(cs.hi) !== cpl)) throw new Fault(TS, code(CS));
    if (!(cs.hi & P)) throw new Fault(NP, code(CS));
    this.#load(CS, selectors[CS], cs);
    if (isNull(selectors[SS])) throw new Fault(TS, ext);
    const ss = this.#descriptor(selectors[SS], TS, ext);
    if ((selectors[SS] & 3) !== cpl || !isWritable(ss.hi) || dplOf(ss.hi) !== cpl) throw new Fault(TS, code(SS));
    if (!(ss.hi & P)) throw new Fault(SSF, code(SS));
    this.#load(SS, selectors[SS], ss);
    for (const n of [ES, DS, FS, GS]) {
      if (isNull(selectors[n])) continue;
      const d = this.#descriptor(selectors[n], TS, ext), dpl = dplOf(d.hi);
      if (!isReadable(d.hi) || !isConforming(d.hi) && (dpl < cpl || dpl < (selectors[n] & 3))) throw new Fault(TS, code(n));
      if (!(d.hi & P)) throw new Fault(NP, code(n));
      this.#load(n, selectors[n], d);
    }
  }

  // --- events: through a task gate, and out of virtual-8086 mode
  #push(stack: Segment, sp: number, bytes: number, v: number, code: number): number {
    const wide = (stack.attr & B) !== 0, offset = wide ? sp - bytes >>> 0 : sp - bytes & 0xffff, last = offset + bytes - 1;
    const down = (stack.attr & 0x1c00) === 0x1400;
    if (down ? offset <= stack.limit || last > (wide ? 0xffff_ffff : 0xffff) : last > stack.limit) throw new Fault(SSF, code);
    this.write((stack.base + offset) % 2 ** 32, bytes, v);
    return wide ? offset : (sp & ~0xffff | offset) >>> 0;
  }
  /** `code` is pushed when it is given; `kind` "soft" is INT n. */
  event(vector: number, kind: "soft" | "hard" | "exception", error: number | undefined, next: number): void {
    const ext = kind === "soft" ? 0 : 1, where = vector * 8 + 2 + ext, at = this.idt + vector * 8;
    if (kind === "soft" && this.flags & VM && (this.flags & IOPL) !== IOPL) throw new Fault(GP, 0);
    const lo = this.read(at, 4), hi = this.read(at + 4, 4), type = typeOf(hi);
    if (hi & S || ![5, 6, 7, 14, 15].includes(type)) throw new Fault(GP, where);
    if (kind === "soft" && dplOf(hi) < this.cpl) throw new Fault(GP, where);
    if (!(hi & P)) throw new Fault(NP, where);
    // What is stored of a fault has RF (17.3.1.1).
    const flags = kind === "exception" && vector !== 1 && vector !== 8 ? this.flags | RF : this.flags;
    if (type === 5) {
      this.switch(lo >>> 16, "event", ext, next, flags);
      if (error !== undefined) {
        this.gpr[4] = this.#push(this.segments[SS], this.gpr[4], typeOf(this.segments[TR].attr) >= 9 ? 4 : 2, error, ext);
      }
      return;
    }
    if (!(flags & VM)) throw new Error("protected mode's gates have a model of their own");
    const selector = lo >>> 16, code = selector & 0xfffc | ext, wide = type >= 14, bytes = wide ? 4 : 2;
    const offset = wide ? ((hi & 0xffff_0000) >>> 0) + (lo & 0xffff) : lo & 0xffff;
    if (isNull(selector)) throw new Fault(GP, ext);
    const d = this.#descriptor(selector, GP, ext);
    if (!isCode(d.hi)) throw new Fault(GP, code);
    if (!(d.hi & P)) throw new Fault(NP, code);
    // Only to privilege 0, which conforming code does not lead to (20.3.1.1).
    if (isConforming(d.hi) || dplOf(d.hi) !== 0) throw new Fault(GP, code);
    const cs = this.#segment(selector & 0xfffc, { ...d, hi: d.hi | 0x100 });
    if (offset > cs.limit) throw new Fault(GP, ext);
    const tss = this.segments[TR], big = typeOf(tss.attr) >= 9, field = big ? 4 : 2;
    if (field + (big ? 5 : 3) > tss.limit) throw new Fault(TS, tss.selector & 0xfffc | ext);
    let sp = this.read(tss.base + field, field);
    const ss = this.read(tss.base + 2 * field, 2), stackCode = ss & 0xfffc | ext;
    if (isNull(ss)) throw new Fault(TS, ext);
    const s = this.#descriptor(ss, TS, ext);
    if ((ss & 3) !== 0 || dplOf(s.hi) !== 0 || !isWritable(s.hi)) throw new Fault(TS, stackCode);
    if (!(s.hi & P)) throw new Fault(SSF, stackCode);
    const stack = this.#segment(ss, { ...s, hi: s.hi | 0x100 }), frame = [GS, FS, DS, ES, SS].map((n) => this.segments[n].selector);
    for (const v of [...frame, this.gpr[4], flags, this.segments[CS].selector, next, ...(error === undefined ? [] : [error])]) {
      sp = this.#push(stack, sp, bytes, v, stackCode);
    }
    this.gpr[4] = stack.attr & B ? sp : (this.gpr[4] & ~0xffff | sp & 0xffff) >>> 0;
    this.#load(SS, ss, s);
    for (const n of [ES, DS, FS, GS]) this.segments[n] = { selector: 0, base: 0, limit: 0, attr: 0 };
    this.#load(CS, selector & 0xfffc, d);
    this.flags &= ~(TFLAG | NT | RF | VM | (type & 1 ? 0 : IF));
    this.cpl = 0;
    this.ip = offset;
  }
  /** IRET from privilege 0 to virtual-8086 mode (20.2.2): what it finds on its stack, which is flat. */
  enterV86(): void {
    const [ip, cs, image, sp, ss, es, ds, fs, gs] = Array.from({ length: 9 }, (_, n) => this.read(this.gpr[4] + 4 * n, 4));
    if (ip > 0xffff) throw new Fault(GP, 0);
    // RF without breakpoints is as good as any.
    this.flags = image & 0x3f_7fd5 | 2;
    for (const [n, v] of [[ES, es], [CS, cs], [SS, ss], [DS, ds], [FS, fs], [GS, gs]]) this.#loadV86(n, v & 0xffff);
    this.gpr[4] = sp;
    this.cpl = 3;
    this.ip = ip;
  }
}
