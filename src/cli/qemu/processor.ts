// -cpu: the model and the features of the machine file's processor. Sources: QEMU 7.2, docs/system/cpu-models-x86.rst.inc; what `-cpu help` and
// `-device rv64-riscv-cpu,help` list.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import type { QemuLine } from "./line.ts";
import { isOn, properties } from "./syntax.ts";

/** What the processors here can have: the features of src/x86/cpuid.ts, the extensions of src/riscv/instruction_set.ts. */
export const FEATURES =
  ("fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 sse3 monitor ssse3 cx16 pcid " +
    "sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline xsave rdrand hypervisor fsgsbase bmi1 smep bmi2 erms invpcid rdseed clflushopt clwb adx smap umip pku " +
    "la57 rdpid pks xsaveopt xsavec xsaves lahf_lm abm syscall nx pdpe1gb rdtscp lm").split(" ");
export const EXTENSIONS =
  ("i m a f d c b zicbom zicbop zicboz zicntr zicond zicsr zifencei zihintntl zihintpause zihpm zmmul zawrs zfa zfh zfhmin zca zcb zcd " +
    "zcf zba zbb zbc zbkb zbkx zbs sstc svade svadu svinval svnapot svpbmt").split(" ");

/** Models without SSE4: they have what qemu64 has, with these changes. */
const OLD: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    ["486", "pentium", "pentium2", "pentium3", "athlon", "coreduo", "n270", "qemu32", "kvm32"].map((m) => [m, ["-lm"]]),
  ),
  ...Object.fromEntries(["qemu64", "kvm64", "base", "phenom", "Opteron_G1", "Opteron_G2", "Opteron_G3"].map((m) => [m, []])),
  ...Object.fromEntries(["core2duo", "Conroe"].map((m) => [m, ["+ssse3"]])),
  Penryn: ["+ssse3", "+sse4.1"],
};
/** Those that have more: all that is modelled here is theirs. */
const NEW = [
  "max",
  "host",
  "Nehalem",
  "Westmere",
  "SandyBridge",
  "IvyBridge",
  "Haswell",
  "Broadwell",
  "Skylake-Client",
  "Skylake-Server",
  "Cascadelake-Server",
  "Cooperlake",
  "Icelake-Client",
  "Icelake-Server",
  "SapphireRapids",
  "Snowridge",
  "KnightsMill",
  "Denverton",
  "Dhyana",
  "EPYC",
  "EPYC-Rome",
  "EPYC-Milan",
  "EPYC-Genoa",
  "Opteron_G4",
  "Opteron_G5",
];
/** Those that are what they are called. */
const SAME = ["qemu64", "base", "max"];

/** Properties of a processor that no guest here sees. */
const NOTHING = [
  "check",
  "enforce",
  "migratable",
  "kvm",
  "hv",
  "l3-cache",
  "topoext",
  "host-phys-bits",
  "host-phys-bits-limit",
  "host-cache-info",
  "pmu",
  "vendor",
  "family",
  "model",
  "stepping",
  "model-id",
  "tsc-frequency",
  "phys-bits",
  "level",
  "xlevel",
  "min-level",
  "fill-mtrr-mask",
  "cpuid",
  "legacy-cache",
  "full-cpuid-auto-level",
  "lmce",
  "xd",
  "invtsc",
  "vmware-cpuid-freq",
];
/** QEMU's names for what has another one here. */
const SPELLED: Readonly<Record<string, string>> = {
  pni: "sse3",
  "sse4_1": "sse4.1",
  "sse4_2": "sse4.2",
  "lahf-lm": "lahf_lm",
  lzcnt: "abm",
  "tsc_deadline": "tsc-deadline",
  i64: "lm",
};
/** What QEMU knows and is not here. */
const ABSENT =
  ("3dnow 3dnowext 3dnowprefetch acpi aes amd-ssbd apic arat arch-capabilities avic avx avx-vnni avx2 avx512bw avx512cd avx512dq avx512f avx512vl avx512vbmi avx512vnni " +
    "cldemote clzero cmp-legacy cr8legacy ds ds-cpl dtes64 est extapic f16c fma fma4 fsrm fxsr-opt gfni hle ht ibpb ibrs ibs intel-pt invtsc lbrv lwp mds-no md-clear misalignsse mmxext mpx " +
    "npt nrip-save osvw pbe pclmulqdq pdcm perfctr-core perfctr-nb prefetchw rdctl-no rtm sha-ni skinit spec-ctrl ss ssb-no ssbd sse4a stibp svm tbm tm tm2 tsc-adjust vaes vgif virt-ssbd vme vmx vpclmulqdq waitpkg " +
    "wbnoinvd wdt xgetbv1 xop xsaveerptr xtpr").split(" ");

export function processor(line: QemuLine, isa: () => string): void {
  const text = line.last("cpu");
  if (line.family === "x86") return x86(line, text ?? (line.target === "i386" ? "qemu32" : "qemu64"), text !== undefined);
  const globals = line.all("global").flatMap(({ value }) => {
    const { driver, property, value: set = "" } = properties(value, ""), [, short] = /^riscv-cpu\.(.*)$/s.exec(value) ?? [];
    return driver === "riscv-cpu" && property ? [`${property}=${set}`] : short ? [short] : [];
  });
  if (text !== undefined || globals.length) {
    line.reading(`-cpu ${text ?? "riscv-cpu"}`, () => riscv(line, [text ?? "max", ...globals], isa()));
  }
}

