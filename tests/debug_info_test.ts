// Source lines, inlined functions, frames and backtraces, against llvm-symbolizer and readelf and against what guests are known to do.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { boot } from "../mod.ts";
import { Bus } from "../src/core/bus.ts";
import type { Cpu } from "../src/core/cpu.ts";
import { Random } from "./fuzz/random.ts";
import { backtraceLines } from "../src/machine/backtrace.ts";
import { DebugInfo } from "../src/machine/dwarf/mod.ts";
import { evaluate } from "../src/machine/dwarf/expression.ts";
import { installed } from "./cli.ts";

const ROOT = new URL("..", import.meta.url).pathname, BIN = `${ROOT}tests/guests/bin`;
const tool = async (program: string, args: readonly string[], input = ""): Promise<string> => {
  const child = new Deno.Command(program, { args: [...args], stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  const writer = child.stdin.getWriter(), output = child.output();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  return new TextDecoder().decode((await output).stdout);
};

/** A program with functions in functions, loops and a switch. */
const SOURCE = `
static volatile int sink;
static inline __attribute__((always_inline)) int inner(int x) {
  for (int i = 0; i < x; i++)
    sink += i * x;
  return sink;
}
static inline __attribute__((always_inline)) int middle(int x) {
  if (x & 1)
    return inner(x + 1);
  return inner(x) + inner(x * 3);
}
__attribute__((noinline)) int outer(int x) {
  switch (x) {
    case 1: return middle(x);
    case 2: return sink;
    case 7: return middle(9) ^ 5;
    default: return inner(2);
  }
}
int recursive(int n) {
  volatile char room[100];
  room[n] = n;
  return n < 2 ? n + room[n] : recursive(n - 1) + outer(n);
}
void _start(void) {
  sink = recursive(5);
  for (;;) ;
}
`;
const folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
Deno.writeTextFileSync(`${folder}/program.c`, SOURCE);

interface Subject {
  readonly name: string;
  readonly path: string;
  readonly bits: 32 | 64;
  readonly prefix: string;
}
const COMPILED: readonly (readonly [name: string, ...options: string[]])[] = [
  ["version 2", "-gdwarf-2", "-O2"],
  ["version 3", "-gdwarf-3", "-O1"],
  ["version 4", "-gdwarf-4", "-O2"],
  ["version 4, strict", "-gdwarf-4", "-gstrict-dwarf", "-O2"],
  ["version 5", "-gdwarf-5", "-O2"],
  ["version 5, not optimised", "-gdwarf-5", "-O0"],
  ["version 5, frame pointers", "-gdwarf-5", "-O2", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables"],
  ["compressed sections", "-gdwarf-5", "-O2", "-gz=zlib"],
  ["sections of functions", "-gdwarf-5", "-O2", "-ffunction-sections", "-Wl,--gc-sections"],
  ["64-bit DWARF", "-gdwarf-5", "-gdwarf64", "-O2"],
];

/** Compiles it for the host (x86-64), from within its folder as a build does. */
async function compiled([name, ...options]: (typeof COMPILED)[number]): Promise<Subject> {
  const path = `${folder}/${name.replaceAll(/\W+/g, "_")}`;
  const base = ["-nostdlib", "-static", "-fno-stack-protector", "-no-pie", "-o", path, "program.c"];
  const { success, stderr } = await new Deno.Command("gcc", { args: [...options, ...base], cwd: folder }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return { name, path, bits: 64, prefix: "" };
}
const GUESTS: readonly Subject[] = (["hello", "user"] as const).flatMap((name) =>
  ([64, 32] as const).map((bits) => ({
    name: `${name}.rv${bits}`,
    path: `${BIN}/${name}.rv${bits}.elf`,
    bits,
    prefix: "riscv64-unknown-elf-",
  }))
);
const ignore = !installed("gcc") || !installed("llvm-symbolizer") || !installed("riscv64-unknown-elf-readelf");

/** First addresses and sizes of the executable sections. */
async function code({ prefix, path }: Subject): Promise<(readonly [bigint, number])[]> {
  const text = await tool(`${prefix}readelf`, ["-SW", path]);
  return [...text.matchAll(/PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) \d+ +AX/g)].map(([, at, size]) =>
    [BigInt(`0x${at}`), parseInt(size, 16)] as const
  );
}

/** The last part of a path, and the line. */
const short = (place: string): string => place.replace(/^.*\//, "");

async function compareLines(subject: Subject): Promise<{ readonly compared: number; readonly inlined: number }> {
  const info = new DebugInfo(Deno.readFileSync(subject.path), subject.bits), sections = await code(subject);
  const addresses = sections.flatMap(([at, size]) => Array.from({ length: size >> 1 }, (_, i) => at + BigInt(2 * i)));
  const asked = addresses.map((a) => `0x${a.toString(16)}\n`).join("");
  const told = await tool("llvm-symbolizer", [`--obj=${subject.path}`, "--functions=short", "--no-demangle"], asked);
  const answers = told.trimEnd().split("\n\n");
  assertEquals(answers.length, addresses.length);
  let compared = 0, inlined = 0;
  for (const [i, answer] of answers.entries()) {
    // A name and a place for each function; the column is left out.
    const lines = answer.split("\n"), theirNames = lines.filter((_, n) => n % 2 === 0);
    const expected = lines.filter((_, n) => n % 2 === 1).map((place) => short(place.replace(/:\d+$/, "")));
    if (expected.some((place) => place.startsWith("??") || place.endsWith(":0"))) continue;
    const places = info.places(addresses[i]), found = places.map(({ source }) => source ? short(`${source.file}:${source.line}`) : "??");
    assertEquals(found, expected, `${subject.name} at 0x${addresses[i].toString(16)}`);
    compared++;
    if (expected.length < 2) continue;
    inlined++;
    // Ours have the path.
    for (const [n, { name }] of places.slice(0, -1).entries()) assert(name?.endsWith(theirNames[n]), `${name}, ${theirNames[n]}`);
  }
  return { compared, inlined };
}

for (const row of COMPILED) {
  Deno.test({
    name: `lines and inlined functions are llvm-symbolizer's: ${row[0]}`,
    ignore,
    fn: async () => {
      const { compared, inlined } = await compareLines(await compiled(row));
      assert(compared > 100 && (inlined > 40 || row[0].includes("not optimised")), `${compared} addresses, ${inlined} inlined`);
    },
  });
}
for (const guest of GUESTS) {
  Deno.test({
    name: `lines and inlined functions are llvm-symbolizer's: ${guest.name}`,
    ignore,
    fn: async () => {
      const { compared, inlined } = await compareLines(guest);
      assert(compared > 200 && inlined > 40, `${compared} addresses, ${inlined} inlined`);
    },
  });
}

/** Names of registers in readelf's tables, by number. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "": ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", ...Array.from({ length: 8 }, (_, n) => `r${n + 8}`), "ra"],
  // deno-fmt-ignore
  "riscv64-unknown-elf-": [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
  ],
};

Deno.test({
  name: "frames are readelf's: every row of the tables of programs and guests",
  ignore,
  fn: async () => {
    for (const subject of [...await Promise.all([COMPILED[2], COMPILED[4], COMPILED[5]].map(compiled)), ...GUESTS]) {
      const info = new DebugInfo(Deno.readFileSync(subject.path), subject.bits), names = NAMES[subject.prefix];
      const text = await tool(`${subject.prefix}readelf`, ["--debug-dump=frames-interp", "-W", subject.path]);
      let columns: string[] = [], rows = 0;
      for (const line of text.split("\n")) {
        if (/^ +LOC +CFA/.test(line)) columns = line.trim().split(/ +/);
        const cells = line.trim().split(/ +/);
        if (!/^[0-9a-f]{8,16}$/.test(cells[0]) || cells.length !== columns.length || !/[+-]/.test(cells[1])) continue;
        const address = BigInt(`0x${cells[0]}`), row = info.frame(address);
        if (address === 0n) continue;
        const [, register, offset] = /^(\w+)([+-]\d+)$/.exec(cells[1])!;
        assertEquals(row?.cfa, { register: names.indexOf(register), offset: Number(offset) }, `${subject.name}: ${line}`);
        for (const [i, name] of columns.entries()) {
          if (i < 2) continue;
          const number = name === "ra" ? row!.returnAddress : names.indexOf(name), rule = row!.rules.get(number);
          const shown = rule?.kind === "at" ? `c${rule.offset < 0 ? "" : "+"}${rule.offset}` : rule === undefined ? "u" : rule.kind;
          assertEquals(shown, cells[i], `${subject.name}, ${name}: ${line}`);
        }
        rows++;
      }
      assert(rows > 4, `${subject.name}: ${rows} rows`);
    }
  },
});

Deno.test("a backtrace names functions, those that were put into others, and source lines, to the kernel's entry", async () => {
  await using m = await boot(`${ROOT}machines/virt.toml`, { kernel: `${BIN}/hello.rv64.elf` });
  await m.run({ until: "guests::sbi::shutdown" });
  await m.run({ instructions: 6 });
  const { cpus: [cpu], bus, symbols } = m.machine, lines = backtraceLines(cpu, bus, symbols);
  assertMatch(
    lines.join("\n"),
    /^0x[0-9a-f]+ .*src\/sbi\.rs:\d+\n(in .*\n)*by 0x[0-9a-f]+ main\+0x[0-9a-f]+, src\/bin\/hello\.rs:22\nby 0x[0-9a-f]+ _start\+0x[0-9a-f]+$/,
  );
});

Deno.test("a failed wait and the command line's report tell who called", async () => {
  await using m = await boot(`${ROOT}machines/virt.toml`, { kernel: `${BIN}/user.rv64.elf` });
  const error = await m.serial.toPrint("nothing like this").then(() => undefined, (e: Error) => e);
  assertMatch(error!.message, /\n {2}cpu0: pc 0x[0-9a-f]+ .*\n( {4}(in|by) .*\n)+/);
});

/** A processor that stands still, with registers and a stack by hand. */
function standing(arch: string, pc: bigint, registers: Readonly<Record<string, bigint>>, stack: readonly bigint[]): [Cpu, Bus] {
  const bus = new Bus(), ram = new Uint8Array(0x1000);
  for (const [i, word] of stack.entries()) new DataView(ram.buffer).setBigUint64(8 * i, word, true);
  bus.mapRam(0x1000, ram);
  bus.mapRam(0x8000, new Uint8Array(0x1000));
  const translate = (at: bigint) => at >= 0x1000n && at < 0x9000n ? Number(at) : undefined;
  return [{ arch, pc, reg: (name: string) => registers[name] ?? 0n, translate } as unknown as Cpu, bus];
}
const FUNCTIONS = {
  lookup: (at: bigint) => at >= 0x8000n && at < 0x8400n ? { name: `f${(at - 0x8000n) >> 8n}`, offset: at & 0xffn } : undefined,
};

Deno.test("callers are found by frame pointers, and the first one where a call has left it", () => {
  const lines = (...[cpu, bus]: [Cpu, Bus]) => backtraceLines(cpu, bus, FUNCTIONS);
  // x86: rbp leads to the caller's, above it is the return address. The innermost function has not saved rbp yet.
  const frames = [0n, 0x8110n, 0x1020n, 0x8120n, 0x1030n, 0x8230n, 0n, 0x8330n];
  assertEquals(lines(...standing("x86_64", 0x8004n, { rsp: 0x1008n, rbp: 0x1010n }, frames)), [
    "0x8004 f0+0x4",
    "by 0x8110 f1+0x10",
    "by 0x8120 f1+0x20",
    "by 0x8230 f2+0x30",
    "by 0x8330 f3+0x30",
  ]);
  // RISC-V: the words below s0; ra still has the innermost one's return address.
  const words = [0n, 0x1020n, 0x8120n, 0n, 0n, 0x8230n];
  assertEquals(lines(...standing("riscv64", 0x8004n, { x1: 0x8110n, x2: 0x1000n, x8: 0x1018n }, words)).slice(0, 3), [
    "0x8004 f0+0x4",
    "by 0x8110 f1+0x10",
    "by 0x8120 f1+0x20",
  ]);
  // A frame pointer that leads down, round, or nowhere ends it.
  for (const rbp of [0x1008n, 0x1000n, 0x7000n, 2n ** 64n - 8n]) {
    const loop = [0n, 0n, 0x1010n, 0x8120n];
    assert(lines(...standing("x86_64", 0x8004n, { rsp: 0x1008n, rbp }, loop)).length <= 2, rbp.toString(16));
  }
  assertEquals(lines(...standing("x86_64", 0x8004n, { rsp: 0x1008n, rbp: 0x1010n }, [0n, 0n, 0x1010n, 0x8120n])), [
    "0x8004 f0+0x4",
    "by 0x8120 f1+0x20",
  ]);
});

Deno.test("expressions: arithmetic, comparisons, jumps, memory; what is not known, and what never ends, is nothing", () => {
  const around = {
    bytes: 8,
    register: (n: number) => n < 16 ? BigInt(1000 * n) : undefined,
    read: (at: bigint, bytes: number) => at < 100n ? at * 2n + BigInt(bytes) : undefined,
  };
  const of = (...bytes: number[]) => evaluate(Uint8Array.from(bytes), around);
  assertEquals(of(0x73, 5), 3005n, "a register and an offset");
  assertEquals(of(0x92, 3, 0x7b), 2995n, "bregx 3, -5");
  assertEquals(of(0x08, 7, 0x09, 0xff, 0x22), 6n, "7 + -1");
  assertEquals(of(0x08, 7, 0x06), 22n, "memory at 7");
  assertEquals(of(0x08, 7, 0x94, 1), 15n, "a byte of it");
  assertEquals(of(0x35, 0x33, 0x1c), 2n);
  assertEquals(of(0x35, 0x33, 0x16, 0x1c), BigInt.asUintN(64, -2n), "swapped");
  assertEquals([0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e].map((op) => of(0x33, 0x09, 0xff, op)), [0n, 1n, 1n, 0n, 0n, 1n], "3 and -1, signed");
  assertEquals(of(0x31, 0x28, 1, 0, 0x96, 0x37), 7n, "a jump that is taken");
  assertEquals(of(0x09, 0x80, 0x34, 0x26), BigInt.asUintN(64, -8n));
  assertEquals(of(0x09, 0x80, 0x34, 0x25), 0xffff_ffff_ffff_ff8n);
  assertEquals(of(0x92, 20, 0), undefined, "no such register");
  assertEquals(of(0x08, 200, 0x06), undefined, "no memory there");
  assertEquals(of(0x22), undefined, "nothing on the stack");
  assertEquals(of(0x2f, 0xfd, 0xff), undefined, "for ever round");
  assertEquals(of(0xe0), undefined);
});

Deno.test("damaged debugging information says less, and never throws or hangs", () => {
  const random = new Random(5), original = Deno.readFileSync(`${BIN}/hello.rv64.elf`);
  const whole = new DebugInfo(original, 64);
  let different = 0;
  for (let n = 0; n < 300; n++) {
    const file = original.slice();
    // Behind the code are the debugging sections and their table.
    for (let k = 1 + random.below(400); k > 0; k--) file[0x2000 + random.below(file.length - 0x2000)] = random.below(256);
    const info = new DebugInfo(n % 10 ? file : file.subarray(0, random.below(file.length)), n % 7 ? 64 : 32);
    for (let k = 0; k < 4; k++) {
      const address = 0x8020_0000n + BigInt(random.below(0x2000));
      if (JSON.stringify(info.places(address)) !== JSON.stringify(whole.places(address))) different++;
      info.frame(address);
    }
  }
  assert(different > 100, `${different} of 1,200 answers were others`);
});
