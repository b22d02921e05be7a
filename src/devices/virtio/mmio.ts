// The registers of a virtio device in memory, of the interface before 1.0 (version 1) and of 1.x (version 2).
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 4.2.2 and 4.2.4 (legacy); where it leaves a choice, as QEMU's hw/virtio/virtio-mmio.c.
// Not modelled: shared memory regions (there are none, 4.2.2.1), resetting single queues.
import type { BusTarget, Size } from "../../core/bus.ts";
import type { DeviceEnv, DevicePorts } from "../../core/device.ts";
import { unconnected } from "../../core/irq.ts";
import { MAGIC, MAGIC_VALUE, VENDOR, VENDOR_ID, VERSION } from "../virtio_mmio.ts";
import { type Model, VirtioDevice } from "./device.ts";
import { DESCRIPTOR, MOST_ENTRIES, type QueueState } from "./queue.ts";

const CONFIG = 0x100, NO_REGION = 0xffff_ffff;

/** The queue that QueueSel names; undefined: there is none. */
const selected = (d: VirtioDevice): QueueState | undefined => d.state.queues[d.state.registers.queue];

interface Register {
  readonly name: string;
  /** Which interface has it; both when absent. */
  readonly only?: "legacy" | "modern";
  read?(d: VirtioDevice): number;
  write?(d: VirtioDevice, value: number): void;
}

/** Where the parts of a queue are, before 1.0: one behind the other, the last one at a multiple of `align` (2.7.2). */
function placeLegacy(d: VirtioDevice, q: QueueState, page: number): void {
  q.page = page;
  if (page === 0) return d.stop(q);
  q.desc = page * d.state.registers.pageSize;
  q.driver = q.desc + DESCRIPTOR * q.size;
  const end = q.driver + 2 * (3 + q.size);
  q.device = Math.ceil(end / q.align) * q.align;
  d.start(q);
}

/** Sets one half of an address. */
const half = (address: number, upper: boolean, value: number) =>
  upper ? value * 2 ** 32 + address % 2 ** 32 : address - address % 2 ** 32 + value;

/** The two registers of an address. */
const address = (at: number, name: string, key: "desc" | "driver" | "device"): Record<number, Register> =>
  Object.fromEntries([false, true].map((upper) => [upper ? at + 4 : at, {
    name: name + (upper ? "High" : "Low"),
    only: "modern",
    write: (d: VirtioDevice, value: number) => {
      const q = selected(d);
      if (q) q[key] = half(q[key], upper, value);
    },
  }]));

