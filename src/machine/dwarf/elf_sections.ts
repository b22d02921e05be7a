// The sections of an ELF file that debuggers read. System V ABI, chapter 4 (generic, 2013-06-10; compressed sections: gABI 4.2).
import { unzlibSync } from "npm:fflate@0.8.3/browser";
import { type SectionHeader, sectionHeaders } from "../elf.ts";

const SHF_COMPRESSED = 0x800, SHT_NOBITS = 8, ELFCOMPRESS_ZLIB = 1;
/** More than that of one section is not decompressed: its header may say anything. */
const MOST = 2 ** 28;

export interface ElfSection {
  readonly bytes: Uint8Array;
  readonly address: bigint;
}

/** Sections of a file by name. A damaged table is taken as far as it goes. */
export function sectionsOf(file: Uint8Array): (name: string) => ElfSection | undefined {
  const { headers, names } = sectionHeaders(file), strings = headers[names]?.offset, byName = new Map<string, SectionHeader>();
  for (const h of strings === undefined ? [] : headers) {
    const from = strings + h.name, name = new TextDecoder().decode(file.subarray(from, file.indexOf(0, from)));
    if (!byName.has(name)) byName.set(name, h);
  }
  const found = new Map<string, ElfSection | undefined>();
  const read = (name: string): ElfSection | undefined => {
    const h = byName.get(name);
    if (!h || h.type === SHT_NOBITS) return undefined;
    const bytes = file.subarray(h.offset, h.offset + h.size);
    return { address: h.address, bytes: h.flags & SHF_COMPRESSED ? inflated(bytes, file[4] === 2) : bytes };
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
