// What kernels are told, read back field by field as their specifications have it: Multiboot 0.6.96 (3.3), Multiboot2 2.0 (3.6), PVH, Linux's zero page; and
// the sections of an ELF file, which both versions of Multiboot hand over.
import { assert, assertEquals } from "@std/assert";
import type { Machine, MachineOptions } from "../machine.ts";
import { elfFile, put, SECTION, sizeOf, type Values } from "../testing/elf_file.ts";
import { machineFrom } from "../testing/machine_from.ts";

const MIB = 2 ** 20;
const PC = `schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "16MiB"
holes = ["640KiB..1MiB"]
`;
/** With a BIOS, its tables and a screen. */
const FULL = `${PC}[memory.bios]
at = 0xe0000
size = "128KiB"
kind = "rom"
[device.pci]
type = "pci.i440fx"
[device.vga]
type = "vga"
pci = "pci:2.0"
[device.pm]
type = "acpi.piix4"
pci = "pci:1.3"
irq = "pic:9"
[device.pic]
type = "i8259.pair"
io = [0x20, 0xa0, 0x4d0]
irq = "cpu0.intr"
`;
const words = (...values: number[]) => new Uint8Array(Int32Array.from(values.map((v) => v | 0)).buffer);

const start = (
  kernel: Uint8Array,
  options: Partial<MachineOptions> = {},
  toml = PC,
  more: Record<string, Uint8Array> = {},
): Promise<Machine> => machineFrom(toml, { kernel, ...more }, options);
const word = (m: Machine, at: number) => m.bus.read(at, 4);
const long = (m: Machine, at: number) => word(m, at) + 2 ** 32 * word(m, at + 4);
const text = (m: Machine, at: number) => {
  let out = "";
  for (let c; (c = m.bus.read(at++, 1)) !== 0;) out += String.fromCharCode(c);
  return out;
};
/** Where memory is on both machines: Intel's E820, as the BIOS tells it. */
const mapOf = (full: boolean): [base: number, length: number, type: number][] => [
  [0, 0x9_fc00, 1],
  [0x9_fc00, 0x400, 2],
  [0xf_0000, 0x1_0000, 2],
  ...(full ? [[MIB, 0xfe_0000 - MIB, 1], [0xfe_0000, 0x2_0000, 2]] : [[MIB, 15 * MIB, 1]]) as [number, number, number][],
];
const rsdpOf = (m: Machine) => {
  for (let at = 0xe_0000; at < MIB; at += 16) if (text(m, at).startsWith("RSD PTR ")) return at;
  return undefined;
};

/** An ELF file at 2 MiB with sections: one in memory, one without bytes, symbols and their strings, and what has no type. */
function withSections(bits: 32 | 64, header: Uint8Array): { file: Uint8Array; sections: Values[]; shoff: number } {
  const shoff = 0x600, at = 0x20_0000, size = 0x100;
  const sections: Values[] = [
    { type: 0, offset: 0x500, size: 16 },
    { name: 1, type: 1, flags: 6, addr: at, offset: 0x200, size: 0x80, align: 16 },
    { name: 7, type: 8, flags: 3, addr: at + 0x100, offset: 0x280, size: 0x40 },
    { name: 9, type: 2, offset: 0x300, size: 0x55, link: 4, info: 3, entsize: 24 },
    { name: 20, type: 3, offset: 0x400, size: 0x31 },
    { name: 21, type: 3, offset: 0x440, size: 0 },
  ];
  const file = elfFile({
    ...{ bits, header: { machine: bits === 64 ? 62 : 3, entry: at + 4, shstrndx: 4 }, phoff: 0x80, sections, shoff, length: 0x900 },
    programs: [{ type: 1, offset: 0x200, vaddr: at, paddr: at, filesz: size, memsz: 2 * size }],
  });
  file.set(header, 0x200);
  return { file, sections, shoff };
}

