// Where a function's caller is, by what its compiler says. DWARF 5 (2017), 6.4 "Call Frame Information"; the `.eh_frame` variant by the Linux
// Standard Base, core specification 5.0, 10.6.
import { countBefore } from "../elf.ts";
import { DwarfReader } from "./reader.ts";
import type { ElfSection } from "./elf_sections.ts";

/** Where the caller's value of a register is. Offsets count from the frame's address (CFA). */
export type Rule =
  | { readonly kind: "undefined" | "same" }
  /** In memory there; or that very address. */
  | { readonly kind: "at" | "is"; readonly offset: number }
  | { readonly kind: "register"; readonly register: number }
  | { readonly kind: "atExpression" | "isExpression"; readonly expression: Uint8Array };

/** How the frame of an instruction is left. */
export interface FrameRow {
  readonly cfa: { readonly register: number; readonly offset: number } | { readonly expression: Uint8Array };
  readonly rules: ReadonlyMap<number, Rule>;
  /** Number of the register that stands for the return address. */
  readonly returnAddress: number;
  /** It was entered by an interrupt: the caller has not done the instruction at the return address, rather than the one before it. */
  readonly signal: boolean;
}

interface Cie {
  readonly codeAlign: number;
  readonly dataAlign: number;
  readonly returnAddress: number;
  /** How addresses are written (DW_EH_PE_*). */
  readonly encoding: number;
  /** FDEs have data of their own, with its length in front. */
  readonly sized: boolean;
  readonly signal: boolean;
  readonly instructions: DwarfReader;
}
interface Fde {
  readonly from: bigint;
  readonly to: bigint;
  readonly cie: Cie;
  readonly at: number;
  readonly end: number;
  readonly data: DwarfReader;
}

/** Finds the row for an address, in `.debug_frame` and `.eh_frame`. `bytes` of an address: 4 or 8. */
export function framesOf(section: (name: string) => ElfSection | undefined, bytes: number): (address: bigint) => FrameRow | undefined {
  const fdes: Fde[] = [];
  for (const eh of [false, true]) {
    const found = section(eh ? ".eh_frame" : ".debug_frame");
    if (found) collect(found, eh, bytes, fdes);
  }
  fdes.sort((a, b) => a.from < b.from ? -1 : a.from > b.from ? 1 : 0);
  return (address) => {
    const fde = fdes[countBefore(fdes.length, (i) => fdes[i].from <= address) - 1] as Fde | undefined;
    if (!fde || address >= fde.to) return undefined;
    try {
      return rowOf(fde, address, bytes);
    } catch (e) {
      if (!(e instanceof RangeError)) throw e;
      return undefined;
    }
  };
}

function collect(section: ElfSection, eh: boolean, bytes: number, out: Fde[]): void {
  const cies = new Map<number, Cie | undefined>(), r = new DwarfReader(section.bytes);
  const cieAt = (at: number): Cie | undefined => {
    if (!cies.has(at)) {
      const start = new DwarfReader(section.bytes, at), { length, wide } = start.length(), piece = start.piece(length);
      piece.offset(wide); // its own mark
      cies.set(at, readCie(piece, bytes));
    }
    return cies.get(at);
  };
  try {
    while (!r.done) {
      const { length, wide } = r.length();
      if (length === 0) break;
      const entry = r.piece(length), idAt = entry.at, id = entry.offset(wide);
      if (eh ? id === 0 : id === (wide ? 2 ** 64 : 0xffff_ffff)) continue;
      const cie = cieAt(eh ? idAt - id : id);
      if (!cie) continue;
      const from = pointer(entry, cie.encoding, section, bytes), size = pointer(entry, cie.encoding & 0xf, section, bytes);
      if (cie.sized) entry.skip(entry.uleb());
      // What the linker has removed begins at 0.
      if (from !== 0n) out.push({ from, to: from + BigInt.asUintN(8 * bytes, size), cie, at: entry.at, end: entry.end, data: entry });
    }
  } catch (e) {
    // A damaged table is taken as far as it goes.
    if (!(e instanceof RangeError)) throw e;
  }
}

function readCie(r: DwarfReader, bytes: number): Cie | undefined {
  const version = r.u8(), augmentation = r.text();
  if (augmentation.startsWith("eh") || (version !== 1 && version !== 3 && version !== 4)) return undefined;
  if (version === 4) r.skip(2); // sizes of an address and of a segment selector
  const codeAlign = r.uleb(), dataAlign = r.sleb(), returnAddress = version === 1 ? r.u8() : r.uleb();
  let encoding = 0, signal = false;
  if (augmentation.startsWith("z")) {
    const length = r.uleb(), next = r.at + length;
    for (const letter of augmentation.slice(1)) {
      if (letter === "R") encoding = r.u8();
      else if (letter === "L") r.skip(1);
      else if (letter === "P") pointer(r, r.u8() & 0xf, undefined, bytes);
      else if (letter === "S") signal = true;
      else break;
    }
    r.at = next;
  } else if (augmentation !== "") return undefined;
  return { codeAlign, dataAlign, returnAddress, encoding, sized: augmentation.startsWith("z"), signal, instructions: r };
}

const DW_EH_PE_OMIT = 0xff, PCREL = 0x10;

