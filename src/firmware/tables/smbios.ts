// SMBIOS: who made the machine, its processor and its memory, as far as kernels ask.
// Source: DMTF DSP0134, System Management BIOS Reference Specification 2.8.0, chapters 5 to 7.
import { ascii, le } from "./aml.ts";
import type { TablesDescription } from "./description.ts";

/** The date is old on purpose: kernels take a recent one for the promise of recent habits, such as alarms by ACPI. */
const MAKER = "bringup", DATE = "01/01/2014", KIB = 1024, MIB = 2 ** 20;
const UNKNOWN = 2, OTHER = 1;

/** A structure: its fixed part from the handle on, and its texts, which the fixed part names by 1, 2, ... */
function structure(type: number, handle: number, fixed: readonly number[], ...texts: string[]): number[] {
  const strings = texts.length ? texts.flatMap((t) => [...ascii(t), 0]) : [0];
  return [type, 4 + fixed.length, ...le(handle, 2), ...fixed, ...strings, 0];
}

/** The structures and how many there are. */
function structures(d: TablesDescription): number[][] {
  const mhz = Math.min(0xffff, Math.round(d.cpuHz / 1e6)), kib = d.memoryBytes / KIB, mib = Math.floor(d.memoryBytes / MIB);
  const signature = [...le(d.signature, 4), ...le(0, 4)];
  return [
    // BIOS: PCI, boot from CD, ACPI.
    structure(0, 0, [1, 2, 0, 0xe8, 3, 0, ...le(0x1_8080, 8), 1, 0, 0, 0, 0xff, 0xff], MAKER, "1.0", DATE),
    structure(1, 0x100, [1, 2, 3, 0, ...Array<number>(16).fill(0), 6, 0, 0], MAKER, d.product, "1.0"),
    structure(3, 0x300, [1, OTHER, 0, 0, 0, 3, 3, 3, UNKNOWN, ...le(0, 4), 0, 0, 0, 0, 0], MAKER),
    structure(
      4,
      0x400,
      [
        ...[1, 3, OTHER, 2, ...signature, 3, 0, ...le(0, 2), ...le(mhz, 2), ...le(mhz, 2), 0x41, OTHER],
        ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, d.processors, d.processors, d.processors, ...le(4, 2), ...le(OTHER, 2)],
      ],
      "CPU 0",
      MAKER,
      "1.0",
    ),
    structure(16, 0x1000, [OTHER, 3, 6, ...le(Math.min(kib, 0x8000_0000), 4), 0xfe, 0xff, ...le(1, 2), ...le(0, 8)]),
    structure(
      17,
      0x1100,
      [
        ...[
          ...le(0x1000, 2),
          0xfe,
          0xff,
          0xff,
          0xff,
          0xff,
          0xff,
          ...le(Math.min(mib, 0x7fff), 2),
          9,
          0,
          1,
          0,
          7,
          ...le(UNKNOWN, 2),
          ...le(0, 2),
        ],
        ...[2, 0, 0, 0, 0, ...le(mib > 0x7ffe ? mib : 0, 4), ...le(0, 8)],
      ],
      "DIMM 0",
      MAKER,
    ),
    structure(19, 0x1300, [...le(0, 4), ...le(Math.min(kib, 0xffff_ffff) - 1, 4), ...le(0x1000, 2), 1, ...le(0, 16)]),
    structure(32, 0x2000, [0, 0, 0, 0, 0, 0, 0]),
    structure(127, 0x7f00, []),
  ];
}

const sum = (bytes: readonly number[]): number => -bytes.reduce((n, b) => n + b, 0) & 0xff;

/** The entry point (31 bytes) for structures at `base`, and the structures. */
export function smbios(d: TablesDescription, base: number): { anchor: Uint8Array; structures: Uint8Array } {
  const all = structures(d), bytes = all.flat(), largest = Math.max(...all.map((s) => s.length));
  const inner = [...ascii("_DMI_"), 0, ...le(bytes.length, 2), ...le(base, 4), ...le(all.length, 2), 0x28];
  inner[5] = sum(inner);
  const anchor = [...ascii("_SM_"), 0, 31, 2, 8, ...le(largest, 2), 0, 0, 0, 0, 0, 0, ...inner];
  anchor[4] = sum(anchor);
  return { anchor: new Uint8Array(anchor), structures: new Uint8Array(bytes) };
}
