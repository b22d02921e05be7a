// The VGA's ports: the registers of the CRTC, the sequencer, the graphics and attribute controllers and the DAC.
// Not modelled: light pen, interrupts, timing other than that of the status register (70 Hz, 449 lines, whatever the CRTC says).
import { type Adapter, CR, CURSOR_REGISTERS, DISPI, DISPI_8_BITS, MISC_COLOUR, SENSE, STATUS_BLANK, STATUS_RETRACE } from "./state.ts";

/** Ports, as offsets from 0x3b0. The CRTC and status 1 are at 0x3b4 and 0x3ba (monochrome) or at 0x3d4 and 0x3da. */
export const ATTRIBUTE = 0x10;
const MONO_CRTC = 0x04, MONO_STATUS = 0x0a, ATTRIBUTE_DATA = 0x11, MISC = 0x12, SEQUENCER = 0x14, DAC_MASK = 0x16;
const DAC_READ = 0x17, DAC_WRITE = 0x18, DAC_DATA = 0x19, FEATURE = 0x1a, MISC_READ = 0x1c, GRAPHICS = 0x1e, CRTC = 0x24, STATUS = 0x2a;
/** 70.086 frames per second of 449 lines, of which 400 are shown. */
const LINE_NS = 31_778, LINES = 449, SHOWN_LINES = 400, RETRACE_LINE = 412, RETRACE_LINES = 2, SHOWN_NS = 25_422;

export class VgaPorts {
  constructor(readonly vga: Adapter) {}

  read(offset: number): number {
    const s = this.vga.state, colour = !!(s.misc & MISC_COLOUR);
    const crtc = colour ? CRTC : MONO_CRTC;
    switch (offset) {
      case crtc:
        return s.crtcIndex;
      case crtc + 1:
        return s.crtc[s.crtcIndex] ?? 0;
      case colour ? STATUS : MONO_STATUS:
        s.attributeData = false;
        return this.#status();
      case ATTRIBUTE:
        return s.attributeData ? 0 : s.attributeIndex;
      case ATTRIBUTE_DATA:
        return s.attribute[s.attributeIndex & 0x1f] ?? 0;
      case MISC:
        return SENSE;
      case SEQUENCER:
        return s.sequencerIndex;
      case SEQUENCER + 1:
        return s.sequencer[s.sequencerIndex];
      case DAC_MASK:
        return s.dacMask;
      case DAC_READ:
        return s.dacReading ? 3 : 0;
      case DAC_WRITE:
        return s.dacIndex;
      case DAC_DATA:
        return this.#nextDac(undefined);
      case FEATURE:
        return s.feature;
      case MISC_READ:
        return s.misc;
      case GRAPHICS:
        return s.graphicsIndex;
      case GRAPHICS + 1:
        return s.graphics[s.graphicsIndex];
      default:
        return 0xff;
    }
  }

  write(offset: number, value: number): void {
    const s = this.vga.state, colour = !!(s.misc & MISC_COLOUR);
    const crtc = colour ? CRTC : MONO_CRTC;
    switch (offset) {
      case crtc:
        s.crtcIndex = value & 0x3f;
        return;
      case crtc + 1:
        return this.#writeCrtc(s.crtcIndex, value);
      case colour ? STATUS : MONO_STATUS:
        s.feature = value;
        return;
      case ATTRIBUTE:
        if (!s.attributeData) s.attributeIndex = value & 0x3f;
        else if ((s.attributeIndex & 0x1f) < s.attribute.length) s.attribute[s.attributeIndex & 0x1f] = value;
        s.attributeData = !s.attributeData;
        return this.vga.changed();
      case MISC:
        s.misc = value;
        return this.vga.changed();
      case SEQUENCER:
        s.sequencerIndex = value & 7;
        return;
      case SEQUENCER + 1:
        s.sequencer[s.sequencerIndex] = value;
        return this.vga.changed();
      case DAC_MASK:
        s.dacMask = value;
        return;
      case DAC_READ:
      case DAC_WRITE:
        s.dacIndex = value;
        s.dacComponent = 0;
        s.dacReading = offset === DAC_READ;
        return;
      case DAC_DATA:
        this.#nextDac(value);
        return;
      case GRAPHICS:
        s.graphicsIndex = value & 0xf;
        return;
      case GRAPHICS + 1:
        s.graphics[s.graphicsIndex] = value;
        return this.vga.changed();
      default:
        this.vga.env.log("guest", () => `write of 0x${value.toString(16)} to port 0x${(0x3b0 + offset).toString(16)}`);
    }
  }

  #writeCrtc(index: number, value: number): void {
    const { crtc } = this.vga.state;
    if (index >= crtc.length) return;
    // The first eight registers can be locked, except for bit 8 of the line compare register.
    if (index < 8 && crtc[CR.protect] & 0x80) {
      if (index !== CR.overflow) return;
      value = crtc[index] & ~0x10 | value & 0x10;
    }
    crtc[index] = value;
    // The cursor is no part of the text.
    if (!CURSOR_REGISTERS.includes(index)) this.vga.changed();
  }

  /** Bits 0 and 3 by guest time: what is blank, and the vertical retrace. */
  #status(): number {
    const t = this.vga.env.clock.nowNs % (LINE_NS * LINES), line = Math.floor(t / LINE_NS);
    const retrace = line >= RETRACE_LINE && line < RETRACE_LINE + RETRACE_LINES;
    return (line >= SHOWN_LINES || t % LINE_NS >= SHOWN_NS ? STATUS_BLANK : 0) | (retrace ? STATUS_RETRACE : 0);
  }

  /** Reads or writes a component of a colour and goes on to the next one. */
  #nextDac(value: number | undefined): number {
    const s = this.vga.state, at = 3 * s.dacIndex + s.dacComponent, old = s.dac[at];
    if (value !== undefined) s.dac[at] = s.dispi[DISPI.enable] & DISPI_8_BITS ? value : value & 0x3f;
    if (++s.dacComponent === 3) {
      s.dacComponent = 0;
      s.dacIndex = s.dacIndex + 1 & 0xff;
    }
    return old;
  }
}
