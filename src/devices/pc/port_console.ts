// Debug console of Bochs and QEMU: every byte written to a port is printed. Source: Bochs user manual, "port_e9_hack";
// QEMU documentation, "isa-debugcon".
import type { BusTarget } from "../../core/bus.ts";
import { type CharDevice, type CharPort, defineDevice, type Device } from "../../core/device.ts";
import { bool, type Config, int } from "../../core/schema.ts";

const powerOn = () => ({});

const keys = {
  readback: int("what a read returns; a guest detects the port by 0xe9", { default: 0xe9, max: 0xff }),
  seabios: bool("also at SeaBIOS's port", { default: true }),
};

export default defineDevice({
  type: "port-console",
  doc: "Debug console: prints each byte written to its ports (0xe9 and SeaBIOS's 0x402).",
  spec: "Bochs port_e9_hack; QEMU isa-debugcon",
  keys,
  windows: ({ seabios }) => [
    { bus: "io", name: "debugcon", length: 1, at: 0xe9 },
    ...seabios ? [{ bus: "io", name: "seabios", length: 1, at: 0x402 } as const] : [],
  ],
  char: true,
  create: (_env, config) => new PortConsole(config),
});

export class PortConsole implements Device, BusTarget, CharPort, CharDevice {
  state = powerOn();
  readonly access = { min: 1, max: 1 } as const;
  readonly windows = [this, this];
  readonly char: CharPort = this;
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};

  constructor(readonly config: Config<typeof keys>) {}

  reset(): void {
    this.state = powerOn();
  }

  read(): number {
    return this.config.readback;
  }

  write(_offset: number, _size: number, value: number): void {
    this.onByte(value);
  }

  /** It takes no input. */
  room(): number {
    return 0;
  }

  receive(): void {}
}
