// Passes by example: each file of tests/ir is a region, a pass, and what the pass makes of it. `-- --update` writes what they make today, to be
// read before it is committed. See tests/ir/README.md.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Graph } from "../src/engine/graph.ts";
import { compileRegion } from "../src/engine/jit.ts";
import { JIT_OPTIONS, type JitOption } from "../src/engine/jit_options.ts";
import { extend, narrowSlots } from "../src/engine/passes/extend.ts";
import { fold } from "../src/engine/passes/fold.ts";
import { findSpans, type Span } from "../src/engine/passes/spans.ts";
import type { RegionNode } from "../src/engine/region.ts";
import { slotHomes, SlotTable } from "../src/engine/slots.ts";
import { Dice, randomRegion } from "../src/engine/testing/random_region.ts";
import { regionText } from "../src/engine/testing/wasm_text.ts";
import { printIr } from "../src/ir/builder.ts";
import { LIMITS } from "../src/ir/limits.ts";
import { OP, type OpName, OPS } from "../src/ir/ops.ts";
import { parseIr } from "../src/ir/parse.ts";
import { verifyIr } from "../src/ir/verify.ts";

const FOLDER = new URL("ir/", import.meta.url), PASSES = Object.keys(JIT_OPTIONS) as JitOption[];

interface Case {
  readonly file: string;
  /** All of the file up to the expectation. */
  readonly head: string;
  readonly expected: string;
  readonly pass: JitOption;
  /** Slots that are extended when the region is entered. */
  readonly extended: readonly number[];
  /** Other limits than the defaults. */
  readonly limits: Readonly<Record<string, number>>;
  readonly nodes: RegionNode[];
}
const hex = (n: number) => `0x${n.toString(16)}`;

function readCase(file: string): Case {
  const text = Deno.readTextFileSync(new URL(file, FOLDER)), [head, expected] = text.split(/^--- after\n/m), lines = head.split("\n");
  const limits: Record<string, number> = {}, extended: number[] = [], nodes: RegionNode[] = [], targets: number[][] = [];
  let pass: string | undefined;
  for (let n = 0; n < lines.length; n++) {
    const [word, ...rest] = lines[n].split(/\s+/), wrong = (what: string) => new Error(`tests/ir/${file}:${n + 1}: ${what}`);
    if (word === "" || word.startsWith("#")) continue;
    else if (word === "pass") pass = rest[0];
    else if (word === "extended") extended.push(...rest.map(Number));
    else if (word === "limit") limits[rest[0]] = Number(rest[1]);
    else if (word === "node") {
      const pc = Number(rest[0]), from = n + 1;
      while (n + 1 < lines.length && !/^(node .*|)$/.test(lines[n + 1])) n++;
      const ir = parseIr(lines.slice(from, n + 1).join("\n"), `tests/ir/${file}`, from + 1), last = ir.count - 1;
      verifyIr(ir, file);
      targets.push(rest.slice(2).map(Number));
      nodes.push({
        pcLo: pc | 0,
        pcHi: Math.floor(pc / 2 ** 32),
        at: pc - (nodes.length ? (nodes[0].pcLo >>> 0) + nodes[0].pcHi * 2 ** 32 : pc),
        insns: ir.op.filter((op) => op === OP["insn"]).length,
        bytes: ir.lo[ir.op.lastIndexOf(OP["insn"])] + 4,
        ir,
        targets: new Map(),
        returns: [],
      });
      assert(last > 0);
    } else throw wrong(`'${word}' is none of pass, extended, limit, node`);
  }
  const names: readonly string[] = PASSES;
  if (!names.includes(pass!)) throw new Error(`tests/ir/${file}: 'pass ${pass}', expected one of ${names.join(", ")}`);
  const nodeAt = (pc: number) => nodes.findIndex((n) => (n.pcLo >>> 0) + n.pcHi * 2 ** 32 === pc);
  for (const [n, node] of nodes.entries()) {
    for (let i = 0; i < node.ir.count; i++) {
      if (/^(branch|jump)$/.test(OPS[node.ir.op[i]].name)) {
        (node.targets as Map<number, number>).set(i, nodeAt((node.ir.lo[i] >>> 0) + node.ir.hi[i] * 2 ** 32));
      }
    }
    (node.returns as number[]).push(...targets[n].map(nodeAt));
  }
  return { file, head, expected: expected ?? "", pass: pass as JitOption, extended, limits, nodes };
}

