// IRETQ, SYSCALL, SYSRET and the delivery of events have second bodies for what is usual (twins: see src/README.md). Random frames, gates,
// descriptors and flags go through each of them: what a row does, what `plainReturn` and `plainEvent` do, and what the general function does
// must not differ. While the engine's numbers for the other privilege are not known (SWITCH), rows leave everything to their helpers; a
// table of descriptors that is not aligned is what the plain functions leave to the general one.
import { assertEquals } from "@std/assert";
import { CONTEXT, TLB } from "../src/ir/layout.ts";
import type { Helper } from "../src/ir/frontend.ts";
import { event } from "../src/x86/delivery.ts";
import { type EventKind, EXCEPTION, EXTERNAL } from "../src/x86/exceptions.ts";
import { H } from "../src/x86/helpers.ts";
import { CR0_AM } from "../src/x86/registers.ts";
import { CS, DS, ES, FS, GS, SS } from "../src/x86/segments.ts";
import { FMASK, LSTAR, RETURNED, RFLAGS, STAR } from "../src/x86/slots.ts";
import { Random } from "./fuzz/random.ts";
import { CODE, CODE_AT, DATA, EDGE, GDT_AT, IDT_AT, Lab, STACK0, STACK3, TARGET, TSS_AT, VECTOR } from "./x86/lab.ts";

const CASES = 200;
/** How many cases at least a row does itself, and the plain function. */
const LEAST: Readonly<Record<string, readonly [row: number, plain: number]>> = {
  iretq: [25, 40],
  syscall: [120, 0],
  sysret: [70, 0],
  event: [0, 60],
};
/** Stacks, TSS and gates; the table of descriptors is compared where it is. */
const FIRST = 0x3000, BYTES = 0x3000, GDT_BYTES = EDGE + 8;

/** One case; `code` is the instruction at privilege `cpl`, or else an event comes there. */
interface Act {
  readonly cpl: 0 | 3;
  readonly code?: readonly number[];
  readonly kind?: EventKind;
  readonly vector?: number;
  readonly registers: Readonly<Record<string, bigint>>;
  readonly slots?: readonly (readonly [slot: number, value: bigint])[];
  readonly memory: readonly (readonly [at: number, bytes: readonly number[]])[];
  /** Type and rights (16 bits) of the descriptor EDGE, a flat one. */
  readonly edge: number;
}
const le = (value: bigint | number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, n) => Number(BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * n) & 0xffn));
const rarely = <T>(r: Random, usual: T, other: () => T): T => r.one(12) ? other() : usual;
const address = (r: Random, usual: number): bigint =>
  rarely(r, BigInt(usual), () => r.pick([1n << 47n, -(1n << 47n), (1n << 47n) - 8n, 1n << 63n]));
const selector = (r: Random, usual: number): number => rarely(r, usual, () => r.below(EDGE + 16));
/** A flat segment, accessed; sometimes one bit is another. */
const edge = (r: Random, code: boolean, dpl: number): number =>
  ((code ? 0xa0 : 0xc0) << 8 | 0x90 | dpl << 5 | (code ? 0x0b : 0x03)) ^ (r.one(3) ? 1 << r.pick([0, 1, 2, 3, 4, 5, 6, 7, 13, 14, 15]) : 0);
/** Bits that code at privilege 3 may change, and sometimes one of the others. */
const image = (r: Random): number => r.bits() & 0x20_0ed7 | (r.one(3) ? 1 << r.pick([8, 12, 14, 16, 17, 18, 19, 20]) : 0);

