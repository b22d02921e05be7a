import { assertEquals } from "@std/assert";
import type { StopRequest } from "../../core/device.ts";
import { Random } from "../../../tests/fuzz/random.ts";
import { ERR, HSM } from "./host.ts";
import { EXTENSIONS, noCounters, sbiCall, sbiCallName, type SbiHost } from "./mod.ts";

const RAM = 0x8000_0000n, RAM_SIZE = 0x2_0000n, ROM = 0x1000n;
const TIME = 0x54494d45n, IPI = 0x735049n, RFENCE = 0x52464e43n, HSM_EID = 0x48534dn, SRST = 0x53525354n, DBCN = 0x4442434en;
const PMU = 0x504d55n, FWFT = 0x46574654n;

/** A host that notes what it was asked for. RAM at 0x8000_0000, 16 bytes of ROM at 0x1000. */
function setUp({ harts = 4, xlen = 64 as 32 | 64, input = "" } = {}) {
  const events: unknown[] = [], stops: StopRequest[] = [];
  const ram = new Uint8Array(Number(RAM_SIZE)), rom = new Uint8Array(16);
  const states = Array<number>(harts).fill(HSM.STARTED), pendingIpi = new Set<number>();
  const runs = [true, false, true], features: { updates?: boolean } = {};
  const queue = [...input].map((c) => c.charCodeAt(0));
  let printed = "";
  const slice = (paddr: bigint, length: number): Uint8Array | undefined => {
    for (const [base, bytes] of [[RAM, ram], [ROM, rom]] as const) {
      if (paddr >= base && paddr + BigInt(length) <= base + BigInt(bytes.length)) {
        return bytes.subarray(Number(paddr - base), Number(paddr - base) + length);
      }
    }
    return undefined;
  };
  const host: SbiHost = {
    harts,
    xlen,
    setTimer: (hart, time) => events.push(["timer", hart, time]),
    sendIpi: (hart) => events.push(["ipi", hart]),
    clearIpi: (hart) => pendingIpi.delete(hart),
    fence: (...args) => events.push(["fence", ...args]),
    hartStart: (...args) => events.push(["start", ...args]),
    hartStop: (...args) => events.push(["stop", ...args]),
    hartState: (hart) => states[hart],
    hartSuspend: (...args) => events.push(["suspend", ...args]),
    console: { write: (byte) => printed += String.fromCharCode(byte), read: () => queue.shift() ?? -1 },
    readBytes: (paddr, length) => slice(paddr, length)?.slice(),
    writeBytes: (paddr, data) => {
      const to = paddr >= RAM ? slice(paddr, data.length) : undefined;
      to?.set(data);
      return to !== undefined;
    },
    readVirtual: (_hart, vaddr, length) => slice(vaddr - 0x1_0000_0000n, length)?.slice(),
    stop: (request) => stops.push(request),
    pmu: states.map(noCounters),
    counterRuns: (_hart, n) => runs[n],
    setCounter: (hart, n, run, value) => {
      runs[n] = run;
      events.push(["counter", hart, n, run, value]);
    },
    hardwareUpdates: () => features.updates,
    setHardwareUpdates: (hart, on) => {
      features.updates = on;
      events.push(["updates", hart, on]);
    },
    mvendorid: 0x489n,
    marchid: 0x7000n,
    mimpid: 3n,
  };
  const ones = 2n ** BigInt(xlen) - 1n;
  /** The answer as error and value, signed error. */
  const call = (eid: bigint, fid: bigint, ...args: bigint[]) => callOf(1, eid, fid, ...args);
  const callOf = (hart: number, eid: bigint, fid: bigint, ...args: bigint[]) => {
    const a = [0n, 0n, 0n, 0n, 0n, 0n].map((zero, i) => args[i] ?? zero);
    const r = sbiCall(host, hart, [...a, fid, eid]);
    return r === "none" ? r : r.a1 === undefined ? [BigInt.asIntN(xlen, r.a0)] : [BigInt.asIntN(xlen, r.a0), r.a1];
  };
  return { host, events, stops, ram, states, pendingIpi, queue, ones, call, callOf, runs, features, printed: () => printed };
}

