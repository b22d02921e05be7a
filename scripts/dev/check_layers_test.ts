import { assertEquals } from "@std/assert";
import { circles, violations } from "./check_layers.ts";

Deno.test("a layer sees those below it, and only some touch the host", () => {
  assertEquals(violations("core/a.ts", `import "../engine/engine.ts";`).length, 1);
  assertEquals(violations("engine/a.ts", `import type { B } from "../core/b.ts";`), []);
  assertEquals(violations("devices/pc/a.ts", `import type { B } from "../../machine/graph.ts";`).length, 1);
  assertEquals(violations("core/a.ts", "Deno.exit();").length, 1);
  assertEquals(violations("cli/a.ts", "Deno.exit();"), []);
});

Deno.test("circles of imports are found, of types and by way of others; an instruction's row and its builder may need each other", () => {
  const of = (...files: readonly (readonly [string, string])[]) => circles(new Map(files));
  assertEquals(of(["core/a.ts", `import { b } from "./b.ts";`], ["core/b.ts", `import { c } from "./c.ts";`], ["core/c.ts", ""]), []);
  assertEquals(
    of(["core/a.ts", `import {\n  type B,\n} from "./b.ts";`], ["core/b.ts", `import type { C } from "../ir/c.ts";`], [
      "ir/c.ts",
      `export type { A } from "../core/a.ts";`,
    ]),
    ["these import each other in a circle: src/core/a.ts > src/core/b.ts > src/ir/c.ts > src/core/a.ts"],
  );
  assertEquals(of(["core/a.ts", `type B = typeof import("./b.ts");`], ["core/b.ts", `import "./a.ts";`]).length, 1);
  assertEquals(of(["core/a.ts", `import "./a.ts";`]).length, 1);
  assertEquals(of(["x86/insn.ts", `import type { Emit } from "./emit.ts";`], ["x86/emit.ts", `import "./insn.ts";`]), []);
  assertEquals(of(["x86/insn.ts", `import "./cpu.ts";`], ["x86/cpu.ts", `import "./insn.ts";`]).length, 1);
});