/** What a pass makes of a region, as text. */
function made({ pass, nodes, extended, limits: other }: Case): string {
  const graph = new Graph(nodes, true), table = new SlotTable(nodes), limits = { ...LIMITS, ...other };
  const irs = () => nodes.map((n) => `node ${hex(n.pcLo >>> 0)}\n${printIr(n.ir)}\n`).join("\n");
  const slots = (what: (n: number) => string) =>
    table.slots.map((at, n) => ({ at, text: what(n) })).sort((a, b) => a.at - b.at).map(({ at, text }) => `[${hex(at)}] ${text}\n`).join(
      "",
    );
  const entry = () => Uint8Array.from(table.slots, (at, n) => table.long[n] && extended.includes(at) ? 1 : 0);
  if (pass === "fold") return fold(graph, table), irs();
  if (pass === "extend") {
    const assumed = entry(), throughout = extend(graph, table, assumed);
    return irs() + "\n" + slots((n) => `${assumed[n] ? "is taken for extended, " : ""}${throughout[n] ? "always extended" : "anything"}`);
  }
  if (pass === "narrow") {
    const narrow = narrowSlots(graph, table, extend(graph, table, entry()));
    return slots((n) => narrow[n] ? "32 bits" : "all bits");
  }
  if (pass === "through") {
    const homes = slotHomes(graph, table, false, limits.fewSlots);
    return slots((n) => `${homes[n].kind}${homes[n].atEntry ? ", loaded at the entry" : ""}`);
  }
  if (pass === "spans" || pass === "across") {
    const { places, hoisted } = findSpans(graph, table, false, pass === "across", limits), known: Span[] = [], lines: string[] = [];
    for (const [n, map] of places.entries()) {
      for (const [i, { span, offset }] of map) {
        if (!known.includes(span)) known.push(span);
        lines.push(
          `node ${hex(nodes[n].pcLo >>> 0)} operation ${i}: span ${known.indexOf(span)} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`,
        );
      }
    }
    for (const [n, s] of known.entries()) {
      const front = hoisted.findIndex((m) => m.has(s)),
        slot = front < 0 ? "" : `, checked in front of node ${hex(nodes[front].pcLo >>> 0)} off [${hex(hoisted[front].get(s)!)}]`;
      lines.push(
        `span ${n}: off v${s.base}${s.delta ? ` less ${s.delta}` : ""}, ${s.low} to ${s.high}${s.narrow ? ", modulo 2^32" : ""}${
          s.stores ? ", stores" : ""
        }${slot}`,
      );
    }
    return lines.join("\n") + "\n";
  }
  const physical = pass === "physical" || pass === "free", on = pass === "free" ? ["free", "physical"] : [pass];
  const { bytes } = compileRegion(nodes, {
    block: 0x100,
    memoryPages: 64,
    off: new Set(PASSES.filter((p) => !on.includes(p))),
    limits,
    verify: true,
    guard: 0,
    count: 0,
    ram: physical
      ? { base: 0x8000_0000, length: 0x10_0000, offset: 0x20_0000, only: true, free: { from: 0x1000, length: 0xf_f000 } }
      : undefined,
  });
  assert(WebAssembly.validate(bytes));
  const text = regionText(bytes);
  return text.slice(0, text.indexOf("\n  end\n")) + "\n";
}

const files = [...Deno.readDirSync(FOLDER)].map((e) => e.name).filter((n) => n.endsWith(".ir")).sort();
for (const file of files) {
  Deno.test(`pass by example: ${file}`, () => {
    const c = readCase(file), got = made(c);
    if (Deno.args.includes("--update")) Deno.writeTextFileSync(new URL(file, FOLDER), `${c.head}--- after\n${got}`);
    else assertEquals(got, c.expected);
  });
}

