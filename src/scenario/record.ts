// Recordings as files: what a run is known by, writing one while a machine runs, and checking one against a machine. Loaded when one is asked for.
import { createHash } from "node:crypto";
import { ConfigError } from "../core/errors.ts";
import type { DiskImage } from "../machine/disks.ts";
import type { MachineGraph } from "../machine/machine_graph.ts";
import { formatMoment, type Moment } from "../machine/moment.ts";
import { osMessage, readFile, tryTo } from "./host.ts";
import { type MachineLike, momentOf } from "./machine_like.ts";
import type { Origin, Verdict } from "./recorded.ts";
import { type GuestOptions, type Header, readRecording, type Recording, RecordingLines } from "./recording.ts";
import { startReplay } from "./replay.ts";
import type { MachineSession } from "./session.ts";

/** Bytes that are read from an image at a time. */
const PIECE = 1 << 20;
/** So often a recording notes how far its run has come, in milliseconds of the host. */
const MARK_MS = 1000;

/** @throws {ConfigError} the file cannot be read. */
function hashOf(path: string): string {
  try {
    using file = Deno.openSync(path);
    const hash = createHash("sha256"), piece = new Uint8Array(PIECE);
    for (let n: number | null; (n = file.readSync(piece)) !== null;) hash.update(piece.subarray(0, n));
    return hash.digest("hex");
  } catch (e) {
    throw new ConfigError(`cannot be read: ${osMessage(e)}`, { file: path });
  }
}

/** Where something stands in a machine file, and the names of files: none of the guest's business. */
const ELSEWHERE = new Set(["place", "cpuPlaces", "firmwarePlaces", "file", "kernel", "initrd", "dtb", "symbols", "path", "vga"]);

/** A hash of what a machine consists of, and of its kernel's command line. */
function makeOf(graph: MachineGraph, append: string | undefined): string {
  const plain = (key: string, v: unknown) => {
    if (ELSEWHERE.has(key)) return undefined;
    return typeof v === "bigint" ? `${v}n` : v instanceof Map || v instanceof Set ? [...v] : v;
  };
  return createHash("sha256").update(JSON.stringify([graph, append ?? graph.boot.cmdline], plain)).digest("hex");
}

/** The machine's graph and what it was made of. @throws {ConfigError} the machine was not made by `boot`. */
function known(session: MachineSession): { readonly graph: MachineGraph; readonly origin: Origin } {
  const { graph } = session.machine as MachineLike & { readonly graph?: MachineGraph }, { origin } = session.options;
  if (!graph || !origin) throw new ConfigError("only a machine that `boot` has made can be recorded");
  return { graph, origin };
}

/** Of the files that were read, those that the guest may see; the machine files are in the graph. */
const imagesOf = (origin: Origin) => [...origin.files].filter((path) => !path.endsWith(".toml"));

/** What the recording of a session begins with. @throws {ConfigError} */
export function headerOf(session: MachineSession): Header {
  const { graph, origin } = known(session), { set, kernel, initrd, symbols, append, disks } = origin.options;
  const options: GuestOptions = {
    ...(set && Object.keys(set).length && { set }),
    ...(kernel !== undefined && { kernel }),
    ...(initrd !== undefined && { initrd }),
    ...(symbols !== undefined && { symbols }),
    ...(append !== undefined && { append }),
    ...(disks?.length && { disks }),
  };
  const files = Object.fromEntries(imagesOf(origin).map((path) => [path, hashOf(path)]));
  return { machine: origin.machine, options, make: makeOf(graph, append), files };
}

const pathOf = (disk: DiskImage | undefined) => typeof disk === "object" ? disk.file : disk;

/** @throws {ConfigError} this machine, or one of its images, is not the one that was recorded. */
export function checkRecording(session: MachineSession, { header: { machine, make, options, files } }: Recording, file: string): void {
  const { graph, origin } = known(session), mine = origin.options;
  // An image may be somewhere else now.
  const moved = new Map<string | undefined, string | undefined>([
    [options.kernel, mine.kernel],
    [options.initrd, mine.initrd],
    [options.symbols, mine.symbols],
    ...(options.disks ?? []).map((disk, i) => [pathOf(disk), pathOf(mine.disks?.[i])] as const),
  ]);
  for (const [path, hash] of Object.entries(files)) {
    const now = moved.get(path) ?? path;
    if (!origin.files.has(now)) continue;
    if (hashOf(now) !== hash) throw new ConfigError(`'${now}' is not the image that was recorded: it has other contents`, { file });
  }
  const lacks = Object.entries({ kernel: options.kernel, initrd: options.initrd }).find(([name, path]) =>
    (path === undefined) !== (mine[name as "kernel"] === undefined)
  );
  if (lacks) {
    throw new ConfigError(`recorded ${lacks[1] === undefined ? "without" : `with the ${lacks[0]} '${lacks[1]}', and this is without`}`, {
      file,
    });
  }
  if (make !== makeOf(graph, mine.append)) {
    throw new ConfigError(
      `recorded on another machine: this is not '${machine}' as it was, with the keys and the command line that it had`,
      { file },
    );
  }
}

