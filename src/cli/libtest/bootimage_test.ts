// bootimage between Cargo and us, and beneath us: a program of that name that only leaves an image stands for it.
import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { bootable, successStatus } from "./bootimage.ts";

Deno.test("an x86 kernel is booted by its image, when that is not older; bootimage makes one where Cargo's manifest names it", async () => {
  const dir = Deno.makeTempDirSync(), kernel = `${dir}/os-0123456789abcdef`, image = `${dir}/bootimage-os-0123456789abcdef.bin`;
  // Variables of the environment are those of other tests, too.
  const booted = (folder?: string) => bootable(kernel, folder ?? "", `${dir}/bootimage`),
    status = (path: string, folder = dir) => successStatus(path, folder);
  const written = (path: string, seconds: number) => Deno.utimeSync(path, seconds, seconds);
  try {
    Deno.copyFileSync("tests/guests/bin/x86_elf64.elf", kernel);
    written(kernel, 1000);
    assertEquals([await booted(), status(image, "")], [kernel, 0]);
    Deno.writeTextFileSync(image, "image");
    assertEquals(await booted(), image);
    assertEquals(await bootable("tests/guests/bin/hello.rv64.elf"), "tests/guests/bin/hello.rv64.elf");
    // An older one is of another kernel; without a manifest nobody says that it needs one.
    written(image, 999);
    assertEquals(await booted(), kernel);
    Deno.writeTextFileSync(`${dir}/Cargo.toml`, "[package]\nname = 'os'\n");
    assertEquals([await booted(dir), status(image)], [kernel, 0]);
    Deno.writeTextFileSync(`${dir}/Cargo.toml`, "[package.metadata.bootimage]\ntest-success-exit-code = 33\n");
    assertEquals([status(image), status(kernel)], [33, 0]);
    assertEquals(
      (await assertRejects(() => booted(dir), ConfigError)).message,
      `${kernel}: this kernel needs a disk image, and bootimage, which makes one, is not installed: cargo install bootimage`,
    );
    const program = (text: string) => Deno.writeTextFileSync(`${dir}/bootimage`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    program("echo one >&2; echo 'no bootloader' >&2; exit 1");
    const why = (await assertRejects(() => booted(dir), ConfigError)).message;
    assertEquals(why, `${kernel}: bootimage has made no disk image of it: no bootloader`);
    program(`[ "$*" = "runner --quiet ${kernel} --list" ] && echo image > ${image}; exit 7`);
    assertEquals(await booted(dir), image);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
