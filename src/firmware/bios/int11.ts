// Int 11h: which equipment there is. Source: IBM PS/2 and PC BIOS Interface Technical Reference.
import { BDA, type BiosInterrupt } from "./host.ts";

export const int11: BiosInterrupt = {
  vector: 0x11,
  name: "equipment",
  functions: {},
  unknown: (c) => void (c.ax = c.host.read(BDA.EQUIPMENT, 2)),
};
