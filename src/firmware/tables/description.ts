// What the tables of a PC's firmware say about the machine; made from its graph.

/** An ISA interrupt at an I/O APIC's input, where that is another number or another trigger mode than ISA's. */
export interface InterruptOverride {
  readonly irq: number;
  readonly input: number;
  /** Level-triggered; active high. */
  readonly level: boolean;
}

/** A device that no bus can tell of. */
export interface IsaDevice {
  /** Four letters: its name among its neighbours. */
  readonly name: string;
  /** "PNP0501". */
  readonly id: string;
  readonly ports: readonly { readonly base: number; readonly length: number }[];
  readonly irqs: readonly number[];
}

export interface TablesDescription {
  /** What SMBIOS calls the machine. */
  readonly product: string;
  readonly processors: number;
  /** CPUID signature. */
  readonly signature: number;
  readonly cpuHz: number;
  readonly memoryBytes: number;
  /** End of the RAM below 4 GiB. */
  readonly lowMemoryEnd: number;
  readonly localApic?: number;
  readonly ioApic?: { readonly id: number; readonly address: number };
  readonly overrides: readonly InterruptOverride[];
  readonly hpet?: number;
  /** Power management by ports, with its interrupt. */
  readonly pm?: { readonly base: number; readonly sci: number };
  /** PCI: devices that are there, the slot of the ISA bridge ("1.0") with the four interrupt links and what they may be routed to. */
  readonly pci?: { readonly devices: readonly number[]; readonly isaBridge?: string };
  readonly isa: readonly IsaDevice[];
}

/** Where a BIOS puts the power management ports; SeaBIOS's choice. */
export const PM_BASE = 0x600;
/** The interrupts that the links A to D are routed to by a BIOS, and which they may have. */
export const LINK_IRQS = [10, 10, 11, 11], LINK_CHOICES = [5, 10, 11];
/** The link, 0..3, of a PCI device's pin (0..3), as a 440FX board wires them. */
export const linkOf = (device: number, pin: number): number => (device + pin + 3) & 3;
