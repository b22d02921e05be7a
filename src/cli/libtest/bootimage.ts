// `bootimage` and its images: as `bootimage runner` it stands between Cargo and us and reads our status; where we are the runner, which nextest needs,
// since bootimage writes lines of its own to standard output, its image is looked for beside the ELF file, or it makes one.
// Source: bootimage 0.10.5, src/main.rs, src/run.rs.
import { ConfigError } from "../../core/errors.ts";
import { EM_X86_64, isElf, readElf } from "../../machine/elf.ts";
import { readToml, type TomlTable } from "../../machine/toml.ts";
import { readFile } from "../../scenario/host.ts";

/** The folder of the package that Cargo tests, if it does. */
const manifestFolder = () => Deno.env.get("CARGO_MANIFEST_DIR");

/** What the manifest in a folder says to bootimage. */
function configuration(folder: string | undefined): TomlTable | undefined {
  const file = `${folder}/Cargo.toml`;
  if (folder === undefined) return undefined;
  let table: unknown;
  try {
    table = readToml(Deno.readTextFileSync(file), file);
  } catch {
    // Cargo itself has read it: it is not for us to say what is wrong with it.
    return undefined;
  }
  for (const key of ["package", "metadata", "bootimage"]) table = table instanceof Map ? table.get(key)?.value : undefined;
  return table instanceof Map ? table as TomlTable : undefined;
}

/** The status by which who has called us knows that all is well: bootimage, which runs its images by us, is told which that is. */
export function successStatus(kernel: string, folder: string | undefined = manifestFolder()): number {
  const status = isImage(kernel) ? configuration(folder)?.get("test-success-exit-code")?.value : undefined;
  return status === undefined ? 0 : Number(status);
}
const isImage = (path: string) => /^bootimage-.*\.bin$/.test(path.slice(path.lastIndexOf("/") + 1));

/** What is booted for a kernel: the disk image of an ELF file that has one, or gets one from bootimage. @throws {ConfigError} it cannot be made. */
export async function bootable(
  kernel: string,
  folder: string | undefined = manifestFolder(),
  program = "bootimage",
): Promise<string> {
  const file = readFile(kernel);
  if (!isElf(file) || readElf(file, kernel).machine !== EM_X86_64) return kernel;
  const [, beside = "", name] = /^(.*\/)?([^/]*)$/s.exec(kernel)!, image = `${beside}bootimage-${name}.bin`;
  const made = () => changed(image) >= changed(kernel);
  if (made()) return image;
  if (!configuration(folder)) return kernel;
  let output: Deno.CommandOutput;
  try {
    // It then runs the image with the last argument: ours lists its cases, and QEMU does not know it. Either is soon over.
    output = await new Deno.Command(program, { args: ["runner", "--quiet", kernel, "--list"], stdin: "null" }).output();
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
    throw new ConfigError("this kernel needs a disk image, and bootimage, which makes one, is not installed: cargo install bootimage", {
      file: kernel,
    });
  }
  if (made()) return image;
  const said = new TextDecoder().decode(output.stderr).trim().split("\n").at(-1);
  throw new ConfigError(`bootimage has made no disk image of it${said ? `: ${said}` : ""}`, { file: kernel });
}

/** When a file was last written; never, if there is none. */
function changed(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch {
    return -1;
  }
}
