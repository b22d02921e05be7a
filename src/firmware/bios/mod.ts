// The built-in BIOS of a PC, served by the emulator: every interrupt vector leads to a stub in ROM whose OUT instruction calls `biosCall`.
// Sources: IBM PS/2 and PC BIOS Interface Technical Reference (April 1987); Ralf Brown's Interrupt List, release 61; each file names its own.
import { type BiosFunction, type BiosHost, type BiosInterrupt, Call, RESET_VECTOR } from "./host.ts";
import { int10 } from "./int10.ts";
import { int11 } from "./int11.ts";
import { int12 } from "./int12.ts";
import { int13 } from "./int13.ts";
import { int14, int17 } from "./int14.ts";
import { int15 } from "./int15.ts";
import { int09, int16 } from "./int16.ts";
import { int18, int19 } from "./int19.ts";
import { endSlave, int08, int1a, int70 } from "./int1a.ts";
import { int74, int75 } from "./mouse.ts";
import { post as postWith } from "./post.ts";
export { writeCmosSizes } from "./post.ts";

export {
  BIOS_PORT,
  type BiosDisk,
  type BiosHost,
  biosPowerOn,
  type BiosState,
  type MapEntry,
  type Register,
  ROM_SEGMENT,
  STUB_BYTES,
} from "./host.ts";
export type { SegmentName } from "./host.ts";
export { acpiAddress } from "./post_tables.ts";
export { readPci } from "./pci.ts";
export { setClosestMode } from "./vbe.ts";

/** A hardware interrupt that nobody has taken over: it is only ended. */
const hardware = (vector: number): BiosInterrupt => ({
  vector,
  name: "hardware interrupt",
  functions: {},
  unknown: ({ host }) => vector >= 0x70 ? endSlave(host) : host.out(0x20, 1, 0x20),
});

/** A jump to the reset vector restarts the machine. */
const restart: BiosInterrupt = {
  vector: RESET_VECTOR,
  name: "restart",
  functions: {},
  unknown: (c) => {
    c.halt();
    c.host.stop({ kind: "reset" });
  },
};

export const INTERRUPTS: readonly BiosInterrupt[] = [
  ...[int08, int09, int10, int11, int12, int13, int14, int15, int16, int17, int18, int19, int1a, int70, int74, int75, restart],
  ...[0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x71, 0x72, 0x73, 0x76, 0x77].map(hardware),
];
const byVector = new Map(INTERRUPTS.map((i) => [i.vector, i]));

/** Sets up ROM, vectors, data area and chipset as a BIOS leaves them. The processor is not touched. */
export function post(host: BiosHost): void {
  postWith(host, [...byVector.keys()].filter((v) => v < 256));
}

/** Serves the call of the stub that has just pushed its number. False when the stack holds no number of a stub. */
export function biosCall(host: BiosHost): boolean {
  const vector = host.read(host.segment("ss") * 16 + (host.reg("esp") & 0xffff), 2), interrupt = byVector.get(vector);
  if (!interrupt) return false;
  const c = new Call(host, vector), f = functionOf(interrupt, c.ax);
  // Hardware interrupts come too often to be traced.
  if (vector >= 0x10 && vector < 0x70) host.log("sbi", () => biosCallName(vector, c.ax));
  c.done();
  if (f) f.call(c);
  else {
    if (Object.keys(interrupt.functions).length > 0) host.log("unimp", () => `no BIOS function ${biosCallName(vector, c.ax)}`);
    interrupt.unknown(c);
  }
  return true;
}

function functionOf(interrupt: BiosInterrupt, ax: number): BiosFunction | undefined {
  const digits = ax.toString(16).padStart(4, "0");
  return interrupt.functions[digits] ?? interrupt.functions[digits.slice(0, 2)];
}

/** "int 13h, ax=4200 (disk: EDD read)", for traces. */
export function biosCallName(vector: number, ax: number): string {
  const interrupt = byVector.get(vector), f = interrupt && functionOf(interrupt, ax);
  const names = [interrupt?.name, f?.name].filter(Boolean).join(": ");
  return `int ${vector.toString(16)}h, ax=${ax.toString(16).padStart(4, "0")}${names ? ` (${names})` : ""}`;
}
