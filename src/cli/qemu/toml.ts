// What a command line of QEMU's means, as a machine file.
import type { QemuLine } from "./line.ts";

/** A value as TOML has it; JSON's texts are TOML's. */
export function tomlValue(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([key, inner]) => `${tomlKey(key)} = ${tomlValue(inner)}`).join(", ")} }`;
}

const tomlKey = (key: string) => /^[\w-]+$/.test(key) ? key : JSON.stringify(key);

/** Changes by key path as tables: those of one table stand together, outer ones first. */
function tables(changes: ReadonlyMap<string, unknown>): string {
  const byTable = new Map<string, string[]>();
  for (const [path, value] of changes) {
    const parts = path.split("."), key = parts.pop()!, table = parts.map(tomlKey).join(".");
    if (parts.length === 0) continue;
    byTable.set(table, [...byTable.get(table) ?? [], `${tomlKey(key)} = ${tomlValue(value)}`]);
  }
  const order = [...byTable.keys()].sort((a, b) => a.split(".")[0] === b.split(".")[0] ? a.split(".").length - b.split(".").length : 0);
  // Tables in a list stand for themselves.
  const lists = [...changes].filter(([path]) => !path.includes(".")).flatMap(([path, list]) =>
    (list as Record<string, unknown>[]).map((one) => [path, one] as const)
  );
  const listed = lists.map(([path, one]) =>
    `\n[[${path}]]\n${Object.entries(one).map(([key, value]) => `${tomlKey(key)} = ${tomlValue(value)}\n`).join("")}`
  ).join("");
  return listed + order.map((table) => `\n[${table}]\n${byTable.get(table)!.join("\n")}\n`).join("");
}

/** A control character, which no comment of TOML's may hold. */
const escaped = (c: string) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;

/** The machine file; `typed` is the command line. Files are named as it names them: relative to the folder that it is run in. */
export function machineFile(line: QemuLine, typed: string): string {
  const { set, kernel, initrd, append, options, own, notes } = line, changes = new Map(set);
  if (kernel !== undefined) changes.set("boot.kernel", kernel);
  // Several modules are no file's name.
  const modules = initrd !== undefined && /[ ,]/.test(initrd);
  if (initrd !== undefined && !modules) changes.set("boot.initrd", initrd);
  if (append !== undefined) changes.set("boot.cmdline", append);
  const rest = [...modules ? [`--initrd=${initrd}`] : [], ...options, ...own];
  const comments = [`Made of: ${typed}`, ...rest.length ? [`No part of the machine: ${rest.join(" ")}`] : [], ...notes];
  const head = comments.flatMap((c) => c.split("\n")).map((c) => `# ${c.replace(/\p{Cc}/gu, escaped)}\n`).join("");
  return `${head}schema = 1\nextends = "${line.machine}.toml"\n${tables(changes)}`;
}
