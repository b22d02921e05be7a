// Multiboot kernels, both versions: what their headers ask for, and the information that they are given.
// Sources: Multiboot Specification 0.6.96, 3.1 to 3.3; Multiboot2 Specification 2.0, 3.1 to 3.6. Where the second one leaves widths open (ELF
// sections), as GRUB 2.06 writes them. Not modelled: boot device, drives, APM and VBE tables, EFI.
import { ConfigError } from "../../core/errors.ts";
import { EM_386, EM_X86_64, type ImageSegment, isElf, machineName, NO_RAM, readElf, Symbols, withoutHeaders } from "../elf.ts";
import type { Boot, BootEntry, Framebuffer, X86Image } from "./boot.ts";

/**
 * Multiboot says nothing of the image's name. GRUB legacy and QEMU put it in front of the command line, GRUB 2 does not, and kernels for both
 * (Xen) look into the loader's name for "GRUB " and a version, to know whether the first word is theirs. Multiboot2 came with GRUB 2.
 */
const LOADER_NAME = "bringup", LOADER_NAME_2 = "bringup (as GRUB 2)";
const MIB = 2 ** 20;
const MAGIC_1 = 0x1bad_b002, SEARCHED_1 = 8192, HANDED_1 = 0x2bad_b002;
/** Flags of the first version's header: video mode, addresses; bits 0 to 15 must be understood. */
const VIDEO = 0x4, ADDRESSES = 0x1_0000, UNKNOWN = 0xfff8;
const MAGIC_2 = 0xe852_50d6, SEARCHED_2 = 32768, HANDED_2 = 0x36d7_6289, I386 = 0;

/** A screen that the kernel wishes for; 0 is no preference. */
interface Video {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
}

const viewOf = (file: Uint8Array): DataView => new DataView(file.buffer, file.byteOffset, file.byteLength);

/** Offset of the first version's header; undefined when there is none. */
export function multiboot1Header(file: Uint8Array): number | undefined {
  return findHeader(file, { magic: MAGIC_1, within: SEARCHED_1, align: 4, words: 3 });
}

/** Offset of the second version's header; undefined when there is none. */
export function multiboot2Header(file: Uint8Array): number | undefined {
  return findHeader(file, { magic: MAGIC_2, within: SEARCHED_2, align: 8, words: 4 });
}

/** The first place that begins with the magic number and whose words add up to 0, modulo 2^32. Disks are searched at every start. */
function findHeader(
  file: Uint8Array,
  is: { readonly magic: number; readonly within: number; readonly align: number; readonly words: number },
): number | undefined {
  const count = Math.min(file.length, is.within) >> 2, { buffer, byteOffset } = file.byteOffset % 4 === 0 ? file : file.slice(0, 4 * count);
  const words = new Uint32Array(buffer, byteOffset, count);
  for (let at = words.indexOf(is.magic); at >= 0 && at + is.words <= count; at = words.indexOf(is.magic, at + 1)) {
    let sum = 0;
    for (let n = 0; n < is.words; n++) sum = sum + words[at + n] >>> 0;
    if (sum === 0 && 4 * at % is.align === 0) return 4 * at;
  }
  return undefined;
}

/** @throws {ConfigError} the header is damaged or asks for what there is not. */
export function readMultiboot1(file: Uint8Array, name: string): X86Image {
  const view = viewOf(file), header = multiboot1Header(file)!, flags = view.getUint32(header + 4, true);
  if (flags & UNKNOWN) {
    throw new ConfigError(`its Multiboot header asks for features that are not known: flags 0x${flags.toString(16)}`, { file: name });
  }
  if (!(flags & ADDRESSES) && !isElf(file)) {
    throw new ConfigError("its Multiboot header has no addresses, and it is no ELF file", { file: name });
  }
  if (header + (flags & VIDEO ? 48 : flags & ADDRESSES ? 32 : 12) > file.length) {
    throw new ConfigError("truncated Multiboot header", { file: name });
  }
  const field = (o: number) => view.getUint32(header + o, true);
  const loaded = flags & ADDRESSES
    ? { ...byAddresses(file, name, header, field(12), field(16), field(20), field(24)), entry: field(28) }
    : fromElf(file, name);
  const graphics = flags & VIDEO && field(32) === 0,
    video = graphics ? { width: field(36), height: field(40), depth: field(44) } : undefined;
  return { protocol: "multiboot1", ...loaded, tell: (boot) => tell1(boot, file, (flags & VIDEO) !== 0, video) };
}

