// Replays register accesses whose answers were recorded from QEMU 7.2 (see scripts/dev/compare_devices_with_qemu.ts).
import { assertEquals } from "@std/assert";
import type { Size } from "../core/bus.ts";
import { type BoardName, BOARDS } from "./testing/boards.ts";

const recorded = Deno.readTextFileSync(new URL("testing/qemu_registers.txt", import.meta.url));

for (const part of recorded.split("# ").slice(1)) {
  const [title, ...lines] = part.trimEnd().split("\n");
  const [family, name] = title.split(" ");
  Deno.test(`${family} answers as QEMU's, register by register`, () => {
    const board = BOARDS[name as BoardName]();
    let reads = 0;
    for (const [i, line] of lines.entries()) {
      const [kind, size, ...rest] = line.split(" ");
      const [address, value, mask] = rest.map((n) => parseInt(n, 16));
      if (kind === "W") board.write(address, Number(size) as Size, value);
      else {
        const ours = board.read(address, Number(size) as Size);
        assertEquals((ours & mask) >>> 0, (value & mask) >>> 0, `access ${i}: ${line}`);
        reads++;
      }
    }
    assertEquals(reads > 100, true);
  });
}
