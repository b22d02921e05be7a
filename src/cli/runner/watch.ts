// `bringup test --watch`: runs what a change affects again, at once. A process that is there already takes it: one in which the emulator is warm,
// and of which no module of the user's is older than the change.
import { ConfigError } from "../../core/errors.ts";
import { absolutePath, SCENARIO } from "./discover.ts";
import type { Summary } from "./results.ts";
import type { Runner, TestModule } from "./run.ts";

/** So long after a change nothing more may come: who writes a file writes it in pieces. */
const QUIET_MS = 15;

/** What is watched for. */
export interface Watched {
  readonly runner: Runner;
  /** The test files that there are, and the folders that were looked into. @throws {ConfigError} there is none. */
  readonly find: () => { readonly modules: readonly TestModule[]; readonly folders: readonly string[] };
  /** Tells what a run came to; undefined when it was cut off. */
  readonly told: (summary: Summary) => void;
  readonly say: (text: string) => void;
  /** Aborted when it is over. */
  readonly signal: AbortSignal;
}

/** What is to be run, and when the change was that it is run for. */
interface Next {
  readonly modules: readonly TestModule[];
  readonly since?: number;
}

/** Runs all, and then what changes, until it is over. */
export async function watch({ runner, find, told, say, signal }: Watched): Promise<void> {
  let { modules, folders } = find(), next: Next | undefined = { modules };
  const changes = new Changes(signal);
  changes.watch(foldersOf(modules, folders));
  while (next) {
    const now: Next = next, begun = Date.now(), run = runOnce(runner, now, say, told), pending = waitForChange();
    if (await Promise.race([run.then(() => false), pending.then(() => true)])) {
      // What is being run is out of date, or it is over.
      runner.abort();
      await run;
      next = await pending;
      if (next) next = { ...next, modules: [...new Set([...next.modules, ...now.modules])].filter((m) => modules.includes(m)) };
      continue;
    }
    await Promise.all(now.modules.map((m) => m.findImports()));
    changes.watch(foldersOf(modules, folders), begun);
    runner.prepare(modules);
    say(`\nwaiting for changes of ${modules.length} test file${modules.length === 1 ? "" : "s"} and what they use; Ctrl-C ends\n`);
    next = await pending;
  }

  /** What is to be run for the next changes that affect anything; undefined when it is over. */
  async function waitForChange(): Promise<Next | undefined> {
    const seen = new Set<string>();
    for (let since = Infinity;;) {
      const changed = await changes.next();
      if (!changed) return undefined;
      for (const path of changed) seen.add(path);
      // A kernel that is being linked anew is not there for a moment.
      if ([...seen].some((path) => !exists(path) && modules.some((m) => m.usesFile(path)))) continue;
      if ([...seen].some((path) => SCENARIO.test(path) || modules.some((m) => m.path === path && !exists(path)))) rescan();
      const concerns = (m: TestModule, path: string) => m.path === path || m.usesFile(path) || m.imports.has(path);
      const affected = modules.filter((m) => [...seen].some((path) => concerns(m, path)));
      for (const path of seen) if (affected.some((m) => concerns(m, path))) since = Math.min(since, changedAt(path));
      const stale = affected.some((m) => m.imports.size > 0);
      seen.clear();
      if (affected.length === 0) continue;
      for (const m of affected) m.again++;
      // What imports modules of the user's own has them from when they were loaded, and what they remember.
      if (stale) runner.discard();
      return { modules: affected, since };
    }
  }

  /** Files may have come and gone. */
  function rescan(): void {
    try {
      const found = find(), known = new Map(modules.map((m) => [m.path, m]));
      modules = found.modules.map((m) => known.get(m.path) ?? m);
      folders = found.folders;
    } catch (e) {
      if (!(e instanceof ConfigError)) throw e;
      modules = [];
    }
  }
}

async function runOnce(runner: Runner, { modules, since }: Next, say: Watched["say"], told: Watched["told"]): Promise<void> {
  try {
    runner.resume(since === undefined ? undefined : () => say(`(began ${Date.now() - since} ms after the change)\n`));
    const summary = await runner.run(modules);
    if (!runner.stopped) told(summary);
  } catch (e) {
    if (!(e instanceof ConfigError)) throw e;
    say(`bringup: ${e.message}\n`);
  }
}

/** Folders in which something that counts may change. */
function foldersOf(modules: readonly TestModule[], folders: readonly string[]): Set<string> {
  const files = modules.flatMap((m) => [m.path, ...m.uses, ...m.imports]).map(absolutePath);
  return new Set([...files.map((path) => path.slice(0, path.lastIndexOf("/")) || "/"), ...folders.map(absolutePath)].filter(exists));
}

const exists = (path: string): boolean => {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
};
/** When a file was changed, by the host's clock. */
const changedAt = (path: string): number => {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? Date.now();
  } catch {
    return Date.now();
  }
};

/** Paths that change. */
class Changes {
  #watcher: Deno.FsWatcher | undefined;
  #folders = new Set<string>();
  #changed = new Set<string>();
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #tell: ((paths: ReadonlySet<string> | undefined) => void) | undefined;

  constructor(readonly signal: AbortSignal) {
    signal.addEventListener("abort", () => {
      this.#watcher?.close();
      clearTimeout(this.#quiet);
      this.#tell?.(undefined);
    });
  }

  /** From now on these folders; `since`: what changed there after that moment and was not watched yet counts, too. */
  watch(folders: ReadonlySet<string>, since?: number): void {
    const added = [...folders].filter((f) => !this.#folders.has(f));
    if (added.length === 0 || this.signal.aborted) return;
    const before = this.#watcher;
    this.#folders = new Set([...this.#folders, ...folders]);
    this.#watcher = Deno.watchFs([...this.#folders].filter(exists), { recursive: false });
    this.#read(this.#watcher);
    before?.close();
    if (since === undefined) return;
    for (const folder of added) {
      for (const { name, isFile } of Deno.readDirSync(folder)) {
        if (isFile && changedAt(`${folder}/${name}`) > since) this.#add(`${folder}/${name}`);
      }
    }
  }

  /** The paths of the next changes; undefined when it is over. */
  next(): Promise<ReadonlySet<string> | undefined> {
    if (this.signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#tell = resolve;
      if (this.#changed.size) this.#settle();
    });
  }

  async #read(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { kind, paths } of watcher) if (kind !== "access") paths.forEach((path) => this.#add(path));
  }
  #add(path: string): void {
    this.#changed.add(path);
    this.#settle();
  }
  #settle(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      const { size } = this.#changed;
      if (!this.#tell || size === 0) return;
      const changed = this.#changed, tell = this.#tell;
      this.#changed = new Set();
      this.#tell = undefined;
      tell(changed);
    }, QUIET_MS);
  }
}
