import { assertEquals } from "@std/assert";
import { readTarget, type Size } from "../../../core/bus.ts";
import { EXT_INT, NO_VECTOR } from "../../../core/apic.ts";
import lapic, { type LocalApicDevice } from "./mod.ts";
import { bench } from "../../testing/bench.ts";

const ID = 0x20, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200;
const ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, TIMER = 0x320, LINT0 = 0x350, LINT1 = 0x360, ERROR = 0x370;
const INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0;
const ENABLED = 0x1ff, DIVIDE_BY_1 = 0xb;

/** Processors whose APICs are enabled; `cpu` makes the accesses, `intr` and `nmis` are what came out. */
function setUp(harts = 2, enabled = true, given = {}) {
  let cpu = 0;
  const b = bench(lapic, given, { harts, hart: () => cpu }), dev = b.dev as LocalApicDevice, calls: string[] = [];
  dev.onInit = (n) => calls.push(`init ${n}`);
  dev.onStartup = (n, vector) => calls.push(`startup ${n} ${vector}`);
  dev.onEndOfInterrupt = (vector) => calls.push(`eoi ${vector}`);
  const as = (n: number) => (cpu = n, m), read = (register: number) => b.read(register, 4);
  const write = (register: number, value: number) => (b.write(register, value, 4), m);
  const m = {
    ...b,
    dev,
    calls,
    as,
    read,
    write,
    /** An interrupt command. */
    send: (low: number, destination = 0) => write(ICR_HIGH, destination << 24).write(ICR, low),
    intr: () => Array.from({ length: harts }, (_, n) => b.irq[2 * n].level),
    nmis: () => b.edges.filter((e) => Number(e.slice(0, -1)) % 2 === 1 && e.endsWith("+")).map((e) => (Number(e.slice(0, -1)) - 1) / 2),
    /** A message on the bus, as I/O APICs and devices send it. */
    message: (destination: number, logical: boolean, data: number) => b.write(destination << 12 | (logical ? 4 : 0), data, 4),
    acknowledge: (n: number) => dev.of[n].acknowledge(),
    has: (set: number, vector: number) => (read(set + (vector >> 5) * 16) >>> (vector & 31) & 1) === 1,
  };
  for (let n = 0; enabled && n < harts; n++) as(n).write(SVR, ENABLED);
  return as(0);
}

Deno.test("registers after power-on (10.4.7.1)", () => {
  const m = setUp(2, false);
  const values = [ID, 0x30, TPR, LDR, DFR, SVR, TIMER, LINT0, LINT1, ERROR, INITIAL, ICR].map(m.read);
  assertEquals(values, [0, 0x5_0014, 0, 0, 0xffff_ffff, 0xff, 0x1_0000, 0x700, 0x1_0000, 0x1_0000, 0, 0]);
  assertEquals([m.as(1).read(ID), m.read(LINT0)], [0x0100_0000, 0x1_0000]);
  assertEquals(m.dev.of.map((a) => a.baseLo >>> 0), [0xfee0_0900, 0xfee0_0800]);
});

Deno.test("an IPI: IRR, acknowledge, ISR, EOI", () => {
  const m = setUp();
  m.send(0x4045, 1);
  assertEquals([m.intr(), m.as(1).has(IRR, 0x45)], [[false, true], true]);
  assertEquals([m.acknowledge(1), m.has(IRR, 0x45), m.has(ISR, 0x45), m.read(PPR), m.intr()], [0x45, false, true, 0x40, [false, false]]);
  m.write(EOI, 0);
  assertEquals([m.has(ISR, 0x45), m.read(PPR), m.acknowledge(1), m.calls], [false, 0, NO_VECTOR, []]);
});

Deno.test("higher classes interrupt lower ones, TPR holds classes back, also as CR8", () => {
  const m = setUp(1);
  m.send(0x4_4031).send(0x4_4038);
  assertEquals(m.acknowledge(0), 0x38);
  assertEquals(m.intr(), [false], "the same class waits");
  m.send(0x4_4052);
  assertEquals([m.acknowledge(0), m.read(PPR)], [0x52, 0x50]);
  m.write(EOI, 0).write(EOI, 0);
  m.write(TPR, 0x31);
  assertEquals([m.intr(), m.read(PPR), m.dev.of[0].priority], [[false], 0x31, 3]);
  m.dev.of[0].priority = 2;
  assertEquals([m.intr(), m.read(TPR), m.acknowledge(0)], [[true], 0x20, 0x31]);
});

