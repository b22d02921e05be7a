// PCI as devices see it: functions with their configuration space, and the bus that a host bridge offers them.
// Source: PCI Local Bus Specification 2.1, sections 3.2.2.3, 6.1 and 6.2; which bits can be written, where the specification leaves a
// choice: as in QEMU's hw/pci/pci.c.
// Not modelled: bridges to further buses, capabilities, parity and system errors, arbitration (every function is a master at any time).
import type { Bus, BusRegion, BusTarget, Size } from "./bus.ts";
import type { IrqLine } from "./irq.ts";
import { get, PCI_COMMAND, PCI_STATUS, type PciSlot, set, SPACE } from "./pci_slot.ts";

export { get, PCI_COMMAND, PCI_STATUS, PciSlot, set } from "./pci_slot.ts";

/** Registers of every configuration space. */
export const PCI_INTERRUPT_LINE = 0x3c;
const VENDOR = 0x00, DEVICE = 0x02, REVISION = 0x08, CLASS = 0x09, CACHE_LINE = 0x0c, HEADER = 0x0e, BARS = 0x10, SUBSYSTEM = 0x2c;
const ROM_BAR = 0x30, PIN = 0x3d, OWN = 0x40;
const COMMAND_IO = 0x01, COMMAND_MEM = 0x02, COMMAND_WRITABLE = 0x0507;
const STATUS_CLEARABLE = 0xf900, MULTI_FUNCTION = 0x80, BAR_IO = 1, BAR_64 = 4, BAR_PREFETCH = 8, ROM_ON = 1;

/** A window that a base address register places. */
export interface PciBar {
  /** "mem64" takes this BAR and the next. */
  readonly kind: "mem" | "mem64" | "io";
  readonly name: string;
  /** Bytes: a power of two, at least 16 in memory and 4 in port space. */
  readonly size: number;
  readonly target: BusTarget;
  readonly prefetchable?: boolean;
}

/** A window that a register of the function's own places. */
export interface PciWindow {
  readonly kind: "mem" | "io";
  readonly name: string;
  readonly base: number;
  readonly length: number;
  readonly target: BusTarget;
}

/** What a device is on the PCI bus. It describes itself; the host bridge keeps the configuration space and maps the windows. */
export interface PciFunction {
  readonly vendor: number;
  readonly device: number;
  /** Base class, sub-class and programming interface: 0x030000 for a VGA. */
  readonly class: number;
  readonly revision?: number;
  /** Vendor and device of the subsystem. */
  readonly subsystem?: readonly [vendor: number, device: number];
  /** Interrupt pin: 1 for INTA; absent for a function that raises none through `PciSlot.intx`. */
  readonly pin?: 1 | 2 | 3 | 4;
  /** By number; undefined where there is none. */
  readonly bars?: readonly (PciBar | undefined)[];
  /** Initial values besides those that follow from the above, and which bits the guest can write (all from 0x40 on unless given). */
  readonly registers?: readonly { readonly at: number; readonly size: Size; readonly value?: number; readonly writable?: number }[];
  /** Windows that `registers` place; asked again after every write to one of them. */
  windows?(config: Uint8Array): readonly PciWindow[];
  /** Registers from `at` on were written by the guest, or all of them (0, 256) by a reset or a restored snapshot. */
  changed?(at: number, length: number): void;
}

/** A device that can be plugged in; see `DeviceType.pci`. */
export interface PciDevice {
  readonly pci: PciFunction;
}

/** What a host bridge has to offer a bus. */
export interface PciBusParts {
  readonly mem: Bus;
  /** Port space, when there is one. */
  readonly io: Bus | undefined;
  /** Where the configuration spaces are kept, by slot ("1.3"): a field of the host bridge's state. */
  config(): Record<string, Uint8Array>;
  /** Interrupt lines, and which of them pin `pin` (1..4) of a device drives. */
  readonly lines: readonly IrqLine[];
  route(device: number, pin: number): number;
}

interface Plugged {
  readonly slot: PciSlot;
  readonly fn: PciFunction;
  readonly rom: Uint8Array | undefined;
  /** Which bits the guest can write, and which it clears by writing ones. */
  readonly writable: Uint8Array;
  readonly initial: Uint8Array;
  /** What is mapped now, by place and name. */
  readonly mapped: Map<string, { readonly bus: Bus; readonly region: BusRegion }>;
}

