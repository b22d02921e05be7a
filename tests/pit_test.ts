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
