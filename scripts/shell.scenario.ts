// A shell on a PC: keys go in as scan codes, and what the screen shows is asserted with its colours.
// Run: deno run -A mod.ts test scripts/shell.scenario.ts
import { assertEquals } from "@std/assert";
import { expect, scenario } from "bringup";

export default scenario({
  name: "a shell takes keys and answers in colour",
  machine: "machines/pc.toml",
  kernel: "tests/guests/bin/x86_shell.img",
  budget: { guest: "5s" },
}, async (m) => {
  await expect(m.screen).toShow("> ", { fg: "lightgreen", bg: "black", row: -1 });
  await m.keyboard.type("warn Careful\n");
  await expect(m.screen).toShow("Careful", { fg: "yellow", bg: "red" });
  await m.keyboard.type("what?\n");
  await expect(m.screen).toShow("unknown command: what?", { fg: "lightred", bg: "black" });

  // Corrected with the backspace key, and with Shift held down.
  await m.keyboard.type("echoo\b");
  await m.keyboard.press("space");
  await m.keyboard.press("shift+b");
  await m.keyboard.type("ye\n");
  await expect(m.screen).toShow(/^Bye/m, { row: -2 });
  await m.keyboard.type("exit\n");
  assertEquals(await m.stopped(), { kind: "exit", code: 33, pass: true });
});
