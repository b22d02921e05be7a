// A machine whose CPU executes a list of actions, one tick each: for tests of sessions, the command line's parts and the GDB stub that
// should not depend on an instruction set. It follows the contract of `MachineLike` to the tick.
import { X_NAMES } from "../src/riscv/registers.ts";
import { Bus } from "../src/core/bus.ts";
import type { Cpu, RegisterInfo, RunEnd } from "../src/core/cpu.ts";
import type { CharPort } from "../src/core/device.ts";
import type { Stop } from "../src/machine/stop.ts";
import type { MachineLike } from "../src/scenario/machine_like.ts";

/**
 * `out` prints one byte a tick; `spin` works; `sleep` idles until an alarm; `echo` waits for a byte and prints it; `jump` goes to an
 * action; `reset` starts again at time 0.
 */
export type Action = { out: string } | { spin: number } | { echo: number } | Common;
type Op = { out: number } | { work: true } | { echo: true } | Common;
type Common = { sleep: number } | { jump: number } | { exit: number } | { die: true } | { reset: true };

export const BASE = 0x8000_0000;
export const HZ = 1_000_000_000;

export class FakeMachine implements MachineLike {
  readonly bus = new Bus();
  readonly consoles: ReadonlyMap<string, CharPort>;
  readonly cpus: readonly Cpu[];
  readonly ops: Op[] = [];
  /** Address of the first op of each action; the symbols are `a0`, `a1`... */
  readonly addresses: number[] = [];
  stopped: Stop | undefined;
  s = { pc: 0, ticks: 0, wakeAt: -1, waiting: false, rx: [] as number[], regs: Array.from({ length: 32 }, () => 0n) };
  #break = false;
  #before = 0;
  #atBreakpoint = -1;
  readonly port: CharPort = {
    onByte: () => {},
    onRoom: () => {},
    room: () => 1 - this.s.rx.length,
    receive: (b) => {
      if (this.s.rx.length >= 1) throw new Error("the fake console lost a byte");
      this.s.rx.push(b);
      this.s.waiting = false;
    },
  };

  constructor(program: readonly Action[], options: { harts?: number; console?: boolean } = {}) {
    for (const a of program) {
      this.addresses.push(this.ops.length);
      if ("out" in a) { for (const out of new TextEncoder().encode(a.out)) this.ops.push({ out }); }
      else if ("spin" in a) { for (let i = 0; i < a.spin; i++) this.ops.push({ work: true }); }
      else if ("echo" in a) { for (let i = 0; i < a.echo; i++) this.ops.push({ echo: true }); }
      else this.ops.push(a);
    }
    for (const op of this.ops) if ("jump" in op) op.jump = this.addresses[op.jump];
    this.bus.mapRam(BASE, new Uint8Array(4096));
    this.bus.map(0x1000_0000, 8, { access: { min: 1, max: 1 }, read: () => 0, write: () => {} }, "uart0");
    this.consoles = new Map(options.console === false ? [] : [["uart0", this.port]]);
    this.cpus = Array.from({ length: options.harts ?? 1 }, (_, i) => new FakeCpu(this, i));
  }

  readonly clock = ((m) => ({
    hz: HZ,
    get ticks() {
      return m.s.ticks;
    },
    get nowNs() {
      return m.s.ticks;
    },
    get next() {
      return m.s.wakeAt < 0 ? Infinity : m.s.wakeAt;
    },
  }))(this);
  readonly symbols = {
    lookup: (vaddr: bigint) => {
      const index = (Number(vaddr) - BASE) / 4, n = this.addresses.findLastIndex((a) => a <= index);
      return n < 0 ? undefined : { name: `a${n}`, offset: BigInt((index - this.addresses[n]) * 4) };
    },
    address: (name: string) => {
      const at = this.addresses[Number(name.slice(1))];
      return at === undefined ? undefined : BigInt(BASE + at * 4);
    },
  };
  get stats(): Record<string, number> {
    return { instructions: this.s.ticks };
  }
  get age(): number {
    return this.#before + this.s.ticks;
  }
  get idle(): boolean {
    return this.s.waiting || this.s.wakeAt >= 0;
  }

