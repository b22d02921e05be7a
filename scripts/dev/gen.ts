// Writes the files that follow from others: the table of device types, the lists of modules in src/loads and the JSON Schema of machine files.
// Run: deno run -A scripts/dev/gen.ts (with --check: fails when a file is stale and writes nothing)
import { existsSync } from "node:fs";
import { LISTS } from "../../src/core/later.ts";

const root = new URL("../../", import.meta.url);

/** A device type, the path of its file below src/devices, and its group: the folder that it is in, whose devices are loaded together. */
interface DeviceFile {
  readonly type: string;
  readonly path: string;
  readonly group: string | undefined;
}

/** Every device type, in the order of their files. */
export async function deviceTypes(): Promise<DeviceFile[]> {
  return await Promise.all(
    deviceFiles().map(async ({ path, group }) => {
      const { type } = (await import(new URL(`src/devices/${path}`, root).href)).default as { type: string };
      return { type, path, group };
    }),
  );
}

/** Text of `src/devices/files.ts`. */
export function deviceTable(types: readonly DeviceFile[]): string {
  return [
    "// The file below src by which a device type is loaded, by its name in machine files: its own, or the list of the folder that it is in.",
    "// Written by scripts/dev/gen.ts from the files in this folder.",
    "export const FILES: Readonly<Record<string, string>> = {",
    ...types.map(({ type, path, group }) => `  ${JSON.stringify(type)}: "${group ? `loads/devices_${group}.ts` : `devices/${path}`}",`),
    "};",
    "",
  ].join("\n");
}

/** The files below src/devices that export a device type, and the folders of devices they are in: a file, or the `mod.ts` of a folder of its own. */
function deviceFiles(): Pick<DeviceFile, "path" | "group">[] {
  const dir = new URL("src/devices/", root);
  const names = (folder: string) => [...Deno.readDirSync(new URL(folder, dir))].map((e) => e.isDirectory ? `${e.name}/` : e.name).sort();
  const isDevice = (path: string) =>
    path.endsWith(".ts") && !path.endsWith("_test.ts") && /^export default defineDevice/m.test(Deno.readTextFileSync(new URL(path, dir)));
  const devices = (folder: string): string[] =>
    names(folder).map((name) => folder + (name.endsWith("/") ? `${name}mod.ts` : name))
      .filter((path) => existsSync(new URL(path, dir)) && isDevice(path));
  const groups = names("").filter((name) => name.endsWith("/") && !existsSync(new URL(`${name}mod.ts`, dir)));
  return [
    ...devices("").map((path) => ({ path, group: undefined })),
    ...groups.flatMap((folder) => devices(folder).map((path) => ({ path, group: folder.slice(0, -1) }))),
  ];
}

/**
 * The lists in `src/loads`, by file name: the modules that `entry` needs at run time, in the order of their evaluation, without those of the
 * list that is loaded `after`. `first` are more of them.
 */
const LOADS: Readonly<Record<string, { readonly entry: string; readonly after?: "api" | "riscv"; readonly first?: readonly string[] }>> = {
  // Every device needs device.ts, and devices are imported side by side: each import would read it.
  api: { entry: "mod.ts", first: ["src/core/device.ts"] },
  run: { entry: "src/cli/main.ts", after: "api" },
  ...Object.fromEntries(
    Object.entries(LISTS).map(([path, name]) => [name, {
      entry: `src/${path}`,
      after: path.startsWith("riscv/") ? "riscv" : "api",
      // A PC has a screen and a keyboard.
      first: name === "x86" ? ["src/scenario/peripherals.ts"] : [],
    }]),
  ),
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
  for (const group of new Set(types.map((t) => t.group))) {
    if (group === undefined) continue;
    const paths = types.filter((t) => t.group === group).map((t) => t.path), files = paths.map((path) => `src/devices/${path}`);
    const names = paths.map((path) => path.replace(/(\/mod)?\.ts$/, "").slice(group.length + 1));
    emit(
      `devices_${group}`,
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
function emit(path: string, wanted: string, check: boolean): boolean {
  const url = new URL(path, root);
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
  const modules = emit("src/devices/files.ts", await format(deviceTable(types), "ts"), check);
  const lists = loadLists(types), loads = [...lists].map(([name, text]) => emit(`src/loads/${name}.ts`, text, check));
  // What is no list any more.
  for (const { name } of Deno.readDirSync(new URL("src/loads/", root))) {
    if (lists.has(name.slice(0, -3))) continue;
    if (check) console.error(`src/loads/${name} is stale: run deno run -A scripts/dev/gen.ts`);
    else Deno.removeSync(new URL(`src/loads/${name}`, root));
    loads.push(false);
  }
  // Loaded only now: it imports the table that was just written.
  const { machineSchema } = await import("../../src/machine/json_schema.ts");
  const { DEVICES, loadDevices } = await import("../../src/devices/mod.ts");
  await loadDevices();
  const schema = emit("machines/machine.schema.json", await format(JSON.stringify(machineSchema(DEVICES), null, 2), "json"), check);
  Deno.exit(check && !(modules && schema && loads.every(Boolean)) ? 1 : 0);
}
