// `[[load]]`: where bytes of ELF, Intel hex and raw files go, where a machine starts, and every way in which a file can be wrong.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { ConfigError } from "../core/errors.ts";
import { describe } from "./describe.ts";
import { readLoads } from "./loads.ts";
import type { Machine, MachineOptions } from "./machine.ts";
import { elfFile } from "./testing/elf_file.ts";
import { HALTED, machineFrom, RISCV_BOARD } from "./testing/machine_from.ts";

const RAM = 0x8000_0000, FIRST = 0x1_0000;
const PC = `schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "1MiB"
[boot]
protocol = "bios"
`;
const NONE = `[firmware]\nsbi = "none"\n`;

type Files = Readonly<Record<string, string | Uint8Array>>;
/** `loads`: inline tables. */
const machineOf = (loads: string, files: Files, more = NONE, options: Partial<MachineOptions> = {}) =>
  machineFrom(`${RISCV_BOARD.replace("schema = 1", `schema = 1\nload = [${loads}]`)}${more}`, files, options);

const bytesAt = (m: Machine, at: number, length: number) => Array.from({ length }, (_, i) => m.bus.read(at + i, 1));
const raw = (...bytes: number[]) => Uint8Array.from(bytes);

/** An ELF file of one segment. */
function elf(machine: number, entry: number, at: number, ...bytes: number[]): Uint8Array {
  const offset = 0x100, segment = { type: 1, offset, vaddr: at, paddr: at, filesz: bytes.length, memsz: bytes.length };
  const file = elfFile({ bits: 64, phoff: 0x40, length: offset + bytes.length, header: { machine, entry }, programs: [segment] });
  file.set(bytes, offset);
  return file;
}

/** A record with its checksum. */
function record(type: number, address: number, ...data: number[]): string {
  const all = [data.length, address >> 8, address & 0xff, type, ...data], sum = -all.reduce((n, b) => n + b, 0) & 0xff;
  return ":" + [...all, sum].map((b) => b.toString(16).padStart(2, "0").toUpperCase()).join("");
}
const END = record(1, 0);
const hex = (...records: string[]) => records.join("\r\n") + "\r\n";

Deno.test("raw bytes go where the machine file says, at power-on and again after a reset", async () => {
  const m = await machineOf(`{ file = "a", at = ${RAM + 0x10_0000} }, { file = "b", at = "0x1000" }`, {
    kernel: raw(0x13, 0, 0, 0),
    a: raw(1, 2, 3),
    b: raw(9),
  });
  assertEquals([bytesAt(m, RAM + 0x10_0000, 4), bytesAt(m, 0x1000, 1)], [[1, 2, 3, 0], [9]]);
  m.bus.write(RAM + 0x10_0000, 1, 7);
  m.reset();
  assertEquals(bytesAt(m, RAM + 0x10_0000, 3), [1, 2, 3]);
  // Also on a PC, beside what is booted.
  const pc = await machineFrom(PC.replace("schema = 1", `schema = 1\nload = [{ file = "a", at = ${FIRST} }]`), {
    kernel: HALTED,
    a: raw(5, 6),
  });
  assertEquals(bytesAt(pc, FIRST, 3), [5, 6, 0]);
});

Deno.test("Intel hex: runs, linear and segmented bases, what goes round in a segment, and where it starts", async () => {
  const text = hex(
    record(4, 0, 0x80, 0x00),
    record(0, 0x10, 1, 2),
    record(0, 0x12, 3),
    record(4, 0, 0x80, 0x01),
    record(0, 0xffff, 4, 5),
    record(5, 0, 0x80, 0x00, 0x00, 0x10),
    END,
  );
  const m = await machineOf(`{ file = "a.hex", entry = true }`, { "a.hex": text });
  assertEquals([bytesAt(m, RAM + 0x10, 4), bytesAt(m, RAM + 0x1_ffff, 2)], [[1, 2, 3, 0], [4, 5]]);
  assertEquals(bytesAt(m, 0x1000 + 0x18, 8), [0x10, 0, 0, 0x80, 0, 0, 0, 0], "the reset code goes there");
  const segmented = hex(record(2, 0, 0x10, 0x00), record(0, 0xffff, 7, 8), record(3, 0, 0x10, 0x00, 0x00, 0x02), END).toLowerCase();
  const pc = await machineFrom(PC.replace("schema = 1", `schema = 1\nload = [{ file = "a.hex" }]`), { kernel: HALTED, "a.hex": segmented });
  assertEquals([bytesAt(pc, FIRST + 0xffff, 1), bytesAt(pc, FIRST, 1)], [[7], [8]]);
});

