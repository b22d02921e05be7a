// Every guest of the table must print what it prints on QEMU (or what its row says instead) and end with its status: with the built-in SBI (or no firmware), and under Debian's
// OpenSBI where that is installed.

import { assertEquals } from "@std/assert";
import { boot } from "../../mod.ts";
import { type Guest, GUESTS, normalise } from "./guests.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/";
/** The last line of OpenSBI's banner. */
const BANNER_END = /Boot HART MEDELEG[^\n]*\n/;

async function runs(guest: Guest, harts: number, firmware?: string): Promise<void> {
  await using m = await boot(ROOT + guest.machine, {
    kernel: ROOT + guest.image,
    append: guest.append,
    set: {
      "cpu.harts": harts,
      ...(firmware === undefined ? {} : { "firmware.sbi": firmware }),
    },
    budget: { guest: "20s" },
  });
  for (const { after, send } of guest.input) {
    await m.serial.toPrint(after);
    await m.serial.send(send);
  }
  const stop = await m.stopped();
  const text = m.serial.text();
  const below = firmware === undefined ? text : text.slice(text.search(BANNER_END)).replace(BANNER_END, "");
  assertEquals(normalise(below), await Deno.readTextFile(`${ROOT}tests/guests/expected/${guest.name}.txt`));
  assertEquals([stop.kind, "code" in stop && stop.code], ["exit", firmware === undefined ? guest.exit : guest.exitOpensbi]);
}

for (const guest of GUESTS.filter(({ name }) => !name.startsWith("bench"))) {
  for (const harts of guest.harts) {
    Deno.test(`${guest.name} with ${harts} harts prints what ${guest.notQemu ? "the specification says" : "it prints on QEMU"}`, () =>
      runs(guest, harts));
    if (guest.mode === "M" || guest.arch !== "riscv64") continue;
    for (const name of ["fw_jump.bin", "fw_dynamic.bin"]) {
      Deno.test({
        name: `${guest.name} with ${harts} harts under OpenSBI ${name}`,
        ignore: !exists(OPENSBI + name),
        fn: () => runs(guest, harts, OPENSBI + name),
      });
    }
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
