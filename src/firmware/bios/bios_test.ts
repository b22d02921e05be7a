import { assert, assertEquals } from "@std/assert";
import { builtinFont } from "../../core/font8x16.ts";
import { BDA, HALT_AT, RESET_VECTOR, ROM_SEGMENT, STUB_BYTES, STUB_DONE, ZF } from "./host.ts";
import { biosCall, biosCallName, INTERRUPTS } from "./mod.ts";
import { disk, STACK, started } from "./testing/fake_host.ts";

Deno.test("POST: vectors lead to stubs in ROM, the data area and the chipset are as a BIOS leaves them", () => {
  const h = started([disk(20160)]);
  assertEquals(h.read(0x13 * 4, 4), 0xf000_0130);
  assertEquals([...h.memory.subarray(0xf0130, 0xf013c)], [0x68, 0x13, 0, 0xe6, 0xb0, 0xc3, 0xcf, 0xfb, 0xf4, 0xfa, 0xeb, 0xf4]);
  assertEquals(h.memory[0xf0000 + 0x1c * 16], 0xcf, "nobody serves int 1Ch");
  assertEquals(h.read(0x60 * 4, 4), 0);
  assertEquals([h.read(BDA.MEMORY_KIB, 2), h.read(BDA.DISKS, 1), h.read(BDA.MODE, 1), h.read(BDA.EBDA, 2)], [639, 1, 3, 0x9fc0]);
  assertEquals([...h.memory.subarray(0xffff0, 0xffff5)], [0xea, 0x00, 0x10, 0x00, 0xf0], "the reset vector leads to the restart stub");
  assertEquals(h.memory[0xffffe], 0xfc);
  assertEquals(h.ports.get(0x21), 0xb8);
  assertEquals(h.ports.get(0x60), 0x61);
  assertEquals(h.cmos[0x34] | h.cmos[0x35] << 8, 112 * 16);
  assertEquals(h.cmos[0x5b] | h.cmos[0x5c] << 8, 0x4000);
  const font = h.read(0x43 * 4, 4), at = (font >>> 16) * 16 + (font & 0xffff);
  assertEquals(h.readBytes(at, 4096), builtinFont(16));
});

Deno.test("POST: no two parts of the ROM overlap", () => {
  const h = started(), end = RESET_VECTOR * STUB_BYTES + STUB_BYTES;
  assert(end <= HALT_AT);
  assertEquals([...h.memory.subarray(0xf0000 + HALT_AT, 0xf0000 + HALT_AT + 4)], [0xfa, 0xf4, 0xeb, 0xfc]);
  // The timer's stub goes on with int 1Ch and the end of the interrupt, within its sixteen bytes.
  assertEquals([...h.memory.subarray(0xf0086, 0xf0090)], [0xcd, 0x1c, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf, 0x00]);
});

Deno.test("a call of something that is no stub is refused", () => {
  const h = started();
  h.write(STACK - 8, 2, 0x60);
  h.regs.esp = STACK - 8;
  assertEquals(biosCall(h), false);
});

Deno.test("every interrupt and function has a name, and unknown ones come back", () => {
  for (const i of INTERRUPTS) {
    for (const [key, f] of Object.entries(i.functions)) assert(/^([0-9a-f]{2}|[0-9a-f]{4})$/.test(key) && f.name, `${i.name} ${key}`);
  }
  assertEquals(biosCallName(0x13, 0x4200), "int 13h, ax=4200 (disk: EDD read)");
  const h = started();
  for (const vector of [0x10, 0x13, 0x15, 0x16, 0x1a]) assert(h.int(vector, { eax: 0x7f00 }).returns);
  assert(h.int(0x15, { eax: 0x7f00 }).carry);
});

Deno.test("int 10h: teletype writes, obeys control characters, and scrolls at the bottom", () => {
  const h = started();
  h.print("Hello\r\nWorld\b!\x07");
  assertEquals([h.row(0), h.row(1)], ["Hello", "Worl!"]);
  assertEquals(h.int(0x10, { eax: 0x0300, ebx: 0 }).dx, 0x0105);
  assertEquals(h.written.filter(([p]) => p === 0x3d4).slice(-1)[0][1], 0x0f | 85 << 8);
  for (let i = 0; i < 24; i++) h.print(`\r\nline ${i}`);
  assertEquals([h.row(0), h.row(24), h.row(23)], ["Worl!", "line 23", "line 22"]);
  assertEquals(h.int(0x10, { eax: 0x0300 }).dx, 24 << 8 | 7);
  h.print("x".repeat(74));
  assertEquals(h.int(0x10, { eax: 0x0300 }).dx, 24 << 8 | 1);
});

