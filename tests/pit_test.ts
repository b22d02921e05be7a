// The 8254 against a slow model that counts clock by clock (tests/models/i8254.ts): every mode, binary and BCD, one and two bytes, with new counts, latches,
// read-backs and gates at and around the reloads.
import { assert, assertEquals } from "@std/assert";
import pit, { type I8254 } from "../src/devices/isa/i8254.ts";
import { bench } from "../src/devices/testing/bench.ts";
import { Random } from "./fuzz/random.ts";
import { SlowCounter } from "./models/i8254.ts";

const PROGRAMS = 60, STEPS = 60;

for (const mode of [0, 1, 2, 3, 4, 5]) {
  Deno.test(`8254, mode ${mode}: what the slow model says, clock by clock`, () => {
    const random = new Random(100 + mode), seen = new Map<string, number>();
    for (let program = 0; program < PROGRAMS; program++) {
      // One tick is one clock. Counter 2 has a gate; counter 0's output is the interrupt.
      const b = bench(pit, {}, { hz: 1_193_182 }), dev = b.dev as I8254, n = mode === 1 || mode === 5 || random.one(2) ? 2 : 0;
      const slow = new SlowCounter(), rw = random.pick([1, 2, 3, 3]), bcd = random.one(3);
      slow.gate = n === 0;
      const history: string[] = [];
      let count = 0;
      const both = (port: number, value: number) => {
        b.write(port, value);
        history.push(`${port === 3 ? "control" : "count"} ${value.toString(16)}`);
      };
      const write = () => {
        // The smallest ones, those that end in zeros, and the largest.
        const small = random.pick([2, 3, 4, 5, 7, 8, 0x10, 0x19]);
        const raw = rw === 1
          ? random.pick([small, small, 0x99])
          : rw === 2
          ? random.pick([1, 2])
          : random.pick([small, small, 0x100, 0x101, 0]);
        count = raw;
        for (const byte of rw === 3 ? [raw & 0xff, raw >> 8] : [raw]) {
          both(n, byte);
          slow.write(byte);
        }
      };
      const control = n << 6 | rw << 4 | (mode > 1 && mode < 4 && random.one(3) ? mode + 4 : mode) << 1 | Number(bcd);
      both(3, control);
      slow.control(control);
      const where = () => `mode ${mode}, program ${program}: ${history.slice(-12).join(", ")}`;
      const status = () => {
        both(3, 0xe0 | 2 << n);
        slow.latchStatus();
        assertEquals(b.read(n), slow.read(), `status, ${where()}`);
      };
      status();
      write();
      for (let step = 0; step < STEPS; step++) {
        const what = random.pick(["pass", "pass", "pass", "latch", "back", "status", "read", "gate", "write"]);
        seen.set(what, (seen.get(what) ?? 0) + 1);
        if (what === "pass") {
          const near = rw === 2 ? count << 8 : count, clocks = random.pick([1, 1, 2, near - 1, near, near + 1]);
          for (let i = 0; i < Math.min(Math.max(1, clocks), 600); i++) {
            b.clock.base++;
            b.clock.fireDue();
            slow.clock();
            assertEquals(dev.out(n), slow.out, `output ${i + 1} clocks on, ${where()}`);
            if (n === 0) assertEquals(b.irq[0].level, slow.out, `interrupt, ${where()}`);
          }
          history.push(`${clocks} clocks`);
        } else if (what === "latch" || what === "back") {
          if (!slow.loaded) continue;
          both(3, what === "latch" ? n << 6 : 0xc0 | 2 << n);
          slow.latch();
          if (what === "back") slow.latchStatus();
          for (let i = 0; i < (rw === 3 ? 2 : 1) + (what === "back" ? 1 : 0); i++) {
            assertEquals(b.read(n), slow.read(), `byte ${i}, ${where()}`);
          }
        } else if (what === "read" && slow.loaded) {
          for (let i = 0; i < (rw === 3 ? 2 : 1); i++) assertEquals(b.read(n), slow.read(), `read, ${where()}`);
        } else if (what === "status") status();
        else if (what === "write" && random.one(2)) write();
        else if (what === "gate" && n === 2) {
          b.write(0, Number(!slow.gate), 1, 1);
          slow.setGate(!slow.gate);
          history.push(`gate ${slow.gate}`);
        }
        assertEquals(dev.out(n), slow.out, `output, ${where()}`);
      }
    }
    for (const [what, times] of seen) assert(times > 100, `${what}: ${times}`);
  });
}

