// Machine files -> checked values: `extends`, overrides, and the reader that holds a tree against key tables (core/schema.ts).
// Nothing here knows what a machine is made of; that is in format.ts and graph.ts.
import { parse, TomlDate } from "npm:smol-toml@1.9.1";
import type { Config, Key, Keys } from "../core/schema.ts";
import { ConfigError, ConfigErrors, didYouMean, type Place, placeAt } from "../core/errors.ts";
import { isUnsafe, joinKey, readToml, type Scalar, type TomlNode, type TomlTable } from "./toml.ts";

/** True for what an override gave instead of a file: its place names an option of the command line. */
export const isOverride = (place: Place) => place.file?.startsWith("--") ?? false;

/** One override: key path, value, and the option that it is reported under ("--set" or another). */
export interface Override {
  readonly path: string;
  readonly value: unknown;
  readonly option: string;
}

/** Reads a whole file. @throws {ConfigError} it cannot be read. */
export type ReadFile = (path: string) => Uint8Array;

/** The path of a machine file that comes with bringup, by its name ("virt.toml"); undefined when there is none. */
export interface FindShipped {
  (name: string): string | undefined;
  /** The names of those files, for suggestions. */
  names?(): string[];
}

/**
 * A machine file with everything that it extends: tables are merged key by key, any other value replaces the inherited one. A file that is not
 * beside the one that names it is looked for among those that come with bringup.
 */
