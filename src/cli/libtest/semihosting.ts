// Semihosting as a debugger serves it: breakpoints on the requests of a RISC-V program, which embedded-test's programs make to ask what to run and to
// tell how it ended. Source: RISC-V Semihosting 0.4 (the sequence), Arm's "Semihosting for AArch32 and AArch64" (the operations).
import type { Bus } from "../../core/bus.ts";
import type { Cpu } from "../../core/cpu.ts";
import type { Elf } from "../../machine/elf.ts";
import type { Stop } from "../../machine/stop.ts";
import { readMemory } from "./calls.ts";

/** slli x0, x0, 31; ebreak; srai x0, x0, 7: none of them compressed, together in one page. */
const SEQUENCE = Uint8Array.of(0x13, 0x10, 0xf0, 0x01, 0x73, 0x00, 0x10, 0x00, 0x13, 0x50, 0x70, 0x40);
/** Where the EBREAK is in it, and its length. */
const EBREAK = 4n;

/** Addresses of a program's requests. */
export function requestsOf({ segments }: Elf): Set<bigint> {
  const found = new Set<bigint>();
  for (const { vaddr, bytes } of segments) {
    for (let at = 0; (at = bytes.indexOf(SEQUENCE[0], at)) >= 0; at++) {
      if (SEQUENCE.every((byte, i) => bytes[at + i] === byte)) found.add(vaddr + BigInt(at) + EBREAK);
    }
  }
  return found;
}

const CLOSE = 0x02, GET_CMDLINE = 0x15, EXIT = 0x18, EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x2_0026n;
/** A text is not longer than that. */
const MOST_TEXT = 1 << 16;

/** What a request can see. */
interface Request {
  /** A word of the block that the parameter points to. */
  word(n: number): bigint;
  bytes(at: bigint, length: number): Uint8Array;
  readonly parameter: bigint;
  say(text: Uint8Array): void;
}

/** Up to the first zero. */
function textAt({ bytes }: Request, at: bigint): Uint8Array {
  const out: number[] = [];
  for (let byte; out.length < MOST_TEXT && (byte = bytes(at + BigInt(out.length), 1)[0]);) out.push(byte);
  return Uint8Array.from(out);
}

/** Operations by number; what they answer. No files are there but the console. */
const OPERATIONS: Readonly<Record<number, (r: Request) => bigint>> = {
  0x01: () => 1n, // SYS_OPEN
  [CLOSE]: () => 0n,
  0x03: (r) => (r.say(r.bytes(r.parameter, 1)), 0n), // SYS_WRITEC
  0x04: (r) => (r.say(textAt(r, r.parameter)), 0n), // SYS_WRITE0
  0x05: (r) => (r.say(r.bytes(r.word(1), Math.min(MOST_TEXT, Number(r.word(2))))), 0n), // SYS_WRITE: all is written
  0x06: (r) => r.word(2), // SYS_READ: nothing is read
  0x09: () => 1n, // SYS_ISTTY
  0x13: () => 0n, // SYS_ERRNO
};

/**
 * Serves the request that a processor is about to make. The stop that it asks for, "command line" when it asks for that, which is left to the
 * caller; else it is done and the processor goes on behind it.
 */
export function serve(cpu: Cpu, bus: Bus, say: (text: Uint8Array) => void): Stop | "command line" | undefined {
  const [operation, parameter] = [Number(cpu.reg("a0")), cpu.reg("a1")], w = cpu.registers.find((r) => r.name === "a0")!.bits / 8;
  const bytes = (at: bigint, length: number) => readMemory(cpu, bus, at, length) ?? new Uint8Array(length);
  const word = (n: number) => bytes(parameter + BigInt(n * w), w).reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  if (operation === GET_CMDLINE) return "command line";
  if (operation === EXIT || operation === EXIT_EXTENDED) {
    // On 32 bits SYS_EXIT has the reason itself for its parameter, and no code.
    const plain = operation === EXIT && w === 4, reason = plain ? parameter : word(0), code = plain ? 0n : word(1);
    return { kind: "exit", code: reason === APPLICATION_EXIT ? Number(BigInt.asIntN(32, code)) : 1 };
  }
  const answer = OPERATIONS[operation]?.({ word, bytes, parameter, say }) ?? -1n;
  cpu.setReg("a0", BigInt.asUintN(8 * w, answer));
  cpu.setReg("pc", cpu.pc + EBREAK);
  return undefined;
}
