// A processor of slots and a little memory that runs instructions by the evaluator: for tests of rows.
import { Builder } from "../../ir/builder.ts";
import { evaluate, type Exit } from "../../ir/evaluate.ts";
import { CONTINUE, type CoreEnv, FAULT, type Helper } from "../../ir/frontend.ts";
import { ARG, PC } from "../../ir/layout.ts";
import { SYSTEM_HELPERS } from "../helpers.ts";
import { CODE_END, GPR, MODE_CODE32, MODE_CODE64, MODE_FLAT, MODE_OSFXSR, MODE_PROTECTED, MODE_STACK32, RFLAGS } from "../slots.ts";
import { instructionHelpers, translateBlock } from "../translate.ts";

/** Modes: 32-bit and 64-bit code in flat segments, privilege 0; real mode. */
export const FLAT32 = MODE_CODE32 | MODE_STACK32 | MODE_FLAT | MODE_PROTECTED | MODE_OSFXSR;
export const LONG = MODE_CODE64 | MODE_FLAT | MODE_PROTECTED | MODE_OSFXSR,
  REAL = 0;
/** The bytes of a text in hexadecimal. */
export const bytesOf = (hex: string) => hex.split(" ").map((b) => parseInt(b, 16));

/** A processor of slots and a little memory; pages that are not in `memory` fault. */
export class Bench {
  readonly bytes = new Uint8Array(0x1_0000);
  readonly slots = new DataView(this.bytes.buffer);
  readonly i32 = new Int32Array(this.bytes.buffer);
  readonly memory = new Map<bigint, number>();
  readonly calls: string[] = [];
  readonly builder = new Builder();
  readonly helpers: readonly Helper[];
  faults: number[] = [];

  constructor() {
    const env = { u8: this.bytes, i32: this.i32, u64: new BigUint64Array(this.bytes.buffer), changed: () => {} } as unknown as CoreEnv;
    const fault = (name: string) => name === "segRead" || name === "segWrite" || name === "codeLimit" || name === "fpuError";
    this.helpers = [
      ...SYSTEM_HELPERS.map((name): Helper => ({
        name,
        run: () => {
          this.calls.push(`${name} ${[0, 1, 2].map((n) => this.slots.getBigInt64(ARG + 8 * n, true)).join(" ")}`);
          if (name === "goTo") this.slots.setBigInt64(PC, this.slots.getBigInt64(ARG, true), true);
          return fault(name) ? FAULT : CONTINUE;
        },
      })),
      ...instructionHelpers(env, (vector) => {
        this.faults.push(vector);
        return FAULT;
      }),
    ];
    this.slots.setBigUint64(RFLAGS, 2n, true);
    this.slots.setInt32(CODE_END, -1, true);
  }
  translate(hex: string, mode: number, pc = 0x1000, max = 64): Builder {
    const code = bytesOf(hex);
    this.builder.reset(pc, 0);
    translateBlock(
      this.builder,
      {
        bytes: Uint8Array.from([...code, ...new Array(16).fill(0xf4)]),
        at: 0,
        limit: code.length + 16,
        next: () => -1,
      },
      max,
      mode,
    );
    return this.builder;
  }
  run(hex: string, mode: number, pc = 0x1000, max = bytesOf(hex).length): Exit {
    const { memory } = this;
    this.translate(hex, mode, pc, max);
    return evaluate(this.builder, {
      slots: this.slots,
      helpers: this.helpers,
      load: (address, size) => {
        let v = 0n;
        for (let n = BigInt(size) - 1n; n >= 0n; n--) {
          const byte = memory.get(address + n);
          if (byte === undefined) return undefined;
          v = v << 8n | BigInt(byte);
        }
        return v;
      },
      store: (address, size, value) => {
        for (let n = 0n; n < size; n++) if (!memory.has(address + n)) return false;
        for (let n = 0n; n < size; n++) memory.set(address + n, Number(value >> 8n * n & 0xffn));
        return true;
      },
    });
  }
  map(at: number, bytes: readonly number[]): void {
    bytes.forEach((b, n) => this.memory.set(BigInt(at + n), b));
  }
  reg(n: number, value?: bigint): bigint {
    if (value !== undefined) this.slots.setBigUint64(GPR(n), value, true);
    return this.slots.getBigUint64(GPR(n), true);
  }
}
