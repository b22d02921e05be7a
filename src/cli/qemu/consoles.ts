// -serial, -debugcon, -chardev, -display and the like: which consoles the machine has, and where they go.
// Sources: QEMU 7.2, "Character device options", "Debug/Expert options"; softmmu/vl.c for what is there when nobody says.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { type QemuLine, typed } from "./line.ts";
import { integer, isOn, type Properties, properties, refuse } from "./syntax.ts";

/** Where a console goes, as --serial has it; "none" is a port whose output nobody sees, undefined no port at all. */
type Where = string | undefined;
const isStdio = (where: Where): boolean => where === "stdio" || where?.startsWith("stdio,log=") === true;

const NO_MONITOR = "Ctrl-A C opens the monitor on the terminal; nothing else does";
const NO_WINDOW = "there are no windows: --display terminal shows a text screen in the terminal, --screenshot FILE.png writes a picture";
const WINDOWS = ["gtk", "sdl", "cocoa", "vnc", "spice-app", "egl-headless", "dbus", "default"];
/** Backends of -chardev. */
const BACKENDS = [
  "stdio",
  "file",
  "null",
  "socket",
  "vc",
  "pipe",
  "pty",
  "udp",
  "ringbuf",
  "msmouse",
  "braille",
  "testdev",
  "serial",
  "tty",
  "parallel",
  "spicevmc",
  "hub",
];
const COMS = 4;
const DEBUGCON = 0xe9;

/** A debug console. */
export interface DebugConsole {
  readonly port: number;
  readonly where: Where;
}

export class Consoles {
  readonly #chardevs = new Map<string, Properties>();
  /** Those that consoles have. */
  readonly #used = new Set<string>();
  /** By -serial. */
  readonly #given: readonly Where[];
  /** By -device isa-serial. */
  readonly serials: { readonly index: number | undefined; readonly where: Where }[] = [];
  readonly debug: DebugConsole[] = [];
  /** By -device virtio-serial-device; a port without a name is the console. */
  readonly buses: {
    readonly id: string | undefined;
    readonly slot: number;
    readonly ports: { readonly name: string | undefined; readonly where: Where }[];
  }[] = [];

  constructor(readonly line: QemuLine) {
    for (const { what, props } of line.tables("chardev", "backend")) {
      const { id, backend = "" } = props;
      if (id === undefined) throw new ConfigError(`${what}: id=... is missing`);
      if (!BACKENDS.includes(backend)) throw new ConfigError(`${what}: there is no backend '${backend}'${didYouMean(backend, BACKENDS)}`);
      this.#chardevs.set(id, props);
    }
    for (const { value } of line.all("monitor", "mon")) if (value !== "none" && value !== "null") line.say(NO_MONITOR, `-monitor`);
    for (const { value } of line.all("parallel")) {
      if (value !== "none" && value !== "null") line.say("what is printed on the parallel port goes nowhere", "-parallel");
    }
    // Before devices: a place that several name is theirs first.
    this.#given = line.all("serial").map((g) => line.reading(g, () => this.where(g.value)));
    const port = debugPort(line);
    for (const given of line.all("debugcon")) this.debug.push({ port, where: line.reading(given, () => this.where(given.value)) });
  }

  /** Where a text such as "mon:stdio" or "chardev:ID" leads. */
  where(text: string): Where {
    const [head, rest] = /^(\w+):?(.*)$/s.exec(text)?.slice(1) ?? [text, ""];
    if (head === "none" && !rest) return undefined;
    if (head === "mon") {
      this.line.mux ||= rest === "stdio";
      return this.where(rest);
    }
    if (head === "stdio" || head === "null" || head === "vc") return head === "stdio" ? "stdio" : "none";
    if (head === "file") return rest || refuse("a file's name is missing behind 'file:'");
    if (head === "chardev") return this.named(rest);
    if (head === "tcp" || head === "telnet") return socket({ ...properties(rest, "address"), telnet: head === "telnet" ? "on" : "off" });
    return refuse(
      `there are stdio, file:FILE, tcp::PORT,server, null, none and chardev:id${
        didYouMean(head, ["stdio", "file", "tcp", "telnet", "null", "none", "chardev", "mon"])
      }`,
    );
  }

  /** Where a -chardev leads. @throws {ConfigError} there is none of that name, or it is a place that is not there. */
  named(id: string | undefined): Where {
    if (id === undefined) return "none";
    const props = this.#chardevs.get(id);
    if (!props) return refuse(`there is no -chardev with id=${id}${didYouMean(id, this.#chardevs.keys())}`);
    // What a mux has several of: one is on the terminal, or in the file.
    if (isOn(props.mux) && this.#used.has(id)) {
      this.line.say("one console is there at a time", `-chardev ${id}`);
      return "none";
    }
    this.#used.add(id);
    const where = this.#backend(id, props);
    return props.logfile === undefined ? where : `${where},log=${props.logfile}`;
  }

