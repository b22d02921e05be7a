// Hardware tasks, and the ways into virtual-8086 mode and out of it, against the slow model of tests/models: random TSSs of both sizes, busy and
// not, good up to a bit or two, LDTs, selectors of every kind, by JMP, CALL, INT n, interrupts, exceptions with and without an error code, and IRET;
// with paging and without, at every privilege. What the microcode does is called itself. Each outcome must come often enough.
import { assertEquals } from "@std/assert";
import { EXCEPTION, EXTERNAL, hasErrorCode } from "../src/x86/exceptions.ts";
import { farTransfer } from "../src/x86/far.ts";
import { FAULTED } from "../src/x86/faults.ts";
import { deliver, iret, softwareInterrupt } from "../src/x86/interrupts.ts";
import { GPR } from "../src/x86/slots.ts";
import { Random } from "./fuzz/random.ts";
import { CS, Fault, Tasks, TR } from "./models/x86_tasks.ts";
import { BIG, CODE, DATA, GDT_AT, GRANULAR, IDT_AT, Lab, LDT_AT, type Mode, PAGES_AT, STACK0, STACK3, TARGET, TSS_AT } from "./x86/lab.ts";

/** What is drawn: a TSS and its gate, an LDT, code and data. The rest of the GDT is the lab's. */
const TSS_SLOT = 0x100, GATE_SLOT = 0x108, LDT_SLOT = 0x110, FIRST_CODE = 0x120, FIRST_DATA = 0x140, SLOTS = 4, VECTOR = 0x60;
const NEW_AT = 0x8000, OTHER_LDT = 0x3_0800, WIDE_AT = PAGES_AT + 0xb000, OTHER_WIDE = PAGES_AT + 0xc000, NEXT = 0x1002;
/** The memory that is looked at. */
const WINDOWS: readonly (readonly [from: number, to: number])[] = [[0, 0x9000], [GDT_AT, GDT_AT + 0x180], [LDT_AT, LDT_AT + 0x180], [
  OTHER_LDT,
  OTHER_LDT + 0x180,
]];
const le = (v: number, bytes: number): number[] => Array.from({ length: bytes }, (_, n) => v >>> 8 * n & 0xff);

class Rig {
  readonly random = new Random(3);
  cpl = 0;
  /** No mistake is made; the privilege of the new task. */
  good = false;
  rpl = 0;
  constructor(readonly lab: Lab) {}

  descriptor(
    type: number,
    limit: number,
    base = 0,
    dpl = this.good ? this.rpl : this.random.pick([this.cpl, this.cpl, 0, 3, this.random.below(4)]),
  ): number[] {
    const { random } = this, present = this.wrong(10) ? 0 : 0x80;
    const flags = type & 0x10 ? random.pick([GRANULAR | BIG, GRANULAR | BIG, BIG, 0, GRANULAR]) : 0;
    return [...le(limit, 2), ...le(base, 3), present | dpl << 5 | type, limit >> 16 | flags >> 16, base >>> 24];
  }
  /** A selector of a code or data slot mostly. */
  selector(kind: "code" | "data", rpl: number): number {
    const { random } = this;
    if (this.wrong(24)) return random.below(4);
    if (random.one(3)) return (kind === "code" ? CODE : DATA)[rpl];
    const first = this.wrong(12) ? random.pick([LDT_SLOT, 0xfff8]) : kind === "code" ? FIRST_CODE : FIRST_DATA;
    return first + 8 * random.below(SLOTS) & 0xfff8 | (random.one(4) ? 4 : 0) | (this.wrong(10) ? random.below(4) : rpl);
  }

  /** One of `n` mistakes is made, unless all is to be well. */
  wrong(n: number): boolean {
    return !this.good && this.random.one(n);
  }

