// What every virtio device does, whatever it is and however it is reached: status, features, queues, notifications, and the end of a device whose
// driver breaks the rules. What a device is for is its `Model`; where its registers are is its transport, which calls what is public here.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 2 and 3, with what they say of the interface before 1.0.
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import type { CharPort, Device, DeviceEnv, KeyPort } from "../../core/device.ts";
import { BusFault } from "../../core/errors.ts";
import type { IrqLine } from "../../core/irq.ts";
import { GuestMemory } from "./memory.ts";
import * as packed from "./packed.ts";
import {
  type Chain,
  Malformed,
  MOST_ENTRIES,
  queueAtPowerOn,
  type QueueState,
  readOut,
  type RingFeatures,
  type RingFormat,
  writeIn,
} from "./queue.ts";
import * as split from "./split.ts";

/** Bits of the status register. */
export const FEATURES_OK = 0x08, DRIVER_OK = 0x04, NEEDS_RESET = 0x40;
/** Bits of the interrupt status. */
export const QUEUE_INTERRUPT = 1, CONFIG_INTERRUPT = 2;
/** Features that are not of one kind of device: of the lower word, then of the upper one. */
export const NOTIFY_ON_EMPTY = 1 << 24, INDIRECT_DESC = 1 << 28, EVENT_IDX = 1 << 29, VERSION_1 = 1 << 0, RING_PACKED = 1 << 2;

/** A request, or several that come together, take this long; so does a part of what is too much for once. */
const SERVE_NS = 1000, PAUSE_NS = 100_000;
/** What is done at once: bytes that are moved, with so many for each request and each of its buffers. */
const PIECE = 8 << 20, COST_OF_BUFFER = 4096;

/** What a device is for. It is reset and restored with the device, and its state is part of the device's. */
export interface Model<State extends object = object> {
  state: State;
  /** 5: 2 is a block device. */
  readonly deviceId: number;
  /** Features 0 to 23. */
  readonly features: number;
  /** Entries of each queue, unless the driver says otherwise. */
  readonly queues: readonly number[];
  /** The configuration space as the driver reads it. */
  readonly config: Uint8Array;
  /** The driver has written bytes into it. */
  configure?(at: number, bytes: Uint8Array): void;
  /** Does what a queue asks for, until `device.budget` is below 0. True: there is more to do. @throws {Malformed | BusFault} */
  serve(queue: number): boolean;
  /** Features have been agreed on. */
  negotiated?(): void;
  /** The driver is ready. */
  started?(): void;
  /** What it has for the outside, see core/device.ts. */
  readonly char?: CharPort;
  readonly chars?: ReadonlyMap<string, CharPort>;
  readonly keyboard?: KeyPort;
  /** The driver has reset the device, or the machine was reset. */
  reset(byDriver: boolean): void;
  /** The state was replaced from a snapshot. */
  restored?(): void;
}

const powerOn = (queues: readonly number[], own: object) => ({
  status: 0,
  /** What driver and device have agreed on: lower and upper word. */
  features: [0, 0] as [number, number],
  interrupts: 0,
  /** Counts changes of the configuration. */
  generation: 0,
  queues: queues.map(queueAtPowerOn),
  /** When the device looks at its queues, in ticks; -1: nobody has asked. */
  dueAt: -1,
  /** The registers of the transport that only choose what others are about. */
  registers: { deviceFeatures: 0, driverFeatures: 0, offered: [0, 0] as [number, number], queue: 0, pageSize: 4096 },
  own,
});
export type VirtioState = ReturnType<typeof powerOn>;

export interface VirtioOptions {
  readonly legacy: boolean;
  readonly packed: boolean;
  /** What a model is made with. */
  model(device: VirtioDevice): Model;
  /** Where the registers are. */
  windows(device: VirtioDevice): readonly BusTarget[];
}

export class VirtioDevice implements Device<VirtioState> {
  state: VirtioState;
  readonly model: Model;
  readonly memory: GuestMemory;
  readonly windows: readonly BusTarget[];
  readonly legacy: boolean;
  readonly char: CharPort | undefined;
  readonly chars: ReadonlyMap<string, CharPort> | undefined;
  readonly keyboard: KeyPort | undefined;
  /** What a model may still do before others have their turn. */
  budget = 0;
  readonly #packed: boolean;
  readonly #alarm: Alarm;

