// What this host gives a machine: whole files, disks piece by piece, machine files by their names, trace lines.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { findMachineFile, findShipped, openDisk, parseChannels, readFile, shippedMachines, TraceLog } from "./host.ts";

const dir = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(dir, { recursive: true }));
/** Bytes of which no two near ones are alike, whatever the piece. */
const noise = (length: number) => {
  const bytes = new Uint8Array(length), words = new Uint32Array(bytes.buffer, 0, length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  return bytes;
};
function file(name: string, bytes: Uint8Array): string {
  Deno.writeFileSync(`${dir}/${name}`, bytes);
  return `${dir}/${name}`;
}
const hash = async (bytes: Uint8Array) => new Uint8Array(await crypto.subtle.digest("SHA-1", bytes.slice())).toHex();

Deno.test("a file is read whole: empty, small, at and above the size that is read in parts", async () => {
  for (const size of [0, 5, 4 << 20, (4 << 20) + 4, 9_000_004]) {
    const bytes = noise(size), read = readFile(file("file", bytes));
    assertEquals([read.length, await hash(read)], [size, await hash(bytes)], `${size} bytes`);
  }
});

Deno.test("what cannot be read says why in one line, and suggests names that are near", () => {
  file("kernel.elf", noise(4));
  const why = (read: () => unknown, text: string) => {
    const e = assertThrows(read, ConfigError, text);
    assert(!e.message.includes("\n") && !e.message.includes("os error"), e.message);
  };
  for (const read of [readFile, (p: string) => openDisk(p, { write: false })]) {
    why(() => read(`${dir}/kernle.elf`), "kernle.elf: no such file (did you mean 'kernel.elf'?)");
    why(() => read(`${dir}/nowhere/k`), `no such file: there is no folder '${dir}/nowhere'`);
    why(() => read(dir), "cannot be read: Is a directory");
  }
  why(() => openDisk(`${dir}/zzzzzzzzzzzzzzzz`, { write: true }), "no such file");
});

Deno.test("a pipe and a device are no disks; a device that has no end is no file, and one that is empty is an empty one", () => {
  const pipe = `${dir}/pipe`, no = "cannot be read: a disk has sectors, and this is a pipe or a device";
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  for (const path of [pipe, "/dev/null", "/dev/zero"]) {
    assertEquals(assertThrows(() => openDisk(path, { write: false }), ConfigError).message, `${path}: ${no}`);
  }
  assertEquals(readFile("/dev/null").length, 0);
  assertEquals(assertThrows(() => readFile("/dev/zero"), ConfigError).message, "/dev/zero: cannot be read: it is a device and no file");
});

Deno.test("what an image does not take is told as written, not as read", () => {
  const disk = openDisk(file("gone", noise(512)), { write: true });
  disk.read(0, 512);
  Deno.removeSync(`${dir}/gone`);
  Deno.mkdirSync(`${dir}/gone`);
  assertThrows(() => disk.write!(0, noise(4)), ConfigError, "gone: cannot be written: Is a directory");
});

Deno.test("a disk reads the same by pieces as at once: at and over their edges, after many others, to its end", () => {
  const piece = 256 << 10, bytes = noise(3 * piece + 1000), disk = openDisk(file("disk", bytes), { write: false });
  assertEquals([disk.size, disk.write], [bytes.length, undefined]);
  const spans = [[0, 512], [piece - 1, 2], [piece - 512, 512], [piece, 512], [100, 2 * piece], [3 * piece + 488, 512], [0, bytes.length], [
    7,
    0,
  ]];
  for (const [offset, length] of spans) {
    const read = disk.read(offset, length);
    assertEquals(read.length, length);
    assert(read.every((b, i) => b === bytes[offset + i]), `${offset}, ${length}`);
  }
});

Deno.test("pieces that were forgotten are read again", () => {
  // More pieces than are kept, in a sparse file with a mark in each.
  const path = `${dir}/sparse`, piece = 256 << 10, pieces = 260;
  using f = Deno.openSync(path, { create: true, write: true });
  f.truncateSync(pieces * piece);
  for (let n = 0; n < pieces; n++) f.seekSync(n * piece, Deno.SeekMode.Start), f.writeSync(Uint8Array.of(n & 255, n >> 8));
  const disk = openDisk(path, { write: false });
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < pieces; n++) assertEquals([...disk.read(n * piece, 2)], [n & 255, n >> 8]);
  }
});

