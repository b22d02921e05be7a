// Int 15h, AH=53h: Advanced Power Management 1.2 (Intel and Microsoft, February 1996), its real-mode interface: it tells that there is no battery and
// switches the machine off. Not modelled: the protected-mode interfaces, standby and suspend, events.
import type { Call } from "./host.ts";

const NO_EVENT = 0x80, ALL_DEVICES = 1, OFF = 3;

function ok(): undefined {}

/** By AL; the result is an error or nothing. */
const FUNCTIONS: Readonly<Record<number, (c: Call) => number | undefined>> = {
  0x00: (c) => {
    c.ax = 0x0102;
    c.bx = 0x504d; // "PM"
    c.cx = 0;
    return undefined;
  },
  0x01: ok,
  0x04: ok,
  0x05: ok,
  0x06: ok,
  0x07: (c) => {
    if (c.bx === ALL_DEVICES && c.cx === OFF) {
      c.halt();
      c.host.stop({ kind: "exit", code: 0, pass: true });
    }
    return undefined;
  },
  0x08: ok,
  0x0a: (c) => {
    c.bx = 0x01ff; // on line, no battery
    c.cx = 0x80ff;
    c.dx = 0xffff;
    c.si = 0;
    return undefined;
  },
  0x0b: () => NO_EVENT,
  0x0e: (c) => {
    c.ax = 0x0102;
    return undefined;
  },
  0x0f: ok,
  0x10: (c) => {
    c.bl = 0;
    c.cx = 0;
    return undefined;
  },
};

export function apm(c: Call): void {
  const f = FUNCTIONS[c.al], error = f?.(c);
  if (error !== undefined) c.ah = error;
  c.carry = !f || error !== undefined;
}
