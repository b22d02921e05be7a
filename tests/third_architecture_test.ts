// A third architecture is a descriptor and a line: with the toy's in the table, a machine file, a guest of ten instructions in both engines,
// descriptions, the schema, GDB and snapshots have it, and no other file was told.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { boot } from "../mod.ts";
import { silent } from "../src/core/log.ts";
import { frame, latin1, PacketReader } from "../src/debug/packets.ts";
import { serveGdb } from "../src/debug/gdb.ts";
import { DEVICES } from "../src/devices/mod.ts";
import { ARCHITECTURES } from "../src/machine/architectures.ts";
import { describe, listKeys } from "../src/machine/describe.ts";
import { machineSchema } from "../src/machine/json_schema.ts";
import { createMachine, loadGraph, type Machine } from "../src/machine/machine.ts";
import { TOY, toyWord } from "../src/machine/testing/toy_architecture.ts";
import type { MachineSession } from "../src/scenario/session.ts";
import { readFile } from "../src/scenario/host.ts";

ARCHITECTURES.toy = TOY;

const RAM = 0x2000;
const TOML = `schema = 1
name = "third"
[cpu]
arch = "toy64"
processors = 2
[memory.ram]
at = ${RAM}
size = "64KiB"
[device.uart]
type = "ns16550a"
at = 0x1000_0000
irq = "cpu1.bell"
console = true
[device.end]
type = "sifive.test"
at = 0x10_0000
`;
// deno-fmt-ignore
/** The first processor prints A to J and ends the run; the second waits for ever. */
const GUEST = Uint8Array.from([
  toyWord("li", 1, 0, 1), toyWord("bne", 0, 7, 10), // the second one: to its `wait`
  toyWord("shl", 1, 1, 28), toyWord("li", 3, 0, 65), toyWord("li", 4, 0, 75),
  toyWord("sb", 3, 1), toyWord("addi", 3, 3, 1), toyWord("bne", 3, 4, -2),
  toyWord("shr", 2, 1, 8), toyWord("pair", 5, 0, 0x55), toyWord("sw", 5, 2),
  toyWord("wait"),
].flat());
const LOOP = RAM + 4 * 5;

const folder = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const file = `${folder}/third.toml`, kernel = `${folder}/guest.bin`;
Deno.writeTextFileSync(file, TOML);
Deno.writeFileSync(kernel, GUEST);
const HOST = { readFile, log: silent };

async function machineOf(engine: "interp" | "jit"): Promise<{ m: Machine; printed: () => string }> {
  const options = { file, kernel, engine, ...(engine === "jit" ? { tuning: { threshold: 1 } } : {}) };
  const m = createMachine(options, HOST, await loadGraph(options, HOST)), bytes: number[] = [];
  m.consoles.get("uart")!.onByte = (byte) => bytes.push(byte);
  return { m, printed: () => String.fromCharCode(...bytes) };
}

Deno.test("a third architecture: a guest prints and ends, alike in both engines, and from a snapshot anywhere", async () => {
  const ends = new Set<string>();
  for (const engine of ["interp", "jit"] as const) {
    const { m, printed } = await machineOf(engine), stop = m.run(1e6);
    assertEquals([stop, printed()], [{ kind: "exit", code: 0, pass: true }, "ABCDEFGHIJ"]);
    ends.add(m.digest());
    for (const ticks of [1, 7, 20]) {
      const first = await machineOf(engine), second = await machineOf(engine);
      first.m.run(ticks);
      second.m.run(3);
      second.m.restore(structuredClone(first.m.snapshot()));
      assertEquals(second.m.run(1e6), stop);
      ends.add(second.m.digest());
    }
  }
  assertEquals(ends.size, 1);
});

Deno.test("a third architecture: its keys are read and checked, described and in the schema", async () => {
  const graph = await loadGraph({ file, kernel }, HOST), text = describe(graph);
  assertMatch(text, /^ +arch +toy64$/m);
  assertMatch(text, /^ +processors +2$/m);
  assertMatch(text, /^ +uart\.irq +-> +cpu1\.bell$/m);
  assertMatch(text, /^ +firmware +none$/m);
  assert(!text.includes("device tree"));
  assertMatch(listKeys(), /\[cpu\] \(toy\)\n.*arch [^]*? {2}processors +an integer from 1 to 4 +default 1 +how many/);
  assert(JSON.stringify(machineSchema(DEVICES)).includes('"enum":["riscv32","riscv64","x86_64","toy64"]'));
  const wrong = (set: Record<string, unknown>) => loadGraph({ file, kernel, set }, HOST);
  await assertRejects(() => wrong({ harts: 5 }), Error, "--harts: cpu.processors: must be an integer from 1 to 4, got 5");
  await assertRejects(() => wrong({ "device.uart.irq": "cpu0.bel" }), Error, "a CPU has no input 'bel' (did you mean 'bell'?)");
  await assertRejects(() => wrong({ "device.uart.type": "x86.lapic" }), Error, "must be a device of toy machines");
  await assertRejects(() => wrong({ "memory.ram.at": 2 ** 32 }), Error, "physical addresses of toy64 have 32 bits");
});

/** Asks a GDB server, packet by packet. */
async function gdb(session: MachineSession, packets: readonly string[]): Promise<string[]> {
  const server = serveGdb(session, { port: 0, wait: true, onQuit: () => {}, onMessage: () => {} }), answers: string[] = [];
  session.hooks = {
    paused: () => server.paused,
    onBreakpoint: (stop) => server.onBreakpoint(stop),
    onFinalStop: (stop) => server.onFinalStop(stop),
  };
  const ended = session.stopped().then(() => server.close(0), () => server.close(3));
  const line = await Deno.connect({ hostname: "127.0.0.1", port: server.port }),
    reader = new PacketReader(),
    buffer = new Uint8Array(1 << 14);
  for (const packet of packets) {
    await line.write(frame(packet));
    for (let got: string | undefined; got === undefined;) {
      const n = await line.read(buffer);
      for (const e of reader.push(buffer.subarray(0, n!))) if (e.kind === "packet") answers.push(got = e.data);
    }
    await line.write(latin1("+"));
  }
  await session[Symbol.asyncDispose]();
  line.close();
  await ended;
  return answers;
}

Deno.test("a third architecture: GDB gets its description, breakpoints, steps and registers", async () => {
  const session = await boot(file, { kernel }), hex = (n: number) => n.toString(16);
  const [xml, , hit, all, , step, , second] = await gdb(session, [
    "qXfer:features:read:target.xml:0,1000",
    `Z0,${hex(LOOP)},4`,
    "c",
    "g",
    `z0,${hex(LOOP)},4`,
    "s",
    "Hg2",
    "p0",
  ]);
  assertMatch(xml, /<osabi>none<\/osabi><feature name="bringup.toy"><reg name="r0" bitsize="64" regnum="0"/);
  assertMatch(hit, /^T05thread:1;/);
  assertMatch(step, /^T05thread:1;/);
  assertEquals(all.slice(3 * 16, 3 * 16 + 2), "41", "r3 is the letter");
  assertEquals(all.slice(8 * 16, 8 * 16 + 8), "14200000", "pc");
  assertEquals(second.slice(0, 2), "01", "r0 of the second processor is its number");
});
