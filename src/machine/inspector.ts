// What scripts and reports ask of a processor beyond its registers. Each architecture answers in a file of its folder, which is loaded when a
// script has such a machine.
import type { Cpu } from "../core/cpu.ts";
import type { History } from "../core/history.ts";
import { Later } from "../core/later.ts";
import { architectureOf, familyOf } from "./architectures.ts";
import type { PageTables } from "./page_walk.ts";

/** An exception or an interrupt that a processor has taken. */
export interface TakenTrap {
  readonly interrupt: boolean;
  /** Vector (x86) or cause (RISC-V). */
  readonly number: number;
  /** Of the manual: "machine timer interrupt", "page fault". */
  readonly name: string;
}

export type Privilege = "user" | "supervisor" | "machine";

export interface Inspector {
  /** What a mode may be called, and which it is in. */
  readonly modes: readonly string[];
  mode(cpu: Cpu): string;
  privilege(cpu: Cpu): Privilege;
  /** Why there are no page tables, or they. */
  tables(cpu: Cpu): PageTables | string;
  /** Bits with names, by register. */
  readonly fields: Readonly<Record<string, Readonly<Record<string, bigint>>>>;
  /** Calls `onTrap` for every exception and interrupt from now on; the guest sees no difference. */
  watchTraps(cpu: Cpu, onTrap: (what: number) => void): void;
  /** What `onTrap` was told. */
  trap(what: number): TakenTrap;
}

/** Calls `onTrap` with the low bits of each record that a processor's history is given. */
export function listen(history: History, mask: number, onTrap: (what: number) => void): void {
  const before = history.record;
  history.record = (...args) => {
    before.apply(history, args);
    onTrap(args[0] & mask);
  };
}

const LOADED = new Map<string, Later<{ readonly inspector: Inspector }>>();
const laterOf = ({ arch }: Pick<Cpu, "arch">) => {
  const family = familyOf(arch), path = family === undefined ? undefined : architectureOf({ family }).inspector;
  if (path === undefined) return undefined;
  const later = LOADED.get(path) ?? new Later<{ readonly inspector: Inspector }>(path);
  LOADED.set(path, later);
  return later;
};
/** To be awaited before `inspectorOf` of such a processor. */
export const loadInspector = async (cpu: Pick<Cpu, "arch"> | undefined): Promise<void> => void await (cpu && laterOf(cpu)?.load());
/** Who answers for a processor; undefined: nobody does for its architecture. */
export const inspectorOf = (cpu: Cpu): Inspector | undefined => laterOf(cpu)?.now?.inspector;
