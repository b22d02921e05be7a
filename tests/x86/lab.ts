// A processor whose tables and registers are put in place by hand, for tests that look at one instruction in any mode.
import { silent } from "../../src/core/log.ts";
import { loadJit } from "../../src/engine/engine.ts";
import { createMachine, loadGraph, type Machine } from "../../src/machine/machine.ts";
import type { X86Cpu } from "../../src/x86/cpu.ts";
import { CS, DS, ES, FS, GS, LDTR, SS, TR } from "../../src/x86/segments.ts";

await loadJit();
export type Mode = "real" | "v86" | "16" | "32" | "64";
/** Lower and upper half. */
export type Descriptor = readonly [lo: number, hi: number];

/** Where things are; all that 16-bit code reaches is below 64 KiB. */
export const CODE_AT = 0x1000, POINTER = 0x1800, TARGET = 0x1900, HANDLERS = 0x2000, STACK0 = 0x3f00, STACK3 = 0x4f00;
export const TSS_AT = 0x5000,
  TSS2_AT = 0x8000,
  TSS3_AT = 0x8800,
  GDT_AT = 0x2_0000,
  LDT_AT = 0x3_0000,
  IDT_AT = 0x4_0000,
  PAGES_AT = 0x5_0000;

export const P = 0x80, DPL3 = 0x60, BIG = 0x40_0000, LONG = 0x20_0000, GRANULAR = 0x80_0000;
export function descriptor(base: number, limit: number, access: number, flags = 0): Descriptor {
  return [(base & 0xffff) << 16 | limit & 0xffff, base & 0xff00_0000 | base >>> 16 & 0xff | access << 8 | limit & 0xf_0000 | flags];
}
export function gate(type: number, selector: number, offset: number): Descriptor {
  return [selector << 16 | offset & 0xffff, offset & 0xffff_0000 | (P | DPL3 | type) << 8];
}
const width = { "real": 2, "v86": 2, "16": 2, "32": 4, "64": 8 } as const;
/** Code and data for a privilege, of the mode's kind, already accessed. */
const flags = (mode: Mode, code: boolean) => mode === "64" && code ? GRANULAR | LONG : mode === "16" ? 0 : GRANULAR | BIG;
export const code = (mode: Mode, dpl: number) => descriptor(0, mode === "16" ? 0xffff : 0xf_ffff, P | dpl << 5 | 0x1b, flags(mode, true));
export const data = (mode: Mode, dpl: number) => descriptor(0, mode === "16" ? 0xffff : 0xf_ffff, P | dpl << 5 | 0x13, flags(mode, false));

/** Selectors that are always there: code and data of privileges 0 to 3, and the system's. */
export const CODE = [0x08, 0x19, 0x2a, 0x3b], DATA = [0x10, 0x21, 0x32, 0x43];
export const TSS = 0x58, LDT = 0x68, TSS2 = 0x78, GATE = 0x88, TASK_GATE = 0x98, TSS3 = 0xa8;
/** The one at the end of its table, in the GDT and in the LDT. */
export const EDGE = 0x100, LOCAL = EDGE | 4;
/** An interrupt that is no exception's. */
export const VECTOR = 0x50;
/** Exceptions with an error code. */
const WITH_CODE = [8, 10, 11, 12, 13, 14, 17];

/** A processor and its memory. */
const TOML = `
schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "2MiB"
`;

/** One processor whose tables and registers are put in place by hand. */
export class Lab {
  machine!: Machine;
  cpu!: X86Cpu;
  mode: Mode = "32";
  cpl = 0;

  /** On a machine of a processor and memory, or on that of a file. */
  static async make(engine: "interp" | "jit" = "interp", file = "m.toml", set: Record<string, unknown> = {}): Promise<Lab> {
    const lab = new Lab(),
      sector = new Uint8Array(512),
      files: Record<string, Uint8Array> = {
        "m.toml": new TextEncoder().encode(TOML),
        kernel: sector,
      };
    sector.set([0xf4]);
    sector.set([0x55, 0xaa], 510);
    const host = { readFile: (path: string) => files[path] ?? Deno.readFileSync(path), log: silent };
    const options = { file, kernel: "kernel", engine, set, tuning: { threshold: 1 } } as const;
    lab.machine = createMachine(options, host, await loadGraph(options, host));
    lab.cpu = (lab.machine.cpus[0] as unknown as { core: X86Cpu }).core;
    return lab;
  }

