// VGA with the Bochs extensions (VBE DISPI) and a linear framebuffer: what QEMU calls the standard VGA. What is not modelled stands at the head of
// its part: `memory.ts`, `ports.ts`, `dispi.ts`, `picture.ts`.
import type { BusTarget } from "../../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type ScreenDevice, type ScreenPort, type TextScreen } from "../../../core/device.ts";
import { builtinFont } from "../../../core/font8x16.ts";
import type { PciDevice, PciFunction } from "../../../core/pci.ts";
import { bool, type Config, int, size } from "../../../core/schema.ts";
import { textMode, vgaPalette } from "../../../core/vga_modes.ts";
import { Dispi } from "./dispi.ts";
import { DisplayMemory, FLAT_BYTES } from "./memory.ts";
import { Shown } from "./picture.ts";
import { VgaPorts } from "./ports.ts";
import { type Adapter, ATTRIBUTE_ON, powerOn, type VgaState } from "./state.ts";

const keys = {
  vram: size("bytes of display memory", { default: 16 << 20, min: 256 << 10, max: 256 << 20, power2: true }),
  lfb: int("address of the linear framebuffer", { default: 0xfd00_0000, max: 0xffff_f000, multiple: 4096 }),
  text_mode: bool("starts as a BIOS leaves it, with 80 by 25 characters on the screen, instead of switched off", { default: false }),
};

export default defineDevice({
  type: "vga",
  doc: "VGA with text, planar and linear modes, the Bochs VBE registers and a linear framebuffer.",
  spec: "IBM PS/2 Hardware Interface Technical Reference, October 1990, Video Subsystem; Bochs VBE DISPI",
  keys,
  windows: (c, plugged) => [
    { bus: "mem", name: "memory", length: 0x2_0000, at: 0xa_0000, multiple: 4096 },
    ...(plugged ? [] : [{ bus: "mem", name: "lfb", length: c.vram, at: c.lfb, multiple: 4096 } as const]),
    { bus: "io", name: "ports", length: 0x30, at: 0x3b0 },
    { bus: "io", name: "vbe", length: 3, at: 0x1ce },
  ],
  memory: (c) => c.vram + FLAT_BYTES,
  pci: "optional",
  create: (env, config, ports) => new Vga(env, config, ports.pci !== undefined),
});

export class Vga implements Device<VgaState>, ScreenPort, Adapter, PciDevice, ScreenDevice {
  state: VgaState;
  readonly vram: number;
  readonly windows: readonly BusTarget[];
  readonly screen: ScreenPort = this;
  readonly pci: PciFunction;
  readonly #memory: DisplayMemory;
  readonly #shown: Shown;
  #onChange: ((row: number) => void) | undefined;

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, plugged: boolean) {
    this.state = powerOn();
    this.vram = config.vram;
    const memory = this.#memory = new DisplayMemory(this, env.memory), ports = new VgaPorts(this), dispi = new Dispi(this, memory, ports);
    this.#shown = new Shown(this, memory);
    this.windows = [
      memory.window,
      ...(plugged ? [] : [memory.framebuffer]),
      {
        access: { min: 1, max: 1 },
        read: (offset) => ports.read(offset),
        write: (offset, _size, value) => ports.write(offset, value),
      },
      {
        access: { min: 1, max: 2 },
        read: (offset, size) => dispi.readPort(offset, size),
        write: (offset, size, value) => dispi.writePort(offset, size, value),
      },
    ];
    const registers: BusTarget = {
      access: { min: 1, max: 2 },
      read: (offset, size) => dispi.readRegister(offset, size),
      write: (offset, size, value) => dispi.writeRegister(offset, size, value),
    };
    this.pci = {
      vendor: 0x1234,
      device: 0x1111,
      class: 0x03_0000,
      revision: 2,
      subsystem: [0x1af4, 0x1100],
      bars: [
        { kind: "mem", name: "lfb", size: config.vram, target: memory.framebuffer, prefetchable: true },
        undefined,
        { kind: "mem", name: "registers", size: 0x1000, target: registers },
      ],
    };
  }

  reset(): void {
    this.state = powerOn();
    if (this.config.text_mode) this.#startText();
    this.changed();
  }

  restored(): void {
    this.changed();
  }

  changed(): void {
    this.#memory.changed();
    this.#onChange?.(-1);
  }

  get onChange(): ((row: number) => void) | undefined {
    return this.#onChange;
  }
  set onChange(watcher: ((row: number) => void) | undefined) {
    this.#onChange = watcher;
    this.#memory.offer();
  }

  text(only = -1): TextScreen | undefined {
    return this.#shown.text(only);
  }

  image(): { width: number; height: number; rgb: Uint8Array } {
    return this.#shown.image();
  }

  /** Mode 3 with the built-in font, an empty screen and the cursor in its corner. */
  #startText(): void {
    const s = this.state, mode = textMode(), font = builtinFont(16);
    s.misc = mode.misc;
    s.sequencer = [3, ...mode.sequencer, 0, 0, 0];
    s.crtc = [...mode.crtc];
    s.graphics = [...mode.graphics, ...Array<number>(7).fill(0)];
    s.attribute = [...mode.attribute, 0];
    s.attributeIndex = ATTRIBUTE_ON;
    s.dac = vgaPalette(mode.palette);
    for (let i = 0; i < mode.columns * mode.rows; i++) {
      this.#memory.poke(8 * i, 0x20);
      this.#memory.poke(8 * i + 1, 0x07);
    }
    for (let i = 0; i < font.length; i++) this.#memory.poke(4 * ((i >> 4) * 32 + (i & 15)) + 2, font[i]);
  }
}