Deno.test("base: version 2.0, identity, and a probe for every extension", () => {
  const s = setUp();
  assertEquals(s.call(0x10n, 0n), [0n, 0x0200_0000n]);
  assertEquals(s.call(0x10n, 1n), [0n, 0x6272_6e67n]);
  assertEquals(s.call(0x10n, 2n), [0n, 0x1_0000n]);
  assertEquals([4n, 5n, 6n].map((fid) => s.call(0x10n, fid)), [[0n, 0x489n], [0n, 0x7000n], [0n, 3n]]);
  for (const eid of [...EXTENSIONS.map((e) => e.eid), 0n, 8n]) assertEquals(s.call(0x10n, 3n, eid), [0n, 1n]);
  for (const eid of [9n, 0x43505043n, 0x53555350n, s.ones]) assertEquals(s.call(0x10n, 3n, eid), [0n, 0n]);
});

Deno.test("unknown extensions and functions are not supported, in both register widths", () => {
  for (const xlen of [32, 64] as const) {
    const s = setUp({ xlen });
    for (const e of EXTENSIONS) assertEquals(s.call(e.eid, BigInt(e.functions.length)), [ERR.NOT_SUPPORTED, 0n]);
    assertEquals([s.call(0x43505043n, 0n), s.call(9n, 0n), s.call(TIME, s.ones)], Array(3).fill([ERR.NOT_SUPPORTED, 0n]));
    assertEquals(sbiCall(s.host, 0, [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0x99n]), { a0: s.ones - 1n, a1: 0n });
  }
});

Deno.test("time: set_timer takes 64 bits, from two registers when xlen is 32", () => {
  const s = setUp(), t = setUp({ xlen: 32 });
  assertEquals(s.call(TIME, 0n, s.ones), [0n, 0n]);
  assertEquals(t.call(TIME, 0n, 0x89ab_cdefn, 0x123n), [0n, 0n]);
  assertEquals([...s.events, ...t.events], [["timer", 1, s.ones], ["timer", 1, 0x123_89ab_cdefn]]);
});

Deno.test("ipi: masks count from their base, -1 means every hart that is not stopped", () => {
  const s = setUp();
  assertEquals(s.call(IPI, 0n, 0b101n, 1n), [0n, 0n]);
  assertEquals(s.events.splice(0), [["ipi", 1], ["ipi", 3]]);
  s.states[2] = HSM.STOPPED;
  s.states[3] = HSM.SUSPENDED;
  assertEquals(s.call(IPI, 0n, 0n, s.ones), [0n, 0n]);
  assertEquals(s.events.splice(0), [["ipi", 0], ["ipi", 1], ["ipi", 3]]);
  assertEquals(s.call(IPI, 0n, 0n, 0n), [0n, 0n]);
  for (const [mask, base] of [[0b10000n, 0n], [1n, 4n], [0n, 4n], [0b11n, 3n], [1n, 2n]]) {
    assertEquals(s.call(IPI, 0n, mask, base), [ERR.INVALID_PARAM, 0n], `${mask} ${base}`);
  }
  assertEquals(s.events, [], "a wrong mask reaches nobody");
});

Deno.test("rfence: kinds, ranges, the whole address space, address spaces, errors", () => {
  const s = setUp();
  assertEquals(s.call(RFENCE, 0n, 2n, 0n), [0n, 0n]);
  assertEquals(s.call(RFENCE, 1n, 1n, 0n, 0x4000n, 0x2000n), [0n, 0n]);
  assertEquals(s.call(RFENCE, 2n, 1n, 0n, 0x4000n, s.ones, 0x1_0007n), [0n, 0n]);
  assertEquals(s.call(RFENCE, 1n, 1n, 0n, 0n, 0n), [0n, 0n]);
  assertEquals(s.call(RFENCE, 1n, 1n, 0n, s.ones - 0xfffn, 0x1000n), [0n, 0n]);
  assertEquals(s.events.splice(0), [
    ["fence", 1, "i", 0n, s.ones],
    ["fence", 0, "vma", 0x4000n, 0x2000n],
    ["fence", 0, "vma", 0n, s.ones, 7],
    ["fence", 0, "vma", 0n, s.ones],
    ["fence", 0, "vma", s.ones - 0xfffn, 0x1000n],
  ]);
  assertEquals(s.call(RFENCE, 1n, 1n, 0n, s.ones - 0xfffn, 0x1001n), [ERR.INVALID_ADDRESS, 0n]);
  assertEquals([0n, 1n, 2n].map((fid) => s.call(RFENCE, fid, 1n, 9n)), Array(3).fill([ERR.INVALID_PARAM, 0n]));
  assertEquals([3n, 4n, 5n, 6n].map((fid) => s.call(RFENCE, fid, 1n, 0n)), Array(4).fill([ERR.NOT_SUPPORTED, 0n]));
  assertEquals(s.events, []);
});

