// Variables of a program in the memory of its machine: what a name, a part of one or an address with a type means.
import { ConfigError, didYouMean } from "../core/errors.ts";
import { sectionsOf } from "./dwarf/elf_sections.ts";
import { type GuestType, type Types, typesOf } from "./dwarf/types.ts";
import { heldBy, type ReadMemory, sliceOf, variantOf } from "./dwarf/values.ts";

/** Where names and types come from. */
export interface TypedProgram {
  readonly bits?: 32 | 64 | undefined;
  image?(): Uint8Array | undefined;
}

const KNOWN = new WeakMap<TypedProgram, Types>();
/** What a program says of its types, read once; undefined: there is no ELF file. */
export function typesOfProgram(program: TypedProgram): Types | undefined {
  const known = KNOWN.get(program), image = known ? undefined : program.image?.();
  if (known || !image) return known;
  const made = typesOf(sectionsOf(image));
  KNOWN.set(program, made);
  return made;
}

/** Types that need no debugging information. */
function builtin(name: string, pointer: number): GuestType | undefined {
  const [, letter, bits] = /^([uif])(8|16|32|64|128|size)$/.exec(name) ?? [];
  const bytes = bits === "size" ? pointer : Number(bits) / 8;
  if (letter === "f") return bytes === 4 || bytes === 8 ? { kind: "float", name, bytes } : undefined;
  if (letter) return { kind: "integer", name, bytes, signed: letter === "i" };
  if (name === "bool") return { kind: "boolean", name, bytes: 1 };
  if (name === "char") return { kind: "character", name, bytes: 4, wide: true };
  return undefined;
}

/** A type as scripts write it: "u32", "[u8; 16]", "*kernel::Task", a path of the program's. @throws {ConfigError} there is none. */
export function parseType(text: string, program: TypedProgram): GuestType {
  const pointer = (program.bits ?? 64) / 8, name = text.trim(), types = typesOfProgram(program);
  const [, element, count] = /^\[(.*);\s*(\d+)\]$/s.exec(name) ?? [];
  if (element !== undefined) {
    const of = parseType(element, program), n = Number(count);
    return { kind: "array", name: `[${of.name}; ${n}]`, bytes: n * of.bytes, of: () => of, count: n };
  }
  const [, pointee] = /^(?:\*(?:const |mut )?|&(?:mut )?)(.+)$/s.exec(name) ?? [];
  const known = types?.named(name) ?? builtin(name, pointer);
  if (known) return known;
  if (pointee !== undefined) {
    const to = parseType(pointee, program);
    return { kind: "pointer", name, bytes: pointer, to: () => to };
  }
  const last = (path: string) => path.slice(path.lastIndexOf("::") + 2), ends = [...types?.names() ?? []].filter((p) => last(p) === name);
  if (ends.length > 1) throw new ConfigError(`there are several types '${name}': ${ends.slice(0, 5).join(", ")}`);
  const near = didYouMean(name, types?.names() ?? []);
  throw new ConfigError(
    `no type '${name}'${near}: a type of the program's debugging information, u8 to u128, i8 to i128, f32, f64, bool, [T; n] or *T`,
  );
}

/** A place in memory with its type. */
export interface Place {
  readonly address: bigint;
  readonly type: GuestType;
}

/** ".count", "[3]" and ".*" of "tasks[3].*.count". @throws {ConfigError} it is no such text. */
export function stepsOf(text: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  for (let rest = text; rest !== "";) {
    const [all, index, field] = /^(?:\[(\d+)\]|\.(\*|\w+))/.exec(rest) ?? [];
    if (all === undefined) throw new ConfigError(`'${rest}': expected .field, [index] or .* (what a pointer points to)`);
    steps.push(index === undefined ? field : Number(index));
    rest = rest.slice(all.length);
  }
  return steps;
}

/** A part of a place; fields and elements are looked for through pointers and wrappers. @throws {ConfigError} it has no such part. */
export function partOf(place: Place, step: string | number, read: ReadMemory): Place {
  const { type, address } = place, held = heldBy(type);
  if (held && !(type.kind === "structure" && type.members.some((m) => m.name === step))) {
    return partOf({ address: address + BigInt(held.offset), type: held.type() }, step, read);
  }
  const word = (at: bigint, bytes: number) => read(at, bytes).reduceRight((v, b) => v << 8n | BigInt(b), 0n);
  if (type.kind === "pointer") {
    const to = { address: word(address, type.bytes), type: type.to() };
    return step === "*" ? to : typeof step === "number" ? element(to.type, to.address, step) : partOf(to, step, read);
  }
  if (step === "*") throw new ConfigError(`it is no pointer but ${describe(type)}`);
  if (typeof step === "number") {
    if (type.kind === "array") {
      if (step >= type.count) throw new ConfigError(`there is no element ${step}: it has ${type.count}`);
      return element(type.of(), address, step);
    }
    const slice = sliceOf(type), pointer = slice?.pointer.type();
    if (!slice || pointer?.kind !== "pointer") throw new ConfigError(`it has no elements: it is ${describe(type)}`);
    const length = word(address + BigInt(slice.length.offset), pointer.bytes);
    if (BigInt(step) >= length) throw new ConfigError(`there is no element ${step}: it has ${length}`);
    return element(pointer.to(), word(address + BigInt(slice.pointer.offset), pointer.bytes), step);
  }
  if (type.kind === "structure" && type.variants) {
    const chosen = variantOf(type, address, read), there = chosen?.member.name ?? "none of its variants";
    if (there !== step) throw new ConfigError(`it is ${there} and not ${step}`);
    const inside = { address: address + BigInt(chosen!.member.offset), type: chosen!.member.type() };
    const only = inside.type.kind === "structure" && inside.type.members.length === 1 ? inside.type.members[0] : undefined;
    return only?.name === "__0" ? { address: inside.address + BigInt(only.offset), type: only.type() } : inside;
  }
  const members = type.kind === "structure" ? type.members : [], tuple = /^\d+$/.test(step) ? `__${step}` : step;
  const found = members.find((m) => m.name === step || m.name === tuple);
  if (found && !found.bits) return { address: address + BigInt(found.offset), type: found.type() };
  for (const m of members) {
    // Of a base class, or of a structure without a name.
    if (m.name === "" && m.type().kind === "structure") {
      try {
        return partOf({ address: address + BigInt(m.offset), type: m.type() }, step, read);
      } catch (e) {
        if (!(e instanceof ConfigError)) throw e;
      }
    }
  }
  if (found) throw new ConfigError(`'${step}' is a bit field: look at the whole`);
  const names = members.map((m) => m.name);
  throw new ConfigError(
    `there is no field '${step}'${didYouMean(step, names)} in ${describe(type)}${names.length ? `: it has ${names.join(", ")}` : ""}`,
  );
}

const element = (of: GuestType, start: bigint, index: number): Place => ({ type: of, address: start + BigInt(index * of.bytes) });

/** "a structure (kernel::Task)". */
const describe = ({ kind, name }: GuestType): string => `${/^[aeio]/.test(kind) ? "an" : "a"} ${kind}${name === "" ? "" : ` (${name})`}`;
