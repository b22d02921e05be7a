// Debian's riscv64 kernel, unmodified, with a busybox initramfs: boots to a shell, takes typed commands, powers off.
// `deno run -A scripts/dev/fetch_debian.ts` gets the images; without them this is skipped.
// Run: deno run -A mod.ts test scripts/linux.scenario.ts
import { assert, assertEquals, assertMatch } from "@std/assert";
import { expect, scenario } from "bringup";

const IMAGES = new URL("../cache/linux/", import.meta.url).pathname;

function fetched(): boolean {
  try {
    return Deno.statSync(`${IMAGES}Image`).isFile && Deno.statSync(`${IMAGES}initramfs.cpio.gz`).isFile;
  } catch {
    console.log("skipped: Debian's riscv64 kernel is not in cache/linux");
    return false;
  }
}

const options = {
  machine: "machines/virt.toml",
  kernel: `${IMAGES}Image`,
  initrd: `${IMAGES}initramfs.cpio.gz`,
  append: "console=ttyS0 earlycon=sbi",
  failOn: [/Kernel panic/, /Oops/],
  budget: { guest: "30s" },
  ignore: !fetched(),
} as const;

for (const firmware of ["builtin", `${IMAGES}fw_dynamic.bin`]) {
  scenario(
    {
      ...options,
      name: `Debian's Linux boots to a shell under ${firmware === "builtin" ? "the built-in SBI" : "OpenSBI 1.6"}`,
      set: { memory: "256MiB", "firmware.sbi": firmware },
    },
    async (m) => {
      await expect(m.serial).toPrint(/Linux version 6\.12/);
      await expect(m.serial).toPrint("bringup: userspace is up");
      const run = async (command: string) => {
        await expect(m.serial).toPrint(/# $/);
        await m.serial.send(`${command}\n`);
        await expect(m.serial).toPrint(`${command}\r\n`);
      };
      await run("uname -srm");
      await expect(m.serial).toPrint(/^Linux 6\.12\S* riscv64\r$/m);
      await run("date -u +%Y");
      await expect(m.serial).toPrint(/^2026\r$/m);
      await run("seq 20000 | md5sum");
      await expect(m.serial).toPrint(/^[0-9a-f]{32} {2}-\r$/m);
      await run("exit");
      await expect(m.serial).toPrint("reboot: Power down");
      assertEquals(await m.stopped(), { kind: "exit", code: 0, pass: true });
      assertMatch(m.serial.text(), /riscv-plic/);
      assert(m.nowNs < 10e9);
    },
  );
}
