// Int 1Ah: time of day; int 08h and 70h: the interrupts of timer and clock.
// Source: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 1AH", "INT 08H", "INT 70H"; PCI BIOS (AH=B1h) is in pci.ts.
import { BDA, type BiosFunction, type BiosHost, type BiosInterrupt, type Call } from "./host.ts";
import { PCI_FUNCTIONS } from "./pci.ts";
import { ALARM } from "./rom_code.ts";

const CMOS = 0x70, SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9, CENTURY = 0x32;
const SECONDS_ALARM = 1, MINUTES_ALARM = 3, HOURS_ALARM = 5, A = 0x0a, B = 0x0b, C = 0x0c;
const B_SET = 0x80, B_PERIODIC = 0x40, B_ALARM = 0x20, B_DAYLIGHT = 0x01;
/** Register A: 32.768 kHz, 1024 interrupts a second. */
const PERIODIC_RATE = 0x26;
const MASTER = 0x20, SLAVE = 0xa0, EOI = 0x20;
/** Ticks of a day: 65536 counts of 1193182 Hz each. */
export const TICKS_PER_DAY = 0x18_00b0;

export const readCmos = (host: BiosHost, index: number) => (host.out(CMOS, 1, index), host.in(CMOS + 1, 1));
export const writeCmos = (host: BiosHost, index: number, value: number) => (host.out(CMOS, 1, index), host.out(CMOS + 1, 1, value));

/** Runs `change` while the clock stands still. */
function set(c: Call, change: () => void): void {
  writeCmos(c.host, B, readCmos(c.host, B) | B_SET);
  change();
  writeCmos(c.host, B, readCmos(c.host, B) & ~B_SET);
  c.carry = false;
}

const f = (name: string, call: (c: Call) => void): BiosFunction => ({ name, call });

export const int1a: BiosInterrupt = {
  vector: 0x1a,
  name: "time",
  functions: {
    "00": f("get ticks", (c) => {
      const ticks = c.host.read(BDA.TICKS, 4);
      c.cx = ticks >>> 16;
      c.dx = ticks & 0xffff;
      c.al = c.host.read(BDA.MIDNIGHT, 1);
      c.host.write(BDA.MIDNIGHT, 1, 0);
      c.carry = false;
    }),
    "01": f("set ticks", (c) => {
      c.host.write(BDA.TICKS, 4, (c.cx << 16 | c.dx) >>> 0);
      c.host.write(BDA.MIDNIGHT, 1, 0);
      c.carry = false;
    }),
    "02": f("get time", (c) => {
      const { host } = c;
      c.cx = readCmos(host, HOURS) << 8 | readCmos(host, MINUTES);
      c.dx = readCmos(host, SECONDS) << 8 | readCmos(host, B) & B_DAYLIGHT;
      c.ah = 0;
      c.carry = false;
    }),
    "03": f("set time", (c) =>
      set(c, () => {
        for (const [index, value] of [[HOURS, c.ch], [MINUTES, c.cl], [SECONDS, c.dh]]) writeCmos(c.host, index, value);
      })),
    "04": f("get date", (c) => {
      const { host } = c;
      c.cx = readCmos(host, CENTURY) << 8 | readCmos(host, YEAR);
      c.dx = readCmos(host, MONTH) << 8 | readCmos(host, DAY);
      c.ah = 0;
      c.carry = false;
    }),
    "05": f("set date", (c) =>
      set(c, () => {
        for (const [index, value] of [[CENTURY, c.ch], [YEAR, c.cl], [MONTH, c.dh], [DAY, c.dl]]) writeCmos(c.host, index, value);
        writeCmos(c.host, WEEKDAY, 1);
      })),
    "06": f("set alarm", (c) => {
      const { host } = c;
      if (readCmos(host, B) & B_ALARM) return void (c.carry = true);
      for (const [index, value] of [[HOURS_ALARM, c.ch], [MINUTES_ALARM, c.cl], [SECONDS_ALARM, c.dh]]) writeCmos(host, index, value);
      host.out(SLAVE + 1, 1, host.in(SLAVE + 1, 1) & ~1);
      writeCmos(host, B, readCmos(host, B) | B_ALARM);
      c.carry = false;
    }),
    "07": f("clear alarm", (c) => {
      writeCmos(c.host, B, readCmos(c.host, B) & ~B_ALARM);
      c.carry = false;
    }),
    ...PCI_FUNCTIONS,
  },
  unknown: (c) => {
    // PCI BIOS 2.1, 3.1: FUNC_NOT_SUPPORTED.
    if (c.ah === 0xb1) c.ah = 0x81;
    c.carry = true;
  },
};

/** IRQ 0: counts; its stub calls int 1Ch and ends the interrupt. */
export const int08: BiosInterrupt = {
  vector: 0x08,
  name: "timer interrupt",
  functions: {},
  unknown: ({ host }) => {
    const ticks = host.read(BDA.TICKS, 4) + 1, midnight = ticks >= TICKS_PER_DAY;
    host.write(BDA.TICKS, 4, midnight ? 0 : ticks);
    if (midnight) host.write(BDA.MIDNIGHT, 1, 1);
  },
};

/** The clock's periodic interrupt, 1024 times a second: waiting calls wake by it. */
export function periodic(host: BiosHost, on: boolean): void {
  if (on) {
    writeCmos(host, A, PERIODIC_RATE);
    host.out(SLAVE + 1, 1, host.in(SLAVE + 1, 1) & ~1);
  }
  const b = readCmos(host, B);
  writeCmos(host, B, on ? b | B_PERIODIC : b & ~B_PERIODIC);
}

/** IRQ 8: reading register C lets the next one come. An alarm is int 4Ah. */
export const int70: BiosInterrupt = {
  vector: 0x70,
  name: "clock interrupt",
  functions: {},
  unknown: (c) => {
    const { host } = c, { state } = host, causes = readCmos(host, C) & readCmos(host, B);
    if (state.eventAtNs >= 0 && host.nowNs >= state.eventAtNs) {
      host.write(state.eventByte, 1, host.read(state.eventByte, 1) | 0x80);
      state.eventAtNs = -1;
      periodic(host, state.waitUntilNs >= 0);
    }
    endSlave(host);
    if (causes & B_ALARM) c.jump(ALARM);
  },
};

export function endSlave(host: BiosHost): void {
  host.out(SLAVE, 1, EOI);
  host.out(MASTER, 1, EOI);
}
