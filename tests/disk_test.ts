// What a guest writes to its disk: in memory, in the file when the machine file says so, and in snapshots and forks.
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { boot, ConfigError } from "../mod.ts";

const ROOT = join(import.meta.dirname!, "..");
/** It writes sectors 20, 21, 30, 31 and 40. */
const IMAGE = join(ROOT, "tests/guests/bin/x86_disk.bin");
const WRITTEN = [20, 21, 30, 31, 40];

/** Sectors in which a file is not like the image. */
function changed(path: string): number[] {
  const [a, b] = [Deno.readFileSync(IMAGE), Deno.readFileSync(path)];
  assertEquals(b.length, a.length);
  return Array.from({ length: a.length / 512 }, (_, n) => n).filter((n) =>
    a.subarray(n * 512, n * 512 + 512).some((x, i) => x !== b[n * 512 + i])
  );
}

/** A PC in a folder of its own with the image in its first drive. */
function pcWith(folder: string, rest: string): string {
  Deno.copyFileSync(IMAGE, join(folder, "hd.img"));
  const machine = join(folder, "pc.toml");
  Deno.writeTextFileSync(
    machine,
    `schema = 1\nextends = "${join(ROOT, "machines/pc.toml")}"\n[device.ide.disk0]\nfile = "hd.img"\n${rest}\n`,
  );
  return machine;
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("with an overlay the file stays as it is", () =>
  inFolder(async (folder) => {
    {
      await using m = await boot(pcWith(folder, ""));
      assertEquals(await m.stopped(), { kind: "exit", code: 33, pass: true });
    }
    assertEquals(changed(join(folder, "hd.img")), []);
  }));

Deno.test("without one the file has what was written at a flush, and the rest at the end; a fork never writes", () =>
  inFolder(async (folder) => {
    const file = join(folder, "hd.img");
    {
      await using m = await boot(pcWith(folder, "overlay = false"));
      {
        await using fork = m.fork();
        await fork.stopped();
      }
      assertEquals(changed(file), []);
      await m.serial.toPrint("write, two sectors");
      assertEquals(changed(file), []);
      await m.serial.toPrint("DMA");
      assertEquals(changed(file), [20, 21], "FLUSH CACHE");
      const before = m.snapshot();
      const first = await m.stopped(), digest = m.machine.digest();
      m.restore(before);
      assertEquals([await m.stopped(), m.machine.digest()], [first, digest], "a snapshot sees what it saw, whatever the file has");
    }
    assertEquals(changed(file), WRITTEN);
  }));

Deno.test("a disk that cannot be written, and one that is not there", () =>
  inFolder(async (folder) => {
    const m = await boot(pcWith(folder, "readonly = true"));
    await m.serial.toPrint(/write, two sectors .*\n/);
    const line = m.serial.text().split("\n").find((l) => l.startsWith("write"))!;
    assertEquals(line.split(" ")[3], "0001", "one interrupt, for the error");
    await assertRejects(
      () => boot("machines/pc.toml", { kernel: IMAGE, disks: [join(folder, "hd.img2")] }),
      ConfigError,
      "did you mean 'hd.img'?",
    );
    await assertRejects(() => boot("machines/pc.toml", { kernel: IMAGE, disks: [folder] }), ConfigError, "Is a directory");
  }));
