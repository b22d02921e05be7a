// IDE controller of the PIIX3 with up to four drives: hard disks and ATAPI CD drives on two channels, programmed I/O and bus-master DMA.
// Sources: ATA/ATAPI-7 (T13/1532D revision 4b), volume 1, 5 (registers) and 6 (commands), volume 2, 11 (protocols: reset, PIO, DMA, PACKET);
// Intel 82371SB (PIIX3) data sheet (290550-002), 2.3 and 2.6; Programming Interface for Bus Master IDE Controller 1.0 (Intel, 1994).
// Not modelled: the transfer times that the IDETIM registers set, and their decode enable bits (the ports always answer, as in QEMU); SMART,
// security, host protected area, power management beyond accepting it; overlapped and queued commands.
import type { BusTarget } from "../../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../../core/device.ts";
import { type Drive, drive } from "../../../core/disk.ts";
import { type IrqLine, unconnected } from "../../../core/irq.ts";
import type { PciDevice, PciFunction } from "../../../core/pci.ts";
import { bytewise, Channel, type ChannelState } from "./channel.ts";
import type { Unit } from "./drive.ts";

/** Ports of the bus master for each channel. */
const BM_PORTS = 8;

const DRIVES = ["disk0", "disk1", "disk2", "disk3"] as const;
const KINDS = ["hard", "cd"] as const;
const keys = {
  disk0: drive("master of the first channel", KINDS),
  disk1: drive("slave of the first channel", KINDS),
  disk2: drive("master of the second channel", KINDS),
  disk3: drive("slave of the second channel", KINDS),
};

export default defineDevice({
  type: "ide.piix",
  doc: "IDE controller with two channels of two drives each: hard disks and CDs; outputs `primary` and `secondary`.",
  spec: "ATA/ATAPI-7 (T13/1532D); Intel 82371SB, 2.3 and 2.6",
  keys,
  drives: DRIVES,
  pci: "optional",
  windows: () => [
    { bus: "io", name: "primary", length: 8, at: 0x1f0 },
    { bus: "io", name: "primary_control", length: 1, at: 0x3f6 },
    { bus: "io", name: "secondary", length: 8, at: 0x170 },
    { bus: "io", name: "secondary_control", length: 1, at: 0x376 },
  ],
  outputs: () => ["primary", "secondary"],
  create: (env, _config, ports) => new Ide(env, DRIVES.map((name) => ports.drives?.[name]), ports.irq),
});

export class Ide implements Device<{ channels: ChannelState[] }>, PciDevice {
  state: { channels: ChannelState[] };
  readonly windows: readonly BusTarget[];
  readonly pci: PciFunction;
  readonly #channels: readonly Channel[];

  constructor(env: DeviceEnv, drives: readonly (Drive | undefined)[], irq: readonly IrqLine[]) {
    const units = drives.map((d, i) => unitOf(d, i));
    this.#channels = [0, 1].map((n) =>
      new Channel(env, ["primary", "secondary"][n], units.slice(2 * n, 2 * n + 2), irq[n] ?? unconnected())
    );
    this.state = { channels: this.#channels.map((c) => c.state) };
    this.windows = this.#channels.flatMap((c) => [c.commandBlock, c.controlBlock]);
    this.pci = {
      vendor: 0x8086,
      device: 0x7010,
      class: 0x01_0180,
      subsystem: [0x1af4, 0x1100],
      bars: [undefined, undefined, undefined, undefined, { kind: "io", name: "bmdma", size: 16, target: this.#busMaster() }],
      registers: [{ at: 0x06, size: 2, value: 0x0280 }, { at: 0x40, size: 4, writable: 0xffff_ffff }],
    };
  }

  reset(): void {
    for (const c of this.#channels) c.reset();
    this.state = { channels: this.#channels.map((c) => c.state) };
  }

  restored(): void {
    for (const [i, c] of this.#channels.entries()) c.restored(this.state.channels[i]);
  }

  #busMaster(): BusTarget {
    const channel = (offset: number) => this.#channels[offset >> 3];
    return {
      access: { min: 1, max: 4 },
      read: (offset, size) => bytewise(size, (i) => channel(offset + i).readMaster((offset + i) % BM_PORTS)),
      write: (offset, size, value) => {
        for (let i = 0; i < size; i++) channel(offset + i).writeMaster((offset + i) % BM_PORTS, value >>> 8 * i & 0xff);
      },
    };
  }
}

function unitOf(drive: Drive | undefined, index: number): Unit | undefined {
  const cd = drive?.kind === "cd";
  if (!drive || (!cd && !drive.disk)) return undefined;
  return { cd, disk: drive.disk, serial: `BU0000${index + 1}` };
}
