import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { silent } from "../../core/log.ts";
import type { MachineOptions } from "../machine.ts";
import { readX86Image } from "./image.ts";
import { machineFrom } from "../testing/machine_from.ts";

const TOML = `
schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "8MiB"
holes = ["640KiB..1MiB"]
[device.exit]
type = "isa-debug-exit"
io = 0xf4
`;

const machineOf = (kernel: Uint8Array, options: Partial<MachineOptions> = {}, initrd?: Uint8Array, toml = TOML) =>
  machineFrom(toml, { kernel, initrd: initrd ?? new Uint8Array() }, { ...(initrd ? { initrd: "initrd" } : {}), ...options });

/** A boot sector of these bytes. */
function sector(...code: number[]): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes.set(code);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

Deno.test("a boot sector that calls a BIOS where there is none is told of it, once", async () => {
  const lines: string[] = [], kernel = sector(0xb4, 0x0e, 0xcd, 0x10, 0xcd, 0x13);
  const log = { ...silent, line: (channel: string, who: string, text: string) => void lines.push(`${channel} ${who}: ${text}`) };
  (await machineFrom(TOML, { kernel }, {}, log)).run(20_000);
  const text =
    "advice cpu0: interrupt 0x10 has the vector 0000:0000, where no code is: the machine has no BIOS, since it has no memory for one";
  assertEquals(lines, [`${text} below 1 MiB (pc.toml has)`]);
});

/** A Multiboot kernel at 1 MiB that is loaded by the addresses of its header; its code follows the header. */
function multiboot(...code: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(32 + code.length)), at = 0x10_0000;
  for (const [i, w] of [0x1bad_b002, 0x1_0000, -(0x1bad_b002 + 0x1_0000), at, at, 0, 0, at + 32].entries()) view.setInt32(4 * i, w, true);
  new Uint8Array(view.buffer).set(code, 32);
  return new Uint8Array(view.buffer);
}

/** An ELF64 kernel with one segment at 2 MiB and a PVH note with the entry there. */
function pvh(): Uint8Array {
  const view = new DataView(new ArrayBuffer(0x200));
  for (const [at, v] of [[0, 0x464c_457f], [4, 0x0101_02], [16, 0x003e_0002], [20, 1], [52, 0x38_0040], [56, 2]]) {
    view.setUint32(at, v, true);
  }
  view.setBigUint64(24, 0xffff_ffff_8020_0000n, true);
  view.setBigUint64(32, 64n, true);
  const header = (at: number, type: number, values: bigint[]) => {
    view.setUint32(at, type, true);
    for (const [i, v] of values.entries()) view.setBigUint64(at + 8 + 8 * i, v, true);
  };
  header(64, 1, [0x100n, 0xffff_ffff_8020_0000n, 0x20_0000n, 2n, 0x1000n]);
  header(120, 4, [0x180n, 0n, 0n, 20n, 20n]);
  view.setUint8(0x100, 0xf4); // hlt
  for (const [at, v] of [[0x180, 4], [0x184, 4], [0x188, 18], [0x18c, 0x006e_6558], [0x190, 0x20_0000]]) view.setUint32(at, v, true);
  return new Uint8Array(view.buffer);
}

Deno.test("a boot sector starts at 0000:7c00 in real mode with the drive in DL", async () => {
  const m = await machineOf(sector(0xf4)), { cpus: [cpu] } = m; // hlt
  assertEquals(["rip", "cs", "rsp", "rdx", "cr0", "eflags"].map((r) => cpu.reg(r)), [0x7c00n, 0n, 0x7c00n, 0x80n, 0x6000_0010n, 2n]);
  assertEquals(cpu.disassemble(0x7c00n), { text: "hlt", length: 1 });
  m.run(100);
  assert(cpu.idle && m.idleForEver);
});

Deno.test("ports and memory that nothing is mapped at read as all ones; a debug exit stops at its instruction", async () => {
  const m = await machineOf(sector(
    ...[0xe5, 0x98], // in ax, 0x98
    ...[0x68, 0x00, 0xb8, 0x1f], // push 0xb800; pop ds
    ...[0xc6, 0x07, 0x12], // mov byte [bx], 0x12
    ...[0x8b, 0x0f], // mov cx, [bx]
    ...[0xb0, 0x2a, 0xe6, 0xf4], // mov al, 42; out 0xf4, al
    ...[0xb3, 0x01], // mov bl, 1
  ));
  assertEquals(m.run(100), { kind: "exit", code: 85 });
  assertEquals(["rax", "rcx", "rbx"].map((r) => m.cpus[0].reg(r)), [0xff2an, 0xffffn, 0n]);
});

