// The Bochs registers (VBE DISPI): a 16-bit index at 0x1ce, 16-bit data at 0x1cf or 0x1d0; and the window of the PCI function that has them
// beside the VGA's ports.
import type { DisplayMemory } from "./memory.ts";
import { ATTRIBUTE, type VgaPorts } from "./ports.ts";
import {
  type Adapter,
  DEPTHS,
  DISPI,
  DISPI_8_BITS,
  DISPI_CAPABILITIES,
  DISPI_KEEP,
  DISPI_LATEST,
  DISPI_OLDEST,
  DISPI_ON,
  MAX_HEIGHT,
  MAX_WIDTH,
  pitchOf,
} from "./state.ts";

/** Parts of the registers' window of the PCI function. */
const REGISTER_PORTS = 0x400, REGISTER_VBE = 0x500, REGISTER_EXTENSION = 0x600, REGISTER_ENDIAN = 0x604, EXTENSION_BYTES = 8;

export class Dispi {
  constructor(readonly vga: Adapter, readonly memory: DisplayMemory, readonly ports: VgaPorts) {}

  readPort(offset: number, size: number): number {
    return (offset === 0 ? this.vga.state.dispiIndex : this.#readDispi()) & (size === 1 ? 0xff : 0xffff);
  }

  writePort(offset: number, size: number, value: number): void {
    if (size !== 2) this.vga.env.log("guest", () => "the VBE registers are 16 bits wide");
    else if (offset === 0) this.vga.state.dispiIndex = value;
    else this.#writeDispi(value);
  }

  /** The registers' window of the PCI function: the ports from 0x3c0, the VBE registers, QEMU's extension (its size, little-endian pixels). */
  readRegister(offset: number, size: number): number {
    if (offset >= REGISTER_PORTS && offset < REGISTER_PORTS + 0x20) {
      const port = offset - REGISTER_PORTS + ATTRIBUTE, low = this.ports.read(port);
      return size === 1 ? low : low | this.ports.read(port + 1) << 8;
    }
    if (offset >= REGISTER_VBE && offset < REGISTER_VBE + 2 * this.vga.state.dispi.length && size === 2) {
      this.vga.state.dispiIndex = (offset - REGISTER_VBE) >> 1;
      return this.#readDispi();
    }
    if (offset === REGISTER_EXTENSION) return EXTENSION_BYTES;
    return offset >= REGISTER_ENDIAN && offset < REGISTER_ENDIAN + 4 ? size === 1 ? 0x1e : 0x1e1e : 0;
  }

  writeRegister(offset: number, size: number, value: number): void {
    if (offset >= REGISTER_PORTS && offset < REGISTER_PORTS + 0x20) {
      for (let i = 0; i < size; i++) this.ports.write(offset - REGISTER_PORTS + ATTRIBUTE + i, value >> 8 * i & 0xff);
    } else if (offset >= REGISTER_VBE && offset < REGISTER_VBE + 2 * this.vga.state.dispi.length && size === 2) {
      this.vga.state.dispiIndex = (offset - REGISTER_VBE) >> 1;
      this.#writeDispi(value);
    } else this.vga.env.log("guest", () => `write of 0x${value.toString(16)} to register 0x${offset.toString(16)}`);
  }

  #readDispi(): number {
    const { dispi, dispiIndex: i } = this.vga.state;
    if (i === DISPI.memory) return this.vga.vram >> 16;
    if (dispi[DISPI.enable] & DISPI_CAPABILITIES && i >= DISPI.x && i <= DISPI.bpp) return [MAX_WIDTH, MAX_HEIGHT, 32][i - DISPI.x];
    return dispi[i] ?? 0;
  }

  #writeDispi(value: number): void {
    const { dispi, dispiIndex: i } = this.vga.state, on = dispi[DISPI.enable] & DISPI_ON;
    switch (i) {
      case DISPI.id:
        if (value >= DISPI_OLDEST && value <= DISPI_LATEST) dispi[i] = value;
        return;
      case DISPI.x:
        if (value <= MAX_WIDTH && !on) dispi[i] = value & ~7;
        return;
      case DISPI.y:
        if (value <= MAX_HEIGHT && !on) dispi[i] = value;
        return;
      case DISPI.bpp:
        if ((DEPTHS.includes(value) || value === 0) && !on) dispi[i] = value || 8;
        return;
      case DISPI.bank:
        if (value < this.vga.vram >> 16) dispi[i] = value;
        return this.memory.offer();
      case DISPI.enable:
        this.#enable(value);
        break;
      case DISPI.width:
        if (value < dispi[DISPI.x]) return;
        dispi[i] = value;
        dispi[DISPI.height] = Math.min(0xffff, Math.floor(this.vga.vram / pitchOf(this.vga.state)));
        break;
      case DISPI.xOffset:
      case DISPI.yOffset:
        dispi[i] = value;
        break;
      case DISPI.height:
      case DISPI.memory:
        return;
      default:
        this.vga.env.log("guest", () => `no VBE register ${i}`);
    }
    this.vga.changed();
  }

  #enable(value: number): void {
    const s = this.vga.state, { dispi } = s, was = dispi[DISPI.enable];
    // The DAC keeps its colours when its width changes.
    if ((was ^ value) & DISPI_8_BITS) s.dac = s.dac.map((v) => value & DISPI_8_BITS ? v << 2 | v >> 4 : v >> 2);
    dispi[DISPI.enable] = value;
    if (!(value & DISPI_ON) || was & DISPI_ON) return;
    if (!dispi[DISPI.bpp]) dispi[DISPI.bpp] = 8;
    dispi[DISPI.width] = dispi[DISPI.x];
    dispi[DISPI.height] = Math.min(0xffff, Math.floor(this.vga.vram / Math.max(1, pitchOf(this.vga.state))));
    dispi[DISPI.xOffset] = dispi[DISPI.yOffset] = dispi[DISPI.bank] = 0;
    if (!(value & DISPI_KEEP)) this.memory.clear();
  }
}
