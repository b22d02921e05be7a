// A hart without an engine, for tests: its CoreEnv over an ArrayBuffer with RAM at 0x8000_0000, and its helpers called as translated code would.
import { type CoreEnv, FAULT, type Status } from "../../ir/frontend.ts";
import { ARG, PC } from "../../ir/layout.ts";
import { LIMITS } from "../../ir/limits.ts";
import { Hart, type HartConfig } from "../hart.ts";
import { SYSTEM_HELPERS } from "../helpers.ts";
import { loadFloating, parseIsa } from "../instruction_set.ts";

await loadFloating();

/** RAM: where the guest sees it, and its index in the memory. */
export const RAM = 0x8000_0000, RAM_BYTES = 8 << 20, RAM_AT = 0x1_0000;

export class FakeEnv implements CoreEnv {
  readonly #buffer = new ArrayBuffer(RAM_AT + RAM_BYTES);
  readonly u8 = new Uint8Array(this.#buffer);
  readonly i32 = new Int32Array(this.#buffer);
  readonly u32 = new Uint32Array(this.#buffer);
  readonly i64 = new BigInt64Array(this.#buffer);
  readonly u64 = new BigUint64Array(this.#buffer);
  /** What `instructions` says. */
  begun = 0;
  /** Calls since the test looked. */
  flushes = 0;
  changes = 0;
  written: number[] = [];
  base = () => 0;
  ram = (paddr: number, size: number) => paddr >= RAM && paddr + size <= RAM + RAM_BYTES ? paddr - RAM + RAM_AT : -1;
  wroteAt = (at: number) => void this.written.push(at);
  walkerWrote = (at: number) => void this.written.push(at);
  /** Tables that it was told of: address and level. */
  tables: string[] = [];
  table = (at: number, level: number) => void this.tables.push(`${(at - RAM_AT + RAM).toString(16)}:${level}`);
  flushTlb = () => void this.flushes++;
  limits = LIMITS;
  contextsAgain = () => {};
  changed = () => void this.changes++;
  load = (): Status => FAULT;
  store = (): Status => FAULT;
  instructions = () => this.begun;

  /** A 64-bit and a 32-bit word of guest RAM. */
  poke64(paddr: number, value: bigint): void {
    this.u64[(paddr - RAM + RAM_AT) >> 3] = value;
  }
  peek64(paddr: number): bigint {
    return this.u64[(paddr - RAM + RAM_AT) >> 3];
  }
  poke32(paddr: number, value: number): void {
    this.i32[(paddr - RAM + RAM_AT) >> 2] = value;
  }
}

export interface Rig {
  readonly hart: Hart;
  readonly env: FakeEnv;
  /** What the hart asked of the timer, and what `time` says. */
  readonly clock: { now: number; alarm: number; attention: number };
  /** Calls a helper with 64-bit arguments. */
  call(name: (typeof SYSTEM_HELPERS)[number], ...args: (bigint | number)[]): Status;
  /** Runs one CSR instruction at the pc: kind 1 csrrw, 2 csrrs, 3 csrrc; old value in a0. True when it trapped. */
  csr(kind: 1 | 2 | 3, number: number, value: bigint, rs1?: number): boolean;
  pc(): bigint;
}

/** A hart just reset; `isa` is an ISA string. */
export function rig(isa: string, options: Partial<HartConfig> = {}): Rig {
  const env = new FakeEnv(), clock = { now: 0, alarm: Infinity, attention: 0 };
  const hart = new Hart(env, {
    isa: parseIsa(isa),
    mmu: isa.startsWith("rv64") ? "sv57" : "sv32",
    svade: false,
    hartId: 0,
    reset: 0x1000n,
    pmpEntries: 16,
    time: () => clock.now,
    timer: (at) => void (clock.alarm = at),
    onPending: () => void clock.attention++,
    ...options,
  });
  hart.reset();
  const pc = () => env.u64[PC >> 3];
  const call: Rig["call"] = (name, ...args) => {
    for (const [i, a] of args.entries()) env.u64[(ARG >> 3) + i] = BigInt.asUintN(64, BigInt(a));
    const status = hart.helpers[SYSTEM_HELPERS.indexOf(name)].run();
    env.begun++;
    return status;
  };
  const csr: Rig["csr"] = (kind, number, value, rs1 = 1) => {
    const at = pc(), traps = hart.traps.count;
    call("csr", number << 20 | rs1 << 15 | kind << 12 | 10 << 7 | 0x73, value, at, at + 4n);
    return hart.traps.count !== traps;
  };
  return { hart, env, clock, call, csr, pc };
}
