// What other programs' users and the Rust ecosystem's runners append to a command line: QEMU's options and those of Rust's test harness, each
// mapped to ours, accepted because it changes nothing here, or refused with what to use instead. Loaded when an option is not ours.
// Sources: QEMU's "Invocation" (qemu.org, system emulation, 7.2); "CLI arguments" of the rustc book's "Tests" chapter.
import { ConfigError } from "../core/errors.ts";
import { followingValue, isOption, type Option, optionName, RUN_OPTIONS, unknownOption } from "./options.ts";

/** One foreign option. Without `to` and `instead` it is accepted and changes nothing. */
interface Row {
  /** A value follows. */
  readonly value?: boolean;
  /** What it means on our command line. @throws {ConfigError} that value means nothing here. */
  readonly to?: (value: string, line: Line) => readonly string[];
  /** Why it cannot be, and what to use. */
  readonly instead?: string;
}

/** The command line that is being read. */
interface Line {
  /** The machine file, if it stands before the option. */
  readonly machine: string | undefined;
}

const refuse = (why: string): never => {
  throw new ConfigError(why);
};
const none = (why: string) => (value: string) => value === "none" || value === "null" ? [] : refuse(why);
const as = (option: string) => (value: string) => [option, value];
const NO_NETWORK = "networks are not there yet";
const NO_DEVICE = "a device is a table of the machine file; `devices` lists what there is";

/** QEMU's options by name, without dashes: it takes one or two. */
const QEMU: Readonly<Record<string, Row>> = {
  // Runs are so anyway: guest time counts instructions, writes to disks stay in memory.
  "no-acpi": {},
  "no-user-config": {},
  nodefaults: {},
  nographic: {},
  snapshot: {},
  icount: { value: true },
  name: { value: true },
  L: { value: true },
  k: { value: true },
  // The same by another name.
  "no-reboot": { to: () => ["--set", "boot.reset=stop"] },
  kernel: { value: true, to: (file) => [file] },
  initrd: { value: true, to: (file) => ["--initrd", file] },
  append: { value: true, to: (text) => [`--append=${text}`] },
  bios: { value: true, to: (file) => file === "default" ? [] : ["--firmware", file] },
  m: { value: true, to: (size) => ["--memory", memory(size)] },
  smp: { value: true, to: (count) => ["--harts", harts(count)] },
  s: { to: () => ["--gdb=1234"] },
  S: { to: () => ["--wait"] },
  gdb: { value: true, to: (where) => [`--gdb=${tcpPort("gdb", where)}`] },
  serial: { value: true, to: serial },
  display: { value: true, to: display },
  curses: { to: () => ["--display", "terminal"] },
  drive: { value: true, to: drive },
  cdrom: { value: true, to: as("--cd") },
  hda: { value: true, to: as("--disk") },
  hdb: { value: true, to: as("--disk") },
  hdc: { value: true, to: as("--disk") },
  hdd: { value: true, to: as("--disk") },
  fda: { value: true, to: as("--floppy") },
  fdb: { value: true, to: as("--floppy") },
  device: { value: true, to: device },
  vga: { value: true, to: (kind) => kind === "none" ? ["--set", "device.vga=false"] : kind === "std" ? [] : refuse("only 'std' is there") },
  machine: { value: true, to: sameMachine },
  M: { value: true, to: sameMachine },
  accel: { value: true, to: (a) => /^tcg\b/.test(a) ? [] : refuse("the host's virtualization is not used; leave it out") },
  monitor: { value: true, to: none("Ctrl-A C opens the monitor; leave it out") },
  net: { value: true, to: none(NO_NETWORK) },
  nic: { value: true, to: none(NO_NETWORK) },
  parallel: { value: true, to: none("leave it out: what is printed on lpt1 goes nowhere") },
  audio: { value: true, to: none("sound is not there") },
  // What is done in another way, or not at all.
  "enable-kvm": { instead: "the host's virtualization is not used; leave it out" },
  "no-shutdown": { instead: "--gdb holds the machine when it stops" },
  boot: { value: true, instead: "the image in the kernel's place is booted" },
  cpu: { value: true, instead: "use --set cpu.isa=rv64gc_zbb (RISC-V) or --set cpu.model=max (x86)" },
  d: { value: true, instead: "use --trace; --trace help lists its channels" },
  D: { value: true, instead: "use --trace and send stderr to a file: 2>FILE" },
  trace: { value: true, instead: "use --trace; --trace help lists its channels" },
  dtb: { value: true, instead: "the device tree is made from the machine file; `describe` shows it" },
  rtc: { value: true, instead: "use --set clock.rtc=2026-01-01T00:00:00Z" },
  debugcon: { value: true, instead: "use --set device.debugcon.console=true and --serial" },
  chardev: { value: true, instead: "use --serial FILE, a port number, or stdio" },
  mon: { value: true, instead: "Ctrl-A C opens the monitor" },
  netdev: { value: true, instead: NO_NETWORK },
  global: { value: true, instead: "use --set with a key of the machine file" },
  object: { value: true, instead: NO_DEVICE },
  fw_cfg: { value: true, instead: "only the files of the firmware are there" },
  usb: { instead: "USB is not there" },
  vnc: { value: true, instead: "use --display terminal or --screenshot" },
  daemonize: { instead: "start it in the background: bringup ... &" },
  semihosting: { instead: "semihosting is not there" },
  "semihosting-config": { value: true, instead: "semihosting is not there" },
};