Deno.test("a triple fault ends the run with its exception chain", async () => {
  // lidt [0x7c10], whose limit is 0; int3
  const m = await machineOf(sector(0x0f, 0x01, 0x1e, 0x10, 0x7c, 0xcc)), stop = m.run(1000);
  assert(stop?.kind === "tripleFault");
  assertEquals(stop.pc, 0x7c05n);
  for (
    const text of [
      "shut down (triple fault) in real mode",
      "#GP general protection",
      "#DF double fault",
      "IDT entry 8: beyond the limit 0x0",
    ]
  ) {
    assert(stop.report.includes(text), stop.report);
  }
  assertEquals(m.run(2000), stop);
});

Deno.test("Multiboot: 32-bit protected mode, the magic number, memory map, command line and module", async () => {
  const m = await machineOf(multiboot(0xf4), { append: "quiet x=1" }, new Uint8Array([1, 2, 3])), { cpus: [cpu], bus } = m;
  assertEquals(["rax", "rip", "cs", "ss"].map((r) => cpu.reg(r)), [0x2bad_b002n, 0x10_0020n, 0x10n, 0x18n]);
  assertEquals(cpu.reg("cr0") & 0x8000_0001n, 1n);
  const info = Number(cpu.reg("rbx")), word = (at: number) => bus.read(at, 4);
  assertEquals([word(info), word(info + 4), word(info + 8)], [0x24d, 639, 7 * 1024]);
  const text = (at: number) => new TextDecoder().decode(bus.readBytes(at, 32)).split("\0")[0];
  assertEquals([text(word(info + 16)), text(word(info + 64))], ["kernel quiet x=1", "bringup"]);
  const module = word(info + 24);
  assertEquals([word(info + 20), word(module) % 4096, word(module + 4) - word(module)], [1, 0, 3]);
  assertEquals([...bus.readBytes(word(module), 3)], [1, 2, 3]);
  const entries = Array.from({ length: word(info + 44) / 24 }, (_, i) => word(info + 48) + 24 * i);
  assertEquals(entries.map((e) => [word(e), word(e + 4), word(e + 12), word(e + 20)]), [
    [20, 0, 0x9_fc00, 1],
    [20, 0x9_fc00, 0x400, 2],
    [20, 0xf_0000, 0x1_0000, 2],
    [20, 0x10_0000, 0x70_0000, 1],
  ]);
});

Deno.test("PVH: the note's entry, and the start information in EBX", async () => {
  const m = await machineOf(pvh(), { append: "a b" }), { cpus: [cpu], bus } = m, info = Number(cpu.reg("rbx"));
  assertEquals([cpu.reg("rip"), bus.read(info, 4), bus.read(info + 4, 4), bus.read(info + 48, 4)], [0x20_0000n, 0x336e_c578, 1, 4]);
  assertEquals(new TextDecoder().decode(bus.readBytes(bus.read(info + 24, 4), 4)), "a b\0");
  m.run(10);
  assert(cpu.idle);
});

/** Words as bytes. */
function words(...values: number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values.map((v) => v | 0)).buffer);
}

/** A file that begins with a Multiboot2 header of these tags (type and flags, contents), padded to 512 bytes. */
function multiboot2(...tags: [type: number, flags: number, ...contents: number[]][]): Uint8Array {
  const list = [...tags, [0, 0] as const].flatMap(([type, flags, ...contents]) => [
    ...[type | flags << 16, 8 + 4 * contents.length, ...contents, ...(contents.length % 2 ? [0] : [])],
  ]);
  const length = 16 + 4 * list.length, file = new Uint8Array(512);
  file.set(words(0xe852_50d6, 0, length, -(0xe852_50d6 + length), ...list));
  return file;
}
const ADDRESSES = [2, 0, 0x20_0000, 0x20_0000, 0, 0x20_1000] as [number, number, ...number[]];

