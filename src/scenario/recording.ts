// Recordings: a text file of what a guest was given, and of what was run. Each line is JSON, a tab, and a sum of all lines so far: a file that
// ends in the midst of a line is that of a run that was killed, and any other fault is damage. src/README.md describes the lines.
import { ConfigError } from "../core/errors.ts";
import type { DiskImage } from "../machine/disks.ts";
import { formatMoment, type Moment, parseMoment } from "../machine/moment.ts";
import { type Given, InputLog } from "./inputs.ts";
import type { Verdict } from "./recorded.ts";

/** Of the format. */
export const VERSION = 1;
/** The program's: only the same runs a guest instruction for instruction the same. */
export const PROGRAM = "0.1.0";

/** The options that say what the guest is, and not how it is run. */
export interface GuestOptions {
  readonly set?: Readonly<Record<string, unknown>>;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly symbols?: string;
  readonly append?: string;
  readonly disks?: readonly DiskImage[];
}

/** The first line. */
export interface Header {
  readonly machine: string;
  readonly options: GuestOptions;
  /** Hash of what the machine consists of. */
  readonly make: string;
  /** Hashes of the images by path. */
  readonly files: Readonly<Record<string, string>>;
}

/** How the run ended. */
export interface End extends Verdict {
  readonly at: Moment;
  /** Absent when the run was killed: then `at` is the last moment that is known of it. */
  readonly digest?: string;
}

export interface Recording {
  readonly header: Header;
  readonly inputs: InputLog;
  readonly end: End;
}

/** FNV-1a of UTF-16 units, begun with the sum of the lines before. */
function sumOf(text: string, before: number): number {
  let sum = before ^ 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x0100_0193);
  return sum >>> 0;
}
const hexOf = (bytes: readonly number[]) => bytes.map((b) => b.toString(16).padStart(2, "0")).join("");

/** Makes the lines of a file, in their order. */
export class RecordingLines {
  #sum = 0;
  #line(value: unknown): string {
    const json = JSON.stringify(value);
    this.#sum = sumOf(json, this.#sum);
    return `${json}\t${this.#sum.toString(16).padStart(8, "0")}\n`;
  }
  header(header: Header): string {
    return this.#line({ bringup: "recording", version: VERSION, program: PROGRAM, ...header });
  }
  given({ at, to, bytes }: Given): string {
    return this.#line([formatMoment(at), to, hexOf(bytes)]);
  }
  /** The run has come so far. */
  reached(at: Moment): string {
    return this.#line([formatMoment(at)]);
  }
  end({ at, ...rest }: End): string {
    return this.#line({ end: formatMoment(at), ...rest });
  }
}

/** @throws {ConfigError} it is no recording, one of another version, or damaged. */
export function readRecording(bytes: Uint8Array, file: string): Recording {
  const lines = new TextDecoder().decode(bytes).split("\n"), reader = new Reader(file);
  // What follows the last line end was being written when the run was killed.
  lines.pop();
  lines.forEach((line, i) => reader.line(line, i + 1));
  return reader.recording();
}

class Reader {
  #sum = 0;
  #header: Header | undefined;
  #end: End | undefined;
  #last: Moment = { ticks: 0, where: 0 };
  readonly #inputs = new InputLog(Infinity);
  constructor(readonly file: string) {}

  line(text: string, line: number): void {
    const tab = text.lastIndexOf("\t"), json = text.slice(0, Math.max(0, tab)), sum = this.#sum = sumOf(json, this.#sum);
    const value = text.slice(tab + 1) === sum.toString(16).padStart(8, "0") ? parsed(json) : undefined;
    if (line === 1) return this.#first(value, json);
    if (value === undefined || this.#end) throw this.#damaged(line);
    if (Array.isArray(value)) this.#event(value, line);
    else this.#end = this.#endOf(value as Record<string, unknown>, line);
  }

  recording(): Recording {
    if (!this.#header) throw new ConfigError("this is no recording", { file: this.file });
    return { header: this.#header, inputs: this.#inputs, end: this.#end ?? { at: this.#last } };
  }

  #damaged(line: number): ConfigError {
    return new ConfigError("the recording is damaged here: it is not as it was written", { file: this.file, line });
  }

  #first(value: unknown, json: string): void {
    // Another version may have other sums.
    const { bringup, version, program } = Object(value ?? parsed(json)) as Record<string, unknown>, place = { file: this.file };
    if (bringup !== "recording") throw new ConfigError("this is no recording", place);
    if (version !== VERSION) {
      throw new ConfigError(`the recording's format is of version ${version}, and this program reads version ${VERSION}`, place);
    }
    if (program !== PROGRAM) {
      throw new ConfigError(`recorded by bringup ${program}, and this is ${PROGRAM}: only the same version runs it the same`, place);
    }
    if (value === undefined || !isHeader(value)) throw this.#damaged(1);
    this.#header = value;
  }

  #event([moment, to, hex, ...more]: unknown[], line: number): void {
    const at = parseMoment(moment), bytes = typeof hex === "string" && /^(?:[\da-f]{2})+$/.test(hex) ? hex.match(/../g)! : undefined;
    const marks = to === undefined && hex === undefined;
    if (!at || more.length || !marks && (typeof to !== "string" || !bytes)) throw this.#damaged(line);
    this.#last = at;
    for (const byte of bytes ?? []) this.#inputs.add(at, to as string, parseInt(byte, 16));
  }

  #endOf({ end, digest, status, why }: Record<string, unknown>, line: number): End {
    const at = parseMoment(end), odd = (v: unknown, type: string) => v !== undefined && typeof v !== type;
    if (!at || odd(digest, "string") || odd(status, "number") || odd(why, "string")) throw this.#damaged(line);
    return {
      at,
      ...(digest !== undefined && { digest }),
      ...(status !== undefined && { status }),
      ...(why !== undefined && { why }),
    } as End;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is Header {
  const { machine, options, make, files } = value as Record<string, unknown>;
  if (typeof machine !== "string" || typeof make !== "string" || !isTable(options) || !isTable(files)) return false;
  const { set = {}, kernel = "", initrd = "", symbols = "", append = "", disks = [], ...more } = options as Record<string, unknown>;
  const isDisk = (d: unknown) => typeof d === "string" || isTable(d) && typeof (d as Record<string, unknown>).file === "string";
  return [kernel, initrd, symbols, append, ...Object.values(files)].every((v) => typeof v === "string") && isTable(set) &&
    Array.isArray(disks) && disks.every(isDisk) && Object.keys(more).length === 0;
}
const isTable = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
