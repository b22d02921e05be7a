// The disks of a machine: which image is in which drive, and their state.
import { Disk, type DiskKind, type DiskSource, type Drive, kindOf, sizeProblem, type WrittenSectors } from "../core/disk.ts";
import { ConfigError } from "../core/errors.ts";
import { type DriveNode, KERNEL, type MachineGraph } from "./machine_graph.ts";

interface Slot {
  readonly device: string;
  readonly node: DriveNode;
  kind: DiskKind;
  /** False: neither the machine file nor the command line wants a drive there. */
  present: boolean;
  disk?: Disk;
}

/** An image for the first free drive of its kind: the one it seems to be, or the one that is said. */
export type DiskImage = string | { readonly file: string; readonly kind: DiskKind };

/** Opens an image; with `write` the file may be changed. @throws {ConfigError} it cannot be had. */
export type OpenDisk = (path: string, how: { readonly write: boolean }) => DiskSource;

export class MachineDisks {
  readonly #slots: Slot[] = [];
  /** An image that is booted from and that no drive takes: only the BIOS sees it. */
  #loose: Disk | undefined;
  /** The image of the command line, when it is a disk. */
  bootDisk: Disk | undefined;
  filled = false;

  constructor(graph: MachineGraph, readonly images: readonly DiskImage[], readonly open: OpenDisk) {
    for (const { id, drives } of graph.devices) {
      for (const node of drives) {
        this.#slots.push({ device: id, node, kind: node.config?.media ?? node.kinds[0], present: node.config !== undefined });
      }
    }
  }

  /**
   * Puts every image into its drive: those of the machine file, the kernel when it is a disk, then those of `--disk`, each in the first
   * free drive of its kind. @throws {ConfigError} an image cannot be read, or there is no drive for it.
   */
  fill(kernel?: { readonly source: DiskSource; readonly path: string }): void {
    this.filled = true;
    for (const slot of this.#slots) {
      const { config, place } = slot.node;
      if (config?.file === undefined || config.file === KERNEL) continue;
      try {
        this.#insert(slot, this.open(config.file, { write: !config.overlay }));
      } catch (e) {
        throw e instanceof ConfigError ? new ConfigError(e.problem, place) : e;
      }
    }
    if (kernel) {
      const { source, path } = kernel, kind = kindOf(source);
      const slot = this.#slots.find((s) => s.node.config?.file === KERNEL && s.kind === kind);
      this.bootDisk = slot ? this.#insert(slot, this.#writable(slot, path, source)) : this.#loose = new Disk(source, kind);
    }
    for (const image of this.images) {
      if (typeof image === "string") this.#insertAnywhere(image);
      else this.#insertAnywhere(image.file, image.kind);
    }
  }

  #insert(slot: Slot, source: DiskSource): Disk {
    slot.present = true;
    const { config } = slot.node, disk = new Disk(source, slot.kind, slot.kind === "cd" || (config?.readonly ?? false));
    if (config) disk.mostWritten = Math.floor(config.written / disk.sectorSize);
    return slot.disk = disk;
  }

  #insertAnywhere(file: string, said?: DiskKind): void {
    const image = this.open(file, { write: false }), kind = said ?? this.#kindOf(image);
    // A drive that the machine has comes before one that it could have.
    const free = this.#slots.filter((s) => !s.disk), fits = (s: Slot) => s.node.config === undefined && s.node.kinds.includes(kind);
    const slot = free.find((s) => s.node.config && s.kind === kind) ?? free.find(fits);
    const problem = sizeProblem(kind, image.size, slot?.node.padded);
    if (problem) throw new ConfigError(problem, { file });
    if (!slot) throw new ConfigError(`${OPTIONS[said ?? "hard"]}: no free drive for a ${NAMES[kind]}`, { file });
    slot.kind = kind;
    this.#insert(slot, this.#writable(slot, file, image));
  }

  /** What an image seems to be; on a machine that has no drive for floppies or CDs they are hard disks. */
  #kindOf(image: DiskSource): DiskKind {
    const kind = kindOf(image);
    return this.#slots.some((s) => s.kind === kind || s.node.kinds.includes(kind)) ? kind : "hard";
  }

  /** An image that was opened to look at it, for a drive that may let the guest change the file. */
  #writable({ node }: Slot, file: string, image: DiskSource): DiskSource {
    return node.config?.overlay === false ? this.open(file, { write: true }) : image;
  }

  /** The drives of a device by the names of their keys. */
  drivesOf(device: string): Record<string, Drive> {
    const mine = this.#slots.filter((s) => s.device === device && s.present);
    return Object.fromEntries(mine.map((s) => [s.node.name, { kind: s.kind, disk: s.disk }]));
  }

  /** Floppies, then hard disks, then CDs, each in the order of the drives. */
  get all(): Disk[] {
    if (!this.#slots.length && !this.#loose) return [];
    const disks = [...this.#slots.map((s) => s.disk), this.#loose].filter((d) => d !== undefined);
    return ORDER.flatMap((kind) => disks.filter((d) => d.kind === kind));
  }

  /** Brings the files up to date that may be written. */
  flush(): void {
    for (const d of this.all) d.flush();
  }
  save(): WrittenSectors[] {
    return this.all.map((d) => d.save());
  }
  load(saved: readonly WrittenSectors[]): void {
    for (const [i, d] of this.all.entries()) d.load(saved[i]);
  }
}

const ORDER: readonly DiskKind[] = ["floppy", "hard", "cd"];
/** What puts an image of a kind that is said into a drive. */
const OPTIONS: Readonly<Record<DiskKind, string>> = { floppy: "--floppy", hard: "--disk", cd: "--cd" };
const NAMES: Readonly<Record<DiskKind, string>> = { floppy: "floppy", hard: "hard disk", cd: "CD" };
