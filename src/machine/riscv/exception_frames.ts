// What a trap has interrupted: its pc is in the history, and where its registers are the handler's entry says, whose instructions are looked at
// one by one: it makes room on the stack, or takes one from sscratch, and stores registers there.
import type { Cpu } from "../../core/cpu.ts";
import type { EngineCpu } from "../engine_cpu.ts";
import type { ExceptionFrames, Registers } from "../architecture.ts";
import { causeName, type TrapLog, trapOf } from "../../riscv/trap.ts";
import { chainOf, inARow } from "../report/history.ts";
import { X_NAMES } from "../../riscv/registers.ts";

/** Instructions of an entry that are looked at: 31 registers are saved, perhaps those of floating point, too. */
const LONGEST = 160;
const SP = 2;
/** Bytes of stack that are looked through for a handler's return to its entry. */
const SPAN = 2048n;

/** A value by where it comes from: what a register or CSR held at the entry, and what was added since. */
interface Value {
  readonly from: string;
  readonly plus: bigint;
}
/** What an entry has done so far. */
interface Entry {
  /** By name; what is missing is not known. */
  readonly registers: Map<string, Value>;
  /** Where registers were stored: relative to what a base held at the entry. */
  readonly stored: { readonly base: string; readonly offset: bigint; readonly value: Value }[];
  /** Addresses that it consists of. */
  readonly at: Set<bigint>;
  /** Where its first call returns to, if it has one. */
  readonly call: bigint | undefined;
}

const NUMBERS = new Map(X_NAMES.map((name, n) => [name, n]));
const SCRATCH: Readonly<Record<string, string>> = { "320": "sscratch", "832": "mscratch" };

/** Follows a handler from its vector to `stop`, or to its first call. `user`: what was interrupted ran in U-mode. */
function follow(cpu: Cpu, vector: bigint, stop: bigint, user: boolean): Entry {
  const registers = new Map<string, Value>(), stored: Entry["stored"] = [], at = new Set<bigint>();
  const get = (name: string): Value | undefined =>
    registers.has(name) ? registers.get(name) : name === "zero" ? undefined : { from: name, plus: 0n };
  const unknown: Value = { from: "", plus: 0n };
  let call: bigint | undefined;
  for (let pc = vector, n = 0; n < LONGEST && pc !== stop && !at.has(pc); n++) {
    const insn = cpu.disassemble(pc);
    if (!insn) break;
    at.add(pc);
    const [, name, rest] = /^(?:c\.)?(\S+)\s*(.*)$/.exec(insn.text)!, ops = rest.split(", ");
    let next = pc + BigInt(insn.length);
    const store = /^s[dw](sp)?$/.test(name) && /^(-?\d+)\((\w+)\)$/.exec(ops[1] ?? "");
    if (store) {
      const base = get(store[2]), value = get(ops[0]);
      if (base && base.from && value?.from) stored.push({ base: base.from, offset: base.plus + BigInt(store[1]), value });
    } else if (name === "addi" || name === "addi16sp" || name === "addi4spn") {
      const base = ops.length === 3 ? get(ops[1]) : get(ops[0]);
      registers.set(ops[0], base?.from ? { from: base.from, plus: base.plus + BigInt(ops.at(-1)!) } : unknown);
    } else if (name === "mv") registers.set(ops[0], get(ops[1]) ?? unknown);
    else if (/^csrr[wsc]$/.test(name)) {
      const csr = SCRATCH[ops[1]], before = csr === undefined ? unknown : get(csr) ?? unknown, source = get(ops[2]);
      if (name === "csrrw" && csr !== undefined) registers.set(csr, source ?? unknown);
      if (ops[0] !== "zero") registers.set(ops[0], before);
    } else if (name === "beqz" || name === "bnez" || ((name === "beq" || name === "bne") && ops[1] === "zero")) {
      // "Was it user mode?" is asked of what was in sscratch: not 0 then.
      const asked = get(ops[0])?.from ?? "";
      if (/^[sm]scratch$/.test(asked) && name.startsWith("bne") === user) next = BigInt(ops.at(-1)!);
    } else if (name === "j" || (name === "jal" && ops[0] === "zero")) next = BigInt(ops.at(-1)!);
    else if (/^(jal|jalr|jr|mret|sret)$/.test(name)) {
      if (/^jalr?$/.test(name)) call = next;
      break;
    } else if (NUMBERS.has(ops[0]) && !name.startsWith("b")) registers.set(ops[0], unknown);
    pc = next;
  }
  return { registers, stored, at, call };
}