// SBI 3.0, 8: what begins or ends within a page is passed on as it is; nothing from somewhere is nothing, but from 0 it is everything.
for (
  const [what, start, size, length] of [
    ["within a page", 0x1800n, 0x10n, 0x10n],
    ["the ends of two pages", 0x1fffn, 2n, 2n],
    ["a page's length over two pages", 0x1800n, 0x1000n, 0x1000n],
    ["the last byte", -1n, 1n, 1n],
    ["up to the last byte", -0x801n, 0x801n, 0x801n],
    ["nothing, elsewhere than at 0", 0x1000n, 0n, 0n],
    ["everything but a byte", 0n, -2n, -2n],
    ["everything, from 0", 0n, -1n, -1n],
  ] as const
) {
  Deno.test(`rfence: a range: ${what}`, () => {
    for (const xlen of [32, 64] as const) {
      const s = setUp({ xlen }), u = (v: bigint) => BigInt.asUintN(xlen, v);
      assertEquals(s.call(RFENCE, 1n, 1n, 0n, u(start), u(size)), [0n, 0n]);
      assertEquals(s.call(RFENCE, 2n, 1n, 0n, u(start), u(size), 5n), [0n, 0n]);
      assertEquals(s.events.splice(0), [["fence", 0, "vma", u(start), u(length)], ["fence", 0, "vma", u(start), u(length), 5]]);
      if (u(start) !== 0n && u(start) + u(size) === u(-1n) + 1n) {
        assertEquals(s.call(RFENCE, 1n, 1n, 0n, u(start), u(size + 1n)), [ERR.INVALID_ADDRESS, 0n]);
      }
    }
  });
}

Deno.test("hsm: hart_start needs a stopped hart and memory to start in", () => {
  const s = setUp();
  s.states[2] = HSM.STOPPED;
  assertEquals(s.call(HSM_EID, 0n, 2n, RAM + 2n, 77n), [0n, 0n]);
  assertEquals(s.events.splice(0), [["start", 2, RAM + 2n, 77n]]);
  assertEquals(s.call(HSM_EID, 0n, 4n, RAM), [ERR.INVALID_PARAM, 0n]);
  assertEquals(s.call(HSM_EID, 0n, s.ones, RAM), [ERR.INVALID_PARAM, 0n]);
  assertEquals(s.call(HSM_EID, 0n, 2n, 0x4000_0000n), [ERR.INVALID_ADDRESS, 0n]);
  assertEquals(s.call(HSM_EID, 0n, 2n, RAM + 1n), [ERR.INVALID_ADDRESS, 0n]);
  assertEquals(s.call(HSM_EID, 0n, 0n, RAM), [ERR.ALREADY_AVAILABLE, 0n]);
  for (const state of [HSM.START_PENDING, HSM.STOP_PENDING, HSM.SUSPENDED, HSM.SUSPEND_PENDING, HSM.RESUME_PENDING]) {
    s.states[2] = state;
    assertEquals(s.call(HSM_EID, 0n, 2n, RAM), [ERR.INVALID_PARAM, 0n]);
    assertEquals(s.call(HSM_EID, 2n, 2n), [0n, BigInt(state)]);
  }
  assertEquals(s.events, []);
});

