// Runs the command line as a process of its own, as a user does.

export const ROOT = new URL("..", import.meta.url).pathname;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Arguments of `deno` for a command line of ours. */
export const cliArgs = (args: readonly string[]): string[] => ["run", "-A", "--no-check", `${ROOT}mod.ts`, ...args];

/** Runs to the end; `input` is all of stdin (default: none). The working folder is the repository's root. */
export async function runCli(args: readonly string[], input: string | Uint8Array = ""): Promise<Ran> {
  const env = { BRINGUP_FAILURES: "none" };
  const child = new Deno.Command(Deno.execPath(), { args: cliArgs(args), cwd: ROOT, env, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  // The process may end without having read its input.
  const fed = writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await fed;
  const text = (b: Uint8Array) => new TextDecoder().decode(b);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The same in this process, one run at a time, in 30 ms: what it needs is loaded once. `broken`: what writing to stdout throws. */
export async function runHere(args: readonly string[], input: string | Uint8Array = "", broken?: Error): Promise<Ran> {
  const { main } = await import("../src/cli/main.ts");
  const { stdin, stdout, stderr } = Deno, printed = [stdout, stderr].map(() => [] as Uint8Array[]);
  let left = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const read = (into: Uint8Array) => {
    const n = Math.min(left.length, into.length);
    into.set(left.subarray(0, n));
    left = left.subarray(n);
    return Promise.resolve(n || null);
  };
  const isTerminal = () => false;
  const keep = (to: Uint8Array[]) => (bytes: Uint8Array) => {
    if (broken && to === printed[0]) throw broken;
    to.push(bytes.slice());
    return bytes.length;
  };
  return await withChanged([
    [stdin, { read, isTerminal }],
    [stdout, { writeSync: keep(printed[0]), isTerminal }],
    [stderr, { writeSync: keep(printed[1]), isTerminal }],
  ], async () => {
    const code = await main(args), [out, err] = printed.map((parts) => new TextDecoder().decode(concat(parts)));
    return { code, stdout: out, stderr: err };
  });
}

/** Does some work while objects, such as Deno's streams, have other members. */
export async function withChanged<T>(changes: readonly (readonly [object, object])[], work: () => T | Promise<T>): Promise<T> {
  const before = changes.map(([of, by]) => Object.keys(by).map((key) => [key, Object.getOwnPropertyDescriptor(of, key)] as const));
  for (const [of, by] of changes) Object.assign(of, by);
  try {
    return await work();
  } finally {
    for (const [i, [of]] of changes.entries()) {
      for (const [key, own] of before[i]) own ? Object.defineProperty(of, key, own) : delete of[key as keyof object];
    }
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  for (let i = 0, at = 0; i < parts.length; at += parts[i++].length) all.set(parts[i], at);
  return all;
}

/** True when a program is installed; says so in one line when it is not. */
export function installed(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    console.log(`skipped: ${program} is not installed`);
    return false;
  }
}
