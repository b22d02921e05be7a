// Writes the files that follow from others: the table of device types, the lists of modules in src/loads and the JSON Schema of machine files.
// Run: deno run -A scripts/dev/gen.ts (with --check: fails when a file is stale and writes nothing)
import { existsSync } from "node:fs";

const root = new URL("../../", import.meta.url);

/** A device type, the path of its file below src/devices, and the list in src/loads that it is loaded with. */
interface DeviceFile {
  readonly type: string;
  readonly path: string;
  readonly list: string;
}

/** Every device type, in the order of their files. Those that the same shipped machines name are on one list. */
export async function deviceTypes(): Promise<DeviceFile[]> {
  const folder = new URL("machines/", root), users = new Map<string, string[]>();
  const machines = [...Deno.readDirSync(folder)].map((e) => e.name).filter((name) => name.endsWith(".toml")).sort();
  const named = (machine: string): string[] => {
    const text = Deno.readTextFileSync(new URL(machine, folder)), base = /^extends = "(.*)"/m.exec(text);
    return [...base ? named(base[1]) : [], ...[...text.matchAll(/^type = "(.*)"/gm)].map((m) => m[1])];
  };
  for (const machine of machines) {
    for (const type of new Set(named(machine))) users.set(type, [...users.get(type) ?? [], machine.slice(0, -5)]);
  }
  return await Promise.all(
    deviceFiles().sort().map(async (path) => {
      const { type } = (await import(new URL(`src/devices/${path}`, root).href)).default as { type: string };
      return { type, path, list: ["devices", ...users.get(type) ?? ["others"]].join("_") };
    }),
  );
}

/** Text of `src/devices/files.ts`. */
export function deviceTable(types: readonly DeviceFile[]): string {
  return [
    "// The list in src/loads with which a device type is loaded, by its name in machine files: types that the same shipped machines name are",
    "// loaded together. Written by scripts/dev/gen.ts from the files in this folder.",
    "export const FILES: Readonly<Record<string, string>> = {",
    ...types.map(({ type, list }) => `  ${JSON.stringify(type)}: "../loads/${list}.ts",`),
    "};",
    "",
  ].join("\n");
}

/** Paths below src/devices of the files that export a device type: a file, or the `mod.ts` of a folder, for each device. */
function deviceFiles(): string[] {
  const dir = new URL("src/devices/", root);
  return [...Deno.readDirSync(dir)].map((e) => e.isDirectory ? `${e.name}/mod.ts` : e.name)
    .filter((path) => path.endsWith(".ts") && !path.endsWith("_test.ts") && existsSync(new URL(path, dir)))
    .filter((path) => /^export default defineDevice/m.test(Deno.readTextFileSync(new URL(path, dir))));
}

/**
 * The lists in `src/loads`, by file name: the modules that `entry` needs at run time, in the order of their evaluation, without those of the
 * list that is loaded `after`. `first` are more of them.
 */
const LOADS: Readonly<Record<string, { readonly entry: string; readonly after?: "api" | "riscv"; readonly first?: readonly string[] }>> = {
  // Every device needs device.ts, and devices are imported side by side: each import would read it.
  api: { entry: "mod.ts", first: ["src/core/device.ts"] },
  run: { entry: "src/cli/main.ts", after: "api" },
  jit: { entry: "src/engine/jit.ts", after: "api" },
  riscv: { entry: "src/machine/riscv.ts", after: "api" },
  riscv_floating: { entry: "src/riscv/floating.ts", after: "riscv" },
  // A PC has a screen and a keyboard.
  x86: { entry: "src/machine/x86.ts", after: "api", first: ["src/scenario/peripherals.ts"] },
};

/** Paths of the modules, and names of the packages, whose values the module at `path` imports; types leave nothing behind. */
function importsOf(path: string, map: Readonly<Record<string, string>>): string[] {
  const source = Deno.readTextFileSync(new URL(path, root));
  return [...source.matchAll(/^(?:import|export) (?!type )(?:(\{[^}]*\}|[\w*][^"{;]*) from )?"([^"]+)";/gm)]
    .filter(([, names]) => !names?.startsWith("{") || names.slice(1, -1).split(",").some((n) => !/^\s*(type\s|$)/.test(n)))
    .map(([, , file]) => {
      if (file.startsWith("npm:")) return file;
      return (map[file] ? new URL(map[file], root) : new URL(file, new URL(path, root))).href.slice(root.href.length);
    })
    .filter((file) => !file.startsWith("src/loads/"));
}

/** The modules that `paths` need and themselves, in the order of evaluation, without those of `seen`. */
function closure(paths: readonly string[], seen: Set<string> = new Set()): string[] {
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  const visit = (path: string): string[] => {
    if (seen.has(path)) return [];
    seen.add(path);
    return path.endsWith(".ts") ? [...importsOf(path, imports).flatMap(visit), path] : [path];
  };
  return paths.flatMap(visit);
}
/** What is there when a list has been loaded. */
function loaded(name: string): Set<string> {
  const { entry, after, first = [] } = LOADS[name], seen = after ? loaded(after) : new Set<string>();
  closure([...first, entry], seen);
  return seen;
}

const lineOf = (path: string) => `import "${path.endsWith(".ts") ? `../${path.slice(4)}` : path}";`;

/** The texts of the lists in src/loads, by name. */
export function loadLists(types: readonly DeviceFile[]): Map<string, string> {
  const out = new Map<string, string>();
  const emit = (name: string, what: string, lines: readonly string[]) =>
    out.set(
      name,
      [
        `// ${what}, in the order of evaluation. Written by scripts/dev/gen.ts.`,
        "// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.",
        ...lines,
        "",
      ].join("\n"),
    );
  for (const [name, { entry, after, first = [] }] of Object.entries(LOADS)) {
    const needed = closure([...first, entry], after ? loaded(after) : new Set()).filter((path) => path !== entry);
    emit(name, `What ${entry} needs`, [
      ...needed.map(lineOf),
      ...after ? [`export * from "../${entry.slice(4)}";`] : [],
    ]);
  }
  for (const list of new Set(types.map((t) => t.list))) {
    const paths = types.filter((t) => t.list === list).map((t) => t.path), files = paths.map((path) => `src/devices/${path}`);
    const names = paths.map((path) => path.replace(/(\/mod)?\.ts$/, ""));
    emit(
      list,
      "Device types and what they need",
      closure(files, loaded("api")).map((path) =>
        files.includes(path) ? `export { default as ${names[files.indexOf(path)]} } from "../${path.slice(4)}";` : lineOf(path)
      ),
    );
  }
  return out;
}

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
  const types = await deviceTypes();
  const modules = await emit("src/devices/files.ts", deviceTable(types), check);
  const loads = await Promise.all([...loadLists(types)].map(([name, text]) => emit(`src/loads/${name}.ts`, text, check)));
  // Loaded only now: it imports the table that was just written.
  const { machineSchema } = await import("../../src/machine/json_schema.ts");
  const { DEVICES, loadDevices } = await import("../../src/devices/mod.ts");
  await loadDevices();
  const schema = await emit("machines/machine.schema.json", JSON.stringify(machineSchema(DEVICES), null, 2), check);
  Deno.exit(check && !(modules && schema && loads.every(Boolean)) ? 1 : 0);
}
