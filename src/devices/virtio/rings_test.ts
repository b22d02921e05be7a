// The rules of virtqueues, one by one, by a source of entropy, which writes into whatever it is given.
import { assert, assertEquals } from "@std/assert";
import rng from "./rng.ts";
import { Driver, EVENT_INDEX, INDIRECT, INTERRUPTS, NOTIFY, PACKED, type Setup, STATUS } from "./testing/driver.ts";

const NEXT = 1, WRITE = 2, TABLE = 4, NEEDS_RESET = 0x40, CONFIG_CHANGED = 2;
const none = new Uint8Array(), MEMORY = 0x9000, ROM = 0x20_0000, HIGH = 2 ** 32;

type Descriptor = readonly [address: number, length: number, flags: number, next?: number];
function put(d: Driver, at: number, [address, length, flags, next = 0]: Descriptor): void {
  const m = d.bench.dma;
  [address % 2 ** 32, Math.floor(address / 2 ** 32), length].forEach((v, i) => m.write(at + 4 * i, 4, v));
  m.write(at + 12, 2, d.features.includes(PACKED) ? 0 : flags);
  m.write(at + 14, 2, d.features.includes(PACKED) ? flags : next);
}
function rig(setup: Setup): Driver {
  const d = new Driver(rng, 1, setup);
  d.bench.dma.mapRam(ROM, new Uint8Array(4096), { readonly: true });
  d.bench.dma.mapRam(HIGH, new Uint8Array(0x4000));
  return d;
}
/** What the device says of a ring that `make` has filled, with so many new entries. */
function said(d: Driver, make: (d: Driver) => void, entries = 1): string {
  make(d);
  if (!d.features.includes(PACKED)) d.bench.dma.write(d.rings[0].driver + 2, 2, entries);
  d.bench.log.length = 0;
  d.write(NOTIFY, 0);
  d.bench.passNs(1e6);
  const lines = d.bench.log.filter((line) => line.startsWith("guest"));
  assert(lines.length <= 1, lines.join("\n"));
  const broken = (d.read(STATUS) & NEEDS_RESET) !== 0;
  assertEquals([broken, (d.read(INTERRUPTS) & CONFIG_CHANGED) !== 0], [lines.length === 1, lines.length === 1], lines[0]);
  // Nothing more happens before a reset, and all is well behind it.
  if (broken) {
    d.write(NOTIFY, 0);
    d.write(STATUS, 15);
    d.bench.passNs(1e6);
    assertEquals([d.bench.log.length, d.read(STATUS) & NEEDS_RESET], [1, NEEDS_RESET]);
    d.start();
    assertEquals(d.ask(0, none, 5).written, 5);
  }
  return lines[0]?.replace(/^guest (.*); the device needs a reset$/, "$1") ?? "fine";
}

