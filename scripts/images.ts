// Which images there are: those below `cache` are built or fetched, and scripts that need them are left out where that was not done.

/** Whether an image is there; says in one line what is left out when it is not. */
export function built(path: string, how = "deno task guests --only x86"): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    console.log(`skipped: ${path} is not there (${how})`);
    return false;
  }
}
