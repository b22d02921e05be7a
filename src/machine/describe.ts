// Text about a machine and about the components that a machine can be made of, from the graph and the key tables.
import type { AnyDeviceType } from "../core/device.ts";
import type { Key, Keys } from "../core/schema.ts";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { architectureOf, keysOf } from "./architectures.ts";
import type { Section } from "./architecture.ts";
import { expected, hex } from "./config.ts";
import { buildFdt, printFdt } from "./fdt.ts";
import * as format from "./format.ts";
import { type Edge, type MachineGraph, targetName } from "./machine_graph.ts";

type Types = Readonly<Record<string, AnyDeviceType>>;

/** Everything that `bringup describe` prints: processor, memory map, port map, interrupts, boot protocol, device tree. */
export function describe(graph: MachineGraph, types: Types = DEVICES): string {
  const { cpu, clock, boot, firmware } = graph;
  const architecture = architectureOf(cpu), own = architecture.describe(cpu, graph);
  const ports = portMap(graph), pci = pciMap(graph, types), drives = driveList(graph);
  return [
    section(`${graph.name} (${graph.file})`, [
      ["arch", cpu.arch],
      ...own.processor,
      ["clock", `${clock.mode}, ${clock.cpu_hz} instructions per second`],
      own.timer,
      ["starts at", clock.rtc.toISOString()],
    ]),
    section("memory map", memoryMap(graph)),
    ...(ports.length ? [section("port map", ports)] : []),
    ...(pci.length ? [section("PCI", pci)] : []),
    section("interrupts", interrupts(graph)),
    ...(drives.length ? [section("drives", drives)] : []),
    section("boot", [
      ["firmware", firmware.kind === "file" ? firmware.path : firmware.kind],
      ["protocol", boot.protocol],
      ...(boot.kernel !== undefined ? [["kernel", boot.kernel]] : []),
      ...(boot.initrd !== undefined ? [["initrd", boot.initrd]] : []),
      ...(boot.dtb !== undefined ? [["device tree", boot.dtb]] : []),
      ...(boot.symbols !== undefined ? [["symbols", boot.symbols]] : []),
      ...(graph.loads ?? []).map((l): Cell[] => ["loaded", loadText(l)]),
      ["command line", boot.cmdline || "(none)"],
      ["kernel starts in", own.kernel],
      ...own.boot,
      ["a guest's reset", boot.reset === "restart" ? "restarts the machine" : "stops the run"],
      ["consoles", graph.devices.filter((d) => d.console).map((d) => d.id).join(", ") || "(none)"],
    ]),
    ...(architecture.addCpus ? [`device tree\n${printFdt(buildFdt(graph, { bootargs: boot.cmdline, types }))}`] : []),
  ].join("\n");
}

type Cell = string | number;

const loadText = ({ file, at, entry }: NonNullable<MachineGraph["loads"]>[number]): string =>
  file + (at === undefined ? "" : ` at ${hex(at)}`) + (typeof entry === "number" ? `, starts at ${hex(entry)}` : entry ? ", starts" : "");

function memoryMap(graph: MachineGraph): Cell[][] {
  const rows = [
    ...graph.memories.flatMap((m) => m.segments.map((s) => ({ base: s.base, length: s.length, id: m.id, what: m.kind as string }))),
    ...graph.memories.flatMap((m) => m.shadows.map((s) => ({ base: s.base, length: s.length, id: m.id, what: `${m.kind}, hidden` }))),
    ...graph.devices.flatMap((d) =>
      d.windows.filter((w) => w.bus === "mem").map((w) => ({ base: w.base, length: w.length, id: d.id, what: `${d.type} ${w.name}` }))
    ),
  ].sort((a, b) => a.base - b.base);
  return rows.map((r) => [`${hex(r.base)}..${hex(r.base + r.length - 1)}`, bytes(r.length), r.id, r.what]);
}

function portMap(graph: MachineGraph): Cell[][] {
  return graph.devices.flatMap((d) => d.windows.filter((w) => w.bus === "io").map((w) => ({ ...w, d })))
    .sort((a, b) => a.base - b.base)
    .map((
      { base, length, name, d },
    ) => [`0x${base.toString(16)}..0x${(base + length - 1).toString(16)}`, length, d.id, `${d.type} ${name}`]);
}

