// Timelines: what is in them, that they are bounded and change nothing, and that the page is one file in which hostile output stays text.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { boot, expect } from "../mod.ts";
import { Collector, Lane, Printout, type Timeline, timelineAgain } from "../src/scenario/timeline.ts";
import { timelinePage } from "../src/scenario/timeline_page.ts";
import { runHere } from "./cli.ts";

const scratch = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const lane = ({ lanes }: Timeline, name: string) => lanes.find((l) => l.name === name)?.spots ?? [];
const texts = (timeline: Timeline, name: string) => lane(timeline, name).map(([, , , text]) => text);
/** What a page has embedded. */
const dataOf = (page: string) => JSON.parse(/<script type="application\/json" id="data">(.*)<\/script>/.exec(page)![1]);

Deno.test("what is kept is bounded, in order, and nothing is lost of how often", () => {
  const lane = new Lane("x");
  for (let i = 0; i < 100_000; i++) lane.add(i, `event ${i}`);
  assert(lane.spots.length <= 2000 && lane.spots.length > 900);
  assertEquals(lane.spots.reduce((n, [, , count]) => n + count, 0), 100_000);
  assertEquals(lane.spots[0].slice(0, 1), [0]);
  for (const [i, [from, to, count, text]] of lane.spots.entries()) {
    assertEquals([from + count - 1, text], [to, `event ${from}`]);
    if (i > 0) assertEquals(lane.spots[i - 1][1] + 1, from);
  }
  const printout = new Printout("x", 10);
  for (const [i, byte] of new TextEncoder().encode("é\nab").entries()) printout.add(i === 4 ? 100 : i, byte);
  assertEquals(printout.pieces, [[1, "é\n"], [3, "a"], [100, "b"]]);
  for (let i = 0; i < 700_000; i++) printout.add(200 + i, i % 70 ? 97 : 10);
  const kept = printout.pieces.reduce((n, [, text]) => n + text.length, 0);
  assert(kept <= 1 << 19 && kept > 1 << 18);
  assertEquals(kept + printout.dropped, 4 + 700_000);
});

Deno.test("a PC: keys, interrupts, modes, the screen with its colours and the script's steps; the guest sees no difference", async () => {
  const digests: string[] = [];
  for (const look of [false, true]) {
    await using m = await boot("pc", { kernel: "tests/guests/bin/x86_shell.img" });
    const collector = look ? await Collector.attach(m) : undefined;
    await expect(m.screen).toShow("> ", { row: -1 });
    await m.step("warn", async () => {
      await m.keyboard.type("warn A\n", { pace: "1ms" });
      await expect(m.screen).toShow("A", { fg: "yellow" });
    });
    await m.run({ for: "2ms" });
    digests.push(`${m.machine.digest()} ${m.machine.age}`);
    if (!collector) continue;
    for (const timeline of [collector.timeline(), await timelineAgain(m)]) {
      assertEquals([timeline.end, timeline.notes], [m.machine.age, []]);
      assertEquals(lane(timeline, "to keyboard").length, m.inputs.length);
      assert(texts(timeline, "interrupts").some((text) => text.startsWith("cpu0: CPL 0  interrupt 0x21")));
      assert(
        texts(timeline, "modes").some((text) => /^cpu0: efer = 0x/.test(text)) &&
          texts(timeline, "modes").some((text) => /^cpu0: cr0 = 0x/.test(text)),
      );
      assertEquals(timeline.consoles[0].pieces.map(([, text]) => text).join(""), m.serial.text());
      const [, rows] = timeline.frames.at(-1)!, at = rows.findLastIndex(([text]) => text.trimEnd() === "A");
      assertEquals(rows[at][1][0], [1, 0x4e]);
      assertEquals(timeline.steps.map((s) => [s.name, s.depth, s.failed]), [
        ['the screen to show "> " (row -1)', 0, false],
        ["warn", 0, false],
        ['the keyboard to be read ("warn A\\n")', 1, false],
        ['the screen to show "A" (fg yellow)', 1, false],
        ["2ms of guest time to pass", 0, false],
      ]);
    }
  }
  assertEquals(digests[0], digests[1]);
});

Deno.test("RISC-V: calls, address spaces and privileges; the page of a run by the command line", async () => {
  const file = `${scratch}/run.html`, args = ["virt", "tests/guests/bin/user.rv64.elf"];
  const plain = await runHere(args),
    ran = await runHere([...args, "--timeline", file]),
    page = Deno.readTextFileSync(file),
    data = dataOf(page);
  assertEquals(ran, plain);
  assert(texts(data, "exceptions").some((text) => text.startsWith("cpu0: U -> S  environment call from U-mode")));
  assert(texts(data, "modes").includes("cpu0: U -> S") && texts(data, "modes").some((text) => text.startsWith("cpu0: satp = 0x8")));
  assertEquals(data.consoles[0].pieces.map(([, text]: [number, string]) => text).join(""), ran.stdout);
  assertStringIncludes(page, "<h1>virt tests/guests/bin/user.rv64.elf</h1>");
  assertMatch(
    (await runHere([...args, "--timeline", `${scratch}/no/x.html`])).stderr,
    /^bringup: .*no\/x\.html: --timeline: cannot be written: /,
  );
});

Deno.test("a page is one file, whatever the guest prints, and nothing of that is markup", () => {
  const evil = `</script><script>alert(1)</script><!--<script>"'&]]>\u2028\u2029<img src=x onerror=alert(1)>\x1b[31m\0`;
  const timeline: Timeline = {
    hz: 1e9,
    end: 10,
    lanes: [{ name: evil, spots: [[1, 2, 3, evil]] }],
    consoles: [{ name: evil, dropped: 1, pieces: [[0, evil]] }],
    frames: [[1, [[evil, [[1, 7]]]]]],
    steps: [{ from: 0, to: 1, depth: 0, name: evil, failed: true }],
    notes: [evil],
  };
  const page = timelinePage(timeline, { title: evil, verdict: evil, failed: true, facts: [[evil, evil]], report: evil, png: "AAAA" });
  const { colours: _, ...data } = dataOf(page);
  assertEquals(data, timeline);
  assertEquals([page.match(/<script/g)!.length, page.match(/<\/script>/g)!.length, page.match(/<!--|<img src=x/g)], [2, 2, null]);
  assertEquals(page.match(/(?:src|href)="[^"]*"|url\(|@import|https?:|fetch\(|innerHTML|document\.write/g), [
    'src="data:image/png;base64,AAAA"',
  ]);
  assertStringIncludes(page, `content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"`);
  // What runs in browsers is a text here: at least it is a program.
  new Function(/<script>\n"use strict";([^]*)<\/script>/.exec(page)![1]);
});
