// A third architecture for tests: as little as a machine needs of one. `TOY` is its descriptor; what is registered with it (one line) is all that the
// rest of the program gets to know. Instructions are words: operation, register, register, a signed byte. Addresses are physical.
import type { CpuTrace, RegisterInfo } from "../../core/cpu.ts";
import { type IrqLine, Wire } from "../../core/irq.ts";
import { int } from "../../core/schema.ts";
import type { HartSlot } from "../../engine/harts.ts";
import type { Builder, I64 } from "../../ir/builder.ts";
import { type Access, type Code, FINISH, type Helper } from "../../ir/frontend.ts";
import { GUEST, PC } from "../../ir/layout.ts";
import type { Architecture, CpuBase } from "../architecture.ts";
import { type DebuggableCore, EngineCpu } from "../engine_cpu.ts";
import { BOOT, CLOCK } from "../format.ts";
import { mainRam } from "../machine_graph.ts";
import { readImage } from "../image.ts";
import type { Platform, PlatformParts } from "../platform.ts";

export const TOY: Architecture<CpuBase> = {
  title: "toy",
  names: ["toy64"],
  keys: {
    cpu: { processors: int("how many", { default: 1, min: 1, max: 4 }) },
    clock: CLOCK,
    firmware: {},
    boot: { ...BOOT, protocol: { kind: "choice", doc: "kind of image", choices: ["raw"], default: "raw" } },
  },
  harts: "processors",
  firmwareWords: [],
  inputs: { bell: 0 },
  ports: false,
  elf: [],
  platform: "machine/testing/toy_architecture.ts",
  cpu: (arch, { processors }) => ({ arch, family: "toy", harts: processors }),
  physicalBits: () => 32,
  loadAt: (_cpu, load, ram) => load ?? ram,
  describe: ({ harts }) => ({ processor: [["processors", harts]], timer: ["timer", "none"], kernel: "r0 is its number", boot: [] }),
  gdb: () => ({ toy64: { bits: 64, features: { general: "bringup.toy" } } }),
};

type Fields = { readonly a: number; readonly b: number; readonly imm: number };
const slot = (n: number) => GUEST + 8 * n;
const get = (b: Builder, n: number): I64 => b.getL(slot(n));
/** Mnemonics by the number of the operation. */
const ROWS: readonly (readonly [name: string, build: (b: Builder, f: Fields) => void])[] = [
  ["li", (b, f) => b.set(slot(f.a), b.i64(f.imm))],
  ["pair", (b, f) => b.set(slot(f.a), b.i64((f.imm & 0xff) * 0x101))],
  ["addi", (b, f) => b.set(slot(f.a), b.add(get(b, f.b), b.i64(f.imm)))],
  ["shl", (b, f) => b.set(slot(f.a), b.shl(get(b, f.b), b.i64(f.imm)))],
  ["shr", (b, f) => b.set(slot(f.a), b.shrU(get(b, f.b), b.i64(f.imm)))],
  ["sb", (b, f) => b.store("store8.l", b.add(get(b, f.b), b.i64(f.imm)), get(b, f.a))],
  ["sw", (b, f) => b.store("store32.l", b.add(get(b, f.b), b.i64(f.imm)), get(b, f.a))],
  ["bne", (b, f) => b.branchIf(b.ne(get(b, f.a), get(b, f.b)), 4 * f.imm)],
  ["wait", (b) => b.callEnd(0, b.pcPlus(4))],
];
/** An instruction's bytes. */
export const toyWord = (name: string, a = 0, b = 0, imm = 0): number[] => [ROWS.findIndex((r) => r[0] === name), a, b, imm & 0xff];

class ToyCore implements DebuggableCore {
  readonly registers: readonly RegisterInfo[] = [...Array(8).keys()].map((n) => ({ name: `r${n}`, bits: 64, group: "general" }))
    .concat({ name: "pc", bits: 64, group: "general" });
  readonly helpers: readonly Helper[] = [{
    name: "wait",
    run: () => {
      this.env.i64[PC >> 3] += 4n;
      this.waiting = true;
      return FINISH;
    },
  }];
  readonly physical = false;
  readonly resting = undefined;
  readonly wakers = ["bell"];
  readonly bell = new Wire(() => this.env.changed());
  pageCacheable = true;
  waiting = false;
  trace: CpuTrace | undefined;
  place = (at: bigint) => at.toString(16);

