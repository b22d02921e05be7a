// The machine format as a JSON Schema (draft 7), for editors that complete and check TOML by a `#:schema` line.
// It is made from the same key tables as the reader. Not expressed: wires, overlaps, what `extends` inherits.
import type { AnyDeviceType } from "../core/device.ts";
import type { Key, Keys } from "../core/schema.ts";
import * as format from "./format.ts";

type Json = Record<string, unknown>;

/** The schema for machine files that may name the given device types. */
export function machineSchema(types: Readonly<Record<string, AnyDeviceType>>): Json {
  const names = [...Object.keys(types), format.FANOUT_TYPE];
  const byArch = (tables: Record<format.Family, Keys>) => ({ anyOf: [object(tables.riscv), object(tables.x86)] });
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "bringup machine",
    type: "object",
    additionalProperties: false,
    properties: {
      ...properties(format.ROOT),
      cpu: byArch(format.CPU),
      clock: byArch(format.CLOCK),
      memory: components(object(format.MEMORY), "RAM and ROM by name; false removes an inherited one"),
      device: components(
        {
          type: "object",
          properties: { type: { enum: names, description: format.WIRING.type.doc } },
          allOf: names.map((name) => ({
            if: { properties: { type: { const: name } }, required: ["type"] },
            then: { $ref: `#/definitions/${name}` },
          })),
        },
        "devices by name; false removes an inherited one",
      ),
      firmware: byArch(format.FIRMWARE),
      boot: byArch(format.BOOT),
    },
    definitions: {
      ...Object.fromEntries(
        Object.values(types).map((t) => [t.type, { description: t.doc, ...object({ ...format.WIRING, ...t.keys }) }]),
      ),
      [format.FANOUT_TYPE]: object(format.FANOUT),
    },
  };
}

const components = (value: Json, description: string) => ({
  type: "object",
  description,
  additionalProperties: { anyOf: [{ const: false }, value] },
});

const object = (keys: Keys): Json => ({ type: "object", additionalProperties: false, properties: properties(keys) });

const properties = (keys: Keys): Json => Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, property(key)]));

function property(key: Key): Json {
  const value = "default" in key && key.default !== undefined ? { default: plain(key.default) } : {};
  return { description: key.doc, ...value, ...shape(key) };
}

const plain = (v: unknown) => v instanceof Date ? v.toISOString() : typeof v === "bigint" ? Number(v) : v;

function shape(key: Key): Json {
  switch (key.kind) {
    case "int":
    case "size": {
      const integer = {
        type: "integer",
        minimum: key.min ?? 0,
        ...(key.max !== undefined && { maximum: key.max }),
        ...(key.multiple !== undefined && { multipleOf: key.multiple }),
      };
      const unit = key.kind === "size" ? " ?([KMGT](iB)?)?" : "";
      return { anyOf: [integer, { type: "string", pattern: `^(0x[0-9a-fA-F_]+|[0-9_]+)${unit}$` }] };
    }
    case "u64":
      return { anyOf: [{ type: "integer", minimum: 0 }, { type: "string", pattern: "^(0x[0-9a-fA-F_]+|[0-9_]+)$" }] };
    case "bool":
      return { type: "boolean" };
    case "string":
      return { type: "string", ...(key.pattern && !key.pattern.flags.includes("i") && { pattern: key.pattern.source }) };
    case "choice":
      return { enum: key.choices };
    case "file":
      return { type: "string", minLength: 1 };
    case "time":
      return {}; // editors differ in what a TOML date is to them
    case "list":
      return { type: "array", items: property(key.of) };
    case "table":
      return object(key.keys);
    case "named":
      return { type: "object", additionalProperties: property(key.of) };
    case "either":
      return { anyOf: key.of.map(property) };
  }
}