Deno.test("shorthands: self, all, all but self", () => {
  for (
    const [shorthand, expected] of [[0x4_0000, [false, true, false]], [0x8_0000, [true, true, true]], [0xc_0000, [
      true,
      false,
      true,
    ]]] as const
  ) {
    const m = setUp(3);
    m.as(1).send(shorthand | 0x4040);
    assertEquals(m.intr(), [...expected]);
  }
});

Deno.test("logical destinations: flat, cluster, broadcast; physical broadcast", () => {
  const groups = (dfr: number, ldrs: number[], destination: number, low = 0x4840) => {
    const m = setUp(3);
    ldrs.forEach((ldr, n) => m.as(n).write(DFR, dfr).write(LDR, ldr << 24));
    m.as(0).send(low, destination);
    return m.intr().map(Number).join("");
  };
  assertEquals(groups(0xffff_ffff, [1, 2, 4], 0x05), "101");
  assertEquals(groups(0xffff_ffff, [1, 2, 4], 0xff), "111");
  assertEquals(groups(0x0fff_ffff, [0x11, 0x12, 0x21], 0x13), "110");
  assertEquals(groups(0x0fff_ffff, [0x11, 0x12, 0x21], 0xf1), "101");
  assertEquals(groups(0xffff_ffff, [1, 2, 4], 0xff, 0x4040), "111");
  assertEquals(groups(0xffff_ffff, [1, 2, 4], 2, 0x4040), "001");
});

Deno.test("lowest priority goes to the least busy processor, the first of equals", () => {
  const m = setUp(3);
  [1, 2, 4].forEach((ldr, n) => m.as(n).write(LDR, ldr << 24));
  m.as(0).write(TPR, 0x30);
  m.send(0x4940, 7);
  assertEquals(m.intr(), [false, true, false]);
  m.send(0x4941, 7);
  assertEquals(m.intr(), [false, true, true]);
});

Deno.test("NMI, INIT and startup; the end of an INIT is nothing", () => {
  const m = setUp();
  m.as(1).write(TPR, 0x20).as(0);
  m.send(0x4400, 1).send(0xc500, 1).send(0x8500, 1).send(0x4607, 1);
  assertEquals([m.nmis(), m.calls], [[1], ["init 1", "startup 1 7"]]);
  assertEquals([m.as(1).read(TPR), m.read(SVR), m.read(ID)], [0, 0xff, 0x0100_0000], "INIT resets the APIC, not its ID");
});

Deno.test("disabled by software: fixed interrupts are refused, entries stay masked, NMI and startup work", () => {
  const m = setUp();
  m.as(1).write(SVR, 0xff).write(TIMER, 0x40);
  assertEquals(m.read(TIMER), 0x1_0040);
  m.as(0).send(0x4045, 1).send(0x4400, 1).send(0x4608, 1);
  assertEquals([m.intr(), m.nmis(), m.calls], [[false, false], [1], ["startup 1 8"]]);
});

Deno.test("errors: illegal vectors and registers, latched by writing ESR, with an interrupt", () => {
  const m = setUp();
  m.write(ERROR, 0x33).send(0x400f, 1);
  assertEquals([m.acknowledge(0), m.read(ESR)], [0x33, 0]);
  m.write(ESR, 0);
  assertEquals(m.read(ESR), 0x20);
  m.write(EOI, 0).message(1, false, 0x4003);
  m.as(1).write(ESR, 0);
  assertEquals(m.read(ESR), 0x40);
  m.read(0x3c0);
  m.write(ESR, 0);
  assertEquals(m.read(ESR), 0x80);
});

