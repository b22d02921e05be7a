// What src/riscv/floating.ts needs, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
import "../ir/softfloat.ts";
import "../riscv/quick_float.ts";
import "../riscv/float.ts";
import "../ir/fused.ts";
import "../riscv/isa/f.ts";
export * from "../riscv/floating.ts";
