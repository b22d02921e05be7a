// ELF files of both widths, read back: segments, headers that nobody wants, symbols.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { ConfigError } from "../core/errors.ts";
import {
  EM_RISCV,
  type ImageSegment,
  isElf,
  machineName,
  notInMemory,
  placeOf,
  readElf,
  Symbols,
  withoutHeaders,
  withSymbolsBeside,
} from "./elf.ts";
import { elfFile, HEADER, PROGRAM, put, SECTION, sizeOf, SYMBOL, type Values } from "./testing/elf_file.ts";

Deno.test("sizes of the structures are those of the ABI", () => {
  assertEquals([32, 64].map((b) => [HEADER, PROGRAM[b], SECTION, SYMBOL[b]].map((f) => sizeOf(f, b))), [
    [52, 32, 40, 16],
    [64, 56, 64, 24],
  ]);
});

Deno.test("segments of random files are what their program headers say, wherever those are and however long; cut anywhere, they are refused", () => {
  const random = new Random(11);
  let cuts = 0, noted = 0;
  for (let round = 0; round < 150; round++) {
    const bits = random.pick([32, 64] as const), entry = sizeOf(PROGRAM[bits], bits), ehsize = sizeOf(HEADER, bits);
    const extra = random.pick([0, 0, 8]), count = 1 + random.below(4), phoff = ehsize + random.pick([0, 0, 4, 16]);
    const table = phoff + count * (entry + extra), length = table + 200;
    const high = bits === 64 ? random.pick([0n, 0xffff_ffff_0000_0000n]) : 0n;
    const load = random.below(count),
      programs = Array.from({ length: count }, (_, i) => {
        const type = i === load ? 1 : random.pick([1, 1, 4, 6, 0]), filesz = random.below(64);
        // Notes stand just behind the headers, up to 16 bytes off, or elsewhere.
        const offset = type === 4 ? table + random.pick([0, 8, 16, 17, 64]) : random.pick([0, table, table + random.below(100)]);
        const paddr = BigInt(random.pick([0, 0x1000, 0x8000_0000, 0xffff_f000])) + random.pick([0n, 4n]);
        const memsz = type === 1 && i !== load ? random.pick([0, filesz, filesz + 100]) || filesz : filesz + 1 + random.below(50);
        return { type, offset, paddr, vaddr: paddr + high, filesz: Math.min(filesz, memsz), memsz, flags: 0x7777_7777, align: 0x1000 };
      });
    const entryPoint = BigInt(random.below(2 ** 31)) + high;
    const file = elfFile({ bits, header: { entry: entryPoint, machine: 62, type: random.pick([2, 3]) }, programs, phoff, extra, length });
    let headers = table;
    for (const p of programs) {
      if (p.type === 4 && p.offset <= headers + 16 && p.offset + p.filesz > headers) headers = p.offset + p.filesz, noted++;
    }
    const wanted = programs.filter((p) => p.type === 1 && p.memsz > 0).map((p) => ({
      ...{ paddr: Number(p.paddr), vaddr: p.vaddr, bytes: file.slice(p.offset, p.offset + p.filesz), size: p.memsz },
      headers: p.offset === 0 ? headers : 0,
    }));
    const elf = readElf(file, "k");
    assertEquals([elf.bits, elf.machine, elf.entry], [bits, 62, entryPoint]);
    assertEquals(elf.segments.map((s) => ({ ...s, bytes: s.bytes.slice() })), wanted);
    // The first thing that is not there is named: the header, the table, then one segment after the other.
    const parts: [what: string, end: number][] = [["the header", 20], ["the header", ehsize], ["the table of segments", table]];
    programs.forEach((p, i) => p.type === 1 && p.memsz > 0 && parts.push([`segment ${i}`, p.offset + p.filesz]));
    for (let cut = 0; cut < length; cut += 1 + random.below(20)) {
      const missing = parts.find(([, end]) => end > cut);
      if (!missing) continue;
      const message = `k: truncated ELF file: ${missing[0]} ends at byte ${missing[1]}, the file has ${cut}`;
      assertEquals(assertThrows(() => readElf(file.slice(0, cut), "k"), ConfigError).message, message);
      cuts++;
    }
  }
  assert(cuts > 2000 && noted > 15, `${cuts} cuts, ${noted} notes`);
});

