// What this host gives a machine: files, and lines of trace channels on stderr.
import type { DiskSource } from "../core/disk.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";
import { type Channel, CHANNELS, type Log } from "../core/log.ts";

/** Who wants to know which files machines are made of. */
export const fileUses: { seen?: (path: string) => void } = {};

/** The contents of a file. @throws {ConfigError} it is missing or cannot be read; near names are suggested. */
export function readFile(path: string): Uint8Array {
  fileUses.seen?.(path);
  try {
    const { isFile, isDirectory, isFifo, size } = Deno.statSync(path);
    if (size > MOST) throw new Error(`it has ${(size / 2 ** 30).toFixed(1)} GiB, and no machine has more memory than 3.5 GiB`);
    if (isFile && size > LARGE) return readLarge(path, size);
    return isFile || isDirectory || isFifo ? Deno.readFileSync(path) : readDevice(path);
  } catch (e) {
    throw new ConfigError(whyUnreadable(path, e as Error), { file: path });
  }
}

/** Bytes that may be read at once. */
const MOST = 3.5 * 2 ** 30;

/** A device is empty (/dev/null) or has no end. */
function readDevice(path: string): Uint8Array {
  using file = Deno.openSync(path);
  if (file.readSync(new Uint8Array(1)) !== null) throw new Error("it is a device and no file");
  return new Uint8Array();
}

/** Above this many bytes a file is read in half the time by parts into an array of its size: `Deno.readFileSync` has them in memory twice. */
const LARGE = 4 << 20;
function readLarge(path: string, size: number): Uint8Array {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (let got: number | null; at < size && (got = file.readSync(bytes.subarray(at))); at += got);
  return bytes.subarray(0, at);
}

/** Bytes that are read from an image at a time, and how many such pieces are kept. */
const PIECE = 256 * 1024, PIECES = 256;

/** An image, read piece by piece; no file stays open. @throws {ConfigError} it is missing, cannot be read, or not written though it should. */
export function openDisk(path: string, how: { readonly write: boolean }): DiskSource {
  // What the guest itself writes to is no change of what it is made of.
  if (!how.write) fileUses.seen?.(path);
  /** Pieces that were read, the last one used last; those that the file has no more, as it was written there. */
  const pieces = new Map<number, Uint8Array>(), originals = new Map<number, Uint8Array>();
  /** The file while writes come together. */
  let opened: Deno.FsFile | undefined;
  const withFile = <T>(use: (f: Deno.FsFile) => T, write = false): T => {
    return tryTo(path, () => {
      using file = Deno.openSync(path, { read: true, write });
      return use(file);
    }, write);
  };
  // Opening a pipe waits for who writes to it.
  const { isFifo, isCharDevice } = tryTo(path, () => Deno.statSync(path));
  if (isFifo || isCharDevice) throw new ConfigError("cannot be read: a disk has sectors, and this is a pipe or a device", { file: path });
  const size = withFile((f) => {
    if (f.statSync().isDirectory) throw new Error("Is a directory");
    return f.seekSync(0, Deno.SeekMode.End);
  }, how.write);
  const piece = (n: number): Uint8Array => {
    let bytes = originals.get(n) ?? pieces.get(n);
    if (!bytes) {
      bytes = new Uint8Array(Math.min(PIECE, size - n * PIECE));
      withFile((f) => {
        f.seekSync(n * PIECE, Deno.SeekMode.Start);
        for (let at = 0, got: number | null; at < bytes!.length && (got = f.readSync(bytes!.subarray(at))); at += got);
      });
      if (pieces.size >= PIECES) pieces.delete(pieces.keys().next().value!);
    } else pieces.delete(n);
    pieces.set(n, bytes);
    return bytes;
  };
  return {
    size,
    read(offset, length) {
      const n = Math.floor(offset / PIECE), from = offset - n * PIECE;
      if (length === 0 || from + length <= PIECE) return length ? piece(n).subarray(from, from + length) : new Uint8Array();
      const out = new Uint8Array(length);
      for (let at = 0; at < length;) {
        const m = Math.floor((offset + at) / PIECE), start = offset + at - m * PIECE;
        const part = piece(m).subarray(start, start + length - at);
        out.set(part, at);
        at += part.length;
      }
      return out;
    },
    ...(how.write && {
      write(offset: number, data: Uint8Array) {
        for (let n = Math.floor(offset / PIECE); n * PIECE < offset + data.length; n++) originals.set(n, piece(n));
        const write = (f: Deno.FsFile) => {
          f.seekSync(offset, Deno.SeekMode.Start);
          for (let at = 0; at < data.length;) at += f.writeSync(data.subarray(at));
        };
        if (opened) write(opened);
        else withFile(write, true);
      },
      together(writes: () => void) {
        withFile((f) => {
          opened = f;
          try {
            writes();
          } finally {
            opened = undefined;
          }
          f.syncDataSync();
        }, true);
      },
    }),
  };
}

