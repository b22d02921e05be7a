// Virtio devices in machines: which slot an image or a device gets, what an empty one costs and says, and what is in the device tree.
import { assertEquals } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import { Random } from "./fuzz/random.ts";
import { EmptySlot } from "../src/devices/virtio_mmio.ts";

const ROOT = new URL("..", import.meta.url).pathname;
/** `j .` */
const KERNEL = Uint8Array.from([0x6f, 0, 0, 0]);
const SLOT = 0x1000_1000, SLOTS = 8;

async function virt(options: Partial<MachineOptions> = {}, files: Record<string, Uint8Array> = {}): Promise<Machine> {
  const host = {
    readFile: (path: string) => path === "kernel" ? KERNEL : files[path.split("/").pop()!] ?? Deno.readFileSync(path),
    log: silent,
  };
  const all = {
    file: `${ROOT}machines/virt.toml`,
    kernel: "kernel",
    ...options,
    set: { memory: "4MiB", "firmware.sbi": "none", ...options.set },
  };
  return createMachine(all, host, await loadGraph(all, host));
}
/** A register of each slot. */
const slots = (m: Machine, register: number) => Array.from({ length: SLOTS }, (_, n) => m.bus.read(SLOT + 0x1000 * n + register, 4));
/** Sectors of the disks, by slot. */
const sectors = (m: Machine) => slots(m, 0x100).map((n, i) => m.bus.read(SLOT + 0x1000 * i + 8, 4) ? n : -1);
const image = (count: number) => new Uint8Array(512 * count);

Deno.test("slots of virt: empty ones are QEMU's, images go into the first ones, or into those that are named", async () => {
  const none = await virt();
  assertEquals([slots(none, 0)[7], slots(none, 4)[0], slots(none, 0xc)[3]], [0x7472_6976, 1, 0x554d_4551]);
  assertEquals([slots(none, 8), slots(none, 0x34)], [Array(SLOTS).fill(0), Array(SLOTS).fill(0)]);
  none.bus.write(SLOT + 0x70, 4, 15);
  assertEquals([slots(none, 0x70)[0], none.device("virtio[0]") instanceof EmptySlot], [0, true]);
  const files = { "a.img": image(10), "b.img": image(20), "odd.txt": new Uint8Array(700), "c.iso": new Uint8Array(0x9000) };
  files["c.iso"].set(new TextEncoder().encode("CD001"), 0x8001);
  assertEquals(sectors(await virt({ disks: ["a.img", "b.img"] }, files)), [10, 20, -1, -1, -1, -1, -1, -1]);
  // What a drive for CDs, or none but whole sectors, would take elsewhere.
  assertEquals(sectors(await virt({ disks: ["c.iso", "odd.txt"] }, files)), [72, 2, -1, -1, -1, -1, -1, -1]);
  const named = await virt(
    { disks: ["a.img"], set: { "device.virtio[0].type": "virtio.blk", "device.virtio[7].disk.file": "/b.img" } },
    files,
  );
  assertEquals(sectors(named), [10, -1, -1, -1, -1, -1, -1, 20]);
  const full = await virt({ disks: Array(9).fill("a.img") }, files).catch((e) => e);
  assertEquals([full instanceof ConfigError, full.message], [true, "a.img: --disk: no free drive for a hard disk"]);
});

Deno.test("what belongs to a slot stays with whatever is put there: interrupt and interface", async () => {
  const set = { "device.virtio.force_legacy": false, "device.virtio[2].type": "virtio.blk" };
  const m = await virt({ set }), edges = m.graph.edges.filter((e) => "device" in e.from && e.from.device.startsWith("virtio"));
  assertEquals(edges.map((e) => "device" in e.to && e.to.input), ["1", "2", "3", "4", "5", "6", "7", "8"]);
  assertEquals(slots(m, 4), Array(SLOTS).fill(2));
  assertEquals(m.graph.devices.find((d) => d.id === "virtio[2]")!.windows, [{
    bus: "mem",
    name: "regs",
    base: 0x1000_3000,
    length: 0x1000,
  }]);
});

const GUEST = (bits: number) => `${ROOT}tests/guests/bin/virtio.rv${bits}.elf`;
const SECTOR = 512;
/** A disk for the guest: what it shall do, two pieces of code, and numbers. */
function disk(what: string): Uint8Array {
  const bytes = Uint8Array.from({ length: 64 * SECTOR }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 11).fill(0, 0, 3 * SECTOR);
  bytes.set(new TextEncoder().encode(what));
  for (const n of [1, 2]) bytes.set([0x13, 0x05, n << 4, 0, 0x67, 0x80], n * SECTOR); // li a0, n; ret
  return bytes;
}
const sum = (bytes: Uint8Array) => bytes.reduce((s, byte) => Math.imul(s, 31) + byte, 1) >>> 0;

