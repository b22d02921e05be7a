// Reads the text that `printIr` writes: for tests of passes, which are files (tests/ir).
import type { Ir } from "./builder.ts";
import { ARITY, OP, OPS } from "./ops.ts";

/** What stands in front of a row's operands: a constant or pc, a slot in brackets, a number; see printIr. */
const immediateOf = (name: string): "wide" | "slot" | "number" | undefined =>
  /^const|^branch$|^jump$/.test(name) ? "wide" : /^[gs]et\./.test(name) ? "slot" : /^(insn|call)/.test(name) ? "number" : undefined;
const FORMS = {
  wide: [/^0x([0-9a-f]{1,16})$/, "a number of at most 64 bits, as 0x1f"],
  slot: [/^\[0x([0-9a-f]{1,4})\]$/, "a slot, as [0x1008]"],
  number: [/^([0-9]+)$/, "a number"],
} as const;

/** The operations of a text, one a line. Lines are told of from `first` on. @throws {Error} a line is not as it should be */
export function parseIr(text: string, file = "IR", first = 1): Ir {
  const lines = text.trimEnd() === "" ? [] : text.trimEnd().split("\n"), count = lines.length, words = () => new Int32Array(count);
  const ir = { count, op: new Uint8Array(count), a: words(), b: words(), c: words(), d: words(), e: words(), lo: words(), hi: words() };
  const operands = [ir.a, ir.b, ir.c, ir.d, ir.e];
  for (const [i, line] of lines.entries()) {
    const wrong = (what: string) => new Error(`${file}:${first + i}: '${line.trim()}': ${what}`);
    const [, value, name, rest] = /^\s*(?:v(\d+) = )?(\S+)\s*(.*?)\s*$/.exec(line) ?? [], op = OP[name];
    if (op === undefined) throw wrong(`no operation '${name ?? ""}'`);
    const row = OPS[op], list = rest === "" ? [] : rest.split(/,\s*/), kind = immediateOf(name);
    if (row.result && value !== String(i)) throw wrong(`expected 'v${i} =', the number of its operation`);
    if (!row.result && value !== undefined) throw wrong(`'${name}' has no result`);
    ir.op[i] = op;
    if (kind) {
      const [form, due] = FORMS[kind], [, digits] = form.exec(list.shift() ?? "") ?? [];
      if (digits === undefined) throw wrong(`expected ${due}`);
      const n = BigInt(kind === "number" ? digits : `0x${digits}`);
      ir.lo[i] = Number(BigInt.asIntN(32, n));
      ir.hi[i] = Number(BigInt.asIntN(32, n >> 32n));
    }
    const optional = row.name.startsWith("call");
    if (optional ? list.length > ARITY[op] : list.length !== ARITY[op]) throw wrong(`expected ${ARITY[op]} operands`);
    if (optional) { for (let n = 0; n < ARITY[op]; n++) operands[n][i] = -1; }
    for (const [n, operand] of list.entries()) {
      const [, digits] = /^v(\d+)$/.exec(operand) ?? [], v = Number(digits);
      if (digits === undefined || v >= i || !OPS[ir.op[v]].result) throw wrong(`'${operand}' is no value from before`);
      if (OPS[ir.op[v]].result !== row.args[n]) throw wrong(`'${operand}' has type '${OPS[ir.op[v]].result}', expected '${row.args[n]}'`);
      operands[n][i] = v;
    }
  }
  return ir;
}
