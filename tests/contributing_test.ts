// CONTRIBUTING.md's recipes, word for word, all in one copy of the repository: files are written, lines are added where their surroundings stand
// once, and what the recipe says is run. Types are not checked: `deno task ok` does that to what is really added.
import { existsSync } from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { ROOT } from "./cli.ts";

interface Recipe {
  readonly name: string;
  /** New files by path. */
  readonly files: Map<string, string>;
  /** Changes of files: path, and lines that begin with a blank, `-` or `+`. */
  readonly changes: [path: string, lines: string[]][];
  readonly commands: string[];
}

const TEXT = Deno.readTextFileSync(`${ROOT}CONTRIBUTING.md`);

function recipes(): Recipe[] {
  return TEXT.split(/^### /m).slice(1).map((section) => {
    const recipe: Recipe = { name: section.slice(0, section.indexOf("\n")), files: new Map(), changes: [], commands: [] };
    for (const [, language, block] of section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)) {
      const [first, ...rest] = block.trimEnd().split("\n"), path = /^(?:---|\/\/|#) (\S+)$/.exec(first)?.[1];
      if (language === "sh") recipe.commands.push(first, ...rest);
      else if (path === undefined) throw new Error(`${recipe.name}: a block names no file: ${first}`);
      else if (language === "diff") recipe.changes.push([path, rest]);
      else recipe.files.set(path, block);
    }
    return recipe;
  });
}

/** The text with the change, whose surroundings must stand in it once. */
function changed(text: string, lines: readonly string[], where: string): string {
  const without = (sign: string) => lines.filter((l) => l[0] !== sign).map((l) => l.slice(1) + "\n").join("");
  const before = without("+"), parts = `\n${text}`.split(`\n${before}`);
  assertEquals(parts.length, 2, `${where}: this does not stand there once:\n${before}`);
  return parts.join(`\n${without("-")}`).slice(1);
}

Deno.test('CONTRIBUTING.md has a recipe for each row of src/README.md\'s "To add"', () => {
  const table = Deno.readTextFileSync(`${ROOT}src/README.md`).split("## To add")[1];
  const rows = [...table.matchAll(/^\| (\w[^|]*?) *\|/gm)].map(([, name]) => name);
  assertEquals(recipes().map(({ name }) => name).sort(), rows.sort());
});

Deno.test("CONTRIBUTING.md's recipes do what they say, in a copy", async (t) => {
  const copy = Deno.makeTempDirSync(), all = recipes();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(args[0], { args: args.slice(1), cwd: copy, env: { NO_COLOR: "1" } }).output();
    return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  };
  const here = (line: string) => {
    const [program, ...args] = line.split(" ");
    assertEquals(program, "deno", line);
    return run(Deno.execPath(), ...args);
  };
  try {
    const names = ["src", "machines", "mod.ts", "deno.json", "deno.lock"].map((name) => ROOT + name);
    assertEquals((await run("cp", "-r", ...names, copy)).code, 0);
    await Deno.mkdir(`${copy}/tests`);
    assertEquals(
      (await run("cp", "-r", ...["tests/ir", "tests/golden", "tests/ir_test.ts"].map((n) => ROOT + n), `${copy}/tests`)).code,
      0,
    );
    assertEquals((await run("cp", "-r", `${ROOT}scripts`, copy)).code, 0);
    for (const { name, files, changes } of all) {
      for (const [path, text] of files) {
        assert(!existsSync(`${copy}/${path}`), `${name}: there is a ${path} already`);
        await Deno.writeTextFile(`${copy}/${path}`, text);
      }
      for (const [path, lines] of changes) {
        await Deno.writeTextFile(`${copy}/${path}`, changed(await Deno.readTextFile(`${copy}/${path}`), lines, `${name}, ${path}`));
      }
    }
    // Tests run together, behind what writes files; every other command once.
    const lines = [...new Set(all.flatMap(({ commands }) => commands))], test = "deno test -A ";
    for (const line of lines.filter((line) => !line.startsWith(test))) {
      await t.step(line, async () => {
        const { code, text } = await here(line);
        assertEquals(code, 0, text);
      });
    }
    const files = lines.filter((line) => line.startsWith(test)).map((line) => line.slice(test.length));
    await t.step(`deno test -A ${files.join(" ")}`, async () => {
      const { code, text } = await here(`deno test -A --no-check ${files.join(" ")}`);
      assertEquals(code, 0, text);
      assert(files.every((file) => text.includes(`from ./${file}`)), text);
    });
    await t.step("a golden was written, and others are as they were", () => {
      const written = Deno.readTextFileSync(`${copy}/tests/ir/fold_new.ir`);
      assertEquals(written.split("--- after")[1]?.match(/^v3 = const.*$/m)?.[0], "v3 = const.l 0x80002000", written);
      for (const [path, text] of all.flatMap(({ files }) => [...files])) {
        if (text.includes("--- after")) assertEquals(Deno.readTextFileSync(`${copy}/${path}`), text, path);
      }
      for (const { name } of Deno.readDirSync(`${ROOT}tests/ir`)) {
        assertEquals(Deno.readTextFileSync(`${copy}/tests/ir/${name}`), Deno.readTextFileSync(`${ROOT}tests/ir/${name}`));
      }
    });
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});