Deno.test("hsm: hart_stop does not come back; status of a hart that does not exist is an error", () => {
  const s = setUp();
  assertEquals(s.call(HSM_EID, 1n), "none");
  assertEquals(s.events, [["stop", 1]]);
  assertEquals(s.call(HSM_EID, 2n, 4n), [ERR.INVALID_PARAM, 0n]);
});

Deno.test("hsm: suspend, retentive and not; reserved and platform types are refused", () => {
  const s = setUp();
  assertEquals(s.call(HSM_EID, 3n, 0n, 0x123n, 5n), [0n, 0n]);
  assertEquals(s.call(HSM_EID, 3n, 0x8000_0000n, RAM, 5n), "none");
  assertEquals(s.call(HSM_EID, 3n, 0xffff_ffff_8000_0000n, RAM + 4n, 6n), "none", "sign-extended by the caller");
  assertEquals(s.events.splice(0), [["suspend", 1, true, 0n, 0n], ["suspend", 1, false, RAM, 5n], ["suspend", 1, false, RAM + 4n, 6n]]);
  assertEquals(s.call(HSM_EID, 3n, 0x8000_0000n, 0x10n), [ERR.INVALID_ADDRESS, 0n]);
  for (const type of [1n, 0x0fff_ffffn, 0x1000_0000n, 0x8000_0001n, 0x9000_0000n, 0xffff_ffffn]) {
    assertEquals(s.call(HSM_EID, 3n, type, RAM), [ERR.INVALID_PARAM, 0n]);
  }
  assertEquals(s.events, []);
});

Deno.test("srst: shutdown with its reason, reboots, and reserved values", () => {
  const s = setUp();
  for (const [type, reason] of [[0n, 0n], [0n, 1n], [1n, 0n], [2n, 1n]]) assertEquals(s.call(SRST, 0n, type, reason), "none");
  assertEquals(s.stops, [{ kind: "exit", code: 0, pass: true }, { kind: "exit", code: 1, pass: false }, { kind: "reset" }, {
    kind: "reset",
  }]);
  for (const [type, reason] of [[3n, 0n], [0xf000_0000n, 0n], [0n, 2n], [0n, 0xe000_0000n], [s.ones, 0n], [0n, s.ones]]) {
    assertEquals(s.call(SRST, 0n, type, reason), [ERR.INVALID_PARAM, 0n]);
  }
  assertEquals(s.stops.length, 4);
});

Deno.test("dbcn: write sends memory, any length, all or nothing", () => {
  const s = setUp();
  s.ram.set(new TextEncoder().encode("hello"));
  assertEquals(s.call(DBCN, 0n, 5n, RAM, 0n), [0n, 5n]);
  assertEquals(s.call(DBCN, 0n, 0n, 0n, 0n), [0n, 0n]);
  assertEquals(s.printed(), "hello");
  assertEquals(s.call(DBCN, 0n, RAM_SIZE, RAM, 0n), [0n, RAM_SIZE]);
  assertEquals(s.printed().length, 5 + Number(RAM_SIZE));
  const bad = [[5n, 0x10n, 0n], [5n, RAM, 1n], [RAM_SIZE + 1n, RAM, 0n], [s.ones, RAM, 0n], [2n, RAM + RAM_SIZE - 1n, 0n]];
  for (const [length, low, high] of bad) assertEquals(s.call(DBCN, 0n, length, low, high), [ERR.INVALID_PARAM, 0n]);
  assertEquals(s.printed().length, 5 + Number(RAM_SIZE));
});

Deno.test("dbcn: the high half of an address counts when xlen is 32", () => {
  const s = setUp({ xlen: 32 });
  s.ram[0] = 0x41;
  assertEquals(s.call(DBCN, 0n, 1n, RAM, 0n), [0n, 1n]);
  assertEquals(s.call(DBCN, 0n, 1n, RAM, 2n), [ERR.INVALID_PARAM, 0n]);
  assertEquals(s.printed(), "A");
});

