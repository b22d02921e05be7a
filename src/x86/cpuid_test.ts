import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { Features, modelByName } from "./cpuid.ts";

Deno.test("qemu64 answers as QEMU 7.2's, but for SVM", () => {
  const f = new Features(modelByName("qemu64"), []);
  assertEquals(f.leaf(1, 0), [0x60fb1, 0x800, 0x8000_2001, 0x078b_fbfd]);
  assertEquals(f.leaf(0x8000_0001, 0), [0x60fb1, 0, 1, 0x2193_fbfd]);
  assertEquals(f.leaf(0x1234, 0), [0, 0, 0, 0]);
  assertEquals(["lm", "nx", "sse2", "cx16", "sse4.1", "smep", "la57"].map((n) => f.has(n)), [true, true, true, true, false, false, false]);
  assertEquals(f.intel, false);
});

Deno.test("features adjust a model", () => {
  const f = new Features(modelByName("qemu64"), ["+fsgsbase", "+la57", "-nx", "+xsave"]);
  assertEquals([f.leaf(7, 0)[1] & 1, f.leaf(7, 0)[2] >> 16 & 1, f.leaf(0x8000_0001, 0)[3] >> 20 & 1, f.leaf(13, 0)[1]], [1, 1, 0, 576]);
  assert(f.has("fsgsbase") && !f.has("nx"));
  // The model itself is as it was.
  assert(new Features(modelByName("qemu64"), []).has("nx"));
});

Deno.test("PKRU is a component of XSAVE's area where both are offered, of the compacted form as well", () => {
  const leaves = (model: string, changes: string[]) => {
    const f = new Features(modelByName(model), changes);
    return [f.leaf(7, 0)[2] >>> 3 & 1, f.leaf(7, 0)[2] >>> 31, f.leaf(13, 0)[0], f.leaf(13, 0)[2], f.leaf(13, 1)[1], f.leaf(13, 9)[0]];
  };
  assertEquals(leaves("max", []), [1, 1, 0x203, 2696, 576, 8]);
  assertEquals(leaves("max", ["-pku"]), [0, 1, 3, 576, 576, 0]);
  assertEquals(leaves("qemu64", []), [0, 0, 0, 0, 0, 0]);
  assertEquals(leaves("qemu64", ["+pku", "+pks"]), [1, 1, 0, 0, 0, 0]);
  assertEquals(leaves("qemu64", ["+pku", "+xsave"]), [1, 0, 0x203, 2696, 0, 8]);
  assertEquals(leaves("qemu64", ["+xsave", "+xsavec"]), [0, 0, 3, 576, 576, 0]);
});

Deno.test("max has every feature in its leaves, those of AMD's extended leaf included", () => {
  const f = new Features(modelByName("max"), []);
  assert(["smep", "smap", "pdpe1gb", "rdrand", "bmi2", "xsavec", "la57", "umip"].every((n) => f.has(n)));
  assertEquals(f.leaf(0x8000_0001, 0)[3] & 0x0183_f3ff, f.leaf(1, 0)[3] & 0x0183_f3ff);
});

Deno.test("wrong names are mistakes of the machine file, with a suggestion", () => {
  assertThrows(() => modelByName("qemu46"), ConfigError, "cpu.model: no CPU model 'qemu46' (did you mean 'qemu64'?)");
  assertThrows(
    () => new Features(modelByName("max"), ["-smepp"]),
    ConfigError,
    "cpu.features: no CPU feature 'smepp' (did you mean 'smep'?)",
  );
});
