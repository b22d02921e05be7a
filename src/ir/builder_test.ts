// The builder: types follow operands, constants and addresses are what they should be, and the text of the IR.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Builder, codeBytes, type I64, type Memo, printIr, type Val } from "./builder.ts";
import { evaluate } from "./evaluate.ts";
import { CONTINUE, FAULT, FINISH, type Status } from "./frontend.ts";
import { ARG, CLOCK, GUEST, PC, RESULT } from "./layout.ts";
import { OP, OPS } from "./ops.ts";

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
    [0xffff_fffb | 0, 0, 4, 0xffff_ffffn],
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
  assert(ended((b) => b.jumpOut(b.i64(0))));
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

/** All fields of an operation. */
const fields = (b: Builder, i: number) => [OPS[b.op[i]].name, b.a[i], b.b[i], b.c[i], b.d[i], b.e[i], b.lo[i], b.hi[i]];

Deno.test("a builder that is used again has nothing of the block before", () => {
  const b = new Builder(), fresh = new Builder(), narrow: Memo = { find: () => 0, narrow: true };
  assertEquals([Builder.CAPACITY, b.op.length, b.hi.length], [8192, 8192, 8192]);
  assertEquals([fresh.count, fresh.insns, fresh.codeBytes, fresh.ended, fresh.leavesBefore, fresh.memo], [
    0,
    0,
    0,
    false,
    false,
    undefined,
  ]);
  b.reset(0x1234_5678, -1);
  b.insn(0x1234_5678, -1, 0);
  b.learn(7, 8, 9);
  b.at(5, 6);
  b.memo = narrow;
  b.codeBytes = 12;
  b.jump(4);
  b.reset(0xffff_fffc, 0xffff_ffff);
  assertEquals([b.count, b.insns, b.codeBytes, b.ended, b.memo], [0, 0, 0, false, undefined]);
  assertEquals([b.startLo, b.startHi, b.pcLo, b.pcHi], [-4, -1, -4, -1]);
  // What was learnt of is gone: an instruction that depends on more does not change another's.
  b.insn(0, 0, 0);
  b.b[0] = 1;
  b.unlike();
  assertEquals([b.b[0], b.insns], [1, 1]);
  b.at(0x8000_0000, 0xffff_fffe);
  assertEquals([b.pcLo, b.pcHi], [-0x8000_0000, -2]);
  // One that writes into another's arrays has them all.
  const over = new Builder(b);
  for (const name of ["op", "a", "b", "c", "d", "e", "lo", "hi"] as const) {
    assert(over[name] === b[name] && over[name] !== fresh[name], name);
  }
});

Deno.test("instructions: where they begin, what is recalled of them, what is learnt, and what forbids that", () => {
  const b = new Builder();
  for (const list of [b.a, b.b, b.c, b.d, b.e, b.lo, b.hi]) list.fill(77);
  b.reset(0x1000, 1);
  b.insn(0x8000_0004, 2, 4);
  assertEquals([b.pcLo, b.pcHi, b.insns, b.count], [0x8000_0004 | 0, 2, 1, 1]);
  assertEquals(fields(b, 0), ["insn", 0, 0, 0, 77, 77, 4, 77]);
  b.learn(0x1234, 5, 6);
  assertEquals(fields(b, 0), ["insn", 0, 1, 6, 5, 77, 4, 0x1234]);
  b.i32(1);
  b.unlike();
  assertEquals(b.b[0], 0);
  b.recall(2 * 9, 8, -3);
  assertEquals([b.ended, b.insns, b.count, b.pcLo], [false, 2, 3, 0x8000_0004 | 0]);
  assertEquals([fields(b, 2)[0], b.a[2], b.c[2], b.lo[2]], ["insn", 9, -3, 8]);
  b.recall(2 * 10 + 1, 12, 0);
  assertEquals([b.ended, b.insns, b.a[3], b.lo[3]], [true, 3, 10, 12]);
  const v = b.relative(b.pcPlus(-8), -8);
  assertEquals([b.a[v], b.b[v], b.constant(v), b.lo[v], b.hi[v]], [1, -8, undefined, 0x7fff_fffc, 2]);
  b.at(0x1000, 0);
  assertEquals([b.constant(b.pcPlus(4)), b.constant(b.relative(b.pcPlus(4), 4))], [0x1004, undefined]);
  b.at(0x8000_0004, 2);
  b.cut(4);
  assertEquals(fields(b, 7), ["jump", 0, 4, 1, 77, 77, 0x8000_0008 | 0, 2]);
});

