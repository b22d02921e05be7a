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
  const child = new Deno.Command(Deno.execPath(), { args: cliArgs(args), cwd: ROOT, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  // The process may end without having read its input.
  const fed = writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await fed;
  const text = (b: Uint8Array) => new TextDecoder().decode(b);
  return { code, stdout: text(stdout), stderr: text(stderr) };
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
