// ELF files: segments and symbols. Source: System V ABI, chapters 4 and 5 (generic, 2013-06-10); machine numbers from its registry.
import { ConfigError, nearest } from "../core/errors.ts";
import { demangle, withoutGenerics } from "./demangle.ts";

/** A part of memory that an image fills: `bytes`, then zeros up to `size`. */
export interface ImageSegment {
  readonly paddr: number;
  /** The same, where a number is too coarse for it: no memory is there, but messages say where. */
  readonly exact?: bigint;
  readonly vaddr: bigint;
  readonly bytes: Uint8Array;
  /** Bytes in memory, at least `bytes.length`. */
  readonly size: number;
  /** So many bytes at its beginning are the file's own headers and notes, which linkers put below the first section when told nothing else. */
  readonly headers?: number;
}

export interface Elf {
  readonly bits: 32 | 64;
  /** e_machine. */
  readonly machine: number;
  readonly entry: bigint;
  readonly segments: readonly ImageSegment[];
  readonly symbols: Symbols;
}

/** e_machine values. */
export const EM_386 = 3, EM_X86_64 = 62, EM_RISCV = 243;
const MACHINES: Readonly<Record<number, string>> = { 3: "i386", 40: "ARM", 62: "x86-64", 183: "AArch64", 243: "RISC-V", 258: "LoongArch" };
const PT_LOAD = 1, PT_NOTE = 4, SHT_SYMTAB = 2, STT_NOTYPE = 0, STT_OBJECT = 1, STT_FUNC = 2, SHN_UNDEF = 0, SHN_ABS = 0xfff1;

/** Display memory and ROM of a PC, below the usual place of kernels. */
export const NO_RAM: readonly [from: number, to: number] = [0xa_0000, 0x10_0000];
/** Notes follow the headers at a multiple of it. */
const NOTE_ALIGN = 16;

/** "RISC-V", or "machine 123". */
export const machineName = (e: number): string => MACHINES[e] ?? `machine ${e}`;

export const isElf = (file: Uint8Array): boolean =>
  file.length >= 4 && file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;

/** Where a segment goes that no memory has room for; `ram` says where there is some. */
export function notInMemory({ paddr, exact, size }: Pick<ImageSegment, "paddr" | "exact" | "size">, ram = ""): string {
  const from = exact ?? BigInt(paddr), range = `0x${from.toString(16)}..0x${(from + BigInt(size) - 1n).toString(16)}`;
  const hint = exact === undefined ? "" : "; AT(...) in the linker script says where a kernel is loaded that runs at virtual addresses";
  return `it goes to ${range}, which is not in memory${ram}${hint}`;
}

/**
 * `ld -Ttext=START` puts the file's headers into the page below START, be there RAM or not: nobody wants them, and what is between `from` and
 * `to`, where the machine has none, is left out.
 */
export function withoutHeaders(s: ImageSegment, from: number, to: number): ImageSegment[] {
  const below = to - s.paddr;
  if (!s.headers || s.paddr < from || below <= 0) return [s];
  if (below >= s.bytes.length) return s.size <= s.headers ? [] : [s];
  return [{ paddr: to, vaddr: s.vaddr + BigInt(below), bytes: s.bytes.subarray(below), size: s.size - below }];
}

