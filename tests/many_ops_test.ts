// Operations have numbers of 16 bits: with some hundred rows more in front of all others of the table, a guest runs as it does without, through
// the interpreter and the JIT. What keeps such a number in 8 bits, or packs it with something else, takes one operation for another.
import { assertEquals } from "@std/assert";

const ROWS = 300, root = new URL("../", import.meta.url), table = new URL("src/ir/ops.ts", root);

Deno.test(`a guest runs as ever with ${ROWS} more operations in the table`, async () => {
  const dir = await Deno.makeTempDir();
  try {
    const text = await Deno.readTextFile(table), anchor = "// Plain loops, and not in functions";
    assertEquals(text.split(anchor).length, 2);
    const row = '{ name: `more${n}`, args: "", result: "", effect: "state" }';
    await Deno.writeTextFile(
      `${dir}/ops.ts`,
      text.replace(anchor, `for (let n = 0; n < ${ROWS}; n++) (OPS as OpRow[]).push(${row});\n${anchor}`),
    );
    const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
    for (const name in imports) if (imports[name].startsWith("./")) imports[name] = new URL(imports[name], root).href;
    imports[table.href] = `file://${dir}/ops.ts`;
    await Deno.writeTextFile(`${dir}/map.json`, JSON.stringify({ imports }));
    const guest = ["machines/virt.toml", "tests/bench/bin/bench_suite.rv64.elf", "--append", "bench=quicksort:1"];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `--import-map=${dir}/map.json`, "mod.ts", ...guest],
      cwd: root,
    }).output();
    assertEquals([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)), ["quicksort 690cf886\n", ""]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
