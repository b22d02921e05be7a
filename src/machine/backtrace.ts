// Where a processor is and how it came there: function after function, by call frame information where there is some, else by frame pointers.
import type { Bus } from "../core/bus.ts";
import type { Cpu } from "../core/cpu.ts";
import type { StackConvention } from "./architecture.ts";
import { architectureOf, familyOf } from "./architectures.ts";
import { DebugInfo } from "./dwarf/mod.ts";
import type { FrameRow } from "./dwarf/frames.ts";
import { evaluate, type Surroundings } from "./dwarf/expression.ts";
import { symbolAt } from "./elf.ts";

/** Frames that are shown at most. */
const MOST = 32;

/** A frame: where it is, and whether that instruction is the one that comes next, not the one behind a call. */
export interface Frame {
  readonly pc: bigint;
  readonly next: boolean;
}

interface Registers {
  pc: bigint;
  /** By their numbers in debugging information. */
  readonly values: (bigint | undefined)[];
}

/** Addresses from the innermost function outwards. */
export function framesOf(cpu: Cpu, bus: Bus, symbols: Pick<Program, "lookup" | "bits">, debug: DebugInfo | undefined): Frame[] {
  const family = familyOf(cpu.arch), frames: Frame[] = [{ pc: cpu.pc, next: true }];
  const convention = family === undefined ? undefined : architectureOf({ family }).stack?.(symbols.bits ?? 64);
  if (!convention) return frames;
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
  while (frames.length < MOST) {
    const row: FrameRow | undefined = debug?.frame(next ? now.pc : now.pc - 1n);
    const caller = row ? byInformation(row, now, convention, read) : byConvention(now, convention, read, symbols, frames.length === 1);
    // A stack grows downwards, so a caller's frame lies above: else this would go round for ever.
    const before = now.values[convention.stack], behind = caller?.values[convention.stack];
    if (!caller || caller.pc === 0n || before === undefined || behind === undefined || behind < before) break;
    if (behind === before && frames.length > 1) break;
    if (cpu.translate(caller.pc, "fetch") === undefined || !symbols.lookup(caller.pc - 1n)) break;
    next = row?.signal ?? false;
    frames.push({ pc: caller.pc, next });
    now = caller;
  }
  return frames;
}

function byteAt(cpu: Cpu, bus: Bus, address: bigint): number | undefined {
  const paddr = cpu.translate(address, "read");
  if (paddr === undefined) return undefined;
  const region = bus.regions.find((r) => r.bytes && paddr >= r.base && paddr < r.base + r.length);
  return region?.bytes?.[paddr - region.base];
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
  const inner = innermost ? called() : undefined, caller = inner === undefined ? undefined : symbols.lookup(inner);
  const linked = pointer === undefined || pointer === 0n || (top !== undefined && pointer < top) ? undefined : word(saved.returnAddress);
  if (inner !== undefined && inner !== linked && caller && caller.name !== symbols.lookup(now.pc)?.name) {
    if (link === undefined) values[stack] = top! + BigInt(bytes);
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
function debugInfoOf(program: Program): DebugInfo | undefined {
  const known = DEBUG.get(program);
  if (known) return known;
  const image = program.image?.();
  if (!image || program.bits === undefined) return undefined;
  const made = new DebugInfo(image, program.bits);
  DEBUG.set(program, made);
  return made;
}

/**
 * Lines for a report, the innermost function first: "0x80200010 kernel::main+0x10, src/main.rs:12", "by ..." who has called it; before that "in
 * ..." what the compiler has put it into.
 */
export function backtraceLines(cpu: Cpu, bus: Bus, program: Program): string[] {
  const debug = debugInfoOf(program);
  const at = (source: { readonly file: string; readonly line: number } | undefined) => source ? `, ${source.file}:${source.line}` : "";
  return framesOf(cpu, bus, program, debug).flatMap(({ pc, next }, i) => {
    // A call may be a function's last instruction: what comes next is another function then.
    const of = next ? pc : pc - 1n, compiled = symbolAt(program, pc, of), first = `${i > 0 ? "by " : ""}0x${pc.toString(16)}`;
    const places = debug?.places(of) ?? [{ name: undefined, source: undefined }];
    const names = places.map(({ name, source }, n) => `${n < places.length - 1 ? `${name ?? "?"} (inlined)` : compiled}${at(source)}`);
    return names.map((name, n) => n > 0 ? `in ${name}` : `${first}${name === "" || name.startsWith(",") ? "" : " "}${name}`);
  });
}