function x86(line: QemuLine, text: string, given: boolean): void {
  const [model = "", ...changes] = text.split(",").filter(Boolean), plain = model.replace(/-v\d+$|-noTSX.*$|-IBRS$|-IBPB$/, "");
  const old = Object.hasOwn(OLD, plain) ? OLD[plain] : undefined;
  if (!old && !NEW.includes(plain)) {
    throw new ConfigError(`-cpu ${text}: there is no such processor${didYouMean(plain, [...Object.keys(OLD), ...NEW])}`);
  }
  const features = [...old ?? []], ours = old ? "qemu64" : "max";
  if (given && !SAME.includes(plain)) {
    line.say(`named processors are not there yet: it has the features of '${[ours, ...features].join(",")}'`, `-cpu ${plain}`);
  }
  for (const change of changes) {
    const [, sign, name, value] = /^([+-]?)([^=]+)(?:=(.*))?$/s.exec(change)!, on = sign ? sign === "+" : isOn(value, true);
    const known = Object.hasOwn(SPELLED, name) ? SPELLED[name] : name;
    if (FEATURES.includes(known)) features.push(`${on ? "+" : "-"}${known}`);
    else if (ABSENT.includes(known) || known.startsWith("vmx-") || known.startsWith("avx512")) {
      if (on) line.say("the processor does not have that", `-cpu ${sign}${name}`);
    } else if (!NOTHING.includes(name) && !/^(hv|kvm|amx|sgx)-/.test(name)) {
      throw new ConfigError(`-cpu ${text}: there is no feature '${name}'${didYouMean(name, [...FEATURES, ...ABSENT, ...NOTHING])}`);
    }
  }
  if (ours !== "qemu64") line.set.set("cpu.model", ours);
  if (features.length) line.set.set("cpu.features", [...new Set(features)]);
}

/** Properties of a hart that are no extensions. */
const HART: Readonly<Record<string, (line: QemuLine, value: string) => void>> = {
  ...Object.fromEntries(
    [
      "pmp",
      "debug",
      "priv_spec",
      "vext_spec",
      "vlen",
      "elen",
      "pmu-num",
      "pmu-mask",
      "short-isa-string",
      "rvv_ta_all_1s",
      "rvv_ma_all_1s",
      "cbom_blocksize",
      "cboz_blocksize",
      "cbop_blocksize",
      "u",
      "s",
      "ssaia",
      "x-smaia",
      "x-ssaia",
      "smaia",
    ].map((n) => [n, () => {}]),
  ),
  mmu: (line, value) => isOn(value) || line.set.set("cpu.mmu", "bare"),
  resetvec: (line, value) => line.set.set("cpu.reset", value),
  ...Object.fromEntries(
    ["mvendorid", "marchid", "mimpid"].map((n) => [n, (line: QemuLine, value: string) => line.set.set(`cpu.${n}`, value)]),
  ),
  ...Object.fromEntries(
    ["sv32", "sv39", "sv48", "sv57"].map((n) => [n, (line: QemuLine, value: string) => isOn(value) && line.set.set("cpu.mmu", n)]),
  ),
};
const HARTS = [
  "rv64",
  "rv32",
  "max",
  "any",
  "rv64i",
  "rv32i",
  "lowrisc-ibex",
  "shakti-c",
  "sifive-e31",
  "sifive-e34",
  "sifive-e51",
  "sifive-u34",
  "sifive-u54",
  "thead-c906",
  "veyron-v1",
];
/** QEMU 7.2 and later have these as well. */
const ABSENT_EXTENSIONS =
  ("e h v j zve32f zve64f zve64d zvfh zkr zk zkn zknd zkne zknh zks zksed zksh zkt zbkc zdinx zfinx zhinx zhinxmin zacas zaamo zalrsc zabha zic64b zimop zcmop zce zcmp zcmt " +
    "smepmp x-epmp sscofpmf smstateen ssnpm svvptc xventanacondops zama16b zicfilp zicfiss zvkb zvbb zvbc zvkg zvkned zvksh").split(" ");

function riscv(line: QemuLine, texts: readonly string[], isa: string): void {
  const [model = "", ...changes] = texts.join(",").split(",").filter(Boolean);
  if (!HARTS.includes(model)) throw new ConfigError(`there is no such processor${didYouMean(model, HARTS)}`);
  if (!/^(rv|max|any)/.test(model)) line.say("named processors are not there yet: it is the board's", `-cpu ${model}`);
  const [base, ...long] = isa.split("_"),
    names = [...base.slice(4).replace("g", "imafd"), ...base.includes("g") ? ["zicsr", "zifencei"] : [], ...long];
  const wanted = new Set(names);
  for (const change of changes) {
    const [, sign, given, value] = /^([+-]?)([^=]+)(?:=(.*))?$/s.exec(change)!, name = given.toLowerCase();
    const on = sign ? sign === "+" : isOn(value, true);
    if (Object.hasOwn(HART, name)) HART[name](line, value ?? "on");
    else if (name === "g") G.forEach((one) => on && wanted.add(one));
    else if (ABSENT_EXTENSIONS.includes(name)) {
      if (on) line.say("the processor does not have that", `-cpu ${given}`);
    } else if (!EXTENSIONS.includes(name)) {
      throw new ConfigError(
        `there is no property '${given}'${didYouMean(name, [...Object.keys(HART), ...ABSENT_EXTENSIONS, ...EXTENSIONS])}`,
      );
    } else if (on) wanted.add(name);
    else wanted.delete(name);
  }
  if (wanted.size === names.length && names.every((n) => wanted.has(n))) return;
  const all = [...wanted], letters = all.filter((n) => n.length === 1).join("");
  line.set.set("cpu.isa", [base.slice(0, 4) + letters, ...all.filter((n) => n.length > 1)].join("_"));
}
const G = ["i", "m", "a", "f", "d", "zicsr", "zifencei"];

/** Those that -cpu takes. */
export const processorNames = (family: QemuLine["family"]): readonly string[] => family === "riscv" ? HARTS : [...Object.keys(OLD), ...NEW];
