// Fails when a file imports from a layer that it may not see, touches the host where it may not, or needs itself by way of others.
// Run: deno run -A scripts/dev/check_layers.ts
import { existsSync } from "node:fs";

const SRC = new URL("../../src", import.meta.url).pathname;
const MAY_IMPORT: Record<string, readonly string[]> = {
  std: [],
  core: [],
  ir: ["core"],
  engine: ["core", "ir"],
  riscv: ["core", "ir"],
  x86: ["core", "ir"],
  devices: ["core"],
  firmware: ["core"],
  machine: ["core", "ir", "engine", "riscv", "x86", "devices", "firmware"],
  scenario: ["core", "machine"],
  debug: ["core", "machine", "scenario"],
  web: ["core", "machine", "scenario"],
  cli: ["std", "core", "machine", "scenario", "debug", "web"],
};
// Lists of modules (scripts/dev/gen.ts): they add nothing of their own.
MAY_IMPORT.loads = [...Object.keys(MAY_IMPORT)];
/** Layers that may use `Deno.*`; everything else also runs in a browser. Tests may use it anywhere. */
const HOST = new Set(["cli", "scenario", "debug", "web"]);

/** Sentences about what `source`, a file at `path` below src, may not do. */
export function violations(path: string, source: string): string[] {
  const layer = path.split("/")[0], sees = [layer, ...MAY_IMPORT[layer] ?? []], test = path.endsWith("_test.ts");
  const imported = [...source.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)]
    .map((m) => new URL(m[1], `file:///src/${path}`).pathname.replace(/^\/src\//, ""));
  // What is loaded later (core/later.ts) is named by its path below src.
  const later = test ? [] : [...source.matchAll(/\b(?:new Later|load)(?:<[^;]*?>)?\("([^"]+\.ts)"\)/g)].map((m) => m[1]);
  const out = [...imported, ...later]
    .filter((p) => !test && !sees.includes(p.split("/")[0]))
    .map((p) => `src/${path} may not import ${p}: '${layer}' sees only ${sees.join(", ")}`);
  if (!test && !HOST.has(layer) && /\bDeno\./.test(source.replace(/\/\/.*|\/\*[^]*?\*\//g, ""))) out.push(`src/${path} may not use Deno.*`);
  for (const p of later) if (!existsSync(`${SRC}/${p}`)) out.push(`src/${path} loads ${p}, which does not exist`);
  if (!(layer in MAY_IMPORT)) out.push(`src/${path}: '${layer}' is not a known layer`);
  return out;
}

/** An instruction's row is text and code that builds IR by what the rows' table decodes: the one circle that may be, of types. */
const ROWS = /^x86\/(decode|emit\w*|insn)\.ts$/;

/** Sentences about files, given as path below src and text, that import each other in a circle; imports of types count. */
export function circles(sources: ReadonlyMap<string, string>): string[] {
  const imports = new Map<string, string[]>();
  for (const [path, source] of sources) {
    const found = [...source.matchAll(/^(?:import|export)\b[^"';]*?"(\.[^"]+)";|\bimport\("(\.[^"]+)"\)/gm)].map((m) => m[1] ?? m[2]);
    imports.set(path, found.map((to) => new URL(to, `file:///src/${path}`).pathname.slice(5)));
  }
  const out: string[] = [], done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at >= 0) {
      const circle = way.slice(at);
      if (!circle.every((p) => ROWS.test(p))) {
        out.push(`these import each other in a circle: ${[...circle, path].map((p) => `src/${p}`).join(" > ")}`);
      }
      return;
    }
    if (done.has(path)) return;
    for (const to of imports.get(path) ?? []) visit(to, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return out;
}

function* files(dir: string, below = ""): Generator<string> {
  for (const e of Deno.readDirSync(dir)) {
    const path = below + e.name;
    if (e.isDirectory) yield* files(`${dir}/${e.name}`, path + "/");
    else if (path.endsWith(".ts")) yield path;
  }
}

if (import.meta.main) {
  const sources = new Map([...files(SRC)].map((p) => [p, Deno.readTextFileSync(`${SRC}/${p}`)]));
  const own = new Map([...sources].filter(([p]) => !p.endsWith("_test.ts") && !p.startsWith("loads/")));
  const found = [...[...sources].flatMap(([p, source]) => violations(p, source)), ...circles(own)];
  for (const line of found) console.error(line);
  Deno.exit(found.length ? 1 : 0);
}