  constructor(readonly env: DeviceEnv, readonly line: IrqLine, options: VirtioOptions) {
    this.legacy = options.legacy;
    this.#packed = options.packed && !options.legacy;
    this.memory = new GuestMemory(env.dma);
    this.#alarm = env.alarm("queues", () => this.#serve());
    this.model = options.model(this);
    this.char = this.model.char;
    this.chars = this.model.chars;
    this.keyboard = this.model.keyboard;
    this.state = powerOn(this.model.queues, this.model.state);
    this.windows = options.windows(this);
  }

  reset(byDriver = false): void {
    this.model.reset(byDriver);
    this.state = powerOn(this.model.queues, this.model.state);
    this.#alarm.cancel();
    this.updateLine();
  }

  restored(): void {
    const { state } = this;
    this.model.state = state.own;
    if (state.dueAt < 0) this.#alarm.cancel();
    else this.#alarm.scheduleAt(state.dueAt);
    this.model.restored?.();
    this.updateLine();
  }

  // Features and status (2.1, 2.2, 3.1)

  /** What the device offers: the lower word of the features, or the upper one. */
  offers(upper: boolean): number {
    if (upper) return this.legacy ? 0 : VERSION_1 | (this.#packed ? RING_PACKED : 0);
    return (this.model.features | INDIRECT_DESC | EVENT_IDX | (this.legacy ? NOTIFY_ON_EMPTY : 0)) >>> 0;
  }
  has(feature: number): boolean {
    return (this.state.features[0] & feature) !== 0;
  }

  /** The interface before 1.0 has no FEATURES_OK: what the driver writes counts. */
  acceptLegacy(lower: number): void {
    this.#accept(lower, 0);
  }
  #accept(lower: number, upper: number): void {
    this.state.features = [(lower & this.offers(false)) >>> 0, upper & this.offers(true)];
    this.model.negotiated?.();
  }

  setStatus(value: number): void {
    const { state } = this;
    if (value === 0) return this.resetByDriver();
    const before = state.status;
    let status = value & ~NEEDS_RESET | before & NEEDS_RESET;
    if (!this.legacy && status & ~state.status & FEATURES_OK && !this.#agree()) status &= ~FEATURES_OK;
    state.status = status;
    if (status & DRIVER_OK && state.queues.some((q) => q.kicked)) this.#schedule(SERVE_NS);
    if (status & ~before & DRIVER_OK) this.model.started?.();
  }

  /** 2.2.2: the device refuses what it has not offered. A driver without VIRTIO_F_VERSION_1 it need not refuse (6.1), and QEMU does not: xv6 is one. */
  #agree(): boolean {
    const [lower, upper] = this.state.registers.offered;
    if (lower & ~this.offers(false) || upper & ~this.offers(true)) {
      this.env.log("guest", () => "the driver wants features that were not offered");
      return false;
    }
    this.#accept(lower, upper);
    return true;
  }

  resetByDriver(): void {
    const { registers } = this.state;
    this.reset(true);
    // Which words of the features are looked at, and the size of pages, are the transport's.
    Object.assign(this.state.registers, { ...registers, queue: 0, offered: [0, 0] });
  }

