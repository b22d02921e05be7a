// Modules that many runs do not need: loaded when something asks for them. Paths are below src, and texts on purpose: behind a literal
// `import("./x.ts")`, and behind `import defer`, Deno reads every file at each start, needed or not (8 and 22 of 92 ms of CPU for a kernel
// that prints a line).

/**
 * Modules with a list in src/loads, which names all that they need: loaded by it, they are there sooner (see "A start" in src/README.md).
 * What else asks for one of them need not know.
 */
export const LISTS: Readonly<Record<string, string>> = {
  "engine/regions.ts": "jit",
  "machine/riscv/platform.ts": "riscv",
  "machine/x86/platform.ts": "x86",
  "riscv/floating.ts": "riscv_floating",
};

/** Loads a module. */
export const load = <Module>(path: string): Promise<Module> => {
  const file = Object.hasOwn(LISTS, path) ? `loads/${LISTS[path]}.ts` : path;
  return import(new URL(`../${file}`, import.meta.url).href);
};

/** A module that is there from its first `load` on. */
export class Later<Module> {
  now: Module | undefined;
  /** What has to happen before anybody finds the module there. */
  onLoad: (module: Module) => void = () => {};
  constructor(readonly path: string) {}
  async load(): Promise<Module> {
    const module = this.now ?? await load<Module>(this.path);
    if (!this.now) this.onLoad(module);
    return this.now = module;
  }
}