Deno.test("dbcn: read stores what there is and loses nothing on a wrong address", () => {
  const s = setUp({ input: "abcdef" });
  assertEquals(s.call(DBCN, 1n, 4n, ROM, 0n), [ERR.INVALID_PARAM, 0n]);
  assertEquals(s.call(DBCN, 1n, 4n, 0n, 0n), [ERR.INVALID_PARAM, 0n]);
  assertEquals(s.call(DBCN, 1n, 4n, RAM + 8n, 0n), [0n, 4n]);
  assertEquals(s.call(DBCN, 1n, 9n, RAM + 12n, 0n), [0n, 2n]);
  assertEquals(s.call(DBCN, 1n, 9n, RAM, 0n), [0n, 0n]);
  assertEquals(new TextDecoder().decode(s.ram.slice(8, 14)), "abcdef");
});

Deno.test("dbcn: write_byte", () => {
  const s = setUp();
  assertEquals([s.call(DBCN, 2n, 0x1_41n), s.printed()], [[0n, 0n], "A"]);
});

Deno.test("legacy: console, timer, shutdown return one register", () => {
  const s = setUp({ input: "z", xlen: 32 });
  assertEquals(s.call(1n, 99n, 0x4_48n), [0n]);
  assertEquals(s.printed(), "H");
  assertEquals([s.call(2n, 0n), s.call(2n, 0n)], [[0x7an], [-1n]]);
  assertEquals(sbiCall(s.host, 0, [0n, 0n, 0n, 0n, 0n, 0n, 0n, 2n]), { a0: 0xffff_ffffn });
  assertEquals(s.call(0n, 0n, 5n, 1n), [0n]);
  assertEquals(s.events, [["timer", 1, 0x1_0000_0005n]]);
  assertEquals(s.call(8n, 0n), "none");
  assertEquals(s.stops, [{ kind: "exit", code: 0, pass: true }]);
});

Deno.test("legacy: clear_ipi tells whether one was pending", () => {
  const s = setUp();
  s.pendingIpi.add(1);
  assertEquals([s.call(3n, 0n), s.call(3n, 0n)], [[1n], [0n]]);
});

Deno.test("legacy: masks are read through a virtual address; a null pointer means all harts", () => {
  const s = setUp();
  const at = RAM + 0x1_0000_0000n;
  s.ram[0] = 0b0110;
  assertEquals(
    [s.call(4n, 0n, at), s.call(5n, 0n, at), s.call(6n, 0n, at, 0x1000n, 0x1000n), s.call(7n, 0n, at, 0n, 0n, 9n)],
    Array(4).fill([0n]),
  );
  assertEquals(s.events.splice(0), [
    ["ipi", 1],
    ["ipi", 2],
    ["fence", 1, "i", 0n, s.ones],
    ["fence", 2, "i", 0n, s.ones],
    ["fence", 1, "vma", 0x1000n, 0x1000n],
    ["fence", 2, "vma", 0x1000n, 0x1000n],
    ["fence", 1, "vma", 0n, s.ones, 9],
    ["fence", 2, "vma", 0n, s.ones, 9],
  ]);
  assertEquals(s.call(4n, 0n, 0n), [0n]);
  assertEquals(s.events.splice(0).length, 4);
  s.ram[0] = 0xff;
  assertEquals([s.call(4n, 0n, at), s.call(4n, 0n, RAM)], [[ERR.INVALID_PARAM], [ERR.INVALID_ADDRESS]]);
  assertEquals(s.events, []);
});

Deno.test("names for the trace", () => {
  const name = (eid: bigint, fid: bigint) => sbiCallName([0n, 0n, 0n, 0n, 0n, 0n, fid, eid]);
  assertEquals([name(HSM_EID, 0n), name(1n, 5n), name(DBCN, 9n), name(0x99n, 2n)], [
    "hsm.hart_start",
    "legacy.console_putchar",
    "dbcn.9",
    "0x99.2",
  ]);
});

/** Event indices: type in bits 19:16. */
const CYCLES = 1n, INSTRUCTIONS = 2n, firmware = (code: bigint) => 0xf_0000n | code;

