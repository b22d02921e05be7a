import * as a from "./assert.ts";

const cases: [name: string, passes: () => unknown, fails: () => unknown][] = [
  ["assert", () => a.assert(1), () => a.assert(0)],
  ["assertFalse", () => a.assertFalse(""), () => a.assertFalse("x")],
  [
    "assertEquals",
    () => a.assertEquals({ a: [1n, new Uint8Array([1])] }, { a: [1n, new Uint8Array([1])] }),
    () => a.assertEquals<unknown>({ a: 1 }, { a: "1" }),
  ],
  ["assertNotEquals", () => a.assertNotEquals<unknown>([1], [1n]), () => a.assertNotEquals([1], [1])],
  ["assertStrictEquals", () => a.assertStrictEquals(NaN, NaN), () => a.assertStrictEquals([], [])],
  ["assertNotStrictEquals", () => a.assertNotStrictEquals([], []), () => a.assertNotStrictEquals(1, 1)],
  ["assertAlmostEquals", () => a.assertAlmostEquals(0.1 + 0.2, 0.3), () => a.assertAlmostEquals(1, 1.1, 0.01)],
  ["fail", () => {}, () => a.fail("why")],
  ["unreachable", () => {}, () => a.unreachable("why")],
  ["assertExists", () => a.assertExists(0), () => a.assertExists(null)],
  ["assertInstanceOf", () => a.assertInstanceOf(new TypeError(), Error), () => a.assertInstanceOf({}, Error)],
  ["assertMatch", () => a.assertMatch("abc", /b/), () => a.assertMatch("abc", /d/)],
  ["assertNotMatch", () => a.assertNotMatch("abc", /d/), () => a.assertNotMatch("abc", /b/)],
  ["assertStringIncludes", () => a.assertStringIncludes("abc", "bc"), () => a.assertStringIncludes("abc", "cb")],
  ["assertArrayIncludes", () => a.assertArrayIncludes([1, { b: 2 }], [{ b: 2 }]), () => a.assertArrayIncludes([1], [2])],
  [
    "assertObjectMatch",
    () => a.assertObjectMatch({ a: { b: 1, c: 2 } }, { a: { b: 1 } }),
    () => a.assertObjectMatch({ a: 1 }, { b: undefined }),
  ],
  ["assertGreater", () => a.assertGreater(2n, 1n), () => a.assertGreater(1, 1)],
  ["assertGreaterOrEqual", () => a.assertGreaterOrEqual(1, 1), () => a.assertGreaterOrEqual(0, 1)],
  ["assertLess", () => a.assertLess(1, 2), () => a.assertLess(1, 1)],
  ["assertLessOrEqual", () => a.assertLessOrEqual(1, 1), () => a.assertLessOrEqual(2, 1)],
];

for (const [name, passes, fails] of cases) {
  Deno.test(name, () => {
    passes();
    let thrown: unknown;
    try {
      fails();
    } catch (e) {
      thrown = e;
    }
    if (!(thrown instanceof a.AssertionError)) throw new Error(`${name} did not throw an AssertionError`);
  });
}

Deno.test("assertThrows and assertRejects return the error and check its class and text", async () => {
  const boom = () => {
    throw new RangeError("too far");
  };
  a.assertEquals(a.assertThrows(boom, RangeError, "far").message, "too far");
  a.assertThrows(() => a.assertThrows(boom, TypeError), a.AssertionError, "TypeError");
  a.assertThrows(() => a.assertThrows(boom, RangeError, "near"), a.AssertionError, "near");
  a.assertThrows(() => a.assertThrows(() => 1), a.AssertionError, "to throw");
  a.assertEquals((await a.assertRejects(() => Promise.reject(new RangeError("x")), RangeError)).message, "x");
  await a.assertRejects(() => a.assertRejects(() => Promise.resolve(1)), a.AssertionError, "to reject");
  await a.assertRejects(() => a.assertRejects(boom), a.AssertionError, "throws when expected to reject");
});
