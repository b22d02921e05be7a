// Why RISC-V kernels die, a row a cause: what must hold, and the sentence. Each has its paragraph in docs/deaths.md. Rows of the group "why"
// explain the first trap, the most telling first; those of "then" why it was not handled.
import { FETCH, WRITE } from "../../ir/frontend.ts";
import { csrRow } from "../../riscv/csr.ts";
import { CAUSE, causeName, PRIVILEGE_LETTERS, type Trap } from "../../riscv/trap.ts";
import { type CauseRow, hex } from "../report/facts.ts";
import { nearStack, sizeText, stackAbove } from "../report/stacks.ts";
import { accessOf, type RiscvFacts } from "./death_facts.ts";

type F = RiscvFacts;
type Says = CauseRow<F>["says"];

const FS = 3n << 13n, SUM = 1n << 18n, PAGE = 4096n;
const why = (id: string, says: (f: F, t: Trap) => string | undefined | false): CauseRow<F> => ({
  id,
  group: "why",
  says: (f) => f.first && says(f, f.first),
});
const then = (id: string, says: Says): CauseRow<F> => ({ id, group: "then", says });
const inside = (f: F, at: bigint): string => f.function(at) ? ` in \`${f.function(at)}\`` : "";
const NAMES: Readonly<Record<string, string>> = { U: "user mode", S: "the supervisor", M: "machine mode" };
const who = (t: Trap): string => NAMES[PRIVILEGE_LETTERS[t.from]];
const letter = (t: Trap): string => PRIVILEGE_LETTERS[t.to].toLowerCase();
const did = (t: Trap): string => accessOf(t) === FETCH ? "fetch" : accessOf(t) === WRITE ? "write" : "read";
const isPageFault = (t: Trap): boolean => t.cause >= CAUSE.fetchPage && accessOf(t) !== undefined;
/** A fault of memory that the walk explains so. */
const walked = (reason: string) => (f: F, t: Trap): boolean => accessOf(t) !== undefined && f.walkReason.includes(reason);

/** Floating point by its encoding: the rows of it need not be loaded when it is off. Unpriv 20240411, 34 (opcode map), 26.8 (compressed). */
function isFloat(word: number, xlen: 32 | 64): boolean {
  const opcode = word & 0x7f, width = word >> 12 & 7, csr = word >>> 20;
  if ((word & 3) === 3) {
    if (opcode === 0x07 || opcode === 0x27) return width >= 1 && width <= 4;
    return [0x43, 0x47, 0x4b, 0x4f, 0x53].includes(opcode) || (opcode === 0x73 && width !== 0 && csr >= 1 && csr <= 3);
  }
  const funct = word >> 13 & 7;
  return (word & 1) === 0 && (funct === 1 || funct === 5 || (xlen === 32 && (funct === 3 || funct === 7)));
}
const isVector = (word: number): boolean =>
  (word & 0x7f) === 0x57 || (((word & 0x7f) === 0x07 || (word & 0x7f) === 0x27) && [0, 5, 6, 7].includes(word >> 12 & 7));

/** The encoding that an illegal instruction trap tells of. */
const illegal = (says: (f: F, t: Trap, word: number) => string | undefined | false) => (f: F, t: Trap) => {
  if (t.interrupt || t.cause !== CAUSE.illegal) return undefined;
  const word = f.code(t.epc) ?? Number(t.tval & 0xffff_ffffn);
  return says(f, t, word);
};
/** All zeros is C.UNIMP, but nobody has two of them. */
const isZeros = (f: F, at: bigint): boolean => [0n, 2n, 4n, 6n].every((n) => (f.code(at + n) ?? 0) === 0);
const csrName = (number: number): string => csrRow(number)?.name ?? hex(number);

/** CSRRW and so on with satp: SYSTEM, a function of CSR access, number 0x180. */
const setsSatp = (word: number | undefined): boolean =>
  word !== undefined && (word & 0x7f) === 0x73 && (word >> 12 & 3) !== 0 && word >>> 20 === 0x180;

