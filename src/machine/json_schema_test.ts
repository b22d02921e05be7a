// The JSON Schema accepts the shipped machines, refuses what the reader refuses, and is up to date on disk.
import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/toml";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { machineSchema } from "./json_schema.ts";
import { deviceTable, deviceTypes, loadLists } from "../../scripts/dev/gen.ts";

await loadDevices();

const root = new URL("../../", import.meta.url);
const schema = machineSchema(DEVICES);
type Schema = Record<string, unknown>;

/** As much of a draft 7 validator as our schema needs: the first violation as a path, or undefined. */
function violation(value: unknown, s: Schema, path = ""): string | undefined {
  if (s.$ref) {
    return violation(value, (schema.definitions as Record<string, Schema>)[(s.$ref as string).slice("#/definitions/".length)], path);
  }
  if (s.anyOf && (s.anyOf as Schema[]).every((a) => violation(value, a, path))) return `${path} anyOf`;
  for (const a of (s.allOf ?? []) as Schema[]) {
    const v = a.if && violation(value, a.if as Schema, path) ? undefined : violation(value, (a.then ?? a) as Schema, path);
    if (v) return v;
  }
  if ("const" in s && value !== s.const) return `${path} const`;
  if (s.enum && !(s.enum as unknown[]).includes(value)) return `${path} enum`;
  const kind = Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  if (s.type && s.type !== kind) return `${path} type`;
  if (typeof value === "number") {
    if (value < ((s.minimum as number) ?? -Infinity) || value > ((s.maximum as number) ?? Infinity)) return `${path} range`;
    if (s.multipleOf && value % (s.multipleOf as number)) return `${path} multipleOf`;
  }
  if (typeof value === "string" && s.pattern && !new RegExp(s.pattern as string).test(value)) return `${path} pattern`;
  if (Array.isArray(value)) { for (const [i, v] of value.entries()) if (s.items) return violation(v, s.items as Schema, `${path}[${i}]`); }
  if (kind !== "object") return undefined;
  const properties = (s.properties ?? {}) as Record<string, Schema>;
  for (const name of (s.required ?? []) as string[]) if (!(name in (value as object))) return `${path}.${name} required`;
  for (const [name, v] of Object.entries(value as object)) {
    const known: unknown = properties[name] ?? s.additionalProperties ?? {};
    const found = known === false ? `${path}.${name} unknown` : violation(v, known as Schema, `${path}.${name}`);
    if (found) return found;
  }
  return undefined;
}

Deno.test("the shipped machines are valid", () => {
  for (const e of Deno.readDirSync(new URL("machines/", root))) {
    if (!e.name.endsWith(".toml")) continue;
    const text = Deno.readTextFileSync(new URL(`machines/${e.name}`, root));
    assert(text.startsWith("#:schema ./machine.schema.json\n"), `${e.name} does not name its schema`);
    assertEquals(violation(parse(text), schema), undefined, e.name);
  }
});

Deno.test("mistakes are refused", () => {
  const cases: [string, string][] = [
    [`colour = 1`, ".colour unknown"],
    [`schema = 2`, ".schema enum"],
    [`[cpu]\nhart = 1`, ".cpu anyOf"],
    [`[device.x]\ntype = "ns16650a"`, ".device.x anyOf"],
    [`[device.x]\ntype = "ns16550a"\nreg_shft = 1`, ".device.x anyOf"],
    [`[device.x]\ntype = "ns16550a"\nreg_shift = 9`, ".device.x anyOf"],
    [`[device]\nx = true`, ".device.x anyOf"],
    [`[memory.x]\nsize = "4MB"`, ".memory.x anyOf"],
    [`[memory.x]\nat = 1`, ".memory.x anyOf"],
  ];
  for (const [text, where] of cases) assertEquals(violation(parse(text), schema), where, text);
  assertEquals(violation(parse(`[device]\nx = false\n[memory.x]\nsize = "4MiB"\nat = "0x1000"`), schema), undefined);
});

Deno.test("the generated files are up to date (deno run -A scripts/dev/gen.ts)", async () => {
  const onDisk = JSON.parse(Deno.readTextFileSync(new URL("machines/machine.schema.json", root)));
  assertEquals(onDisk, JSON.parse(JSON.stringify(schema)));
  const types = await deviceTypes(), words = (text: string) => text.replace(/[\s,]/g, "");
  assertEquals(words(Deno.readTextFileSync(new URL("src/devices/files.ts", root))), words(deviceTable(types)));
  const lists = loadLists(types);
  for (const [name, text] of lists) assertEquals(Deno.readTextFileSync(new URL(`src/loads/${name}.ts`, root)), text);
  assertEquals([...Deno.readDirSync(new URL("src/loads", root))].length, lists.size);
});