Deno.test("int 10h: cells with attributes, reading them, strings, windows that scroll both ways", () => {
  const h = started();
  h.int(0x10, { eax: 0x0200, ebx: 0, edx: 0x0502 });
  h.int(0x10, { eax: 0x0941, ebx: 0x001e, ecx: 3 });
  assertEquals(h.read(0xb8000 + 160 * 5 + 4, 4), 0x1e41_1e41);
  assertEquals(h.int(0x10, { eax: 0x0800, ebx: 0 }).ax, 0x1e41);
  h.int(0x10, { eax: 0x0a42, ebx: 0, ecx: 1 });
  assertEquals(h.read(0xb8000 + 160 * 5 + 4, 2), 0x1e42, "AH=0Ah keeps the attribute");
  assertEquals(h.int(0x10, { eax: 0x0300, ebx: 0 }).dx, 0x0502, "neither moves the cursor");
  h.writeBytes(0x8000, new TextEncoder().encode("text"));
  h.int(0x10, { eax: 0x1301, ebx: 0x4f, ecx: 4, edx: 0x0700, es: 0x800, ebp: 0 });
  assertEquals([h.row(7), h.read(0xb8000 + 160 * 7, 2)], ["text", 0x4f74]);
  assertEquals(h.int(0x10, { eax: 0x0300 }).dx, 0x0704);
  h.int(0x10, { eax: 0x0602, ebx: 0x1700, ecx: 0x0500, edx: 0x0950 - 1 });
  assertEquals([h.row(5), h.read(0xb8000 + 160 * 8, 2)], ["text", 0x1720]);
  h.int(0x10, { eax: 0x0701, ebx: 0x0700, ecx: 0x0500, edx: 0x094f });
  assertEquals([h.row(5), h.row(6)], ["", "text"]);
  h.int(0x10, { eax: 0x0600, ebx: 0x0700, ecx: 0, edx: 0x184f });
  assertEquals(h.row(6), "");
});

Deno.test("int 10h: modes, pages, cursor shape, what is there", () => {
  const h = started();
  assertEquals(h.int(0x10, { eax: 0x0f00 }).ax, 0x5003);
  h.int(0x10, { eax: 0x0501 });
  h.int(0x10, { eax: 0x0e58, ebx: 0x0100 });
  assertEquals([h.memory[0xb9000], h.read(BDA.PAGE_START, 2)], [0x58, 0x1000]);
  h.int(0x10, { eax: 0x0100, ecx: 0x0607 });
  assertEquals(h.written.slice(-2).map(([, v]) => [v & 0xff, v >> 8]), [[0x0a, 14], [0x0b, 15]], "scaled to 16 lines");
  h.int(0x10, { eax: 0x0013 });
  assertEquals([h.int(0x10, { eax: 0x0f00 }).ax, h.read(BDA.COLUMNS, 2), h.read(BDA.ROWS, 1)], [0x2813, 40, 24]);
  h.int(0x10, { eax: 0x0c2a, ecx: 319, edx: 199 });
  assertEquals(h.memory[0xa0000 + 63999], 0x2a);
  assertEquals(h.int(0x10, { eax: 0x0d00, ecx: 319, edx: 199 }).al, 0x2a);
  h.print("A");
  const font = builtinFont(8);
  for (let y = 0; y < 8; y++) {
    const shown = h.memory.subarray(0xa0000 + 320 * y, 0xa0000 + 320 * y + 8).reduce((bits, v, x) => bits | (v ? 0x80 >> x : 0), 0);
    assertEquals(shown, font[0x41 * 8 + y]);
  }
  h.int(0x10, { eax: 0x0003 });
  assertEquals(h.read(0xb8000, 2), 0x0720);
  assertEquals(h.int(0x10, { eax: 0x1a00 }).bx & 0xff, 8);
  assertEquals(h.int(0x10, { eax: 0x1130, ebx: 0x0600 }).cx, 16);
  assertEquals([h.regs.es, h.regs.ebp], [ROM_SEGMENT, 0x8000]);
});

