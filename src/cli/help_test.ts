import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CHANNELS } from "../core/log.ts";
import { channelText, helpText, KEYS, versionText } from "./help.ts";
import { COMMANDS, type Option, type Subcommand } from "./options.ts";

Deno.test("the help names every command and option with what it does, of one command its own", () => {
  const all = helpText();
  assertStringIncludes(all, KEYS);
  for (const [name, { usage, doc, options }] of Object.entries(COMMANDS)) {
    assertStringIncludes(all, `  ${`bringup ${usage}`.padEnd(46)}${doc}\n`);
    const own = name === "run" ? all : helpText(name as Subcommand);
    assertStringIncludes(own, doc);
    for (const [option, { short, value, many, doc }] of Object.entries(options) as [string, Option][]) {
      const line = own.split("\n").find((l) => new RegExp(`^ +(-\\w, )?--${option}( |$)`).test(l))!;
      assertStringIncludes(line, doc);
      assertEquals([short === undefined || line.includes(`-${short}, --${option}`), line.endsWith("(may be repeated)")], [
        true,
        many === true,
      ]);
      // Two columns, as far as the first one fits.
      const left = `${short ? `-${short}, ` : ""}--${option}${value ? ` ${value}` : ""}`;
      assertEquals(line.slice(0, line.indexOf(doc)), `  ${left.padEnd(22)}`);
      if (value) assertStringIncludes(line, `--${option} ${value}`);
    }
  }
  assertEquals(helpText("run"), all);
  assertEquals(helpText("check").includes("--timeout"), false);
});

Deno.test("the version is deno.json's, with what runs it; the channels are those that there are", () => {
  assertMatch(versionText(), new RegExp(`^bringup \\d+\\.\\d+\\.\\d+ \\(Deno ${Deno.version.deno}, V8 ${Deno.version.v8}\\)$`));
  assertEquals(channelText().split("\n").every((l) => /^ {2}[\w ]{8}[^ ]/.test(l)), true);
  assertEquals(channelText().split("\n").map((l) => /^ {2}(\w+) +\S/.exec(l)?.[1]), Object.keys(CHANNELS));
});