Deno.test("Multiboot2: loaded by addresses, entered where the entry tag says, told by tags", async () => {
  const m = await machineOf(
    multiboot2(ADDRESSES, [3, 0, 0x20_0100]),
    { append: "quiet x=1", initrd: "initrd first word" },
    new Uint8Array([9]),
  );
  const { cpus: [cpu], bus } = m, info = Number(cpu.reg("rbx")), word = (at: number) => bus.read(at, 4);
  assertEquals([cpu.reg("rax"), cpu.reg("rip")], [0x36d7_6289n, 0x20_0100n]);
  const tags = new Map<number, number>();
  let at = info + 8;
  for (; word(at) !== 0; at += Math.ceil(word(at + 4) / 8) * 8) tags.set(word(at), at + 8);
  assertEquals([...tags.keys()], [1, 2, 3, 4, 6]);
  assertEquals(word(info), at + 8 - info);
  const text = (at: number) => new TextDecoder().decode(bus.readBytes(at, 32)).split("\0")[0];
  assertEquals([text(tags.get(1)!), text(tags.get(3)! + 8)], ["quiet x=1", "first word"]);
  assert(
    /GRUB [1-9]/.test(text(tags.get(2)!)),
    "by which Xen knows that the command line begins with an argument, not with the image's name",
  );
  // Behind the kernel and its bss.
  assertEquals([word(tags.get(3)!), word(tags.get(3)! + 4), bus.read(0x20_1000, 1)], [0x20_1000, 0x20_1001, 9]);
  assertEquals([word(tags.get(4)!), word(tags.get(4)! + 4)], [639, 7 * 1024]);
});

Deno.test("Multiboot2: a relocatable kernel is moved when it lies outside its bounds, and is told where it is", async () => {
  const relocatable = [10, 0, 0x30_0000, 0xffff_ffff, 0x10_0000, 0] as [number, number, ...number[]];
  const m = await machineOf(multiboot2(ADDRESSES, [3, 0, 0x20_0100], relocatable)), { cpus: [cpu], bus } = m;
  assertEquals([cpu.reg("rip"), bus.read(0x30_0000, 4)], [0x30_0100n, 0xe852_50d6]);
  const tags = bus.readBytes(Number(cpu.reg("rbx")), 128), base = words(21, 12, 0x30_0000).join();
  assert(tags.join().includes(base));
});

Deno.test("Multiboot: several modules with their arguments; a header that wants a screen that the machine does not have", async () => {
  const image = new Uint8Array(64),
    header = [0x1bad_b002, 0x1_0004, -(0x1bad_b002 + 0x1_0004), 0x10_0000, 0x10_0000, 0, 0, 0x10_0030, 0, 640, 480, 32];
  image.set(words(...header));
  const m = await machineOf(image, { initrd: "initrd one,kernel" }, new Uint8Array([7])), { cpus: [cpu], bus } = m;
  const info = Number(cpu.reg("rbx")), word = (at: number) => bus.read(at, 4), modules = word(info + 24);
  const text = (at: number) => new TextDecoder().decode(bus.readBytes(at, 32)).split("\0")[0];
  assertEquals([word(info) & 0x1008, word(info + 20)], [0x8, 2]);
  assertEquals([word(modules), word(modules + 4), text(word(modules + 8))], [0x10_1000, 0x10_1001, "initrd one"]);
  assertEquals([word(modules + 16), word(modules + 20), text(word(modules + 24))], [0x10_2000, 0x10_2040, "kernel"]);
});

/** A bzImage whose code halts, with this version of the boot protocol. */
function linux(version: number, change: (view: DataView) => void = () => {}): Uint8Array {
  const view = new DataView(new ArrayBuffer(0x1000)), file = new Uint8Array(view.buffer);
  file[0x1f1] = 1;
  file[0x201] = 0x6a;
  file[0x211] = 1;
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, version, true);
  view.setUint32(0x214, 0x10_0000, true);
  view.setUint32(0x22c, 0x50_ffff, true);
  view.setUint16(0x236, 1, true);
  view.setUint32(0x238, 16, true);
  view.setUint32(0x258, 0x20_0000, true);
  view.setUint32(0x260, 0x10_0000, true);
  file.fill(0xf4, 0x400);
  change(view);
  return file;
}

