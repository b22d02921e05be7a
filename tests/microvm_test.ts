// Kernels on machines/microvm.toml, where there is no BIOS and no screen, print what they print on QEMU's PC.
import { assertEquals } from "@std/assert";
import { boot } from "../mod.ts";
import { normalise } from "./guests/guests.ts";
import { X86_GUESTS } from "./guests/x86.ts";

const ROOT = new URL("../", import.meta.url).pathname;

for (const name of ["x86_multiboot", "x86_long", "x86_elf64", "x86_pvh"]) {
  Deno.test(`${name} runs on a machine without BIOS and screen`, async () => {
    const { image, append } = X86_GUESTS.find((g) => g.name === name)!;
    await using m = await boot(`${ROOT}machines/microvm.toml`, { kernel: ROOT + image, append, budget: { guest: "1s" } });
    assertEquals(await m.stopped(), { kind: "exit", code: 33, pass: true });
    assertEquals(normalise(m.serial.text()), await Deno.readTextFile(`${ROOT}tests/guests/expected/${name}.txt`));
    assertEquals(m.hasScreen, false);
  });
}
