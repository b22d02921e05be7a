// Registers, modes and page tables.
import { checkOptions, ConfigError, didYouMean } from "../../core/errors.ts";
import { type Mapping, rightsText } from "../../machine/page_walk.ts";
import { addressOf, describeAddress } from "../machine_like.ts";
import type { Processor } from "../processor.ts";
import type { Kind, Verdict } from "./verdict.ts";

const hex = (v: number | bigint) => `0x${v.toString(16)}`;

/** Bits by their names in a register. @throws {ConfigError} */
function mask(cpu: Processor, register: string, names: readonly string[]): bigint {
  const { fields } = cpu.inspector, known = Object.hasOwn(fields, register) ? fields[register] : {};
  return names.reduce((bits, name) => {
    if (Object.hasOwn(known, name)) return bits | known[name];
    const all = Object.keys(known),
      hint = all.length ? `${didYouMean(name, all)}; there are ${all.join(", ")}` : ": no bit of it has a name here; give the value";
    throw new ConfigError(`${register} has no bit '${name}'${hint}`);
  }, 0n);
}

/** A value, or bits that must be 1 (`set`) and 0 (`clear`). */
export type RegisterValue = number | bigint | { readonly set?: readonly string[]; readonly clear?: readonly string[] };

function toHaveRegister(cpu: Processor, name: string, wanted: RegisterValue): Verdict {
  const { name: register, bits } = cpu.register(name), value = cpu.reg(register), subject = `${cpu.name}'s ${name}`;
  if (typeof wanted !== "object") {
    if (typeof wanted !== "bigint" && !Number.isSafeInteger(wanted)) {
      throw new ConfigError(`toHaveRegister: a register holds a whole number, not ${wanted}`);
    }
    const expected = BigInt(wanted);
    if (expected >> BigInt(bits) !== (expected < 0n ? -1n : 0n)) {
      throw new ConfigError(`toHaveRegister: ${hex(expected)} has more than the ${bits} bits of ${name}`);
    }
    const unsigned = BigInt.asUintN(bits, expected);
    return { pass: value === unsigned, subject, to: `be ${hex(unsigned)}`, found: `it is ${hex(value)}` };
  }
  checkOptions("toHaveRegister", wanted, ["set", "clear"]);
  const { set = [], clear = [] } = wanted, on = mask(cpu, register, set), off = mask(cpu, register, clear);
  const words = [...set.length ? [`${set.join(", ")} set`] : [], ...clear.length ? [`${clear.join(", ")} clear`] : []].join(" and ");
  if (words === "") throw new ConfigError("toHaveRegister: a value, or names of bits: { set: [...], clear: [...] }");
  const wrong = [...set.filter((n) => !(value & mask(cpu, register, [n]))), ...clear.filter((n) => value & mask(cpu, register, [n]))];
  const more = wrong.length ? { more: [`${wrong.map((n) => `${n} is ${value & mask(cpu, register, [n]) ? 1 : 0}`).join(", ")}`] } : {};
  return { pass: (value & on) === on && !(value & off), subject, to: `have ${words}`, found: `it is ${hex(value)}`, ...more };
}

/** How an address is mapped; what is absent does not matter. */
export interface WantedMapping {
  readonly pa?: number | bigint | string;
  /** Exactly these of r, w, x and u (for user mode), in any order; dashes say nothing: "rw-". */
  readonly flags?: string;
  /** Bytes of the page: 4096, 0x20_0000. */
  readonly page?: number;
  readonly global?: boolean;
  readonly accessed?: boolean;
  readonly dirty?: boolean;
}
const BITS = ["global", "accessed", "dirty"] as const;

