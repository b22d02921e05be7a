// What src/cli/main.ts needs, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
import "../cli/options.ts";
import "../cli/output.ts";
import "../cli/ends.ts";
import "../cli/set.ts";
import "../cli/plan.ts";
import "../cli/input.ts";
import "../cli/pacer.ts";
import "../cli/terminal_host.ts";
import "../cli/run.ts";
export * from "../cli/main.ts";
