// Two boards without processors, wired as QEMU's `pc` and `virt` (two harts), for replaying register accesses.
import { Bus, type BusTarget, readTarget, type Size, writeTarget } from "../../core/bus.ts";
import { VirtualClock } from "../../core/clock.ts";
import type { AnyDeviceType, Device, DeviceEnv } from "../../core/device.ts";
import { Disk, type Drive, memorySource } from "../../core/disk.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";
import clint from "../riscv/clint.ts";
import hpet from "../pc/hpet.ts";
import ioapic from "../pc/ioapic.ts";
import goldfishRtc from "../riscv/goldfish_rtc.ts";
import i8042 from "../pc/i8042.ts";
import i8254 from "../isa/i8254.ts";
import i8259 from "../isa/i8259.ts";
import mc146818 from "../isa/mc146818.ts";
import ns16550a from "../ns16550a.ts";
import plic from "../riscv/plic.ts";
import virtioBlk from "../virtio/blk.ts";
import virtioConsole from "../virtio/console.ts";
import virtioRng from "../virtio/rng.ts";
import virtioMmio from "../virtio_mmio.ts";
import { defaults } from "./bench.ts";

/** 2026-12-31T23:59:58Z, the moment at which the clocks of the boards stand. */
export const RTC_BASE = "2026-12-31T23:59:58";

export interface Board {
  read(address: number, size: Size): number;
  write(address: number, size: Size, value: number): void;
}

class Wired implements Board {
  readonly ram = new Bus();
  readonly #clock = new VirtualClock(1e9);
  readonly #spaces: { base: number; length: number; target: BusTarget }[] = [];
  readonly #env: DeviceEnv = {
    id: "board",
    clock: this.#clock,
    alarm: (name, onFire) => this.#clock.alarm(`${this.#clock.alarms.length}: ${name}`, onFire),
    dma: this.ram,
    memory: new Uint8Array(),
    epochSeconds: Date.parse(`${RTC_BASE}Z`) / 1000,
    log: () => {},
    stop: () => {},
  };

  constructor(readonly harts: number) {}

  /** Adds a device, after its reset, with its windows at `bases`, with these keys and drives. */
  add(
    type: AnyDeviceType,
    bases: readonly number[],
    irq: readonly (IrqLine | undefined)[] = [],
    keys: Readonly<Record<string, unknown>> = {},
    drives: Readonly<Record<string, Drive>> = {},
  ): Device {
    const config = defaults(type.keys, keys);
    const device = type.create(this.#env, config, {
      irq: irq.map((line) => line ?? unconnected()),
      harts: this.harts,
      hart: () => 0,
      drives,
    });
    device.reset();
    for (const [i, w] of type.windows(config).entries()) {
      this.#spaces.push({ base: bases[i], length: w.length, target: device.windows![i] });
    }
    return device;
  }

  #at(address: number): { target: BusTarget; offset: number } {
    const space = this.#spaces.find((s) => address >= s.base && address < s.base + s.length);
    if (!space) throw new Error(`nothing at 0x${address.toString(16)}`);
    return { target: space.target, offset: address - space.base };
  }

  read(address: number, size: Size): number {
    const { target, offset } = this.#at(address);
    return readTarget(target, offset, size);
  }

  write(address: number, size: Size, value: number): void {
    const { target, offset } = this.#at(address);
    writeTarget(target, offset, size, value);
  }
}

/** COM1 on line 4, keyboard and mouse on 1 and 12. The timer and the clock drive nothing: time stands. */
function pc(): Board {
  const board = new Wired(1);
  const pic = board.add(i8259, [0x20, 0xa0, 0x4d0]);
  board.add(ns16550a, [0x3f8], [pic.input!("4")]);
  board.add(i8042, [0x60, 0x64, 0x92], [pic.input!("1"), pic.input!("12")]);
  board.add(mc146818, [0x70]);
  board.add(i8254, [0x40, 0x61]);
  board.add(ioapic, [0xfec0_0000]);
  board.add(hpet, [0xfed0_0000]);
  return board;
}

function virt(): Board {
  const board = new Wired(2);
  const interrupts = board.add(plic, [0x0c00_0000]);
  board.add(ns16550a, [0x1000_0000], [interrupts.input!("10")]);
  board.add(goldfishRtc, [0x0010_1000], [interrupts.input!("11")]);
  board.add(clint, [0x0200_0000]);
  return board;
}

/** Bytes of the disk of the boards below; QEMU's is as large. */
export const DISK_BYTES = 1 << 20;

/** The slots of QEMU's `virt` with a disk, a source of entropy, a console, and nothing in the others; by either interface. */
const virtio = (force_legacy: boolean) => (): Board => {
  const board = new Wired(1), keys = { force_legacy }, at = (slot: number) => [0x1000_1000 + 0x1000 * slot];
  board.ram.mapRam(0x8000_0000, new Uint8Array(0x10_0000));
  const disk = new Disk(memorySource(new Uint8Array(DISK_BYTES)), "hard");
  board.add(virtioBlk, at(0), [], keys, { disk: { kind: "hard", disk } });
  board.add(virtioRng, at(1), [], keys);
  board.add(virtioConsole, at(2), [], { ...keys, columns: 0, rows: 0 });
  board.add(virtioMmio, at(3), [], keys);
  return board;
};

export const BOARDS = { pc, virt, virtio: virtio(true), virtio_modern: virtio(false) } as const;
export type BoardName = keyof typeof BOARDS;
