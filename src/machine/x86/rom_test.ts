// A BIOS from a file: where it can be seen, which files are refused, and what it is told.
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import type { Machine } from "../machine.ts";
import { machineFrom } from "../testing/machine_from.ts";

const KIB = 1024;
/** Jumps to itself, which halts the run for good: what is looked at is there before the first instruction. */
const rom = (bytes: number) => {
  const out = Uint8Array.from({ length: bytes }, (_, i) => i >> 12);
  out.set([0xf4, 0xeb, 0xfd], bytes - 16);
  return out;
};
const machineFile = (more = "") =>
  `schema = 1
[cpu]
arch = "x86_64"
cores = 2
[memory.ram]
at = 0
size = "8MiB"
holes = ["640KiB..768KiB"]
shadow = ["768KiB..1MiB"]
[memory.low]
at = 0xe0000
size = "128KiB"
kind = "rom"
[device.pci]
type = "pci.i440fx"
[device.fw_cfg]
type = "fw_cfg"
[device.cmos]
type = "mc146818"
io = 0x70
[firmware]
bios = "bios.bin"
${more}
`;

type Files = { readonly "m.toml": string } & Record<string, Uint8Array | string>;
const machine = ({ "m.toml": toml, ...files }: Files, kernel?: string): Promise<Machine> =>
  machineFrom(toml, files, kernel === undefined ? {} : { kernel });

Deno.test("the ROM ends at 4 GiB, its last 128 KiB at 1 MiB, and the processor starts in its last 16 bytes", async () => {
  const m = await machine({ "m.toml": machineFile(), "bios.bin": rom(256 * KIB) });
  assertEquals(m.cpus[0].pc, 0xffff_fff0n);
  assertEquals([0xfffc_0000, 0xfffe_0000, 0xe_0000, 0xf_f000].map((at) => m.bus.read(at, 1)), [0, 32, 32, 63]);
  assertEquals(m.run(1_000_000)?.kind, "deadHalt");
  assertEquals(m.idleForEver, true);
});