/** @throws {ConfigError} it is not a complete little-endian executable. `name` is the path for messages. */
export function readElf(file: Uint8Array, name: string): Elf {
  const bad = (problem: string) => new ConfigError(problem, { file: name });
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const need = (at: number, length: number, what: string) => {
    if (at + length > file.length) throw bad(`truncated ELF file: ${what} ends at byte ${at + length}, the file has ${file.length}`);
  };
  need(0, 20, "the header");
  if (file[4] !== 1 && file[4] !== 2) throw bad(`ELF class ${file[4]} is neither 32-bit nor 64-bit`);
  const bits = file[4] === 2 ? 64 : 32, w = bits === 64;
  if (file[5] !== 1) throw bad("big-endian ELF files are not supported");
  need(0, w ? 64 : 52, "the header");
  const word = (at: number) => w ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const small = (at: number) => Number(word(at));
  const type = view.getUint16(16, true), machine = view.getUint16(18, true);
  if (type !== 2 && type !== 3) {
    throw bad(type === 1 ? "a relocatable object file, not a linked executable" : `ELF type ${type} is not an executable`);
  }
  const phoff = small(w ? 32 : 28), phentsize = view.getUint16(w ? 54 : 42, true), phnum = view.getUint16(w ? 56 : 44, true);
  const segments: ImageSegment[] = [];
  need(phoff, phentsize * phnum, "the table of segments");
  let headers = phoff + phentsize * phnum;
  for (let i = 0; i < phnum; i++) {
    const p = phoff + i * phentsize;
    if (view.getUint32(p, true) === PT_NOTE && small(p + (w ? 8 : 4)) <= headers + NOTE_ALIGN) {
      headers = Math.max(headers, small(p + (w ? 8 : 4)) + small(p + (w ? 32 : 16)));
    }
  }
  for (let i = 0; i < phnum; i++) {
    const p = phoff + i * phentsize;
    if (view.getUint32(p, true) !== PT_LOAD) continue;
    const offset = small(p + (w ? 8 : 4)), vaddr = word(p + (w ? 16 : 8)), paddr = small(p + (w ? 24 : 12));
    const filesz = small(p + (w ? 32 : 16)), memsz = small(p + (w ? 40 : 20));
    if (memsz === 0) continue;
    if (filesz > memsz) throw bad(`segment ${i} has more bytes in the file (${filesz}) than in memory (${memsz})`);
    need(offset, filesz, `segment ${i}`);
    const exact = Number.isSafeInteger(paddr) ? {} : { exact: word(p + 24) };
    segments.push({
      paddr,
      ...exact,
      vaddr,
      bytes: file.subarray(offset, offset + filesz),
      size: memsz,
      headers: offset === 0 ? headers : 0,
    });
  }
  if (segments.length === 0) throw bad("it has no segment to load");
  return {
    bits,
    machine,
    entry: word(24),
    segments,
    symbols: new Symbols(() => readSymbols(file, view, w), () => bits, () => name, () => file),
  };
}

export interface Symbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  /** A number, in no section: it may be an address, but says nothing of those behind it. */
  readonly absolute: boolean;
  /** Where its section ends. */
  readonly limit?: bigint | undefined;
}

export interface SectionHeader {
  /** Where its name stands in the section of names. */
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** The headers of a file's sections, and which one holds their names. They are a convenience: a damaged table is taken as far as it goes. */
export function sectionHeaders(file: Uint8Array): { readonly headers: readonly SectionHeader[]; readonly names: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), w = file[4] === 2;
  if (file.length < (w ? 64 : 52)) return { headers: [], names: 0 };
  const word = (at: number) => w ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const [size, count, names] = [0, 2, 4].map((o) => view.getUint16((w ? 58 : 46) + o, true)), headers: SectionHeader[] = [];
  for (let at = Number(word(w ? 40 : 32)); headers.length < count && at + (w ? 64 : 40) <= file.length; at += size) {
    headers.push({
      name: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      flags: Number(word(at + 8)),
      address: word(at + (w ? 16 : 12)),
      offset: Number(word(at + (w ? 24 : 16))),
      size: Number(word(at + (w ? 32 : 20))),
      link: view.getUint32(at + (w ? 40 : 24), true),
    });
  }
  return { headers, names };
}

function readSymbols(file: Uint8Array, view: DataView, w: boolean): Symbol[] {
  const word = (at: number) => w ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const { headers } = sectionHeaders(file), out: Symbol[] = [], decoder = new TextDecoder();
  const limits = headers.map((h) => h.address + BigInt(h.size)), entry = w ? 24 : 16;
  for (const table of headers) {
    const strings = table.type === SHT_SYMTAB ? headers[table.link] : undefined, end = Math.min(file.length, table.offset + table.size);
    if (!strings) continue;
    for (let at = table.offset; at + entry <= end; at += entry) {
      const type = file[at + (w ? 4 : 12)] & 0xf, index = view.getUint16(at + (w ? 6 : 14), true);
      if (index === SHN_UNDEF || (type !== STT_NOTYPE && type !== STT_OBJECT && type !== STT_FUNC)) continue;
      const from = strings.offset + view.getUint32(at, true), to = file.indexOf(0, from);
      const name = decoder.decode(file.subarray(from, to));
      // RISC-V mapping symbols and assembler temporaries say nothing to a person.
      if (!name || name.startsWith("$") || name.startsWith(".L")) continue;
      const value = word(at + (w ? 8 : 4)), size = word(at + (w ? 16 : 8));
      out.push({ name, value, size, absolute: index === SHN_ABS, limit: limits[index] });
    }
  }
  return out;
}

