// QEMU's options, a row each: what they become of ours, which part of `bringup qemu` reads them, what is said of them, or why they cannot be.
// Behind a command line of ours they are read by `foreign.ts`. Source: QEMU's "Invocation" (qemu.org, system emulation, 7.2).
import { harts, memory, properties, refuse, tcpPort } from "./syntax.ts";

/** What of a command line reads an option; each part sees all of them, for QEMU minds no order. */
export type Part = "board" | "processor" | "boot" | "disks" | "devices" | "consoles" | "run";

/** One option. In `bringup qemu` without `part`, `missing`, `said` and `to` it is accepted and changes nothing; behind a command line of ours without `to` and `instead`. */
export interface Row {
  /** What its value looks like; absent: it takes none. */
  readonly value?: string;
  readonly doc: string;
  /** Our options for it. @throws {ConfigError} that value means nothing here. */
  readonly to?: (value: string, line: Line) => readonly string[];
  readonly part?: Part;
  /** `bringup qemu` accepts it with these words. */
  readonly said?: string;
  /** Why `bringup qemu` refuses it. */
  readonly missing?: string;
  /** Why it cannot be behind a command line of ours, and what to use. */
  readonly instead?: string;
}

/** A command line of ours that is being read. */
export interface Line {
  /** The machine file, if it stands before the option. */
  readonly machine: string | undefined;
}

const none = (why: string) => (value: string) => value === "none" || value === "null" ? [] : refuse(why);
const as = (option: string) => (value: string) => [option, value];
const NO_NETWORK = "networks are not there yet";
const NO_DEVICE = "a device is a table of the machine file; `devices` lists what there is";
const NO_KVM = "the host's virtualization is not used; leave it out";
const WINDOW = "use --display terminal or --screenshot";
const KVM_SAID = "the host's virtualization is not used";
const NO_MONITOR = "Ctrl-A C opens the monitor on the terminal; nothing else does";
const SNAPSHOT = "states of QEMU's cannot be read; a scenario's m.snapshot() keeps one";

