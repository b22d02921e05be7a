// Builds the images of the x86 guests. The disk images are made as `bootimage` makes them: the bootloader crate is built once for each kernel, with
// the kernel inside, and its ELF file flattened. Needs nasm, lld, llvm and Debian's Rust.
import { dirname, join } from "@std/path";
import type { X86Guest } from "./x86.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const RUST = join(ROOT, "tests/guests/rust_x86");
const TARGET = join(RUST, "target");
const ASM = join(ROOT, "tests/guests/asm");
const RUSTC = "/usr/bin/rustc";
const CARGO = "/usr/bin/cargo";
const SECTOR = 512;
const BUILD_STD_FEATURES = "-Zbuild-std-features=compiler-builtins-mem";

/** Runs a program to its end and returns what it printed. */
export type Run = (program: string, args: readonly string[], cwd: string, env?: Record<string, string>) => Promise<string>;

/** Builds the images of these guests. `cargoHome` is kept out of them, as is every other path of this machine. */
export async function buildX86(guests: readonly X86Guest[], run: Run, cargoHome: string): Promise<void> {
  await Deno.mkdir(join(ROOT, "cache/guests"), { recursive: true });
  for (const guest of guests) {
    if (guest.kind === "sector" || guest.kind === "linux16") {
      await run("nasm", ["-f", "bin", "-o", join(ROOT, guest.image), `${guest.name}.asm`], ASM);
    }
    if (guest.kind === "elf" || guest.kind === "multiboot2") await buildElf(guest, run, "elf32", "elf_i386");
    if (guest.kind === "c") await buildC(guest, run);
    if (guest.kind === "elf64") await buildElf(guest, run, "elf64", "elf_x86_64");
  }
  const remap = await remapFlags(run, cargoHome);
  for (const kind of ["rust", "rust-test"] as const) {
    const wanted = guests.filter((g) => g.kind === kind || kind === "rust" && g.kind === "rust-mapped");
    if (wanted.length === 0) continue;
    const kernels = await buildKernels(wanted.map((g) => g.name), kind === "rust-test", remap, run);
    for (const guest of wanted) await buildDisk(guest, kernels.get(guest.name)!, remap, run);
  }
}

/** QEMU starts ELF32 files only, even of kernels that go to long mode. */
async function buildElf({ name, image }: X86Guest, run: Run, format: string, emulation: string): Promise<void> {
  await Deno.mkdir(TARGET, { recursive: true });
  const object = join(TARGET, `${name}.o`);
  await run("nasm", ["-f", format, "-o", object, `${name}.asm`], ASM);
  await run(
    "ld.lld",
    ["-m", emulation, "--build-id=none", "-z", "norelro", "--image-base=0x100000", "-o", join(ROOT, image), object],
    ASM,
  );
  await run("llvm-objcopy", ["--strip-debug", join(ROOT, image)], ASM);
}

const C_FLAGS = [
  ..."-O2 -g0 -ffreestanding -nostdlib -static -fno-pic -no-pie -mno-red-zone -fno-stack-protector -fcf-protection=none -w".split(" "),
  ..."-fno-asynchronous-unwind-tables -ffp-contract=off -fno-math-errno -fno-tree-loop-distribute-patterns -fno-builtin-memset".split(" "),
  "-Wl,--build-id=none,-z,max-page-size=4096,-z,noexecstack,--no-warn-rwx-segments",
];
/** Sources of the benchmarks, in `tests/bench/guests`. bench.c is built as for a host; crt.c is that host. */
const C_SOURCES: Readonly<Record<string, readonly string[]>> = {
  "bench_suite.x86_64": ["-m64", "-DNATIVE", "x86/start.S", "x86/crt.c", "suite.c"],
  "system.x86_64": ["-m64", "x86/start.S", "x86/trap.S", "x86/crt.c", "x86/system.c"],
  "paged.x86_64": ["-m64", "x86/start.S", "x86/paged.S", "x86/paged.c"],
  "paged.x86_32": [..."-m32 -march=pentium4 -mfpmath=sse -mregparm=3".split(" "), "x86/paged32.S", "x86/paged.c"],
};

async function buildC({ name, image }: X86Guest, run: Run): Promise<void> {
  const out = join(ROOT, image), folder = join(ROOT, "tests/bench/guests");
  await run("gcc", [...C_FLAGS, "-Ix86/include", "-Tx86/link.ld", ...C_SOURCES[name], "-o", out], folder);
  await run("llvm-objcopy", ["--strip-all", out], folder);
}

