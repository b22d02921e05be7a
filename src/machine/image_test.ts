import { assertEquals, assertThrows } from "@std/assert";
import { gzipSync } from "fflate";
import { ConfigError } from "../core/errors.ts";
import { EM_RISCV, EM_X86_64, Symbols, withSymbolsBeside } from "./elf.ts";
import { demangle } from "./demangle.ts";
import { loadGunzip, NeedsGunzip } from "./gunzip.ts";
import { type ImageTarget, readImage } from "./image.ts";

const target: ImageTarget = { machines: [EM_RISCV], bits: 64, arch: "riscv64", load: 0x8020_0000, ram: 0x8000_0000, protocol: "auto" };

/** An ELF64 file with one segment: `bytes` from `offset` of the file, at `paddr`; virtual addresses are `shift` higher. */
function elf(
  o: { offset?: number; paddr?: number; filesz?: number; memsz?: number; machine?: number; entry?: bigint; shift?: bigint; cut?: number } =
    {},
) {
  const { offset = 0x78, paddr = 0x8020_0000, filesz = 8, machine = EM_RISCV, shift = 0n } = o;
  const file = new Uint8Array(offset + filesz), view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, o.entry ?? BigInt(paddr) + shift, true);
  view.setBigUint64(32, 64n, true); // phoff
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setBigUint64(72, BigInt(offset), true);
  view.setBigUint64(80, BigInt(paddr) + shift, true);
  view.setBigUint64(88, BigInt(paddr), true);
  view.setBigUint64(96, BigInt(filesz), true);
  view.setBigUint64(104, BigInt(o.memsz ?? filesz), true);
  for (let i = 0; i < filesz && offset >= 0x78; i++) file[offset + i] = i + 1;
  return file.subarray(0, o.cut ?? file.length);
}
const read = (file: Uint8Array, t: Partial<ImageTarget> = {}) => readImage(file, "k", { ...target, ...t });

Deno.test("an ELF file: segments at physical addresses, the entry translated by its segment", () => {
  const image = read(elf({ memsz: 100, shift: 0xffff_ffff_0000_0000n }));
  assertEquals([image.kind, image.entry], ["elf", 0x8020_0000n]);
  assertEquals(image.segments.map((s) => [s.paddr, s.bytes.length, s.size]), [[0x8020_0000, 8, 100]]);
  assertEquals(image.segments[0].bytes[7], 8);
});

Deno.test("the file's headers below RAM are left out, other bytes below RAM are not", () => {
  const [s] = read(elf({ offset: 0, paddr: 0x7fff_f000, filesz: 0x1010 })).segments;
  assertEquals([s.paddr, s.vaddr, s.bytes.length, s.size], [0x8000_0000, 0x8000_0000n, 0x10, 0x10]);
  assertEquals(read(elf({ paddr: 0x7fff_fffc })).segments[0].paddr, 0x7fff_fffc); // the platform refuses it
  // A segment of its own, as linkers with separate code make it, and one with data behind the headers.
  assertEquals(read(elf({ offset: 0, paddr: 0x1_0000, filesz: 0x78 })).segments, []);
  assertEquals(read(elf({ offset: 0, paddr: 0x1_0000, filesz: 0x80 })).segments.length, 1);
});

Deno.test("raw bytes, Linux Images and gzip of them", async () => {
  assertThrows(() => read(Uint8Array.of(0x1f, 0x8b, 8)), NeedsGunzip);
  await loadGunzip();
  const raw = read(Uint8Array.of(0x13, 0, 0, 0));
  assertEquals([raw.kind, raw.entry, raw.segments[0].paddr], ["raw", 0x8020_0000n, 0x8020_0000]);
  const linux = new Uint8Array(0x100), view = new DataView(linux.buffer);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, 0x5000n, true);
  linux.set(new TextEncoder().encode("RSC\x05"), 0x38);
  for (const file of [linux, gzipSync(linux)]) {
    const image = read(file);
    assertEquals([image.kind, image.entry, image.segments[0].size], ["linux", 0x8020_0000n, 0x5000]);
  }
});

/** The same with other bytes. */
const changed = (file: Uint8Array, ...bytes: [at: number, value: number][]) => {
  const copy = file.slice();
  for (const [at, value] of bytes) copy[at] = value;
  return copy;
};

