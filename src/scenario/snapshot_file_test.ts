// Snapshots in files: what comes back of them, what they belong to, and files that somebody has damaged or made up.
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import zlib from "node:zlib";
import { boot, type BootOptions, ConfigError, type MachineSession } from "../../mod.ts";
import { Hash } from "../core/hash.ts";
import { pack, unpack } from "../core/pack.ts";
import { fromStored, toStored } from "./saved_state.ts";
import { checkWritable, writeWhole } from "./host.ts";

const GUESTS = new URL("../../tests/guests/bin/", import.meta.url).pathname, FOLDER = Deno.makeTempDirSync(), FILE = `${FOLDER}/a.snap`;
addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const ECHO: BootOptions = { kernel: `${GUESTS}echo.rv64.elf`, set: { memory: "4MiB" } };

/** An echoing guest in the midst of a line, with bytes that wait. */
async function begun(options: BootOptions = ECHO): Promise<MachineSession> {
  const m = await boot("virt", options);
  await m.serial.toPrint("> ");
  m.serial.enqueue(new TextEncoder().encode("half a line\r"), 1000);
  await m.run({ for: "500us" });
  return m;
}
const told = (m: MachineSession) => [m.machine.digest(), m.machine.age, m.serial.text(), m.serial.cursor, m.serial.queued, m.inputs];

Deno.test("a file has all of a session; equal states make equal files; what goes on from one ends as what went on", async () => {
  const m = await begun(), before = m.state();
  await m.save(FILE);
  await m.save(`${FOLDER}/b.snap`);
  assertEquals(Deno.readFileSync(FILE), Deno.readFileSync(`${FOLDER}/b.snap`));
  assert(Deno.statSync(FILE).size < 40_000, `${Deno.statSync(FILE).size} bytes`);
  const child = await boot("virt", { ...ECHO, load: FILE });
  assertEquals(told(child), told(m));
  assertEquals(child.state(), before);
  for (const s of [m, child]) {
    await s.serial.toPrint("half a line");
    await s.serial.send("exit\r");
    await s.stopped();
  }
  assertEquals(told(child), told(m));
  // A run that has ended can be looked at.
  await m.save(FILE);
  const ended = await boot("virt", { ...ECHO, load: FILE });
  assertEquals([ended.stop, ...told(ended)], [m.stop, ...told(m)]);
  child.rewind();
  assertEquals(child.state(), before);
});

Deno.test("patterns that are new are looked for in what is printed from then on", async () => {
  const m = await begun();
  await m.save(FILE);
  const load = async (failOn: RegExp[]) => await boot("virt", { ...ECHO, failOn, load: FILE });
  const fine = await load([/type lines/]);
  await fine.serial.toPrint("> ");
  const fails = await load([/bytes/]);
  await assertRejects(() => fails.serial.toPrint("> "), Error, "printed /bytes/");
});

/** A PC with a disk that is written and a floppy. */
async function disks(content = 1, more: BootOptions = {}) {
  const image = `${FOLDER}/disk.img`;
  Deno.writeFileSync(image, new Uint8Array(1 << 20).fill(content));
  const options = { kernel: `${GUESTS}x86_shell.img`, set: { memory: "4MiB" }, disks: [image], ...more };
  return { image, options, m: await boot("pc", options) };
}
type Machine = import("../machine/machine.ts").Machine;

