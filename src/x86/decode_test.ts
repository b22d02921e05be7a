import { assertEquals } from "@std/assert";
import { CUT, OK, TOO_LONG, UNDEFINED } from "./decode.ts";
import { disassemble } from "./disasm.ts";
import { randomInstruction } from "./encode.ts";
import { Insn, type Row, specificity, x86 } from "./insn.ts";
import { x86Table } from "./instruction_set.ts";

const bytesOf = (hex: string) => Uint8Array.from(hex.split(" ").map((b) => parseInt(b, 16)));
function text(hex: string, code: 16 | 32 | 64, protectedMode = true): string {
  const i = new Insn(), bytes = bytesOf(hex), outcome = x86Table().decode(i, bytes, 0, bytes.length, code, protectedMode);
  if (outcome !== OK) return ["", "undefined", "too long", "cut"][outcome];
  return i.length === bytes.length ? disassemble(i, 0x1000, code) : `${disassemble(i, 0x1000, code)} (${i.length} bytes)`;
}

// deno-fmt-ignore
const CASES: readonly (readonly [string, 16 | 32 | 64, string])[] = [
  ["01 c8", 32, "add eax, ecx"], ["66 01 c8", 32, "add ax, cx"], ["01 c8", 16, "add ax, cx"], ["66 01 c8", 16, "add eax, ecx"],
  ["48 01 c8", 64, "add rax, rcx"], ["83 e8 ff", 32, "sub eax, 0xffffffff"], ["48 81 c0 78 56 34 92", 64, "add rax, 0xffffffff92345678"],
  ["8b 45 f8", 32, "mov eax, dword ptr [ebp-0x8]"], ["67 8b 46 f8", 32, "mov eax, dword ptr [bp-0x8]"], ["8b 42 10", 16, "mov ax, word ptr [bp+si+0x10]"],
  ["8b 0e 34 12", 16, "mov cx, word ptr [0x1234]"], ["67 8b 04 8d 10 00 00 00", 16, "mov ax, word ptr [ecx*4+0x10]"],
  ["42 8b 44 a5 08", 64, "mov eax, dword ptr [rbp+r12*4+0x8]"], ["8b 05 10 00 00 00", 64, "mov eax, dword ptr [rip+0x10]"],
  ["8b 04 25 10 00 00 00", 64, "mov eax, dword ptr [0x10]"], ["88 e0", 64, "mov al, ah"], ["40 88 e0", 64, "mov al, spl"], ["45 88 fc", 64, "mov r12b, r15b"],
  ["48 b8 88 77 66 55 44 33 22 11", 64, "mov rax, 0x1122334455667788"], ["a1 88 77 66 55 44 33 22 11", 64, "mov eax, dword ptr [0x1122334455667788]"],
  ["eb fe", 16, "jmp 0x1000"], ["e8 00 00 00 00", 64, "call 0x1005"], ["0f 85 fa ff ff ff", 32, "jne 0x1000"], ["ea 34 12 78 56", 16, "jmpf 0x5678:0x1234"],
  ["ff 2e 00 10", 16, "jmpf dword ptr [0x1000]"], ["67 e3 fd", 64, "jecxz 0x1000"], ["f3 a5", 32, "rep movsd dword ptr es:[edi], dword ptr ds:[esi]"],
  ["f2 ae", 64, "repne scasb al, byte ptr es:[rdi]"], ["64 a4", 16, "movsb byte ptr es:[di], byte ptr fs:[si]"],
  ["50", 64, "push rax"], ["66 50", 64, "push ax"], ["41 57", 64, "push r15"], ["06", 32, "push es"], ["06", 64, "undefined"], ["c8 10 00 01", 32, "enter 0x10, 0x1"],
  ["f0 01 08", 32, "lock add dword ptr [eax], ecx"], ["f0 01 c8", 32, "undefined"], ["f0 8b 08", 32, "undefined"],
  ["63 c8", 64, "movsxd ecx, eax"], ["63 c8", 32, "arpl ax, cx"], ["90", 32, "nop"], ["f3 90", 32, "pause"], ["41 90", 64, "xchg r8d, eax"],
  ["0f b8 c1", 32, "undefined"], ["f3 0f b8 c1", 32, "popcnt eax, ecx"], ["f3 0f bc c1", 32, "tzcnt eax, ecx"], ["0f bc c1", 32, "bsf eax, ecx"],
  ["0f 38 f0 08", 32, "movbe ecx, dword ptr [eax]"], ["f2 0f 38 f0 c8", 32, "crc32 ecx, al"], ["c4 e2 70 f2 c2", 32, "andn eax, ecx, edx"],
  ["c4 c2 f0 f2 c2", 64, "andn rax, rcx, r10"], ["c4 e3 7b f0 c1 07", 64, "rorx eax, ecx, 0x7"], ["c5 f8 77", 64, "undefined"], ["c5 08", 32, "lds ecx, fword ptr [eax]"],
  ["0f 01 d0", 64, "xgetbv"], ["0f 01 f8", 64, "swapgs"], ["0f 01 f8", 32, "undefined"], ["0f 01 38", 64, "invlpg [rax]"], ["0f 20 c0", 32, "mov eax, cr0"],
  ["44 0f 20 c0", 64, "mov rax, cr8"], ["0f 22 04", 32, "mov cr0, esp"], ["0f 20 5d", 64, "mov rbp, cr3"], ["41 0f 23 85", 64, "mov dr0, r13"], ["8e d8", 32, "mov ds, ax"], ["d9 c1", 32, "fld st(1)"], ["de c9", 32, "fmulp st(1), st(0)"], ["db 28", 32, "fld tbyte ptr [eax]"],
  ["df e0", 32, "fnstsw ax"], ["0f 6f 08", 32, "movq mm1, qword ptr [eax]"], ["66 0f 6f 08", 32, "movdqa xmm1, xmmword ptr [eax]"],
  ["f3 0f 6f 08", 32, "movdqu xmm1, xmmword ptr [eax]"], ["f2 44 0f 58 c1", 64, "addsd xmm8, xmm1"], ["66 0f 3a 63 c1 0c", 64, "pcmpistri xmm0, xmm1, 0xc"],
  ["48 c7 00 ff ff ff ff", 64, "mov qword ptr [rax], 0xffffffffffffffff"], ["66 6b c0 80", 64, "imul ax, ax, 0xff80"], ["0f 0b", 64, "ud2"], ["d6", 64, "undefined"],
];

