// The machine format as a JSON Schema (draft 7), for editors that complete and check TOML by a `#:schema` line.
// It is made from the same key tables as the reader. Not expressed: wires, overlaps, what `extends` inherits.
//
// Editors complete and explain by what stands under `properties`, through `allOf`, and know no `if`; they underline what an error names, which
// for `anyOf` is the whole table. So each table has all keys that it may have in one `properties`, with as much as all who know a key agree
// on; and conditions on `type` and `cpu.arch` say which of the keys are there and what a key is for one of them.
import type { AnyDeviceType } from "../core/device.ts";
import type { Key, Keys } from "../core/schema.ts";
import { ARCHITECTURES, keysOf } from "./architectures.ts";
import * as format from "./format.ts";

type Json = Record<string, unknown>;
type Types = Readonly<Record<string, AnyDeviceType>>;

/** The sections whose keys go by the processor. */
const BY_FAMILY = ["cpu", "clock", "firmware", "boot"] as const;

/** The schema for machine files that may name the given device types. */
export function machineSchema(types: Types): Json {
  const sections = Object.fromEntries(BY_FAMILY.map((name) => [name, new Variants(keysOf(name))])), families = Object.keys(ARCHITECTURES);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "bringup machine",
    type: "object",
    allOf: [
      closed({
        ...properties(format.ROOT),
        ...Object.fromEntries(Object.entries(sections).map(([name, v]) => [name, { type: "object", properties: v.shared() }])),
        memory: components(
          closed(properties(format.MEMORY)),
          "RAM and ROM by name; false removes an inherited one",
        ),
        device: components({ allOf: deviceSchemas(types) }, "devices by name; false removes an inherited one"),
      }),
      // One of several is not several itself.
      { properties: { device: { patternProperties: { "\\]$": { properties: { count: UNKNOWN, stride: UNKNOWN } } } } } },
      ...families.map((family) => ({
        if: has("cpu", has("arch", { enum: archs(family) })),
        then: {
          properties: {
            ...Object.fromEntries(Object.entries(sections).map(([name, v]) => [name, v.only(family)])),
            device: { additionalProperties: { properties: { type: { enum: typesOf(types, family) } } } },
          },
        },
      })),
      {
        if: { not: has("cpu", has("arch", { enum: families.flatMap(archs) })) },
        then: { properties: Object.fromEntries(Object.entries(sections).map(([name, v]) => [name, v.any()])) },
      },
    ],
    definitions: deviceVariants(types).definitions(),
  };
}

const archs = (family: string): readonly string[] => ARCHITECTURES[family].names;
/** Names of device types that machines with such a processor may have. */
const typesOf = (types: Types, family: string): string[] => [
  ...Object.values(types).filter((t) => !t.family || t.family === family).map((t) => t.type),
  format.FANOUT_TYPE,
];

/** True of a table with this key and value. */
const has = (name: string, value: Json): Json => ({ properties: { [name]: value }, required: [name] });

function deviceVariants(types: Types): Variants<string> {
  return new Variants({
    ...Object.fromEntries(Object.values(types).map((t) => [t.type, { ...format.WIRING, ...t.keys }])),
    [format.FANOUT_TYPE]: format.FANOUT,
  });
}

function deviceSchemas(types: Types): Json[] {
  const variants = deviceVariants(types), names = [...Object.keys(types), format.FANOUT_TYPE];
  const docs = [...Object.values(types).map((t) => t.doc), "Spreads interrupts: what drives its input n drives every target."];
  const type = {
    enum: names,
    description: format.WIRING.type.doc,
    "x-taplo": { docs: { main: format.WIRING.type.doc, enumValues: docs } },
  };
  return [
    { properties: { ...variants.shared(), type } },
    { if: { not: has("type", { enum: names }) }, then: variants.any() },
    ...names.map((name) => ({ if: has("type", { const: name }), then: { $ref: `#/definitions/${name}` } })),
  ];
}