/** What the guest prints, and what is on the disk behind it. */
function expected(version: number): { text: string; bytes: Uint8Array } {
  const bytes = disk("test"), at = (sector: number, count = 8) => bytes.subarray(sector * SECTOR, (sector + count) * SECTOR);
  const lines = [`slot 0: a disk, version ${version}`, "sectors: 64"];
  for (let n = 0; n < 64; n += 8) lines.push("read: 0", `sum: ${sum(at(n))}`);
  let total = 0;
  for (let n = 0; n < 600; n++) total = Math.imul(total, 3) + 1 + Math.floor(n / 100) % 2 >>> 0;
  lines.push(`code: ${total}`);
  for (let n = 0; n < 8; n++) {
    at(8 + 3 * n, 2).forEach((_, i, part) => part[i] = n * i + (i >> 3));
    lines.push("written: 0");
  }
  at(10, 5).fill(0);
  lines.push("zeroes: 0", "flushed: 0", "read: 0", `sum: ${sum(at(8))}`, "behind the end: 1", "unknown: 2", "identity: ");
  return { text: lines.join("\n") + "\n", bytes };
}

Deno.test("a bare guest reads, writes and runs what it reads, by either version of the registers, with either engine, as on QEMU", async () => {
  const file = await Deno.makeTempFile(), { text: on1, bytes: after } = expected(1);
  try {
    const digests = new Set<string>();
    for (const [bits, version, engine] of [[64, 1, "jit"], [64, 2, "jit"], [64, 1, "interp"], [32, 2, "interp"]] as const) {
      let text = "";
      const make = async () => {
        const m = await virt({
          file: `${ROOT}machines/virt${bits === 32 ? "32" : ""}.toml`,
          kernel: GUEST(bits),
          disks: ["a.img"],
          engine,
          tuning: { threshold: 20 },
          set: { "device.virtio.force_legacy": version === 1, "boot.load": 0x8000_0000 },
        }, { "a.img": disk("test") });
        m.consoles.get("uart0")!.onByte = (byte) => text += String.fromCharCode(byte);
        return m;
      };
      let m = await make();
      // Another machine goes on from what was saved, at odd moments.
      for (let n = 0; n < 1000 && !m.stopped; n++) {
        m.run(m.clock.ticks + 1e5 + 777 * n);
        if (m.stopped || n % 3 || engine === "interp") continue;
        const saved = structuredClone(m.snapshot());
        m = await make();
        m.restore(saved);
      }
      assertEquals([m.stopped?.kind, text], ["exit", expected(version).text]);
      assertEquals(m.disks.all[0].read(0, 64), after);
      if (bits === 64 && version === 1) digests.add(m.digest());
    }
    assertEquals(digests.size, 1, "the engines differ, or what was saved");
    for (const version of [1, 2]) {
      await Deno.writeFile(file, disk("test"));
      const args = [
        "-M",
        "virt",
        "-bios",
        "none",
        "-nographic",
        "-kernel",
        GUEST(64),
        "-global",
        `virtio-mmio.force-legacy=${version === 1}`,
      ];
      const drive = ["-drive", `if=none,id=d,format=raw,file=${file}`, "-device", "virtio-blk-device,drive=d,bus=virtio-mmio-bus.0"];
      const found = await new Deno.Command("qemu-system-riscv64", { args: [...args, ...drive], stdin: "null" }).output().catch(() =>
        undefined
      );
      if (!found) return console.log("skipped: QEMU is not installed");
      assertEquals(new TextDecoder().decode(found.stdout), version === 1 ? on1 : expected(2).text);
      assertEquals(await Deno.readFile(file), after);
    }
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("what a flush has confirmed survives a run that is killed, at whatever moment", async () => {
  const file = await Deno.makeTempFile(), random = new Random(20), rounds = 64, group = 4;
  try {
    for (let kill = 0; kill < 4; kill++) {
      const bytes = new Uint8Array((8 + group * rounds) * SECTOR);
      bytes.set(new TextEncoder().encode("loop"));
      await Deno.writeFile(file, bytes);
      const set = [`device.virtio[0].disk.file=${file}`, "device.virtio[0].disk.overlay=false"].flatMap((s) => ["--set", s]);
      const args = ["run", "-A", "--no-check", `${ROOT}mod.ts`, "virt", GUEST(64), "--firmware", "none", ...set];
      const child = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
      let text = "", timer: ReturnType<typeof setTimeout> | undefined;
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        timer ??= setTimeout(() => child.kill("SIGKILL"), random.below(150));
      }
      await child.status;
      const told = [...text.matchAll(/^flushed (\d+)\n/gm)].map((m) => Number(m[1])), last = told.at(-1) ?? 0;
      assertEquals([last > 0, told], [true, told.map((_, i) => i + 1)], text.slice(0, 200));
      const words = new Uint32Array((await Deno.readFile(file)).buffer, 8 * SECTOR), size = group * SECTOR / 4;
      for (let n = 0; n < rounds; n++) {
        // The newest round of the group that was confirmed; the guest may have gone on since, and been killed in the midst of it.
        const wanted = last - (last - n + rounds) % rounds;
        for (const found of new Set(words.subarray(n * size, (n + 1) * size))) {
          assertEquals(found >= Math.max(0, wanted), true, `group ${n} has ${found}, and round ${wanted} of ${last} was confirmed`);
        }
      }
    }
  } finally {
    await Deno.remove(file);
  }
});