for (const [protocol, entry, cr0] of [["linux", 0x10_0000n, 0x11n], ["linux64", 0x10_0200n, 0x8000_0011n]] as const) {
  Deno.test(`Linux by its boot protocol (${protocol}): entry state, boot parameters, memory map, initial RAM disk below its limit`, async () => {
    const set = { "boot.protocol": protocol }, m = await machineOf(linux(0x020f), { append: "a=b", set }, new Uint8Array([1, 2, 3]));
    const { cpus: [cpu], bus } = m, zero = Number(cpu.reg("rsi")), word = (at: number) => bus.read(zero + at, 4);
    assertEquals(["rip", "cs", "ds", "cr0", "rbp"].map((r) => cpu.reg(r)), [entry, 0x10n, 0x18n, cr0, 0n]);
    assertEquals([bus.read(zero + 0x210, 1), bus.read(zero + 0x211, 1), word(0x260)], [0xff, 1, 0x10_0000]);
    assertEquals(new TextDecoder().decode(bus.readBytes(word(0x228), 4)), "a=b\0");
    assertEquals([word(0x218), word(0x21c), [...bus.readBytes(word(0x218), 3)]], [0x50_f000, 3, [1, 2, 3]]);
    const map = Array.from({ length: bus.read(zero + 0x1e8, 1) }, (_, i) => [0, 8, 16].map((o) => word(0x2d0 + 20 * i + o)));
    assertEquals(map, [[0, 0x9_fc00, 1], [0x9_fc00, 0x400, 2], [0xf_0000, 0x1_0000, 2], [0x10_0000, 0x70_0000, 1]]);
    m.run(10);
    assert(cpu.idle);
  });
}

Deno.test("Linux in real mode: where the parts go, and what the header is told, by the version of the protocol", async () => {
  const noCode32 = (v: DataView) => v.setUint32(0x214, 0, true), low = (v: DataView) => v.setUint8(0x211, 0);
  const rows: [kernel: Uint8Array, segment: number, kernelAt: number, limit: number][] = [
    [linux(0x0200, low), 0x9000, 0x1_0000, 0x0080_0000],
    [linux(0x0201), 0x9000, 0x10_0000, 0x0080_0000],
    [linux(0x0205), 0x1000, 0x10_0000, 0x0051_0000],
    [linux(0x020f, noCode32), 0x1000, 0x10_0000, 0x0051_0000],
  ];
  const set = { "memory.bios.at": 0xe_0000, "memory.bios.size": "128KiB", "memory.bios.kind": "rom" };
  const refused = await machineOf(linux(0x0205)).then(() => "", (e) => e.message);
  assertEquals(refused, "kernel: an entry in real mode asks a BIOS, and the machine has no memory for one below 1 MiB");
  for (const [kernel, segment, kernelAt, limit] of rows) {
    const m = await machineOf(kernel, { append: "a=b", set }, new Uint8Array([1, 2, 3])), { cpus: [cpu], bus } = m, at = segment * 16;
    const version = new DataView(kernel.buffer).getUint16(0x206, true), word = (offset: number) => bus.read(at + offset, 4);
    assertEquals(["cs", "ds", "es", "fs", "gs", "ss"].map((r) => Number(cpu.reg(r))), [segment + 0x20, ...Array(5).fill(segment)]);
    assertEquals([cpu.pc, cpu.reg("cr0") & 1n, bus.read(kernelAt, 1)], [BigInt(at + 0x200), 0n, 0xf4]);
    const flags = (kernelAt < 0x10_0000 ? 0 : 1) | (version >= 0x0201 ? 0x80 : 0);
    assertEquals([bus.read(at + 0x210, 1), bus.read(at + 0x211, 1)], [0xff, flags]);
    const text = version < 0x0202 ? at + bus.read(at + 0x22, 2) : word(0x228);
    assertEquals(new TextDecoder().decode(bus.readBytes(text, 4)), "a=b\0");
    if (version < 0x0202) assertEquals(bus.read(at + 0x20, 2), 0xa33f);
    assertEquals([word(0x218) + 0x1000, word(0x21c), [...bus.readBytes(word(0x218), 3)]], [limit, 3, [1, 2, 3]]);
    assert(text >= at + 0x8000 && Number(cpu.reg("rsp")) <= 0x8000, "the stack is below the command line");
  }
});

