// Memory of a guest as scripts look at it: by symbol, by address, by the program's types. Devices are never touched, and nothing changes.
import { checkOptions, ConfigError } from "../core/errors.ts";
import type { GuestType } from "../machine/dwarf/types.ts";
import { type GuestValue, NotAValue, valueOf } from "../machine/dwarf/values.ts";
import { mappingOf } from "../machine/page_walk.ts";
import { inspectorOf } from "../machine/inspector.ts";
import { parseType, partOf, stepsOf, typesOfProgram } from "../machine/variables.ts";
import { ExpectationFailed } from "./failures.ts";
import { addressOf } from "./machine_like.ts";
import type { Waiting } from "./waiting.ts";

export type { GuestValue };

/** How memory is reached. */
export interface Reach {
  /** The processor whose page tables are used, by its number: 0 when absent. */
  readonly cpu?: number;
  /** Addresses are physical. */
  readonly physical?: boolean;
}

/** There is no memory at an address. */
class Unreadable extends Error {}

const PAGE = 4096n;

/** Where virtual addresses lead now, whoever may go there; undefined: nowhere. */
export function placesOf({ machine }: Waiting, { cpu: index = 0, physical = false }: Reach): (at: bigint) => number | undefined {
  const cpu = machine.cpus[index], inspector = inspectorOf(cpu);
  const tables = physical || inspector?.privilege(cpu) === "machine" ? "" : inspector?.tables(cpu);
  return (at) => {
    const pa = typeof tables === "string" ? at : tables ? mappingOf(tables, machine.bus, at).pa : cpu.translate(at, "read");
    return pa === undefined ? undefined : Number(pa);
  };
}

/** Bytes at a virtual address. @throws {Unreadable} it is not mapped, or to no memory. */
function readFrom(session: Waiting, reach: Reach, address: bigint, count: number): Uint8Array {
  const { machine } = session, out = new Uint8Array(count), place = placesOf(session, reach);
  const width = machine.cpus[reach.cpu ?? 0].arch.endsWith("32") ? 32 : 64;
  for (let done = 0; done < count;) {
    const at = BigInt.asUintN(width, address + BigInt(done)), n = Math.min(count - done, Number(PAGE - at % PAGE)), paddr = place(at);
    if (paddr === undefined) throw new Unreadable(`0x${at.toString(16)} is not mapped`);
    for (let i = 0; i < n;) {
      const region = machine.bus.find(paddr + i);
      if (!region?.bytes) throw new Unreadable(`0x${at.toString(16)} is ${region ? `a device (${region.name})` : "no memory"}`);
      const from = paddr + i - region.base, part = Math.min(n - i, region.length - from);
      out.set(region.bytes.subarray(from, from + part), done + i);
      i += part;
    }
    done += n;
  }
  return out;
}

/** A variable, a part of one, or a place with a type. Looked at when it is asked for: what it is may change with every `await`. */
export class Variable {
  /** @internal */
  constructor(
    readonly session: Waiting,
    /** As the script called it. */
    readonly name: string,
    readonly address: bigint,
    readonly type: GuestType | undefined,
    readonly reach: Reach,
  ) {}

  /** "TICKS (u64 at 0x80401000)". */
  get description(): string {
    return `${this.name} (${this.type ? `${this.type.name || this.type.kind} ` : ""}at 0x${this.address.toString(16)})`;
  }

  /** What is there, by its type. @throws {ExpectationFailed} it is not mapped, or makes no sense. @throws {ConfigError} its type is not known. */
  get value(): GuestValue {
    const { type } = this, from = new Error();
    if (!type) {
      throw new ConfigError(
        `no debugging information says of what type ${this.name} is: say it, m.memory(${JSON.stringify(this.name)}, "u64")`,
      );
    }
    try {
      return valueOf(type, this.address, (address, count) => readFrom(this.session, this.reach, address, count));
    } catch (e) {
      throw this.#unreadable(e, from);
    }
  }

  /** So many bytes of it, all by its type when not said. */
  bytes(count: number | undefined = this.type?.bytes): Uint8Array {
    if (!count || !Number.isSafeInteger(count) || count < 0) throw new ConfigError(`${this.name}: how many bytes? got ${count}`);
    const from = new Error();
    try {
      return readFrom(this.session, this.reach, this.address, count);
    } catch (e) {
      throw this.#unreadable(e, from);
    }
  }

  #unreadable(e: unknown, from: Error): unknown {
    if (!(e instanceof Unreadable || e instanceof NotAValue)) return e;
    return this.session.failureReport.failure(ExpectationFailed, { what: `${this.description} cannot be read: ${e.message}`, from }, "");
  }
}

/** The parts of "kernel::TASKS[3].name": the longest beginning that is a symbol, and what follows it. */
function splitName({ machine }: Waiting, text: string): [symbol: string, path: string] {
  const ends = [...text.matchAll(/[.[]/g)].map((m) => m.index).filter((i) => i > 0).reverse();
  for (const end of [text.length, ...ends]) {
    if (machine.symbols.address(text.slice(0, end)) !== undefined) return [text.slice(0, end), text.slice(end)];
  }
  return [text.slice(0, ends.at(-1) ?? text.length), ""];
}

/** See `MachineSession.memory`. @throws {ConfigError} there is no such symbol, type, part or processor. */
export function memoryOf(session: Waiting, where: string | number | bigint, type?: string, reach: Reach = {}): Variable {
  const { machine } = session, program = machine.symbols;
  checkOptions("memory", reach, ["cpu", "physical"]);
  if (reach.cpu !== undefined && !machine.cpus[reach.cpu]) {
    throw new ConfigError(`memory: there is no cpu ${reach.cpu}: the machine has ${machine.cpus.length}`);
  }
  const [symbol, path] = typeof where === "string" ? splitName(session, where) : [where, ""];
  const name = typeof where === "string" ? where : `0x${where.toString(16)}`, address = addressOf(machine, symbol);
  const own = typeof where === "string" ? typesOfProgram(program)?.variable(address, symbol as string) : undefined;
  const given = type === undefined ? undefined : parseType(type, program);
  if (path === "") return new Variable(session, name, address, given ?? own, reach);
  if (!own) throw new ConfigError(`no debugging information says of what type ${symbol} is, so that '${path}' means nothing`);
  try {
    let place = { address, type: own };
    for (const step of stepsOf(path)) place = partOf(place, step, (at, count) => readFrom(session, reach, at, count));
    return new Variable(session, name, place.address, given ?? place.type, reach);
  } catch (e) {
    if (e instanceof Unreadable) {
      throw session.failureReport.failure(ExpectationFailed, { what: `${name} cannot be followed: ${e.message}`, from: new Error() }, "");
    }
    throw e instanceof ConfigError ? new ConfigError(`${name}: ${e.problem}`) : e;
  }
}
