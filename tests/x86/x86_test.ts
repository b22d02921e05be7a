// The processor against what QEMU prints: images of assembly in this folder, one line for each case. `bin/` is made by nasm from the sources;
// `expected/` was compared with QEMU 7.2 line by line. QEMU is assembled with -dQEMU, without the cases that it does not model, and differs in
// one line: with 32-bit paging it leaves P out of the error code of a reserved bit (SDM volume 3A, 4.7). Of features.inc QEMU (-cpu qemu64, -cpu max)
// knows no SIMD exceptions; its max has MONITOR, ours RDPID. edges.inc is by the manuals alone: qemu64 and max differ in the bases of 57 bits.
import { assertEquals } from "@std/assert";
import { silent } from "../../src/core/log.ts";
import { createMachine, type Host, loadGraph, loadJit, type MachineOptions } from "../../src/machine/machine.ts";

const HERE = new URL(".", import.meta.url).pathname;

/** Runs an image for at most a guest second; what it printed on COM1, and how it ended. */
async function run(image: string, options: Partial<MachineOptions> = {}) {
  const { machine, output } = await start(image, options), stop = machine.run(1e9);
  return { text: output(), stop };
}
async function start(image: string, options: Partial<MachineOptions> = {}) {
  const all: MachineOptions = { file: `${HERE}machine.toml`, kernel: `${HERE}bin/${image}.bin`, ...options };
  const host: Host = { readFile: (path) => Deno.readFileSync(path), log: silent };
  const machine = createMachine(all, host, await loadGraph(all, host));
  let text = "";
  machine.consoles.get("com1")!.onByte = (byte) => text += String.fromCharCode(byte);
  return { machine, output: () => text };
}

for (const image of ["real", "protected", "long"]) {
  for (const engine of ["interp", "jit"] as const) {
    Deno.test(`${image}: every case as expected (${engine})`, async () => {
      const { text, stop } = await run(image, { engine });
      assertEquals(text, Deno.readTextFileSync(`${HERE}expected/${image}.txt`));
      assertEquals(stop, { kind: "exit", code: 33, pass: true });
    });
  }
}

for (const model of ["qemu64", "max"]) {
  Deno.test(`instructions that ${model} does not offer are undefined, or the older ones behind their prefixes`, async () => {
    const { text } = await run("features", { set: { "cpu.model": model } });
    assertEquals(text, Deno.readTextFileSync(`${HERE}expected/features_${model}.txt`));
  });
}

for (const model of ["max", "qemu64"]) {
  for (const engine of ["interp", "jit"] as const) {
    Deno.test(`edges on ${model}: canonical ends, bases, returns to ring 3, MSRs (${engine})`, async () => {
      await loadJit();
      const { text, stop } = await run("edges", { engine, tuning: { threshold: 1 }, set: { "cpu.model": model } });
      assertEquals(text, Deno.readTextFileSync(`${HERE}expected/edges_${model}.txt`));
      assertEquals(stop, { kind: "exit", code: 33, pass: true });
    });
  }
}

Deno.test("a run that is saved and restored anywhere goes on as if nothing had been", async () => {
  const expected = Deno.readTextFileSync(`${HERE}expected/long.txt`), a = await start("long");
  for (const ticks of [30_000, 60_000, 90_000, 100_000]) {
    a.machine.run(ticks);
    const b = await start("long"), before = a.output().length;
    b.machine.restore(a.machine.snapshot());
    assertEquals(b.machine.digest(), a.machine.digest());
    assertEquals(b.machine.run(1e9), { kind: "exit", code: 33, pass: true });
    assertEquals(a.output() + b.output(), expected, `saved after ${before} bytes`);
  }
});

Deno.test("a kernel finds the x87 as FNINIT leaves it", async () => {
  const { machine } = await start("long");
  assertEquals([machine.cpus[0].reg("fctrl"), machine.cpus[0].reg("ftag")], [0x37fn, 0xffffn]);
});
