// What happens in a machine, counted from the moment when a script asks: interrupts and exceptions that processors take, accesses of a device. The
// guest sees no difference. What is counted is not part of the machine's state: going back to a snapshot takes nothing away.
import type { BusTarget } from "../core/bus.ts";
import { checkOptions, ConfigError, didYouMean } from "../core/errors.ts";
import { type Inspector, inspectorOf, type TakenTrap } from "../machine/inspector.ts";
import type { Waiting } from "./waiting.ts";

export class Tally {
  #count = 0;
  #fromTicks: number;
  /** Called when there is one more. */
  onCount: (() => void) | undefined;

  /** @internal */
  constructor(readonly session: Waiting, /** "timer interrupts". */ readonly name: string) {
    this.#fromTicks = session.machine.age;
  }
  /** Since it was made, or since `reset`. */
  get count(): number {
    return this.#count;
  }
  /** Guest time since then, in nanoseconds. */
  get ns(): number {
    const { age, clock } = this.session.machine;
    return (age - this.#fromTicks) * 1e9 / clock.hz;
  }
  /** How many there were in a second of guest time. */
  get perSecond(): number {
    return this.ns > 0 ? this.#count * 1e9 / this.ns : 0;
  }
  /** Counts from 0 on again. */
  reset(): void {
    this.#count = 0;
    this.#fromTicks = this.session.machine.age;
  }
  /** @internal */
  add(n: number): void {
    // What a report looks at aside has not happened.
    if (this.session.failureReport.away) return;
    this.#count += n;
    this.onCount?.();
  }
}

/** Which interrupts or exceptions: part of a name ("timer"), a pattern, or a vector (x86) or cause (RISC-V). */
export type Which = string | RegExp | number;

type Listener = (cpu: number, what: number) => void;
const LISTENERS = new WeakMap<object, Set<Listener>>();
/** Who is told of each trap of a machine. */
function listenersOf({ machine }: Waiting): Set<Listener> {
  const known = LISTENERS.get(machine);
  if (known) return known;
  const made = new Set<Listener>();
  for (const cpu of machine.cpus) {
    inspectorOf(cpu)?.watchTraps(cpu, (what) => {
      for (const listener of made) listener(cpu.index, what);
    });
  }
  LISTENERS.set(machine, made);
  return made;
}

/** All that a processor may take, by what it is told of. */
const TRAPS = 0x400;

/** See `MachineSession.interrupts`. @throws {ConfigError} there is nothing of that name. */
export function trapsOf(session: Waiting, interrupt: boolean, which: Which | undefined, options: { readonly cpu?: number } = {}): Tally {
  const { machine } = session,
    what = interrupt ? "interrupts" : "exceptions",
    inspector: Inspector | undefined = inspectorOf(machine.cpus[0]);
  checkOptions(what, options, ["cpu"]);
  if (!inspector) throw new ConfigError(`${what}: nothing is known of those of ${machine.cpus[0].arch}`);
  if (options.cpu !== undefined && !machine.cpus[options.cpu]) {
    throw new ConfigError(`${what}: there is no cpu ${options.cpu}: the machine has ${machine.cpus.length}`);
  }
  const matches = ({ name, number }: TakenTrap) =>
    which === undefined ||
    (typeof which === "number"
      ? number === which
      : typeof which === "string"
      ? name.toLowerCase().includes(which.toLowerCase())
      : name.search(which) >= 0);
  const all = Array.from({ length: TRAPS }, (_, n) => inspector.trap(n)), wanted = all.map((t) => t.interrupt === interrupt && matches(t));
  if (!wanted.includes(true)) {
    const names = [
      ...new Set(all.filter((t) => t.interrupt === interrupt && !/^(interrupt|exception|reserved|INT)\b/.test(t.name)).map((t) => t.name)),
    ];
    throw new ConfigError(
      `${what}: there are none called ${which}${typeof which === "string" ? didYouMean(which, names) : ""}${
        names.length ? `; names are ${names.join(", ")}` : ""
      }`,
    );
  }
  const on = options.cpu === undefined ? "" : ` of cpu${options.cpu}`;
  const tally = new Tally(
    session,
    `${which === undefined ? what : `${what} (${typeof which === "number" ? `0x${which.toString(16)}` : which})`}${on}`,
  );
  listenersOf(session).add((cpu, n) => {
    if (wanted[n] && (options.cpu === undefined || options.cpu === cpu)) tally.add(1);
  });
  return tally;
}

/** Which accesses of a device. */
export interface AccessFilter {
  readonly kind?: "read" | "write";
  /** Bytes from the beginning of the window. */
  readonly offset?: number;
}
type AccessListener = (write: boolean, offset: number, times: number) => void;
const WATCHED = new WeakMap<object, Set<AccessListener>>();

/** Who is told of each access of a device: its windows' functions are replaced by ones that tell. */
function accessListenersOf(device: object, windows: readonly BusTarget[]): Set<AccessListener> {
  const known = WATCHED.get(device);
  if (known) return known;
  const made = new Set<AccessListener>();
  // What a device does to itself while it is accessed is no access.
  let depth = 0;
  const outermost = <T>(tell: () => void, access: () => T): T => {
    if (depth === 0) tell();
    depth++;
    try {
      return access();
    } finally {
      depth--;
    }
  };
  const tell = (write: boolean, offset: number, times = 1) => () => {
    for (const listener of made) listener(write, offset, times);
  };
  for (const target of new Set(windows)) {
    const { read, write, writeBytes } = target;
    target.read = (offset, size) => outermost(tell(false, offset), () => read.call(target, offset, size));
    target.write = (offset, size, value) => outermost(tell(true, offset), () => write.call(target, offset, size, value));
    if (writeBytes) {
      target.writeBytes = (offset, data) => outermost(tell(true, offset, data.length), () => writeBytes.call(target, offset, data));
    }
  }
  WATCHED.set(device, made);
  return made;
}

/** See `MachineSession.accesses`. @throws {ConfigError} there is no such device, or it has no registers. */
export function accessesOf(session: Waiting, id: string, filter: AccessFilter = {}): Tally {
  const { machine } = session,
    device = machine.device?.(id),
    ids = machine.graph?.devices.map((d) => d.id) ?? [],
    { kind, offset } = filter;
  checkOptions("accesses", filter, ["kind", "offset"]);
  if (!device) throw new ConfigError(`accesses: there is no device '${id}'${didYouMean(id, ids)}; there are ${ids.join(", ")}`);
  if (!device.windows?.length) throw new ConfigError(`accesses: ${id} has no registers`);
  if (kind !== undefined && kind !== "read" && kind !== "write") {
    throw new ConfigError(`accesses: \`kind\` is "read" or "write", got '${kind}'`);
  }
  const name = `${kind === undefined ? "accesses" : `${kind}s`} of ${id}${offset === undefined ? "" : ` at +0x${offset.toString(16)}`}`,
    tally = new Tally(session, name);
  accessListenersOf(device, device.windows).add((write, at, times) => {
    if ((kind === undefined || (kind === "write") === write) && (offset === undefined || offset === at)) tally.add(times);
  });
  return tally;
}
