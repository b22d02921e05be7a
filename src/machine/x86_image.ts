// What an x86 machine can boot: looks at a file and says how it wants to be started.
// Sources: Multiboot Specification 0.6.96, 3.1; Xen's PVH boot ABI (docs/misc/pvh.pandoc, xen 4.16) with its ELF note of type 18; a disk image
// starts with a boot sector that ends in 55 AA.
import { ConfigError } from "../core/errors.ts";
import { EM_386, EM_X86_64, isElf, machineName, readElf, type Segment, Symbols } from "./elf.ts";

export type X86Protocol = "bios" | "multiboot1" | "pvh";
export interface X86Image {
  readonly protocol: X86Protocol;
  /** Physical address of the first instruction; unused for a disk. */
  readonly entry: number;
  readonly segments: readonly Segment[];
  /** The disk's bytes. */
  readonly disk?: Uint8Array;
  readonly symbols: Symbols;
}

const MULTIBOOT_MAGIC = 0x1bad_b002, MULTIBOOT_SEARCH = 8192;
/** Flags of the header: addresses are in it (a.out); what this loader does not offer (bits 3 to 15 must be understood; 2 is video). */
const ADDRESSES = 0x1_0000, UNKNOWN = 0xfff8;
const NOTE_SECTION = 4, PVH_NOTE = 18;
const DESCRIBED: Readonly<Record<X86Protocol, string>> = { bios: "a disk image", multiboot1: "a Multiboot kernel", pvh: "a PVH kernel" };

/** @throws {ConfigError} the file is nothing that the machine can boot, or not what `protocol` insists on. */
export function readX86Image(file: Uint8Array, name: string, protocol: string): X86Image {
  if (file.length === 0) throw new ConfigError("the file is empty", { file: name });
  const header = multibootHeader(file), elf = isElf(file), pvh = elf ? pvhEntry(file) : undefined;
  const found: X86Protocol[] = [
    ...(header !== undefined ? ["multiboot1" as const] : []),
    ...(pvh !== undefined ? ["pvh" as const] : []),
    ...(!elf && isDisk(file) ? ["bios" as const] : []),
  ];
  const kind = protocol === "auto" ? found[0] : found.find((k) => k === protocol);
  if (kind === undefined) {
    const is = found.length
      ? `this is ${DESCRIBED[found[0]]}`
      : elf
      ? "this ELF file has neither a Multiboot header nor a PVH note"
      : "this is none of them";
    throw new ConfigError(
      protocol === "auto"
        ? `cannot tell how to boot it: a disk image, a Multiboot or a PVH kernel is needed, ${is}`
        : `boot.protocol is '${protocol}', but ${is}`,
      { file: name },
    );
  }
  if (kind === "bios") return { protocol: kind, entry: 0x7c00, segments: [], disk: file, symbols: new Symbols() };
  if (elf) {
    const image = readElf(file, name);
    if (image.machine !== EM_386 && image.machine !== EM_X86_64) {
      throw new ConfigError(`built for ${machineName(image.machine)}, but the machine's CPU is x86_64`, { file: name });
    }
    if (kind === "pvh") return { protocol: kind, entry: pvh!, segments: image.segments, symbols: image.symbols };
    if (!(flags(file, header!) & ADDRESSES)) {
      return { protocol: kind, entry: physicalEntry(image), segments: image.segments, symbols: image.symbols };
    }
  }
  return { ...byAddresses(file, name, header!), symbols: elf ? readElf(file, name).symbols : new Symbols() };
}

const isDisk = (file: Uint8Array): boolean => file.length >= 512 && file[510] === 0x55 && file[511] === 0xaa;
const viewOf = (file: Uint8Array): DataView => new DataView(file.buffer, file.byteOffset, file.byteLength);
const flags = (file: Uint8Array, header: number): number => viewOf(file).getUint32(header + 4, true);

/** Offset of the Multiboot header, which is in the first 8 KiB; undefined when there is none. */
function multibootHeader(file: Uint8Array): number | undefined {
  const view = viewOf(file);
  for (let at = 0; at + 12 <= Math.min(file.length, MULTIBOOT_SEARCH); at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT_MAGIC) continue;
    if ((MULTIBOOT_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)) >>> 0 === 0) return at;
  }
  return undefined;
}

/** The entry is a virtual address when its segment says so. */
function physicalEntry(elf: { readonly entry: bigint; readonly segments: readonly Segment[] }): number {
  const s = elf.segments.find((s) => elf.entry >= s.vaddr && elf.entry < s.vaddr + BigInt(s.size));
  return s ? s.paddr + Number(elf.entry - s.vaddr) : Number(elf.entry);
}

/** Multiboot 3.1.3: header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr follow the checksum. */
function byAddresses(file: Uint8Array, name: string, header: number): Omit<X86Image, "symbols"> {
  const view = viewOf(file), wanted = flags(file, header);
  if (wanted & UNKNOWN) {
    throw new ConfigError(`its Multiboot header asks for features that are not known: flags 0x${wanted.toString(16)}`, { file: name });
  }
  if (!(wanted & ADDRESSES)) throw new ConfigError("its Multiboot header has no addresses, and it is no ELF file", { file: name });
  if (header + 32 > file.length) throw new ConfigError("truncated Multiboot header", { file: name });
  const [at, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((o) => view.getUint32(header + o, true));
  const from = header - (at - load), end = loadEnd ? from + (loadEnd - load) : file.length;
  if (from < 0 || end > file.length || end < from) {
    throw new ConfigError("the addresses in its Multiboot header do not fit the file", { file: name });
  }
  const bytes = file.subarray(from, end);
  return {
    protocol: "multiboot1",
    entry,
    segments: [{ paddr: load, vaddr: BigInt(load), bytes, size: Math.max(bytes.length, bssEnd ? bssEnd - load : 0) }],
  };
}

/** Entry of the PVH note (owner "Xen", type 18): a physical address of 32 or 64 bits. */
function pvhEntry(file: Uint8Array): number | undefined {
  const view = viewOf(file), w = file[4] === 2, phoff = w ? Number(view.getBigUint64(32, true)) : view.getUint32(28, true);
  const size = view.getUint16(w ? 54 : 42, true), count = view.getUint16(w ? 56 : 44, true);
  for (let i = 0; i < count; i++) {
    const p = phoff + i * size;
    if (p + size > file.length || view.getUint32(p, true) !== NOTE_SECTION) continue;
    const offset = w ? Number(view.getBigUint64(p + 8, true)) : view.getUint32(p + 4, true);
    const length = w ? Number(view.getBigUint64(p + 32, true)) : view.getUint32(p + 16, true);
    for (let at = offset; at + 12 <= Math.min(offset + length, file.length);) {
      const nameSize = view.getUint32(at, true), descSize = view.getUint32(at + 4, true), type = view.getUint32(at + 8, true);
      const desc = at + 12 + Math.ceil(nameSize / 4) * 4;
      const owner = new TextDecoder("latin1").decode(file.subarray(at + 12, at + 15));
      if (type === PVH_NOTE && owner === "Xen" && desc + 4 <= file.length) {
        return descSize >= 8 ? Number(view.getBigUint64(desc, true)) : view.getUint32(desc, true);
      }
      at = desc + Math.ceil(descSize / 4) * 4;
    }
  }
  return undefined;
}