Deno.test("x86 decoding and disassembly in code of 16, 32 and 64 bits", () => {
  for (const [hex, code, want] of CASES) assertEquals(text(hex, code), want, hex);
});

Deno.test("VEX is LES and LDS outside protected mode, and instructions end where they must", () => {
  assertEquals(text("c4 e2 70 f2 c2", 32, false), "undefined");
  const i = new Insn(), table = x86Table(), long = new Uint8Array(20).fill(0x66);
  long[14] = 0x90;
  assertEquals([table.decode(i, long, 0, 20, 32), i.length], [OK, 15]);
  long[14] = 0x66;
  long[15] = 0x90;
  assertEquals(table.decode(i, long, 0, 20, 32), TOO_LONG);
  assertEquals(table.decode(i, bytesOf("66"), 0, 1, 32), CUT);
  assertEquals(table.decode(i, bytesOf("81 c0 01 02 03"), 0, 5, 32), CUT);
  assertEquals(table.decode(i, bytesOf("0f 04 00"), 0, 3, 32), UNDEFINED);
  // REX counts only right before the opcode.
  assertEquals(text("48 66 01 c8", 64), "add ax, cx");
});

/** True when one instruction can be both rows', and neither is the more specific one. */
function ambiguous(a: Row, b: Row): boolean {
  if (specificity(a) !== specificity(b)) return false;
  if (a.invalid64 && b.only64 || a.only64 && b.invalid64) return false;
  if (a.prefix >= 0 && b.prefix >= 0 && a.prefix !== b.prefix || a.w >= 0 && b.w >= 0 && a.w !== b.w) return false;
  if (a.digit >= 0 && b.digit >= 0 && a.digit !== b.digit || a.form !== 0 && b.form !== 0 && a.form !== b.form) return false;
  if (a.fixed >= 0 && b.fixed >= 0 && a.fixed !== b.fixed) return false;
  // A /digit row for memory and a row with a whole ModRM byte, which is a register form.
  return !(a.fixed >= 0 && b.form === 1 || b.fixed >= 0 && a.form === 1);
}

