// QEMU's isa-debug-exit: a write ends the run. Source: QEMU documentation, "isa-debug-exit". A write never returns to the guest.
import type { BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { choice, type Config, int, table } from "../../core/schema.ts";

const powerOn = () => ({});

const keys = {
  size: choice("bytes of its window", { choices: [1, 2, 4], default: 4 }),
  verdict: table("what the guest says with a value; the run's exit code is always 2 * value + 1", {
    pass: int("value that means success", { optional: true, max: 0xffff_ffff }),
    fail: int("value that means failure", { optional: true, max: 0xffff_ffff }),
  }),
};

export default defineDevice({
  type: "isa-debug-exit",
  doc: "Ends the run with exit code 2 * value + 1 on a write.",
  spec: "QEMU documentation, isa-debug-exit",
  keys,
  windows: (c) => [{ bus: "io", name: "exit", length: Number(c.size), at: 0x501 }],
  create: (env, config) => new IsaDebugExit(env, config),
});

export class IsaDebugExit implements Device, BusTarget {
  state = powerOn();
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>) {}

  reset(): void {
    this.state = powerOn();
  }

  read(): number {
    return 0;
  }

  write(_offset: number, _size: number, value: number): void {
    const { pass, fail } = this.config.verdict;
    // As a process status it wraps to 8 bits; the code itself does not.
    const code = 2 * value + 1;
    const verdict = value === pass ? { pass: true } : value === fail ? { pass: false } : {};
    this.env.stop({ kind: "exit", code, ...verdict });
  }
}
