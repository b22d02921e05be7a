// The test cases that a kernel carries in its ELF file, without running it. Three ways in which they may be there:
//
// - `#[test_case]` (Rust's `custom_test_frameworks`, the unstable book): the generated `test_main` hands a slice of trait objects to the kernel's
//   runner. A function's own type has a method of the trait for each case, `<path as Trait>::run` or `<path as Fn<()>>::call`, whose symbol
//   names it; the slice says which of them are cases and in what order. Layout of trait objects: data, vtable; a vtable: drop, size, alignment,
//   methods.
// - embedded-test (crate of that name, 0.7 and later; protocol 1): a section of descriptors whose symbols' names are JSON.
// - bringup's own section, which docs/kernel_tests.md describes.
import { ConfigError } from "../core/errors.ts";
import { demangle } from "./demangle.ts";
import { sectionsOf } from "./dwarf/elf_sections.ts";
import type { Elf, Symbol } from "./elf.ts";

export interface TestCase {
  /** As libtest calls it: the path without the crate. */
  readonly name: string;
  /** What is called to run it. */
  readonly entry: bigint;
  readonly ignored: boolean;
  /** It passes by panicking. */
  readonly shouldPanic: boolean;
  /** Of guest time, when it has a limit of its own. */
  readonly timeoutNs?: number;
}

/** How its cases are told and run. */
export type HarnessKind = "test_case" | "embedded-test" | "section";

export interface Harness {
  readonly kind: HarnessKind;
  readonly cases: readonly TestCase[];
  /** The function from which on the kernel is ready for its cases, if that is known. */
  readonly main?: bigint;
}

/** What a kernel's file tells of its cases; "unnamed": it has some and does not name them; undefined: it does not seem to have any. @throws {ConfigError} what it tells is damaged. */
export function findHarness(file: Uint8Array, elf: Elf, name: string): Harness | "unnamed" | undefined {
  const image = new Image(file, elf, name);
  return ownSection(image) ?? embeddedTest(image) ?? testCases(image);
}

/** A path without its first part: "tests::adds" of "kernel::tests::adds". */
export const withoutCrate = (path: string): string => path.slice(path.indexOf("::") + 2);

/** Functions that say by their names how they are meant to end, as `#[test_case]` keeps no attributes. */
const namedShouldPanic = (name: string) => /(^|_)should_panic(_|$)/.test(name.slice(name.lastIndexOf(":") + 1));

/** A word's relocation by the load address alone: R_X86_64_RELATIVE, R_RISCV_RELATIVE. */
const RELATIVE: Readonly<Record<number, bigint>> = { 62: 8n, 243: 3n };
/** A name is not longer than that. */
const MOST_NAME = 4096;

/** A linked file as its program finds it in memory. */
class Image {
  readonly wordBytes: number;
  readonly section: ReturnType<typeof sectionsOf>;
  #relocated: Map<bigint, bigint> | undefined;
  #symbols: readonly Symbol[] | undefined;
  constructor(readonly file: Uint8Array, readonly elf: Elf, readonly name: string) {
    this.wordBytes = elf.bits / 8;
    this.section = sectionsOf(file);
  }

  get symbols(): readonly Symbol[] {
    return this.#symbols ??= this.elf.symbols.read();
  }
  symbol(name: string): Symbol | undefined {
    return this.symbols.find((s) => s.name === name);
  }

  /** Bytes at an address that come from the file; undefined when they are not all there. */
  bytes(address: bigint, length: number): Uint8Array | undefined {
    const s = this.elf.segments.find((s) => address >= s.vaddr && address + BigInt(length) <= s.vaddr + BigInt(s.bytes.length));
    const from = s && Number(address - s.vaddr);
    return s?.bytes.subarray(from!, from! + length);
  }
  /** A word of these bytes, which stand at an address. */
  word(bytes: Uint8Array, at: number, address: bigint): bigint {
    const view = new DataView(bytes.buffer, bytes.byteOffset), w = this.wordBytes === 8;
    return this.#relocations.get(address + BigInt(at)) ?? (w ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)));
  }
  /** @throws {ConfigError} there is no text. */
  text(address: bigint, length: bigint, what: string): string {
    const bytes = length <= MOST_NAME ? this.bytes(address, Number(length)) : undefined;
    if (!bytes) throw this.bad(`${what}: its name, ${length} bytes at 0x${address.toString(16)}, is not in the file`);
    return new TextDecoder().decode(bytes);
  }
  bad(problem: string): ConfigError {
    return new ConfigError(problem, { file: this.name });
  }