const ACTS: Readonly<Record<string, (r: Random) => Act>> = {
  iretq: (r) => {
    const to = r.pick([3, 3, 3, 0]), own = r.pick(["", "cs", "ss"]), at = STACK0 - 0x100 - r.pick([0, 0, 0, 8, 4, 2, 0x1000 - 0xe8]);
    const [cs, ss] = [["cs", CODE], ["ss", DATA]].map(([name, usual]) => selector(r, own === name ? EDGE | to : (usual as number[])[to]));
    const frame = [address(r, TARGET), cs, image(r), address(r, STACK3 - 8), ss];
    return {
      cpl: 0,
      code: [0x48, 0xcf],
      registers: { rsp: BigInt(at) },
      memory: [[at, frame.flatMap((v) => le(v, 8))]],
      edge: edge(r, own === "cs", to),
    };
  },
  syscall: (r) => ({
    cpl: 3,
    code: [0x0f, 0x05],
    registers: {},
    slots: [[STAR, BigInt(r.bits() & 0xfff8) << 32n], [LSTAR, address(r, TARGET)], [FMASK, BigInt(image(r))]],
    memory: [],
    edge: 0,
  }),
  sysret: (r) => ({
    cpl: 0,
    code: [0x48, 0x0f, 0x07],
    registers: { rcx: address(r, TARGET), r11: BigInt(image(r)) },
    slots: [[STAR, BigInt(r.bits() & 0xffff) << 48n]],
    memory: [],
    edge: 0,
  }),
  event: (r) => {
    const cpl = r.pick([0, 3] as const),
      own = r.one(2),
      cs = selector(r, own ? EDGE : CODE[0]) | (r.one(4) ? r.below(4) : 0),
      at = BigInt(TARGET) | (r.one(12) ? 1n << 47n : 0n);
    const type = rarely(r, r.pick([14, 15]), () => r.below(16)), ist = rarely(r, 0, () => r.below(8));
    const gate = [
      ...le(at & 0xffffn, 2),
      ...le(cs, 2),
      ist,
      rarely(r, 0x80, () => 0) | r.below(4) << 5 | type,
      ...le(at >> 16n, 6),
      0,
      0,
      0,
      0,
    ];
    const vector = r.pick([VECTOR, 14, 6]), top = address(r, STACK0 - r.pick([0, 8, 4, 0xf00 - 32, 0xf00 - 40, 0xf00 - 48]));
    return {
      cpl,
      kind: vector === VECTOR ? EXTERNAL : EXCEPTION,
      vector,
      registers: cpl === 0 ? { rsp: rarely(r, BigInt(STACK0 - 0x100 - r.below(16)), () => top) } : {},
      memory: [[IDT_AT + 16 * vector, gate], [TSS_AT + 4, le(cpl === 0 ? STACK0 : top, 8)]],
      edge: edge(r, true, rarely(r, 0, () => 3)),
    };
  },
};