Deno.test("an address that a number cannot hold is kept exactly; the last one that it can is a number alone", () => {
  for (const [paddr, exact] of [[2n ** 53n - 1n, undefined], [2n ** 53n, 2n ** 53n], [2n ** 64n - 1n, 2n ** 64n - 1n]] as const) {
    const [s] = readElf(elfFile({ bits: 64, programs: [{ type: 1, paddr, filesz: 4, memsz: 4 }], phoff: 64, length: 200 }), "k").segments;
    assertEquals([s.paddr, s.exact], [Number(paddr), exact]);
  }
});

Deno.test("what is an ELF file, and of which machine", () => {
  const magic = [0x7f, 0x45, 0x4c, 0x46];
  assertEquals([isElf(Uint8Array.from(magic)), isElf(Uint8Array.from(magic.slice(0, 3))), isElf(new Uint8Array())], [true, false, false]);
  for (let i = 0; i < 4; i++) {
    for (let bit = 0; bit < 8; bit++) assertEquals(isElf(Uint8Array.from(magic, (b, n) => n === i ? b ^ 1 << bit : b)), false);
  }
  // System V ABI, registry of e_machine.
  const names = [[3, "i386"], [40, "ARM"], [62, "x86-64"], [183, "AArch64"], [243, "RISC-V"], [258, "LoongArch"], [
    8,
    "machine 8",
  ]] as const;
  for (const [number, name] of names) assertEquals(machineName(number), name);
});

Deno.test("where a segment goes that has no room: its first and last byte, and what AT(...) is for where the address is virtual", () => {
  const hint = "; AT(...) in the linker script says where a kernel is loaded that runs at virtual addresses";
  assertEquals(notInMemory({ paddr: 0x1000, size: 1 }), "it goes to 0x1000..0x1000, which is not in memory");
  assertEquals(notInMemory({ paddr: 0, size: 0x1000 }, " (x)"), "it goes to 0x0..0xfff, which is not in memory (x)");
  assertEquals(
    notInMemory({ paddr: 2 ** 64, exact: 2n ** 64n - 16n, size: 16 }, "!"),
    `it goes to 0xfffffffffffffff0..0xffffffffffffffff, which is not in memory!${hint}`,
  );
});

Deno.test("of a segment in a hole only the headers are left out: every place around the hole's ends", () => {
  const from = 0x1000, to = 0x2000;
  for (const paddr of [0, from - 1, from, from + 1, to - 0x78, to - 1, to, to + 1]) {
    for (
      const [headers, length, size] of [[0, 0x80, 0x80], [0x78, 0x78, 0x78], [0x78, 0x80, 0x80], [0x78, 0x40, 0x1000], [0x78, 0, 0x79]]
    ) {
      const bytes = Uint8Array.from({ length }, (_, i) => i), segment: ImageSegment = { paddr, vaddr: 0xff00n, bytes, size, headers };
      const got = withoutHeaders(segment, from, to), what = `${paddr} ${headers} ${length} ${size}`, below = to - paddr;
      const inHole = headers > 0 && paddr >= from && paddr < to;
      if (!inHole) assertEquals(got, [segment], what);
      else if (below < length) {
        // What is behind the hole stays where it was.
        const [rest] = got;
        assertEquals([got.length, rest.paddr, rest.vaddr, rest.size], [1, to, 0xff00n + BigInt(below), size - below], what);
        assertEquals(rest.bytes.slice(), bytes.slice(below), what);
      } else assertEquals(got, size <= headers ? [] : [segment], what);
    }
  }
});