/** Tables of which one applies. */
class Variants<Name extends string> {
  readonly #names: readonly Name[];
  /** What there is of each key: its schemas by the text of it, with the tables that have it. */
  readonly #keys = new Map<string, Map<string, { readonly schema: Json; readonly in: Name[] }>>();

  constructor(readonly tables: Readonly<Record<Name, Keys>>) {
    this.#names = Object.keys(tables) as Name[];
    for (const variant of this.#names) {
      for (const [name, key] of Object.entries(tables[variant])) {
        const schema = property(key), text = JSON.stringify(schema), all = this.#keys.get(name) ?? new Map();
        this.#keys.set(name, all.set(text, { schema, in: [...all.get(text)?.in ?? [], variant] }));
      }
    }
  }

  /** Every key: what it is where all agree, else what it is about. */
  shared(): Json {
    return Object.fromEntries(Array.from(this.#keys, ([name, all]) => {
      const several = [...all.values()];
      if (several.length === 1) return [name, several[0].schema];
      // What any of them accepts; the conditions say more.
      const choices = several.every((s) => Array.isArray(s.schema.enum))
        ? { enum: [...new Set(several.flatMap((s) => s.schema.enum as unknown[]))] }
        : {};
      const lines = several.map(({ schema, in: variants }) => `${variants.join(", ")}: ${schema.description}`);
      return [name, {
        ...choices,
        description: new Set(several.map((s) => s.schema.description)).size > 1 ? lines.join("\n\n") : several[0].schema.description,
      }];
    }));
  }
  /** The keys of one table, with what the others do not agree on. */
  only(variant: Name): Json {
    const keys = Object.entries(this.tables[variant]).map(([name, key]) => [name, this.#keys.get(name)!.size > 1 ? property(key) : true]);
    return { properties: Object.fromEntries(keys), additionalProperties: UNKNOWN };
  }
  /** Keys of any table. */
  any(): Json {
    return { properties: Object.fromEntries(Array.from(this.#keys.keys(), (name) => [name, true])), additionalProperties: UNKNOWN };
  }
  definitions(): Json {
    return Object.fromEntries(this.#names.map((name) => [name, this.only(name)]));
  }
}

const components = (value: Json, description: string): Json => ({
  type: "object",
  description,
  additionalProperties: {
    type: ["object", "boolean"],
    allOf: [...value.allOf as Json[] ?? [value], { if: { type: "boolean" }, then: { const: false } }],
  },
});

const object = (keys: Keys): Json => ({ type: "object", ...closed(properties(keys)) });

/** What the value of an unknown key is held against: `false` would be a mistake of the whole table to editors. The text is in their message. */
const UNKNOWN: Json = { const: "nothing: there is no such key here" };

/** A table with these keys alone. The condition keeps editors from offering what the value of an unknown key is held against. */
const closed = (known: Json): Json => ({
  properties: known,
  if: {},
  then: { properties: Object.fromEntries(Object.keys(known).map((name) => [name, true])), additionalProperties: UNKNOWN },
});
const properties = (keys: Keys): Json => Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, property(key)]));

function property(key: Key): Json {
  const value = "default" in key && key.default !== undefined ? { default: plain(key.default) } : {};
  return { description: key.doc, ...value, ...shape(key) };
}

const plain = (v: unknown) => v instanceof Date ? v.toISOString() : typeof v === "bigint" ? Number(v) : v;

const NUMBER = "(0x[0-9a-fA-F_]+|[0-9_]+)";

function shape(key: Key): Json {
  switch (key.kind) {
    case "int":
    case "size":
      // Each of these says something about one of the two types only.
      return {
        type: ["integer", "string"],
        minimum: key.min ?? 0,
        ...(key.max !== undefined && { maximum: key.max }),
        ...(key.multiple !== undefined && { multipleOf: key.multiple }),
        pattern: `^${NUMBER}${key.kind === "size" ? " ?([KMGT](iB)?)?" : ""}$`,
      };
    case "u64":
      return { type: ["integer", "string"], minimum: 0, pattern: `^${NUMBER}$` };
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