Deno.test("int 10h: VBE describes its modes and sets them through the Bochs registers", () => {
  const h = started();
  h.write(0x8000, 4, 0x3245_4256);
  assertEquals(h.int(0x10, { eax: 0x4f00, es: 0x800, edi: 0 }).ax, 0x004f);
  assertEquals([h.read(0x8000, 4), h.read(0x8004, 2), h.read(0x8012, 2)], [0x4153_4556, 0x0300, 256]);
  const modes: number[] = [], list = h.read(0x800e, 4);
  for (let at = (list >>> 16) * 16 + (list & 0xffff); h.read(at, 2) !== 0xffff; at += 2) modes.push(h.read(at, 2));
  assert(modes.length > 20 && modes.includes(0x118) && modes.includes(0x143));
  for (const mode of modes) {
    assertEquals(h.int(0x10, { eax: 0x4f01, ecx: mode, edi: 0x200 }).ax, 0x004f);
    assertEquals(h.read(0x8228, 4), 0xfd00_0000);
    assertEquals(h.read(0x8210, 2), h.read(0x8212, 2) * Math.ceil(h.memory[0x8219] / 8));
  }
  h.int(0x10, { eax: 0x4f01, ecx: 0x143, edi: 0x200 });
  assertEquals([h.read(0x8212, 2), h.read(0x8214, 2), h.memory[0x8219], h.memory[0x821b]], [800, 600, 32, 6]);
  assertEquals([...h.memory.subarray(0x821f, 0x8227)], [8, 16, 8, 8, 8, 0, 8, 24]);
  assertEquals(h.int(0x10, { eax: 0x4f01, ecx: 0x1ff }).ax, 0x014f);
  assertEquals(h.int(0x10, { eax: 0x4f02, ebx: 0x4143 }).ax, 0x004f);
  assertEquals(h.dispi.slice(1, 5), [800, 600, 32, 0x41]);
  assertEquals(h.int(0x10, { eax: 0x4f03 }).bx, 0x4143);
  h.int(0x10, { eax: 0x4f02, ebx: 3 });
  assertEquals([h.dispi[4], h.int(0x10, { eax: 0x4f03 }).bx], [0, 3]);
  h.framebuffer = undefined;
  assertEquals(h.int(0x10, { eax: 0x4f00 }).ax, 0x4f00, "no VBE without a framebuffer");
});

Deno.test("int 10h: VBE/DDC gives the monitor's EDID block, and nothing behind it", () => {
  const h = started(), ask = (bl: number, block: number) => h.int(0x10, { eax: 0x4f15, ebx: bl, ecx: 0, edx: block, es: 0x800, edi: 4 });
  assertEquals([ask(0, 0).ax, ask(0, 0).bx], [0x004f, 0x0103]);
  assertEquals(ask(1, 0).ax, 0x004f);
  const block = h.memory.subarray(0x8004, 0x8084);
  assertEquals([...block.subarray(0, 8)], [0, 255, 255, 255, 255, 255, 255, 0]);
  assertEquals([...block.subarray(18, 20), block[126], block.reduce((sum, b) => sum + b, 0) & 0xff], [1, 4, 0, 0]);
  // 3.10.2: the preferred timing's size, which VBE must have.
  const [width, height] = [block[56] | block[58] >> 4 << 8, block[59] | block[61] >> 4 << 8];
  assertEquals([width, height, block[54] | block[55] << 8], [1024, 768, 6500]);
  h.int(0x10, { eax: 0x4f01, ecx: 0x144, edi: 0x200 });
  assertEquals([h.read(0x8212, 2), h.read(0x8214, 2)], [width, height]);
  assertEquals([ask(1, 1).ax, ask(2, 0).ax], [0x014f, 0x014f]);
});

Deno.test("int 11h and 12h: equipment and memory", () => {
  const h = started([disk(2880, "floppy")]);
  assertEquals(h.int(0x11).ax & 0xc3, 0x03);
  assertEquals(h.int(0x12).ax, 639);
});

