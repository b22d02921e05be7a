// 8042 keyboard controller of a PC with its keyboard and mouse, and port 0x92 (A20 and fast reset).
// Source: IBM PS/2 Hardware Interface Technical Reference (October 1990), "Keyboard and Auxiliary Device Controller",
// "Keyboards" and "Mouse"; port 0x92: Intel 82371SB (PIIX3) data sheet, 2.5.6.
// Not modelled: the time that the answer to a command takes, typematic repeat (the outside repeats), the password.
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import {
  defineDevice,
  type Device,
  type DeviceEnv,
  type KeyDevice,
  type KeyPort,
  type MouseDevice,
  type MousePort,
} from "../../core/device.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";

const CONFIG_KBD_IRQ = 0x01, CONFIG_MOUSE_IRQ = 0x02, CONFIG_SYSTEM = 0x04;
const CONFIG_KBD_OFF = 0x10, CONFIG_MOUSE_OFF = 0x20, CONFIG_TRANSLATE = 0x40;
const STATUS_FULL = 0x01, STATUS_SYSTEM = 0x04, STATUS_COMMAND = 0x08, STATUS_UNLOCKED = 0x10, STATUS_MOUSE = 0x20;
const OUT_NOT_RESET = 0x01, OUT_A20 = 0x02, OUT_KBD_FULL = 0x10, OUT_MOUSE_FULL = 0x20, OUT_ONES = 0xcc;
const ACK = 0xfa, RESEND = 0xfe, SELF_TEST_PASSED = 0xaa, ECHO = 0xee, BREAK = 0xf0;
const PORT_92_RESET = 0x01, PORT_92_A20 = 0x02;
const MOUSE_REMOTE = 0x40, MOUSE_ENABLED = 0x20, MOUSE_SCALE_2 = 0x10;
const QUEUE = 16;
/**
 * What a byte takes on the wire: 11 bits at 10 to 16.7 kHz ("Keyboards", "Data output"). The device may send the next when the last was read: a
 * handler that reads the port twice finds the same byte, one that asks for more until there is none comes to an end.
 */
const BYTE_NS = 1e6;

/** What the controller makes of a byte of scan code set 2 (0x00..0x7f) when it translates to set 1. */
const TRANSLATION = `
  ff43413f3d3b3c58644442403e0f2959
  65382a701d10025a66712c1f1e11035b
  672e2d201205045c68392f211413065d
  693130232215075e6a7232241608095f
  6b332517180b0a606c34352627190c61
  6d7328741a0d626e3a361c1b752b6376
  55567778797a0e7b7c4f7d4b477e7f6f
  5253504c4d480145574e514a37494654
`;
let translation: Uint8Array | undefined;
const translated = (code: number): number => (translation ??= bytes(TRANSLATION))[code];
/** F7 and Alt+SysRq, the only codes of set 2 above 0x7f. */
const TRANSLATION_HIGH: Readonly<Record<number, number>> = { 0x83: 0x41, 0x84: 0x54 };

const translate = (code: number) => code < 0x80 ? translated(code) : TRANSLATION_HIGH[code] ?? code;

/** Set 2 code of a set 1 make code: the inverse, where F7 and SysRq have their codes above 0x7f. */
let set2: readonly number[] | undefined;
function inverse(): readonly number[] {
  const table = Array<number>(0x80).fill(0);
  for (let code = 0x7f; code > 0; code--) if (translated(code) < 0x80) table[translated(code)] = code;
  for (const [code, make] of Object.entries(TRANSLATION_HIGH)) table[make] = Number(code);
  return table;
}

