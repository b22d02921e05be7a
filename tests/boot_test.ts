// `boot` and `scenario`: what of their options reaches the machine and the session, forks and their disks, the command that repeats a run.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { boot, expect, scenario } from "../src/scenario/boot.ts";
import { FailPatternSeen, ScenarioTimeout } from "../src/scenario/failures.ts";

const guest = (name: string) => decodeURIComponent(new URL(`guests/bin/${name}.rv64.elf`, import.meta.url).pathname);
const VIRT = "virt", kernel = guest("echo");

Deno.test("options reach the machine and the session: image, overrides, limits, forbidden texts", async () => {
  {
    await using m = await boot(VIRT, { kernel, set: { memory: "32MiB", harts: 2 }, budget: { guest: "3ms" } });
    assertEquals([m.machine.cpus.length, m.machine.bus.regions.some((r) => r.length === 32 << 20)], [2, true]);
    await expect(m.serial).toPrint("> ");
    const e = await assertRejects(() => expect(m.serial).toPrint("never"), ScenarioTimeout, "Waited 3ms of guest time");
    assertMatch(e.message, /\n {2}replay: deno test -A \S*tests\/boot_test\.ts$/);
    await assertRejects(() => expect(m.serial).toPrint("nor this", { within: "1ms" }), ScenarioTimeout, "Waited 1ms");
  }
  await using m = await boot(VIRT, { kernel, failOn: ["exit ends"], replay: "by hand" });
  const e = await assertRejects(() => m.stopped(), FailPatternSeen, `uart0 printed "exit ends" (failOn)`);
  assert(e.message.endsWith("\n  replay: by hand") && m.serial.text().endsWith("exit ends"));
});

Deno.test("nothing runs before the first await; a mistake is one of the configuration", async () => {
  await using m = await boot(VIRT, { kernel });
  await new Promise((done) => setTimeout(done, 20));
  assertEquals([m.machine.age, m.nowNs, m.serial.text()], [0, 0, ""]);
  const mistakes: [string, Parameters<typeof boot>[1], string][] = [
    ["nowhere.toml", { kernel }, "nowhere.toml: no such file"],
    [VIRT, { kernel: guest("ecko") }, "did you mean 'echo.rv64.elf'?"],
    [VIRT, { kernel, set: { nothing: "1" } }, "nothing"],
    [VIRT, { kernel, trace: "irk" }, "did you mean 'irq'?"],
    [VIRT, { kernel, budget: { guest: "1 week" } }, "'1 week' is not a duration"],
  ];
  for (const [file, options, text] of mistakes) await assertRejects(() => boot(file, options), ConfigError, text);
});

Deno.test("a compressed image is unpacked", async () => {
  const path = Deno.makeTempFileSync({ suffix: ".gz" });
  try {
    const packed = new Blob([Deno.readFileSync(guest("hello"))]).stream().pipeThrough(new CompressionStream("gzip"));
    Deno.writeFileSync(path, new Uint8Array(await new Response(packed).arrayBuffer()));
    await using m = await boot(VIRT, { kernel: path });
    assertEquals(await m.stopped(), { kind: "exit", code: 0, pass: true });
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("a fork shares nothing that either changes, its disk neither; only the first machine writes an image", async () => {
  // A boot sector that counts in its last byte, on the disk too, and ends with the count.
  //   mov ah, 2 (read) ...; inc byte [0x81ff]; mov ah, 3 (write); int 13h; out 0xf4
  const image = new Uint8Array(512 * 4);
  image.set([0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0xbb, 0x00, 0x80, 0xb8, 0x01, 0x02, 0xb9, 0x02, 0x00, 0xba, 0x80, 0x00, 0xcd, 0x13]);
  image.set([0xfe, 0x06, 0xff, 0x81, 0xb8, 0x01, 0x03, 0xcd, 0x13, 0xa0, 0xff, 0x81, 0xe6, 0xf4, 0xf4], 20);
  image.set([0x55, 0xaa], 510);
  const path = Deno.makeTempFileSync({ suffix: ".img" });
  Deno.writeFileSync(path, image);
  try {
    await using m = await boot("pc", { kernel: path });
    const fork = m.fork();
    const code = async (s: typeof m) => {
      const stop = await s.stopped();
      return stop.kind === "exit" ? stop.code : stop.kind;
    };
    assertEquals([await code(m), await code(fork), await code(m.fork())], [3, 3, 3]);
    assertEquals(fork.machine.digest(), m.machine.digest());
    await fork[Symbol.asyncDispose]();
    assertEquals(Deno.readFileSync(path), image, "writes stay in memory");
  } finally {
    Deno.removeSync(path);
  }
});

/** Declared here, run below; under `deno test` it is a test as well. */
const ran: string[] = [];
const declared = scenario(
  { name: "a declared scenario boots its machine and runs", machine: VIRT, kernel, budget: { guest: "1s" }, failOn: ["never"] },
  async (m) => {
    await expect(m.serial).toPrint("> ");
    ran.push(String(m.options.budget?.guest));
  },
);
scenario({ name: "a scenario that is ignored", machine: "nowhere.toml", ignore: true }, () => Promise.reject(new Error("it ran")));

Deno.test("a scenario is its declaration: name, machine, options and body, for who drives a machine of his own", async () => {
  assertEquals([declared.name, declared.machine, ran], ["a declared scenario boots its machine and runs", VIRT, ["1s"]]);
  assertEquals(declared.options, { kernel, budget: { guest: "1s" }, failOn: ["never"] });
  await using m = await boot(VIRT, { kernel, budget: { guest: "7ms" } });
  await declared.run(m);
  assertEquals(ran, ["1s", "7ms"]);
});
