// Tests that share a boot: it happens once, each begins where it ended, whatever the others did, and one that failed leaves nothing behind.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { boot, type MachineSession, shared } from "../mod.ts";
import { Shared } from "../src/scenario/shared.ts";

const KERNEL = new URL("guests/bin/echo.rv64.elf", import.meta.url).pathname, OPTIONS = { kernel: KERNEL, set: { memory: "4MiB" } };
let boots = 0;
const begun: string[] = [];
const begins = (m: MachineSession) => begun.push(`${m.machine.digest()} ${m.serial.text()}`);

shared({ name: "an echoing guest", machine: "virt", ...OPTIONS }, async (m) => {
  boots++;
  await m.serial.toPrint("> ");
}, {
  "answers": async (m) => {
    begins(m);
    await m.serial.send("hello\r");
    await m.serial.toPrint("5 bytes: hello");
  },
  "ends": async (m) => {
    begins(m);
    await m.serial.send("exit\r");
    assertEquals(await m.stopped(), { kind: "exit", code: 0, pass: true });
  },
  "answers again": async (m) => {
    begins(m);
    await m.serial.send("x\r");
    await m.serial.toPrint("1 bytes: x");
  },
});

Deno.test("all of them began where the one boot ended", () => {
  assertEquals([boots, begun.length, new Set(begun).size], [1, 3, 1]);
});

Deno.test("a machine that was used is used again after a test that passed, and never after one that failed or left something in it", async () => {
  const all = new Shared(async () => {
    const m = await boot("virt", OPTIONS);
    await m.serial.toPrint("> ");
    return m;
  });
  const used: unknown[] = [], starts = new Set<string>();
  const test = (body: (m: MachineSession) => unknown) =>
    all.with(async (m) => {
      used.push(m.machine);
      starts.add(m.machine.digest());
      await body(m);
    });
  await test(() => {});
  await test((m) => m.serial.send("exit\r"));
  assert(used[0] === used[1]);
  await assertRejects(() => test(() => Promise.reject(new Error("it fails"))), Error, "it fails");
  await test((m) => void m.machine.cpus[0].breakpoints.add(0n));
  await test((m) => void m.serial.toPrint("never").catch(() => {}));
  await test(() => {});
  assertEquals([new Set(used).size, starts.size], [4, 1]);
  // A console, hooks and watchers of its own.
  await test((m) => m.serial.onByte = () => used.push("told"));
  const { length } = used;
  await test(async (m) => {
    await m.serial.send("y\r");
    await m.serial.toPrint("1 bytes: y");
  });
  assertEquals(used.length, length + 1);
});

Deno.test("a boot that fails is told in full once, and then that it has", async () => {
  let boots = 0;
  const all = new Shared(() => Promise.reject(new Error(`no ${++boots}\nand why`)));
  await assertRejects(() => all.with(async () => {}), Error, "no 1\nand why");
  for (let again = 0; again < 2; again++) {
    const e = await assertRejects(() => all.with(async () => {}), Error);
    assertEquals(e.message, "what all these tests begin with has failed: no 1");
  }
  assertEquals(boots, 1);
});
