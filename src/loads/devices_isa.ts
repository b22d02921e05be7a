// Device types and what they need, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
export { default as i8254 } from "../devices/isa/i8254.ts";
export { default as i8259 } from "../devices/isa/i8259.ts";
export { default as isa_debug_exit } from "../devices/isa/isa_debug_exit.ts";
export { default as mc146818 } from "../devices/isa/mc146818.ts";