/** Codes of set 3 by those of set 1, and from 0x80 on by those with the prefix 0xe0; 0: there is none. */
const SET_3 = `
  0008161e26252e363d3e46454e55660d151d242d2c353c43444d545b5a111c1b
  232b34333b424b4c520e125c1a22212a32313a41494a597e192914070f171f27
  2f373f474f765f6c757d846b73747c69727a7071570013565e00000000000000
  0000000000000000000000000000000000000000000000000000000000000000
  0000000000000000000000000000000000000000000000000000000079580000
  0000000000000000000000000000000000000000007700573900000000000000
  000000000000626e636f0061006a0065606d6764000000000000008b8c8d0000
`;
const PAUSE_3 = 0x62, EXTENDED = 0x80;
/** Keys that tell in set 3 that they are released, until commands say otherwise: Ctrl, Shift, Caps Lock and Alt on the left, Shift on the right. */
const TELL_RELEASE: readonly number[] = [0x11, 0x12, 0x14, 0x19, 0x59];
/** Commands that say it of all keys, and of those whose codes follow: typematic; make and break; make only; typematic, make and break. */
const ALL_KEYS: Readonly<Record<number, boolean>> = { 0xf7: false, 0xf8: true, 0xf9: false, 0xfa: true };
const SOME_KEYS: Readonly<Record<number, boolean>> = { 0xfb: false, 0xfc: true, 0xfd: false };
/** Codes of keys are below all commands. */
const FIRST_COMMAND = 0xed;
let set3: Uint8Array | undefined;

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/[0-9a-f]{2}/g)!, (pair) => parseInt(pair, 16));
}

const keyboardPowerOn = () => ({
  replies: [] as number[],
  codes: [] as number[],
  /** The command whose argument comes next, or 0. */
  command: 0,
  scanning: true,
  set: 2,
  leds: 0,
  /** Typematic rate and delay as written. */
  rate: 0x2b,
  last: 0,
  /** Of set 3: codes of keys that tell when they are released. */
  releases: [...TELL_RELEASE],
  /** Prefix (0xe0, or 0xe1 and its second byte) of a scan code that is not complete yet. */
  prefix: [] as number[],
});

const mousePowerOn = () => ({
  replies: [] as number[],
  /** Packets. */
  out: [] as number[],
  command: 0,
  /** Remote, enabled and scaling bits of the status byte. */
  status: 0,
  wrap: false,
  resolution: 2,
  rate: 100,
  /** 0: three bytes; 3: with a wheel; 4: with a wheel and five buttons. */
  id: 0,
  /** The last three sample rates, which unlock the wheel. */
  rates: [0, 0, 0],
  buttons: 0,
  last: [] as number[],
});

const powerOn = () => ({
  config: CONFIG_KBD_IRQ | CONFIG_MOUSE_IRQ,
  ram: Array<number>(31).fill(0),
  selfTested: false,
  /** The last write went to the command port. */
  commandWritten: true,
  /** The controller command whose argument comes next, or 0. */
  command: 0,
  a20: true,
  port92: 0,
  /** The output buffer; it keeps its last byte when it was read. */
  data: 0,
  full: false,
  dataFromMouse: false,
  /** Answers of the controller itself: they come first. */
  replies: [] as { value: number; mouse: boolean }[],
  breakSeen: false,
  /** From when on a code of the keyboard and a byte of the mouse can have come over the wire, in ticks. */
  keyFrom: 0,
  mouseFrom: 0,
  keyboard: keyboardPowerOn(),
  mouse: mousePowerOn(),
});

export default defineDevice({
  type: "i8042",
  doc: "PS/2 keyboard controller with keyboard and mouse, A20 and reset (output `a20off` is high while A20 is masked).",
  spec: "IBM PS/2 Hardware Interface Technical Reference, October 1990; Intel 82371SB, 2.5.6",
  keys: {},
  windows: () => [
    { bus: "io", name: "data", length: 1, at: 0x60 },
    { bus: "io", name: "command", length: 1, at: 0x64 },
    { bus: "io", name: "port92", length: 1, at: 0x92 },
  ],
  outputs: () => ["keyboard", "mouse", "a20off"],
  create: (env, _config, ports) => new I8042(env, ports.irq),
});

export class I8042 implements Device<ReturnType<typeof powerOn>>, KeyDevice, MouseDevice {
  state = powerOn();
  readonly windows: readonly BusTarget[];
  readonly keyboard: KeyPort;
  readonly mouse: MousePort;
  readonly #keyboardIrq: IrqLine;
  readonly #mouseIrq: IrqLine;
  readonly #a20Off: IrqLine;
  readonly #wire: Alarm;

