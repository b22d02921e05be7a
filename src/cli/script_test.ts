import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { API, configOf, loadScript, runDeno } from "./script.ts";

const scratch = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "bringup-script-" }));
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
function file(path: string, text: string): string {
  Deno.mkdirSync(`${scratch}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
  Deno.writeTextFileSync(`${scratch}/${path}`, text);
  return `${scratch}/${path}`;
}

Deno.test("a script's configuration is the nearest deno.json or deno.jsonc at or above it, ours where there is none", () => {
  const own = API.replace(/mod\.ts$/, "deno.json");
  assertEquals(configOf(`${scratch}/none/a.ts`), own);
  const outer = file("project/deno.json", "{}"), inner = file("project/a b/deno.jsonc", "{}");
  Deno.mkdirSync(`${scratch}/project/c/deno.json`, { recursive: true });
  assertEquals(configOf(`${scratch}/project/x.ts`), outer);
  assertEquals(configOf(`${scratch}/project/deep/er/x.ts`), outer);
  assertEquals(configOf(`${scratch}/project/a b/x.ts`), inner, "and a blank in its path");
  assertEquals(configOf(`${scratch}/project/c/x.ts`), outer, "a folder of the name is none");
  const cwd = Deno.cwd();
  Deno.chdir(`${scratch}/project/a b`);
  try {
    assertEquals([configOf("x.ts"), configOf("../x.ts")], [inner, outer]);
  } finally {
    Deno.chdir(cwd);
  }
});

Deno.test("a script is what its file exports by default; what is none says why", async () => {
  const script = await loadScript(file("good.ts", `export default { name: "x", run: () => 1 };`));
  assertEquals(typeof script === "object" && script.name, "x");
  const wrong: [string, string, string][] = [
    ["empty.ts", "export const a = 1;", "its default export must be a scenario"],
    ["number.ts", "export default 5;", "its default export must be a scenario"],
    ["throws.ts", "throw new Error('my own');", "the script does not load: my own"],
    ["syntax.ts", "export default {", "the script does not load: "],
    ["import.ts", `import "./nowhere.ts";`, "the script does not load: "],
  ];
  for (const [name, text, message] of wrong) {
    const e = await assertRejects(() => loadScript(file(name, text)), ConfigError, message);
    assert(e.message.startsWith(`${scratch}/${name}: `), e.message);
  }
  await assertRejects(() => loadScript(`${scratch}/gone.ts`), ConfigError, "gone.ts: no such file");
});

Deno.test("another Deno's status is ours; no listener of ours stays", async () => {
  assertEquals(await runDeno(["eval", "Deno.exit(7)"], { stdin: "null" }), 7);
  assertEquals(
    await runDeno(["eval", "Deno.kill(Deno.pid, 'SIGTERM'); await new Promise((r) => setTimeout(r, 9000))"], { stdin: "null" }),
    143,
  );
});
