import { assertEquals, assertThrows } from "@std/assert";
import { memorySource } from "../core/disk.ts";
import { ConfigError } from "../core/errors.ts";
import { type DiskImage, MachineDisks } from "./disks.ts";
import { loadConfigAndTypes } from "./build_graph.ts";

const FLOPPY = new Uint8Array(1_474_560), HARD = new Uint8Array(51_200), CD = new Uint8Array(0x9000);
CD.set(new TextEncoder().encode("CD001"), 0x8001);

const CPU = `schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "1MiB"
`;
const IDE = `[device.ide]
type = "ide.piix"
[device.ide.disk0]
file = "@kernel"
[device.ide.disk2]
media = "cd"
file = "@kernel"
`;
const FLOPPIES = `[device.dma]
type = "i8257"
[device.fdc]
type = "i82077aa"
dma = "dma:2"
[device.fdc.drive0]
`;

function setUp(toml: string, files: Record<string, Uint8Array> = {}, images: DiskImage[] = []) {
  const all: Record<string, Uint8Array> = {
    "m.toml": new TextEncoder().encode(CPU + toml),
    "hd.img": HARD,
    "fd.img": FLOPPY,
    "cd.iso": CD,
    ...files,
  };
  const opened: string[] = [];
  const readFile = (path: string) => {
    if (!all[path]) throw new ConfigError("no such file", { file: path });
    return all[path];
  };
  return loadConfigAndTypes("m.toml", { readFile }).then((graph) => {
    const disks = new MachineDisks(graph, images, (path, { write }) => {
      opened.push(`${path}${write ? " for writing" : ""}`);
      return memorySource(readFile(path));
    });
    const places = () =>
      ["ide", "fdc"].flatMap((device) =>
        Object.entries(disks.drivesOf(device)).map(([name, d]) => `${name} ${d.kind} ${d.disk?.source.size ?? "empty"}`)
      );
    return { disks, opened, places };
  });
}
const errorOf = (toml: string, files = {}): Promise<string> => setUp(toml, files).then(() => "no error", (e: Error) => e.message);

Deno.test("the image of the command line goes into the drive of its kind that asks for it", async () => {
  for (const [image, place] of [[HARD, "disk0 hard 51200"], [CD, "disk2 cd 36864"], [FLOPPY, "drive0 floppy 1474560"]] as const) {
    const m = await setUp(IDE + FLOPPIES + `file = "@kernel"\n`);
    m.disks.fill({ source: memorySource(image), path: "k.img" });
    assertEquals(m.places().includes(place), true, place);
    assertEquals([m.disks.all.length, m.disks.bootDisk?.source.size], [1, image.length]);
  }
});

Deno.test("an image that no drive takes is the BIOS's alone", async () => {
  const m = await setUp("");
  m.disks.fill({ source: memorySource(HARD), path: "hd.img" });
  assertEquals([m.places(), m.disks.all.length], [[], 1]);
});

Deno.test("--disk: drives that are there first, then those that could be; floppies, hard disks and CDs are listed in this order", async () => {
  const m = await setUp(IDE + FLOPPIES, {}, ["cd.iso", "hd.img", "hd.img", "fd.img"]);
  m.disks.fill();
  assertEquals(m.places(), ["disk0 hard 51200", "disk1 hard 51200", "disk2 cd 36864", "drive0 floppy 1474560"]);
  assertEquals(m.disks.all.map((d) => d.kind), ["floppy", "hard", "hard", "cd"]);
  const full = await setUp(IDE + FLOPPIES, {}, ["fd.img", "fd.img", "fd.img"]);
  assertThrows(() => full.disks.fill(), ConfigError, "fd.img: --disk: no free drive for a floppy");
});

Deno.test("--disk: an image of a floppy's size is a hard disk where there is no drive for floppies", async () => {
  const small = new Uint8Array(737_280);
  small.set([0, 2], 11); // bytes in a sector: 512
  const m = await setUp(IDE, { "small.img": small }, ["fd.img", "small.img"]);
  m.disks.fill();
  assertEquals(m.places(), ["disk0 hard 1474560", "disk1 hard 737280", "disk2 cd empty"]);
  const said = await setUp(IDE, {}, [{ file: "fd.img", kind: "floppy" }]);
  assertThrows(() => said.disks.fill(), ConfigError, "fd.img: --floppy: no free drive for a floppy");
  const none = await setUp("", {}, ["fd.img"]);
  assertThrows(() => none.disks.fill(), ConfigError, "fd.img: --disk: no free drive for a hard disk");
});

Deno.test("an image whose kind is said: a floppy of any length, filled up with zeros; a CD without a file system", async () => {
  const files = { "os.img": new Uint8Array(1124).fill(7), "raw.iso": new Uint8Array(4096) };
  const m = await setUp(IDE + FLOPPIES, files, [{ file: "os.img", kind: "floppy" }, { file: "raw.iso", kind: "cd" }]);
  m.disks.fill();
  assertEquals(m.places(), ["disk0 hard empty", "disk2 cd 4096", "drive0 floppy 1124"]);
  const [floppy] = m.disks.all, third = floppy.read(2, 1)!;
  assertEquals([floppy.sectors, third[99], third[100], floppy.read(2879, 1)![511]], [2880, 7, 0, 0]);
  const full = await setUp(IDE, files, [{ file: "os.img", kind: "floppy" }]);
  assertThrows(() => full.disks.fill(), ConfigError, "os.img: --floppy: no free drive for a floppy");
  const odd = await setUp(IDE, files, [{ file: "os.img", kind: "cd" }]);
  assertThrows(() => odd.disks.fill(), ConfigError, "os.img: an image of 1124 bytes does not consist of whole sectors of 2048 bytes");
});