  #backend(id: string, props: Properties): string {
    const { backend = "", path } = props;
    if (backend === "stdio") {
      this.line.mux ||= isOn(props.mux);
      return "stdio";
    }
    if (backend === "null" || backend === "vc" || backend === "ringbuf") return "none";
    if (backend === "file") return path || refuse(`-chardev ${id}: path=... is missing`);
    if (backend === "socket" && path === undefined) return socket({ ...props, address: `${props.host ?? ""}:${props.port ?? ""}` });
    return refuse(`the backend '${backend}' is not there; there are stdio, file, socket with a TCP port, and null`);
  }

  /** Keys of the machine file, and --serial. */
  finish(): void {
    const { line } = this, bare = line.has("nodefaults"), given = [...this.#given];
    const others = [...this.debug, ...this.buses.flatMap((b) => b.ports)].map((p) => p.where);
    const busy = [...given, ...this.serials.map((s) => s.where), ...others].some(isStdio);
    // Without any there is one all the same: in the terminal, or in a window, which the terminal stands for here unless something else is there.
    line.mux ||= line.has("nographic") && given.length === 0 && !line.has("monitor");
    if (given.length === 0 && !bare) given.push(others.some(isStdio) ? "none" : "stdio");
    for (const { index, where } of this.serials) given[index ?? given.length] = where;
    const out = line.family === "x86" ? [...this.#coms(given), ...this.#debugConsoles()] : this.#uart(given);
    if (out.length > 0 && !(out[0] === "stdio" && out.length === 1)) { for (const where of out) line.options.push(`--serial=${where}`); }
    if (bare && line.machine === "pc" || line.last("parallel") === "none") line.set.set("device.lpt1", false);
    this.#display(busy);
  }

  #uart([first, ...more]: readonly Where[]): string[] {
    if (more.length > 0) this.line.say("the board has one serial port", typed(this.line.all("serial")[1] ?? { name: "serial", value: "" }));
    return [first ?? "none", ...this.#virtio()];
  }

  /** In the order of their slots. */
  #virtio(): string[] {
    const { line: { set } } = this, out: string[] = [];
    for (const { slot, ports } of [...this.buses].sort((a, b) => a.slot - b.slot)) {
      const key = `device.virtio[${slot}]`, named = ports.filter((p) => p.name !== undefined);
      set.set(`${key}.type`, "virtio.console").set(`${key}.console`, true);
      if (named.length > 0) set.set(`${key}.ports`, named.map((p) => p.name));
      for (const p of [ports.find((p) => p.name === undefined), ...named]) out.push(p?.where ?? "none");
    }
    return out;
  }

  /** The PC's ports are there as they are given; of a machine without these names nothing is to be removed. */
  #coms(given: readonly Where[]): string[] {
    const { line: { set, machine } } = this, out: string[] = [], there = machine === "pc" ? COMS : 1;
    if (given.length > there) {
      throw new ConfigError(
        `-serial is given ${given.length} times: the board has ${there === 1 ? "one serial port" : `${there} serial ports`}`,
      );
    }
    for (let n = 0; n < there; n++) {
      const where = given[n];
      if (where === undefined) set.set(`device.com${n + 1}`, false);
      else {
        if (n > 0) set.set(`device.com${n + 1}.console`, true);
        out.push(where);
      }
    }
    return out;
  }

  #debugConsoles(): string[] {
    const { line: { set, machine } } = this, out: string[] = [];
    if (machine === "pc" && this.debug.length === 0) set.set("device.debugcon", false);
    for (const [n, { port, where }] of this.debug.entries()) {
      const key = `device.debugcon${n || ""}`;
      if (n > 0 || machine !== "pc") set.set(`${key}.type`, "port-console");
      set.set(`${key}.io`, port).set(`${key}.seabios`, false);
      if (where === undefined) continue;
      set.set(`${key}.console`, true);
      out.push(where);
    }
    return out;
  }

  /** A window is the terminal's text screen, where there is a terminal and nothing else is on it. */
  #display(busy: boolean): void {
    const { line } = this, type = line.all("display").map(({ value }) => properties(value, "type").type).at(-1);
    if (type === "terminal" || type === "curses" || line.has("curses")) return void line.options.push("--display=terminal");
    if (type !== undefined && type !== "none" && !WINDOWS.includes(type)) {
      throw new ConfigError(`-display ${type}: there is no such display${didYouMean(type, ["none", "curses", ...WINDOWS])}`);
    }
    for (const name of ["vnc", "spice", "sdl"]) if (line.has(name)) line.say(NO_WINDOW, `-${name}`);
    if (type !== undefined && type !== "none") line.say(NO_WINDOW, `-display ${type}`);
    if (type === "none" || line.has("nographic")) line.options.push("--display=none");
    else if (line.machine === "pc" && !busy && line.set.get("device.vga") !== false && line.files.terminal) {
      line.options.push("--display=terminal");
    }
  }
}

/** Where -debugcon is: QEMU documents -global isa-debugcon.iobase=0x402 for firmware's messages. */
function debugPort(line: QemuLine): number {
  for (const { value } of line.all("global")) {
    const [, port] = /^isa-debugcon\.iobase=(.*)$/.exec(value) ?? [];
    if (port !== undefined) return integer(port, "iobase");
  }
  return DEBUGCON;
}

/** Only a server on this host: the number of its port. */
function socket({ address, server }: Properties): string {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? refuse("expected tcp::PORT,server");
  if (!isOn(server)) refuse(`connecting to others is not there; with 'server' it listens on the port`);
  if (host !== "" && !/^(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|::1?)$/.test(host)) refuse(`'${host}' is not this host`);
  return port;
}
