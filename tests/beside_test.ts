// Data beside code, in the same bytes as far as granules go: a store that changes no byte of an instruction drops nothing, one that changes
// the last byte of the last instruction of a block is seen by the next time.
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, loadJit, type MachineOptions } from "../src/machine/machine.ts";
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";
import { TIGHT_INTERPRETERS, TIGHT_JITS } from "./limits.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
const ENGINES: readonly Partial<MachineOptions>[] = [
  { engine: "interp" },
  { engine: "jit", tuning: { threshold: 1 } },
  { engine: "jit", tuning: { threshold: 1000 } },
];

/** The same with tight limits, which translate anew what the counters of the others tell was kept. */
const TIGHT: readonly Partial<MachineOptions>[] = [...TIGHT_INTERPRETERS, ...TIGHT_JITS].map(([, { jit, ...tuning }]) => (
  { engine: jit ? "jit" : "interp", tuning }
));

/** Runs a guest to its end; bytes of its memory, digest and counters. */
async function run(file: string, image: Uint8Array, more: Partial<MachineOptions>, at: number, until = 1_000_000) {
  const readFile = (path: string) => path === "guest" ? image : Deno.readFileSync(path);
  const options: MachineOptions = { file: ROOT + file, kernel: "guest", ...more };
  const m = createMachine(options, { readFile, log: silent }, await loadGraph(options, { readFile, log: silent }));
  // With a limit, as programs run a machine: the clock is looked at between whiles, which cuts blocks where a guest is slow.
  m.run(until, 1e9);
  return { stopped: m.stopped?.kind, value: m.bus.readBytes(at, 4).join(" "), digest: m.digest(), stats: m.stats };
}

/** A boot sector; v is the first byte behind the code. */
const sector = (code: readonly number[]) => {
  const bytes = new Uint8Array(1_474_560);
  bytes.set(code);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
};
/** mov ecx, ROUNDS; l: <body>; dec ecx; jnz l; mov al, 0x10; mov dx, 0xf4; out dx, al; jmp $; and what is behind. */
const loop = (rounds: number, body: readonly number[], behind: readonly number[] = []) => [
  ...[0x31, 0xc0, 0x8e, 0xd8, 0x66, 0xb9, rounds & 0xff, rounds >> 8, 0, 0],
  ...body,
  ...[0x66, 0x49, 0x75, 256 - (body.length + 4), 0xb0, 0x10, 0xba, 0xf4, 0, 0xee, 0xeb, 0xfe],
  ...behind,
];

Deno.test("x86: a byte behind the last instruction is written; nothing is translated anew", async () => {
  // inc byte [v]
  const v = 0x7c00 + 10 + 4 + 12, code = loop(20000, [0xfe, 0x06, v & 0xff, v >> 8], [7]);
  const results = await Promise.all(ENGINES.map((e) => run("machines/pc.toml", sector(code), { ...e, kernel: "guest" }, v)));
  for (const r of results) {
    assertEquals([r.stopped, r.value.split(" ")[0], r.digest], ["exit", String((7 + 20000) & 0xff), results[0].digest]);
    assertEquals(r.stats.blocks < 500, true, `${r.stats.blocks} blocks`);
  }
});

Deno.test("x86: the last byte of a block's last instruction is written, and of one in its middle; both are seen", async () => {
  // An immediate that counts up, and a jump whose distance is 0 and 1 by turns.
  const start = 0x7c00 + 10;
  const body = [
    ...[0xfe, 0x06, (start + 6) & 0xff, 0x7c], // inc byte [the low byte of what is added]
    ...[0x81, 0xc3, 0x00, 0x00], // add bx, imm16: at +4; its immediate is at +6
    ...[0x80, 0x36, (start + 13 + 1) & 0xff, 0x7c, 0x01], // xor byte [the jump's distance], 1: at +8
    ...[0xeb, 0x00], // jmp: at +13
    0x43, // inc bx: skipped every other time
    ...[0x89, 0x1e, 0x00, 0x70], // mov [0x7000], bx
  ];
  let bx = 0, imm = 0, distance = 0;
  for (let n = 0; n < 600; n++) {
    imm = (imm + 1) & 0xff;
    bx += imm;
    distance ^= 1;
    if (distance === 0) bx++;
  }
  const results = await Promise.all([...ENGINES, ...TIGHT].map((e) => run("machines/pc.toml", sector(loop(600, body)), e, 0x7000)));
  for (const r of results) {
    assertEquals([r.stopped, r.value.split(" ").slice(0, 2), r.digest], [
      "exit",
      [String(bx & 0xff), String(bx >> 8 & 0xff)],
      results[0].digest,
    ]);
  }
});