Deno.test("ELF files go where they say; one with an entry is started in the place of a kernel", async () => {
  const made = elf(243, RAM + 0x2004, RAM + 0x2000, 0x13, 0, 0, 0, 0x6f, 0, 0, 0);
  const m = await machineOf(`{ file = "a.elf", entry = true }`, { "a.elf": made });
  m.run(8);
  assertEquals(m.cpus[0].pc, BigInt(RAM + 0x2004));
  const elsewhere = await machineOf(`{ file = "a.elf", entry = ${RAM + 0x2000} }`, { "a.elf": made });
  elsewhere.step(0);
  assertEquals(bytesAt(elsewhere, 0x1000 + 0x18, 4), [0, 0x20, 0, 0x80]);
  assertMatch(describe(elsewhere.graph), /\n +loaded +a\.elf, starts at 0x8000_2000\n/);
  // Raw bytes where harts come out of reset need neither kernel nor firmware.
  const rom = await machineOf(`{ file = "rom", at = 0x1000 }`, { rom: raw(0x6f, 0, 0, 0) }, "");
  rom.run(5);
  assertEquals(rom.cpus[0].pc, 0x1000n);
});

const RAW = `{ file = "a", at = ${RAM} }`;
/** Loads, what the files are, and the one line. */
const WRONG: readonly (readonly [loads: string, files: Files, message: string, more?: string])[] = [
  [`{ at = 1 }`, {}, "m.toml:2: load[0].file: missing: it must be a path (ELF, Intel hex, or raw bytes)"],
  [`{ file = "gone", at = 1 }`, {}, "m.toml:2: load[0].file: 'gone': no such file"],
  [`{ file = "a", adr = 1 }`, { a: raw(1) }, "m.toml:2: load[0].adr: unknown key 'adr' (did you mean 'at'?)"],
  [`{ file = "a", at = -1 }`, { a: raw(1) }, "m.toml:2: load[0].at: must be an integer of at least 0, got -1"],
  [`{ file = "a", entry = "x" }`, { a: raw(1) }, 'm.toml:2: load[0].entry: must be an address, or true, got "x"'],
  [`{ file = "a", format = "srec" }`, { a: raw(1) }, 'm.toml:2: load[0].format: must be one of "auto", "elf", "hex", "raw", got "srec"'],
  [`1`, {}, "m.toml:2: load[0]: must be a table with file, at, entry, format, got 1"],
  [`{ file = "a" }`, { a: raw(1) }, "m.toml:2: load[0].file: 'a': missing: 'at' must say where raw bytes go"],
  [
    `{ file = "a", at = 1 }`,
    { a: hex(END) },
    "m.toml:2: load[0].file: 'a': 'at' must be absent: the file says itself where it goes (it is Intel hex)",
  ],
  [`{ file = "a", at = 1 }`, { a: raw() }, "a: the file is empty"],
  [`{ file = "a", at = 0x9000_0000 }`, { a: raw(1) }, "a: it goes to 0x90000000..0x90000000, which is not in memory"],
  [`{ file = "a", at = ${RAM + 0x7f_ffff} }`, { a: raw(1, 2) }, "a: it goes to 0x807fffff..0x80800000, which is not in memory"],
  [`${RAW}, { file = "b", at = ${RAM + 1} }`, { a: raw(1, 2), b: raw(3) }, "b: it goes to 0x80000001..0x80000001, where 'a' is"],
  [
    `${RAW}`,
    { a: raw(1, 2), kernel: elf(243, RAM, RAM, 1, 2, 3, 4) },
    "a: it goes to 0x80000000..0x80000001, where 'kernel' is",
  ],
  [`${RAW}`, { a: raw(1) }, "m.toml: no kernel to start: name one on the command line or as boot.kernel"],
  [`{ file = "a", at = ${RAM}, entry = true }`, { a: raw(1), kernel: raw(1) }, "a: 'kernel' is a kernel already: 'entry' must be absent"],
  [
    `{ file = "a", entry = true }`,
    { a: hex(record(4, 0, 0x80, 0), record(0, 0, 1), END) },
    "m.toml:2: load[0].file: 'a' does not say where it starts: 'entry' must be an address",
  ],
  [
    `{ file = "a" }`,
    { a: elf(62, RAM, RAM, 1) },
    "a: built for x86-64, but the machine's CPU is riscv64",
  ],
  // Damaged Intel hex.
  [`{ file = "a" }`, { a: hex(END) }, "a: it has no bytes to load"],
  [`{ file = "a" }`, { a: hex(record(0, 0, 1)) }, "a: the record of the end is missing"],
  [`{ file = "a" }`, { a: hex(END, record(0, 0, 1)) }, "a:2: there is something behind the record of the end"],
  [`{ file = "a" }`, { a: hex(END, "") + ":0" }, "a:3: there is something behind the record of the end"],
  [
    `{ file = "a" }`,
    { a: hex(record(0, 0, 1), "nonsense") },
    "a:2: is no record of Intel hex: a colon and at least ten hexadecimal digits",
  ],
  [`{ file = "a", format = "hex" }`, { a: "nonsense" }, "a:1: is no record of Intel hex: a colon and at least ten hexadecimal digits"],
  [`{ file = "a" }`, { a: hex(record(0, 0, 1).replace(/.$/, "0")) }, "a:1: the checksum is wrong"],
  [`{ file = "a" }`, { a: hex(":0200000001FD") }, "a:1: the record has 1 bytes and says 2"],
  [`{ file = "a" }`, { a: hex(record(0, 0, 1), record(4, 0, 1)) }, "a:2: a record of type 4 has 2 bytes"],
  [`{ file = "a" }`, { a: hex(record(0, 0, 1), record(6, 0)) }, "a:2: there is no record of type 6"],
];

