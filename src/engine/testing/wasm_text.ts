// WebAssembly as text, for goldens: the exported function of a module, one instruction a line. Only what regions are made of.
// WebAssembly Core Specification 2.0, chapter 5 (binary format) and its index of instructions.

/** Names of the instructions from 0x45 on. */
const COMPARE = "eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".split(" ");
const INTEGER = "clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr".split(" ");
const FLOAT = "abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign".split(" ");
const FLOAT_COMPARE = "eq ne lt gt le ge".split(" ");
const all = (type: string, names: readonly string[]) => names.map((n) => `${type}.${n}`);
const PLAIN = new Map<number, string>([
  ...[
    ...all("i32", COMPARE),
    ...all("i64", COMPARE),
    ...all("f32", FLOAT_COMPARE),
    ...all("f64", FLOAT_COMPARE),
    ...all("i32", INTEGER),
    ...all("i64", INTEGER),
    ...all("f32", FLOAT),
    ...all("f64", FLOAT),
    ..."i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u i64.extend_i32_s i64.extend_i32_u".split(" "),
    ..."i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s".split(" "),
    ..."f32.convert_i64_u f32.demote_f64 f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32".split(
      " ",
    ),
    ..."i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64".split(" "),
    ..."i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s".split(" "),
  ].map((name, i): [number, string] => [0x45 + i, name]),
  [0x00, "unreachable"],
  [0x05, "else"],
  [0x0b, "end"],
  [0x0f, "return"],
  [0x1a, "drop"],
  [0x1b, "select"],
]);
const ACCESS =
  ("i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load8_s i64.load8_u i64.load16_s " +
    "i64.load16_u i64.load32_s i64.load32_u i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32")
    .split(" ");
const WITH_INDEX = new Map([
  [0x0c, "br"],
  [0x0d, "br_if"],
  [0x10, "call"],
  [0x20, "local.get"],
  [0x21, "local.set"],
  [0x22, "local.tee"],
]);

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  byte(): number {
    return this.bytes[this.at++];
  }
  u(): number {
    return Number(BigInt.asUintN(32, this.leb(false)));
  }
  leb(signed: boolean): bigint {
    for (let value = 0n, shift = 0n;;) {
      const b = BigInt(this.byte());
      value |= (b & 0x7fn) << shift;
      shift += 7n;
      if (!(b & 0x80n)) return signed && b & 0x40n ? value - (1n << shift) : value;
    }
  }
}

/** The body of the last function but one of a region's module (the last one is there for its type only). @throws {Error} an instruction is unknown. */
export function regionText(module: Uint8Array): string {
  const r = new Reader(module);
  let body: Uint8Array | undefined, hints: readonly number[] = [];
  for (r.at = 8; r.at < module.length;) {
    const id = r.byte(), size = r.u(), end = r.at + size;
    if (id === 0) {
      const name = new TextDecoder().decode(module.subarray(r.at + 1, r.at + 1 + module[r.at]));
      r.at += 1 + name.length;
      if (name === "metadata.code.branch_hint" && r.u() === 1) {
        r.u();
        hints = Array.from({ length: r.u() }, () => {
          const at = r.u();
          r.at += 2;
          return at;
        });
      }
    } else if (id === 10) {
      const bodies = Array.from({ length: r.u() }, () => {
        const length = r.u();
        return module.subarray(r.at, r.at += length);
      });
      body = bodies.at(-2);
    }
    r.at = end;
  }
  return bodyText(body!, new Set(hints));
}

/** A function body; branches at `unlikely` are marked. */
function bodyText(body: Uint8Array, unlikely: ReadonlySet<number>): string {
  const r = new Reader(body), lines: string[] = [], locals: string[] = [];
  for (let runs = r.u(); runs > 0; runs--) {
    const count = r.u();
    locals.push(`${count} ${r.byte() === 0x7f ? "i32" : "i64"}`);
  }
  lines.push(`locals ${locals.join(", ")}`);
  let depth = 0;
  while (r.at < body.length) {
    const at = r.at, op = r.byte();
    if (op === 0x0b || op === 0x05) depth--;
    const line = (text: string) => lines.push("  ".repeat(Math.max(0, depth)) + text + (unlikely.has(at) ? " (unlikely)" : ""));
    const access = ACCESS[op - 0x28];
    if (op === 0x02 || op === 0x03 || op === 0x04) {
      r.byte();
      line(op === 2 ? "block" : op === 3 ? "loop" : "if");
      depth++;
    } else if (op === 0x05) {
      line("else");
      depth++;
    } else if (access) {
      r.u();
      const offset = r.u();
      line(offset ? `${access} offset=${offset}` : access);
    } else if (op === 0x41) line(`i32.const ${r.leb(true)}`);
    else if (op === 0x42) line(`i64.const ${r.leb(true)}`);
    else if (op === 0x13) line(`return_call_indirect type ${r.u()}, table ${r.u()}`);
    else if (op === 0x0e) line(`br_table ${Array.from({ length: r.u() + 1 }, () => r.u()).join(" ")}`);
    else if (op === 0xfc) line(`trunc_sat ${r.u()}`);
    else if (WITH_INDEX.has(op)) line(`${WITH_INDEX.get(op)} ${r.u()}`);
    else if (PLAIN.has(op)) line(PLAIN.get(op)!);
    else throw new Error(`no text for instruction 0x${op.toString(16)}`);
  }
  return lines.join("\n");
}
