import { assertEquals } from "@std/assert";
import console from "./console.ts";
import { CONFIG, Driver, EVENT_INDEX, INTERRUPTS, PACKED, type Setup, STATUS, WAYS } from "./testing/driver.ts";

const none = new Uint8Array(),
  text = (bytes: Uint8Array) => new TextDecoder().decode(bytes),
  bytes = (s: string) => new TextEncoder().encode(s);
const MULTIPORT = 1;

function rig(queues: number, setup: Setup = {}) {
  const d = new Driver(console, queues, setup), { char, chars } = d.bench.dev;
  const printed: Record<string, string> = { console: "" }, rooms: string[] = [];
  for (const [name, port] of [["console", char!] as const, ...chars!]) {
    printed[name] = "";
    port.onByte = (byte) => printed[name] += String.fromCharCode(byte);
    port.onRoom = () => rooms.push(name);
  }
  return { d, char: char!, chars: chars!, printed, rooms };
}
const type = (port: { receive(byte: number): void }, s: string) => bytes(s).forEach((byte) => port.receive(byte));

Deno.test("virtio console: prints what it is sent and gives what is typed, whatever the queues", () => {
  for (const [name, setup] of Object.entries(WAYS)) {
    const { d, char, printed } = rig(2, setup);
    for (let n = 0; n < 20; n++) {
      d.ask(1, bytes(`line ${n}\n`), 0);
      d.post(0, none, 5);
      d.kick(0);
      assertEquals(d.collect(0), [], "nothing was typed");
      type(char, `key${n % 10}`);
      d.bench.passNs(1e4);
      const [{ written, data }] = d.collect(0);
      assertEquals([written, text(data.subarray(0, written))], [4, `key${n % 10}`], name);
    }
    assertEquals(printed.console, Array.from({ length: 20 }, (_, n) => `line ${n}\n`).join(""), name);
  }
});

Deno.test("virtio console: it takes bytes when the driver is ready, 256 of them; what was typed is given bit by bit", () => {
  const { d, char, rooms } = rig(2);
  d.write(STATUS, 0);
  assertEquals([char.room(), rooms], [0, []]);
  d.start();
  assertEquals([char.room(), rooms], [256, ["console"]]);
  type(char, "x".repeat(300));
  d.bench.passNs(1e5);
  assertEquals([char.room(), d.collect(0), d.read(INTERRUPTS)], [0, [], 0], "there is no buffer for it");
  for (let n = 0; n < 4; n++) d.post(0, none, 100);
  d.kick(0);
  assertEquals([d.collect(0).map((a) => a.written), char.room(), rooms.length], [[100, 100, 56], 256, 2]);
  // The bytes are the next driver's when this one leaves.
  type(char, "late");
  d.start();
  d.post(0, none, 10);
  d.kick(0);
  assertEquals(text(d.collect(0)[0].data.subarray(0, 4)), "x".repeat(0) + "late");
});

Deno.test("virtio console: size, ports and a byte without any queue are in the configuration", () => {
  const { d, printed } = rig(2, { keys: { ports: ["one", "two"], columns: 100, rows: 40 } });
  assertEquals([...new Uint32Array(d.config(12).buffer)], [40 * 65536 + 100, 3, 0]);
  d.bench.write(CONFIG + 8, 0x41, 4);
  assertEquals([printed.console, d.read(8), d.read(0x10) & 7], ["A", 3, 7]);
  assertEquals([rig(2).d.read(0x10) & 7, d.bench.read(CONFIG + 12, 1)], [5, 0xff]);
});

Deno.test("virtio console: a driver that takes no messages gets no more answers, until it does", () => {
  const { d } = rig(4, { features: [MULTIPORT], keys: { ports: ["a", "b"] } });
  let answered = 0;
  for (let n = 0; n < 90; n++) {
    if (n <= 86) d.post(3, message(0, 0), 0);
    d.kick(3);
    answered += d.collect(3).length;
  }
  assertEquals([answered, (d.bench.dev.state as { own: { messages: unknown[] } }).own.messages.length], [86, 258]);
  for (let n = 0; n < 8; n++) d.post(2, none, 8);
  d.kick(2);
  assertEquals([d.collect(2).length, d.collect(3).length], [8, 1]);
});

/** A message of the driver about a port. */
const message = (port: number, event: number, value = 1) => new Uint8Array(Uint32Array.of(port, event | value << 16).buffer);

Deno.test("virtio console: the driver learns of its ports by messages; each is a stream of its own once it is open", () => {
  for (const features of [[MULTIPORT], [MULTIPORT, EVENT_INDEX], [MULTIPORT, PACKED]]) {
    const { d, chars, printed } = rig(6, { features, size: 16, keys: { ports: ["org.example.agent"] } }),
      port = chars.get("org.example.agent")!;
    const told = (out: Uint8Array, count = 0) => {
      for (let n = 0; n < count; n++) d.post(2, none, 40);
      d.kick(2);
      d.ask(3, out, 0);
      return d.collect(2).map(({ written, data }) => {
        const v = new DataView(data.buffer);
        return [v.getUint32(0, true), v.getUint16(4, true), v.getUint16(6, true), text(data.subarray(8, written))];
      });
    };
    assertEquals(told(message(0, 0), 2), [[0, 1, 1, ""], [1, 1, 1, ""]]);
    assertEquals(told(message(0, 3), 2), [[0, 4, 1, ""], [0, 6, 1, ""]]);
    assertEquals(told(message(1, 3), 2), [[1, 7, 1, "org.example.agent"], [1, 6, 1, ""]]);
    assertEquals([told(message(9, 3)), told(message(1, 3, 0)), told(bytes("short"))], [[], [], []]);
    assertEquals(port.room(), 0, "the driver has not opened it");
    told(message(1, 6));
    assertEquals(port.room(), 256);
    type(port, "ping");
    d.post(4, none, 8);
    d.kick(4);
    assertEquals(d.collect(4).map((a) => text(a.data.subarray(0, a.written))), ["ping"]);
    d.ask(5, bytes("pong"), 0);
    d.ask(1, bytes("to the console"), 0);
    assertEquals(printed, { console: "to the console", "org.example.agent": "pong" });
    told(message(1, 6, 0));
    assertEquals(port.room(), 0);
  }
});
