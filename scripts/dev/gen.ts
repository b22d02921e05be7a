// Writes the files that follow from others: the table of device types, the lists of modules in src/loads and the JSON Schema of machine files.
// Run: deno run -A scripts/dev/gen.ts (with --check: fails when a file is stale and writes nothing)
const root = new URL("../../", import.meta.url);

/** `src/devices/files.ts` for device files of these names (without ".ts"). */
export async function deviceTable(names: readonly string[]): Promise<string> {
  const types = await Promise.all(
    [...names].sort().map(async (name) => [(await import(new URL(`src/devices/${name}.ts`, root).href)).default.type, name]),
  );
  return [
    "// The file of every device type, by its name in machine files. Written by scripts/dev/gen.ts from the files in this folder.",
    "export const FILES: Readonly<Record<string, string>> = {",
    ...types.map(([type, name]) => `  ${JSON.stringify(type)}: "./${name}.ts",`),
    "};",
    "",
  ].join("\n");
}

/** Names of the files in src/devices that export a device type. */
export function deviceFiles(): string[] {
  const dir = new URL("src/devices/", root);
  return [...Deno.readDirSync(dir)].map((e) => e.name)
    .filter((name) => name.endsWith(".ts") && !name.endsWith("_test.ts"))
    .filter((name) => /^export default defineDevice/m.test(Deno.readTextFileSync(new URL(name, dir))))
    .map((name) => name.slice(0, -3));
}

/**
 * The lists in `src/loads`, by file name: the modules that `entry` needs at run time, in the order of their evaluation, without those of the
 * list that is loaded `after`. `first` are more of them.
 */
const LOADS: Readonly<Record<string, { readonly entry: string; readonly after?: string; readonly first?: readonly string[] }>> = {
  // Every device needs device.ts, and devices are imported side by side: each import would read it.
  api: { entry: "mod.ts", first: ["src/core/device.ts"] },
  run: { entry: "src/cli/main.ts", after: "api" },
  jit: { entry: "src/engine/jit.ts", after: "api" },
  riscv: { entry: "src/machine/riscv.ts", after: "api" },
  x86: { entry: "src/machine/x86.ts", after: "api" },
};

/** Paths of the modules whose values the module at `path` imports; types leave nothing behind. */
function importsOf(path: string, map: Readonly<Record<string, string>>): string[] {
  const source = Deno.readTextFileSync(new URL(path, root));
  return [...source.matchAll(/^(?:import|export) (?!type )(?:(\{[^}]*\}|[\w*][^"{;]*) from )?"([^"]+)";/gm)]
    .filter(([, names]) => !names?.startsWith("{") || names.slice(1, -1).split(",").some((n) => !/^\s*(type\s|$)/.test(n)))
    .map(([, , file]) => map[file] ? new URL(map[file], root) : new URL(file, new URL(path, root)))
    .map((url) => url.href.slice(root.href.length))
    .filter((file) => file.startsWith("src/") && !file.startsWith("src/loads/"));
}

/** Text of `src/loads/NAME.ts`. */
export function loadList(name: string): string {
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  const closure = (path: string, seen: Set<string>): string[] =>
    seen.has(path) ? [] : (seen.add(path), [...importsOf(path, imports).flatMap((file) => closure(file, seen)), path]);
  const { entry, after, first = [] } = LOADS[name], seen = new Set<string>();
  for (const path of after ? [...LOADS[after].first ?? [], LOADS[after].entry] : []) closure(path, seen);
  const needed = [...first, entry].flatMap((path) => closure(path, seen)).filter((path) => path !== entry);
  return [
    `// What ${entry} needs, in the order of evaluation. Written by scripts/dev/gen.ts.`,
    "// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.",
    ...needed.map((path) => `import "../${path.slice(4)}";`),
    ...after ? [`export * from "../${entry.slice(4)}";`] : [],
    "",
  ].join("\n");
}
/** The names of the lists. */
export const LOAD_NAMES = Object.keys(LOADS);

async function format(text: string, ext: string): Promise<string> {
  const fmt = new Deno.Command(Deno.execPath(), { args: ["fmt", "--ext", ext, "-"], cwd: root, stdin: "piped", stdout: "piped" }).spawn();
  const writer = fmt.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { stdout, success } = await fmt.output();
  if (!success) throw new Error(`deno fmt refused the generated ${ext} file`);
  return new TextDecoder().decode(stdout);
}

/** Writes `path` if it differs, or reports it when `check`. Returns whether it was up to date. */
async function emit(path: string, text: string, check: boolean): Promise<boolean> {
  const url = new URL(path, root), wanted = await format(text, path.split(".").pop()!);
  let now = "";
  try {
    now = Deno.readTextFileSync(url);
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
  }
  if (now === wanted) return true;
  if (check) console.error(`${path} is stale: run deno run -A scripts/dev/gen.ts`);
  else Deno.writeTextFileSync(url, wanted);
  return false;
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  const modules = await emit("src/devices/files.ts", await deviceTable(deviceFiles()), check);
  const loads = await Promise.all(LOAD_NAMES.map((name) => emit(`src/loads/${name}.ts`, loadList(name), check)));
  // Loaded only now: it imports the table that was just written.
  const { machineSchema } = await import("../../src/machine/json_schema.ts");
  const { DEVICES, loadDevices } = await import("../../src/devices/mod.ts");
  await loadDevices();
  const schema = await emit("machines/machine.schema.json", JSON.stringify(machineSchema(DEVICES), null, 2), check);
  Deno.exit(check && !(modules && schema && loads.every(Boolean)) ? 1 : 0);
}
