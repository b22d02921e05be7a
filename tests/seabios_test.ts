// SeaBIOS on pc.toml: what it makes of the machine is what it makes of QEMU's `pc`; runs are exact; resets work. Guests under it: guests/x86_test.ts.
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { boot } from "../mod.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, type Host, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";

const ROOT = new URL("..", import.meta.url).pathname, PC = `${ROOT}machines/pc.toml`;
/** Debian's package `seabios`. */
const SEABIOS = "/usr/share/seabios/bios-256k.bin", ignore = !existsSync(SEABIOS);
if (ignore) console.log(`tests of SeaBIOS: skipped, there is no ${SEABIOS}`);
const IDT = `${ROOT}tests/guests/bin/x86_idt.img`, SECTOR = `${ROOT}tests/guests/bin/x86_sector.bin`;

Deno.test({
  name: "SeaBIOS without a disk says so on the screen",
  ignore,
  fn: async () => {
    await using m = await boot(PC, { set: { firmware: SEABIOS }, budget: { guest: "20s" } });
    await m.screen.toShow("No bootable device.");
    await m.screen.toShow("SeaBIOS (version 1.", { row: 0 });
  },
});

/** Configuration spaces of QEMU 7.2's `pc` (-nic none) after SeaBIOS 1.16: all registers that are not 0. */
const QEMU = `
0.0 0:12378086 4:00000103 8:06000002 2c:11001af4 58:11111000 5c:33111111
1.0 0:70008086 4:02000103 8:06010000 c:00800000 2c:11001af4 4c:0003004d 60:0b0b0a0a 68:00000200 70:00000080 74:0c0c0000 78:00000002 a0:00000008 a8:0000000f
1.1 0:70108086 4:02800103 8:01018000 20:0000c001 2c:11001af4 40:80008000
1.3 0:71138086 4:02800103 8:06800003 2c:11001af4 3c:00000109 40:00000601 58:02000000 80:00000001 90:00000701 d0:00090000
2.0 0:11111234 4:00000103 8:03000002 10:fd000008 18:febf0000 2c:11001af4 30:febe0000`;
/** Registers that differ for a reason: SMRAM (no SMM here), coreboot's RAM size, devices that the PIIX4 watches. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = { "0.0": ["54", "70"], "1.3": ["5c", "60", "64"] };

function configuration(m: Machine): string {
  const bridge = m.device("pci")!.windows![0], lines: string[] = [];
  const read = (devfn: number, at: number) => (bridge.write(0, 4, 0x8000_0000 + devfn * 256 + at), bridge.read(4, 4));
  for (let devfn = 0; devfn < 64; devfn++) {
    if (read(devfn, 0) === 0xffff_ffff) continue;
    const slot = `${devfn >> 3}.${devfn & 7}`, registers: string[] = [];
    for (let at = 0; at < 256; at += 4) {
      const value = read(devfn, at), name = at.toString(16);
      if (value && !LEFT_OUT[slot]?.includes(name)) registers.push(`${name}:${value.toString(16).padStart(8, "0")}`);
    }
    lines.push([slot, ...registers].join(" "));
  }
  return `\n${lines.join("\n")}`;
}

const host: Host = { readFile: (path) => Deno.readFileSync(path), log: silent };
async function machine(more: Partial<MachineOptions>, set: Record<string, unknown> = {}): Promise<Machine> {
  const options = { file: PC, ...more, set: { firmware: SEABIOS, "memory.ram.size": "32MiB", ...set } };
  return createMachine(options, host, await loadGraph(options, host));
}
function run(m: Machine, until: number, step = Infinity): Machine {
  while (!m.stopped && !m.idleForEver && m.clock.base < until) m.run(Math.min(until, m.clock.base + step));
  return m;
}

Deno.test({
  name: "SeaBIOS leaves every PCI register as on QEMU",
  ignore,
  fn: async () => assertEquals(configuration(run(await machine({}), 1e9)), QEMU),
});

Deno.test("so does the built-in BIOS, without memory attributes and the VGA's ROM", async () => {
  const expected = QEMU.replace(" 58:11111000 5c:33111111", "").replace("18:febf0000", "18:febff000").replace(" 30:febe0000", "");
  assertEquals(configuration(await machine({ kernel: SECTOR }, { firmware: "builtin" })), expected);
});

for (const cores of [1, 2]) {
  Deno.test({
    name: `SeaBIOS and a guest run alike by both engines, in odd steps and from snapshots, on ${cores} cores`,
    ignore,
    fn: async () => {
      const set = { "cpu.cores": cores }, kernel = IDT, end = 1e9;
      const whole = run(await machine({ kernel }, set), end), digest = whole.digest();
      assertEquals(whole.stopped?.kind, "exit");
      assertEquals(run(await machine({ kernel, engine: "interp" }, set), end, 777_777).digest(), digest);
      for (const at of [30, 2].map((part) => Math.floor(whole.clock.base / part))) {
        const before = run(await machine({ kernel }, set), at), after = await machine({ kernel, engine: "interp" }, set);
        after.restore(before.snapshot());
        assertEquals(after.digest(), before.digest());
        assertEquals(run(after, end).digest(), digest);
      }
    },
  });
}

Deno.test({
  name: "a reset by port 0xcf9 starts SeaBIOS again",
  ignore,
  fn: async () => {
    const m = run(await machine({}), 1e9), first = m.digest();
    assert(m.idleForEver || m.clock.base >= 1e9);
    m.device("pci")!.windows![0].write(1, 1, 6);
    m.run(m.clock.base + 1);
    assertEquals(m.clock.base < 1e6, true);
    assertEquals(run(m, 1e9).digest(), first);
  },
});
