// Arguments to subcommands, and what goes wrong to one line and a status. What runs do is in tests/ (cli_test.ts, stops_test.ts).
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { runHere, withChanged } from "../../tests/cli.ts";
import { main } from "./main.ts";

Deno.test("help and version go to stdout with status 0, the usage to stderr with 2 when nothing was asked for", async () => {
  const none = await runHere([]), help = await runHere(["--help"]), word = await runHere(["help"]), check = await runHere(["check", "-h"]);
  assertEquals([none.code, none.stdout, none.stderr], [2, "", help.stdout]);
  assertEquals([help.code, help.stderr, word], [0, "", help]);
  assertStringIncludes(check.stdout, "bringup check MACHINE.toml");
  const version = await runHere(["--version"]);
  assertEquals([version.code, version.stderr, version.stdout.startsWith("bringup ")], [0, "", true]);
});

Deno.test("help on a subcommand is asked for in either way; on anything else it is all of it", async () => {
  const all = (await runHere(["help"])).stdout;
  for (const name of ["check", "describe", "devices", "test", "merge"]) {
    const { stdout } = await runHere(["help", name]);
    assertEquals([stdout, stdout.startsWith(`bringup ${name}`)], [(await runHere([name, "--help"])).stdout, true]);
  }
  for (const args of [["help", "run"], ["help", "nonsense"], ["help", "virt", "check"], ["run", "--help"], ["virt", "--help"]]) {
    assertEquals(await runHere(args), { code: 0, stdout: all, stderr: "" }, `${args}`);
  }
});

Deno.test("under cargo, what is behind the kernel is the test harness's", async () => {
  const before = Deno.env.get("CARGO"),
    ran = async (cargo: boolean, ...args: string[]) => {
      if (cargo) Deno.env.set("CARGO", "/bin/cargo");
      else Deno.env.delete("CARGO");
      const { code, stderr } = await runHere(args);
      assertEquals(code, 2);
      return stderr.split("\n").map((line) => line.replace(/^bringup: /, "").replace(/:.*/, "")).filter(Boolean);
    };
  const gone = "gone.elf", odd = "unexpected argument 'name'";
  try {
    assertEquals(await ran(true, "virt", "gone.elf", "name"), [gone]);
    assertEquals(await ran(true, "run", "virt", "gone.elf", "name"), [gone]);
    assertEquals(await ran(true, "virt", "gone.elf"), [gone]);
    assertEquals(await ran(true, "devices", "name", "x", "y"), [odd]);
    assertEquals(await ran(false, "virt", "gone.elf", "name"), [odd]);
    assertEquals(await ran(false, "virt", "gone.elf", "name", "-no-reboot"), [odd]);
    assertEquals(await ran(true, "virt", "gone.elf", "name", "-no-reboot"), [gone]);
    // Who may not look is not under cargo.
    const denied: [object, object] = [Deno.permissions, { querySync: () => ({ state: "prompt" }) }];
    assertEquals(await withChanged([denied], () => ran(true, "virt", "gone.elf", "name")), [odd]);
  } finally {
    if (before === undefined) Deno.env.delete("CARGO");
    else Deno.env.set("CARGO", before);
  }
});

Deno.test("mistakes are lines on stderr and status 2; what is unknown may be QEMU's, but not of a subcommand", async () => {
  assertEquals(await runHere(["virt", "x", "--nonsense"]), { code: 2, stdout: "", stderr: "bringup: unknown option '--nonsense'\n" });
  const taken = await runHere(["run", "virt", "x.elf", "-no-reboot"]);
  assertEquals([taken.code, /no such file/.test(taken.stderr)], [2, true], taken.stderr);
  assertEquals((await runHere(["check", "virt", "-no-reboot"])).stderr, "bringup: unknown option '-no-reboot'\n");
  const several = await runHere(["check", "virt", "--set", "cpu.x=1", "--set", "cpu.y=1"]);
  assertEquals([several.code, several.stderr.trimEnd().split("\n").map((l) => l.startsWith("bringup: "))], [2, [true, true]]);
});

Deno.test("what Deno denies is its own sentence and status 2; a full disk 1; a bug of ours is none of these", async () => {
  const denied = new Deno.errors.NotCapable('Requires read access to "x", run again with the --allow-read flag');
  const fails = (e: Error) => ({
    statSync: () => {
      throw e;
    },
  });
  let said = "";
  const stderr: [object, object] = [Deno.stderr, { writeSync: (p: Uint8Array) => (said += new TextDecoder().decode(p), p.length) }];
  assertEquals(await withChanged([[Deno, fails(denied)], stderr], () => main(["test", "x.ts"])), 2);
  assertEquals(said, "bringup: x.ts: no such file or folder\n");
  const full = await runHere(["devices"], "", new Error("No space left on device (os error 28)"));
  assertEquals([full.code, full.stderr], [1, "bringup: standard output: No space left on device\n"]);
  const bug = {
    Command: class {
      constructor() {
        throw new RangeError("a bug");
      }
    },
  };
  await assertRejects(() => withChanged([[Deno, bug]], () => main(["test", import.meta.filename!])), RangeError, "a bug");
  const needs = {
    Command: class {
      constructor() {
        throw new Deno.errors.NotCapable('Requires run access to "deno", run again with the --allow-run flag');
      }
    },
  };
  said = "";
  assertEquals(await withChanged([[Deno, needs], stderr], () => main(["test", import.meta.filename!])), 2);
  assertEquals(said, 'bringup: Requires run access to "deno", run again with the --allow-run flag\n');
});