/** Header tags of the second version. */
const TAG = { END: 0, REQUEST: 1, ADDRESS: 2, ENTRY: 3, FRAMEBUFFER: 5, RELOCATABLE: 10 } as const, LAST_TAG = 10, OPTIONAL = 1;
/** Sizes of the tags whose fields are read. */
const TAG_BYTES: Readonly<Record<number, number>> = { [TAG.ADDRESS]: 24, [TAG.ENTRY]: 12, [TAG.FRAMEBUFFER]: 20, [TAG.RELOCATABLE]: 24 };
/** Information tags of the second version. */
const INFO = {
  END: 0,
  CMDLINE: 1,
  LOADER: 2,
  MODULE: 3,
  MEMORY: 4,
  MAP: 6,
  FRAMEBUFFER: 8,
  SECTIONS: 9,
  OLD_RSDP: 14,
  NEW_RSDP: 15,
  BASE: 21,
} as const;
const LAST_INFO = 21;

/** @throws {ConfigError} the header is damaged or insists on what there is not. */
export function readMultiboot2(file: Uint8Array, name: string): X86Image {
  const view = viewOf(file), header = multiboot2Header(file)!, end = header + view.getUint32(header + 8, true);
  const bad = (problem: string) => new ConfigError(problem, { file: name });
  if (view.getUint32(header + 4, true) !== I386) {
    throw bad(`its Multiboot2 header is for architecture ${view.getUint32(header + 4, true)}, not for x86`);
  }
  if (end > file.length) throw bad("truncated Multiboot2 header");
  /** Offsets of the tags' contents. */
  const tags = new Map<number, number>();
  for (let at = header + 16; at + 8 <= end;) {
    const type = view.getUint16(at, true), optional = (view.getUint16(at + 2, true) & OPTIONAL) !== 0, size = view.getUint32(at + 4, true);
    if (type === TAG.END) break;
    if (size < (TAG_BYTES[type] ?? 8) || at + size > end) {
      throw bad(`its Multiboot2 header tag ${type} has an impossible size of ${size} bytes`);
    }
    if (type > LAST_TAG && !optional) throw bad(`its Multiboot2 header insists on tag ${type}, which is not known`);
    const unknown = type === TAG.REQUEST && !optional && words(view, at + 8, at + size).find((t) => t > LAST_INFO);
    if (unknown) throw bad(`its Multiboot2 header insists on information of type ${unknown}, which is not known`);
    tags.set(type, at + 8);
    at += Math.ceil(size / 8) * 8;
  }
  const field = (tag: number, i: number): number | undefined => tags.has(tag) ? view.getUint32(tags.get(tag)! + 4 * i, true) : undefined;
  if (!tags.has(TAG.ADDRESS) && !isElf(file)) throw bad("its Multiboot2 header has no addresses, and it is no ELF file");
  const [at, load, loadEnd, bssEnd] = [0, 1, 2, 3].map((i) => field(TAG.ADDRESS, i)!);
  const loaded = tags.has(TAG.ADDRESS) ? byAddresses(file, name, header, at, load, loadEnd, bssEnd) : fromElf(file, name);
  const entry = field(TAG.ENTRY, 0) ?? loaded.entry;
  if (entry === undefined) throw bad("its Multiboot2 header has addresses, but no entry address");
  const moved = tags.has(TAG.RELOCATABLE)
    ? relocation(loaded.segments, field(TAG.RELOCATABLE, 0)!, field(TAG.RELOCATABLE, 1)!, field(TAG.RELOCATABLE, 2)!)
    : 0;
  const segments = loaded.segments.map((s) => ({ ...s, paddr: s.paddr + moved })), base = Math.min(...segments.map((s) => s.paddr));
  const wanted = tags.get(TAG.FRAMEBUFFER),
    video = wanted === undefined
      ? undefined
      : { width: view.getUint32(wanted, true), height: view.getUint32(wanted + 4, true), depth: view.getUint32(wanted + 8, true) };
  const told = tags.has(TAG.RELOCATABLE) ? base : undefined;
  return {
    protocol: "multiboot2",
    entry: entry + moved,
    segments,
    symbols: loaded.symbols,
    tell: (boot) => tell2(boot, file, video, told),
  };
}

const words = (view: DataView, from: number, to: number): number[] =>
  Array.from({ length: (to - from) >> 2 }, (_, i) => view.getUint32(from + 4 * i, true));

/** How far a relocatable kernel must be moved to lie between `min` and `max`: not at all when it does, else to the lowest place above 1 MiB. */
function relocation(segments: readonly ImageSegment[], min: number, max: number, align: number): number {
  const base = Math.min(...segments.map((s) => s.paddr)), end = Math.max(...segments.map((s) => s.paddr + s.size));
  if (base >= Math.max(min, MIB) && end - 1 <= max) return 0;
  const step = Math.max(1, align);
  return Math.ceil(Math.max(min, MIB) / step) * step - base;
}

