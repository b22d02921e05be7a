// How values are written on QEMU's command line. Source: QEMU 7.2, "Invocation", and util/qemu-option.c, util/cutils.c for what that leaves open.
import { ConfigError } from "../../core/errors.ts";

/** `key=value,key`: names and texts. */
export type Properties = Readonly<Record<string, string>>;

export const refuse = (why: string): never => {
  throw new ConfigError(why);
};

/**
 * "file=a,,b,format=raw" as QEMU reads it: a doubled comma stands for one, a key alone is on, "nowait" is wait=off. A first part without "=" is
 * `first`'s value. Where QEMU takes JSON, so is '{"driver": "x"}': keys of inner objects have a dot.
 */
export function properties(text: string, first: string): Record<string, string> {
  // Names are the user's: __proto__ is one like others.
  if (text.startsWith("{")) return Object.fromEntries(flat(parseJson(text)));
  const parts = text.replaceAll(",,", "\0").split(",").map((p) => p.replaceAll("\0", ","));
  return Object.fromEntries(parts.flatMap((part, i): [string, string][] => {
    const at = part.indexOf("=");
    if (at >= 0) return [[part.slice(0, at), part.slice(at + 1)]];
    if (i === 0 && first) return [[first, part]];
    if (part === "nowait") return [["wait", "off"]];
    return part ? [[part, "on"]] : [];
  }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (e) {
    return refuse(`is no JSON: ${(e as Error).message}`);
  }
}

function flat(value: unknown, name = ""): [string, string][] {
  if (typeof value === "boolean") return [[name, value ? "on" : "off"]];
  if (typeof value !== "object" || value === null) return [[name, String(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, name ? `${name}.${key}` : key));
}

/** Whether a switch is on. */
export const isOn = (text: string | undefined, otherwise = false): boolean =>
  text === undefined ? otherwise : /^(on|yes|true|y|1)$/.test(text);

/** QEMU's numbers: decimal or hexadecimal. */
export function integer(text: string, what: string): number {
  const n = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(n) ? n : refuse(`${what} must be a number such as 0xf4, got '${text}'`);
}

/** QEMU's sizes are MiB when they have no unit. */
export function memory(text: string): string {
  const [, number, unit] = /^(\d+)([KMGTkmgt]?)B?$/.exec(properties(text, "size").size ?? "") ?? refuse("expected a size such as 256M");
  return `${number}${(unit || "M").toUpperCase()}iB`;
}

/** Processors; without `cpus` they are those of the topology. */
export function harts(text: string): string {
  const { cpus, ...more } = properties(text, "cpus"), topology = LEVELS.flatMap((level) => level in more ? [more[level]] : []);
  const all = cpus ?? (topology.length ? String(topology.reduce((n, t) => n * Number(t), 1)) : "");
  return /^\d+$/.test(all) ? all : refuse("expected a number of processors, such as 4");
}
const LEVELS = ["sockets", "dies", "clusters", "cores", "threads"];

export function tcpPort(kind: string, text: string): string {
  return /^tcp:(?:|localhost|127\.0\.0\.1):(\d+)(?:,|$)/.exec(text)?.[1] ??
    refuse(`expected tcp::PORT; here --${kind} takes the port's number`);
}