Deno.test("vector 16 is the first that can be sent and received; all ones are everybody, in x2APIC mode 32 of them", () => {
  const m = setUp();
  m.send(0x4010, 1).message(1, false, 0x4010);
  assertEquals([m.intr(), m.write(ESR, 0).read(ESR), m.as(1).write(ESR, 0).read(ESR)], [[false, true], 0, 0]);
  const x2 = setUp(3),
    sent = (destination: number) => {
      x2.dev.of[0].writeMsr(0x830, 0x4041, destination);
      return x2.intr().map((level, n) => Number(level && x2.acknowledge(n) === 0x41 && (x2.dev.of[n].writeMsr(0x80b, 0, 0), true))).join(
        "",
      );
    };
  for (const apic of x2.dev.of) assertEquals(apic.writeBase(apic.baseLo | 0x400, 0, true), true);
  assertEquals([sent(-1), sent(0xff), sent(2)], ["111", "000", "001"]);
});

Deno.test("one-shot timer: exact, counts down, fires once", () => {
  const m = setUp(1);
  m.write(TIMER, 0x40).write(DIVIDE, DIVIDE_BY_1).write(INITIAL, 1000);
  m.passNs(999);
  assertEquals([m.read(CURRENT), m.intr()], [1, [false]]);
  m.passNs(1);
  assertEquals([m.read(CURRENT), m.intr(), m.acknowledge(0), m.clock.next], [0, [true], 0x40, Infinity]);
});

Deno.test("dividers from 2 to 128 and 1; a change goes on from the present count", () => {
  const m = setUp(1);
  for (const [value, divisor] of [[0, 2], [1, 4], [2, 8], [3, 16], [8, 32], [9, 64], [10, 128], [11, 1]]) {
    m.write(DIVIDE, value).write(INITIAL, 100);
    m.passNs(10 * divisor);
    assertEquals(m.read(CURRENT), 90, `divided by ${divisor}`);
  }
  m.write(DIVIDE, 0);
  m.passNs(20);
  assertEquals(m.read(CURRENT), 80);
});

Deno.test("periodic timer: every period from its start, also after being masked", () => {
  const m = setUp(1);
  m.write(TIMER, 0x2_0040).write(DIVIDE, DIVIDE_BY_1).write(INITIAL, 100);
  m.passNs(250);
  assertEquals([m.acknowledge(0), m.read(CURRENT), m.clock.next], [0x40, 50, 300]);
  m.write(EOI, 0).write(TIMER, 0x3_0040);
  assertEquals(m.clock.next, Infinity);
  m.passNs(100);
  m.write(TIMER, 0x2_0040);
  assertEquals([m.intr(), m.clock.next], [[false], 400]);
});

Deno.test("TSC-deadline mode: fires once at the count, at once when it has passed; the initial count is ignored", () => {
  const m = setUp(1), [apic] = m.dev.of;
  apic.deadline = 500;
  assertEquals([apic.deadline, m.clock.next], [0, Infinity], "not in this mode");
  m.write(TIMER, 0x4_0040).write(INITIAL, 10);
  apic.deadline = 500;
  assertEquals([m.read(INITIAL), m.read(CURRENT), m.clock.next], [0, 0, 500]);
  m.passNs(500);
  assertEquals([apic.deadline, m.acknowledge(0), m.clock.next], [0, 0x40, Infinity]);
  m.write(EOI, 0);
  apic.deadline = 7;
  m.passNs(1);
  assertEquals(m.acknowledge(0), 0x40);
  apic.deadline = 9000;
  m.write(TIMER, 0x40);
  assertEquals([apic.deadline, m.clock.next], [0, Infinity]);
});

Deno.test("LINT0 as ExtINT is the 8259's request while it is high; a disabled APIC passes it on", () => {
  const m = setUp(), lint0 = m.dev.input("lint0")!;
  m.as(1).write(LINT0, 0x1_0700).as(0);
  lint0.set(true);
  assertEquals([m.intr(), m.acknowledge(0), m.acknowledge(1)], [[true, false], EXT_INT, NO_VECTOR]);
  m.write(LINT0, 0x1_0700);
  assertEquals(m.intr(), [false, false]);
  assertEquals(m.dev.of[0].writeBase(0xfee0_0100 | 0, 0, false), true);
  assertEquals([m.intr(), m.acknowledge(0), m.read(SVR)], [[true, false], EXT_INT, 0xffff_ffff]);
  lint0.set(false);
  assertEquals([m.intr(), m.acknowledge(0)], [[false, false], NO_VECTOR]);
});

