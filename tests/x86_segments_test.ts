// Segment loads, far transfers, events, returns and looks at descriptors against the slow model of tests/models, over random descriptors: every
// type, privilege, presence and limit, in 16-bit and 32-bit protected mode, 64-bit code and compatibility mode, at every privilege. Each outcome
// must have come often enough, or the test has seen nothing.
import { assertEquals } from "@std/assert";
import { event } from "../src/x86/delivery.ts";
import { EXCEPTION, EXTERNAL } from "../src/x86/exceptions.ts";
import { CSTAR, FMASK, LSTAR, STAR } from "../src/x86/slots.ts";
import { Random } from "./fuzz/random.ts";
import { CS, Fault, LDTR, Model, Task, TR } from "./models/x86_segments.ts";
import {
  BIG,
  CODE,
  CODE_AT,
  DATA,
  GDT_AT,
  GRANULAR,
  HANDLERS,
  IDT_AT,
  Lab,
  LDT_AT,
  LONG,
  POINTER,
  STACK0,
  STACK3,
  TARGET,
  TSS_AT,
} from "./x86/lab.ts";

type Width = "16" | "32" | "64" | "compat";
/** Where descriptors are drawn, 16 bytes each, in the GDT and in the LDT; and the vector of the events. */
const FIRST = 0x100, VECTOR = 0x60;
type Slot = "code" | "data" | "gate" | "system";
const SLOTS: readonly Slot[] = ["code", "code", "code", "data", "data", "gate", "gate", "system"];
const MODELED = 0x3f_7fd7;
/** The memory that is looked at, and what else the descriptors are drawn into. */
const WINDOWS: readonly (readonly [from: number, to: number])[] = [[0, 0x6000], [GDT_AT, GDT_AT + 0x200], [LDT_AT, LDT_AT + 0x200], [
  IDT_AT,
  IDT_AT + 0x700,
]];
const le = (value: bigint | number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number(BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i) & 0xffn));

/** One random case: what it does to the processor, by its instruction or by an event, and to the model. */
interface Act {
  readonly name: string;
  readonly code?: readonly number[];
  /** In AX, and with an offset of so many bytes at POINTER. */
  readonly selector?: number;
  readonly pointer?: readonly [ip: bigint, bytes: number];
  /** What is at the top of the stack, in words of `word` bytes. */
  readonly stack?: { readonly word: number; readonly values: readonly (bigint | number)[] };
  readonly event?: readonly [vector: number, kind: 0 | 1, error: number];
  act(m: Model): "shutdown" | undefined | void;
}

class Rig {
  readonly random = new Random(11);
  constructor(readonly lab: Lab, readonly width: Width, readonly cpl: number) {}

