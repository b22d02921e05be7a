// Keys of a machine file, declared where they are used. A key is plain data: the reader, the error messages, `devices`,
// the JSON Schema for editors and the README's tables are all made from it.
//
// Beside `doc`, every kind knows `optional`: the key may be left out and is then undefined. A key without `default`, `from` and
// `optional` must be given. A table that is not optional reads as an empty one when it is left out.

/** One key of a TOML table. Numbers are integers unless the kind says otherwise; sizes are bytes. */
export type Key =
  & { readonly doc: string; readonly optional?: boolean }
  & (
    | ({ readonly kind: "int" } & Bounds)
    | ({ readonly kind: "size" } & Bounds)
    | { readonly kind: "u64"; readonly default?: bigint; readonly min?: bigint; readonly max?: bigint }
    | { readonly kind: "bool"; readonly default?: boolean }
    /** `form` says in words what `pattern` accepts: "a text like ...". */
    | { readonly kind: "string"; readonly default?: string; readonly pattern?: RegExp; readonly form?: string }
    | { readonly kind: "choice"; readonly choices: readonly (string | number)[]; readonly default?: string | number }
    /** `large`: looked at piece by piece, so it is not read to see whether it is there. */
    | { readonly kind: "file"; readonly default?: string; readonly large?: boolean }
    | { readonly kind: "time"; readonly default?: Date }
    | { readonly kind: "list"; readonly of: Key; readonly default?: readonly unknown[] }
    | { readonly kind: "table"; readonly keys: Keys }
    /** A table whose keys the user chooses, all with the same kind of value. */
    | { readonly kind: "named"; readonly of: Key }
    /** One of several kinds, told apart by whoever reads it; `form` says in words what is accepted. */
    | { readonly kind: "either"; readonly of: readonly Key[]; readonly form: string }
  );
interface Bounds {
  readonly default?: number;
  /** The key path of the machine file whose value comes before the default: "clock.timebase_hz". */
  readonly from?: string;
  /** 0 unless given. */
  readonly min?: number;
  readonly max?: number;
  readonly power2?: boolean;
  /** The value must be a multiple of this. */
  readonly multiple?: number;
}
export type Keys = { readonly [name: string]: Key };

type ValueOf<K extends Key> = K extends { kind: "int" | "size" } ? number
  : K extends { kind: "bool" } ? boolean
  : K extends { kind: "string" | "file" } ? string
  : K extends { kind: "choice"; choices: readonly (infer C)[] } ? C
  : K extends { kind: "time" } ? Date
  : K extends { kind: "list"; of: infer O extends Key } ? ValueOf<O>[]
  : K extends { kind: "u64" } ? bigint
  : K extends { kind: "table"; keys: infer T extends Keys } ? Config<T>
  : K extends { kind: "named"; of: infer O extends Key } ? { readonly [name: string]: ValueOf<O> }
  : K extends { kind: "either" } ? unknown
  : never;

/** The checked values of a table: what `create` of a device receives. Optional keys without a default may be undefined. */
export type Config<T extends Keys> = {
  readonly [N in keyof T]: T[N] extends { optional: true } ? ValueOf<T[N]> | undefined : ValueOf<T[N]>;
};

type Rest<K extends Key["kind"]> = Omit<Extract<Key, { kind: K }>, "kind" | "doc">;
/** An integer of at least 0 (unless `min` says otherwise), in any TOML notation. */
export const int = <const R extends Rest<"int">>(doc: string, rest: R = {} as R) => ({ kind: "int", doc, ...rest }) as const;
/** A number of bytes: an integer or a text like "128MiB". */
export const size = <const R extends Rest<"size">>(doc: string, rest: R = {} as R) => ({ kind: "size", doc, ...rest }) as const;
export const bool = <const R extends Rest<"bool">>(doc: string, rest: R = {} as R) => ({ kind: "bool", doc, ...rest }) as const;
export const string = <const R extends Rest<"string">>(doc: string, rest: R = {} as R) => ({ kind: "string", doc, ...rest }) as const;
/** One of a few words or numbers. */
export const choice = <const R extends Rest<"choice">>(doc: string, rest: R) => ({ kind: "choice", doc, ...rest }) as const;
/** A path, relative to the machine file that names it. */
export const file = <const R extends Rest<"file">>(doc: string, rest: R = {} as R) => ({ kind: "file", doc, ...rest }) as const;
/** A TOML date-time with an offset. */
export const time = <const R extends Rest<"time">>(doc: string, rest: R = {} as R) => ({ kind: "time", doc, ...rest }) as const;
export const list = <const O extends Key, const R extends Omit<Rest<"list">, "of">>(doc: string, of: O, rest: R = {} as R) =>
  ({ kind: "list", doc, of, ...rest }) as const;
export const table = <const T extends Keys, const R extends { optional?: boolean }>(doc: string, keys: T, rest: R = {} as R) =>
  ({ kind: "table", doc, keys, ...rest }) as const;
/** 64 bits without a sign: an integer, or a text like "0xffff_ffff_0000_0000" where a TOML integer would be rounded. */
export const u64 = <const R extends Rest<"u64">>(doc: string, rest: R = {} as R) => ({ kind: "u64", doc, ...rest }) as const;
export const named = <const O extends Key, const R extends { optional?: boolean }>(doc: string, of: O, rest: R = {} as R) =>
  ({ kind: "named", doc, of, ...rest }) as const;
export const either = <const O extends readonly Key[], const R extends Omit<Rest<"either">, "of">>(doc: string, of: O, rest: R) =>
  ({ kind: "either", doc, of, ...rest }) as const;
