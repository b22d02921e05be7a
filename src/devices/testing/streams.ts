// Random but legal register accesses, one stream for each device. "Legal" leaves out what data sheets leave open and what QEMU
// is known to do otherwise than they say; each such case has its comment.
import type { Size } from "../../core/bus.ts";
import type { BoardName } from "./boards.ts";

/** A write of `value`, or a read of which the bits of `mask` count. */
export type Access =
  | { readonly kind: "W"; readonly address: number; readonly size: Size; readonly value: number }
  | { readonly kind: "R"; readonly address: number; readonly size: Size; readonly mask: number };

const ALL = 0xffff_ffff;

class Stream {
  readonly accesses: Access[] = [];
  #seed: number;
  constructor(readonly size: Size, seed: number) {
    this.#seed = seed;
  }
  /** 0..n-1. */
  random(n: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(this.#seed / 2 ** 32 * n);
  }
  pick<T>(...values: T[]): T {
    return values[this.random(values.length)];
  }
  byte(): number {
    return this.random(256);
  }
  read(address: number, mask = ALL, size = this.size): void {
    this.accesses.push({ kind: "R", address, size, mask });
  }
  write(address: number, value: number, size = this.size): void {
    this.accesses.push({ kind: "W", address, size, value: value >>> 0 });
  }
}

interface Family {
  readonly board: BoardName;
  readonly size: Size;
  begin?(s: Stream): void;
  step(s: Stream): void;
}

const COM1 = 0x3f8;

function uart(base: number): Family {
  return {
    board: base === COM1 ? "pc" : "virt",
    size: 1,
    step(s) {
      const register = s.random(8);
      // QEMU has no deltas of the modem status in loopback.
      if (s.random(2)) return s.read(base + register, register === 6 ? 0xf0 : ALL);
      const value = [
        () => s.byte(),
        () => s.byte() & 0xf7,
        () => s.pick(0, 1, 7, 0xc1, 0x41, s.byte() | 1), // the data sheet ignores the other bits without the enable bit
        () => s.pick(0x03, 0x83, s.byte() & 0xbf),
        () => s.pick(0x10, 0x10, 0x1f, 0x08, s.byte()),
        undefined,
        undefined,
        () => s.byte(),
      ][register];
      if (value) s.write(base + register, value());
    },
  };
}

const MASTER = 0x20, SLAVE = 0xa0, ELCR = 0x4d0, KBD = 0x60, KBD_COMMAND = 0x64;

/** Both chips, while their lines are low: QEMU sees an edge in a line that was high before. */
function initializePics(s: Stream, icw4: () => number, vector: () => number): void {
  s.write(COM1 + 1, 0);
  s.read(KBD);
  s.read(KBD);
  for (const chip of [SLAVE, MASTER]) {
    s.write(chip, 0x11);
    s.write(chip + 1, vector() & 0xf8);
    s.write(chip + 1, chip === MASTER ? 4 : 2);
    s.write(chip + 1, icw4());
  }
}

const pic: Family = {
  board: "pc",
  size: 1,
  begin(s) {
    initializePics(s, () => 1, () => 0x20);
    s.write(COM1 + 4, 8);
  },
  step(s) {
    const chip = s.pick(MASTER, SLAVE);
    const mouseByte = () => [[KBD_COMMAND, 0xd3], [KBD, 1]].forEach(([port, value]) => s.write(port, value));
    switch (s.random(10)) {
      case 0:
        initializePics(s, () => s.pick(1, 1, 3, 0x11, 0x13), () => s.byte());
        break;
      case 1:
        s.write(chip + 1, s.pick(0, 0, 0xff, s.byte()));
        break;
      case 2:
        s.write(chip, s.pick(0x0a, 0x0b, 0x0a, 0x0b, 0x68, 0x48));
        break;
      case 3:
      case 4:
        s.write(chip, 0x0c);
        s.read(chip);
        break;
      case 5:
        s.write(chip, s.pick(0x20, 0x60 | s.random(8), 0xa0, 0xe0 | s.random(8), 0xc0 | s.random(8), 0x80, 0x00, 0x40));
        break;
      case 6:
        s.write(ELCR + s.random(2), s.byte());
        // QEMU lets a level-triggered request follow its line only when the line is driven next.
        for (const enable of [0, 2, 0]) s.write(COM1 + 1, enable);
        mouseByte();
        s.read(KBD);
        s.write(KBD_COMMAND, 0xaa);
        s.read(KBD);
        break;
      default:
        s.read(chip + s.random(2));
    }
    if (!s.random(2)) s.write(COM1 + 1, s.pick(0, 2));
    if (!s.random(4)) {
      s.write(KBD_COMMAND, 0xaa);
      if (s.random(2)) s.read(SLAVE);
      s.read(KBD);
    }
    if (!s.random(6)) {
      s.read(KBD);
      s.read(KBD);
      mouseByte();
      s.read(KBD);
    }
  },
};

const MOUSE_COMMANDS = [0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf0, 0xeb, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xff];
const KEYBOARD_COMMANDS = [0xed, 0xee, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xff, 0xf0];
const CONTROLLER_COMMANDS = [0x20, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xc0, 0xd0, 0xdd, 0xdf, 0xff];

const keyboard: Family = {
  board: "pc",
  size: 1,
  begin(s) {
    s.write(KBD, 0xff);
    for (let i = 0; i < 4; i++) s.read(KBD);
    s.write(KBD_COMMAND, 0xd4);
    s.write(KBD, 0xff);
    for (let i = 0; i < 5; i++) s.read(KBD);
    s.write(KBD_COMMAND, 0x60);
    s.write(KBD, 0x47);
  },
  step(s) {
    // QEMU has fixed bits for "system flag" and "last write was a command".
    const drain = () => {
      for (let i = 0; i < 5; i++) {
        s.read(KBD_COMMAND, 0xf3);
        s.read(KBD);
      }
    };
    const both = (command: number, data: number) => {
      s.write(KBD_COMMAND, command);
      s.write(KBD, data);
    };
    switch (s.random(6)) {
      case 0:
      case 1:
        s.write(KBD_COMMAND, s.pick(...CONTROLLER_COMMANDS));
        break;
      case 2:
        both(0x60, s.pick(0x47, 0x07, 0x65, 0x45, s.byte() & 0x47 | 4));
        break;
      case 3: {
        const command = s.pick(...KEYBOARD_COMMANDS);
        s.write(KBD, command);
        drain();
        if (command === 0xed || command === 0xf3) s.write(KBD, s.random(128));
        if (command === 0xf0) s.write(KBD, 2);
        break;
      }
      case 4: {
        const command = s.pick(...MOUSE_COMMANDS);
        both(0xd4, command);
        drain();
        if (command === 0xe8 || command === 0xf3) both(0xd4, s.pick(200, 100, 80));
        break;
      }
      case 5:
        both(s.pick(0xd2, 0xd3), s.byte());
    }
    drain();
  },
};

const PIT = 0x40;

const pit: Family = {
  board: "pc",
  size: 1,
  begin(s) {
    s.write(0x61, 1);
    for (let c = 0; c < 3; c++) for (const [port, value] of [[PIT + 3, c << 6 | 0x34], [PIT + c, 0], [PIT + c, 1]]) s.write(port, value);
  },
  step(s) {
    const counter = s.random(3), bytes = 1 + s.random(3), count = 2 * (2 + s.random(0x7ff0)) + 0x100;
    s.write(PIT + 3, counter << 6 | bytes << 4 | s.pick(0, 2, 3, 4) << 1);
    if (bytes & 1) s.write(PIT + counter, count & 0xff);
    if (bytes & 2) s.write(PIT + counter, (count >> 8 & 0xff) || 1);
    for (let i = s.random(6); i > 0; i--) {
      if (s.random(5) === 0) s.write(PIT + 3, counter << 6);
      else if (s.random(4) === 0) s.write(PIT + 3, 0xd0 | 2 << counter | (s.random(2) ? 2 << s.random(3) : 0));
      else s.read(PIT + counter);
    }
    // A control word drops a latched count; QEMU keeps it.
    for (let c = 0; c < 3; c++) for (let i = 0; i < 4; i++) s.read(PIT + c);
  },
};

const CMOS = 0x70;

const rtc: Family = {
  board: "pc",
  size: 1,
  begin(s) {
    for (const [index, value] of [[0x32, 0x20], [1, 0], [3, 0], [5, 0]]) setCmos(s, index, value);
    for (let index = 0x0e; index < 0x32; index++) setCmos(s, index, index);
  },
  step(s) {
    const get = (index: number) => {
      s.write(CMOS, index);
      s.read(CMOS + 1);
    };
    switch (s.random(6)) {
      case 0: {
        const b = s.pick(0, 2, 4, 6), hour = s.random(24);
        const digits = (n: number) => b & 4 ? n : Math.floor(n / 10) << 4 | n % 10;
        const hours = b & 2 ? digits(hour) : digits(hour % 12 || 12) | (hour >= 12 ? 0x80 : 0);
        setCmos(s, 11, b | 0x80);
        const time = [[0, s.random(60)], [2, s.random(60)], [7, 1 + s.random(28)], [8, 1 + s.random(12)], [9, s.random(100)], [0x32, 20]];
        for (const [index, n] of time) setCmos(s, index, digits(n));
        setCmos(s, 4, hours);
        get(4);
        setCmos(s, 11, b);
        break;
      }
      case 1:
        setCmos(s, s.pick(1, 3, 5, 0x0e + s.random(0x20)), s.byte());
        break;
      default:
        get(s.pick(0, 2, 4, 6, 7, 8, 9, 0x32, 0x37, 1, 3, 5, 10, 11, 13, 0x0e + s.random(0x20)));
    }
  },
};

function setCmos(s: Stream, index: number, value: number): void {
  s.write(CMOS, index);
  s.write(CMOS + 1, value);
}

const PLIC = 0x0c00_0000, PLIC_ENABLE = PLIC + 0x2000, PLIC_CONTEXT = PLIC + 0x20_0000, UART0 = 0x1000_0000;

const plic: Family = {
  board: "virt",
  size: 4,
  step(s) {
    const context = s.random(4);
    switch (s.random(9)) {
      case 0:
        s.write(PLIC + 4 * s.pick(10, 11, s.random(95) + 1), s.byte());
        break;
      case 1:
        s.write(PLIC_ENABLE + 0x80 * context + 4 * s.random(3), s.pick(0xc00, 0x400, 0x800, s.random(2 ** 31)) & ~1);
        break;
      case 2:
        s.write(PLIC_CONTEXT + 0x1000 * context, s.pick(0, 0, 1, s.byte()));
        break;
      case 3:
        s.read(s.pick(PLIC + 0x1000 + 4 * s.random(3), PLIC_ENABLE + 0x80 * context + 4 * s.random(3), PLIC_CONTEXT + 0x1000 * context));
        break;
      default: {
        // The UART's line is low again at the completion: QEMU does not repeat the request of a line that stays high.
        s.write(UART0 + 1, 0, 1);
        if (s.random(2)) s.write(UART0 + 1, 2, 1);
        // DEVIATION of QEMU 7.2: its claims honour the threshold; PLIC 1.0.0, "Interrupt Claim Process", says that they do not.
        for (let c = 0; c < 4; c++) s.write(PLIC_CONTEXT + 0x1000 * c, 0);
        for (let i = s.random(5); i > 0; i--) {
          s.read(PLIC + 0x1000);
          s.read(PLIC_CONTEXT + 4 + 0x1000 * s.random(4));
        }
        s.read(UART0 + 2, ALL, 1);
        for (let c = 0; c < 4; c++) {
          s.write(PLIC_ENABLE + 0x80 * c, 0xc00);
          s.write(PLIC_CONTEXT + 4 + 0x1000 * c, 10);
          s.write(PLIC_ENABLE + 0x80 * c, s.pick(0xc00, 0x800, 0));
        }
      }
    }
  },
};

const CLINT = 0x0200_0000;

const clint: Family = {
  board: "virt",
  size: 4,
  begin(s) {
    // QEMU starts mtimecmp at 0.
    for (let i = 0; i < 4; i++) s.write(CLINT + 0x4000 + 4 * i, ALL);
  },
  step(s) {
    const address = CLINT + s.pick(4 * s.random(2), 0x4000 + 4 * s.random(4), 0xbff8, 0xbffc);
    if (s.random(2)) s.read(address);
    else s.write(address, s.pick(0, 1, 5, ALL, s.random(2 ** 32)));
  },
};

const RTC = 0x0010_1000;

const goldfish: Family = {
  board: "virt",
  size: 4,
  step(s) {
    if (s.random(2)) s.read(RTC + s.pick(8, 12, 16, 24, 0x14, 0x1c));
    else {
      // Far from today in both directions: QEMU's clock runs with the host's here.
      const [register, value] = s.pick([8, s.random(2 ** 32)], [12, s.pick(0, 1, 0x2000_0000, 0x7000_0000)], [16, s.byte()], [0x14, 1], [
        0x1c,
        1,
      ]);
      s.write(RTC + register, value);
    }
    if (!s.random(4)) s.read(PLIC + 0x1000);
  },
};

const IOAPIC = 0xfec0_0000;

const ioapic: Family = {
  board: "pc",
  size: 4,
  step(s) {
    // Input 2 is the timer's, whose line is high in QEMU.
    const n = s.pick(0, 1, ...Array.from({ length: 21 }, (_, i) => i + 3)), register = s.pick(0, 1, 2, 0x10 + 2 * n, 0x11 + 2 * n);
    s.write(IOAPIC, register);
    // QEMU keeps reserved bits of the table.
    if (s.random(2)) s.write(IOAPIC + 0x10, s.random(2 ** 32));
    else s.read(IOAPIC + 0x10, register < 0x10 ? ALL : register & 1 ? 0xff00_0000 : 0x1_ffff);
    if (!s.random(8)) s.write(IOAPIC + 0x40, s.byte());
    if (!s.random(8)) s.read(IOAPIC);
  },
};

const HPET = 0xfed0_0000, HPET_TIMERS = HPET + 0x100;

const hpet: Family = {
  board: "pc",
  size: 4,
  step(s) {
    // Without the enable bit the counter stands. QEMU drops the upper half of what is set with bit 6, and keeps one that is
    // written in 32-bit mode (bit 8).
    const timer = HPET_TIMERS + 0x20 * s.random(3), value = s.random(2 ** 32);
    switch (s.random(8)) {
      case 0:
        return s.write(HPET + 0x10, s.pick(0, 2));
      case 1:
        return s.write(HPET + 0xf0 + s.pick(0, 4), value);
      case 2:
        return s.write(timer, s.random(0x4000) & ~0x140);
      case 3:
        return s.write(timer + s.pick(8, 12), value);
      case 4:
        return s.read(timer + s.pick(8, 12));
      case 5:
        return s.read(timer + s.pick(0, 4));
      default:
        return s.read(HPET + s.pick(0, 4, 0x10, 0x20, 0xf0, 0xf4));
    }
  },
};

const SLOTS = 0x1000_1000;
/**
 * Of the lower word: SCSI commands, which are QEMU's alone, the size of a console, which QEMU does not know here, and "any layout" of drivers before 1.0, of which it says so for some devices. Of the
 * upper one: resetting single queues, and packed ones.
 */
const FEATURES_LOW = ALL & ~(1 << 7 | 1 << 0 | 1 << 27), FEATURES_HIGH = ALL & ~(1 << 8 | 1 << 2);
const DEVICE_FEATURES = 0x10, FEATURES_SEL = 0x14, QUEUE_SEL = 0x30, QUEUE_NUM = 0x38, VIRTIO_STATUS = 0x70, VIRTIO_CONFIG = 0x100;

/** Drivers that set devices up and look at what is to be seen; nothing is asked of queues, as QEMU answers at its own time. */
function virtio(board: BoardName, legacy: boolean): Family {
  return {
    board,
    size: 4,
    step(s) {
      const slot = SLOTS + 0x1000 * s.pick(0, 0, 1, 2, 3), reg = (at: number) => slot + at;
      switch (s.random(9)) {
        case 0:
        case 1:
          return [0, 4, 8, 0xc, 0x34, 0x44, 0x60, VIRTIO_STATUS, 0xb0, 0xb4, 0xfc].forEach((at) => s.read(reg(at)));
        case 2: {
          const word = s.random(2);
          s.write(reg(FEATURES_SEL), word);
          return s.read(reg(DEVICE_FEATURES), (word ? FEATURES_HIGH : FEATURES_LOW) >>> 0);
        }
        case 3: {
          // Bytes, halves and words of the configuration, behind its end, too.
          const size = s.pick(1, 2, 4) as Size, at = size * s.random(80 / size);
          // Whether a disk's cache writes back is QEMU's business up to DRIVER_OK.
          return at > 32 || at + size <= 32 ? s.read(reg(VIRTIO_CONFIG) + at, ALL, size) : undefined;
        }
        case 4:
          // QEMU keeps the last number below 1024, and a console with one port has the queues of several.
          s.write(reg(QUEUE_SEL), s.pick(0, 0, 1, 4, 100, 1023));
          return s.read(reg(0x34));
        case 5: {
          // A queue of the first disk or source of entropy.
          s.write(reg(QUEUE_SEL), 0);
          s.write(reg(QUEUE_NUM), s.pick(2, 8, 64));
          const page = 0x8_0000 + s.random(64);
          if (legacy) {
            s.write(reg(0x28), 4096);
            s.write(reg(0x3c), 4096);
            s.write(reg(0x40), page);
            return s.read(reg(0x40));
          }
          for (const at of [0x80, 0x90, 0xa0]) {
            s.write(reg(at), page * 4096);
            s.write(reg(at + 4), 0);
            s.read(reg(at));
          }
          s.write(reg(0x44), s.random(2));
          return s.read(reg(0x44));
        }
        case 6:
          // Features of all devices; QEMU agrees to others, too.
          s.write(reg(0x24), 0);
          s.write(reg(0x20), s.pick(0, 1 << 28, 1 << 29, 3 << 28));
          s.write(reg(VIRTIO_STATUS), s.pick(0, 0, 1, 3, 11, 3 | 0x80));
          return s.read(reg(VIRTIO_STATUS));
        case 7:
          s.write(reg(0x64), s.random(4));
          return s.read(reg(0x60));
        default:
          // What cannot be read, is too narrow, or belongs to the other interface.
          s.read(reg(s.pick(0x14, 0x20, 0x24, 0x28, 0x30, 0x38, 0x50, 0x64, 0x1c, 0x2c, legacy ? 0x44 : 0x40)));
          return s.read(reg(s.pick(0, 8, 0x10, 0x34)) + 1, ALL, 1);
      }
    },
  };
}

export const FAMILIES: Readonly<Record<string, Family>> = {
  "uart-pc": uart(COM1),
  "uart-virt": uart(UART0),
  pic,
  keyboard,
  pit,
  rtc,
  plic,
  clint,
  goldfish,
  ioapic,
  hpet,
  virtio: virtio("virtio", true),
  "virtio-1": virtio("virtio_modern", false),
};

/** At least `length` accesses for a device; the same seed gives the same ones. */
export function accesses(family: string, seed: number, length: number): Access[] {
  const { size, begin, step } = FAMILIES[family];
  const s = new Stream(size, seed);
  begin?.(s);
  while (s.accesses.length < length) step(s);
  return s.accesses;
}
