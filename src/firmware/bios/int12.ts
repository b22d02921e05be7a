// Int 12h: the size of conventional memory. Source: IBM PS/2 and PC BIOS Interface Technical Reference.
import { BDA, type BiosInterrupt } from "./host.ts";

export const int12: BiosInterrupt = {
  vector: 0x12,
  name: "memory size",
  functions: {},
  unknown: (c) => void (c.ax = c.host.read(BDA.MEMORY_KIB, 2)),
};
