// What the compiler says of scripts: this file is checked, and what must not compile is marked.
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { expect, scenario } from "./boot.ts";
import type { MachineSession } from "./session.ts";

const ignored = { name: "never runs", machine: "virt", ignore: true, tags: ["typed"] } as const;

Deno.test("fixtures have the types of what their functions return; tags are words", () => {
  const withShell = scenario.extend({ prompt: () => "> ", retries: () => Promise.resolve(3) });
  const both = withShell.extend({ shell: ({ m, prompt }) => ({ prompt, session: m }) });
  // deno-lint-ignore no-unused-vars
  const check = () => [
    both(ignored, async (m, { shell, prompt, retries }) => {
      const text: string = prompt + shell.prompt + m.serial.text(), n: number = retries + shell.session.nowNs;
      await m.serial.send(text + n);
      // @ts-expect-error: there is no such fixture
      shell.other;
    }),
    // @ts-expect-error: it comes with a later `extend`
    withShell(ignored, (_, { shell }) => shell),
    // @ts-expect-error: fixtures of one `extend` do not see each other
    scenario.extend({ a: () => 1, b: ({ a }) => a }),
    // @ts-expect-error: a fixture is made by a function
    scenario.extend({ a: 1 }),
    scenario(ignored, async (m) => await m.serial.send("")),
  ];
  assertThrows(() => scenario({ ...ignored, tags: ["two words"] }, async () => {}), ConfigError, `a tag is a word, such as "slow"`);
  assertEquals(typeof withShell.extend, "function");
});

Deno.test("a matcher of another kind of subject does not compile", () => {
  // deno-lint-ignore no-unused-vars
  const check = async (m: MachineSession) => {
    const [whole, group]: string[] = await expect(m.serial).toPrint(/(x)/, { within: "1s" });
    await expect(m.serial).not.toPrint("x", { within: "1s" });
    // @ts-expect-error: for how long?
    expect(m.serial).not.toPrint("x");
    // @ts-expect-error: a screen's
    expect(m.serial).toShow("x");
    // @ts-expect-error: a console's
    expect(m.screen).toPrint("x");
    await expect(m.screen).toShow("x", { fg: "red", row: -1, within: "1s" });
    // @ts-expect-error: no colour
    expect(m.screen).toShow("x", { fg: "rde" });
    const stop = await expect(m).toStop({ kind: "exit", code: 3 });
    // @ts-expect-error: a machine does not end with it
    stop.kind === "budget";
    // @ts-expect-error: an exit has no report
    expect(m).toStop({ kind: "exit", report: "" });
    // @ts-expect-error: there is no such kind
    expect(m).toStop("exti");
    const taken: number = await expect(m).toTake({ atMost: "1ms" }, () => Promise.resolve(5));
    expect(m.cpu).toMap(0x1000, { pa: "kernel", flags: "rw" });
    // @ts-expect-error: a number of bytes
    expect(m.cpu).toMap(0x1000, { page: "4KiB" });
    // @ts-expect-error: a value's
    expect(m.cpu).toBe(m.cpu);
    expect(5).toBeAtMost(6n);
    expect(m.cpu.pc).toBe(5n);
    // @ts-expect-error: a register holds a bigint
    expect(m.cpu.pc).toBe(5);
    // @ts-expect-error: texts have no order
    expect("x").toBeAtMost(6);
    expect([1, 2]).toContain(1);
    // @ts-expect-error: none of its elements
    expect([1, 2]).toContain("1");
    expect(m.stop).toEqual({ kind: "exit", code: 1 });
    // @ts-expect-error: an `await` is missing
    expect(m.serial.toPrint("x")).toEqual(["x"]);
    await expect.poll(m, () => m.cpu.reg("a0"), { every: "1us" }).not.toBeAtLeast(3n);
    await expect.poll(m, () => m.cpu).toHaveRegister("a0", 5);
    // @ts-expect-error: what runs the guest itself is not polled
    expect.poll(m, () => m.serial).toPrint("x");
    expect.soft(m.cpu).not.toBeIn("panic");
    expect(m.memory("TASKS[1]")).toEqual({ id: 1, state: { Blocked: [3n, "x"] } });
    // @ts-expect-error: a processor's
    expect(m.memory("TASKS")).toMap(5);
    const terminal = await m.serial.terminal({ rows: 25 });
    await expect(terminal).toShow("$ ", { fg: "#ff8700", row: -1 });
    // @ts-expect-error: no colour
    expect(terminal).toShow("$ ", { fg: "ff8700" });
    expect(m.stack("boot", { high: "stack_top", size: "16KiB" })).toStayBelow("4KiB");
    // @ts-expect-error: a machine's
    expect(m.stack("boot")).toStop();
    expect(m.interrupts("timer")).toHaveRate({ atLeast: "90Hz" });
    // @ts-expect-error: a text with its unit
    expect(m.interrupts("timer")).toHaveRate(100);
    // @ts-expect-error: there is a count for that
    expect(m.accesses("uart0")).not.toReach(5);
    return [whole, group, taken];
  };
  assertEquals(typeof expect.soft, "function");
});