  constructor(readonly env: DeviceEnv, irq: readonly IrqLine[]) {
    [this.#keyboardIrq, this.#mouseIrq, this.#a20Off] = [0, 1, 2].map((i) => irq[i] ?? unconnected());
    const access = { min: 1, max: 1 } as const;
    this.windows = [
      { access, read: () => this.#readData(), write: (_offset, _size, value) => this.#writeData(value) },
      { access, read: () => this.#status(), write: (_offset, _size, value) => this.#writeCommand(value) },
      { access, read: () => this.#readPort92(), write: (_offset, _size, value) => this.#writePort92(value) },
    ];
    this.keyboard = { room: () => this.#room(), receive: (byte) => this.#key(byte), onRoom: () => {} };
    this.mouse = { move: (event) => this.#moved(event) };
    this.#wire = env.alarm("wire", () => {
      this.#awaitWire();
      this.#update(0);
    });
  }

  reset(): void {
    const before = this.#room();
    this.state = powerOn();
    this.#awaitWire();
    this.#update(before);
  }

  restored(): void {
    this.#awaitWire();
    this.#update(this.#room());
  }

  // The two ports.

  #status(): number {
    const s = this.state;
    return STATUS_UNLOCKED | (s.full ? STATUS_FULL : 0) | (s.full && s.dataFromMouse ? STATUS_MOUSE : 0) |
      (s.selfTested || s.config & CONFIG_SYSTEM ? STATUS_SYSTEM : 0) | (s.commandWritten ? STATUS_COMMAND : 0);
  }

  #readData(): number {
    const s = this.state, before = this.#room(), value = s.data;
    if (s.full) {
      const from = this.env.clock.ticks + this.env.clock.tickOf(BYTE_NS, 1e9);
      if (s.dataFromMouse) s.mouseFrom = from;
      else s.keyFrom = from;
      this.#awaitWire();
    }
    s.full = false;
    // The lines fall between two bytes, so that each makes an edge.
    this.#update(before);
    return value;
  }

  #writeCommand(value: number): void {
    const s = this.state, before = this.#room();
    s.commandWritten = true;
    s.command = 0;
    if (value >= 0x20 && value <= 0x3f) this.#reply(value === 0x20 ? s.config : s.ram[value - 0x21]);
    else if (value >= 0x60 && value <= 0x7f) s.command = value;
    else if (value >= 0xf0) {
      // A pulse on the output port: bit 0 is the reset line of the processor.
      if (!(value & 1)) this.env.stop({ kind: "reset" });
    } else this.#controllerCommand(value);
    this.#update(before);
  }

  #controllerCommand(value: number): void {
    const s = this.state;
    switch (value) {
      case 0xa1:
        return this.#reply(0);
      case 0xa4:
        return this.#reply(0xf1); // no password
      case 0xa7:
        s.config |= CONFIG_MOUSE_OFF;
        return;
      case 0xa8:
        s.config &= ~CONFIG_MOUSE_OFF;
        return;
      case 0xa9:
      case 0xab:
        return this.#reply(0);
      case 0xaa:
        s.selfTested = true;
        return this.#reply(0x55);
      case 0xad:
        s.config |= CONFIG_KBD_OFF;
        return;
      case 0xae:
        s.config &= ~CONFIG_KBD_OFF;
        return;
      case 0xc0:
        return this.#reply(0x80); // not locked
      case 0xd0:
        return this.#reply(this.#outputPort());
      case 0xd1:
      case 0xd2:
      case 0xd3:
      case 0xd4:
        s.command = value;
        return;
      case 0xdd:
      case 0xdf:
        s.a20 = value === 0xdf;
        return;
      case 0xe0:
        return this.#reply(0);
      default:
        this.env.log("guest", () => `unknown controller command 0x${value.toString(16)}`);
    }
  }

