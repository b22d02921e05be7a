// Device types and what they need, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
export { default as pc_testdev } from "../devices/pc_testdev.ts";
