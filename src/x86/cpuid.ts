// CPUID: named models as tables, and features by name. Intel SDM volume 2A (253666-083), CPUID; AMD64 volume 3 (24594), appendix E.
// "qemu64" is QEMU 7.2's of that name as TCG offers it, without SVM, which is not modelled.
import { ConfigError, didYouMean } from "../core/errors.ts";

/** EAX, EBX, ECX, EDX of a leaf. */
export type Leaf = readonly [number, number, number, number];
export interface CpuidModel {
  readonly name: string;
  /** Leaf 1's EAX, also EDX after reset: family, model, stepping. */
  readonly signature: number;
  /** By leaf, or by leaf and subleaf as "leaf.subleaf". */
  readonly leaves: Readonly<Record<string, Leaf>>;
}

/** XSAVE's component 9, the register PKRU: its bit, its size, and where the standard form has it (as QEMU 7.2 and processors with AVX-512). */
export const PKRU_STATE = 1 << 9, PKRU_BYTES = 8, PKRU_OFFSET = 2688;

/** Where a feature's bit is: leaf, register (0 EAX .. 3 EDX), bit. */
// deno-fmt-ignore
const FEATURES: Readonly<Record<string, readonly [leaf: string, register: number, bit: number]>> = {
  fpu: ["1", 3, 0], de: ["1", 3, 2], pse: ["1", 3, 3], tsc: ["1", 3, 4], msr: ["1", 3, 5], pae: ["1", 3, 6], mce: ["1", 3, 7],
  cx8: ["1", 3, 8], apic: ["1", 3, 9], sep: ["1", 3, 11], mtrr: ["1", 3, 12], pge: ["1", 3, 13], mca: ["1", 3, 14], cmov: ["1", 3, 15],
  pat: ["1", 3, 16], pse36: ["1", 3, 17], clflush: ["1", 3, 19], mmx: ["1", 3, 23], fxsr: ["1", 3, 24], sse: ["1", 3, 25], sse2: ["1", 3, 26],
  sse3: ["1", 2, 0], monitor: ["1", 2, 3], ssse3: ["1", 2, 9], cx16: ["1", 2, 13], pcid: ["1", 2, 17], "sse4.1": ["1", 2, 19], "sse4.2": ["1", 2, 20],
  x2apic: ["1", 2, 21], movbe: ["1", 2, 22], popcnt: ["1", 2, 23], "tsc-deadline": ["1", 2, 24], xsave: ["1", 2, 26], rdrand: ["1", 2, 30],
  hypervisor: ["1", 2, 31],
  fsgsbase: ["7", 1, 0], bmi1: ["7", 1, 3], smep: ["7", 1, 7], bmi2: ["7", 1, 8], erms: ["7", 1, 9], invpcid: ["7", 1, 10], rdseed: ["7", 1, 18],
  clflushopt: ["7", 1, 23], clwb: ["7", 1, 24], adx: ["7", 1, 19], smap: ["7", 1, 20], umip: ["7", 2, 2], pku: ["7", 2, 3], la57: ["7", 2, 16], rdpid: ["7", 2, 22],
  pks: ["7", 2, 31],
  xsaveopt: ["d.1", 0, 0], xsavec: ["d.1", 0, 1], xsaves: ["d.1", 0, 3],
  lahf_lm: ["80000001", 2, 0], abm: ["80000001", 2, 5], syscall: ["80000001", 3, 11], nx: ["80000001", 3, 20], pdpe1gb: ["80000001", 3, 26],
  rdtscp: ["80000001", 3, 27], lm: ["80000001", 3, 29],
};

export const FEATURE_NAMES: readonly string[] = Object.keys(FEATURES);

/** Bits of a list of features in one register. */
const mask = (leaf: string, register: number, names: string): number =>
  names.split(" ").filter((n) => FEATURES[n][0] === leaf && FEATURES[n][1] === register).reduce((m, n) => m | 1 << FEATURES[n][2], 0);

const MAX =
  "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 sse3 ssse3 cx16 pcid sse4.1 sse4.2 x2apic " +
  "movbe popcnt tsc-deadline xsave rdrand hypervisor fsgsbase bmi1 smep bmi2 erms invpcid rdseed clflushopt clwb adx smap umip pku pks la57 rdpid xsaveopt xsavec lahf_lm abm syscall " +
  "nx pdpe1gb rdtscp lm";
/** What AMD's leaf 0x8000_0001 repeats of leaf 1's EDX. */
const AMD_COMMON = 0x0183_f3ff;

