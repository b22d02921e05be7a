// What each option of a run means, alone and with others. Every option of the table has a row here.
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { JIT_OPTIONS } from "../machine/machine.ts";
import type { BootOptions } from "../scenario/boot.ts";
import { shippedMachines } from "../scenario/host.ts";
import { parseCommandLine, RUN_OPTIONS } from "./options.ts";
import { makePlan, type Plan, withLimitsOf } from "./plan.ts";

const plan = (...args: string[]) => makePlan(parseCommandLine(args), args);

const BOOT = { kernel: "k", budget: { guest: "none", wall: "none" }, replay: "deno run -A mod.ts m.toml k" } as const;
/** With any option at all. */
const WITH = { ...BOOT, set: {}, failOn: [], disks: [], tuning: { off: [], profile: false } };
const PLAN: Omit<Plan, "boot"> = {
  machine: "m.toml",
  expect: [],
  scenario: undefined,
  gdbPort: undefined,
  gdbArch: undefined,
  wait: false,
  stats: false,
  display: false,
  serial: [],
  hint: true,
  screenshot: undefined,
  record: undefined,
  until: undefined,
  report: undefined,
  save: undefined,
  timeline: undefined,
  failures: undefined,
};

/** Options, and what is other than without them, for the machine and for the run. */
const MEANINGS: readonly [args: string, boot: BootOptions, rest: Partial<Plan>][] = [
  ["--append=a=b", { append: "a=b" }, {}],
  ["--append=", { append: "" }, {}],
  ["--initrd rd", { initrd: "rd" }, {}],
  ["--symbols k.elf", { symbols: "k.elf" }, {}],
  ["--disk a --cd b --floppy c --disk d", { disks: ["a", "d", { file: "c", kind: "floppy" }, { file: "b", kind: "cd" }] }, {}],
  ["--memory 1GiB", { set: { memory: "1GiB" } }, {}],
  ["--harts 4", { set: { harts: "4" } }, {}],
  ["--firmware none", { set: { firmware: "none" } }, {}],
  ["--set a.b=1 --set c=d=e --memory 2MiB", { set: { "a.b": "1", c: "d=e", memory: "2MiB" } }, {}],
  ["--record r.rec", {}, { record: "r.rec" }],
  ["--timeline t.html", {}, { timeline: "t.html" }],
  ["--failures f", {}, { failures: "f" }],
  ["--replay r.rec --until 12", {}, { until: "12" }],
  ["--gdb", {}, { gdbPort: 1234 }],
  ["--gdb=1", {}, { gdbPort: 1 }],
  ["--gdb 65535", {}, { gdbPort: 65535 }],
  ["--gdb --wait", {}, { gdbPort: 1234, wait: true }],
  ["--gdb --gdb-arch i386", {}, { gdbPort: 1234, gdbArch: "i386" }],
  ["--scenario s.ts", {}, { scenario: "s.ts" }],
  ["--timeout 5s", { budget: { guest: "5s", wall: "none" } }, {}],
  ["--expect a --expect ^b$", {}, { expect: [/a/m, /^b$/m] }],
  ["--fail a --fail b$", { failOn: [/a/m, /b$/m] }, {}],
  ["--serial stdio --serial log", {}, { serial: ["stdio", "log"] }],
  ["--display terminal", {}, { display: true, hint: false }],
  ["--display none", {}, { display: false, hint: false }],
  ["--report r.html", {}, { report: "r.html" }],
  ["--screenshot s.png", {}, { screenshot: "s.png", hint: false }],
  ["--save s.snap", {}, { save: "s.snap" }],
  ["--load s.snap", { load: "s.snap" }, {}],
  ["--trace irq,trap", { trace: "irq,trap" }, {}],
  ["--trace irq --trace-file t.log", { trace: "irq", traceFile: "t.log" }, {}],
  ["--stats", { tuning: { off: [], profile: true } }, { stats: true }],
  ["--raw", { raw: true }, {}],
  ["--engine interp", { engine: "interp" }, {}],
  ["--engine jit", { engine: "jit" }, {}],
  [Object.keys(JIT_OPTIONS).map((name) => `--no-opt ${name}`).join(" "), {
    tuning: { off: Object.keys(JIT_OPTIONS) as (keyof typeof JIT_OPTIONS)[], profile: false },
  }, {}],
  // Several at once are what each is alone.
  ["--stats --timeout 1m30s --fail x --trace all", {
    tuning: { off: [], profile: true },
    budget: { guest: "1m30s", wall: "none" },
    failOn: [/x/m],
    trace: "all",
  }, { stats: true }],
  ["--scenario s.ts --fail x --gdb 5 --wait", { failOn: [/x/m] }, { scenario: "s.ts", gdbPort: 5, wait: true }],
];

