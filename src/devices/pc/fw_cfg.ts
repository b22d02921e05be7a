// QEMU's firmware configuration device at its PC ports: named contents that firmware reads at start.
// Source: QEMU 7.2, docs/specs/fw_cfg.rst.
// A DMA of more than 16 MiB takes its time; the specification has guests wait until the control word is clear.
// Not modelled: writing (no content here can be written), the memory-mapped variant of other machines.
import type { BusTarget, Size } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import type { FirmwareItem, TakesItems } from "../../core/firmware.ts";
import type { Alarm } from "../../core/clock.ts";
import { BusFault } from "../../core/errors.ts";
import { either, file, named, string, table } from "../../core/schema.ts";

const SELECTOR = 0, DATA = 1, DMA_HIGH = 4, DMA_LOW = 8;
const SIGNATURE_KEY = 0x00, ID_KEY = 0x01, DIRECTORY_KEY = 0x19, FIRST_FILE = 0x20;
const VERSION = 0x01, VERSION_DMA = 0x02;
const DMA_ERROR = 0x01, DMA_READ = 0x02, DMA_SKIP = 0x04, DMA_SELECT = 0x08, DMA_WRITE = 0x10;
const ENTRY_BYTES = 64, NAME_BYTES = 56;

const ascii = (text: string) => new TextEncoder().encode(text);
/** What a read of the DMA register gives, by which a guest knows that there is one. */
const DMA_SIGNATURE = ascii("QEMU CFG");

/** Bytes that are moved at a time, and the time until the next ones are. */
const PIECE = 16 << 20, PIECE_NS = 1e6;

/** A DMA read that goes on: where its descriptor is, what is read, from which byte on, and where the next ones go. */
interface Transfer {
  readonly descriptor: number;
  readonly key: number;
  readonly offset: number;
  readonly address: number;
  readonly left: number;
}
const powerOn = () => ({ selected: 0, offset: 0, dmaHigh: 0, transfer: undefined as Transfer | undefined, dueAt: -1 });

/** Whoever fills the device reads them. */
const keys = {
  items: named(
    "items of the user's by their names, such as \"opt/org.example/mode\"; one that has the name of an item of the firmware's takes its place",
    either("its contents", [string("a text"), table("a file's contents", { file: file("the file") })], {
      form: "a text, or a table with file",
    }),
    { optional: true },
  ),
};

export default defineDevice({
  type: "fw_cfg",
  doc: "QEMU's fw_cfg: sizes, tables, kernel and boot order for firmware, by ports and DMA.",
  spec: "QEMU 7.2, docs/specs/fw_cfg.rst",
  keys,
  windows: () => [{ bus: "io", name: "fw_cfg", length: 12, at: 0x510 }],
  create: (env) => new FwCfg(env),
});

export class FwCfg implements Device<ReturnType<typeof powerOn>>, BusTarget, TakesItems {
  state = powerOn();
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  #source: () => readonly FirmwareItem[] = () => [];
  /** Contents by key; made when a guest first asks, since most never do. */
  #made: Map<number, Uint8Array> | undefined;

  readonly #alarm: Alarm;

  constructor(readonly env: DeviceEnv) {
    this.#alarm = env.alarm("piece", () => this.#goOn());
  }

  reset(): void {
    this.state = powerOn();
    this.#alarm.cancel();
  }
  restored(): void {
    if (this.state.dueAt < 0) this.#alarm.cancel();
    else this.#alarm.scheduleAt(this.state.dueAt);
  }

