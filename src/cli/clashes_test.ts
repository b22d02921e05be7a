// What a run would write over: told before anything is.
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { checkClashes } from "./clashes.ts";
import { parseCommandLine } from "./options.ts";
import { makePlan } from "./plan.ts";

Deno.test("no file is written that the run reads, by whatever name, and none twice", () => {
  const dir = Deno.makeTempDirSync(), file = (name: string) => `${dir}/${name}`;
  for (const name of ["m.toml", "kernel", "disk", "state", "a.rec", "script.ts"]) Deno.writeTextFileSync(file(name), name);
  Deno.symlinkSync(file("kernel"), file("link"));
  const check = (...args: string[]) => {
    const { positional, values } = parseCommandLine([file("m.toml"), file("kernel"), ...args]), { replay, ...rest } = values;
    checkClashes(makePlan({ command: "run", positional, values: rest }, []), replay as string | undefined);
  };
  const cases: [message: string, ...args: string[]][] = [
    ["kernel: --record would write over what the run reads: it is the kernel", "--record", file("kernel")],
    ["link: --serial would write over what the run reads: it is the kernel", "--serial", file("link")],
    ["kernel: --serial would write over what the run reads: it is the kernel", "--serial", `stdio,log=${dir}/./kernel`],
    ["m.toml: --report would write over what the run reads: it is the machine file", "--report", file("m.toml")],
    ["disk: --save would write over what the run reads: it is a disk's image", "--disk", file("disk"), "--save", file("disk")],
    ["disk: --screenshot would write over what the run reads: it is a disk's image", "--cd", file("disk"), "--screenshot", file("disk")],
    ["state: --record would write over what the run reads: it is --load", "--load", file("state"), "--record", file("state")],
    ["a.rec: --timeline would write over what the run reads: it is --replay", "--replay", file("a.rec"), "--timeline", file("a.rec")],
    ["script.ts: --trace-file would write over", "--scenario", file("script.ts"), "--trace-file", file("script.ts"), "--trace=irq"],
    [
      "disk: --serial would write over what the run reads: it is device.x.file",
      `--set=device.x.file="${file("disk")}"`,
      "--serial",
      file("disk"),
    ],
    [
      "disk: --serial would write over what the run reads: it is boot.initrd",
      `--set=boot.initrd=${file("disk")}`,
      "--serial",
      file("disk"),
    ],
    ["new: --record and --save both write to it", "--record", file("new"), "--save", `${dir}//new`],
    ["new: --serial and --serial both write to it", "--serial", `${file("new")},log=${file("new")}`],
  ];
  for (const [message, ...args] of cases) assertThrows(() => check(...args), ConfigError, message);
  check("--load", file("state"), "--save", file("state"));
  check("--record", file("a"), "--save", file("b"), "--serial", "stdio", "--serial", "none", "--serial", file("c"));
  check("--record", "/dev/null", "--serial", "/dev/null");
  assertEquals(Deno.readTextFileSync(file("kernel")), "kernel");
  Deno.removeSync(dir, { recursive: true });
});
