// Graph -> devices: creates them, maps their windows and connects their interrupt wires. It knows of a device only what its type declares.
import type { Bus, BusTarget } from "../core/bus.ts";
import type { VirtualClock } from "../core/clock.ts";
import { type AnyDeviceType, type Device, type DeviceEnv, offer, type StopRequest } from "../core/device.ts";
import type { Drive } from "../core/disk.ts";
import type { DmaController } from "../core/dma.ts";
import { type IrqLine, unconnected, Wire } from "../core/irq.ts";
import type { Log } from "../core/log.ts";
import type { PciDevice, PciFunction, PciHost } from "../core/pci.ts";
import { PciSlot } from "../core/pci_slot.ts";
import { DEVICES } from "../devices/mod.ts";
import { type Edge, type MachineGraph, targetName } from "./machine_graph.ts";

const isPciDevice = offer<PciDevice>("pci"), isPciHost = offer<PciHost>("pciBus"), servesDma = offer<DmaController>("dma");

/** What the devices of a machine are connected to. */
export interface WiringHost {
  readonly bus: Bus;
  /** Port space; needed when a device of the graph has windows there. */
  readonly io?: Bus;
  readonly clock: VirtualClock;
  /** An interrupt input of a hart; undefined when the CPU has none of that name (the wire then leads nowhere). */
  cpuInput(hart: number, name: string): IrqLine | undefined;
  /** Connects an output of a hart. */
  cpuOutput?(hart: number, name: string, line: IrqLine): void;
  /** The hart whose access is under way; the first when absent. */
  readonly hart?: () => number;
  /** The drives of a device by the names of their keys. */
  drives?(device: string): Readonly<Record<string, Drive>>;
  /** What a PCI function's expansion ROM holds; it has none when this is undefined. */
  expansionRom?(fn: PciFunction): Uint8Array | undefined;
  readonly log: Log;
  stop(request: StopRequest): void;
  /** Memory of a device, by its id: as many bytes, zero. Their own allocation when absent. */
  memory?(id: string, bytes: number): Uint8Array;
  /** All of src/devices unless given; must be the table that the graph was made with. */
  readonly types?: Readonly<Record<string, AnyDeviceType>>;
}

/**
 * Creates every device of the graph, receivers of interrupts before those that drive them, and returns them by id in that order.
 * Devices are not reset; resetting them in the order of the map ends with consistent wires.
 */
export function wireDevices(graph: MachineGraph, host: WiringHost): Map<string, Device> {
  const devices = new Map<string, Device>(), types = host.types ?? DEVICES;
  const harts = graph.cpu.harts, epochSeconds = Math.floor(graph.clock.rtc.getTime() / 1000);
  const inputs = new Inputs(host, devices), slots = new Map<string, PciSlot>(), traceBus = host.log.on("bus");
  const wrap = (target: BusTarget, name: string) => traceBus ? traced(target, name, host.log) : target;
  const lines: IrqLine[] = [];
  for (const edge of graph.edges) lines.push(inputs.join(edge));
  for (const node of receiversFirst(graph)) {
    const type = types[node.type], bytes = type.memory?.(node.config) ?? 0;
    const env: DeviceEnv = {
      id: node.id,
      clock: host.clock,
      alarm: (name, onFire) => host.clock.alarm(name, onFire, node.id),
      dma: host.bus,
      io: host.io,
      memory: bytes && host.memory ? host.memory(node.id, bytes) : new Uint8Array(bytes),
      epochSeconds,
      log: (channel, text) => {
        if (host.log.on(channel)) host.log.line(channel, node.id, text());
      },
      stop: (request) => host.stop(request),
    };
    const irq: IrqLine[] = [];
    for (let output = 0; output < node.outputs.length; output++) irq.push(driver(graph, lines, node.id, output));
    const pci = node.pci && new PciSlot(node.pci.device, node.pci.func, node.id, wrap);
    if (pci) slots.set(node.id, pci);
    const controller = node.dma && devices.get(node.dma.device);
    const dma = controller && servesDma(controller) ? controller.dma(node.dma!.channel) : undefined;
    const drives = (node.drives.length ? host.drives?.(node.id) : undefined) ?? {};
    const device = type.create(env, node.config, { irq, dma, drives, harts, hart: host.hart ?? (() => 0), pci });
    devices.set(node.id, device);
    const windows = device.windows ?? [];
    if (windows.length !== node.windows.length) {
      throw new Error(`device type '${node.type}' declares ${node.windows.length} windows and implements ${windows.length}`);
    }
    for (let i = 0; i < windows.length; i++) {
      const w = node.windows[i], bus = w.bus === "io" ? host.io : host.bus;
      if (!bus) throw new Error(`'${node.id}' needs a port space`);
      const name = windows.length > 1 ? `${node.id}.${w.name}` : node.id;
      bus.map(w.base, w.length, wrap(windows[i], name), name);
    }
  }
  for (const { id, type, pci } of graph.devices) {
    if (!pci) continue;
    const device = devices.get(id)!, bridge = devices.get(pci.host)!;
    if (!isPciDevice(device)) throw new Error(`device type '${type}' does not say what it is on a PCI bus`);
    if (isPciHost(bridge)) bridge.pciBus.plug(slots.get(id)!, device.pci, host.expansionRom?.(device.pci));
  }
  for (let i = 0; i < lines.length; i++) {
    const { from } = graph.edges[i];
    if ("hart" in from) host.cpuOutput?.(from.hart, from.output, lines[i]);
  }
  inputs.settle();
  return devices;
}