Deno.test("files of the machine file: opened for writing only without overlay; an empty drive is there", async () => {
  const m = await setUp(`[device.ide]
type = "ide.piix"
disk0 = { file = "hd.img", overlay = false }
disk1 = { file = "hd.img", readonly = true }
disk3 = { media = "cd" }
`);
  m.disks.fill();
  assertEquals([m.opened, m.places()], [["hd.img for writing", "hd.img"], ["disk0 hard 51200", "disk1 hard 51200", "disk3 cd empty"]]);
  assertEquals(m.disks.all.map((d) => d.readonly), [false, true]);
  m.disks.all[0].write(3, new Uint8Array(512).fill(1));
  const saved = m.disks.save();
  m.disks.all[0].write(3, new Uint8Array(512).fill(2));
  m.disks.load(saved);
  assertEquals(m.disks.all[0].read(3, 1)![0], 1);
});

Deno.test("a snapshot has every disk's sectors, and neither what follows nor another restore changes it", async () => {
  const m = await setUp(IDE + FLOPPIES, {}, ["hd.img", "hd.img", "fd.img"]);
  m.disks.fill();
  const hard = m.disks.all.filter((d) => !d.readonly),
    fill = (n: number) => hard.forEach((d, i) => d.write(2 + i, new Uint8Array(512).fill(n + i)));
  const seen = () => hard.map((d, i) => d.read(2 + i, 1)![0]);
  assertEquals(hard.length, 3);
  fill(10);
  const saved = m.disks.save();
  for (let again = 0; again < 2; again++) {
    fill(20);
    hard[0].write(50, new Uint8Array(512).fill(9));
    m.disks.load(saved);
    assertEquals([seen(), hard[0].read(50, 1)![0], saved.map((s) => s.size)], [[10, 11, 12], 0, [1, 1, 1]]);
  }
});

Deno.test("the image of the command line is opened for writing where its drive lets the guest change it, and only there", async () => {
  for (const [drive, opened] of [["overlay = false", ["hd.img for writing"]], ["overlay = true", []]] as [string, string[]][]) {
    const m = await setUp(`[device.ide]\ntype = "ide.piix"\n[device.ide.disk0]\nfile = "@kernel"\n${drive}\n`);
    m.disks.fill({ source: memorySource(HARD), path: "hd.img" });
    assertEquals([m.opened, m.disks.bootDisk], [opened, m.disks.all[0]]);
  }
});

Deno.test("mistakes are told with their place", async () => {
  const drive = (rest: string) => `[device.ide]\ntype = "ide.piix"\n[device.ide.disk0]\n${rest}\n`;
  assertEquals(await errorOf(drive(`file = "no.img"`)), "m.toml:10: device.ide.disk0.file: 'no.img': no such file");
  assertEquals(
    await errorOf(drive(`file = "odd.img"`), { "odd.img": new Uint8Array(700) }),
    "m.toml:10: device.ide.disk0.file: an image of 700 bytes does not consist of whole sectors of 512 bytes",
  );
  assertEquals(
    await errorOf(drive(`file = "no.img"`), { "no.img": new Uint8Array() }),
    "m.toml:10: device.ide.disk0.file: the image is empty",
  );
  assertEquals(
    await errorOf(FLOPPIES + `file = "big.img"`, { "big.img": new Uint8Array(3_000_000) }),
    "m.toml:13: device.fdc.drive0.file: an image of 3000000 bytes is too large for a floppy, which has at most 2949120",
  );
  assertEquals(await errorOf(drive(`media = "tape"`)), `m.toml:10: device.ide.disk0.media: must be one of "hard", "cd", got "tape"`);
});

Deno.test("a DMA channel must be there and free", async () => {
  const fdc = (name: string, dma: string, io = "") => `[device.${name}]\ntype = "i82077aa"\ndma = "${dma}"\n${io}`;
  const dma = `[device.dma]\ntype = "i8257"\n`;
  assertEquals(await errorOf(fdc("fdc", "dma:2")), "m.toml:7: device.fdc.dma: no device 'dma'");
  assertEquals(await errorOf(dma + fdc("fdc", "dma:8")), "m.toml:9: device.fdc.dma: 'dma' has channels from 0 to 7, got 8");
  assertEquals(await errorOf(dma + fdc("fdc", "fdc:1")), "m.toml:9: device.fdc.dma: 'fdc' (i82077aa) is no DMA controller");
  assertEquals(
    await errorOf(dma + fdc("a", "dma:2") + fdc("b", "dma:2", "io = [0x370, 0x377]\n")),
    "m.toml:12: device.b.dma: channel 2 of 'dma' already serves 'a'",
  );
});
