// What a new machine costs: one TOML. In a copy of this repository the generator changes no file for it, and so nothing that the gate looks at; what
// an older generator left behind goes.
import { assertEquals } from "@std/assert";
import { filesBelow } from "./mutate/map.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PARTS = ["src", "scripts", "machines", "deno.json", "deno.lock", "mod.ts"];
/** Devices of every group, in a combination that no shipped machine has. */
const MINE = `#:schema ./machine.schema.json
extends = "microvm.toml"
name = "mine"
[device.testdev]
type = "pc-testdev"
[device.lpt]
type = "lpt"
io = 0x378
[device.com2]
type = "ns16550a"
io = 0x2f8
`;

Deno.test("a machine more changes no other file, and lists that nothing needs any more are stale", async () => {
  const copy = Deno.makeTempDirSync(), before = new Map<string, string>();
  try {
    const cp = new Deno.Command("cp", { args: ["-r", ...PARTS, copy], cwd: ROOT });
    assertEquals((await cp.output()).code, 0);
    const files = () => new Map(PARTS.slice(0, 3).flatMap((dir) => [...filesBelow(`${copy}/`, dir, "")]).map((f) => [f, text(f)]));
    const text = (file: string) => Deno.readTextFileSync(`${copy}/${file}`);
    const gen = async (...args: string[]) => {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "scripts/dev/gen.ts", ...args],
        cwd: copy,
        env: { NO_COLOR: "1" },
      }).output();
      return [code, new TextDecoder().decode(stderr)];
    };
    Deno.writeTextFileSync(`${copy}/machines/mine.toml`, MINE);
    for (const [file, content] of files()) before.set(file, content);
    Deno.writeTextFileSync(`${copy}/src/loads/devices_mine.ts`, "// Of a machine that is gone.\n");
    assertEquals(await gen("--check"), [1, "src/loads/devices_mine.ts is stale: run deno run -A scripts/dev/gen.ts\n"]);
    assertEquals(await gen(), [0, ""]);
    assertEquals(files(), before);
  } finally {
    Deno.removeSync(copy, { recursive: true });
  }
});
