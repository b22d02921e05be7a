// The GDB remote serial protocol for a session: GDB manual (version 13), appendix E "GDB Remote Serial Protocol". Harts are threads
// 1, 2, ... Not modelled: watchpoints, reverse execution, range stepping, stepping one hart while others run.
import { ConfigError } from "../core/errors.ts";
import type { Cpu } from "../core/cpu.ts";
import type { Stop } from "../machine/stop.ts";
import { osMessage } from "../scenario/host.ts";
import { describeRest } from "../scenario/machine_like.ts";
import type { MachineSession } from "../scenario/session.ts";
import { runCommand } from "./monitor.ts";
import { frame, fromHex, latin1, PACKET_SIZE, type PacketEvent, PacketReader, toHex } from "./packets.ts";
import { bytesOf, describeTarget, descriptionsOf, type Target, type TargetRegister } from "./target.ts";

/** GDB's numbers of signals in stop replies. */
const SIGINT = 2, SIGTRAP = 5, SIGABRT = 6, SIGSEGV = 11;
/** Error replies: E01 what was asked makes no sense, E14 the address cannot be read or written (EFAULT). */
const BAD = "E01", FAULT = "E14";
const PAGE = 4096n;

export interface GdbOptions {
  /** TCP port on 127.0.0.1; 0 takes a free one. */
  readonly port: number;
  /** Hold the machine until a debugger has connected and continued. */
  readonly wait: boolean;
  /** What GDB is told the processor is; absent: what it is, or i386 where the kernel is a 32-bit ELF file. */
  readonly arch?: string | undefined;
  /** The debugger has asked to end the run. */
  onQuit(): void;
  /** A line for the user. */
  onMessage(text: string): void;
}

/** Serves debuggers until it is closed, one at a time. @throws {ConfigError} the port is taken, or the processor is none of `options.arch`. */
export function serveGdb(session: MachineSession, options: GdbOptions): GdbServer {
  const { cpus: [cpu], symbols } = session.machine,
    fits = Object.entries(descriptionsOf(cpu)).find(([, description]) => description.bits === symbols.bits);
  const arch = options.arch ?? fits?.[0] ?? cpu.arch;
  const target = describeTarget(cpu, arch);
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname: "127.0.0.1", port: options.port });
  } catch (e) {
    throw new ConfigError(`--gdb: cannot listen on port ${options.port}: ${osMessage(e)}`);
  }
  const server = new GdbServer(session, target, listener, options);
  options.onMessage(`GDB can connect: target remote localhost:${server.port}${options.wait ? " (waiting for it)" : ""}`);
  return server;
}

export class GdbServer {
  /** The machine must not run. */
  paused: boolean;
  readonly port: number;
  /** The debugger that has the machine. */
  #client: GdbClient | undefined;
  readonly #served: Promise<void>;
  #held = false;