  /** Words of a position-independent file that are not there before it is loaded, by address. */
  get #relocations(): ReadonlyMap<bigint, bigint> {
    if (this.#relocated) return this.#relocated;
    const found = this.#relocated = new Map<bigint, bigint>(), table = this.section(".rela.dyn")?.bytes, type = RELATIVE[this.elf.machine];
    if (!table || this.wordBytes !== 8) return found;
    const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
    for (let at = 0; at + 24 <= table.length; at += 24) {
      if (view.getBigUint64(at + 8, true) === type) found.set(view.getBigUint64(at, true), view.getBigUint64(at + 16, true));
    }
    return found;
  }
}

// --- #[test_case]

/** A method of a function's own type: its path, the trait's, the method. Functions are in lower case, types are not. */
const METHOD = /^<((?:[a-z_]\w*::)+[a-z_]\w*) as (.+)>::([a-z_]\w*)(?:\{.*)?$/;
/** Traits of the library that a runner's slice may be of. */
const FN = /^core::ops::function::Fn(Mut|Once)?<\(\)>$/;
/** Of several methods the one that runs a case: the first that is there. */
const RUNS = ["run", "call", "test", "execute", "call_mut", "call_once"];

interface Candidate {
  /** With the crate. */
  readonly path: string;
  readonly method: string;
}

/** The same without the function's name: Rust's legacy mangling. */
const UNNAMED = /^(?:<T as .+>::\w+|core::ops::function::Fn::call)$/;

function testCases(image: Image): Harness | "unnamed" | undefined {
  let main: bigint | undefined, crate: string | undefined;
  const candidates = new Map<bigint, Candidate>();
  for (const { name, value } of image.symbols) {
    const path = demangle(name), [, self, trait, method] = METHOD.exec(path) ?? [];
    if (/^\w+::test_main$/.test(path)) {
      main = value;
      crate = path.split("::")[0];
    }
    if (self === undefined || (/^(core|alloc|std)::/.test(trait) && !FN.test(trait))) continue;
    candidates.set(value, { path: self, method });
  }
  for (const [at, { path }] of candidates) {
    if (crate !== undefined ? !path.startsWith(`${crate}::`) : /^(core|alloc|std|compiler_builtins)::/.test(path)) candidates.delete(at);
  }
  const entries = sliceOf(image, candidates) ?? bySymbols(candidates);
  if (entries.size === 0) {
    if (main === undefined) return undefined;
    if (image.symbols.some(({ name }) => UNNAMED.test(demangle(name)))) return "unnamed";
  }
  const cases = [...entries].map(([path, entry]) => {
    const name = withoutCrate(path);
    return { name, entry, ignored: false, shouldPanic: namedShouldPanic(name) };
  });
  return { kind: "test_case", cases, ...(main === undefined ? {} : { main }) };
}

/** Each path with the method that runs it. Functions that are `Fn` somewhere need not be cases: only those that are trait objects of it. */
function bySymbols(candidates: ReadonlyMap<bigint, Candidate>): Map<string, bigint> {
  const entries = new Map<string, bigint>();
  for (const [path, of] of Map.groupBy(candidates, ([, c]) => c.path)) {
    const methods = new Map(of.map(([at, { method }]) => [method, at])), runs = RUNS.slice(0, 4).find((m) => methods.has(m));
    const entry = runs === undefined ? undefined : methods.get(runs);
    if (entry !== undefined) entries.set(path, entry);
  }
  return entries;
}

/** Methods that a vtable has at most. */
const MOST_METHODS = 8;

/** The longest row of trait objects whose methods are candidates, in its order; undefined when there is none. */
function sliceOf(image: Image, candidates: ReadonlyMap<bigint, Candidate>): Map<string, bigint> | undefined {
  if (candidates.size === 0) return undefined;
  const w = image.wordBytes, vtables = new Map<bigint, [path: string, entry: bigint]>();
  const words = (each: (word: (n: number) => bigint | undefined, address: bigint) => number) => {
    for (const { vaddr, bytes } of image.elf.segments) {
      const skew = (w - Number(vaddr % BigInt(w))) % w;
      for (let at = skew; at + w <= bytes.length;) {
        const word = (n: number) => at + (n + 1) * w <= bytes.length ? image.word(bytes, at + n * w, vaddr) : undefined;
        at += w * each(word, vaddr + BigInt(at));
      }
    }
  };
  words((word, address) => {
    const first = word(1) === 0n && word(2) === 1n ? candidates.get(word(3) ?? 0n)?.path : undefined;
    if (first === undefined) return 1;
    const methods = new Map<string, bigint>();
    let last = 0n;
    for (let n = 3; n < 3 + MOST_METHODS; n++) {
      const at = word(n), found = candidates.get(at ?? 0n);
      if (found?.path !== first) break;
      methods.set(found.method, last = at!);
    }
    vtables.set(address, [first, methods.get(RUNS.find((m) => methods.has(m)) ?? "") ?? last]);
    return 1;
  });
  let longest = new Map<string, bigint>();
  words((word) => {
    const row = new Map<string, bigint>();
    let n = 0;
    for (let of; (of = vtables.get(word(2 * n + 1) ?? 0n)) && !row.has(of[0]); n++) row.set(...of);
    if (row.size > longest.size) longest = row;
    return n > 0 ? 2 * n : 1;
  });
  return longest.size > 0 ? longest : undefined;
}

// --- embedded-test

const EMBEDDED_VERSION = 1n;

function embeddedTest(image: Image): Harness | undefined {
  const section = image.section(".embedded_test"), version = image.symbol("EMBEDDED_TEST_VERSION");
  if (!section || !version) return undefined;
  const w = image.wordBytes,
    inside = (s: Symbol, words: number) => {
      const at = Number(s.value - section.address);
      return s.value >= section.address && at + words * w <= section.bytes.length ? at : undefined;
    };
  const at = inside(version, 1), found = at === undefined ? undefined : image.word(section.bytes, at, 0n);
  if (found !== EMBEDDED_VERSION) {
    throw image.bad(`embedded-test's protocol ${found ?? "?"} is not known, only ${EMBEDDED_VERSION} (embedded-test 0.7 and later)`);
  }
  const cases = image.symbols.flatMap((s): TestCase[] => {
    const at = s.name.startsWith("{") ? inside(s, 3) : undefined;
    if (at === undefined) return [];
    const { name, ignored, should_panic, timeout } = descriptor(image, s.name);
    const [entry, module, length] = [0, 1, 2].map((n) => image.word(section.bytes, at + n * w, 0n));
    const path = `${image.text(module, length, `the test '${name}'`)}::${name}`,
      limit = timeout === undefined ? {} : { timeoutNs: timeout * 1e9 };
    return [{ name: withoutCrate(path), entry, ignored, shouldPanic: should_panic, ...limit }];
  });
  return { kind: "embedded-test", cases };
}

interface Descriptor {
  readonly name: string;
  readonly ignored: boolean;
  readonly should_panic: boolean;
  /** In seconds. */
  readonly timeout?: number;
}

function descriptor(image: Image, json: string): Descriptor {
  let d: Partial<Descriptor>;
  try {
    d = JSON.parse(json);
  } catch {
    throw image.bad(`embedded-test's section: a symbol's name is not JSON: ${json.slice(0, 80)}`);
  }
  const fine = typeof d.name === "string" && (d.timeout === undefined || (Number.isFinite(d.timeout) && d.timeout > 0));
  if (!fine) throw image.bad(`embedded-test's section: a test needs a name and perhaps a time-out in seconds: ${json.slice(0, 80)}`);
  return { ...d as Descriptor, ignored: d.ignored === true, should_panic: d.should_panic === true };
}

// --- bringup's own section

/** Words of an entry: the name's address and length, the function, flags. */
const ENTRY_WORDS = 4;
const IGNORED = 1n, SHOULD_PANIC = 2n, KNOWN_FLAGS = 0xffn;

function ownSection(image: Image): Harness | undefined {
  const section = image.section(".bringup_tests") ?? image.section("bringup_tests");
  if (!section) return undefined;
  const { bytes, address } = section, size = ENTRY_WORDS * image.wordBytes, cases: TestCase[] = [];
  if (bytes.length % size !== 0) throw image.bad(`.bringup_tests has ${bytes.length} bytes: its entries have ${size} each`);
  for (let at = 0; at < bytes.length; at += size) {
    const what = `.bringup_tests, entry ${at / size}`;
    const [text, length, entry, flags] = [0, 1, 2, 3].map((n) => image.word(bytes, at + n * image.wordBytes, address));
    const name = image.text(text, length, what), odd = flags & KNOWN_FLAGS & ~(IGNORED | SHOULD_PANIC);
    if (!/^[^\s:]+(::[^\s:]+)*$/.test(name)) throw image.bad(`${what}: ${JSON.stringify(name)} is not a path such as "memory::maps"`);
    if (odd) throw image.bad(`${what} (${name}): unknown flags 0x${odd.toString(16)}; 1 is ignored, 2 should panic`);
    const limit = flags >> 8n ? { timeoutNs: Number(flags >> 8n) * 1e6 } : {};
    cases.push({ name, entry, ignored: (flags & IGNORED) !== 0n, shouldPanic: (flags & SHOULD_PANIC) !== 0n, ...limit });
  }
  const main = image.symbol("bringup_test_main")?.value;
  return { kind: "section", cases, ...(main === undefined ? {} : { main }) };
}