/** By name without dashes: QEMU takes one or two. */
// deno-fmt-ignore
export const QEMU: Readonly<Record<string, Row>> = {
  // The machine.
  machine: { value: "[type=]name[,prop=value...]", doc: "the board", part: "board", to: sameMachine },
  M: { value: "name", doc: "the same", part: "board", to: sameMachine },
  accel: { value: "name", doc: "tcg; others are said not to be used", part: "board", to: (a) => /^tcg\b/.test(a) ? [] : refuse(NO_KVM) },
  "enable-kvm": { doc: "said not to be used", said: KVM_SAID, instead: NO_KVM },
  "no-kvm": { doc: "how it is anyway" },
  cpu: { value: "model[,+feature][,prop=value]", doc: "processor and features", part: "processor", instead: "use --set cpu.isa=rv64gc_zbb (RISC-V) or --set cpu.model=max (x86)" },
  smp: { value: "[cpus=]n[,sockets=n...]", doc: "number of processors", part: "board", to: (count) => ["--harts", harts(count)] },
  m: { value: "[size=]megs", doc: "RAM; MiB when there is no unit", part: "board", to: (size) => ["--memory", memory(size)] },
  "mem-path": { value: "FILE", doc: "changes nothing" },
  "mem-prealloc": { doc: "changes nothing" },
  numa: { value: "node...", doc: "one node is there", said: "all memory is one node" },
  global: { value: "driver.prop=value", doc: "a property of all devices of a kind", part: "devices", instead: "use --set with a key of the machine file" },
  device: { value: "driver[,prop=value...]", doc: "a device", part: "devices", to: device },
  object: { value: "type,id=id...", doc: "what devices refer to", part: "devices", instead: NO_DEVICE },
  nodefaults: { doc: "no devices but those named", part: "devices" },
  "no-user-config": { doc: "how it is anyway" },
  "no-acpi": { doc: "changes nothing" },
  "no-hpet": { doc: "no HPET", part: "board", instead: "use --set device.hpet=false, with device.pit.irq=isa:0 and device.cmos.irq=isa:8" },
  rtc: { value: "base=utc|localtime|DATE", doc: "the clock's time at the start; one run is like the other unless a date is given", part: "run", instead: "use --set clock.rtc=2026-01-01T00:00:00Z" },
  icount: { value: "shift=n", doc: "an instruction takes 2^n ns", part: "run", to: () => [] },
  usb: { doc: "said not to be there", said: "USB is not there", instead: "USB is not there" },
  usbdevice: { value: "name", doc: "said not to be there", said: "USB is not there" },
  audio: { value: "none|DRIVER", doc: "said not to be there", part: "devices", to: none("sound is not there") },
  audiodev: { value: "driver,id=id...", doc: "changes nothing: sound is not there", instead: "sound is not there" },
  soundhw: { value: "name", doc: "said not to be there", said: "sound is not there" },
  watchdog: { value: "name", doc: "said not to be there", said: "no watchdog is there" },
  "watchdog-action": { value: "action", doc: "changes nothing" },
  tpmdev: { value: "type,id=id...", doc: "changes nothing: a TPM is not there" },
  smbios: { value: "type=n,...", doc: "said not to be changed", said: "the firmware's tables are those of the machine" },
  acpitable: { value: "sig=...", doc: "said not to be changed", said: "the firmware's tables are those of the machine" },
  fw_cfg: { value: "[name=]name,file=FILE|string=TEXT", doc: "an item for the firmware configuration device", part: "devices", instead: "only the files of the firmware are there" },
  // What is started.
  kernel: { value: "FILE", doc: "the kernel", part: "boot", to: (file) => [file] },
  initrd: { value: "FILE", doc: "initial RAM disk, or Multiboot modules", part: "boot", to: (file) => ["--initrd", file] },
  append: { value: "TEXT", doc: "kernel command line", part: "boot", to: (text) => [`--append=${text}`] },
  bios: { value: "FILE|default|none", doc: "firmware", part: "boot", to: (file) => file === "default" ? [] : ["--firmware", file] },
  dtb: { value: "FILE", doc: "device tree", part: "boot", instead: "the device tree is made from the machine file; `describe` shows it" },
  boot: { value: "[order=]drives[,once=drives]", doc: "the order of disks: a floppy, c hard disk, d CD", part: "boot", instead: "the image in the kernel's place is booted" },
  "option-rom": { value: "FILE", doc: "not there", missing: "ROMs on cards are not there" },
  L: { value: "DIR", doc: "where firmware is looked for", part: "boot", to: () => [] },
  "no-fd-bootchk": { doc: "changes nothing" },
  semihosting: { doc: "said not to be there", said: "semihosting is not there: a call traps as the breakpoint that it is", instead: "semihosting is not there" },
  "semihosting-config": { value: "enable=on...", doc: "said not to be there", said: "semihosting is not there: a call traps as the breakpoint that it is", instead: "semihosting is not there" },
  // Disks.
  drive: { value: "[file=FILE][,if=kind][,index=n][,id=id]...", doc: "a disk, or an image that a device names", part: "disks", to: drive },
  blockdev: { value: "driver=...,node-name=id...", doc: "an image that a device names", part: "disks", instead: "use --disk" },
  cdrom: { value: "FILE", doc: "a CD, the third IDE drive", part: "disks", to: as("--cd") },
  hda: { value: "FILE", doc: "the first IDE drive", part: "disks", to: as("--disk") },
  hdb: { value: "FILE", doc: "the second IDE drive", part: "disks", to: as("--disk") },
  hdc: { value: "FILE", doc: "the third IDE drive", part: "disks", to: as("--disk") },
  hdd: { value: "FILE", doc: "the fourth IDE drive", part: "disks", to: as("--disk") },
  fda: { value: "FILE", doc: "the first floppy", part: "disks", to: as("--floppy") },
  fdb: { value: "FILE", doc: "the second floppy", part: "disks", to: as("--floppy") },
  pflash: { value: "FILE", doc: "firmware in flash memory", part: "disks", instead: "use --firmware for a BIOS" },
  sd: { value: "FILE", doc: "not there", missing: "SD cards are not there" },
  mtdblock: { value: "FILE", doc: "not there", missing: "flash memory is not there" },
  snapshot: { doc: "what is written to disks stays in memory", part: "disks" },
  fsdev: { value: "driver,id=id,path=DIR...", doc: "a folder that a device names" },
  virtfs: { value: "driver,path=DIR,mount_tag=tag...", doc: "not there", missing: "folders of the host (9p) are not there" },
  // Networks.
  netdev: { value: "type,id=id...", doc: "said not to be there", part: "devices", instead: NO_NETWORK },
  nic: { value: "type[,model=name]...|none", doc: "said not to be there", part: "devices", to: none(NO_NETWORK) },
  net: { value: "type...|none", doc: "said not to be there", part: "devices", to: none(NO_NETWORK) },
  // Consoles and the screen.
  serial: { value: "WHERE", doc: "a serial port: stdio, file:FILE, tcp::PORT,server, null, none, chardev:id", part: "consoles", to: serial },
  parallel: { value: "WHERE", doc: "the parallel port: what is printed there goes nowhere", part: "consoles", to: none("leave it out: what is printed on lpt1 goes nowhere") },
  debugcon: { value: "WHERE", doc: "the debug console at port 0xe9", part: "consoles", instead: "use --set device.debugcon.console=true and --serial" },
  chardev: { value: "backend,id=id...", doc: "a place that serial ports and others name", part: "consoles", instead: "use --serial FILE, a port number, or stdio" },
  monitor: { value: "WHERE", doc: "Ctrl-A C opens a monitor", part: "consoles", to: none("Ctrl-A C opens the monitor; leave it out") },
  mon: { value: "[chardev=]id", doc: "Ctrl-A C opens a monitor", part: "consoles", instead: "Ctrl-A C opens the monitor" },
  qmp: { value: "WHERE", doc: "said not to be there", said: NO_MONITOR },
  "qmp-pretty": { value: "WHERE", doc: "said not to be there", said: NO_MONITOR },
  echr: { value: "n", doc: "changes nothing: it is Ctrl-A" },
  nographic: { doc: "no screen; the first serial port is the terminal", part: "consoles" },
  display: { value: "none|curses|...", doc: "curses: the text screen in the terminal; there are no windows", part: "consoles", to: display },
  curses: { doc: "the text screen in the terminal", part: "consoles", to: () => ["--display", "terminal"] },
  sdl: { doc: "there are no windows", part: "consoles", instead: `there are no windows; ${WINDOW}` },
  vnc: { value: "WHERE", doc: "there are no windows", part: "consoles", instead: WINDOW },
  spice: { value: "...", doc: "there are no windows", part: "consoles", instead: WINDOW },
  vga: { value: "std|none|...", doc: "the VGA", part: "devices", to: (kind) => kind === "none" ? ["--set", "device.vga=false"] : kind === "std" ? [] : refuse("only 'std' is there") },
  "full-screen": { doc: "there are no windows" },
  k: { value: "LAYOUT", doc: "changes nothing" },
  // The run.
  "no-reboot": { doc: "a reset ends the run", part: "run", to: () => ["--set", "boot.reset=stop"] },
  "no-shutdown": { doc: "said: the run ends", said: "a run that has stopped ends; with -s or -gdb the debugger can look first", instead: "--gdb holds the machine when it stops" },
  action: { value: "event=action", doc: "reboot=shutdown is -no-reboot", part: "run", instead: "use --set boot.reset=stop" },
  S: { doc: "start stopped, until GDB continues", part: "run", to: () => ["--wait"] },
  s: { doc: "serve GDB on port 1234", to: () => ["--gdb=1234"] },
  gdb: { value: "tcp::PORT", doc: "serve GDB", part: "run", to: (where) => [`--gdb=${tcpPort("gdb", where)}`] },
  d: { value: "item,...", doc: "trace lines: int, guest_errors, unimp, mmu, exec...", part: "run", instead: "use --trace; --trace help lists its channels" },
  D: { value: "FILE", doc: "where they go instead of stderr", part: "run", instead: "use --trace and send stderr to a file: 2>FILE" },
  dfilter: { value: "range,...", doc: "said not to be there", said: "trace lines are not chosen by their address" },
  trace: { value: "[enable=]pattern", doc: "said not to be there", said: "QEMU's trace events are not there; -d is", instead: "use --trace; --trace help lists its channels" },
  plugin: { value: "FILE...", doc: "not there", missing: "plugins of QEMU cannot be loaded" },
  daemonize: { doc: "not there", missing: "start it in the background: bringup ... &", instead: "start it in the background: bringup ... &" },
  pidfile: { value: "FILE", doc: "the process's number is written there", part: "run", instead: "your shell knows the process's number: $!" },
  loadvm: { value: "NAME", doc: "not there", missing: SNAPSHOT },
  incoming: { value: "WHERE", doc: "not there", missing: SNAPSHOT },
  readconfig: { value: "FILE", doc: "not there", missing: "write its options on the command line" },
  ...Object.fromEntries(["name", "uuid", "seed", "compat", "msg", "sandbox", "runas", "chroot", "run-with", "overcommit", "tb-size", "add-fd"].map((n) =>
    [n, { value: "...", doc: "changes nothing" } satisfies Row])),
  ...Object.fromEntries(["singlestep", "one-insn-per-tb", "only-migratable", "win2k-hack", "enable-sync-profile", "async-teardown"].map((n) =>
    [n, { doc: "changes nothing" } satisfies Row])),
};

function serial(text: string): readonly string[] {
  if (text === "stdio" || text === "mon:stdio") return ["--serial", "stdio"];
  if (text === "none" || text === "null") return ["--serial", "none"];
  if (text.startsWith("file:")) return ["--serial", text.slice(5)];
  return text.startsWith("tcp:") ? ["--serial", tcpPort("serial", text)] : refuse("use --serial FILE, a port number, or stdio");
}

function display(text: string): readonly string[] {
  const { type } = properties(text, "type");
  if (type === "none") return ["--display", "none"];
  return type === "curses" ? ["--display", "terminal"] : refuse(`there are no windows; ${WINDOW}`);
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