  /** Only input can wake it: as before, its scripts decide. */
  get sleep(): "input" | undefined {
    return this.idle && this.s.wakeAt < 0 ? "input" : undefined;
  }
  yielded = false;
  run(deadline: number, wallMs = Infinity): Stop | undefined {
    this.#break = false;
    const untilTicks = wallMs < Infinity ? Math.min(deadline, this.s.ticks + (this.idle ? 1e9 : 50_000)) : deadline;
    const stop = this.#run(untilTicks);
    this.yielded = !stop && !this.#break && untilTicks < deadline && this.s.ticks >= untilTicks;
    return stop;
  }
  #run(untilTicks: number): Stop | undefined {
    while (!this.#break && this.s.ticks < untilTicks && !this.stopped) {
      const pc = BigInt(BASE + this.s.pc * 4);
      if (this.s.pc !== this.#atBreakpoint && this.cpus[0].breakpoints.has(pc)) {
        this.#atBreakpoint = this.s.pc;
        return { kind: "breakpoint", cpu: 0, pc };
      }
      this.#atBreakpoint = -1;
      this.#tick(untilTicks);
    }
    return this.stopped;
  }

  #tick(untilTicks: number): void {
    const s = this.s, op = this.ops[s.pc];
    if (s.wakeAt >= 0) {
      s.ticks = Math.min(s.wakeAt, untilTicks);
      if (s.ticks === s.wakeAt) s.wakeAt = -1;
    } else if (s.waiting) s.ticks = untilTicks;
    else if (!op || "die" in op) this.stopped = { kind: "deadHalt", pc: BigInt(BASE + s.pc * 4) };
    else if ("echo" in op && s.rx.length === 0) s.waiting = true;
    else {
      s.ticks++;
      s.pc++;
      s.regs[10]++;
      if ("out" in op) this.port.onByte(op.out);
      else if ("sleep" in op) s.wakeAt = s.ticks + op.sleep;
      else if ("jump" in op) s.pc = op.jump;
      else if ("reset" in op) {
        this.reset();
      } else if ("exit" in op) this.stopped = { kind: "exit", code: op.exit };
      else if ("echo" in op) {
        const b = s.rx.shift()!;
        this.port.onByte(b);
        this.port.onRoom();
      }
    }
  }

  step(): Stop | undefined {
    this.#atBreakpoint = this.s.pc;
    return this.run(this.s.ticks + 1);
  }
  requestBreak(): void {
    this.#break = true;
  }
  reset(): void {
    this.#before += this.s.ticks;
    this.#break = true;
    this.s = { pc: 0, ticks: 0, wakeAt: -1, waiting: false, rx: [], regs: this.s.regs.map(() => 0n) };
    this.stopped = undefined;
  }
  snapshot(): unknown {
    return structuredClone({ s: this.s, stopped: this.stopped });
  }
  restore(state: unknown): void {
    const copy = structuredClone(state) as { s: FakeMachine["s"]; stopped: Stop | undefined };
    this.s = copy.s;
    this.stopped = copy.stopped;
  }
  digest(): string {
    return `${this.s.pc}:${this.s.ticks}`;
  }
}

class FakeCpu implements Cpu {
  readonly wakers = [];
  readonly arch = "riscv64";
  readonly executed = 0;
  readonly breakpoints = new Set<bigint>();
  readonly registers: readonly RegisterInfo[] = [
    ...Array.from({ length: 32 }, (_, i) => ({ name: `x${i}`, debugName: X_NAMES[i], bits: 64, group: "general" })),
    { name: "pc", bits: 64, group: "general", type: "code_ptr" },
    { name: "mstatus", bits: 64, group: "csr" },
    { name: "priv", bits: 8, group: "system" },
  ];
  #mstatus = 0x1800n;
  constructor(readonly machine: FakeMachine, readonly index: number) {}
  get pc(): bigint {
    return BigInt(BASE + this.machine.s.pc * 4);
  }
  get idle(): boolean {
    return this.index > 0 || this.machine.idle;
  }
  reset(): void {}
  run(): RunEnd {
    throw new Error("the fake machine runs its CPU itself");
  }
  attention(): void {}
  input(): undefined {}
  reg(name: string): bigint {
    if (name === "pc") return this.pc;
    if (name === "mstatus") return this.#mstatus;
    if (name === "priv") return 3n;
    return this.machine.s.regs[Number(name.slice(1))];
  }
  setReg(name: string, value: bigint): void {
    if (name === "pc") this.machine.s.pc = (Number(value) - BASE) / 4;
    else if (name === "mstatus") this.#mstatus = value;
    else if (name !== "x0") this.machine.s.regs[Number(name.slice(1))] = value;
  }
  /** Identity below 4 GiB, nothing above. */
  translate(vaddr: bigint): number | undefined {
    return vaddr < 1n << 32n ? Number(vaddr) : undefined;
  }
  disassemble(): { text: string; length: number } {
    return { text: "nop", length: 4 };
  }
  breakpointsChanged(): void {}
  save(): unknown {
    return {};
  }
  load(): void {}
}
