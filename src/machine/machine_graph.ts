// A machine as plain nodes and edges. The wiring, the device tree and `describe` are made from it; nothing here knows a
// particular device, only what its type declares (core/device.ts). `build_graph.ts` makes it of a machine file.
import type { DiskKind, DriveConfig } from "../core/disk.ts";
import type { Place } from "../core/errors.ts";
import type { CpuNode } from "./architectures.ts";

/** One contiguous part of a memory: `length` bytes from `offset` of its contents, seen at `base`. */
export interface MemoryPart {
  readonly base: number;
  readonly length: number;
  readonly offset: number;
}

export interface MemoryNode {
  readonly id: string;
  readonly kind: "ram" | "rom";
  readonly fill: "zero" | "random";
  /** Kernels are loaded there; of one RAM. */
  readonly main: boolean;
  /** Path of the initial contents. */
  readonly file?: string;
  /** Bytes of contents; holes in the address space do not make it smaller. */
  readonly size: number;
  /** Ascending by base; RAM and ROM without holes have one. */
  readonly segments: readonly MemoryPart[];
  /** Parts that a chipset may show. */
  readonly shadows: readonly MemoryPart[];
  readonly place: Place;
}

/** A window at its address. */
export interface PlacedWindow {
  readonly bus: "mem" | "io";
  readonly name: string;
  readonly base: number;
  readonly length: number;
}

/** A drive of a device. */
export interface DriveNode {
  /** The key of its table in the device's, and its name to the device. */
  readonly name: string;
  /** Kinds of disks that could be there; the first unless `config` says otherwise. */
  readonly kinds: readonly DiskKind[];
  /** It takes images that end within a sector. */
  readonly padded: boolean;
  /** What the machine file says; absent: there is none unless the command line puts a disk there. */
  readonly config?: DriveConfig;
  /** Of its file, or of its table or device. */
  readonly place: Place;
}

export interface DeviceNode {
  /** `uart0`, or `virtio[3]` for one of several. */
  readonly id: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly windows: readonly PlacedWindow[];
  /** Interrupt outputs after `*` was spread over the harts: `DevicePorts.irq` has one wire for each. */
  readonly outputs: readonly string[];
  readonly drives: readonly DriveNode[];
  /** The channel of a DMA controller that serves it. */
  readonly dma?: { readonly device: string; readonly channel: number };
  readonly console: boolean;
  /** What its device-tree node says instead of what its type does. */
  readonly compatible?: readonly string[];
  /** Where it is plugged into a PCI bus. */
  readonly pci?: { readonly host: string; readonly device: number; readonly func: number };
  readonly place: Place;
}

/** One wire from an output of a device or of a hart to an input of a device or of a hart. */
export interface Edge {
  readonly from: { readonly device: string; readonly output: number } | { readonly hart: number; readonly output: string };
  readonly to: { readonly device: string; readonly input: string } | { readonly hart: number; readonly input: string };
  /** The fan-out that it went through. */
  readonly via?: string;
  readonly place: Place;
}

/** A file that is put into memory at power-on. */
export interface LoadNode {
  readonly file: string;
  readonly at?: number;
  readonly entry?: boolean | number;
  readonly format: "auto" | "elf" | "hex" | "raw";
  readonly place: Place;
}

/** A checked machine. Everything is plain data and printable. */
export interface MachineGraph {
  readonly name: string;
  readonly file: string;
  /** The device tree's root. */
  readonly model: string;
  readonly compatible: readonly string[];
  readonly seed: number;
  readonly cpu: CpuNode;
  /** Of the keys of `cpu` that the machine file has: what is beyond the format is checked by the platform. */
  readonly cpuPlaces: Readonly<Record<string, Place>>;
  /** The same of `firmware`. */
  readonly firmwarePlaces: Readonly<Record<string, Place>>;
  readonly clock: {
    readonly mode: "virtual" | "wall";
    readonly cpu_hz: number;
    /** Rate of the time CSR; RISC-V only. */
    readonly timebase_hz?: number;
    /** Rate of the time-stamp counter; x86 only. */
    readonly tsc_hz?: number;
    readonly rtc: Date;
  };
  /** In file order. */
  readonly memories: readonly MemoryNode[];
  /** In file order. */
  readonly devices: readonly DeviceNode[];
  readonly edges: readonly Edge[];
  /** In file order; absent when there are none. */
  readonly loads?: readonly LoadNode[];
  readonly firmware:
    & ({ readonly kind: "builtin" | "none" } | { readonly kind: "file"; readonly path: string; readonly vga?: string })
    /** What programs print by a BIOS goes to the first console, too. */
    & { readonly serial?: true };
  readonly boot: {
    readonly protocol: string;
    readonly kernel?: string;
    readonly initrd?: string;
    /** Path of a device tree that takes the place of the machine's own. */
    readonly dtb?: string;
    readonly symbols?: string;
    readonly cmdline: string;
    /** Kinds of disks in the order in which the built-in BIOS tries them; x86 only. */
    readonly order?: readonly DiskKind[];
    readonly reset: "restart" | "stop";
    /** Where a raw image goes; 0 on x86. */
    readonly load: number;
  };
}

/** The main RAM. */
export function mainRam({ memories }: Pick<MachineGraph, "memories">): MemoryNode {
  return memories.find((m) => m.main)!;
}

/** `cpu0.msip`, `plic:10`. */
export const targetName = (to: Edge["to"]) => "hart" in to ? `cpu${to.hart}.${to.input}` : `${to.device}:${to.input}`;

/** What a drive's file is called that the command line names. */
export const KERNEL = "@kernel";
