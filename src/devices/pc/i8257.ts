// The two 8237A DMA controllers of a PC with their page registers: channels 0 to 3 move bytes, 5 to 7 words, 4 is the cascade.
// Source: Intel 8237A data sheet (231466-005, September 1993); page registers: Intel 82371SB (PIIX3) data sheet, 2.5.1.
// Not modelled: memory-to-memory transfers, priorities (a device moves its bytes at once), timing bits of the command register, high page
// registers (addresses have 24 bits).
import type { Bus, BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import type { DmaChannel, DmaController } from "../../core/dma.ts";
import { BusFault } from "../../core/errors.ts";

/** Offsets in a controller's window, in registers. */
const COMMAND_STATUS = 8, REQUEST = 9, MASK = 10, MODE = 11, CLEAR_FLIP_FLOP = 12, MASTER_CLEAR = 13, CLEAR_MASKS = 14, ALL_MASKS = 15;
const COMMAND_OFF = 0x04;
const MODE_AUTO = 0x10, MODE_DOWN = 0x20, MODE_TRANSFER = 0x0c, MODE_TO_MEMORY = 0x04, MODE_FROM_MEMORY = 0x08;
/** Page register of each channel: offset from port 0x80. */
const PAGES = [[7, 3, 1, 2], [15, 11, 9, 10]];

const channelPowerOn = () => ({ baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 });
const controllerPowerOn = () => ({
  command: 0,
  /** Terminal counts that were reached since the last look. */
  reached: 0,
  request: 0,
  mask: 0xf,
  /** The next access is to the high byte. */
  high: false,
  channels: [0, 1, 2, 3].map(channelPowerOn),
});
const powerOn = () => ({ controllers: [controllerPowerOn(), controllerPowerOn()], pages: Array<number>(16).fill(0) });
type Channel = ReturnType<typeof channelPowerOn>;

export default defineDevice({
  type: "i8257",
  doc: "The two DMA controllers of a PC; others name a channel of it by `dma`.",
  spec: "Intel 8237A data sheet 231466-005; Intel 82371SB, 2.5.1",
  keys: {},
  windows: () => [
    { bus: "io", name: "bytes", length: 16, at: 0x00 },
    { bus: "io", name: "pages", length: 16, at: 0x80 },
    { bus: "io", name: "words", length: 32, at: 0xc0 },
  ],
  dmaChannels: 8,
  create: (env) => new I8257(env),
});

export class I8257 implements Device<ReturnType<typeof powerOn>>, DmaController {
  state = powerOn();
  readonly windows: readonly BusTarget[];
  readonly #lines = new Map<number, DmaChannel>();

  constructor(readonly env: DeviceEnv) {
    const controller = (n: number): BusTarget => ({
      access: { min: 1, max: 1 },
      read: (offset) => this.#read(n, offset >> n),
      write: (offset, _size, value) => this.#write(n, offset >> n, value),
    });
    const pages: BusTarget = {
      access: { min: 1, max: 1 },
      read: (offset) => this.state.pages[offset],
      write: (offset, _size, value) => void (this.state.pages[offset] = value),
    };
    this.windows = [controller(0), pages, controller(1)];
  }

  reset(): void {
    this.state = powerOn();
  }

  dma(channel: number): DmaChannel {
    const line: DmaChannel = { onReady: () => {}, move: (data, toMemory) => this.#move(channel, data, toMemory) };
    this.#lines.set(channel, line);
    return line;
  }

  #read(n: number, register: number): number {
    const c = this.state.controllers[n];
    if (register < 8) {
      const channel = c.channels[register >> 1], value = register & 1 ? channel.count : channel.address;
      c.high = !c.high;
      return c.high ? value & 0xff : value >> 8;
    }
    if (register === COMMAND_STATUS) {
      const status = c.reached | c.request << 4;
      c.reached = 0;
      return status;
    }
    return register === ALL_MASKS ? c.mask | 0xf0 : 0;
  }

  #write(n: number, register: number, value: number): void {
    const c = this.state.controllers[n], bit = 1 << (value & 3);
    if (register < 8) return this.#writeHalf(n, register, value);
    switch (register) {
      case COMMAND_STATUS:
        c.command = value;
        break;
      case REQUEST:
        c.request = value & 4 ? c.request | bit : c.request & ~bit;
        break;
      case MASK:
        c.mask = value & 4 ? c.mask | bit : c.mask & ~bit;
        break;
      case MODE:
        c.channels[value & 3].mode = value;
        break;
      case CLEAR_FLIP_FLOP:
        c.high = false;
        break;
      case MASTER_CLEAR:
        Object.assign(c, { command: 0, reached: 0, request: 0, mask: 0xf, high: false });
        break;
      case CLEAR_MASKS:
        c.mask = 0;
        break;
      case ALL_MASKS:
        c.mask = value & 0xf;
    }
    if (!(c.command & COMMAND_OFF)) {
      for (const [channel, line] of this.#lines) if (channel >> 2 === n && !(c.mask >> (channel & 3) & 1)) line.onReady();
    }
  }

  /** Addresses and counts are written to the base and to the current register, low byte first. */
  #writeHalf(n: number, register: number, value: number): void {
    const c = this.state.controllers[n], channel = c.channels[register >> 1];
    const put = (old: number) => c.high ? old & 0xff | value << 8 : old & 0xff00 | value;
    if (register & 1) channel.count = channel.baseCount = put(channel.baseCount);
    else channel.address = channel.baseAddress = put(channel.baseAddress);
    c.high = !c.high;
  }

  #move(number: number, data: Uint8Array, toMemory: boolean): { moved: number; done: boolean } | undefined {
    const n = number >> 2, c = this.state.controllers[n], bit = 1 << (number & 3), channel = c.channels[number & 3];
    if (c.command & COMMAND_OFF || c.mask & bit) return undefined;
    const page = this.state.pages[PAGES[n][number & 3]], transfer = channel.mode & MODE_TRANSFER, down = !!(channel.mode & MODE_DOWN);
    let moved = 0;
    while (moved < data.length) {
      // Up to the end of the data, of the count, and of the 64 KiB (128 KiB of words) in which the address stays.
      const units = Math.min(Math.ceil((data.length - moved) / (1 << n)), channel.count + 1, down ? 1 : 0x1_0000 - channel.address);
      const part = data.subarray(moved, moved + units * (1 << n)),
        at = n ? (page & 0xfe) << 16 | channel.address << 1 : page << 16 | channel.address;
      if (transfer === (toMemory ? MODE_TO_MEMORY : MODE_FROM_MEMORY)) this.#copy(this.env.dma, at, part, toMemory);
      moved += part.length;
      channel.address = channel.address + (down ? -units : units) & 0xffff;
      channel.count = channel.count - units & 0xffff;
      if (channel.count !== 0xffff) continue;
      c.reached |= bit;
      c.request &= ~bit;
      if (channel.mode & MODE_AUTO) this.#reload(channel);
      else c.mask |= bit;
      return { moved, done: true };
    }
    return { moved, done: false };
  }

  #reload(channel: Channel): void {
    channel.address = channel.baseAddress;
    channel.count = channel.baseCount;
  }

  #copy(memory: Bus, at: number, data: Uint8Array, toMemory: boolean): void {
    try {
      if (toMemory) memory.writeBytes(at, data);
      else data.set(memory.readBytes(at, data.length));
    } catch (e) {
      if (!(e instanceof BusFault)) throw e;
      this.env.log("guest", () => `DMA: ${e.message}`);
    }
  }
}