Deno.test("pmu: cycle, instret and 16 of the firmware's; time is none", () => {
  for (const xlen of [32, 64] as const) {
    const s = setUp({ xlen }), top = 1n << BigInt(xlen - 1);
    assertEquals(s.call(PMU, 0n), [0n, 19n]);
    const infos = Array.from({ length: 21 }, (_, n) => s.call(PMU, 1n, BigInt(n)));
    assertEquals(infos.slice(0, 3), [[0n, 63n << 12n | 0xc00n], [ERR.INVALID_PARAM, 0n], [0n, 63n << 12n | 0xc02n]]);
    assertEquals(infos.slice(3), [...Array(16).fill([0n, top | 63n << 12n]), ...Array(2).fill([ERR.INVALID_PARAM, 0n])]);
    assertEquals(s.call(PMU, 1n, s.ones), [ERR.INVALID_PARAM, 0n]);
  }
});

Deno.test("pmu: an event gets the counter that can count it, once", () => {
  const s = setUp(), all = 0x7_fffdn;
  assertEquals(s.call(PMU, 2n, 0n, all, 0n, CYCLES), [0n, 0n]);
  assertEquals(s.call(PMU, 2n, 0n, all, 6n, INSTRUCTIONS), [0n, 2n]);
  assertEquals(s.events.splice(0), [["counter", 1, 0, false, undefined], ["counter", 1, 2, true, 0n]]);
  assertEquals(s.call(PMU, 2n, 0n, all, 0n, CYCLES), [ERR.NOT_SUPPORTED, 0n], "it is in use");
  assertEquals(s.call(PMU, 2n, 3n, 0xffffn, 0n, firmware(5n)), [0n, 3n]);
  assertEquals(s.call(PMU, 2n, 0n, all, 0n, firmware(6n)), [0n, 4n]);
  assertEquals(s.call(PMU, 2n, 4n, 1n, 1n, firmware(6n)), [0n, 4n], "no matching: the first of the set");
  assertEquals(s.call(PMU, 2n, 5n, 1n, 1n, firmware(6n)), [ERR.INVALID_PARAM, 0n], "which has no event");
  // Other hardware events, cache events, raw ones, and what a platform may define.
  for (const event of [0n, 3n, 9n, 0x1_0000n, 0x1_001bn, 0x2_0000n, firmware(22n), firmware(0xffffn), 0x5_0001n]) {
    assertEquals(s.call(PMU, 2n, 0n, all, 0n, event), [ERR.NOT_SUPPORTED, 0n], event.toString(16));
  }
  assertEquals(s.call(PMU, 2n, 5n, 1n, 0n, CYCLES), [ERR.NOT_SUPPORTED, 0n], "not in the set");
  for (const [base, mask] of [[0n, 2n], [0n, 0n], [19n, 1n], [3n, 1n << 16n], [s.ones, 1n]]) {
    for (const fid of [2n, 3n, 4n]) {
      assertEquals(s.call(PMU, fid, base, mask, 0n, CYCLES), [ERR.INVALID_PARAM, 0n], `${fid}: ${base} ${mask}`);
    }
  }
  assertEquals(s.call(PMU, 2n, 0n, 1n, 0x100n, CYCLES), [ERR.INVALID_PARAM, 0n]);
});

