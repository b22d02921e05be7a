// What `expect` offers of each kind of subject, as the compiler knows it: a matcher of another kind does not compile.
import type { Stop } from "../../machine/stop.ts";
import type { Pattern } from "../console.ts";
import type { Duration } from "../duration.ts";
import type { GuestValue, Privilege, Processor, StackWatch, Tally, Variable } from "../inspection.ts";
import type { SessionScreen } from "../peripherals.ts";
import type { Cell, Look } from "../screen.ts";
import type { SerialConsole } from "../serial_console.ts";
import type { MachineSession } from "../session.ts";
import type { Terminal, TerminalCell, TerminalLook } from "../terminal.ts";
import type { RegisterValue, WantedMapping } from "./processors.ts";
import type { Bounds } from "./tallies.ts";
import type { ScreenshotOptions } from "./screenshots.ts";

export type { RegisterValue, ScreenshotOptions, WantedMapping };

interface Within {
  /** Guest time; the session's budget when absent. */
  readonly within?: Duration;
}
/** How long something must not happen. */
interface For {
  readonly within: Duration;
}

export interface ConsoleExpectation {
  /** Runs the guest until it prints the pattern; see `SerialConsole.toPrint`. */
  toPrint(pattern: Pattern, options?: Within): Promise<string[]>;
  /** It is among what has been printed, wherever. Guest time stands still. */
  toHavePrinted(pattern: Pattern): void;
  readonly not: {
    /** Runs the guest for so long, in which it must not print the pattern; its exit settles that, too. */
    toPrint(pattern: Pattern, options: For): Promise<void>;
    toHavePrinted(pattern: Pattern): void;
  };
}

interface ScreenChecks {
  /** What is in a cell; rows and columns count from 0. */
  toHaveCell(row: number, column: number, wanted: Partial<Cell>): void;
  toHaveCursor(wanted: { readonly row?: number; readonly column?: number; readonly visible?: boolean }): void;
  /** The picture is that of a PNG file in `__screenshots__` beside the script; `--update-snapshots` writes it. */
  toMatchScreenshot(name: string, options?: ScreenshotOptions): Promise<void>;
}
export interface ScreenExpectation extends ScreenChecks {
  /** Runs the guest until the screen shows the pattern; see `SessionScreen.toShow`. */
  toShow(pattern: Pattern, options?: Look & Within): Promise<string[]>;
  readonly not: ScreenChecks & {
    /** Runs the guest until the screen does not show the pattern (any more). */
    toShow(pattern: Pattern, options?: Look & Within): Promise<void>;
  };
}

interface TerminalChecks {
  toHaveCell(row: number, column: number, wanted: Partial<TerminalCell>): void;
  toHaveCursor(wanted: { readonly row?: number; readonly column?: number }): void;
}
export interface TerminalExpectation extends TerminalChecks {
  /** Runs the guest until a row of the terminal shows the pattern; see `Terminal.toShow`. */
  toShow(pattern: Pattern, options?: TerminalLook & Within): Promise<string[]>;
  readonly not: TerminalChecks & {
    /** Runs the guest until no row shows the pattern (any more). */
    toShow(pattern: Pattern, options?: TerminalLook & Within): Promise<void>;
  };
}

/** Stops that a machine ends with. */
export type FinalStop = Exclude<Stop, { kind: "breakpoint" | "budget" }>;
/** A kind of stop, or what is to be in it. */
export type StopPattern =
  | FinalStop["kind"]
  | { readonly [K in FinalStop["kind"]]: Partial<Extract<FinalStop, { kind: K }>> & { readonly kind: K } }[FinalStop["kind"]];

interface Span {
  readonly atLeast?: Duration;
  readonly atMost?: Duration;
}
interface MachineChecks {
  /** Guest time since reset. */
  toHaveRun(limits: Span): void;
  /** The digest of everything that the guest can see: runs are equal. */
  toHaveDigest(digest: string): void;
}
export interface MachineExpectation extends MachineChecks {
  /** Runs the guest until it stops for good, and looks why. Returns the stop. */
  toStop(pattern?: StopPattern, options?: Within): Promise<FinalStop>;
  /** Measures the guest time that passes while the function does what it does. Returns what that returns. */
  toTake<T>(limits: Span, body: () => T | Promise<T>): Promise<T>;
  readonly not: MachineChecks & {
    /** Runs the guest for so long, in which it must not stop so. */
    toStop(pattern: StopPattern | undefined, options: For): Promise<void>;
  };
}