const REGISTERS: Readonly<Record<number, Register>> = {
  [MAGIC_VALUE]: { name: "MagicValue", read: () => MAGIC },
  [VERSION]: { name: "Version", read: (d) => d.legacy ? 1 : 2 },
  0x08: { name: "DeviceID", read: (d) => d.model.deviceId },
  [VENDOR_ID]: { name: "VendorID", read: () => VENDOR },
  0x10: {
    name: "DeviceFeatures",
    read: (d) => d.state.registers.deviceFeatures > 1 ? 0 : d.offers(d.state.registers.deviceFeatures === 1),
  },
  0x14: { name: "DeviceFeaturesSel", write: (d, value) => void (d.state.registers.deviceFeatures = value) },
  0x20: {
    name: "DriverFeatures",
    write: (d, value) => {
      const { registers } = d.state, word = registers.driverFeatures;
      if (d.legacy && word === 0) d.acceptLegacy(value);
      else if (!d.legacy && word <= 1) registers.offered[word] = value;
      else if (value) d.env.log("guest", () => `features ${32 * word} and above, which there are not`);
    },
  },
  0x24: { name: "DriverFeaturesSel", write: (d, value) => void (d.state.registers.driverFeatures = value) },
  0x28: {
    name: "GuestPageSize",
    only: "legacy",
    write: (d, value) => {
      if (value && (value & (value - 1)) === 0) d.state.registers.pageSize = value;
      else d.env.log("guest", () => `a page size of ${value}: it must be a power of 2`);
    },
  },
  0x30: { name: "QueueSel", write: (d, value) => void (d.state.registers.queue = value) },
  0x34: { name: "QueueNumMax", read: (d) => selected(d) ? MOST_ENTRIES : 0 },
  0x38: {
    name: "QueueNum",
    write: (d, value) => {
      const q = selected(d);
      if (q) d.setSize(q, value);
    },
  },
  0x3c: {
    name: "QueueAlign",
    only: "legacy",
    write: (d, value) => {
      const q = selected(d);
      if (q && value && (value & (value - 1)) === 0) q.align = value;
      else d.env.log("guest", () => `an alignment of ${value}${q ? ": it must be a power of 2" : " of a queue that there is not"}`);
    },
  },
  0x40: {
    name: "QueuePFN",
    only: "legacy",
    read: (d) => selected(d)?.page ?? 0,
    write: (d, value) => {
      const q = selected(d);
      if (q) placeLegacy(d, q, value);
    },
  },
  0x44: {
    name: "QueueReady",
    only: "modern",
    read: (d) => selected(d)?.ready ? 1 : 0,
    write: (d, value) => {
      const q = selected(d);
      if (q && value & 1) d.start(q);
      else if (q) d.stop(q);
    },
  },
  0x50: { name: "QueueNotify", write: (d, value) => d.notify(value) },
  0x60: { name: "InterruptStatus", read: (d) => d.state.interrupts },
  0x64: {
    name: "InterruptACK",
    write: (d, value) => {
      d.state.interrupts &= ~value;
      d.updateLine();
    },
  },
  0x70: { name: "Status", read: (d) => d.state.status, write: (d, value) => d.setStatus(value & 0xff) },
  ...address(0x80, "QueueDesc", "desc"),
  ...address(0x90, "QueueDriver", "driver"),
  ...address(0xa0, "QueueDevice", "device"),
  0xac: { name: "SHMSel", only: "modern", write: () => {} },
  0xb0: { name: "SHMLenLow", read: () => NO_REGION },
  0xb4: { name: "SHMLenHigh", read: () => NO_REGION },
  0xb8: { name: "SHMBaseLow", only: "modern", read: () => NO_REGION },
  0xbc: { name: "SHMBaseHigh", only: "modern", read: () => NO_REGION },
  0xfc: { name: "ConfigGeneration", read: (d) => d.legacy ? 0 : d.state.generation },
};

/** A device's window. */
class Registers implements BusTarget {
  readonly access = { min: 1, max: 4 } as const;
  constructor(readonly device: VirtioDevice) {}

  #register(offset: number, size: Size, what: "read" | "write"): Register | undefined {
    const { device } = this, r = REGISTERS[offset];
    if (r?.[what] && size === 4 && (!r.only || (r.only === "legacy") === device.legacy)) return r;
    const name = !r
      ? "no register"
      : size !== 4
      ? `${size} bytes of ${r.name}, which has 4`
      : !r[what]
      ? `${r.name}, which cannot be ${what === "read" ? "read" : "written"}`
      : `${r.name}, which version ${device.legacy ? 1 : 2} does not have`;
    device.env.log("guest", () => `${what} at 0x${offset.toString(16)}: ${name}`);
    return undefined;
  }

  read(offset: number, size: Size): number {
    if (offset < CONFIG) return this.#register(offset, size, "read")?.read?.(this.device) ?? 0;
    const { config } = this.device.model, at = offset - CONFIG;
    if (at + size > config.length) return 2 ** (8 * size) - 1;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + config[at + i];
    return value;
  }

  write(offset: number, size: Size, value: number): void {
    if (offset < CONFIG) return this.#register(offset, size, "write")?.write?.(this.device, value);
    const { model } = this.device, at = offset - CONFIG;
    if (at + size > model.config.length) return;
    model.configure?.(at, Uint8Array.from({ length: size }, (_, i) => value >>> 8 * i));
  }
}

/** What device types have that are in slots. */
export const SLOT_TYPE = {
  windows: (c: { readonly size: number }) => [{ bus: "mem", name: "regs", length: c.size }] as const,
  outputs: () => ["irq"],
  fdtName: "virtio_mmio",
  fdt: () => ({ compatible: "virtio,mmio" }),
};

/** What the keys of a device say of where and how it is reached. */
interface Reached {
  readonly force_legacy: boolean;
  readonly packed: boolean;
}

/** A device with its registers in memory. */
export function virtioDevice(env: DeviceEnv, config: Reached, ports: DevicePorts, model: (device: VirtioDevice) => Model): VirtioDevice {
  return new VirtioDevice(env, ports.irq[0] ?? unconnected(), {
    legacy: config.force_legacy,
    packed: config.packed,
    model,
    windows: (device) => [new Registers(device)],
  });
}