/** Who called, when that is known: the frame behind. */
function cameFrom(f: F): string {
  const { backtrace } = f.seen, n = backtrace.findIndex((b) => b.pc === f.first?.epc), caller = n < 0 ? undefined : backtrace[n + 1];
  return caller && caller.exception === undefined ? `, from ${caller.functions.at(-1)?.name || hex(caller.pc)}` : "";
}
/** Traps behind the first. */
const rest = (f: F): readonly Trap[] => f.chain.slice(f.firstIndex + 1).filter((t) => !t.interrupt);
const vectorOf = (f: F, t: Trap): bigint => f.reg(`${letter(t)}tvec`);
/** The first instruction of a handler. */
const entry = (f: F, t: Trap): string => f.instruction(vectorOf(f, t) & ~3n);
const top = (f: F): bigint => 2n ** BigInt(f.xlen);

export const RISCV_CAUSES: readonly CauseRow<F>[] = [
  // --- stacks
  why("riscv-stack-overflow", (f, t) => {
    if (accessOf(t) === undefined || accessOf(t) === FETCH || f.sp === undefined || !nearStack(t.tval, f.sp) || t.tval < PAGE) {
      return undefined;
    }
    if (t.tval >= top(f) - PAGE || !f.walkReason.includes("not valid") || !/\((sp|s0)\)|sp,/.test(f.instruction(t.epc))) return undefined;
    const stack = stackAbove(f.cpu, f.symbols, t.tval), { name, times, all } = f.seen.recursion(), culprit = f.function(t.epc);
    const repeats = name === culprit && times > 8 ? `, which is on it ${all ? "" : "at least "}${times} times` : "";
    return `${stack ? `the stack${stack.name ? ` \`${stack.name}\`` : ""} of ${sizeText(stack.size)}` : "the stack"} overflowed${
      culprit ? ` by \`${culprit}\`${repeats}` : ""
    }`;
  }),
  // --- instructions
  why(
    "riscv-fs-off",
    illegal((f, t, word) =>
      isFloat(word, f.xlen) && f.isa.has("f") && (f.reg("mstatus") & FS) === 0n &&
      `${t.from === 3 ? "mstatus" : "sstatus"}.FS is Off: floating point${inside(f, t.epc)} is illegal`
    ),
  ),
  why(
    "riscv-no-vector",
    illegal((f, t, word) => isVector(word) && `the hart has no vector extension (\`${hex(word)}\`${inside(f, t.epc)})`),
  ),
  why(
    "riscv-zeros",
    illegal((f, t) => isZeros(f, t.epc) && `zeros were executed at ${f.place(t.epc)}: there is no code${cameFrom(f)}`),
  ),
  why(
    "riscv-unimp",
    illegal((f, t, word) =>
      (word === 0xc000_1073 || word === 0) && `unimp${inside(f, t.epc)}: what compilers make of abort and of what cannot be reached`
    ),
  ),
  why(
    "riscv-csr-privilege",
    illegal((_, t, word) =>
      (word & 0x7f) === 0x73 && (word >> 12 & 3) !== 0 && (word >>> 28 & 3) > t.from &&
      `${who(t)} may not access the CSR ${csrName(word >>> 20)}, which belongs to ${NAMES[PRIVILEGE_LETTERS[word >>> 28 & 3]] ?? "others"}`
    ),
  ),
  why(
    "riscv-csr",
    illegal((f, t, word) => {
      const csr = word >>> 20;
      if ((word & 0x7f) !== 0x73 || (word >> 12 & 3) === 0) return undefined;
      const counter = csr >= 0xc00 && csr < 0xc20
        ? ` (mcounteren ${hex(f.reg("mcounteren"))}, scounteren ${hex(f.reg("scounteren"))})`
        : "";
      return `${who(t)} may not access the CSR ${csrName(csr)}, or there is none${counter}`;
    }),
  ),
  why(
    "riscv-privileged",
    illegal((f, t) =>
      t.from < 3 && /^(mret|sret|wfi|sfence\.vma|sinval\.vma)/.test(f.instruction(t.epc)) &&
      `${who(t)} may not execute \`${f.instruction(t.epc)}\``
    ),
  ),
  why("riscv-unknown-instruction", illegal((f, t, word) => `this hart does not have the instruction ${hex(word)} at ${f.place(t.epc)}`)),
  // --- where it went
  why(
    "riscv-paging-under-the-code",
    (f, t) =>
      t.cause === CAUSE.fetchPage && !t.interrupt && t.tval === t.epc && setsSatp(f.physicalCode(t.epc - 4n)) &&
      `the page table in satp does not map the code that switched to it (${hex(t.epc)})`,
  ),
  why(
    "riscv-no-pmp",
    (f, t) =>
      accessOf(t) !== undefined && !isPageFault(t) && t.from < 3 && f.pmpClosed && f.memory(t.tval) &&
      `${who(t)} may access no memory: no entry of the physical memory protection allows it (pmpcfg0 is 0)`,
  ),
  why(
    "riscv-user-code",
    (f, t) =>
      accessOf(t) === FETCH && walked("a user page is closed")(f, t) &&
      `the supervisor went to ${hex(t.tval)}, a page of user mode (its entry has the bit U)`,
  ),
  why(
    "riscv-jump-to-nothing",
    (f, t) => {
      if (accessOf(t) !== FETCH || t.tval !== t.epc || (f.walkReason && !/not valid|not canonical|not in RAM/.test(f.walkReason))) {
        return undefined;
      }
      return t.epc < PAGE
        ? `a null pointer was called${cameFrom(f)}`
        : `the hart went to ${hex(t.epc)}, where ${isPageFault(t) ? "nothing is mapped" : "no memory is"}${cameFrom(f)}`;
    },
  ),
  // --- loads and stores
  why(
    "riscv-null-pointer",
    (f, t) =>
      accessOf(t) !== undefined && t.tval < PAGE && (!f.walk || f.walkReason.includes("not valid")) &&
      `a null pointer: ${did(t)} of ${hex(t.tval)}${inside(f, t.epc)}`,
  ),
  why(
    "riscv-sum-off",
    (f, t) =>
      walked("a user page is closed")(f, t) && (f.reg("mstatus") & SUM) === 0n &&
      `sstatus.SUM is 0: the supervisor may not ${did(t)} the user's page at ${hex(t.tval)}`,
  ),
  why(
    "riscv-user-page",
    (f, t) =>
      walked("supervisor pages are closed")(f, t) && `user mode may not ${did(t)} ${f.place(t.tval)}: the page's entry lacks the bit U`,
  ),
  why(
    "riscv-accessed-dirty",
    (f, t) =>
      walked("the accessed or dirty")(f, t) &&
      `the entry of ${hex(t.tval)} has A or D clear, and this hart leaves setting them to software (Svade)`,
  ),
  why(
    "riscv-permission",
    (f, t) =>
      walked("does not permit")(f, t) &&
      `${did(t)} of ${f.place(t.tval)}: the page's entry (${f.walk!.levels.at(-1)!.flags}) does not permit it`,
  ),
  why(
    "riscv-superpage",
    (f, t) =>
      walked("superpage is misaligned")(f, t) &&
      `the entry of ${f.walk!.levels.at(-1)!.name} for ${hex(t.tval)} is a leaf whose address is no multiple of the superpage's size`,
  ),
  why(
    "riscv-reserved-entry",
    (f, t) =>
      (walked("reserved bits")(f, t) || walked("holds a pointer")(f, t)) &&
      `the page table's entry ${hex(f.walk!.levels.at(-1)!.entry)} for ${hex(t.tval)} is reserved (${f.walk!.levels.at(-1)!.flags})`,
  ),
  why(
    "riscv-not-canonical",
    (f, t) => walked("not canonical")(f, t) && `${hex(t.tval)} is no address: its upper bits differ from the highest translated one`,
  ),
  why(
    "riscv-not-mapped",
    (f, t) =>
      isPageFault(t) &&
      `${did(t)} of ${hex(t.tval)} by ${who(t)}${inside(f, t.epc)}: ${
        f.walk?.failed ? `${f.walk.failed.level}: ${f.walk.failed.why}` : "it was not mapped then, and is now"
      }`,
  ),
  why(
    "riscv-no-memory",
    (f, t) =>
      accessOf(t) !== undefined &&
      `${did(t)} of ${hex(t.tval)} by ${who(t)}${inside(f, t.epc)}: ${
        f.memory(t.tval) ? "the physical memory protection forbids it" : "no memory is there"
      }`,
  ),
  why(
    "riscv-misaligned",
    (f, t) =>
      !t.interrupt && [CAUSE.misalignedFetch, CAUSE.misalignedLoad, CAUSE.misalignedStore].includes(t.cause as 0) &&
      `\`${f.instruction(t.epc)}\`${inside(f, t.epc)} wants an aligned address, and got ${hex(t.tval)}`,
  ),
  why(
    "riscv-no-sbi",
    (_, t) => t.cause === CAUSE.ecall + 1 && t.to === 3 && "an environment call from S-mode, and no SBI is there to serve it",
  ),
  why(
    "riscv-breakpoint",
    (f, t) => t.cause === CAUSE.breakpoint && `ebreak${inside(f, t.epc)}: a breakpoint that nobody set, or a compiler's trap`,
  ),
  why("riscv-exception", (f, t) => `${causeName(t.cause, t.interrupt)} at ${f.place(t.epc)}`),
  // --- why it was not handled
  then("riscv-not-delegated", (f) => {
    const t = f.first;
    return t && t.to === 3 && t.from < 3 && f.reg("mtvec") < PAGE &&
      `bit ${t.cause} of medeleg is 0, so the trap went to M-mode, where mtvec is ${hex(f.reg("mtvec"))}`;
  }),
  then(
    "riscv-no-tvec",
    (f) =>
      f.first && vectorOf(f, f.first) < PAGE && rest(f).some((t) => t.epc === (vectorOf(f, t) & ~3n)) &&
      `${letter(f.first)}tvec is ${hex(vectorOf(f, f.first))}: no trap handler was set, or one that is not at a multiple of 4`,
  ),
  then("riscv-tvec-not-mapped", (f) => {
    const t = rest(f).find((t) => accessOf(t) === FETCH && t.epc === (vectorOf(f, t) & ~3n));
    return t &&
      `${letter(t)}tvec (${hex(vectorOf(f, t))}) ${
        isPageFault(t) ? "is not mapped by satp's page table: is it a physical address?" : "names no memory"
      }`;
  }),
  then("riscv-sscratch-empty", (f) => {
    const t = rest(f).find((t) => accessOf(t) === WRITE && (t.tval < PAGE || t.tval >= top(f) - PAGE));
    if (!t) return undefined;
    const scratch = `${letter(t)}scratch`, swap = entry(f, t);
    return swap === `csrrw sp, ${letter(t) === "s" ? 320 : 832}, sp` && `${scratch} was 0 when the trap handler took its stack from there`;
  }),
  then("riscv-handler-on-the-same-stack", (f) => {
    const t = rest(f).find((t) =>
      accessOf(t) === WRITE && f.first && accessOf(f.first) !== undefined && nearStack(t.tval, f.first.tval + 0x8000n)
    );
    return t && f.sp !== undefined && nearStack(f.first!.tval, f.sp) &&
      `the trap handler pushes on the same stack, at ${f.place(t.epc)}: it needs one of its own (${letter(t)}scratch)`;
  }),
  then("riscv-handler-faults", (f) => {
    const t = rest(f).find((t) => t.epc !== f.first?.epc);
    return f.first && t &&
      `the trap handler itself raised ${causeName(t.cause, t.interrupt)} at ${f.place(t.epc)}${t.tval ? ` (${hex(t.tval)})` : ""}`;
  }),
  // --- waiting, and going round
  { id: "riscv-handler-halts", says: (f) => f.first !== undefined && f.waiting && !f.stopped && "the trap handler ends in WFI" },
  {
    id: "riscv-nothing-enabled",
    says: (f) =>
      f.first === undefined && !f.seen.panicked && f.waiting && !f.stopped && f.reg("mie") === 0n &&
      "WFI with no interrupt enabled: sie is 0",
  },
  {
    id: "riscv-interrupt-storm",
    says: (f) => {
      const last = f.recent.slice(-8), [one] = last;
      // Who waits for the next one has removed what asked for the last: input, or the ticks of an idle kernel.
      return last.length === 8 && one.interrupt && !f.waiting &&
        last.every((t) => t.interrupt && t.cause === one.cause && t.epc === one.epc && t.at - one.at < 4000) &&
        last.at(-1)!.at > one.at && `the ${causeName(one.cause, true)} comes again at once: its handler does not remove what asks for it`;
    },
  },
];