Deno.test("a disk that may be written changes its file, and still reads as it was before: what was written over it is kept above", () => {
  const piece = 256 << 10, bytes = noise(2 * piece), path = file("writable", bytes);
  // Long enough for its pieces to be forgotten.
  Deno.truncateSync(path, 260 * piece);
  const disk = openDisk(path, { write: true }), data = Uint8Array.from({ length: 1024 }, (_, i) => i * 7);
  disk.write!(piece - 512, data);
  const now = Deno.readFileSync(path);
  assertEquals(now.length, 260 * piece);
  assert(data.every((b, i) => now[piece - 512 + i] === b));
  assertEquals([now[piece - 513], now[piece + 512]], [bytes[piece - 513], bytes[piece + 512]]);
  for (let n = 2; n < 260; n++) disk.read(n * piece, 1);
  assert(disk.read(piece - 512, 1024).every((b, i) => b === bytes[piece - 512 + i]));
});

Deno.test("machine files: as given, else among those that come with bringup", () => {
  const shipped = findShipped("virt.toml")!;
  assert(shipped.endsWith("/machines/virt.toml"));
  assertEquals([findShipped("machines/virt.toml"), findShipped("nothing.toml")], [shipped, undefined]);
  const cwd = Deno.cwd();
  Deno.chdir(dir);
  try {
    assertEquals(["virt", "virt.toml", "machines/virt.toml"].map(findMachineFile), Array(3).fill(shipped));
    assertEquals(findMachineFile("/nowhere/virt.toml"), "/nowhere/virt.toml");
    for (
      const [given, message] of [
        ["nothing.toml", "nothing.toml: no such file"],
        ["vitr", "vitr: no such file (did you mean 'virt'?)"],
        ["pc.tml", "pc.tml: no such file (did you mean 'pc.toml'?)"],
        ["machines/vitr.toml", "machines/vitr.toml: no such file (did you mean 'machines/virt.toml'?)"],
        ["nowhere/x.toml", "nowhere/x.toml: no such file: there is no folder 'nowhere'"],
      ]
    ) assertEquals(assertThrows(() => findMachineFile(given), ConfigError).message, message);
    file("virt.toml", noise(4));
    assertEquals([findMachineFile("virt.toml"), findMachineFile("virt")], ["virt.toml", "virt.toml"], "one's own goes before");
  } finally {
    Deno.chdir(cwd);
  }
  for (const name of ["virt", "virt32", "pc", "microvm"]) assert(shippedMachines().includes(name), name);
});

Deno.test("trace channels by name, and lines with guest time behind the guest's own output", () => {
  assertEquals([...parseChannels(" irq, trap,")], ["irq", "trap"]);
  assert(parseChannels("irq,all").size > 5);
  assertThrows(() => parseChannels("irk"), ConfigError, "--trace: no channel 'irk' (did you mean 'irq'?); the channels are ");
  const log = new TraceLog(parseChannels("irq")), written: string[] = [], { writeSync } = Deno.stderr;
  log.nowNs = () => 42;
  log.beforeLine = () => written.push("before");
  Deno.stderr.writeSync = (bytes: Uint8Array) => (written.push(new TextDecoder().decode(bytes)), bytes.length);
  try {
    log.line("irq", "plic", "source 3");
    log.line("trap", "cpu0", "not asked for");
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
  assertEquals([log.on("irq"), log.on("trap"), written], [true, false, ["before", "[42 ns] [plic] [irq] source 3\n"]]);
});
