// Writes the files that follow from others: the table of device types and the JSON Schema of machine files.
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
  // Loaded only now: it imports the table that was just written.
  const { machineSchema } = await import("../../src/machine/json_schema.ts");
  const { DEVICES, loadDevices } = await import("../../src/devices/mod.ts");
  await loadDevices();
  const schema = await emit("machines/machine.schema.json", JSON.stringify(machineSchema(DEVICES), null, 2), check);
  Deno.exit(check && !(modules && schema) ? 1 : 0);
}
