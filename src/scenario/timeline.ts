// What happened in a run, on one axis of guest time: what each console printed, what the guest was given, what its screen showed, interrupts,
// exceptions, changes of modes, and what the script did. It is bounded, however long the run is: neighbours become one.
import { load } from "../core/later.ts";
import type { Log } from "../core/log.ts";
import type { TextScreen } from "../core/device.ts";
import type { DebuggableCore, EngineCpu } from "../machine/engine_cpu.ts";
import type { Symbols } from "../machine/elf.ts";
import { KEYBOARD } from "./inputs.ts";
import { momentOf } from "./machine_like.ts";
import { startReplay } from "./replay.ts";
import { rowText } from "./screen.ts";
import { MachineSession, sessionEnds } from "./session.ts";

/** Spots of a lane, characters of a console, and pictures of the screen that are kept at most. */
const SPOTS = 2000, CHARACTERS = 1 << 19, FRAMES = 240;
/** Characters of a spot's text. */
const TEXT = 200;
/** What is printed so many nanoseconds after the last of a line is told apart from it. */
const PAUSE_NS = 1e6;
/** Of the host's time, for looking at a run once more. */
const LOOK_MS = 10_000;

/** Something, or several things in a row: from and to which tick, how many, and the first of them. */
export type Spot = [from: number, to: number, count: number, text: string];

/** Spots in their order. */
export class Lane {
  readonly spots: Spot[] = [];
  constructor(readonly name: string, readonly join: (first: string, second: string) => string = (first) => first) {}
  add(ticks: number, text: string): void {
    const last = this.spots.at(-1), at = Math.max(ticks, last?.[0] ?? 0);
    this.spots.push([at, at, 1, text.slice(0, TEXT)]);
    if (this.spots.length > SPOTS) this.#halve();
  }
  /** Neighbours become one. */
  #halve(): void {
    const { spots } = this;
    for (let i = 0; 2 * i < spots.length; i++) {
      const [first, second] = [spots[2 * i], spots.at(2 * i + 1)];
      spots[i] = second && 2 * i + 1 < spots.length ? [first[0], second[1], first[2] + second[2], this.join(first[3], second[3])] : first;
    }
    spots.length = Math.ceil(spots.length / 2);
  }
}

