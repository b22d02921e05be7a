// The interrupt wires of a machine file: outputs of devices and harts to the inputs that their texts name ("plic:10", "cpu*.intr"), straight
// or through fan-outs.
import type { Inputs } from "../core/device.ts";
import { didYouMean, type Place } from "../core/errors.ts";
import type { ConfigReader } from "./config.ts";
import * as format from "./format.ts";
import { type DeviceNode, type Edge, targetName } from "./machine_graph.ts";
import type { TomlNode, TomlTable } from "./toml.ts";

/** The device, or `cpu0.ferr`. */
const sourceName = (from: Edge["from"]) => "hart" in from ? `cpu${from.hart}.${from.output}` : from.device;

/** Where the other edge stands, when that is in the same file. */
const lineOf = (same: Edge, { file }: Place) => same.place.file === file && same.place.line ? ` (line ${same.place.line})` : "";

/** Inputs that an output drives. */
interface Target {
  readonly to: Edge["to"];
  readonly via?: string;
  /** Several outputs may drive it. */
  readonly shared?: boolean;
}

interface Fanout {
  readonly place: Place;
  /** Numbers that several devices may drive. */
  readonly shared: ReadonlySet<number>;
  /** Target device and the numbers that go elsewhere. */
  readonly to: readonly { readonly device: string; readonly moved: ReadonlyMap<number, number>; readonly place: Place }[];
}

/** Interrupt wires of a device, as the file has them. */
export interface NamedWires {
  readonly device: DeviceNode;
  readonly irq: TomlNode;
  readonly declared: readonly string[];
  /** Which one of several it is. */
  readonly n: number;
}

export class Wires {
  readonly edges: Edge[] = [];
  /** Of every device that the file names, faulty ones included. */
  readonly inputs = new Map<string, Inputs | undefined>();
  /** Names with `count`, which need an index. */
  readonly replicated = new Map<string, number>();
  readonly #fanouts = new Map<string, Fanout>();
  /** The first edge to each input, by the input's name. */
  readonly #driven = new Map<string, Edge>();

  constructor(
    readonly reader: ConfigReader,
    /** Of a processor. */
    readonly cpuInputs: Readonly<Record<string, number>>,
    readonly harts: number,
    readonly devices: ReadonlyMap<string, DeviceNode>,
  ) {}