Deno.test("symbols of random files: of every table, with its strings and the ends of its sections; nothing that says nothing to a person", () => {
  const random = new Random(12), names = ["main", "a", "_start", "$x", ".Lhere", "$d.1", "", "rust_eh", "z9", "L1", "é"];
  let kept = 0, left = 0;
  for (let round = 0; round < 200; round++) {
    const bits = random.pick([32, 64] as const), entry = sizeOf(SYMBOL[bits], bits), extra = random.pick([0, 8]);
    const strings = new TextEncoder().encode(`\0${names.join("\0")}\0`),
      at = (name: string) => new TextEncoder().encode(`\0${names.slice(0, names.indexOf(name)).map((n) => `${n}\0`).join("")}`).length;
    const stringsAt = 0x400, symbolsAt = 0x600, width = bits === 64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
    const symbols = Array.from({ length: 1 + random.below(8) }, () => {
      const name = random.pick(names), value = random.pick([0n, 0x1000n, 0x2000n, width]), size = random.pick([0n, 4n, width]);
      const type = random.below(5), shndx = random.pick([0, 1, 1, 2, 0xfff1, 0xff00]);
      return { name, value, size, type, shndx, bind: random.below(3) };
    });
    const bytes = symbols.length * entry, second = random.one(3), counted = random.pick([5, 6, 7]);
    const sections: Values[] = [
      { type: 0 },
      { type: 1, addr: 0x1000, size: 0x300 },
      { type: 1, addr: 0x2000, size: 0x10 },
      { type: random.pick([2, 2, 2, 11]), offset: symbolsAt, size: bytes, link: 4 },
      { type: 3, offset: stringsAt, size: strings.length },
      // The same again with two symbols, the last cut in its middle.
      { type: second ? 2 : 0, offset: symbolsAt, size: entry + entry / 2, link: 4 },
      // A table whose strings are none of the file.
      { type: 2, offset: symbolsAt, size: bytes, link: 99 },
    ];
    const file = elfFile({
      bits,
      programs: [{ type: 1, filesz: 0, memsz: 4 }],
      phoff: 64,
      sections,
      shoff: 0x80,
      extra,
      length: 0x700,
      header: { shnum: counted },
    });
    file.set(strings, stringsAt);
    symbols.forEach((s, i) =>
      put(file, symbolsAt + i * entry, SYMBOL[bits], bits, { ...s, name: at(s.name), info: s.bind << 4 | s.type, other: 0xff })
    );
    const limits: Record<number, bigint> = { 1: 0x1300n, 2: 0x2010n };
    const of = (list: typeof symbols) =>
      list.filter((s) => s.shndx !== 0 && s.type <= 2 && s.name && !/^(\$|\.L)/.test(s.name)).map((s) => ({
        ...{ name: s.name, value: s.value, size: s.size, absolute: s.shndx === 0xfff1, limit: limits[s.shndx] },
      }));
    const wanted = [...sections[3].type === 2 ? of(symbols) : [], ...second && counted > 5 ? of(symbols.slice(0, 1)) : []];
    const read = readElf(file, "k").symbols;
    assertEquals(read.read(), wanted);
    assertEquals([read.bits, read.file], [bits, "k"]);
    kept += wanted.length;
    left += symbols.length;
    // A table that is longer than the file is taken as far as it goes; one that begins behind its end, and a table of sections there, is none.
    const cut = file.slice(0, symbolsAt + entry + 1);
    assertEquals(readElf(cut, "k").symbols.read(), [
      ...sections[3].type === 2 ? of(symbols.slice(0, 1)) : [],
      ...second && counted > 5 ? of(symbols.slice(0, 1)) : [],
    ]);
    assertEquals(readElf(file.slice(0, symbolsAt - 1), "k").symbols.read(), []);
    assertEquals(readElf(file.slice(0, 0x100), "k").symbols.read(), []);
  }
  assert(kept > 200 && left > 2 * kept, `${kept} of ${left}`);
});