  #writeData(value: number): void {
    const s = this.state, before = this.#room(), command = s.command;
    s.commandWritten = false;
    s.command = 0;
    switch (command) {
      case 0:
        // Data for a device switches its interface on.
        s.config &= ~CONFIG_KBD_OFF;
        this.#toKeyboard(value);
        break;
      case 0x60:
        s.config = value;
        break;
      case 0xd1:
        s.a20 = !!(value & OUT_A20);
        if (!(value & OUT_NOT_RESET)) this.env.stop({ kind: "reset" });
        break;
      case 0xd2:
        this.#reply(value);
        break;
      case 0xd3:
        this.#reply(value, true);
        break;
      case 0xd4:
        s.config &= ~CONFIG_MOUSE_OFF;
        this.#toMouse(value);
        break;
      default:
        s.ram[command - 0x61] = value;
    }
    this.#update(before);
  }

  #outputPort(): number {
    const s = this.state;
    const full = !s.full ? 0 : s.dataFromMouse ? OUT_MOUSE_FULL : OUT_KBD_FULL;
    return OUT_ONES | OUT_NOT_RESET | (s.a20 ? OUT_A20 : 0) | full;
  }

  #readPort92(): number {
    return this.state.port92 & ~PORT_92_A20 | (this.state.a20 ? PORT_92_A20 : 0);
  }

  #writePort92(value: number): void {
    const before = this.#room();
    const resets = value & PORT_92_RESET && !(this.state.port92 & PORT_92_RESET);
    this.state.port92 = value;
    this.state.a20 = !!(value & PORT_92_A20);
    if (resets) this.env.stop({ kind: "reset" });
    this.#update(before);
  }

  #reply(value: number, mouse = false): void {
    if (this.state.replies.length < QUEUE) this.state.replies.push({ value, mouse });
  }

  /** Sets the alarm for the next byte that a wire can bring. */
  #awaitWire(): void {
    const { keyFrom, mouseFrom } = this.state, now = this.env.clock.ticks;
    const next = Math.min(...[keyFrom, mouseFrom].filter((at) => at > now));
    if (next === Infinity) this.#wire.cancel();
    else this.#wire.scheduleAt(next);
  }

  // The keyboard.

  #room(): number {
    const { config, keyboard: k, full, dataFromMouse, replies, keyFrom } = this.state;
    if (this.env.clock.ticks < keyFrom) return 0;
    const waiting = k.codes.length + k.replies.length + replies.length > 0 || (full && !dataFromMouse);
    return waiting || !k.scanning || config & CONFIG_KBD_OFF ? 0 : 1;
  }

  /** A byte of set 1 from outside; a complete key goes on in the keyboard's own set. */
  #key(byte: number): void {
    const k = this.state.keyboard, before = this.#room();
    if (byte === 0xe0 || byte === 0xe1 || (k.prefix[0] === 0xe1 && k.prefix.length === 1)) {
      k.prefix = byte === 0xe0 || byte === 0xe1 ? [byte] : [...k.prefix, byte];
      return;
    }
    const [prefix, ...first] = k.prefix;
    k.prefix = [];
    const codes = k.set === 3
      ? inSet3(prefix, byte, k.releases)
      : [...(prefix ? [prefix] : []), ...[...first, byte].flatMap((code) => inSet(k.set, code))];
    if (k.scanning && k.codes.length + codes.length <= QUEUE) k.codes.push(...codes);
    this.#update(before);
  }

  #toKeyboard(value: number): void {
    const k = this.state.keyboard, command = k.command;
    const answer = (...values: number[]) => {
      k.replies.push(...values);
      k.last = values[values.length - 1];
    };
    k.command = 0;
    if (command in SOME_KEYS && value < FIRST_COMMAND) {
      // More codes may follow; the next command ends the list.
      k.command = command;
      k.releases = k.releases.filter((code) => code !== value).concat(SOME_KEYS[command] ? value : []);
      return answer(ACK);
    }
    if (command && value < 0x80) {
      if (command === 0xed) k.leds = value & 7;
      else if (command === 0xf3) k.rate = value;
      else if (command === 0xf0 && value === 0) return answer(ACK, k.set);
      else if (command === 0xf0 && value <= 3) k.set = value;
      else if (command === 0xf0) return answer(RESEND);
      return answer(ACK);
    }
    switch (value) {
      case 0xed:
      case 0xf0:
      case 0xf3:
        k.command = value;
        return answer(ACK);
      case 0xee:
        return answer(ECHO);
      case 0xf2:
        return answer(ACK, 0xab, 0x83);
      case 0xf4:
        k.codes = [];
        k.scanning = true;
        return answer(ACK);
      case 0xf5:
      case 0xf6:
        Object.assign(k, keyboardPowerOn(), { replies: k.replies, leds: k.leds, scanning: value === 0xf6 });
        return answer(ACK);
      case 0xfe:
        return answer(k.last);
      case 0xff:
        Object.assign(k, keyboardPowerOn());
        return answer(ACK, SELF_TEST_PASSED);
      default:
        if (!(value in SOME_KEYS) && !(value in ALL_KEYS)) return answer(RESEND);
        k.codes = [];
        if (value in SOME_KEYS) k.command = value;
        else k.releases = ALL_KEYS[value] ? Array.from({ length: FIRST_COMMAND }, (_, code) => code) : [];
        return answer(ACK);
    }
  }

  // The mouse.

  #moved({ dx, dy, dz = 0, buttons }: { dx: number; dy: number; dz?: number; buttons: number }): void {
    const m = this.state.mouse, before = this.#room();
    m.buttons = buttons & 0x1f;
    if (m.status & MOUSE_ENABLED && !(m.status & MOUSE_REMOTE)) {
      // A long way takes several packets; what does not fit is lost, as on the wire.
      do {
        const [x, y] = [dx, dy].map((d) => Math.max(-127, Math.min(127, d))), z = Math.max(-8, Math.min(7, dz));
        if (m.out.length > 4 * QUEUE) break;
        m.out.push(...this.#packet(x, y, z));
        [dx, dy, dz] = [dx - x, dy - y, dz - z];
      } while (dx || dy || dz);
    }
    this.#update(before);
  }

  /** The mouse counts y upwards. */
  #packet(dx: number, dy: number, dz: number): number[] {
    const m = this.state.mouse;
    const y = -dy;
    const packet = [m.buttons & 7 | 0x08 | (dx < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0), dx & 0xff, y & 0xff];
    if (m.id === 3) packet.push(dz & 0xff);
    if (m.id === 4) packet.push(dz & 0x0f | (m.buttons & 0x18) << 1);
    return m.last = packet;
  }

  #toMouse(value: number): void {
    const m = this.state.mouse, command = m.command;
    const answer = (...values: number[]) => {
      m.replies.push(...values);
      m.last = values;
    };
    m.command = 0;
    if (m.wrap && value !== 0xec && value !== 0xff) return answer(value);
    // A command stops the packet that is under way.
    m.out = [];
    m.replies = [];
    if (command === 0xe8) m.resolution = value;
    if (command === 0xf3) {
      m.rate = value;
      m.rates = [m.rates[1], m.rates[2], value];
      const unlocked = { "200,100,80": 3, "200,200,80": 4 }[m.rates.join()];
      if (unlocked) m.id = unlocked;
    }
    if (command) return answer(ACK);
    switch (value) {
      case 0xe6:
      case 0xe7:
        m.status = value === 0xe7 ? m.status | MOUSE_SCALE_2 : m.status & ~MOUSE_SCALE_2;
        return answer(ACK);
      case 0xe8:
      case 0xf3:
        m.command = value;
        return answer(ACK);
      case 0xe9: {
        const b = m.buttons;
        return answer(ACK, m.status | (b & 1) << 2 | (b & 4) >> 1 | (b & 2) >> 1, m.resolution, m.rate);
      }
      case 0xea:
      case 0xf0:
        m.status = value === 0xf0 ? m.status | MOUSE_REMOTE : m.status & ~MOUSE_REMOTE;
        return answer(ACK);
      case 0xeb:
        return answer(ACK, ...this.#packet(0, 0, 0));
      case 0xec:
      case 0xee:
        m.wrap = value === 0xee;
        return answer(ACK);
      case 0xf2:
        return answer(ACK, m.id);
      case 0xf4:
      case 0xf5:
        m.status = value === 0xf4 ? m.status | MOUSE_ENABLED : m.status & ~MOUSE_ENABLED;
        return answer(ACK);
      case 0xf6:
        Object.assign(m, mousePowerOn(), { id: m.id, buttons: m.buttons });
        return answer(ACK);
      case 0xfe:
        return answer(...m.last);
      case 0xff:
        Object.assign(m, mousePowerOn(), { buttons: m.buttons });
        return answer(ACK, SELF_TEST_PASSED, m.id);
      default:
        return answer(RESEND);
    }
  }

  /** Moves the next byte into the empty output buffer: the controller's first, then the keyboard's, then the mouse's. */
  #fill(): void {
    const s = this.state;
    const reply = s.replies.shift();
    const key = reply || s.config & CONFIG_KBD_OFF ? undefined : this.#nextKeyboardByte();
    const moved = reply || key !== undefined || s.config & CONFIG_MOUSE_OFF ? undefined : this.#nextMouseByte();
    const value = reply?.value ?? key ?? moved;
    if (value === undefined) return;
    s.data = value;
    s.full = true;
    s.dataFromMouse = reply ? reply.mouse : key === undefined;
  }

  /** Translated when the controller is set so: the break prefix of set 2 becomes bit 7 of the byte after it. */
  #nextKeyboardByte(): number | undefined {
    const s = this.state, { replies, codes } = s.keyboard;
    const byte = replies.shift() ?? (this.env.clock.ticks < s.keyFrom ? undefined : codes.shift());
    if (byte === undefined || !(s.config & CONFIG_TRANSLATE)) return byte;
    if (byte === BREAK) {
      s.breakSeen = true;
      return this.#nextKeyboardByte();
    }
    const value = translate(byte) | (s.breakSeen ? 0x80 : 0);
    s.breakSeen = false;
    return value;
  }

  #nextMouseByte(): number | undefined {
    const { mouse, mouseFrom } = this.state;
    return mouse.replies.shift() ?? (this.env.clock.ticks < mouseFrom ? undefined : mouse.out.shift());
  }

  #update(roomBefore: number): void {
    const s = this.state;
    if (!s.full) {
      this.#keyboardIrq.set(false);
      this.#mouseIrq.set(false);
      this.#fill();
    }
    const { full } = s;
    this.#keyboardIrq.set(full && !s.dataFromMouse && (s.config & (CONFIG_KBD_IRQ | CONFIG_KBD_OFF)) === CONFIG_KBD_IRQ);
    this.#mouseIrq.set(full && s.dataFromMouse && !!(s.config & CONFIG_MOUSE_IRQ));
    this.#a20Off.set(!s.a20);
    if (roomBefore === 0 && this.#room() > 0) this.keyboard.onRoom();
  }
}

/** A make or break code of set 1 (without prefix) in set 1 or 2. */
function inSet(set: number, code: number): number[] {
  if (set === 1) return [code];
  const make = (set2 ??= inverse())[code & 0x7f];
  return make === 0 ? [] : code & 0x80 ? [BREAK, make] : [make];
}

/** A code of set 1 with its prefix, in set 3: a byte a key, without prefixes; most keys do not tell that they are released. */
function inSet3(prefix: number | undefined, code: number, releases: readonly number[]): number[] {
  const make = prefix === 0xe1 ? PAUSE_3 : (set3 ??= bytes(SET_3))[code & 0x7f | (prefix ? EXTENDED : 0)] ?? 0;
  if (make === 0) return [];
  return !(code & 0x80) ? [make] : releases.includes(make) ? [BREAK, make] : [];
}
