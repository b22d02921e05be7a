// The table of the benchmark: what is run, against what, and how good it must be. Each file of rows has a function in `TABLES`.
import type { Row } from "./row.ts";
import { cliffRows } from "./cliffs.ts";
import { riscvRows } from "./rows_riscv.ts";
import { v86Rows } from "./rows_v86.ts";
import { x86Rows } from "./rows_x86.ts";

const TABLES: readonly ((count: (n: number) => number) => Row[])[] = [riscvRows, x86Rows, v86Rows, cliffRows];

/** Groups whose geometric mean has a target. */
export const MEAN_TARGETS: Readonly<Record<string, number>> = {
  "Integer, RV64": 0.7,
  "Integer, RV32": 0.7,
  "Floating point, RV64": 0.8,
  "System-heavy, RV64": 1.0,
  "Integer, x86-64": 0.7,
  "Floating point, x86-64": 0.8,
  "System-heavy, x86-64": 1.0,
};

/** All rows; how often programs run is divided by `divisor`, for a quick look. */
export function rows(divisor = 1): Row[] {
  const count = (n: number) => Math.max(1, Math.round(n / divisor));
  return TABLES.flatMap((table) => table(count));
}