Deno.test("a kernel and an initial RAM disk that do not fit are refused", async () => {
  const rows: [Uint8Array, Partial<MachineOptions>, number, string][] = [
    [linux(0x020f), { append: "x".repeat(17) }, 1, "kernel: the command line has 17 bytes; this kernel takes 16"],
    [
      linux(0x020f),
      {},
      0x30_0000,
      "m.toml:5: memory.ram: no room for 3145728 bytes beside the kernel: an initial RAM disk or module, or the machine's memory",
    ],
    [linux(0x020f, (v) => v.setUint32(0x260, 0x80_0000, true)), {}, 1, "kernel: it goes to 0x200000..0x9fffff, which is not in memory"],
  ];
  for (const [kernel, options, initrd, message] of rows) {
    let said = "";
    await machineOf(kernel, options, new Uint8Array(initrd)).catch((e) => said = e.message);
    assertEquals(said, message);
  }
});

Deno.test("files that are no x86 kernel are told so in one line", () => {
  const rows: [Uint8Array, string, string][] = [
    [new Uint8Array(), "auto", "k: the file is empty"],
    [
      new Uint8Array(600),
      "auto",
      "k: cannot tell how to boot it: a disk image, a Multiboot, Linux or PVH kernel is needed, this is none of them",
    ],
    [sector(0xf4), "multiboot1", "k: boot.protocol is 'multiboot1', but this is a disk image"],
    [pvh(), "multiboot1", "k: boot.protocol is 'multiboot1', but this is a PVH kernel"],
    [multiboot(0xf4).slice(0, 30), "auto", "k: truncated Multiboot header"],
    [multiboot2(ADDRESSES), "multiboot1", "k: boot.protocol is 'multiboot1', but this is a Multiboot2 kernel"],
    [multiboot2(ADDRESSES), "auto", "k: its Multiboot2 header has addresses, but no entry address"],
    [multiboot2(), "auto", "k: its Multiboot2 header has no addresses, and it is no ELF file"],
    [multiboot2([11, 0]), "auto", "k: its Multiboot2 header insists on tag 11, which is not known"],
    [multiboot2([1, 0, 6, 22]), "auto", "k: its Multiboot2 header insists on information of type 22, which is not known"],
    [multiboot2([2, 0, 0x20_0000, 0x10_0000, 0, 0], [3, 0, 0]), "auto", "k: the addresses in its Multiboot header do not fit the file"],
    [multiboot2(ADDRESSES).slice(0, 40), "auto", "k: truncated Multiboot2 header"],
    [multiboot2(ADDRESSES, [3, 0]), "auto", "k: its Multiboot2 header tag 3 has an impossible size of 8 bytes"],
    [linux(0x0205), "linux", "k: boot protocol 2.05 is too old for this entry: Linux 2.6.22 (2.06) or later has it, linux16 starts others"],
    [
      linux(0x020f, (v) => v.setUint8(0x211, 0)),
      "linux",
      'k: a zImage, which is loaded below 1 MiB: boot.protocol = "linux16" starts it',
    ],
    [
      linux(0x0205, (v) => v.setUint8(0x1f1, 64)),
      "auto",
      "k: damaged kernel: its setup has 33280 bytes of 4096; at most 32768 can be loaded",
    ],
    [linux(0x020f, (v) => v.setUint16(0x236, 0, true)), "linux64", "k: a kernel without a 64-bit entry"],
    [linux(0x020f).slice(0, 0x400), "linux", "k: truncated kernel: its code begins at byte 1024, the file has 1024"],
  ];
  /** The same with other words at places of the file; a Multiboot header's sum is put right. */
  const changed = (file: Uint8Array, ...words: [at: number, value: number][]): Uint8Array => {
    const copy = file.slice(), view = new DataView(copy.buffer);
    for (const [at, value] of words) view.setUint32(at, value, true);
    return copy;
  };
  const sum = (...words: number[]) => -words.reduce((a, b) => a + b, 0) >>> 0;
  const one = multiboot(0xf4), at1 = one.findIndex((_, i) => new DataView(one.buffer).getUint32(i, true) === 0x1bad_b002);
  const two = multiboot2(ADDRESSES), at2 = two.findIndex((_, i) => new DataView(two.buffer).getUint32(i, true) === 0xe852_50d6);
  const length = new DataView(two.buffer).getUint32(at2 + 8, true);
  rows.push(
    [
      changed(one, [at1 + 4, 0x1_8000], [at1 + 8, sum(0x1bad_b002, 0x1_8000)]),
      "auto",
      "k: its Multiboot header asks for features that are not known: flags 0x18000",
    ],
    [
      changed(one, [at1 + 4, 0], [at1 + 8, sum(0x1bad_b002)]),
      "auto",
      "k: its Multiboot header has no addresses, and it is no ELF file",
    ],
    [
      changed(two, [at2 + 4, 4], [at2 + 12, sum(0xe852_50d6, 4, length)]),
      "auto",
      "k: its Multiboot2 header is for architecture 4, not for x86",
    ],
    [changed(pvh(), [18, 0x1_00f3]), "auto", "k: built for RISC-V, but the machine's CPU is x86_64"],
    [pvh().slice(0, 60), "pvh", "k: boot.protocol is 'pvh', but this ELF file has neither a Multiboot header nor a PVH note"],
  );
  for (const [file, protocol, message] of rows) {
    const e = assertThrows(() => readX86Image(file, "k", protocol), ConfigError);
    assertEquals(e.message, message);
  }
});