/** A file of what a session's guest is given. */
export class Recorder {
  readonly #file: Deno.FsFile;
  #lines = new RecordingLines();
  #pending: { readonly at: Moment; readonly to: string; readonly bytes: number[] } | undefined;
  #text = "";
  #wroteMs = performance.now();
  #lastMoment = "";
  #ended = false;

  /** `writeAll`: throws what its caller takes for a file that takes no more. @throws {ConfigError} the file cannot be written. */
  constructor(
    readonly session: MachineSession,
    readonly path: string,
    readonly writeAll: (file: Deno.FsFile, bytes: Uint8Array) => void = (file, bytes) =>
      tryTo(path, () => {
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      }, true),
  ) {
    const header = headerOf(session), { inputLog } = session;
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (e) {
      throw new ConfigError(`--record: cannot be written: ${osMessage(e)}`, { file: path });
    }
    this.#begin(header);
    inputLog.onAdd = (at, to, byte) => this.#add(at, to, byte);
    inputLog.onLoad = () => {
      this.#file.truncateSync();
      this.#file.seekSync(0, Deno.SeekMode.Start);
      this.#begin(header);
    };
    const { hooks } = session;
    session.hooks = {
      ...hooks,
      afterSlice: () => {
        this.flush();
        return hooks.afterSlice?.();
      },
    };
  }

  /** The first line, and what has been given already. */
  #begin(header: Header): void {
    this.#lines = new RecordingLines();
    this.#pending = undefined;
    this.#text = this.#lines.header(header) + allGiven(this.session, this.#lines);
    this.#write();
  }

  #add(at: Moment, to: string, byte: number): void {
    const last = this.#pending;
    if (last && last.to === to && last.at.ticks === at.ticks && last.at.where === at.where) last.bytes.push(byte);
    else {
      this.#settle();
      this.#pending = { at, to, bytes: [byte] };
    }
  }
  #settle(): void {
    if (this.#pending) this.#text += this.#lines.given(this.#pending);
    this.#pending = undefined;
  }

  /** What was given is in the file when the machine goes on. */
  flush(): void {
    if (this.#ended) return;
    this.#settle();
    if (this.#text === "" && performance.now() - this.#wroteMs < MARK_MS) return;
    if (this.#text === "" && !this.#mark()) return;
    this.#write();
  }
  #mark(): boolean {
    const at = momentOf(this.session.machine), text = formatMoment(at);
    if (text === this.#lastMoment || this.session.machine.yielded && at.where === 0) return false;
    this.#lastMoment = text;
    this.#text = this.#lines.reached(at);
    return true;
  }
  #write(): void {
    const bytes = new TextEncoder().encode(this.#text);
    this.#text = "";
    try {
      this.writeAll(this.#file, bytes);
    } catch (e) {
      // What follows could not be replayed without this.
      this.#close();
      throw e;
    }
    this.#wroteMs = performance.now();
  }

  /** The run is over. */
  end(how: Verdict = {}): void {
    if (this.#ended) return;
    this.#settle();
    this.#text += endOf(this.session, this.#lines, how);
    this.#write();
    this.#close();
  }
  #close(): void {
    this.#ended = true;
    this.#file.close();
    this.session.inputLog.onAdd = this.session.inputLog.onLoad = () => {};
  }
}

/** @throws {ConfigError} the first of them are not kept. */
function allGiven({ inputLog }: MachineSession, lines: RecordingLines): string {
  if (inputLog.forgotten) {
    throw new ConfigError(`the first ${inputLog.forgotten} bytes that the guest was given are not kept: a larger \`history\` does`);
  }
  return [...inputLog.given()].map((given) => lines.given(given)).join("");
}

function endOf(session: MachineSession, lines: RecordingLines, how: Verdict): string {
  session.settle();
  return lines.end({ at: momentOf(session.machine), digest: session.machine.digest(), ...how });
}

/** The recording of all that a session has run. @throws {ConfigError} it cannot be told any more. */
export function recordingOf(session: MachineSession, how: Verdict = {}): string {
  const lines = new RecordingLines();
  return lines.header(headerOf(session)) + allGiven(session, lines) + endOf(session, lines, how);
}

/** @throws {ConfigError} the file is no recording, or not of this machine. */
export function replayFile(session: MachineSession, path: string): void {
  const recording = readRecording(readFile(path), path);
  checkRecording(session, recording, path);
  startReplay(session, recording);
}
