// Why x86 kernels die, a row a cause: what must hold, and the sentence. Each has its paragraph in docs/deaths.md. Rows of the group "why" explain
// the first exception, the most telling first; those of "then" why it was not handled.
import { type Event, eventName, EXCEPTION, EXCEPTION_NAMES, EXTERNAL, hasErrorCode, XCPT } from "../../x86/exceptions.ts";
import { PF_I, PF_P, PF_RSVD, PF_U, PF_W } from "../../x86/paging.ts";
import { type CauseRow, hex } from "../report/facts.ts";
import { nearStack, sizeText, stackAbove } from "../report/stacks.ts";
import type { X86Facts } from "./death_facts.ts";

type F = X86Facts;
type Says = CauseRow<F>["says"];

const CR0_EM = 4, CR0_TS = 8, CR4_PAE = 0x20, CR4_OSFXSR = 0x200, EFER_SCE = 1, EFER_LME = 0x100, EFER_NXE = 0x800, IF = 0x200;
const PAGE = 4096n, CANONICAL = 1n << 47n;
const short = (e: Event): string => eventName(e.vector, e.kind).split(" ").slice(0, e.kind === EXCEPTION ? 1 : 2).join(" ");
const bits = (f: F, register: string): number => Number(f.reg(register) & 0xffff_ffffn);
const isSse = (text: string): boolean => /\bxmm\d|^(ldmxcsr|stmxcsr|fxsave|fxrstor)/.test(text);
/** " in kernel::main", or nothing. */
const inside = (f: F, at: bigint): string => f.function(at) ? ` in \`${f.function(at)}\`` : "";

/** A row that is asked only when the first exception has this vector. */
const on = (vector: number, says: (f: F, e: Event) => string | undefined | false): Says => (f) =>
  f.first?.kind === EXCEPTION && f.first.vector === vector ? says(f, f.first) : undefined;
const why = (id: string, says: Says): CauseRow<F> => ({ id, group: "why", says });
const then = (id: string, says: Says): CauseRow<F> => ({ id, group: "then", says });

/** The address of the memory operand of an instruction, out of the registers; undefined when there is none, or they have changed. */
function operand(f: F, text: string): bigint | undefined {
  const found = f.live && /\[([^\]]+)\]/.exec(text)?.[1];
  if (!found) return undefined;
  let sum = 0n;
  for (const [, sign, part] of found.matchAll(/([+-]?)([^+-]+)/g)) {
    const [name, scale = "1"] = part.split("*");
    if (/^(eip|e[abcds][xip]|[a-d][lx])$/.test(name) || name === "rip") return undefined;
    const value = /^0x/.test(name) ? BigInt(name) : f.reg(name) * BigInt(scale);
    sum += sign === "-" ? -value : value;
  }
  return BigInt.asUintN(64, sum);
}
const canonical = (v: bigint): boolean => v < CANONICAL || v >= 2n ** 64n - CANONICAL;

const indexes = (f: F): number[] => f.chain.map((_, n) => n).slice(Math.max(f.firstIndex, 0));
/** Whether an event could not be delivered: the next one came before any other instruction. */
const undelivered = (f: F, n: number): boolean => {
  const e = f.chain[n], next = f.chain[n + 1];
  return next !== undefined && next.kind === EXCEPTION && next.pc === e.pc && next.at === e.at && e.vector !== XCPT.DF;
};
/** The first event that could not be delivered; -1: there is none. */
const stuck = (f: F): number => indexes(f).find((n) => undelivered(f, n)) ?? -1;
/** Why the gate of an event refused it (SDM volume 3A, 6.12.1, 6.13): an error code that names the vector. */
const refusal = (f: F, n: number): "short" | "absent" | "bad" | undefined => {
  const { vector } = f.chain[n], next = f.chain[n + 1], gate = f.gate(vector);
  if (!next || next.kind !== EXCEPTION || (next.vector !== XCPT.GP && next.vector !== XCPT.NP)) return undefined;
  if (!(next.errorCode & 2) || (next.errorCode >> 3 & 0xff) !== vector) return undefined;
  return vector >= f.idt.entries ? "short" : !gate?.present ? "absent" : "bad";
};
/** The events that were refused like the first that could not be delivered. */
const refused = (f: F, how: ReturnType<typeof refusal>): Event[] => {
  const n = stuck(f);
  return n < 0 || refusal(f, n) !== how ? [] : indexes(f).filter((n) => refusal(f, n) === how).map((n) => f.chain[n]);
};
const namesOf = (events: readonly Event[]): string => [...new Set(events.map((e) => `${short(e)} (vector ${e.vector})`))].join(" and ");

