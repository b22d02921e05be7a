// Reads the text that `printIr` writes: for tests of passes, which are files (tests/ir).
import type { Ir } from "./builder.ts";
import { ARITY, OP, type OpName, OPS } from "./ops.ts";

/** How what stands in front of a row's operands is written (`imm` in ops.ts); see printIr. */
const WIDE = [/^0x([0-9a-f]{1,16})$/, "a number of at most 64 bits, as 0x1f"] as const, NUMBER = [/^([0-9]+)$/, "a number"] as const;
const FORMS = {
  constant: WIDE,
  pc: WIDE,
  slot: [/^\[0x([0-9a-f]{1,4})\]$/, "a slot, as [0x1008]"],
  offset: NUMBER,
  helper: NUMBER,
} as const;

/** The operations of a text, one a line. Lines are told of from `first` on. @throws {Error} a line is not as it should be */
export function parseIr(text: string, file = "IR", first = 1): Ir {
  const lines = text.trimEnd() === "" ? [] : text.trimEnd().split("\n"), count = lines.length, words = () => new Int32Array(count);
  const ir = { count, op: new Uint16Array(count), a: words(), b: words(), c: words(), d: words(), e: words(), lo: words(), hi: words() };
  const operands = [ir.a, ir.b, ir.c, ir.d, ir.e];
  for (const [i, line] of lines.entries()) {
    const wrong = (what: string) => new Error(`${file}:${first + i}: '${line.trim()}': ${what}`);
    const [, value, name, rest] = /^\s*(?:v(\d+) = )?(\S+)\s*(.*?)\s*$/.exec(line) ?? [], op = OP[name as OpName];
    if (op === undefined) throw wrong(`no operation '${name ?? ""}'`);
    const row = OPS[op], list = rest === "" ? [] : rest.split(/,\s*/), { imm, optional } = row;
    if (row.result && value !== String(i)) throw wrong(`expected 'v${i} =', the number of its operation`);
    if (!row.result && value !== undefined) throw wrong(`'${name}' has no result`);
    ir.op[i] = op;
    if (imm) {
      const [form, due] = FORMS[imm], [, digits] = form.exec(list.shift() ?? "") ?? [];
      if (digits === undefined) throw wrong(`expected ${due}`);
      const n = BigInt(FORMS[imm] === NUMBER ? digits : `0x${digits}`);
      ir.lo[i] = Number(BigInt.asIntN(32, n));
      ir.hi[i] = Number(BigInt.asIntN(32, n >> 32n));
    }
    if (optional !== undefined ? list.length > ARITY[op] : list.length !== ARITY[op]) throw wrong(`expected ${ARITY[op]} operands`);
    if (optional !== undefined) { for (let n = 0; n < ARITY[op]; n++) operands[n][i] = -1; }
    for (const [n, operand] of list.entries()) {
      const [, digits] = /^v(\d+)$/.exec(operand) ?? [], v = Number(digits);
      if (digits === undefined || v >= i || !OPS[ir.op[v]].result) throw wrong(`'${operand}' is no value from before`);
      if (OPS[ir.op[v]].result !== row.args[n]) throw wrong(`'${operand}' has type '${OPS[ir.op[v]].result}', expected '${row.args[n]}'`);
      operands[n][i] = v;
    }
  }
  return ir;
}
