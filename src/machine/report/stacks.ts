// Stacks: how large the one is that was overflowed, by what is mapped and by symbols.
import type { Cpu } from "../../core/cpu.ts";
import type { Program } from "./facts.ts";

const PAGE = 4096n, LARGEST = 4n << 20n;
/** An access so far below the stack pointer, or above, may be one to the stack: a frame's size, a probe. */
const BELOW = 0x1_0000n, ABOVE = 0x1000n;

/** Whether an access that failed was one to a stack whose pointer is `sp`. */
export const nearStack = (address: bigint, sp: bigint): boolean => address >= sp - BELOW && address < sp + ABOVE;

/**
 * The size of the stack above an address that is not mapped, and its name: up to where another symbol begins or nothing is mapped. Undefined:
 * nothing is mapped there, or nobody knows where it ends.
 */
export function stackAbove(
  cpu: Pick<Cpu, "translate">,
  symbols: Program,
  address: bigint,
): { readonly size: bigint; readonly name: string } | undefined {
  let bottom = (address / PAGE + 1n) * PAGE;
  // A guard may have several pages.
  for (let n = 0; n < 16 && cpu.translate(bottom, "write") === undefined; n++) bottom += PAGE;
  if (cpu.translate(bottom, "write") === undefined) return undefined;
  const name = symbols.lookup(bottom)?.name;
  let top = bottom;
  while (top - bottom < LARGEST && cpu.translate(top, "write") !== undefined && symbols.lookup(top)?.name === name) top += PAGE;
  if (top - bottom >= LARGEST) return undefined;
  // Another symbol need not begin at a page.
  if (name !== undefined) {
    let from = top - PAGE;
    for (let step = PAGE; step >= 1n; step /= 2n) if (symbols.lookup(from + step - 1n)?.name === name) from += step;
    if (symbols.lookup(top)?.name !== name && from > bottom) top = from;
  }
  return { size: top - bottom, name: name ?? "" };
}

/** "16 KiB", "100 bytes". */
export const sizeText = (bytes: bigint): string => bytes % 1024n === 0n ? `${bytes / 1024n} KiB` : `${bytes} bytes`;