  /** Tables, the new TSS, and the processor, at random. */
  prepare(begin: unknown, memory: Uint8Array, mode: Mode): void {
    const { lab: { cpu, machine: { bus } }, random, cpl } = this, put = (at: number, bytes: readonly number[]) => memory.set(bytes, at);
    this.good = random.one(2);
    this.rpl = random.pick([0, 3, cpl, random.below(4)]);
    const type = random.pick([9, 9, 9, 11, 11, 1, 3, this.good ? 9 : random.pick([0, 2, 5, 6, 8, 10, 13, 14, 15, 0x12])]), wide = type >= 8;
    const limit = this.good ? wide ? 0x67 : 0x2b : random.pick([0x67, 0x67, 0x2b, 0x66, 0x2a, 0x3000]);
    put(GDT_AT + TSS_SLOT, this.descriptor(type, limit, NEW_AT, this.good ? 3 : random.pick([3, 3, cpl, 0])));
    const gated = this.good
      ? TSS_SLOT
      : random.pick([TSS_SLOT, TSS_SLOT, TSS_SLOT, TSS_SLOT, TSS_SLOT | 4, random.below(4), 0xfff8, LDT_SLOT]);
    const gate = [0, 0, ...le(gated, 2), 0, (this.wrong(10) ? 0 : 0x80) | (this.good ? 3 : random.pick([3, 3, 3, 0])) << 5 | 5, 0, 0];
    put(GDT_AT + GATE_SLOT, gate);
    for (const table of [GDT_AT, LDT_AT, OTHER_LDT]) {
      put(
        table + LDT_SLOT,
        this.descriptor(
          this.good ? 2 : random.pick([2, 2, 2, 9, 0x12]),
          this.good ? 0xffff : random.pick([0xffff, 0x13f, 0x12f]),
          OTHER_LDT,
        ),
      );
      for (let n = 0; n < SLOTS; n++) {
        put(
          table + FIRST_CODE + 8 * n,
          this.descriptor(
            0x18 | random.pick(this.good ? [2, 3] : [2, 2, 3, 6, 0, 5]),
            this.good ? 0xf_ffff : random.pick([0xf_ffff, 0xf_ffff, TARGET - 1, TARGET]),
          ),
        );
        put(
          table + FIRST_DATA + 8 * n,
          this.descriptor(0x10 | random.pick(this.good ? [2, 3] : [2, 2, 3, 6, 0, 10]), 0xf_ffff),
        );
      }
    }
    // The new task.
    const { rpl } = this, one = wide ? 4 : 2, flags = random.bits() & 0x3d_7fd5 & ~0x100;
    const fields = [
      TARGET + (this.wrong(10) ? random.pick([0x1_0000, 0x8000_0000]) : 0),
      flags | (random.one(5) ? 0x2_0000 : 0),
      ...Array.from({ length: 8 }, () => random.bits()),
    ];
    fields[2 + 4] = (rpl === 0 ? STACK0 : STACK3) - 0x100;
    put(NEW_AT, new Array(0x70).fill(0).map(() => random.below(256)));
    for (const [n, v] of fields.entries()) put(NEW_AT + (wide ? 0x20 : 0x0e) + one * n, le(v, one));
    const selectors = [0, 1, 2, 3, 4, 5].map((n) => this.selector(n === CS || n !== 2 && this.wrong(8) ? "code" : "data", rpl));
    for (const [n, v] of selectors.entries()) if (n < (wide ? 6 : 4)) put(NEW_AT + (wide ? 0x48 : 0x22) + one * n, le(v, 2));
    put(
      NEW_AT + (wide ? 0x60 : 0x2a),
      le(this.wrong(4) ? random.pick([LDT_SLOT | 4, FIRST_DATA, 0xfff8, 3]) : LDT_SLOT, 2),
    );
    if (wide) put(NEW_AT + 0x1c, le(OTHER_WIDE, 4));
    put(NEW_AT + 0x64, [random.one(3) ? 1 : 0, 0]);
    // What IRET goes back to, and the stack that a handler gets out of virtual-8086 mode.
    put(TSS_AT, le(this.good ? TSS_SLOT : random.pick([TSS_SLOT, TSS_SLOT, TSS_SLOT, TSS_SLOT, TSS_SLOT | 4, LDT_SLOT, 0, 0xfff8]), 2));
    put(TSS_AT + 4, [...le(STACK0, 4), ...le(this.wrong(2) ? this.selector("data", 0) : DATA[0], 2)]);
    put(IDT_AT + 8 * VECTOR, gate);
    if (mode === "v86" && !random.one(4)) {
      const to = this.good ? CODE[0] : random.pick([CODE[0], this.selector("code", 0), CODE[3]]),
        kind = random.pick([14, 15, 6, 7, this.good ? 14 : random.below(16)]);
      const offset = TARGET + (this.wrong(12) ? 0x100_0000 : 0),
        present = this.wrong(12) ? 0 : 0x80,
        dpl = this.good ? 3 : random.pick([3, 0]);
      put(IDT_AT + 8 * VECTOR, [...le(offset, 2), ...le(to, 2), 0, present | dpl << 5 | kind, ...le(offset >>> 16, 2)]);
    }
    for (let n = 0; n < 10; n++) {
      put(STACK0 + 4 * n, le(n === 0 && !random.one(6) ? TARGET : n === 2 ? random.bits() & ~0x4100 | 0x2_0000 : random.bits(), 4));
    }
    for (const [from, to] of WINDOWS) bus.writeBytes(from, memory.subarray(from, to));
    bus.writeBytes(IDT_AT + 8 * VECTOR, memory.subarray(IDT_AT + 8 * VECTOR, IDT_AT + 8 * VECTOR + 8));

    cpu.load(begin);
    cpu.window.setFlags(random.bits() & 0x3c_3ed5, 0x3c_3ed5);
    for (let n = 0; n < 8; n++) if (n !== 4) cpu.window.set(GPR(n), random.bits() | 0, 0);
    cpu.s.dr7 = 0x400 | random.pick([0, 0x55]) | random.pick([0, 0xff]) | random.pick([0, 0x300]);
    // Its breakpoints are where nothing comes.
    for (let n = 0; n < 4; n++) cpu.s.drLo[n] = 0xfff_fff0;
    // A task of 16 bits has a stack pointer with ones above, where no page is.
    if (wide && random.one(2)) {
      cpu.s.cr0 |= 0x8000_0000 | 0;
      cpu.s.cr4 |= 0x10;
      cpu.s.cr3Lo = WIDE_AT;
    }
    const old = random.pick([0x8b00, 0x8b00, 0x8b00, 0x8300]);
    cpu.segments.set(TR, cpu.segments.selector(TR), TSS_AT, 0, this.good ? 0x3000 : random.pick([0x3000, 9, 8, 5, 4]), old);
    if (mode === "v86") { for (let n = 0; n < 6; n++) cpu.segments.set(n, 0x10 * n, 0x100 * n, 0, 0xffff, 0xf300); }
    cpu.derived.reload();
    cpu.segments.setEip(NEXT, 0);
  }

