// The README's recipes for Rust kernels, word for word, with the real cargo and bootimage.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { prepared, recipes, runCommand, write } from "./recipes.ts";

const RAN = /Running 1 tests\n\[ok\]\n/;

/** What each command prints and how it ends. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, readonly [status: number, output: RegExp]>>>> = {
  my_os: {
    "cargo run": [33, /^It did not crash!$/m],
    "cargo test": [0, RAN],
    "cargo test -q": [0, RAN],
    "cargo test -- --list": [0, /^one_is_one: test\n\n1 test, 0 benchmarks$/m],
    "cargo test -- --exact one_is_one": [0, /^test one_is_one ... ok\n\ntest result: ok. 1 passed/m],
    "cargo test -- --nocapture": [0, RAN],
    "cargo run -- --timeout 5s --screenshot screen.png": [33, /^It did not crash!$/m],
  },
  my_firmware: {
    "cargo run": [0, /^Hello from M-mode!$/m],
    "cargo test -- --exact it_runs_in_ram": [0, /^test it_runs_in_ram ... ok\n\ntest result: ok. 1 passed/m],
  },
  os: {
    "cargo run": [0, /^\[kernel\] Hello, world!$/m],
    "cargo test -- --list": [0, /^addresses_have_64_bits: test\nbss_is_clear: test\n\n2 tests, 0 benchmarks$/m],
    "cargo test bss": [0, /^test bss_is_clear ... ok$/m],
  },
};

Deno.test("the README's recipes are the ones that are run", () => {
  assertEquals(
    Object.fromEntries(recipes().map(({ name, commands }) => [name, [...commands]])),
    Object.fromEntries(Object.entries(EXPECTED).map(([name, commands]) => [name, Object.keys(commands)])),
  );
});

const ready = await prepared();
if (!ready && Deno.env.has("BRINGUP_CI")) throw new Error("continuous integration must have what the recipes need");

for (const recipe of recipes()) {
  Deno.test({
    name: `README's recipe: ${recipe.name}`,
    ignore: !ready,
    fn: async () => {
      const folder = write(recipe);
      for (const line of recipe.commands) {
        const [status, output] = EXPECTED[recipe.name][line], { code, text } = await runCommand(line, folder);
        assertEquals(code, status, `${line}\n${text}`);
        assertMatch(text, output, line);
      }
    },
  });
}

Deno.test({
  name: "a kernel of the README's that panics in a test fails `cargo test`, and its report names the function",
  ignore: !ready,
  fn: async () => {
    // With the other kernel's target folder, where the libraries are; a package of the same name would take its place there.
    const recipe = recipes().find(({ name }) => name === "my_os")!;
    const failing = recipe.files["src/main.rs"].replace("assert_eq!(1, 1)", "assert_eq!(1, 2)");
    const manifest = recipe.files["Cargo.toml"].replace('"my_os"', '"my_failing_os"');
    const folder = write({ ...recipe, name: "my_failing_os", files: { ...recipe.files, "Cargo.toml": manifest, "src/main.rs": failing } });
    const { code, text } = await runCommand("CARGO_TARGET_DIR=../my_os/target cargo test", folder);
    assert(code !== 0, text);
    assertStringIncludes(text, "panicked at src/main.rs");
    // It halts where it is when there is no debug exit: the image's symbols come from the kernel beside it.
    const { text: report } = await runCommand(
      "CARGO_TARGET_DIR=../my_os/target cargo run -- --set device.debugexit=false --timeout 200ms",
      folder,
    );
    assertMatch(report, /cpu0 at 0x[0-9a-f]+ .*(my_failing_os|x86_64)::/);
  },
});
