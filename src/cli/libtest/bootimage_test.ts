// bootimage between Cargo and us, and beneath us: a program of that name that only leaves an image stands for it.
import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { bootable, successStatus } from "./bootimage.ts";

Deno.test("an x86 kernel is booted by its image, when that is not older; bootimage makes one where Cargo's manifest names it", async () => {
  const dir = Deno.makeTempDirSync(), kernel = `${dir}/os-0123456789abcdef`, image = `${dir}/bootimage-os-0123456789abcdef.bin`;
  const before = ["PATH", "CARGO_MANIFEST_DIR"].map((name) => [name, Deno.env.get(name)] as const);
  const written = (path: string, seconds: number) => Deno.utimeSync(path, seconds, seconds);
  try {
    Deno.copyFileSync("tests/guests/bin/x86_elf64.elf", kernel);
    written(kernel, 1000);
    Deno.env.delete("CARGO_MANIFEST_DIR");
    assertEquals([await bootable(kernel), successStatus(kernel)], [kernel, 0]);
    Deno.writeTextFileSync(image, "image");
    assertEquals(await bootable(kernel), image);
    assertEquals(await bootable("tests/guests/bin/hello.rv64.elf"), "tests/guests/bin/hello.rv64.elf");
    // An older one is of another kernel; without a manifest nobody says that it needs one.
    written(image, 999);
    assertEquals(await bootable(kernel), kernel);
    Deno.writeTextFileSync(`${dir}/Cargo.toml`, "[package]\nname = 'os'\n");
    Deno.env.set("CARGO_MANIFEST_DIR", dir);
    assertEquals([await bootable(kernel), successStatus(image)], [kernel, 0]);
    Deno.writeTextFileSync(`${dir}/Cargo.toml`, "[package.metadata.bootimage]\ntest-success-exit-code = 33\n");
    assertEquals([successStatus(image), successStatus(kernel)], [33, 0]);
    Deno.env.set("PATH", dir);
    assertEquals(
      (await assertRejects(() => bootable(kernel), ConfigError)).message,
      `${kernel}: this kernel needs a disk image, and bootimage, which makes one, is not installed: cargo install bootimage`,
    );
    const program = (text: string) => Deno.writeTextFileSync(`${dir}/bootimage`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    program("echo one >&2; echo 'no bootloader' >&2; exit 1");
    const why = (await assertRejects(() => bootable(kernel), ConfigError)).message;
    assertEquals(why, `${kernel}: bootimage has made no disk image of it: no bootloader`);
    program(`[ "$*" = "runner --quiet ${kernel} --list" ] && echo image > ${image}; exit 7`);
    assertEquals(await bootable(kernel), image);
  } finally {
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    Deno.removeSync(dir, { recursive: true });
  }
});