/** What a console printed, with its times. */
export class Printout {
  readonly pieces: [ticks: number, text: string][] = [];
  /** Characters that are not kept. */
  dropped = 0;
  #length = 0;
  #last = 0;
  /** The decoder has the beginning of a character. */
  #begun = false;
  readonly #decoder = new TextDecoder();
  constructor(readonly name: string, readonly pause: number) {}
  add(ticks: number, byte: number): void {
    const plain = byte < 0x80 && !this.#begun, last = this.pieces.at(-1);
    const text = plain ? String.fromCharCode(byte) : this.#decoder.decode(Uint8Array.of(byte), { stream: true });
    this.#begun = text === "";
    if (this.#begun) return;
    if (!last || last[1].endsWith("\n") || ticks - this.#last > this.pause || last[1].length >= 4096) this.pieces.push([ticks, text]);
    else last[1] += text;
    this.#last = ticks;
    this.#length += text.length;
    if (this.#length <= CHARACTERS && this.pieces.length <= 8 * SPOTS) return;
    const gone = this.pieces.splice(0, Math.ceil(this.pieces.length / 4)).reduce((n, [, text]) => n + text.length, 0);
    this.#length -= gone;
    this.dropped += gone;
  }
}

/** A text screen: for each row its characters and the runs of their colours. */
export type Frame = [ticks: number, rows: [text: string, colours: [length: number, attribute: number][]][]];

export function frameOf(ticks: number, screen: TextScreen): Frame {
  const rows = Array.from({ length: screen.rows }, (_, row): Frame[1][number] => {
    const runs: [number, number][] = [];
    for (let column = 0; column < screen.columns; column++) {
      const attribute = screen.cells[row * screen.columns + column] >> 8 & (screen.blink ? 0x7f : 0xff), last = runs.at(-1);
      if (last && last[1] === attribute) last[0]++;
      else runs.push([1, attribute]);
    }
    return [rowText(screen, row), runs];
  });
  return [ticks, rows];
}

/** All of it. */
export interface Timeline {
  readonly hz: number;
  readonly end: number;
  readonly lanes: readonly { readonly name: string; readonly spots: readonly Spot[] }[];
  readonly consoles: readonly { readonly name: string; readonly dropped: number; readonly pieces: readonly [number, string][] }[];
  readonly frames: readonly Frame[];
  readonly steps: readonly {
    readonly from: number;
    readonly to: number;
    readonly depth: number;
    readonly name: string;
    readonly failed: boolean;
  }[];
  readonly notes: readonly string[];
}

/** Which lane an event of a processor belongs to. */
const isInterrupt = (line: string) => /interrupt|\bNMI\b|\bIRQ\b|INTR/i.test(line) && !/\bINT 0x/.test(line);
const MODE = /^(?:satp|cr0|cr3|cr4|efer|pkru|pkrs) = /;
/** "U -> S": another privilege than before. */
const switches = (line: string) => /^(\w+) -> (\w+) /.exec(line);

/** Collects while a machine runs; the guest sees no difference. */
export class Collector {
  readonly #lanes = {
    interrupts: new Lane("interrupts"),
    exceptions: new Lane("exceptions"),
    modes: new Lane("modes"),
    screen: new Lane("screen"),
  };
  readonly #printouts: Printout[];
  #frames: Frame[] = [];
  #dirty = true;
  #nextFrame = 0;
  #spacing = 0;
  readonly notes: string[] = [];

  private constructor(readonly session: MachineSession) {
    const { machine } = session, pause = session.ticksOf(PAUSE_NS);
    this.#printouts = [...session.consoles.values()].map((console) => {
      const printout = new Printout(console.name, pause), before = console.onByte;
      console.onByte = (byte) => {
        printout.add(machine.age, byte);
        before(byte);
      };
      return printout;
    });
    if (session.hasScreen) session.screen.watch(() => this.#dirty = true);
    const { hooks } = session;
    session.hooks = {
      ...hooks,
      afterSlice: () => {
        this.#look();
        return hooks.afterSlice?.();
      },
    };
  }

  /** Begins with a machine that has not run yet. */
  static async attach(session: MachineSession): Promise<Collector> {
    session.trail ??= [];
    const collector = new Collector(session), { machine } = session;
    const { traceCpus } = await load<typeof import("../machine/tracing.ts")>("machine/tracing.ts");
    const log: Log = {
      on: (channel) => channel === "trap" || channel === "mmu",
      line: (channel, source, text) => collector.#event(channel, `${source}: `, text),
    };
    await machine.complete?.();
    const cpus = machine.cpus as unknown as readonly EngineCpu<DebuggableCore>[];
    // Whoever listens already goes on hearing.
    const before = cpus.map((cpu) => cpu.core?.trace);
    if (cpus.every((cpu) => cpu.core)) traceCpus(cpus, log, machine.symbols as Symbols);
    for (const [i, own] of before.entries()) {
      const ours = cpus[i].core?.trace;
      if (!own || !ours) continue;
      cpus[i].core.trace = {
        trap: (line) => (ours.trap?.(line), own.trap?.(line)),
        mmu: (line) => (ours.mmu?.(line), own.mmu?.(line)),
      };
    }
    return collector;
  }

  #event(channel: string, source: string, text: string): void {
    const { age } = this.session.machine, { interrupts, exceptions, modes } = this.#lanes;
    if (channel === "mmu") return MODE.test(text) ? modes.add(age, source + text) : undefined;
    (isInterrupt(text) ? interrupts : exceptions).add(age, source + text);
    const change = switches(text);
    if (change && change[1] !== change[2]) modes.add(age, source + change[0].trim());
  }

