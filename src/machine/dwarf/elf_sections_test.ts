// Sections by name from files of both widths, made by the ABI's tables: plain, compressed (gABI 4.2, Elf32_Chdr and Elf64_Chdr), damaged.
import { assertEquals } from "@std/assert";
import { zlibSync } from "fflate";
import { elfFile, type Values } from "../testing/elf_file.ts";
import { sectionsOf } from "./elf_sections.ts";

Deno.test("a section's address and bytes, decompressed where it says so; what is damaged, or has no bytes, is not there", () => {
  const text = new TextEncoder().encode("debug ".repeat(40)),
    packed = zlibSync(text),
    names = "\0.plain\0.packed\0.other\0.large\0.bss\0.broken\0";
  for (const bits of [32, 64] as const) {
    /** The header of compressed bytes: how, how many they become, alignment. */
    const header = (how: number, size: number) => bits === 64 ? [how, 0, size, 0, 8, 0] : [how, size, 4];
    const parts = [
      text,
      ...[header(1, text.length), header(2, text.length), header(1, 2 ** 28 + 1), header(1, text.length)].map((h, i) =>
        Uint8Array.from([...new Uint8Array(Uint32Array.from(h).buffer), ...packed.subarray(i === 3 ? 20 : 0)])
      ),
    ];
    let at = 0x200;
    const place = (name: string, part: Uint8Array, flags: number): Values => {
      const section = { name: names.indexOf(`${name}\0`), type: 1, flags, addr: at + 0x10_0000, offset: at, size: part.length };
      at += part.length;
      return section;
    };
    const sections: Values[] = [
      { type: 0 },
      ...[".plain", ".packed", ".other", ".large", ".broken"].map((name, i) => place(name, parts[i], i ? 0x800 : 0)),
      { name: names.indexOf(".bss"), type: 8, addr: 5, offset: 0x200, size: 8 },
      { type: 3, offset: 0x800, size: names.length },
      // The first of two of a name counts.
      { name: names.indexOf(".plain"), type: 1, offset: 0x800, size: 3 },
    ];
    const file = elfFile({ bits, sections, shoff: 0x900, length: 0xd00, header: { shstrndx: 7 } });
    parts.reduce((offset, part) => (file.set(part, offset), offset + part.length), 0x200);
    file.set(new TextEncoder().encode(names), 0x800);
    const of = sectionsOf(file);
    for (const [i, name] of [".plain", ".packed"].entries()) {
      assertEquals(of(name), { address: BigInt(sections[i + 1].addr), bytes: text }, `${bits} ${name}`);
    }
    for (const name of [".other", ".large", ".bss", ".broken", ".none"]) assertEquals(of(name), undefined, `${bits} ${name}`);
    // A table that is cut is taken as far as it goes, and one that is not there at all is empty.
    for (const length of [0x980, 0x900, 0x40]) assertEquals(sectionsOf(file.slice(0, length))(".none"), undefined);
  }
});
