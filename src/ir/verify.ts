// What holds of the IR whatever made or changed it; passes are held to it in tests.
import type { Ir } from "./builder.ts";
import { OPS } from "./ops.ts";

/** Holds IR to what it must be behind `pass`. @throws {Error} an operand has the wrong type, comes later, or is of another instruction; or the operations do not end as they must. */
export function verifyIr(ir: Ir, pass = "builder"): void {
  let insn = -1;
  for (let i = 0; i < ir.count; i++) {
    const row = OPS[ir.op[i]], wrong = (what: string) => new Error(`IR behind ${pass}: operation ${i}, ${row?.name ?? ir.op[i]}: ${what}`);
    if (!row) throw wrong("no such row");
    if (row.imm === "offset") insn = i;
    if (insn < 0) throw wrong("before the first instruction");
    const operands = [ir.a[i], ir.b[i], ir.c[i], ir.d[i], ir.e[i]];
    for (const [n, type] of [...row.args].entries()) {
      const v = operands[n];
      if (v === -1 && n >= (row.optional ?? n + 1)) continue;
      if (!(v > insn && v < i)) throw wrong(`operand ${n} is value ${v}, which is not before it in its instruction`);
      if (OPS[ir.op[v]].result !== type) throw wrong(`operand ${n} is ${OPS[ir.op[v]].name}, '${type}' is due`);
    }
    if (row.imm === "slot" && (ir.lo[i] & 3 || ir.lo[i] < 0 || ir.lo[i] >= 0x1_0000)) throw wrong(`slot ${ir.lo[i]}`);
    const ends = row.effect === "ends";
    if (ends !== (i === ir.count - 1)) throw wrong(ends ? "not the last one" : "does not end the block");
  }
}