Deno.test("written sectors are in it; a disk is the same one when the guest sees the same", async () => {
  const { m, options, image } = await disks(), [, disk] = (m.machine as Machine).disks.all;
  disk.write(5, new Uint8Array(1024).fill(9));
  await m.save(FILE);
  const child = await boot("pc", { ...options, load: FILE }), [, other] = (child.machine as Machine).disks.all;
  assertEquals([other.read(4, 4), child.machine.digest()], [disk.read(4, 4), m.machine.digest()]);
  // What was written has got into the file.
  const file = Deno.openSync(image, { write: true });
  file.seekSync(5 * 512, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(512).fill(9));
  assertEquals((await boot("pc", { ...options, load: FILE })).machine.digest(), m.machine.digest());
  file.seekSync(7 * 512, Deno.SeekMode.Start);
  file.writeSync(Uint8Array.of(2));
  file.close();
  await assertRejects(
    () => boot("pc", { ...options, load: FILE }),
    ConfigError,
    "the snapshot is of another hard disk 1: the one here has other",
  );
  Deno.truncateSync(image, 1 << 19);
  await assertRejects(() => boot("pc", { ...options, load: FILE }), ConfigError, "has 524288 bytes, and that one had 1048576");
  await assertRejects(() => boot("pc", { ...options, disks: [], load: FILE }), ConfigError, "the snapshot is of ");
});

Deno.test("another machine, kernel or command line is told", async () => {
  await (await begun({ ...ECHO, append: "a b" })).save(FILE);
  const other = async (change: BootOptions) => {
    const e = await assertRejects(() => boot("virt", { ...ECHO, append: "a b", ...change, load: FILE }), ConfigError);
    assert(e.message.startsWith(`${FILE}: the snapshot is of another `) && !e.message.includes("\n"), e.message);
    return e.message.slice(`${FILE}: the snapshot is of another `.length);
  };
  assertEquals(await other({ set: { memory: "8MiB" } }), "machine: memory.dram.size is 4194304 there and 8388608 here");
  assertEquals(await other({ set: { memory: "4MiB", harts: 2 } }), "machine: cpu.harts is 1 there and 2 here");
  assertEquals(await other({ append: "a c" }), 'machine: boot.cmdline is "a b" there and "a c" here');
  assertMatch(await other({ set: { memory: "4MiB", "device.rtc": false } }), /^machine: device\.rtc is \{.* there and not here$/);
  assertMatch(
    await other({ kernel: `${GUESTS}hello.rv64.elf` }),
    /^kernel, 'echo\.rv64\.elf': 'hello\.rv64\.elf' has \d+ bytes, and that one/,
  );
  const changed = Deno.readFileSync(ECHO.kernel!);
  changed[changed.length - 1] ^= 1;
  Deno.writeFileSync(`${FOLDER}/echo.rv64.elf`, changed);
  assertEquals(await other({ kernel: `${FOLDER}/echo.rv64.elf` }), "kernel: 'echo.rv64.elf' has other contents");
});

// --- damaged and forged files

const HEAD = 20;
interface Forged {
  // deno-lint-ignore no-explicit-any
  header: any;
  parts: Uint8Array[];
}
/** A file whose parts are changed, sealed as if nothing were wrong. */
function forge(bytes: Uint8Array, change: (f: Forged) => void): Uint8Array {
  const length = new DataView(bytes.buffer).getUint32(16, true),
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(HEAD, HEAD + length)));
  const parts: Uint8Array[] = [];
  let at = HEAD + length;
  for (const [, packed] of [...header.parts.state, ...header.parts.pages]) parts.push(bytes.slice(at, at += packed));
  const f = { header, parts };
  change(f);
  const head = new TextEncoder().encode(typeof f.header === "string" ? f.header : JSON.stringify(f.header)), start = bytes.slice(0, HEAD);
  new DataView(start.buffer).setUint32(16, head.length, true);
  return sealed(new Uint8Array([...start, ...head, ...f.parts.flatMap((p) => [...p])]));
}
function sealed(bytes: Uint8Array): Uint8Array {
  const hash = new Hash();
  hash.bytes(bytes);
  return new Uint8Array([...bytes, ...hash.hex().match(/../g)!.map((b) => parseInt(b, 16))]);
}
let fresh: MachineSession | undefined;
async function refusal(bytes: Uint8Array): Promise<string> {
  const m = fresh ??= await boot("virt", ECHO);
  Deno.writeFileSync(`${FOLDER}/bad.snap`, bytes);
  const e = await assertRejects(() => m.load(`${FOLDER}/bad.snap`), ConfigError);
  assert(!e.message.includes("\n"), e.message);
  return e.message.slice(`${FOLDER}/bad.snap: `.length);
}

