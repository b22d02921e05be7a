// Device types and what they need, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
export { default as clint } from "../devices/riscv/clint.ts";
export { default as goldfish_rtc } from "../devices/riscv/goldfish_rtc.ts";
export { default as plic } from "../devices/riscv/plic.ts";
export { default as sifive_finisher } from "../devices/riscv/sifive_finisher.ts";