Deno.test("a small ROM fills less below 1 MiB; one of half a page or without a place is refused", async () => {
  const m = await machine({ "m.toml": machineFile(), "bios.bin": rom(64 * KIB) });
  assertEquals([0xffff_0000, 0xf_0000, 0xf_1000].map((at) => m.bus.read(at, 1)), [0, 0, 1]);
  const refused = async (files: Files) => {
    const error = await machine(files).then(() => undefined, (e) => e);
    return error instanceof ConfigError ? error.message : error;
  };
  assertEquals(
    await refused({ "m.toml": machineFile(), "bios.bin": rom(100) }),
    "m.toml:22: firmware.bios: a BIOS image must have a multiple of 4 KiB up to 16 MiB, 'bios.bin' has 100 bytes",
  );
  // UEFI's code without its variables.
  assertEquals((await machine({ "m.toml": machineFile(), "bios.bin": rom(892 * 4 * KIB) })).cpus[0].pc, 0xffff_fff0n);
  assertEquals(
    await refused({ "m.toml": machineFile().replace(/\[memory.low\][^[]*/, ""), "bios.bin": rom(64 * KIB) }),
    "m.toml:18: firmware.bios: there is no ROM that ends at 1 MiB for a BIOS image",
  );
  assertEquals(
    await refused({ "m.toml": `${machineFile()}[memory.high]\nat = 0xfffe_0000\nsize = "64KiB"\n`, "bios.bin": rom(128 * KIB) }),
    "m.toml:22: firmware.bios: its ROM of 131072 bytes ends at 4 GiB, where 'high' is",
  );
});

Deno.test("fw_cfg tells RAM, processors and the memory map, CMOS memory the sizes", async () => {
  const m = await machine({ "m.toml": machineFile(), "bios.bin": rom(64 * KIB) }), fw = m.device("fw_cfg")!.windows![0];
  const item = (key: number, bytes: number) => {
    fw.write(0, 2, key);
    return Array.from({ length: bytes }, () => fw.read(1, 1));
  };
  assertEquals(item(0x03, 8), [0, 0, 0x80, 0, 0, 0, 0, 0]);
  assertEquals([item(0x05, 2), item(0x0f, 2)], [[2, 0], [2, 0]]);
  const [, , , count, ...entries] = item(0x19, 4 + 64 * 8), text = (bytes: number[]) => String.fromCharCode(...bytes).replace(/\0.*/s, "");
  const files = Array.from({ length: count }, (_, i) => entries.slice(64 * i, 64 * i + 64)).map((e) => ({
    key: e[5],
    name: text(e.slice(8)),
  }));
  assertEquals(files.map((f) => f.name), ["etc/boot-fail-wait", "etc/e820", "etc/smbios/smbios-anchor", "etc/smbios/smbios-tables"]);
  assertEquals(item(files[1].key, 20), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
  const cmos = m.device("cmos")!.windows![0];
  const byte = (index: number) => (cmos.write(0, 1, index), cmos.read(1, 1));
  assertEquals([0x15, 0x16, 0x17, 0x18, 0x34, 0x35, 0x14].map(byte), [0x80, 0x02, 0, 0x1c, 0, 0, 0x06]);
  assertEquals([0x3d, 0x38].map(byte), [0x21, 0x30], "floppy, hard disk, CD");
});

Deno.test("fw_cfg tells kernels the same under the built-in BIOS", async () => {
  const magic = 0x1bad_b002, flags = 0x1_0000, at = 0x10_0000, header = [magic, flags, -(magic + flags), at, at, at + 64, at + 64, at + 32];
  const kernel = new Uint8Array(64), view = new DataView(kernel.buffer);
  for (const [i, word] of header.entries()) view.setUint32(4 * i, word, true);
  kernel.set([0xf4, 0xeb, 0xfd], 32);
  const builtin = machineFile().replace("bios.bin", "builtin"), m = await machine({ "m.toml": builtin, "k.bin": kernel }, "k.bin");
  const fw = m.device("fw_cfg")!.windows![0],
    item = (key: number, bytes: number) => {
      fw.write(0, 2, key);
      return Array.from({ length: bytes }, () => fw.read(1, 1));
    };
  assertEquals([item(0x03, 8), item(0x05, 2), item(0x0f, 2)], [[0, 0, 0x80, 0, 0, 0, 0, 0], [2, 0], [2, 0]]);
  assertEquals(item(0x19, 4)[3] > 0, true, "the directory has files");
  m.reset();
  assertEquals(item(0x03, 4), [0, 0, 0x80, 0]);
});

Deno.test("fw_cfg has the items of the machine file, also in the place of the firmware's; names that do not fit are refused", async () => {
  const items = '[device.fw_cfg.items]\n"opt/org.example/mode" = "normal"\n"opt/key" = { file = "key.bin" }\n"etc/e820" = "mine"\n';
  const m = await machine({ "m.toml": machineFile(items), "bios.bin": rom(64 * KIB), "key.bin": Uint8Array.of(1, 2, 3) });
  const fw = m.device("fw_cfg")!.windows![0], read = (bytes: number) => Array.from({ length: bytes }, () => fw.read(1, 1));
  const text = (bytes: number[]) => String.fromCharCode(...bytes).replace(/\0.*/s, "");
  fw.write(0, 2, 0x19);
  const found = new Map<string, number[]>(), [, , , count] = read(4), entries = Array.from({ length: count }, () => read(64));
  for (const e of entries) {
    fw.write(0, 2, e[5]);
    found.set(text(e.slice(8)), read(e[3]));
  }
  assertEquals([text(found.get("opt/org.example/mode")!), found.get("opt/key"), text(found.get("etc/e820")!)], [
    "normal",
    [1, 2, 3],
    "mine",
  ]);
  assertEquals(entries.length, 6);
  for (
    const [bad, message] of [
      ["opt/a b", "must be a name of 1 to 55 characters of ASCII without blanks"],
      ["x".repeat(56), "must be a name of 1 to 55 characters of ASCII without blanks"],
    ]
  ) {
    const files = { "m.toml": machineFile(`[device.fw_cfg.items]\n"${bad}" = ""\n`), "bios.bin": rom(64 * KIB) };
    assertEquals((await assertRejects(() => machine(files), ConfigError)).message, `m.toml:16: device.fw_cfg: items: '${bad}' ${message}`);
  }
  const gone = { "m.toml": machineFile('[device.fw_cfg.items]\n"opt/a" = { file = "gone" }\n'), "bios.bin": rom(64 * KIB) };
  assertMatch(
    (await assertRejects(() => machine(gone), ConfigError)).message,
    /^m\.toml:\d+: device\.fw_cfg\.items\."opt\/a"\.file: 'gone': no such file$/,
  );
});

Deno.test("shadow RAM is shown while code runs from it: what was translated from the ROM is not run again", async () => {
  // Calls e000:0000 in the ROM, shows the RAM there, writes other code into it and calls that.
  const bytes = rom(128 * KIB),
    code = [
      ...[0xb8, 0x00, 0xe0, 0x8e, 0xd8], // mov ax, 0e000h; mov ds, ax
      ...[0x9a, 0x00, 0x00, 0x00, 0xe0], // call e000:0000
      ...[0x66, 0xb8, 0x5c, 0x00, 0x00, 0x80, 0xba, 0xf8, 0x0c, 0x66, 0xef], // mov eax, 8000005ch; mov dx, 0cf8h; out dx, eax
      ...[0xba, 0xfe, 0x0c, 0xb0, 0x03, 0xee], // mov dx, 0cfeh; mov al, 3; out dx, al: PAM5, RAM from e0000 to e3fff
      ...[0xc6, 0x06, 0x00, 0x00, 0xb1, 0xc6, 0x06, 0x01, 0x00, 0x02, 0xc6, 0x06, 0x02, 0x00, 0xcb], // mov cl, 2; retf
      ...[0x9a, 0x00, 0x00, 0x00, 0xe0], // call e000:0000
      0xf4, // hlt
    ];
  bytes.set([0xb3, 0x01, 0xcb]); // mov bl, 1; retf
  bytes.set(code, 0x1_8000);
  bytes.set([0xbc, 0x00, 0x70, 0xe9, 0x0a, 0x80], bytes.length - 16); // mov sp, 7000h; jmp to 8000h
  const m = await machine({ "m.toml": machineFile(), "bios.bin": bytes });
  m.run(1_000_000);
  assertEquals(m.idleForEver, true);
  assertEquals([m.cpus[0].reg("rbx"), m.cpus[0].reg("rcx")], [1n, 2n]);
  assertEquals([0xe_0000, 0xfffe_0000].map((at) => m.bus.read(at, 4) & 0xff_ffff), [0xcb_02b1, 0xcb_01b3]);
  m.reset();
  assertEquals(m.bus.read(0xe_0000, 4) & 0xff_ffff, 0xcb_01b3);
});
