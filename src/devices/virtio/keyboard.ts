// A keyboard. Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 5.8; the codes of events and keys: Linux, input-event-codes.h, which it
// names; scan codes of set 1: IBM Personal System/2 Hardware Interface Technical Reference, "Keyboards". What it says of itself, as QEMU's.
import type { KeyPort } from "../../core/device.ts";
import { defineDevice } from "../../core/device.ts";
import { SLOT_KEYS } from "../virtio_mmio.ts";
import type { Model, VirtioDevice } from "./device.ts";
import { SLOT_TYPE, virtioDevice } from "./mmio.ts";

export default defineDevice({
  type: "virtio.keyboard",
  doc: "A virtio keyboard, `m.keyboard` in a scenario.",
  spec: "Virtual I/O Device (VIRTIO) Version 1.2, 5.8",
  keys: SLOT_KEYS,
  ...SLOT_TYPE,
  create: (env, config, ports) => virtioDevice(env, config, ports, (device) => new Keyboard(device)),
});

const ENTRIES = 64, EVENTS = 0, STATUS = 1, EVENT_BYTES = 8;
/** Types of events, and the code that ends a group of them. */
const EV_SYN = 0x00, EV_KEY = 0x01, EV_LED = 0x11, EV_REP = 0x14, SYN_REPORT = 0;
/** What the driver may select to read (5.8.5.1), and where it reads it. */
const ID_NAME = 0x01, ID_DEVIDS = 0x03, EV_BITS = 0x11;
const SELECT = 0, SUBSELECT = 1, SIZE = 2, DATA = 8, CONFIG_BYTES = 136;
const NUM_LOCK = 0, CAPS_LOCK = 1, SCROLL_LOCK = 2;

/** Scan codes of set 1 behind 0xe0, and Linux's codes of those keys. */
const EXTENDED: Readonly<Record<number, number>> = {
  0x1c: 96, // enter of the keypad
  0x1d: 97, // right control
  0x35: 98, // slash of the keypad
  0x37: 99, // print screen
  0x38: 100, // right alt
  0x46: 119, // break
  0x47: 102, // home
  0x48: 103, // up
  0x49: 104, // page up
  0x4b: 105, // left
  0x4d: 106, // right
  0x4f: 107, // end
  0x50: 108, // down
  0x51: 109, // page down
  0x52: 110, // insert
  0x53: 111, // delete
  0x5b: 125, // left meta
  0x5c: 126, // right meta
  0x5d: 127, // menu
  0x5e: 116, // power
  0x5f: 142, // sleep
  0x63: 143, // wake
};
/** Those without a prefix are Linux's, too, up to F12. */
const LAST_PLAIN = 0x58, PAUSE = 119, NONE = 0;

const powerOn = () => ({
  select: 0,
  subselect: 0,
  /** Bytes of a scan code that has begun. */
  begun: [] as number[],
  /** What the driver has not taken yet: type, code and value of each event. */
  events: [] as number[],
  /** What the driver shows, by bits. */
  leds: 0,
});

/** The key that a scan code means; undefined: it is not complete. */
function keyOf(bytes: readonly number[]): number | undefined {
  const [first, second, third] = bytes;
  // Pause: e1 1d 45.
  if (first === 0xe1) return third === undefined ? undefined : (second & 0x7f) === 0x1d && (third & 0x7f) === 0x45 ? PAUSE : NONE;
  if (first === 0xe0) return second === undefined ? undefined : EXTENDED[second & 0x7f] ?? NONE;
  const code = first & 0x7f;
  return code <= LAST_PLAIN ? code : NONE;
}