Deno.test("no two rows claim the same instruction", () => {
  const found: string[] = [], table = x86Table(), seen = new Set<string>();
  for (let map = 0; map < 8; map++) {
    for (let byte = 0; byte < 256; byte++) {
      const list = table.candidates(map, byte);
      list.forEach((a, n) => {
        for (const b of list.slice(n + 1)) {
          const name = `${a.opcode} ${a.syntax} | ${b.opcode} ${b.syntax}`;
          if (ambiguous(a, b) && !seen.has(name)) found.push(name);
          seen.add(name);
        }
      });
    }
  }
  assertEquals(found, []);
  // The check finds what it is for.
  const emit = () => {};
  assertEquals(ambiguous(x86("0F 10 /r", "one Gv, Ev", "", emit).row, x86("0F 10 /r", "two Gv, Ev", "", emit).row), true);
  assertEquals(ambiguous(x86("0F 10 /1", "one Ev", "", emit).row, x86("0F 10 /2", "two Ev", "", emit).row), false);
});

Deno.test("a group of rows has them where it says", () => {
  for (const { rows, holds } of x86Table().groups) {
    for (const { opcode, place: { map, byte, plusR } } of rows()) {
      for (let n = 0; n < (plusR ? 8 : 1); n++) assertEquals(holds(map, byte + n), true, opcode);
    }
  }
});

Deno.test("every row decodes what is made from it, in the width that was meant", () => {
  let state = 7;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff) / 2 ** 31;
  const i = new Insn(), table = x86Table(), missed: string[] = [];
  for (const row of table.rows) {
    let own = 0;
    for (const code of [16, 32, 64] as const) {
      if (code === 64 ? row.invalid64 : row.only64) continue;
      for (let n = 0; n < 20; n++) {
        const { bytes } = randomInstruction(row, code, random), outcome = table.decode(i, Uint8Array.from(bytes), 0, bytes.length, code);
        if (outcome !== OK || i.row !== row) continue;
        own++;
        assertEquals(i.length, bytes.length, `${row.opcode} ${row.syntax}: ${bytes}`);
      }
    }
    // At least some are not taken by a more specific row.
    if (own < 10) missed.push(`${row.opcode} ${row.syntax}`);
  }
  assertEquals(missed, []);
});

Deno.test("an instruction is the same whatever was decoded into the object before", () => {
  let state = 5;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff) / 2 ** 31;
  const used = new Insn(), table = x86Table();
  let compared = 0;
  for (let n = 0; n < 20; n++) {
    for (const row of table.rows) {
      for (const code of [16, 32, 64] as const) {
        if (code === 64 ? row.invalid64 : row.only64) continue;
        const bytes = Uint8Array.from(randomInstruction(row, code, random).bytes), fresh = new Insn();
        if (table.decode(used, bytes, 0, bytes.length, code) !== OK) continue;
        table.decode(fresh, bytes, 0, bytes.length, code);
        assertEquals(used, fresh, `${row.opcode} ${row.syntax}: ${bytes}`);
        compared++;
      }
    }
  }
  assertEquals(compared > 20_000, true);
});

Deno.test("16-bit code is 32-bit code with 66 and 67 the other way round", () => {
  let state = 11;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff) / 2 ** 31;
  const x = new Insn(), y = new Insn(), table = x86Table();
  const flip = (bytes: number[], prefix: number) => {
    let n = 0;
    while ([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(bytes[n])) n++;
    const head = bytes.slice(0, n), at = head.indexOf(prefix);
    return at < 0 ? [prefix, ...bytes] : [...head.filter((b) => b !== prefix), ...bytes.slice(n)];
  };
  let compared = 0;
  for (const row of table.rows) {
    if (row.only64 || row.prefix >= 0) continue;
    for (let n = 0; n < 10; n++) {
      const narrow = randomInstruction(row, 16, random).bytes, wide = flip(flip(narrow, 0x66), 0x67);
      if (table.decode(x, Uint8Array.from(narrow), 0, 15, 16) !== OK || x.row !== row || x.length !== narrow.length) continue;
      assertEquals(table.decode(y, Uint8Array.from(wide), 0, 15, 32), OK);
      assertEquals(disassemble(x, -x.length, 16), disassemble(y, -y.length, 32));
      compared++;
    }
  }
  assertEquals(compared > 3000, true);
});