  fanOut(id: string, table: TomlTable, place: Place): void {
    const errors = this.reader.errors.length, { to, shared } = this.reader.table(table, format.FANOUT, place);
    if (this.reader.errors.length > errors) return;
    const nodes = table.get("to")!.value as TomlNode[];
    this.#fanouts.set(id, {
      place,
      shared: new Set(shared),
      to: to.map((text, i) => {
        const [, device, moved] = /^([^:]+):n(?:\?(.*))?$/.exec(text)!;
        return {
          device,
          moved: new Map((moved ? moved.split(",") : []).map((m) => m.split("=").map(Number) as [number, number])),
          place: nodes[i].place,
        };
      }),
    });
  }

  /** Everything that a fan-out names must exist even when nothing drives it. */
  checkFanouts(): void {
    for (const fanout of this.#fanouts.values()) {
      for (const { device, place } of fanout.to) {
        if (!this.inputs.has(device)) this.reader.error(this.#noDevice(device), place);
        else if (this.#fanouts.has(device)) this.reader.error("must be a device, not another fan-out", place);
      }
    }
  }

  /** Resolves one `irq` key into edges. */
  add({ device, irq, declared, n }: NamedWires): void {
    const { value } = irq;
    if (!declared.length) return;
    if (value instanceof Map) return this.#wireByName(device, value, declared, n);
    const nodes = Array.isArray(value) ? value as TomlNode[] : [irq];
    if (nodes.length > declared.length || (nodes[0] === irq && declared.length > 1)) return this.#miscounted(irq, declared);
    for (let i = 0; i < nodes.length; i++) this.#output(device, declared[i], nodes[i], n);
  }

  #miscounted({ value, place }: TomlNode, declared: readonly string[]): void {
    const names = declared.join(", ");
    this.reader.error(
      Array.isArray(value)
        ? `must have at most ${declared.length} entries (${names}), got ${value.length}`
        : `must be a list or a table, because there are ${declared.length} outputs: ${names}`,
      place,
    );
  }

  #wireByName(device: DeviceNode, table: TomlTable, declared: readonly string[], n: number): void {
    for (const [name, node] of table) {
      if (!declared.includes(name)) {
        this.reader.error(`unknown output '${name}'${didYouMean(name, declared) || `; known: ${declared.join(", ")}`}`, node.place);
      } else for (const one of Array.isArray(node.value) ? node.value as TomlNode[] : [node]) this.#output(device, name, one, n);
    }
  }

  /** Connects one declared output (all its copies when it has a `*`). */
  #output(device: DeviceNode, declared: string, node: TomlNode, n: number): void {
    const text = node.value as string;
    if (text === "") return;
    if (!declared.includes("*")) {
      return this.connect({ device: device.id, output: device.outputs.indexOf(declared) }, text, n, node.place);
    }
    if (!text.includes("*")) {
      return this.reader.error(`must contain '*', because the output '${declared}' exists once for each hart, got "${text}"`, node.place);
    }
    for (let hart = 0; hart < this.harts; hart++) {
      const output = device.outputs.indexOf(declared.replaceAll("*", String(hart)));
      this.connect({ device: device.id, output }, text.replaceAll("*", String(hart)), n, node.place);
    }
  }

  connect(from: Edge["from"], text: string, n: number, place: Place): void {
    const targets = this.#targets(text, n);
    if (typeof targets === "string") return this.reader.error(targets, place);
    for (const { to, via, shared: allowed } of targets) {
      const name = targetName(to), same = this.#driven.get(name);
      const shared = allowed || "device" in to && this.inputs.get(to.device)?.shared;
      if (same && !shared) {
        this.reader.error(`'${name}' is already driven by '${sourceName(same.from)}'${lineOf(same, place)}`, place);
        continue;
      }
      const edge: Edge = { from, to, ...(via !== undefined && { via }), place };
      this.edges.push(edge);
      if (!same) this.#driven.set(name, edge);
    }
  }

  /** The inputs that a target text names, or what is wrong with it. */
  #targets(text: string, n: number): Target[] | string {
    const [, hart, name, device, expression] = /^(?:cpu(\d+|\*)\.(\w+)|(\w+(?:\[\d+\])?):(.+))$/.exec(text) ?? [];
    if (hart !== undefined) return this.#cpuTargets(hart, name);
    if (device === undefined) return `must be an input like "plic:10" or "cpu0.intr", got "${text}"`;
    const input = evaluate(expression, n), fanout = this.#fanouts.get(device);
    return fanout ? this.#fannedOut(device, fanout, input) : this.#input(device, input);
  }

  #cpuTargets(hart: string, input: string): Target[] | string {
    if (!Object.hasOwn(this.cpuInputs, input)) {
      const names = Object.keys(this.cpuInputs);
      return `a CPU has no input '${input}'${didYouMean(input, names) || `; known: ${names.join(", ")}`}`;
    }
    if (hart === "*") return Array.from({ length: this.harts }, (_, i) => ({ to: { hart: i, input } }));
    if (Number(hart) >= this.harts) return `there is no cpu${hart}: the last is cpu${this.harts - 1}`;
    return [{ to: { hart: Number(hart), input } }];
  }

  #fannedOut(via: string, fanout: Fanout, input: string): Target[] | string {
    if (!/^\d+$/.test(input)) return `'${via}' has numbered inputs, got '${input}'`;
    const out: Target[] = [];
    for (const { device, moved } of fanout.to) {
      if (!this.inputs.has(device)) continue; // reported at the fan-out
      const targets = this.#input(device, String(moved.get(Number(input)) ?? input));
      if (typeof targets === "string") return `${targets} (through '${via}')`;
      for (const t of targets) out.push({ ...t, via, shared: fanout.shared.has(Number(input)) });
    }
    return out;
  }

  #input(device: string, input: string): Target[] | string {
    const inputs = this.inputs.get(device);
    if (inputs) {
      if ("numbers" in inputs) {
        const n = Number(input), [first, last] = inputs.numbers;
        if (n >= first && n <= last && /^\d+$/.test(input)) return [{ to: { device, input } }];
      } else if (inputs.names.includes(input)) return [{ to: { device, input } }];
    }
    return this.#whyNoInput(device, inputs, input);
  }

  /** What is wrong; no targets when that has been reported. */
  #whyNoInput(device: string, inputs: Inputs | undefined, input: string): Target[] | string {
    if (!this.inputs.has(device)) return this.#noDevice(device);
    const node = this.devices.get(device);
    if (!node) return []; // faulty itself, and reported as that
    if (!inputs) return `'${device}' (${node.type}) takes no interrupts`;
    if ("names" in inputs) {
      return `'${device}' has no input '${input}'${didYouMean(input, inputs.names) || `; known: ${inputs.names.join(", ")}`}`;
    }
    const [first, last] = inputs.numbers;
    return /^\d+$/.test(input)
      ? `'${device}' has inputs from ${first} to ${last}, got ${input}`
      : `'${device}' has numbered inputs from ${first} to ${last}, got '${input}'`;
  }

  #noDevice(name: string): string {
    const count = this.replicated.get(name);
    if (count !== undefined) return `there are ${count} of '${name}': name one as '${name}[0]'`;
    const close = didYouMean(name, [...this.inputs.keys(), ...this.#fanouts.keys()]);
    return `no device '${name}'${close}`;
  }
}

/** `n`, `10`, `0x0a`, `1+n`, `n+1`; anything else stays a name. */
function evaluate(expression: string, n: number): string {
  let sum = 0;
  for (const text of expression.split("+")) {
    const term = text.trim();
    if (term !== "n" && !/^(\d+|0x[0-9a-f]+)$/i.test(term)) return expression;
    sum += term === "n" ? n : Number(term);
  }
  return String(sum);
}