  observe(memory: Uint8Array): Tasks {
    const { lab: { cpu } } = this, m = new Tasks((at) => memory[at] ?? 0, GDT_AT, IDT_AT);
    return Object.assign(m, {
      gpr: Array.from({ length: 8 }, (_, n) => cpu.window.lo(GPR(n)) >>> 0),
      ip: cpu.window.pcLo - cpu.segments.baseLo(CS) >>> 0,
      flags: cpu.window.flags,
      cpl: cpu.window.cpl,
      segments: Array.from({ length: 8 }, (_, n) => ({
        selector: cpu.segments.selector(n),
        base: cpu.segments.baseLo(n) >>> 0,
        limit: cpu.segments.limit[n],
        attr: cpu.segments.attr[n],
      })),
      cr0: cpu.s.cr0,
      cr3: cpu.s.cr3Lo,
      dr7: cpu.s.dr7,
      due: (cpu.s.debugDue & 0x8000) !== 0,
    });
  }
}
const hex = (v: unknown): string => JSON.stringify(v, (_, x) => typeof x === "number" ? (x >>> 0).toString(16) : x);
const NAMES = ["gpr", "flags", "cpl", "segments", "cr0", "cr3", "dr7", "due"] as const;

/** What the processor does, and the model. */
interface Act {
  readonly name: string;
  run(): unknown;
  act(m: Tasks): void;
}
function draw(rig: Rig, mode: Mode): Act {
  const { random, lab: { cpu } } = rig, linear = NEXT + cpu.segments.baseLo(CS) | 0;
  const error = random.below(0x1_0000), vectors = [0, 13, 14, 6];
  const rows: (() => Act)[] = [
    () => ({
      name: "int n",
      run: () => softwareInterrupt(cpu, VECTOR, 0, linear, 0),
      act: (m) => m.event(VECTOR, "soft", undefined, NEXT),
    }),
    () => ({
      name: "interrupt",
      run: () => deliver(cpu, VECTOR, EXTERNAL, 0, linear, 0),
      act: (m) => m.event(VECTOR, "hard", undefined, NEXT),
    }),
    () => {
      const vector = random.pick(vectors), code = hasErrorCode(vector) ? error : undefined, at = IDT_AT + 8 * vector;
      rig.lab.machine.bus.writeBytes(at, rig.lab.machine.bus.readBytes(IDT_AT + 8 * VECTOR, 8));
      return {
        name: `exception`,
        run: () => deliver(cpu, vector, EXCEPTION, error, linear, 0),
        act: (m) => m.event(vector, "exception", code, NEXT),
      };
    },
  ];
  if (mode !== "v86") {
    const call = random.one(2),
      selector = random.pick([TSS_SLOT, GATE_SLOT, TSS_SLOT, GATE_SLOT, TSS_SLOT | 3, GATE_SLOT | random.below(8)]);
    rows.push(
      ...[1, 2, 3].map(() => () => ({
        name: call ? "call" : "jump",
        run: () => farTransfer(cpu, call, selector, 4, 0, 0, linear, 0),
        act: (m: Tasks) => m.transfer(call, selector, NEXT),
      })),
      () => {
        cpu.window.setFlags(0x4000, 0x4000);
        return { name: "iret", run: () => iret(cpu, 4, linear), act: (m) => m.back(NEXT) };
      },
    );
    if (rig.cpl === 0) rows.push(() => ({ name: "to v86", run: () => iret(cpu, 4, linear), act: (m) => m.enterV86() }));
  }
  return random.pick(rows)();
}