/** The functions of one PCI bus. A host bridge has one, resets and restores it with itself, and passes configuration accesses on. */
export class PciBus {
  readonly #functions = new Map<string, Plugged>();
  readonly #levels: number[];

  constructor(readonly parts: PciBusParts) {
    this.#levels = parts.lines.map(() => 0);
  }

  /** Connects a function. `rom` is what its expansion ROM holds. @throws {Error} the slot is taken, or a BAR's size is impossible. */
  plug(slot: PciSlot, fn: PciFunction, rom?: Uint8Array): void {
    if (this.#functions.has(slot.key)) throw new Error(`PCI slot ${slot.key} is taken`);
    const { initial, writable } = layOut(fn, rom);
    slot.configOf = () => this.parts.config()[slot.key];
    slot.drive = this.#driver(slot.device, fn.pin);
    this.#functions.set(slot.key, { slot, fn, rom, initial, writable, mapped: new Map() });
    // Software looks at function 0 for whether there are others.
    const first = this.#functions.get(`${slot.device}.0`);
    const others = [...this.#functions.values()].some((p) => p.slot.device === slot.device && p.slot.func > 0);
    if (first && others) first.initial[HEADER] |= MULTI_FUNCTION;
    for (const p of this.#functions.values()) this.parts.config()[p.slot.key] = p.initial.slice();
  }

  /** Counts who drives a line, since devices share them. */
  #driver(device: number, pin: number | undefined): (level: boolean) => void {
    if (pin === undefined) return () => {};
    const line = this.parts.route(device, pin);
    let was = false;
    return (level) => {
      if (level === was) return;
      was = level;
      this.#levels[line] += level ? 1 : -1;
      this.parts.lines[line]?.set(this.#levels[line] > 0);
    };
  }

  /** Every function's registers at power-on; nothing is mapped. */
  reset(): void {
    for (const p of this.#functions.values()) this.parts.config()[p.slot.key] = p.initial.slice();
    this.restored();
  }

  /** The configuration spaces were replaced. */
  restored(): void {
    for (const p of this.#functions.values()) {
      this.#place(p);
      p.slot.update();
      p.fn.changed?.(0, SPACE);
    }
  }

  /** Reads a register (`at` is a multiple of `size`); all ones where there is no function. */
  read(device: number, func: number, at: number, size: Size): number {
    const p = this.#functions.get(`${device}.${func}`);
    return p ? get(p.slot.config, at, size) : 2 ** (8 * size) - 1;
  }

  /** Writes a register (`at` is a multiple of `size`). */
  write(device: number, func: number, at: number, size: Size, value: number): void {
    const p = this.#functions.get(`${device}.${func}`);
    if (!p) return;
    const { config } = p.slot;
    for (let i = 0; i < size; i++) {
      const byte = value >>> 8 * i & 0xff, clears = at + i === PCI_STATUS + 1 ? STATUS_CLEARABLE >> 8 : 0, mask = p.writable[at + i];
      config[at + i] = config[at + i] & ~mask & ~(byte & clears) | byte & mask;
    }
    p.slot.update();
    this.#place(p);
    p.fn.changed?.(at, size);
  }

  /** Maps what the registers of a function say, and unmaps what they no longer say. */
  #place(p: Plugged): void {
    // While firmware looks for the sizes of BARs there is nothing to do.
    if (!(get(p.slot.config, PCI_COMMAND, 2) & (COMMAND_IO | COMMAND_MEM)) && !p.mapped.size && !p.fn.windows) return;
    const wanted = new Map(windowsOf(p).map((w) => [`${w.kind} ${w.name} ${w.base} ${w.length}`, w]));
    for (const [key, { bus, region }] of p.mapped) {
      if (wanted.has(key)) continue;
      bus.unmap(region);
      p.mapped.delete(key);
    }
    for (const [key, w] of wanted) {
      const bus = w.kind === "io" ? this.parts.io : this.parts.mem;
      if (!bus || p.mapped.has(key)) continue;
      const name = `${p.slot.name}.${w.name}`;
      p.mapped.set(key, { bus, region: bus.mapBehind(w.base, w.length, p.slot.wrap(w.target, name), name) });
    }
  }
}

/** A configuration space at power-on, and the bits of it that can be written. */
function layOut(fn: PciFunction, rom?: Uint8Array): { initial: Uint8Array; writable: Uint8Array } {
  const initial = new Uint8Array(SPACE), writable = new Uint8Array(SPACE);
  set(initial, VENDOR, 2, fn.vendor);
  set(initial, DEVICE, 2, fn.device);
  set(initial, REVISION, 1, fn.revision ?? 0);
  for (let i = 0; i < 3; i++) initial[CLASS + i] = fn.class >> 8 * i;
  set(initial, SUBSYSTEM, 2, fn.subsystem?.[0] ?? 0);
  set(initial, SUBSYSTEM + 2, 2, fn.subsystem?.[1] ?? 0);
  initial[PIN] = fn.pin ?? 0;
  set(writable, PCI_COMMAND, 2, COMMAND_WRITABLE);
  writable.fill(0xff, OWN);
  writable[CACHE_LINE] = writable[PCI_INTERRUPT_LINE] = 0xff;
  for (const [i, bar] of (fn.bars ?? []).entries()) {
    if (!bar) continue;
    const least = bar.kind === "io" ? 4 : 16, at = BARS + 4 * i;
    if (bar.size < least || Math.log2(bar.size) % 1) {
      throw new Error(`BAR ${i}: ${bar.size} bytes are no power of two of at least ${least}`);
    }
    const flags = bar.kind === "io" ? BAR_IO : (bar.prefetchable ? BAR_PREFETCH : 0) | (bar.kind === "mem64" ? BAR_64 : 0);
    set(initial, at, 4, flags);
    set(writable, at, 4, 2 ** 32 - Math.min(bar.size, 2 ** 32));
    if (bar.kind === "mem64") set(writable, at + 4, 4, 2 ** 32 - Math.ceil(bar.size / 2 ** 32));
  }
  if (rom) set(writable, ROM_BAR, 4, (2 ** 32 - romSize(rom)) | ROM_ON);
  for (const r of fn.registers ?? []) {
    set(initial, r.at, r.size, r.value ?? 0);
    if (r.writable !== undefined) set(writable, r.at, r.size, r.writable);
  }
  return { initial, writable };
}

/** An expansion ROM's BAR decodes a power of two of at least 2 KiB, since bits 1 to 10 are reserved. */
const romSize = (rom: Uint8Array) => Math.max(0x800, 2 ** Math.ceil(Math.log2(rom.length)));

/** What a function answers at with these registers. An address of 0 or at the very top is what is left by finding out the size. */
function windowsOf({ fn, rom, slot }: Plugged): PciWindow[] {
  const out: PciWindow[] = [], { config } = slot, command = get(config, PCI_COMMAND, 2);
  for (const [i, bar] of (fn.bars ?? []).entries()) {
    if (!bar || !(command & (bar.kind === "io" ? COMMAND_IO : COMMAND_MEM))) continue;
    const low = get(config, BARS + 4 * i, 4), high = bar.kind === "mem64" ? get(config, BARS + 4 * i + 4, 4) : 0;
    const base = high * 2 ** 32 + low - low % (bar.kind === "io" ? 4 : 16), end = base + bar.size;
    const limit = bar.kind === "io" ? 0x1_0000 : bar.kind === "mem" ? 2 ** 32 : 2 ** 52;
    if (base === 0 || end > limit || (bar.kind !== "io" && end === limit)) continue;
    out.push({ kind: bar.kind === "io" ? "io" : "mem", name: bar.name, base, length: bar.size, target: bar.target });
  }
  const bar = get(config, ROM_BAR, 4), at = bar - bar % 0x800;
  if (rom && bar & ROM_ON && command & COMMAND_MEM && at && at + romSize(rom) < 2 ** 32) {
    out.push({ kind: "mem", name: "rom", base: at, length: romSize(rom), target: readOnly(rom) });
  }
  return [...out, ...fn.windows?.(config) ?? []];
}

/** Bytes that can only be read. */
const readOnly = (bytes: Uint8Array): BusTarget => ({
  access: { min: 1, max: 1 },
  read: (offset) => bytes[offset] ?? 0xff,
  write: () => {},
});

/** A host bridge. */
export interface PciHost {
  readonly pciBus: PciBus;
}