Deno.test("RISC-V: words before and behind a loop are written, and the last half of its last instruction", async () => {
  const { table } = parseIsa("rv64gc"), words: number[] = [];
  const i = (name: string, f: Record<string, number>) => words.push(encode(table.row(name), f));
  const [at, n, sum, t] = [5, 6, 7, 8], BASE = 0x8000_0000;
  i("auipc", { rd: at, imm: 0 });
  i("addi", { rd: n, rs1: 0, imm: 600 });
  i("jal", { rd: 0, imm: 8 });
  words.push(0); // data at 12
  const top = words.length;
  i("sw", { rs1: at, rs2: n, imm: 12 });
  const behind = words.length;
  i("sw", { rs1: at, rs2: n, imm: 0 });
  i("addi", { rd: n, rs1: n, imm: -1 });
  // The upper half of the jump, which ends its block, is written with 0x0040 or 0x0080 by turns: it goes 4 or 8 bytes on.
  i("andi", { rd: t, rs1: n, imm: 1 });
  i("addi", { rd: t, rs1: t, imm: 1 });
  i("slli", { rd: t, rs1: t, shamt: 6 });
  const patch = words.length;
  i("sh", { rs1: at, rs2: t, imm: 0 });
  const patched = words.length;
  i("jal", { rd: 0, imm: 4 });
  i("addi", { rd: sum, rs1: sum, imm: 1 });
  i("addi", { rd: sum, rs1: sum, imm: 1 });
  i("bne", { rs1: n, rs2: 0, imm: 4 * (top - words.length) });
  i("sw", { rs1: at, rs2: sum, imm: 12 });
  i("jal", { rd: 0, imm: 0 });
  words[behind] = encode(table.row("sw"), { rs1: at, rs2: n, imm: 4 * words.length });
  words[patch] = encode(table.row("sh"), { rs1: at, rs2: t, imm: 4 * patched + 2 });
  words.push(0);
  const image = new Uint8Array(Uint32Array.from(words).buffer),
    set = { "firmware.sbi": "none", "boot.load": BASE, "memory.dram.size": "4MiB" };
  const results = await Promise.all([...ENGINES, ...TIGHT].map((e) => run("machines/virt.toml", image, { ...e, set }, BASE + 12)));
  let expected = 0;
  for (let k = 600 - 1; k >= 0; k--) expected += k & 1 ? 1 : 2;
  for (const r of results) {
    assertEquals([r.value, r.digest], [[0, 8, 16, 24].map((s) => expected >> s & 0xff).join(" "), results[0].digest]);
  }
});

Deno.test("x86: a guest that is lost in zeros that store into their own page is translated a few times, not for ever", async () => {
  // 30 KiB of add [bx+si], al lead to the sector again, which counts how often; what they store to is beside the sector's code.
  const code = [
    ...[0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0], // cli; xor ax, ax; mov ds, ax; mov es, ax
    ...[0xff, 0x06, 0x00, 0x7e], // inc word [0x7e00]
    ...[0x83, 0x3e, 0x00, 0x7e, 0x01], // cmp word [0x7e00], 1
    ...[0x75, 0x07], // jne
    ...[0x31, 0xff, 0xb9, 0x00, 0x3e, 0xf3, 0xab], // xor di, di; mov cx, 0x3e00; rep stosw
    ...[0x83, 0x3e, 0x00, 0x7e, 0x78], // cmp word [0x7e00], 120
    ...[0x74, 0x0b], // je
    ...[0xbb, 0x80, 0x7c, 0xbe, 0x00, 0x00], // mov bx, 0x7c80; mov si, 0
    ...[0xea, 0x00, 0x00, 0x00, 0x00], // jmp 0:0
    ...[0xb0, 0x10, 0xba, 0xf4, 0, 0xee, 0xeb, 0xfe],
  ];
  const results = await Promise.all(
    [ENGINES[0], ENGINES[1], { engine: "jit" } as const].map((e) => run("machines/pc.toml", sector(code), e, 0x7e00, 2_500_000)),
  );
  for (const r of results) {
    assertEquals([r.stopped, r.value.split(" ").slice(0, 2), r.digest], ["exit", ["120", "0"], results[0].digest]);
    assertEquals(r.stats.instructionsTranslated < 250_000, true, `${r.stats.instructionsTranslated} instructions translated`);
    assertEquals(r.stats.regions < 2500, true, `${r.stats.regions} regions`);
  }
});