Deno.test("LINT1 as NMI at its edge; a level-triggered fixed pin asks again after its end", () => {
  const m = setUp(1), lint1 = m.dev.input("lint1")!;
  m.write(LINT1, 0x400);
  lint1.set(true);
  lint1.set(false);
  assertEquals(m.nmis(), [0]);
  m.write(LINT1, 0x8055);
  lint1.set(true);
  assertEquals([m.acknowledge(0), m.has(TMR, 0x55), m.read(LINT1)], [0x55, true, 0xc055]);
  m.write(EOI, 0);
  assertEquals([m.acknowledge(0), m.calls], [0x55, ["eoi 85"]]);
  lint1.set(false);
  m.write(EOI, 0);
  assertEquals([m.acknowledge(0), m.read(LINT1)], [NO_VECTOR, 0x8055]);
});

Deno.test("what each local source is: an edge but for a pin that is set to levels, with its own vector", () => {
  const m = setUp(1);
  for (const [pin, register] of [["lint0", LINT0], ["lint1", LINT1]] as const) {
    for (const [entry, level] of [[0x61, false], [0x8062, true], [0x63, false], [0x8064, true]] as const) {
      m.write(register, entry);
      m.dev.input(pin)!.set(true);
      const vector = entry & 0xff;
      assertEquals(
        [m.acknowledge(0), m.has(TMR, vector), m.read(register) >>> 14 & 1],
        [vector, level, Number(level)],
        `${pin} ${entry.toString(16)}`,
      );
      m.dev.input(pin)!.set(false);
      m.write(EOI, 0);
      // TMR was set by a level once: the next edge of the same vector takes it back.
      m.write(register, vector);
      m.dev.input(pin)!.set(true);
      assertEquals([m.acknowledge(0), m.has(TMR, vector)], [vector, false]);
      m.dev.input(pin)!.set(false);
      m.write(EOI, 0).write(register, 0x1_0000);
    }
  }
  // The timer's and the error's entries have neither delivery modes nor levels.
  m.write(DIVIDE, DIVIDE_BY_1).write(TIMER, 0xff71).write(INITIAL, 1);
  assertEquals(m.read(TIMER) & 0x8700, 0);
  m.passNs(1000);
  assertEquals([m.acknowledge(0), m.has(TMR, 0x71)], [0x71, false]);
  m.write(EOI, 0).write(TIMER, 0x1_0000).write(ERROR, 0xff72).send(0x4_4003);
  assertEquals([m.acknowledge(0), m.has(TMR, 0x72)], [0x72, false]);
});

Deno.test("messages: the address names the APICs, level-triggered ones are reported when they end, ExtINT asks the 8259", () => {
  const m = setUp();
  m.message(1, false, 0xc060);
  m.message(0, false, 0x4061);
  assertEquals([m.acknowledge(0), m.acknowledge(1)], [0x61, 0x60]);
  m.write(EOI, 0).as(1).write(EOI, 0);
  assertEquals(m.calls, ["eoi 96"]);
  m.message(1, false, 0x4700);
  assertEquals([m.intr(), m.acknowledge(1), m.acknowledge(1)], [[false, true], EXT_INT, NO_VECTOR]);
});

Deno.test("IA32_APIC_BASE: the allowed changes of mode (figure 10-27)", () => {
  const m = setUp(1), [apic] = m.dev.of, base = 0xfee0_0000 | 0, [off, x, x2] = [0x100, 0x900, 0xd00].map((mode) => base | mode);
  assertEquals(apic.writeBase(x2, 0, false), false, "the processor has no x2APIC");
  assertEquals([base | 0x500, x | 1, x | 0x200].map((v) => apic.writeBase(v, 0, true)), [false, false, false]);
  assertEquals([x2, x2, x, off, x2, x].map((v) => apic.writeBase(v, 0, true)), [true, true, false, true, false, true]);
});