  /** Replaces its contents: items by key, or files by name, which are found through the directory. */
  provide(items: () => readonly FirmwareItem[]): void {
    this.#source = items;
    this.#made = undefined;
  }
  get #items(): ReadonlyMap<number, Uint8Array> {
    return this.#made ??= contents(this.#source());
  }

  #select(key: number): void {
    this.state.selected = key;
    this.state.offset = 0;
  }

  read(offset: number, size: Size): number {
    if (offset === DATA && size === 1) return this.#items.get(this.state.selected)?.[this.state.offset++] ?? 0;
    if (offset < DMA_HIGH) return 2 ** (8 * size) - 1;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (DMA_SIGNATURE[offset - DMA_HIGH + i] ?? 0xff);
    return value;
  }

  write(offset: number, size: Size, value: number): void {
    if (offset === SELECTOR && size === 2) this.#select(value);
    else if (offset === DMA_HIGH && size === 4) this.state.dmaHigh = swapped(value);
    else if (offset === DMA_LOW && size === 4) {
      const at = this.state.dmaHigh * 2 ** 32 + swapped(value);
      this.state.dmaHigh = 0;
      this.#transfer(at);
    } else this.env.log("guest", () => `write of ${8 * size} bits to port 0x${(0x510 + offset).toString(16)}`);
  }

  /** Does what the descriptor at `at` says, or begins it. */
  #transfer(at: number): void {
    const { dma } = this.env;
    if (this.state.transfer) return this.env.log("guest", () => "fw_cfg DMA while the last one is not done");
    const descriptor = reachable(() => new DataView(dma.readBytes(at, 16).buffer));
    if (!descriptor) return this.env.log("guest", () => `fw_cfg descriptor at 0x${at.toString(16)} is not in RAM`);
    const [control, length, address] = [descriptor.getUint32(0), descriptor.getUint32(4), Number(descriptor.getBigUint64(8))];
    const s = this.state;
    if (control & DMA_SELECT) this.#select(control >>> 16);
    if (!(control & (DMA_READ | DMA_SKIP))) return this.#finish(at, !(control & DMA_WRITE));
    const offset = s.offset;
    s.offset = Math.max(offset, Math.min(offset + length, this.#items.get(s.selected)?.length ?? 0));
    if (!(control & DMA_READ)) return this.#finish(at, true);
    s.transfer = { descriptor: at, key: s.selected, offset, address, left: length };
    this.#goOn();
  }

  /** Moves the next bytes of a transfer; behind the end of what is read there are zeros. */
  #goOn(): void {
    const t = this.state.transfer!, length = Math.min(t.left, PIECE), bytes = new Uint8Array(length);
    bytes.set(this.#items.get(t.key)?.subarray(t.offset, t.offset + length) ?? []);
    const ok = reachable(() => (this.env.dma.writeBytes(t.address, bytes), true)) ?? false;
    this.state.dueAt = -1;
    if (!ok || length === t.left) {
      this.state.transfer = undefined;
      return this.#finish(t.descriptor, ok);
    }
    this.state.transfer = { ...t, offset: t.offset + length, address: t.address + length, left: t.left - length };
    this.#alarm.schedule(PIECE_NS);
    this.state.dueAt = this.#alarm.at;
  }

  /** Clears the control word of a descriptor, or leaves the error bit in it. */
  #finish(descriptor: number, ok: boolean): void {
    // One in ROM stays as it is.
    reachable(() => this.env.dma.writeBytes(descriptor, Uint8Array.of(0, 0, 0, ok ? 0 : DMA_ERROR)));
  }
}

/** Contents by key: the device's own, items, and files behind their directory. */
function contents(items: readonly FirmwareItem[]): Map<number, Uint8Array> {
  const made = new Map<number, Uint8Array>([[SIGNATURE_KEY, ascii("QEMU")], [ID_KEY, Uint8Array.of(VERSION | VERSION_DMA, 0, 0, 0)]]);
  const files = items.flatMap((i) => "name" in i ? [i] : []).sort((a, b) => a.name < b.name ? -1 : 1);
  for (const item of items) if ("key" in item) made.set(item.key, item.bytes);
  const directory = new Uint8Array(4 + ENTRY_BYTES * files.length), view = new DataView(directory.buffer);
  view.setUint32(0, files.length);
  for (const [i, { name, bytes }] of files.entries()) {
    const at = 4 + ENTRY_BYTES * i;
    view.setUint32(at, bytes.length);
    view.setUint16(at + 4, FIRST_FILE + i);
    directory.set(ascii(name).subarray(0, NAME_BYTES - 1), at + ENTRY_BYTES - NAME_BYTES);
    made.set(FIRST_FILE + i, bytes);
  }
  return made.set(DIRECTORY_KEY, directory);
}

/** What `f` returns; undefined when it would touch what is no RAM. */
function reachable<T>(f: () => T): T | undefined {
  try {
    return f();
  } catch (e) {
    if (e instanceof BusFault) return undefined;
    throw e;
  }
}

/** The DMA registers are big-endian. */
const swapped = (value: number) => (value >>> 24 | value >>> 8 & 0xff00 | (value & 0xff00) << 8 | value << 24) >>> 0;
