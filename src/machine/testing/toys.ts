// Device types for tests of the graph and the wiring: as much of a PC as wires need, and blocks with every kind of key.
import { type AnyDeviceType, defineDevice, type Device, type DevicePorts, type Inputs, type Window } from "../../core/device.ts";
import type { BusTarget } from "../../core/bus.ts";
import { type IrqLine, Wire } from "../../core/irq.ts";
import { bool, choice, file, int, type Keys, list, size, string, table, time, u64 } from "../../core/schema.ts";

/** What a toy device saw: levels of its inputs by name, and its output lines to play with. */
export interface Toy extends Device<{ levels: Record<string, boolean>; registers: number[] }> {
  readonly outputs: readonly IrqLine[];
}

interface Shape {
  readonly windows?: readonly Window[];
  readonly outputs?: readonly string[];
  readonly inputs?: Inputs;
  readonly keys?: Keys;
  readonly char?: boolean;
}

function toy(type: string, { windows = [], outputs, inputs, keys = {}, char }: Shape): AnyDeviceType {
  return defineDevice({
    type,
    doc: "A device for tests.",
    spec: "none",
    keys,
    windows: () => windows,
    ...(outputs && { outputs: () => outputs }),
    ...(inputs && { inputs: () => inputs }),
    ...(char && { char }),
    create: (_env, _config, ports) => create(windows, ports, inputs !== undefined),
  });
}

function create(windows: readonly Window[], ports: DevicePorts, takesInputs: boolean): Toy {
  const lines = new Map<string, Wire>();
  const target: BusTarget = {
    access: { min: 1, max: 4 },
    read: (offset) => device.state.registers[offset] ?? 0,
    write: (offset, _size, value) => device.state.registers[offset] = value,
  };
  const device: Toy = {
    state: { levels: {}, registers: [] },
    reset() {
      this.state = { levels: {}, registers: [] };
    },
    windows: windows.map(() => target),
    outputs: ports.irq,
    ...(takesInputs && {
      input(name: string): IrqLine {
        if (!lines.has(name)) lines.set(name, new Wire((level) => device.state.levels[name] = level));
        return lines.get(name)!;
      },
    }),
  };
  return device;
}

const regs = (bus: Window["bus"], length: number, name = "regs"): Window => ({ bus, name, length });

export const TOYS: Readonly<Record<string, AnyDeviceType>> = Object.fromEntries(
  [
    toy("i8259.pair", { windows: [regs("io", 2, "first"), regs("io", 2, "second")], outputs: ["intr"], inputs: { numbers: [0, 15] } }),
    toy("x86.ioapic", { windows: [{ ...regs("mem", 0x1000), at: 0xfec0_0000 }], inputs: { numbers: [0, 23], shared: true } }),
    toy("i8254", { windows: [regs("io", 4)], outputs: ["irq"] }),
    toy("i8042", { windows: [regs("io", 1, "data"), regs("io", 1, "command")], outputs: ["keyboard", "mouse"], char: true }),
    toy("per.hart", { windows: [regs("mem", 0x1000)], outputs: ["cpu*.msip", "cpu*.mtip", "nmi"] }),
    toy("gpio", { windows: [regs("any", 16)], outputs: ["irq"], inputs: { names: ["button", "lid"] } }),
    toy("keys", {
      keys: {
        divisor: int("a count", { min: 1, max: 256, default: 1 }),
        buffer: size("memory of its own", { power2: true, default: 4096 }),
        serial_number: u64("64 bits", { default: 0n }),
        loopback: bool("a switch", { default: false }),
        label: string("a text", { pattern: /^[a-z]+$/, form: "small letters", default: "x" }),
        parity: choice("a choice", { choices: ["none", "odd", "even"], default: "none" }),
        image: file("a file", { optional: true }),
        since: time("a time", { optional: true }),
        pins: list("numbers", int("one of them", { max: 31 }), { optional: true }),
        verdict: table("values", { pass: int("good", { default: 0x10 }), fail: int("bad") }, { optional: true }),
        rate: int("taken from the machine", { from: "clock.timebase_hz" }),
      },
    }),
  ].map((t) => [t.type, t]),
);

/** A reader of files that are only in memory. */
export function memoryFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
  missing: (path: string) => Error,
): (path: string) => Uint8Array {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw missing(path);
    return typeof text === "string" ? new TextEncoder().encode(text) : text;
  };
}