/** Bits by their numbers, without zeros behind the last one. */
function bitmap(bits: readonly number[]): Uint8Array {
  const out = new Uint8Array((Math.max(...bits) >> 3) + 1);
  for (const bit of bits) out[bit >> 3] |= 1 << (bit & 7);
  return out;
}
const KEYS = bitmap([...Array.from({ length: LAST_PLAIN }, (_, i) => i + 1), ...Object.values(EXTENDED)]);
const LEDS = bitmap([NUM_LOCK, CAPS_LOCK, SCROLL_LOCK]);
/** Bus (virtual), vendor, product and version. */
const IDS = new Uint8Array(Uint16Array.of(6, 0x0627, 1, 1).buffer);
const TEXT = new TextEncoder();

export class Keyboard implements Model<ReturnType<typeof powerOn>>, KeyPort {
  state = powerOn();
  readonly deviceId = 18;
  readonly features = 0;
  readonly queues = [ENTRIES, ENTRIES];
  readonly keyboard: KeyPort = this;
  onRoom: () => void = () => {};

  constructor(readonly device: VirtioDevice) {}

  reset(): void {
    this.state = powerOn();
  }

  // From outside

  room(): number {
    return this.device.usable(EVENTS) && this.state.events.length === 0 ? 1 : 0;
  }
  receive(byte: number): void {
    const { state } = this;
    state.begun.push(byte);
    const key = keyOf(state.begun), released = (byte & 0x80) !== 0;
    if (key === undefined) return;
    state.begun = [];
    if (key === NONE || !this.device.usable(EVENTS)) return;
    state.events.push(EV_KEY, key, released ? 0 : 1, EV_SYN, SYN_REPORT, 0);
    this.device.wake(EVENTS);
  }

  // For the driver

  started(): void {
    this.onRoom();
  }

  /** What is selected (5.8.5.1); nothing where there is none of it. */
  #selected(): Uint8Array {
    const { select, subselect } = this.state;
    if (select === ID_NAME) return TEXT.encode("QEMU Virtio Keyboard");
    if (select === ID_DEVIDS) return IDS;
    if (select !== EV_BITS) return new Uint8Array();
    return subselect === EV_KEY ? KEYS : subselect === EV_LED ? LEDS : subselect === EV_REP ? new Uint8Array(1) : new Uint8Array();
  }
  get config(): Uint8Array {
    const out = new Uint8Array(CONFIG_BYTES), data = this.#selected();
    out[SELECT] = this.state.select;
    out[SUBSELECT] = this.state.subselect;
    out[SIZE] = data.length;
    out.set(data, DATA);
    return out;
  }
  configure(at: number, bytes: Uint8Array): void {
    for (const [i, byte] of bytes.entries()) {
      if (at + i === SELECT) this.state.select = byte;
      else if (at + i === SUBSELECT) this.state.subselect = byte;
    }
  }

  serve(queue: number): boolean {
    if (queue === EVENTS) this.#send();
    else this.#takeStatus();
    return this.device.budget < 0;
  }

  #send(): void {
    const { device, state: { events } } = this;
    const sent = device.each(EVENTS, (chain) => {
      const [type, code, value] = events.splice(0, 3), bytes = new Uint8Array(EVENT_BYTES), v = new DataView(bytes.buffer);
      v.setUint16(0, type, true);
      v.setUint16(2, code, true);
      v.setUint32(4, value, true);
      device.writeIn(chain, 0, bytes);
      return Math.min(EVENT_BYTES, chain.inBytes);
    }, () => events.length > 0);
    if (sent && events.length === 0) this.onRoom();
  }

  /** The driver switches lights on and off. */
  #takeStatus(): void {
    const { device, state } = this;
    device.each(STATUS, (chain) => {
      const bytes = device.readOut(chain, 0, EVENT_BYTES), v = new DataView(bytes.buffer);
      if (bytes.length === EVENT_BYTES && v.getUint16(0, true) === EV_LED && v.getUint16(2, true) <= SCROLL_LOCK) {
        const bit = 1 << v.getUint16(2, true);
        state.leds = v.getUint32(4, true) ? state.leds | bit : state.leds & ~bit;
      }
      return 0;
    });
  }
}
