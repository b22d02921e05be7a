// A bench for device tests: a clock stepped by hand, wires that remember, a log that collects. No CPU and no machine.
import type { Acknowledges, ApicDevice, EndsInterrupts } from "../../core/apic.ts";
import { Bus, readTarget, writeTarget } from "../../core/bus.ts";
import { type TimeSource, VirtualClock } from "../../core/clock.ts";
import type {
  CharDevice,
  CharsDevice,
  Device,
  DeviceEnv,
  DeviceType,
  KeyDevice,
  MouseDevice,
  ScreenDevice,
  StopRequest,
} from "../../core/device.ts";
import type { Drive } from "../../core/disk.ts";
import type { DmaChannel, DmaController } from "../../core/dma.ts";
import type { TakesItems } from "../../core/firmware.ts";
import { type ClaimController, Wire } from "../../core/irq.ts";
import type { PciDevice, PciHost, PciSlot } from "../../core/pci.ts";
import type { Config, Key, Keys } from "../../core/schema.ts";

/** What a key has when a machine file does not mention it; a required key gets a small legal value. */
function valueOf(key: Key): unknown {
  if ("default" in key && key.default !== undefined) return key.default;
  if (key.optional) return undefined;
  switch (key.kind) {
    case "int":
      return key.min ?? 0;
    case "u64":
      return key.min ?? 0n;
    case "size":
      return key.min ?? 0x1000;
    case "bool":
      return false;
    case "string":
    case "file":
      return "x";
    case "choice":
      return key.choices[0];
    case "time":
      return new Date(0);
    case "list":
      return [];
    case "named":
      return {};
    case "either":
      return valueOf(key.of[0]);
    case "table":
      return defaults(key.keys);
  }
}

/** The configuration of a device whose machine file gives only `given`. */
export function defaults<K extends Keys>(keys: K, given: Partial<Config<K>> = {}): Config<K> {
  const out: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(keys)) {
    const v = valueOf(key);
    if (v !== undefined) out[name] = v;
  }
  return { ...out, ...given } as Config<K>;
}

/** A device with all that any device has for others. */
export type AnyDevice =
  & Device
  & Partial<
    & (CharDevice & CharsDevice & ScreenDevice & KeyDevice & MouseDevice & DmaController & ApicDevice & EndsInterrupts & Acknowledges)
    & (PciDevice & PciHost & TakesItems & TimeSource & ClaimController)
  >;

/** One device on a bench. `hz` ticks are one second of guest time. */
export interface Bench<D extends Device> {
  readonly dev: D;
  readonly config: Config<Keys>;
  readonly clock: VirtualClock;
  readonly irq: readonly Wire[];
  /** Changes of the wires since the start, as "0+" (output 0 rises) and "0-". */
  readonly edges: string[];
  /** Log lines as "channel text". */
  readonly log: string[];
  readonly stops: StopRequest[];
  /** RAM that a bus master sees, 64 KiB at 0. */
  readonly dma: Bus;
  /** The device's own memory. */
  readonly memory: Uint8Array;
  /** Lets guest time pass and fires the alarms in between, each at its own time. */
  passNs(ns: number): void;
  /** As a CPU's access: the widths that the device does not implement are split or widened as on the bus. */
  read(offset: number, size?: 1 | 2 | 4, window?: number): number;
  write(offset: number, value: number, size?: 1 | 2 | 4, window?: number): void;
}

/** Sets up a device alone, after its reset. */
export function bench<K extends Keys>(
  type: DeviceType<K>,
  given: Partial<Config<K>> = {},
  options: {
    harts?: number;
    hart?: () => number;
    hz?: number;
    epochSeconds?: number;
    outputs?: number;
    drives?: Readonly<Record<string, Drive>>;
    dma?: DmaChannel;
    pci?: PciSlot;
  } = {},
): Bench<AnyDevice> {
  const clock = new VirtualClock(options.hz ?? 1_000_000_000);
  const log: string[] = [], stops: StopRequest[] = [], edges: string[] = [];
  const harts = options.harts ?? 1;
  const config = defaults(type.keys, given);
  const names = type.outputs?.(config) ?? [];
  const count = options.outputs ?? names.reduce((n, name) => n + (name.includes("*") ? harts : 1), 0);
  const irq = Array.from({ length: count }, (_, i) => new Wire((level) => edges.push(`${i}${level ? "+" : "-"}`)));
  const dma = new Bus();
  dma.mapRam(0, new Uint8Array(0x10000));
  const memory = new Uint8Array(type.memory?.(config) ?? 0);
  const env: DeviceEnv = {
    id: "dut",
    clock,
    alarm: (name, onFire) => clock.alarm(name, onFire),
    dma,
    memory,
    epochSeconds: options.epochSeconds ?? 1_767_225_600,
    log: (channel, text) => log.push(`${channel} ${text()}`),
    stop: (request) => stops.push(request),
  };
  const dev = type.create(env, config, {
    irq,
    harts,
    hart: options.hart ?? (() => 0),
    ...(options.drives && { drives: options.drives }),
    ...(options.dma && { dma: options.dma }),
    ...(options.pci && { pci: options.pci }),
  });
  dev.reset();
  edges.length = 0;
  const target = (w: number) => {
    const t = dev.windows?.[w];
    if (!t) throw new Error(`${type.type} has no window ${w}`);
    return t;
  };
  return {
    dev,
    config,
    clock,
    irq,
    edges,
    log,
    stops,
    dma,
    memory,
    passNs(ns) {
      const end = clock.base + Math.round(ns * clock.hz / 1e9);
      while (clock.next <= end) {
        clock.base = Math.max(clock.base, clock.next);
        clock.fireDue();
      }
      clock.base = end;
    },
    read: (offset, size = 1, window = 0) => readTarget(target(window), offset, size),
    write: (offset, value, size = 1, window = 0) => writeTarget(target(window), offset, size, value),
  };
}