/** Holds the headers that a kernel was given against those of the file: the same, with an address for what was in none. */
function checkSections(m: Machine, bits: 32 | 64, { file, sections, shoff }: ReturnType<typeof withSections>, told: Uint8Array): void {
  const size = sizeOf(SECTION, bits), view = new DataView(told.buffer, told.byteOffset);
  const places: [number, number][] = [[0x20_0000, 0x200]];
  assertEquals(told.length, sections.length * size);
  sections.forEach((s, i) => {
    const at = bits === 64 ? Number(view.getBigUint64(i * size + 16, true)) : view.getUint32(i * size + 12, true);
    const own = new Uint8Array(size), loaded = Number(s.type) !== 0 && !s.addr && Number(s.size) > 0;
    put(own, 0, SECTION, bits, { ...s, addr: loaded ? at : s.addr ?? 0 });
    assertEquals(told.subarray(i * size, i * size + size), own, `section ${i}`);
    if (!loaded) return;
    const [from, length] = [Number(s.offset), Number(s.size)];
    assertEquals(m.bus.readBytes(at, length), file.slice(from, from + length), `section ${i}'s bytes`);
    for (const [a, n] of places) assert(at + length <= a || a + n <= at, "nothing is over it");
    places.push([at, length]);
  });
  assertEquals([places.length, shoff], [3, 0x600]);
}

const FLAGS1 = 0x4;
const header1 = (flags: number, ...video: number[]) => words(0x1bad_b002, flags, -(0x1bad_b002 + flags), 0, 0, 0, 0, 0, ...video);

Deno.test("Multiboot: every field of the information, of 32-bit and 64-bit files, with and without a BIOS and a screen", async () => {
  for (
    const [bits, full, video] of [[32, false, []], [64, true, [0, 640, 480, 32]], [32, true, [1, 80, 25, 0]], [
      64,
      true,
      undefined,
    ]] as const
  ) {
    const elf = withSections(bits, video ? header1(FLAGS1, ...video) : header1(0)), what = `${bits} ${full} ${video}`;
    const modules = { one: new Uint8Array(5000).fill(1), two: new Uint8Array(3).fill(2) };
    const m = await start(elf.file, { append: "a=b c", initrd: "one x y,two" }, full ? FULL : PC, modules), [cpu] = m.cpus;
    const info = Number(cpu.reg("rbx")), at = (o: number) => word(m, info + o), shown = full && video !== undefined;
    assertEquals([cpu.reg("rax"), cpu.pc], [0x2bad_b002n, 0x20_0004n]);
    // Memory, command line, modules, sections, map, loader's name; the screen's.
    assertEquals(at(0), 0x1 | 0x4 | 0x8 | 0x20 | 0x40 | 0x200 | (shown ? 0x1000 : 0), what);
    assertEquals([at(4), at(8)], [639, full ? 15 * 1024 - 128 : 15 * 1024]);
    assertEquals([text(m, at(16)), text(m, at(64))], ["kernel a=b c", "bringup"]);
    assertEquals([at(20), at(28), at(32), at(40)], [2, elf.sections.length, sizeOf(SECTION, bits), 4]);
    checkSections(m, bits, elf, m.bus.readBytes(at(36), elf.sections.length * sizeOf(SECTION, bits)));
    for (const [i, [name, bytes]] of ([["one x y", modules.one], ["two", modules.two]] as const).entries()) {
      const entry = at(24) + 16 * i, from = word(m, entry);
      assertEquals([from % 4096, word(m, entry + 4) - from, text(m, word(m, entry + 8)), word(m, entry + 12)], [0, bytes.length, name, 0]);
      assertEquals(m.bus.readBytes(from, bytes.length), bytes);
    }
    const map = mapOf(full);
    assertEquals(at(44), 24 * map.length);
    assertEquals(
      map.map((_, i) => at(48) + 24 * i).map((e) => [word(m, e), long(m, e + 4), long(m, e + 12), word(m, e + 20)]),
      map.map((e) => [20, ...e]),
    );
    // What there is none of is 0: boot device, drives, ROM configuration, APM, VBE.
    for (const o of [12, 52, 56, 60, 68, 72, 76, 80, 84]) assertEquals(at(o), 0, `${what} ${o}`);
    const screen = m.bus.readBytes(info + 88, 32), view = new DataView(screen.buffer);
    if (!shown) assertEquals(screen, new Uint8Array(32));
    else if (video[0] === 1) {
      assertEquals([long(m, info + 88), at(96), at(100), at(104), screen[20], screen[21]], [0xb_8000, 160, 80, 25, 16, 2]);
    } else {
      assertEquals([at(100), at(104), screen[20], screen[21], at(96)], [640, 480, 32, 1, 2560]);
      assertEquals([...screen.subarray(22, 28)], [16, 8, 8, 8, 0, 8]);
      assertEquals(view.getUint32(4), 0);
      assert(at(88) >= 0xe000_0000 && at(88) % MIB === 0, `${at(88).toString(16)}`);
    }
  }
});