function pciMap(graph: MachineGraph, types: Types): Cell[][] {
  const slots = graph.devices.flatMap(({ id, type, pci }) => {
    const slot = pci ?? (types[type].pciHost ? { host: id, device: 0, func: 0 } : undefined);
    return slot ? [{ ...slot, id, type }] : [];
  });
  return slots.sort((a, b) => a.device - b.device || a.func - b.func).map((s) => [`${s.host}:${s.device}.${s.func}`, s.id, s.type]);
}

function interrupts(graph: MachineGraph): Cell[][] {
  const row = (name: string, is: (from: Edge["from"]) => boolean) => {
    const to = graph.edges.filter((e) => is(e.from)).map((e) => targetName(e.to) + (e.via ? ` (through ${e.via})` : ""));
    return [name, "->", to.join(", ") || "(nowhere)"];
  };
  return [
    ...graph.edges.flatMap(({ from }) => "hart" in from ? [row(`cpu${from.hart}.${from.output}`, (f) => f === from)] : []),
    ...graph.devices.flatMap((d) =>
      d.outputs.map((name, output) => row(`${d.id}.${name}`, (from) => "device" in from && from.device === d.id && from.output === output))
    ),
  ];
}

function driveList(graph: MachineGraph): Cell[][] {
  return graph.devices.flatMap((d) =>
    d.drives.map(({ name, kinds, config }) => [
      `${d.id}.${name}`,
      config ? config.media : `(none: takes ${kinds.join(" or ")})`,
      config ? config.file ?? "(empty)" : "",
      config?.file === undefined
        ? ""
        : config.readonly || config.media === "cd"
        ? "read-only"
        : config.overlay
        ? "writes stay in memory"
        : "writes go to the file",
    ])
  );
}

function bytes(n: number): string {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (n % size === 0) return `${n / size} ${unit}`;
  }
  return `${n} bytes`;
}

function section(title: string, rows: readonly (readonly Cell[])[]): string {
  return [title, ...aligned(rows).map((line) => "  " + line), ""].join("\n");
}

/** Rows as lines with columns under each other. */
function aligned(rows: readonly (readonly Cell[])[]): string[] {
  const width: number[] = [];
  for (const row of rows) row.forEach((cell, i) => width[i] = Math.max(width[i] ?? 0, String(cell).length));
  return rows.map((row) => row.map((cell, i) => String(cell).padEnd(width[i])).join("  ").trimEnd());
}

/** Every component with its windows, interrupts and keys: what `bringup devices` prints. */
export async function listDevices(types?: Types): Promise<string> {
  await loadDevices();
  const list = Object.values(types ?? DEVICES).sort((a, b) => a.type < b.type ? -1 : 1);
  return [
    ...list.map((t) => section(`${t.type}: ${t.doc}`, [["source:", t.spec], ...keyRows(t.keys)])),
    section(`${format.FANOUT_TYPE}: what drives its input n drives every target.`, keyRows(without(format.FANOUT, "type"))),
    section("keys of every device", keyRows(format.WIRING)),
  ].join("\n");
}

/** Every key of the machine format outside `[device]`, by table. */
export function listKeys(): string {
  const perFamily = (name: Section) =>
    Object.entries(keysOf(name)).map(([family, keys]) => section(`[${name}] (${family})`, keyRows(keys)));
  return [
    section("top level", keyRows(format.ROOT)),
    ...perFamily("cpu"),
    ...perFamily("clock"),
    section("[memory.NAME]", keyRows(format.MEMORY)),
    ...perFamily("firmware"),
    ...perFamily("boot"),
  ].join("\n");
}

const without = (keys: Keys, name: string): Keys => Object.fromEntries(Object.entries(keys).filter(([k]) => k !== name));

const keyRows = (keys: Keys): Cell[][] => Object.entries(keys).map(([name, key]) => [name, expected(key), defaultOf(key), key.doc]);

function defaultOf(key: Key): string {
  if ("from" in key && key.from !== undefined) return `default ${key.from}`;
  if ("default" in key && key.default !== undefined) {
    const d: unknown = key.default;
    return "default " + (d instanceof Date ? d.toISOString() : typeof d === "bigint" ? hex(d) : JSON.stringify(d));
  }
  return key.optional || key.kind === "table" || key.kind === "named" ? "optional" : "required";
}