async function remapFlags(run: Run, cargoHome: string): Promise<string[]> {
  const sysroot = (await run(RUSTC, ["--print", "sysroot"], RUST)).trim();
  const library = join(sysroot, "lib/rustlib/src/rust");
  const sources = await Deno.realPath(join(library, "library"));
  const paths = [[ROOT, "/bringup"], [library, "/rust"], [dirname(sources), "/rust"], [cargoHome, "/cargo"]];
  return paths.map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
}

/** Builds kernels, or their tests, and returns name -> path. */
async function buildKernels(names: readonly string[], tests: boolean, remap: readonly string[], run: Run): Promise<Map<string, string>> {
  const flags = ["-Clinker=ld.lld", "-Crelocation-model=static", "-Ccode-model=small", ...remap];
  const text = await run(
    CARGO,
    [
      ...(tests ? ["test", "--no-run", "-Zpanic-abort-tests"] : ["build"]),
      ...names.flatMap((name) => ["--bin", name]),
      ...["--release", "--locked", "--target=x86_64-unknown-none", "--message-format=json"],
      ...["-Zbuild-std=core,compiler_builtins,alloc", BUILD_STD_FEATURES],
    ],
    RUST,
    { RUSTC, RUSTC_BOOTSTRAP: "1", CARGO_TARGET_DIR: TARGET, CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") },
  );
  const built = new Map<string, string>();
  for (const line of text.trimEnd().split("\n")) {
    const message = JSON.parse(line);
    if (message.reason === "compiler-artifact" && message.executable) built.set(message.target.name, message.executable);
  }
  return built;
}

/** Puts a kernel into a disk image: a boot sector, the loader's stages, the kernel's ELF file. */
async function buildDisk(guest: X86Guest, kernel: string, remap: readonly string[], run: Run): Promise<void> {
  const source = await bootloaderSource(run);
  const tools = join(TARGET, "tools");
  await Deno.mkdir(tools, { recursive: true });
  await Deno.symlink("/usr/bin/ld.lld", join(tools, "rust-lld")).catch(() => {});
  // The loader has the name of the kernel's file in its symbols only; the name must be the same on every machine all the same.
  const plain = join(TARGET, guest.name);
  await Deno.copyFile(kernel, plain);
  await run(
    CARGO,
    [
      ...["build", "--release", "--bin", "bootloader", "--target", "x86_64-bootloader.json", "-Zjson-target-spec"],
      ...["--features", guest.kind === "rust-mapped" ? "binary,map_physical_memory" : "binary"],
      ...["--config", `patch.crates-io.llvm-tools.path="${join(RUST, "llvm_tools")}"`],
      ...["-Zbuild-std=core,compiler_builtins", BUILD_STD_FEATURES],
    ],
    source,
    {
      ...{ RUSTC, RUSTC_BOOTSTRAP: "1", CARGO_TARGET_DIR: join(TARGET, "loader"), CARGO_ENCODED_RUSTFLAGS: remap.join("\x1f") },
      ...{ KERNEL: plain, KERNEL_MANIFEST: join(RUST, "Cargo.toml"), PATH: `${tools}:${Deno.env.get("PATH")}` },
    },
  );
  const image = join(ROOT, guest.image);
  const flat = ["-I", "elf64-x86-64", "-O", "binary", "--binary-architecture=i386:x86-64"];
  await run("llvm-objcopy", [...flat, join(TARGET, "loader/x86_64-bootloader/release/bootloader"), image], ROOT);
  const { size } = await Deno.stat(image);
  await Deno.truncate(image, Math.ceil(size / SECTOR) * SECTOR);
}

/** A copy of the bootloader crate's source, which Cargo writes to: the registry's own stays as it is. */
async function bootloaderSource(run: Run): Promise<string> {
  const metadata = JSON.parse(await run(CARGO, ["metadata", "--format-version=1", "--locked"], RUST, { RUSTC }));
  const { manifest_path, version } = metadata.packages.find((p: { name: string }) => p.name === "bootloader");
  const copy = join(TARGET, `bootloader-${version}`);
  if (!await Deno.stat(copy).catch(() => undefined)) await run("cp", ["-r", dirname(manifest_path), copy], ROOT);
  return copy;
}