Deno.test("pmu: start and stop, with a first value, and what has been done already", () => {
  for (const xlen of [32, 64] as const) {
    const s = setUp({ xlen }), value = xlen === 64 ? [0x1_0000_0005n] : [5n, 1n];
    assertEquals(s.call(PMU, 3n, 0n, 1n, 0n), [ERR.INVALID_PARAM, 0n], "no event");
    assertEquals(s.call(PMU, 4n, 0n, 5n, 1n), [0n, 0n], "they run from the start");
    assertEquals(s.call(PMU, 4n, 0n, 5n, 1n), [ERR.ALREADY_STOPPED, 0n]);
    s.call(PMU, 2n, 0n, 1n, 0n, CYCLES);
    s.call(PMU, 2n, 0n, 8n, 2n, firmware(5n));
    s.events.length = 0;
    assertEquals(s.call(PMU, 3n, 0n, 9n, 1n, ...value), [0n, 0n]);
    assertEquals(s.call(PMU, 3n, 0n, 9n, 1n, 7n), [ERR.ALREADY_STARTED, 0n]);
    assertEquals(s.events, [["counter", 1, 0, true, 0x1_0000_0005n]], "once");
    assertEquals([s.call(PMU, 5n, 3n), s.call(PMU, 6n, 3n)], xlen === 64 ? [[0n, 0x1_0000_0005n], [0n, 0n]] : [[0n, 5n], [0n, 1n]]);
    assertEquals([s.call(PMU, 3n, 0n, 9n, 2n), s.call(PMU, 4n, 0n, 9n, 2n)], Array(2).fill([ERR.NO_SHMEM, 0n]));
    assertEquals([s.call(PMU, 5n, 0n), s.call(PMU, 5n, 4n), s.call(PMU, 6n, 19n)], Array(3).fill([ERR.INVALID_PARAM, 0n]));
    assertEquals(s.call(PMU, 4n, 3n, 1n, 1n), [0n, 0n]);
    assertEquals(s.call(PMU, 5n, 3n), [ERR.INVALID_PARAM, 0n], "stopped and forgotten");
  }
});

Deno.test("pmu: the firmware counts what it is asked for, at who asks and at who is asked", () => {
  const s = setUp(), codes = [5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n, 13n];
  const read = (hart: number) => codes.map((_, i) => (s.callOf(hart, PMU, 5n, 3n + BigInt(i)) as bigint[])[1]);
  for (const hart of [1, 2]) for (const code of codes) s.callOf(hart, PMU, 2n, 3n, 0xffffn, 4n, firmware(code));
  s.call(TIME, 0n, 5n);
  s.call(0n, 0n, 5n); // the call of SBI 0.1
  s.call(IPI, 0n, 0b1111n, 0n);
  s.call(RFENCE, 0n, 0b0110n, 0n);
  s.call(RFENCE, 1n, 0b0100n, 0n, 0n, 0n);
  s.call(RFENCE, 2n, 0b0101n, 0n, 0n, 0n, 1n);
  assertEquals(read(1), [2n, 3n, 0n, 1n, 0n, 1n, 0n, 2n, 0n]);
  assertEquals(read(2), [0n, 0n, 1n, 0n, 1n, 0n, 1n, 0n, 1n]);
  s.call(PMU, 4n, 3n, 1n, 0n);
  s.call(TIME, 0n, 5n);
  assertEquals(read(1)[0], 2n, "stopped");
});

Deno.test("fwft: misaligned accesses are the supervisor's, A and D updates with Svadu", () => {
  const s = setUp();
  assertEquals([s.call(FWFT, 1n, 0n), s.call(FWFT, 0n, 0n, 1n), s.call(FWFT, 0n, 0n, 0n)], [[0n, 1n], [0n, 0n], [ERR.DENIED, 0n]]);
  assertEquals([s.call(FWFT, 1n, 4n), s.call(FWFT, 0n, 4n, 1n)], Array(2).fill([ERR.NOT_SUPPORTED, 0n]));
  s.features.updates = false;
  assertEquals([s.call(FWFT, 0n, 4n, 1n), s.call(FWFT, 1n, 4n), s.call(FWFT, 0n, 4n, 2n)], [[0n, 0n], [0n, 1n], [ERR.INVALID_PARAM, 0n]]);
  assertEquals(s.events, [["updates", 1, true]]);
  for (const feature of [1n, 2n, 3n, 5n, 6n, s.ones]) assertEquals(s.call(FWFT, 1n, feature), [ERR.NOT_SUPPORTED, 0n]);
});

const GOLDEN = new URL("../../../tests/golden/sbi_answers.txt", import.meta.url).pathname, update = Deno.args.includes("--update");
const golden = new Map(Deno.readTextFileSync(GOLDEN).split("\n").filter(Boolean).map((line) => line.split(": ") as [string, string]));
const seen = new Map<string, string>();