  get long(): boolean {
    return this.width === "64" || this.width === "compat";
  }
  /** A selector of a slot of a kind mostly. */
  selector(kind: Slot, rpl = this.random.pick([0, this.cpl, this.cpl, 3, this.random.below(4)])): number {
    const { random } = this, slots = [...SLOTS.keys()].filter((n) => SLOTS[n] === kind);
    if (random.one(20)) return random.below(4);
    return FIRST + 16 * (random.one(6) ? random.below(SLOTS.length) : random.pick(slots)) + (random.one(3) ? 4 : 0) + rpl;
  }
  /** A descriptor that is good for something up to a bit or two. */
  descriptor(kind: Slot): number[] {
    const { random, width } = this,
      dpl = random.pick([this.cpl, this.cpl, this.cpl, 0, 3, random.below(4)]),
      present = random.one(8) ? 0 : 0x80;
    let limit = random.pick([0xf_ffff, 0xf_ffff, 0xffff, TARGET, TARGET - 1, 0x12_345]), flags = random.one(4) ? 0 : GRANULAR;
    let type = 0x10 | random.below(16), base = random.one(3) ? random.pick([0x40, 0x100]) : 0;
    if (kind === "gate") {
      const call = random.one(8) ? random.below(16) : width === "16" || !this.long && random.one(3) ? 4 : 12;
      return this.gate(call, this.selector("code"), random.pick([3, 3, dpl]), present, random.below(4));
    }
    if (random.one(12)) flags |= random.pick([BIG, LONG, 0]);
    else if (kind === "code") {
      type = 0x18 | random.pick([2, 3, 6, 7, 0, 5]);
      flags |= this.long ? random.pick([LONG, LONG, LONG, BIG, 0, LONG | BIG]) : random.pick([BIG, BIG, 0]);
    } else if (kind === "data") {
      type = 0x10 | random.pick([2, 3, 2, 3, 0, 6]);
      flags |= random.pick([BIG, BIG, 0]);
      if (type & 4) limit = random.pick([0, 0x100, 0xf_ffff]);
    } else {
      type = random.pick([2, 2, 9, 9, 1, 11, 3, random.below(16)]);
      base = 0x8000;
    }
    const access = present | dpl << 5 | type;
    return [
      ...le(limit & 0xffff, 2),
      ...le(base & 0xff_ffff, 3),
      access,
      (limit >> 16) | (flags >>> 16 & 0xf0) | (random.one(3) ? 0x10 : 0),
      base >>> 24,
      // The upper half of what has 16 bytes in long mode.
      ...(random.one(12) ? [0, 0, 0, 0, 0, 1 << random.below(8), 0, 0] : [0, 0, 0, 0, 0, 0, 0, 0]),
    ];
  }
  gate(type: number, selector: number, dpl: number, present: number, low: number): number[] {
    const { random } = this,
      offset = random.one(12) ? random.pick([0x12_3456, 0xf012_3456]) : TARGET,
      high = this.long && random.one(12) ? random.pick([1, 0x8000, -0x8000]) : 0;
    return [
      ...le(offset & 0xffff, 2),
      ...le(selector, 2),
      low,
      present | dpl << 5 | type,
      ...le(offset >>> 16, 2),
      ...le(high, 4),
      0,
      0,
      0,
      0,
    ];
  }

  /** Everything random: tables, stacks of the TSS, flags, and what is loaded. */
  prepare(begin: unknown, memory: Uint8Array): void {
    const { lab: { cpu, machine: { bus } }, random, width, cpl } = this,
      put = (at: number, bytes: readonly number[]) => memory.set(bytes, at);
    for (const table of [GDT_AT, LDT_AT]) for (const [n, kind] of SLOTS.entries()) put(table + FIRST + 16 * n, this.descriptor(kind));
    const kinds = this.long ? [14, 14, 15, 15, random.below(16)] : [14, 14, 15, 6, 7, random.below(16)];
    const idt = IDT_AT + VECTOR * (this.long ? 16 : 8);
    const dpl = random.pick([3, 3, 3, cpl, random.below(4)]), present = random.one(12) ? 0 : 0x80;
    put(idt, this.gate(random.pick(kinds), this.selector("code", 0), dpl, present, this.long && random.one(4) ? random.below(8) : 0));
    // The stacks of the TSS: mostly those that are there.
    for (let n = 0; n < 3; n++) {
      const ss = random.one(3) ? this.selector("data", n) : [0x10, 0x21, 0x32][n];
      if (width === "16") put(TSS_AT + 2 + 4 * n, [...le(STACK0, 2), ...le(ss, 2)]);
      else if (width === "32") put(TSS_AT + 4 + 8 * n, [...le(STACK0, 4), ...le(ss, 4)]);
      else put(TSS_AT + 4 + 8 * n, le(STACK0 + random.pick([0, 8]) + (random.one(20) ? 2 ** 47 : 0), 8));
    }
    if (this.long) { for (let n = 0; n < 7; n++) put(TSS_AT + 0x24 + 8 * n, le(STACK0 - 0x100 * n, 8)); }
    for (const [from, to] of WINDOWS) bus.writeBytes(from, memory.subarray(from, to));
    cpu.load(begin);
    cpu.window.setFlags(random.bits() & 0x3c_3ed5 & (random.one(8) ? -1 : ~0x4000), 0x3f_7fd5);
    cpu.window.setFlags(0, 0x1_0100);
    if (cpl !== 0 && !random.one(3)) cpu.window.setFlags(0, 0x200);
    if (width === "compat") cpu.segments.set(CS, cpu.segments.selector(CS), 0, 0, 0xffff_ffff, cpu.segments.attr[CS] & ~LONG | BIG);
    // What a return to an outer privilege may have to drop.
    for (const n of [0, 3, 4, 5]) {
      const type = random.pick([2, 2, 0, 10, 14, 12]);
      cpu.segments.set(n, 0x200 + 8 * n, 0x40, 0, 0xffff, random.one(6) ? 0 : 0x9100 | type << 8 | random.below(4) << 13 | BIG);
    }
    cpu.window.efer |= 1;
    cpu.window.set(STAR, 0x1900, 0x0033_0008);
    cpu.window.set(LSTAR, 0x1900, 0);
    cpu.window.set(CSTAR, 0x1a00, 0);
    cpu.derived.reload();
  }

