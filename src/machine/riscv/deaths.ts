// What a RISC-V hart tells of how it died: traps with their values in words, vectors, delegation, the page walk.
// RISC-V Privileged 20240411, 3.1 and 10.1, 10.3 to 10.6.
import type { Cpu } from "../../core/cpu.ts";
import { pteFlags } from "../../riscv/debug.ts";
import { REASONS } from "../../riscv/mmu.ts";
import type { Hart } from "../../riscv/hart.ts";
import { CAUSE, causeName, PRIVILEGE_LETTERS, type Trap, trapOf } from "../../riscv/trap.ts";
import { functionsAt } from "../backtrace.ts";
import type { EngineCpu } from "../engine_cpu.ts";
import {
  asked,
  bitsOf,
  causesOf,
  type CpuFacts,
  type Examined,
  hex,
  type Occasion,
  type Program,
  type Seen,
  type Subject,
  type TrapFact,
  type WalkFact,
} from "../report/facts.ts";
import { chainOf } from "../report/history.ts";
import { byteAt, physicalByte } from "../report/memory.ts";
import { RISCV_CAUSES } from "./death_causes.ts";
import { accessOf, type RiscvFacts } from "./death_facts.ts";
import { inspector } from "./inspect.ts";

/** What a program asks for on purpose. */
const CALLS: readonly number[] = [CAUSE.ecall, CAUSE.ecall + 1, CAUSE.ecall + 3];

export function examine(cpu: Cpu, subject: Subject, occasion: Occasion): Examined | undefined {
  const core = (cpu as Cpu & Partial<EngineCpu<Hart>>).core;
  if (!core?.traps || !core.mmu || !core.pmp) return undefined;
  const { bus, symbols } = subject, { entries, before, gap } = chainOf(core.traps.history), chain = entries.map(trapOf);
  const ofOwn = chain.findIndex((t) => !t.interrupt && !CALLS.includes(t.cause));
  // A call that M-mode did not serve: of S-mode's, or for ever.
  const unserved = (t: Trap) => !t.interrupt && (occasion === "trapLoop" || (occasion === "deadHalt" && t.from === 1 && t.to === 3));
  const first = ofOwn < 0 ? chain.findIndex(unserved) : ofOwn, begin = chain[first] as Trap | undefined;
  const fault = begin && accessOf(begin) !== undefined ? begin : chain.find((t) => accessOf(t) !== undefined);
  const walked = fault && walkOf(core, fault);
  const codeOf = (byte: (at: bigint) => number | undefined) => (at: bigint) => {
    const bytes = [0n, 1n, 2n, 3n].map((n) => byte(at + n));
    if (bytes[0] === undefined || bytes[1] === undefined) return undefined;
    const low = bytes[0] | bytes[1] << 8;
    return (low & 3) === 3 ? (low | (bytes[2] ?? 0) << 16 | (bytes[3] ?? 0) << 24) >>> 0 : low;
  };
  const facts: Omit<RiscvFacts, "seen" | "sp"> = {
    occasion,
    chain,
    first: begin,
    firstIndex: first,
    recent: core.traps.last(),
    waiting: core.waiting,
    stopped: core.s.stopped,
    xlen: core.xlen,
    isa: core.config.isa,
    walk: walked?.walk,
    walkReason: walked?.reason ?? "",
    pmpClosed: core.pmp.entries > 0 && core.pmp.cfg.every((c) => (c & 0x18) === 0),
    code: codeOf((at) => byteAt(cpu, bus, at) ?? fetched(cpu, bus, at)),
    physicalCode: codeOf((at) => physicalByte(bus, Number(at))),
    memory: (at) => bus.find(Number(at))?.bytes !== undefined,
    ...asked(cpu, symbols),
  };
  return {
    facts: {
      mode: `privilege ${PRIVILEGE_LETTERS[core.s.priv]}${core.s.stopped ? ", stopped" : ""}`,
      chain: chain.map((t) => trapFact(cpu, symbols, t)),
      before,
      gap,
      traps: core.traps.count,
      first,
      ...(walked ? { walk: walked.walk } : {}),
      tables: tablesOf(core, cpu, facts),
    },
    causes: (seen) => causesOf(RISCV_CAUSES, { ...facts, seen, sp: stackAt(facts, seen) }),
  };
}

const fetched = (cpu: Cpu, bus: Subject["bus"], at: bigint): number | undefined => {
  const paddr = cpu.translate(at, "fetch");
  return paddr === undefined ? undefined : physicalByte(bus, paddr);
};

/** The stack pointer at the first trap: what faulted used it itself, or the handler has saved it. */
function stackAt({ first, instruction }: Omit<RiscvFacts, "seen" | "sp">, { backtrace }: Seen): bigint | undefined {
  if (!first) return undefined;
  const own = accessOf(first) === undefined ? null : /^(?:c\.)?f?[ls]\w+ \w+, (-?\d+)\(sp\)$/.exec(instruction(first.epc));
  if (own) return first.tval - BigInt(own[1]);
  return backtrace.find((f) => f.exception !== undefined && f.pc === first.epc)?.stack;
}

