// Keys of a machine file, declared where they are used. A key is plain data: the reader, the error messages, `devices`,
// the JSON Schema for editors and the README's tables are all made from it.

/** One key of a TOML table. Numbers are integers unless the kind says otherwise; sizes are bytes. */
export type Key =
  & { readonly doc: string; readonly optional?: boolean }
  & (
    | { readonly kind: "int"; readonly default?: number; readonly min?: number; readonly max?: number; readonly power2?: boolean }
    | { readonly kind: "size"; readonly default?: number; readonly min?: number; readonly max?: number; readonly power2?: boolean }
    | { readonly kind: "bool"; readonly default?: boolean }
    | { readonly kind: "string"; readonly default?: string; readonly pattern?: RegExp }
    | { readonly kind: "choice"; readonly choices: readonly (string | number)[]; readonly default?: string | number }
    | { readonly kind: "file"; readonly default?: string }
    | { readonly kind: "time"; readonly default?: Date }
    | { readonly kind: "list"; readonly of: Key; readonly default?: readonly unknown[] }
    | { readonly kind: "table"; readonly keys: Keys }
  );
export type Keys = { readonly [name: string]: Key };

type ValueOf<K extends Key> = K extends { kind: "int" | "size" } ? number
  : K extends { kind: "bool" } ? boolean
  : K extends { kind: "string" | "file" } ? string
  : K extends { kind: "choice"; choices: readonly (infer C)[] } ? C
  : K extends { kind: "time" } ? Date
  : K extends { kind: "list"; of: infer O extends Key } ? ValueOf<O>[]
  : K extends { kind: "table"; keys: infer T extends Keys } ? Config<T>
  : never;

/** The checked values of a table: what `create` of a device receives. Optional keys without a default may be undefined. */
export type Config<T extends Keys> = {
  readonly [N in keyof T]: T[N] extends { optional: true } ? ValueOf<T[N]> | undefined : ValueOf<T[N]>;
};

type Rest<K extends Key["kind"]> = Omit<Extract<Key, { kind: K }>, "kind" | "doc">;
/** An integer, in any TOML notation. */
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
export const table = <const T extends Keys>(doc: string, keys: T) => ({ kind: "table", doc, keys }) as const;
