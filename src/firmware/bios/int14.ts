// Int 14h: serial ports, and int 17h: printers. Source: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 14H", "INT 17H".
// Not modelled: the PS/2's extended initialisation (int 14h, AH=04h and 05h).
// DEVIATION: a call that would wait for a port's time-out reports it at once: nothing of these ports takes time here.
import { BDA, type BiosInterrupt, type Call } from "./host.ts";

/** Registers of a serial port; in its line status: a byte has come, the transmitter is empty; in the answer: it took too long. */
const DATA = 0, LCR = 3, LSR = 5, MSR = 6, DLAB = 0x80, READY = 0x01, EMPTY = 0x60, TIMEOUT = 0x80;
/** Divisor for 150 baud, which is that of AL=1 in bits 5 to 7; each step doubles the rate. AL=0 is 110 baud. */
const DIVISOR = 0x600, DIVISOR_110 = 0x417;

/** The base of port DX; undefined, and the call has failed, when there is none. */
function portOf(c: Call, table: number, count: number): number | undefined {
  const port = c.dx < count ? c.host.read(table + 2 * c.dx, 2) : 0;
  c.carry = port === 0;
  return port || undefined;
}

const serial = (name: string, call: (c: Call, port: number) => void) => ({
  name,
  call: (c: Call) => {
    const port = portOf(c, BDA.COM, 4);
    if (port !== undefined) call(c, port);
  },
});

function status(c: Call, port: number): void {
  c.ax = c.host.in(port + LSR, 1) << 8 | c.host.in(port + MSR, 1);
}

export const int14: BiosInterrupt = {
  vector: 0x14,
  name: "serial port",
  functions: {
    "00": serial("initialise", (c, port) => {
      const { host, al } = c, rate = al >> 5, divisor = rate ? DIVISOR >> rate : DIVISOR_110;
      host.out(port + LCR, 1, host.in(port + LCR, 1) | DLAB);
      host.out(port, 1, divisor & 0xff);
      host.out(port + 1, 1, divisor >> 8);
      host.out(port + LCR, 1, al & 0x1f);
      status(c, port);
    }),
    "01": serial("send", (c, port) => {
      const line = c.host.in(port + LSR, 1), free = (line & EMPTY) === EMPTY;
      if (free) c.host.out(port + DATA, 1, c.al);
      c.ah = free ? line : line | TIMEOUT;
    }),
    "02": serial("receive", (c, port) => {
      const line = c.host.in(port + LSR, 1);
      if (line & READY) c.al = c.host.in(port + DATA, 1);
      c.ah = line & READY ? line : line | TIMEOUT;
    }),
    "03": serial("status", status),
  },
  unknown: (c) => void (c.carry = true),
};

/** A printer's status has two bits the other way round in AH. */
const INVERTED = 0x48, ACKNOWLEDGED = 0x40, STROBE = 0x01, INITIALISE = 0x04, LATE = 0x01;

const printer = (name: string, call: (c: Call, port: number) => void) => ({
  name,
  call: (c: Call) => {
    const port = portOf(c, BDA.LPT, 3);
    if (port !== undefined) call(c, port);
  },
});

/** Lets a bit of the control register change and change back. */
function pulse(c: Call, port: number, bit: number, high: boolean): void {
  const control = c.host.in(port + 2, 1);
  c.host.out(port + 2, 1, high ? control | bit : control & ~bit);
  c.host.out(port + 2, 1, high ? control & ~bit : control | bit);
}

export const int17: BiosInterrupt = {
  vector: 0x17,
  name: "printer",
  functions: {
    "00": printer("print", (c, port) => {
      c.host.out(port, 1, c.al);
      pulse(c, port, STROBE, true);
      const now = c.host.in(port + 1, 1);
      c.ah = now ^ INVERTED | (now & ACKNOWLEDGED ? LATE : 0);
    }),
    "01": printer("initialise", (c, port) => {
      pulse(c, port, INITIALISE, false);
      c.ah = c.host.in(port + 1, 1) ^ INVERTED;
    }),
    "02": printer("status", (c, port) => void (c.ah = c.host.in(port + 1, 1) ^ INVERTED)),
  },
  unknown: (c) => void (c.carry = true),
};