Deno.test("Multiboot2: every tag, its size, its place at a multiple of 8, and the end", async () => {
  const tag = (type: number, ...contents: number[]) => [type, 8 + 4 * contents.length, ...contents, ...(contents.length % 2 ? [0] : [])];
  const header = (...tags: number[][]) => {
    const list = [...tags.flat(), ...tag(0)], length = 16 + 4 * list.length;
    return words(0xe852_50d6, 0, length, -(0xe852_50d6 + length), ...list);
  };
  for (const [bits, full, tags] of [[32, false, []], [64, true, [tag(5, 800, 600, 24)]], [64, true, []]] as const) {
    const elf = withSections(bits, header(...tags)), initrd = new Uint8Array(9).fill(3);
    const m = await start(elf.file, { append: "q", initrd: "one first second,one" }, full ? FULL : PC, { one: initrd }), [cpu] = m.cpus;
    const info = Number(cpu.reg("rbx")), total = word(m, info), found: [type: number, at: number, size: number][] = [];
    assertEquals([cpu.reg("rax"), cpu.pc, info % 8, word(m, info + 4)], [0x36d7_6289n, 0x20_0004n, 0, 0]);
    let at = info + 8;
    for (let type = -1; type !== 0; at += Math.ceil(word(m, at + 4) / 8) * 8) {
      type = word(m, at);
      found.push([type, at, word(m, at + 4)]);
      assert(at < info + total, "it ends in time");
    }
    assertEquals(at - info, total);
    assertEquals(found.map(([type]) => type), [1, 2, 9, 3, 3, 4, 6, ...(full ? [8, 14, 15] : []), 0]);
    const of = (type: number, n = 0) => found.filter(([t]) => t === type)[n];
    assertEquals([text(m, of(1)[1] + 8), of(1)[2], of(0)[2]], ["q", 8 + 2, 8]);
    assertEquals([text(m, of(2)[1] + 8), of(2)[2]], ["bringup (as GRUB 2)", 8 + 20]);
    const [, sections] = of(9), size = sizeOf(SECTION, bits);
    assertEquals([of(9)[2], word(m, sections + 8), word(m, sections + 12), word(m, sections + 16)], [20 + 6 * size, 6, size, 4]);
    checkSections(m, bits, elf, m.bus.readBytes(sections + 20, 6 * size));
    for (const [n, line] of ["first second", ""].entries()) {
      const [, module, length] = of(3, n), from = word(m, module + 8);
      assertEquals([text(m, module + 16), length, word(m, module + 12) - from], [line, 16 + line.length + 1, 9]);
      assertEquals(m.bus.readBytes(from, 9), initrd);
    }
    assertEquals([of(4)[2], word(m, of(4)[1] + 8), word(m, of(4)[1] + 12)], [16, 639, full ? 15 * 1024 - 128 : 15 * 1024]);
    const map = mapOf(full), [, entries, length] = of(6);
    assertEquals([length, word(m, entries + 8), word(m, entries + 12)], [16 + 24 * map.length, 24, 0]);
    const entry = (e: number) => [long(m, e), long(m, e + 8), word(m, e + 16), word(m, e + 20)];
    assertEquals(map.map((_, i) => entry(entries + 16 + 24 * i)), map.map((e) => [...e, 0]));
    if (!full) continue;
    const screen = of(8), fields = m.bus.readBytes(screen[1] + 8, screen[2] - 8);
    const shape = [
      word(m, screen[1] + 16),
      word(m, screen[1] + 20),
      word(m, screen[1] + 24),
      fields[20],
      fields[21],
      fields[22],
      fields[23],
    ];
    if (tags.length) {
      assertEquals([screen[2], ...shape], [8 + 30, 2400, 800, 600, 24, 1, 0, 0]);
      assertEquals([...fields.subarray(24)], [16, 8, 8, 8, 0, 8]);
    } else assertEquals([screen[2], long(m, screen[1] + 8), ...shape], [8 + 24, 0xb_8000, 160, 80, 25, 16, 2, 0, 0]);
    const rsdp = rsdpOf(m)!;
    assertEquals([m.bus.readBytes(of(14)[1] + 8, 20), of(14)[2]], [m.bus.readBytes(rsdp, 20), 28]);
    assertEquals([m.bus.readBytes(of(15)[1] + 8, 36), of(15)[2]], [m.bus.readBytes(rsdp, 36), 44]);
  }
});

