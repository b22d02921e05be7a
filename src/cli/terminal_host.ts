// Ties a session to this process's terminal or pipes: output, input, signals, monitor, debugger and pacing.
import { load } from "../core/later.ts";
import type { NamedStream } from "../machine/address_names.ts";
import type { Stop } from "../machine/stop.ts";
import { formatNs } from "../scenario/duration.ts";
import { describeAddress } from "../scenario/machine_like.ts";
import type { MachineSession } from "../scenario/session.ts";
import type { TerminalDisplay, Typist } from "./display.ts";
import { Input } from "./input.ts";
import type { Monitor } from "./monitor.ts";
import { Output, SILENCE_MS, writeText } from "./output.ts";
import { Pacer } from "./pacer.ts";
import type { SerialPorts } from "./serial.ts";

const SIGNALS: Partial<Record<Deno.Signal, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** What takes typed bytes as keys. */
const keyboardSink = (typist: Typist) => ({
  enqueue: (bytes: Uint8Array) => bytes.forEach((b) => typist.byte(b)),
  queued: 0,
  onDrained: () => {},
});

/** Ties a session to this process: stdout, stdin, signals, monitor, debugger and pacing. */
export class TerminalHost {
  readonly output: Output;
  readonly input: Input;
  readonly #pacer: Pacer;
  #monitor: Monitor | undefined;
  /** The list of keys, or a report, is shown in the place of the guest's screen. */
  #helping = false;
  #hinted = false;
  readonly #startedMs = performance.now();
  /** What `--serial` named. */
  readonly ports: SerialPorts | undefined;
  #paused = false;
  #quit!: (status: number) => void;
  readonly #quitting = new Promise<number>((resolve) => this.#quit = resolve);
  #listening = false;
  readonly #listeners: [Deno.Signal, () => void][] = [];
  /** Beside addresses on the terminal, once one may have been printed. */
  #names: NamedStream | undefined;
  #lastTicks = 0;
  #lastMs = performance.now();
  /** The GDB server, when there is one: it may hold the machine. */
  debugger: { readonly paused: boolean; onBreakpoint(stop: Stop): void; onFinalStop(stop: Stop): void } | undefined;

  /** The guest's screen on this terminal, and who types on its keyboard. */
  readonly #display: TerminalDisplay | undefined;
  readonly #typist: Typist | undefined;

