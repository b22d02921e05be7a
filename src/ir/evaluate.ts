// The reference evaluator: runs one block by the `eval` column of the op table, in BigInt. Slow and plain: the tests' oracle for the engines.
import type { Builder } from "./builder.ts";
import { FAULT, FINISH, type Helper } from "./frontend.ts";
import { ARG, CLOCK, PC, RESULT } from "./layout.ts";
import { type OpRow, OPS } from "./ops.ts";

/** The state that a block runs on. */
export interface EvalMachine {
  /** The state window: slot s is at byte s, little-endian. */
  readonly slots: DataView;
  readonly helpers: readonly Helper[];
  /** The bytes at a guest virtual address as an unsigned number; undefined when the access faults. `write`: it needs write permission. */
  load(address: bigint, size: number, write: boolean): bigint | undefined;
  /** False when the access faults; nothing has been written then. */
  store(address: bigint, size: number, value: bigint): boolean;
}

/** How a block was left. */
export interface Exit {
  /** next: `pc` is the next instruction. helper: a callEnd helper set the pc slot. fault: the instruction at `pc` had no effect; see the core's record. */
  readonly kind: "next" | "helper" | "fault";
  readonly pc: bigint;
  /** Instructions begun, a faulting one included. */
  readonly insns: number;
}

const u64 = (n: bigint) => BigInt.asUintN(64, n);

/** The result of a pure row as an unsigned bit pattern. */
export function evaluateOp({ eval: define, bits, result }: OpRow, args: readonly bigint[]): bigint {
  const value = bits ? define!(args[0], args[1] ?? 0n, BigInt(bits)) : define!(...args);
  return BigInt.asUintN(result === "i" ? 32 : 64, value);
}

/** Runs the block that the builder holds. @throws {Error} the block does not end. */
export function evaluate(ir: Builder, machine: EvalMachine): Exit {
  const { slots, helpers } = machine, values: bigint[] = new Array(ir.count);
  const start = half(ir.startLo, ir.startHi);
  let pc = start, insns = 0, finish = false;
  for (let i = 0; i < ir.count; i++) {
    const row = OPS[ir.op[i]], imm = ir.lo[i], long = row.result === "l";
    const arg = [ir.a[i], ir.b[i], ir.c[i], ir.d[i], ir.e[i]].slice(0, row.args.length).map((v) => values[v]);
    if (row.eval) {
      values[i] = evaluateOp(row, arg);
      continue;
    }
    switch (row.name) {
      case "const.i":
        values[i] = BigInt.asUintN(32, BigInt(imm));
        break;
      case "const.l":
        values[i] = half(imm, ir.hi[i]);
        break;
      case "get.i":
      case "get.l":
        values[i] = long ? slots.getBigUint64(imm, true) : BigInt(slots.getUint32(imm, true));
        break;
      case "set.i":
        slots.setUint32(imm, Number(arg[0]), true);
        break;
      case "set.l":
        slots.setBigUint64(imm, arg[0], true);
        break;
      case "ticks":
        // The budget is the block.
        values[i] = u64(slots.getBigUint64(CLOCK, true) - BigInt(ir.insns - insns + 1));
        break;
      case "insn":
        pc = u64(start + BigInt(imm));
        if (finish) return { kind: "next", pc, insns };
        insns++;
        break;
      case "branch":
        if (arg[0] !== 0n) return { kind: "next", pc: half(imm, ir.hi[i]), insns };
        break;
      case "jump":
        return { kind: "next", pc: half(imm, ir.hi[i]), insns };
      case "jumpTo":
      case "jumpOut":
        return { kind: "next", pc: arg[0], insns };
      case "callUnless":
      case "callEndUnless":
      case "call":
      case "callEnd": {
        if (row.args[0] === "i" && arg.shift() !== 0n) {
          values[i] = arg[0];
          break;
        }
        arg.forEach((v, n) => slots.setBigUint64(ARG + 8 * n, v ?? 0n, true));
        const status = helpers[imm].run();
        if (status === FAULT) return { kind: "fault", pc, insns };
        if (row.result === "") return { kind: "helper", pc: slots.getBigUint64(PC, true), insns };
        if (status === FINISH) finish = true;
        values[i] = slots.getBigUint64(RESULT, true);
        break;
      }
      default: {
        const size = row.size!;
        if (row.effect === "reads") {
          const v = machine.load(arg[0], size, row.rmw ?? false);
          if (v === undefined) return { kind: "fault", pc, insns };
          values[i] = BigInt.asUintN(long ? 64 : 32, row.signed ? BigInt.asIntN(8 * size, v) : v);
        } else if (!machine.store(arg[0], size, BigInt.asUintN(8 * size, arg[1]))) return { kind: "fault", pc, insns };
      }
    }
  }
  throw new Error("the block does not end");
}

const half = (lo: number, hi: number) => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
