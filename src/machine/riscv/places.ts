// What goes where in the memory of a RISC-V machine besides the kernel: the initial RAM disk, the device tree, and who is in whose way.
// Source: QEMU 7.2, hw/riscv/boot.c, for the places where nothing is in the way.
import { ConfigError, type Place } from "../../core/errors.ts";
import { Places, type Range } from "../places.ts";

const MIB = 2 ** 20, TREE_BELOW = 3072 * MIB;

/** An image that is loaded. */
export interface Loaded {
  readonly name: string;
  readonly segments: readonly { readonly paddr: number; readonly size: number }[];
}

export class RiscvPlaces {
  readonly #places: Places;
  readonly #images: readonly Range[];
  /** `place` is the machine file's. @throws {ConfigError} an image is where another one is. */
  constructor(readonly ram: Range, images: readonly Loaded[], readonly place: Place) {
    this.#places = new Places([ram]);
    for (const [i, { name, segments }] of images.entries()) {
      for (const { paddr, size } of i > 0 ? segments : []) {
        const there = images.slice(0, i).find((o) => o.segments.some((s) => s.paddr < paddr + size && paddr < s.paddr + s.size));
        if (!there) continue;
        throw new ConfigError(`it goes to 0x${paddr.toString(16)}..0x${(paddr + size - 1).toString(16)}, where '${there.name}' is`, {
          file: name,
        });
      }
      for (const { paddr, size } of segments) this.#places.take(paddr, size);
    }
    this.#images = images.flatMap((image) => image.segments.map((s) => ({ base: s.paddr, length: s.size }))).filter((s) => s.length > 0);
  }

  /** Whether an image is there. */
  hasImage(at: number, length: number): boolean {
    return this.#images.some((s) => s.base < at + length && at < s.base + s.length);
  }

  /** Code of ours is there. */
  take(at: number, length: number): void {
    this.#places.take(at, length);
  }

  /** For an initial RAM disk: half of RAM, at most 128 MiB, above the kernel's entry, or behind what is there. @throws {ConfigError} no room. */
  initrd(length: number, entry: number): number {
    const from = entry + Math.min(this.ram.length / 2, 128 * MIB);
    return this.#take(length, this.#places.lowest(length, { from }) ?? this.#places.highest(length), "initial RAM disk");
  }

  /** For a device tree: the top of RAM below 3 GiB, at a multiple of 2 MiB where there is one above the images. @throws {ConfigError} no room. */
  tree(length: number): number {
    const { base } = this.ram, below = base < TREE_BELOW ? TREE_BELOW : Infinity;
    const behind = this.#images.map((s) => s.base + s.length).filter((end) => end <= base + this.ram.length);
    const at = this.#places.highest(length, { from: Math.max(base, ...behind), below, align: 2 * MIB }) ??
      this.#places.highest(length, { below, align: 8 }) ?? this.#places.highest(length, { align: 8 });
    return this.#take(length, at, "device tree");
  }

  #take(length: number, at: number | undefined, what: string): number {
    if (at !== undefined) return this.#places.take(at, length);
    throw new ConfigError(`no room for the ${what} of ${length} bytes beside the images: ${this.ram.length / MIB} MiB of RAM`, this.place);
  }
}