  constructor(readonly env: HartSlot, readonly index: number, readonly entry: bigint, readonly dies: (pc: bigint) => void) {}

  reset(): void {
    for (const { name } of this.registers) this.setReg(name, 0n);
    this.setReg("r0", BigInt(this.index));
    this.setReg("pc", this.entry);
    this.waiting = false;
  }
  mode = () => 0;
  regime = () => 0;
  context = () => 1;
  translate = (lo: number) => lo >>> 0;
  probeFetch = (lo: number) => lo >>> 0;
  probe = (vaddr: bigint, _access: Access) => Number(vaddr);
  busFault(): void {}
  raise(): void {
    this.dies(this.env.i64[PC >> 3]);
  }
  /** The bell only wakes. */
  interrupt(): boolean {
    if (this.bell.level) this.waiting = false;
    return false;
  }
  input = (name: string): IrqLine | undefined => name === "bell" ? this.bell : undefined;

  #at(name: string): number {
    return (this.env.base() + (name === "pc" ? PC : slot(Number(name.slice(1))))) >> 3;
  }
  reg = (name: string): bigint => this.env.u64[this.#at(name)];
  setReg(name: string, value: bigint): void {
    this.env.u64[this.#at(name)] = value;
  }
  save(): unknown {
    return { waiting: this.waiting, bell: this.bell.level, registers: this.registers.map(({ name }) => this.reg(name)) };
  }
  load(state: unknown): void {
    const s = state as { waiting: boolean; registers: bigint[] };
    this.waiting = s.waiting;
    for (const [i, { name }] of this.registers.entries()) this.setReg(name, s.registers[i]);
  }
  translateBlock(b: Builder, code: Code, max: number): void {
    for (let offset = 0, n = 0; !b.ended; offset += 4, n++) {
      b.insn((b.startLo + offset) | 0, b.startHi, offset);
      const [op, a, r, imm] = code.bytes.subarray(code.at + offset);
      if (n === max || offset >= (code.stop ?? code.limit) || !ROWS[op]) {
        b.insns--;
        b.count--;
        return b.jump(0);
      }
      ROWS[op][1](b, { a, b: r, imm: imm << 24 >> 24 });
    }
  }
}

class ToyCpu extends EngineCpu<ToyCore> {
  readonly arch = "toy64";
  get pc(): bigint {
    return this.core.reg("pc");
  }
  disassemble(vaddr: bigint): { text: string; length: number } | undefined {
    const host = this.engine.hostOf(Number(vaddr), 4), [op, a, b, imm] = this.core.env.u8.subarray(host, host + 4);
    return host < 0 || !ROWS[op] ? undefined : { text: `${ROWS[op][0]} r${a}, r${b}, ${imm << 24 >> 24}`, length: 4 };
  }
}

export const checkCpu = (): void => {};

export function createPlatform({ graph, options, host, engine, bus, die }: PlatformParts): Platform {
  const ram = mainRam(graph).segments[0].base, { arch } = graph.cpu as CpuBase, name = options.kernel!;
  const image = readImage(host.readFile(name), name, { machines: [], arch, load: graph.boot.load, ram, protocol: graph.boot.protocol });
  const cpus = engine.harts.map((h, index) => {
    const core = new ToyCore(h, index, image.entry, (pc) => die({ kind: "trapLoop", pc, report: `r0 ${core.reg("r0")}` }));
    h.core = core;
    core.bell.set(false);
    return new ToyCpu(index, core, engine);
  });
  return {
    cpus,
    symbols: image.symbols,
    powerOn() {
      for (const s of image.segments) bus.writeBytes(s.paddr, s.bytes, { rom: true });
      for (const c of cpus) c.reset();
    },
    save: () => undefined,
    load: () => {},
  };
}