export function loadTree(
  file: string,
  readFile: ReadFile,
  findShipped: FindShipped = () => undefined,
  above: readonly string[] = [],
): TomlTable {
  const own = readToml(decode(readFile(file), file), file), base = own.get("extends");
  if (!base) return own;
  own.delete("extends");
  const { value, place } = base;
  if (typeof value !== "string") throw new ConfigErrors([mustBe(base, "a path")]);
  const inherited = (path: string): TomlTable => {
    if (path === file || above.includes(path)) throw new ConfigErrors([new ConfigError(`'${value}' extends this file again`, place)]);
    return loadTree(path, readFile, findShipped, [...above, file]);
  };
  const beside = resolvePath(value, place);
  try {
    return merge(inherited(beside), own);
  } catch (e) {
    // What is wrong with a file itself is the mistake of the text that names it.
    if (!(e instanceof ConfigError) || e instanceof ConfigErrors) throw e;
    const shipped = findShipped(value);
    if (shipped !== undefined && shipped !== beside) return merge(inherited(shipped), own);
    const bare = !value.endsWith(".toml") && findShipped(`${value}.toml`) !== undefined;
    const near = bare ? ` (did you mean '${value}.toml'?)` : didYouMean(value, findShipped.names?.() ?? []);
    const problem = near ? e.problem.replace(/ \(did you mean.*/, "") + near : e.problem;
    throw new ConfigErrors([new ConfigError(`'${value}': ${problem}`, place)]);
  }
}

/**
 * Puts `over` on top of `base`, keeping the order of `base`. A component that names another `type` replaces the inherited one as a
 * whole; `false` in place of a table removes it. What was said of single ones of several ("virtio[0]") goes with them.
 */
export function merge(base: TomlTable, over: TomlTable): TomlTable {
  const out = new Map(base);
  for (const [name, node] of over) {
    const old = out.get(name);
    const both = old && old.value instanceof Map && node.value instanceof Map;
    const retyped = both && (node.value as TomlTable).has("type") &&
      (node.value as TomlTable).get("type")!.value !== (old.value as TomlTable).get("type")?.value;
    const removed = node.value === false && old?.value instanceof Map;
    if (removed || retyped) { for (const one of out.keys()) if (one.startsWith(`${name}[`) && !over.has(one)) out.delete(one); }
    if (removed) out.delete(name);
    else {out.set(
        name,
        both && !retyped ? { value: merge(old.value as TomlTable, node.value as TomlTable), place: old.place, text: "" } : node,
      );}
  }
  return out;
}

/**
 * Applies overrides by key path ("memory.dram.size"). A text is read as TOML where it is TOML, and stands for itself where it is
 * not ("2GiB", "plic:10"), so that a command line needs no inner quotes.
 */
export function applySet(base: TomlTable, set: readonly Override[]): TomlTable {
  let out = base;
  for (const { path, value: given, option } of set) {
    const parts = path.split("."), place = (n: number): Place => ({ file: option, key: parts.slice(0, n).join(".") });
    let node = setNode(given, place(parts.length));
    for (let n = parts.length - 1; n > 0; n--) node = { value: new Map([[parts[n], node]]), place: place(n), text: "" };
    if (parts.some((p) => p === "")) throw new ConfigErrors([new ConfigError(`'${path}' is not a key path`, { file: option })]);
    out = merge(out, new Map([[parts[0], node]]));
  }
  return out;
}

function setNode(given: unknown, place: Place): TomlNode {
  if (Array.isArray(given)) {
    return { value: given.map((v, i) => setNode(v, placeAt(place, { key: `${place.key}[${i}]` }))), place, text: "" };
  }
  if (given instanceof Date) return { value: given, place, text: given.toISOString() };
  if (typeof given === "object" && given !== null) {
    return {
      value: new Map(Object.entries(given).map(([k, v]) => [k, setNode(v, placeAt(place, { key: joinKey(place.key!, k) }))])),
      place,
      text: "",
    };
  }
  if (typeof given !== "string") return { value: given as Scalar, place, text: String(given) };
  if (isUnsafe(given) || !given.trim()) return { value: given, place, text: given };
  try {
    const value = parse(`v = ${given}`).v;
    if (typeof value === "object" && !(value instanceof Date)) return setNode(value, place);
    return { value: value as Scalar, place, text: given };
  } catch {
    return { value: given, place, text: given };
  }
}

/** Collects what is wrong with a machine file and reads values out of its tree. */
export class ConfigReader {
  readonly errors: ConfigError[] = [];
  /** `machine` looks up a value of the machine by key path, for keys whose default is taken from another. */
  constructor(
    readonly readFile: ReadFile,
    readonly machine: (path: string) => unknown = () => undefined,
    /** Bytes of a file without reading it all. */
    readonly fileSize: (path: string) => number = (path) => readFile(path).length,
  ) {}

  error(problem: string, place: Place): void {
    const error = new ConfigError(problem, place);
    // A key that is read once for each hart or instance is wrong once.
    if (!this.errors.some((e) => e.message === error.message)) this.errors.push(error);
  }

  /** @throws {ConfigErrors} anything was wrong: file by file, in the order of lines. */
  done(): void {
    if (!this.errors.length) return;
    const files = [...new Set(this.errors.map((e) => e.place.file))], rank = (e: ConfigError) => files.indexOf(e.place.file);
    throw new ConfigErrors([...this.errors].sort((a, b) => rank(a) - rank(b) || (a.place.line ?? 0) - (b.place.line ?? 0)));
  }

  /** The checked values of a table; `known` are keys that somebody else reads. Faulty values are reported and come out undefined. */
  table<K extends Keys>(table: TomlTable, keys: K, place: Place, known: readonly string[] = []): Config<K> {
    this.onlyKnown(table, keys, known);
    return this.values(table, keys, place);
  }

  /** Reports keys of a table that are neither in `keys` nor in `known`. */
  onlyKnown(table: TomlTable, keys: Keys, known: readonly string[]): void {
    for (const name of table.keys()) {
      if (Object.hasOwn(keys, name) || known.includes(name)) continue;
      this.error(unknownKey(name, [...Object.keys(keys), ...known]), table.get(name)!.place);
    }
  }

  /** The checked values of some keys of a table. */
  values<K extends Keys>(table: TomlTable, keys: K, place: Place): Config<K> {
    const out: Record<string, unknown> = {};
    for (const name in keys) out[name] = this.entry(table, name, keys[name], place);
    return out as Config<K>;
  }

  /** The checked value of one key of a table, or its default. */
  entry(table: TomlTable, name: string, key: Key, place: Place): unknown {
    const node = table.get(name);
    if (node) return this.value(node, key);
    if ("from" in key && key.from !== undefined) {
      const value = this.machine(key.from);
      if (value !== undefined) return value;
    }
    if ("default" in key && key.default !== undefined) return key.default;
    if (key.optional) return undefined;
    if (key.kind === "table" || key.kind === "named") return this.value({ value: new Map(), place, text: "" }, key);
    this.error(`missing: it must be ${expected(key)} (${key.doc})`, placeAt(place, { key: joinKey(place.key ?? "", name) }));
    return undefined;
  }

  /** The checked value of a node; undefined after an error. */
  value(node: TomlNode, key: Key): unknown {
    if (key.kind === "either") {
      const kind = key.of.find((k) => shapeFits(node, k));
      if (kind) return this.value(node, kind);
      return this.#mustBe(node, expected(key));
    }
    if (!shapeFits(node, key)) return this.#mustBe(node, expected(key), key.kind === "choice" ? suggestion(node, key.choices) : "");
    const { value } = node;
    switch (key.kind) {
      case "table":
        return this.table(value as TomlTable, key.keys, node.place);
      case "named":
        return Object.fromEntries([...value as TomlTable].map(([name, n]) => [name, this.value(n, key.of)]));
      case "list":
        return this.#list(value as TomlNode[], key.of);
      case "int":
      case "size": {
        const n = key.kind === "size" ? parseSize(value)! : Number(parseInteger(value));
        return boundsFit(n, key) && Number.isSafeInteger(n) ? n : this.#mustBe(node, expected(key));
      }
      case "u64": {
        const n = BigInt(parseInteger(value)!);
        return n >= (key.min ?? 0n) && n <= (key.max ?? 0xffff_ffff_ffff_ffffn) ? n : this.#mustBe(node, expected(key));
      }
      case "string":
        return textOf(node);
      case "file":
        return this.#file(node, key.large ? this.fileSize : this.readFile);
      case "time":
        return new Date(value as Date); // the parser's own kind of Date prints and clones differently
      default:
        return value;
    }
  }

  #list(nodes: readonly TomlNode[], key: Key): unknown[] {
    const out: unknown[] = [];
    for (const node of nodes) out.push(this.value(node, key));
    return out;
  }

  #mustBe(node: TomlNode, what: string, hint = ""): undefined {
    this.errors.push(mustBe(node, what, hint));
  }

  /** A path relative to the file that names it; it must be readable. A name with "@" in front is for the machine to resolve. */
  #file(node: TomlNode, look: (path: string) => unknown): string | undefined {
    const text = textOf(node)!;
    if (text.startsWith("@")) return text;
    const path = resolvePath(text, node.place);
    try {
      look(path);
      return path;
    } catch (e) {
      if (!(e instanceof ConfigError)) throw e;
      this.error(`'${text}': ${e.problem}`, node.place);
      return undefined;
    }
  }
}

