// A slot for a virtio device with its registers in memory. Empty, it answers as QEMU's do: a magic number, and no device. What is put into its
// drive becomes a disk; other devices take its place by their type.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 4.2.2: a device of id 0 is no device, and its other registers are not looked at.
import type { BusTarget } from "../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type DevicePorts } from "../core/device.ts";
import { drive } from "../core/disk.ts";
import { Later } from "../core/later.ts";
import { bool, type Config, int, size, string } from "../core/schema.ts";

/** "virt", and "QEMU" as QEMU's devices have it: guests look for both. */
export const MAGIC = 0x7472_6976, VENDOR = 0x554d_4551;
/** Registers that an empty slot has, too. */
export const MAGIC_VALUE = 0x00, VERSION = 0x04, VENDOR_ID = 0x0c;

/** Keys of everything that is in such a slot. */
export const SLOT_KEYS = {
  force_legacy: bool(
    "the registers of the interface before virtio 1.0 (version 1), as QEMU's have by default; false: those of 1.x (version 2)",
    {
      default: true,
    },
  ),
  packed: bool("packed virtqueues are offered, too; only with force_legacy = false", { default: false }),
  size: size("length of the window", { default: 0x1000, min: 0x200, max: 0x1_0000 }),
};
/** Keys of a disk. */
export const DISK_KEYS = {
  disk: drive("the disk; in a slot its table makes one of it", ["hard"]),
  serial: string("what the disk says that it is, up to 20 characters", {
    default: "",
    pattern: /^[\x20-\x7e]{0,20}$/,
    form: "up to 20 characters of ASCII",
  }),
  queues: int("how many request queues there are", { default: 1, min: 1, max: 64 }),
};
const keys = { ...SLOT_KEYS, ...DISK_KEYS };
type SlotConfig = Config<typeof keys>;

/** What makes a disk of a slot. */
interface DiskModule {
  createDisk(env: DeviceEnv, config: SlotConfig, ports: DevicePorts): Device;
}
const DISK = new Later<DiskModule>("devices/virtio/blk.ts");

export default defineDevice({
  type: "virtio.mmio",
  doc: "A slot for a virtio device: a disk when its drive holds one, else empty; other types, such as `virtio.rng`, take its place.",
  spec: "Virtual I/O Device (VIRTIO) Version 1.2, 4.2",
  keys,
  keeps: ["irq", ...Object.keys(SLOT_KEYS)],
  drives: ["disk"],
  padsDrives: true,
  windows: (c) => [{ bus: "mem", name: "regs", length: c.size }],
  outputs: () => ["irq"],
  fdtName: "virtio_mmio",
  fdt: () => ({ compatible: "virtio,mmio" }),
  later: (c, disks) => c.disk || disks ? DISK.load() : undefined,
  create: (env, config, ports) => ports.drives?.disk?.disk ? DISK.now!.createDisk(env, config, ports) : new EmptySlot(config.force_legacy),
});

/** Nothing but what tells that there is nothing. */
export class EmptySlot implements Device, BusTarget {
  state = {};
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  constructor(readonly legacy: boolean) {}

  reset(): void {}
  read(offset: number): number {
    if (offset === MAGIC_VALUE) return MAGIC;
    if (offset === VERSION) return this.legacy ? 1 : 2;
    return offset === VENDOR_ID ? VENDOR : 0;
  }
  write(): void {}
  mayRaise(): boolean {
    return false;
  }
}