Deno.test("a kernel outside memory is refused", async () => {
  const image = multiboot(0xf4);
  new DataView(image.buffer).setUint32(24, 0x90_0000, true); // bss_end_addr
  let message = "";
  await machineOf(image).catch((e) => message = e.message);
  assertEquals(message, "kernel: it goes to 0x100000..0x8fffff, which is not in memory");
});

/** The same machine with a built-in BIOS. */
const BIOS_TOML = `${TOML}[memory.bios]\n
at = 0xe0000
size = "128KiB"
kind = "rom"
[device.pci]
type = "pci.i440fx"
[device.pm]
type = "acpi.piix4"
pci = "pci:1.3"
irq = "pic:9"
[device.pic]
type = "i8259.pair"
io = [0x20, 0xa0, 0x4d0]
irq = "cpu0.intr"
`;

const HIGH_TOML = TOML.replace("at = 0", "at = 0x10_0000");

/** Bytes that are all `0xa5`, behind a header of either version that loads them at an address. */
function filled(version: 1 | 2, at: number, length: number): Uint8Array {
  const file = new Uint8Array(length).fill(0xa5);
  if (version === 1) file.set(words(0x1bad_b002, 0x1_0000, -(0x1bad_b002 + 0x1_0000), at, at, 0, 0, at));
  else file.set(multiboot2([2, 0, at, at, 0, 0], [3, 0, at]).subarray(0, 64));
  return file;
}

/** A Linux kernel with all bytes of its code 0xa5, which is loaded at an address. */
const filledLinux = (at: number, length: number): Uint8Array => {
  const header = linux(0x020f, (v) => [[0x214, at], [0x258, 0], [0x260, 0]].forEach(([o, value]) => v.setUint32(o, value, true)));
  const file = new Uint8Array(0x400 + length).fill(0xa5);
  file.set(header.subarray(0, 0x400));
  return file;
};

/** A PVH kernel whose only segment is this long, zeros behind its first two bytes, and goes to an address. */
function pvhAt(at: number, length: number): Uint8Array {
  const file = pvh(), view = new DataView(file.buffer);
  for (const [offset, value] of [[64 + 24, at], [64 + 40, length]]) view.setBigUint64(offset, BigInt(value), true);
  view.setUint32(0x190, at, true);
  return file;
}

/** By protocol: a kernel that is loaded at an address, and where its information says that the only module is. */
const KERNELS: Record<
  string,
  { file(at: number, length: number): Uint8Array; module(info: number, word: (at: number) => number): number }
> = {
  multiboot1: { file: (at, length) => filled(1, at, length), module: (info, word) => word(word(info + 24)) },
  multiboot2: {
    file: (at, length) => filled(2, at, length),
    module(info, word) {
      let tag = info + 8;
      while (word(tag) !== 3) tag += Math.ceil(word(tag + 4) / 8) * 8;
      return word(tag + 8);
    },
  },
  pvh: { file: pvhAt, module: (info, word) => word(word(info + 16)) },
  linux: { file: filledLinux, module: (info, word) => word(info + 0x218) },
  linux64: { file: filledLinux, module: (info, word) => word(info + 0x218) },
};

