// Replaying a recording: the guest is given what the log says at the moments that it says, and by nobody else, until the recording ends. Every
// step is checked: a run that goes another way is told of where it parts.
import { ConfigError } from "../core/errors.ts";
import { FRESH, INSIDE, type Moment } from "../machine/moment.ts";
import type { Stop } from "../machine/stop.ts";
import { describeStop, ReplayDiverged } from "./failures.ts";
import { type Given, KEYBOARD, RESET } from "./inputs.ts";
import { momentOf } from "./machine_like.ts";
import type { Queue } from "./pump.ts";
import type { Replay, ReplayEnd } from "./recorded.ts";
import type { Recording } from "./recording.ts";
import type { MachineSession } from "./session.ts";

/** @throws {ConfigError} something has been given to the guest already. */
export function startReplay(session: MachineSession, recording: Pick<Recording, "inputs" | "end">): void {
  if (session.machine.age > 0 || session.replayer) throw new ConfigError("a recording begins where its machine is switched on");
  const replayer = session.replayer = new Replayer(session, recording);
  session.addQueue(replayer);
}

class Replayer implements Queue, Replay {
  readonly #given: Iterator<Given>;
  #next: Given | undefined;
  /** A debugger has stepped: what is given is given as soon as it can be. */
  #disturbed = false;
  #error: Error | undefined;
  ended: ReplayEnd | undefined;

  constructor(readonly session: MachineSession, readonly recording: Pick<Recording, "inputs" | "end">) {
    this.#given = recording.inputs.given();
    for (const [name, port] of this.#ports()) {
      const before = port.onRoom;
      port.onRoom = () => this.ended ? before() : this.#room(name);
    }
    this.#accept(false);
    this.#advance();
  }