Deno.test("bytes of code: as many as is said, or at most to the end of the longest instruction behind the last one's start", () => {
  const b = new Builder();
  b.reset(0, 0);
  b.insn(0, 0, 0);
  b.i32(1);
  assertEquals(codeBytes(b), 16);
  b.insn(4, 0, 4);
  b.insn(20, 0, 20);
  assertEquals(codeBytes(b), 36);
  b.jump(4);
  assertEquals(codeBytes(b), 36);
  b.codeBytes = 1;
  assertEquals(codeBytes(b), 1);
  // What is behind the block's end is of another one.
  b.reset(0, 0);
  b.insn(0, 0, 0);
  assertEquals(codeBytes(b), 16);
});

Deno.test("calls have as many arguments as they are given, and -1 for the others", () => {
  for (let n = 0; n <= 4; n++) {
    const b = new Builder();
    b.reset(0, 0);
    b.insn(0, 0, 0);
    const ok = b.i32(1), fast = b.i64(1), args = [10, 11, 12, 13].slice(0, n) as I64[], all = [...args, -1, -1, -1, -1];
    const call = b.call(5, ...args);
    assertEquals([fields(b, call).slice(0, 5), b.lo[call]], [["call", ...all.slice(0, 4)], 5]);
    b.callEndUnless(ok, 6, ...args);
    assertEquals([fields(b, b.count - 1).slice(0, 6), b.lo[b.count - 1], b.ended], [["callEndUnless", ok, ...all.slice(0, 4)], 6, false]);
    if (n < 4) {
      const v = b.callUnless(ok, fast, 7, ...args);
      assertEquals([fields(b, v).slice(0, 6), b.lo[v]], [["callUnless", ok, fast, ...all.slice(0, 3)], 7]);
    }
    b.callEnd(8, ...args);
    assertEquals([fields(b, b.count - 1).slice(0, 5), b.lo[b.count - 1], b.ended], [["callEnd", ...all.slice(0, 4)], 8, true]);
  }
});

