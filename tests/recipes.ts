// The README's recipes: whole projects whose files and commands stand there, so that README and test cannot part. `deno run -A tests/recipes.ts`
// brings what they need into the ignored cache folder: bootimage, and the crates into Cargo's own store.
import { existsSync } from "node:fs";
import { ROOT } from "./cli.ts";

Deno.mkdirSync(`${ROOT}cache/recipes`, { recursive: true });
const FOLDER = Deno.realPathSync(`${ROOT}cache/recipes`);

/** Debian's toolchain, which has the library's sources; a toolchain manager's need not have them. */
const CARGO = "/usr/bin/cargo", RUSTC = "/usr/bin/rustc";
/** Programs of LLVM that bootimage looks for among rustc's own. */
const LLVM_TOOLS = ["llvm-objcopy", "llvm-objdump", "llvm-size", "llvm-ar"];

export interface Recipe {
  readonly name: string;
  /** By path from the project's folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly commands: readonly string[];
}

/** Every project of the README: code blocks that begin with a comment naming a file, and shell blocks that begin with `cd`. */
export function recipes(): Recipe[] {
  const out = new Map<string, { name: string; files: Record<string, string>; commands: string[] }>();
  const of = (name: string) => out.get(name) ?? out.set(name, { name, files: {}, commands: [] }).get(name)!;
  for (const [, block] of Deno.readTextFileSync(`${ROOT}README.md`).matchAll(/^```\w+\n([^]*?)^```$/gm)) {
    const file = /^(?:#|\/\/|\/\*) (\w+)\/(\S+)(?: \*\/)?\n/.exec(block), cd = /^cd (\w+)\n/.exec(block);
    if (file) of(file[1]).files[file[2]] = block.replaceAll("path/to/bringup/", ROOT);
    if (cd) of(cd[1]).commands.push(...block.slice(cd[0].length).trimEnd().split("\n"));
  }
  return [...out.values()];
}

/** Writes a project's files, as far as they have changed, and returns its folder. */
export function write({ name, files }: Recipe): string {
  const folder = `${FOLDER}/${name}`;
  for (const [path, text] of Object.entries(files)) {
    const file = `${folder}/${path}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    if (!existsSync(file) || Deno.readTextFileSync(file) !== text) Deno.writeTextFileSync(file, text);
  }
  return folder;
}

/** Runs a command line of the README in a project's folder. Deno itself is found there as `deno`. */
export async function runCommand(line: string, cwd: string): Promise<{ code: number; text: string }> {
  const env = {
    RUSTC_BOOTSTRAP: "1",
    PATH: `${FOLDER}/tools:${FOLDER}/cargo/bin:/usr/bin:${Deno.env.get("PATH")}`,
    CARGO_TERM_COLOR: "never",
    NO_COLOR: "1",
  };
  const { code, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", `exec 2>&1\n${line}`], cwd, env, stdin: "null" }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** True when everything is there; says in one line what to do when it is not. */
export async function prepared(): Promise<boolean> {
  const ready = existsSync(`${FOLDER}/cargo/bin/bootimage`) && existsSync(CARGO);
  if (ready) await linkTools();
  else console.log("skipped: the README's recipes need bootimage and crates: deno run -A tests/recipes.ts");
  return ready;
}

/** A link that stays when it is right: another run may be using it. */
async function link(to: string, at: string): Promise<void> {
  if (await Deno.readLink(at).catch(() => undefined) === to) return;
  await Deno.remove(at).catch(() => {});
  await Deno.symlink(to, at);
}

/** A toolchain as rustup's looks to bootimage, made of links to Debian's. */
async function linkTools(): Promise<void> {
  const tools = `${FOLDER}/tools`, sysroot = `${FOLDER}/sysroot`;
  const { stdout } = await new Deno.Command(RUSTC, { args: ["--print", "sysroot", "--print", "host-tuple"] }).output();
  const [own, host] = new TextDecoder().decode(stdout).trim().split("\n");
  const rustlib = `${sysroot}/lib/rustlib`;
  await Deno.mkdir(tools, { recursive: true });
  await Deno.mkdir(`${rustlib}/${host}/bin`, { recursive: true });
  for (const { name } of Deno.readDirSync(`${own}/lib/rustlib`)) {
    if (name !== host) await link(`${own}/lib/rustlib/${name}`, `${rustlib}/${name}`);
  }
  await link(`${own}/lib/rustlib/${host}/lib`, `${rustlib}/${host}/lib`);
  for (const tool of LLVM_TOOLS) await link(`/usr/bin/${tool}`, `${rustlib}/${host}/bin/${tool}`);
  await link("/usr/bin/ld.lld", `${tools}/rust-lld`);
  await link(Deno.execPath(), `${tools}/deno`);
  await Deno.writeTextFile(`${tools}/rustc`, `#!/bin/sh\nexec ${RUSTC} --sysroot ${sysroot} "$@"\n`, { mode: 0o755 });
}

if (import.meta.main) {
  await linkTools();
  const steps = [
    ["cargo install -q bootimage --root cargo", FOLDER],
    ...recipes().map((recipe) => ["cargo fetch -q", write(recipe)]),
  ];
  for (const [line, cwd] of steps) {
    const { code, text } = await runCommand(line, cwd);
    if (code === 0) continue;
    console.error(`${line} (in ${cwd}) failed:\n${text}`);
    Deno.exit(1);
  }
}
