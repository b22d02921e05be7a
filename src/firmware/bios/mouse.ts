// Int 15h, AH=C2h: the pointing device, int 74h: its interrupt; int 75h: the coprocessor's. Sources: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 15H",
// "(AH) = C2H"; Ralf Brown's Interrupt List, release 61.
import { BDA, type BiosHost, type BiosInterrupt, type Call } from "./host.ts";
import { endSlave } from "./int1a.ts";
import { scanned } from "./int16.ts";
import { CALL_MOUSE, COPROCESSOR, MOUSE_FLAGS, MOUSE_HANDLER, MOUSE_INDEX, MOUSE_PACKET } from "./rom_code.ts";

const DATA = 0x60, COMMAND = 0x64, FULL = 0x01, FROM_MOUSE = 0x20, READ_CONFIG = 0x20, WRITE_CONFIG = 0x60, TO_MOUSE = 0xd4, ACK = 0xfa;
const CLEAR_FERR = 0xf0, MOUSE_IRQ = 0x02, MOUSE_OFF = 0x20, KEYBOARD_IRQ = 0x01;
/** The mouse's own commands. */
const SCALE_1 = 0xe6,
  SCALE_2 = 0xe7,
  RESOLUTION = 0xe8,
  STATUS = 0xe9,
  GET_ID = 0xf2,
  RATE = 0xf3,
  ENABLE = 0xf4,
  DISABLE = 0xf5,
  RESET = 0xff;
const RATES = [10, 20, 40, 60, 80, 100, 200];
const NO_FUNCTION = 1, BAD_INPUT = 2, NO_INTERFACE = 3, RESEND = 4, NO_HANDLER = 5;
/** The flags: bytes of a packet, and whether there is a handler. */
const SIZE = 0x07, HANDLED = 0x80;

const ebda = (host: BiosHost): number => host.read(BDA.EBDA, 2) * 16;

function setConfig(host: BiosHost, value: number): void {
  host.out(COMMAND, 1, WRITE_CONFIG);
  host.out(DATA, 1, value);
}

/** A byte of the mouse; what the keyboard has sent meanwhile is not lost. Undefined when there is none. */
function receive(host: BiosHost): number | undefined {
  for (;;) {
    const status = host.in(COMMAND, 1);
    if (!(status & FULL)) return undefined;
    const value = host.in(DATA, 1);
    if (status & FROM_MOUSE) return value;
    scanned(host, value);
  }
}

/** Sends a command and its argument, and returns `answers` bytes; undefined when the mouse does not acknowledge. */
function command(host: BiosHost, bytes: readonly number[], answers = 0): number[] | undefined {
  let out: number[] | undefined = [];
  host.out(COMMAND, 1, READ_CONFIG);
  const config = host.in(DATA, 1);
  // The answers must not raise interrupts.
  setConfig(host, config & ~(MOUSE_IRQ | KEYBOARD_IRQ | MOUSE_OFF));
  for (const byte of bytes) {
    host.out(COMMAND, 1, TO_MOUSE);
    host.out(DATA, 1, byte);
    if (receive(host) !== ACK) out = undefined;
  }
  for (let i = 0; i < answers; i++) out?.push(receive(host) ?? 0);
  const [set, clear] = { [ENABLE]: [MOUSE_IRQ, MOUSE_OFF], [DISABLE]: [MOUSE_OFF, MOUSE_IRQ] }[bytes[0]] ?? [0, 0];
  setConfig(host, config & ~clear | set);
  return out;
}

function done(c: Call, status: number | undefined): void {
  c.ah = status ?? 0;
  c.carry = status !== undefined;
}
/** A command without answer. */
const tell = (c: Call, ...bytes: number[]) => done(c, command(c.host, bytes) ? undefined : RESEND);

function reset(c: Call): void {
  const answer = command(c.host, [RESET], 2);
  if (answer) [c.bl, c.bh] = answer;
  done(c, answer ? undefined : RESEND);
}

function getStatus(c: Call): void {
  const answer = command(c.host, [STATUS], 3);
  if (answer) {
    c.bl = answer[0];
    c.cx = c.cx & 0xff00 | answer[1];
    c.dl = answer[2];
  }
  done(c, answer ? undefined : RESEND);
}

/** By AL. */
const FUNCTIONS: Readonly<Record<number, (c: Call) => void>> = {
  0x00: (c) => {
    if (c.bh > 1) done(c, NO_FUNCTION);
    else if (c.bh === 1 && !(c.host.read(ebda(c.host) + MOUSE_FLAGS, 1) & HANDLED)) done(c, NO_HANDLER);
    else tell(c, c.bh ? ENABLE : DISABLE);
  },
  0x01: reset,
  0x02: (c) => c.bh < RATES.length ? tell(c, RATE, RATES[c.bh]) : done(c, BAD_INPUT),
  0x03: (c) => c.bh < 4 ? tell(c, RESOLUTION, c.bh) : done(c, BAD_INPUT),
  0x04: (c) => {
    const answer = command(c.host, [GET_ID], 1);
    if (answer) c.bh = answer[0];
    done(c, answer ? undefined : RESEND);
  },
  0x05: (c) => {
    if (c.bh !== 3) return done(c, NO_INTERFACE);
    c.host.write(ebda(c.host) + MOUSE_INDEX, 1, 0);
    c.host.write(ebda(c.host) + MOUSE_FLAGS, 1, c.bh);
    reset(c);
  },
  0x06: (c) => c.bh === 0 ? getStatus(c) : c.bh < 3 ? tell(c, c.bh === 1 ? SCALE_1 : SCALE_2) : done(c, NO_FUNCTION),
  0x07: (c) => {
    const { host, es, bx } = c, at = ebda(host), flags = host.read(at + MOUSE_FLAGS, 1), handler = (es << 16 | bx) >>> 0;
    if (handler === 0 && flags & HANDLED) command(host, [DISABLE]);
    host.write(at + MOUSE_FLAGS, 1, handler ? flags | HANDLED : flags & ~HANDLED);
    host.write(at + MOUSE_HANDLER, 4, handler);
    done(c, undefined);
  },
};

export function pointingDevice(c: Call): void {
  const f = FUNCTIONS[c.al];
  if (f) f(c);
  else done(c, NO_FUNCTION);
}

/** IRQ 12: when a packet is complete its handler is called, which also ends the interrupt. */
export const int74: BiosInterrupt = {
  vector: 0x74,
  name: "mouse interrupt",
  functions: {},
  unknown: (c) => {
    const { host } = c, at = ebda(host), flags = host.read(at + MOUSE_FLAGS, 1), index = host.read(at + MOUSE_INDEX, 1) & SIZE;
    if (host.in(COMMAND, 1) & FROM_MOUSE) {
      const value = host.in(DATA, 1);
      if (flags & HANDLED) {
        const complete = index + 1 >= (flags & SIZE);
        host.write(at + MOUSE_PACKET + index, 1, value);
        host.write(at + MOUSE_INDEX, 1, complete ? 0 : index + 1);
        if (complete) return c.jump(CALL_MOUSE);
      }
    }
    endSlave(host);
  },
};

/** IRQ 13. */
export const int75: BiosInterrupt = {
  vector: 0x75,
  name: "coprocessor interrupt",
  functions: {},
  unknown: (c) => {
    c.host.out(CLEAR_FERR, 1, 0);
    endSlave(c.host);
    c.jump(COPROCESSOR);
  },
};
