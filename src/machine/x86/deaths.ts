// What an x86 processor tells of how it died: exceptions with their error codes in words, IDT, GDT and TSS as they are, the page walk.
// Intel SDM volume 3A (253668-083), chapters 3, 4, 6 and 7.
import type { Cpu } from "../../core/cpu.ts";
import { FETCH, READ, WRITE } from "../../ir/frontend.ts";
import type { X86Cpu } from "../../x86/cpu.ts";
import { entryFlags, modeName } from "../../x86/debug.ts";
import { type Event, eventName, eventOf, EXCEPTION, hasErrorCode, XCPT } from "../../x86/exceptions.ts";
import { LEVEL_NAMES, PF_I, PF_P, PF_PK, PF_RSVD, PF_U, PF_W, REASONS } from "../../x86/paging.ts";
import { AC, CR0_PG, CR4_SMAP } from "../../x86/registers.ts";
import { RETURNED } from "../../x86/slots.ts";
import { CS, SEGMENT_NAMES, SS, TR } from "../../x86/segments.ts";
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
  type Place,
  type Program,
  type Subject,
  type TrapFact,
  type WalkFact,
} from "../report/facts.ts";
import { chainOf } from "../report/history.ts";
import { byteAt, physicalByte, wordAt } from "../report/memory.ts";
import { X86_CAUSES } from "./death_causes.ts";
import type { Gate, X86Facts } from "./death_facts.ts";
import { inspector } from "./inspect.ts";

const bitNames = (value: number, table: readonly (readonly [number, string])[]): string =>
  table.filter(([bit]) => value & bit).map(([, name]) => name).join(", ");
/** SDM volume 3A, 4.7. */
const PAGE_FAULT_BITS = [
  [PF_W, "write"],
  [PF_I, "fetch"],
  [PF_U, "user"],
  [PF_RSVD, "reserved bit"],
  [PF_PK, "protection key"],
] as const;

/** What an error code says, in words (6.13, 4.7). */
function errorText(e: Event): string {
  if (e.kind !== EXCEPTION || !hasErrorCode(e.vector)) return "";
  const code = e.errorCode, head = `error code ${hex(code)}`;
  if (e.vector === XCPT.PF) {
    const access = code & (PF_W | PF_I) ? "" : "read, ", bits = bitNames(code, PAGE_FAULT_BITS);
    return `${hex(e.address)}, ${head}: ${access}${bits ? `${bits}, ` : ""}${
      code & PF_P ? "the page is there and forbids it" : "no page is there"
    }`;
  }
  if ((code & 0xfffc) === 0) return code === 0 ? head : `${head}: external`;
  const table = code & 2 ? `vector ${code >> 3 & 0xff} of the IDT` : `selector ${hex(code & 0xfffc)} of the ${code & 4 ? "LDT" : "GDT"}`;
  return `${head}: ${table}${code & 1 ? ", external" : ""}`;
}

