// Every x86 guest must print and show what it does on QEMU, cell by cell, and end with its status. Images that are not in the repository are built by
// `deno task guests --only x86`; without that their tests are left out.

import { assertEquals } from "@std/assert";
import { boot } from "../../mod.ts";
import type { I8042 } from "../../src/devices/pc/i8042.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { normalise } from "./guests.ts";
import { screenText, X86_GUESTS, type X86Guest } from "./x86.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Debian's package `seabios`. */
const SEABIOS = "/usr/share/seabios/bios-256k.bin";

async function runs(guest: X86Guest, firmware = "builtin"): Promise<void> {
  const { module, append } = guest, initrd = module && `${ROOT}tests/guests/asm/${module.file} ${module.text}`.trim();
  await using m = await boot(`${ROOT}machines/pc.toml`, {
    ...{ kernel: ROOT + guest.image, append, budget: { guest: "20s" }, set: { firmware, harts: guest.harts } },
    ...(initrd ? { initrd } : {}),
  });
  for (const { after, text, mouse = [] } of guest.typed) {
    await m.serial.toPrint(after);
    if (text) await m.keyboard.type(text);
    for (const movement of mouse) {
      ((m.machine as Machine).device("kbd") as I8042).mouse.move(movement);
      await m.run({ for: "1ms" });
    }
  }
  const stop = await m.stopped();
  const expected = (suffix: string) => Deno.readTextFile(`${ROOT}tests/guests/expected/${guest.name}.${suffix}`);
  assertEquals(normalise(m.serial.text()), await expected("txt"));
  assertEquals(stop.kind === "exit" ? stop.code : stop.kind, guest.exit === "triple" ? "tripleFault" : guest.exit);
  if (guest.screen) assertEquals(screenText(m.screen.port.text()!.cells), await expected("screen"));
}

for (const guest of X86_GUESTS) {
  Deno.test({ name: `${guest.name} does what it does on QEMU`, ignore: !exists(ROOT + guest.image), fn: () => runs(guest) });
}

if (!exists(SEABIOS)) console.log(`guests under SeaBIOS: skipped, there is no ${SEABIOS}`);
for (const guest of X86_GUESTS) {
  const ignore = !exists(SEABIOS) || !exists(ROOT + guest.image);
  Deno.test({ name: `${guest.name} does the same under SeaBIOS`, ignore, fn: () => runs(guest, SEABIOS) });
}

Deno.test("a Multiboot2 kernel draws on the screen that it asked for", async () => {
  await using m = await boot(`${ROOT}machines/pc.toml`, {
    kernel: `${ROOT}tests/guests/bin/x86_framebuffer.elf`,
    budget: { guest: "20s" },
  });
  await m.stopped();
  const { width, height, rgb } = m.screen.port.image(),
    pixel = (x: number, y: number) => [...rgb.subarray(3 * (y * width + x)).subarray(0, 3)];
  assertEquals([width, height], [800, 600]);
  assertEquals([pixel(0, 0), pixel(265, 599), pixel(266, 300), pixel(797, 599)], [[255, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]);
});

Deno.test("a script types into the shell and sees its colours", async () => {
  await using m = await boot(`${ROOT}machines/pc.toml`, { kernel: `${ROOT}tests/guests/bin/x86_shell.img`, budget: { guest: "20s" } });
  await m.screen.toShow("> ", { fg: "lightgreen", bg: "black", row: -1 });
  await m.keyboard.type("warn Careful\n");
  await m.screen.toShow("Careful", { fg: "yellow", bg: "red" });
  await m.keyboard.type("what?\n");
  await m.screen.toShow("unknown command: what?", { fg: "lightred", bg: "black" });
  await m.keyboard.type("EXIT\b\b\b\bexit\n");
  assertEquals((await m.stopped()).kind, "exit");
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