/** "kernel::main+0x10": an address by the symbol that `within`, which is the address or in front of it, belongs to; "" when there is none. */
export function symbolAt(symbols: Pick<Symbols, "lookup">, address: bigint, within = address): string {
  const at = symbols.lookup(within), offset = at && at.offset + (address - within);
  return at ? `${at.name}${offset ? `+0x${offset.toString(16)}` : ""}` : "";
}
/** "0x80200010 kernel::main+0x10" or the bare address. */
export const placeOf = (symbols: Pick<Symbols, "lookup">, address: bigint): string =>
  `0x${address.toString(16)} ${symbolAt(symbols, address)}`.trimEnd();

/** How many of `n` come first for which `before` holds, which holds for no other. */
export function countBefore(n: number, before: (i: number) => boolean): number {
  let lo = 0;
  for (let hi = n; lo < hi;) {
    const mid = (lo + hi) >> 1;
    if (before(mid)) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** What one symbol names: addresses from `value` up to `end`. */
interface Extent {
  readonly name: string;
  readonly value: bigint;
  readonly end: bigint;
  readonly sized: boolean;
  /** The innermost one with a size that it lies in. */
  readonly around: Extent | undefined;
}

/** One for each address at which symbols begin, ascending: of several the last one with a size, else the last one. */
function extentsOf(sorted: readonly Symbol[]): Extent[] {
  const out: Extent[] = [];
  let around: Extent | undefined;
  for (let i = 0; i < sorted.length;) {
    const { value } = sorted[i];
    let next = i + 1, best = sorted[i];
    for (; next < sorted.length && sorted[next].value === value; next++) {
      if (sorted[next].size > 0n || best.size === 0n) best = sorted[next];
    }
    const { name, size, limit } = best, sized = size > 0n, following = sorted[next]?.value;
    const ends = [following, limit].filter((v) => v !== undefined);
    while (around && around.end <= value) around = around.around;
    const end = sized ? value + size : ends.length ? ends.reduce((a, b) => a < b ? a : b) : 1n << 64n;
    const extent: Extent = { name, value, end, sized, around };
    out.push(extent);
    if (sized) around = extent;
    i = next;
  }
  return out;
}

/** Names of addresses. Read from the file when they are first asked for. */
export class Symbols {
  #sorted: readonly Symbol[] | undefined;
  #extents: readonly Extent[] | undefined;
  #spellings: readonly Spelled[] | undefined;
  constructor(
    readonly read: () => Symbol[] = () => [],
    readonly width: () => 32 | 64 | undefined = () => undefined,
    readonly path: () => string | undefined = () => undefined,
    /** The ELF file that they are from. */
    readonly image: () => Uint8Array | undefined = () => undefined,
  ) {}

  /** Of the ELF file that they are from. */
  get bits(): 32 | 64 | undefined {
    return this.width();
  }
  get file(): string | undefined {
    return this.path();
  }

  get #table(): readonly Symbol[] {
    return this.#sorted ??= this.read().sort((a, b) => a.value < b.value ? -1 : a.value > b.value ? 1 : 0);
  }
  get #all(): readonly Extent[] {
    return this.#extents ??= extentsOf(this.#table.filter((s) => !s.absolute));
  }
  /**
   * The symbol that an address belongs to: one that begins there, else the innermost one with a size that holds it, else the last one before it
   * if that has no size: such a one ends at the next symbol, and with its section.
   */
  lookup(address: bigint): { name: string; offset: bigint } | undefined {
    const t = this.#all, last = t[countBefore(t.length, (i) => t[i].value <= address) - 1] as Extent | undefined;
    let found: Extent | undefined = last;
    if (!last?.sized || address >= last.end) {
      found = last?.around;
      while (found && address >= found.end) found = found.around;
      if (last && !last.sized && address < last.end && (!found || address === last.value)) found = last;
    }
    return found && { name: demangle(found.name), offset: address - found.value };
  }
  /**
   * Address of a name: the linker's or, for Rust and C++, the path as it is written ("kernel::main"), with or without hash and generic
   * arguments. @throws {ConfigError} several symbols have it.
   */
  address(name: string): bigint | undefined {
    const spellings = this.#allSpellings();
    for (let i = 0; i < SPELLINGS; i++) {
      const found = spellings.filter(({ names }) => names[i] === name);
      if (new Set(found.map(({ value }) => value)).size > 1) throw ambiguous(name, found);
      if (found.length > 0) return found[0].value;
    }
    return undefined;
  }
  /** Bytes of the symbol that begins at an address; undefined: it does not say how many. */
  sizeAt(address: bigint): number | undefined {
    const t = this.#all, found = t[countBefore(t.length, (i) => t[i].value <= address) - 1] as Extent | undefined;
    return found?.value === address && found.sized ? Number(found.end - found.value) : undefined;
  }
  /** What may be meant by a name that is none: the paths that end with it ("kernel::utils::print" for "print"), else those nearest to it. */
  near(name: string): string[] {
    const paths = [...new Set(this.#allSpellings().map(({ names }) => names.at(-1)!))],
      ending = paths.filter((path) => path.endsWith(`::${name}`));
    if (ending.length > 0) return ending;
    const best = nearest(name, paths), last = (path: string) => path.slice(path.lastIndexOf("::") + 2);
    if (best !== undefined || name.includes("::")) return best === undefined ? [] : [best];
    const called = nearest(name, paths.filter((path) => path.includes("::")).map(last));
    return called === undefined ? [] : paths.filter((path) => path.endsWith(`::${called}`));
  }
  /** Whether there are none at all. */
  get empty(): boolean {
    return this.#table.length === 0;
  }
  #allSpellings(): readonly Spelled[] {
    return this.#spellings ??= this.#table.map((s) => {
      const path = demangle(s.name), plain = withoutGenerics(path);
      return { value: s.value, names: path === s.name ? [path] : [s.name, path, demangle(s.name, true), plain] };
    });
  }
}

