// What a PC's firmware tables say (firmware/tables), read off the graph.
import { type InterruptOverride, type IsaDevice, PM_BASE, type TablesDescription } from "../../firmware/tables/mod.ts";
import { modelByName } from "../../x86/cpuid.ts";
import type { X86CpuNode } from "./descriptor.ts";
import type { DeviceNode, MachineGraph } from "../machine_graph.ts";

/** Devices that ACPI names, by type: names without a number, IDs, and which outputs are whose. */
const ISA_DEVICES: Readonly<Record<string, readonly { readonly name: string; readonly id: string; readonly output?: string }[]>> = {
  mc146818: [{ name: "RTC", id: "PNP0B00" }],
  i8042: [{ name: "KBD", id: "PNP0303", output: "keyboard" }, { name: "MOU", id: "PNP0F13", output: "mouse" }],
  ns16550a: [{ name: "COM", id: "PNP0501" }],
  i82077aa: [{ name: "FDC", id: "PNP0700" }],
  lpt: [{ name: "LPT", id: "PNP0400" }],
};

export function describeTables(graph: MachineGraph): TablesDescription {
  const { devices } = graph, cpu = graph.cpu as X86CpuNode, of = (type: string) => devices.find((d) => d.type === type);
  const base = (d: DeviceNode | undefined) => d?.windows[0]?.base;
  const segments = graph.memories.filter((m) => m.kind === "ram").flatMap((m) => m.segments);
  const host = devices.find((d) => d.type === "pci.i440fx"), bridge = of("isa.piix3")?.pci, ioApic = of("x86.ioapic");
  const localApic = base(of("x86.lapic")), hpet = base(of("x86.hpet")), power = of("acpi.piix4"), sci = power && irqsOf(graph, power)[0];
  return {
    product: graph.model,
    processors: cpu.harts,
    signature: modelByName(cpu.model).signature,
    cpuHz: graph.clock.cpu_hz,
    memoryBytes: segments.reduce((n, s) => n + s.length, 0),
    lowMemoryEnd: Math.max(0, ...segments.map((s) => s.base + s.length).filter((end) => end <= 2 ** 32)),
    ...(localApic !== undefined && { localApic }),
    ...(ioApic && { ioApic: { id: ioApic.config.id as number, address: base(ioApic)! } }),
    overrides: overrides(graph),
    ...(hpet !== undefined && { hpet }),
    ...(sci !== undefined && { pm: { base: PM_BASE, sci } }),
    ...(host && {
      pci: {
        devices: [...new Set(devices.flatMap((d) => d.pci?.device ?? []))].sort((a, b) => a - b),
        ...(bridge && { isaBridge: `${bridge.device}.${bridge.func}` }),
      },
    }),
    isa: isaDevices(graph),
  };
}

/** Which output of an HPET an input passes through to. */
const PASSED: Readonly<Record<string, string>> = { pit: "irq0", rtc: "irq8" };

const deviceOf = (graph: MachineGraph, id: string): DeviceNode => graph.devices.find((d) => d.id === id)!;

/** Inputs of one kind of interrupt controller that a device's outputs lead to. */
function inputsOf(graph: MachineGraph, device: DeviceNode, controller: string, output?: string): number[] {
  const inputs: number[] = [], { edges } = graph;
  for (let i = 0; i < edges.length; i++) {
    const { from, to } = edges[i];
    if (!("device" in from) || from.device !== device.id || !("device" in to)) continue;
    if (output !== undefined && device.outputs[from.output] !== output) continue;
    const receiver = deviceOf(graph, to.device);
    if (receiver.type === "x86.hpet") inputs.push(...inputsOf(graph, receiver, controller, PASSED[to.input]));
    else if (receiver.type === controller) inputs.push(Number(to.input));
  }
  return inputs;
}
const irqsOf = (graph: MachineGraph, device: DeviceNode, output?: string): number[] => inputsOf(graph, device, "i8259.pair", output);

/** Where an ISA interrupt has another number at the I/O APIC, and those that PCI devices and power management share. */
function overrides(graph: MachineGraph): InterruptOverride[] {
  const out = new Map<number, InterruptOverride>();
  for (const d of graph.devices) {
    const shared = d.type === "isa.piix3" || d.type === "acpi.piix4";
    for (const output of d.outputs) {
      const [irq] = irqsOf(graph, d, output), [input] = inputsOf(graph, d, "x86.ioapic", output);
      if (irq !== undefined && input !== undefined && (shared || irq !== input)) out.set(irq, { irq, input, level: shared });
    }
  }
  return [...out.values()].sort((a, b) => a.irq - b.irq);
}

function isaDevices(graph: MachineGraph): IsaDevice[] {
  const counts = new Map<string, number>();
  return graph.devices.flatMap((d) =>
    (ISA_DEVICES[d.type] ?? []).map(({ name, id, output }, n) => {
      const number = counts.get(name) ?? 1;
      counts.set(name, number + 1);
      return {
        name: `${name}${number}`,
        id,
        // A mouse is behind the keyboard's ports.
        ports: n === 0 ? d.windows.filter((w) => w.bus === "io").map((w) => ({ base: w.base, length: w.length })) : [],
        irqs: irqsOf(graph, d, output),
      };
    })
  );
}