/** An encoded address (LSB 10.5.1): absolute, or relative to where it stands. */
function pointer(r: DwarfReader, encoding: number, section: ElfSection | undefined, bytes: number): bigint {
  if (encoding === DW_EH_PE_OMIT) return 0n;
  const at = r.at;
  const value = (() => {
    switch (encoding & 0xf) {
      case 0:
        return r.word(bytes);
      case 1:
        return BigInt(r.uleb());
      case 2:
        return BigInt(r.u16());
      case 3:
        return BigInt(r.u32());
      case 4:
      case 0xc:
        return r.u64();
      case 9:
        return BigInt(r.sleb());
      case 0xa:
        return BigInt(r.i16());
      case 0xb:
        return BigInt(r.i32());
      default:
        throw new RangeError("an address in a way that is not known");
    }
  })();
  const base = (encoding & 0x70) === PCREL ? (section?.address ?? 0n) + BigInt(at) : 0n;
  return BigInt.asUintN(8 * bytes, base + value);
}

interface State {
  cfa: FrameRow["cfa"] | undefined;
  rules: Map<number, Rule>;
}

function rowOf({ cie, from, at, end, data }: Fde, address: bigint, bytes: number): FrameRow | undefined {
  const state: State = { cfa: undefined, rules: new Map() };
  const first = new DwarfReader(cie.instructions.bytes, cie.instructions.at, cie.instructions.end);
  run(first, state, cie, 0n, undefined, new Map(), bytes);
  const initial = new Map(state.rules);
  run(new DwarfReader(data.bytes, at, end), state, cie, from, address, initial, bytes);
  return state.cfa && { cfa: state.cfa, rules: state.rules, returnAddress: cie.returnAddress, signal: cie.signal };
}

/** Runs instructions (6.4.2) up to those that are of what lies behind `address`. */
function run(
  r: DwarfReader,
  state: State,
  { codeAlign, dataAlign }: Cie,
  from: bigint,
  address: bigint | undefined,
  initial: ReadonlyMap<number, Rule>,
  bytes: number,
): void {
  const kept: State[] = [];
  let at = from;
  const set = (register: number, rule: Rule) => void state.rules.set(register, rule);
  const restore = (register: number) => {
    const rule = initial.get(register);
    if (rule) state.rules.set(register, rule);
    else state.rules.delete(register);
  };
  const cfa = (register: number, offset: number) => void (state.cfa = { register, offset });
  const now = (): { register: number; offset: number } => {
    if (!state.cfa || !("register" in state.cfa)) throw new RangeError("the frame has no register");
    return state.cfa;
  };
  const block = () => {
    const length = r.uleb(), piece = r.piece(length);
    return piece.bytes.subarray(piece.at, piece.end);
  };
  while (!r.done) {
    const opcode = r.u8(), low = opcode & 0x3f;
    let further: number | undefined;
    switch (opcode & 0xc0) {
      case 0x40:
        further = low;
        break;
      case 0x80:
        set(low, { kind: "at", offset: r.uleb() * dataAlign });
        continue;
      case 0xc0:
        restore(low);
        continue;
      default:
        switch (opcode) {
          case 0x00: // nop
            break;
          case 0x01:
            at = r.word(bytes);
            if (address !== undefined && at > address) return;
            break;
          case 0x02:
            further = r.u8();
            break;
          case 0x03:
            further = r.u16();
            break;
          case 0x04:
            further = r.u32();
            break;
          case 0x05:
            set(r.uleb(), { kind: "at", offset: r.uleb() * dataAlign });
            break;
          case 0x06:
            restore(r.uleb());
            break;
          case 0x07:
            set(r.uleb(), { kind: "undefined" });
            break;
          case 0x08:
            set(r.uleb(), { kind: "same" });
            break;
          case 0x09:
            set(r.uleb(), { kind: "register", register: r.uleb() });
            break;
          case 0x0a:
            kept.push({ cfa: state.cfa, rules: new Map(state.rules) });
            break;
          case 0x0b: {
            const before = kept.pop();
            if (before) Object.assign(state, before);
            break;
          }
          case 0x0c:
            cfa(r.uleb(), r.uleb());
            break;
          case 0x0d:
            // GCC begins with it on RISC-V, where a frame begins with the stack pointer itself.
            cfa(r.uleb(), state.cfa ? now().offset : 0);
            break;
          case 0x0e:
            cfa(now().register, r.uleb());
            break;
          case 0x0f:
            state.cfa = { expression: block() };
            break;
          case 0x10:
            set(r.uleb(), { kind: "atExpression", expression: block() });
            break;
          case 0x11:
            set(r.uleb(), { kind: "at", offset: r.sleb() * dataAlign });
            break;
          case 0x12:
            cfa(r.uleb(), r.sleb() * dataAlign);
            break;
          case 0x13:
            cfa(now().register, r.sleb() * dataAlign);
            break;
          case 0x14:
            set(r.uleb(), { kind: "is", offset: r.uleb() * dataAlign });
            break;
          case 0x15:
            set(r.uleb(), { kind: "is", offset: r.sleb() * dataAlign });
            break;
          case 0x16:
            set(r.uleb(), { kind: "isExpression", expression: block() });
            break;
          case 0x2e: // DW_CFA_GNU_args_size
            r.uleb();
            break;
          default:
            throw new RangeError(`call frame instruction ${opcode} is not known`);
        }
    }
    if (further === undefined) continue;
    at += BigInt(further * codeAlign);
    if (address !== undefined && at > address) return;
  }
}
