// Drivers that break every rule: random registers, rings full of random numbers, chains that are loops, lengths and addresses beyond all reason, among
// requests that are right. Whatever the device, its interface and its rings: nothing throws, nothing hangs, its state does not grow, it says once that
// it needs a reset and works again behind one; and saved and restored in the midst of it, it goes on the same.
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../tests/fuzz/random.ts";
import type { AnyDeviceType } from "../../core/device.ts";
import { Disk, memorySource } from "../../core/disk.ts";
import { FILES } from "../files.ts";
import type { VirtioDevice } from "./device.ts";
import { Driver, EVENT_INDEX, INDIRECT, NOTIFY, PACKED, type Setup, STATUS } from "./testing/driver.ts";

const types = await import("../../loads/devices_virtio.ts") as Record<string, AnyDeviceType>;
const WAYS: readonly Setup[] = [{ legacy: true, features: [INDIRECT] }, { features: [INDIRECT, EVENT_INDEX] }, {
  features: [INDIRECT, EVENT_INDEX, PACKED],
}];
const MULTIPORT = 1, KEYS = { queues: 2, ports: ["a", "b"] };
const STEPS = 1500, HANG_MS = 2000, NEEDS_RESET = 0x40, MOST_STATE = 100_000;

const drives = () => ({ disk: { kind: "hard" as const, disk: new Disk(memorySource(new Uint8Array(1 << 20)), "hard") } });

/** What a driver does to a device, by a random number's choice; the same for the same numbers and state. */
function step(d: Driver, r: Random): void {
  const m = d.bench.dma, queue = r.below(d.queues), ring = d.rings[queue];
  const anywhere = () => r.pick([() => ring.desc, () => ring.driver, () => ring.device, () => 0x9000])() + r.below(300);
  const wild = () =>
    r.pick([() => r.bits(), () => r.below(16), () => r.below(0x1_0000), () => 0xffff_ffff, () => 1 << r.below(32)])() >>> 0;
  switch (r.below(12)) {
    case 0:
    case 1:
      m.write(anywhere(), 2, wild() & 0xffff);
      break;
    case 2: {
      // A descriptor that is nearly right.
      const next = d.setup.features!.includes(PACKED) && r.one(2), at = ring.desc + 16 * (next ? ring.next : r.below(d.size + 2));
      const flags = r.below(8) | (next ? ring.wrap ? 0x80 : 0x8000 : r.pick([0, 0x80, 0x8000, 0x8080]));
      m.write(at, 4, r.one(4) ? wild() : r.below(0x1_0000));
      m.write(at + 4, 4, r.one(8) ? wild() : 0);
      m.write(at + 8, 4, r.one(4) ? wild() : 16 * r.below(64));
      m.write(at + 12, 4, d.setup.features!.includes(PACKED) ? flags << 16 | r.below(16) : r.below(d.size + 1) << 16 | flags);
      break;
    }
    case 3:
      m.write(ring.driver + 2, 2, m.read(ring.driver + 2, 2) + r.below(3) & 0xffff);
      break;
    case 4:
      // The header of a request of a disk.
      for (let i = 0; i < 4; i++) m.write(0x9000 + 16 * r.below(64) + 4 * i, 4, r.one(3) ? wild() : r.below(14));
      break;
    case 5:
      d.bench.write(4 * r.below(0x60), wild(), r.pick([1, 2, 4]));
      break;
    case 6:
      d.bench.read(r.below(0x180) & ~3, r.pick([1, 2, 4]));
      break;
    case 7:
      if (r.one(3)) d.start();
      break;
    case 8:
    case 9:
      d.post(queue, new Uint8Array(r.below(600)).map(() => r.one(2) ? 0 : r.below(256)), r.below(600));
      d.write(NOTIFY, queue);
      break;
    case 10:
      d.write(NOTIFY, r.one(8) ? wild() : queue);
      break;
    case 11:
      d.bench.passNs(r.pick([100, 2000, 1e6]));
  }
}

Deno.test("virtio: every device type is here", () => {
  const names = Object.keys(FILES).filter((name) => name.startsWith("virtio.") && name !== "virtio.mmio");
  assertEquals(Object.values(types).map((t) => t.type).sort(), names.sort());
});

for (const type of Object.values(types)) {
  for (const [way, setup] of WAYS.entries()) {
    Deno.test(`${type.type} among hostile drivers, way ${way}`, () => {
      const features = [...setup.features!, ...type.type === "virtio.console" ? [MULTIPORT] : []];
      const queues = Math.min(4, (new Driver(type, 0, { keys: KEYS }).bench.dev as VirtioDevice).model.queues.length);
      const make = () => new Driver(type, queues, { ...setup, features, drives: drives(), keys: KEYS });
      let a = make(), resets = 0, said = 0;
      for (const seed of [1, 2, 3]) {
        const r = new Random(100 * way + seed);
        for (let n = 0; n < STEPS; n++) {
          const started = performance.now();
          step(a, r);
          assert(performance.now() - started < HANG_MS, `step ${n} of seed ${seed} hangs`);
          const lines = a.bench.log.filter((line) => line.startsWith("guest"));
          const several = lines.filter((line) => !line.startsWith("guest a message about port"));
          assert(several.length < 3, `one line for one mistake: ${lines.join("; ")}`);
          said += lines.filter((line) => line.endsWith("; the device needs a reset")).length;
          if (a.read(STATUS) & NEEDS_RESET && r.one(8)) {
            a.start();
            assertEquals(a.read(STATUS) & NEEDS_RESET, 0);
            resets++;
          }
          a.bench.log.length = 0;
          if (n % 250) continue;
          assert(JSON.stringify(a.bench.dev.state).length < MOST_STATE, "its state grows");
          // Another one goes on from what was saved.
          const b = make();
          b.bench.dma.writeBytes(0, a.bench.dma.readBytes(0, 0x1_0000));
          b.bench.clock.base = a.bench.clock.base;
          b.bench.dev.state = structuredClone(a.bench.dev.state);
          b.bench.dev.restored?.();
          assertEquals([b.bench.dev.state, b.bench.irq[0].level], [a.bench.dev.state, a.bench.irq[0].level]);
          for (const d of [a, b]) d.bench.passNs(1e5);
          assertEquals([b.bench.dev.state, b.bench.irq[0].level], [a.bench.dev.state, a.bench.irq[0].level]);
          a.bench.log.length = 0;
        }
        a = make();
      }
      assert(resets > 3 && said > 3, `${resets} resets, ${said} mistakes`);
    });
  }
}
