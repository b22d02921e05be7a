// A block that is mapped but not modelled: the log tells which of its registers a guest touches.
// Source: none; every register reads as one value and ignores writes.
import type { BusTarget } from "../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv } from "../core/device.ts";
import { type Config, int, size, string } from "../core/schema.ts";

/** How many different accesses are logged before it falls silent. */
const MAX_LOGGED = 1024;

const powerOn = () => ({});

const keys = {
  name: string("what the block is, for the log", { optional: true }),
  size: size("length of the window", { min: 1 }),
  value: int("what every read returns", { default: 0, min: 0, max: 0xffff_ffff }),
};

export default defineDevice({
  type: "unimplemented",
  doc: "A block that is mapped but not modelled; its accesses are logged on `unimp`.",
  spec: "none",
  keys,
  windows: (c) => [{ bus: "any", name: c.name ?? "unimplemented", length: c.size }],
  create: (env, config) => new Unimplemented(env, config),
});

export class Unimplemented implements Device, BusTarget {
  state = powerOn();
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  /** Not state: the guest cannot see what was logged. */
  readonly #logged = new Set<string>();

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>) {}

  reset(): void {
    this.state = powerOn();
  }

  read(offset: number, bytes: number): number {
    this.#touched(`read of 0x${offset.toString(16)}`, "");
    return (this.config.value & 2 ** (8 * bytes) - 1) >>> 0;
  }

  write(offset: number, _bytes: number, value: number): void {
    this.#touched(`write to 0x${offset.toString(16)}`, `: 0x${value.toString(16)}`);
  }

  #touched(what: string, detail: string): void {
    if (this.#logged.size >= MAX_LOGGED || this.#logged.has(what)) return;
    this.#logged.add(what);
    this.env.log("unimp", () => `${this.config.name ?? this.env.id}: ${what}${detail}`);
  }
}