Deno.test("there is an example for each pass", () => {
  const shown = new Set(files.map((f) => readCase(f).pass));
  assertEquals(PASSES.filter((p) => !shown.has(p)), []);
});

// --- the reader

Deno.test("IR that was printed is read as it was: every operation", () => {
  const lines: string[] = [], values: Record<string, number> = {};
  const value = (type: string) => `v${values[type]}`;
  const put = (name: string, operands: string) =>
    lines.push(`${OPS[OP[name as OpName]].result ? `v${lines.length} = ` : ""}${name} ${operands}`.trim());
  const immediate = (name: string) =>
    /^const|^branch$|^jump$/.test(name)
      ? ["0xfedcba9876543210"]
      : /^[gs]et/.test(name)
      ? ["[0x1ff8]"]
      : /^(insn|call)/.test(name)
      ? ["7"]
      : [];
  put("const.i", "0x80000001");
  values.i = 0;
  put("const.l", "0x8000000000000001");
  values.l = 1;
  for (const { name, args } of OPS) {
    if (name.startsWith("const")) continue;
    for (let n = name.startsWith("call") ? 0 : args.length; n <= args.length; n++) {
      put(name, [...immediate(name), ...[...args].slice(0, n).map(value)].join(", "));
    }
  }
  const text = lines.join("\n"), ir = parseIr(text);
  assertEquals(printIr(ir), text);
  assertEquals([ir.count > OPS.length, ir.hi[1], ir.lo[1]], [true, -0x8000_0000, 1]);
});

Deno.test("IR that was printed is read as it was: random regions", () => {
  let operations = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const r = new Dice(seed);
    for (const { ir } of randomRegion(seed, { words: r.one(2), accesses: r.one(2), calls: r.one(2) })) {
      const again = parseIr(printIr(ir));
      assertEquals(printIr(again), printIr(ir));
      for (let i = 0; i < ir.count; i++) {
        const { name, args } = OPS[ir.op[i]], fields = [ir.a, ir.b, ir.c, ir.d, ir.e], read = [again.a, again.b, again.c, again.d, again.e];
        for (let n = 0; n < args.length; n++) assertEquals(read[n][i], fields[n][i], `operand ${n} of ${name}`);
        if (/^(const\.l|branch|jump)$/.test(name)) assertEquals([again.lo[i], again.hi[i]], [ir.lo[i], ir.hi[i]]);
        else if (/^(const|get|set|insn|call)/.test(name)) assertEquals(again.lo[i], ir.lo[i]);
        operations++;
      }
    }
  }
  assert(operations > 5000, `${operations}`);
});

Deno.test("what is no IR is refused with its file and line", () => {
  const good = "insn 0\nv1 = get.l [0x1008]\n";
  for (
    const [line, what] of [
      ["v2 = add.x v1, v1", "no operation 'add.x'"],
      ["v3 = add.l v1, v1", "expected 'v2 ='"],
      ["v2 = set.l [0x1008], v1", "'set.l' has no result"],
      ["v2 = add.l v1", "expected 2 operands"],
      ["v2 = add.l v1, v2", "'v2' is no value from before"],
      ["v2 = add.l v1, v0", "'v0' is no value from before"],
      ["v2 = add.i v1, v1", "'v1' has type 'l', expected 'i'"],
      ["v2 = get.l 0x1008", "expected a slot, as [0x1008]"],
      ["v2 = const.l 17", "expected a number of at most 64 bits, as 0x1f"],
      ["v2 = call x, v1", "expected a number"],
      ["v2 = call 1, v1, v1, v1, v1, v1", "expected 4 operands"],
    ]
  ) assertThrows(() => parseIr(`${good}${line}\n`, "a.ir", 11), Error, `a.ir:13: '${line}': ${what}`);
});