Deno.test("every operation has its operands, its immediate and nothing else", () => {
  const b = new Builder();
  for (const list of [b.a, b.b, b.c, b.d, b.e, b.lo, b.hi]) list.fill(77);
  b.reset(0x1000, 3);
  b.insn(0x1000, 3, 0);
  const i = b.i32(-5), l = b.i64(-6), rest = [77, 77];
  assertEquals([fields(b, i), fields(b, l)], [["const.i", 0, 0, 0, ...rest, -5, 0], ["const.l", 0, 0, 0, ...rest, -6, -1]]);
  const last = (): (string | number)[] => fields(b, b.count - 1);
  const cases: [() => void, (string | number)[]][] = [
    [() => b.i32(0x8000_0000), ["const.i", 0, 0, 0, ...rest, -0x8000_0000, 0]],
    [() => b.i64Halves(1, 2), ["const.l", 0, 0, 0, ...rest, 1, 2]],
    [() => b.getI(0x1008), ["get.i", 0, 0, 0, ...rest, 0x1008, 77]],
    [() => b.getL(0x1008), ["get.l", 0, 0, 0, ...rest, 0x1008, 77]],
    [() => b.ticks(), ["ticks", 0, 0, 0, ...rest, 77, 77]],
    [() => b.set(0x1010, i), ["set.i", i, 0, 0, ...rest, 0x1010, 77]],
    [() => b.set(0x1010, l), ["set.l", l, 0, 0, ...rest, 0x1010, 77]],
    [() => b.pure("ea32", i, i), ["ea32", i, i, 0, ...rest, 77, 77]],
    [() => b.pure("clz.i", i), ["clz.i", i, 0, 0, ...rest, 77, 77]],
    [() => b.operation(OPS[OP["select.l"]], l, l, i), ["select.l", l, l, i, ...rest, 77, 77]],
    [() => b.operation(OPS[OP["load8U.i"]], l), ["load8U.i", l, 0, 0, ...rest, 77, 77]],
    [() => b.add(i, b.i32(1)), ["add.i", i, b.count + 12, 0, ...rest, 77, 77]],
    [() => b.select(i, l, l), ["select.l", l, l, i, ...rest, 77, 77]],
    [() => b.clz(l), ["clz.l", l, 0, 0, ...rest, 77, 77]],
    [() => b.sub(l, l), ["sub.l", l, l, 0, ...rest, 77, 77]],
    [() => b.load("load16S.l", l), ["load16S.l", l, 0, 0, ...rest, 77, 77]],
    [() => b.store("store8.i", l, i), ["store8.i", l, i, 0, ...rest, 77, 77]],
    [() => b.branchIf(i, -0x2000), ["branch", i, -0x2000, 0, ...rest, -0x1000, 2]],
    [() => b.jump(0x10), ["jump", 0, 0x10, 0, ...rest, 0x1010, 3]],
    [() => b.jumpTo(l), ["jumpTo", l, 0, 0, ...rest, 77, 77]],
    [() => b.jumpOut(l), ["jumpOut", l, 0, 0, ...rest, 77, 77]],
  ];
  for (const [build, due] of cases) {
    build();
    const got = last();
    if (due[0] === "add.i") due[2] = b.count - 2;
    assertEquals(got, due);
  }
  assertEquals([b.ended, b.add(l, b.i64(0)), b.add(l, b.i64Halves(0, 1)) === l, b.constant(b.i64Halves(-1, 0))], [
    true,
    l,
    false,
    undefined,
  ]);
});

