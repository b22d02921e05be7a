// Where a processor is and how it came there: function after function, by call frame information where there is some, else by frame pointers.
import type { Bus } from "../core/bus.ts";
import type { Cpu } from "../core/cpu.ts";
import { Later } from "../core/later.ts";
import type { ExceptionFrames, InterruptedFrames, Registers, StackConvention } from "./architecture.ts";
import { architectureOf, ARCHITECTURES, familyOf } from "./architectures.ts";
import { DebugInfo } from "./dwarf/mod.ts";
import type { FrameRow } from "./dwarf/frames.ts";
import { evaluate, type Surroundings } from "./dwarf/expression.ts";
import { symbolAt } from "./elf.ts";
import { byteAt } from "./report/memory.ts";

/** Frames that are looked at, and that are shown, at most. */
const MOST = 32, DEEPEST = 2000;

/** A frame: where it is, and whether that instruction is the one that comes next, not the one behind a call. */
export interface Frame {
  readonly pc: bigint;
  readonly next: boolean;
  /** The stack pointer there, where it is known. */
  readonly stack: bigint | undefined;
  /** The exception that interrupted it; absent: it has called the one before. */
  readonly exception?: string;
}

/** What tells of exceptions on the stack, by architecture. */
const EXCEPTIONS = new Map<string, Later<ExceptionFrames>>();
/** To be awaited before backtraces: they end at exception handlers else. */
export async function loadExceptions(): Promise<void> {
  for (const [family, { exceptions }] of Object.entries(ARCHITECTURES)) {
    if (exceptions === undefined) continue;
    const later = EXCEPTIONS.get(family) ?? new Later<ExceptionFrames>(exceptions);
    EXCEPTIONS.set(family, later);
    await later.load();
  }
}

/** Addresses from the innermost function outwards, `most` of them. */
export function framesOf(
  cpu: Cpu,
  bus: Bus,
  symbols: Pick<Program, "lookup" | "bits">,
  debug: DebugInfo | undefined,
  most = MOST,
): Frame[] {
  const family = familyOf(cpu.arch);
  const convention = family === undefined ? undefined : architectureOf({ family }).stack?.(symbols.bits ?? 64);
  if (!convention) return [{ pc: cpu.pc, next: true, stack: undefined }];
  const { bytes } = convention, mask = (v: bigint) => BigInt.asUintN(8 * bytes, v);
  const read = (address: bigint, size: number): bigint | undefined => {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) {
      const byte = byteAt(cpu, bus, mask(address + BigInt(i)));
      if (byte === undefined) return undefined;
      value = value << 8n | BigInt(byte);
    }
    return value;
  };
  let now: Registers = { pc: cpu.pc, values: convention.registers.map((name) => mask(cpu.reg(name))) };
  let next = true;
  const frames: Frame[] = [{ pc: cpu.pc, next, stack: now.values[convention.stack] }];
  const exceptions: InterruptedFrames | undefined = EXCEPTIONS.get(family!)?.now?.interruptedFrames(cpu, convention, read, symbols);
  while (frames.length < most) {
    const row: FrameRow | undefined = debug?.frame(next ? now.pc : now.pc - 1n);
    const caller = row ? byInformation(row, now, convention, read) : byConvention(now, convention, read, symbols, next);
    const interrupted = exceptions?.behind(now, caller, row !== undefined, next);
    if (interrupted) {
      const { at, exception } = interrupted;
      frames.push({ pc: at.pc, next: true, stack: at.values[convention.stack], exception });
      next = true;
      now = at;
      continue;
    }
    // A stack grows downwards, so a caller's frame lies above: else this would go round for ever.
    const before = now.values[convention.stack], behind = caller?.values[convention.stack];
    if (!caller || caller.pc === 0n || before === undefined || behind === undefined || behind < before) break;
    if (behind === before && !next) break;
    if (cpu.translate(caller.pc, "fetch") === undefined || !symbols.lookup(caller.pc - 1n)) break;
    next = row?.signal ?? false;
    frames.push({ pc: caller.pc, next, stack: behind });
    now = caller;
  }
  return frames;
}