  constructor(
    readonly session: MachineSession,
    readonly target: Target,
    readonly listener: Deno.TcpListener,
    readonly options: GdbOptions,
  ) {
    this.paused = options.wait;
    this.port = listener.addr.port;
    this.#served = this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.listener) {
      connection.setNoDelay(true);
      new GdbClient(this, connection).serve();
    }
  }

  /** A connection has said its first word: it gets the machine, unless another one has it. */
  claim(client: GdbClient): boolean {
    this.#client ??= client;
    return this.#client === client;
  }

  /** The debugger has gone: the next one may come. */
  release(client: GdbClient): void {
    if (this.#client === client) this.#client = undefined;
  }

  /** The machine has come to a breakpoint of a debugger. */
  onBreakpoint(stop: Stop): void {
    if (this.#client && stop.kind === "breakpoint") this.#client.stoppedAt(stop.cpu, SIGTRAP);
  }

  /** The machine has stopped for good; a guest that died may be looked at before the run ends. */
  onFinalStop(stop: Stop): void {
    if (this.#client && stop.kind !== "exit" && stop.kind !== "reset") {
      this.#client.stoppedAt(0, deathSignal(stop));
    }
  }

  /** The machine stays where it is, until a debugger lets it go on; when that goes, the run is over. */
  hold(): void {
    this.#held = true;
    this.setPaused(true);
    this.#client?.stoppedAt(0, SIGTRAP);
  }
  /** A debugger has gone. */
  detached(): void {
    this.setPaused(false);
    if (this.#held) this.options.onQuit();
    this.#held = false;
  }

  setPaused(paused: boolean): void {
    this.paused = paused;
    this.session.wake();
  }

  /** Tells the debugger that the run is over, and frees the port. */
  async close(status: number): Promise<void> {
    this.listener.close();
    await this.#client?.exited(status);
    // The iterator over a closed listener ends.
    await this.#served;
  }
}

/**
 * One connection. Like a probe on a board, a debugger stops the machine with its first word; a connection without one (a port scan)
 * does not.
 */
class GdbClient {
  readonly #reader = new PacketReader();
  readonly #said = new Set<string>();
  readonly #breakpoints = new Map<bigint, Set<Cpu>>();
  #acknowledge = true;
  #last: Uint8Array<ArrayBuffer> = new Uint8Array();
  #sending: Promise<void> = Promise.resolve();
  #closed = false;
  /** The client has continued the machine and is owed a stop reply. */
  #running = false;
  /** The last stop, for `?`. */
  #stopReply = "";
  /** Index of the hart that register and memory packets are about, and the one to step. */
  #cpu = 0;
  #stepCpu = 0;
  #attached = false;
  /** Name of a packet up to its first punctuation -> what it does. */
  readonly #handlers: Readonly<Record<string, (rest: string) => string | undefined>> = {
    "?": () => this.#stopReply,
    g: () => this.#readGeneral(),
    G: (rest) => this.#writeGeneral(rest),
    p: (rest) => this.#readRegister(rest),
    P: (rest) => this.#writeRegister(rest),
    m: (rest) => this.#readMemory(rest),
    M: (rest) => this.#writeMemory(rest, (data) => fromHex(data)),
    X: (rest) => this.#writeMemory(rest, latin1),
    c: (rest) => this.#resumeAt(rest, () => this.#continue()),
    C: (rest) => this.#resumeAt(rest.split(";")[1] ?? "", () => this.#continue()),
    s: (rest) => this.#resumeAt(rest, () => this.#step(this.#stepCpu)),
    S: (rest) => this.#resumeAt(rest.split(";")[1] ?? "", () => this.#step(this.#stepCpu)),
    vCont: (rest) => this.#vCont(rest),
    "vCont?": () => "vCont;c;C;s;S",
    vKill: () => (this.#quit(), "OK"),
    k: () => (this.#quit(), undefined),
    D: () => (this.#detach(), "OK"),
    H: (rest) => this.#selectThread(rest),
    T: (rest) => this.#cpuOf(rest) === undefined ? BAD : "OK",
    Z: (rest) => this.#breakpoint(rest, true),
    z: (rest) => this.#breakpoint(rest, false),
    qSupported: () => this.#supported(),
    QStartNoAckMode: () => "OK",
    qXfer: (rest) => this.#transfer(rest),
    qfThreadInfo: () => `m${this.#cpus.map((_, i) => (i + 1).toString(16)).join(",")}`,
    qsThreadInfo: () => "l",
    qThreadExtraInfo: (rest) => this.#threadInfo(rest),
    qC: () => `QC${(this.#cpu + 1).toString(16)}`,
    qAttached: () => "1",
    qRcmd: (rest) => this.#monitor(rest),
  };

  constructor(readonly server: GdbServer, readonly connection: Deno.TcpConn) {}

  /** The first packet: takes the machine and stops it. A second debugger is told why it cannot; GDB prints the text of an E. reply. */
  #attach(): boolean {
    if (this.#attached) return true;
    this.#attached = this.server.claim(this);
    if (this.#attached) {
      this.server.setPaused(true);
      this.#stopReply = this.#stop(0, SIGTRAP);
    } else {
      this.#send("E.another debugger is connected");
      this.#hangUp();
    }
    return this.#attached;
  }

  get #session(): MachineSession {
    return this.server.session;
  }
  get #cpus(): readonly Cpu[] {
    return this.#session.machine.cpus;
  }

  /** Talks until the connection ends. */
  async serve(): Promise<void> {
    const buffer = new Uint8Array(PACKET_SIZE);
    try {
      while (!this.#closed) {
        // A reset by the other side is as good as its end.
        const n = await this.connection.read(buffer).catch(() => null);
        if (n === null) break;
        for (const event of this.#reader.push(buffer.subarray(0, n))) this.#handle(event);
      }
    } finally {
      if (this.#attached) this.#detach();
      this.server.release(this);
      await this.#hangUp();
    }
  }

  async #hangUp(): Promise<void> {
    this.#closed = true;
    await this.#sending;
    try {
      this.connection.close();
    } catch {
      // Closed already.
    }
  }

  /** The machine stands at an instruction of a hart: tells the debugger, if it waits for that. */
  stoppedAt(cpu: number, signal: number): void {
    this.server.setPaused(true);
    this.#cpu = this.#stepCpu = cpu;
    this.#stopReply = this.#stop(cpu, signal);
    this.#sayWhatIsHidden(this.#cpus[cpu]);
    if (this.#running) this.#send(this.#stopReply);
    this.#running = false;
  }

  /** The run is over. */
  async exited(status: number): Promise<void> {
    if (this.#running) this.#send(`W${(status & 0xff).toString(16).padStart(2, "0")}`);
    this.#running = false;
    await this.#hangUp();
  }

  #handle(event: PacketEvent): void {
    if (event.kind === "nak") this.#write(this.#last);
    else if (event.kind === "interrupt" && this.#attached) this.stoppedAt(this.#cpu, SIGINT);
    else if (event.kind === "corrupt") { if (this.#acknowledge) this.#write(latin1("-")); }
    else if (event.kind === "packet") this.#packet(event.data);
  }

  #packet(data: string): void {
    if (this.#acknowledge) this.#write(latin1("+"));
    if (!this.#attach()) return;
    const name = this.#nameOf(data), handler = this.#handlers[name];
    let reply: string | undefined = "";
    try {
      // What is not known gets an empty reply: "not supported".
      if (handler) reply = handler(data.slice(name.length));
    } catch (e) {
      // E. replies carry text; an error of ours must not end the debugging session.
      reply = `E.${(e as Error).message}`;
    }
    if (reply !== undefined) this.#send(reply);
    if (name === "QStartNoAckMode") this.#acknowledge = false;
  }

  #nameOf(data: string): string {
    if (data === "vCont?") return data;
    const first = data[0] ?? "";
    return /[a-zA-Z]/.test(first) && "vqQ".includes(first) ? /^[a-zA-Z]+/.exec(data)![0] : first;
  }

  #send(data: string): void {
    this.#last = frame(data);
    this.#write(this.#last);
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    this.#sending = this.#sending.then(async () => {
      for (let done = 0; done < bytes.length;) done += await this.connection.write(bytes.subarray(done));
    }).catch(() => {
      // The connection is gone; the reading side notices and detaches.
    });
  }

  /**
   * No "swbreak": where GDB finds no breakpoint of its own at the pc that it is told (an offset from CS, a description that it has refused), it
   * would take the stop for a late one and go on without a word. As it is, it says SIGTRAP. That "swbreak+" is among the features keeps it
   * from taking 1 off the pc of an x86.
   */
  #stop(cpu: number, signal: number): string {
    return `T${signal.toString(16).padStart(2, "0")}thread:${(cpu + 1).toString(16)};`;
  }

  /** What GDB has no means to show of where a processor stands, once for each kind. */
  #sayWhatIsHidden(cpu: Cpu): void {
    const hidden = this.server.target.hidden?.(cpu);
    if (hidden) this.#say(...hidden);
  }
  #say(kind: string, text: string): void {
    if (this.#said.has(kind)) return;
    this.#said.add(kind);
    this.server.options.onMessage(`GDB: ${text}`);
  }

  // Running

  #continue(): undefined {
    this.#running = true;
    this.server.setPaused(false);
    return undefined;
  }

  #step(cpu: number): string | undefined {
    const stop = this.#session.stepCpu(cpu);
    // The terminal shows what it printed.
    this.#session.wake();
    if (stop?.kind === "exit" || stop?.kind === "reset") return this.#continue();
    this.#cpu = this.#stepCpu = cpu;
    this.#sayWhatIsHidden(this.#cpus[cpu]);
    return this.#stopReply = this.#stop(cpu, stop && stop.kind !== "breakpoint" ? deathSignal(stop) : SIGTRAP);
  }

  #resumeAt(address: string, go: () => string | undefined): string | undefined {
    if (address !== "") {
      if (!isHex(address)) return BAD;
      this.#cpus[this.#stepCpu].setReg("pc", BigInt(`0x${address}`));
    }
    return go();
  }

  /** One hart steps, or all run: the first action that applies to a thread counts, and a step wins. */
  #vCont(rest: string): string | undefined {
    const actions = rest.split(";").slice(1).map((a) => /^([cCsS])(?:[0-9a-fA-F]{2})?(?::(.+))?$/.exec(a));
    if (actions.length === 0 || actions.some((a) => !a)) return BAD;
    for (const [, kind, thread] of actions as RegExpExecArray[]) {
      if (kind.toLowerCase() !== "s") continue;
      const cpu = thread === undefined ? this.#stepCpu : this.#cpuOf(thread);
      return cpu === undefined ? BAD : this.#step(cpu);
    }
    return this.#continue();
  }

  #quit(): void {
    this.server.options.onQuit();
  }

  #detach(): void {
    for (const [address, cpus] of this.#breakpoints) for (const cpu of cpus) this.#clear(cpu, address);
    this.#breakpoints.clear();
    this.#running = false;
    this.server.detached();
  }

  #breakpoint(rest: string, insert: boolean): string {
    const m = /^([01]),([0-9a-fA-F]+),[0-9a-fA-F]+/.exec(rest);
    if (!m) return /^[2-4],/.test(rest) ? "" : BAD;
    const address = BigInt(`0x${m[2]}`), ours = this.#breakpoints.get(address) ?? new Set<Cpu>();
    for (const cpu of this.#cpus) {
      if (insert && !cpu.breakpoints.has(address)) {
        cpu.breakpoints.add(address);
        cpu.breakpointsChanged();
        ours.add(cpu);
      } else if (!insert && ours.has(cpu)) this.#clear(cpu, address);
    }
    if (insert) this.#breakpoints.set(address, ours);
    else this.#breakpoints.delete(address);
    return "OK";
  }

  #clear(cpu: Cpu, address: bigint): void {
    cpu.breakpoints.delete(address);
    cpu.breakpointsChanged();
  }

  // Threads

  /** The hart of a thread number in hex; 0 and -1 mean any. */
  #cpuOf(thread: string): number | undefined {
    if (thread === "0" || thread === "-1") return this.#cpu;
    const n = isHex(thread) ? parseInt(thread, 16) : 0;
    return n >= 1 && n <= this.#cpus.length ? n - 1 : undefined;
  }

  #selectThread(rest: string): string {
    const cpu = this.#cpuOf(rest.slice(1));
    if (cpu === undefined) return BAD;
    if (rest[0] === "g") this.#cpu = cpu;
    else if (rest[0] === "c") this.#stepCpu = cpu;
    else return BAD;
    return "OK";
  }

  #threadInfo(rest: string): string {
    const cpu = this.#cpuOf(rest.slice(1));
    return cpu === undefined ? BAD : toHex(latin1(`cpu${cpu}${this.#cpus[cpu].idle ? ` (${describeRest(this.#cpus[cpu])})` : ""}`));
  }

  // Registers

  #valueOf(cpu: Cpu, r: TargetRegister): string {
    let v = cpu.reg(r.of ?? r.name), hex = "";
    for (let i = 0; i < bytesOf(r); i++, v >>= 8n) hex += Number(v & 0xffn).toString(16).padStart(2, "0");
    return hex;
  }

  #setValue(cpu: Cpu, r: TargetRegister, hex: string): boolean {
    const bytes = fromHex(hex);
    if (bytes?.length !== bytesOf(r)) return false;
    // As an instruction with a 32-bit operand does, writing a lower half clears the upper one.
    cpu.setReg(r.of ?? r.name, bytes.reduceRight((v, b) => v << 8n | BigInt(b), 0n));
    return true;
  }

  #readGeneral(): string {
    const { registers, general } = this.server.target, cpu = this.#cpus[this.#cpu];
    return registers.slice(0, general).map((r) => this.#valueOf(cpu, r)).join("");
  }

  #writeGeneral(rest: string): string {
    const { registers, general } = this.server.target, cpu = this.#cpus[this.#cpu];
    let at = 0;
    for (const r of registers.slice(0, general)) {
      const hex = rest.slice(at, at += 2 * bytesOf(r));
      // What is the same is left alone: a register and its lower half are both there.
      if (hex.toLowerCase() !== this.#valueOf(cpu, r) && !this.#setValue(cpu, r, hex)) return BAD;
    }
    return "OK";
  }

  #register(number: string): TargetRegister | undefined {
    return isHex(number) ? this.server.target.registers[parseInt(number, 16)] : undefined;
  }

  #readRegister(rest: string): string {
    const r = this.#register(rest);
    return r ? this.#valueOf(this.#cpus[this.#cpu], r) : BAD;
  }

  #writeRegister(rest: string): string {
    const [number, value = ""] = rest.split("="), r = this.#register(number);
    return r && this.#setValue(this.#cpus[this.#cpu], r, value) ? "OK" : BAD;
  }

  // Memory

  /** Pieces of guest memory, page by page: where each is in physical memory, as far as it is RAM or ROM. Devices are never touched. */
  *#pieces(vaddr: bigint, length: number): Generator<{ readonly paddr: number; readonly length: number }> {
    const cpu = this.#cpus[this.#cpu], { bus } = this.#session.machine;
    for (let done = 0; done < length;) {
      const at = vaddr + BigInt(done), n = Math.min(length - done, Number(PAGE - at % PAGE));
      const paddr = cpu.translate(at, "read");
      const region = paddr === undefined ? undefined : bus.find(paddr);
      if (paddr === undefined || !region?.bytes) return;
      const inRegion = Math.min(n, region.base + region.length - paddr);
      yield { paddr, length: inRegion };
      done += inRegion;
    }
  }

  #readMemory(rest: string): string {
    const m = /^([0-9a-fA-F]+),([0-9a-fA-F]+)$/.exec(rest);
    if (!m) return BAD;
    const length = Math.min(parseInt(m[2], 16), PACKET_SIZE / 2 - 16);
    let hex = "";
    for (const p of this.#pieces(BigInt(`0x${m[1]}`), length)) hex += toHex(this.#session.machine.bus.readBytes(p.paddr, p.length));
    return hex === "" && length > 0 ? FAULT : hex;
  }

  #writeMemory(rest: string, decode: (data: string) => Uint8Array | undefined): string {
    const m = /^([0-9a-fA-F]+),([0-9a-fA-F]+):([^]*)$/.exec(rest), data = m ? decode(m[3]) : undefined;
    if (!m || data?.length !== parseInt(m[2], 16)) return BAD;
    const pieces = [...this.#pieces(BigInt(`0x${m[1]}`), data.length)];
    if (pieces.reduce((n, p) => n + p.length, 0) < data.length) return FAULT;
    let done = 0;
    for (const p of pieces) {
      // The bus tells the CPUs, so that translations of old code are dropped. ROM is written, too: the user knows what they do.
      this.#session.machine.bus.writeBytes(p.paddr, data.subarray(done, done + p.length), { rom: true });
      done += p.length;
    }
    return "OK";
  }

  // Queries

  #supported(): string {
    return `PacketSize=${
      PACKET_SIZE.toString(16)
    };qXfer:features:read+;swbreak+;hwbreak-;vContSupported+;QStartNoAckMode+;qXfer:exec-file:read+`;
  }

  #transfer(rest: string): string {
    const m = /^:(features|exec-file):read:([^:]*):([0-9a-fA-F]+),([0-9a-fA-F]+)$/.exec(rest);
    if (!m) return "";
    const text = m[1] === "exec-file" ? this.#file : m[2] === "target.xml" ? this.server.target.xml : undefined;
    if (text === undefined) return "E00";
    const offset = parseInt(m[3], 16), length = Math.min(parseInt(m[4], 16), PACKET_SIZE - 4);
    return (offset + length < text.length ? "m" : "l") + text.slice(offset, offset + length);
  }
  /** Where the symbols are, for a GDB that was given no file: it has them then as reports do. An ELF file of another width would confuse it. */
  get #file(): string | undefined {
    const { symbols } = this.#session.machine;
    if (symbols.file === undefined || symbols.bits !== this.server.target.bits) return undefined;
    try {
      const path = Deno.realPathSync(symbols.file);
      // Other characters would have to be escaped.
      return /^[ !"%-)+-|~]*$/.test(path) ? path : undefined;
    } catch {
      return undefined;
    }
  }

  #monitor(rest: string): string {
    const bytes = fromHex(rest.slice(1));
    if (!bytes) return BAD;
    const answer = runCommand(new TextDecoder().decode(bytes), {
      session: this.#session,
      // GDB itself decides about running.
      setPaused: () => {},
      quit: () => this.#quit(),
    });
    return answer ? toHex(new TextEncoder().encode(answer + "\n")) : "OK";
  }
}

const deathSignal = (stop: Stop): number => stop.kind === "trapLoop" || stop.kind === "tripleFault" ? SIGSEGV : SIGABRT;
const isHex = (s: string): boolean => /^[0-9a-fA-F]+$/.test(s);
