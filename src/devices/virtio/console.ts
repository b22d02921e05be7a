// A console, and more byte streams with names beside it.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 5.3. Not modelled: ports that come and go while the machine runs, sizes that change.
import type { CharPort } from "../../core/device.ts";
import { defineDevice } from "../../core/device.ts";
import { type Config, int, list, string } from "../../core/schema.ts";
import { SLOT_KEYS } from "../virtio_mmio.ts";
import type { Model, VirtioDevice } from "./device.ts";
import { SLOT_TYPE, virtioDevice } from "./mmio.ts";
import type { Chain } from "./queue.ts";

const keys = {
  ...SLOT_KEYS,
  ports: list(
    "names of more byte streams; with `console`, each is one of the machine's, called `ID.NAME`",
    string("a name", { pattern: /^[\w.-]{1,64}$/, form: `a name like "org.example.agent"` }),
    { default: [] as string[] },
  ),
  columns: int("width that a driver is told", { default: 80, min: 0, max: 1000 }),
  rows: int("height that a driver is told", { default: 25, min: 0, max: 1000 }),
};

export default defineDevice({
  type: "virtio.console",
  doc: "A virtio console, with more byte streams if `ports` names them.",
  spec: "Virtual I/O Device (VIRTIO) Version 1.2, 5.3",
  keys,
  ...SLOT_TYPE,
  char: true,
  create: (env, config, ports) => virtioDevice(env, config, ports, (device) => new Console(device, config)),
});

type ConsoleConfig = Config<typeof keys>;

const SIZE = 1 << 0, MULTIPORT = 1 << 1, EMERGENCY_WRITE = 1 << 2;
/** Where a byte is written that is printed without any queue. */
const EMERGENCY = 8, CONFIG_BYTES = 12;
const ENTRIES = 128;
/** Queues: of the first port to the driver and from it, of messages about ports, of the other ports. */
const MESSAGES_IN = 2, MESSAGES_OUT = 3;
const queueIn = (port: number) => port === 0 ? 0 : 2 * port + 2;
const portOf = (queue: number) => queue < 2 ? 0 : (queue >> 1) - 1;

/** Messages about ports (5.3.6.2). */
const READY = 0, ADD = 1, PORT_READY = 3, IS_CONSOLE = 4, OPEN = 6, NAME = 7;
const MESSAGE_BYTES = 8;
/** Messages that wait for the driver at most: it gets no more answers before it takes them. */
const MOST_MESSAGES = 256;

/** Bytes that wait for the driver, for each port. */
const ROOM = 256;
/** Bytes that are printed at once, and what one counts for. */
const PIECE = 4096, COST_OF_BYTE = 16;

const powerOn = (ports: number) => ({
  ports: Array.from({ length: ports }, () => ({
    /** What came from outside. */
    input: [] as number[],
    /** The driver has opened it. */
    open: false,
    /** What is being printed, and how far it is. */
    output: undefined as { readonly chain: Chain; done: number } | undefined,
  })),
  /** Messages for the driver. */
  messages: [] as { readonly port: number; readonly event: number; readonly text: string }[],
});
type State = ReturnType<typeof powerOn>;

/** One byte stream. */
class Port implements CharPort {
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};
  readonly interrupts = true;
  constructor(readonly console: Console, readonly number: number) {}
  room(): number {
    const { console, number } = this, { input, open } = console.state.ports[number];
    return console.device.usable(queueIn(number)) && (number === 0 || open) ? ROOM - input.length : 0;
  }
  receive(byte: number): void {
    const { input } = this.console.state.ports[this.number];
    if (input.length < ROOM) input.push(byte);
    this.console.device.wake(queueIn(this.number));
  }
}

export class Console implements Model<State> {
  state: State;
  readonly deviceId = 3;
  readonly features: number;
  readonly queues: readonly number[];
  readonly #ports: readonly Port[];
  readonly char: CharPort;
  readonly chars: ReadonlyMap<string, CharPort>;