// Table "Minimum and Maximum Initial Counts" of the data sheet: 0 is the largest count, 2^16 or 10^4. The model counts on its own where
// nothing happens; both are compared for some clocks around each end of a run, and the device tells of each by its alarm.
for (const mode of [0, 1, 2, 3, 4, 5]) {
  Deno.test(`8254, mode ${mode}: the least and the largest counts`, () => {
    for (const bcd of [false, true]) {
      const modulus = bcd ? 10_000 : 0x1_0000, largest = bcd ? 0x9999 : 0xffff;
      // A period of one clock is not allowed.
      for (const raw of mode === 2 || mode === 3 ? [2, 3, largest, 0] : [1, 2, 3, largest, 0]) {
        const b = bench(pit, {}, { hz: 1_193_182 }), dev = b.dev as I8254, slow = new SlowCounter(), n = mode === 1 || mode === 5 ? 2 : 0;
        slow.gate = n === 0;
        const control = n << 6 | 0x30 | mode << 1 | Number(bcd), count = raw === largest ? modulus - 1 : raw || modulus;
        b.write(3, control);
        slow.control(control);
        for (const byte of [raw & 0xff, raw >> 8]) b.write(n, byte), slow.write(byte);
        if (n === 2) b.write(0, 1, 1, 1), slow.setGate(true);
        const value = () => (b.write(3, n << 6), b.read(n) | b.read(n) << 8);
        const ends = mode === 2 || mode === 3 ? [count >> 1, count, 2 * count] : [count, count < 9 ? count + modulus : count];
        const looks = new Set([0, ...ends].flatMap((end) => [-3, -2, -1, 0, 1, 2, 3].map((by) => end + by)));
        let rises = 0, high = slow.out;
        b.edges.length = 0;
        for (let clock = 0; clock <= ends.at(-1)! + 3; clock++) {
          if (looks.has(clock)) {
            b.passNs((clock - b.clock.base) * 1e9 / b.clock.hz);
            slow.latch();
            const where = `count ${raw.toString(16)}, ${bcd ? "BCD" : "binary"}, ${clock} clocks on`;
            assertEquals([dev.out(n), value()], [slow.out, slow.read() | slow.read() << 8], where);
            if (n === 0) assertEquals([b.irq[0].level, b.edges.filter((e) => e === "0+").length], [slow.out, rises], where);
          }
          slow.clock();
          if (slow.out && !high) rises++;
          high = slow.out;
        }
      }
    }
  });
}

Deno.test("8254, modes 2 and 3: a period of one clock, which the data sheet forbids, is silent and gives way to another", () => {
  for (const mode of [2, 3, 6, 7]) {
    for (const bcd of [0, 1]) {
      const b = bench(pit, {}, { hz: 1_193_182 });
      const write = (count: number) => (b.write(0, count & 0xff), b.write(0, count >> 8));
      b.write(3, 0x30 | mode << 1 | bcd);
      write(1);
      b.edges.length = 0;
      assertEquals(b.clock.next, Infinity, "nothing to wait for");
      b.passNs(1e6);
      assertEquals([b.edges, b.irq[0].level], [[], mode % 4 === 3], "which level it has is ours to say");
      write(4);
      b.passNs(1e9 * 41 / 1_193_182);
      assertEquals(b.edges.filter((e) => e === "0+").length, mode % 4 === 3 ? 10 : 11, "from the next clock on");
    }
  }
});
