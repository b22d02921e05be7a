// Device tree, kernel, firmware and initial RAM disk at each other's edges: nothing overwrites anything, or the machine says so.
import { assert, assertEquals } from "@std/assert";
import type { Machine } from "../machine.ts";
import { machineFrom, RISCV_BOARD } from "../testing/machine_from.ts";

const RAM = 0x8000_0000, MIB = 2 ** 20;

interface Case {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly firmware?: Uint8Array;
  readonly toml?: string;
  readonly set?: Record<string, unknown>;
  readonly more?: Record<string, Uint8Array>;
}

const machineOf = ({ kernel, initrd, firmware, toml = RISCV_BOARD, set = {}, more = {} }: Case): Promise<Machine> =>
  machineFrom(
    toml,
    { kernel, "rom.bin": ROM, ...more, ...(initrd && { initrd }), ...(firmware && { "fw.bin": firmware }) },
    { ...(initrd && { initrd: "initrd" }), set: { ...(firmware && { "firmware.sbi": "fw.bin" }), ...set } },
  );

const filled = (byte: number, length: number) => new Uint8Array(length).fill(byte);
const ROM = filled(0x77, 0x100);

/** An ELF file of one segment that goes to an address and is entered `entry` bytes behind it. */
function elf(at: number, length: number, entry = 0): Uint8Array {
  const file = filled(0xa5, 0x1000 + length),
    view = new DataView(file.buffer),
    set64 = (o: number, v: number) => view.setBigUint64(o, BigInt(v), true);
  file.fill(0, 0, 0x1000);
  for (const [o, v] of [[0, 0x464c_457f], [4, 0x0101_02], [16, 0x00f3_0002], [20, 1], [52, 0x38_0040], [56, 1]]) view.setUint32(o, v, true);
  set64(24, at + entry);
  set64(32, 64);
  view.setUint32(64, 1, true);
  view.setUint32(68, 7, true);
  for (const [i, v] of [0x1000, at, at, length, length, 0x1000].entries()) set64(72 + 8 * i, v);
  return file;
}

/** Where the device tree says that the initial RAM disk is. */
function initrdOf(tree: Uint8Array): number {
  const view = new DataView(tree.buffer, tree.byteOffset),
    strings = view.getUint32(12),
    names = new TextDecoder().decode(tree.subarray(strings));
  const name = names.indexOf("linux,initrd-start");
  for (let at = view.getUint32(8); at < strings; at += 4) {
    if (view.getUint32(at) === 3 && view.getUint32(at + 4) === 8 && view.getUint32(at + 8) === name) {
      return Number(view.getBigUint64(at + 12));
    }
  }
  throw new Error("no initial RAM disk");
}

/** Base and length of the device tree that hart 0 gets: from its reset code or in a1. */
function treeOf(m: Machine): { at: number; bytes: Uint8Array } {
  m.run(8);
  const at = Number(m.cpus[0].reg("a1")), length = new DataView(m.bus.readBytes(at, 8).buffer).getUint32(4);
  return { at, bytes: m.bus.readBytes(at, length) };
}

const END = RAM + 8 * MIB;
/** Kernels and initial RAM disks by their first byte and length: at both ends of RAM, across each other's usual places. */
const IMAGES: [number, number][] = [
  [RAM + 2 * MIB, 0x1000],
  [RAM + 2 * MIB, 4 * MIB],
  [RAM + 2 * MIB, 5.5 * MIB],
  [RAM + 0x1000, 7.5 * MIB],
  [RAM + 6 * MIB, 0x1000],
  [END - 0x1000, 0x1000],
  [END - 3 * MIB, 3 * MIB],
  [RAM + 4 * MIB - 0x800, 2 * MIB + 0x1000],
];

