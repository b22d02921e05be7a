// What holds for every device file of this folder: reset, snapshot round trip, unknown offsets, quiet wires after reset.
import { assert, assertEquals } from "@std/assert";
import type { DeviceType } from "../core/device.ts";
import { bench } from "./testing/bench.ts";

const folder = new URL(".", import.meta.url);
const files = [...Deno.readDirSync(folder)].map((e) => e.name)
  .filter((name) => name.endsWith(".ts") && !name.endsWith("_test.ts") && name !== "mod.ts" && name !== "files.ts").sort();

for (const file of files) {
  const type = (await import(new URL(file, folder).href)).default as DeviceType | undefined;

  Deno.test(`${file} declares a device type with its documentation`, () => {
    assert(type, `${file} has no default export; helpers belong in a folder of their own`);
    assert(/^[a-z0-9][a-z0-9._-]*$/.test(type.type), type.type);
    for (const text of [type.doc, type.spec, ...Object.values(type.keys).map((k) => k.doc)]) assert(text.length > 3);
  });
  if (!type) continue;

  Deno.test(`${type.type}: windows and targets match, reset leaves every wire low and no alarm`, () => {
    const b = bench(type, {}, { harts: 2 });
    const windows = type.windows(configOf(type));
    assertEquals(b.dev.windows?.length ?? 0, windows.length);
    for (const w of windows) assert(w.length > 0);
    poke(b, windows.map((w) => w.length), 0xffff_ffff);
    b.dev.reset();
    assertEquals(b.irq.map((line) => line.level), b.irq.map(() => false));
    assertEquals(b.clock.next, Infinity);
  });

  Deno.test(`${type.type}: every offset of every window can be read and written at every width`, () => {
    const b = bench(type, {}, { harts: 2 });
    const windows = type.windows(configOf(type));
    for (const value of [0, 1, 0x5a5a_5a5a, 0xffff_ffff]) poke(b, windows.map((w) => w.length), value);
    b.passNs(1e7);
    for (const [i, w] of windows.entries()) {
      for (const offset of offsets(w.length)) {
        for (const size of [1, 2, 4] as const) {
          if (offset % size || offset + size > w.length) continue;
          const v = b.read(offset, size, i);
          assert(Number.isInteger(v) && v >= 0 && v < 2 ** (8 * size), `${v} at ${offset}/${size}`);
        }
      }
    }
  });

  Deno.test(`${type.type}: a snapshot restores into a fresh device`, () => {
    const a = bench(type, {}, { harts: 2 }), b = bench(type, {}, { harts: 2 });
    const windows = type.windows(configOf(type));
    poke(a, windows.map((w) => w.length), 0x0102_0304);
    a.passNs(12_345);
    const saved = structuredClone(a.dev.state);
    assertEquals(saved, a.dev.state);
    b.clock.base = a.clock.base;
    b.dev.state = structuredClone(saved);
    b.dev.restored?.();
    assertEquals(b.dev.state, saved, "restoring changes the state");
    assertEquals(b.irq.map((line) => line.level), a.irq.map((line) => line.level));
    for (const bb of [a, b]) bb.passNs(1e9);
    assertEquals(b.dev.state, a.dev.state, "the two went different ways");
    assertEquals(b.irq.map((line) => line.level), a.irq.map((line) => line.level));
  });
}

const configOf = (type: DeviceType) => bench(type).config as never;

/** All offsets of a small window; the first and last few and powers of two of a large one. */
function offsets(length: number): number[] {
  if (length <= 256) return Array.from({ length }, (_, i) => i);
  const edges = new Set<number>();
  for (let i = 0; i < 64; i++) edges.add(i).add(length - 1 - i);
  for (let p = 64; p < length; p *= 2) for (const d of [-4, 0, 4, 8, 12]) if (p + d < length) edges.add(p + d);
  return [...edges].sort((x, y) => x - y);
}

function poke(b: ReturnType<typeof bench>, lengths: number[], value: number): void {
  for (const [i, length] of lengths.entries()) {
    for (const offset of offsets(length)) {
      if (offset % 4 === 0 && offset + 4 <= length) b.write(offset, value, 4, i);
      b.write(offset, value & 0xff, 1, i);
    }
  }
}