  get word() {
    return width[this.mode];
  }
  write(at: number, value: number, size: 1 | 2 | 4 = 4): void {
    this.machine.bus.write(at, size, value >>> 0 & (size === 4 ? -1 : 2 ** (8 * size) - 1));
  }
  read(at: number): number {
    return this.machine.bus.read(at, 4);
  }
  put(table: number, selector: number, [lo, hi]: Descriptor): void {
    this.write(table + (selector & ~7), lo);
    this.write(table + (selector & ~7) + 4, hi);
    if (this.mode !== "64" || hi & 0x1000) return;
    // System descriptors are of 16 bytes in long mode.
    this.write(table + (selector & ~7) + 8, 0);
    this.write(table + (selector & ~7) + 12, 0);
  }
  /** An interrupt gate. */
  vector(n: number, selector: number, type = this.mode === "16" ? 6 : 14): void {
    this.put(IDT_AT, n * (this.mode === "64" ? 16 : 8), gate(type, selector, HANDLERS + 16 * n));
  }
  push(...values: readonly number[]): void {
    const at = this.cpl === 0 ? STACK0 : STACK3;
    for (const [i, v] of values.entries()) {
      this.write(at + this.word * i, v, this.word === 2 ? 2 : 4);
      if (this.word === 8) this.write(at + this.word * i + 4, 0);
    }
  }
  pointer(selector: number, offset = TARGET): void {
    const size = this.mode === "16" ? 2 : 4; // what no prefix asks for
    this.write(POINTER, offset, size);
    this.write(POINTER + size, selector, 2);
  }
  /** A task that goes on at an offset with these selectors, in a TSS of 32 or 16 bits. */
  task(at: number, ip: number, wide: boolean, { cs = CODE[0], ss = DATA[0], ds = 0, ldt = 0 } = {}): void {
    this.machine.bus.writeBytes(at, new Uint8Array(0x68));
    if (wide) {
      for (const [o, v] of [[0x20, ip], [0x24, 2], [0x38, STACK0 - 0x800], [0x4c, cs], [0x50, ss], [0x54, ds], [0x60, ldt]]) {
        this.write(at + o, v);
      }
    } else {for (const [o, v] of [[0x0e, ip], [0x10, 2], [0x1a, STACK0 - 0x800], [0x24, cs], [0x26, ss], [0x28, ds], [0x2a, ldt]]) {
        this.write(at + o, v, 2);
      }}
  }