const BAD: [what: string, file: Uint8Array, message: string, t?: Partial<ImageTarget>][] = [
  ["empty", new Uint8Array(), "k: the file is empty"],
  ["other machine", elf({ machine: EM_X86_64 }), "k: built for x86-64, but the machine's CPU is riscv64"],
  ["other width", elf(), "k: a 64-bit ELF file, but the machine's CPU is riscv32", { bits: 32, arch: "riscv32" }],
  ["cut in the header", elf({ cut: 40 }), "k: truncated ELF file: the header ends at byte 64, the file has 40"],
  ["cut in a segment", elf({ cut: 0x7c }), "k: truncated ELF file: segment 0 ends at byte 128, the file has 124"],
  ["less memory than file", elf({ memsz: 4 }), "k: segment 0 has more bytes in the file (8) than in memory (4)"],
  ["neither width", changed(elf(), [4, 3]), "k: ELF class 3 is neither 32-bit nor 64-bit"],
  ["big-endian", changed(elf(), [5, 2]), "k: big-endian ELF files are not supported"],
  ["an object file", changed(elf(), [16, 1]), "k: a relocatable object file, not a linked executable"],
  ["a core dump", changed(elf(), [16, 4]), "k: ELF type 4 is not an executable"],
  ["nothing to load", changed(elf(), [64, 4]), "k: it has no segment to load"],
  ["nothing in memory", elf({ filesz: 0, memsz: 0 }), "k: it has no segment to load"],
  ["damaged gzip", Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3), "k: damaged gzip data: "],
  ["wrong protocol", elf(), "k: boot.protocol is 'linux', but this is an ELF file", { protocol: "linux" }],
];
for (const [what, file, message, t] of BAD) {
  Deno.test(`refused: ${what}`, () => {
    const e = assertThrows(() => read(file, t), ConfigError);
    assertEquals(e.message.slice(0, message.length), message);
  });
}

