// The builder: types follow operands, constants and addresses are what they should be, and the text of the IR.
import { assert, assertEquals } from "@std/assert";
import { Builder, printIr, type Val } from "./builder.ts";
import { evaluate } from "./evaluate.ts";
import { GUEST } from "./layout.ts";
import { OPS } from "./ops.ts";

function block(build: (b: Builder) => void, pcLo = 0x1000, pcHi = 0): Builder {
  const b = new Builder();
  b.reset(pcLo, pcHi);
  b.insn(pcLo, pcHi, 0);
  build(b);
  return b;
}
const lines = (build: (b: Builder) => void, pcLo?: number, pcHi?: number) => printIr(block(build, pcLo, pcHi)).split("\n").slice(1);

Deno.test("the width of an operation is that of its first operand", () => {
  assertEquals(lines((b) => b.set(GUEST, b.add(b.getL(GUEST), b.i64(1)))), [
    "v1 = get.l [0x1000]",
    "v2 = const.l 0x1",
    "v3 = add.l v1, v2",
    "set.l [0x1000], v3",
  ]);
  assertEquals(lines((b) => b.set(GUEST, b.rotr(b.getI(GUEST), b.i32(-1)))).slice(2), ["v3 = rotr.i v1, v2", "set.i [0x1000], v3"]);
  const b = new Builder(), i = b.getI(GUEST), l = b.getL(GUEST);
  assertEquals([b.isLong(b.eq(l, l)), b.isLong(b.extS(i)), b.isLong(b.wrap(l)), b.isLong(b.ea32(i, i))], [false, true, false, true]);
  assertEquals([b.isLong(b.select(i, l, l)), b.isLong(b.select(i, i, i)), b.isLong(b.load("load8U.l", l))], [true, false, true]);
});

Deno.test("every method of an integer operation makes the row of its name", () => {
  const one = ["clz", "ctz", "popcnt", "eqz", "ext8S", "ext16S"] as const;
  const two = "add sub mul and or xor shl shrS shrU rotl rotr eq ne ltS ltU gtS gtU leS leU geS geU divS divU remS remU mulhS mulhU mulhSU"
    .split(" ");
  const b = new Builder(), i = b.getI(GUEST), l = b.getL(GUEST);
  const methods = b as unknown as Record<string, (a: Val, b?: Val) => Val>;
  for (const name of one) {
    for (const [v, w] of [[i, "i"], [l, "l"]] as const) assertEquals(OPS[b.op[methods[name](v)]].name, `${name}.${w}`);
  }
  for (const name of two) {
    for (const [v, w] of [[i, "i"], [l, "l"]] as const) assertEquals(OPS[b.op[methods[name](v, v)]].name, `${name}.${w}`);
  }
  for (const name of ["wrap", "extS", "extU", "ext32S"]) {
    assertEquals(OPS[b.op[methods[name](name.startsWith("ext3") || name === "wrap" ? l : i)]].name, name);
  }
  assertEquals(b.add(l, b.i64(0)), l);
});

Deno.test("the compiler knows the widths", () => {
  const b = new Builder(), i = b.getI(GUEST), l = b.getL(GUEST), either: Val = b.isLong(l) ? i : l;
  // @ts-expect-error: operands of two widths
  b.add(i, l);
  // @ts-expect-error: a comparison of two widths
  b.eq(l, i);
  // @ts-expect-error: a condition is of 32 bits
  b.select(l, i, i);
  // @ts-expect-error: choices of two widths
  b.select(i, l, i);
  // @ts-expect-error: a comparison's result is of 32 bits
  b.jumpTo(b.eq(l, l));
  // @ts-expect-error: an address is of 64 bits
  b.load("load8U.l", i);
  // @ts-expect-error: what is stored has the width that the row's name says
  b.store("store32.i", l, l);
  // @ts-expect-error: no such row
  b.pure("fadd.x", i, i);
  // @ts-expect-error: the row takes two operands
  b.pure("fadd.i", i);
  // @ts-expect-error: the row takes doubles
  b.pure("fadd.l", i, i);
  // @ts-expect-error: there is nothing to wrap
  b.wrap(i);
  // @ts-expect-error: arguments of helpers are of 64 bits
  b.call(1, i);
  assertEquals([b.add(either, l), b.wrap(either)], [b.count - 2, b.count - 1] as Val[]);
});