/** How often each comes at least. */
const LEAST = "jump ok 25; jump fault 40; call ok 25; call fault 40; iret ok 15; iret fault 30; to v86 ok 10; to v86 fault 2; " +
  "int n ok 20; int n fault 30; interrupt ok 20; interrupt fault 30; exception ok 20; exception fault 30";

Deno.test("x86 tasks, and virtual-8086 mode's ways in and out, are what the slow model says", async () => {
  const lab = await Lab.make(),
    rig = new Rig(lab),
    seen = new Map<string, number>(),
    wrong: string[] = [],
    { bus } = lab.machine,
    { cpu } = lab;
  for (const [mode, cpl, cases] of [["32", 0, 500], ["32", 3, 250], ["16", 0, 200], ["v86", 3, 500]] as const) {
    lab.prepare(mode, cpl);
    for (const at of [WIDE_AT, OTHER_WIDE]) bus.write(at, 4, 0x87);
    const begin = cpu.save(), clean = bus.readBytes(0, 0x5_0000), memory = clean.slice();
    Object.assign(rig, { cpl });
    rig.random.state = cpl + Number.parseInt(mode, 36);
    for (let n = 0; n < cases; n++) {
      memory.set(clean);
      rig.prepare(begin, memory, mode);
      const act = draw(rig, mode);
      memory.set(bus.readBytes(IDT_AT, 0x700), IDT_AT);
      const m = rig.observe(memory), before = hex(m);
      let want = "ok", got = "ok";
      try {
        act.act(m);
      } catch (e) {
        if (!(e instanceof Fault)) throw e;
        want = `fault ${e.vector} ${e.code.toString(16)}`;
      }
      try {
        act.run();
      } catch (e) {
        if (e !== FAULTED) throw e;
        got = `fault ${cpu.faults.vector} ${cpu.faults.errorCode.toString(16)}`;
      }
      const where = `${mode}, CPL ${cpl}, case ${n}: ${act.name}`, kind = `${act.name} ${want.replace(/ .*/, "")}`;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      const is = rig.observe(memory);
      if (got !== want) wrong.push(`${where}: ${got}, not ${want}; ${before}`);
      for (const name of NAMES) {
        if (hex(is[name]) !== hex(m[name])) wrong.push(`${where}, ${want}: ${name} is ${hex(is[name])}, not ${hex(m[name])}`);
      }
      // What an event had marked as accessed in front of its fault stays so.
      const mayBe = (from: number, k: number) => want !== "ok" && from >= GDT_AT && (k & 7) === 5 ? 1 : 0;
      // After a fault the address is the delivery's business.
      if (want === "ok" && is.ip !== m.ip) wrong.push(`${where}: at ${hex(is.ip)}, not ${hex(m.ip)}`);
      for (const [at, v] of m.written) memory[at] = v;
      for (const [from, to] of WINDOWS) {
        const after = bus.readBytes(from, to - from);
        let k = 0;
        while (k < after.length && ((after[k] ^ memory[from + k]) & ~mayBe(from, k)) === 0) k++;
        if (k < after.length) wrong.push(`${where}, ${want}: memory at ${hex(from + k)} is ${hex(after[k])}, not ${hex(memory[from + k])}`);
      }
    }
  }
  assertEquals(wrong.slice(0, 10), []);
  const rare = LEAST.split("; ").filter((text) => {
    const [, kind, count] = /^(.*) (\d+)$/.exec(text)!;
    return (seen.get(kind) ?? 0) < Number(count);
  });
  assertEquals(rare, [], `too few of them: ${[...seen].join(" ")}`);
});
