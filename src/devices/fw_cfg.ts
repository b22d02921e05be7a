// QEMU's firmware configuration device at its PC ports: named contents that firmware reads at start.
// Source: QEMU 7.2, docs/specs/fw_cfg.rst.
// Not modelled: writing (no content here can be written), the memory-mapped variant of other machines.
import type { BusTarget, Size } from "../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type FirmwareItem } from "../core/device.ts";
import { BusFault } from "../core/errors.ts";

const SELECTOR = 0, DATA = 1, DMA_HIGH = 4, DMA_LOW = 8;
const SIGNATURE_KEY = 0x00, ID_KEY = 0x01, DIRECTORY_KEY = 0x19, FIRST_FILE = 0x20;
const VERSION = 0x01, VERSION_DMA = 0x02;
const DMA_ERROR = 0x01, DMA_READ = 0x02, DMA_SKIP = 0x04, DMA_SELECT = 0x08, DMA_WRITE = 0x10;
const ENTRY_BYTES = 64, NAME_BYTES = 56;

const ascii = (text: string) => new TextEncoder().encode(text);
/** What a read of the DMA register gives, by which a guest knows that there is one. */
const DMA_SIGNATURE = ascii("QEMU CFG");

const powerOn = () => ({ selected: 0, offset: 0, dmaHigh: 0 });

export default defineDevice({
  type: "fw_cfg",
  doc: "QEMU's fw_cfg: sizes, tables, kernel and boot order for firmware, by ports and DMA.",
  spec: "QEMU 7.2, docs/specs/fw_cfg.rst",
  keys: {},
  windows: () => [{ bus: "io", name: "fw_cfg", length: 12, at: 0x510 }],
  create: (env) => new FwCfg(env),
});

export class FwCfg implements Device<ReturnType<typeof powerOn>>, BusTarget {
  state = powerOn();
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  #source: () => readonly FirmwareItem[] = () => [];
  /** Contents by key; made when a guest first asks, since most never do. */
  #made: Map<number, Uint8Array> | undefined;

  constructor(readonly env: DeviceEnv) {}

  reset(): void {
    this.state = powerOn();
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

  /** Does what the descriptor at `at` says, and clears its control word, or leaves the error bit in it. */
  #transfer(at: number): void {
    const { dma } = this.env;
    const descriptor = reachable(() => new DataView(dma.readBytes(at, 16).buffer));
    if (!descriptor) return this.env.log("guest", () => `fw_cfg descriptor at 0x${at.toString(16)} is not in RAM`);
    const [control, length, address] = [descriptor.getUint32(0), descriptor.getUint32(4), Number(descriptor.getBigUint64(8))];
    const ok = reachable(() => this.#perform(control, length, address));
    // A descriptor in ROM stays as it is.
    reachable(() => dma.writeBytes(at, Uint8Array.of(0, 0, 0, ok ? 0 : DMA_ERROR)));
  }

  /** False when it cannot be done. */
  #perform(control: number, length: number, address: number): boolean {
    const s = this.state;
    if (control & DMA_SELECT) this.#select(control >>> 16);
    if (control & (DMA_READ | DMA_SKIP)) {
      const item = this.#items.get(s.selected)?.subarray(s.offset, s.offset + length) ?? new Uint8Array();
      s.offset += item.length;
      if (!(control & DMA_READ) || length === 0) return true;
      this.env.dma.writeBytes(address, item);
      // Behind the end there are zeros, in pieces: the guest may ask for 4 GiB.
      const zeros = new Uint8Array(Math.min(length - item.length, 0x1_0000));
      for (let done = item.length; done < length; done += zeros.length) {
        this.env.dma.writeBytes(address + done, zeros.subarray(0, length - done));
      }
      return true;
    }
    return !(control & DMA_WRITE);
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