Deno.test("constants: both halves, and what `constant` knows", () => {
  const b = new Builder(), at = (v: Val) => [b.lo[v], b.hi[v]];
  assertEquals(at(b.i64(-1)), [-1, -1]);
  assertEquals(at(b.i64Big(0x1234_5678_9abc_def0n)), [0x9abc_def0 | 0, 0x1234_5678]);
  assertEquals(at(b.i64Big(-1n << 63n)), [0, -0x8000_0000]);
  assertEquals([b.i32(7), b.i64(-7), b.i64Halves(5, 1), b.getI(GUEST)].map((v) => b.constant(v)), [7, -7, undefined, undefined]);
});

Deno.test("addresses relative to the pc carry into the upper half, both ways", () => {
  const cases: [number, number, number, bigint][] = [
    [0x1000, 0, 8, 0x1008n],
    [0xffff_fffc | 0, 0, 4, 0x1_0000_0000n],
    [0xffff_fffc | 0, -1, 4, 0n],
    [0, 1, -4, 0xffff_fffcn],
    [0, 0, -4, 0xffff_ffff_ffff_fffcn],
    [0x8000_0000 | 0, -1, -0x8000_0000, 0xffff_ffff_0000_0000n],
  ];
  for (const [lo, hi, offset, expected] of cases) {
    assertEquals(lines((b) => b.jump(offset), lo, hi), [`jump 0x${expected.toString(16)}`]);
    assertEquals(lines((b) => void b.pcPlus(offset), lo, hi), [`v1 = const.l 0x${expected.toString(16)}`]);
  }
});

Deno.test("operations that end the block say so; branches do not", () => {
  const ended = (build: (b: Builder) => void) => block(build).ended;
  assert(ended((b) => b.jump(4)) && ended((b) => b.jumpTo(b.i64(0))) && ended((b) => b.callEnd(3)));
  assert(!ended((b) => b.branchIf(b.i32(1), 4)) && !ended((b) => void b.call(3)));
});

Deno.test("memory, control and calls as text", () => {
  assertEquals(
    lines((b) => {
      const a = b.getL(GUEST), v = b.load("load16S.l", a);
      b.store("store64.l", b.add(a, b.i64(8)), v);
      b.branchIf(b.eqz(v), 8);
      b.set(GUEST + 8, b.call(2, a, v));
      b.set(GUEST + 8, b.callUnless(b.wrap(a), v, 5, a));
      b.callEnd(7, a, v, a, v);
    }),
    [
      "v1 = get.l [0x1000]",
      "v2 = load16S.l v1",
      "v3 = const.l 0x8",
      "v4 = add.l v1, v3",
      "store64.l v4, v2",
      "v6 = eqz.l v2",
      "branch 0x1008, v6",
      "v8 = call 2, v1, v2",
      "set.l [0x1008], v8",
      "v10 = wrap v1",
      "v11 = callUnless 5, v10, v2, v1",
      "set.l [0x1008], v11",
      "callEnd 7, v1, v2, v1, v2",
    ],
  );
});

Deno.test("the evaluator: slots, memory, branches, faults and the count of instructions", () => {
  const slots = new DataView(new ArrayBuffer(0x2000)), stored: unknown[] = [];
  const machine = {
    slots,
    helpers: [],
    load: (address: bigint, size: number, write: boolean) => address < 0x100n ? undefined : address * BigInt(size) + (write ? 1n : 0n),
    store: (...args: unknown[]) => stored.push(args) > 0 && args[0] as bigint >= 0x100n,
  };
  const b = block((b) => {
    b.set(GUEST, b.load("load16S.l", b.i64(0x4000)));
    b.set(GUEST + 8, b.load("rmw32.i", b.i64(0x100)));
    b.insn(0x1004, 0, 4);
    b.branchIf(b.eqz(b.getL(GUEST + 16)), 0x20);
    b.store("store8.i", b.i64(0x200), b.i32(-1));
    b.jump(4);
  });
  assertEquals(evaluate(b, machine), { kind: "next", pc: 0x1024n, insns: 2 });
  assertEquals(slots.getBigInt64(GUEST, true), -0x8000n);
  assertEquals(slots.getUint32(GUEST + 8, true), 0x401);
  slots.setUint8(GUEST + 16, 1);
  assertEquals(evaluate(b, machine), { kind: "next", pc: 0x1008n, insns: 2 });
  assertEquals(stored, [[0x200n, 1, 0xffn]]);
  const faulting = block((b) => {
    b.insn(0x1002, 0, 2);
    b.set(GUEST, b.load("load64.l", b.i64(8)));
    b.jump(4);
  });
  assertEquals(evaluate(faulting, machine), { kind: "fault", pc: 0x1002n, insns: 2 });
});
