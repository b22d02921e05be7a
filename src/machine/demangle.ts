// Names of symbols as they are written in the source. Rust v0: RFC 2603, "Syntax Of Mangled Names", with what rustc has added since (its book's
// "v0 Symbol Format"); Rust legacy; of C++ (Itanium ABI, 5.1) plain and nested names without templates. Anything else stays as it is.

/** Symbols come from files that nobody has checked: deeper nesting, longer names and more work than this are nobody's source. */
const MAX_DEPTH = 200, MAX_LENGTH = 8192, MAX_STEPS = 20_000;

/** "core::fmt::write"; with `hash` what tells instances and crates of one name apart is shown, too. Never throws. */
export function demangle(name: string, hash = false): string {
  // What compilers append behind a dot is no part of it.
  const plain = name.replace(/\..*$/s, "");
  if (/^_R[A-Z]/.test(plain)) {
    try {
      return new V0(plain.slice(2), hash).symbol() ?? name;
    } catch (e) {
      if (e instanceof NotMangled) return name;
      throw e;
    }
  }
  return name.startsWith("_Z") ? legacy(name.replace(/\.[a-z]+\.\w+$/, ""), hash) ?? name : name;
}

/** A path without the generic arguments of its functions and types: "a::f::<u8>" is "a::f". A self type ("<T as Trait>::f") stays. */
export function withoutGenerics(path: string): string {
  let out = "", depth = 0;
  for (let i = 0; i < path.length; i++) {
    const c = path[i], arrow = c === ">" && path[i - 1] === "-";
    // In front of arguments stands a name or "::"; in front of a self type neither.
    if (c === "<" && (depth > 0 || /[\w}]$|::$/.test(out))) {
      if (depth++ === 0) out = out.replace(/::$/, "");
    } else if (c === ">" && !arrow && depth > 0) depth--;
    else if (depth === 0) out += c;
  }
  return depth === 0 ? out : path;
}

const ESCAPES: Readonly<Record<string, string>> = { SP: "@", BP: "*", RF: "&", LT: "<", GT: ">", LP: "(", RP: ")", C: "," };

/** Rust's legacy mangling looks like C++: "_ZN4core3fmt5write17h0123456789abcdefE". */
function legacy(name: string, hash: boolean): string | undefined {
  const parts: string[] = [], nested = /^_ZN[rVK]*/.exec(name)?.[0];
  let at = nested?.length ?? 2;
  for (let length: number; (length = parseInt(name.slice(at, at + 4), 10)) > 0;) {
    at += String(length).length;
    if (at + length > name.length) return undefined;
    parts.push(name.slice(at, at += length));
    if (!nested) break;
  }
  if (parts.length === 0 || (nested && name[at] !== "E")) return undefined;
  const rust = nested && at + 1 === name.length && parts.length > 1 && /^h[0-9a-f]{16}$/.test(parts.at(-1)!);
  if (rust && !hash) parts.pop();
  // Behind a C++ name its parameters are left out; a name with template arguments is not one.
  if (!rust && name[nested ? at + 1 : at] === "I") return undefined;
  return parts.map((p) =>
    p.replace(/^_\$/, "$").replaceAll("..", "::").replace(/\$(\w+?)\$/g, (all, code: string) => {
      const hex = /^u([0-9a-f]{1,6})$/.exec(code), point = hex ? parseInt(hex[1], 16) : -1;
      return ESCAPES[code] ?? (point >= 0x20 && point <= 0x10_ffff ? String.fromCodePoint(point) : all);
    })
  ).join("::");
}

class NotMangled extends Error {}

const BASIC: Readonly<Record<string, string>> = {
  ...{ a: "i8", b: "bool", c: "char", d: "f64", e: "str", f: "f32", h: "u8", i: "isize", j: "usize", l: "i32", m: "u32", n: "i128" },
  ...{ o: "u128", s: "i16", t: "u16", u: "()", v: "...", x: "i64", y: "u64", z: "!", p: "_" },
};

/** One symbol behind "_R"; the methods are the grammar's productions, and each returns what it reads as text. */
class V0 {
  #at = 0;
  #depth = 0;
  #steps = 0;
  /** Lifetimes that binders around have bound. */
  #bound = 0;
  /** The path that was read last ends with generic arguments. */
  #generic = false;
  constructor(readonly text: string, readonly hash: boolean) {}