Deno.test("split queues: what a driver must not do, and what it may", () => {
  const at = (d: Driver, n: number) => d.rings[0].desc + 16 * n;
  const chain = (...list: Descriptor[]) => (d: Driver) => list.forEach((one, n) => put(d, at(d, n), one));
  const table = MEMORY + 0x800, inTable = (...list: Descriptor[]) => (d: Driver) => list.forEach((one, n) => put(d, table + 16 * n, one));
  const both = (...acts: ((d: Driver) => void)[]) => (d: Driver) => acts.forEach((act) => act(d));
  const fine: Descriptor = [MEMORY, 16, WRITE];
  const rows: [make: (d: Driver) => void, said: string, features?: number[], entries?: number][] = [
    [chain(fine), "fine"],
    [chain(fine), "9 new requests in a queue of 8", [], 9],
    [(d) => d.bench.dma.write(d.rings[0].driver + 4, 2, 8), "descriptor 8 of a table of 8"],
    [chain([MEMORY, 16, WRITE | NEXT, 8]), "descriptor 8 of a table of 8"],
    [chain([MEMORY, 16, WRITE | NEXT, 0]), "a chain has more than 1024 descriptors"],
    [chain([MEMORY, 16, WRITE | NEXT, 1], [MEMORY, 16, 0]), "a buffer that the device reads comes behind one that it writes"],
    [chain([MEMORY, 16, NEXT, 1], [MEMORY, 0, WRITE | NEXT, 2], fine), "fine"],
    [chain([0x7000_0000, 16, WRITE]), "a queue leads to 0x70000000, where no memory is for it"],
    [chain([0xfff0, 17, WRITE]), "a queue leads to 0x10000, where no memory is for it"],
    [chain([0xfff0, 16, WRITE]), "fine"],
    [chain([ROM, 16, WRITE]), "a queue leads to 0x200000, where no memory is for it"],
    [chain([ROM, 16, 0]), "fine"],
    [chain([HIGH, 16, WRITE]), "fine"],
    [chain([table, 16, TABLE]), "an indirect descriptor, which was not negotiated"],
    [both(chain([table, 16, TABLE]), inTable(fine)), "fine", [INDIRECT]],
    [chain([table, 16, TABLE | NEXT]), "an indirect descriptor has a next one", [INDIRECT]],
    [chain([table, 17, TABLE]), "an indirect table of 17 bytes", [INDIRECT]],
    [chain([table, 0, TABLE]), "an indirect table of 0 bytes", [INDIRECT]],
    [chain([0x7000_0000, 16, TABLE]), "a queue leads to 0x70000000, where no memory is for it", [INDIRECT]],
    [both(chain([table, 16, TABLE]), inTable([table, 16, TABLE])), "an indirect descriptor in an indirect table", [INDIRECT]],
    [both(chain([table, 32, TABLE]), inTable([MEMORY, 1, NEXT, 2])), "descriptor 2 of a table of 2", [INDIRECT]],
    // A table may follow plain descriptors (2.7.5.3.2).
    [both(chain([MEMORY, 16, WRITE | NEXT, 1], [table, 16, TABLE]), inTable(fine)), "fine", [INDIRECT]],
  ];
  for (const [n, [make, wanted, features = [], entries = 1]] of rows.entries()) {
    assertEquals(said(rig({ features }), make, entries), wanted, `row ${n}`);
  }
  const odd = new Driver(rng, 1, { size: 6 });
  assertEquals([odd.read(STATUS), odd.bench.log], [15 | NEEDS_RESET, [
    "guest a split queue of 6 entries: it must be a power of 2; the device needs a reset",
  ]]);
});

Deno.test("packed queues: what a driver must not do, and what it may", () => {
  const AVAIL = 0x80, first = (d: Driver) => d.rings[0].desc, table = MEMORY + 0x800;
  const rows: [list: Descriptor[], said: string, features?: number[]][] = [
    [[[MEMORY, 16, AVAIL | WRITE]], "fine"],
    [Array.from({ length: 8 }, () => [MEMORY, 16, AVAIL | WRITE | NEXT]), "a chain of more descriptors than the ring's 8"],
    [[[MEMORY, 16, AVAIL | WRITE | NEXT], [MEMORY, 16, AVAIL]], "a buffer that the device reads comes behind one that it writes"],
    [[[table, 16, AVAIL | TABLE]], "an indirect descriptor, which was not negotiated"],
    [[[table, 17, AVAIL | TABLE]], "an indirect table of 17 bytes", [INDIRECT]],
    [[[0x7000_0000, 16, AVAIL | WRITE]], "a queue leads to 0x70000000, where no memory is for it"],
    [[[0x7000_0000, 16, AVAIL | TABLE]], "a queue leads to 0x70000000, where no memory is for it", [INDIRECT]],
  ];
  for (const [n, [list, wanted, features = []]] of rows.entries()) {
    const d = rig({ features: [PACKED, ...features] });
    assertEquals(said(d, () => list.forEach((one, i) => put(d, first(d) + 16 * i, one))), wanted, `row ${n}`);
  }
});