type Read = Surroundings["read"];

function byInformation(
  row: FrameRow,
  now: Registers,
  { bytes, stack }: StackConvention,
  read: Read,
): Registers | undefined {
  const around: Surroundings = { bytes, register: (n) => now.values[n], read }, mask = (v: bigint) => BigInt.asUintN(8 * bytes, v);
  const base = "register" in row.cfa ? now.values[row.cfa.register] : undefined;
  const cfa = "register" in row.cfa
    ? base === undefined ? undefined : mask(base + BigInt(row.cfa.offset))
    : evaluate(row.cfa.expression, around);
  if (cfa === undefined) return undefined;
  const valueOf = (n: number): bigint | undefined => {
    const rule = row.rules.get(n);
    switch (rule?.kind) {
      case "at":
        return read(mask(cfa + BigInt(rule.offset)), bytes);
      case "is":
        return mask(cfa + BigInt(rule.offset));
      case "register":
        return now.values[rule.register];
      case "atExpression": {
        const at = evaluate(rule.expression, around, cfa);
        return at === undefined ? undefined : read(at, bytes);
      }
      case "isExpression":
        return evaluate(rule.expression, around, cfa);
      case "undefined":
        return undefined;
      default:
        return n === stack ? cfa : now.values[n];
    }
  };
  const pc = valueOf(row.returnAddress);
  return pc === undefined ? undefined : { pc, values: now.values.map((_, n) => valueOf(n)) };
}

/** By the frame pointer; where a function has saved nothing yet, its return address may still be in its register or on top of the stack. */
function byConvention(
  now: Registers,
  { bytes, stack, frame, saved, link }: StackConvention,
  read: Read,
  symbols: Pick<Program, "lookup">,
  innermost: boolean,
): Registers | undefined {
  const values = [...now.values], pointer = values[frame], top = values[stack];
  const word = (n: number): bigint | undefined => pointer === undefined ? undefined : read(pointer + BigInt(n * bytes), bytes);
  const called = (): bigint | undefined => link !== undefined ? values[link] : top === undefined ? undefined : read(top, bytes);
  // A call may be a function's last instruction.
  const inner = innermost ? called() : undefined, caller = inner === undefined ? undefined : symbols.lookup(inner - 1n);
  const linked = pointer === undefined || pointer === 0n || (top !== undefined && pointer < top) ? undefined : word(saved.returnAddress);
  if (inner !== undefined && inner !== linked && caller && caller.name !== symbols.lookup(now.pc)?.name) {
    if (link === undefined) values[stack] = top! + BigInt(bytes);
    // A function that calls none may have saved the frame pointer alone, in the other's place.
    else if (linked !== undefined && linked >= pointer! && !symbols.lookup(linked - 1n)) values[frame] = linked;
    return { pc: inner, values };
  }
  if (linked === undefined) return undefined;
  values[frame] = word(saved.frame);
  values[stack] = pointer! + BigInt(saved.above * bytes);
  return { pc: linked, values };
}

/** Where names of addresses come from, and their ELF file if there is one. */
export interface Program {
  readonly bits?: 32 | 64 | undefined;
  lookup(address: bigint): { readonly name: string; readonly offset: bigint } | undefined;
  image?(): Uint8Array | undefined;
}

const DEBUG = new WeakMap<Program, DebugInfo>();
/** The debugging information of a program, read once. */
export function debugInfoOf(program: Program): DebugInfo | undefined {
  const known = DEBUG.get(program);
  if (known) return known;
  const image = program.image?.();
  if (!image || program.bits === undefined) return undefined;
  const made = new DebugInfo(image, program.bits);
  DEBUG.set(program, made);
  return made;
}