interface ProcessorChecks {
  /** A register's value as an unsigned number (negative ones are taken as two's complement), or names of bits that are set and clear. */
  toHaveRegister(name: string, value: RegisterValue): void;
  /** "U-mode", "S-mode", "M-mode"; "real", "32-bit protected", "64-bit" and others of x86. */
  toHaveMode(mode: string): void;
  toHavePrivilege(privilege: Privilege): void;
  /** Its next instruction belongs to a function. */
  toBeIn(symbol: string): void;
  /** It waits for an interrupt. */
  toBeIdle(): void;
  /** Where a virtual address leads by the page tables in use, whoever may go there. */
  toMap(address: number | bigint | string, wanted?: WantedMapping): void;
}
export interface ProcessorExpectation extends ProcessorChecks {
  readonly not: ProcessorChecks;
}

interface VariableChecks extends Order {
  /** Numbers are equal whatever their width is; what a script writes need not be a bigint. */
  toEqual(expected: GuestValue): void;
  toMatch(pattern: string | RegExp): void;
  toContain(part: GuestValue): void;
  toHaveLength(length: number): void;
  /** The bytes that are there, whatever the type. */
  toHaveBytes(bytes: ArrayLike<number>): void;
}
interface TallyChecks {
  toHaveCount(count: number | Bounds<number>): void;
  /** "100Hz", within a hundredth and one: `tolerance` is a part of the rate. */
  toHaveRate(rate: string | Bounds<string>, options?: { readonly tolerance?: number }): void;
}
export interface TallyExpectation extends TallyChecks {
  /** Runs the guest until there were so many, and stops on that very instruction. Returns how many there are. */
  toReach(count: number, options?: Within): Promise<number>;
  readonly not: TallyChecks;
}

interface StackChecks {
  /** Fewer bytes of it were needed so far: 24_576 or "24KiB". */
  toStayBelow(limit: number | string): void;
}
export interface StackExpectation extends StackChecks {
  readonly not: StackChecks;
}

export interface VariableExpectation extends VariableChecks {
  readonly not: VariableChecks;
}

interface Equality<T> {
  /** The same (`Object.is`). */
  toBe(expected: T): void;
  /** Equal in all that is in it. */
  toEqual(expected: T): void;
}
interface Order {
  toBeAtLeast(bound: number | bigint): void;
  toBeAtMost(bound: number | bigint): void;
  toBeAbove(bound: number | bigint): void;
  toBeBelow(bound: number | bigint): void;
}
interface TextChecks {
  toMatch(pattern: string | RegExp): void;
  toContain(part: string): void;
  toHaveLength(length: number): void;
}
interface ListChecks<E> {
  toContain(element: E): void;
  toHaveLength(length: number): void;
}
type ValueChecks<T> =
  & Equality<T>
  & (T extends number | bigint ? Order : T extends string ? TextChecks : T extends ArrayLike<infer E> ? ListChecks<E> : unknown);
export type ValueExpectation<T> = ValueChecks<T> & { readonly not: ValueChecks<T> };

/** Literals as what they are examples of. */
type Widened<T> = T extends number ? number : T extends bigint ? bigint : T extends string ? string : T extends boolean ? boolean : T;

/** The matchers of a subject. */
export type ExpectationOf<T> = [T] extends [SerialConsole] ? ConsoleExpectation
  : [T] extends [SessionScreen] ? ScreenExpectation
  : [T] extends [MachineSession] ? MachineExpectation
  : [T] extends [Processor] ? ProcessorExpectation
  : [T] extends [Variable] ? VariableExpectation
  : [T] extends [Tally] ? TallyExpectation
  : [T] extends [Terminal] ? TerminalExpectation
  : [T] extends [StackWatch] ? StackExpectation
  // An `await` is missing, or a call.
  : [T] extends [PromiseLike<unknown>] ? never
  : ValueExpectation<Widened<T>>;

/** What answers at once, asked again while the guest runs. */
export type Polled<E> = {
  readonly [K in keyof E as E[K] extends (...args: never) => Promise<unknown> ? never : K]: E[K] extends (...args: infer A) => void
    ? (...args: A) => Promise<void>
    : E[K] extends object ? Polled<E[K]>
    : never;
};

export interface PollOptions extends Within {
  /** Guest time from one time it is asked to the next: "1ms" when absent. */
  readonly every?: Duration;
}

export interface Expect {
  /** `await expect(m.serial).toPrint(/login:/)`; the matchers are those of the subject. */
  <T>(subject: T): ExpectationOf<T>;
  /** The same, but a failure ends the test only when it is over: what comes behind it is still tried. */
  soft<T>(subject: T): ExpectationOf<T>;
  /** Runs the guest and asks `of` again and again, until the answer is as expected: `await expect.poll(m, () => m.cpu.reg("a0")).toBe(3n)`. */
  poll<T>(m: MachineSession, of: () => T | Promise<T>, options?: PollOptions): Polled<ExpectationOf<T>>;
}
