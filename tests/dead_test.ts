// When a machine is dead, and how its run ends then: nothing that is enabled can wake it. One rule for the command line, limits of time, scripts
// and machines by themselves; the outside counts as long as it may still give something.
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type MachineOptions } from "../src/machine/machine.ts";
import { boot } from "../src/scenario/boot.ts";
import { UnexpectedStop } from "../src/scenario/failures.ts";
import { openDisk, readFile } from "../src/scenario/host.ts";
import { runCli } from "./cli.ts";
import { guestFile, type HostileGuest } from "./guests/hostile.ts";

interface Row {
  readonly guest: HostileGuest;
  /** What the machine itself says; "end": the guest goes on and ends with its status. */
  readonly sleep: "dead" | "input" | "end";
  readonly harts?: number;
  readonly set?: Record<string, string>;
  /** The machine by itself is asked, and no more: one for each kind is run in all ways. */
  readonly brief?: true;
}
const ROWS: readonly Row[] = [
  { guest: "riscv masked", sleep: "dead" },
  { guest: "riscv masked", sleep: "dead", harts: 4 },
  { guest: "riscv disarmed", sleep: "dead" },
  { guest: "riscv uart_masked", sleep: "dead" },
  { guest: "riscv supervisor", sleep: "dead" },
  { guest: "riscv claimed", sleep: "dead" },
  { guest: "riscv uart", sleep: "input" },
  { guest: "riscv uart", sleep: "input", harts: 2 },
  { guest: "riscv far_alarm", sleep: "end" },
  { guest: "riscv last_hart", sleep: "end", harts: 4 },
  { guest: "x86 dead", sleep: "dead" },
  { guest: "x86 dead", sleep: "dead", harts: 2 },
  { guest: "x86 masked", sleep: "dead" },
  { guest: "x86 apic", sleep: "dead" },
  { guest: "x86 keyboard", sleep: "input" },
  { guest: "x86 nmi", sleep: "end" },
  // What was not ended keeps back all that does not outrank it, and nobody ends it any more.
  { guest: "x86 pic_unended", sleep: "dead" },
  { guest: "x86 pic_ended", sleep: "end", brief: true },
  { guest: "x86 pic_slave_unended", sleep: "dead", brief: true },
  { guest: "x86 pic_master_unended", sleep: "dead", brief: true },
  { guest: "x86 pic_both_ended", sleep: "end", brief: true },
  { guest: "x86 pic_higher", sleep: "end" },
  { guest: "x86 apic_unended", sleep: "dead", brief: true },
  { guest: "x86 apic_unended", sleep: "dead", harts: 2, brief: true },
  { guest: "x86 apic_ended", sleep: "end", brief: true },
  { guest: "x86 apic_priority", sleep: "dead", brief: true },
  { guest: "x86 apic_lower", sleep: "dead", brief: true },
  { guest: "x86 apic_same", sleep: "dead", brief: true },
  { guest: "x86 apic_higher", sleep: "end", brief: true },
  { guest: "x86 ioapic_unended", sleep: "dead", brief: true },
  { guest: "x86 rtc_unread", sleep: "dead", brief: true },
];

for (const { guest, sleep, harts, brief } of ROWS) {
  const { machine, kernel, set } = guestFile(guest), status = guest.startsWith("x86") ? 33 : 0;
  const options = { kernel, set: { ...set, ...(harts ? { harts } : {}) } };
  const args = [machine, kernel, ...Object.entries(options.set).flatMap(([k, v]) => ["--set", `${k}=${v}`])];
  const name = `${guest}${harts ? ` on ${harts} harts` : ""}`;
  /** Status of a run, and the first line about it. */
  const run = async (more: string[], input?: string) => (await runCli([...args, ...more], input)).code;

  Deno.test(`${name}: ${sleep}`, async () => {
    const host = { readFile, openDisk, log: silent }, o: MachineOptions = { ...options, file: machine };
    const graph = await loadGraph(o, host), kinds = new Set<unknown>();
    for (const step of [Infinity, 1e12 + 1, 1e9 + 7]) {
      const m = createMachine(o, host, graph);
      // A machine that is wrongly alive may be so for ever.
      const patience = performance.now() + 60_000;
      while (!m.stopped && m.sleep === undefined && performance.now() < patience) m.run(m.clock.ticks + step, 1000);
      kinds.add(m.stopped?.kind ?? m.sleep);
    }
    assertEquals([...kinds], [{ dead: "deadHalt", input: "input", end: "exit" }[sleep]]);
  });

  if (brief) continue;
  Deno.test(`${name}: a plain run, one with a limit of time, a script`, async () => {
    assertEquals(await run([]), sleep === "end" ? status : 3);
    assertEquals(await run(["--timeout", "15h"]), sleep === "end" ? status : 3);
    await using m = await boot(machine, { ...options, budget: { guest: "15h", wall: "none" } });
    const stop = await m.stopped();
    assertEquals(stop.kind, sleep === "end" ? "exit" : "deadHalt");
    if (sleep !== "dead") return;
    const failed = await m.serial.toPrint("never").catch((e) => e);
    assertEquals(failed instanceof UnexpectedStop, true, `${failed}`);
  });

  if (sleep !== "input") continue;
  Deno.test(`${name}: what the outside gives wakes it`, async () => {
    assertEquals(await run([], "x"), status);
    assertEquals(await run(["--timeout", "1h"], "x"), status);
    await using m = await boot(machine, { ...options });
    await m.run({ for: "1s" });
    await m.serial.send("x");
    assertEquals((await m.stopped()).kind, "exit");
  });
}

Deno.test("a guest that waits for input gets the time it was given while somebody may still type", async () => {
  const { machine, kernel, set } = guestFile("riscv uart");
  const args = [machine, kernel, ...Object.entries(set).flatMap(([k, v]) => ["--set", `${k}=${v}`]), "--timeout", "1s"];
  const { cliArgs, ROOT } = await import("./cli.ts");
  const child = new Deno.Command(Deno.execPath(), { args: cliArgs(args), cwd: ROOT, stdin: "piped", stdout: "null", stderr: "null" })
    .spawn();
  assertEquals((await child.status).code, 4);
  await child.stdin.close().catch(() => {});
});
