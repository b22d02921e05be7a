// How deep stacks become: what is free of one is filled with a pattern, and what of that is left tells later. Only memory that no guest may look at
// changes, that below a stack pointer; the guest runs as before, but the machine's digest is another one.
import { checkOptions, ConfigError } from "../core/errors.ts";
import { parseSize } from "../machine/config.ts";
import { architectureOf, familyOf } from "../machine/architectures.ts";
import { addressOf } from "./machine_like.ts";
import { placesOf, type Reach } from "./memory.ts";
import type { Waiting } from "./waiting.ts";

/** Where a stack is: both ends, or one and the size ("16KiB"). */
export interface StackPlace extends Reach {
  readonly low?: number | bigint | string;
  /** Behind its last byte, where it begins: stacks grow downwards. */
  readonly high?: number | bigint | string;
  readonly size?: number | string;
}

/** Bytes below a stack pointer that functions may use (the red zone of x86-64 has 128); the largest stack that is looked at; a page. */
const RED_ZONE = 256n, MOST = 1 << 28, PAGE = 4096;
/** What no program writes by chance. */
const PATTERN = Uint8Array.of(0xb1, 0x4e, 0x5a, 0x93, 0xe7, 0x2c, 0xd8, 0x6f);

/** A part of a stack that was filled. */
interface Filled {
  readonly from: bigint;
  readonly paddr: number;
  readonly length: number;
}

export class StackWatch {
  /** @internal */
  constructor(
    readonly session: Waiting,
    readonly name: string,
    readonly low: bigint,
    readonly high: bigint,
    /** From the lowest address up. */
    readonly filled: readonly Filled[],
  ) {}

  /** Bytes that it has in all. */
  get size(): number {
    return Number(this.high - this.low);
  }
  /** The lowest address that was written since the watch began, or was in use then. */
  get deepest(): bigint {
    const { bus } = this.session.machine;
    for (const { from, paddr, length } of this.filled) {
      const bytes = bus.readBytes(paddr, length);
      for (let i = 0; i < length; i++) if (bytes[i] !== PATTERN[Number((from + BigInt(i)) & 7n)]) return from + BigInt(i);
    }
    const last = this.filled.at(-1);
    return last ? last.from + BigInt(last.length) : this.high;
  }
  /** Bytes that it has needed at most, so far: all of them when nothing is left as it was (it was full, or cleared behind the watch's beginning). */
  get used(): number {
    return Number(this.high - this.deepest);
  }
}

/** See `MachineSession.stack`. @throws {ConfigError} there is no such stack, or it cannot be told what of it is free. */
export function stackOf(session: Waiting, name: string, place: StackPlace = {}): StackWatch {
  const { machine } = session;
  checkOptions("stack", place, ["low", "high", "size", "cpu", "physical"]);
  const fail = (problem: string) => new ConfigError(`stack ${name}: ${problem}`);
  const size = place.size === undefined ? undefined : parseSize(place.size);
  if (place.size !== undefined && size === undefined) {
    throw fail(`\`size\` is a number of bytes or a text such as "16KiB", got ${place.size}`);
  }
  const at = (where: number | bigint | string | undefined) => where === undefined ? undefined : addressOf(machine, where);
  let low = at(place.low), high = at(place.high);
  if (low === undefined && high === undefined) low = addressOf(machine, name);
  const bytes = size ?? (low !== undefined && high === undefined ? machine.symbols.sizeAt?.(low) : undefined);
  low ??= bytes === undefined ? undefined : high! - BigInt(bytes);
  high ??= bytes === undefined ? undefined : low! + BigInt(bytes);
  if (low === undefined || high === undefined) {
    throw fail("where does it end? its symbol does not say: give two of `low`, `high` and `size`");
  }
  if (low >= high || high - low > BigInt(MOST)) {
    throw fail(`it goes from 0x${low.toString(16)} to 0x${high.toString(16)}, which is no stack`);
  }

  const pointers = machine.cpus.flatMap((cpu) => {
    const family = familyOf(cpu.arch), { stack, registers } = architectureOf({ family: family! }).stack?.(machine.symbols.bits ?? 64) ?? {};
    const pointer = registers && stack !== undefined ? cpu.reg(registers[stack]) : undefined;
    return pointer !== undefined && pointer > low && pointer <= high ? [pointer] : [];
  });
  const lowest = pointers.reduce<bigint | undefined>((a, b) => a === undefined || b < a ? b : a, undefined);
  const end = lowest === undefined ? high : (lowest - RED_ZONE) & ~7n, translate = placesOf(session, place), filled: Filled[] = [];
  // In pieces of a page; what is not mapped (a guard page) is not touched.
  for (let from = low; from < end;) {
    const length = Math.min(Number(end - from), PAGE - Number(from % BigInt(PAGE))), paddr = translate(from);
    if (paddr !== undefined && machine.bus.find(paddr)?.bytes) filled.push({ from, paddr, length });
    from += BigInt(length);
  }
  if (filled.length === 0 && lowest === undefined) throw fail(`no memory is mapped at 0x${low.toString(16)}`);
  if (lowest === undefined) {
    // Nobody runs on it: it must not hold what somebody comes back to.
    const first = machine.bus.readBytes(filled[0].paddr, 1)[0];
    if (!filled.every(({ paddr, length }) => machine.bus.readBytes(paddr, length).every((b) => b === first))) {
      throw fail("no processor runs on it, and it is in use: ask before it is, or while one does");
    }
  }
  for (const { from, paddr, length } of filled) {
    machine.bus.writeBytes(paddr, Uint8Array.from({ length }, (_, i) => PATTERN[Number((from + BigInt(i)) & 7n)]));
  }
  return new StackWatch(session, name, low, high, filled);
}
