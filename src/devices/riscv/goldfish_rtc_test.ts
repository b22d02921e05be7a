import { assertEquals } from "@std/assert";
import rtc from "./goldfish_rtc.ts";
import { bench } from "../testing/bench.ts";

const TIME_LOW = 0x00, TIME_HIGH = 0x04, ALARM_LOW = 0x08, ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10, CLEAR_ALARM = 0x14, ALARM_STATUS = 0x18, CLEAR_INTERRUPT = 0x1c;
const EPOCH_NS = 1_767_225_600n * 1_000_000_000n;

const setUp = () => {
  const b = bench(rtc);
  const time = () => {
    const low = b.read(TIME_LOW, 4);
    return BigInt(b.read(TIME_HIGH, 4)) << 32n | BigInt(low);
  };
  const alarm = (at: bigint) => {
    b.write(ALARM_HIGH, Number(at >> 32n), 4);
    b.write(ALARM_LOW, Number(at & 0xffff_ffffn), 4);
  };
  return { ...b, time, alarm };
};

Deno.test("time is the machine's epoch plus guest time; the high half is latched by the low one", () => {
  const r = setUp();
  assertEquals(r.time(), EPOCH_NS);
  r.passNs(1_500_000_000);
  assertEquals(r.time(), EPOCH_NS + 1_500_000_000n);
  r.read(TIME_LOW, 4);
  r.passNs(5e9);
  assertEquals(r.read(TIME_HIGH, 4), Number((EPOCH_NS + 1_500_000_000n) >> 32n));
});

Deno.test("the time can be set, and survives a reset", () => {
  const r = setUp();
  r.write(TIME_HIGH, 0, 4);
  r.write(TIME_LOW, 1000, 4);
  r.passNs(24);
  assertEquals(r.time(), 1024n);
  r.dev.reset();
  assertEquals(r.time(), 1024n);
});

Deno.test("the alarm rings at its nanosecond and stays until it is cleared", () => {
  const r = setUp();
  r.write(IRQ_ENABLED, 0xff, 4);
  r.alarm(EPOCH_NS + 1_000_000n);
  assertEquals([r.read(ALARM_STATUS, 4), r.read(IRQ_ENABLED, 4)], [1, 1]);
  r.passNs(999_999);
  assertEquals(r.irq[0].level, false);
  r.passNs(1);
  assertEquals([r.irq[0].level, r.read(ALARM_STATUS, 4)], [true, 0]);
  r.write(CLEAR_INTERRUPT, 1, 4);
  assertEquals(r.irq[0].level, false);
});

Deno.test("an alarm in the past rings at once, is masked by the enable bit, and can be cancelled", () => {
  const r = setUp();
  r.alarm(EPOCH_NS - 1n);
  assertEquals(r.irq[0].level, false);
  r.write(IRQ_ENABLED, 1, 4);
  assertEquals(r.irq[0].level, true);
  r.write(CLEAR_INTERRUPT, 0, 4);
  r.alarm(EPOCH_NS + 10n);
  r.write(CLEAR_ALARM, 0, 4);
  r.passNs(100);
  assertEquals([r.irq[0].level, r.read(ALARM_STATUS, 4), r.read(ALARM_LOW, 4)], [false, 0, Number((EPOCH_NS + 10n) & 0xffff_ffffn)]);
});

Deno.test("unknown and write-only registers are logged", () => {
  const r = setUp();
  r.read(0x20, 4);
  r.read(CLEAR_ALARM, 4);
  r.write(0x40, 0, 4);
  assertEquals(r.log.length, 3);
});