function fromElf(file: Uint8Array, name: string): Pick<X86Image, "entry" | "segments" | "symbols"> {
  const image = readElf(file, name), segments = image.segments.flatMap((s) => withoutHeaders(s, ...NO_RAM));
  if (image.machine !== EM_386 && image.machine !== EM_X86_64) {
    throw new ConfigError(`built for ${machineName(image.machine)}, but the machine's CPU is x86_64`, { file: name });
  }
  // The entry is a virtual address when its segment says so.
  const s = image.segments.find((s) => image.entry >= s.vaddr && image.entry < s.vaddr + BigInt(s.size));
  return { entry: s ? s.paddr + Number(image.entry - s.vaddr) : Number(image.entry), segments, symbols: image.symbols };
}

/** header_addr, load_addr (all ones in the second version: the file's start), load_end_addr and bss_end_addr (0: everything). */
function byAddresses(file: Uint8Array, name: string, header: number, at: number, load: number, loadEnd: number, bssEnd: number) {
  const start = load === 0xffff_ffff ? at - header : load,
    from = header - (at - start),
    end = loadEnd ? from + (loadEnd - start) : file.length;
  if (from < 0 || end > file.length || end < from || start < 0) {
    throw new ConfigError("the addresses in its Multiboot header do not fit the file", { file: name });
  }
  const bytes = file.subarray(from, end);
  const segments = [{ paddr: start, vaddr: BigInt(start), bytes, size: Math.max(bytes.length, bssEnd ? bssEnd - start : 0) }];
  return { entry: undefined, segments, symbols: isElf(file) ? readElf(file, name).symbols : new Symbols() };
}

/** Section headers of an ELF file, with addresses for those sections that no segment holds (symbols, their names). */
interface Sections {
  readonly headers: Uint8Array;
  readonly count: number;
  readonly entrySize: number;
  readonly names: number;
}

/** Puts the sections without an address into memory. Undefined when it is no ELF file, or one without sections. */
function placeSections(boot: Boot, file: Uint8Array): Sections | undefined {
  if (!isElf(file)) return undefined;
  const view = viewOf(file), w = file[4] === 2, offset = w ? Number(view.getBigUint64(40, true)) : view.getUint32(32, true);
  const [entrySize, count, names] = [0, 2, 4].map((o) => view.getUint16((w ? 58 : 46) + o, true));
  if (count === 0 || entrySize < (w ? 64 : 40) || offset + count * entrySize > file.length) return undefined;
  const headers = file.slice(offset, offset + count * entrySize), table = viewOf(headers);
  const word = (at: number) => w ? Number(table.getBigUint64(at, true)) : table.getUint32(at, true);
  for (let s = 0; s < headers.length; s += entrySize) {
    const [address, from, size] = w ? [16, 24, 32] : [12, 16, 20], bytes = file.subarray(word(s + from), word(s + from) + word(s + size));
    if (table.getUint32(s + 4, true) === 0 || word(s + address) !== 0 || bytes.length === 0) continue;
    const at = boot.placeLow(bytes);
    if (w) table.setBigUint64(s + address, BigInt(at), true);
    else table.setUint32(s + address, at, true);
  }
  return { headers, count, entrySize, names };
}

/** KiB below 640 KiB, and from 1 MiB up to the first gap. */
function memorySizes(boot: Boot): readonly [lower: number, upper: number] {
  const low = boot.map.find((e) => e.base === 0 && e.type === 1),
    high = boot.map.find((e) => e.base <= MIB && e.base + e.length > MIB && e.type === 1);
  return [Math.floor((low?.length ?? 0) / 1024), Math.floor((high ? high.base + high.length - MIB : 0) / 1024)];
}

const TEXT_SCREEN: Framebuffer = { address: 0xb_8000, pitch: 160, width: 80, height: 25, depth: 16, text: true };
/** Position and size of red, green and blue in a pixel of 24 or 32 bits. */
const COLOURS = [16, 8, 8, 8, 0, 8], RGB = 1, EGA_TEXT = 2;

/** The fields from framebuffer_addr on are the same in both versions, except that the second has two more bytes before the colours. */
function framebufferFields(f: Framebuffer, padding: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(f.text ? 22 + padding : 28 + padding));
  view.setBigUint64(0, BigInt(f.address), true);
  for (const [i, v] of [f.pitch, f.width, f.height].entries()) view.setUint32(8 + 4 * i, v, true);
  view.setUint8(20, f.depth);
  view.setUint8(21, f.text ? EGA_TEXT : RGB);
  const bytes = new Uint8Array(view.buffer);
  if (!f.text) bytes.set(COLOURS, 22 + padding);
  return bytes;
}

/** The screen: graphics as the kernel wishes, else text, which the BIOS has set. Undefined on a machine without one. */
function screen(boot: Boot, video: Video | undefined): Framebuffer | undefined {
  const graphics = video && boot.setFramebuffer(video.width, video.height, video.depth);
  return graphics ?? (boot.hasScreen ? TEXT_SCREEN : undefined);
}

