// The sections of an ELF file that debuggers read. System V ABI, chapter 4 (generic, 2013-06-10; compressed sections: gABI 4.2).
import { unzlibSync } from "npm:fflate@0.8.3/browser";

const SHF_COMPRESSED = 0x800, SHT_NOBITS = 8, ELFCOMPRESS_ZLIB = 1;
/** More than that of one section is not decompressed: its header may say anything. */
const MOST = 2 ** 28;

export interface ElfSection {
  readonly bytes: Uint8Array;
  readonly address: bigint;
}

/** Sections of a file by name. A damaged table is taken as far as it goes. */
export function sectionsOf(file: Uint8Array): (name: string) => ElfSection | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), w = file[4] === 2;
  const word = (at: number) => w ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const headers = new Map<string, number>(), found = new Map<string, ElfSection | undefined>();
  try {
    const table = Number(word(w ? 40 : 32)), size = view.getUint16(w ? 58 : 46, true), count = view.getUint16(w ? 60 : 48, true);
    const names = table + view.getUint16(w ? 62 : 50, true) * size, strings = Number(word(names + (w ? 24 : 16)));
    for (let i = 0; i < count; i++) {
      const header = table + i * size, from = strings + view.getUint32(header, true), to = file.indexOf(0, from);
      const name = new TextDecoder().decode(file.subarray(from, to));
      if (!headers.has(name)) headers.set(name, header);
    }
  } catch (e) {
    if (!(e instanceof RangeError)) throw e;
  }
  const read = (name: string): ElfSection | undefined => {
    const header = headers.get(name);
    if (header === undefined || view.getUint32(header + 4, true) === SHT_NOBITS) return undefined;
    const flags = Number(word(header + 8)), address = word(header + (w ? 16 : 12)), offset = Number(word(header + (w ? 24 : 16)));
    const bytes = file.subarray(offset, offset + Number(word(header + (w ? 32 : 20))));
    return { address, bytes: flags & SHF_COMPRESSED ? inflated(bytes, w) : bytes };
  };
  return (name) => {
    if (!found.has(name)) {
      let section: ElfSection | undefined;
      try {
        section = read(name);
      } catch {
        // What is damaged is not there.
      }
      found.set(name, section);
    }
    return found.get(name);
  };
}

/** @throws {Error} it is damaged, too large, or not compressed by zlib. */
function inflated(bytes: Uint8Array, w: boolean): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = w ? Number(view.getBigUint64(8, true)) : view.getUint32(4, true);
  if (view.getUint32(0, true) !== ELFCOMPRESS_ZLIB || size > MOST) throw new RangeError("it is compressed in another way, or too large");
  return unzlibSync(bytes.subarray(w ? 24 : 12), { out: new Uint8Array(size) });
}