  /** Everything as every row finds it. */
  prepare(mode: Mode, cpl: number): void {
    const { cpu, machine } = this, long = mode === "64", p = mode === "v86" ? "32" : mode;
    Object.assign(this, { mode, cpl });
    cpu.reset();
    machine.bus.writeBytes(0, new Uint8Array(0x9000));
    // Behind an interrupt from outside the first instruction of the handler has run, too.
    machine.bus.writeBytes(HANDLERS, new Uint8Array(0x1000).fill(0x90));
    for (const at of [GDT_AT, LDT_AT, IDT_AT]) machine.bus.writeBytes(at, new Uint8Array(0x1100));
    for (let n = 0; n < 4; n++) {
      this.put(GDT_AT, CODE[n], code(p, n));
      this.put(GDT_AT, DATA[n], data(p, n));
    }
    const tss = mode === "16" ? 1 : 9;
    this.put(GDT_AT, TSS, descriptor(TSS_AT, 0x3000, P | tss | 2));
    this.put(GDT_AT, LDT, descriptor(LDT_AT, 0xffff, P | 2));
    this.put(GDT_AT, TSS2, descriptor(TSS2_AT, 0x67, P | tss));
    this.put(GDT_AT, TSS3, descriptor(TSS3_AT, 0x67, P | tss));
    for (let n = 0; n < 256; n++) {
      if (mode === "real") this.write(IDT_AT + 4 * n, HANDLERS + 16 * n);
      else this.vector(n, mode === "v86" ? CODE[0] : CODE[cpl]);
    }
    for (let n = 0; n < 3; n++) {
      if (mode === "16") [this.write(TSS_AT + 2 + 4 * n, STACK0, 2), this.write(TSS_AT + 4 + 4 * n, DATA[n], 2)];
      else if (long) this.write(TSS_AT + 4 + 8 * n, STACK0);
      else [this.write(TSS_AT + 4 + 8 * n, STACK0), this.write(TSS_AT + 8 + 8 * n, DATA[n])];
    }
    if (long) {
      for (let n = 1; n < 8; n++) this.write(TSS_AT + 0x1c + 8 * n, STACK0);
      this.write(PAGES_AT, PAGES_AT + 0x1007);
      this.write(PAGES_AT + 0x1000, PAGES_AT + 0x2007);
      this.write(PAGES_AT + 0x2000, 0x87);
    }
    const { s } = cpu;
    s.cr0 = (mode === "real" ? 0x10 : 0x11) | (long ? 0x8000_0000 | 0 : 0);
    s.cr4 = long ? 0x620 : 0;
    s.cr3Lo = PAGES_AT;
    cpu.window.efer = long ? 0x500 : 0;
    [s.idtLo, s.idtHi, s.idtLimit] = [IDT_AT, 0, 0xffff];
    cpu.segments.setGdt(GDT_AT, 0, 0xffff);
    cpu.window.setFlags(mode === "v86" ? 0x2_0000 : 0, 0x3f_7fd5);
    cpu.window.cpl = cpl;
    cpu.derived.reload();
    for (const n of [ES, CS, SS, DS, FS, GS]) {
      const selector = n === CS ? CODE[cpl] : DATA[cpl];
      if (mode === "real" || mode === "v86") cpu.segments.set(n, 0, 0, 0, 0xffff, mode === "v86" ? 0xf300 : 0x9300);
      else cpu.segments.set(n, selector, 0, 0, mode === "16" ? 0xffff : -1, (n === CS ? code : data)(mode, cpl)[1] & 0xf0_ff00);
    }
    cpu.segments.set(LDTR, LDT, LDT_AT, 0, 0xffff, (P | 2) << 8);
    cpu.segments.set(TR, TSS, TSS_AT, 0, 0x3000, (P | tss | 2) << 8);
    cpu.derived.reload();
    cpu.setReg("rsp", BigInt(cpl === 0 ? STACK0 : STACK3));
  }
  segment(n: number, limit: number, attributes = this.cpu.segments.attr[n]): void {
    this.cpu.segments.set(n, this.cpu.segments.selector(n), this.cpu.segments.baseLo(n), 0, limit, attributes);
    this.cpu.derived.reload();
  }

  start(bytes: readonly number[]): void {
    this.machine.bus.writeBytes(CODE_AT, Uint8Array.from(bytes));
    this.cpu.segments.setEip(CODE_AT, 0);
  }
  /** Runs one instruction, or some, and tells what came of it. */
  outcome(bytes: readonly number[], ticks = 1): string {
    const { cpu, machine } = this;
    this.start(bytes);
    machine.run(machine.clock.ticks + ticks);
    if (machine.stopped) return "shutdown";
    const n = Number(cpu.reg("rip")) - HANDLERS >> 4;
    if (n < 0 || n >= 256) return "ok";
    const vector = n.toString(16).padStart(2, "0");
    if (this.mode === "real" || !WITH_CODE.includes(n)) return vector;
    const mask = this.mode === "16" ? 0xffff : -1;
    return `${vector} ${((this.read(Number(cpu.reg("rsp")) & mask) & mask) >>> 0).toString(16)}`;
  }
}