/** The page fault that explains what came first. */
const walkLevel = (f: F): string => f.walk?.failed?.level ?? "";
/** The first level, the root first, whose entry lacks a bit. */
const lacking = (f: F, bit: bigint): string => f.walk?.levels.find(({ entry }) => !(entry & bit))?.name ?? "";

/** The bytes in front of an address, where they are before paging: those of MOV to CR0, CR3 or CR4 (0F 22 /r). */
const movesCr = (f: F, pc: bigint): boolean =>
  f.physical(pc - 3n) === 0x0f && f.physical(pc - 2n) === 0x22 && ((f.physical(pc - 1n) ?? 0) >> 6) === 3;

const ALIGNED = /^(movaps|movapd|movdqa|movntps|movntpd|movntdq|movntdqa)\b|\b(?!movup|movdqu|movlp|movhp|lddqu)\w+ xmm\d+, xmmword ptr/;
const PRIVILEGED =
  /^(hlt|cli|sti|in|out|lgdt|lidt|lldt|ltr|lmsw|clts|invlpg|invd|wbinvd|rdmsr|wrmsr|mov (cr|dr)\d|mov \w+, (cr|dr)\d|swapgs|sysret|iret)/;

/** The instruction itself could not be had. */
const isFetch = (e: Event): boolean => e.kind === EXCEPTION && e.vector === XCPT.PF && e.address === e.pc;
/** 00 00 is an addition to memory, but nobody has eight bytes of that. */
const isZeros = (f: F, at: bigint): boolean => Array.from({ length: 8 }, (_, n) => f.byte(at + BigInt(n))).every((b) => b === 0);
const inHandler = (f: F): boolean => f.first !== undefined || f.chain.some((e) => e.kind === EXTERNAL);

