// Debian's amd64 kernel, unmodified, with a busybox initramfs on a PC: boots to a shell, takes typed commands, powers off. Some 10 s of the host's.
// `deno run -A scripts/dev/fetch_debian.ts --arch amd64` gets the images; without them this is skipped.
// Run: deno run -A mod.ts test scripts/linux_amd64.scenario.ts
import { expect, scenario } from "bringup";
import { built } from "./images.ts";

const IMAGES = new URL("../cache/linux_amd64/", import.meta.url).pathname;

export default scenario({
  name: "Debian's Linux boots to a shell on a PC",
  tags: ["slow"],
  machine: "pc",
  kernel: `${IMAGES}vmlinuz`,
  initrd: `${IMAGES}initramfs.cpio.gz`,
  append: "console=ttyS0",
  set: { memory: "256MiB" },
  failOn: [/Kernel panic/, /Oops/],
  budget: { guest: "30s" },
  ignore: !built(`${IMAGES}vmlinuz`, "deno run -A scripts/dev/fetch_debian.ts --arch amd64"),
}, async (m) => {
  await expect(m.serial).toPrint(/Linux version 6\.1/);
  await expect(m.serial).toPrint("bringup: userspace is up");
  const run = async (command: string) => {
    await expect(m.serial).toPrint(/# $/);
    await m.serial.send(`${command}\n`);
    await expect(m.serial).toPrint(`${command}\r\n`);
  };
  await m.step("who is there", async () => {
    await run("uname -srm");
    await expect(m.serial).toPrint(/^Linux 6\.1\S* x86_64\r$/m);
  });
  await m.step("power off", async () => {
    await run("exit");
    await expect(m.serial).toPrint("reboot: Power down");
    await expect(m).toStop({ kind: "exit", code: 0 });
  });
});
