// The tests that a change in src most likely breaks, in parallel: those beside the sources but the slow ones, and some of whole machines. With types
// and layers it is `deno task quick`, under 30 s on two cores; `deno task ok` is what a change must pass.

/** Tests beside the sources of which each takes seconds, with the seconds. */
const SLOW = [
  "src/engine/engine_test.ts", // 16
  "src/engine/passes/property_test.ts", // 8
  "src/engine/memo_test.ts", // 8
  "src/riscv/insn_test.ts", // 5
  "src/riscv/rows_test.ts", // 4
  "src/riscv/privileged_test.ts", // 4
  "src/firmware/bios/video_test.ts", // 4
  "src/debug/gdb_test.ts", // 4
  "src/machine/x86/platform_test.ts", // 3
  "src/firmware/bios/answers_test.ts", // 2
  "src/ir/softfloat_model_test.ts", // 2
  "src/devices/pc/vga/vga_test.ts", // 2
  "src/scenario/boot_test.ts", // 2
  "src/scenario/screen_test.ts", // 2
  "src/machine/riscv/places_test.ts", // 2
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

const ROOT = new URL("../../", import.meta.url);

function* testsBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* testsBelow(`${folder}/${name}`);
    else if (name.endsWith("_test.ts")) yield `${folder}/${name}`;
  }
}

if (import.meta.main) {
  for (const path of SLOW) Deno.statSync(new URL(path, ROOT));
  // One by one: where files are named beside a folder, Deno does not heed --ignore.
  const files = [...testsBelow("src")].sort().filter((path) => !SLOW.includes(path)).concat(MORE);
  const args = ["test", "-A", "--no-check", "--quiet", "--parallel", ...files];
  Deno.exit((await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdout: "inherit", stderr: "inherit" }).output()).code);
}