Deno.test("int 13h: by cylinder, head and sector", () => {
  const hard = disk(20160), floppy = disk(2880, "floppy"), h = started([floppy, hard]);
  const read = h.int(0x13, { eax: 0x0202, ecx: 0x0001, edx: 0x0180, ebx: 0x100, es: 0x1000 });
  assertEquals([read.carry, read.ah, read.al], [false, 0, 2]);
  assertEquals([h.memory[0x10100], h.memory[0x10100 + 511], h.memory[0x10100 + 512], h.memory[0x10100 + 1024]], [63, 63, 64, 0]);
  h.int(0x13, { eax: 0x0201, ecx: 0x0102, edx: 0x0100, ebx: 0, es: 0x2000 });
  assertEquals(h.memory[0x20000], (1 * 2 + 1) * 18 + 1);
  h.memory.fill(0xee, 0x20000, 0x20200);
  assertEquals(h.int(0x13, { eax: 0x0301, ecx: 0x0003, edx: 0x0080, ebx: 0, es: 0x2000 }).carry, false);
  assertEquals(hard.bytes[2 * 512], 0xee);
  const parameters = h.int(0x13, { eax: 0x0800, edx: 0x80 });
  assertEquals([parameters.cx, parameters.dx, parameters.carry], [18 << 8 | 63, 15 << 8 | 1, false]);
  assertEquals([h.int(0x13, { eax: 0x0800, edx: 0 }).cx, h.regs.ebx & 0xff], [79 << 8 | 18, 4]);
  for (const [ecx, edx] of [[0x0000, 0x80], [0x0040, 0x80], [0xff01, 0x80], [0x0001, 0x1080]]) {
    const bad = h.int(0x13, { eax: 0x0201, ecx, edx, es: 0x2000, ebx: 0 });
    assertEquals([bad.carry, bad.ah], [true, 1], `cx ${ecx.toString(16)}, dx ${edx.toString(16)}`);
  }
  assertEquals(h.int(0x13, { eax: 0x0201, ecx: 1, edx: 0x81 }).ah, 1);
  assertEquals(h.int(0x13, { eax: 0x0100, edx: 0x81 }).ah, 1, "the last status");
  assertEquals(h.int(0x13, { eax: 0x1500, edx: 0x80 }).ah, 3);
  assertEquals([h.regs.ecx & 0xffff, h.regs.edx & 0xffff], [0, 19 * 16 * 63]);
  assertEquals(h.int(0x13, { eax: 0x1500, edx: 0 }).ah, 1);
});

Deno.test("int 13h: a floppy's transfer does not cross 64 KiB, a hard disk's does", () => {
  const h = started([disk(2880, "floppy"), disk(2880)]);
  const call = (function_: number, drive: number, es: number, ebx: number, count: number) =>
    h.int(0x13, { eax: function_ << 8 | count, ecx: 2, edx: drive, es, ebx });
  h.memory.fill(0xee, 0x1_fe00, 0x2_0400);
  for (
    const [what, es, bx, count, status] of [
      [2, 0x1000, 0xfe00, 1, 0],
      [2, 0x1000, 0, 128, 0],
      [2, 0x1000, 0xfe00, 2, 9],
      [2, 0x1000, 0xfe01, 1, 9],
      [2, 0x1fe0, 0x0000, 2, 9],
      [3, 0x1000, 0xfe00, 2, 9],
      [4, 0x1000, 0xfe00, 2, 0],
    ]
  ) {
    assertEquals(call(what, 0, es, bx, count).ah, status, `function ${what} at ${es.toString(16)}:${bx.toString(16)}`);
    assertEquals([h.regs.eax & 0xff, call(what, 0x80, es, bx, count).ah], [status ? 0 : count, 0]);
  }
  h.memory.fill(0xee, 0x1_fe00, 0x2_0400);
  call(2, 0, 0x1000, 0xfe00, 2);
  assertEquals(h.memory.subarray(0x1_fe00, 0x2_0400).every((b) => b === 0xee), true, "nothing is moved");
});

