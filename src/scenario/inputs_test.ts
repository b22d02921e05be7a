import { assert, assertEquals } from "@std/assert";
import { InputLog } from "./inputs.ts";

Deno.test("what was given at one instant to one console is one entry", () => {
  const log = new InputLog(1000);
  for (const [ticks, name, byte] of [[0, "a", 1], [0, "a", 2], [0, "b", 3], [0, "a", 4], [2 ** 52, "a", 255]] as const) {
    log.add({ ticks, where: 0 }, name, byte);
  }
  const entries = [
    { ticks: 0, console: "a", bytes: [1, 2] },
    { ticks: 0, console: "b", bytes: [3] },
    { ticks: 0, console: "a", bytes: [4] },
    { ticks: 2 ** 52, console: "a", bytes: [255] },
  ];
  assertEquals(log.entries, entries);
  const saved = structuredClone(log.save()), other = new InputLog(1000);
  log.add({ ticks: 7, where: 0 }, "c", 7);
  other.load(saved);
  assertEquals([other.entries, log.entries.length], [entries, 5]);
  other.add({ ticks: 8, where: 0 }, "d", 8);
  log.load(saved);
  assertEquals([log.entries, other.entries.at(-1)], [entries, { ticks: 8, console: "d", bytes: [8] }]);
});

Deno.test("it is bounded: the last bytes are kept, in order, and how many are not is counted", () => {
  for (const most of [64, 100, 1 << 12]) {
    const log = new InputLog(most), n = 100_000;
    for (let i = 0; i < n; i++) {
      log.add({ ticks: i, where: i & 7 }, i % 3 ? "a" : "b", i & 0xff);
      if (i % 9999 === 0) log.load(log.save());
    }
    const kept = log.entries.map((e) => [e.ticks, e.console, ...e.bytes]);
    assertEquals(kept.length + log.forgotten, n);
    assert(kept.length >= most / 2 && kept.length <= 2 * most, `${kept.length}`);
    assertEquals(kept, Array.from({ length: kept.length }, (_, i) => i + n - kept.length).map((i) => [i, i % 3 ? "a" : "b", i & 0xff]));
    const { ticks, consoles, bytes } = log.save();
    assertEquals(ticks.byteLength + consoles.byteLength + bytes.byteLength, 10 * kept.length);
    assertEquals(
      [...log.given()].map((g) => [g.at, g.to, ...g.bytes]),
      kept.map(([i, ...rest]) => [{ ticks: i, where: Number(i) & 7 }, ...rest]),
    );
  }
});