/** "unknown key" with the nearest known one, or all of them when none is near. */
export function unknownKey(name: string, known: readonly string[]): string {
  return `unknown key '${name}'` + (didYouMean(name, known) || (known.length ? `; known: ${[...known].sort().join(", ")}` : ""));
}

/** What a key accepts, in words. */
export function expected(key: Key): string {
  const range = ({ min = 0, max, power2, multiple }: { min?: number; max?: number; power2?: boolean; multiple?: number }) =>
    (max !== undefined && max !== Number.MAX_SAFE_INTEGER
      ? ` from ${number(min)} to ${number(max)}`
      : min
      ? ` of at least ${number(min)}`
      : "") +
    (power2 ? " that is a power of two" : "") + (multiple ? ` that is a multiple of ${number(multiple)}` : "");
  switch (key.kind) {
    case "int":
      return "an integer" + (range(key) || " of at least 0");
    case "size":
      return `a size like 4096, 0x1000 or "128MiB"` + range(key);
    case "u64":
      return `a 64-bit integer or a text like "0xffff_ffff_0000_0000"` +
        (key.max !== undefined ? ` of at most ${hex(key.max)}` : "");
    case "bool":
      return "true or false";
    case "string":
      return key.form ?? "a text";
    case "choice":
      return `one of ${key.choices.map((c) => JSON.stringify(c)).join(", ")}`;
    case "file":
      return "a path";
    case "time":
      return "a time with its offset, like 2026-01-01T00:00:00Z";
    case "list":
      return `a list, each ${expected(key.of)}`;
    case "table":
      return `a table with ${Object.keys(key.keys).join(", ")}`;
    case "named":
      return `a table of names, each with ${expected(key.of)}`;
    case "either":
      return key.form;
  }
}

/** Counts and rates in decimal; what looks like an address or a mask in grouped hexadecimal. */
function number(n: number): string {
  const mask = Number.isInteger(Math.log2(n + 1));
  return n < 4096 || (n % 4096 && !mask) ? String(n) : hex(n);
}

