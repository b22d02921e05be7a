import { assertEquals } from "@std/assert";
import keyboard from "./keyboard.ts";
import { CONFIG, Driver, INTERRUPTS, type Setup, STATUS, WAYS } from "./testing/driver.ts";

const none = new Uint8Array();

function rig(setup: Setup = {}) {
  const d = new Driver(keyboard, 2, setup), keys = d.bench.dev.keyboard!;
  let rooms = 0;
  keys.onRoom = () => rooms++;
  const posted = () => {
    for (let n = 0; n < 2; n++) d.post(0, none, 8);
    d.kick(0);
  };
  /** Events as type, code, value. */
  const events = () => d.collect(0).map(({ data }) => [data[0] | data[1] << 8, data[2] | data[3] << 8, data[4]]);
  return { d, keys, posted, events, rooms: () => rooms };
}

Deno.test("virtio keyboard: a key is two events and two more when it is let go, whatever the queues", () => {
  for (const [name, setup] of Object.entries(WAYS)) {
    const { d, keys, posted, events, rooms } = rig(setup);
    for (let n = 0; n < 12; n++) {
      for (const [byte, value] of [[0x1e, 1], [0x9e, 0]]) {
        posted();
        assertEquals([keys.room(), events()], [1, []]);
        keys.receive(byte);
        assertEquals(keys.room(), 0, "the driver has not taken it");
        d.bench.passNs(1e5);
        assertEquals(events(), [[1, 30, value], [0, 0, 0]], name);
      }
    }
    assertEquals([rooms(), d.read(INTERRUPTS), d.read(8)], [24, 1, 18]);
  }
});

Deno.test("virtio keyboard: scan codes of set 1 as Linux's codes of keys", () => {
  const { d, keys, posted, events } = rig();
  const cases: [bytes: number[], key: number | undefined][] = [
    [[0x01], 1],
    [[0x2a], 42],
    [[0x58], 88],
    [[0x59], undefined],
    [[0xe0, 0x48], 103],
    [[0xe0, 0x53], 111],
    [[0xe0, 0x1c], 96],
    [[0xe0, 0x37], 99],
    [[0xe0, 0x2a], undefined], // the shift that some keys pretend
    [[0xe1, 0x1d, 0x45], 119],
  ];
  for (const [bytes, key] of cases) {
    for (const up of [0, 0x80]) {
      posted();
      for (const byte of bytes) keys.receive(byte >= 0xe0 ? byte : byte | up);
      d.bench.passNs(1e5);
      assertEquals(events(), key === undefined ? [] : [[1, key, up ? 0 : 1], [0, 0, 0]], `${bytes}`);
      // What was posted and not needed is still there.
      if (key === undefined) d.start();
    }
  }
});

Deno.test("virtio keyboard: nothing is taken without a driver; lights; what it says of itself", () => {
  const { d, keys, rooms, posted, events } = rig();
  d.write(STATUS, 0);
  keys.receive(0x1e);
  assertEquals([keys.room(), rooms()], [0, 0]);
  d.start();
  posted();
  assertEquals([keys.room(), rooms(), events()], [1, 1, []]);
  d.ask(1, new Uint8Array(Uint16Array.of(0x11, 1, 1, 0).buffer), 0);
  assertEquals((d.bench.dev.state as { own: { leds: number } }).own.leds, 2);
  const select = (what: number, of: number) => {
    d.bench.write(CONFIG, what, 1);
    d.bench.write(CONFIG + 1, of, 1);
    const size = d.bench.read(CONFIG + 2, 1);
    return Array.from({ length: size }, (_, i) => d.bench.read(CONFIG + 8 + i, 1));
  };
  assertEquals(String.fromCharCode(...select(1, 0)), "QEMU Virtio Keyboard");
  assertEquals(select(3, 0), [6, 0, 0x27, 6, 1, 0, 1, 0]);
  const keysOf = select(0x11, 1), has = (code: number) => (keysOf[code >> 3] >> (code & 7) & 1) === 1;
  assertEquals([1, 30, 88, 89, 103, 119, 0].map(has), [true, true, true, false, true, true, false]);
  assertEquals([select(0x11, 0x11), select(0x11, 0x14).length, select(0x11, 2), select(2, 0), select(0, 0)], [[7], 1, [], [], []]);
  assertEquals(d.bench.read(CONFIG + 136, 1), 0xff);
});
