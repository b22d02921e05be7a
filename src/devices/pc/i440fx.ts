// Host bridge of the 440FX chipset: PCI configuration mechanism 1, the memory attributes of 0xc0000..0xfffff, the reset port.
// Sources: Intel 82441FX (PMC) data sheet, 290549-001, 3.1 and 3.2.14 to 3.2.18; PCI Local Bus Specification 2.1, 3.7.4.1; Intel 82371SB
// data sheet, 290550-001, 2.5.6 (port 0xcf9). Which line an interrupt pin drives: as on QEMU's `pc` and most boards.
// Not modelled: SMRAM (there is no system management mode), DRAM timing, error reporting, the reset port's difference between a hard and a
// soft reset. Reading from the ROM while writing to the RAM behind it (attribute 2) works as attribute 0, as in QEMU.
import type { BusTarget, ShadowAccess, Size } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { PciBus, type PciFunction, type PciHost, PciSlot } from "../../core/pci.ts";
import type { IrqLine } from "../../core/irq.ts";

/** Ports, as offsets from 0xcf8. A byte access to the second is the PIIX3's reset control register. */
const ADDRESS = 0, RESET_CONTROL = 1, DATA = 4;
const ENABLE = 0x8000_0000, RESET_CPU = 0x04, RESET_HARD = 0x02;

const PAM0 = 0x59, PAMS = 7, SMRAM = 0x72, SMRAM_FIXED = 0x02;
/** What bits 0 and 1 of a memory attribute (read enable, write enable) show of the RAM. */
const PAM_ACCESS: readonly ShadowAccess[] = ["off", "read", "off", "write"];

/** The 13 ranges of the attributes: PAM0's upper half is all of 0xf0000; each half of the others has 16 KiB. */
const PAM_RANGES = [
  { at: PAM0, shift: 4, base: 0xf_0000, length: 0x1_0000 },
  ...Array.from({ length: 12 }, (_, i) => ({
    at: PAM0 + 1 + (i >> 1),
    shift: 4 * (i & 1),
    base: 0xc_0000 + i * 0x4000,
    length: 0x4000,
  })),
];

const powerOn = () => ({
  address: 0,
  resetControl: 0,
  /** Configuration spaces by slot. */
  config: {} as Record<string, Uint8Array>,
});

export default defineDevice({
  type: "pci.i440fx",
  doc: "440FX host bridge: a PCI bus by ports 0xcf8 and 0xcfc, shadow RAM below 1 MiB, reset by port 0xcf9.",
  spec: "Intel 82441FX data sheet 290549-001; PCI 2.1, 3.7.4.1",
  keys: {},
  windows: () => [{ bus: "io", name: "config", length: 8, at: 0xcf8 }],
  outputs: () => ["pirqa", "pirqb", "pirqc", "pirqd"],
  pciHost: true,
  create: (env, _config, ports) => new I440fx(env, ports.irq),
});

export class I440fx implements Device<ReturnType<typeof powerOn>>, BusTarget, PciHost {
  state = powerOn();
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  readonly pciBus: PciBus;
  readonly #slot: PciSlot;

  constructor(readonly env: DeviceEnv, lines: readonly IrqLine[]) {
    this.pciBus = new PciBus({
      mem: env.dma,
      io: env.io,
      config: () => this.state.config,
      lines,
      route: (device, pin) => (device + pin - 2) & 3,
    });
    this.#slot = new PciSlot(0, 0, env.id);
    const self: PciFunction = {
      vendor: 0x8086,
      device: 0x1237,
      class: 0x06_0000,
      revision: 2,
      subsystem: [0x1af4, 0x1100],
      registers: [{ at: SMRAM, size: 1, value: SMRAM_FIXED }],
      changed: (at, length) => {
        if (at < PAM0 + PAMS && at + length > PAM0) this.#shadow();
      },
    };
    this.pciBus.plug(this.#slot, self);
  }

  reset(): void {
    this.state = powerOn();
    this.pciBus.reset();
  }

  restored(): void {
    this.pciBus.restored();
  }

  #shadow(): void {
    const { config } = this.#slot;
    for (const { at, shift, base, length } of PAM_RANGES) this.env.dma.shadow(base, length, PAM_ACCESS[config[at] >> shift & 3]);
  }

  read(offset: number, size: Size): number {
    const s = this.state;
    if (offset >= DATA) return this.#selected(offset, size, (device, func, at) => this.pciBus.read(device, func, at, size));
    if (offset === ADDRESS && size === 4) return s.address;
    return offset === RESET_CONTROL && size === 1 ? s.resetControl : 2 ** (8 * size) - 1;
  }

  write(offset: number, size: Size, value: number): void {
    const s = this.state;
    if (offset >= DATA) {
      this.#selected(offset, size, (device, func, at) => {
        this.pciBus.write(device, func, at, size, value);
        return 0;
      });
    } else if (offset === ADDRESS && size === 4) s.address = value;
    else if (offset === RESET_CONTROL && size === 1) {
      s.resetControl = value & RESET_HARD;
      if (value & RESET_CPU) this.env.stop({ kind: "reset" });
    } else this.env.log("guest", () => `write of ${8 * size} bits to port 0x${(0xcf8 + offset).toString(16)}`);
  }

  /** Hands an access to the data port to the register that the address register names; there is only bus 0. */
  #selected(offset: number, size: Size, access: (device: number, func: number, at: number) => number): number {
    const { address } = this.state;
    if (!(address & ENABLE) || address >>> 16 & 0xff) return 2 ** (8 * size) - 1;
    return access(address >>> 11 & 0x1f, address >>> 8 & 7, address & 0xfc | offset & 3);
  }
}