const AMD = [0x6874_7541, 0x444d_4163, 0x6974_6e65] as const;
const QEMU64: Readonly<Record<string, Leaf>> = {
  "0": [0xd, ...AMD],
  "1": [0x60fb1, 0x800, 0x8000_2001, 0x078b_fbfd],
  "5": [0, 0, 3, 0],
  "b.0": [0, 1, 0x100, 0],
  "40000000": [0x4000_0001, 0x5447_4354, 0x4354_4743, 0x4743_5447],
  "80000000": [0x8000_000a, ...AMD],
  "80000001": [0x60fb1, 0, 1, 0x2193_fbfd],
  "80000002": [0x554d_4551, 0x7269_5620, 0x6c61_7574, 0x5550_4320],
  "80000003": [0x7265_7620, 0x6e6f_6973, 0x352e_3220, 0x2b],
  "80000005": [0x01ff_01ff, 0x01ff_01ff, 0x4002_0140, 0x4002_0140],
  "80000006": [0, 0x4200_4200, 0x0200_8140, 0x0080_8140],
  "80000008": [0x3028, 0, 0, 0],
};

export const MODELS: Readonly<Record<string, CpuidModel>> = {
  qemu64: { name: "qemu64", signature: 0x60fb1, leaves: QEMU64 },
  /** Everything that is modelled. */
  max: {
    name: "max",
    signature: 0x60fb1,
    get leaves(): Readonly<Record<string, Leaf>> {
      return {
        ...QEMU64,
        "1": [0x60fb1, 0x800, mask("1", 2, MAX), mask("1", 3, MAX)],
        "7": [0, mask("7", 1, MAX), mask("7", 2, MAX), 0],
        "d.0": [3, 576, 576, 0],
        "d.1": [mask("d.1", 0, MAX), 0, 0, 0],
        "80000001": [0x60fb1, 0, mask("80000001", 2, MAX), mask("80000001", 3, MAX) | (mask("1", 3, MAX) & AMD_COMMON)],
        "80000008": [0x3928, 0, 0, 0],
      };
    },
  },
};

/** @throws {ConfigError} no model of that name. */
export function modelByName(name: string): CpuidModel {
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (!model) throw new ConfigError(`no CPU model '${name}'${didYouMean(name, Object.keys(MODELS))}`, { key: "cpu.model" });
  return model;
}

/** A model with its adjustments. */
export class Features {
  readonly #leaves: Record<string, [number, number, number, number]> = {};
  /** The vendor is Intel: a few instructions differ. */
  readonly intel: boolean;

  /** @param changes "+name" or "-name" @throws {ConfigError} no feature of that name. */
  constructor(model: CpuidModel, changes: readonly string[]) {
    for (const [key, leaf] of Object.entries(model.leaves)) this.#leaves[key] = [...leaf];
    for (const change of changes) {
      const name = change.slice(1), place = Object.hasOwn(FEATURES, name) ? FEATURES[name] : undefined;
      if (!place) throw new ConfigError(`no CPU feature '${name}'${didYouMean(name, Object.keys(FEATURES))}`, { key: "cpu.features" });
      const leaf = this.#leaves[place[0]] ??= [0, 0, 0, 0], bit = 1 << place[2];
      leaf[place[1]] = change[0] === "+" ? leaf[place[1]] | bit : leaf[place[1]] & ~bit;
    }
    if (this.has("xsave")) this.#leaves["d.0"] ??= [3, 576, 576, 0];
    // The size of the compacted form.
    if (this.has("xsavec") || this.has("xsaves")) this.#leaves["d.1"][1] = 576;
    if (this.has("xsave") && this.has("pku")) {
      const [components] = this.#leaves["d.0"];
      this.#leaves["d.0"] = [components | PKRU_STATE, 576, PKRU_OFFSET + PKRU_BYTES, 0];
      this.#leaves["d.9"] = [PKRU_BYTES, PKRU_OFFSET, 0, 0];
    }
    this.intel = this.#leaves["0"][1] === 0x756e_6547;
  }

  has(name: string): boolean {
    const place = FEATURES[name];
    return place !== undefined && ((this.#leaves[place[0]]?.[place[1]] ?? 0) >> place[2] & 1) !== 0;
  }

  /** A leaf as the model has it; leaves beyond the last standard one read as the last one does on Intel's processors, else as zeros. */
  leaf(number: number, subleaf: number): Leaf {
    const key = number.toString(16);
    return this.#leaves[`${key}.${subleaf}`] ?? this.#leaves[key] ?? ZEROS;
  }
}
const ZEROS: Leaf = [0, 0, 0, 0];