/** A kernel of either width whose note has an entry of 4 or 8 bytes; other notes stand in front of it. */
function pvh(bits: 32 | 64, descSize: 4 | 8, entry: number): Uint8Array {
  const note = (name: string, type: number, desc: Uint8Array): number[] => {
    const bytes = new TextEncoder().encode(`${name}\0`), padded = (b: Uint8Array) => [...b, ...new Uint8Array(-b.length & 3)];
    return [...words(bytes.length, desc.length, type), ...padded(bytes), ...padded(desc)];
  };
  const desc = descSize === 4 ? words(entry) : words(entry, 0);
  const notes = [...note("GNU", 18, words(1, 2, 3)), ...note("Xen", 5, Uint8Array.of(1, 2, 3)), ...note("Xen", 18, desc)];
  const file = elfFile({
    ...{ bits, header: { machine: bits === 64 ? 62 : 3, entry: 0xbad, shnum: 0 }, phoff: 0x60, length: 0x400 },
    programs: [{ type: 4, offset: 0x200, filesz: notes.length, memsz: notes.length }, {
      type: 1,
      offset: 0x300,
      paddr: 0x30_0000,
      vaddr: 0,
      filesz: 16,
      memsz: 16,
    }],
  });
  file.set(notes, 0x200);
  return file;
}

Deno.test("PVH: the note's entry in every width, and each field of the start information", async () => {
  for (const [bits, descSize, full] of [[32, 4, false], [64, 8, true], [64, 4, true], [32, 8, false]] as const) {
    const initrd = new Uint8Array(4097).fill(7), given = full;
    const m = await start(pvh(bits, descSize, 0x30_0008), { append: "x y", ...(given && { initrd: "disk" }) }, full ? FULL : PC, {
      disk: initrd,
    });
    const [cpu] = m.cpus, info = Number(cpu.reg("rbx")), at = (o: number) => word(m, info + o), map = mapOf(full);
    assertEquals([cpu.pc, cpu.reg("rax")], [0x30_0008n, 0n]);
    assertEquals([at(0), at(4), at(8), at(12)], [0x336e_c578, 1, 0, given ? 1 : 0]);
    assertEquals([text(m, long(m, info + 24)), long(m, info + 32), at(48), at(52)], ["x y", full ? rsdpOf(m)! : 0, map.length, 0]);
    const entries = long(m, info + 40), entry = (e: number) => [long(m, e), long(m, e + 8), word(m, e + 16), word(m, e + 20)];
    assertEquals(map.map((_, i) => entry(entries + 24 * i)), map.map((e) => [...e, 0]));
    const list = long(m, info + 16);
    if (!given) assertEquals(list, 0);
    else {
      // The module: where it is, how long, no command line.
      const from = long(m, list);
      assertEquals([from % 4096, long(m, list + 8), long(m, list + 16), long(m, list + 24)], [0, 4097, 0, 0]);
      assertEquals(m.bus.readBytes(from, 4097), initrd);
      // As high as it can be.
      assertEquals(from, 0xfe_0000 - 0x2000);
    }
  }
});

