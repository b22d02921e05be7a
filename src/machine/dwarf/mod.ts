// What an ELF file's debugging information says of addresses. Loaded when somebody asks: a run that goes well never does.
import { demangle } from "../demangle.ts";
import { type FrameRow, framesOf } from "./frames.ts";
import { type Inlines, inlinesOf } from "./info.ts";
import { type Lines, linesOf, type SourceLine } from "./lines.ts";
import { sectionsOf } from "./elf_sections.ts";

/** A function that an instruction is of, and where in its source. */
export interface SourcePlace {
  /** Demangled; undefined: the symbol's. */
  readonly name: string | undefined;
  readonly source: Omit<SourceLine, "column"> | undefined;
}

export class DebugInfo {
  readonly #section: ReturnType<typeof sectionsOf>;
  #lines: Lines | undefined;
  #frames: ((address: bigint) => FrameRow | undefined) | undefined;
  #inlines: Inlines | undefined;

  /** @param file an ELF file */
  constructor(readonly file: Uint8Array, readonly bits: 32 | 64) {
    this.#section = sectionsOf(file);
  }

  /** The source line of an instruction. */
  line(address: bigint): SourceLine | undefined {
    return (this.#lines ??= linesOf(this.#section)).find(address);
  }

  /** How the frame of an instruction is left. */
  frame(address: bigint): FrameRow | undefined {
    return (this.#frames ??= framesOf(this.#section, this.bits / 8))(address);
  }

  /** The functions that an instruction is of: those that were put into others (inlined) first, the one that was compiled last. */
  places(address: bigint): SourcePlace[] {
    let source: SourcePlace["source"] = this.line(address);
    const found = (this.#inlines ??= inlinesOf(this.#section))(address);
    if (!found) return [{ name: undefined, source }];
    return found.calls.map(({ name, call }, i) => {
      const place = { name: i === found.calls.length - 1 || name === "" ? undefined : demangle(name), source };
      const file = call && this.#lines!.file(found.lines, call.file);
      source = call && file !== undefined && call.line > 0 ? { file, line: call.line } : undefined;
      return place;
    });
  }
}