/**
 * The symbols of an image that has none (a disk image, a flat binary) are those of the ELF file beside it that it was made of:
 * "bootimage-NAME.bin" of "NAME", "os.bin" of "os" or "os.elf". `read` gives a file, and is asked when a name is wanted.
 */
export function withSymbolsBeside(own: Symbols, path: string, machines: readonly number[], read: (path: string) => Uint8Array): Symbols {
  let { bits, file } = own, image = own.image();
  const symbols: Symbols = new Symbols(
    () => {
      const found = own.read();
      if (found.length > 0) return found;
      const [, folder, name] = /^(.*\/)?([^/]*)$/s.exec(path)!, stem = name.replace(/^bootimage-/, "").replace(/\.\w+$/, "");
      for (const candidate of [stem, `${stem}.elf`]) {
        if (candidate === name) continue;
        // Whatever keeps it from being read or understood, an image without symbols runs as well.
        try {
          const path = `${folder ?? ""}${candidate}`, bytes = read(path), elf = readElf(bytes, path), all = elf.symbols.read();
          if (!machines.includes(elf.machine)) continue;
          bits = elf.bits;
          file = path;
          image = bytes;
          return all;
        } catch {
          continue;
        }
      }
      return [];
    },
    () => (known(), bits),
    () => (known(), file),
    () => (known(), image),
  );
  /** When they have been read. */
  const known = (): unknown => bits ?? symbols.lookup(0n);
  return symbols;
}

/** A symbol's names, the most exact first: the linker's, the path, the path with its hash, the path without generic arguments. */
interface Spelled {
  readonly value: bigint;
  readonly names: readonly string[];
}
const SPELLINGS = 4, LISTED = 8;

function ambiguous(name: string, found: readonly Spelled[]): ConfigError {
  // Each by the shortest name that is its own.
  const own = [1, 2, 0].find((i) => new Set(found.map(({ names }) => names[i] ?? names[0])).size === found.length) ?? 0;
  const list = found.slice(0, LISTED).map(({ value, names }) => `${names[own] ?? names[0]} at 0x${value.toString(16)}`);
  return new ConfigError(
    `'${name}' is the name of ${found.length} symbols: ${list.join(", ")}${
      found.length > LISTED ? ", ..." : ""
    }; give one's full name or address`,
  );
}
