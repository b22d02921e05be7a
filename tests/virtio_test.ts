// Virtio devices in machines: which slot an image or a device gets, what an empty one costs and says, and what is in the device tree.
import { assertEquals } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import { EmptySlot } from "../src/devices/virtio_mmio.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** `j .` */
const KERNEL = Uint8Array.from([0x6f, 0, 0, 0]);
const SLOT = 0x1000_1000, SLOTS = 8;

async function virt(options: Partial<MachineOptions> = {}, files: Record<string, Uint8Array> = {}): Promise<Machine> {
  const host = {
    readFile: (path: string) => path === "kernel" ? KERNEL : files[path.split("/").pop()!] ?? Deno.readFileSync(path),
    log: silent,
  };
  const all = {
    file: `${ROOT}machines/virt.toml`,
    kernel: "kernel",
    ...options,
    set: { memory: "4MiB", "firmware.sbi": "none", ...options.set },
  };
  return createMachine(all, host, await loadGraph(all, host));
}
/** A register of each slot. */
const slots = (m: Machine, register: number) => Array.from({ length: SLOTS }, (_, n) => m.bus.read(SLOT + 0x1000 * n + register, 4));
/** Sectors of the disks, by slot. */
const sectors = (m: Machine) => slots(m, 0x100).map((n, i) => m.bus.read(SLOT + 0x1000 * i + 8, 4) ? n : -1);
const image = (count: number) => new Uint8Array(512 * count);

Deno.test("slots of virt: empty ones are QEMU's, images go into the first ones, or into those that are named", async () => {
  const none = await virt();
  assertEquals([slots(none, 0)[7], slots(none, 4)[0], slots(none, 0xc)[3]], [0x7472_6976, 1, 0x554d_4551]);
  assertEquals([slots(none, 8), slots(none, 0x34)], [Array(SLOTS).fill(0), Array(SLOTS).fill(0)]);
  none.bus.write(SLOT + 0x70, 4, 15);
  assertEquals([slots(none, 0x70)[0], none.device("virtio[0]") instanceof EmptySlot], [0, true]);
  const files = { "a.img": image(10), "b.img": image(20), "odd.txt": new Uint8Array(700), "c.iso": new Uint8Array(0x9000) };
  files["c.iso"].set(new TextEncoder().encode("CD001"), 0x8001);
  assertEquals(sectors(await virt({ disks: ["a.img", "b.img"] }, files)), [10, 20, -1, -1, -1, -1, -1, -1]);
  // What a drive for CDs, or none but whole sectors, would take elsewhere.
  assertEquals(sectors(await virt({ disks: ["c.iso", "odd.txt"] }, files)), [72, 2, -1, -1, -1, -1, -1, -1]);
  const named = await virt(
    { disks: ["a.img"], set: { "device.virtio[0].type": "virtio.blk", "device.virtio[7].disk.file": "/b.img" } },
    files,
  );
  assertEquals(sectors(named), [10, -1, -1, -1, -1, -1, -1, 20]);
  const full = await virt({ disks: Array(9).fill("a.img") }, files).catch((e) => e);
  assertEquals([full instanceof ConfigError, full.message], [true, "a.img: --disk: no free drive for a hard disk"]);
});

Deno.test("what belongs to a slot stays with whatever is put there: interrupt and interface", async () => {
  const set = { "device.virtio.force_legacy": false, "device.virtio[2].type": "virtio.blk" };
  const m = await virt({ set }), edges = m.graph.edges.filter((e) => "device" in e.from && e.from.device.startsWith("virtio"));
  assertEquals(edges.map((e) => "device" in e.to && e.to.input), ["1", "2", "3", "4", "5", "6", "7", "8"]);
  assertEquals(slots(m, 4), Array(SLOTS).fill(2));
  assertEquals(m.graph.devices.find((d) => d.id === "virtio[2]")!.windows, [{
    bus: "mem",
    name: "regs",
    base: 0x1000_3000,
    length: 0x1000,
  }]);
});