/** Writes a file, of which nobody ever sees a part: what is there stays until all is written. @throws {ConfigError} it cannot be written. */
export function writeWhole(path: string, bytes: Uint8Array): void {
  checkWritable(path);
  const part = partOf(path);
  try {
    tryTo(path, () => {
      using file = Deno.openSync(part, { write: true, createNew: true });
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncSync();
    }, true);
    tryTo(path, () => Deno.renameSync(part, path), true);
  } catch (e) {
    removeIfThere(part);
    throw e;
  }
}
/** Where a file is made before it has its name: in the same folder, as it would be copied from elsewhere. */
const partOf = (path: string) => `${path}.${Deno.pid}.part`;
function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It is not.
  }
}

/** What can be known before there is anything to write. @throws {ConfigError} the file could not be written. */
export function checkWritable(path: string): void {
  let info: Deno.FileInfo | undefined;
  try {
    info = Deno.statSync(path);
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw new ConfigError(whyUnreadable(path, e as Error, "written"), { file: path });
  }
  // It would be replaced.
  if (info && !info.isFile) throw new ConfigError(`cannot be written: it is ${info.isDirectory ? "a folder" : "no file"}`, { file: path });
  const part = partOf(path);
  tryTo(path, () => Deno.openSync(part, { write: true, createNew: true }).close(), true);
  removeIfThere(part);
}

/** @throws {ConfigError} */
/** What `use` gives. @throws {ConfigError} the file cannot be read or written. */
export function tryTo<T>(path: string, use: () => T, write = false): T {
  try {
    return use();
  } catch (e) {
    throw new ConfigError(whyUnreadable(path, e as Error, write ? "written" : "read"), { file: path });
  }
}

function whyUnreadable(path: string, e: Error, how = "read"): string {
  if (!(e instanceof Deno.errors.NotFound)) return `cannot be ${how}: ${osMessage(e)}`;
  // Deno gives arguments as text; what is none of it has become this character.
  if (path.includes("\ufffd")) return "no such file; a name that is not UTF-8 cannot be given: rename the file, or link to it";
  const near = namesBeside(path);
  return near
    ? `no such file${didYouMean(path.slice(path.lastIndexOf("/") + 1), near)}`
    : `no such file: there is no folder '${folderOf(path)}'`;
}

const folderOf = (path: string) => path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
/** What is in the folder that a path names; undefined when there is none. */
export function namesBeside(path: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(folderOf(path))].map((f) => f.name);
  } catch {
    return undefined;
  }
}

/**
 * The path of a machine file: as given, else among the machines that come with bringup: "virt", "virt.toml", "machines/virt.toml".
 * @throws {ConfigError} there is none of that name; near names are suggested.
 */
