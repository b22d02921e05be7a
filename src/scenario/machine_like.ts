// What a session needs of a machine. The real one is `Machine`; tests of sessions, the command line and the debugger use a scripted one.
import { placeOf } from "../machine/elf.ts";
import { ConfigError } from "../core/errors.ts";
import { Later } from "../core/later.ts";
import type { Bus, BusTarget } from "../core/bus.ts";
import type { Cpu } from "../core/cpu.ts";
import type { CharPort, KeyPort, ScreenPort } from "../core/device.ts";
import type { Moment } from "../machine/moment.ts";
import type { Stop } from "../machine/stop.ts";

export interface MachineLike {
  /** `next` is the tick of the earliest alarm, Infinity when none is set. */
  readonly clock: { readonly ticks: number; readonly nowNs: number; readonly hz: number; readonly next: number };
  /** Whether idle time passes with the host's clock whoever is there (clock.mode = "wall"). */
  readonly paced?: boolean;
  /** Ticks of guest time in all; unlike the clock it goes on over a reset. */
  readonly age: number;
  /** Where the run is, exactly; absent: its age says that. */
  readonly moment?: Moment;
  /** `run` comes back at this moment. */
  stopAt?: Moment | undefined;
  readonly bus: Bus;
  readonly cpus: readonly Cpu[];
  /** By name; the first one is `serial` in a scenario. */
  readonly consoles: ReadonlyMap<string, CharPort>;
  /** The first screen and the first keyboard among its devices. */
  readonly screen?: ScreenPort | undefined;
  readonly keyboard?: KeyPort | undefined;
  readonly symbols: {
    /** Of the ELF file that they are from. */
    readonly bits?: 32 | 64 | undefined;
    readonly file?: string | undefined;
    lookup(vaddr: bigint): { readonly name: string; readonly offset: bigint } | undefined;
    address(name: string): bigint | undefined;
    near?(name: string): readonly string[];
    sizeAt?(address: bigint): number | undefined;
    readonly empty?: boolean;
    /** The ELF file that they are from. */
    image?(): Uint8Array | undefined;
  };
  /** What has to wake it, when every processor waits: nothing can ("dead", and it has stopped), only the outside ("input"); undefined: else. */
  readonly sleep?: "dead" | "input" | undefined;
  /** Runs until the clock reaches `untilTicks`, a break is requested, or it stops; a "breakpoint" stop is not final. See `yielded`. */
  run(untilTicks: number, wallMs?: number): Stop | undefined;
  /** A device by its id, and what devices there are. */
  device?(id: string): { readonly windows?: readonly BusTarget[] } | undefined;
  readonly graph?: { readonly devices: readonly { readonly id: string }[] };
  /** The last `run` came back after `wallMs`: as the wall clock decided that, nothing may follow from the guest's time now. */
  readonly yielded?: boolean;
  requestBreak(): void;
  /** To be awaited before the next `run`, until there is none. */
  readonly loading?: Promise<unknown> | undefined;
  /** Ticks that are left of the short first slice, behind which `loading` looks. */
  readonly early?: number;
  /** Loads all that at once, for who runs or looks without asking. */
  complete?(): Promise<void>;
  readonly stopped: Stop | undefined;
  step(cpu: number): Stop | undefined;
  reset(): void;
  snapshot(): unknown;
  restore(state: unknown): void;
  /** The same where the machine is to go on as fast as it was. */
  rewind?(state: unknown): void;
  digest(): string;
  /** Called when the guest has asked for a reset, before it is carried out. */
  onReset?: () => void;
  /** Files that the guest may change are brought up to date. */
  readonly disks?: { flush(): void };
  readonly stats: Readonly<Record<string, number>>;
  /** Where compiled code left instructions to the interpreter, when that is counted. */
  readonly sideExits?: {
    readonly causes: ReadonlyMap<string, number>;
    top(n: number): readonly { readonly pc: bigint; readonly cause: string; readonly count: number }[];
  } | undefined;
}

/** Ticks of its clock in so many nanoseconds. */
export const ticksOf = ({ clock }: MachineLike, ns: number): number => Math.ceil(ns * clock.hz / 1e9);

/** Where its run is. */
export const momentOf = (machine: MachineLike): Moment => machine.moment ?? { ticks: machine.age, where: 0 };

/** What a processor that does not run does: "waiting for an interrupt"; undefined for one that runs. */
export const describeRest = (cpu: Cpu): string | undefined => cpu.idle ? cpu.resting ?? "waiting for an interrupt" : undefined;

const BACKTRACE = new Later<typeof import("../machine/backtrace.ts")>("machine/backtrace.ts");
const NAMES = new Later<typeof import("../machine/address_names.ts")>("machine/address_names.ts");
/** To be awaited before `whereabouts`, which tells no more than an address else, and before `namesBeside`, which tells nothing else. */
export const loadBacktrace = async (): Promise<void> => {
  await (await BACKTRACE.load()).loadExceptions();
  await NAMES.load();
};

/** Puts names beside the addresses in what a guest has printed. */
export function namesBeside({ symbols }: MachineLike): (text: string) => string {
  const names = NAMES.now?.namesOf(symbols);
  return (text) => names?.text(text) ?? text;
}

/** Where a processor is, with its source line, and in lines behind that how it came there. */
export function whereabouts(machine: MachineLike, cpu: Cpu): { readonly place: string; readonly callers: readonly string[] } {
  const [place, ...callers] = BACKTRACE.now?.backtraceLines(cpu, machine.bus, machine.symbols) ?? [describeAddress(machine, cpu.pc)];
  return { place, callers };
}

/** "kernel::main+0x10" or the bare address. */
export function describeAddress(machine: MachineLike, vaddr: bigint): string {
  return placeOf(machine.symbols, vaddr);
}

/** An address as scripts give it: a number, or the name of a symbol. @throws {ConfigError} no symbol has the name, or several have it; a number is no address. */
export function addressOf(machine: MachineLike, where: string | number | bigint): bigint {
  if (typeof where !== "string") {
    if (typeof where !== "bigint" && !Number.isSafeInteger(where)) {
      throw new ConfigError(`an address is a whole number or a symbol, got ${where}`);
    }
    if (where < 0) throw new ConfigError(`an address is not negative, got ${where}: BigInt.asUintN(64, ...) makes the upper half's of it`);
    return BigInt(where);
  }
  const { symbols } = machine, address = symbols.address(where);
  if (address !== undefined) return address;
  if (symbols.empty) {
    throw new ConfigError(
      `no symbol '${where}': the image has no symbol table, and \`symbols\` (--symbols) names no ELF file that has one`,
    );
  }
  const paths = symbols.near?.(where).slice(0, 3).map((path) => `'${path}'`).join(" or ");
  throw new ConfigError(`no symbol '${where}' in the kernel's symbol table${paths ? ` (did you mean ${paths}?)` : ""}`);
}