Deno.test("split queues: indices come round at 65536, with event index and without", () => {
  for (const features of [[], [EVENT_INDEX]]) {
    const d = rig({ features }), ring = d.rings[0], m = d.bench.dma, from = 65_533;
    const q = (d.bench.dev.state as { queues: { next: number; used: number; signalled: number }[] }).queues[0];
    q.next =
      q.used =
      q.signalled =
      ring.next =
      ring.used =
        from;
    for (const at of [ring.driver, ring.device]) m.write(at + 2, 2, from);
    m.write(ring.driver + 4 + 2 * 8, 2, from);
    for (let n = 0; n < 6; n++) {
      assertEquals([d.ask(0, none, 9).written, d.read(INTERRUPTS)], [9, 1], `${n}`);
      d.write(0x64, 1);
      assertEquals(m.read(ring.device + 2, 2), (from + n + 1) & 0xffff);
      // Where the driver is to tell of the next request.
      if (features.length) assertEquals(m.read(ring.device + 4 + 8 * 8, 2), (from + n + 1) & 0xffff);
    }
  }
});

Deno.test("event index: an interrupt comes with the request behind which it is wanted, and with no other, in every turn of the ring", () => {
  for (const packed of [false, true]) {
    const size = 8,
      d = rig({ features: packed ? [PACKED, EVENT_INDEX] : [EVENT_INDEX], asksForInterrupts: false }),
      m = d.bench.dma,
      ring = d.rings[0];
    for (let asked = 0; asked < 40;) {
      // The one behind the next two.
      const wanted = asked + 2, place = wanted % size, wrap = Math.floor(wanted / size) % 2 === 0;
      if (packed) m.write(ring.driver, 4, place | (wrap ? 0x8000 : 0) | 2 << 16);
      else m.write(ring.driver + 4 + 2 * size, 2, wanted);
      for (let n = 0; n < 5; n++, asked++) {
        d.ask(0, none, 4);
        assertEquals(d.read(INTERRUPTS), asked === wanted ? 1 : 0, `${packed} ${asked}`);
        d.write(0x64, 1);
        const next = asked + 1;
        if (packed) assertEquals(m.read(ring.device, 4), next % size | (Math.floor(next / size) % 2 ? 0 : 0x8000) | 2 << 16);
      }
    }
  }
});

Deno.test("the interface before 1.0: an empty queue is told, if that was agreed on; the last ring is at a multiple of the alignment", () => {
  for (const [features, wanted] of [[[], 0], [[24], 1]] as const) {
    const d = rig({ legacy: true, features });
    d.bench.dma.write(d.rings[0].driver, 2, 1);
    d.ask(0, none, 4);
    assertEquals(d.read(INTERRUPTS), wanted);
  }
  // 2 entries: 32 bytes of descriptors, 10 of what is offered: what is used begins at 44.
  const d = rig({ legacy: true }), base = 0x3000, m = d.bench.dma;
  d.write(0x40, 0);
  assertEquals(d.read(0x40), 0);
  for (const [at, value] of [[0x38, 2], [0x3c, 4], [0x40, base / 4096]]) d.write(at, value);
  put(d, base, [MEMORY, 7, WRITE]);
  m.write(base + 34, 2, 1);
  d.write(NOTIFY, 0);
  d.bench.passNs(1e5);
  assertEquals([m.read(base + 44, 4), m.read(base + 52, 4)], [0x1_0000, 7]);
});

Deno.test("rings above 4 GiB; sizes that no queue has are left alone", () => {
  const d = rig({}), m = d.bench.dma;
  d.write(0x44, 0);
  for (const [at, address] of [[0x80, HIGH], [0x90, HIGH + 0x100], [0xa0, HIGH + 0x1000]]) {
    d.write(at + 4, Math.floor(address / 2 ** 32));
    d.write(at, address % 2 ** 32);
  }
  for (const size of [0, 1025, 0xffff_ffff]) d.write(0x38, size);
  d.write(0x44, 1);
  put(d, HIGH, [MEMORY, 6, WRITE]);
  m.write(HIGH + 0x102, 2, 1);
  d.write(NOTIFY, 0);
  d.bench.passNs(1e5);
  assertEquals([m.read(HIGH + 0x1002, 2), m.read(HIGH + 0x1008, 4)], [1, 6]);
});
