import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { formatNs, parseDuration } from "./duration.ts";

Deno.test("every unit, sums, fractions; what has no unit or is none is refused", () => {
  const units = {
    ns: 1,
    us: 1000,
    "µs": 1000,
    ms: 1_000_000,
    s: 1_000_000_000,
    m: 60_000_000_000,
    min: 60_000_000_000,
    h: 3_600_000_000_000,
  };
  for (const [unit, ns] of Object.entries(units)) {
    for (const [number, times] of [["1", 1], ["7", 7], ["0", 0], ["2.5", 2.5], ["1_000", 1000]] as const) {
      assertEquals(parseDuration(`${number}${unit}`), times * ns);
      assertEquals(parseDuration(`${number} ${unit} `), times * ns);
    }
  }
  assertEquals(parseDuration("1h2m3s4ms5us6ns"), 3_723_004_005_006);
  assertEquals(parseDuration("1min 30s"), 90e9);
  for (const text of ["", "5", "s", "-5s", "5x", "1m30", "1e3s", "5s!", "x5s", "5,5s", "._s", "5 s s", 5 as unknown as string]) {
    const e = assertThrows(() => parseDuration(text), ConfigError);
    assertEquals(e.message, `'${text}' is not a duration: expected a number with a unit, such as 5s, 100ms or 2us`);
  }
});

Deno.test("times for people change their unit at a thousand", () => {
  const rows: [number, string][] = [[0, "0 ns"], [999, "999 ns"], [1000, "1.000 us"], [999_999, "999.999 us"], [1e6, "1.000 ms"]];
  for (
    const [ns, text] of [...rows, [999_999_000, "999.999 ms"], [1e9, "1.000 s"], [90.25e9, "90.250 s"], [1e15, "1000000.000 s"]] as const
  ) {
    assertEquals(formatNs(ns), text);
  }
});