Deno.test("x2APIC: registers are MSRs, the ICR is one of 64 bits, clusters come from the ID", () => {
  const m = setUp(3), [apic, , third] = m.dev.of, base = 0xfee0_0c00 | 0;
  for (const a of m.dev.of) a.writeBase(base, 0, true);
  assertEquals([apic.readMsr(0x802), third.readMsr(0x802), third.readMsr(0x80d)], [{ lo: 0, hi: 0 }, { lo: 2, hi: 0 }, { lo: 4, hi: 0 }]);
  assertEquals([m.read(ID), apic.readMsr(0x80e), apic.readMsr(0x831), apic.writeMsr(0x802, 1, 0), apic.writeMsr(0x80b, 1, 0)], [
    0xffff_ffff,
    undefined,
    undefined,
    false,
    false,
  ]);
  assertEquals(apic.writeMsr(0x830, 0x4045, 2), true);
  assertEquals([m.intr(), apic.readMsr(0x830)], [[false, false, true], { lo: 0x4045, hi: 2 }]);
  assertEquals(apic.writeMsr(0x83f, 0x46, 0), true);
  assertEquals([m.acknowledge(0), apic.writeMsr(0x80b, 0, 0), apic.writeMsr(0x808, 0x20, 0), apic.priority], [0x46, true, true, 2]);
  apic.writeMsr(0x830, 0x4847, 0b110);
  assertEquals([m.acknowledge(1), third.readMsr(0x822)], [0x47, { lo: 0xa0, hi: 0 }]);
});

Deno.test("x2APIC: which registers can be read and written, and their reserved bits (table 10-6)", () => {
  const m = setUp(1), [apic] = m.dev.of;
  assertEquals(
    [0x802, 0x808, 0x830].map((n) => [apic.readMsr(n), apic.writeMsr(n, 0, 0)]),
    Array(3).fill([undefined, false]),
    "xAPIC mode",
  );
  apic.writeBase(0xfee0_0d00 | 0, 0, true);
  const span = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);
  const both = [0x808, 0x80f, 0x828, 0x830, ...span(0x832, 0x837), 0x838, 0x83e], writeOnly = [0x80b, 0x83f];
  const readOnly = [0x802, 0x803, 0x80a, 0x80d, ...span(0x810, 0x827), 0x839];
  const numbers = span(0x800, 0x8ff), readable = numbers.filter((n) => apic.readMsr(n));
  assertEquals(readable, [...both, ...readOnly].sort((a, b) => a - b));
  assertEquals(numbers.filter((n) => apic.writeMsr(n, 0, 0)), [...both, ...writeOnly].sort((a, b) => a - b));
  // Bits 63:32 but for the ICR's, and the low reserved ones.
  assertEquals(numbers.filter((n) => apic.writeMsr(n, 0, 1)), [0x830]);
  const reserved: readonly (readonly [number, number])[] = [
    ...[[0x808, 0x100], [0x80b, 1], [0x80f, 0x2000], [0x828, 1], [0x830, 0x1000], [0x830, 0x10_0000]] as const,
    ...[[0x832, 0x100], [0x835, 0x2_0000], [0x837, 0x100], [0x83e, 4], [0x83f, 0x100], [0x83f, 0xff00_0000]] as const,
  ];
  for (const [n, bit] of reserved) assertEquals(apic.writeMsr(n, bit, 0), false, `${n.toString(16)} ${bit.toString(16)}`);
});

Deno.test("accesses that are narrower than a register: reads give its bytes, writes and messages do nothing", () => {
  const m = setUp(1), read = (offset: number, size: Size) => readTarget(m.dev, LDR + offset, size);
  m.write(LDR, 0x1234_5678);
  assertEquals([m.read(LDR), read(0, 1), read(3, 1), read(2, 2)], [0x1200_0000, 0, 0x12, 0x1200]);
  const before = structuredClone(m.dev.state);
  for (let offset = 0; offset < 0x1000; offset++) m.dev.write(offset, 1, 0xff);
  for (let offset = 0; offset < 0x2000; offset += 2) m.dev.write(offset, 2, 0xffff);
  assertEquals(m.dev.state, before);
  assertEquals([m.dev.of[0].writeBase(0xfee0_0100 | 0, 0, false), read(0, 1)], [true, 0xff]);
});

Deno.test("a snapshot keeps the running timer", () => {
  const m = setUp(1), other = setUp(1);
  m.write(TIMER, 0x2_0040).write(DIVIDE, DIVIDE_BY_1).write(INITIAL, 100);
  m.passNs(130);
  other.clock.base = m.clock.base;
  other.dev.state = structuredClone(m.dev.state);
  other.dev.restored();
  assertEquals([other.intr(), other.read(CURRENT), other.clock.next], [[true], 70, 200]);
});

