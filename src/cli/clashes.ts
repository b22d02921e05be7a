// Files that a run would write over: what it reads itself, and each other. Loaded when one is written.
import { ConfigError } from "../core/errors.ts";
import { findMachineFile } from "../scenario/host.ts";
import type { Plan } from "./plan.ts";
import { splitWhere } from "./serial.ts";

/** Keys of machine files that name one that is read. */
const FILE = /(^|\.)(file|kernel|initrd|symbols|bios|sbi)$/;

type Named = readonly [option: string, path: string | undefined];

/** @throws {ConfigError} the run would write over what it reads, or one file twice. */
export function checkClashes(plan: Plan, replay: string | undefined): void {
  const { boot } = plan, written = filesWritten(plan), reads = new Map<string, string>();
  const read: Named[] = [
    ["the machine file", findMachineFile(plan.machine)],
    ["the kernel", boot.kernel],
    ["--initrd", boot.initrd],
    ["--symbols", boot.symbols],
    ...(boot.disks ?? []).map((d): Named => ["a disk's image", typeof d === "string" ? d : d.file]),
    // QEMU's command lines say all of it so.
    ...Object.entries(boot.set ?? {}).map(([key, value]): Named => [key, FILE.test(key) ? textOf(value) : undefined]),
    ["--load", boot.load],
    ["--scenario", plan.scenario],
    ["--replay", replay],
  ];
  for (const [what, path] of read) if (path !== undefined) reads.set(identity(path) ?? "", what);
  const before = new Map<string, string>();
  for (const [option, path] of written) {
    const id = path === undefined ? undefined : identity(path);
    if (id === undefined) continue;
    const also = reads.get(id), other = before.get(id);
    // A state goes to the file that it came from when the run is over.
    if (also !== undefined && !(option === "--save" && also === "--load")) {
      throw new ConfigError(`${option} would write over what the run reads: it is ${also}`, { file: path! });
    }
    if (other !== undefined) throw new ConfigError(`${other} and ${option} both write to it`, { file: path! });
    before.set(id, option);
  }
}

/** The text that `--set` gives, which may stand in quotation marks, as TOML has them. */
function textOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "string" ? parsed : value;
  } catch {
    return value;
  }
}

/** All that the command line names. */
function filesWritten({ record, save, timeline, report, screenshot, boot: { traceFile }, serial }: Plan): Named[] {
  const ports = serial.map(splitWhere).flatMap(([where, log]) => [/^(stdio|none|\d+)$/.test(where) ? undefined : where, log]);
  return [
    ["--record", record],
    ["--save", save],
    ["--timeline", timeline],
    ["--report", report],
    ["--screenshot", screenshot],
    ["--trace-file", traceFile],
    ...ports.map((path): Named => ["--serial", path]),
  ];
}

/** The same for all names of a file; undefined: it is a device, of which there may be several users. */
function identity(path: string): string | undefined {
  if (/^\/(dev|proc)\//.test(path)) return undefined;
  try {
    const { isFile, dev, ino } = Deno.statSync(path);
    return isFile ? ino === null ? Deno.realPathSync(path) : `${dev}:${ino}` : undefined;
  } catch {
    // It is yet to be made, or whoever opens it tells what is wrong with it.
    return path.replace(/^(\.\/+)+/, "").replace(/\/+(\.\/+)*/g, "/");
  }
}
