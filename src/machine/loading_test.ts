// Images at the edges of memory, on machines of both architectures: what is loaded, what is refused, and that what an image calls zero is zero.
import { assertEquals } from "@std/assert";
import type { Machine } from "./machine.ts";
import { elfFile } from "./testing/elf_file.ts";
import { machineFrom, RISCV_BOARD } from "./testing/machine_from.ts";

const MIB = 2 ** 20;
const RISCV = RISCV_BOARD.replace('size = "8MiB"', 'size = "8MiB"\nfill = "random"');
const RV32 = RISCV.replace("riscv64", "riscv32").replace("rv64gc", "rv32gc");
const PC = `schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "8MiB"
fill = "random"
holes = ["640KiB..1MiB"]
`;

const load = (toml: string, kernel: Uint8Array, set: Record<string, unknown> = {}): Promise<Machine> =>
  machineFrom(toml, { kernel }, { set });

/** Where the contents do not matter: memory is ready sooner. */
const ZERO = { "memory.ram.fill": "zero" };

interface Part {
  readonly at: number | bigint;
  readonly bytes: number;
  readonly size: number | bigint;
}
/** An ELF file whose segments are full of 1, 2, 3... On x86 it has a Multiboot header in front of its first segment's bytes. */
function elf(bits: 32 | 64, parts: readonly Part[], entry: number | bigint, machine = 243): Uint8Array {
  const programs = parts.map(({ at, bytes, size }, i) => ({
    type: 1,
    offset: 0x1000 * (i + 1),
    paddr: at,
    vaddr: at,
    filesz: bytes,
    memsz: size,
  }));
  const file = elfFile({ bits, header: { entry, machine }, programs, phoff: 64, length: 0x1000 * (parts.length + 1) });
  parts.forEach(({ bytes }, i) => file.fill(i + 1, 0x1000 * (i + 1), 0x1000 * (i + 1) + bytes));
  if (machine === 3) file.set(new Uint8Array(Int32Array.of(0x1bad_b002, 0, -0x1bad_b002).buffer), 0x200);
  return file;
}

/** What every architecture does alike; `base` is where RAM for kernels begins, 8 MiB in all. */
const KINDS: [name: string, toml: string, bits: 32 | 64, machine: number, base: number][] = [
  ["rv64", RISCV, 64, 243, 0x8000_0000],
  ["rv32", RV32, 32, 243, 0x8000_0000],
  ["Multiboot", PC, 32, 3, 0],
];

Deno.test("memory is random and what an image calls zero is zero, after a reset as well; not one byte more", async () => {
  for (const [name, toml, bits, machine, base] of KINDS) {
    const at = base + 2 * MIB, parts = [{ at, bytes: 8, size: 0x1003 }, { at: at + 0x2000, bytes: 0, size: 5 }];
    const m = await load(toml, elf(bits, parts, at, machine));
    for (const what of [name, `${name}, reset`]) {
      const bytes = m.bus.readBytes(at, 0x2010), zeros = (from: number, to: number) => bytes.subarray(from, to).every((b) => b === 0);
      assertEquals([...bytes.subarray(0, 8)], Array(8).fill(1), what);
      assertEquals(
        [zeros(8, 0x1003), zeros(0x1003, 0x1010), zeros(0x2000, 0x2005), zeros(0x2005, 0x2010)],
        [true, false, true, false],
        what,
      );
      m.bus.writeBytes(at, new Uint8Array(0x2010).fill(0xee));
      m.reset();
    }
  }
});

Deno.test("of segments that lie over each other the later one is there, with its zeros", async () => {
  for (const [name, toml, bits, machine, base] of KINDS) {
    const at = base + 2 * MIB, over = [{ at, bytes: 16, size: 16 }, { at: at + 4, bytes: 4, size: 8 }];
    const m = await load(toml, elf(bits, over, at, machine));
    assertEquals([...m.bus.readBytes(at, 16)], [1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1], name);
  }
});

