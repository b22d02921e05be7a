import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { silent } from "../core/log.ts";
import { createMachine, type Host, loadGraph, type MachineOptions } from "./machine.ts";
import { readX86Image } from "./x86_image.ts";

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

async function machineOf(kernel: Uint8Array, options: Partial<MachineOptions> = {}, initrd?: Uint8Array) {
  const all: MachineOptions = { file: "m.toml", kernel: "kernel", ...(initrd ? { initrd: "initrd" } : {}), ...options };
  const files: Record<string, Uint8Array> = { "m.toml": new TextEncoder().encode(TOML), kernel, initrd: initrd ?? new Uint8Array() };
  const host: Host = { readFile: (path) => files[path], log: silent };
  return createMachine(all, host, await loadGraph(all, host));
}

/** A boot sector of these bytes. */
function sector(...code: number[]): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes.set(code);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

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
  ];
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