Deno.test("a file that is cut off, changed or none at all is refused in one line", async () => {
  await (await begun()).save(FILE);
  const good = Deno.readFileSync(FILE), damaged = "the snapshot is damaged: it is cut off, or has been changed";
  for (const length of [0, 11, 27]) assertEquals(await refusal(good.subarray(0, length)), "this is no snapshot");
  for (const length of [28, 100, good.length >> 1, good.length - 1]) assertEquals(await refusal(good.subarray(0, length)), damaged);
  for (const at of [17, 25, HEAD + 1000, good.length - 9, good.length - 1]) {
    assertEquals(await refusal(good.with(at, good[at] ^ 4)), damaged);
  }
  assertEquals(await refusal(new Uint8Array([...good, 0])), damaged);
  assertEquals(await refusal(Deno.readFileSync(ECHO.kernel!)), "this is no snapshot");
  assertEquals(await refusal(good.with(12, 2)), "the snapshot has format 2, and this program reads 1");
  await assertRejects(() => boot("virt", { ...ECHO, load: FOLDER }), ConfigError, "Is a directory");
  await assertRejects(() => boot("virt", { ...ECHO, load: `${FOLDER}/none` }), ConfigError, "no such file");
});

Deno.test("what a file says of itself is not believed: lengths, bombs, versions, types", async () => {
  await (await begun()).save(FILE);
  const good = Deno.readFileSync(FILE), bomb = zlib.zstdCompressSync(new Uint8Array(1 << 26));
  const cases: [string, (f: Forged) => void][] = [
    ["of version 2, and this program reads", ({ header }) => header.state = 2],
    ["no JSON", (f) => f.header = "{"],
    ["does not have what it should", (f) => f.header = "[]"],
    ["does not have what it should", ({ header }) => header.parts.state = [[1]]],
    ["does not have what it should", ({ header }) => header.parts.pages = [["1", 2]]],
    ["does not have what it should", ({ header }) => header.images = [{}]],
    ["larger than a state", ({ header }) => header.parts.pages = Array(10).fill([1 << 20, 1])],
    ["larger than a state", ({ header }) => header.parts.state = Array(10_000).fill([1 << 20, 1])],
    ["not as long as they should", ({ header }) => header.parts.state = [[1 << 21, 1]]],
    ["not as long as they should", ({ header }) => header.parts.state = [[5, 1], [5, 1]]],
    ["ends too early", ({ header }) => header.parts.state[0][1] = 1 << 30],
    ["behind its end", ({ parts }) => parts.push(Uint8Array.of(0))],
    ["cannot be unpacked", ({ header, parts }) => [header.parts.state[0], parts[0]] = [[1000, bomb.length], bomb]],
    ["another length", ({ header }) => header.parts.state[0][0]++],
    ["cannot be unpacked", ({ parts }) => parts[0].fill(0x55)],
    ["ends too early", (f) => stateOf(f, () => undefined, Uint8Array.of(9, 0xff, 0x7f))],
    ["expected a record", (f) => stateOf(f, () => 5)],
    ["lists more pages", (f) => (f.header.parts.pages.pop(), f.parts.pop())],
    // deno-lint-ignore no-explicit-any
    ["machine.pages.0 is -1", (f) => stateOf(f, (s: any) => void (s.machine.pages[0] = -1))],
    // deno-lint-ignore no-explicit-any
    ["machine.pages.1 is", (f) => stateOf(f, (s: any) => void (s.machine.pages[1] = s.machine.pages[0]))],
    // deno-lint-ignore no-explicit-any
    ["machine.pages", (f) => stateOf(f, (s: any) => void (s.machine.pages[s.machine.pages.length - 1] = 1e6))],
    // deno-lint-ignore no-explicit-any
    ["has 3 elements, expected", (f) => stateOf(f, (s: any) => void (s.machine.cpus[0].core.registers = new Uint8Array(3)))],
    // deno-lint-ignore no-explicit-any
    ["is not known", (f) => stateOf(f, (s: any) => void (s.machine.devices.plic.news = 1))],
    // deno-lint-ignore no-explicit-any
    ["is missing", (f) => stateOf(f, (s: any) => void delete s.machine.devices.plic)],
    ["another machine", ({ header }) => header.machine = 5],
    ["without a kernel", ({ header }) => header.images = []],
  ];
  for (const [expected, change] of cases) assertStringIncludes(await refusal(forge(good, change)), expected);
  assertEquals(forge(good, () => {}), good);
  // Nothing of all that has touched the machine.
  assertEquals(fresh!.state(), (await boot("virt", ECHO)).state());
});
/** Changes the state in a file, or puts some bytes in its place. */
function stateOf(f: Forged, change: (state: unknown) => unknown, bytes?: Uint8Array): void {
  const state = unpack(zlib.zstdDecompressSync(f.parts[0])),
    changed = change(state),
    raw = bytes ?? pack(changed === undefined ? state : changed);
  f.parts[0] = zlib.zstdCompressSync(raw);
  f.header.parts.state[0] = [raw.length, f.parts[0].length];
}

