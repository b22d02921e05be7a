import { assert, assertEquals } from "@std/assert";
import rng from "./rng.ts";
import { Driver, WAYS } from "./testing/driver.ts";

const none = new Uint8Array();

Deno.test("virtio source of entropy: its bytes follow from the seed, and look random", () => {
  const streams = [0, 0, 1].map((seed) => {
    const d = new Driver(rng, 1, { keys: { seed } });
    return Array.from({ length: 4 }, (_, n) => [...d.ask(0, none, 1000 + n).data]).flat();
  });
  assertEquals(streams[0], streams[1]);
  assert(streams[0].every((byte, i) => byte !== streams[2][i]) === false && String(streams[0]) !== String(streams[2]));
  const counts = new Map<number, number>();
  for (const byte of streams[0]) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  // 4006 bytes of 256 values: some 16 of each.
  assert(counts.size > 250 && [...counts.values()].every((n) => n < 40), `${counts.size}`);
  assertEquals(streams[0].slice(0, 8), [32, 55, 176, 106, 158, 52, 174, 2]);
});

Deno.test("virtio source of entropy: a buffer is filled, up to 64 KiB; whatever the queue", () => {
  for (const setup of Object.values(WAYS)) {
    const d = new Driver(rng, 1, setup);
    for (let n = 1; n < 30; n++) {
      const { written, data } = d.ask(0, none, 7 * n);
      assertEquals([written, data.length], [7 * n, 7 * n]);
    }
    assertEquals([d.read(8), d.bench.read(0x100, 1)], [4, 0xff]);
  }
  const d = new Driver(rng, 1), at = d.rings[0].desc;
  d.post(0, none, 1);
  d.bench.dma.write(at, 4, 0);
  d.bench.dma.mapRam(0x10_0000, new Uint8Array(0x20_0000));
  d.bench.dma.write(at, 4, 0x10_0000);
  d.bench.dma.write(at + 8, 4, 0x20_0000);
  d.kick(0);
  assertEquals(d.collect(0)[0].written, 0x1_0000);
});

Deno.test("virtio source of entropy: a device that goes on from a snapshot gives the same bytes", () => {
  const [a, b] = [0, 0].map(() => new Driver(rng, 1, { keys: { seed: 7 } }));
  a.ask(0, none, 100);
  b.bench.dma.writeBytes(0, a.bench.dma.readBytes(0, 0x1_0000));
  b.bench.dev.state = structuredClone(a.bench.dev.state);
  b.bench.dev.restored!();
  Object.assign(b.rings[0], a.rings[0]);
  const [one, two] = [a, b].map((d) => d.ask(0, none, 64).data);
  assertEquals(one, two);
  // The driver's reset does not have it begin again; the machine's does.
  a.start();
  assertEquals([...a.ask(0, none, 64).data].join() === [...one].join(), false);
  a.bench.dev.reset();
  a.start();
  const fresh = new Driver(rng, 1, { keys: { seed: 7 } });
  assertEquals(a.ask(0, none, 64).data, fresh.ask(0, none, 64).data);
});
