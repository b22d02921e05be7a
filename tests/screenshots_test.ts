// Pictures of the screen against PNG files beside the script: what differs, by how much, where it is shown, and how they are written.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { ScreenPort } from "../src/core/device.ts";
import { ConfigError } from "../src/core/errors.ts";
import { expect, loadForScripts } from "../src/scenario/boot.ts";
import { compare, cut, decodePng, encodePng, type Picture } from "../src/scenario/expect/pictures.ts";
import type { ScreenshotOptions } from "../src/scenario/expect/types.ts";
import { ExpectationFailed } from "../src/scenario/failures.ts";
import type { SessionScreen } from "../src/scenario/peripherals.ts";
import { loadPeripherals, MachineSession } from "../src/scenario/session.ts";
import { FakeMachine } from "./fake_machine.ts";
import { Random } from "./fuzz/random.ts";

await loadPeripherals();
const folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
// The script: pictures are beside it.
Deno.writeTextFileSync(
  `${folder}/script.ts`,
  `export const look = (expect, screen, name, options, not) => (not ? expect(screen).not : expect(screen)).toMatchScreenshot(name, options);`,
);
type Look = (e: typeof expect, screen: SessionScreen, name: string, options?: ScreenshotOptions, not?: boolean) => Promise<void>;
const { look }: { look: Look } = await import(`file://${folder}/script.ts`);

const picture = (width: number, height: number, pixel: (x: number, y: number) => number[]): Picture => {
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) rgb.set(pixel(i % width, Math.floor(i / width)), 3 * i);
  return { width, height, rgb };
};
const there = (name: string) => {
  try {
    return Deno.statSync(`${folder}/__screenshots__/${name}`).isFile;
  } catch {
    return false;
  }
};

Deno.test("a picture is compared with its golden: missing, written, equal, different, in a part, by a tolerance, of another size", async () => {
  let image = picture(20, 10, (x, y) => [x, y, 100]);
  const port: ScreenPort = { text: () => undefined, image: () => image, onChange: undefined };
  class WithScreen extends FakeMachine {
    readonly screen = port;
  }
  const m = new MachineSession(new WithScreen([{ sleep: 3600e9 }]));
  await loadForScripts(m);
  const fails = async (part: string, options?: ScreenshotOptions, not = false) => {
    const e = await assertRejects(() => look(expect, m.screen, "a.png", options, not), ExpectationFailed);
    assertStringIncludes(e.message, part);
    return e.message;
  };
  await fails("there is no such picture");
  assertEquals(there("a.png"), false);
  Deno.env.set("BRINGUP_UPDATE_SNAPSHOTS", "1");
  try {
    await look(expect, m.screen, "a.png");
  } finally {
    Deno.env.delete("BRINGUP_UPDATE_SNAPSHOTS");
  }
  await look(expect, m.screen, "a.png");
  await fails("Expected the screen not to match a.png\n  it does\n", {}, true);

  image = picture(20, 10, (x, y) => x === 3 && y === 2 ? [x + 9, y, 100] : y === 5 && x < 4 ? [x, y, 102] : [x, y, 100]);
  const message = await fails("5 of 200 pixels differ, a colour by 9 at most, the first at 3,2\n");
  assertStringIncludes(message, `what is shown: ${folder}/__screenshots__/a.actual.png`);
  const [actual, diff] = await Promise.all(["actual", "diff"].map((n) => {
    const path = `${folder}/__screenshots__/a.${n}.png`;
    return decodePng(Deno.readFileSync(path), path);
  }));
  assertEquals(actual, image);
  const red = Array.from(
    { length: 200 },
    (_, i) => diff.rgb[3 * i] === 255 && diff.rgb[3 * i + 1] === 0 ? [i % 20, Math.floor(i / 20)] : [],
  ).filter((p) => p.length);
  assertEquals(red, [[3, 2], [0, 5], [1, 5], [2, 5], [3, 5]]);
  await look(expect, m.screen, "a.png", {}, true);
  await fails("1 of 200 pixels differ", { tolerance: 2 });
  await look(expect, m.screen, "a.png", { tolerance: 2, pixels: 1 });
  await look(expect, m.screen, "a.png", { tolerance: 9 });
  // What satisfies it takes the pictures of the failure away.
  assertEquals([there("a.actual.png"), there("a.diff.png"), there("a.png")], [false, false, true]);
  await fails("it has 8x2 pixels, the picture 20x10", { region: { x: 0, y: 0, width: 8, height: 2 } });
  image = picture(20, 10, (x, y) => [x, y, 100]);
  for (
    const [name, options, problem] of [
      ["../a.png", {}, `a name such as "boot.png" is expected`],
      ["a.jpg", {}, "a name such as"],
      ["a.png", { tolerance: 256 }, "`tolerance` must be a whole number"],
      ["a.png", { pixels: -1 }, "`pixels` must be"],
      ["a.png", { region: { x: 15, y: 0, width: 8, height: 2 } }, "the region 8x2 at 15,0 is not in a picture of 20x10"],
      ["a.png", { thresold: 1 }, "unknown option 'thresold'"],
    ] as [string, ScreenshotOptions, string][]
  ) await assertRejects(() => look(expect, m.screen, name, options), ConfigError, problem);
  Deno.writeTextFileSync(`${folder}/__screenshots__/bad.png`, "no picture");
  await assertRejects(() => look(expect, m.screen, "bad.png"), ConfigError, "__screenshots__/bad.png: it is no PNG picture");

  // The guest runs until it is so.
  const before = image;
  image = picture(20, 10, () => [0, 0, 0]);
  const timed: ScreenPort = { ...port, image: () => m.machine.age >= 25_000_000 ? before : image };
  Object.assign(m.screen, { port: timed });
  await look(expect, m.screen, "a.png", { within: "1s" });
  assertEquals(m.machine.age, 30_000_000);
  await assertRejects(() => look(expect, m.screen, "a.png", { within: "15ms" }, true), ExpectationFailed, "not to match");
  assertEquals(m.machine.age, 45_000_000);
});

Deno.test("pictures: a part of one is what it was, equal ones never differ, one pixel always does; PNG keeps them", async () => {
  const random = new Random(3);
  for (let round = 0; round < 40; round++) {
    const p = picture(1 + random.below(20), 1 + random.below(20), () => [random.below(256), random.below(256), random.below(256)]);
    assertEquals(await decodePng(await encodePng(p), "p"), p);
    assertEquals(compare(p, p, 0).pixels, 0);
    const x = random.below(p.width), y = random.below(p.height), changed = { ...p, rgb: p.rgb.slice() }, off = 1 + random.below(40);
    const i = 3 * (y * p.width + x) + random.below(3);
    changed.rgb[i] += changed.rgb[i] > 127 ? -off : off;
    const { pixels, most, first } = compare(changed, p, off - 1);
    assertEquals([pixels, most, first, compare(changed, p, off).pixels], [1, off, { x, y }, 0]);
    const part = cut(p, { x, y, width: p.width - x, height: p.height - y });
    assertEquals(part.rgb.subarray(0, 3), p.rgb.subarray(3 * (y * p.width + x), 3 * (y * p.width + x) + 3));
    assertEquals(part.rgb.length, 3 * part.width * part.height);
    assert(part.width < p.width || x === 0);
  }
});
