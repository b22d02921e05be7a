// What scripts are given by fixtures, in which order it is made, and that it is taken down whatever happens.
import { assertEquals, assertRejects } from "@std/assert";
import { FakeMachine } from "../../tests/fake_machine.ts";
import { ConfigError } from "../core/errors.ts";
import { type Fixtures, withFixtures } from "./fixtures.ts";
import { MachineSession } from "./session.ts";

Deno.test("fixtures are made in the order of `extend`s, see those before, and are taken down in the reverse order", async () => {
  const m = new MachineSession(new FakeMachine([{ out: "x" }])), told: string[] = [];
  const first: Fixtures = {
    a: ({ after, ...rest }: { after: (f: () => void) => void }) => {
      told.push(`a of ${Object.keys(rest)}`);
      after(() => told.push("a undone"));
      after(() => told.push("a undone first"));
      return 1;
    },
    b: (context: { a?: number }) => {
      told.push(`b of ${context.a}`);
      return { [Symbol.dispose]: () => void told.push("b disposed") };
    },
  };
  const second: Fixtures = {
    c: ({ a }: { a: number }) => Promise.resolve({ value: a + 1, [Symbol.asyncDispose]: () => Promise.resolve(told.push("c disposed")) }),
  };
  await withFixtures([first, second], m, (given, made) => {
    told.push(`script with ${Object.keys(made)} ${(made.c as { value: number }).value} ${given === m}`);
  });
  assertEquals(told, [
    "a of m",
    "b of undefined",
    "script with a,b,c 2 true",
    "c disposed",
    "b disposed",
    "a undone first",
    "a undone",
  ]);
});

Deno.test("a script's failure comes before those of taking down, all of which is tried; a fixture that fails keeps the script from running", async () => {
  const m = new MachineSession(new FakeMachine([])), told: string[] = [];
  const failing = (name: string) => () => {
    told.push(name);
    throw new Error(name);
  };
  const fixtures: Fixtures = {
    a: ({ after }: { after: (f: () => void) => void }) => (after(failing("undo 1")), after(failing("undo 2"))),
  };
  await assertRejects(() => withFixtures([fixtures], m, failing("script")), Error, "script");
  assertEquals(told.splice(0), ["script", "undo 2", "undo 1"]);
  await assertRejects(() => withFixtures([fixtures], m, () => {}), Error, "undo 2");
  told.length = 0;
  await assertRejects(() => withFixtures([fixtures, { b: failing("b") }], m, failing("script")), Error, "b");
  assertEquals(told, ["b", "undo 2", "undo 1"]);
  await assertRejects(() => withFixtures([{ b: 5 as never }], m, () => {}), ConfigError, "'b' must be a function");
});
