// The rows of a 32-bit Linux: bringup against QEMU, and against v86, which runs 32-bit PCs in WebAssembly, too.
import type { Command } from "./measure.ts";
import { bringup, path, qemu, type Row } from "./row.ts";

const KERNEL = "cache/linux_i386/vmlinuz", INITRD = "cache/linux_i386/initramfs.cpio.gz", APPEND = "console=ttyS0";
const MARKER = "bringup: userspace is up";
/** v86 has no firmware of its own. */
const ROMS = ["/usr/share/seabios/bios.bin", "/usr/share/seabios/vgabios-stdvga.bin"];

function v86(): Command {
  const lock = `--lock=${path("tests/bench/v86.lock")}`;
  return {
    program: Deno.execPath(),
    args: ["run", "-A", "--no-config", lock, path("tests/bench/v86.ts"), path(KERNEL), path(INITRD), APPEND],
    until: MARKER,
  };
}

export function v86Rows(): Row[] {
  const ours = bringup(
    [path("machines/pc.toml"), path(KERNEL), "--initrd", path(INITRD), "--memory", "256MiB", "--append", APPEND],
    MARKER,
  );
  const machine = ["-m", "256M", "-display", "none", "-serial", "stdio"];
  const theirs = qemu("i386", [...machine, "-kernel", path(KERNEL), "-initrd", path(INITRD), "-append", APPEND], MARKER);
  const row = { name: "Debian's i686 Linux", measures: "time", ours, needs: [KERNEL, INITRD] } as const;
  return [
    { ...row, group: "32-bit PC", other: theirs },
    { ...row, group: "32-bit PC, v86", other: v86(), rival: "v86", target: 0.5, needs: [...row.needs, ...ROMS] },
  ];
}