  model(memory: Uint8Array): Model {
    const { lab: { cpu } } = this, m = new Model((at) => memory[at] ?? 0xff);
    m.segments = Array.from(
      { length: 8 },
      (_, n) => ({
        selector: cpu.segments.selector(n),
        base: cpu.segments.baseLo(n),
        limit: cpu.segments.limit[n],
        attr: cpu.segments.attr[n],
      }),
    );
    const wide = (name: string) => cpu.reg(name);
    Object.assign(m, { cpl: cpu.window.cpl, lma: this.long, ip: BigInt(CODE_AT), rsp: wide("rsp"), flags: cpu.window.flags & MODELED });
    Object.assign(m, {
      rcx: wide("rcx"),
      rdx: wide("rdx"),
      r11: wide("r11"),
      gdtBase: GDT_AT,
      gdtLimit: 0xffff,
      idtBase: IDT_AT,
      idtLimit: 0xffff,
    });
    return m;
  }

  /** What the processor looks like, and the model. */
  seen(): string {
    const { lab: { cpu } } = this;
    const segments = Array.from(
      { length: 8 },
      (_, n) => this.segment(n, cpu.segments.selector(n), cpu.segments.baseLo(n), cpu.segments.limit[n], cpu.segments.attr[n]),
    );
    return this.text(segments, cpu.window.cpl, cpu.reg("rip"), cpu.reg("rsp"), cpu.window.flags & MODELED, cpu.reg("rcx"), cpu.reg("r11"));
  }
  wanted(m: Model): string {
    const segments = m.segments.map((s, n) => this.segment(n, s.selector, s.base, s.limit, s.attr));
    return this.text(segments, m.cpl, m.ip, m.rsp, m.flags & MODELED, m.rcx, m.r11);
  }
  segment(_n: number, selector: number, base: number, limit: number, attr: number): string {
    return [selector, base >>> 0, limit >>> 0, attr >>> 0].map((v) => v.toString(16)).join(":");
  }
  text(segments: readonly string[], cpl: number, ip: bigint, rsp: bigint, flags: number, rcx: bigint, r11: bigint): string {
    const names = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"].map((name, n) => `${name} ${segments[n]}`);
    return `${names.join(", ")}, cpl ${cpl}, ip ${ip.toString(16)}, sp ${rsp.toString(16)}, flags ${
      flags.toString(16)
    }, rcx ${rcx}, r11 ${r11}`;
  }
}

