// Who interrupts an x86 processor: its local APIC and through it the 8259 pair, or the 8259 pair alone.
import {
  type Acknowledges,
  type ApicDevice,
  type EndsInterrupts,
  EXT_INT,
  type LocalApic,
  type LocalApics,
  NO_VECTOR,
} from "../../core/apic.ts";
import { type Device, offer } from "../../core/device.ts";
import type { X86Cpu } from "../../x86/cpu.ts";

const hasApics = offer<ApicDevice>("localApics"), endsInterrupts = offer<EndsInterrupts>("endOfInterrupt");
const acknowledges = offer<Acknowledges>("acknowledge");

export class Interrupts {
  #apics: LocalApics | undefined;
  /** The device that answers acknowledge cycles on the bus. */
  #pic: Acknowledges | undefined;

  /** Connects the devices and the processors of a machine that has been wired. */
  connect(devices: Iterable<Device>, cores: readonly X86Cpu[]): void {
    const all = [...devices], ended = all.filter(endsInterrupts), apics = all.find(hasApics)?.localApics;
    this.#apics = apics;
    this.#pic = all.find(acknowledges);
    if (!apics) return;
    apics.onInit = (processor) => cores[processor].signalInit();
    apics.onStartup = (processor, vector) => cores[processor].startup(vector);
    apics.onEndOfInterrupt = (vector) => ended.forEach((d) => d.endOfInterrupt(vector));
  }

  apicOf(processor: number): LocalApic | undefined {
    return this.#apics?.of[processor];
  }

  /** The acknowledge cycle of a processor: the vector, or NO_VECTOR. Without local APICs only the first one is connected to the 8259. */
  acknowledge(processor: number): number {
    const apic = this.apicOf(processor), vector = apic ? apic.acknowledge() : processor === 0 ? EXT_INT : NO_VECTOR;
    return vector === EXT_INT ? this.#pic?.acknowledge() ?? NO_VECTOR : vector;
  }
}
