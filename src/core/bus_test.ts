// Windows that overlap: shadow RAM in front, devices' own memory, BARs behind, and what remains when they go.
import { assertEquals, assertThrows } from "@std/assert";
import { Bus, type BusTarget, readTarget, writeTarget } from "./bus.ts";
import { BusFault, ConfigError } from "./errors.ts";

const target = (value: number): BusTarget => ({ access: { min: 1, max: 4 }, read: (offset) => value + offset, write: () => {} });
const map = (bus: Bus) => bus.regions.map((r) => `${r.name} ${r.base.toString(16)}+${r.length.toString(16)}${r.readonly ? " ro" : ""}`);

Deno.test("windows of map may not overlap", () => {
  const bus = new Bus();
  bus.map(0x1000, 0x1000, target(0), "a");
  const error = assertThrows(() => bus.map(0x1fff, 1, target(0), "b"), ConfigError);
  assertEquals(error.message, "'b' (0x1fff..0x1fff) overlaps 'a' (0x1000..0x1fff)");
});

Deno.test("shadow RAM comes in front of ROM page by page, read-only or writable, and goes again", () => {
  const bus = new Bus(), rom = new Uint8Array(0x4000).fill(0xaa), shadow = new Uint8Array(0x8000);
  let changes = 0;
  bus.mapRam(0x4000, rom, { readonly: true, name: "rom" });
  bus.mapShadow(0, shadow);
  bus.onRemap = () => changes++;
  bus.write(0x4000, 1, 1);
  bus.shadow(0x5000, 0x2000, "write");
  assertEquals(map(bus), ["rom 4000+1000 ro", "shadow 5000+2000", "rom 7000+1000 ro"]);
  bus.write(0x5004, 4, 0x1234_5678);
  assertEquals([bus.read(0x4000, 1), bus.read(0x5004, 4), bus.read(0x7fff, 1)], [0xaa, 0x1234_5678, 0xaa]);
  bus.shadow(0x5000, 0x1000, "read");
  assertEquals(map(bus), ["rom 4000+1000 ro", "shadow 5000+1000 ro", "shadow 6000+1000", "rom 7000+1000 ro"]);
  bus.write(0x5004, 4, 0);
  assertEquals(bus.read(0x5004, 4), 0x1234_5678);
  bus.shadow(0x5000, 0x1000, "read");
  assertEquals(changes, 2, "what changes nothing is no change");
  bus.shadow(0, 0x10000, "off");
  assertEquals(map(bus), ["rom 4000+4000 ro"]);
  assertEquals(bus.read(0x5004, 1), 0xaa);
});

Deno.test("windows behind fill what others leave, in the order of their names", () => {
  const bus = new Bus();
  bus.map(0x1400, 0x100, target(0x1000), "fixed");
  // The order of mapping does not count: after a snapshot it may be another.
  bus.mapBehind(0x1800, 0x1000, target(0x4000), "second");
  const first = bus.mapBehind(0x1000, 0x1000, target(0x2000), "first");
  assertEquals(map(bus), ["first 1000+400", "fixed 1400+100", "first 1500+b00", "second 2000+800"]);
  assertEquals([bus.read(0x1410, 4), bus.read(0x1510, 4), bus.read(0x2004, 4)], [0x1010, 0x2510, 0x4804]);
  bus.unmap(first);
  assertEquals(map(bus), ["fixed 1400+100", "second 1800+1000"]);
  assertEquals(bus.read(0x1804, 4), 0x4004);
});

Deno.test("memory that a device shows is RAM in its window, wherever the window is", () => {
  const bus = new Bus(), bytes = new Uint8Array(16).fill(7), t: BusTarget = { ...target(0), direct: [{ offset: 0x10, bytes }] };
  const bar = bus.mapBehind(0x8000, 0x100, t, "lfb");
  assertEquals(map(bus), ["lfb 8000+10", "lfb 8010+10", "lfb 8020+e0"]);
  assertEquals([bus.read(0x8014, 1), bus.read(0x8020, 1)], [7, 0x20]);
  bus.unmap(bar);
  assertEquals(map(bus), []);
});

Deno.test("an access that leaves its window goes byte by byte; a model's answer has no more bits than were asked for", () => {
  const bus = new Bus(), ram = new Uint8Array(0x1000).fill(0x11), written: number[] = [];
  bus.mapRam(0x1000, ram);
  bus.map(0x2000, 0x10, { access: { min: 1, max: 4 }, read: () => 0xffff_ff22, write: (...access) => written.push(...access) });
  assertEquals([bus.read(0x1ffe, 4), bus.read(0x2000, 2)], [0x2222_1111, 0xff22]);
  bus.write(0x1fff, 2, 0x4433);
  assertEquals([ram[0xfff], written], [0x33, [0, 1, 0x44]]);
  assertThrows(() => bus.read(0x200e, 4), BusFault);
});

Deno.test("what DMA has written is told, window by window, also when it then meets something else than RAM", () => {
  const bus = new Bus(), told: number[][] = [];
  bus.mapRam(0x1000, new Uint8Array(0x100));
  bus.mapRam(0x1100, new Uint8Array(0x100));
  bus.onDmaWrite = (...range) => told.push(range);
  bus.writeBytes(0x10f0, new Uint8Array(0x20));
  assertThrows(() => bus.writeBytes(0x11f0, new Uint8Array(0x20)), BusFault);
  assertEquals(told, [[0x10f0, 0x10], [0x1100, 0x10], [0x11f0, 0x10]]);
});

Deno.test("every width of access to every width of register: split low half first, cut out of a wider one, zeros beside", () => {
  const size = [1, 2, 4] as const;
  for (const [min, max] of [[1, 1], [1, 2], [1, 4], [2, 2], [2, 4], [4, 4]] as const) {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => 0x81 + 0x13 * i), calls: string[] = [];
    const get = (at: number, n: number) => Array.from({ length: n }, (_, i) => bytes[at + i] * 2 ** (8 * i)).reduce((a, b) => a + b);
    const t: BusTarget = {
      access: { min, max },
      read: (at, n) => (calls.push(`${at}:${n}`), n === 4 ? get(at, 4) : get(at, n) + 0x5500_0000 * (n < max ? 1 : 0)),
      write: (at, n, value) => calls.push(`${at}:${n}=${value.toString(16)}`),
    };
    for (const n of size) {
      for (let at = 0; at < 8; at += n) {
        const each = Math.max(min, Math.min(max, n)),
          starts = n < min ? [at - at % min] : Array.from({ length: n / each }, (_, i) => at + i * each);
        calls.length = 0;
        assertEquals(readTarget(t, at, n), get(at, n), `${n} bytes at ${at} of ${min}..${max}`);
        assertEquals(calls, starts.map((s) => `${s}:${each}`).reverse());
        calls.length = 0;
        const value = [0, 0xfe, 0xfedc, 0, 0xfedc_ba98][n];
        writeTarget(t, at, n, value | 0);
        const parts = n < min
          ? [value * 2 ** (8 * (at % min))]
          : starts.map((s) => Math.floor(value / 2 ** (8 * (s - at))) % 2 ** (8 * each));
        assertEquals(calls, starts.map((s, i) => `${s}:${each}=${parts[i].toString(16)}`), `write of ${n} at ${at} to ${min}..${max}`);
      }
    }
  }
});
