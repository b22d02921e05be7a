// Modules that most runs do not need.

/** Imports the module `path` relative to `base`. Behind a literal `import("./x.ts")` Deno would read all files at every start, needed or not. */
export const lazy = <Module>(path: string, base: string): Promise<Module> => import(new URL(path, base).href);
