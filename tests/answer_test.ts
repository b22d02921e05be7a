// It always answers: guests that do what is slow, or what is much at once, and the ways to stop them. What is asserted is that each of them stops at
// all because of that; the limits leave room for a busy machine.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { serveGdb } from "../src/debug/gdb.ts";
import { boot, type BootOptions } from "../src/scenario/boot.ts";
import { ScenarioTimeout, WallClockTimeout } from "../src/scenario/failures.ts";
import { cliArgs, ROOT } from "./cli.ts";
import { DISK_SIZE, guestFile, type HostileGuest, scratch } from "./guests/hostile.ts";

/** Milliseconds: until a guest does its worst, and within which it has to stop. */
const WORK_MS = 1200, LIMIT_MS = 20_000;

interface Row {
  readonly guest: HostileGuest;
  /** Guest time that passes in it, however slowly. */
  readonly passes: string;
  readonly options?: BootOptions;
  readonly disk?: string;
}
const DISK = `${scratch}/disk.img`;
Deno.writeFileSync(DISK, new Uint8Array());
Deno.truncateSync(DISK, DISK_SIZE);

const ROWS: readonly Row[] = [
  { guest: "riscv idle_then_slow", passes: "20.0005s" },
  { guest: "riscv denormals", passes: "500us" },
  { guest: "riscv storm", passes: "500us" },
  { guest: "riscv storm", passes: "500us", options: { set: { "cpu.harts": 16 } } },
  { guest: "x86 idle_then_slow", passes: "19.9935s" },
  { guest: "x86 fw_cfg", passes: "50.01ms" },
  { guest: "x86 state", passes: "500us" },
  { guest: "x86 changing", passes: "500us" },
  { guest: "x86 bars", passes: "500us" },
  { guest: "x86 outs", passes: "500us" },
  { guest: "x86 disk", passes: "500us", disk: DISK },
  { guest: "x86 fill", passes: "500us" },
];

const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143]] as const;
for (const [i, { guest, passes, options = {}, disk }] of ROWS.entries()) {
  const { machine, kernel, set } = guestFile(guest), harts = options.set?.["cpu.harts"];
  const boots = { kernel, ...options, disks: disk ? [disk] : [], set: { ...set, ...options.set } };
  const name = `${guest}${harts ? ` on ${harts} harts` : ""}`;
  const keys = Object.entries(boots.set).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const args = cliArgs([machine, kernel, ...keys, ...(disk ? ["--disk", disk] : [])]);

  // Both go one way, so each guest meets one of them, and those that wait first meet both.
  for (const [signal, code] of guest.endsWith("idle_then_slow") ? SIGNALS : [SIGNALS[i % 2]]) {
    Deno.test(`${name} stops at ${signal}`, async () => {
      const child = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdin: "piped", stdout: "null", stderr: "null" }).spawn();
      await new Promise((resolve) => setTimeout(resolve, WORK_MS));
      child.kill(signal);
      const kill = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
      assertEquals((await child.status).code, code);
      clearTimeout(kill);
      await child.stdin.close().catch(() => {});
    });
  }

  Deno.test(`${name} stops when its wall-clock budget is used up`, async () => {
    await using m = await boot(machine, { ...boots, budget: { guest: "none", wall: "700ms" } });
    await soon(assertRejects(() => m.serial.toPrint("never"), WallClockTimeout));
  });

  Deno.test(`${name} stops when its guest time is over`, async () => {
    await using m = await boot(machine, { ...boots, budget: { guest: passes, wall: "none" } });
    await soon(assertRejects(() => m.serial.toPrint("never"), ScenarioTimeout));
  });

  Deno.test(`${name} stops for a debugger`, async () => {
    await using m = await boot(machine, { ...boots, budget: { guest: "none", wall: "none" } });
    await m.machine.complete?.();
    const server = serveGdb(m, { port: 0, wait: false, onQuit: () => {}, onMessage: () => {} });
    m.hooks = {
      paused: () => server.paused,
      onBreakpoint: (stop) => server.onBreakpoint(stop),
    };
    const ended = m.stopped().catch(() => {});
    const gdb = await Deno.connect({ port: server.port }), buffer = new Uint8Array(4096);
    const says = async (text: string, answer: RegExp) => {
      await gdb.write(new TextEncoder().encode(text));
      let heard = "";
      while (!answer.test(heard)) {
        heard += new TextDecoder().decode(buffer.subarray(0, await gdb.read(buffer) ?? assert(false, "closed") as never));
      }
    };
    await soon(says("+$?#3f", /\$T05/));
    await soon(says("+$c#63", /\+/));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await soon(says("\x03", /\$T02/));
    gdb.close();
    await server.close(0);
    await m[Symbol.asyncDispose]();
    await ended;
  });
}

const RESETTING: readonly [string, string, Uint8Array][] = [
  [
    "the test device",
    "machines/virt.toml",
    new Uint8Array(Uint32Array.of(0x0010_02b7, 0x0000_7337, 0x7773_0313, 0x0062_a023, 0x6f).buffer),
  ],
  ["the keyboard's controller", "machines/pc.toml", sector(0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe)],
];
for (const [how, machine, code] of RESETTING) {
  Deno.test(`a guest that does nothing but reset itself by ${how} stops when its guest time is over`, async () => {
    const kernel = `${scratch}/reset.bin`;
    Deno.writeFileSync(kernel, code);
    await using m = await boot(machine, { kernel, budget: { guest: "10ms", wall: "30s" } });
    await assertRejects(() => m.serial.toPrint("never"), ScenarioTimeout);
  });
}

function sector(...code: number[]): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes.set(code);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

/** Fails when it takes longer than the limit. */
async function soon<T>(work: Promise<T>): Promise<T> {
  const from = performance.now(), done = await work, ms = performance.now() - from;
  assert(ms < LIMIT_MS, `${ms.toFixed(0)} ms`);
  return done;
}
