// What the decoder makes of every opcode of each map, with and without a mandatory prefix, in code of 16, 32 and 64 bits, against objdump: where
// each instruction ends, and its name. All that the decoder knows is written one behind the other, so that one wrong length shifts all that follows.
import { assert, assertEquals } from "@std/assert";
import { OK } from "./decode.ts";
import { Insn } from "./insn.ts";
import { x86Table } from "./instruction_set.ts";

const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]], PREFIXES = [[], [0x66], [0xf2], [0xf3]];
/** Each register field with memory of every displacement, and with a register. */
const MODRM = Array.from({ length: 8 }, (_, r) => [r << 3 | 6, 0x44 | r << 3, 0x81 | r << 3, 0xc0 | r << 3 | (r + 3 & 7)]).flat();
const PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
const TAIL = [0x25, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08, 0, 0];
const MACHINE = { 16: "i8086", 32: "i386", 64: "i386:x86-64" } as const;
/** FWAIT, which objdump shows with what follows; NOPs that have become something else; fences with any number; what is bad with 66. */
const LEFT_OUT = /^fwait|^nop Ev|^[lms]fence|^(rdrand|rdseed)/;
/** Where names differ: by the size of an operand behind ours or theirs, and these. */
const SAME: Readonly<Record<string, string>> = {
  sal: "shl",
  cwd: "cdq cqo",
  cbw: "cwde cdqe",
  mov: "movabs",
  jcxz: "jecxz jrcxz",
  jmpf: "jmp",
  callf: "call",
  xchg: "nop",
  prefetchw: "prefetch prefetchwt1",
  prefetch: "prefetchnta prefetcht0 prefetcht1 prefetcht2 nop",
};

/** What objdump calls bad: encodings that processors have and manuals do not, and a 66 that means nothing. */
const UNDOCUMENTED = /^(salc|fstpnce|fcomp?|fxch|fstp|wbinvd|movbe|bs[fr])$/;

function installed(): boolean {
  try {
    return new Deno.Command("objdump", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

const sameName = (ours: string, theirs: string): boolean =>
  [ours, ...SAME[ours]?.split(" ") ?? []].includes(theirs) || theirs.replace(/[wdq]$/, "") === ours || theirs === ours.replace(/b$/, "") ||
  theirs === "(bad)" && UNDOCUMENTED.test(ours);

for (const code of [16, 32, 64] as const) {
  Deno.test({
    name: `every opcode has objdump's length and name in ${code}-bit code`,
    ignore: !installed(),
    fn() {
      const table = x86Table(), insn = new Insn(), starts = new Map<number, string>(), bytes: number[] = [], wrong: string[] = [];
      for (const map of MAPS) {
        for (let byte = 0; byte < 256; byte++) {
          // A prefix would go on with what follows.
          if (map.length === 0 && (PREFIX.includes(byte) || code === 64 && (byte & 0xf0) === 0x40)) continue;
          for (const prefix of PREFIXES) {
            for (const modrm of MODRM) {
              const one = Uint8Array.from([...prefix, ...map, byte, modrm, ...TAIL]);
              if (table.decode(insn, one, 0, one.length, code) !== OK) continue;
              const { row, length } = insn;
              if (LEFT_OUT.test(row.syntax) || prefix[0] > 0x66 && row.prefix < 0) continue;
              starts.set(bytes.length, row.mnemonic);
              bytes.push(...one.subarray(0, length));
            }
          }
        }
      }
      const file = Deno.makeTempFileSync();
      try {
        Deno.writeFileSync(file, Uint8Array.from(bytes));
        const args = ["-D", "-b", "binary", "-m", MACHINE[code], "-M", "intel,intel64", "-w", "--no-show-raw-insn", file];
        for (const line of new TextDecoder().decode(new Deno.Command("objdump", { args }).outputSync().stdout).split("\n")) {
          const [, at, text] = /^\s*([0-9a-f]+):\t(.*)$/.exec(line) ?? [];
          if (at === undefined) continue;
          const theirs =
            text.replace(/^((rep|repz|repnz|data16|data32|addr32|addr16|xacquire|xrelease|[cdefgs]s|rex\.\w+) )*/, "").split(" ")[0];
          const ours = starts.get(parseInt(at, 16));
          starts.delete(parseInt(at, 16));
          if (ours === undefined) wrong.push(`an instruction begins at ${at}: ${text}`);
          else if (!sameName(ours, theirs)) wrong.push(`${ours} is ${text}`);
        }
      } finally {
        Deno.removeSync(file);
      }
      assertEquals(wrong.slice(0, 8), []);
      assertEquals([...starts.values()].slice(0, 8), [], "begins where nothing begins");
      assert(bytes.length > 100_000, `${bytes.length}`);
    },
  });
}
