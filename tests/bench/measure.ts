// Runs one program and measures it from outside: wall time from the start of the process, CPU time, the largest resident set.

/** What to run; `until` ends the measurement, and the program, when this text has been printed. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly until?: string;
}

/** One run. Times are in milliseconds, CPU time to 10 ms; memory is in KiB. */
export interface Run {
  readonly wallMs: number;
  /** User and system time of the program and its threads; 0 where the host does not say. */
  readonly cpuMs: number;
  /** VmHWM, sampled every few milliseconds when asked for; else 0. */
  readonly peakKiB: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Longer than any row takes; a run that hangs must not hang the benchmark. */
const TIMEOUT_MS = 180_000;

/** Runs a command to its end, or to its `until` text. @throws {Error} it hangs, or ends before printing that text. */
export async function measure(command: Command, options: { readonly memory?: boolean } = {}): Promise<Run> {
  const cpuBefore = childrenCpuMs(), start = performance.now();
  const child = new Deno.Command(command.program, { args: [...command.args], stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, TIMEOUT_MS);
  let running = true;
  const peak = options.memory ? samplePeak(child.pid, () => running) : Promise.resolve(0);
  const errors = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let stdout = "", reached: number | undefined;
  for await (const chunk of child.stdout) {
    stdout += decoder.decode(chunk, { stream: true });
    if (reached !== undefined || command.until === undefined || !stdout.includes(command.until)) continue;
    reached = performance.now() - start;
    child.kill("SIGKILL");
  }
  const { code } = await child.status;
  const wallMs = reached ?? performance.now() - start;
  running = false;
  clearTimeout(timer);
  const stderr = await errors, peakKiB = await peak;
  const what = `${command.program} ${command.args.join(" ")}`;
  if (timedOut) throw new Error(`${what} did not end in ${TIMEOUT_MS / 1000} s`);
  if (command.until !== undefined && reached === undefined) throw new Error(`${what} ended without printing '${command.until}'\n${stderr}`);
  return { wallMs, cpuMs: childrenCpuMs() - cpuBefore, peakKiB, stdout, stderr, code };
}

/** CPU time of all children that have ended: fields 16 and 17 of /proc/self/stat (proc(5)), in ticks of 10 ms. */
function childrenCpuMs(): number {
  try {
    const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /, "").split(" ");
    return (Number(fields[13]) + Number(fields[14])) * 10;
  } catch {
    return 0;
  }
}

/** The last VmHWM (KiB) that was seen before the process ended. */
async function samplePeak(pid: number, running: () => boolean): Promise<number> {
  let peak = 0;
  while (running()) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  return peak;
}

/** The middle value; of an even number, the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The geometric mean; NaN of none. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