/** What an output of a device drives. `lines` are those of the graph's edges. */
function driver(graph: MachineGraph, lines: readonly IrqLine[], device: string, output: number): IrqLine {
  const driven: IrqLine[] = [];
  for (let i = 0; i < lines.length; i++) {
    const { from } = graph.edges[i];
    if ("device" in from && from.device === device && from.output === output) driven.push(lines[i]);
  }
  if (driven.length === 0) return unconnected();
  return driven.length === 1 ? driven[0] : new Wire((level) => driven.forEach((l) => l.set(level)));
}

/** Devices that take interrupts, or serve DMA, come before those that need them; otherwise the order of the file. */
function receiversFirst(graph: MachineGraph): MachineGraph["devices"] {
  const byId = new Map<string, MachineGraph["devices"][number]>(), done = new Set<string>(), out: MachineGraph["devices"][number][] = [];
  for (const d of graph.devices) byId.set(d.id, d);
  const visit = (id: string) => {
    if (done.has(id)) return; // also ends a cycle of wires, which needs no order: wires carry levels until both ends exist
    done.add(id);
    for (const e of graph.edges) if ("device" in e.from && e.from.device === id && "device" in e.to) visit(e.to.device);
    const { dma } = byId.get(id)!;
    if (dma) visit(dma.device);
    out.push(byId.get(id)!);
  };
  for (const d of graph.devices) visit(d.id);
  return out;
}

/** The receiving ends of all wires: finds the input line, ORs the outputs that share one. */
class Inputs {
  readonly #joints = new Map<string, { count: number; wire: Wire }>();
  constructor(readonly host: WiringHost, readonly devices: Map<string, Device>) {}

  /** The line for one edge. */
  join(edge: Edge): IrqLine {
    const name = targetName(edge.to);
    let joint = this.#joints.get(name);
    if (!joint) {
      let line: IrqLine | undefined;
      const { log } = this.host;
      const wire = new Wire((level) => {
        if (log.on("irq")) log.line("irq", name, level ? "high" : "low");
        // Looked up at the first change: the receiver may be created after the one that drives it.
        (line ??= this.#find(edge.to))?.set(level);
      });
      this.#joints.set(name, joint = { count: 0, wire });
    }
    const { wire } = joint, shared = joint;
    return new Wire((level) => {
      shared.count += level ? 1 : -1;
      wire.set(shared.count > 0);
    });
  }

  #find(to: Edge["to"]): IrqLine | undefined {
    return "hart" in to ? this.host.cpuInput(to.hart, to.input) : this.devices.get(to.device)?.input?.(to.input);
  }

  /** Delivers the levels of wires that moved before their receiver existed. */
  settle(): void {
    for (const { wire } of this.#joints.values()) if (wire.level) wire.onChange(true);
  }
}

/** A target that prints every access. Only used while the channel is on, so that it costs nothing otherwise. */
function traced(target: BusTarget, name: string, log: Log): BusTarget {
  const line = (what: string, offset: number, size: number, value: number) =>
    log.line("bus", name, `${what} +0x${offset.toString(16)} ${size * 8} bits: 0x${(value >>> 0).toString(16)}`);
  return {
    access: target.access,
    read(offset, size) {
      const value = target.read(offset, size);
      line("read", offset, size, value);
      return value;
    },
    write(offset, size, value) {
      line("write", offset, size, value);
      target.write(offset, size, value);
    },
  };
}
