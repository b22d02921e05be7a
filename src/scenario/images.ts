// The files that a machine is made of, as they were when it was made: forks are given the same, whatever has become of the files since, and what is
// saved of a run is of these.
import type { DiskSource } from "../core/disk.ts";
import { ConfigError } from "../core/errors.ts";
import type { OpenDisk } from "../machine/disks.ts";
import { openDisk, readFile } from "./host.ts";

interface Read {
  /** Whoever needs them keeps them. */
  readonly bytes: WeakRef<Uint8Array>;
  /** When the file was written last, and its size. */
  readonly stamp: string;
}

export class Images {
  readonly #files = new Map<string, Read>();
  readonly #disks = new Map<string, DiskSource>();
  /** Paths of all of them. */
  readonly paths = new Set<string>();
  /** The machine that is made may change its images: forks may not. */
  #mayWrite: boolean;

  constructor({ mayWrite = true } = {}) {
    this.#mayWrite = mayWrite;
  }

  /** The first machine is made. */
  made(): void {
    this.#mayWrite = false;
  }

  /** The contents of a file as they were when it was first read. @throws {ConfigError} it cannot be read, or has changed. */
  readonly readFile = (path: string): Uint8Array => {
    const known = this.#files.get(path), kept = known?.bytes.deref();
    if (kept) return kept;
    const stamp = stampOf(path), bytes = readFile(path);
    if (known && known.stamp !== stamp) {
      throw new ConfigError("has changed since the machine was made of it: what it was then is gone", { file: path });
    }
    this.#files.set(path, { bytes: new WeakRef(bytes), stamp });
    this.paths.add(path);
    return bytes;
  };

  readonly openDisk: OpenDisk = (path, { write }) => {
    const key = `${path}${write ? " for writing" : ""}`, image = this.#disks.get(key) ?? openDisk(path, { write });
    this.#disks.set(key, image);
    this.paths.add(path);
    return this.#mayWrite ? image : { size: image.size, read: image.read };
  };
}

/** What tells that a file was written. What is no file has no time. */
function stampOf(path: string): string {
  try {
    const { mtime, size } = Deno.statSync(path);
    return `${mtime?.getTime()} ${size}`;
  } catch {
    return "";
  }
}