Deno.test("symbols: the last one at or below an address within its size; Rust paths by their plain names", () => {
  const mangled = "_ZN6kernel4main17h0123456789abcdefE";
  const s = new Symbols(() => [
    { name: "FRAME", value: 0x80n, size: 0n, absolute: true },
    { name: "big", value: 0x100n, size: 0x10n, absolute: false },
    { name: mangled, value: 0x200n, size: 0n, absolute: false },
  ]);
  assertEquals([s.lookup(0x88n), s.address("FRAME")], [undefined, 0x80n]);
  assertEquals(s.lookup(0x10fn), { name: "big", offset: 0xfn });
  assertEquals(s.lookup(0x110n), undefined);
  assertEquals(s.lookup(0x234n), { name: "kernel::main", offset: 0x34n });
  assertEquals([s.address("kernel::main"), s.address(mangled), s.address("none")], [0x200n, 0x200n, undefined]);
  assertEquals(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
  assertEquals(demangle("_ZN36_$LT$T$u20$as$u20$core..any..Any$GT$7type_id17h0123456789abcdefE"), "<T as core::any::Any>::type_id");
  assertEquals(demangle("main"), "main");
});

Deno.test("symbols: one without a size ends at the next one and with its section; what is in none has no name", () => {
  const at = (name: string, value: number, size = 0, limit?: number, absolute = false) => ({
    name,
    value: BigInt(value),
    size: BigInt(size),
    absolute,
    ...(limit === undefined ? {} : { limit: BigInt(limit) }),
  });
  const s = new Symbols(() => [
    at("_start", 0x100, 0, 0x1000),
    at("outer", 0x200, 0x100, 0x1000),
    at("label", 0x240, 0, 0x1000),
    at("inner", 0x280, 0x10, 0x1000),
    at("CONSTANT", 0x310, 0, undefined, true),
    at("etext", 0x1000, 0, 0x1000),
    at("stack", 0x2000, 0, 0x2800),
    at("_end", 0x2800, 0, 0x2800),
    at("alias", 0x3000, 0x10, 0x4000),
    at("__start_alias", 0x3000, 0, 0x4000),
    at("tail", 0x3100, 0, 0x4000),
    at("high", 0xffff_f000, 0),
  ]);
  const names: [address: number, name: string | undefined][] = [
    [0xff, undefined],
    [0x100, "_start"],
    [0x1ff, "_start+255"],
    [0x200, "outer"],
    [0x23f, "outer+63"],
    // A label in a function is found where it is; behind it the function goes on.
    [0x240, "label"],
    [0x250, "outer+80"],
    [0x285, "inner+5"],
    [0x290, "outer+144"],
    [0x2ff, "outer+255"],
    [0x300, undefined],
    [0x320, undefined],
    [0xfff, undefined],
    [0x1000, undefined],
    [0x27ff, "stack+2047"],
    [0x2800, undefined],
    [0x2801, undefined],
    [0x3000, "alias"],
    [0x3010, undefined],
    [0x3fff, "tail+3839"],
    [0x4000, undefined],
    [0xffff_ffff, "high+4095"],
  ];
  const found = (address: number) => {
    const at = s.lookup(BigInt(address));
    return at && (at.offset ? `${at.name}+${at.offset}` : at.name);
  };
  assertEquals(names.map(([address]) => [address, found(address)]), names);
});

Deno.test("symbols: by path, with and without hash and generic arguments; a name of several is an error that lists them", () => {
  const at = (name: string, value: number) => ({ name, value: BigInt(value), size: 0n, absolute: false });
  const s = new Symbols(() => [
    at("_RNvNtCs1234_6kernel5utils5print", 0x100),
    at("_RINvNtCs1234_6kernel5utils3puthEB4_", 0x200),
    at("_RINvNtCs1234_6kernel5utils3puttEB4_", 0x300),
    at("_RINvNtCs1234_6kernel5utils4onlyhEB4_", 0x400),
    at("_ZN4core3ptr4drop17h0000000000000001E", 0x500),
    at("_ZN4core3ptr4drop17h0000000000000002E", 0x600),
    at("init", 0x700),
    at("init", 0x800),
    at("alias", 0x900),
    at("alias", 0x900),
  ]);
  const found = (name: string) => Number(s.address(name) ?? -1);
  assertEquals(["kernel::utils::print", "_RNvNtCs1234_6kernel5utils5print", "kernel[3c1c0]::utils::print"].map(found), [
    0x100,
    0x100,
    0x100,
  ]);
  assertEquals(["kernel::utils::put::<u8>", "kernel::utils::put::<u16>", "kernel::utils::only"].map(found), [0x200, 0x300, 0x400]);
  assertEquals(["core::ptr::drop::h0000000000000002", "alias", "kernel::utils"].map(found), [0x600, 0x900, -1]);
  assertEquals([s.near("print"), s.near("put"), s.near("nothing")], [["kernel::utils::print"], ["kernel::utils::put"], []]);
  // By what is wrong in the path, or in its last part; a linker's name as well.
  assertEquals(
    [s.near("kernal::utils::print"), s.near("pritn"), s.near("inti"), s.near("core::nothing::at::all")],
    [["kernel::utils::print"], ["kernel::utils::print"], ["init"], []],
  );
  for (
    const [name, message] of [
      [
        "kernel::utils::put",
        "'kernel::utils::put' is the name of 2 symbols: kernel::utils::put::<u8> at 0x200, kernel::utils::put::<u16> at 0x300; give one's full name or address",
      ],
      [
        "core::ptr::drop",
        "'core::ptr::drop' is the name of 2 symbols: core::ptr::drop::h0000000000000001 at 0x500, core::ptr::drop::h0000000000000002 at 0x600; give one's full name or address",
      ],
      ["init", "'init' is the name of 2 symbols: init at 0x700, init at 0x800; give one's full name or address"],
    ]
  ) assertEquals(assertThrows(() => s.address(name), ConfigError).message, message);
});

Deno.test("symbols: an image without any has those of the ELF file beside it, when there is one for its processor", () => {
  const elf = Deno.readFileSync(new URL("../../tests/guests/bin/hello.rv64.elf", import.meta.url));
  const files: Record<string, Uint8Array> = {
    "a/os": elf,
    "a/disk.elf": elf,
    "note": new Uint8Array(100),
    "broken.elf": elf.slice(0, 100),
  };
  const asked: string[] = [];
  const beside = (path: string, own = new Symbols(), machines = [EM_RISCV]) =>
    withSymbolsBeside(own, path, machines, (p) => {
      asked.push(p);
      if (!files[p]) throw new ConfigError("no such file");
      return files[p];
    });
  const lazy = beside("a/bootimage-os.bin");
  assertEquals(asked, [], "a file is not read before a name is wanted");
  const entry = lazy.address("_start");
  assertEquals(asked, ["a/os"]);
  assertEquals([typeof entry, beside("a/os.bin").address("_start"), beside("a/disk.img").address("_start")], ["bigint", entry, entry]);
  for (const path of ["b/bootimage-os.bin", "note.img", "broken.bin", "a/os"]) assertEquals(beside(path).lookup(entry!), undefined, path);
  assertEquals(beside("a/os.bin", new Symbols(), [EM_X86_64]).lookup(entry!), undefined);
  const own = new Symbols(() => [{ name: "mine", value: 0n, size: 0n, absolute: false }]);
  assertEquals(beside("a/os.bin", own).lookup(0n)?.name, "mine");
});
