// QEMU's pc-testdev, which kvm-unit-tests expect: ports that remember what is written, a byte at a time too, one that takes an address whose
// page a hypervisor is to forget (nothing here remembers any), and ports that drive the interrupt lines of the ISA bus.
// Source: QEMU documentation of the device; how kvm-unit-tests use it (x86/emulator.c, eventinj.c, realmode.c; lib/x86/apic.c).
// The port of its predecessor, 0xf1, prints, for tests that were built without a serial port.
import type { BusTarget, Size } from "../core/bus.ts";
import { type CharDevice, type CharPort, defineDevice, type Device } from "../core/device.ts";
import { type IrqLine, unconnected } from "../core/irq.ts";

const LINES = 24, BYTES = 4, PRINT = 0xf1, VALUE = 0xe0, FLUSH = 0xe4, VALUE_BYTE = 0xe8, IRQ = 0x2000, MEMORY = 0xff00_0000;
const MEMORY_BYTES = 0x1_0000;

const powerOn = () => ({
  value: Array<number>(BYTES).fill(0),
  /** The lines that are raised, a bit each. */
  lines: 0,
  memory: new Uint8Array(MEMORY_BYTES),
});

export default defineDevice({
  type: "pc-testdev",
  doc: "Test device of kvm-unit-tests: ports and memory that can be read back, interrupt lines as ports.",
  spec: "QEMU documentation, pc-testdev",
  keys: {},
  windows: () => [
    { bus: "io", name: "print", length: 1, at: PRINT },
    { bus: "io", name: "value", length: BYTES, at: VALUE },
    { bus: "io", name: "flush", length: BYTES, at: FLUSH },
    { bus: "io", name: "byte", length: BYTES, at: VALUE_BYTE },
    { bus: "io", name: "irq", length: LINES, at: IRQ },
    { bus: "mem", name: "memory", length: MEMORY_BYTES, at: MEMORY },
  ],
  outputs: () => Array.from({ length: LINES }, (_, n) => `irq${n}`),
  char: true,
  create: (_env, _config, ports) => new PcTestdev(ports.irq),
});

export class PcTestdev implements Device<ReturnType<typeof powerOn>>, CharPort, CharDevice {
  state = powerOn();
  readonly #irq: readonly IrqLine[];
  readonly char: CharPort = this;
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};
  readonly windows: readonly BusTarget[];

  constructor(irq: readonly (IrqLine | undefined)[]) {
    this.#irq = Array.from({ length: LINES }, (_, n) => irq[n] ?? unconnected());
    const nothing = (): number => 0;
    this.windows = [
      { access: { min: 1, max: 1 }, read: nothing, write: (_offset, _size, value) => this.onByte(value) },
      this.#value(4),
      { access: { min: 4, max: 4 }, read: nothing, write: () => {} },
      this.#value(1),
      { access: { min: 1, max: 1 }, read: (n) => this.state.lines >> n & 1, write: (n, _size, value) => this.#drive(n, value !== 0) },
      {
        access: { min: 1, max: 4 },
        read: (offset, size) => assemble(this.state.memory, offset, size),
        write: (offset, size, value) => spread(this.state.memory, offset, size, value),
      },
    ];
  }

  /** The value, in accesses of at most `max` bytes. */
  #value(max: Size): BusTarget {
    return {
      access: { min: 1, max },
      read: (offset, size) => assemble(this.state.value, offset, size),
      write: (offset, size, value) => spread(this.state.value, offset, size, value),
    };
  }
  #drive(n: number, level: boolean): void {
    this.state.lines = level ? this.state.lines | 1 << n : this.state.lines & ~(1 << n);
    this.#irq[n].set(level);
  }

  reset(): void {
    this.state = powerOn();
    this.restored();
  }
  restored(): void {
    for (let n = 0; n < LINES; n++) this.#irq[n].set((this.state.lines >> n & 1) !== 0);
  }

  /** It takes no input. */
  room(): number {
    return 0;
  }
  receive(): void {}
}

/** Little-endian bytes as a number, and back. */
function assemble(bytes: ArrayLike<number>, offset: number, size: number): number {
  let value = 0;
  for (let n = size - 1; n >= 0; n--) value = value << 8 | bytes[offset + n];
  return value >>> 0;
}
function spread(bytes: number[] | Uint8Array, offset: number, size: number, value: number): void {
  for (let n = 0; n < size; n++) bytes[offset + n] = value >>> (8 * n) & 0xff;
}