Deno.test("int 13h: EDD by packets, to far and flat addresses", () => {
  const hard = disk(4096), cd = disk(100, "cd"), h = started([hard, cd]);
  const check = h.int(0x13, { eax: 0x4100, ebx: 0x55aa, edx: 0x80 });
  assertEquals([check.carry, check.bx, check.cx & 1], [false, 0xaa55, 1]);
  assert(h.int(0x13, { eax: 0x4100, ebx: 0x55aa, edx: 0x00 }).carry);
  const packet = (length: number, count: number, far: number, lba: number, flat = 0) => {
    for (const [i, v] of [length | count << 16, far, lba, 0, flat, 0].entries()) h.write(0x6000 + 4 * i, 4, v >>> 0);
  };
  packet(16, 3, 0x2000_0010, 4000);
  assertEquals(h.int(0x13, { eax: 0x4200, edx: 0x80, ds: 0x600, esi: 0 }).carry, false);
  assertEquals([h.memory[0x20010], h.memory[0x20010 + 1024]], [4000 & 0xff, 4002 & 0xff]);
  packet(24, 1, 0xffff_ffff, 7, 0x20_0000);
  assertEquals(h.int(0x13, { eax: 0x4200, edx: 0x80, ds: 0x600, esi: 0 }).ah, 0);
  assertEquals(h.memory[0x20_0000], 7);
  packet(16, 1, 0x2000_0010, 9);
  h.memory.fill(0xaa, 0x20010, 0x20210);
  h.int(0x13, { eax: 0x4300, edx: 0x80, ds: 0x600, esi: 0 });
  assertEquals(hard.bytes[9 * 512], 0xaa);
  packet(16, 2, 0x2000_0000, 4095);
  assertEquals([h.int(0x13, { eax: 0x4200, edx: 0x80, ds: 0x600, esi: 0 }).ah, h.read(0x6002, 2)], [4, 0]);
  packet(16, 1, 0x2000_0000, 5);
  assertEquals(h.int(0x13, { eax: 0x4200, edx: 0xe0, ds: 0x600, esi: 0 }).ah, 0);
  assertEquals(h.memory[0x20000 + 2047], 5);
  assertEquals(h.int(0x13, { eax: 0x4300, edx: 0xe0, ds: 0x600, esi: 0 }).ah, 3, "a CD is read-only");
  h.write(0x7000, 2, 30);
  assertEquals(h.int(0x13, { eax: 0x4800, edx: 0x80, ds: 0x700, esi: 0 }).carry, false);
  assertEquals([h.read(0x7000, 2), h.read(0x7004, 4), h.read(0x7008, 4), h.read(0x700c, 4), h.read(0x7010, 4), h.read(0x7018, 2)], [
    30,
    4,
    16,
    63,
    4096,
    512,
  ]);
});

Deno.test("int 15h: the memory map entry by entry, and the older sizes", () => {
  const h = started(), seen: [number, number, number][] = [];
  let next = 0;
  do {
    const r = h.int(0x15, { eax: 0xe820, ebx: next, ecx: 24, edx: 0x534d_4150, es: 0x800, edi: 0 });
    assertEquals([r.carry, h.regs.eax, h.regs.ecx], [false, 0x534d_4150, 20]);
    seen.push([h.read(0x8000, 4) + h.read(0x8004, 4) * 2 ** 32, h.read(0x8008, 4) + h.read(0x800c, 4) * 2 ** 32, h.read(0x8010, 4)]);
    next = h.regs.ebx;
  } while (next);
  assertEquals(seen, h.memoryMap.map((e) => [e.base, e.length, e.type]));
  assert(h.int(0x15, { eax: 0xe820, ebx: 9, ecx: 24, edx: 0x534d_4150 }).carry);
  assert(h.int(0x15, { eax: 0xe820, ebx: 0, ecx: 24, edx: 0 }).carry);
  const e801 = h.int(0x15, { eax: 0xe801 });
  assertEquals([e801.ax, e801.bx, e801.cx, e801.dx], [15 * 1024, 112 * 16, 15 * 1024, 112 * 16]);
  assertEquals(h.int(0x15, { eax: 0x8800 }).ax, 63 * 1024);
  assertEquals([h.int(0x15, { eax: 0xc100 }).carry, h.regs.es], [false, 0x9fc0]);
  assertEquals([h.int(0x15, { eax: 0xc000 }).bx, h.regs.es, h.memory[0xf0000 + h.regs.ebx + 2]], [0x7ee0, 0xf000, 0xfc]);
});

Deno.test("int 15h: A20 by port 0x92, and moves of blocks by descriptors", () => {
  const h = started();
  h.ports.set(0x92, 0);
  assertEquals(h.int(0x15, { eax: 0x2401 }).carry, false);
  assertEquals(h.ports.get(0x92), 2);
  assertEquals(h.int(0x15, { eax: 0x2402 }).al, 1);
  h.int(0x15, { eax: 0x2400 });
  assertEquals(h.int(0x15, { eax: 0x2402 }).al, 0);
  assertEquals(h.int(0x15, { eax: 0x2403 }).bx, 3);
  h.memory.set([1, 2, 3, 4], 0x5000);
  for (const [at, base] of [[0x10, 0x5000], [0x18, 0x20_0000]]) {
    h.write(0x6000 + at, 2, 0xffff);
    h.write(0x6002 + at, 4, 0x9300_0000 | base);
  }
  assertEquals(h.int(0x15, { eax: 0x8700, ecx: 2, es: 0x600, esi: 0 }).ah, 0);
  assertEquals([...h.memory.subarray(0x20_0000, 0x20_0005)], [1, 2, 3, 4, 0]);
});