Deno.test("the shortest counts, the longest, and 0: the interrupt is at the first tick of its count, in every mode, at every rate and divider", () => {
  for (const [timer_hz, ticks] of [[1_000_000_000, 1], [100_000_000, 10], [3_000_000_000, 1 / 3], [24_000_000, 1000 / 24]]) {
    for (const [divide, divisor] of [[0xb, 1], [0, 2], [3, 16], [0xa, 128]]) {
      for (const count of [0, 1, 2, 3, 1000, 0xffff_ffff]) {
        for (const periodic of [false, true]) {
          const m = setUp(1, true, { timer_hz }), what = `${count} at ${timer_hz} Hz by ${divisor}${periodic ? ", again and again" : ""}`;
          m.write(TIMER, 0x40 | (periodic ? 0x2_0000 : 0)).write(DIVIDE, divide).write(INITIAL, count);
          // Counts that are reached between two ticks, and several in one, are at the tick.
          const due = (n: number) => Math.max(1, Math.ceil(n * count * divisor * ticks - 1e-6));
          if (count === 0) {
            assertEquals([m.clock.next, m.read(CURRENT)], [Infinity, 0], what);
            continue;
          }
          assertEquals(m.clock.next, due(1), what);
          m.clock.base = m.clock.next - 1;
          assertEquals([m.intr(), m.read(CURRENT) > 0], [[false], true], what);
          m.clock.base = m.clock.next;
          m.clock.fireDue();
          assertEquals([m.intr(), m.acknowledge(0)], [[true], 0x40], what);
          if (!periodic) assertEquals([m.clock.next, m.read(CURRENT)], [Infinity, 0], what);
          else if (count * divisor * ticks >= 1) assertEquals(m.clock.next, due(2), what);
          else assertEquals(m.clock.next, m.clock.base + 1, what);
        }
      }
    }
  }
});

Deno.test("pins that a restored machine drives again have not changed", () => {
  const m = setUp(1), other = setUp(1);
  m.write(LINT1, 0x400).write(LINT0, 0x31);
  m.dev.input("lint1")!.set(true);
  m.dev.input("lint0")!.set(true);
  assertEquals([m.nmis(), m.acknowledge(0)], [[0], 0x31]);
  m.write(EOI, 0);
  other.dev.state = structuredClone(m.dev.state);
  other.dev.restored();
  for (const pin of ["lint0", "lint1"]) other.dev.input(pin)!.set(true);
  assertEquals([other.nmis(), other.intr()], [[], [false]]);
});

Deno.test("what may wake a processor: by each pin under its own name, by the timer, by messages", () => {
  const m = setUp(2),
    none = { input: () => false, message: () => false },
    pin = (name: string) => ({ ...none, input: (n: string) => n === name });
  const may = (from: Parameters<LocalApicDevice["mayRaise"]>[1]) => [0, 1, 2, 3].map((n) => Number(m.dev.mayRaise(n, from))).join("");
  // Outputs: INTR and NMI of either processor. After power-on LINT0 of the first is the 8259's.
  assertEquals([may(none), may(pin("lint0")), may(pin("lint1"))], ["0000", "1000", "0000"]);
  m.write(LINT0, 0x400).write(LINT1, 0x31);
  assertEquals([may(pin("lint0")), may(pin("lint1"))], ["0100", "1000"]);
  m.write(LINT0, 0x1_0400).write(LINT1, 0x1_0031);
  assertEquals([may(pin("lint0")), may(pin("lint1"))], ["0000", "0000"], "masked");
  m.write(LINT1, 0x31).write(TPR, 0x30);
  assertEquals(may(pin("lint1")), "0000", "the task has the same priority");
  m.write(TPR, 0).as(1).write(TIMER, 0x51).write(INITIAL, 5);
  assertEquals(may(none), "0010");
  m.dev.of[1].writeBase(0xfee0_0000 | 0, 0, false);
  assertEquals([may(none), may(pin("lint0")), may(pin("lint1"))], ["0000", "0010", "1001"], "without the APIC they are INTR and NMI");
});