/** A random act. */
function draw(rig: Rig): Act {
  const { random, width, cpl } = rig, sixteen = width === "16", mode64 = width === "64", data16 = random.one(4);
  const size = mode64 ? data16 ? 2 : 4 : sixteen !== data16 ? 2 : 4, prefix = data16 ? [0x66] : [];
  const memory = mode64 ? [4, 0x25, ...le(POINTER, 4)] : sixteen ? [6, ...le(POINTER, 2)] : [5, ...le(POINTER, 4)];
  const at = (reg: number, bytes: readonly number[]) => [bytes[0] | reg << 3, ...bytes.slice(1)];
  const offset = random.pick([TARGET, TARGET, TARGET, TARGET - 1, 0xffff, size === 2 ? 0 : 0x12_3456, size === 2 ? 1 : 0xf012_3456]);
  const wide = mode64 && random.one(2), rex = wide ? [0x48] : [], word = wide ? 8 : size;
  const returnIp = word === 8 && random.one(10) ? 1n << 47n : BigInt(offset);
  const to = random.pick([cpl, cpl, 3, 3, random.below(4)]), returnTo = () => random.one(3) ? CODE[to] : rig.selector("code", to);
  const outer = [BigInt(STACK3 - 0x100), random.one(3) ? rig.selector("data", random.pick([to, to, random.below(4)])) : DATA[to]];
  const rows: readonly (readonly [weight: number, () => Act])[] = [
    [4, () => {
      const n = random.pick([0, 2, 2, 3, 4, 5]), s = rig.selector(random.one(4) ? "code" : "data", random.one(2) ? cpl : undefined);
      return { name: `mov sreg ${n}, ${s.toString(16)}`, code: [0x8e, 0xc0 | n << 3], selector: s, act: (m) => m.loadSegment(n, s) };
    }],
    [5, () => {
      const call = random.one(2),
        s = rig.selector(random.pick(["code", "gate", "gate", "system"])),
        code = [0x36, ...prefix, ...rex, 0xff, ...at(call ? 3 : 5, memory)];
      return {
        name: `${call ? "call" : "jmp"} far ${s.toString(16)}:${offset.toString(16)}, ${word}`,
        code,
        selector: s,
        pointer: [returnIp, word],
        act: (m) => m.transfer(call, s, returnIp, word, BigInt(CODE_AT + code.length)),
      };
    }],
    [3, () => {
      const drop = random.pick([0, 0, 8, 0x10]), selector = returnTo();
      const values = [returnIp, selector, ...new Array(drop / word | 0).fill(0x55n), ...outer];
      return {
        name: `retf ${drop} to ${selector.toString(16)}, ${word}, ss ${outer[1].toString(16)}`,
        code: [...prefix, ...rex, ...(drop ? [0xca, ...le(drop, 2)] : [0xcb])],
        stack: { word, values },
        act: (m) => m.returnFar(word, drop),
      };
    }],
    [3, () => {
      const selector = returnTo(), image = random.bits() & 0x3d_7fd5;
      return {
        name: `iret to ${selector.toString(16)}, ${word}, flags ${image.toString(16)}, ss ${outer[1].toString(16)}`,
        code: [...prefix, ...rex, 0xcf],
        stack: { word, values: [returnIp, selector, image, ...outer] },
        act: (m) => m.interruptReturn(word),
      };
    }],
    [3, () => ({
      name: "int n",
      code: [0xcd, VECTOR],
      act: (m) => {
        m.ip = BigInt(CODE_AT + 2);
        return m.event(VECTOR, "soft", 0);
      },
    })],
    [1, () => ({ name: "an interrupt", event: [VECTOR, EXTERNAL, 0], act: (m) => m.event(VECTOR, "hard", 0) })],
    [2, () => {
      const vector = random.pick([0, 3, 6, 8, 10, 11, 12, 13, 14, 17]), error = random.below(0x200);
      return { name: `exception ${vector}`, event: [vector, EXCEPTION, error], act: (m) => m.event(vector, "exception", error) };
    }],
    [cpl === 0 ? 3 : 0.4, () => {
      const n = random.one(2) ? LDTR : TR, s = rig.selector("system") & (random.one(3) ? -1 : ~4);
      return {
        name: `${n === LDTR ? "lldt" : "ltr"} ${s.toString(16)}`,
        code: [0x0f, 0x00, n === LDTR ? 0xd0 : 0xd8],
        selector: s,
        act: (m) => {
          if (m.cpl !== 0) throw new Fault(13, 0);
          m.loadSystem(n, s);
        },
      };
    }],
    [2, () => {
      const what = random.pick(["lar", "lsl", "verr", "verw"] as const), s = rig.selector(random.pick(["code", "data", "gate", "system"]));
      const code = what === "lar" ? [0x0f, 0x02, 0xc8] : what === "lsl" ? [0x0f, 0x03, 0xc8] : [0x0f, 0x00, what === "verr" ? 0xe0 : 0xe8];
      return {
        name: `${what} ${s.toString(16)}`,
        code: sixteen ? [0x66, ...code] : code,
        selector: s,
        act: (m) => {
          m.look(what, s);
          m.flags = m.found === undefined ? m.flags & ~0x40 : m.flags | 0x40;
          if (m.found !== undefined && code[1] !== 0) m.rcx = BigInt(m.found);
        },
      };
    }],
    [1, () => {
      const code = [0x0f, 0x05];
      return { name: "syscall", code, act: (m) => m.syscall(BigInt(CODE_AT + 2)) };
    }],
    [1, () => ({ name: `sysret ${wide ? 8 : 4}`, code: [...rex, 0x0f, 0x07], act: (m) => m.sysret(wide ? 8 : 4) })],
    ...(rig.long ? [] : [
      [1, () => ({ name: "sysenter", code: [0x0f, 0x34], act: (m: Model) => m.sysenter() })] as const,
      [1, () => ({ name: "sysexit", code: [0x0f, 0x35], act: (m: Model) => m.sysexit() })] as const,
    ]),
  ];
  let n = random.unit() * rows.reduce((sum, [weight]) => sum + weight, 0);
  return rows.find(([weight]) => (n -= weight) < 0)![1]();
}

