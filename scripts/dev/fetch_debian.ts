// Gets Debian's Linux: `deno run -A scripts/dev/fetch_debian.ts [--arch riscv64|amd64|i386] [--force]`. Downloads the packages through apt with a
// configuration of its own into ./cache/debian/, and leaves in ./cache/linux (riscv64, Debian 13), ./cache/linux_amd64 (Debian 13) or ./cache/linux_i386
// (Debian 12, the last with a kernel)
//   Image, vmlinuz                 the unmodified kernel of linux-image-riscv64, linux-image-cloud-amd64 (few drivers: small) or linux-image-686-pae
//   initramfs.cpio.gz              busybox-static and the /init below
//   modules.cpio.gz                drivers that the kernel has as modules, in /modules, to be loaded in the order of their names, and /disk-bench, a first
//                                  program that writes and reads 256 MiB of the first virtio disk (riscv64)
//   fw_{jump,dynamic}.{bin,elf}    OpenSBI 1.6 (riscv64)
//   version.txt                    the package versions
// Exit status 3 and one line when the packages cannot be had (no apt, no network): tests that need them are then skipped.
// The mirror is the one this machine's own apt sources name.

import { parseArgs } from "@std/cli";
import { join } from "@std/path";

const ROOT = join(import.meta.dirname!, "..", "..");
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const COMMON = ["initramfs.cpio.gz", "version.txt"];
const SYSTEMS = {
  riscv64: {
    suite: "trixie",
    kernel: "linux-image-riscv64",
    image: "Image",
    packages: ["opensbi", "busybox-static"],
    out: "cache/linux",
    outputs: ["Image", "fw_jump.bin", "fw_jump.elf", "fw_dynamic.bin", "fw_dynamic.elf", "modules.cpio.gz", ...COMMON],
  },
  amd64: {
    suite: "trixie",
    kernel: "linux-image-cloud-amd64",
    image: "vmlinuz",
    packages: ["busybox-static"],
    out: "cache/linux_amd64",
    outputs: ["vmlinuz", ...COMMON],
  },
  i386: {
    suite: "bookworm",
    kernel: "linux-image-686-pae",
    image: "vmlinuz",
    packages: ["busybox-static"],
    out: "cache/linux_i386",
    outputs: ["vmlinuz", ...COMMON],
  },
} as const;
/** What the benchmark runs in the first program's place. */
const DISK_BENCH = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
dd if=/dev/zero of=/dev/vda bs=1M count=256 conv=fsync
echo 3 > /proc/sys/vm/drop_caches
dd if=/dev/vda of=/dev/null bs=1M count=256
echo "bringup: the disk was written and read"
poweroff -f
`;
/** Modules below drivers/, none of which needs others. */
const MODULES = ["virtio/virtio_mmio", "block/virtio_blk", "char/hw_random/virtio-rng", "virtio/virtio_input", "input/evdev"];
const { force, arch = "riscv64" } = parseArgs(Deno.args, { boolean: ["force"], string: ["arch"] });
const system = SYSTEMS[arch as keyof typeof SYSTEMS];
if (!system) {
  console.error(`--arch ${arch}: there are ${Object.keys(SYSTEMS).join(" and ")}`);
  Deno.exit(2);
}
const PACKAGES_DIR = join(ROOT, "cache/debian", arch), OUT = join(ROOT, system.out), OUTPUTS: readonly string[] = system.outputs;

/** The first program: mounts what a shell needs, says so, and powers off when the shell ends. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
echo "bringup: userspace is up"
setsid cttyhack sh
poweroff -f
`;

/** The packages cannot be had. */
class Unavailable extends Error {}

async function run(program: string, args: readonly string[], cwd = ROOT): Promise<string> {
  const output = await new Deno.Command(program, { args: [...args], cwd, env: { LC_ALL: "C" } }).output().catch(() => {
    throw new Unavailable(`${program} is not installed`);
  });
  if (!output.success) {
    const lines = new TextDecoder().decode(output.stderr).trim().split("\n");
    throw new Unavailable(`${program} ${args.at(-1)}: ${lines.find((line) => line.startsWith("E:")) ?? lines.at(-1)}`);
  }
  return new TextDecoder().decode(output.stdout);
}

/** The address of the Debian archive in this machine's apt sources, in the one-line or the deb822 format. */
async function mirror(): Promise<string> {
  const files = ["/etc/apt/sources.list"];
  for (const name of await Array.fromAsync(Deno.readDir("/etc/apt/sources.list.d")).catch(() => [])) {
    files.push(`/etc/apt/sources.list.d/${name.name}`);
  }
  for (const file of files) {
    const text = await Deno.readTextFile(file).catch(() => "");
    const match = text.match(/^(?:URIs:|deb (?:\[[^\]]*\] )?)\s*(\S+\/debian)\/?(?:\s|$)/m);
    if (match) return match[1];
  }
  throw new Unavailable("no Debian mirror in this machine's apt sources");
}

