// What to boot: looks at a file and says what goes where. ELF, Linux Image (RISC-V), gzip of these, raw bytes.
// Source: Linux Documentation/arch/riscv/boot-image-header.rst (6.12).
import { ConfigError } from "../core/errors.ts";
import { type Elf, type ImageSegment, isElf, machineName, readElf, Symbols, withoutHeaders } from "./elf.ts";
import { gunzip, NeedsGunzip } from "./gunzip.ts";

export interface Image {
  readonly kind: "elf" | "linux" | "raw";
  readonly entry: bigint;
  readonly segments: readonly ImageSegment[];
  readonly symbols: Symbols;
}

/** Where raw bytes and position-independent images go, and what the CPU can run. */
export interface ImageTarget {
  /** e_machine values that run here, and the ELF class; any class when absent. */
  readonly machines: readonly number[];
  readonly bits?: 32 | 64;
  /** Name of the CPU's architecture for messages. */
  readonly arch: string;
  /** Load address of raw images. */
  readonly load: number;
  /** RAM origin: a Linux Image goes to its text offset from here. */
  readonly ram: number;
  /** "auto", or what the machine file insists on: "elf" "linux" "raw". */
  readonly protocol: string;
}

/** @throws {ConfigError} the file is not what the machine can boot. @throws {NeedsGunzip} it is compressed. */
export function readImage(file: Uint8Array, name: string, target: ImageTarget): Image {
  if (file.length === 0) throw new ConfigError("the file is empty", { file: name });
  if (file[0] === 0x1f && file[1] === 0x8b) file = unpacked(file, name);
  const found = isElf(file) ? "elf" : isLinux(file) ? "linux" : "raw";
  if (target.protocol !== "auto" && target.protocol !== "raw" && target.protocol !== found) {
    throw new ConfigError(`boot.protocol is '${target.protocol}', but this is ${DESCRIBED[found]}`, { file: name });
  }
  const kind = target.protocol === "raw" ? "raw" : found;
  if (kind === "elf") return fromElf(readElf(file, name), name, target);
  return kind === "linux" ? fromLinux(file, target) : onePiece(kind, target.load, file, file.length);
}

function fromLinux(file: Uint8Array, { ram }: ImageTarget): Image {
  const view = new DataView(file.buffer, file.byteOffset), offset = Number(view.getBigUint64(8, true));
  return onePiece("linux", ram + offset, file, Math.max(Number(view.getBigUint64(16, true)), file.length));
}

function onePiece(kind: Image["kind"], paddr: number, bytes: Uint8Array, size: number): Image {
  const entry = BigInt(paddr);
  return { kind, entry, segments: [{ paddr, vaddr: entry, bytes, size }], symbols: new Symbols() };
}

function unpacked(file: Uint8Array, name: string): Uint8Array {
  try {
    return gunzip(file);
  } catch (e) {
    if (e instanceof NeedsGunzip) throw e;
    throw new ConfigError(`damaged gzip data: ${e instanceof Error ? e.message : e}`, { file: name });
  }
}

/** "RSC\x05", the second magic number of the header. */
const isLinux = (file: Uint8Array) => file[0x38] === 0x52 && file[0x39] === 0x53 && file[0x3a] === 0x43 && file[0x3b] === 0x05;

const DESCRIBED = { elf: "an ELF file", linux: "a Linux Image", raw: "a raw image" };

function fromElf(elf: Elf, name: string, target: ImageTarget): Image {
  if (!target.machines.includes(elf.machine)) {
    throw new ConfigError(`built for ${machineName(elf.machine)}, but the machine's CPU is ${target.arch}`, { file: name });
  }
  if (target.bits && elf.bits !== target.bits) {
    throw new ConfigError(`a ${elf.bits}-bit ELF file, but the machine's CPU is ${target.arch}`, { file: name });
  }
  // The entry is a virtual address: its segment tells where it is in memory.
  const s = elf.segments.find((s) => elf.entry >= s.vaddr && elf.entry < s.vaddr + BigInt(s.size));
  const entry = s ? BigInt(s.paddr) + elf.entry - s.vaddr : elf.entry;
  return { kind: "elf", entry, segments: elf.segments.flatMap((s) => withoutHeaders(s, 0, target.ram)), symbols: elf.symbols };
}
