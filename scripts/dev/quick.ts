// The tests that a change in src most likely breaks, in parallel: those beside the sources but the slow ones, and some of whole machines. With types
// and layers it is `deno task quick`, under 30 s on two cores; `deno task ok` is what a change must pass.

/** Tests beside the sources of which each takes seconds, with the seconds. */
const SLOW = [
  "src/engine/passes/property_test.ts", // 8
  "src/engine/memo_test.ts", // 7
  "src/riscv/insn_test.ts", // 7
  "src/firmware/bios/video_test.ts", // 5
  "src/debug/gdb_test.ts", // 4
  "src/machine/x86_test.ts", // 3
  "src/scenario/screen_test.ts", // 2
  "src/machine/riscv_places_test.ts", // 2
  "src/x86/sse_test.ts", // 2
];
/** Whole machines, and the goldens and tables that a change of semantics or of a device meets first. */
const MORE = [
  "tests/ir_test.ts",
  "tests/entry_test.ts",
  "tests/helpers_test.ts",
  "tests/microvm_test.ts",
  "tests/pit_test.ts",
  "tests/riscv_boundaries_test.ts",
  "tests/scenario_test.ts",
  "tests/x86_limits_test.ts",
  "tests/x86_registers_transcripts_test.ts",
];

if (import.meta.main) {
  const root = new URL("../../", import.meta.url),
    args = ["test", "-A", "--no-check", "--quiet", "--parallel", `--ignore=${SLOW}`, "src", ...MORE];
  for (const path of [...SLOW, ...MORE]) Deno.statSync(new URL(path, root));
  Deno.exit((await new Deno.Command(Deno.execPath(), { args, cwd: root, stdout: "inherit", stderr: "inherit" }).output()).code);
}