export function examine(cpu: Cpu, subject: Subject, occasion: Occasion): Examined | undefined {
  const core = (cpu as Cpu & Partial<EngineCpu<X86Cpu>>).core;
  if (!core?.events || !core.paging) return undefined;
  const { bus, symbols } = subject, { s, segments, modes, window } = core;
  const { entries, before, gap } = chainOf(core.events.history, core.window.lo(RETURNED) !== 0), chain = entries.map(eventOf);
  const first = firstOf(chain), begin = chain[first] as Event | undefined;
  const word = (at: bigint, bytes = 8) => wordAt(cpu, bus, at, bytes);
  const linear = (lo: number, hi: number) => BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0);
  const idt = { base: linear(s.idtLo, s.idtHi), limit: s.idtLimit };
  const gateSize = !(s.cr0 & 1) ? 4 : modes.lma ? 16 : 8;
  const gate = (vector: number): Gate | undefined => {
    const at = idt.base + BigInt(vector * gateSize);
    const low = vector * gateSize + gateSize - 1 > idt.limit ? undefined : word(at, gateSize === 4 ? 4 : 8);
    if (low === undefined) return undefined;
    const lo = Number(low & 0xffff_ffffn), hi = Number(low >> 32n), offset = BigInt(((hi & 0xffff_0000) | (lo & 0xffff)) >>> 0);
    if (gateSize === 4) return { vector, present: low !== 0n, type: 6, selector: lo >>> 16, target: BigInt(lo & 0xffff), dpl: 0, ist: 0 };
    const target = gateSize === 16 ? offset | (word(at + 8n, 4) ?? 0n) << 32n : offset;
    const ist = gateSize === 16 ? hi & 7 : 0;
    return { vector, present: (hi & 0x8000) !== 0, type: hi >> 8 & 31, selector: lo >>> 16, target, dpl: hi >> 13 & 3, ist };
  };
  const gdt = { base: cpu.reg("gdtr_base"), limit: Number(cpu.reg("gdtr_limit")) };
  const descriptor: X86Facts["descriptor"] = (selector) => {
    const offset = selector & 0xfff8, value = selector & 4 || offset + 7 > gdt.limit ? undefined : word(gdt.base + BigInt(offset));
    if (value === undefined || offset === 0) return undefined;
    const hi = Number(value >> 32n);
    return { present: (hi & 0x8000) !== 0, code: (hi & 0x1800) === 0x1800, long: (hi & 0x20_0000) !== 0 };
  };
  const tr = { selector: segments.selector(TR), base: linear(segments.baseLo(TR), segments.baseHi(TR)), limit: segments.limit[TR] };
  const inTss = (offset: number, bytes: number) =>
    (tr.selector & 0xfffc) === 0 || offset + bytes - 1 > tr.limit ? undefined : word(tr.base + BigInt(offset), bytes);
  const tss = {
    selector: tr.selector,
    rsp0: modes.lma ? inTss(4, 8) : inTss(4, 4),
    ist: modes.lma ? Array.from({ length: 7 }, (_, n) => inTss(0x24 + 8 * n, 8)) : [],
  };
  const fault = chain.slice(Math.max(first, 0)).find((e) => e.kind === EXCEPTION && e.vector === XCPT.PF);
  const walked = fault && walkOf(core, fault);
  const live = begin !== undefined && s.shutdown && chain.at(-1)!.at === begin.at;
  const facts: Omit<X86Facts, "seen" | "sp"> = {
    occasion,
    chain,
    first: begin,
    firstIndex: first,
    recent: core.events.last(),
    shutdown: s.shutdown,
    waiting: core.waiting,
    protectedMode: (s.cr0 & 1) !== 0,
    long: modes.lma,
    code64: modes.code64,
    cpl: window.cpl,
    live,
    walk: walked?.walk,
    walkReason: walked?.reason ?? "",
    idt: { ...idt, entries: Math.floor((idt.limit + 1) / gateSize) },
    gdtLimit: gdt.limit,
    tss,
    pic: picOf(subject),
    has: (feature) => core.features.has(feature),
    byte: (at) => byteAt(cpu, bus, at),
    physical: (at) => physicalByte(bus, Number(at)),
    gate,
    descriptor,
    ...asked(cpu, symbols),
  };
  return {
    facts: {
      mode: `${modeName(core)} mode, CPL ${window.cpl}${s.shutdown ? ", shut down" : ""}`,
      chain: chain.map((e) => trapFact(cpu, symbols, e)),
      before,
      gap,
      traps: core.events.count,
      first,
      ...(walked ? { walk: walked.walk } : {}),
      tables: tablesOf(core, cpu, facts, gate, gdt, tr),
    },
    causes: (seen) => {
      const frame = seen.backtrace.find((f) => f.exception !== undefined && f.pc === begin?.pc);
      return causesOf(X86_CAUSES, { ...facts, seen, sp: live ? cpu.reg("rsp") : frame?.stack });
    },
  };
}

/** What began a chain: the first exception, or the interrupt in front of it that could not be delivered. */
function firstOf(chain: readonly Event[]): number {
  const n = chain.findIndex((e) => e.kind === EXCEPTION && e.vector !== XCPT.DB), before = chain[n - 1];
  return n > 0 && before.pc === chain[n].pc && before.at === chain[n].at ? n - 1 : n;
}

function trapFact(cpu: Cpu, symbols: Program, e: Event): TrapFact {
  const [{ name, file, line }] = functionsAt(symbols, e.pc).slice(-1), at: Place = { address: e.pc, name, file, line };
  return {
    name: eventName(e.vector, e.kind),
    code: e.vector,
    interrupt: e.kind !== EXCEPTION,
    detail: errorText(e),
    ...(e.kind === EXCEPTION && hasErrorCode(e.vector) ? { errorCode: e.errorCode } : {}),
    ...(e.kind === EXCEPTION && e.vector === XCPT.PF ? { address: e.address } : {}),
    pc: e.pc,
    at,
    instruction: cpu.disassemble(e.pc)?.text,
    privilege: `CPL ${e.cpl}`,
    instructions: e.at,
    times: e.times,
  };
}

/** How the address of a page fault is translated now. */
function walkOf(core: X86Cpu, e: Event): { readonly walk: WalkFact; readonly reason: string } | undefined {
  const p = core.paging;
  if (!(core.s.cr0 & CR0_PG)) return undefined;
  const access = e.errorCode & PF_W ? WRITE : e.errorCode & PF_I || e.address === e.pc ? FETCH : READ, user = (e.errorCode & PF_U) !== 0;
  const lo = Number(BigInt.asIntN(32, e.address)), hi = Number(BigInt.asIntN(32, e.address >> 32n));
  const smap = (core.s.cr4 & CR4_SMAP) !== 0 && !(core.window.systemFlags & AC), paddr = p.walk(lo, hi, access, user, smap, true);
  const to = paddr < 0 ? p.level : p.leaf, levels: WalkFact["levels"][number][] = [];
  for (let level = p.levels - 1; level >= to; level--) {
    const entry = BigInt(p.entryHi[level] >>> 0) << 32n | BigInt(p.entryLo[level] >>> 0);
    levels.push({
      name: LEVEL_NAMES[level],
      at: BigInt(Math.max(0, p.entryAddress[level])),
      entry,
      flags: entryFlags(p.entryLo[level], p.entryHi[level]),
    });
  }
  const reason = paddr < 0 ? REASONS[p.reason] : "", root = BigInt(core.s.cr3Hi >>> 0) << 32n | BigInt(core.s.cr3Lo >>> 0);
  const end = paddr < 0 ? { failed: { level: LEVEL_NAMES[to], why: reason } } : { mappedTo: BigInt(paddr) };
  return { walk: { address: e.address, root, levels, ...end }, reason };
}
/** Bits that a report names, by register. */
const NAMED = {
  eflags: "AC VM OF DF IF TF SF ZF CF",
  cr0: "PE MP EM TS NE WP PG",
  cr4: "PSE PAE PGE OSFXSR OSXMMEXCPT FSGSBASE PCIDE OSXSAVE SMEP SMAP",
  efer: "SCE LME LMA NXE",
} as const;