Deno.test("what a kernel is told is where neither the kernel nor a module is, nor what the BIOS keeps, wherever the kernel is", async () => {
  const module = new Uint8Array(0x2345).fill(0x5a), end = 0x7e_0000;
  const ats = [0x1000, 0x8000, 0x8fe0, 0x9000, 0xefe0, 0xf000, 0x1_0000, 0x1_5ff0, 0x2_0000, 0x10_0000, 0x7d_0000];
  const cases = ats.flatMap((at) => [0x1000, 0x8000, 0x7_0000].map((length) => ({ at, length }))).filter((c) => c.at + c.length <= end);
  for (const { at, length } of cases) {
    for (const [protocol, { file, module: moduleAt }] of Object.entries(KERNELS)) {
      const said = `${protocol} at ${at.toString(16)}, ${length.toString(16)} bytes`, kernel = file(at, length);
      const { cpus: [cpu], bus } = await machineOf(kernel, { set: { "boot.protocol": protocol } }, module, BIOS_TOML);
      const contents = (file: Uint8Array) => {
        if (protocol !== "pvh") return file.subarray(linux ? 0x400 : 0);
        const bytes = new Uint8Array(length);
        bytes.set(file.subarray(0x100, 0x102));
        return bytes;
      };
      const word = (at: number) => bus.read(at, 4), linux = protocol.startsWith("linux"), info = Number(cpu.reg(linux ? "rsi" : "rbx"));
      const gdt = Number(cpu.reg("gdtr_base")), loaded = moduleAt(info, word);
      assertEquals(bus.readBytes(at, length), contents(kernel), said);
      assertEquals(bus.readBytes(loaded, module.length), module, said);
      assertEquals([word(gdt + 0x18), word(gdt + 0x1c)], [0xffff, 0x00cf_9300], said);
      const told = linux ? 4096 : protocol === "multiboot2" ? word(info) : 120;
      // First what is not RAM, and what the BIOS keeps of it.
      const parts = [[0, 0x500], [0x9_fc00, 0x6_0400], [end, 2 ** 40], [at, length], [loaded, module.length], [info, told], [gdt, 0x20]];
      if (protocol === "linux64") parts.push([Number(cpu.reg("cr3")), 0x6000]);
      for (const [i, [a, n]] of parts.entries()) {
        for (const [b, m] of parts.slice(0, i)) assert(a + n <= b || b + m <= a, `${said}: 0x${a.toString(16)} is in 0x${b.toString(16)}`);
      }
    }
  }
});

Deno.test("headers of an ELF file in the page below 1 MiB are left out: the BIOS keeps it", async () => {
  const segment = (offset: number, at: number, length: number) => words(1, offset, at, at, length, length, 4, 0x1000);
  const file = new Uint8Array(0x110).fill(0xa5);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const table = [...words(0x3_0002, 1, 0x10_000c, 52, 0, 0, 0x20_0034, 2, 0)];
  file.set(table.slice(0, 36), 16);
  file.set([...segment(0, 0xf_f000, 52 + 64), ...segment(0x100, 0x10_0000, 16)], 52);
  file.set(words(0x1bad_b002, 0, -0x1bad_b002), 0x100);
  const { bus } = await machineOf(file, {}, undefined, BIOS_TOML);
  assertEquals([bus.read(0x10_0000, 4), bus.read(0xf_f000, 4) === 0x464c_457f], [0x1bad_b002, false]);
});

Deno.test("a kernel over what the BIOS keeps, and one that leaves no room for what it is told, are refused", async () => {
  const rows: [number, number, string, string?][] = [
    [0x9_0000, 0x1_0000, "kernel: it would overwrite 0x9fc00..0x9ffff, which the BIOS keeps"],
    [0xe_0000, 0x1_1000, "kernel: it would overwrite 0xf0000..0xfffff, which the BIOS keeps"],
    [0x70_0000, 0x10_0000, "kernel: it would overwrite 0x7e0000..0x7fffff, which the BIOS keeps"],
    [0x10_0000, 0x80_0000, "m.toml:5: memory.ram: no room below 4 GiB for 24608 bytes that tell the kernel about the machine", HIGH_TOML],
  ];
  for (const [at, length, message, toml] of rows) {
    let said = "";
    await machineOf(filled(1, at, length), {}, undefined, toml ?? BIOS_TOML).catch((e) => said = e.message);
    assertEquals(said, message);
  }
});