export function findMachineFile(path: string): string {
  if (path.startsWith("/") || isFile(path)) return path;
  const name = path.endsWith(".toml") ? path : `${path}.toml`, found = isFile(name) ? name : findShipped(name);
  if (found !== undefined) return found;
  // Who may not look cannot know: whoever reads the file is told what is missing.
  try {
    Deno.statSync(path);
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) return path;
    const near = didYouMean(path, [...machinesOf("."), ...machinesOf("machines")]), why = whyUnreadable(path, e);
    // In a folder that there is, what is near there is meant.
    const folder = path.includes("/") && why.includes("did you mean");
    throw new ConfigError(near && !folder ? `no such file${near}` : why, { file: path });
  }
  return path;
}

/** How the machine files of a folder may be named on a command line. */
function machinesOf(folder: string): string[] {
  const prefix = folder === "." ? "" : `${folder}/`, own = namesBeside(`${folder}/`) ?? [];
  const files = [...findShipped.names(), ...own.filter((name) => name.endsWith(".toml"))].map((name) => prefix + name);
  return [...files, ...files.map((name) => name.slice(0, -5))];
}

/** The path of a machine file that comes with bringup: "virt.toml", "machines/virt.toml". */
export function findShipped(name: string): string | undefined {
  return ["", "machines/"].map((folder) => `${SHIPPED}${folder}${name}`).find(isFile);
}
findShipped.names = (): string[] => shippedMachines().map((name) => `${name}.toml`);

/** The names of the machines that come with bringup. */
export function shippedMachines(): string[] {
  try {
    return [...Deno.readDirSync(`${SHIPPED}machines`)].flatMap(({ name }) => name.endsWith(".toml") ? [name.slice(0, -5)] : []);
  } catch {
    return [];
  }
}

/** The folder of the repository. */
const SHIPPED = decodeURIComponent(new URL("../../", import.meta.url).pathname);

function isFile(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Channels from "irq,trap" or "all". @throws {ConfigError} a name is not a channel. */
export function parseChannels(text: string): Set<Channel> {
  const names = Object.keys(CHANNELS) as Channel[], given = text.split(",").map((s) => s.trim()).filter(Boolean);
  const unknown = given.find((n) => n !== "all" && !Object.hasOwn(CHANNELS, n));
  if (unknown !== undefined) {
    throw new ConfigError(`--trace: no channel '${unknown}'${didYouMean(unknown, names)}; the channels are ${names.join(", ")} and all`);
  }
  return new Set(given.includes("all") ? names : given as Channel[]);
}

/** A file for lines of trace channels, written anew. @throws {ConfigError} */
export function openTraces(path: string): Deno.FsFile {
  return tryTo(path, () => Deno.openSync(path, { write: true, create: true, truncate: true }), true);
}

/** Writes lines of the chosen channels to stderr or a file, stamped with guest time, so that the logs of two runs can be compared. */
export class TraceLog implements Log {
  /** Guest time in nanoseconds; set when the machine exists. */
  nowNs: () => number = () => 0;
  /** Called before a line is written, so that the guest's output so far comes first. */
  beforeLine: () => void = () => {};
  /** Advice goes to stderr in any case. */
  constructor(readonly channels: ReadonlySet<Channel>, readonly to: Pick<Deno.FsFile, "writeSync"> = Deno.stderr) {}
  on(channel: Channel): boolean {
    return channel === "advice" || this.channels.has(channel);
  }
  line(channel: Channel, source: string, text: string): void {
    if (!this.on(channel)) return;
    this.beforeLine();
    (channel === "advice" ? Deno.stderr : this.to).writeSync(
      new TextEncoder().encode(`[${this.nowNs()} ns] [${source}] [${channel}] ${text}\n`),
    );
  }
}

/** What the host says of a mistake: Deno has "Is a directory (os error 21)". */
export const osMessage = (e: unknown): string => (e as Error).message.replace(/ \(os error.*/, "");

/** A word of a shell's command line. */
export const shellQuote = (s: string): string => /^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`;
