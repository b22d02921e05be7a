// SiFive test finisher: one register that ends the run or resets the machine. Source: the device tree binding
// "sifive,test0" and QEMU's documentation of the virt board; there is no data sheet. Not modelled: nothing.
import type { BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";

const FINISHER = 0x0, LENGTH = 0x1000;
const FAIL = 0x3333, PASS = 0x5555, RESET = 0x7777;

const powerOn = () => ({});

export default defineDevice({
  type: "sifive.test",
  doc: "SiFive test finisher: power-off, reset and exit code of a RISC-V machine.",
  spec: "device tree binding sifive,test0; QEMU virt board",
  keys: {},
  windows: () => [{ bus: "mem", name: "regs", length: LENGTH }],
  fdt: () => ({ compatible: ["sifive,test1", "sifive,test0", "syscon"] }),
  fdtExtra: (_c, phandle) => ({
    poweroff: { value: PASS, offset: FINISHER, regmap: phandle, compatible: "syscon-poweroff" },
    reboot: { value: RESET, offset: FINISHER, regmap: phandle, compatible: "syscon-reboot" },
  }),
  create: (env) => new SifiveTest(env),
});

export class SifiveTest implements Device, BusTarget {
  state = powerOn();
  readonly access = { min: 2, max: 4 } as const;
  readonly windows = [this];

  constructor(readonly env: DeviceEnv) {}

  reset(): void {
    this.state = powerOn();
  }

  read(offset: number): number {
    this.env.log("guest", () => `read of 0x${offset.toString(16)}: the finisher is write-only`);
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    const status = value & 0xffff, code = value >>> 16;
    if (offset === FINISHER && status === PASS) this.env.stop({ kind: "exit", code: 0, pass: true });
    else if (offset === FINISHER && status === FAIL) this.env.stop({ kind: "exit", code, pass: false });
    else if (offset === FINISHER && status === RESET) this.env.stop({ kind: "reset" });
    else this.env.log("guest", () => `write of 0x${value.toString(16)} to 0x${offset.toString(16)}: no such command`);
  }
}