Deno.test("what is wrong with a file that is loaded is one line, with its place", async () => {
  for (const [loads, files, message, more = NONE] of WRONG) {
    const { message: found } = await assertRejects(() => machineOf(loads, files, more), ConfigError, "", message) as ConfigError;
    assertEquals(found, message);
  }
  const pc = PC.replace("schema = 1", `schema = 1\nload = [{ file = "a", at = 0x9000, entry = true }]`);
  const { message } = await assertRejects(() => machineFrom(pc, { kernel: HALTED, a: raw(1) }), ConfigError) as ConfigError;
  assertEquals(message, "m.toml:2: load[0].entry: must be absent: kernels of x86 machines start by their protocol");
});

Deno.test("Intel hex of random bytes and with random faults is read or refused in one line", async () => {
  const m = await machineOf("", { kernel: raw(0x13, 0, 0, 0) });
  const random = new Random(3), good = hex(record(4, 0, 0x80, 0), record(0, 0, 1, 2, 3), record(5, 0, 0x80, 0, 0, 0), END);
  let read = 0;
  for (let round = 0; round < 1000; round++) {
    const bytes = new TextEncoder().encode(good);
    for (let n = random.below(3); n > 0; n--) {
      bytes[random.below(bytes.length)] = random.one(2) ? random.below(256) : 0x30 + random.below(10);
    }
    const cut = bytes.subarray(0, bytes.length - random.pick([0, 0, 1, 20]));
    try {
      readLoads({ ...m.graph, loads: [{ file: "a", format: "hex", place: {} }] }, () => cut, m.bus);
      read++;
    } catch (e) {
      assert(e instanceof ConfigError && !e.message.includes("\n"), (e as Error).stack);
    }
  }
  assert(read > 150 && read < 900, `${read}`);
});