function tablesOf(
  core: X86Cpu,
  cpu: Cpu,
  f: Omit<X86Facts, "seen" | "sp">,
  gate: X86Facts["gate"],
  gdt: { readonly base: bigint; readonly limit: number },
  tr: { readonly base: bigint; readonly limit: number },
): CpuFacts["tables"] {
  const r = (name: string) => hex(cpu.reg(name));
  const named = (name: keyof typeof NAMED) => {
    const names = bitsOf(cpu.reg(name), inspector.fields[name], NAMED[name]);
    return `${r(name)}${names.length ? ` [${names.join(" ")}]` : ""}`;
  };
  const wide = f.long ? ["rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15"] : ["rax rbx rcx rdx rsi rdi rbp rsp"];
  const tables: CpuFacts["tables"][number][] = [{ title: "registers", rows: wide[0].split(" ").map((name) => [name, r(name)] as const) }, {
    title: "control registers",
    rows: [["rip", r("rip")], ["eflags", named("eflags")], ["cr0", named("cr0")], ["cr2", r("cr2")], [
      "cr3",
      r("cr3"),
    ], [
      "cr4",
      named("cr4"),
    ], ["efer", named("efer")]],
  }];
  const segment = (n: number): readonly [string, string] => {
    const { segments } = core, base = BigInt(segments.baseHi(n) >>> 0) << 32n | BigInt(segments.baseLo(n) >>> 0);
    return [SEGMENT_NAMES[n], `${hex(segments.selector(n))}${base ? ` base ${hex(base)}` : ""}`];
  };
  const absent = f.tss.selector & 0xfffc ? "" : " (none is loaded)";
  const stacks = [["rsp0", f.tss.rsp0] as const, ...f.tss.ist.map((v, i) => [`ist${i + 1}`, v] as const)].filter(([, v]) => v);
  tables.push({
    title: "descriptor tables",
    rows: [
      ["gdt", `${hex(gdt.base)}, limit ${hex(gdt.limit)}`],
      ["idt", `${hex(f.idt.base)}, limit ${hex(f.idt.limit)}: ${f.idt.entries} entries`],
      ["tss", `selector ${hex(f.tss.selector)}${absent || `, ${hex(tr.base)}, limit ${hex(tr.limit)}`}`],
      ...stacks.map(([name, v]) => [name, hex(v!)] as const),
      segment(CS),
      segment(SS),
    ],
  });
  const vectors = [...new Set(f.chain.slice(-4).concat(f.first ?? []).map((e) => e.vector))].sort((a, b) => a - b);
  const text = (vector: number): string => {
    const g = gate(vector);
    if (!g) return "beyond the limit of the IDT, or not mapped";
    if (!g.present) return "not present";
    const kind = g.type === 14 ? "interrupt gate" : g.type === 15 ? "trap gate" : g.type === 5 ? "task gate" : `type ${g.type}`;
    if (!f.protectedMode) return `${hex(g.selector)}:${hex(g.target)}`;
    return `${kind} to ${hex(g.selector)}:${f.place(g.target)}, DPL ${g.dpl}${f.long ? `, IST ${g.ist}` : ""}`;
  };
  if (vectors.length) tables.push({ title: "IDT entries", rows: vectors.map((v) => [String(v), text(v)] as const) });
  // Who has not died may wait for an interrupt.
  const pic = f.shutdown ? undefined : f.pic;
  if (pic) {
    const rows = [["mask", hex(pic.imr)], ["in service", hex(pic.isr)], ["vectors", pic.vectors.map((v) => hex(v)).join(", ")]] as const;
    tables.push({ title: "PIC", rows });
  }
  return tables;
}

interface Chips {
  readonly chips: readonly { readonly imr: number; readonly isr: number; readonly vector: number }[];
}
function picOf(subject: Subject): X86Facts["pic"] {
  const id = subject.graph?.devices.find(({ type }) => type === "i8259.pair")?.id;
  const found = id === undefined ? undefined : subject.device?.(id);
  const chips = (found as { state?: Chips } | undefined)?.state?.chips;
  if (!chips) return undefined;
  const both = (of: (c: Chips["chips"][number]) => number) => of(chips[0]) | of(chips[1]) << 8;
  return { imr: both((c) => c.imr), isr: both((c) => c.isr), vectors: chips.map((c) => c.vector) };
}