  constructor(readonly device: VirtioDevice, readonly keys: ConsoleConfig) {
    const count = 1 + keys.ports.length;
    this.features = SIZE | EMERGENCY_WRITE | (count > 1 ? MULTIPORT : 0);
    this.queues = Array<number>(count > 1 ? 2 * count + 2 : 2).fill(ENTRIES);
    this.#ports = Array.from({ length: count }, (_, n) => new Port(this, n));
    this.char = this.#ports[0];
    this.chars = new Map(keys.ports.map((name, i) => [name, this.#ports[i + 1]]));
    this.state = powerOn(count);
  }

  /** What was typed is the driver's after a reset of its own, too: firmware and kernels follow each other. */
  reset(byDriver: boolean): void {
    const { ports } = this.state;
    this.state = powerOn(ports.length);
    if (byDriver) this.state.ports.forEach((port, n) => port.input = ports[n].input);
  }

  get config(): Uint8Array {
    const out = new Uint8Array(CONFIG_BYTES), v = new DataView(out.buffer);
    v.setUint16(0, this.keys.columns, true);
    v.setUint16(2, this.keys.rows, true);
    v.setUint32(4, this.#ports.length, true);
    return out;
  }
  configure(at: number, bytes: Uint8Array): void {
    if (at === EMERGENCY) this.#ports[0].onByte(bytes[0]);
  }

  /** The driver has set the device up: bytes may come. */
  started(): void {
    this.#ports[0].onRoom();
  }

  serve(queue: number): boolean {
    if (queue === MESSAGES_IN) this.#sendMessages();
    else if (queue === MESSAGES_OUT) this.#takeMessages();
    else if (queue & 1) this.#print(queue, portOf(queue));
    else this.#deliver(queue, portOf(queue));
    return this.device.budget < 0;
  }

  /** Gives the driver what has come from outside. */
  #deliver(queue: number, port: number): void {
    const { device } = this, { input } = this.state.ports[port], full = input.length === ROOM;
    const taken = device.each(queue, (chain) => {
      const bytes = Uint8Array.from(input.splice(0, chain.inBytes));
      device.writeIn(chain, 0, bytes);
      return bytes.length;
    }, () => input.length > 0);
    if (full && taken) this.#ports[port].onRoom();
  }

  #print(queue: number, number: number): void {
    const { device } = this, port = this.state.ports[number], { onByte } = this.#ports[number];
    let done = false;
    while (device.budget >= 0) {
      if (!port.output) {
        const chain = device.pop(queue);
        if (!chain) break;
        port.output = { chain, done: 0 };
      }
      const { output } = port, bytes = device.readOut(output.chain, output.done, PIECE);
      device.budget -= COST_OF_BYTE * bytes.length;
      output.done += bytes.length;
      for (const byte of bytes) onByte(byte);
      if (output.done < output.chain.outBytes) continue;
      port.output = undefined;
      device.push(queue, output.chain, 0);
      done = true;
    }
    if (done) device.tell(queue);
  }

  #sendMessages(): void {
    const { device, state: { messages } } = this;
    const sent = device.each(MESSAGES_IN, (chain) => {
      const { port, event, text } = messages.shift()!, bytes = new Uint8Array(MESSAGE_BYTES + text.length), v = new DataView(bytes.buffer);
      v.setUint32(0, port, true);
      v.setUint16(4, event, true);
      v.setUint16(6, 1, true);
      bytes.set(new TextEncoder().encode(text), MESSAGE_BYTES);
      device.writeIn(chain, 0, bytes);
      return Math.min(bytes.length, chain.inBytes);
    }, () => messages.length > 0);
    // Those that waited for room.
    if (sent) device.wake(MESSAGES_OUT);
  }

  #takeMessages(): void {
    const { device } = this;
    device.each(MESSAGES_OUT, (chain) => {
      const v = new DataView(device.readOut(chain, 0, MESSAGE_BYTES).buffer);
      if (v.byteLength === MESSAGE_BYTES) this.#message(v.getUint32(0, true), v.getUint16(4, true), v.getUint16(6, true) === 1);
      return 0;
    }, () => this.state.messages.length < MOST_MESSAGES);
    if (this.state.messages.length) device.wake(MESSAGES_IN);
  }

  /** What the driver says of itself or of a port. */
  #message(number: number, event: number, yes: boolean): void {
    const { messages } = this.state, say = (port: number, event: number, text = "") => messages.push({ port, event, text });
    if (event === READY) {
      if (yes) this.#ports.forEach((_, n) => say(n, ADD));
      return;
    }
    const port = this.#ports[number];
    if (!port) return this.device.env.log("guest", () => `a message about port ${number}, which there is not`);
    if (event === PORT_READY && yes) {
      if (number === 0) say(number, IS_CONSOLE);
      else say(number, NAME, this.keys.ports[number - 1]);
      say(number, OPEN);
    } else if (event === OPEN) {
      this.state.ports[number].open = yes;
      if (yes) port.onRoom();
    }
  }
}