/** Notices that an answer changed, not what is right; written anew by `-- --update`. */
for (const { xlen, harts } of [{ xlen: 64, harts: 4 }, { xlen: 32, harts: 3 }, { xlen: 64, harts: 1 }, { xlen: 32, harts: 34 }] as const) {
  Deno.test(`every function answers 400 calls at the edges of its arguments as it did: ${xlen} bits, ${harts} harts`, () => {
    const eids = [
      ...EXTENSIONS.map((e) => [e.eid, e.functions.length] as const),
      ...Array.from({ length: 10 }, (_, n) => [BigInt(n), 1] as const),
    ];
    for (const [eid, count] of eids) {
      const s = setUp({ xlen, harts, input: "the input is short" }), r = new Random(Number(eid) + xlen + harts), said: unknown[] = [];
      const n = BigInt(harts), end = RAM + RAM_SIZE;
      const edges = [
        0n,
        1n,
        2n,
        3n,
        4n,
        7n,
        n - 1n,
        n,
        n + 1n,
        (1n << n) - 1n,
        1n << n,
        18n,
        19n,
        20n,
        21n,
        22n,
        0x7_fffdn,
        0xf_0005n,
        0xf_0006n,
      ];
      edges.push(
        RAM,
        RAM + 1n,
        RAM + 2n,
        end - 1n,
        end - 2n,
        end,
        ROM,
        ROM + 15n,
        0x1_8000_0000n,
        0x8000_0000n,
        0x8000_0001n,
        0x1000n,
        0x1800n,
      );
      edges.push(s.ones, s.ones - 1n, s.ones - 0xfffn, s.ones >> 1n, 0xffffn, 0x1_0007n, 0x1_fffen, 0x2_0001n, 0x10_0000n, 0xfn << 16n);
      const argument = () =>
        BigInt.asUintN(xlen, r.one(2) ? r.pick(edges) : r.one(3) ? BigInt(r.below(8)) : r.pick(edges) + BigInt(r.below(3) - 1));
      for (let i = 0; i < 400 * count; i++) {
        const hart = r.below(harts), fid = BigInt(r.below(count + (r.one(9) ? 1 : 0)));
        if (r.one(9)) s.states[r.below(harts)] = r.pick(Object.values(HSM));
        if (r.one(9)) s.ram[r.below(3)] = r.below(256);
        if (r.one(9)) s.pendingIpi.add(hart);
        if (r.one(9)) s.queue.push(r.below(256));
        if (r.one(40)) s.features.updates = r.one(2);
        // Counters that have an event, and such that run.
        if (eid === PMU && r.one(4)) {
          s.callOf(hart, PMU, 2n, 0n, 0x7_fffdn, BigInt(r.below(8)), r.pick([1n, 2n, 0xf_0005n, 0xf_0006n, 0xf_000bn]));
        }
        if (eid === PMU && r.one(4)) s.callOf(hart, r.pick([TIME, IPI, RFENCE]), 0n, 3n, 0n);
        const a = Array.from({ length: 6 }, argument);
        said.push(
          hart,
          fid,
          a,
          s.callOf(hart, eid, fid, ...a),
          s.printed().slice(-70),
          s.printed().length,
          s.events.splice(0),
          s.stops.splice(0),
        );
        if (eid === PMU) said.push(s.host.pmu[hart].events.join(), s.host.pmu[hart].values, s.host.pmu[hart].running);
      }
      const name = `${xlen} ${harts} ${sbiCallName([0n, 0n, 0n, 0n, 0n, 0n, 0n, eid])}`;
      seen.set(
        name,
        hash(
          JSON.stringify(said, (_, v) => typeof v === "bigint" ? `${v}` : v === undefined ? "-" : v) +
            hash(new TextDecoder("latin1").decode(s.ram)),
        ),
      );
      if (!update) assertEquals(seen.get(name), golden.get(name), `${name}: not as in tests/golden/sbi_answers.txt`);
    }
  });
}

function hash(text: string): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h >>> 0).toString(16);
}

Deno.test("every line of tests/golden/sbi_answers.txt was looked at", () => {
  if (update) Deno.writeTextFileSync(GOLDEN, [...seen].map(([name, digest]) => `${name}: ${digest}\n`).join(""));
  else assertEquals([...golden.keys()], [...seen.keys()]);
});
