// Runs one test file in a process group of its own, with limits, so that a fault that loops costs seconds and leaves no process behind.

export interface Ran {
  readonly ok: boolean;
  /** Seconds of CPU time, children included. */
  readonly cpu: number;
  readonly wall: number;
}

export interface Limits {
  /** Seconds of CPU time for each process, and of the host's time for all: a fault may wait for ever, too. */
  readonly cpu: number;
  readonly wall: number;
}

const SCRIPT = 'ulimit -St "$LIMIT"; TIMEFORMAT="%U %S"; time deno test -A --quiet --no-check --fail-fast $OPTIONS "$FILE" >"$LOG" 2>&1';

export async function runTest(root: string, file: string, limits: Limits, log = "/dev/null", coverage?: string): Promise<Ran> {
  const child = new Deno.Command("nice", {
    args: ["bash", "-c", SCRIPT],
    cwd: root,
    env: {
      LIMIT: String(Math.ceil(limits.cpu)),
      FILE: file,
      LOG: log,
      OPTIONS: coverage === undefined ? "" : "--coverage-raw-data-only",
      NO_COLOR: "1",
      // Processes that a test starts write what they executed there, too.
      ...coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage },
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    detached: true,
  }).spawn();
  const started = performance.now(),
    kill = () => {
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has ended.
      }
    };
  const timer = setTimeout(kill, 1000 * limits.wall);
  const { success, stderr } = await child.output();
  clearTimeout(timer);
  kill();
  const times = /(\d+\.\d+) (\d+\.\d+)\s*$/.exec(new TextDecoder().decode(stderr));
  const wall = (performance.now() - started) / 1000;
  return { ok: success, wall, cpu: times ? Number(times[1]) + Number(times[2]) : wall };
}