/** A function that a frame is in, as a report tells of it. */
export interface FunctionPlace {
  /** "kernel::main+0x10", or the name alone of one that the compiler has put into the next. */
  readonly name: string;
  readonly inlined: boolean;
  readonly file?: string;
  readonly line?: number;
}
/** A frame with the functions that its instruction is of: those that were put into others (inlined) first. */
export interface NamedFrame extends Frame {
  readonly functions: readonly FunctionPlace[];
  /** How often in a row, where a function calls itself. */
  readonly times?: number;
}
/** So many frames at one place are told as one. */
const ALIKE = 3;

/** Frames with their names and source lines; those of a function that calls itself, in a row, are one. */
export function backtraceOf(cpu: Cpu, bus: Bus, program: Program): NamedFrame[] {
  const frames = framesOf(cpu, bus, program, debugInfoOf(program), DEEPEST), named: NamedFrame[] = [];
  for (let i = 0; i < frames.length && named.length < MOST; i++) {
    const frame = frames[i];
    let times = 1;
    while (frames[i + times]?.pc === frame.pc && frames[i + times].next === frame.next && frames[i + times].exception === frame.exception) {
      times++;
    }
    const alike = times >= ALIKE ? { times } : {};
    named.push({ ...frame, functions: functionsAt(program, frame.pc, frame.next), ...alike });
    if (times >= ALIKE) i += times - 1;
  }
  return named;
}

/** The functions at an address; `next`: it is the instruction that comes next, not the one behind a call. */
export function functionsAt(program: Program, pc: bigint, next = true): FunctionPlace[] {
  // A call may be a function's last instruction: what comes next is another function then.
  const of = next ? pc : pc - 1n, compiled = symbolAt(program, pc, of);
  const places = debugInfoOf(program)?.places(of) ?? [{ name: undefined, source: undefined }];
  return places.map(({ name, source }, n) => {
    const inlined = n < places.length - 1, at = source && { file: source.file, line: source.line };
    return { name: inlined ? name ?? "?" : compiled, inlined, ...at };
  });
}

/** How often each function is among the frames, the most frequent first, by its name without an offset: what recursion shows in. */
export function deepestOf(cpu: Cpu, bus: Bus, program: Program): { readonly name: string; readonly times: number; readonly all: boolean } {
  const frames = framesOf(cpu, bus, program, debugInfoOf(program), DEEPEST), times = new Map<string, number>();
  for (const { pc, next } of frames) {
    const name = program.lookup(next ? pc : pc - 1n)?.name ?? "";
    times.set(name, (times.get(name) ?? 0) + 1);
  }
  const [name, most] = [...times].reduce((a, b) => b[1] > a[1] ? b : a);
  return { name, times: most, all: frames.length < DEEPEST };
}

/**
 * Lines for a report, the innermost function first: "0x80200010 kernel::main+0x10, src/main.rs:12", "by ..." who has called it, "#PF ... in"
 * what an exception has interrupted; before that "in ..." what the compiler has put it into.
 */
export function frameLines(frames: readonly NamedFrame[]): string[] {
  return frames.flatMap(({ pc, functions, exception, times }, i) => {
    const first = `${i === 0 ? "" : exception === undefined ? "by " : `${exception} in `}0x${pc.toString(16)}`;
    return functions.map(({ name, inlined, file, line }, n) => {
      const often = times === undefined || n < functions.length - 1 ? "" : ` (${times} times)`;
      const text = `${name}${inlined ? " (inlined)" : ""}${file === undefined ? "" : `, ${file}:${line}`}${often}`;
      return n > 0 ? `in ${text}` : `${first}${text === "" || text.startsWith(",") ? "" : " "}${text}`;
    });
  });
}
/** The same of where a processor is. */
export const backtraceLines = (cpu: Cpu, bus: Bus, program: Program): string[] => frameLines(backtraceOf(cpu, bus, program));
