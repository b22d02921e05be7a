// What the compiler says of scripts: this file is checked, and what must not compile is marked.
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { scenario } from "./boot.ts";

const ignored = { name: "never runs", machine: "virt", ignore: true, tags: ["typed"] } as const;

Deno.test("fixtures have the types of what their functions return; tags are words", () => {
  const withShell = scenario.extend({ prompt: () => "> ", retries: () => Promise.resolve(3) });
  const both = withShell.extend({ shell: ({ m, prompt }) => ({ prompt, session: m }) });
  // deno-lint-ignore no-unused-vars
  const check = () => [
    both(ignored, async (m, { shell, prompt, retries }) => {
      const text: string = prompt + shell.prompt + m.serial.text(), n: number = retries + shell.session.nowNs;
      await m.serial.send(text + n);
      // @ts-expect-error: there is no such fixture
      shell.other;
    }),
    // @ts-expect-error: it comes with a later `extend`
    withShell(ignored, (_, { shell }) => shell),
    // @ts-expect-error: fixtures of one `extend` do not see each other
    scenario.extend({ a: () => 1, b: ({ a }) => a }),
    // @ts-expect-error: a fixture is made by a function
    scenario.extend({ a: 1 }),
    scenario(ignored, async (m) => await m.serial.send("")),
  ];
  assertThrows(() => scenario({ ...ignored, tags: ["two words"] }, async () => {}), ConfigError, `a tag is a word, such as "slow"`);
  assertEquals(typeof withShell.extend, "function");
});