/** `0x8000_0000`. */
export function hex(n: number | bigint): string {
  const digits = n.toString(16);
  return "0x" + (digits.length <= 4 ? digits : digits.padStart(Math.ceil(digits.length / 4) * 4, "0").replace(/(?=(?:.{4})+$)(?!^)/g, "_"));
}

const mustBe = (node: TomlNode, what: string, hint = "") => new ConfigError(`must be ${what}, got ${shown(node)}${hint}`, node.place);

function shown(node: TomlNode): string {
  if (Array.isArray(node.value)) return "a list";
  if (node.value instanceof Map) return "a table";
  return node.text.length > 60 ? node.text.slice(0, 57) + "..." : node.text || '""';
}

/** Does the node have the kind of value that the key wants? Ranges are checked afterwards. */
function shapeFits(node: TomlNode, key: Key): boolean {
  const { value } = node;
  switch (key.kind) {
    case "int":
    case "u64":
      return typeof value === "number" ? isWhole(node) : parseInteger(value) !== undefined;
    case "size":
      return typeof value === "number" ? isWhole(node) : parseSize(value) !== undefined;
    case "bool":
      return typeof value === "boolean";
    case "string":
      return textOf(node) !== undefined && (key.pattern?.test(textOf(node)!) ?? true);
    case "file":
      return !!textOf(node);
    case "choice":
      return key.choices.includes(value as string | number);
    case "time":
      return value instanceof Date && !(value instanceof TomlDate && value.isLocal()) && !Number.isNaN(value.getTime());
    case "list":
      return Array.isArray(value);
    case "table":
    case "named":
      return value instanceof Map;
    case "either":
      return key.of.some((k) => shapeFits(node, k));
  }
}

/** A number that is written as an integer: 2.0 is none. */
const isWhole = (node: TomlNode) => node.whole || (Number.isInteger(node.value) && !/^[+-]?[\d_]+(\.|e)/i.test(node.text));

/** The text of a node. What an override wrote without quotes is a text too where one is wanted: `--set boot.cmdline=3`. */
function textOf(node: TomlNode): string | undefined {
  if (typeof node.value === "string") return node.value;
  return isOverride(node.place) && node.text ? node.text : undefined;
}

function boundsFit(n: number, key: { min?: number; max?: number; power2?: boolean; multiple?: number }): boolean {
  if (n < (key.min ?? 0) || n > (key.max ?? Infinity)) return false;
  if (key.power2 && (n < 1 || (BigInt(n) & BigInt(n - 1)) !== 0n)) return false;
  return !key.multiple || n % key.multiple === 0;
}

/** An integer, or a text that is one (decimal or hexadecimal, `_` between digits). */
function parseInteger(value: unknown): number | bigint | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
  if (typeof value === "bigint") return value;
  if (typeof value !== "string" || !/^(0x[0-9a-f]+(_[0-9a-f]+)*|\d+(_\d+)*)$/i.test(value)) return undefined;
  return BigInt(value.replaceAll("_", ""));
}

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of a number or a text like "128MiB", "64K", "0xf000"; undefined when it is neither. Exact up to 2^53. */
export function parseSize(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
  if (typeof value === "bigint") return Number(value);
  const m = typeof value === "string" && /^(0x[0-9a-f]+(?:_[0-9a-f]+)*|\d+(?:_\d+)*) ?(?:([KMGT])(?:iB)?)?$/i.exec(value);
  return m ? Number(m[1].replaceAll("_", "")) * (m[2] ? UNITS[m[2].toUpperCase()] : 1) : undefined;
}

const suggestion = (node: TomlNode, choices: readonly (string | number)[]) =>
  typeof node.value === "string" ? didYouMean(node.value, choices.map(String)) : "";

/** A path as written in the file `place.file`; what the command line gives is relative to the working directory. */
function resolvePath(path: string, place: Place): string {
  if (!place.file || isOverride(place) || /^([a-z]:)?[/\\]/i.test(path)) return path;
  // In the folder of the file. "." and ".." are resolved, so that one file has one name and cycles are seen.
  const parts: string[] = [];
  for (const part of (place.file.replace(/[^/\\]*$/, "") + path).split(/[/\\]/)) {
    if (part === ".." && parts.length && parts.at(-1) !== ".." && parts.at(-1) !== "") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigErrors([new ConfigError("must be UTF-8 text", { file })]);
  }
}
