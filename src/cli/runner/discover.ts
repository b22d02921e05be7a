// Which files have tests: those that are named, and in folders every `*.scenario.ts`.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { namesBeside } from "../../scenario/host.ts";

/** What a scenario script is called. */
export const SCENARIO = /\.scenario\.m?[tj]s$/;
/** Folders that hold others' files. */
const PASSED_OVER = /^\.|^(node_modules|target)$/;

/**
 * The test files that paths name: files as they are; of folders the scenario scripts in them and below, or, where there is none, the TypeScript
 * files in them. Each once, sorted. `folders` are those that were looked into.
 * @throws {ConfigError} a path is missing, or a folder has none.
 */
export function testFiles(paths: readonly string[]): { readonly files: string[]; readonly folders: string[] } {
  const files = new Map<string, string>(), folders: string[] = [];
  const add = (path: string) => {
    const real = realPath(path);
    if (!files.has(real)) files.set(real, path);
  };
  for (const path of paths.length ? paths : ["."]) {
    if (!stat(path).isDirectory) add(path);
    else {
      const folder = path.replace(/\/+$/, "") || "/", found = [...scenariosIn(folder, folders)];
      const scripts = found.length
        ? found
        : entries(folder).filter((e) => e.isFile && e.name.endsWith(".ts")).map((e) => join(folder, e.name));
      if (scripts.length === 0) {
        throw new ConfigError(`no tests in this folder: neither *.scenario.ts in it or below nor scripts (*.ts) in it`, { file: path });
      }
      scripts.forEach(add);
    }
  }
  return { files: [...files.values()].sort(), folders };
}

const join = (folder: string, name: string) => folder === "." ? name : folder === "/" ? `/${name}` : `${folder}/${name}`;

function* scenariosIn(folder: string, folders: string[]): Generator<string> {
  folders.push(folder);
  for (const e of entries(folder)) {
    const path = join(folder, e.name);
    if (e.isDirectory && !PASSED_OVER.test(e.name)) yield* scenariosIn(path, folders);
    // A link to a file, too; to a folder it might lead in a circle.
    else if (!e.isDirectory && SCENARIO.test(e.name)) yield path;
  }
}

/** What is in a folder, sorted; nothing where it may not be read. */
function entries(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return [];
  }
}

function stat(path: string): Deno.FileInfo {
  try {
    return Deno.statSync(path);
  } catch {
    throw new ConfigError(`no such file or folder${didYouMean(path.slice(path.lastIndexOf("/") + 1), namesBeside(path) ?? [])}`, {
      file: path,
    });
  }
}

function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** How a path is shown: below the working folder without it. */
export function shown(path: string): string {
  const cwd = `${Deno.cwd()}/`, absolute = absolutePath(path);
  return absolute.startsWith(cwd) ? absolute.slice(cwd.length) : absolute;
}

/** The path from the root, without `.` and `..`. */
export function absolutePath(path: string): string {
  return decodeURIComponent(urlOf(path).pathname);
}

/** The URL by which a file is imported. */
export function urlOf(path: string): URL {
  return new URL(path.split("/").map(encodeURIComponent).join("/"), `file://${Deno.cwd().split("/").map(encodeURIComponent).join("/")}/`);
}