Deno.test("every option: what it means for the machine and for the run, and nothing else", () => {
  assertEquals(plan("m.toml", "k"), { ...PLAN, boot: BOOT });
  assertEquals(plan("m.toml").boot, { budget: BOOT.budget, replay: "deno run -A mod.ts m.toml" });
  const met = new Set<string>();
  for (const [text, boot, rest] of MEANINGS) {
    const args = ["m.toml", "k", ...text.split(" ")], { boot: found, ...run } = plan(...args);
    const typed = args.map((a) => /[$^]/.test(a) ? `'${a}'` : a).join(" ");
    assertEquals(found, { ...WITH, replay: `deno run -A mod.ts ${typed}`, ...boot });
    assertEquals(run, { ...PLAN, ...rest }, text);
    for (const [, option] of text.matchAll(/--([a-z-]+)/g)) met.add(option);
  }
  assertEquals([...met, "help", "version"].sort(), Object.keys(RUN_OPTIONS).sort());
});

Deno.test("the command that repeats a run is quoted for a shell", () => {
  const replay = (...args: string[]) => plan("m.toml", "k", ...args).boot.replay!.slice("deno run -A mod.ts m.toml k".length);
  assertEquals(replay("--append", "root=/dev/vda rw"), " --append 'root=/dev/vda rw'");
  assertEquals(replay("--expect", "it's"), ` --expect 'it'\\''s'`);
  assertEquals(replay("--set", "a.b=c,d:e@f%+1_-/"), " --set a.b=c,d:e@f%+1_-/", "these need none");
  for (const c of `"$\`\\*?;&|<>(){}[]~!# \n`) assertEquals(replay("--expect", `\\${c}`), ` --expect '\\${c}'`, c);
  assertEquals(replay("--append", ""), " --append ''");
});

