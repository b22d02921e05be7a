// Every key and every byte arrives, in order, at guests that are slow to take them, and in the same way however the run is driven.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { boot, type BootOptions, ScenarioTimeout } from "../mod.ts";
import { scancodesOfText } from "../src/scenario/keyboard.ts";
import type { MachineSession } from "../src/scenario/session.ts";

const TEXT = "The quick brown fox jumps over the lazy dog, 0123456789!\n";
const IMAGE = Deno.readFileSync(new URL("guests/bin/x86_typing.bin", import.meta.url));
const SEABIOS = "/usr/share/seabios/bios-256k.bin", EXIT = { kind: "exit", code: 33, pass: true } as const;
const scratch = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

/** How the guest takes what is typed: see its source. */
const WAYS = { bios: 0, ring: 1, last: 2, off: 3, serial: 4 };

async function slow(way: keyof typeof WAYS, options: BootOptions = {}): Promise<MachineSession> {
  const path = `${scratch}/${way}.bin`;
  Deno.writeFileSync(path, IMAGE.with(3, WAYS[way]));
  const m = await boot("machines/pc.toml", { kernel: path, budget: { guest: "5s" }, ...options });
  await m.serial.toPrint("ready\n");
  return m;
}
/** What the guest prints of the scan codes of a text; one that looks at the last code only may miss that of a release. */
const hex = (codes: readonly number[]) => codes.map((c) => c.toString(16).padStart(2, "0").toUpperCase()).join("") + "\n";
const printed = (m: MachineSession) => m.serial.text().replace("ready\n", "");
const FIRMWARE = ["builtin", ...existsSync(SEABIOS) ? [SEABIOS] : []];
if (FIRMWARE.length === 1) console.log(`typing under SeaBIOS: skipped, there is no ${SEABIOS}`);

for (const firmware of FIRMWARE) {
  Deno.test(`a guest that does not look for two seconds gets every key, by the BIOS' buffer (${firmware})`, async () => {
    for (const pace of ["100ms", "0ms"]) {
      await using m = await slow("bios", { set: { firmware } });
      await m.keyboard.type(TEXT, { pace });
      assertEquals(await m.stopped(), EXIT);
      assertEquals(printed(m), TEXT.replace("\n", "\r\n"), pace);
    }
  });
}

for (const way of ["ring", "last", "off"] as const) {
  Deno.test(`every code arrives at a guest with a handler of its own: ${way}`, async () => {
    const digests: string[] = [];
    for (const engine of ["interp", "jit"] as const) {
      await using m = await slow(way, { engine });
      // The keyboard that is off most of the time takes a key in each of its half seconds.
      await m.keyboard.type(TEXT, way === "off" ? { within: "60s" } : {});
      assertEquals(await m.stopped(), EXIT);
      assertEquals(printed(m), hex(scancodesOfText(TEXT)));
      digests.push(`${m.machine.digest()} ${JSON.stringify(m.inputs)}`);
    }
    assertEquals(new Set(digests).size, 1);
  });
}

Deno.test("serial input comes at the baud rate; a text waits when the guest does not answer, bytes do not", async () => {
  for (const pace of ["50ms", undefined]) {
    await using m = await slow("serial");
    // 9,600 baud until the guest says otherwise, with 7 bits a byte.
    const from = m.machine.age;
    await m.serial.send(new TextEncoder().encode("0123456789abcdefg"));
    const gaps = m.inputs.map((i, n) => i.ticks - (n ? m.inputs[n - 1].ticks : from)).slice(1);
    assert(gaps.every((ticks) => ticks >= 729_166 && ticks < 800_000), gaps.join());
    await m.run({ for: "1s" });
    assertEquals(printed(m), "0123456789abcde", "what its ring holds");
    await m.serial.send(TEXT.replace("\n", "\r"), pace ? { pace } : {});
    assertEquals(await m.stopped(), EXIT);
    assertEquals(printed(m), `0123456789abcde${TEXT.replace("\n", "\r\n")}`);
  }
});

Deno.test("a run with keys and bytes that wait repeats to the tick: restored, forked, replayed from its log, cut anywhere", async () => {
  for (const way of ["bios", "ring", "serial"] as const) {
    const text = way === "serial" ? "slowly\r" : "Hold on!\n";
    const give = (m: MachineSession) => way === "serial" ? m.serial.send(text, { pace: "70ms" }) : m.keyboard.type(text);
    await using m = await slow(way);
    const end = async (m: MachineSession) => {
      assertEquals(await m.stopped(), EXIT);
      return [m.machine.digest(), m.machine.age, JSON.stringify(m.inputs), printed(m)];
    };
    const fresh = m.snapshot();
    const typed = give(m);
    await m.run({ for: "333ms" });
    const state = m.snapshot(), child = m.fork();
    await typed;
    const first = await end(m);
    assertEquals(first[3], way === "ring" ? hex(scancodesOfText(text)) : text.replace(/[\r\n]/, "\r\n"));
    assertEquals(await end(child), first, `${way}: forked`);
    m.restore(state);
    assertEquals(await end(m), first, `${way}: restored`);

    m.restore(fresh);
    const again = give(m);
    for (let n = 1; m.stop === undefined && n < 400; n++) await m.run({ instructions: 7_654_321 * (n % 3 + 1) });
    await again;
    assertEquals(await end(m), first, `${way}: in pieces`);

    // The log alone, by who knows nothing of keys.
    m.restore(fresh);
    for (const { ticks, console, bytes } of JSON.parse(first[2] as string) as MachineSession["inputs"]) {
      await m.run({ instructions: ticks - m.machine.age });
      const port = console === "keyboard" ? m.machine.keyboard! : m.serial.port;
      for (const byte of bytes) port.receive(byte);
    }
    await m.stopped();
    assertEquals([m.machine.digest(), m.machine.age, printed(m)], [first[0], first[1], first[3]], `${way}: replayed`);
  }
});

Deno.test("typing takes as long as a person's, its time is not the budget's, and raw codes come as they are", async () => {
  await using m = await slow("ring", { budget: { guest: "300ms" } });
  const taken = async (work: Promise<void>) => {
    const from = m.machine.age;
    await work;
    return (m.machine.age - from) / 1e6;
  };
  // Two events a key, with Shift four; the last one is not waited for.
  assertEquals(Math.round(await taken(m.keyboard.type("ab")) / 10), 30);
  await m.run({ for: "200ms" });
  assertEquals(Math.round(await taken(m.keyboard.press("A")) / 10), 30);
  await m.run({ for: "200ms" });
  assertEquals(Math.round(await taken(m.keyboard.type("ab", { pace: "20ms" }))), 63);
  await m.run({ for: "200ms" });
  const raw = m.inputs.length;
  await m.keyboard.scancodes([0x1e, 0x9e, 0x1e, 0x9e]);
  const ticks = m.inputs.slice(raw).map((i) => i.ticks);
  // A byte takes its millisecond on the wire when the last was read.
  assert(ticks.every((t, i) => i === 0 || t - ticks[i - 1] >= 1e6 && t - ticks[i - 1] < 1.1e6), ticks.join());
  // While nobody reads, the wait ends with its budget.
  m.machine.keyboard!.room = () => 0;
  await assertRejects(() => m.keyboard.type("abc", { within: "10ms" }), ScenarioTimeout, `the keyboard to be read ("abc")`);
});
