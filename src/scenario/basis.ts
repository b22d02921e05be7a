// What a saved state belongs to: the machine, as its file and the command line describe it, and the contents of its images. A state that goes on
// with others would go wrong somewhere, much later, and nobody would know why.
import type { Disk, WrittenSectors } from "../core/disk.ts";
import { ConfigError } from "../core/errors.ts";
import { Hash } from "../core/hash.ts";
import type { MachineDisks } from "../machine/disks.ts";
import type { MachineGraph } from "../machine/machine_graph.ts";
import type { MachineOptions } from "../machine/machine.ts";

/** Where a session comes from. */
export interface Basis {
  readonly graph: MachineGraph;
  readonly options: MachineOptions;
  /** A file as it was when the machine was made. @throws {ConfigError} */
  readonly readFile: (path: string) => Uint8Array;
  readonly disks: MachineDisks;
  /** Pages of its memories. */
  readonly pages: number;
  /** Patterns that are forbidden, as texts. */
  readonly failOn: readonly string[];
}

/** An image of a machine. */
export interface ImageMark {
  /** What it is to the machine: "kernel", "hard disk 0". */
  readonly what: string;
  /** Its name, without the folder: the same files may be elsewhere. */
  readonly file: string;
  readonly bytes: number;
  /** Of its contents; empty: they are not looked at. */
  readonly hash: string;
}

// --- the machine

/** Where things are in files, and what may be another in the next run: how it is run, not what the guest sees. */
const LEFT_OUT = new Set(
  [
    "file",
    "path",
    "place",
    "cpuPlaces",
    "firmwarePlaces",
    "kernel",
    "initrd",
    "dtb",
    "symbols",
    "vga",
    "name",
    "mode",
    "written",
    "overlay",
  ],
);

/** Everything that the guest may see of a machine, as plain JSON. */
export function describeBasis({ graph, options }: Pick<Basis, "graph" | "options">): unknown {
  const { memories, devices, edges, boot, cpu, clock, ...rest } = graph;
  const byId = <T extends { readonly id: string }>(list: readonly T[]) => Object.fromEntries(list.map(({ id, ...more }) => [id, more]));
  const { reset: _, ...start } = boot;
  return plain({
    cpu,
    clock,
    memory: byId(memories),
    device: byId(
      devices.map(({ drives, ...d }) => ({ ...d, drives: Object.fromEntries(drives.map(({ name, ...drive }) => [name, drive])) })),
    ),
    edges: edges.map((e) => ({ from: e.from, to: e.to })),
    boot: { ...start, cmdline: options.append ?? boot.cmdline },
    ...rest,
  });
}
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, v) => LEFT_OUT.has(key) ? undefined : typeof v === "bigint" ? `${v}` : v));

/** The first place where two descriptions differ, as a sentence; undefined when they do not. */
export function difference(there: unknown, here: unknown, path = ""): string | undefined {
  if (isRecord(there) && isRecord(here)) {
    for (const key of new Set([...Object.keys(there), ...Object.keys(here)])) {
      const found = difference(there[key], here[key], path ? `${path}.${key}` : key);
      if (found) return found;
    }
    return undefined;
  }
  return JSON.stringify(there) === JSON.stringify(here) ? undefined : `${path} is ${short(there)} there and ${short(here)} here`;
}
const isRecord = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null;
function short(value: unknown): string {
  if (value === undefined) return "not";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

// --- its images

/** Of larger images so many pieces are looked at, evenly spread. */
const WHOLE = 64 * 2 ** 20, PIECE = 2 ** 16, PIECES = WHOLE / PIECE;
const NAMES = { hard: "hard disk", floppy: "floppy", cd: "CD" } as const;
const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** The files that are no disks, as this machine has them. @throws {ConfigError} one is not what it was, and that is gone. */
export function filesOf({ graph, options, readFile, disks }: Basis): ImageMark[] {
  const out: ImageMark[] = [], kernel = options.kernel ?? graph.boot.kernel, initrd = options.initrd ?? graph.boot.initrd;
  const add = (what: string, path: string | undefined) => {
    if (path === undefined) return;
    const bytes = readFile(path), hash = new Hash();
    hash.bytes(bytes);
    out.push({ what, file: baseName(path), bytes: bytes.length, hash: hash.hex() });
  };
  const { firmware, memories, boot } = graph;
  // A kernel that is a disk is among the disks.
  if (!disks.bootDisk) add("kernel", kernel);
  const modules = initrd === undefined ? [] : files(initrd, readFile);
  for (const [i, path] of modules.entries()) add(modules.length > 1 ? `module ${i}` : "initial RAM disk", path);
  if (firmware.kind === "file") {
    add("firmware", firmware.path);
    add("VGA BIOS", firmware.vga);
  }
  add("device tree", boot.dtb);
  for (const m of memories) add(`memory ${m.id}`, m.file);
  return out;
}

/**
 * The disks as the guest sees them: one whose file has been brought up to date since is still the same. `written`: what was written over each; when
 * absent, their contents are not looked at.
 */
export function disksOf({ disks }: Basis, written?: readonly WrittenSectors[]): ImageMark[] {
  return disks.all.map((disk, i) => {
    const hash = written ? hashOfDisk(disk, written[i]) : "";
    return { what: `${NAMES[disk.kind]} ${i}`, file: "", bytes: disk.source.size, hash };
  });
}

/** An initial RAM disk, or the modules of a Multiboot kernel: "a.bin first,b.bin". */
function files(initrd: string, readFile: Basis["readFile"]): string[] {
  try {
    readFile(initrd);
    return [initrd];
  } catch {
    return initrd.split(",").map((text) => text.split(" ")[0]).filter(Boolean);
  }
}

function hashOfDisk({ source, sectorSize }: Disk, written: WrittenSectors): string {
  const hash = new Hash(), step = source.size <= WHOLE ? PIECE : Math.floor((source.size - PIECE) / (PIECES - 1) / PIECE) * PIECE;
  for (let at = 0; at < source.size; at += step) {
    const image = source.read(at, Math.min(PIECE, source.size - at));
    let bytes = image;
    for (let lba = at / sectorSize; written.size > 0 && lba * sectorSize < at + image.length; lba++) {
      const sector = written.get(lba);
      if (!sector) continue;
      if (bytes === image) bytes = image.slice();
      bytes.set(sector.subarray(0, image.length - (lba * sectorSize - at)), lba * sectorSize - at);
    }
    hash.bytes(bytes);
  }
  return hash.hex();
}

/** `some`: there may be others. @throws {ConfigError} they are not the same. */
export function compareImages(there: readonly ImageMark[], here: readonly ImageMark[], file: string, some = false): void {
  const fail = (problem: string) => {
    throw new ConfigError(`the snapshot is of ${problem}`, { file });
  };
  for (const { what, file: name, bytes, hash } of here) {
    const other = there.find((o) => o.what === what), named = name ? `'${name}'` : "the one here";
    if (!other) fail(`a machine without a ${what}; here it has ${name ? named : `one of ${bytes} bytes`}`);
    else if (other.bytes !== bytes || hash && other.hash !== hash) {
      const size = other.bytes === bytes ? "has other contents" : `has ${bytes} bytes, and that one had ${other.bytes}`;
      fail(`another ${what}${other.file && other.file !== name ? `, '${other.file}'` : ""}: ${named} ${size}`);
    }
  }
  const missing = !some && there.find((o) => !here.some((h) => h.what === o.what));
  if (missing) fail(`a machine with a ${missing.what}${missing.file ? `, '${missing.file}'` : ""}, and here it has none`);
}