/** Downloads and unpacks the packages; returns the folder and a line per package. */
async function download(): Promise<{ readonly tree: string; readonly versions: string }> {
  await Deno.remove(PACKAGES_DIR, { recursive: true }).catch(() => {});
  await Deno.mkdir(join(PACKAGES_DIR, "lists/partial"), { recursive: true });
  await Deno.mkdir(join(PACKAGES_DIR, "archives/partial"), { recursive: true });
  const sources = join(PACKAGES_DIR, "sources.list");
  await Deno.writeTextFile(sources, `deb [arch=${arch} signed-by=${KEYRING}] ${await mirror()} ${system.suite} main\n`);
  await Deno.writeTextFile(join(PACKAGES_DIR, "status"), "");
  const options = [
    `Dir::State::Lists=${PACKAGES_DIR}/lists`,
    `Dir::State::status=${PACKAGES_DIR}/status`,
    `Dir::Cache=${PACKAGES_DIR}`,
    `Dir::Etc::SourceList=${sources}`,
    "Dir::Etc::SourceParts=/dev/null",
    "Dir::Etc::PreferencesParts=/dev/null",
    `APT::Architecture=${arch}`,
    `APT::Architectures=${arch}`,
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  await run("apt-get", [...options, "-qq", "update"]);
  const depends = await run("apt-cache", [...options, "depends", system.kernel]);
  const kernel = depends.match(/Depends: (linux-image-\S+)/)?.[1];
  if (kernel === undefined) throw new Unavailable(`${system.kernel} depends on no kernel image`);
  await run("apt-get", [...options, "-qq", "download", kernel, ...system.packages], PACKAGES_DIR);
  const tree = join(PACKAGES_DIR, "tree");
  let versions = "";
  for await (const { name } of Deno.readDir(PACKAGES_DIR)) {
    if (!name.endsWith(".deb")) continue;
    versions += name + "\n";
    await run("dpkg-deb", ["-x", join(PACKAGES_DIR, name), tree]);
  }
  return { tree, versions };
}

interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly bytes?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number];
}

/** A cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst); all times are 0. */
function cpio(entries: readonly Entry[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let length = 0;
  const push = (bytes: Uint8Array) => {
    const padding = new Uint8Array(-(length + bytes.length) & 3);
    parts.push(bytes, padding);
    length += bytes.length + padding.length;
  };
  for (
    const [index, { path, mode, bytes = new Uint8Array(0), device = [0, 0] }] of [...entries, { path: "TRAILER!!!", mode: 0 } as Entry]
      .entries()
  ) {
    const fields = [index + 1, mode, 0, 0, 1, 0, bytes.length, 0, 0, device[0], device[1], path.length + 1, 0];
    push(encoder.encode("070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("") + path + "\0"));
    push(bytes);
  }
  return concatenate(parts);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function findFile(folder: string, pattern: RegExp): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) {
    if (pattern.test(name)) return join(folder, name);
  }
  throw new Unavailable(`no file like ${pattern} in ${folder}`);
}

/** An archive that the kernel takes behind another one. */
async function moduleArchive(tree: string): Promise<Uint8Array> {
  const folder = await findFile(join(tree, "usr/lib/modules"), /^\d/).catch(() => findFile(join(tree, "lib/modules"), /^\d/));
  const entries: Entry[] = [
    { path: "disk-bench", mode: 0o100755, bytes: new TextEncoder().encode(DISK_BENCH) },
    { path: "modules", mode: 0o40755 },
  ];
  for (const [i, name] of MODULES.entries()) {
    const { stdout, success } = await new Deno.Command("xz", { args: ["-dc", join(folder, "kernel/drivers", `${name}.ko.xz`)] }).output();
    if (!success) throw new Unavailable(`no module ${name}, or no xz`);
    entries.push({ path: `modules/${i}-${name.split("/").pop()}.ko`, mode: 0o100644, bytes: stdout });
  }
  return cpio(entries);
}

async function build(): Promise<void> {
  const { tree, versions } = await download();
  await Deno.mkdir(OUT, { recursive: true });
  await Deno.copyFile(await findFile(join(tree, "boot"), /^vmlinu[xz]-/), join(OUT, system.image));
  for (const name of OUTPUTS.filter((name) => name.startsWith("fw_"))) {
    await Deno.copyFile(join(tree, "usr/lib/riscv64-linux-gnu/opensbi/generic", name), join(OUT, name));
  }
  const busybox = await Deno.readFile(
    await findFile(join(tree, "usr/bin"), /^busybox$/).catch(() => findFile(join(tree, "bin"), /^busybox$/)),
  );
  const archive = cpio([
    ...["bin", "dev", "proc", "sys"].map((path) => ({ path, mode: 0o40755 })),
    { path: "dev/console", mode: 0o20600, device: [5, 1] },
    { path: "bin/busybox", mode: 0o100755, bytes: busybox },
    { path: "init", mode: 0o100755, bytes: new TextEncoder().encode(INIT) },
  ]);
  await Deno.writeFile(join(OUT, "initramfs.cpio.gz"), await gzip(archive));
  if (OUTPUTS.includes("modules.cpio.gz")) await Deno.writeFile(join(OUT, "modules.cpio.gz"), await gzip(await moduleArchive(tree)));
  await Deno.writeTextFile(join(OUT, "version.txt"), versions);
  await Deno.remove(tree, { recursive: true }); // half a gigabyte of modules
}

const complete = async () =>
  (await Promise.allSettled(OUTPUTS.map((name) => Deno.stat(join(OUT, name))))).every(({ status }) => status === "fulfilled");
if (force || !await complete()) {
  try {
    await build();
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    console.error(`Cannot get Debian's ${arch} Linux: ${error.message}`);
    Deno.exit(3);
  }
}
console.log((await Deno.readTextFile(join(OUT, "version.txt"))).trim().split("\n").sort().join(" "));
