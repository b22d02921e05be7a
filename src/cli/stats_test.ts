import { assertEquals, assertMatch } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { FakeMachine } from "../../tests/fake_machine.ts";
import type { MachineLike } from "../scenario/machine_like.ts";
import { statistics } from "./stats.ts";

const rows = (text: string) => text.trimEnd().split("\n").map((l) => /^bringup: (.{24})(.*)$/.exec(l)!.slice(1).map((c) => c.trimEnd()));

Deno.test("counters in a fixed order, what has no label behind them, side exits with their places, and the digest last", async () => {
  const machine = new FakeMachine([{ spin: 2000 }]);
  machine.run(1500);
  const counted = Object.create(machine, {
    stats: { value: { oddity: 7, ticks: 1500, compileMs: 1.25, instructions: 3_000_000_000 } },
    sideExits: {
      value: {
        causes: new Map([["device", 5], ["fault", 2]]),
        top: (n: number) => [{ pc: 0x8000_0004n, cause: "device", count: n }, { pc: 0x7000_0000n, cause: "fault", count: 2 }],
      },
    },
  }) as MachineLike;
  const status = { readTextFileSync: () => "Name: x\nVmHWM:\t  4321 kB\n" };
  const found = await withChanged([[Deno, status]], () => rows(statistics(counted, 2000)));
  assertEquals(found, [
    ["guest time", "1.500 us"],
    ["wall time", "2.000 s"],
    ["MIPS", "1500.0"],
    ["instructions", "3000000000"],
    ["ticks", "1500"],
    ["  time (ms)", "1.3"],
    ["oddity", "7"],
    ["  by device", "5"],
    ["  by fault", "2"],
    ["  at", "10 device, 0x80000004 a0+0x4: nop"],
    ["  at", "2 fault, 0x70000000: nop"],
    ["peak memory (KiB)", "4321"],
    ["digest", "1500:1500"],
  ]);
  const unmapped = Object.create(counted, { cpus: { value: [{ disassemble: () => undefined }] } }) as MachineLike;
  assertMatch(statistics(unmapped, 1), /10 device, 0x80000004 a0\+0x4\n/, "a page that is gone has no text");
  const without = await withChanged([[Deno, {
    readTextFileSync: () => {
      throw new Error("no such file");
    },
  }]], () => statistics(machine, 1000));
  assertEquals(rows(without).map(([name]) => name), ["guest time", "wall time", "MIPS", "instructions", "digest"]);
  assertMatch(without, /^bringup: guest time {14}1\.500 us\n/);
});