Deno.test("the evaluator: helpers get their arguments, and may fault, end the block or finish their instruction; the clock is exact", () => {
  const slots = new DataView(new ArrayBuffer(0x2000)), given: bigint[][] = [];
  let status: Status = CONTINUE;
  const helper = {
    name: "h",
    run: () => {
      given.push([0, 1, 2, 3].map((n) => slots.getBigUint64(ARG + 8 * n, true)));
      slots.setBigUint64(RESULT, 0x1_8000_0001n, true);
      slots.setBigUint64(PC, 0x7_0000_0000n, true);
      return status;
    },
  };
  const machine = { slots, helpers: [helper, helper], load: () => 0xffffn, store: () => true };
  const run = (build: (b: Builder) => void, says: Status = CONTINUE) => {
    given.length = 0;
    status = says;
    for (const at of [GUEST, GUEST + 8, GUEST + 16]) slots.setBigUint64(at, 0n, true);
    const exit = evaluate(block(build, 0xffff_fff0 | 0, -2), machine);
    return [exit.kind, exit.pc, exit.insns, slots.getBigUint64(GUEST, true), given];
  };
  const high = 0xffff_fffe_ffff_fff0n, next = 0xffff_fffe_ffff_fff4n;
  const call = (b: Builder) => {
    b.set(GUEST, b.call(1, b.i64(-1), b.i64Halves(0, 5)));
    b.jump(4);
  };
  assertEquals(run(call), ["next", next, 1, 0x1_8000_0001n, [[(1n << 64n) - 1n, 5n << 32n, 0n, 0n]]]);
  assertEquals(run(call, FAULT), ["fault", high, 1, 0n, given]);
  // Finish: this instruction still completes, the next one does not begin.
  const two = (b: Builder) => {
    b.set(GUEST, b.call(0));
    b.insn(0xffff_fff2 | 0, -2, 2);
    b.set(GUEST, b.i64(3));
    b.jump(4);
  };
  assertEquals(run(two, FINISH).slice(0, 4), ["next", high + 2n, 1, 0x1_8000_0001n]);
  assertEquals(run(two).slice(0, 4), ["next", high + 6n, 2, 3n]);
  assertEquals(run((b) => b.callEnd(0, b.i64(9))).slice(0, 3), ["helper", 0x7_0000_0000n, 1]);
  for (const ok of [0, 1, 2]) {
    const unless = (b: Builder) => {
      b.set(GUEST, b.callUnless(b.i32(ok), b.i64(7), 1, b.i64(8), b.i64(9)));
      b.jumpTo(b.i64(-16));
    };
    assertEquals(run(unless), ["next", (1n << 64n) - 16n, 1, ok ? 7n : 0x1_8000_0001n, ok ? [] : [[7n, 8n, 9n, 0n]]]);
    const end = (b: Builder) => {
      b.callEndUnless(b.i32(ok), 0, b.i64(8));
      b.jumpOut(b.i64(16));
    };
    assertEquals(run(end).slice(0, 2), ok ? ["next", 16n] : ["helper", 0x7_0000_0000n]);
    if (!ok) assertEquals(given[0][0], 8n);
  }
  // The clock: at the end of the budget, which is the block, less the instructions that are left, this one included.
  slots.setBigUint64(CLOCK, 1000n, true);
  const clock = (b: Builder) => {
    b.set(GUEST, b.ticks());
    b.insn(0, 0, 2);
    b.set(GUEST + 8, b.ticks());
    b.insn(0, 0, 4);
    b.jump(4);
  };
  assertEquals([run(clock)[3], slots.getBigUint64(GUEST + 8, true)], [997n, 998n]);
  // Halves of slots, loads of each kind, and a block without an end.
  slots.setBigUint64(GUEST + 24, 0x8000_0001_8000_0002n, true);
  const halves = (b: Builder) => {
    b.set(GUEST, b.getL(GUEST + 24));
    b.set(GUEST + 8, b.getI(GUEST + 24));
    b.set(GUEST + 16, b.load("load16U.l", b.i64(0)));
    b.jump(4);
  };
  assertEquals(run(halves)[3], 0x8000_0001_8000_0002n);
  assertEquals([slots.getBigUint64(GUEST + 8, true), slots.getBigUint64(GUEST + 16, true)], [0x8000_0002n, 0xffffn]);
  const loads = (["load8U.i", "load16S.i", "load32S.l", "load64.l"] as const).map((name) => {
    run((b) => {
      b.set(GUEST, b.load(name, b.i64(0)) as Val);
      b.jump(4);
    });
    return slots.getBigUint64(GUEST, true);
  });
  assertEquals(loads, [0xffffn, 0xffff_ffffn, 0xffffn, 0xffffn]);
  // Values have as many bits as their type: what is negative equals a constant, whatever it comes from.
  slots.setBigInt64(GUEST + 24, -1n, true);
  const same = (b: Builder) => {
    const l = b.eq(b.load("load16S.l", b.i64(0)), b.i64(-1)), i = b.eq(b.load("load16S.i", b.i64(0)), b.i32(-1));
    b.set(GUEST, b.extU(b.and(b.and(l, i), b.eq(b.getI(GUEST + 24), b.i32(-1)))));
    b.jump(4);
  };
  assertEquals(run(same)[3], 1n);
  // Addresses and the clock count modulo 2^64.
  slots.setBigUint64(CLOCK, 0n, true);
  const wrapped = block(
    (b) => {
      b.insn(0, 0, 4);
      b.set(GUEST, b.extU(b.eq(b.ticks(), b.i64(-1))));
      b.set(GUEST + 8, b.call(0));
      b.jump(4);
    },
    -4,
    -1,
  );
  status = FAULT;
  assertEquals([evaluate(wrapped, machine), slots.getBigUint64(GUEST, true)], [{ kind: "fault", pc: 0n, insns: 2 }, 1n]);
  assertThrows(() => run((b) => void b.i32(1)), Error, "the block does not end");
});