Deno.test("int 15h, AH=86h waits until guest time has passed", () => {
  const h = started();
  h.nowNs = 1000;
  assert(h.int(0x15, { eax: 0x8600, ecx: 0, edx: 2000 }).waits);
  assertEquals(h.cmos[0x0b] & 0x40, 0x40, "the clock's periodic interrupt wakes it");
  h.nowNs += 1_999_999;
  assert(h.int(0x15, { eax: 0x8600, ecx: 0, edx: 2000 }).waits);
  h.nowNs++;
  const end = h.int(0x15, { eax: 0x8600, ecx: 0, edx: 2000 });
  assertEquals([end.returns, end.carry, h.cmos[0x0b] & 0x40, h.state.waitUntilNs], [true, false, 0, -1]);
});

Deno.test("int 09h and 16h: scan codes become keys", () => {
  const h = started();
  const scan = (...codes: number[]) => {
    for (const code of codes) {
      h.ports.set(0x60, code);
      h.int(0x09);
      assertEquals(h.written.at(-1), [0x20, 0x20], "the interrupt is ended");
    }
  };
  const read = (ah = 0) => h.int(0x16, { eax: ah << 8 }).ax;
  assert(h.int(0x16, { eax: 0 }).waits, "no key yet");
  assertEquals([h.read(STACK - 8 + 6, 2) & ZF, h.int(0x16, { eax: 0x0100 }).zero], [ZF, true]);
  scan(0x1e, 0x9e);
  const check = h.int(0x16, { eax: 0x0100 });
  assertEquals([check.zero, check.ax], [false, 0x1e61]);
  assertEquals(read(), 0x1e61);
  scan(0x2a, 0x1e, 0x9e, 0x02, 0xaa);
  assertEquals([read(), read()], [0x1e41, 0x0221]);
  scan(0x1d, 0x2e, 0xae);
  assertEquals(h.int(0x16, { eax: 0x0200 }).al, 4);
  scan(0x9d, 0x38, 0x1e, 0xb8);
  assertEquals([read(), read()], [0x2e03, 0x1e00]);
  scan(0x3a, 0xba, 0x1e, 0x02, 0x2a, 0x1e, 0xaa, 0x3a);
  assertEquals([read(), read(), read()], [0x1e41, 0x0231, 0x1e61], "CapsLock changes letters only, and Shift undoes it");
  scan(0x1c, 0x01, 0x0e, 0x0f, 0x39, 0x3b, 0x57);
  assertEquals([read(), read(), read(), read(), read(), read()], [0x1c0d, 0x011b, 0x0e08, 0x0f09, 0x3920, 0x3b00]);
  assert(h.int(0x16, { eax: 0 }).waits, "F11 is no key of the old keyboard");
  scan(0x57, 0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x1c, 0x48);
  assertEquals([read(0x10), read(0x10), read(0x10), read(0x10)], [0x8500, 0x48e0, 0xe00d, 0x4800]);
  scan(0xe0, 0x48, 0xe0, 0x1c);
  assertEquals([read(), read()], [0x4800, 0x1c0d]);
  scan(0x45, 0x45, 0x45, 0x48, 0xc5, 0x45, 0xc5);
  assertEquals(read(), 0x4838, "NumLock makes digits of the keypad; while it is held it changes once");
  scan(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
  assertEquals(
    [h.int(0x16, { eax: 0x0100 }).zero, h.int(0x16, { eax: 0x0200 }).al],
    [true, 0],
    "the pause key is none, and leaves no flag",
  );
  for (const code of [0x01, 0x29, 0x56]) scan(0x38, code, 0xb8);
  assertEquals(
    [h.int(0x16, { eax: 0x1100 }).ax, read(0x10), read(0x10)],
    [0x0100, 0x0100, 0x2900],
    "a key that only the new functions know",
  );
  for (const key of [0x01f0, 0x00f0]) h.int(0x16, { eax: 0x0500, ecx: key });
  assertEquals([h.int(0x16, { eax: 0x0100 }).ax, read()], [0x00f0, 0x00f0], "the old ones drop it; with scan code 0 it is a character");
  for (let i = 0; i < 20; i++) scan(0x1e);
  for (let i = 0; i < 15; i++) assertEquals(read(), 0x1e61);
  assert(h.int(0x16, { eax: 0 }).waits, "fifteen keys fit");
  assertEquals(h.int(0x16, { eax: 0x0500, ecx: 0x1234 }).al, 0);
  assertEquals(read(), 0x1234);
  scan(0x1d, 0x38, 0xe0, 0x53);
  assertEquals(h.stops, [{ kind: "reset" }]);
});

Deno.test("int 19h starts the first disk that has a boot sector; without one the BIOS says so and stops for good", () => {
  const empty = disk(2880, "floppy"), hard = disk(100);
  hard.bytes.set([0x90, 0x55, 0xaa].slice(1), 510);
  const h = started([empty, hard]);
  h.int(0x19);
  const sp = h.regs.esp;
  assertEquals([h.read(sp, 2), h.read(sp + 2, 2), h.read(sp + 4, 2)], [0x19 * STUB_BYTES + STUB_DONE, 0x7c00, 0]);
  assertEquals([sp + 8, h.regs.edx, h.memory[0x7dfe], h.regs.ds, h.regs.es, h.regs.ss], [0x7c00, 0x80, 0x55, 0, 0, 0]);
  const none = started([]);
  none.int(0x19);
  assertEquals([none.row(0), none.read(none.regs.esp, 2)], ["No bootable device.", HALT_AT]);
  h.int(0x18);
  assertEquals(h.read(h.regs.esp, 2), HALT_AT, "int 18h goes on with the next device: there is none");
});

/** A CD whose boot image, from block 20 on, has the byte 0xb0 + n in its n-th block. */
function bootableCd(media: number, { sectors = 4, segment = 0 } = {}) {
  const cd = disk(40, "cd"), entry = 19 * 2048;
  cd.bytes.set([..."\0CD001\x01EL TORITO SPECIFICATION"].map((c) => c.charCodeAt(0)), 17 * 2048);
  cd.bytes.set([19, 0, 0, 0], 17 * 2048 + 0x47);
  cd.bytes.fill(0, entry, entry + 64);
  cd.bytes.set([1], entry);
  cd.bytes.set([0x55, 0xaa, 0x88, media, segment & 0xff, segment >> 8, 0, 0, sectors, 0, 20], entry + 30);
  for (let n = 0; n < 20; n++) cd.bytes.fill(0xb0 + n, (20 + n) * 2048, (21 + n) * 2048);
  return cd;
}

Deno.test("El Torito without emulation: the image is loaded and started, the drive is the CD", () => {
  const h = started([bootableCd(0, { sectors: 5, segment: 0x1234 })]);
  h.int(0x19);
  const sp = h.regs.esp;
  assertEquals([h.read(sp + 2, 2), h.read(sp + 4, 2), h.regs.edx], [0x2340, 0x1000, 0xe0]);
  assertEquals([h.memory[0x12340], h.memory[0x12340 + 2048], h.memory[0x12340 + 2560]], [0xb0, 0xb1, 0]);
  const status = h.int(0x13, { eax: 0x4b01, edx: 0xe0, ds: 0x600, esi: 0 });
  assertEquals([status.carry, ...h.memory.subarray(0x6000, 0x6005), h.read(0x600c, 2)], [false, 19, 0, 0xe0, 0, 20, 0x1234]);
  assertEquals(started([disk(40, "cd")]).int(0x13, { eax: 0x4b01, edx: 0xe0, ds: 0x600, esi: 0 }).carry, true);
});

Deno.test("El Torito with an emulated floppy: it is drive 0, the others move up, and it can be ended", () => {
  const floppy = disk(2880, "floppy"), h = started([floppy, bootableCd(2, { sectors: 1 })]);
  h.bootOrder = [0xe0];
  h.int(0x19);
  assertEquals([h.read(h.regs.esp + 2, 2), h.regs.edx, h.memory[0x7c00]], [0x7c00, 0, 0xb0]);
  const read = (drive: number, sector: number) => {
    const r = h.int(0x13, { eax: 0x0201, ecx: sector, edx: drive, es: 0x2000, ebx: 0 });
    return [r.ah, h.memory[0x20000]];
  };
  assertEquals([read(0, 1), read(0, 5), read(1, 5)], [[0, 0xb0], [0, 0xb1], [0, 4]]);
  assertEquals([h.int(0x11).ax & 0xc1, h.int(0x13, { eax: 0x0800, edx: 0 }).dx, h.regs.ecx & 0xffff], [0x41, 0x0102, 79 << 8 | 18]);
  assertEquals(h.int(0x13, { eax: 0x0301, ecx: 1, edx: 0, es: 0x2000, ebx: 0 }).ah, 3);
  const across = (drive: number) => h.int(0x13, { eax: 0x0202, ecx: 1, edx: drive, es: 0x2000, ebx: 0xfe00 }).ah;
  assertEquals([across(0), across(1)], [0, 9], "only the real floppy's data goes through the DMA controller");
  assertEquals(h.int(0x13, { eax: 0x4b00, edx: 0, ds: 0x600, esi: 0 }).carry, false);
  assertEquals([read(0, 5), h.int(0x11).ax & 0xc1], [[0, 4], 0x01]);
});

Deno.test("El Torito with an emulated hard disk: its partition table gives the geometry", () => {
  const cd = bootableCd(4, { sectors: 1 }), h = started([cd]);
  cd.bytes.set([0x80, 0, 1, 0, 6, 1, 4, 4], 20 * 2048 + 446);
  h.int(0x19);
  assertEquals([h.regs.edx, h.read(BDA.DISKS, 1)], [0x80, 1]);
  assertEquals([h.int(0x13, { eax: 0x0800, edx: 0x80 }).cx, h.regs.edx & 0xffff], [3 << 8 | 4, 0x0101]);
  h.int(0x13, { eax: 0x0201, ecx: 0x0102, edx: 0x0180, es: 0x2000, ebx: 0 }); // cylinder 1, head 1, sector 2: 13
  assertEquals(h.memory[0x20000], 0xb3);
});

Deno.test("El Torito: a hard disk image without sectors has no sectors, whatever is asked of it", () => {
  const h = started([bootableCd(4, { sectors: 0 })]);
  h.int(0x19);
  const calls = [0x0201, 0x0800, 0x1500, 0x4200, 0x4800].map((eax) =>
    h.int(0x13, { eax, ecx: 1, edx: 0x80, ds: 0x600, esi: 0, es: 0x2000 })
  );
  assertEquals(calls[0].carry, true);
  h.write(0x6000, 2, 30);
  assertEquals([h.int(0x13, { eax: 0x4800, edx: 0x80, ds: 0x600, esi: 0 }).carry, h.read(0x6010, 4)], [false, 0]);
});

Deno.test("int 13h: formatting a floppy's track, locking and ejecting a CD", () => {
  const floppy = disk(2880, "floppy"), h = started([floppy, disk(40, "cd")]);
  assertEquals(h.int(0x13, { eax: 0x0512, ecx: 0x0201, edx: 0x0100 }).ah, 0);
  const track = (2 * 2 + 1) * 18 * 512;
  assertEquals([floppy.bytes[track - 1], floppy.bytes[track], floppy.bytes[track + 18 * 512 - 1]], [89, 0xf6, 0xf6]);
  const cd = (ax: number) => {
    const r = h.int(0x13, { eax: ax, edx: 0xe0 });
    return [r.ah, r.al];
  };
  assertEquals([cd(0x4501), cd(0x4500), cd(0x4502), cd(0x4600), cd(0x4501)], [[0xb0, 0], [0, 1], [0, 1], [0xb1, 0], [0, 0]]);
});

Deno.test("int 1Ah and 08h: ticks, midnight, the clock", () => {
  const h = started();
  h.write(BDA.TICKS, 4, 0x18_00ae);
  h.int(0x08);
  assertEquals(h.int(0x1a, { eax: 0 }).cx, 0x18);
  assertEquals(h.regs.edx & 0xffff, 0xaf);
  h.int(0x08);
  const after = h.int(0x1a, { eax: 0 });
  assertEquals([after.cx, after.dx, after.al, h.int(0x1a, { eax: 0 }).al], [0, 0, 1, 0]);
  h.int(0x1a, { eax: 0x0100, ecx: 1, edx: 2 });
  assertEquals(h.read(BDA.TICKS, 4), 0x1_0002);
  h.cmos.set([0x56, 0, 0x34, 0, 0x12, 0, 5, 0x20, 0x11, 0x26]);
  const time = h.int(0x1a, { eax: 0x0200 }), date = h.int(0x1a, { eax: 0x0400 });
  assertEquals([time.cx, time.dx >> 8, date.cx, date.dx], [0x1234, 0x56, 0x2026, 0x1120]);
  h.int(0x1a, { eax: 0x0300, ecx: 0x0102, edx: 0x0300 });
  assertEquals([h.cmos[4], h.cmos[2], h.cmos[0]], [1, 2, 3]);
  assert(h.int(0x1a, { eax: 0xb101 }).carry, "there is no PCI BIOS");
});
