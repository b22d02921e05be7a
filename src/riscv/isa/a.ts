// A: atomics (RISC-V Unprivileged ISA 20240411, chapter 14). One hart runs at a time, so a load and a store in one instruction are atomic,
// and aq and rl order nothing more. Misaligned addresses raise address-misaligned exceptions.
// A reservation is an address and the value that was loaded: SC succeeds while memory still holds the value, as on QEMU.
import type { Val } from "../../ir/builder.ts";
import type { Emit } from "../emit.ts";
import { type Group, insn, type Row } from "../insn.ts";
import { RES_ADDRESS, RES_VALUE } from "../slots.ts";

type Operands = { readonly rd: number; readonly rs1: number; readonly rs2: number };
/** The new value of memory from the old one and rs2. */
type Combine = (b: Emit, old: Val, y: Val) => Val;

/** "w" works on i32 values whatever the register width. */
function amo(b: Emit, width: "w" | "d", f: Operands, combine: Combine): void {
  const address = b.aligned(b.addr(f.rs1, 0), width === "w" ? 4 : 8, "misalignedStore");
  const old = b.load(width === "w" ? "rmw32.i" : "rmw64.l", address);
  b.storeX(width === "w" ? "sw" : "sd", address, combine(b, old, width === "w" ? b.w(f.rs2) : b.x(f.rs2)));
  b.setX(f.rd, old);
}

function lr(b: Emit, width: "w" | "d", rd: number, rs1: number): void {
  const address = b.aligned(b.addr(rs1, 0), width === "w" ? 4 : 8, "misalignedLoad");
  const value = b.load(width === "w" ? "load32.i" : "load64.l", address);
  b.set(RES_ADDRESS, address);
  b.set(RES_VALUE, b.isLong(value) ? value : b.extS(value));
  b.setX(rd, value);
}

function sc(b: Emit, width: "w" | "d", f: Operands): void {
  const address = b.aligned(b.addr(f.rs1, 0), width === "w" ? 4 : 8, "misalignedStore");
  const now = b.load(width === "w" ? "rmw32.i" : "rmw64.l", address);
  const same = b.eq(now, width === "w" ? b.getI(RES_VALUE) : b.getL(RES_VALUE));
  const ok = b.and(b.eq(address, b.getL(RES_ADDRESS)), same);
  // A failing SC stores what was there: it needs write permission either way (Unpriv 14.2).
  b.storeX(width === "w" ? "sw" : "sd", address, b.select(ok, width === "w" ? b.w(f.rs2) : b.x(f.rs2), now));
  b.set(RES_ADDRESS, b.i64(-1));
  b.setX(f.rd, b.eqz(ok));
}

const OPERATIONS: readonly (readonly [name: string, funct5: string, combine: Combine])[] = [
  ["amoswap", "00001", (_b, _old, y) => y],
  ["amoadd", "00000", (b, old, y) => b.add(old, y)],
  ["amoxor", "00100", (b, old, y) => b.xor(old, y)],
  ["amoand", "01100", (b, old, y) => b.and(old, y)],
  ["amoor", "01000", (b, old, y) => b.or(old, y)],
  ["amomin", "10000", (b, old, y) => b.select(b.ltS(old, y), old, y)],
  ["amomax", "10100", (b, old, y) => b.select(b.gtS(old, y), old, y)],
  ["amominu", "11000", (b, old, y) => b.select(b.ltU(old, y), old, y)],
  ["amomaxu", "11100", (b, old, y) => b.select(b.gtU(old, y), old, y)],
];

const rows = (width: "w" | "d", funct3: "010" | "011"): Row[] => [
  insn(`00010 aq rl 00000 rs1 ${funct3} rd 0101111`, `lr.${width} rd, (rs1)`, (b, f) => lr(b, width, f.rd, f.rs1)),
  insn(`00011 aq rl rs2 rs1 ${funct3} rd 0101111`, `sc.${width} rd, rs2, (rs1)`, (b, f) => sc(b, width, f)),
  ...OPERATIONS.map(([name, funct5, combine]) =>
    insn(`${funct5 as "00000"} aq rl rs2 rs1 ${funct3} rd 0101111`, `${name}.${width} rd, rs2, (rs1)`, (b, f) => amo(b, width, f, combine))
  ),
];

const A: readonly Row[] = rows("w", "010");
const A64: readonly Row[] = rows("d", "011");

export const ATOMICS: readonly Group[] = [
  { needs: "a", rows: A },
  { needs: "a", xlen: 64, rows: A64 },
];