Deno.test("segments up to the ends of memory are loaded; one byte less or more, over a hole, around the end of addresses is refused", async () => {
  for (const [name, toml, bits, machine, base] of KINDS) {
    const end = base + 8 * MIB, top = bits === 64 ? 2n ** 64n : 2n ** 32n;
    const ram = base ? ` (RAM is 0x${base.toString(16)}..0x${(end - 1).toString(16)})` : "";
    const rows: [part: Part, message?: string][] = [
      [{ at: end - 0x1000, bytes: 8, size: 0x1000 }],
      [{ at: end - 8, bytes: 8, size: 8 }],
      [{ at: end - 7, bytes: 8, size: 8 }, `0x${(end - 7).toString(16)}..0x${end.toString(16)}`],
      [{ at: end - 8, bytes: 8, size: 9 }, `0x${(end - 8).toString(16)}..0x${end.toString(16)}`],
      [{ at: end, bytes: 1, size: 1 }, `0x${end.toString(16)}..0x${end.toString(16)}`],
      [{ at: top - 16n, bytes: 16, size: 16 }, `0x${(top - 16n).toString(16)}..0x${(top - 1n).toString(16)}`],
      [{ at: top - 16n, bytes: 16, size: 32 }, `0x${(top - 16n).toString(16)}..0x${(top + 15n).toString(16)}`],
      ...(base
        ? [
          [{ at: base, bytes: 8, size: 8 }],
          [{ at: base - 1, bytes: 8, size: 8 }, `0x${(base - 1).toString(16)}..0x${(base + 6).toString(16)}`],
        ] satisfies [Part, string?][]
        : [
          [{ at: 0xa_0000 - 8, bytes: 8, size: 8 }],
          [{ at: 0xa_0000 - 8, bytes: 8, size: 9 }, "0x9fff8..0xa0000"],
          [{ at: 0xf_ffff, bytes: 8, size: 8 }, "0xfffff..0x100006"],
        ] satisfies [Part, string?][]),
    ];
    for (const [part, range] of rows) {
      let said: string | undefined;
      // The other segment holds the entry.
      const good = { at: base + 0x20_0000, bytes: 8, size: 8 }, file = elf(bits, [good, part], good.at, machine);
      const m = await load(toml, file, ZERO).catch((e) => void (said = e.message));
      const what = `${name} ${part.at.toString(16)}`;
      // An address that no number holds was meant to be virtual.
      const hint = bits === 64 && part.at >= 2n ** 53n
        ? "; AT(...) in the linker script says where a kernel is loaded that runs at virtual addresses"
        : "";
      assertEquals(said, range && `kernel: it goes to ${range}, which is not in memory${ram}${hint}`, what);
      if (m) assertEquals([...m.bus.readBytes(Number(part.at), part.bytes)], Array(part.bytes).fill(2), what);
    }
  }
});

Deno.test("the entry is where its segment is in memory; one in no segment is taken as it is", async () => {
  for (const [name, toml, bits, machine, base] of KINDS) {
    const at = base + 2 * MIB, high = bits === 64 ? 0xffff_ffff_8000_0000n : 0xc000_0000n;
    const program = (paddr: number, vaddr: bigint, size: number) => ({ type: 1, offset: 0x1000, paddr, vaddr, filesz: 8, memsz: size });
    const programs = [program(at, high, 0x100), program(at + 0x1000, high + 0x100n, 0x100)];
    for (
      const [entry, wanted] of [
        [high, at],
        [high + 0xfen, at + 0xfe],
        [high + 0x100n, at + 0x1000],
        [high + 0x1fen, at + 0x10fe],
        [BigInt(at) + 0x10_0000n, at + 0x10_0000],
        [high - 2n, undefined],
        [high + 0x200n, undefined],
      ] as const
    ) {
      const file = elfFile({ bits, header: { entry, machine }, programs, phoff: 64, length: 0x2000 });
      if (machine === 3) file.set(new Uint8Array(Int32Array.of(0x1bad_b002, 0, -0x1bad_b002).buffer), 0x200);
      const m = await load(toml, file, machine === 3 ? ZERO : { ...ZERO, "firmware.sbi": "none" });
      for (let n = 0; n < 8 && m.cpus[0].pc < 0x10_0000n; n++) m.step(0);
      assertEquals(m.cpus[0].pc, wanted === undefined ? entry : BigInt(wanted), `${name} ${entry.toString(16)}`);
    }
  }
});

Deno.test("what a Linux kernel needs behind its bytes is its own to clear: it may be where the bytes are", async () => {
  // A bzImage that is loaded at 1 MiB and needs 1 MiB from there on.
  const file = new Uint8Array(0x1000).fill(0xf4), view = new DataView(file.buffer);
  file.fill(0, 0, 0x400);
  for (const [at, value] of [[0x1f1, 1], [0x201, 0x6a], [0x211, 1]]) file[at] = value;
  view.setUint16(0x1fe, 0xaa55, true);
  for (const [at, value] of [[0x202, 0x5372_6448], [0x214, MIB], [0x22c, 0x7f_ffff], [0x238, 255], [0x258, MIB], [0x260, MIB]]) {
    view.setUint32(at, value, true);
  }
  view.setUint16(0x206, 0x020f, true);
  const m = await load(PC, file);
  assertEquals(m.bus.readBytes(MIB, 0xc00), file.subarray(0x400));
});
