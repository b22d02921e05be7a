import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { ConfigError } from "../core/errors.ts";
import type { Screen } from "../scenario/screen.ts";
import type { MachineSession } from "../scenario/session.ts";
import { CannotWrite } from "./output.ts";
import { checkScreen, openScreenshot } from "./screenshot.ts";

const scratch = Deno.makeTempDirSync({ prefix: "bringup-screenshot-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

Deno.test("a screen can be asked for where there is one, and shown on a terminal of ours", async () => {
  const NO_SCREEN = "this machine has no screen",
    PIPE = "standard input and output are no terminal",
    THEIRS = "the terminal belongs to another job";
  const rows: readonly [
    hasScreen: boolean,
    display: boolean,
    stdin: boolean,
    stdout: boolean,
    ours: boolean,
    problem: string | undefined,
  ][] = [
    [false, false, true, true, true, `--screenshot: ${NO_SCREEN}`],
    [false, true, true, true, true, `--display: ${NO_SCREEN}`],
    [true, false, false, false, false, undefined],
    [true, true, true, true, true, undefined],
    [true, true, false, true, true, `--display terminal: ${PIPE}`],
    [true, true, true, false, true, `--display terminal: ${PIPE}`],
    [true, true, true, true, false, `--display terminal: ${THEIRS}`],
  ];
  for (const [hasScreen, display, stdin, stdout, ours, problem] of rows) {
    await withChanged([
      [Deno.stdin, { isTerminal: () => stdin }],
      [Deno.stdout, { isTerminal: () => stdout }],
      [Deno, { readTextFileSync: () => `1 (x) S 2 5 6 7 ${ours ? 5 : 6} 9` }],
    ], () => {
      const check = () => checkScreen({ hasScreen }, { display });
      if (problem === undefined) check();
      else assertEquals(assertThrows(check, ConfigError, problem).message, problem);
    });
  }
});

const session = (bytes: number[]) =>
  ({ screen: { png: () => Promise.resolve(Uint8Array.from(bytes)) } as unknown as Screen }) as unknown as MachineSession;

Deno.test("a picture takes the place of what is in its file, when there is one", async () => {
  const path = `${scratch}/s.png`;
  Deno.writeTextFileSync(path, "what was there before");
  const save = openScreenshot(path);
  assertEquals(Deno.readTextFileSync(path), "what was there before", "it stays until then");
  await save(session([1, 2, 3]));
  assertEquals([...Deno.readFileSync(path)], [1, 2, 3]);
  await openScreenshot(`${scratch}/new.png`)(session([4]));
  assertEquals([...Deno.readFileSync(`${scratch}/new.png`)], [4]);
  // A device is not cut short.
  await openScreenshot("/dev/null")(session([5]));
});

Deno.test("a file that cannot be written is told of before anything runs; one that takes no more, at the end", async () => {
  const e = assertThrows(() => openScreenshot(scratch), ConfigError);
  assertEquals(e.message, `${scratch}: --screenshot: cannot be written: Is a directory`);
  const full = await assertRejects(() => openScreenshot("/dev/full")(session([1])), CannotWrite);
  assertEquals(full.message, "/dev/full: --screenshot: cannot be written: No space left on device");
});