Deno.test("an address belongs to the symbol that begins there, else to the innermost with a size around it, else to the last one before: random symbols", () => {
  const random = new Random(13), counts = { exact: 0, inside: 0, behind: 0, none: 0 };
  for (let round = 0; round < 300; round++) {
    const symbols = Array.from({ length: random.below(8) }, (_, i) => ({
      ...{ name: `s${i}`, value: BigInt(random.below(40)), size: BigInt(random.pick([0, 0, 1, 5, 20])), absolute: random.one(8) },
      ...(random.one(2) && { limit: BigInt(random.below(60)) }),
    }));
    const read = () => symbols.map((s) => ({ ...s })), found = new Symbols(read);
    const placed = symbols.filter((s) => !s.absolute).map((s, order) => ({ ...s, order }));
    /** Of several at one address the last one with a size, else the last one. */
    const at = (value: bigint) => {
      const here = placed.filter((s) => s.value === value);
      return here.findLast((s) => s.size > 0n) ?? here.at(-1);
    };
    const values = [...new Set(placed.map((s) => s.value))].sort((a, b) => Number(a - b)), known = values.map((v) => at(v)!);
    const end = (s: typeof placed[number]) => {
      if (s.size > 0n) return s.value + s.size;
      const next = values.find((v) => v > s.value), ends = [next, s.limit].filter((v) => v !== undefined);
      return ends.length ? ends.reduce((a, b) => a < b ? a : b) : 2n ** 64n;
    };
    const said: string[] = [], want: string[] = [];
    for (let address = 0n; address < 70n; address++) {
      const holds = (s: typeof placed[number]) => s.value <= address && address < end(s);
      const exact = at(address), around = known.findLast((s) => s.size > 0n && holds(s)), last = known.findLast((s) => s.value <= address);
      const wanted = exact && holds(exact) ? exact : around ?? (last && last.size === 0n && holds(last) ? last : undefined);
      const got = found.lookup(address);
      said.push(`${address}: ${got?.name} ${got?.offset}`);
      want.push(`${address}: ${wanted?.name} ${wanted && address - wanted.value}`);
      counts[!wanted ? "none" : wanted === exact ? "exact" : wanted === around ? "inside" : "behind"]++;
    }
    assertEquals({ symbols, said }, { symbols, said: want });
    assertEquals(found.empty, symbols.length === 0);
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 400, `${what}: ${n}`);
});

Deno.test("a place is an address with its symbol, and how far behind it", () => {
  const symbols = { lookup: (at: bigint) => at < 0x10n ? undefined : { name: "main", offset: at - 0x10n } };
  assertEquals([0xfn, 0x10n, 0x2an].map((at) => placeOf(symbols, at)), ["0xf", "0x10 main", "0x2a main+0x1a"]);
});

Deno.test("a table of sections that ends with the file is whole; one that a byte is missing of has no last section", () => {
  for (const bits of [32, 64] as const) {
    const strings = new TextEncoder().encode("\0main\0"), shoff = 0x100, size = sizeOf(SECTION, bits);
    const sections = [{ type: 0 }, { type: 2, offset: 0xc0, size: sizeOf(SYMBOL[bits], bits), link: 2 }, {
      type: 3,
      offset: 0xb0,
      size: strings.length,
    }];
    const file = elfFile({ bits, programs: [{ type: 1, memsz: 4 }], phoff: 64, sections, shoff, length: shoff + 3 * size });
    file.set(strings, 0xb0);
    put(file, 0xc0, SYMBOL[bits], bits, { name: 1, value: 5, shndx: 1 });
    const found = (length: number) => readElf(file.slice(0, length), "k").symbols.address("main");
    assertEquals([found(file.length), found(file.length - 1)], [5n, undefined]);
  }
});

Deno.test("names that may be meant: paths that end so come before names that are written alike", () => {
  const symbols = ["_RNvC1a5print", "prints"].map((name, i) => ({ name, value: BigInt(i), size: 0n, absolute: false }));
  assertEquals(new Symbols(() => symbols).near("print"), ["a::print"]);
});

Deno.test("symbols from the file beside an image tell its width and path", () => {
  const file = elfFile({ bits: 32, programs: [{ type: 1, memsz: 4 }], phoff: 64, length: 0x100, header: { shnum: 0 } });
  const beside = withSymbolsBeside(new Symbols(), "a/os.bin", [EM_RISCV], () => file);
  assertEquals([beside.bits, beside.file], [32, "a/os"]);
  const own = new Symbols(() => [{ name: "x", value: 0n, size: 0n, absolute: false }], () => 64, () => "own");
  const mine = withSymbolsBeside(own, "a/os.bin", [EM_RISCV], () => file);
  assertEquals([mine.bits, mine.file, mine.lookup(0n)?.name], [64, "own", "x"]);
});