/** Lines that no machine is started for. */
const WRONG: readonly [args: readonly string[], message: string][] = [
  [[], "which machine? usage: bringup MACHINE.toml [KERNEL] [options]"],
  [[""], "the machine's name is empty: a variable that is not set?"],
  [["", "k"], "the machine's name is empty: a variable that is not set?"],
  [["m.toml", ""], "the kernel's name is empty: a variable that is not set?"],
  [["nosuchmachine"], "'nosuchmachine' is neither a command nor a machine file"],
  [["nosuchmachine", "k"], "'nosuchmachine' is neither a command nor a machine file"],
  [["vitr"], "'vitr' is neither a command nor a machine file (did you mean 'virt'?)"],
  [["chekc"], "'chekc' is neither a command nor a machine file (did you mean 'check'?)"],
  [["k.elf", "m.toml"], "'k.elf' is in the machine's place: the machine file comes first"],
  [["virt", "m.toml"], "'virt' is in the machine's place: the machine file comes first"],
  [["m.toml", "k", "x"], "unexpected argument 'x': after the machine file comes one kernel, then options"],
  [["m.toml", "k", "x", "y"], "unexpected argument 'x': after the machine file comes one kernel, then options"],
  [["m.toml", "k", "--gdb-arch", "i386"], "--gdb-arch needs --gdb"],
  [["m.toml", "k", "--wait"], "--wait needs --gdb: only a debugger can let the guest go on"],
  [
    ["m.toml", "k", "--scenario", "s", "--expect", "e"],
    "--scenario and --expect exclude each other: the script says what is expected",
  ],
  [
    ["m.toml", "k", "--load", "s", "--replay", "r"],
    "--load and --replay exclude each other: a recording begins where the machine does",
  ],
  [["m.toml", "k", "--engine", "fast"], "--engine: there is no engine 'fast'; expected interp or jit"],
  [["m.toml", "k", "--no-opt", "zzz"], `--no-opt: there is no pass 'zzz'; expected ${Object.keys(JIT_OPTIONS).join(", ")}`],
  [["m.toml", "k", "--display", "gtk"], "--display: there is no display 'gtk'; expected terminal or none"],
  [["m.toml", "k", "--timeout", "5"], "--timeout: '5' is not a duration: expected a number with a unit, such as 5s, 100ms or 2us"],
  [["m.toml", "k", "--fail", "("], "--fail: Invalid regular expression: /(/m: Unterminated group"],
  [["m.toml", "k", "--expect", "a", "--expect", "["], "--expect: Invalid regular expression: /[/m: Unterminated character class"],
  [["m.toml", "k", "--set", "x"], "--set x: expected KEY=VALUE, such as memory.dram.size=2GiB"],
  ...["memory", "harts", "firmware"].map((key): [string[], string] => [
    ["m.toml", "k", `--${key}`, "1", "--set", `${key}=2`],
    `--${key} and --set ${key} exclude each other`,
  ]),
  ...["0", "65536", "1e3", "x", "-1", "+5", " 5"].map((port): [string[], string] => [
    ["m.toml", "k", `--gdb=${port}`],
    `--gdb: '${port}' is not a TCP port: expected 1 to 65535`,
  ]),
];

Deno.test("what makes no sense is one line, and nothing is started", () => {
  for (const [args, message] of WRONG) {
    const e = assertThrows(() => plan(...args), ConfigError, message.split("\n")[0], args.join(" "));
    assertEquals(e.message, message);
  }
});

Deno.test("a shipped machine's bare name, and any path of a file, is a machine", () => {
  for (const name of shippedMachines()) assertEquals([plan(name).machine, plan(name, "k").boot.kernel], [name, "k"]);
  for (const path of ["a/b", "./virt", "nosuch.toml", "a b", "x.y"]) assertEquals(plan(path, "k").machine, path);
});

Deno.test("who may not look is told what is missing, not that there is no such machine", () => {
  const denied = new Deno.errors.NotCapable("Requires read access"), { querySync } = Deno.permissions, { statSync } = Deno;
  try {
    Deno.permissions.querySync = () => ({ state: "denied" }) as Deno.PermissionStatus;
    Deno.statSync = () => {
      throw denied;
    };
    assertThrows(() => plan("nosuchmachine"), Deno.errors.NotCapable, "Requires read access");
  } finally {
    Object.assign(Deno, { statSync });
    Object.assign(Deno.permissions, { querySync });
  }
});

Deno.test("a script's limits hold on the command line's machine; a time-out of the command line goes before the script's", () => {
  const given: BootOptions = { kernel: "k", failOn: [/c/], budget: { guest: "1s", wall: "none" } };
  const script = (options: BootOptions) => ({ name: "", machine: "other", options, run: () => Promise.resolve() });
  const own = { failOn: ["a", /b/], budget: { guest: "2s", wall: "3m" }, kernel: "other" } as const;
  assertEquals(withLimitsOf(script(own), given, false), { kernel: "k", failOn: ["a", /b/, /c/], budget: { guest: "2s", wall: "3m" } });
  assertEquals(withLimitsOf(script(own), given, true), { kernel: "k", failOn: ["a", /b/, /c/], budget: { guest: "1s", wall: "3m" } });
  // Without any, waits take as long as under `deno test`.
  assertEquals(withLimitsOf(script({}), { kernel: "k", budget: { guest: "none", wall: "none" } }, false), {
    kernel: "k",
    failOn: [],
    budget: {},
  });
  assertEquals(withLimitsOf(script({}), given, true), { kernel: "k", failOn: [/c/], budget: { guest: "1s" } });
});