Deno.test("nothing is where something else is: device tree, kernel, initial RAM disk, firmware, reset code", async () => {
  for (const [at, length] of IMAGES) {
    for (const initrd of [0, 1, 0x1000, 0x7_f000, 1.4 * MIB]) {
      for (const firmware of at < RAM + 2 * MIB ? [0] : [0, 0x2_0000]) {
        for (const reset of [0x1000, END - 0x100]) {
          const said = `kernel at ${at.toString(16)}, ${length} bytes, ${initrd} of RAM disk, ${firmware} of firmware, reset ${
            reset.toString(16)
          }`;
          if (length + initrd > 7.5 * MIB || reset > at && reset < at + length) continue;
          const disk = filled(0x5a, initrd), code = filled(0x13, firmware);
          // What runs first of either is "j ." and 0x13s.
          const kernel = elf(at, length), jump = [0x6f, 0, 0, 0];
          kernel.set(jump, 0x1000);
          code.set(jump.slice(0, firmware));
          const m = await machineOf({
            kernel,
            ...(initrd && { initrd: disk }),
            ...(firmware && { firmware: code }),
            set: { "cpu.reset": reset },
          });
          const tree = treeOf(m),
            parts: [string, number, number][] = [["kernel", at, length], ["tree", tree.at, tree.bytes.length], ["reset", reset, 0x60]];
          if (initrd) parts.push(["initrd", initrdOf(tree.bytes), initrd]);
          if (firmware) parts.push(["firmware", RAM, firmware]);
          for (const [i, [name, a, n]] of parts.entries()) {
            if (a !== 0x1000) assert(a >= RAM && a + n <= END, `${said}: ${name} is at ${a.toString(16)}`);
            for (const [other, b, o] of parts.slice(0, i)) assert(a + n <= b || b + o <= a, `${said}: ${name} is in ${other}`);
          }
          assertEquals(m.bus.readBytes(at, length), kernel.subarray(0x1000), said);
          if (initrd) assertEquals(m.bus.readBytes(initrdOf(tree.bytes), initrd), disk, said);
          if (firmware) assertEquals(m.bus.readBytes(RAM, firmware), code, said);
          assertEquals(tree.bytes.subarray(0, 4), Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed), said);
        }
      }
    }
  }
});

Deno.test("what has no place is refused", async () => {
  const rows: [Case, string][] = [
    [{ kernel: elf(RAM, 8 * MIB) }, "m.toml:6: memory.ram: no room for the device tree of"],
    [
      { kernel: elf(RAM + 2 * MIB, 0x1000), initrd: filled(1, 7 * MIB) },
      "m.toml:6: memory.ram: no room for the initial RAM disk of 7340032 bytes beside the images: 8 MiB of RAM",
    ],
    [
      { kernel: elf(RAM + 0x1000, 0x1000), firmware: filled(0x13, 0x1001) },
      "kernel: it goes to 0x80001000..0x80001fff, where 'fw.bin' is",
    ],
  ];
  for (const [c, message] of rows) {
    let said = "";
    await machineOf(c).catch((e) => said = e.message);
    assertEquals(said.slice(0, message.length), message);
  }
});

Deno.test("code at the reset address that is an image's or a ROM's own is not overwritten", async () => {
  const inside = elf(RAM, 0x1000, 0x10), m = await machineOf({ kernel: inside, set: { "cpu.reset": RAM, "firmware.sbi": "none" } });
  assertEquals([m.cpus[0].pc, m.bus.readBytes(RAM, 0x1000)], [BigInt(RAM + 0x10), inside.subarray(0x1000)]);
  const rom = await machineOf({ kernel: elf(RAM, 0x1000), toml: RISCV_BOARD + `file = "rom.bin"\n`, set: { "firmware.sbi": "none" } });
  // It runs itself.
  assertEquals([rom.cpus[0].pc, rom.bus.readBytes(0x1000, 0x100)], [0x1000n, ROM]);
});

Deno.test("boot.dtb is what the kernel gets, with the command line in it", async () => {
  const kernel = elf(RAM, 0x1000),
    own = treeOf(await machineOf({ kernel, set: { name: "mine" } })).bytes,
    text = (b: Uint8Array) => new TextDecoder("latin1").decode(b);
  const m = await machineOf({ kernel, toml: `${RISCV_BOARD}[boot]\ndtb = "own.dtb"\ncmdline = "quiet"\n`, more: { "own.dtb": own } });
  assert(text(treeOf(m).bytes).includes("mine") && text(treeOf(m).bytes).includes("quiet"));
});
