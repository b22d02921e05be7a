import { assertEquals } from "@std/assert";
import { counted, gaps, neverRun, parseLcov, table } from "./coverage.ts";

const REPORT = `SF:/r/src/a/x.ts
FN:1,f
DA:1,3
DA:2,0
DA:5,0
DA:6,1
DA:9,0
end_of_record
SF:/r/src/b.ts
DA:1,1
end_of_record
`;

Deno.test("a report by file and folder: lines that were run, and where the others are", () => {
  const files = parseLcov(REPORT, "/r/");
  assertEquals([...files.keys()], ["src/a/x.ts", "src/b.ts"]);
  assertEquals([gaps(files.get("src/a/x.ts")!), gaps(files.get("src/b.ts")!)], ["2-5, 9", ""]);
  assertEquals(counted(files.values()), [3, 6]);
  assertEquals(table(files).split("\n").map((line) => line.replace(/ +/g, " ")), [
    "src/a 2 of 5 40.0 %",
    "src 1 of 1 100.0 %",
    "all 3 of 6 50.0 %",
    "",
    "src/a/x.ts 2 of 5 40.0 % 2-5, 9",
    "src/b.ts 1 of 1 100.0 %",
  ]);
});

Deno.test("a file that nothing has loaded counts with every line that holds code; one of types alone has none", () => {
  assertEquals(neverRun(`// why\nimport "./x.ts";\nexport interface A {\n  a: 1;\n}\nexport type B = A;\n`), new Map());
  assertEquals(
    neverRun(`/** What. */\nexport const a = 1;\n\nfunction f() {\n  // why\n  return a;\n}\n`),
    new Map([[2, 0], [4, 0], [6, 0], [7, 0]]),
  );
});