function trapFact(cpu: Cpu, symbols: Program, t: Trap): TrapFact {
  const [{ name, file, line }] = functionsAt(symbols, t.epc).slice(-1), access = accessOf(t);
  const detail = t.interrupt || t.tval === 0n && access === undefined
    ? ""
    : t.cause === CAUSE.illegal
    ? `instruction ${hex(t.tval)}`
    : access === undefined
    ? `tval ${hex(t.tval)}`
    : hex(t.tval);
  return {
    name: causeName(t.cause, t.interrupt),
    code: t.cause,
    interrupt: t.interrupt,
    detail,
    ...(access === undefined ? {} : { address: t.tval }),
    pc: t.epc,
    at: { address: t.epc, name, file, line },
    instruction: cpu.disassemble(t.epc)?.text,
    privilege: `${PRIVILEGE_LETTERS[t.from]} -> ${PRIVILEGE_LETTERS[t.to]}`,
    instructions: t.at,
    times: t.times,
  };
}

/** How the address of a fault is translated now, for the privilege that it came from. */
function walkOf(core: Hart, t: Trap): { readonly walk: WalkFact; readonly reason: string } | undefined {
  const { mmu } = core, access = accessOf(t)!;
  if (mmu.levels === 0 || t.from === 3) return undefined;
  const lo = Number(BigInt.asIntN(32, t.tval)), hi = Number(BigInt.asIntN(32, t.tval >> 32n));
  const paddr = mmu.walk(lo, hi, access, t.from === 0, core.window.status, true), levels: WalkFact["levels"][number][] = [];
  const to = paddr < 0 ? mmu.level : 0;
  for (let level = mmu.levels - 1; level >= to; level--) {
    const entry = BigInt(mmu.pteHi[level] >>> 0) << 32n | BigInt(mmu.pteLo[level] >>> 0);
    levels.push({ name: `level ${level}`, at: BigInt(mmu.pteAddress[level]), entry, flags: pteFlags(mmu.pteLo[level]) });
    if (entry & 0xan) break;
  }
  const reason = paddr < 0 ? REASONS[mmu.reason] : "", level = to < mmu.levels ? `level ${to}` : "the address";
  const end = paddr < 0 ? { failed: { level, why: reason } } : { mappedTo: BigInt(paddr) };
  return { walk: { address: t.tval, root: BigInt(mmu.root) * 4096n, levels, ...end }, reason };
}

const GENERAL = ["ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", ...Array.from({ length: 8 }, (_, n) => `a${n}`)];
const SAVED = [...Array.from({ length: 10 }, (_, n) => `s${n + 2}`), "t3", "t4", "t5", "t6"];
const OFF_DIRTY = ["Off", "Initial", "Clean", "Dirty"];
const MODES: Readonly<Record<string, string>> = { "0": "bare", "1": "Sv32", "8": "Sv39", "9": "Sv48", "10": "Sv57" };

function tablesOf(core: Hart, cpu: Cpu, f: Omit<RiscvFacts, "seen" | "sp">): CpuFacts["tables"] {
  const r = (name: string) => hex(cpu.reg(name)), status = Number(cpu.reg("mstatus") & 0xffff_ffffn);
  const bits = bitsOf(BigInt(status), inspector.fields.mstatus, "SIE MIE SPIE SPP SUM MXR MPRV");
  const satp = cpu.reg("satp"), mode = core.xlen === 64 ? satp >> 60n : satp >> 31n;
  const vector = (name: string): readonly [string, string] => {
    const value = cpu.reg(name), base = value & ~3n, at = value === 0n ? "" : ` ${f.place(base)}`;
    return [name, `${hex(value)}${at === ` ${hex(base)}` ? "" : at}${value & 1n ? " (vectored)" : ""}`];
  };
  const supervisor = (["sscratch", "sepc", "scause", "stval", "sie", "sip"] as const).map((name) => [name, r(name)] as const);
  const machine = (["mscratch", "mepc", "mcause", "mtval"] as const).map((name) => [name, r(name)] as const);
  const ran = f.chain.some((t) => t.to === 3) || core.s.priv === 3;
  return [
    { title: "registers", rows: [...GENERAL, ...SAVED].map((name) => [name, r(name)] as const) },
    {
      title: "supervisor",
      rows: [vector("stvec"), ...supervisor, ["satp", `${hex(satp)} (${MODES[String(mode)] ?? "?"})`], [
        "status",
        `${hex(status)} [${[...bits, `MPP ${PRIVILEGE_LETTERS[status >> 11 & 3]}`, `FS ${OFF_DIRTY[status >> 13 & 3]}`].join(" ")}]`,
      ]],
    },
    { title: "delegation", rows: [["medeleg", r("medeleg")], ["mideleg", r("mideleg")]] },
    ...(ran ? [{ title: "machine", rows: [vector("mtvec"), ...machine] }] : []),
  ];
}
