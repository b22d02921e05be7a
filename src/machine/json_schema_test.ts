// The JSON Schema accepts the shipped machines, refuses what the reader refuses where editors shall underline it, and is up to date on disk.
import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/toml";
import Ajv from "ajv";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { keysOf } from "./architectures.ts";
import * as format from "./format.ts";
import { machineSchema } from "./json_schema.ts";
import { deviceTable, deviceTypes, loadLists } from "../../scripts/dev/gen.ts";

await loadDevices();

const root = new URL("../../", import.meta.url);
const schema = machineSchema(DEVICES);
type Schema = Record<string, unknown>;
const validate = new Ajv.default({ strict: false, allErrors: true, allowUnionTypes: true }).compile(schema);

/** The keys that are wrong, as an editor underlines them: each once. */
function wrong(text: string): string[] {
  validate(parse(text));
  // That a condition's consequence is not met, which ajv says as well, is no mistake of its own.
  const places = (validate.errors ?? []).filter((e) => e.keyword !== "if").map((e) => e.instancePath.replaceAll("/", "."));
  return [...new Set(places)].sort();
}

Deno.test("the shipped machines are valid", () => {
  for (const e of Deno.readDirSync(new URL("machines/", root))) {
    if (!e.name.endsWith(".toml")) continue;
    const text = Deno.readTextFileSync(new URL(`machines/${e.name}`, root));
    assert(text.startsWith("#:schema ./machine.schema.json\n"), `${e.name} does not name its schema`);
    assertEquals(wrong(text), [], e.name);
  }
});

const X86 = `[cpu]\narch = "x86_64"\n`, RISCV = `[cpu]\narch = "riscv64"\n`;

Deno.test("one mistake is one key that is underlined, and it is that key", () => {
  const cases: [text: string, ...where: string[]][] = [
    [`colour = 1`, ".colour"],
    [`schema = 2`, ".schema"],
    [`[cpu]\nhart = 1`, ".cpu.hart"],
    [`${X86}harts = 1`, ".cpu.harts"],
    [`${RISCV}cores = 1`, ".cpu.cores"],
    [`${RISCV}harts = 0`, ".cpu.harts"],
    [`${X86}reset = 0x1000`, ".cpu.reset"],
    [`${RISCV}reset = "f000:fff0"`, ".cpu.reset"],
    [`[cpu]\narch = "x86_46"\nharts = 1\ncores = 1`, ".cpu.arch"],
    [`${X86}[clock]\ntimebase_hz = 1`, ".clock.timebase_hz"],
    [`${RISCV}[boot]\nprotocol = "multiboot1"`, ".boot.protocol"],
    [`${X86}[boot]\nload = 1`, ".boot.load"],
    [`${X86}[firmware]\nsbi = "none"`, ".firmware.sbi"],
    [`[device.x]\ntype = "ns16650a"`, ".device.x.type"],
    [`[device.x]\ntype = "ns16550a"\nreg_shft = 1`, ".device.x.reg_shft"],
    [`[device.x]\nreg_shft = 1`, ".device.x.reg_shft"],
    [`[device.x]\ntype = "ns16550a"\nreg_shift = 9`, ".device.x.reg_shift"],
    [`[device.x]\ntype = "ns16550a"\nat = "here"`, ".device.x.at"],
    [`[device.x]\ntype = "ns16550a"\nvram = "1MiB"`, ".device.x.vram"],
    [`[device.x]\ntype = "vga"\nvram = "1MB"\nio = -1`, ".device.x.io", ".device.x.vram"],
    [`[device.x]\ntype = "isa-debug-exit"\nverdict = { pas = 1 }`, ".device.x.verdict.pas"],
    [`[device.x]\ntype = "irq.fanout"\nto = ["pic"]`, ".device.x.to.0"],
    [`${RISCV}[device.x]\ntype = "x86.lapic"`, ".device.x.type"],
    [`[device.x]\ntype = "ns16550a"\n[device."x[0]"]\nreg_shft = 1`, ".device.x[0].reg_shft"],
    [`[device."x[0]"]\ntype = "ns16550a"\ncount = 2`, ".device.x[0].count"],
    [`[device]\nx = true`, ".device.x"],
    [`[device]\nx = 1`, ".device.x"],
    [`[memory]\nx = true`, ".memory.x"],
    [`[memory.x]\nsize = "4MB"`, ".memory.x.size"],
    [`[memory.x]\nat = 1`, ".memory.x.at"],
    [`[memory.x]\nsice = 4096\nat = 0`, ".memory.x.sice"],
  ];
  for (const [text, ...where] of cases) assertEquals(wrong(text), where, text);
  for (
    const good of [
      `[device]\nx = false\n"y[0]" = false\n[device."y[1]"]\nreg_shift = 2\n[memory.x]\nsize = "4MiB"\nat = "0x1000"`,
      `[cpu]\nharts = 4`,
      `[device.x]\nreg_shift = 2\nvram = "4MiB"`,
    ]
  ) {
    assertEquals(wrong(good), [], good);
  }
});

/** What editors find for a key: by `properties`, `additionalProperties` and `allOf` alone. */
function offered(s: Schema, path: readonly string[]): Schema[] {
  const below = ((s.allOf ?? []) as Schema[]).flatMap((a) => offered(a, path));
  if (path.length === 0) return s.allOf ? below : [s];
  const [key, ...rest] = path, own = (s.properties as Record<string, Schema> | undefined)?.[key], other = s.additionalProperties;
  return [...below, ...(own ? offered(own, rest) : []), ...(typeof other === "object" ? offered(other as Schema, rest) : [])];
}

Deno.test("editors find every key with its explanation, those of device types and of both architectures' processors among them", () => {
  const explained = (...path: string[]) => offered(schema, path).some((s) => typeof s.description === "string" && s.description.length > 0);
  const listed = (...path: string[]) => new Set(offered(schema, path).flatMap((s) => Object.keys(s.properties ?? {})));
  for (
    const section of ["cpu", "clock", "boot", "firmware"] as const
  ) {
    for (const name of Object.values(keysOf(section)).flatMap((k) => Object.keys(k))) {
      assert(explained(section, name) && listed(section).has(name), `${section}.${name}`);
    }
  }
  for (const type of Object.values(DEVICES)) {
    for (const name of [...Object.keys(type.keys), ...Object.keys(format.WIRING)]) {
      assert(explained("device", "x", name) && listed("device", "x").has(name), `${type.type}.${name}`);
    }
  }
  for (const name of Object.keys(format.MEMORY)) assert(explained("memory", "x", name), `memory.${name}`);
  for (const name of [...Object.keys(format.ROOT), ...format.SECTIONS]) assert(listed().has(name), name);
  // Each type explains itself where its name is chosen.
  const [type] = offered(schema, ["device", "x", "type"]) as { enum: string[]; "x-taplo": { docs: { enumValues: string[] } } }[];
  assertEquals(type["x-taplo"].docs.enumValues[type.enum.indexOf("vga")], DEVICES.vga.doc);
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