const CASES = 260;
/** How often an outcome has to come at least. */
const LEAST_LONG =
  "an ok 20; exception ok 50; exception shutdown 2; mov ok 60; mov fault 11 5; mov fault 12 1; mov fault 13 60; call ok 12; " +
  "call fault 11 4; call fault 13 40; jmp ok 15; jmp fault 11 4; jmp fault 13 40; int ok 25; int fault 11 8; int fault 13 40; iret ok 40; " +
  "iret fault 11 2; iret fault 13 40; retf ok 40; retf fault 11 2; retf fault 13 40; lldt ok 3; lldt fault 13 10; ltr ok 2; ltr fault 13 10; " +
  "lar ok 8; lsl ok 8; verr ok 8; verw ok 8; syscall ok 20; sysret ok 8; sysret fault 13 10";
const LEAST = LEAST_LONG + "; sysenter ok 10; sysenter fault 13 2; sysexit ok 5; sysexit fault 13 10";
for (const width of ["16", "32", "64", "compat"] as const) {
  Deno.test(`x86 descriptors are what the slow model says: ${width === "compat" ? "compatibility mode" : `${width}-bit code`}`, async () => {
    let lab = await Lab.make();
    const seen = new Map<string, number>(), wrong: string[] = [];
    for (const cpl of [0, 1, 2, 3]) {
      lab.prepare(width === "compat" ? "64" : width, cpl);
      const begin = lab.cpu.save(), clean = lab.machine.bus.readBytes(0, 0x5_0000), rig = new Rig(lab, width, cpl), memory = clean.slice();
      rig.random.state = cpl + 4 * Number(width === "compat" ? 128 : width);
      for (let n = 0; n < CASES * (cpl === 0 || cpl === 3 ? 2 : 1); n++) {
        memory.set(clean);
        const act = draw(rig), { selector = 0, pointer: [ip, bytes] = [0n, 2] } = act;
        const { cpu, machine } = rig.lab, { bus } = machine, top = cpl === 0 ? STACK0 : STACK3;
        if (act.stack) memory.set(act.stack.values.flatMap((v) => le(v, act.stack!.word)), top);
        memory.set([...le(ip, bytes), ...le(selector, 2)], POINTER);
        if (act.code) memory.set(act.code, CODE_AT);
        const gate = act.event?.[0] ?? VECTOR, entry = rig.long ? 16 : 8;
        rig.prepare(begin, memory);
        // The event's own gate is the one that was drawn.
        if (gate !== VECTOR) {
          memory.copyWithin(IDT_AT + gate * entry, IDT_AT + VECTOR * entry, IDT_AT + VECTOR * entry + entry);
          bus.writeBytes(IDT_AT + gate * entry, memory.slice(IDT_AT + gate * entry, IDT_AT + gate * entry + entry));
        }
        cpu.setReg("rax", BigInt(selector));
        cpu.setReg("rcx", BigInt(TARGET));
        cpu.setReg("rdx", BigInt(TARGET));
        cpu.setReg("r11", BigInt(rig.random.bits() & 0x3c_7fd7 & ~0x100));
        [cpu.s.sysenterCs, cpu.s.sysenterEspLo, cpu.s.sysenterEipLo] = [rig.random.one(6) ? 3 : 0x53, STACK0 - 0x80, TARGET];
        cpu.segments.setEip(CODE_AT, 0);
        const m = rig.model(memory), unchanged = rig.wanted(m);
        Object.assign(m, { star: 0x0033_0008_0000_1900n, lstar: 0x1900n, cstar: 0x1a00n, fmask: rig.random.bits() & 0x3c_7fd5 });
        Object.assign(m, { sysenterCs: cpu.s.sysenterCs, sysenterEsp: BigInt(STACK0 - 0x80), sysenterEip: BigInt(TARGET) });
        cpu.window.set(FMASK, m.fmask, 0);
        let outcome = "ok";
        try {
          if (act.act(m) === "shutdown") outcome = "shutdown";
          else if (act.code && m.ip === BigInt(CODE_AT)) m.ip += BigInt(act.code.length);
        } catch (e) {
          if (e instanceof Task) continue;
          if (!(e instanceof Fault)) throw e;
          outcome = `fault ${e.vector} ${e.code.toString(16)}`;
        }
        if (act.event) event(cpu, ...act.event);
        else machine.run(machine.clock.ticks + 1);
        const kind = `${act.name.replace(/ .*/, "")} ${outcome.replace(/ \w+$/, "")}`,
          where = `${width}, CPL ${cpl}, case ${n}: ${act.name}`;
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
        if (outcome === "shutdown" || machine.stopped) {
          if (outcome !== "shutdown" || !cpu.s.shutdown) wrong.push(`${where}: ${outcome}, shutdown ${cpu.s.shutdown}`);
          rig.lab.prepare("32", 0);
          if (!machine.stopped) continue;
          lab = await Lab.make();
          Object.assign(rig, { lab });
          lab.prepare(width === "compat" ? "64" : width, cpl);
          continue;
        }
        const handler = Number(cpu.reg("rip")) - HANDLERS >> 4;
        if (outcome.startsWith("fault")) {
          const word = rig.long ? 8 : lab.word, sp = Number(cpu.reg("rsp"));
          const error = bus.read(sp, 2), pushed = bus.read(sp + word, 2);
          const got = `fault ${handler} ${error.toString(16)} at ${pushed.toString(16)}`;
          if (got !== `${outcome} at ${CODE_AT.toString(16)}`) wrong.push(`${where}: ${got}, not ${outcome}; ${unchanged}`);
          continue;
        }
        if (rig.seen() !== rig.wanted(m)) wrong.push(`${where}:\n    ${rig.seen()}, not\n    ${rig.wanted(m)}, was\n    ${unchanged}`);
        for (const [a, v] of m.written) memory[a] = v;
        for (const [from, to] of WINDOWS) {
          const after = bus.readBytes(from, to - from), mayBe = (i: number) => m.nested && from >= GDT_AT && (i & 7) === 5 ? 1 : 0;
          const differs = from + after.findIndex((v, i) => ((v ^ memory[from + i]) & ~mayBe(i)) !== 0);
          if (differs >= from) wrong.push(`${where}: memory at ${differs.toString(16)} is not ${memory[differs].toString(16)}`);
        }
      }
    }
    assertEquals(wrong.slice(0, 8), []);
    const least = width === "16" || width === "32" ? LEAST : LEAST_LONG;
    const rare = least.split("; ").filter((text) => {
      const [, kind, count] = /^(.*) (\d+)$/.exec(text)!;
      return (seen.get(kind) ?? 0) < Number(count);
    });
    assertEquals(rare, [], "too few of them");
  });
}
