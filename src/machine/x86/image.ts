// What an x86 machine can boot: looks at a file and says how it wants to be started. A disk image starts with a boot sector that ends in 55 AA,
// a CD has a file system.
import { kindOf, memorySource } from "../../core/disk.ts";
import { ConfigError } from "../../core/errors.ts";
import { EM_386, EM_X86_64, isElf, machineName, NO_RAM, readElf, Symbols, withoutHeaders } from "../elf.ts";
import { PROTOCOLS, type X86Image, type X86Protocol } from "./boot.ts";
import { isLinux, readLinux } from "./linux.ts";
import { needsRealMode, readLinux16 } from "./linux16.ts";
import { multiboot1Header, multiboot2Header, readMultiboot1, readMultiboot2 } from "./multiboot.ts";
import { pvhEntry, tellPvh } from "./pvh.ts";

const DESCRIBED: Readonly<Record<X86Protocol, string>> = {
  bios: "a disk image",
  multiboot1: "a Multiboot kernel",
  multiboot2: "a Multiboot2 kernel",
  pvh: "a PVH kernel",
  linux: "a Linux kernel",
  linux64: "a Linux kernel",
  linux16: "a Linux kernel",
};

const isDisk = (file: Uint8Array): boolean =>
  (file.length >= 512 && file[510] === 0x55 && file[511] === 0xaa) || kindOf(memorySource(file)) === "cd";
const IS: Readonly<Record<X86Protocol, (file: Uint8Array) => boolean>> = {
  bios: (file) => !isElf(file) && isDisk(file),
  multiboot1: (file) => multiboot1Header(file) !== undefined,
  multiboot2: (file) => multiboot2Header(file) !== undefined,
  pvh: (file) => isElf(file) && pvhEntry(file) !== undefined,
  linux: isLinux,
  linux64: isLinux,
  linux16: isLinux,
};
const READ: Readonly<Record<X86Protocol, (file: Uint8Array, name: string) => X86Image>> = {
  bios: () => ({ protocol: "bios", entry: 0, segments: [], symbols: new Symbols() }),
  multiboot1: readMultiboot1,
  multiboot2: readMultiboot2,
  pvh: readPvh,
  linux: (file, name) => readLinux(file, name, false),
  linux64: (file, name) => readLinux(file, name, true),
  linux16: readLinux16,
};

/** Why an ELF file is none of them. */
function elfProblem(file: Uint8Array): string {
  const machine = file[18] | file[19] << 8;
  if (machine !== EM_386 && machine !== EM_X86_64) return `this is an ELF file for ${machineName(machine)}`;
  return "this ELF file has neither a Multiboot header nor a PVH note";
}

/** @throws {ConfigError} the file is nothing that the machine can boot, or not what `protocol` insists on. */
export function readX86Image(file: Uint8Array, name: string, protocol: string): X86Image {
  if (file.length === 0) throw new ConfigError("the file is empty", { file: name });
  const is = (p: X86Protocol) => IS[p](file), kind = PROTOCOLS.find(protocol === "auto" ? is : (p) => p === protocol && is(p));
  if (protocol === "auto" && kind === "linux" && needsRealMode(file)) return readLinux16(file, name);
  if (kind) return READ[kind](file, name);
  const other = PROTOCOLS.find(is),
    what = other ? `this is ${DESCRIBED[other]}` : isElf(file) ? elfProblem(file) : "this is none of them";
  throw new ConfigError(
    protocol === "auto"
      ? `cannot tell how to boot it: a disk image, a Multiboot, Linux or PVH kernel is needed, ${what}`
      : `boot.protocol is '${protocol}', but ${what}`,
    { file: name },
  );
}

function readPvh(file: Uint8Array, name: string): X86Image {
  const { machine, segments, symbols } = readElf(file, name);
  if (machine !== EM_386 && machine !== EM_X86_64) {
    throw new ConfigError(`built for ${machineName(machine)}, but the machine's CPU is x86_64`, { file: name });
  }
  const kept = segments.flatMap((s) => withoutHeaders(s, ...NO_RAM));
  return { protocol: "pvh", entry: pvhEntry(file)!, segments: kept, symbols, tell: tellPvh };
}