  /** The driver broke a rule: nothing more happens until it resets the device (2.1.2). */
  #fail(why: string): void {
    const { state } = this;
    this.env.log("guest", () => `${why}; the device needs a reset`);
    state.status |= NEEDS_RESET;
    if (state.status & DRIVER_OK) this.configChanged();
  }

  // Queues

  get #format(): RingFormat {
    return this.state.features[1] & RING_PACKED ? packed : split;
  }
  get #ringFeatures(): RingFeatures {
    return { indirect: this.has(INDIRECT_DESC), eventIndex: this.has(EVENT_IDX) };
  }
  get #fails(): boolean {
    return (this.state.status & NEEDS_RESET) !== 0;
  }
  /** Before 1.0 drivers may use queues while they still set the device up (3.1.2). */
  get #live(): boolean {
    return !this.#fails && (this.legacy || (this.state.status & DRIVER_OK) !== 0);
  }

  setSize(q: QueueState, size: number): void {
    if (size > 0 && size <= MOST_ENTRIES) q.size = size;
    else this.env.log("guest", () => `a queue of ${size} entries: it must have 1 to ${MOST_ENTRIES}`);
  }

  /** The driver has put a queue in its place. */
  start(q: QueueState): void {
    Object.assign(q, { ready: true, next: 0, used: 0, wrap: true, usedWrap: true, signalled: 0, kicked: false });
    this.#guarded(() => this.#format.checkSize(q.size));
  }
  stop(q: QueueState): void {
    q.ready = false;
  }

  /** The driver says that there is something in a queue. */
  notify(queue: number): void {
    const { state } = this, q = state.queues[queue];
    if (this.#fails) return;
    if (!q?.ready) return this.env.log("guest", () => `notification of queue ${queue}, which is not set up`);
    q.kicked = true;
    if (this.#live) this.#schedule(SERVE_NS);
  }

  /** Has the queues looked at, unless that will happen anyway. */
  #schedule(ns: number): void {
    if (this.state.dueAt >= 0) return;
    this.#alarm.schedule(ns);
    this.state.dueAt = this.#alarm.at;
  }

  #serve(): void {
    const { state } = this;
    state.dueAt = -1;
    this.budget = PIECE;
    for (const [i, q] of state.queues.entries()) {
      if (!q.kicked || !q.ready || !this.#live) continue;
      q.kicked = false;
      this.#guarded(() => {
        q.kicked = this.model.serve(i);
      });
    }
    if (state.queues.some((q) => q.kicked)) this.#schedule(PAUSE_NS);
  }

  /** Does something with a queue; what the driver did wrong ends the device. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (e) {
      if (!(e instanceof Malformed) && !(e instanceof BusFault)) throw e;
      this.#fail(e instanceof BusFault ? `a queue leads to 0x${e.paddr.toString(16)}, where no memory is for it` : e.message);
    }
  }

  // For models

  /** Whether the driver uses a queue. */
  usable(queue: number): boolean {
    return this.#live && (this.state.queues[queue]?.ready ?? false);
  }

  /** The next request of a queue, when there is one. @throws {Malformed | BusFault} */
  pop(queue: number): Chain | undefined {
    const q = this.state.queues[queue];
    if (!q.ready) return undefined;
    const chain = this.#format.pop(this.memory, q, this.#ringFeatures);
    if (chain) this.budget -= COST_OF_BUFFER * (1 + chain.buffers.length / 2);
    return chain;
  }
  /** Gives a request back, of which so many bytes were written. */
  push(queue: number, chain: Chain, written: number): void {
    this.#format.push(this.memory, this.state.queues[queue], chain, written);
  }
  /** Tells the driver of what was given back, if it wants to know. */
  tell(queue: number): void {
    const q = this.state.queues[queue], format = this.#format;
    const wanted = format.wantsInterrupt(this.memory, q, this.#ringFeatures) || (this.has(NOTIFY_ON_EMPTY) && format.empty(this.memory, q));
    if (wanted) this.#interrupt(QUEUE_INTERRUPT);
  }
  /**
   * Serves the requests of a queue one by one, as long as the driver has some, `more` says so and there is time; `serve` answers with how many
   * bytes it wrote. Whether there was one. @throws {Malformed | BusFault}
   */
  each(queue: number, serve: (chain: Chain) => number, more: () => boolean = () => true): boolean {
    let any = false;
    while (more() && this.budget >= 0) {
      const chain = this.pop(queue);
      if (!chain) break;
      this.push(queue, chain, serve(chain));
      any = true;
    }
    if (any) this.tell(queue);
    return any;
  }
  readOut(chain: Chain, from: number, length: number): Uint8Array {
    this.budget -= length;
    return readOut(this.memory, chain, from, length);
  }
  writeIn(chain: Chain, from: number, data: Uint8Array): void {
    this.budget -= data.length;
    writeIn(this.memory, chain, from, data);
  }
  /** Has a queue looked at again that could not be served: what it waited for has come from outside. */
  wake(queue: number): void {
    if (!this.usable(queue)) return;
    this.state.queues[queue].kicked = true;
    this.#schedule(SERVE_NS);
  }

  /** The configuration is not what it was. */
  configChanged(): void {
    this.state.generation = (this.state.generation + 1) >>> 0;
    this.#interrupt(CONFIG_INTERRUPT);
  }
  #interrupt(bit: number): void {
    this.state.interrupts |= bit;
    this.updateLine();
  }
  updateLine(): void {
    this.line.set(this.state.interrupts !== 0);
  }
}