/** Instructions that access the stack. */
const USES_STACK = /^(push|pop|call|ret|enter|leave|int)|\[[er]?(sp|bp)/;

/** IVT and data of the BIOS; its extended data, video memory and ROMs. */
function biosMemory(v: bigint): string | undefined {
  if (v < 0x500n) return "the BIOS' vectors and variables (below 0x500)";
  if (v >= 0x9_fc00n && v < 0xa_0000n) return "the BIOS' extended data (0x9fc00)";
  if (v >= 0xa_0000n && v < 0xc_0000n) return "video memory (0xa0000)";
  if (v >= 0xc_0000n && v < 0x10_0000n) return "the BIOS' ROMs (0xc0000)";
  return undefined;
}

/** A function that stores below its stack pointer, and was interrupted at privilege 0 on the same stack. */
function redZone(f: F): string | undefined {
  if (!f.first || !f.long) return undefined;
  const name = f.function(f.first.pc);
  if (!name) return undefined;
  const hit = f.recent.find((e) =>
    e.kind === EXTERNAL && e.cpl === 0 && e.at < f.first!.at && f.function(e.pc) === name && !f.gate(e.vector)?.ist
  );
  if (!hit) return undefined;
  for (let at = f.first.pc - (f.symbols.lookup(f.first.pc)?.offset ?? 0n), n = 0; n < 400 && f.function(at) === name; n++) {
    const insn = f.cpu.disassemble(at);
    if (!insn) return undefined;
    if (/\[rsp-0x[0-9a-f]{1,2}\]/.test(insn.text) && !insn.text.startsWith("lea")) return name;
    at += BigInt(insn.length);
  }
  return undefined;
}

const privilege = (e: Event): string => e.cpl === 3 ? "user mode" : "the kernel";
const pageFault = (test: (e: Event, f: F) => boolean, text: (f: F, e: Event) => string): Says =>
  on(XCPT.PF, (f, e) => test(e, f) && text(f, e));
const accessOf = (e: Event): string => e.errorCode & PF_I || e.address === e.pc ? "fetch" : e.errorCode & PF_W ? "write" : "read";

export const X86_CAUSES: readonly CauseRow<F>[] = [
  // --- what spoils the rest
  {
    id: "x86-pic-not-remapped",
    says: (f) => {
      const e = f.protectedMode && (f.first ? f.recent : f.chain).find((e) => e.kind === EXTERNAL && e.vector >= 8 && e.vector < 16);
      if (!e) return undefined;
      return `IRQ ${e.vector - 8} came as vector ${e.vector}, which is ${EXCEPTION_NAMES[e.vector]}: the PIC still has the BIOS' vectors`;
    },
  },
  why("x86-red-zone", (f) => {
    const name = redZone(f);
    return name && `the red zone: \`${name}\` keeps data below its stack pointer, and an interrupt on the same stack wrote over it`;
  }),
  why("x86-bios-memory", (f) => {
    // What executes a null pointer is another story.
    if (!f.first || f.first.cpl !== 0 || !f.protectedMode || f.first.pc < PAGE / 8n) return undefined;
    const cr3 = f.reg("cr3") & ~0xfffn, paged = bits(f, "cr0") >>> 31;
    const physical = (at: bigint | undefined) => {
      const paddr = at === undefined ? undefined : f.cpu.translate(at, "read");
      return paddr === undefined ? undefined : BigInt(paddr);
    };
    const parts = [["its stack", physical(f.sp)], ["its page table", paged ? cr3 : undefined], ["the code", physical(f.first.pc)]] as const;
    const found = parts.map(([what, at]) => {
      const memory = at === undefined ? undefined : biosMemory(at);
      return memory && `${what} at ${hex(at!)} is in ${memory}`;
    }).find((text) => text);
    return found && `BIOS memory under the kernel: ${found}`;
  }),
  why(
    "x86-zeros",
    (f) =>
      f.first && !isFetch(f.first) && isZeros(f, f.first.pc) &&
      `zeros were executed at ${f.place(f.first.pc)}: there is no code${cameFrom(f)}`,
  ),
  // --- instructions
  why(
    "x86-sse-off",
    on(XCPT.UD, (f, e) => {
      if (!isSse(f.instruction(e.pc))) return undefined;
      if (!(bits(f, "cr4") & CR4_OSFXSR)) return `SSE is off: CR4.OSFXSR is 0 (\`${f.instruction(e.pc)}\`${inside(f, e.pc)})`;
      return bits(f, "cr0") & CR0_EM ? `SSE is off: CR0.EM is 1 (\`${f.instruction(e.pc)}\`${inside(f, e.pc)})` : undefined;
    }),
  ),
  why(
    "x86-fpu-off",
    on(XCPT.NM, (f, e) => {
      const bit = bits(f, "cr0") & CR0_EM ? "CR0.EM" : bits(f, "cr0") & CR0_TS ? "CR0.TS" : undefined;
      return bit && `the FPU is off: ${bit} is 1 (\`${f.instruction(e.pc)}\`${inside(f, e.pc)})`;
    }),
  ),
  why(
    "x86-ud2",
    on(
      XCPT.UD,
      (f, e) => f.instruction(e.pc) === "ud2" && `ud2${inside(f, e.pc)}: what compilers make of abort and of what cannot be reached`,
    ),
  ),
  why(
    "x86-syscall-off",
    on(XCPT.UD, (f, e) => /^sys(call|ret)/.test(f.instruction(e.pc)) && !(bits(f, "efer") & EFER_SCE) && "SYSCALL is off: EFER.SCE is 0"),
  ),
  why(
    "x86-no-code",
    on(XCPT.UD, (f, e) => {
      const ff = [0n, 1n, 2n, 3n].every((n) => f.byte(e.pc + n) === 0xff), gone = f.byte(e.pc) === undefined;
      return (ff || gone) && `the processor went to ${hex(e.pc)}, where no memory is${cameFrom(f)}`;
    }),
  ),
  why(
    "x86-unknown-instruction",
    on(XCPT.UD, (f, e) => {
      const bytes = Array.from({ length: 4 }, (_, n) => (f.byte(e.pc + BigInt(n)) ?? 0).toString(16).padStart(2, "0")).join(" ");
      const avx = [0xc4, 0xc5, 0x62].includes(f.byte(e.pc) ?? 0);
      return `this processor does not have the instruction ${bytes} at ${f.place(e.pc)}${
        avx ? " (AVX): it was compiled for another one" : ""
      }`;
    }),
  ),
  why(
    "x86-divide",
    on(XCPT.DE, (f, e) => {
      const text = f.instruction(e.pc), register = /^i?div (r\w+|e[a-ds][xip])$/.exec(text)?.[1].replace(/^e/, "r").replace(/(\d)d$/, "$1");
      const zero = f.live && register !== undefined && (/ e/.test(text) ? f.reg(register) & 0xffff_ffffn : f.reg(register)) === 0n;
      return `${zero ? "division by 0" : "a division by 0, or a quotient that is too large"}: \`${text}\`${inside(f, e.pc)}`;
    }),
  ),
  // --- general protection
  why(
    "x86-pae-off",
    on(XCPT.GP, (f, e) =>
      /^mov cr0/.test(f.instruction(e.pc)) && (bits(f, "efer") & EFER_LME) !== 0 && !(bits(f, "cr4") & CR4_PAE) &&
      "long mode cannot be entered: EFER.LME is 1 and CR4.PAE is 0"),
  ),
  why(
    "x86-privileged",
    on(
      XCPT.GP,
      (f, e) =>
        e.cpl === 3 && e.errorCode === 0 && PRIVILEGED.test(f.instruction(e.pc)) &&
        `user mode executed \`${f.instruction(e.pc)}\`, which only the kernel may`,
    ),
  ),
  why(
    "x86-gate-dpl",
    on(XCPT.GP, (f, e) => {
      const vector = e.errorCode >> 3 & 0xff, gate = e.errorCode & 2 ? f.gate(vector) : undefined;
      return e.cpl === 3 && gate?.present && gate.dpl < 3 && /^int/.test(f.instruction(e.pc)) &&
        `user mode may not call vector ${hex(vector)}: the DPL of its gate is ${gate.dpl}`;
    }),
  ),
  why("x86-int-without-gate", (f) => {
    const e = f.first, vector = e ? e.errorCode >> 3 & 0xff : 0;
    if (e?.kind !== EXCEPTION || (e.vector !== XCPT.GP && e.vector !== XCPT.NP) || !(e.errorCode & 2)) return undefined;
    return /^int/.test(f.instruction(e.pc)) &&
      `\`${f.instruction(e.pc)}\`${inside(f, e.pc)} calls vector ${hex(vector)}, ${
        f.gate(vector)?.present ? "whose gate cannot be used" : `for which the IDT (${f.idt.entries} entries) has no gate`
      }`;
  }),
  why(
    "x86-msr",
    on(XCPT.GP, (f, e) =>
      e.cpl === 0 && /^(rd|wr)msr/.test(f.instruction(e.pc)) &&
      `\`${f.instruction(e.pc)}\`${
        f.live ? ` of MSR ${hex(f.reg("rcx") & 0xffff_ffffn)}` : ""
      }: it is not there, or the value has a reserved bit`),
  ),
  why(
    "x86-selector",
    (f) => {
      const e = f.first;
      if (
        !e || e.kind !== EXCEPTION || ![XCPT.GP, XCPT.NP, XCPT.SS, XCPT.TS].includes(e.vector as 13) || e.errorCode & 6 ||
        !(e.errorCode & 0xfffc)
      ) {
        return undefined;
      }
      const selector = e.errorCode & 0xfffc, there = f.descriptor(selector);
      const is = !there
        ? `the GDT (limit ${hex(f.gdtLimit)}) does not have it`
        : !there.present
        ? "it is not present"
        : "it is of another kind, or not for this privilege";
      return `\`${f.instruction(e.pc)}\` loads selector ${hex(selector)}: ${is}`;
    },
  ),
  why(
    "x86-not-canonical",
    (f) => {
      const e = f.first, gp = e?.kind === EXCEPTION && (e.vector === XCPT.GP || e.vector === XCPT.SS) && e.errorCode === 0;
      const at = gp && f.code64 ? operand(f, f.instruction(e.pc)) : undefined;
      return at !== undefined && !canonical(at) &&
        `${hex(at)} is no address: bits 63 to 48 differ from bit 47 (\`${f.instruction(e!.pc)}\`)`;
    },
  ),
  why(
    "x86-misaligned",
    on(XCPT.GP, (f, e) => {
      const text = f.instruction(e.pc), at = operand(f, text);
      if (e.errorCode !== 0 || !ALIGNED.test(text) || (at !== undefined && at % 16n === 0n)) return undefined;
      const stack = /\[(rsp|rbp)/.test(text) ? ": the stack is misaligned" : "";
      return `\`${text}\` wants an address that is a multiple of 16${at === undefined ? "" : `, and got ${hex(at)}`}${stack}`;
    }),
  ),
  // --- page faults
  why(
    "x86-paging-under-the-code",
    pageFault(
      (e, f) => e.address === e.pc && !(e.errorCode & PF_P) && movesCr(f, e.pc),
      (_, e) => `the page tables do not map the code that switched to them (${hex(e.pc)})`,
    ),
  ),
  why("x86-stack-overflow", (f) => {
    const e = f.first;
    if (!e || e.vector !== XCPT.PF || e.kind !== EXCEPTION || f.sp === undefined || e.errorCode & (PF_P | PF_U)) return undefined;
    if (!nearStack(e.address, f.sp) || e.address < PAGE || !f.walk?.failed || !USES_STACK.test(f.instruction(e.pc))) return undefined;
    const stack = stackAbove(f.cpu, f.symbols, e.address), { name, times, all } = f.seen.recursion();
    const who = f.function(e.pc), repeats = name && times > 8 ? `, which is on it ${all ? "" : "at least "}${times} times` : "";
    return `${stack ? `the stack${stack.name ? ` \`${stack.name}\`` : ""} of ${sizeText(stack.size)}` : "the stack"} overflowed${
      who ? ` by \`${who}\`${name === who ? repeats : ""}` : ""
    }`;
  }),
  why(
    "x86-jump-to-nothing",
    pageFault(
      (e) => e.address === e.pc && !(e.errorCode & PF_P),
      (f, e) =>
        e.pc < PAGE
          ? `a null pointer was called${cameFrom(f)}`
          : `the processor went to ${hex(e.pc)}, where nothing is mapped${cameFrom(f)}`,
    ),
  ),
  why(
    "x86-null-pointer",
    pageFault(
      (e) => e.address < PAGE && !(e.errorCode & PF_P),
      (f, e) => `a null pointer: ${accessOf(e)} of ${hex(e.address)}${inside(f, e.pc)}`,
    ),
  ),
  why(
    "x86-reserved-bit",
    pageFault((e) => (e.errorCode & PF_RSVD) !== 0, (f) => {
      const bad = f.walk?.levels.at(-1), nx = bad && bad.entry >> 63n && !(bits(f, "efer") & EFER_NXE);
      return nx
        ? `EFER.NXE is 0, and the ${bad.name}'s entry ${hex(bad.entry)} has the bit NX (63)`
        : `the ${bad?.name ?? "page table"}'s entry ${hex(bad?.entry ?? 0n)} has reserved bits set`;
    }),
  ),
  why(
    "x86-user-page",
    pageFault(
      (e) => (e.errorCode & (PF_P | PF_U)) === (PF_P | PF_U),
      (f, e) =>
        f.walkReason.startsWith("a supervisor page")
          ? `user mode may not ${accessOf(e)} ${hex(e.address)}: the ${lacking(f, 4n)}'s entry lacks the bit U/S`
          : "",
    ),
  ),
  why(
    "x86-smap",
    pageFault(
      (_, f) => f.walkReason.includes("SMAP"),
      (_, e) => `SMAP: the kernel touched the user's page at ${hex(e.address)} without STAC`,
    ),
  ),
  why(
    "x86-smep",
    pageFault((_, f) => f.walkReason.includes("SMEP"), (_, e) => `SMEP: the kernel went to the user's page at ${hex(e.address)}`),
  ),
  why(
    "x86-no-execute",
    pageFault(
      (_, f) => f.walkReason.includes("(XD)"),
      (f, e) => `the page of ${hex(e.address)} may not be executed: an entry of its walk has the bit NX${cameFrom(f)}`,
    ),
  ),
  why(
    "x86-read-only",
    pageFault(
      (e) => (e.errorCode & (PF_P | PF_W)) === (PF_P | PF_W),
      (f, e) => `write to ${f.place(e.address)}, which is read-only: the ${lacking(f, 2n) || "page table"}'s entry lacks the bit R/W`,
    ),
  ),
  why(
    "x86-no-rsp0",
    pageFault(
      (e, f) => e.cpl === 3 && !(e.errorCode & PF_U) && e.address >= 2n ** 64n - PAGE && f.tss.rsp0 === 0n,
      (f, e) => `\`${f.instruction(e.pc)}\` in user mode has no stack to go to: RSP0 of the TSS is 0`,
    ),
  ),
  why(
    "x86-not-mapped",
    pageFault(
      () => true,
      (f, e) =>
        `${accessOf(e)} of ${hex(e.address)} by ${privilege(e)}${inside(f, e.pc)}: ${
          f.walk?.failed ? `${walkLevel(f)}: ${f.walkReason}` : "it was not mapped then, and is now"
        }`,
    ),
  ),
  // --- anything else that came first and is no interrupt
  why("x86-exception", (f) => {
    const e = f.first;
    return e && e.kind === EXCEPTION && e.vector !== XCPT.DF &&
      `${eventName(e.vector, e.kind)} at ${f.place(e.pc)}${
        e.errorCode && hasErrorCode(e.vector) ? `, error code ${hex(e.errorCode)}` : ""
      }`;
  }),
  // --- why it was not handled
  then("x86-no-idt", (f) => {
    const old = f.protectedMode && f.idt.base === 0n && (f.idt.limit === 0x3ff || f.idt.limit === 0xffff);
    if (!(f.idt.limit === 0 || old) || stuck(f) < 0 || !refusal(f, stuck(f))) return undefined;
    const is = `IDTR is ${hex(f.idt.base)}, limit ${hex(f.idt.limit)}`;
    return `there is no IDT: ${old ? `LIDT was never executed (${is})` : is}`;
  }),
  then("x86-short-idt", (f) => {
    const events = refused(f, "short");
    return events.length > 0 && `the IDT has ${f.idt.entries} entries, and none for ${namesOf(events)}`;
  }),
  then("x86-no-handler", (f) => {
    const events = refused(f, "absent");
    return events.length > 0 && `the IDT has no handler for ${namesOf(events)}`;
  }),
  then("x86-bad-gate", (f) => {
    const events = refused(f, "bad");
    return events.length > 0 && `the IDT's entry for ${namesOf(events)} is no gate: its type is ${f.gate(events[0].vector)!.type}`;
  }),
  then("x86-gate-selector", (f) => {
    const n = stuck(f), next = f.chain[n + 1], gate = n < 0 ? undefined : f.gate(f.chain[n].vector);
    if (!gate?.present || next.errorCode & 2 || (next.vector !== XCPT.GP && next.vector !== XCPT.NP)) return undefined;
    if ((next.errorCode & 0xfffc) !== (gate.selector & 0xfffc)) return undefined;
    const there = f.descriptor(gate.selector);
    const is = !there
      ? `the GDT (limit ${hex(f.gdtLimit)}) does not have it`
      : !there.code
      ? "that is no code"
      : f.long && !there.long
      ? "that is no 64-bit code"
      : "that is not for this privilege";
    return `the gate of ${short(f.chain[n])} names the code segment ${hex(gate.selector)}: ${is}`;
  }),
  then("x86-empty-ist", (f) => {
    const n = stuck(f), ist = n < 0 ? 0 : f.gate(f.chain[n].vector)?.ist ?? 0;
    if (ist === 0 || f.tss.ist[ist - 1]) return undefined;
    const none = !(f.tss.selector & 0xfffc);
    return `the gate of ${short(f.chain[n])} takes its stack from IST ${ist}: ${
      none ? "no TSS is loaded (LTR)" : `IST ${ist} of the TSS is 0`
    }`;
  }),
  then("x86-no-rsp0", (f) => {
    const n = stuck(f);
    if (n < 0 || f.chain[n].cpl !== 3 || f.gate(f.chain[n].vector)?.ist) return undefined;
    return !(f.tss.selector & 0xfffc)
      ? `${short(f.chain[n])} in user mode has no stack to go to: no TSS is loaded (LTR)`
      : f.tss.rsp0 === 0n && `${short(f.chain[n])} in user mode has no stack to go to: RSP0 of the TSS is 0`;
  }),
  then("x86-no-ist", (f) => {
    if (!f.shutdown) return undefined;
    const df = indexes(f).find((n) => f.chain[n].vector === XCPT.DF && f.chain[n].kind === EXCEPTION), last = f.chain.at(-1);
    const pushed = df !== undefined && last?.kind === EXCEPTION && last.vector === XCPT.PF && last.pc === f.chain[df].pc;
    return pushed && f.gate(XCPT.DF)?.ist === 0 && nearStack(last.address, f.reg("rsp")) &&
      `double fault on the same stack: its gate has no IST, and nothing can be pushed at ${hex(f.reg("rsp"))}`;
  }),
  then("x86-error-code-left", (f) => {
    const n = indexes(f).find((n) => {
      const e = f.chain[n], next = f.chain[n + 1];
      return next && /^iret/.test(f.instruction(next.pc)) && e.kind === EXCEPTION && hasErrorCode(e.vector) &&
        (next.errorCode & 0xfffc) === Number(e.pc & 0xfffcn);
    });
    return n !== undefined &&
      `the handler of ${short(f.chain[n])} returned with the error code still on the stack: IRET took it for the address`;
  }),
  then("x86-not-delivered", (f) => {
    const n = stuck(f), next = f.chain[n + 1];
    return n >= 0 &&
      `${short(f.chain[n])} could not be delivered: ${eventName(next.vector, next.kind)}${
        next.vector === XCPT.PF ? ` at ${hex(next.address)}` : ""
      }`;
  }),
  then("x86-handler-faults", (f) => {
    const n = indexes(f).find((n) => f.chain[n].kind === EXCEPTION && f.chain[n + 1]?.kind === EXCEPTION), next = f.chain[n! + 1];
    return n !== undefined &&
      `the handler of ${short(f.chain[n])} itself raised ${eventName(next.vector, next.kind)} at ${f.place(next.pc)}${
        next.vector === XCPT.PF ? ` (${hex(next.address)})` : ""
      }`;
  }),
  // --- waiting, and going round
  {
    id: "x86-handler-halts",
    says: (f) => inHandler(f) && f.waiting && !f.shutdown && !(bits(f, "eflags") & IF) && "the handler ends in HLT with interrupts off",
  },
  {
    id: "x86-halted-for-ever",
    says: (f) =>
      !inHandler(f) && !f.seen.panicked && f.waiting && !f.shutdown && !(bits(f, "eflags") & IF) && "HLT with interrupts off: IF is 0",
  },
  {
    id: "x86-no-eoi",
    says: (f) => {
      if (!f.pic || !f.pic.isr || f.chain.some((e) => e.kind === EXTERNAL) || f.shutdown || f.first) return undefined;
      const irq = 31 - Math.clz32(f.pic.isr & -f.pic.isr);
      return `IRQ ${irq} is still in service: its handler has returned without an EOI (0x20 to port 0x20), and none below it comes any more`;
    },
  },
  {
    id: "x86-all-masked",
    says: (f) =>
      f.occasion === "deadHalt" && f.first === undefined && (bits(f, "eflags") & IF) !== 0 && f.pic && !f.pic.isr &&
      (f.pic.imr & 0xff) === 0xff &&
      "HLT with interrupts on, and the PIC masks all of them",
  },
];

/** Who called, when that is known: the frame behind. */
function cameFrom(f: F): string {
  const frame = f.seen.backtrace.find((b) => b.pc === f.first?.pc), caller = f.seen.backtrace[f.seen.backtrace.indexOf(frame!) + 1];
  return frame && caller && caller.exception === undefined ? `, from ${caller.functions.at(-1)?.name || hex(caller.pc)}` : "";
}