  /**
   * @param how `feed`: stdin goes to the guest; `jump`: idle time is skipped also when somebody may still type; `bounded`: guest time is
   * limited; `display`: with which the terminal shows the guest's screen.
   */
  constructor(
    readonly session: MachineSession,
    readonly how: {
      readonly feed: boolean;
      readonly jump: boolean;
      readonly bounded: boolean;
      readonly display?: typeof import("./display.ts") | undefined;
      readonly serial?: ((onActivity: () => void) => SerialPorts) | undefined;
      readonly hint?: boolean;
      /** No names beside addresses. */
      readonly raw?: boolean;
      /** Of a run that a signal ends, where it is not 128 and the signal's number. */
      readonly signalStatus?: number | undefined;
      /** A pipe on stdin has Ctrl-A commands. */
      readonly commands?: boolean | undefined;
    },
  ) {
    this.ports = how.serial?.(() => this.#pacer.wake());
    const console = this.ports ? this.ports.stdio : session.consoles.values().next().value;
    this.output = new Output(() => this.#progress());
    if (!how.raw && Deno.stdout.isTerminal()) this.output.names = "later";
    if (how.display) {
      const show = (text: string) => writeText(Deno.stdout, text);
      this.#display = new how.display.TerminalDisplay(session.screen, show, () => Deno.consoleSize());
      if (session.hasKeyboard) this.#typist = new how.display.Typist(session.keyboard);
    }
    this.input = new Input(this.#typist ? keyboardSink(this.#typist) : console, {
      onCommand: (key) => this.#command(key),
      monitorOpen: () => this.#monitor !== undefined || this.#helping,
      onMonitorByte: (b) => this.#monitor ? this.#monitor.byte(b) : this.#cover(),
      onActivity: () => {
        this.#names?.typed();
        this.#pacer.wake();
      },
    }, how.commands);
    this.#pacer = new Pacer(session.machine);
    if (console) {
      const copy = this.ports?.copy;
      console.onByte = (b) => {
        copy?.(b);
        this.output.byte(b);
        this.#pacer.activity();
      };
    }
    session.hooks = {
      inputMayCome: () => this.how.feed ? !this.input.ended || this.ports?.live === true : this.ports?.live || undefined,
      limitTicks: () => this.#pacer.limitTicks(this.#pacing()),
      afterSlice: () => this.#afterSlice(),
      paused: () => {
        const paused = this.#paused || this.debugger?.paused === true;
        if (paused) this.output.flush();
        return paused;
      },
      onBreakpoint: (stop) => this.debugger?.onBreakpoint(stop),
      onFinalStop: (stop) => this.debugger?.onFinalStop(stop),
    };
  }

  start(): void {
    if (this.input.interactive || this.debugger || !this.how.feed) this.#listen();
    this.#cover();
  }

  /** The guest's screen takes the terminal, for the first time or again. */
  #cover(): void {
    if (!this.#display) return;
    this.#helping = false;
    this.output.cover();
    this.#display.start();
    this.#display.redraw(performance.now());
  }

  /** Takes signals and stdin; what is not somebody's terminal or debugger waits for the end of the first slice: many runs end in it. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    for (const [signal, status] of Object.entries(SIGNALS)) {
      this.#on(signal as Deno.Signal, () => this.quit(this.how.signalStatus ?? status));
    }
    // Deno's inspector answers the first, too.
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) this.#on(signal, () => this.#report());
    if (this.how.feed) this.input.start();
    if (this.how.feed && this.input.waitsForTerminal) this.#on("SIGCONT", () => this.input.continued());
    if (this.#display) this.#on("SIGWINCH", () => this.#display!.redraw(performance.now()));
  }
  #on(signal: Deno.Signal, listener: () => void): void {
    Deno.addSignalListener(signal, listener);
    this.#listeners.push([signal, listener]);
  }

  /** The status of whichever comes first: the work's, or that of a quit. */
  race(work: Promise<number>): Promise<number> {
    return Promise.race([work, this.#quitting]);
  }

  quit(status: number): void {
    this.#quit(status);
    this.session.freeze();
  }

  /** Gives the terminal back. */
  close(): void {
    this.#display?.close();
    this.output.uncover();
    this.output.end();
    this.output.eraseProgress();
    this.input.restore();
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #pacing(): "wall" | "auto" | "jump" {
    if (this.session.machine.paced || (this.how.feed && this.ports?.live)) return "wall";
    if (!this.how.feed || this.input.ended) return "jump";
    if (this.input.interactive) return "wall";
    return this.how.jump ? "jump" : "auto";
  }

  #afterSlice(): Promise<void> | void {
    // Before anything is shown: who sees it may send a signal at once.
    if (!this.session.stop) this.#listen();
    const behind = this.ports?.flush(), names = this.output.wantsNames ? this.#loadNames() : undefined;
    return behind || names ? Promise.all([behind, names]).then(() => this.#rest()) : this.#rest();
  }

  async #loadNames(): Promise<void> {
    const { namesOf } = await load<typeof import("../machine/address_names.ts")>("machine/address_names.ts");
    const names = namesOf(this.session.machine.symbols);
    if (names.any) this.#names = names.stream();
    this.output.names = this.#names ?? "none";
  }

  #rest(): Promise<void> | void {
    const idle = this.session.machine.cpus.every((c) => c.idle);
    if (this.#display) this.#draw(this.#display, idle);
    else {
      this.output.flush();
      this.output.tick();
    }
    if (this.how.hint && !this.#hinted) this.#hint(idle);
    if (this.output.broken) return this.quit(141);
    const { session } = this, { machine } = session;
    if (machine.yielded) return;
    if (session.stop || !idle) return this.#pacer.busy();
    const forever = machine.sleep === "input" && ![...session.consoles.values()].some((c) => c.queued > 0) && !session.queuedKeys;
    // A pipe's end, or what is in it, is known in a moment; whether time passes meanwhile must not depend on that moment.
    if (forever && this.how.feed && !this.input.interactive && !this.input.heard) return this.input.hear();
    // Where nobody can type, waiting for that would never end; and guest time that is limited goes on even if nothing can happen any more.
    return this.#pacer.idle(forever && !this.how.feed ? "jump" : this.#pacing(), forever && !this.how.bounded);
  }

  /** An idle guest's last words are drawn at once: perhaps nothing happens any more. */
  #draw(display: TerminalDisplay, idle: boolean): void {
    if (display.draw(performance.now(), idle)) this.#typist?.settle();
  }

  /** Whoever sees an empty terminal while the guest writes on its screen is told so, once. */
  #hint(idle: boolean): void {
    const { session } = this, wait = !idle && !session.stop && performance.now() - this.#startedMs < SILENCE_MS;
    if (wait || !session.hasScreen || this.output.any || !Deno.stdout.isTerminal()) return;
    const graphics = session.screen.port.text() === undefined;
    if (!graphics && session.screen.text().trim() === "") return;
    this.#hinted = true;
    this.output.note(
      graphics
        ? "bringup: the guest draws on its screen: --screenshot FILE.png shows it at the end"
        : "bringup: the guest writes on its screen, not on the serial port: --display terminal shows it",
    );
  }

  #progress(): string | undefined {
    const { machine } = this.session, now = performance.now(), ticks = machine.stats.instructions ?? machine.clock.ticks;
    const mips = (ticks - this.#lastTicks) / (now - this.#lastMs) / 1000;
    [this.#lastTicks, this.#lastMs] = [ticks, now];
    const cpu = machine.cpus.find((c) => !c.idle);
    return cpu && `guest ${formatNs(machine.clock.nowNs)}, ${mips.toFixed(0)} MIPS, pc ${describeAddress(machine, cpu.pc)}`;
  }

  #command(key: string): void {
    if (key === "x") return this.quit(0);
    if (key === "h") this.#help();
    if (key === "c") this.#toggleMonitor();
    if (key === "r") this.#report();
    if (key === "l") this.#display?.redraw(performance.now());
  }

  async #help(): Promise<void> {
    const { KEYS } = await load<typeof import("./help.ts")>("cli/help.ts");
    this.#tell(KEYS);
  }

  /** Why the machine is where it is; it goes on. */
  async #report(): Promise<void> {
    const text = await this.session.report().then((report) => report.text, (e) => (e as Error).message);
    this.#tell(text.replace(/^/gm, "bringup: "));
  }

  /** Beside the guest's screen, not on it. */
  #tell(text: string): void {
    if (!this.#display || this.#monitor) return this.output.note(text);
    this.#display.suspend();
    this.#helping = true;
    writeText(Deno.stderr, `${text}\nAny key: back to the guest's screen\n`);
  }

  async #toggleMonitor(): Promise<void> {
    const { Monitor } = await load<typeof import("./monitor.ts")>("cli/monitor.ts");
    if (this.#monitor) {
      this.#monitor = undefined;
      writeText(Deno.stderr, "\n");
      return this.#cover();
    }
    this.#display?.suspend();
    this.#monitor = new Monitor({
      session: this.session,
      setPaused: (paused) => {
        this.#paused = paused;
        this.session.wake();
      },
      quit: () => this.quit(0),
      write: (text) => writeText(Deno.stderr, text),
    });
  }
}
