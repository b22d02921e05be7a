// How deep stacks become: what a watch says, against the stack pointer after every instruction.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { boot, expect, ExpectationFailed } from "../mod.ts";
import { ConfigError } from "../src/core/errors.ts";

const kernel = "tests/guests/bin/stack_bss.rv64.elf", STACK = { high: "stack_top", size: "64KiB" };

Deno.test("a stack's deepest use is what its pointer says; the guest runs as before", async () => {
  const set = { "firmware.sbi": "none" };
  await using m = await boot("virt", { kernel, set });
  await using other = await boot("virt", { kernel, set });
  await m.run({ until: "main" });
  await other.run({ until: "main" });
  const stack = m.stack("boot", STACK), top = stack.high;
  // What the processor has is in use; the rest of what functions may use below it, too.
  assertEquals([stack.size, stack.used], [64 << 10, Number(top - m.cpu.reg("sp")) + 256]);
  expect(stack).toStayBelow("1KiB");
  const { machine } = other;
  let lowest = top;
  for (let n = 0; n < 1e6 && !machine.step(0); n++) {
    const sp = machine.cpus[0].reg("sp");
    if (sp < lowest) lowest = sp;
  }
  await m.stopped();
  assertEquals(m.serial.text(), other.serial.text());
  // The pointer goes down before the frame is written, whose lowest words need not be.
  assert(stack.deepest >= lowest && stack.deepest < lowest + 64n, `${stack.deepest - lowest}`);
  assert(stack.used > 1500, `${stack.used}`);
  expect(stack).toStayBelow(stack.used + 1);
  expect(stack).not.toStayBelow(stack.used);
  const e = assertThrows(() => expect(stack).toStayBelow("1KiB"), ExpectationFailed);
  assertEquals(e.message.split("\n").slice(0, 2), [
    "Expected the stack boot to stay below 1 KiB",
    `  ${stack.used} bytes of 64 KiB were used, down to 0x${stack.deepest.toString(16)}`,
  ]);
});

Deno.test("a stack that is a symbol with a size, that nobody runs on yet, that is in use, that is none", async () => {
  await using m = await boot("virt", { kernel: "tests/guests/bin/user.rv64.elf" });
  const own = m.stack("user::STACK"), empty = m.stack("boot", { low: 0x8030_0000, high: 0x8030_4000 });
  assertEquals([own.size, own.used, empty.used], [0x4120, 0, 0]);
  await m.run({ until: "main" });
  // Cleared with .bss: nothing is left of the pattern.
  assertEquals(own.used, own.size);
  const e = assertThrows(() => expect(own).toStayBelow("4KiB"), ExpectationFailed);
  assert(e.message.includes("nothing of it is left as it was: it was full, or somebody has cleared it since"), e.message);
  for (
    const [attempt, problem] of [
      [() => m.stack("nowhere"), "no symbol 'nowhere'"],
      [() => m.stack("stack_top"), "stack stack_top: where does it end?"],
      [() => m.stack("x", { low: 0x8040_0000, high: 0x8030_0000 }), "which is no stack"],
      [() => m.stack("x", { low: 0x1000_0000, size: 4096 }), "no memory is mapped at 0x10000000"],
      [() => m.stack("x", { low: "_start", size: "4KiB" }), "no processor runs on it, and it is in use"],
      [() => m.stack("x", { low: "_start", size: "lots" }), "`size` is a number of bytes"],
      [() => m.stack("x", { lwo: 5 } as object), "unknown option 'lwo'"],
      [() => expect(own).toStayBelow("deep"), `a size is a number of bytes or a text such as "24KiB", got deep`],
    ] as [() => unknown, string][]
  ) assertThrows(attempt, ConfigError, problem);
});
