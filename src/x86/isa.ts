// The instruction set: all rows, made ready for decoding when the first x86 block is translated.
import { DecodeTable } from "./decode.ts";
import type { Row } from "./insn.ts";
import { alu } from "./isa/alu.ts";
import { bits } from "./isa/bits.ts";
import { control } from "./isa/control.ts";
import { mov } from "./isa/mov.ts";
import { sse } from "./isa/sse.ts";
import { stack } from "./isa/stack.ts";
import { strings } from "./isa/string.ts";
import { system } from "./isa/system.ts";
import { x87 } from "./isa/x87.ts";

/** Every row, freshly made. */
export const x86Rows =
  (): Row[] => [...alu(), ...mov(), ...stack(), ...control(), ...strings(), ...bits(), ...system(), ...sse(), ...x87()];

let table: DecodeTable | undefined;
/** The table of all rows; made at the first call. */
export function x86Table(): DecodeTable {
  return table ??= new DecodeTable(x86Rows());
}
