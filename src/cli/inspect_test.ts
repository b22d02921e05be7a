import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { runHere } from "../../tests/cli.ts";
import { ConfigError } from "../core/errors.ts";
import { check } from "./inspect.ts";

const scratch = Deno.makeTempDirSync({ prefix: "bringup-inspect-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

Deno.test("check says that a machine file is right, and what it describes; --set changes it", async () => {
  assertMatch((await runHere(["check", "virt"])).stdout, /^\S*virt\.toml: ok: virt, riscv64, \d+ devices\n$/);
  const fewer = await runHere(["check", "virt", "--set", "device.rtc=false"]), all = await runHere(["check", "virt"]);
  const count = (text: string) => Number(/(\d+) devices/.exec(text)![1]);
  assertEquals(count(fewer.stdout), count(all.stdout) - 1);
  for (const positional of [[], ["virt", "virt"]]) {
    await assertRejects(
      () => check({ command: "check", positional, values: {} }),
      ConfigError,
      "one machine file is needed: bringup check MACHINE.toml",
    );
  }
});

Deno.test("describe prints the graph, or writes the device tree that the kernel gets: the machine's, or one of its own", async () => {
  const { code, stdout } = await runHere(["describe", "virt"]);
  assertEquals([code, stdout.endsWith("\n") && !stdout.endsWith("\n\n\n")], [0, true]);
  for (const part of ["memory map", "uart0", "harts"]) assertStringIncludes(stdout, part);
  const made = `${scratch}/made.dtb`, own = `${scratch}/own.dtb`;
  assertEquals(await runHere(["describe", "virt", "--dtb", made, "--set", "harts=2"]), { code: 0, stdout: "", stderr: "" });
  const tree = Deno.readFileSync(made);
  assertEquals([new DataView(tree.buffer).getUint32(0), new DataView(tree.buffer).getUint32(4)], [0xd00d_feed, tree.length]);
  assert(new TextDecoder("latin1").decode(tree).includes("cpu@1"));
  await runHere(["describe", "virt", "--dtb", own, "--set", `boot.dtb=${made}`]);
  assertEquals(Deno.readFileSync(own), tree);
});

Deno.test("devices prints every component with its keys, and takes no arguments", async () => {
  const { stdout } = await runHere(["devices"]);
  for (const part of ["ns16550a", "clock_hz", "riscv.plic", "i8042"]) assertStringIncludes(stdout, part);
  assertEquals(await runHere(["devices", "uart"]), { code: 2, stdout: "", stderr: "bringup: unexpected argument 'uart'\n" });
});
