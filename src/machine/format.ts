// The machine format, as data: every key of a machine file except those that a device type or an architecture declares itself.
// The reader (graph.ts), `describe`, the device list and the JSON Schema are all made from these tables.
import { bool, choice, either, file, int, type Keys, list, named, size, string, table, time } from "../core/schema.ts";

/** A file of `load`. */
const LOAD = {
  file: file("ELF, Intel hex, or raw bytes"),
  at: int("where raw bytes go; the others say so themselves", { max: Number.MAX_SAFE_INTEGER, optional: true }),
  entry: either("the machine starts there, in the place of a kernel: true where the file says, else the address; RISC-V only", [
    bool("where the file says"),
    int("address", { max: Number.MAX_SAFE_INTEGER }),
  ], { optional: true, form: "an address, or true" }),
  format: choice("kind of file; auto looks at it", { choices: ["auto", "elf", "hex", "raw"], default: "auto" }),
} satisfies Keys;

export const ROOT = {
  schema: choice("version of this format", { choices: [1] }),
  name: string("what the machine is called in messages and in the device tree", { default: "machine" }),
  extends: file("a machine file whose keys this one inherits; path relative to this file", { optional: true }),
  model: string("what the device tree's root calls the machine; the name when absent", { optional: true }),
  compatible: list("what the device tree's root says the machine is compatible with", string("vendor,board"), {
    default: ["riscv-virtio"] as string[],
  }),
  load: list("files that are put into memory at power-on, beside kernel and firmware", table("one file", LOAD), { default: [] }),
  seed: int("what random RAM contents and the device tree's rng-seed are made from", { default: 0 }),
} satisfies Keys;

/** Keys of `clock` that every architecture has. */
export const CLOCK = {
  mode: choice(
    "virtual: time advances by instructions alone; wall: in a run from the command line idle time also passes with the host's clock",
    {
      choices: ["virtual", "wall"],
      default: "virtual",
    },
  ),
  cpu_hz: int("instructions per second of guest time", { default: 1_000_000_000, min: 1_000, max: 100_000_000_000 }),
  rtc: time("date and time at reset", { default: new Date("2026-01-01T00:00:00Z") }),
} satisfies Keys;

/** Of addresses. */
export const ADDRESS = { max: Number.MAX_SAFE_INTEGER };
const span = { pattern: /^[^.]+\.\.[^.]+$/, form: `a range like "640KiB..1MiB"` };

/** `[memory.NAME]`. */
export const MEMORY = {
  at: int("base address", { ...ADDRESS, multiple: 4096 }),
  size: size("bytes of memory", { min: 4096, multiple: 4096 }),
  kind: choice("ram, or rom (guest writes are ignored)", { choices: ["ram", "rom"], default: "ram" }),
  main: bool("kernels are loaded here, and --memory sets its size; the largest RAM when no memory says so", { default: false }),
  fill: choice("contents at power-on; random is made from `seed`", { choices: ["zero", "random"], default: "zero" }),
  file: file("what the memory holds at power-on, from its base", { optional: true }),
  holes: list("addresses where this memory exists but cannot be seen", string("from..to", span), { default: [] as string[] }),
  shadow: list(
    "addresses where this memory is hidden until the chipset shows it, in front of what else is there",
    string("from..to", span),
    {
      default: [] as string[],
    },
  ),
  gap: string("addresses that this memory leaves free: what does not fit below continues above", { ...span, optional: true }),
} satisfies Keys;

const target = string(`where an interrupt output leads: "plic:10", "cpu0.intr", "cpu*.msip" (every hart), "" (nowhere)`);
const addresses = (doc: string) =>
  either(doc, [int("address", ADDRESS), list("one address for each window", int("address", ADDRESS))], {
    optional: true,
    form: "an address or a list of addresses",
  });

/** Keys of every `[device.NAME]` beside those of its type. */
export const WIRING = {
  type: string("which component it is; `bringup devices` lists them"),
  at: addresses("address of its window in memory, or of each of them in order"),
  io: addresses("port of its window in the I/O space, or of each of them in order"),
  irq: either(
    'where its interrupt outputs lead: one output as a text, several as a list in order or as a table by name; "plic:1+n" counts instances',
    [
      target,
      list("outputs in order", target),
      named("outputs by name", either("one input or several", [target, list("inputs", target)], { form: "an input or a list of them" })),
    ],
    { optional: true, form: `an input like "plic:10", a list of inputs, or a table from output to input` },
  ),
  pci: string('where it is plugged in: host bridge, device and function, as in "pci:1.1"', {
    pattern: /^\w+:([12]?\d|3[01])\.[0-7]$/,
    form: `a host bridge with device (0..31) and function (0..7), like "pci:1.1"`,
    optional: true,
  }),
  dma: string('channel of a DMA controller that serves it: "dma:2"', {
    optional: true,
    pattern: /^\w+:\d+$/,
    form: `a channel like "dma:2"`,
  }),
  compatible: either(
    "what its device-tree node says that it is compatible with, instead of what its type says; the most exact first",
    [string("vendor,device"), list("vendor,device", string("vendor,device"))],
    { optional: true, form: `a text like "snps,dw-apb-uart" or a list of texts` },
  ),
  console: bool("its byte stream is a console of the machine: the terminal, `serial` in a scenario", { default: false }),
  count: int("how many of it there are, named `NAME[0]` and so on", { optional: true, min: 1, max: 1024 }),
  stride: size("distance between the windows of two instances", { optional: true, min: 1 }),
} satisfies Keys;

/** The type of a device that only spreads interrupts: what drives its input n drives every target. */
export const FANOUT_TYPE = "irq.fanout";
export const FANOUT = {
  type: WIRING.type,
  to: list(
    "where input n leads",
    string("input of another device, with n for the number", {
      pattern: /^[^:]+:n(\?\d+=\d+(,\d+=\d+)*)?$/,
      form: `a text like "pic:n" or "ioapic:n?0=2" (0 goes to 2, all others to their own number)`,
    }),
  ),
  shared: list("inputs that several devices may drive, as COM1 and COM3 do on a PC: they are ORed", int("number of an input"), {
    default: [],
  }),
} satisfies Keys;

/** Keys of `boot` that every architecture has. */
export const BOOT = {
  kernel: file("the image to start when the command line names none", { optional: true }),
  initrd: file("initial RAM disk", { optional: true }),
  symbols: file("ELF file with the image's symbols; the one beside a disk image or flat binary when absent", { optional: true }),
  cmdline: string("the kernel's command line", { default: "" }),
  reset: choice("what a reset that the guest asks for does: restart the machine, or stop the run", {
    choices: ["restart", "stop"],
    default: "restart",
  }),
} satisfies Keys;

/** The tables of a machine file, in the order in which they are described. */
export const SECTIONS = ["cpu", "clock", "memory", "device", "firmware", "boot"] as const;
