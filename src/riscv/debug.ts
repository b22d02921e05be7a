// The debugger's view of a hart: registers by name, the report about a guest that has died, and what is traced of its traps.
import type { CpuTrace, RegisterInfo } from "../core/cpu.ts";
import { historyLines } from "../core/history.ts";
import { FETCH, READ, WRITE } from "../ir/frontend.ts";
import type { Addressing } from "./addressing.ts";
import { csrRows } from "./csr.ts";
import type { CsrFile } from "./csr_file.ts";
import type { Interrupts } from "./interrupts.ts";
import { REASONS } from "./mmu.ts";
import { F_NAMES, X_NAMES } from "./registers.ts";
import { F, X } from "./slots.ts";
import {
  ACCESS_FAULT,
  describeTrap,
  hex,
  low32,
  PAGE_FAULT,
  PRIVILEGE_LETTERS,
  type Reporter,
  type Trap,
  type TrapLog,
  trapOf,
  wide,
} from "./trap.ts";

interface Access {
  get(): bigint;
  set(value: bigint): void;
}

export class DebugView {
  #registers: readonly RegisterInfo[] | undefined;
  /** By all of their names; filled with `#registers`. */
  readonly #access = new Map<string, Access>();

  constructor(
    readonly csrs: CsrFile,
    readonly addressing: Addressing,
    readonly interrupts: Interrupts,
    readonly traps: TrapLog,
    readonly reporter: Reporter,
  ) {}

  get registers(): readonly RegisterInfo[] {
    return this.#registers ??= this.#table();
  }
  /** @throws {Error} no register of that name. */
  register(name: string): Access {
    const access = this.registers && this.#access.get(name);
    if (!access) throw new Error(`no register '${name}'`);
    return access;
  }

  #table(): RegisterInfo[] {
    const { csrs, addressing, interrupts } = this, { window, s, isa } = csrs, rows: RegisterInfo[] = [], bits = window.bits;
    const slotAccess = (slot: number, width: number) => ({
      get: () => BigInt.asUintN(width, wide(window.lo(slot), window.hi(slot))),
      set: (v: bigint) => window.set(slot, low32(v), width === 64 ? low32(v >> 32n) : 0),
    });
    for (let n = 0; n < 32; n++) {
      rows.push({
        name: X_NAMES[n],
        bits,
        group: "general",
        ...(n === 2 || n === 3 || n === 4 || n === 8 ? { type: "data_ptr" } : n === 1 ? { type: "code_ptr" } : {}),
      });
      const access = n === 0 ? { get: () => 0n, set: () => {} } : slotAccess(X(n), bits);
      for (const alias of n === 8 ? [X_NAMES[8], "x8", "fp"] : [X_NAMES[n], `x${n}`]) this.#access.set(alias, access);
    }
    rows.push({ name: "pc", bits, group: "general", type: "code_ptr" });
    this.#access.set("pc", {
      get: () => window.pc,
      set: (v) => window.pc = v,
    });
    const flen = isa.has("d") ? 64 : 32;
    for (let n = 0; n < 32 && isa.has("f"); n++) {
      rows.push({ name: `f${n}`, debugName: F_NAMES[n], bits: flen, group: "float", type: flen === 64 ? "ieee_double" : "ieee_single" });
      this.#access.set(`f${n}`, {
        ...slotAccess(F(n), 64),
        get: () => BigInt.asUintN(flen, wide(window.lo(F(n)), window.hi(F(n)))),
      });
    }
    for (const row of csrRows()) {
      if (row.when && !row.when(csrs)) continue;
      const float = row.number < 4;
      rows.push({ name: row.name, bits: float ? 32 : bits, group: float ? "float" : "csr" });
      this.#access.set(row.name, {
        get: () => BigInt.asUintN(bits, wide(row.read(csrs), row.high?.(csrs) ?? 0)),
        set: (v) => row.write?.(csrs, low32(v), low32(v >> 32n), -1, 0),
      });
    }
    rows.push({ name: "priv", bits: 8, group: "system" });
    this.#access.set("priv", {
      get: () => BigInt(s.priv),
      set: (v) => {
        s.priv = Number(v & 3n);
        addressing.refresh();
        interrupts.update();
      },
    });
    return rows;
  }

  /** Why the hart is where it is, for a report to the user: the last traps, the vectors, and the page walk of the last faulting address. */
  deathReport(): string {
    const { traps, reporter, csrs } = this, last = traps.last(), lines: string[] = [];
    lines.push(
      `privilege ${PRIVILEGE_LETTERS[csrs.s.priv]}, pc ${
        reporter.place(csrs.window.pc)
      }, ${traps.count} traps since reset; the first since a return, and the last:`,
      ...historyLines(traps.history, (e) => describeTrap(trapOf(e), (at) => reporter.place(at))),
    );
    if (traps.loop > 0) {
      lines.push(`  the last ${traps.loop + 1} were raised by the first instruction of the trap handler itself`);
    }
    const value = (name: string) => hex(this.register(name).get());
    lines.push(`mtvec ${value("mtvec")}, stvec ${value("stvec")}, satp ${value("satp")}`);
    const fault = last.findLast((t) => !t.interrupt && (PAGE_FAULT.includes(t.cause) || ACCESS_FAULT.includes(t.cause)));
    if (fault) lines.push(...this.#walkReport(fault));
    return lines.join("\n");
  }

  #walkReport(t: { readonly cause: number; readonly tval: bigint; readonly from: number }): string[] {
    const { mmu } = this.addressing,
      access = ([READ, WRITE, FETCH] as const).find((a) => PAGE_FAULT[a] === t.cause || ACCESS_FAULT[a] === t.cause)!;
    if (mmu.levels === 0 || t.from === 3) return [`${hex(t.tval)} is a physical address here (no translation)`];
    const paddr = mmu.walk(low32(t.tval), low32(t.tval >> 32n), access, t.from === 0, this.csrs.window.status, true);
    const to = paddr < 0 ? mmu.level : 0, lines = [`page walk of ${hex(t.tval)}, root 0x${(mmu.root * 4096).toString(16)}:`];
    for (let level = mmu.levels - 1; level >= to; level--) {
      const pte = wide(mmu.pteLo[level], mmu.pteHi[level]);
      lines.push(`  level ${level}: entry at 0x${mmu.pteAddress[level].toString(16)} = ${hex(pte)} ${pteFlags(mmu.pteLo[level])}`);
      if (mmu.pteLo[level] & 0xa) break;
    }
    const where = to < mmu.levels ? `level ${to}: ` : "";
    lines.push(paddr < 0 ? `  ${where}${REASONS[mmu.reason]}` : `  it is mapped now, to 0x${paddr.toString(16)}`);
    return lines;
  }

  /** Tells of a trap that has just been entered. */
  traceTrap(trace: CpuTrace, trap: Omit<Trap, "at" | "times">): void {
    trace.trap?.(describeTrap(trap, (at) => this.reporter.place(at)));
    // What the walk found is found again: nothing has run in between.
    if (trace.mmu && !trap.interrupt && PAGE_FAULT.includes(trap.cause)) {
      trace.mmu(`page fault: ${this.#walkReport(trap).map((l) => l.trim()).join("; ").replace(":;", ":")}`);
    }
  }
}

/** "DAGUXWRV" of an entry's low half, a dash for each bit that is 0. */
export const pteFlags = (pte: number): string => [..."DAGUXWRV"].map((c, i) => pte >> (7 - i) & 1 ? c : "-").join("");
