// PCI interrupt routing of the PIIX3.
import { assertEquals } from "@std/assert";
import { Wire } from "../../core/irq.ts";
import { PciBus, PciSlot } from "../../core/pci.ts";
import { Bus } from "../../core/bus.ts";
import { Piix3 } from "./piix3.ts";

Deno.test("piix3: PIRQs lead where their registers say, two may share an interrupt, bit 7 disconnects", () => {
  const config: Record<string, Uint8Array> = {}, edges: string[] = [], slot = new PciSlot(1, 0);
  const numbers = [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15];
  const piix = new Piix3(numbers.map((n) => new Wire((level) => edges.push(`${n}${level ? "+" : "-"}`))), slot);
  const bus = new PciBus({ mem: new Bus(), io: undefined, config: () => config, lines: [], route: () => 0 });
  bus.plug(slot, piix.pci);
  bus.reset();
  assertEquals([bus.read(1, 0, 0, 4), bus.read(1, 0, 4, 4), bus.read(1, 0, 0x60, 4)], [0x7000_8086, 0x0200_0000, 0x8080_8080]);
  piix.input("pirqa")!.set(true);
  assertEquals(edges, []);
  bus.write(1, 0, 0x60, 4, 0x0b0b_0a0a);
  assertEquals(edges.splice(0), ["10+"]);
  piix.input("pirqb")!.set(true);
  piix.input("pirqa")!.set(false);
  assertEquals(edges.splice(0), []);
  bus.write(1, 0, 0x61, 1, 0x05);
  assertEquals(edges.splice(0), ["5+", "10-"]);
  bus.write(1, 0, 0x61, 1, 0x85);
  assertEquals(edges, ["5-"]);
  assertEquals(piix.input("pirqe"), undefined);
});
