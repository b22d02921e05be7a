// A machine of memory, registers and ports for tests of the BIOS: calls are made as their stubs make them.
import { Disk } from "../../../core/disk.ts";
import {
  type BiosDisk,
  type BiosHost,
  biosPowerOn,
  CF,
  type Register,
  type SegmentName,
  STUB_BYTES,
  STUB_DONE,
  STUB_WAIT,
  ZF,
} from "../host.ts";
import { biosCall, post } from "../mod.ts";

function assert(ok: boolean, what: string): void {
  if (!ok) throw new Error(what);
}

export const MIB = 2 ** 20, STACK = 0x9000;

/** What a call leaves: flags, how its stub goes on, registers. */
interface Answer {
  readonly carry: boolean;
  readonly zero: boolean;
  readonly waits: boolean;
  readonly returns: boolean;
  readonly ax: number;
  readonly ah: number;
  readonly al: number;
  readonly bx: number;
  readonly cx: number;
  readonly dx: number;
}

/** A machine of memory and registers; ports answer from `ports` and note what is written. */
export class FakeHost implements BiosHost {
  readonly memory = new Uint8Array(4 * MIB);
  readonly view = new DataView(this.memory.buffer);
  readonly regs: Record<Register | SegmentName, number> = {
    eax: 0,
    ebx: 0,
    ecx: 0,
    edx: 0,
    esi: 0,
    edi: 0,
    ebp: 0,
    esp: STACK,
    ds: 0,
    es: 0,
    ss: 0,
  };
  readonly ports = new Map<number, number>();
  readonly written: [port: number, value: number][] = [];
  readonly cmos = new Uint8Array(128);
  readonly dispi = [0xb0c5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 256];
  readonly dac = new Uint8Array(768);
  readonly logged: string[] = [];
  readonly stops: unknown[] = [];
  disks: BiosDisk[] = [];
  bootOrder: readonly number[] = [0, 0x80, 0x81, 0xe0];
  memoryMap = [
    { base: 0, length: 0x9fc00, type: 1 },
    { base: 0x9fc00, length: 0x400, type: 2 },
    { base: MIB, length: 127 * MIB, type: 1 },
    { base: 2 ** 32, length: 2 ** 30, type: 1 },
  ];
  framebuffer: BiosHost["framebuffer"] = { address: 0xfd00_0000, length: 16 * MIB };
  nowNs = 0;
  state = biosPowerOn();

  reg = (name: Register) => this.regs[name];
  setReg(name: Register, value: number): void {
    assert(Number.isInteger(value) && value >= 0 && value < 2 ** 32, `${name} = ${value}`);
    this.regs[name] = value;
  }
  segment = (name: SegmentName) => this.regs[name];
  setSegment(name: SegmentName, value: number): void {
    this.regs[name] = value;
  }
  read(address: number, size: 1 | 2 | 4): number {
    return size === 1 ? this.view.getUint8(address) : size === 2 ? this.view.getUint16(address, true) : this.view.getUint32(address, true);
  }
  write(address: number, size: 1 | 2 | 4, value: number): void {
    if (size === 1) this.view.setUint8(address, value);
    else if (size === 2) this.view.setUint16(address, value, true);
    else this.view.setUint32(address, value, true);
  }
  readBytes = (address: number, length: number) => this.memory.slice(address, address + length);
  writeBytes(address: number, data: Uint8Array): void {
    this.memory.set(data, address);
  }
  outAll(port: number, bytes: readonly number[]): void {
    for (const b of bytes) this.out(port, 1, b);
  }
  writeRom(paddr: number, data: Uint8Array): void {
    this.memory.set(data, paddr);
  }
  in(port: number, size: number): number {
    if (port === 0x71) return this.cmos[this.ports.get(0x70)!];
    if (port === 0x1cf) return this.dispi[this.ports.get(0x1ce)!];
    return this.ports.get(port) ?? 2 ** (8 * size) - 1;
  }
  out(port: number, _size: number, value: number): void {
    this.written.push([port, value]);
    this.ports.set(port, value);
    if (port === 0x71) this.cmos[this.ports.get(0x70)!] = value;
    if (port === 0x1cf) this.dispi[this.ports.get(0x1ce)!] = value;
  }
  stop(request: unknown): void {
    this.stops.push(request);
  }
  log(_channel: string, text: () => string): void {
    this.logged.push(text());
  }

  /** Calls an interrupt as its stub does. The result tells the flags and how the stub goes on. */
  int(vector: number, regs: Partial<Record<Register | SegmentName, number>> = {}): Answer {
    Object.assign(this.regs, regs, { esp: STACK - 8, ss: 0 });
    for (const [i, v] of [vector, 0x1234, 0x5678, CF | ZF | 0x200].entries()) this.write(STACK - 8 + 2 * i, 2, v);
    assert(biosCall(this), "no such interrupt");
    const sp = this.regs.esp, flags = this.read(sp + 6, 2), next = this.read(sp, 2) - vector * STUB_BYTES;
    const r = (name: Register) => this.regs[name] & 0xffff;
    return {
      carry: (flags & CF) !== 0,
      zero: (flags & ZF) !== 0,
      waits: next === STUB_WAIT,
      returns: next === STUB_DONE,
      ax: r("eax"),
      ah: r("eax") >> 8,
      al: r("eax") & 0xff,
      bx: r("ebx"),
      cx: r("ecx"),
      dx: r("edx"),
    };
  }
  /** A row of the text screen. */
  row(row: number, segment = 0xb800): string {
    return String.fromCharCode(...Array.from({ length: 80 }, (_, i) => this.memory[segment * 16 + 160 * row + 2 * i])).trimEnd();
  }
  print(text: string): void {
    for (const c of text) this.int(0x10, { eax: 0x0e00 | c.charCodeAt(0), ebx: 7 });
  }
}

export function started(disks: BiosDisk[] = []): FakeHost {
  const host = new FakeHost();
  host.disks = disks;
  post(host);
  host.written.length = 0;
  return host;
}

export function disk(sectors: number, kind: BiosDisk["kind"] = "hard"): BiosDisk & { readonly bytes: Uint8Array } {
  const sectorSize = kind === "cd" ? 2048 : 512, bytes = new Uint8Array(Math.min(sectors, 4096) * sectorSize);
  for (let i = 0; i < bytes.length; i += sectorSize) bytes.fill(i / sectorSize, i, i + sectorSize);
  const { geometry, chs, translation } = new Disk({ size: sectors * sectorSize, read: (_, n) => new Uint8Array(n) }, kind);
  return {
    kind,
    geometry,
    chs,
    translation,
    sectorSize,
    sectors,
    readonly: kind === "cd",
    bytes,
    read: (lba, count) => bytes.slice(lba * sectorSize, (lba + count) * sectorSize),
    write: (lba, data) => (bytes.set(data, lba * sectorSize), true),
  };
}
