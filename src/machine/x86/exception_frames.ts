// What the processor has pushed when it entered a handler (Intel SDM volume 3A, 253668-083, 6.12.1 and 6.14.2), found on the stack by what the
// history says of the exception: its return address and its privilege.
import type { Cpu } from "../../core/cpu.ts";
import { eventName, eventOf, EXCEPTION } from "../../x86/exceptions.ts";
import type { EngineCpu } from "../engine_cpu.ts";
import type { X86Cpu } from "../../x86/cpu.ts";
import type { ExceptionFrames, Registers } from "../architecture.ts";
import { RETURNED } from "../../x86/slots.ts";
import { chainOf, inARow } from "../report/history.ts";

/** Bytes of stack that are looked through: a handler's entry saves all registers, perhaps those of the FPU, too. */
const SPAN = 2048n;
/** Bits of EFLAGS that are always 1, and always 0 (SDM volume 1, 3.4.3). */
const ONE = 2n, ZERO = ~0x3f_7fd7n;

export const interruptedFrames: ExceptionFrames["interruptedFrames"] = (cpu, { bytes, stack }, read, symbols) => {
  const core = (cpu as Cpu & Partial<EngineCpu<X86Cpu>>).core;
  const pending = core?.events
      ? chainOf(core.events.history, core.window.lo(RETURNED) !== 0).entries.flatMap(inARow).map(eventOf).reverse()
      : [],
    word = BigInt(bytes);
  /** The frame of an exception at an address, for the first of the pending ones that fits. */
  const frameAt = (at: bigint, now: Registers) => {
    const pc = read(at, bytes), n = pc === undefined ? -1 : pending.findIndex((e) => e.pc === pc);
    if (n < 0) return undefined;
    const event = pending[n], cs = read(at + word, bytes), flags = read(at + 2n * word, bytes);
    if (cs === undefined || flags === undefined || cs > 0xffffn || Number(cs & 3n) !== event.cpl || (flags & ONE) === 0n || flags & ZERO) {
      return undefined;
    }
    // In 64-bit mode the stack is always pushed, else when the privilege has changed.
    const saved = bytes === 8 || event.cpl > core!.window.cpl ? read(at + 3n * word, bytes) : at + 3n * word;
    if (saved === undefined) return undefined;
    const values = [...now.values];
    values[stack] = saved;
    pending.splice(0, n + 1);
    const name = eventName(event.vector, event.kind), exception = event.kind === EXCEPTION ? name.split(" ")[0] : name;
    return { at: { pc: event.pc, values }, exception };
  };
  return {
    behind: (now, caller, certain) => {
      const sp = now.values[stack], above = caller?.values[stack];
      if (sp === undefined || pending.length === 0) return undefined;
      // Debugging information says where the return address of the function is: it may be an exception's.
      if (certain) return above === undefined ? undefined : frameAt(above - word, caller!);
      const called = caller !== undefined && symbols.lookup(caller.pc - 1n) !== undefined;
      for (let at = sp; at < sp + SPAN; at += word) {
        // A caller's frame lies in between.
        if (called && above !== undefined && above <= at && above > sp) return undefined;
        // Behind a saved frame pointer it is what was saved.
        const found = frameAt(at, above !== undefined && at >= above - word ? caller! : now);
        if (found) return found;
      }
      return undefined;
    },
  };
};