/** Everything that a way to do it leaves behind. */
function run(lab: Lab, begin: Begin, act: Act, r: Random, way: "row" | "plain" | "general"): string {
  const { cpu, machine } = lab, { bus } = machine, { env, window, segments } = cpu, gdt = GDT_AT + (way === "general" ? 2 : 0);
  bus.writeBytes(FIRST, begin.memory);
  bus.writeBytes(IDT_AT, begin.gates);
  bus.writeBytes(gdt, begin.table);
  bus.writeBytes(gdt + EDGE, Uint8Array.from([0xff, 0xff, 0, 0, 0, act.edge & 0xff, act.edge >> 8 | 0x0f, 0]));
  for (const [at, bytes] of act.memory) bus.writeBytes(at, Uint8Array.from(bytes));
  if (act.code) bus.writeBytes(CODE_AT, Uint8Array.from(act.code));
  cpu.load(begin.state);
  cpu.s.cr0 |= CR0_AM;
  segments.setGdt(gdt, 0, rarely(r, 0xffff, () => EDGE + 6));
  window.efer |= rarely(r, 1, () => 0);
  window.setFlags(image(r), 0x24_4ed5);
  for (const [slot, value] of act.slots ?? []) window.set(slot, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  for (const n of [ES, DS, FS, GS]) segments.set(n, 0, 0x40, 0, 0, rarely(r, 0, () => 0xc0_9300 | r.below(4) << 13));
  // What 64-bit code does not look at is replaced, too.
  for (const n of [CS, SS]) if (r.one(2)) segments.set(n, segments.selector(n), 0x40, 0, 0x1234, segments.attr[n]);
  window.intr = r.one(12);
  cpu.s.nmiMasked = r.one(12);
  window.set(RETURNED, 0, 0);
  cpu.derived.reload();
  // The privileges that it is between become known by having been there.
  for (const cpl of [3 - act.cpl, act.cpl]) {
    window.cpl = cpl;
    cpu.derived.refresh();
  }
  if (way !== "row") cpu.derived.forgetSwitch();
  for (const [name, value] of Object.entries(act.registers)) cpu.setReg(name, value);
  segments.setEip(CODE_AT, 0);
  if (act.code) machine.run(machine.clock.ticks + 1);
  else event(cpu, act.vector!, act.kind!, 0x18);
  if (machine.stopped) return "shutdown";
  const numbers = [env.i32[TLB >> 2], env.i32[CONTEXT >> 2]];
  env.changed();
  const same = numbers.join() === [env.i32[TLB >> 2], env.i32[CONTEXT >> 2]].join();
  const registers = cpu.registers.filter(({ name }) => name !== "gdtr_base").map(({ name }) => `${name} ${cpu.reg(name).toString(16)}`);
  const loaded = [0, 1, 2, 3, 4, 5].map((n) =>
    [segments.selector(n), segments.baseLo(n), segments.baseHi(n), segments.limit[n], segments.attr[n]].join(":")
  );
  return JSON.stringify([
    registers,
    loaded,
    [window.pcLo, window.pcHi, window.lo(RETURNED), window.lo(RFLAGS), window.cpl],
    cpu.s,
    [cpu.mode(), cpu.regime() % 4, cpu.context() % 2, cpu.addresses.aligned, same],
    [bus.readBytes(FIRST, BYTES), bus.readBytes(gdt, GDT_BYTES)].map((bytes) => [...bytes].join("")),
  ]);
}
interface Begin {
  readonly state: unknown;
  readonly memory: Uint8Array;
  readonly table: Uint8Array;
  readonly gates: Uint8Array;
}

async function fresh(helper: { calls: number }): Promise<{ lab: Lab; begin: (cpl: 0 | 3) => Begin }> {
  const lab = await Lab.make(), { helpers } = lab.cpu;
  for (const n of [H.iret, H.syscall, H.sysret]) {
    const { name, run } = helpers[n];
    (helpers as Helper[])[n] = { name, run: () => (helper.calls++, run()) };
  }
  Object.assign(lab.cpu.config, { acknowledge: () => -1 });
  const of = (cpl: 0 | 3): Begin => {
    lab.prepare("64", cpl);
    // What faults comes to a stack that is there.
    for (const n of [6, 8, 10, 11, 12, 13, 14]) {
      lab.vector(n, CODE[0]);
      lab.write(IDT_AT + 16 * n + 4, lab.read(IDT_AT + 16 * n + 4) | 1);
      lab.write(TSS_AT + 0x24, STACK0 - 0x800);
    }
    const { bus } = lab.machine;
    bus.writeBytes(FIRST, new Uint8Array(TSS_AT - FIRST).fill(0xa5));
    return {
      state: lab.cpu.save(),
      memory: bus.readBytes(FIRST, BYTES),
      table: bus.readBytes(GDT_AT, GDT_BYTES),
      gates: bus.readBytes(IDT_AT, 0x600),
    };
  };
  return { lab, begin: of };
}

for (const [name, draw] of Object.entries(ACTS)) {
  Deno.test(`x86 twins: ${name} is the same in a row, in the plain function and in the general one`, async () => {
    const helper = { calls: 0 }, wrong: string[] = [], fast = [0, 0];
    let { lab, begin } = await fresh(helper), states = { 0: begin(0), 3: begin(3) };
    let general = 0;
    const watch = () => {
      for (const key of ["current", "long"] as const) {
        const { stack } = lab.cpu, f = stack[key].bind(stack) as (...args: number[]) => void;
        (stack as unknown as Record<string, unknown>)[key] = (...args: number[]) => (general++, f(...args));
      }
    };
    watch();
    for (let n = 0; n < CASES; n++) {
      const act = draw(new Random(n + 1)), seen: string[] = [];
      for (const way of ["row", "plain", "general"] as const) {
        helper.calls = general = 0;
        seen.push(run(lab, states[act.cpl], act, new Random(1000 + n), way));
        if (way === "row" && act.code && helper.calls === 0) fast[0]++;
        if (way === "plain" && general === 0) fast[1]++;
        if (lab.machine.stopped) {
          ({ lab, begin } = await fresh(helper)), states = { 0: begin(0), 3: begin(3) };
          watch();
        }
      }
      const [row, plain, slow] = seen;
      if (row !== slow) wrong.push(`case ${n}, row:\n${row}\n${slow}`);
      if (plain !== slow) wrong.push(`case ${n}, plain:\n${plain}\n${slow}`);
    }
    assertEquals(wrong.slice(0, 1), []);
    assertEquals(LEAST[name].map((least, n) => fast[n] >= least && fast[n] < CASES), [true, true], `too few of one kind: ${fast}`);
  });
}
