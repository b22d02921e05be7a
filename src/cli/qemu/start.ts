// -kernel, -bios and the like: what is started; -no-reboot, -gdb, -d, -rtc, -icount and the like: how it runs.
// Sources: QEMU 7.2, "Linux/Multiboot boot specific", "Debug/Expert options"; hw/riscv/boot.c and virt.c for where images go.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { onlyKnown, type QemuLine } from "./line.ts";
import { integer, refuse } from "./syntax.ts";

/** Where QEMU looks for firmware that is not where the command line says, and Debian puts it. */
const FIRMWARE = ["/usr/share/qemu", "/usr/local/share/qemu", "/usr/share/seabios", "/usr/share/ovmf"];
const DRAM = 0x8000_0000;

/** What is started. */
export function boot(line: QemuLine): void {
  line.kernel = line.last("kernel");
  line.initrd = line.last("initrd");
  line.append = line.last("append");
  const dtb = line.last("dtb"), bios = line.last("bios");
  if (dtb !== undefined) {
    if (line.family === "x86") line.say("a PC has no device tree", `-dtb ${dtb}`);
    else line.set.set("boot.dtb", dtb);
  }
  if (line.family === "riscv" && bios === "none") {
    // Where the hart begins without firmware: QEMU puts an image there that has no address of its own.
    line.set.set("firmware.sbi", "none").set("boot.load", `0x${DRAM.toString(16)}`);
  } else if (bios !== undefined && bios !== "default") {
    if (bios === "none") throw new ConfigError("-bios none: a PC begins in its BIOS");
    line.set.set(line.family === "x86" ? "firmware.bios" : "firmware.sbi", firmware(line, bios));
  }
}

/** The file itself, or one of that name where firmware is. */
function firmware(line: QemuLine, name: string): string {
  if (name.includes("/") || line.files.start(name)) return name;
  const folders = [...line.all("L").map((g) => g.value), ...FIRMWARE];
  return folders.map((f) => `${f}/${name}`).find((path) => line.files.start(path)) ?? name;
}

/** How it runs. */
export function run(line: QemuLine): void {
  // QEMU has SeaBIOS print on the serial port then.
  if (line.machine === "pc" && line.has("nographic")) line.set.set("firmware.serial", true);
  const stops = line.has("no-reboot") || action(line);
  if (stops) line.set.set("boot.reset", "stop");
  // A PC restarts after a triple fault. Where that is to end the run, what happened is told first.
  if (line.family === "x86") line.set.set("cpu.triple_fault", stops ? "stop" : "reset");
  clock(line);
  debugger_(line);
  traces(line);
}

const ACTIONS = ["reboot", "shutdown", "panic", "watchdog"];
/** Whether -action says that a reset ends the run. */
function action(line: QemuLine): boolean {
  const props = line.merged(["action"], "");
  line.reading("-action", () => onlyKnown(props, ACTIONS));
  if (props.shutdown === "pause") {
    line.say("a run that has stopped ends; with -s or -gdb the debugger can look first", "-action shutdown=pause");
  }
  return props.reboot === "shutdown";
}

function clock(line: QemuLine): void {
  const { base } = line.merged(["rtc"], "base");
  if (base !== undefined && base !== "utc" && base !== "localtime") {
    const at = new Date(/T/.test(base) ? `${base.replace(/Z$/, "")}Z` : `${base}T00:00:00Z`);
    if (Number.isNaN(at.getTime())) {
      throw new ConfigError(`-rtc base=${base}: expected utc, localtime, or a date such as 2026-01-01T00:00:00`);
    }
    line.set.set("clock.rtc", at);
  }
  const icount = line.merged(["icount"], "shift");
  line.reading("-icount", () => onlyKnown(icount, ["shift", "align", "sleep", "rr", "rrfile", "rrsnapshot"]));
  if (icount.rr !== undefined) {
    throw new ConfigError(`-icount rr=${icount.rr}: records of QEMU's cannot be made or read; runs are the same each time`);
  }
  if (icount.shift === undefined || icount.shift === "auto") return;
  const shift = line.reading(`-icount shift=${icount.shift}`, () => integer(icount.shift, "shift"));
  if (shift > 10) throw new ConfigError(`-icount shift=${shift}: expected 0 to 10, or auto`);
  if (shift === 0) return;
  line.set.set("clock.cpu_hz", Math.round(1e9 / 2 ** shift));
  if (line.machine === "microvm") line.set.set("clock.tsc_hz", 1_000_000_000);
}

function debugger_(line: QemuLine): void {
  const gdb = line.all("gdb").at(-1), port = gdb && gdb.value !== "none" ? line.reading(gdb, () => gdbPort(gdb.value)) : undefined;
  if (port !== undefined) line.options.push(`--gdb=${port}`);
  const served = port !== undefined || line.options.includes("--gdb=1234") || line.own.some((o) => /^--gdb\b/.test(o));
  if (!line.has("S")) return;
  if (!served) throw new ConfigError("-S: nobody could let the guest go on; -s or -gdb tcp::PORT lets a debugger");
  line.options.push("--wait");
}

function gdbPort(text: string): string {
  const [, kind, rest] = /^(\w+):(.*)$/s.exec(text) ?? ["", "tcp", text], [address] = rest.split(",");
  const [, host, port] = /^(.*?):?(\d+)$/.exec(address) ?? refuse("expected tcp::PORT");
  if (kind !== "tcp") refuse("expected tcp::PORT");
  if (host !== "" && !/^(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|::1?)$/.test(host)) refuse(`'${host}' is not this host`);
  return port;
}

/** Items of -d, and our channels. */
const CHANNELS: Readonly<Record<string, string>> = {
  int: "trap,irq",
  guest_errors: "guest",
  unimp: "unimp",
  mmu: "mmu",
  exec: "exec",
  cpu: "exec",
  in_asm: "exec",
  ...Object.fromEntries(
    ["out_asm", "op", "op_opt", "op_ind", "fpu", "pcall", "cpu_reset", "page", "nochain", "plugin", "strace", "tid", "vpu", "none"].map((
      i,
    ) => [i, ""]),
  ),
  all: "all",
};
export const TRACE_ITEMS: readonly string[] = Object.keys(CHANNELS);
/** Those without a channel change what QEMU writes of others. */
const QUIET = ["nochain", "fpu", "tid", "vpu", "none"];

function traces(line: QemuLine): void {
  const items = line.all("d").flatMap((g) => g.value.split(",")).filter(Boolean), channels = new Set<string>();
  for (const item of items) {
    if (item.startsWith("trace:")) line.say("QEMU's trace events are not there", `-d ${item}`);
    else if (!Object.hasOwn(CHANNELS, item)) {
      throw new ConfigError(`-d ${item}: there is no such item${didYouMean(item, Object.keys(CHANNELS))}`);
    } else if (CHANNELS[item]) { for (const c of CHANNELS[item].split(",")) channels.add(c); }
    else if (!QUIET.includes(item)) line.say("no channel is like it: `--trace help` lists them", `-d ${item}`);
  }
  const file = line.all("D").at(-1);
  if (channels.size) line.options.push(`--trace=${channels.has("all") ? "all" : [...channels].join(",")}`);
  if (channels.size && file) line.options.push(`--trace-file=${file.value}`);
}