Deno.test("Linux: the boot parameters hold the header, and what the loader fills in; the 64-bit entry has 4 GiB mapped to itself", async () => {
  const header = new Uint8Array(0x1000).fill(0xf4), view = new DataView(header.buffer);
  header.fill(0, 0, 0x1f1);
  for (let i = 0x1f1; i < 0x290; i++) header[i] = i * 3;
  header.fill(0, 0x290, 0x400);
  for (const [at, v] of [[0x1f1, 1], [0x201, 0x6a], [0x211, 1]]) header[at] = v;
  for (const [at, v] of [[0x1fe, 0xaa55], [0x206, 0x020f], [0x236, 1]]) view.setUint16(at, v, true);
  for (const [at, v] of [[0x202, 0x5372_6448], [0x214, MIB], [0x22c, 0x7f_ffff], [0x238, 10], [0x260, 0]]) view.setUint32(at, v, true);
  const disk = new Uint8Array(0x1234).fill(9);
  for (const [protocol, full] of [["linux64", true], ["linux", false]] as const) {
    const set = { "boot.protocol": protocol },
      m = await start(header, { append: "0123456789", initrd: "disk", set }, full ? FULL : PC, { disk });
    const [cpu] = m.cpus, zero = Number(cpu.reg("rsi")), page = m.bus.readBytes(zero, 4096), told = new DataView(page.buffer);
    const wanted = new Uint8Array(4096), want = new DataView(wanted.buffer), map = mapOf(full);
    // The header ends where its jump leads (202h + 6Ah).
    wanted.set(header.subarray(0x1f1, 0x26c), 0x1f1);
    for (const [at, v] of [[0x210, 0xff], [0x1e8, map.length]]) want.setUint8(at, v);
    want.setUint16(0x1fa, 0xffff, true);
    const from = 0x80_0000 - 0x2000;
    for (const [at, v] of [[0x218, from], [0x21c, disk.length], [0x228, told.getUint32(0x228, true)]]) want.setUint32(at, v, true);
    if (full) {
      want.setUint32(0x70, rsdpOf(m)!, true);
      // screen_info: mode 3, 80 columns, 25 lines, a VGA, characters of 16 lines, 3 in ega_bx.
      for (const [at, v] of [[0x06, 3], [0x07, 80], [0x0a, 3], [0x0e, 25], [0x0f, 1], [0x10, 16]]) want.setUint8(at, v);
    }
    map.forEach(([base, length, type], i) => {
      want.setUint32(0x2d0 + 20 * i, base, true),
        want.setUint32(0x2d0 + 20 * i + 8, length, true),
        want.setUint32(0x2d0 + 20 * i + 16, type, true);
    });
    assertEquals(page, wanted);
    assertEquals([text(m, told.getUint32(0x228, true)), m.bus.readBytes(from, disk.length)], ["0123456789", disk]);
    const registers = ["rip", "rbp", "rdi", "rbx", "cs", "ds", "es", "ss", "fs", "gs"].map((r) => Number(cpu.reg(r)));
    assertEquals(registers, [protocol === "linux64" ? MIB + 0x200 : MIB, 0, 0, 0, 0x10, 0x18, 0x18, 0x18, 0x18, 0x18]);
    assertEquals([cpu.reg("cr0"), cpu.reg("cr4"), cpu.reg("efer")], full ? [0x8000_0011n, 0x20n, 0x500n] : [0x11n, 0n, 0n]);
    const gdt = Number(cpu.reg("gdtr_base")), code = full ? 0x00af_9b00 : 0x00cf_9b00;
    assertEquals([Number(cpu.reg("gdtr_limit")), [0x10, 0x14, 0x18, 0x1c].map((o) => word(m, gdt + o))], [0x1f, [
      0xffff,
      code,
      0xffff,
      0x00cf_9300,
    ]]);
    if (full) { for (let at = 0; at < 2 ** 32; at += 0x1f_f000) assertEquals(cpu.translate(BigInt(at), "write"), at); }
    if (full) assertEquals(cpu.translate(2n ** 32n, "read"), undefined);
  }
});
