// A processor as scripts see it: looking changes nothing.
import type { Cpu } from "../core/cpu.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";
import { type Inspector, inspectorOf, type Privilege } from "../machine/inspector.ts";
import { type Mapping, mappingOf } from "../machine/page_walk.ts";
import { addressOf } from "./machine_like.ts";
import type { Waiting } from "./waiting.ts";

export class Processor {
  constructor(readonly session: Waiting, readonly cpu: Cpu) {}

  get index(): number {
    return this.cpu.index;
  }
  /** "riscv64", "x86_64". */
  get arch(): string {
    return this.cpu.arch;
  }
  /** "cpu0". */
  get name(): string {
    return `cpu${this.cpu.index}`;
  }
  /** Address of the next instruction. */
  get pc(): bigint {
    return this.cpu.pc;
  }
  /** Whether it waits for an interrupt. */
  get idle(): boolean {
    return this.cpu.idle;
  }

  /** A register's value, unsigned: general, floating-point and system registers by their names. @throws {ConfigError} there is none of that name. */
  reg(name: string): bigint {
    return this.cpu.reg(this.register(name).name);
  }
  /** @throws {ConfigError} there is none of that name. */
  register(name: string): { readonly name: string; readonly bits: number } {
    const { registers } = this.cpu, found = registers.find((r) => r.name === name || r.debugName === name);
    if (found) return found;
    // Registers have other names that no table lists: x10 of a0.
    try {
      if (typeof this.cpu.reg(name) !== "bigint") throw new Error();
      return { name, bits: registers[0].bits };
    } catch {
      const names = registers.flatMap((r) => [r.name, ...r.debugName === undefined ? [] : [r.debugName]]);
      throw new ConfigError(`${this.name} has no register '${name}'${didYouMean(name, names)}`);
    }
  }

  /** "U-mode", "S-mode", "M-mode"; "real", "32-bit protected", "64-bit" and others of x86. */
  get mode(): string {
    return this.inspector.mode(this.cpu);
  }
  get privilege(): Privilege {
    return this.inspector.privilege(this.cpu);
  }

  /** Where a virtual address (or a symbol) leads by the page tables in use, whoever may go there. @throws {ConfigError} a name is no symbol's. */
  mapping(where: string | number | bigint): Mapping {
    const tables = this.inspector.tables(this.cpu);
    if (typeof tables === "string") return { pa: undefined, why: tables, entries: [] };
    return mappingOf(tables, this.session.machine.bus, addressOf(this.session.machine, where));
  }

  /** @internal */
  get inspector(): Inspector {
    const found = inspectorOf(this.cpu);
    if (!found) throw new ConfigError(`nothing is known of the modes and page tables of ${this.cpu.arch}`);
    return found;
  }
}
