// The instruction set: all rows, and which of them a processor has by its CPUID features; each is read when its opcode is first met.
// SDM volume 2, "CPUID Feature Flag" of each instruction. What every model here has (fpu; LAHF in 64-bit mode) is not looked at.
import { FEATURE_NAMES } from "./cpuid.ts";
import { DecodeTable, RowGroup } from "./decode.ts";
import type { Row } from "./insn.ts";
import { alu } from "./isa/alu.ts";
import { bits } from "./isa/bits.ts";
import { control } from "./isa/control.ts";
import { mov } from "./isa/mov.ts";
import { sse } from "./isa/sse.ts";
import { stack } from "./isa/stack.ts";
import { strings } from "./isa/string.ts";
import { system } from "./isa/system.ts";
import { x87 } from "./isa/x87.ts";

/** Most programs know neither the x87 nor SIMD: those rows are not even made before one of their opcodes comes. */
const GROUPS: readonly RowGroup[] = [
  new RowGroup(() => [...alu, ...mov, ...stack, ...control, ...strings, ...bits, ...system], () => true),
  new RowGroup(sse, (map, byte) => map === 1 ? isSimd(byte) : map === 2 || map === 3),
  new RowGroup(x87, (map, byte) => map === 0 && byte >= 0xd8 && byte <= 0xdf),
];
/** Opcode bytes after 0F (SDM volume 2, table A-3). */
const isSimd = (byte: number): boolean =>
  byte >= 0x10 && byte <= 0x17 || byte >= 0x28 && byte <= 0x2f || byte >= 0x50 && byte <= 0x7f || byte >= 0xc2 && byte <= 0xc6 ||
  byte >= 0xd0;

const words = (text: string) => text.split(" ");
/** Features of instructions outside the floating-point and SIMD units, by mnemonic. */
const PLAIN: readonly (readonly [feature: string, mnemonics: string])[] = [
  ["cx8", "cmpxchg8b"],
  ["cx16", "cmpxchg16b"],
  ["movbe", "movbe"],
  ["popcnt", "popcnt"],
  ["abm", "lzcnt"],
  ["bmi1", "tzcnt andn blsr blsmsk blsi bextr"],
  ["bmi2", "bzhi pdep pext rorx sarx shlx shrx mulx"],
  ["adx", "adcx adox"],
  ["sse4.2", "crc32"],
  ["sse2", "movnti lfence mfence"],
  ["sse", "sfence"],
  ["tsc", "rdtsc"],
  ["rdtscp", "rdtscp"],
  ["rdpid", "rdpid"],
  ["rdrand", "rdrand"],
  ["rdseed", "rdseed"],
  ["msr", "rdmsr wrmsr"],
  ["sep", "sysenter sysexit"],
  ["syscall", "syscall sysret"],
  ["smap", "clac stac"],
  ["monitor", "monitor mwait"],
  ["pku", "rdpkru wrpkru"],
  ["fxsr", "fxsave fxrstor"],
  ["xsave", "xsave xrstor xgetbv xsetbv"],
  ["xsaveopt", "xsaveopt"],
  ["xsavec", "xsavec"],
  ["xsaves", "xsaves xrstors"],
  ["clflush", "clflush"],
  ["clflushopt", "clflushopt"],
  ["clwb", "clwb"],
  ["fsgsbase", "rdfsbase rdgsbase wrfsbase wrgsbase"],
  ["invpcid", "invpcid"],
  ["sse3", "fisttp"],
];
const BY_MNEMONIC = new Map(PLAIN.flatMap(([feature, mnemonics]) => words(mnemonics).map((m) => [m, feature])));
const SSE3 = new Set(words("addsubps addsubpd haddps haddpd hsubps hsubpd movddup movshdup movsldup lddqu"));
/** What SSE2 has without the 66 prefix or among the scalar forms of singles. */
const SSE2 = new Set(words(
  "movdqu movq pshufhw pshuflw cvtdq2pd cvtss2sd cvtps2pd cvtdq2ps cvttps2dq cvtpd2dq movq2dq movdq2q paddq psubq pmuludq cvtpi2pd cvttpd2pi cvtpd2pi",
));
const MMX_OF_SSE = new Set(
  words("pminub pmaxub pminsw pmaxsw pavgb pavgw pmulhuw psadbw movntq pmovmskb maskmovq pshufw pinsrw pextrw cvtpi2ps cvttps2pi cvtps2pi"),
);
const CMOV = /^(f?cmov|fu?comip?$)/,
  SSSE3 = /^(pshufb|phadd|phsub|pmaddubsw|psign|pmulhrsw|pabs|palignr)/,
  SSE42 = /^(pcmp[ei]str|pcmpgtq)/;

/** The CPUID feature (cpuid.ts) that an instruction belongs to; "" for what every processor has. */
export function featureOf(row: Row): string {
  const { mnemonic, unit, map, prefix } = row, plain = BY_MNEMONIC.get(mnemonic);
  if (plain) return plain;
  if (unit === "" || unit === "fpu" || unit === "fxsr") return CMOV.test(mnemonic) ? "cmov" : "";
  // 0F 38 and 0F 3A.
  if (map > 1) return SSSE3.test(mnemonic) ? "ssse3" : SSE42.test(mnemonic) ? "sse4.2" : "sse4.1";
  if (unit === "mmx") {
    // The names are also those of instructions on XMM registers.
    if (mnemonic === "movq") return "mmx";
    return SSE2.has(mnemonic) ? "sse2" : MMX_OF_SSE.has(mnemonic) ? "sse" : "mmx";
  }
  if (SSE3.has(mnemonic)) return "sse3";
  return prefix === 1 || prefix === 3 || SSE2.has(mnemonic) ? "sse2" : "sse";
}

const tables = new Map<string, DecodeTable>();
/** The table of the rows that a processor offers, of all rows without `features`; made at the first call. */
export function x86Table(features?: { has(name: string): boolean }): DecodeTable {
  const missing = features ? FEATURE_NAMES.filter((name) => !features.has(name)) : [], key = missing.join();
  let table = tables.get(key);
  if (!table) {
    const absent = new Set(missing);
    tables.set(key, table = new DecodeTable(GROUPS, absent.size ? (row) => !absent.has(featureOf(row)) : undefined));
  }
  return table;
}