function toMap(cpu: Processor, where: string | number | bigint, wanted: WantedMapping = {}): Verdict {
  checkOptions("toMap", wanted, ["pa", "flags", "page", ...BITS]);
  const { machine } = cpu.session, address = addressOf(machine, where), mapping = cpu.mapping(address), { flags, page } = wanted;
  const pa = wanted.pa === undefined ? undefined : addressOf(machine, wanted.pa);
  const odd = flags?.match(/[^rwxu-]/)?.[0];
  if (odd !== undefined) throw new ConfigError(`toMap: flags are letters of r, w, x and u, such as "rw" or "r-xu", got '${flags}'`);
  const rights = flags === undefined ? undefined : [..."rwxu"].map((c) => flags.includes(c) ? c : "-").join("");
  const to = [
    `map ${typeof where === "string" ? `${where} (${hex(address)})` : hex(address)}`,
    ...pa === undefined ? [] : [`to ${hex(pa)}`],
    ...rights === undefined ? [] : [`with ${rights}`],
    ...page === undefined ? [] : [`by a page of ${hex(page)} bytes`],
    ...BITS.filter((b) => wanted[b] !== undefined).map((b) => `${wanted[b] ? "" : "not "}${b}`),
  ].join(" ");
  const pass = mapping.pa !== undefined && (pa === undefined || pa === mapping.pa) &&
    (rights === undefined || rights === rightsText(mapping)) && (page === undefined || BigInt(page) === mapping.pageBytes) &&
    BITS.every((b) => wanted[b] === undefined || wanted[b] === mapping[b]);
  return { pass, subject: cpu.name, to, ...describeMapping(mapping) };
}

/** What the tables say, and the entries on the way. */
function describeMapping(mapping: Mapping): Pick<Verdict, "found" | "more"> {
  const more = mapping.entries.map(({ table, at, value }) => `  ${table}: entry at ${hex(at)} is ${hex(value)}`);
  if (mapping.pa === undefined) return { found: `it is not mapped: ${mapping.why}`, more };
  const bits = BITS.filter((b) => mapping[b]).map((b) => `, ${b}`).join("");
  return {
    found: `it is mapped to ${hex(mapping.pa)} with ${rightsText(mapping)} by a page of ${hex(mapping.pageBytes)} bytes${bits}`,
    more,
  };
}

export const PROCESSORS: Kind = {
  title: "a processor",
  session: (cpu: Processor) => cpu.session,
  checks: {
    toHaveRegister,
    toMap,
    toHaveMode: (cpu: Processor, mode: string) => {
      const { modes } = cpu.inspector;
      if (!modes.includes(mode)) {
        throw new ConfigError(`toHaveMode: ${cpu.arch} has no mode '${mode}'${didYouMean(mode, modes)}; there are ${modes.join(", ")}`);
      }
      return { pass: cpu.mode === mode, subject: cpu.name, to: `be in ${mode}`, found: `it is in ${cpu.mode}` };
    },
    toHavePrivilege: (cpu: Processor, privilege: string) => {
      const all = ["user", "supervisor", "machine"];
      if (!all.includes(privilege)) throw new ConfigError(`toHavePrivilege: ${all.join(", ")}, got '${privilege}'`);
      return {
        pass: cpu.privilege === privilege,
        subject: cpu.name,
        to: `have the rights of ${privilege}`,
        found: `it has those of ${cpu.privilege}`,
      };
    },
    toBeIn: (cpu: Processor, name: string) => {
      const { machine } = cpu.session, at = machine.symbols.lookup(addressOf(machine, name)), here = machine.symbols.lookup(cpu.pc);
      return {
        pass: at !== undefined && here?.name === at.name,
        subject: cpu.name,
        to: `be in ${name}`,
        found: `it is at ${describeAddress(machine, cpu.pc)}`,
      };
    },
    toBeIdle: (cpu: Processor) => ({
      pass: cpu.idle,
      subject: cpu.name,
      to: "wait for an interrupt",
      found: cpu.idle
        ? `it does (${cpu.cpu.resting ?? "waiting for an interrupt"})`
        : `it runs, at ${describeAddress(cpu.session.machine, cpu.pc)}`,
    }),
  },
};
