// What a device is: one file in src/devices whose default export tells the wiring everything, and a class that models the block.
import type { Bus, BusTarget } from "./bus.ts";
import type { Alarm, Clock } from "./clock.ts";
import type { Drive } from "./disk.ts";
import type { DmaChannel } from "./dma.ts";
import type { IrqLine } from "./irq.ts";
import type { Channel } from "./log.ts";
import type { PciSlot } from "./pci.ts";
import type { Config, Keys } from "./schema.ts";

/** All a device is given. No CPU, no sibling, no host, no wall clock. */
export interface DeviceEnv {
  readonly id: string;
  readonly clock: Clock;
  /** A new alarm, called by a name of its own among the device's: its time is part of a snapshot. */
  alarm(name: string, onFire: () => void): Alarm;
  /** Memory as a bus master sees it. */
  readonly dma: Bus;
  /** Port space, on machines that have one. */
  readonly io?: Bus | undefined;
  /** As many bytes as its type's `memory` says, 0 after power-on: processors reach them through `BusTarget.direct`; part of its state. */
  readonly memory: Uint8Array;
  /** Guest time at reset as seconds since 1970 (the machine's `clock.rtc`). */
  readonly epochSeconds: number;
  /** A line on a trace channel; `text` is called only when the channel is on. */
  log(channel: Channel, text: () => string): void;
  /** Ends the run after the current instruction; what is asked for first wins. */
  stop(request: StopRequest): void;
}

/** What a device (or a firmware call) may ask the machine to do. `code` is the guest's own exit code. */
export type StopRequest =
  | { readonly kind: "exit"; readonly code: number; readonly pass?: boolean }
  | { readonly kind: "reset" };

/** A window of an address space that the device answers in. */
export interface Window {
  /** "any": memory or ports, whichever of `at` and `io` the machine file gives. */
  readonly bus: "mem" | "io" | "any";
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  /** Where it is when the machine file does not say. */
  readonly at?: number;
  /** Its address is a multiple of this; the page size where the device shows plain memory in it (`BusTarget.direct`). */
  readonly multiple?: number;
}

/**
 * What some devices have for others beside windows and wires is a member that is declared beside who asks for it: whether a device has it.
 * A device whose member is undefined has none.
 */
export const offer = <Offer>(member: keyof Offer & string) => (device: Device): device is Device & Offer =>
  (device as Device & Partial<Offer>)[member] !== undefined;

/** A byte stream to and from the outside: the terminal, `m.serial` in a scenario. */
export interface CharPort {
  /** Set by the host side; called with each byte that the guest sends. */
  onByte: (byte: number) => void;
  /** How many more bytes the device can take now without losing one. */
  room(): number;
  /** Feeds one byte to the guest (0..255). */
  receive(byte: number): void;
  /** Set by the host side; called when `room()` has grown from 0. */
  onRoom: () => void;
  /** An interrupt tells the guest that a byte has come: its handler takes it, and what becomes of it then cannot be seen. */
  readonly interrupts?: boolean;
  /** Takes the next byte that was received, as firmware that owns the device would; -1 when there is none. */
  take?(): number;
}

export interface CharDevice {
  readonly char: CharPort;
}
export const hasChar = offer<CharDevice>("char");

/** A device with more byte streams than one. */
export interface CharsDevice {
  readonly chars: ReadonlyMap<string, CharPort>;
}
export const hasChars = offer<CharsDevice>("chars");

/** What may still reach a device while no processor does anything. */
export interface Sources {
  /** Whether one of its inputs may go up. */
  input(name: string): boolean;
  /** Whether an interrupt may come as a message that the asker accepts; see `Device.maySend`. */
  message(special: boolean, accepts: (m: InterruptMessage) => boolean): boolean;
}

/** An interrupt that is sent on the system bus of a PC: delivery mode, vector, and to whom (SDM volume 3A, 10.11). */
export interface InterruptMessage {
  readonly mode: number;
  readonly vector: number;
  readonly destination: number;
  readonly logical: boolean;
}

/** A model of one block. Snapshot = structuredClone(state). Nothing that the guest can see lives outside `state`. */
export interface Device<State extends object = object> {
  state: State;
  /** Back to power-on: assigns a fresh state and sets the wires accordingly. */
  reset(): void;
  /** Called after `state` was replaced from a snapshot: set the wires from it. Alarms come back by their names. */
  restored?(): void;
  /** One target for each window, in the order of `windows`. */
  readonly windows?: readonly BusTarget[];
  /** Interrupt inputs by name or number (a PLIC's sources); absent for a device that takes none. */
  input?(name: string): IrqLine | undefined;
  /**
   * Whether an output (by its number) may still go up while no processor does anything. Absent: while an alarm of the device is set, or the outside
   * may give it something. What takes interrupts from others has it, and says what its masks let through.
   */
  mayRaise?(output: number, from: Sources): boolean;
  /** The same for interrupts that it sends as messages; `special`: those that IF does not mask (NMI, SMI, INIT). */
  maySend?(special: boolean, from: Sources, accepts: (m: InterruptMessage) => boolean): boolean;
}

/** What a screen shows, for the outside. Reading it changes nothing. */
export interface ScreenPort {
  /** The characters of a text mode; undefined in a graphics mode and while nothing is shown. With `row`, only that row's are filled in. */
  text(row?: number): TextScreen | undefined;
  /** A picture of it: `rgb` has three bytes for each pixel, line by line. Blinking things are shown in their visible phase. */
  image(): { readonly width: number; readonly height: number; readonly rgb: Uint8Array };
  /** Set by the host side; called when a character of this row has changed, or -1: anything may have changed. Costs time: only while needed. */
  onChange: ((row: number) => void) | undefined;
}

