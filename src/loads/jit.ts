// What src/engine/regions.ts needs, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
import "../ir/verify.ts";
import "../engine/graph.ts";
import "../engine/passes/extend.ts";
import "../ir/evaluate.ts";
import "../engine/passes/fold.ts";
import "../engine/passes/spans.ts";
import "../engine/slots.ts";
import "../engine/region_function.ts";
import "../engine/node_accesses.ts";
import "../engine/node_exits.ts";
import "../engine/node_values.ts";
import "../engine/node_writer.ts";
import "../engine/jit.ts";
import "../engine/region.ts";
export * from "../engine/regions.ts";