  symbol(): string | undefined {
    const path = this.#path(false);
    // The crate that made the instance: not part of the name.
    if (this.#at < this.text.length && /[A-Z]/.test(this.text[this.#at])) this.#path(false);
    return this.#at === this.text.length ? path : undefined;
  }

  #next(): string {
    if (this.#at >= this.text.length) throw new NotMangled();
    return this.text[this.#at++];
  }
  #eat(c: string): boolean {
    if (this.text[this.#at] !== c) return false;
    this.#at++;
    return true;
  }

  /** Every production that contains others goes through here. */
  #within(read: () => string): string {
    if (++this.#depth > MAX_DEPTH || ++this.#steps > MAX_STEPS) throw new NotMangled();
    const out = read();
    this.#depth--;
    if (out.length > MAX_LENGTH) throw new NotMangled();
    return out;
  }

  /** "_" is 0, "0_" is 1. */
  #base62(): number {
    let n = 0;
    if (this.#eat("_")) return 0;
    for (let c: string; (c = this.#next()) !== "_";) {
      const digit = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".indexOf(c);
      if (digit < 0) throw new NotMangled();
      n = n * 62 + digit;
    }
    return n + 1;
  }

  /** What stands where a back reference points to; only what stands before it can be meant. */
  #backref(read: () => string): string {
    const from = this.#at - 1, to = this.#base62(), after = this.#at;
    if (to >= from) throw new NotMangled();
    this.#at = to;
    const out = read();
    this.#at = after;
    return out;
  }

  #disambiguator(): number {
    return this.#eat("s") ? this.#base62() + 1 : 0;
  }

  #name(): string {
    const coded = this.#eat("u"), digits = /^(0|[1-9]\d{0,5})_?/.exec(this.text.slice(this.#at, this.#at + 8));
    if (!digits) throw new NotMangled();
    const from = this.#at + digits[0].length, length = Number(digits[1]);
    // An underscore parts the number from a name that begins with a digit or an underscore; an empty name has none.
    const start = length === 0 ? this.#at + digits[1].length : from;
    if (start + length > this.text.length) throw new NotMangled();
    this.#at = start + length;
    const bytes = this.text.slice(start, start + length);
    return coded ? punycode(bytes) : bytes;
  }

  #path(inType: boolean): string {
    return this.#within(() => {
      const tag = this.#next();
      if (tag === "B") return this.#backref(() => this.#path(inType));
      let out: string;
      if (tag === "C") {
        const id = this.#disambiguator(), name = this.#name();
        out = this.hash && id ? `${name}[${id.toString(16)}]` : name;
      } else if (tag === "N") {
        const space = this.#next(), parent = this.#path(inType), id = this.#disambiguator(), name = this.#name();
        if (!/[a-zA-Z]/.test(space)) throw new NotMangled();
        const special = space === "C" ? "closure" : space === "S" ? "shim" : /[A-Z]/.test(space) ? space : undefined;
        if (special) out = `${parent}::{${special}${name && `:${name}`}#${id}}`;
        else out = name ? `${parent}::${name}` : parent;
      } else if (tag === "M" || tag === "X" || tag === "Y") {
        if (tag !== "Y") {
          this.#disambiguator();
          this.#path(false);
        }
        const self = this.#type();
        out = tag === "M" ? `<${self}>` : `<${self} as ${this.#path(true)}>`;
      } else if (tag === "I") {
        const path = this.#path(inType), args: string[] = [];
        while (!this.#eat("E")) args.push(this.#eat("L") ? this.#lifetime() : this.#eat("K") ? this.#const(false) : this.#type());
        out = `${path}${inType ? "" : "::"}<${args.join(", ")}>`;
      } else throw new NotMangled();
      this.#generic = tag === "I";
      return out;
    });
  }

  #lifetime(): string {
    const index = this.#base62();
    if (index === 0) return "'_";
    if (index > this.#bound) throw new NotMangled();
    return lifetimeName(this.#bound - index);
  }

  /** What a binder is around; `for<'a> ` goes in front of it. */
  #binder(read: () => string): string {
    const outer = this.#bound, n = this.#eat("G") ? this.#base62() + 1 : 0;
    if (n > MAX_DEPTH) throw new NotMangled();
    this.#bound += n;
    const names = Array.from({ length: n }, (_, i) => lifetimeName(outer + i)), out = read();
    this.#bound = outer;
    return n ? `for<${names.join(", ")}> ${out}` : out;
  }

  #type(): string {
    return this.#within(() => {
      const tag = this.#next();
      if (Object.hasOwn(BASIC, tag)) return BASIC[tag];
      switch (tag) {
        case "A":
          return `[${this.#type()}; ${this.#const(false)}]`;
        case "S":
          return `[${this.#type()}]`;
        case "T": {
          const types = this.#list(() => this.#type());
          return types.length === 1 ? `(${types[0]},)` : `(${types.join(", ")})`;
        }
        case "R":
        case "Q": {
          const lifetime = this.#eat("L") ? this.#lifetime() : "'_";
          return `&${lifetime === "'_" ? "" : `${lifetime} `}${tag === "Q" ? "mut " : ""}${this.#type()}`;
        }
        case "P":
          return `*const ${this.#type()}`;
        case "O":
          return `*mut ${this.#type()}`;
        case "F":
          return this.#binder(() => this.#function());
        case "D": {
          const bounds = this.#binder(() => this.#list(() => this.#dynTrait()).join(" + "));
          if (!this.#eat("L")) throw new NotMangled();
          const lifetime = this.#lifetime();
          return `dyn ${bounds}${lifetime === "'_" ? "" : ` + ${lifetime}`}`;
        }
        case "B":
          return this.#backref(() => this.#type());
        default:
          this.#at--;
          return this.#path(true);
      }
    });
  }

  #list(read: () => string): string[] {
    const out: string[] = [];
    while (!this.#eat("E")) out.push(read());
    return out;
  }

  #function(): string {
    const unsafe = this.#eat("U") ? "unsafe " : "";
    const abi = this.#eat("K") ? `extern "${this.#eat("C") ? "C" : this.#name().replaceAll("_", "-")}" ` : "";
    const args = this.#list(() => this.#type()).join(", "), result = this.#type();
    return `${unsafe}${abi}fn(${args})${result === "()" ? "" : ` -> ${result}`}`;
  }

  #dynTrait(): string {
    let out = this.#path(true), open = this.#generic;
    while (this.#eat("p")) {
      const bound = `${this.#name()} = ${this.#type()}`;
      out = open ? `${out.slice(0, -1)}, ${bound}>` : `${out}<${bound}>`;
      open = true;
    }
    return out;
  }

  /** A constant; `inside` of another one it needs no braces. */
  #const(inside: boolean): string {
    return this.#within(() => {
      const tag = this.#next(), braced = (text: string) => inside ? text : `{${text}}`;
      if (tag === "p") return "_";
      if (tag === "B") return this.#backref(() => this.#const(inside));
      if (/[aslxni]/.test(tag)) return `${this.#eat("n") ? "-" : ""}${this.#hex()}`;
      if (/[htmyoj]/.test(tag)) return `${this.#hex()}`;
      if (tag === "b") return this.#hex() === 0n ? "false" : "true";
      if (tag === "c") {
        const point = Number(this.#hex());
        if (point > 0x10_ffff) throw new NotMangled();
        return `'${JSON.stringify(String.fromCodePoint(point)).slice(1, -1).replace('\\"', '"').replace("'", "\\'")}'`;
      }
      if (tag === "e") return braced(`*${this.#string()}`);
      if (tag === "R" && this.#eat("e")) return this.#string();
      if (tag === "R" || tag === "Q") return braced(`&${tag === "Q" ? "mut " : ""}${this.#const(true)}`);
      if (tag === "A") return braced(`[${this.#list(() => this.#const(true)).join(", ")}]`);
      if (tag === "T") {
        const parts = this.#list(() => this.#const(true));
        return braced(parts.length === 1 ? `(${parts[0]},)` : `(${parts.join(", ")})`);
      }
      if (tag === "V") return braced(this.#variant());
      throw new NotMangled();
    });
  }

  /** A value of a structure or enumeration: its path, and its fields. */
  #variant(): string {
    const path = this.#path(false), kind = this.#next();
    if (kind === "U") return path;
    if (kind === "T") return `${path}(${this.#list(() => this.#const(true)).join(", ")})`;
    if (kind !== "S") throw new NotMangled();
    const fields = this.#list(() => (this.#disambiguator(), `${this.#name()}: ${this.#const(true)}`));
    return `${path} { ${fields.join(", ")} }`;
  }

  #digits(): string {
    const from = this.#at;
    while (/[0-9a-f]/.test(this.text[this.#at] ?? "")) this.#at++;
    const digits = this.text.slice(from, this.#at);
    if (!this.#eat("_")) throw new NotMangled();
    return digits;
  }
  #hex(): bigint {
    return BigInt(`0x${this.#digits() || "0"}`);
  }
  /** UTF-8 in hexadecimal. */
  #string(): string {
    const digits = this.#digits();
    if (digits.length % 2 !== 0) throw new NotMangled();
    return JSON.stringify(new TextDecoder().decode(Uint8Array.from(digits.match(/../g) ?? [], (d) => parseInt(d, 16))));
  }
}

const lifetimeName = (n: number) => n < 26 ? `'${String.fromCharCode(97 + n)}` : `'_${n}`;

/** RFC 3492, with the RFC's "_" in the place of the last "-". */
function punycode(coded: string): string {
  const split = coded.lastIndexOf("_"), out = [...coded.slice(0, Math.max(0, split))];
  let n = 0x80, i = 0, bias = 72, first = true;
  for (let at = split + 1; at < coded.length;) {
    const before = i;
    for (let w = 1, k = 36;; k += 36) {
      const digit = "abcdefghijklmnopqrstuvwxyz0123456789".indexOf(coded[at++] ?? "?");
      if (digit < 0) throw new NotMangled();
      i += digit * w;
      const t = Math.min(26, Math.max(1, k - bias));
      if (digit < t) break;
      w *= 36 - t;
    }
    const count = out.length + 1;
    let delta = first ? Math.floor((i - before) / 700) : Math.floor((i - before) / 2), k = 0;
    first = false;
    for (delta += Math.floor(delta / count); delta > 455; k += 36) delta = Math.floor(delta / 35);
    bias = k + Math.floor(36 * delta / (delta + 38));
    n += Math.floor(i / count);
    i %= count;
    if (n > 0x10_ffff) throw new NotMangled();
    out.splice(i++, 0, String.fromCodePoint(n));
  }
  return out.join("");
}