export interface ScreenDevice {
  readonly screen: ScreenPort;
}
export const hasScreen = offer<ScreenDevice>("screen");

/** The characters on a screen, row by row. */
export interface TextScreen {
  readonly columns: number;
  readonly rows: number;
  /** Character (code page 437) and, from bit 8, attribute: 4 bits of foreground colour, 4 of background. */
  readonly cells: Uint16Array;
  /** Bit 7 of an attribute makes a character blink and does not belong to the background. */
  readonly blink: boolean;
  readonly cursor: { readonly row: number; readonly column: number; readonly visible: boolean };
}

/** Keys from outside. Nothing is lost while `room()` is honoured. */
export interface KeyPort {
  /** How many bytes it takes now: 0 until the guest has read the last key, and while it has the keyboard switched off. */
  room(): number;
  /** One byte of a scan code of set 1 (0xe0 and 0xe1 begin longer ones, bit 7 is a release). */
  receive(byte: number): void;
  /** Set by the host side; called when `room()` has grown from 0. */
  onRoom: () => void;
}

export interface KeyDevice {
  readonly keyboard: KeyPort;
}
export const hasKeyboard = offer<KeyDevice>("keyboard");

/** A mouse from outside: relative movement (y grows downwards, wheel z towards the user) and buttons (1 left, 2 right, 4 middle). */
export interface MousePort {
  move(event: { readonly dx: number; readonly dy: number; readonly dz?: number; readonly buttons: number }): void;
}

export interface MouseDevice {
  readonly mouse: MousePort;
}
export const hasMouse = offer<MouseDevice>("mouse");

/** Properties of a device-tree node. Numbers are 32-bit cells; bytes go as they are; `true` is an empty property. */
export type FdtProperties = Record<string, string | readonly string[] | number | readonly number[] | Uint8Array | true>;

/** Interrupt inputs: a range of numbers, or names. Several outputs may drive one input only when it is `shared` (they are ORed). */
export type Inputs =
  & ({ readonly numbers: readonly [first: number, last: number] } | { readonly names: readonly string[] })
  & { readonly shared?: boolean };

/** A device type whose keys do not matter: an entry of a table of types. */
// deno-lint-ignore no-explicit-any
export type AnyDeviceType = DeviceType<Keys, any>;

/** The default export of a file in src/devices. */
export interface DeviceType<K extends Keys = Keys, C = Config<K>> {
  /** The name in machine files: `type = "ns16550a"`. */
  readonly type: string;
  /** One sentence for `bringup devices`. */
  readonly doc: string;
  /** Document, revision and section of what is modelled. */
  readonly spec: string;
  /** Keys of its own; `type at io irq console` and `count stride` belong to the wiring. `from` in a key takes a value of the machine. */
  readonly keys: K;
  /** Windows at fixed addresses; `plugged`: it is on a PCI bus, where BARs place the others. */
  windows(config: C, plugged?: boolean): readonly Window[];
  /** Bytes of memory on the device (`env.memory`); none when absent. */
  memory?(config: C): number;
  /** Names of its interrupt outputs, in the order in which an `irq = [...]` list wires them. A `*` stands for every hart. */
  outputs?(config: C): readonly string[];
  /** Interrupt inputs it offers to others, for checking wires: highest number or names. */
  inputs?(config: C): Inputs;
  /** How many channels it has for other devices; only of a DMA controller. */
  readonly dmaChannels?: number;
  /** Names of those of its keys that are drives (core/disk.ts), in the order in which they are filled. */
  readonly drives?: readonly string[];
  /** Its drives take images that end within a sector: zeros follow. */
  readonly padsDrives?: boolean;
  /** What is loaded beside its file when it has these keys; `disks`: the command line brings images for drives. */
  later?(config: C, disks: boolean): Promise<unknown> | undefined;
  /** Keys that stay, as its addresses do, when one of several is made one of another type: what belongs to the place. */
  readonly keeps?: readonly string[];
  /** The only family of processors that it belongs to; any when absent. */
  readonly family?: string;
  /** Whether it may (or must) be plugged into a PCI bus: `pci = "pci:1.1"`. */
  readonly pci?: "optional" | "required";
  /** True for a host bridge: other devices are plugged into it. It is function 0.0 itself. */
  readonly pciHost?: boolean;
  /** True when it has a `char` port and may be a machine's `console`. */
  readonly char?: boolean;
  /** Name of its device-tree node before the `@`; its id without trailing digits when absent. */
  readonly fdtName?: string;
  /** The node's properties besides `reg` and `interrupts`, which the wiring adds. Absent: no node. */
  fdt?(config: C): FdtProperties;
  /** Extra child nodes of the root that name this one (syscon-poweroff); `phandle` is this node's. */
  fdtExtra?(config: C, phandle: number): Record<string, FdtProperties>;
  create(env: DeviceEnv, config: C, ports: DevicePorts): Device;
}

/** What the wiring connects for a device. */
export interface DevicePorts {
  /** One wire for each output that the machine has: outputs with `*` first, hart by hart in the order of the list, then the others. */
  readonly irq: readonly IrqLine[];
  /** How many harts the machine has. */
  readonly harts: number;
  /** The hart whose access is under way. */
  readonly hart: () => number;
  /** Where it is plugged in. */
  readonly pci?: PciSlot | undefined;
  /** The DMA channel that it is connected to. */
  readonly dma?: DmaChannel | undefined;
  /** Its drives by the names of their keys; one that the machine does not have is absent. */
  readonly drives?: Readonly<Record<string, Drive>>;
}

/** Keeps the type of the keys; returns its argument. */
export function defineDevice<const K extends Keys>(type: DeviceType<K>): DeviceType<K> {
  return type;
}