  #ports() {
    const { consoles, keyboard } = this.session.machine;
    return [...consoles, ...keyboard ? [[KEYBOARD, keyboard] as const] : []] as const;
  }
  /** Whether others may give the guest something. */
  #accept(takes: boolean): void {
    for (const console of this.session.consoles.values()) console.takes = takes;
    if (this.session.hasKeyboard) this.session.keyboard.keys.takes = takes;
  }

  disturbed(): void {
    this.#disturbed = true;
    this.session.machine.stopAt = undefined;
  }

  /** Takes the next entry, and has the machine come back there. */
  #advance(): void {
    const { value, done } = this.#given.next();
    this.#next = done ? undefined : value;
    const { where } = this.#target;
    this.session.machine.stopAt = where >= 4 && !(where & INSIDE) && !this.#disturbed ? this.#target : undefined;
  }
  /** The moment that comes next: of an entry, or of the end. */
  get #target(): Moment {
    return this.#next?.at ?? this.recording.end.at;
  }

  /** What comes next is the end of a recording that was cut off: it may be anywhere from there on. */
  get #isLoose(): boolean {
    return !this.#next && this.recording.end.digest === undefined;
  }

  get queued(): number {
    return this.ended ? 0 : 1;
  }
  get due(): number {
    if (this.ended) return Infinity;
    const now = momentOf(this.session.machine), { ticks, where } = this.#target, limit = where & INSIDE ? ticks + 1 : ticks;
    if (this.#error || this.#isAt(now)) return now.ticks;
    if (now.ticks < limit) return limit;
    if (this.onward) return now.ticks;
    // In the midst of a slice it may be another hart's turn, which comes: the end of the slice tells.
    return this.#hasPassed(now) ? now.ticks : now.ticks + 1;
  }
  /** The slice ends at the tick that comes next. */
  get onward(): boolean {
    const now = momentOf(this.session.machine), { ticks, where } = this.#target;
    return !this.ended && !this.#isLoose && where === 0 && now.where !== 0 && now.ticks >= ticks;
  }
  /** Whether the machine is where something is to be given between two instructions. */
  #isAt(now: Moment): boolean {
    const { ticks, where } = this.#target;
    if (this.#disturbed || this.#isLoose) return now.ticks >= ticks;
    return now.ticks === ticks && now.where === where;
  }
  /** What was to come by now has not. */
  #hasPassed(now: Moment): boolean {
    const { ticks, where } = this.#target;
    return !this.#disturbed && !this.#isLoose && now.where === 0 &&
      (now.ticks > ticks || now.ticks === ticks && where >= 4 && !(where & (FRESH | INSIDE)));
  }

  feed(): void {
    const now = momentOf(this.session.machine);
    if (this.#error) throw this.#error;
    if (this.ended) return;
    if (this.#hasPassed(now)) throw this.#diverged();
    while (this.#next && this.#isAt(now)) {
      if (!this.#give(this.#next)) {
        if (this.#disturbed) return;
        throw this.#diverged();
      }
      this.#advance();
    }
    if (!this.#next && this.#isAt(now)) this.#end();
    if (this.#error) throw this.#error;
  }

  /** A device has called: it can take something. */
  #room(name: string): void {
    const next = this.#next;
    if (!next || next.to !== name || this.#error) return;
    const { ticks, where } = momentOf(this.session.machine), { at } = next;
    if (this.#disturbed ? ticks < at.ticks : ticks !== at.ticks || where !== at.where) return;
    const given = this.#give(next);
    if (given) this.#advance();
    else if (this.#disturbed) return;
    else this.#error = this.#diverged();
    // What comes next may be at the end of this very instruction, and the hart that runs knows nothing of that.
    this.session.machine.requestBreak();
  }

  /** False when the guest does not take it. */
  #give({ to, bytes }: Given): boolean {
    const { machine, inputLog } = this.session;
    if (to === RESET) {
      this.session.reset();
      return true;
    }
    const port = machine.consoles.get(to) ?? (to === KEYBOARD ? machine.keyboard : undefined);
    if (!port) throw new ConfigError(`the recording gives something to '${to}', which this machine does not have`);
    for (const byte of bytes) {
      if (port.room() <= 0) return false;
      inputLog.add(momentOf(machine), to, byte);
      port.receive(byte);
    }
    return true;
  }

  #diverged(): ReplayDiverged {
    const { machine } = this.session, next = this.#next, { ticks } = this.#target, now = `this run is at tick ${machine.age}`;
    return new ReplayDiverged(
      next
        ? `the replay goes another way than the recording: at tick ${ticks} ${next.to} was given ${next.bytes.length} bytes, and ${now}`
        : `the replay goes another way than the recording, which ends at tick ${ticks}: ${now}`,
    );
  }

  /** The moment of the recording's end. */
  #end(): void {
    const { machine } = this.session, digest = machine.digest(), { digest: recorded, status, why } = this.recording.end;
    if (recorded !== undefined && recorded !== digest && !this.#disturbed) {
      this.#error = new ReplayDiverged(
        `the replay ends otherwise than the recording: the digest at tick ${machine.age} is ${digest} instead of ${recorded}`,
      );
      return;
    }
    this.ended = {
      ticks: machine.age,
      digest,
      exact: recorded === digest,
      complete: recorded !== undefined,
      ...(status !== undefined && { status }),
      ...(why !== undefined && { why }),
    };
    machine.stopAt = undefined;
    this.#accept(true);
  }

  /** The machine has stopped for good. */
  #stopped(stop: Stop): void {
    const now = momentOf(this.session.machine);
    if (this.ended || this.#error) return;
    if (!this.#next && this.#isAt(now)) return this.#end();
    const error = this.#diverged();
    error.message += ` and has stopped (${describeStop(stop).split("\n")[0]})`;
    this.#error = error;
  }

  wait(): Promise<ReplayEnd> {
    return this.session.wait<ReplayEnd>("the recording to end", "none", ({ stop }) => {
      if (stop && stop.kind !== "breakpoint") this.#stopped(stop);
      return this.#error ? { error: this.#error } : this.ended && { value: this.ended };
    });
  }
}
