// Variables by the types of debugging information: what compilers of C and Rust make of them, in each version of DWARF, and what a script sees.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { boot, expect, ExpectationFailed } from "../mod.ts";
import { ConfigError } from "../src/core/errors.ts";
import { type GuestValue, NotAValue, type ReadMemory, valueOf } from "../src/machine/dwarf/values.ts";
import { readElf } from "../src/machine/elf.ts";
import { parseType, partOf, stepsOf, typesOfProgram } from "../src/machine/variables.ts";
import { installed } from "./cli.ts";
import { Random } from "./fuzz/random.ts";

const folder = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** Compiles a file in the folder. */
async function compile(program: string, args: readonly string[], file: string, text: string): Promise<string> {
  Deno.writeTextFileSync(`${folder}/${file}`, text);
  const output = `${folder}/${file}.${args.length}${args[0].replaceAll(/\W/g, "_")}.elf`;
  const { success, stderr } = await new Deno.Command(program, { args: [...args, "-o", output, file], cwd: folder }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return output;
}

/** A program's file as the memory that it is loaded into; `overlay` hides it. */
function programOf(path: string) {
  const file = Deno.readFileSync(path),
    elf = readElf(file, path),
    program = { bits: elf.bits, image: () => file },
    overlay = new Map<bigint, Uint8Array>();
  const byteAt = (at: bigint): number => {
    for (const [start, bytes] of overlay) if (at >= start && at < start + BigInt(bytes.length)) return bytes[Number(at - start)];
    const s = elf.segments.find((s) => at >= s.vaddr && at < s.vaddr + BigInt(s.size));
    if (!s) throw new RangeError(`nothing at 0x${at.toString(16)}`);
    return s.bytes[Number(at - s.vaddr)] ?? 0;
  };
  const read: ReadMemory = (at, n) => Uint8Array.from({ length: n }, (_, i) => byteAt(at + BigInt(i)));
  const place = (name: string, path = "") => {
    const address = elf.symbols.address(name), type = typesOfProgram(program)?.variable(address!, name);
    assert(address !== undefined && type, name);
    return stepsOf(path).reduce((p, step) => partOf(p, step, read), { address, type });
  };
  const value = (name: string, path = ""): GuestValue => {
    const { type, address } = place(name, path);
    return valueOf(type, address, read);
  };
  return { program, elf, read, place, value, overlay };
}

const C = `
#include <stdint.h>
enum colour { RED, GREEN = 5, BLUE = -1 };
typedef struct node { struct node *next; int16_t value; const char *label; } node_t;
struct inner { unsigned low : 3, high : 5; int sign : 4; _Bool flag : 1; unsigned long long wide : 40; };
union both { float f; uint32_t bits; };
struct all {
  char name[8]; enum colour colour; struct { int x, y; }; union both number; uint8_t bytes[4];
  volatile const int *pointer; _Bool yes; double real; signed char small; int grid[2][3];
};
const node_t second = { 0, -2, "second" };
node_t first = { (node_t *)&second, 300, "first" };
struct inner fields = { 5, 17, -3, 1, 0x1234567890 };
struct all everything = { "init", BLUE, { -1, 2 }, { 1.5f }, { 1, 2, 3, 255 }, &everything.x, 1, 2.5, -7, { { 1, 2, 3 }, { 4, 5, 6 } } };
uint64_t ticks = 0x100000005;
static int hidden[] = { 7, 8 };
int *uses(void) { static int counter = 41; counter++; return hidden[0] ? hidden : &counter; }
void _start(void) { for (;;) uses(); }
`;
const VERSIONS = [["-gdwarf-2", "-gstrict-dwarf"], ["-gdwarf-3"], ["-gdwarf-4"], ["-gdwarf-5"], ["-gdwarf-5", "-gdwarf64", "-gz=zlib"]];
for (const how of VERSIONS) {
  Deno.test({
    name: `C's types: ${how.join(" ")}`,
    ignore: !installed("gcc"),
    fn: async () => {
      const flags = [...how, "-O1", "-nostdlib", "-static", "-no-pie", "-fno-stack-protector"];
      const { value, place, program, elf } = programOf(await compile("gcc", flags, "types.c", C));
      assertEquals(value("ticks"), 0x1_0000_0005n);
      assertEquals(value("everything"), {
        name: "init",
        colour: "BLUE",
        x: -1,
        y: 2,
        number: { f: 1.5, bits: 0x3fc0_0000 },
        bytes: [1, 2, 3, 255],
        pointer: elf.symbols.address("everything")! + 12n,
        yes: true,
        real: 2.5,
        small: -7,
        grid: [[1, 2, 3], [4, 5, 6]],
      });
      assertEquals(value("fields"), { low: 5, high: 17, sign: -3, flag: true, wide: 0x12_3456_7890n });
      assertEquals([value("first", ".value"), value("first", ".next.value"), value("first", ".next.*.value")], [300, -2, -2]);
      assertEquals(value("everything", ".y"), 2);
      assertEquals(value("everything", ".grid[1][2]"), 6);
      assertEquals(value("everything", ".number.bits"), 0x3fc0_0000);
      assertEquals(value("everything", ".pointer.*"), -1);
      assertEquals(value("first", ".label[2]"), "r");
      assertEquals(value("hidden"), [7, 8]);
      assertEquals(parseType("node_t", program).bytes, 24);
      assertEquals(parseType("[enum; 2]".replace("enum", "colour"), program).bytes, 8);
      for (
        const [path, problem] of [
          [".vlaue", "there is no field 'vlaue' (did you mean 'value'?) in a structure"],
          [".next[", "expected .field, [index] or .*"],
          [".value.*", "it is no pointer but an integer"],
          [".value[0]", "it has no elements: it is an integer"],
        ]
      ) assertThrows(() => place("first", path), ConfigError, problem);
      assertThrows(() => place("everything", ".grid[2]"), ConfigError, "there is no element 2: it has 2");
      assertThrows(() => place("fields", ".low"), ConfigError, "'low' is a bit field");
      assertThrows(() => value("first", ".next.next.*"), RangeError);
    },
  });
}

const RUST = `
#![no_std]
#![no_main]
#![allow(dead_code)]
extern crate alloc;
use alloc::{string::String, vec::Vec};
use core::{cell::{Cell, UnsafeCell}, sync::atomic::{AtomicBool, AtomicUsize}};
struct Nothing;
unsafe impl core::alloc::GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 { core::ptr::null_mut() }
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {}
}
#[global_allocator]
static ALLOCATOR: Nothing = Nothing;
pub enum State { Ready, Running(u8), Blocked { on: u32, since: u64 }, Pair(u8, bool) }
#[repr(u8)]
pub enum Kind { Kernel = 1, User = 200 }
pub struct Task { id: u32, name: &'static str, state: State, kind: Kind, parent: Option<&'static u32>, prio: i8 }
pub struct Lock<T> { locked: AtomicBool, data: UnsafeCell<T> }
unsafe impl<T> Sync for Lock<T> {}
static PARENT: u32 = 77;
pub mod kernel {
    use super::*;
    #[used] pub static TICKS: AtomicUsize = AtomicUsize::new(0x1_0000_0005);
    #[used] pub static TASKS: [Task; 4] = [
        Task { id: 1, name: "init", state: State::Ready, kind: Kind::Kernel, parent: None, prio: -5 },
        Task { id: 2, name: "shell \u{e9}", state: State::Running(3), kind: Kind::User, parent: Some(&PARENT), prio: 7 },
        Task { id: 3, name: "", state: State::Blocked { on: 9, since: 1 << 40 }, kind: Kind::User, parent: None, prio: 0 },
        Task { id: 4, name: "x", state: State::Pair(1, true), kind: Kind::User, parent: None, prio: 0 },
    ];
    #[used] pub static TABLE: &[u16] = &[1, 2, 0xffff];
    #[used] pub static BEST: Lock<(u8, bool, char)> = Lock { locked: AtomicBool::new(true), data: UnsafeCell::new((4, true, '\u{3bb}')) };
    #[used] pub static MAYBE: Option<u8> = Some(6);
    #[used] pub static UNIT: () = ();
    #[used] pub static NONE: Option<u8> = None;
    #[used] pub static BIG: u128 = 1 << 100;
    #[used] pub static FIRST: &Task = &TASKS[1];
    pub struct Held { text: String, list: Vec<u16>, cell: Cell<i32> }
    unsafe impl Sync for Held {}
    #[used] pub static HELD: Held = Held { text: String::new(), list: Vec::new(), cell: Cell::new(-1) };
}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! { loop {} }
`;
Deno.test({
  name: "Rust's types: enums with data, slices, texts, atomics, cells, Vec",
  ignore: !installed("rustc"),
  fn: async () => {
    const link = ["-nostdlib", "-nostartfiles", "-static", "-no-pie"].map((arg) => `-Clink-arg=${arg}`);
    const flags = [
      "--edition=2021",
      "-g",
      "-O",
      "-Cpanic=abort",
      "-Crelocation-model=static",
      "-Cdefault-linker-libraries=no",
      "--crate-name=t",
      ...link,
    ];
    const { value, overlay, place, elf, program } = programOf(await compile("rustc", flags, "types.rs", RUST));
    assertEquals(value("t::kernel::TICKS"), 0x1_0000_0005n);
    assertEquals(value("t::kernel::TASKS"), [
      { id: 1, name: "init", state: "Ready", kind: "Kernel", parent: "None", prio: -5 },
      {
        id: 2,
        name: "shell é",
        state: { Running: 3 },
        kind: "User",
        parent: { Some: value("t::kernel::TASKS", "[1].parent.Some") },
        prio: 7,
      },
      { id: 3, name: "", state: { Blocked: { on: 9, since: 1n << 40n } }, kind: "User", parent: "None", prio: 0 },
      { id: 4, name: "x", state: { Pair: [1, true] }, kind: "User", parent: "None", prio: 0 },
    ]);
    assertEquals([value("t::kernel::TASKS", "[1].parent.Some.*"), value("t::kernel::TASKS", "[2].state.Blocked.on")], [77, 9]);
    assertEquals(value("t::kernel::TASKS", "[3].state.Pair.1"), true);
    assertThrows(() => place("t::kernel::TASKS", "[0].parent.Some"), ConfigError, "it is None and not Some");
    assertEquals([value("t::kernel::TABLE"), value("t::kernel::TABLE", "[2]")], [[1, 2, 0xffff], 0xffff]);
    assertEquals(value("t::kernel::BEST"), { locked: true, data: [4, true, "λ"] });
    assertEquals(value("t::kernel::BEST", ".data.2"), "λ");
    assertEquals([value("t::kernel::MAYBE"), value("t::kernel::NONE"), value("t::kernel::UNIT")], [{ Some: 6 }, "None", null]);
    assertEquals([value("t::kernel::BIG"), value("t::kernel::FIRST", ".prio"), value("t::kernel::FIRST", ".*.id")], [1n << 100n, 7, 2]);
    assertEquals(value("t::kernel::HELD"), { text: "", list: [], cell: -1 });
    assertThrows(() => place("t::kernel::TABLE", "[3]"), ConfigError, "there is no element 3: it has 3");
    assertEquals(parseType("t::Task", program).bytes, parseType("Task", program).bytes);
    assertThrows(() => parseType("Tsak", program), ConfigError, "no type 'Tsak'");
    // As if the heap had given something: words that are 0 are lengths, the others pointers.
    const held = place("t::kernel::HELD"), structure = held.type;
    assert(structure.kind === "structure");
    for (
      const [name, bytes, count] of [["text", new TextEncoder().encode("grüß"), 6n], ["list", Uint8Array.of(1, 0, 255, 255), 2n]] as const
    ) {
      const { offset } = structure.members.find((m) => m.name === name)!, words = [0, 8, 16].map((o) => held.address + BigInt(offset + o));
      const empty = words.map((at) => valueOf(parseType("u64", program), at, programOfRead));
      const heap = 0x7000_0000n + count * 0x1000n, word = (v: bigint) => new Uint8Array(BigUint64Array.of(v).buffer);
      words.forEach((at, i) => overlay.set(at, word(empty[i] === 0n ? count : heap)));
      overlay.set(heap, bytes);
    }
    assertEquals(value("t::kernel::HELD"), { text: "grüß", list: [1, 0xffff], cell: -1 });
    function programOfRead(at: bigint, n: number): Uint8Array {
      const s = elf.segments.find((s) => at >= s.vaddr && at < s.vaddr + BigInt(s.size))!;
      return Uint8Array.from({ length: n }, (_, i) => s.bytes[Number(at - s.vaddr) + i] ?? 0);
    }
  },
});

Deno.test({
  name: "damaged types say less, and never throw what is not theirs, or hang",
  ignore: !installed("gcc"),
  fn: async () => {
    const path = await compile("gcc", ["-gdwarf-5", "-O1", "-nostdlib", "-static", "-no-pie"], "damaged.c", C);
    const intact = Deno.readFileSync(path), elf = readElf(intact, path), random = new Random(11);
    const names = ["everything", "first", "fields", "hidden"], seen = { value: 0, nothing: 0, refused: 0 };
    for (let round = 0; round < 150; round++) {
      const file = intact.slice();
      for (let n = 0; n < 40; n++) file[0x1000 + random.below(file.length - 0x1000)] = random.below(256);
      const types = typesOfProgram({ bits: 64, image: () => file })!;
      for (const name of names) {
        const type = types.variable(elf.symbols.address(name)!);
        if (!type) seen.nothing++;
        else {
          try {
            valueOf(type, 0n, (_, n) => new Uint8Array(n).fill(3));
            seen.value++;
          } catch (e) {
            assert(e instanceof NotAValue, String(e));
            seen.refused++;
          }
        }
      }
    }
    assert(seen.value > 100 && seen.nothing > 10, Deno.inspect(seen));
  },
});

Deno.test("a script reads memory by name, address and type; what is not there is told", async () => {
  await using m = await boot("virt", { kernel: "tests/guests/bin/user.rv64.elf" });
  expect(m.memory("_start", "u32")).not.toEqual(0);
  expect(m.memory(m.cpu.pc, "[u8; 4]")).toHaveLength(4);
  const word = m.memory("_start", "u32").value as number;
  expect(m.memory("_start", "u32")).toHaveBytes([word & 0xff, word >>> 8 & 0xff, word >>> 16 & 0xff, word >>> 24]);
  expect(m.memory(0x8020_0000, "u64", { physical: true })).toBeAbove(0);
  assertThrows(
    () => m.memory("_start").value,
    ConfigError,
    `no debugging information says of what type _start is: say it, m.memory("_start", "u64")`,
  );
  assertThrows(() => m.memory("_strat"), ConfigError, "no symbol '_strat' in the kernel's symbol table (did you mean '_start'?)");
  assertThrows(() => m.memory("_start", "u23"), ConfigError, "no type 'u23'");
  assertThrows(() => m.memory("_start.field"), ConfigError, "so that '.field' means nothing");
  assertThrows(() => m.memory("_start", "u8", { cpu: 4 }), ConfigError, "there is no cpu 4");
  assertThrows(
    () => m.memory(0x1000_0000, "u8").value,
    ExpectationFailed,
    "0x10000000 (u8 at 0x10000000) cannot be read: 0x10000000 is a device (uart0)",
  );
  assertThrows(() => m.memory(0x10, "u8").value, ExpectationFailed, "0x10 is no memory");
  // With page tables: whoever runs, and whatever it may read.
  await m.run({ until: "trap_return" });
  await expect.poll(m, () => m.cpu, { every: "10ns" }).toHaveMode("U-mode");
  assertEquals(m.cpu.cpu.translate(m.memory("_start", "u8").address, "read"), undefined);
  expect(m.cpu).toMap("_start", { pa: "_start", flags: "rwx" });
  expect(m.memory("_start", "u32")).toEqual(word);
  expect(m.cpu).toMap(m.cpu.pc, { flags: "r-xu", page: 4096, accessed: true });
  assertThrows(() => expect(m.memory(0x10, "u8")).toEqual(1), ExpectationFailed, "0x10 is not mapped");
  const failed = assertThrows(() => expect(m.memory("_start", "u32")).toBeAtMost(1), ExpectationFailed);
  assertEquals(failed.message.split("\n")[0], `Expected _start (u32 at 0x80200000) to be at most 1`);
});
