// Rebuilds the guests' images from their sources: `deno task guests [--only NAME]`.
// Needs Debian's rustc-web, cargo-web, rust-web-src, lld, llvm and gcc-riscv64-unknown-elf. Equal sources give equal images on every machine:
// no path of this machine gets into them. For the x86 guests, also nasm; see x86_build.ts.

import { parseArgs } from "@std/cli";
import { dirname, join } from "@std/path";
import { type Arch, IMAGES } from "./guests.ts";
import { X86_DEATHS, X86_GUESTS, X86_HOSTILE } from "./x86.ts";
import { buildX86 } from "./x86_build.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const RUST = join(ROOT, "tests/guests/rust");
const TARGET = join(RUST, "target");
const LINK = join(RUST, "link");

/** Debian's compiler knows its own library sources; a toolchain manager's need not have them. */
const RUSTC = "/usr/bin/rustc";
const CARGO = "/usr/bin/cargo";

const RUST_TARGET: Record<Arch, string> = { riscv64: "riscv64gc-unknown-none-elf", riscv32: "riscv32imac-unknown-none-elf" };
const C_TARGET: Record<Arch, string[]> = { riscv64: ["-march=rv64gc", "-mabi=lp64d"], riscv32: ["-march=rv32gc", "-mabi=ilp32d"] };
const C_FLAGS = [
  ..."-O2 -g0 -mcmodel=medany -ffreestanding -nostdlib -nostartfiles -ffp-contract=off -fno-math-errno -fno-tree-loop-distribute-patterns"
    .split(" "),
  "-Wall",
  "-Wno-unused-function",
  "-Wno-main",
  "-Wl,--build-id=none,--no-warn-rwx-segments",
  `-ffile-prefix-map=${ROOT}=/bringup`,
  `-L${LINK}`,
];

/** Runs a program to its end and returns its output; ends this one with the program's message when it fails. */
async function run(program: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd, env }).output();
  if (code !== 0) {
    console.error(`${program} ${args.join(" ")}\n${new TextDecoder().decode(stderr)}`);
    Deno.exit(1);
  }
  return new TextDecoder().decode(stdout);
}

/** Builds all binaries, or all test binaries, of one architecture and returns name -> path of those asked for. */
async function cargo(arch: Arch, kind: "rust" | "rust-test", names: readonly string[]): Promise<Map<string, string>> {
  const sysroot = (await run(RUSTC, ["--print", "sysroot"], RUST)).trim();
  const library = join(sysroot, "lib/rustlib/src/rust");
  const sources = await Deno.realPath(join(library, "library"));
  const remap = [[ROOT, "/bringup"], [library, "/rust"], [dirname(sources), "/rust"], [await cargoHome(), "/cargo"]];
  const text = await run(
    CARGO,
    [
      ...(kind === "rust" ? ["build"] : ["test", "--no-run"]),
      ...names.flatMap((name) => ["--bin", name]),
      "--workspace",
      "--release",
      "--locked",
      "-Zbuild-std=core,compiler_builtins",
      "-Zbuild-std-features=compiler-builtins-mem",
      `--target=${RUST_TARGET[arch]}`,
      "--message-format=json",
    ],
    RUST,
    {
      RUSTC,
      RUSTC_BOOTSTRAP: "1",
      CARGO_TARGET_DIR: TARGET,
      CARGO_ENCODED_RUSTFLAGS: ["-Clinker=ld.lld", ...remap.map(([from, to]) => `--remap-path-prefix=${from}=${to}`)].join("\x1f"),
    },
  );
  const built = new Map<string, string>();
  for (const line of text.trimEnd().split("\n")) {
    const message = JSON.parse(line);
    if (message.reason === "compiler-artifact" && message.executable) built.set(message.target.name, message.executable);
  }
  return built;
}

async function cargoHome(): Promise<string> {
  const home = Deno.env.get("CARGO_HOME") ?? join(Deno.env.get("HOME") ?? "/", ".cargo");
  return await Deno.realPath(home).catch(() => home);
}

const { only } = parseArgs(Deno.args, { string: ["only"] });
const wanted = IMAGES.filter(({ name }) => only === undefined || name === only);
// `--only x86` means all of them.
const allX86 = [...X86_GUESTS, X86_HOSTILE, X86_DEATHS];
const wantedX86 = allX86.filter(({ name }) => only === undefined || only === "x86" || name === only);
if (wanted.length + wantedX86.length === 0) {
  console.error(`no guest is called ${only}; there are: ${[...new Set([...IMAGES, ...allX86].map(({ name }) => name))].join(" ")}`);
  Deno.exit(2);
}
for (const arch of ["riscv64", "riscv32"] as const) {
  for (const kind of ["rust", "rust-test"] as const) {
    const images = wanted.filter((image) => image.arch === arch && image.source.kind === kind);
    if (images.length === 0) continue;
    const built = await cargo(arch, kind, images.map(({ name }) => name));
    for (const { name, image, source } of images) {
      await run("llvm-objcopy", [...(source.debug ? [] : ["--strip-debug"]), built.get(name)!, join(ROOT, image)], ROOT);
    }
  }
  for (const { image, mode, source } of wanted.filter((image) => image.arch === arch && image.source.kind === "c")) {
    const defines = (source.defines ?? []).map((define) => `-D${define}`);
    const files = [`-T${LINK}/${mode.toLowerCase()}_mode.ld`, ...source.from.map((file) => join(ROOT, "tests", file))];
    await run("riscv64-unknown-elf-gcc", [...C_TARGET[arch], ...C_FLAGS, ...defines, ...files, "-lgcc", "-o", join(ROOT, image)], ROOT);
    // The linker's file symbols hold the random names of the compiler's temporary files.
    await run("riscv64-unknown-elf-strip", ["--strip-debug", join(ROOT, image)], ROOT);
  }
}
if (wantedX86.length > 0) await buildX86(wantedX86, run, await cargoHome());
for (const { image } of [...wanted, ...wantedX86]) {
  const bytes = await Deno.readFile(join(ROOT, image));
  const text = new TextDecoder("latin1").decode(bytes);
  for (const path of [ROOT, await cargoHome(), "/usr/lib/rustlib", "/usr/src"]) {
    if (!text.includes(path)) continue;
    console.error(`${image} has a path of this machine in it: ${path}`);
    Deno.exit(1);
  }
  console.log(`${String(bytes.length).padStart(7)} ${image}`);
}