/** The first version's information structure, 3.3. */
function tell1(boot: Boot, file: Uint8Array, screenWanted: boolean, video: Video | undefined): BootEntry {
  const { table, map, cmdline } = boot, { view } = table, info = table.reserve(120);
  const set = (offset: number, value: number) => view.setUint32(info + offset, value, true);
  let flags = 0x1 | 0x4 | 0x40 | 0x200;
  for (const [i, kib] of memorySizes(boot).entries()) set(4 + 4 * i, kib);
  set(16, table.text(`${boot.imageName}${cmdline ? ` ${cmdline}` : ""}`));
  const sections = placeSections(boot, file);
  if (sections) {
    flags |= 0x20;
    const at = table.reserve(sections.headers.length);
    new Uint8Array(view.buffer).set(sections.headers, at);
    for (const [i, v] of [sections.count, sections.entrySize, table.base + at, sections.names].entries()) set(28 + 4 * i, v);
  }
  if (boot.modules.length > 0) {
    flags |= 0x8;
    const modules = table.reserve(16 * boot.modules.length);
    for (const [i, m] of boot.modules.entries()) {
      const start = boot.placeLow(m.bytes);
      for (const [j, v] of [start, start + m.bytes.length, table.text(m.text)].entries()) view.setUint32(modules + 16 * i + 4 * j, v, true);
    }
    set(20, boot.modules.length);
    set(24, table.base + modules);
  }
  const entries = table.reserve(24 * map.length);
  for (const [i, e] of map.entries()) {
    view.setUint32(entries + 24 * i, 20, true);
    view.setBigUint64(entries + 24 * i + 4, BigInt(e.base), true);
    view.setBigUint64(entries + 24 * i + 12, BigInt(e.length), true);
    view.setUint32(entries + 24 * i + 20, e.type, true);
  }
  set(44, 24 * map.length);
  set(48, table.base + entries);
  set(64, table.text(LOADER_NAME));
  const shown = screenWanted ? screen(boot, video) : undefined;
  if (shown) {
    flags |= 0x1000;
    new Uint8Array(view.buffer).set(framebufferFields(shown, 0), info + 88);
  }
  set(0, flags);
  return { registers: { rax: HANDED_1, rbx: table.base + info } };
}

/** The second version's list of tags, 3.6. */
function tell2(boot: Boot, file: Uint8Array, video: Video | undefined, base: number | undefined): BootEntry {
  const { table, map } = boot, { view } = table, info = table.reserve(8), bytes = new Uint8Array(view.buffer);
  const tag = (type: number, numbers: readonly number[], rest: Uint8Array = new Uint8Array()) => {
    const size = 8 + 4 * numbers.length + rest.length, at = table.reserve(size);
    for (const [i, v] of [type, size, ...numbers].entries()) view.setUint32(at + 4 * i, v, true);
    bytes.set(rest, at + size - rest.length);
  };
  const text = (t: string) => new TextEncoder().encode(`${t}\0`);
  tag(INFO.CMDLINE, [], text(boot.cmdline));
  tag(INFO.LOADER, [], text(LOADER_NAME_2));
  if (base !== undefined) tag(INFO.BASE, [base]);
  const sections = placeSections(boot, file);
  if (sections) tag(INFO.SECTIONS, [sections.count, sections.entrySize, sections.names], sections.headers);
  for (const m of boot.modules) {
    const start = boot.placeLow(m.bytes);
    // As GRUB: the arguments without the file's name.
    tag(INFO.MODULE, [start, start + m.bytes.length], text(m.text.split(" ").slice(1).join(" ")));
  }
  tag(INFO.MEMORY, memorySizes(boot));
  const entries = new DataView(new ArrayBuffer(24 * map.length));
  for (const [i, e] of map.entries()) {
    entries.setBigUint64(24 * i, BigInt(e.base), true);
    entries.setBigUint64(24 * i + 8, BigInt(e.length), true);
    entries.setUint32(24 * i + 16, e.type, true);
  }
  tag(INFO.MAP, [24, 0], new Uint8Array(entries.buffer));
  const shown = screen(boot, video);
  if (shown) tag(INFO.FRAMEBUFFER, [], framebufferFields(shown, 2));
  if (boot.rsdp !== undefined) {
    const { bus } = boot.parts, newer = bus.read(boot.rsdp + 15, 1) >= 2;
    tag(INFO.OLD_RSDP, [], bus.readBytes(boot.rsdp, 20));
    if (newer) tag(INFO.NEW_RSDP, [], bus.readBytes(boot.rsdp, 36));
  }
  tag(INFO.END, []);
  view.setUint32(info, table.bytes().length, true);
  return { registers: { rax: HANDED_2, rbx: table.base + info } };
}