const NOT_BY_US = "what a kernel's own test runner runs, it alone decides";

/** Options that `cargo test`, `cargo bench` and their users give a test program. A kernel cannot see them. */
const HARNESS: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(
    ["test", "bench", "quiet", "nocapture", "no-capture", "show-output", "ignored", "include-ignored", "exact", "report-time"].map((
      n,
    ) => [n, {}]),
  ),
  ...Object.fromEntries(["test-threads", "skip", "format", "color", "logfile", "shuffle-seed"].map((n) => [n, { value: true }])),
  q: {},
  Z: { value: true },
  list: { instead: `tests cannot be listed: ${NOT_BY_US}` },
};

/** Given again, these say nothing new. */
const ONCE: ReadonlySet<string> = new Set(["--set boot.reset=stop", "--serial stdio", "--display none"]);

/** What is wanted of a `bringup` command line with foreign options, and what its user should know. */
export interface Translated {
  readonly args: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Our command line for one with foreign options. With `cargo`, which runs us, arguments behind the kernel are meant for the test harness.
 * @throws {ConfigError} an option is nobody's, or cannot be served.
 */
export function translate(args: readonly string[], cargo: boolean): Translated {
  const out: string[] = [], notes: string[] = [];
  const positional: string[] = [];
  const place = (arg: string) => {
    positional.push(arg);
    if (cargo && positional.length > 2) notes.push(`'${arg}' has no effect: ${NOT_BY_US}`);
    else out.push(arg);
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (!isOption(arg) || arg === "--") {
      if (arg !== "--") place(arg);
      continue;
    }
    const [, given, equals] = /^(--?[^=]*)(?:=(.*))?$/s.exec(arg)!, own = optionName(given, RUN_OPTIONS);
    if (own !== undefined) {
      out.push(arg);
      const option: Option = RUN_OPTIONS[own as keyof typeof RUN_OPTIONS], next = args[i + 1];
      const follows = option.value && equals === undefined && next !== undefined && followingValue(option, next, RUN_OPTIONS) === next;
      if (follows) out.push(args[++i]);
      continue;
    }
    const name = given.replace(/^--?/, ""), row = rowOf(name);
    if (!row) throw unknownOption(given, RUN_OPTIONS);
    const value = row.value ? equals ?? args[++i] : "";
    if (value === undefined) throw new ConfigError(`${given} needs a value`);
    if (!row.value && equals !== undefined) throw new ConfigError(`${given} takes no value`);
    if (row.instead) throw new ConfigError(`${given}: ${row.instead}`);
    let ours: readonly string[];
    try {
      ours = row.to?.(value, { machine: positional[0] }) ?? [];
    } catch (e) {
      throw e instanceof ConfigError ? new ConfigError(`${given} ${value}: ${e.message}`) : e;
    }
    if (ours.length === 1 && !isOption(ours[0])) place(ours[0]);
    // A runner appends what its user has given already.
    else if (!ONCE.has(ours.join(" ")) || !out.join(" ").includes(ours.join(" "))) out.push(...ours);
  }
  return { args: out, notes };
}

/** Every option that is known here. */
export const FOREIGN_OPTIONS: readonly string[] = [...Object.keys(QEMU), ...Object.keys(HARNESS)];

const rowOf = (name: string): Row | undefined => [QEMU, HARNESS].find((rows) => Object.hasOwn(rows, name))?.[name];

/** "file=a,,b,format=raw" as QEMU reads it: a doubled comma stands for one. A part without "=" is `first`'s value. */
function properties(text: string, first: string): Record<string, string> {
  const parts = text.replaceAll(",,", "\0").split(",").map((p) => p.replaceAll("\0", ","));
  return Object.fromEntries(parts.map((p, i) => {
    const at = p.indexOf("=");
    return at >= 0 ? [p.slice(0, at), p.slice(at + 1)] : i === 0 ? [first, p] : [p, "on"];
  }));
}

/** QEMU's sizes are MiB when they have no unit. */
function memory(text: string): string {
  const [, number, unit] = /^(\d+)([KMGkmg]?)B?$/.exec(properties(text, "size").size ?? "") ?? refuse("expected a size such as 256M");
  return `${number}${(unit || "M").toUpperCase()}iB`;
}

function harts(text: string): string {
  const { cpus } = properties(text, "cpus");
  return cpus && /^\d+$/.test(cpus) ? cpus : refuse("expected a number of processors, such as 4");
}

function tcpPort(kind: string, text: string): string {
  return /^tcp:(?:|localhost|127\.0\.0\.1):(\d+)(?:,|$)/.exec(text)?.[1] ??
    refuse(`expected tcp::PORT; here --${kind} takes the port's number`);
}

function serial(text: string): readonly string[] {
  if (text === "stdio" || text === "mon:stdio") return ["--serial", "stdio"];
  if (text === "none" || text === "null") return ["--serial", "none"];
  if (text.startsWith("file:")) return ["--serial", text.slice(5)];
  return text.startsWith("tcp:") ? ["--serial", tcpPort("serial", text)] : refuse("use --serial FILE, a port number, or stdio");
}

function display(text: string): readonly string[] {
  const { type } = properties(text, "type");
  if (type === "none") return ["--display", "none"];
  return type === "curses" ? ["--display", "terminal"] : refuse("there are no windows; use --display terminal or --screenshot");
}

function drive(text: string): readonly string[] {
  const { file, if: bus = "ide", format = "raw", media = "disk" } = properties(text, "file");
  if (!file) refuse("file=... is missing");
  if (bus === "pflash") refuse("use --firmware for a BIOS");
  if (bus !== "ide" && bus !== "floppy") refuse(`'${bus}' is not there; without if= it is an IDE disk`);
  if (format !== "raw") refuse(`images of format '${format}' are not there; qemu-img convert -O raw makes a raw one`);
  return [bus === "floppy" ? "--floppy" : media === "cdrom" ? "--cd" : "--disk", file];
}

/** The debug exit of "Writing an OS in Rust" is in the machine file: only another place has to be said. */
function device(text: string): readonly string[] {
  const { driver, ...how } = properties(text, "driver");
  if (driver !== "isa-debug-exit") refuse(NO_DEVICE);
  const io = Number(how.iobase ?? 0x501), size = Number(how.iosize ?? 2);
  if (!Number.isInteger(io) || !Number.isInteger(size)) refuse("iobase and iosize must be numbers");
  return io === 0xf4 ? [] : ["--set", `device.debugexit.io=0x${io.toString(16)}`, "--set", `device.debugexit.size=${size}`];
}

/** A machine that has the file's name is the one that is meant. */
function sameMachine(text: string, { machine }: Line): readonly string[] {
  const ours = machine?.replace(/^.*\//, "").replace(/\.toml$/, "");
  const { type, ...more } = properties(text, "type");
  if (type !== ours) refuse("the machine file in the first place says which machine it is");
  for (const key of Object.keys(more)) refuse(`'${key}' is a key of the machine file, if it is there`);
  return [];
}
