// Two boards without processors, wired as QEMU's `pc` and `virt` (two harts), for replaying register accesses.
import { Bus, type BusTarget, readTarget, type Size, writeTarget } from "../../core/bus.ts";
import { VirtualClock } from "../../core/clock.ts";
import type { AnyDeviceType, Device, DeviceEnv } from "../../core/device.ts";
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
import { defaults } from "./bench.ts";

/** 2026-12-31T23:59:58Z, the moment at which the clocks of the boards stand. */
export const RTC_BASE = "2026-12-31T23:59:58";

export interface Board {
  read(address: number, size: Size): number;
  write(address: number, size: Size, value: number): void;
}

class Wired implements Board {
  readonly #clock = new VirtualClock(1e9);
  readonly #spaces: { base: number; length: number; target: BusTarget }[] = [];
  readonly #env: DeviceEnv = {
    id: "board",
    clock: this.#clock,
    alarm: (name, onFire) => this.#clock.alarm(`${this.#clock.alarms.length}: ${name}`, onFire),
    dma: new Bus(),
    memory: new Uint8Array(),
    epochSeconds: Date.parse(`${RTC_BASE}Z`) / 1000,
    log: () => {},
    stop: () => {},
  };

  constructor(readonly harts: number) {}

  /** Adds a device, after its reset, with its windows at `bases`. */
  add(type: AnyDeviceType, bases: readonly number[], irq: readonly (IrqLine | undefined)[] = []): Device {
    const config = defaults(type.keys);
    const device = type.create(this.#env, config, { irq: irq.map((line) => line ?? unconnected()), harts: this.harts, hart: () => 0 });
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

export const BOARDS = { pc, virt } as const;
export type BoardName = keyof typeof BOARDS;
