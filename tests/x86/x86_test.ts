// The processor against what QEMU prints: images of assembly in this folder, one line for each case. `bin/` is made by nasm from the sources;
// `expected/` was compared with QEMU 7.2 line by line. QEMU is assembled with -dQEMU, without the cases that it does not model, and differs in
// one line: with 32-bit paging it leaves P out of the error code of a reserved bit (SDM volume 3A, 4.7). Of features.inc QEMU (-cpu qemu64, -cpu max)
// knows no SIMD exceptions; its max has MONITOR, ours RDPID. edges.inc is by the manuals alone: qemu64 and max differ in the bases of 57 bits.
// Of keys.inc QEMU's max (-dQEMU) differs in four lines: it goes on with what its TLB has when CR4.PKE or PKS is set, and XSAVE of a PKRU of 0
// calls the component in use (SDM volume 1, 13.6).
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

const KEYS: Readonly<Record<string, Record<string, unknown>>> = {
  max: { "cpu.model": "max" },
  "qemu64 with them": { "cpu.model": "qemu64", "cpu.features": ["+pku", "+pks", "+xsave", "+xsaveopt", "+xsavec"] },
};
for (const [name, set] of Object.entries(KEYS)) {
  for (const engine of ["interp", "jit"] as const) {
    Deno.test(`protection keys on ${name}: rights, faults, XSAVE, rights that change (${engine})`, async () => {
      await loadJit();
      const { text, stop } = await run("keys", { engine, tuning: { threshold: 1 }, set });
      assertEquals(text, Deno.readTextFileSync(`${HERE}expected/keys.txt`));
      assertEquals(stop, { kind: "exit", code: 33, pass: true });
    });
  }
}

Deno.test("protection keys are the same after a restore, gone after a reset, and the debugger's to see and set", async () => {
  const a = await start("keys"), reg = (name: string) => a.machine.cpus[0].reg(name);
  const expected = Deno.readTextFileSync(`${HERE}expected/keys.txt`), met = new Set<string>();
  for (let ticks = 10_000; a.machine.run(ticks) === undefined; ticks += 7001) {
    const [pkru, pkrs] = [reg("pkru"), reg("pkrs")];
    if (pkru) met.add("pkru");
    if (pkrs) met.add("pkrs");
    if (!pkru && !pkrs) continue;
    const b = await start("keys");
    b.machine.restore(a.machine.snapshot());
    assertEquals([b.machine.cpus[0].reg("pkru"), b.machine.cpus[0].reg("pkrs")], [pkru, pkrs]);
    assertEquals(b.machine.digest(), a.machine.digest());
    b.machine.run(1e9);
    assertEquals(a.output() + b.output(), expected, `restored at ${ticks}`);
  }
  assertEquals([...met].sort(), ["pkrs", "pkru"]);
  a.machine.cpus[0].setReg("pkru", 0x14n);
  a.machine.cpus[0].setReg("pkrs", 0x28n);
  assertEquals([reg("pkru"), reg("pkrs")], [0x14n, 0x28n]);
  a.machine.reset();
  assertEquals([reg("pkru"), reg("pkrs")], [0n, 0n]);
});

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