Deno.test("whatever stands in the place of a part of a state is refused in one line or is as good as that part", async () => {
  const m = await begun(), machine = m.machine as Machine, fresh = (await boot("virt", ECHO)).state(), { pages } = machine.snapshot();
  const like = { state: fresh, failOn: [], disks: [], pages: 4096 }, stored = toStored(m.state(), []), contents = [...pages.values()];
  const aliens = [undefined, null, "x", -1, NaN, 1n, {}, [], new Uint8Array(3), new Map(), true];
  let refused = 0, taken = 0, other = 0;
  const attempt = (path: string) => {
    try {
      m.restore(fromStored(unpack(pack(stored)), like, (i) => contents[i]));
      taken++;
    } catch (e) {
      if ((e as Error).name === "BadState") {
        refused++;
        assert(!(e as Error).message.includes("\n"));
      } else {
        other++;
        assert(e instanceof TypeError || e instanceof RangeError || e instanceof ConfigError, `${path}: ${e}`);
      }
    }
  };
  let n = 0;
  const visit = (parent: Record<string, unknown>, path: string) => {
    for (const [key, value] of Object.entries(parent)) {
      parent[key] = aliens[n++ % aliens.length];
      attempt(`${path}.${key}`);
      parent[key] = value;
      if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
        visit(value as Record<string, unknown>, `${path}.${key}`);
      }
    }
  };
  visit(stored as unknown as Record<string, unknown>, "");
  assert(refused > 8 * (taken + other), `${refused} refused, ${taken} taken, ${other} that the machine did not take`);
  m.restore(fromStored(unpack(pack(stored)), like, (i) => contents[i]));
});

Deno.test("a file is written whole or not at all", () => {
  const path = `${FOLDER}/whole`,
    names = () => [...Deno.readDirSync(FOLDER)].map((e) => e.name).filter((n) => n.startsWith("whole")).sort();
  writeWhole(path, Uint8Array.of(1, 2));
  writeWhole(path, Uint8Array.of(3));
  assertEquals([Deno.readFileSync(path), names()], [Uint8Array.of(3), ["whole"]]);
  Deno.mkdirSync(`${path}.folder`);
  assertThrows(() => writeWhole(`${path}.folder`, Uint8Array.of(1)), ConfigError, "cannot be written: it is a folder");
  assertThrows(() => checkWritable("/dev/null"), ConfigError, "cannot be written: it is no file");
  assertThrows(() => checkWritable(`${FOLDER}/none/x`), ConfigError, "there is no folder");
  // Somebody else's, half-done: it is not touched.
  Deno.writeTextFileSync(`${path}.${Deno.pid}.part`, "x");
  assertThrows(() => writeWhole(path, Uint8Array.of(4)), ConfigError, "cannot be written");
  assertEquals(Deno.readFileSync(path), Uint8Array.of(3));
});