  /** A picture of a text screen that has changed, not more often than there is room for. */
  #look(): void {
    const { session } = this, { age } = session.machine;
    if (!this.#dirty || !session.hasScreen || age < this.#nextFrame || session.machine.yielded) return;
    const text = session.screen.port.text();
    this.#dirty = false;
    this.#nextFrame = age + this.#spacing;
    if (!text) return void this.#lanes.screen.add(age, "graphics");
    const frame = frameOf(age, text), last = this.#frames.at(-1);
    if (last && JSON.stringify(last[1]) === JSON.stringify(frame[1])) return;
    this.#frames.push(frame);
    this.#lanes.screen.add(age, frame[1].map(([text]) => text.trim()).filter(Boolean).at(-1) ?? "(empty)");
    if (this.#frames.length <= FRAMES) return;
    this.#frames = this.#frames.filter((_, i) => i % 2 === 0);
    this.#spacing = Math.max(2 * this.#spacing, Math.ceil(age / FRAMES));
  }

  /** What there is; `of`: whose script and inputs they are, if the run was another one's. */
  timeline(of: MachineSession = this.session): Timeline {
    const { session } = this, { machine } = session, end = machine.age;
    this.#dirty = true;
    this.#nextFrame = 0;
    this.#look();
    const inputs = new Map<string, Lane>();
    for (const { at, to, bytes } of of.inputLog.given()) {
      const lane = inputs.get(to) ?? new Lane(`to ${to}`, (a, b) => a + b);
      inputs.set(to, lane);
      lane.add(at.ticks, to === KEYBOARD ? bytes.map((b) => b.toString(16).padStart(2, "0") + " ").join("") : textOf(bytes));
    }
    const steps = of.steps.map((s) => ({
      from: s.fromTicks,
      to: s.toTicks ?? end,
      depth: s.depth,
      name: s.name,
      failed: s.failed === true || s.toTicks === undefined,
    }));
    const waits = (of.trail ?? []).map((w) => ({ from: w.from, to: w.to ?? end, depth: w.depth, name: w.what, failed: w.failed === true }));
    // A step comes before what is in it, and behind what was over when it began.
    for (const step of steps.toReversed()) {
      const inside = waits.findIndex((w) => w.from > step.from || w.from === step.from && w.depth > step.depth);
      waits.splice(inside < 0 ? waits.length : inside, 0, step);
    }
    const lanes = [...inputs.values(), ...Object.values(this.#lanes)].filter((lane) => lane.spots.length > 0);
    return {
      hz: machine.clock.hz,
      end,
      lanes: lanes.map(({ name, spots }) => ({ name, spots })),
      consoles: this.#printouts.map(({ name, dropped, pieces }) => ({ name, dropped, pieces })),
      frames: this.#frames,
      steps: waits.slice(-SPOTS),
      notes: this.notes,
    };
  }
}

const textOf = (bytes: readonly number[]) => new TextDecoder().decode(Uint8Array.from(bytes));

/** The timeline of a run that is over: it is run once more, by what the guest was given. */
export async function timelineAgain(session: MachineSession): Promise<Timeline> {
  const { create } = session.options;
  if (!create) throw new Error("the machine cannot be made again");
  const again = new MachineSession(create(false), { ...session.options, failOn: [], budget: { guest: "none", wall: "none" } });
  const end = { at: momentOf(session.machine), digest: session.machine.digest() };
  startReplay(again, { inputs: session.inputLog, end });
  const collector = await Collector.attach(again), ended = Promise.withResolvers<string>();
  const timer = setTimeout(() => ended.resolve("late"), LOOK_MS);
  const note = await Promise.race([again.replayed().then(() => "", (e: Error) => e.message), ended.promise]);
  clearTimeout(timer);
  again.freeze();
  if (note === "late") collector.notes.push(`the run was looked at for ${LOOK_MS / 1000} s: this is its beginning`);
  else if (note) collector.notes.push(`${note}: the script changes the machine otherwise than by input`);
  const timeline = collector.timeline(session);
  // It is no script's machine.
  const { seen } = sessionEnds;
  sessionEnds.seen = undefined;
  await again[Symbol.asyncDispose]();
  sessionEnds.seen = seen;
  return timeline;
}