export const interruptedFrames: ExceptionFrames["interruptedFrames"] = (cpu, { bytes }, read, symbols) => {
  const traps = (cpu as Cpu & Partial<EngineCpu<DebuggableHart>>).core?.traps;
  const pending = traps ? chainOf(traps.history).entries.flatMap(inARow).map(trapOf).reverse() : [];
  const mask = (v: bigint) => BigInt.asUintN(8 * bytes, v);
  const functionOf = (at: bigint) => symbols.lookup(at)?.name;
  return {
    behind: (now, caller, certain, next) => {
      const trap = pending[0];
      if (!trap) return undefined;
      const tvec = cpu.reg(trap.to === 3 ? "mtvec" : "stvec"), base = tvec & ~3n;
      const vector = trap.interrupt && tvec & 1n ? base + 4n * BigInt(trap.cause) : base;
      const entry = follow(cpu, mask(vector), now.pc, trap.from === 0), own = functionOf(next ? now.pc : now.pc - 1n);
      const inEntry = (next ? entry.at.has(now.pc) : now.pc === entry.call) ||
        (own !== undefined && [...entry.at].some((at) => functionOf(at) === own));
      const here = inEntry ? now : behindCall(entry, now, caller, certain);
      if (!here) return undefined;
      const values = [...(certain && caller ? caller.values : here.values)];
      if (!certain) restore(entry, here, values);
      pending.shift();
      return { at: { pc: trap.epc, values }, exception: causeName(trap.cause, trap.interrupt) };
    },
  };
  /**
   * The entry, when a function that it has called is at `now`, and what would be taken for the caller lies beyond: compilers keep a return
   * address at the upper end of a frame.
   */
  function behindCall(entry: Entry, now: Registers, caller: Registers | undefined, certain: boolean): Registers | undefined {
    const { call } = entry, sp = now.values[SP], beyond = caller?.values[SP];
    if (certain || call === undefined || sp === undefined || caller?.pc === call) return undefined;
    // A function that has no frame yet has been called by another one.
    if (beyond !== undefined && beyond <= sp && functionOf(caller!.pc - 1n) !== undefined) return undefined;
    for (let at = sp; at < sp + SPAN && (beyond === undefined || beyond <= sp || at < beyond); at += BigInt(bytes)) {
      if (read(mask(at), bytes) !== call) continue;
      const values = [...now.values];
      values[SP] = at + BigInt(bytes);
      return { pc: call, values };
    }
    return undefined;
  }
  /** Registers as they were when the trap was taken, out of what the entry has stored. */
  function restore(entry: Entry, now: Registers, values: (bigint | undefined)[]): void {
    const sp = entry.registers.get("sp") ?? { from: "sp", plus: 0n }, here = now.values[SP];
    if (!sp.from || here === undefined) return;
    /** What the stack pointer's origin held at the entry. */
    const origin = mask(here - sp.plus);
    for (const { base, offset, value } of entry.stored) {
      const n = NUMBERS.get(value.from), word = n === undefined || base !== sp.from ? undefined : read(mask(origin + offset), bytes);
      if (word !== undefined) values[n!] = mask(word - value.plus);
    }
    if (sp.from === "sp") values[SP] = origin;
    // It was exchanged, and is still there.
    else if (!entry.stored.some(({ value }) => value.from === "sp")) {
      const kept = [...entry.registers].find(([name, v]) => name.endsWith("scratch") && v.from === "sp");
      if (kept) values[SP] = cpu.reg(kept[0]) - kept[1].plus;
    }
  }
};

/** What is asked of a hart. */
type DebuggableHart = EngineCpu<import("../engine_cpu.ts").DebuggableCore>["core"] & { readonly traps: TrapLog };
