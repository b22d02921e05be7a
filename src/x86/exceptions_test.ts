import { assertEquals } from "@std/assert";
import { combine, EventLog, EXCEPTION, EXTERNAL, hasErrorCode, SOFTWARE, XCPT } from "./exceptions.ts";

Deno.test("two exceptions: SDM table 6-5", () => {
  const { DE, DB, UD, DF, TS, NP, SS, GP, PF, AC } = XCPT,
    rows: [number, number, number][] = [
      [UD, GP, GP], // a benign one first: the second is delivered
      [DB, PF, PF],
      [GP, UD, UD],
      [GP, PF, PF], // a contributory one, then a page fault
      [DE, NP, DF],
      [TS, GP, DF],
      [PF, PF, DF],
      [PF, SS, DF],
      [PF, UD, UD],
      [PF, AC, AC],
      [DF, NP, -1],
      [DF, PF, -1],
      [DF, UD, UD],
    ];
  for (const [first, second, expected] of rows) assertEquals(combine(first, second), expected, `${first}, then ${second}`);
});

Deno.test("exceptions with an error code", () => {
  const with_ = Array.from({ length: 32 }, (_, v) => v).filter(hasErrorCode);
  assertEquals(with_, [8, 10, 11, 12, 13, 14, 17]);
});

Deno.test("the log keeps the last sixteen events", () => {
  const log = new EventLog();
  for (let i = 0; i < 20; i++) log.record(i, i % 2 ? EXTERNAL : SOFTWARE, 3, -1, i, -1, 0, 0, 100 + i);
  log.record(XCPT.PF, EXCEPTION, 0, 2, 0x1000, -1, 0x2000, 7, 200);
  const events = log.last();
  assertEquals([log.count, events.length, events[0].vector], [21, 16, 5]);
  assertEquals(events[15], {
    vector: 14,
    kind: EXCEPTION,
    pc: 0xffff_ffff_0000_1000n,
    errorCode: 2,
    address: 0x7_0000_2000n,
    cpl: 0,
    at: 200,
    times: 1,
  });
});
