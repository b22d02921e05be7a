// Assertions for the tests and scenario scripts: the part of JSR's @std/assert (1.0) that this project uses, with the same names, argument
// order and meaning, over node:assert, so that a fresh clone tests without a JSR registry. Not here: snapshots, `equal`'s rule that +0 and
// -0 are equal (they differ here, as in Object.is).
import nodeAssert from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";

/** Thrown by every assertion of this file. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

// deno-lint-ignore no-explicit-any
type Class<T = unknown> = abstract new (...args: any[]) => T;

const tail = (msg?: string) => msg ? `: ${msg}` : ".";
const show = (v: unknown) => inspect(v, { depth: 6, maxStringLength: 2000 });

function check(ok: boolean, message: () => string): asserts ok {
  if (!ok) throw new AssertionError(message());
}

/** True when two values are structurally the same. */
export function equal(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}

/** @throws {AssertionError} `expr` is falsy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  check(!!expr, () => msg);
}

/** @throws {AssertionError} `expr` is truthy. */
export function assertFalse(expr: unknown, msg = ""): void {
  check(!expr, () => msg);
}

/** @throws {AssertionError} the values are not structurally equal; the message holds a diff. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  let diff = "";
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (e) {
    diff = (e as Error).message;
  }
  throw new AssertionError(`Values are not equal${tail(msg)}\n${diff}`);
}

/** @throws {AssertionError} the values are structurally equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  check(!equal(actual, expected), () => `Expected actual: ${show(actual)} not to be: ${show(expected)}${tail(msg)}`);
}

/** @throws {AssertionError} the values are not the same (Object.is). */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  check(
    Object.is(actual, expected),
    () => `Values are not strictly equal${tail(msg)}\n  actual:   ${show(actual)}\n  expected: ${show(expected)}`,
  );
}

/** @throws {AssertionError} the values are the same (Object.is). */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  check(!Object.is(actual, expected), () => `Expected "actual" to not be strictly equal to: ${show(actual)}${tail(msg)}`);
}

/** @throws {AssertionError} the numbers are further apart than `tolerance` (default: 1e-7 of `expected`). */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const limit = tolerance ?? (isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  check(
    Math.abs(expected - actual) <= limit,
    () => `Expected actual: ${actual} to be close to ${expected}: delta is greater than ${limit}${tail(msg)}`,
  );
}

/** @throws {AssertionError} the value is null or undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  check(actual !== undefined && actual !== null, () => `Expected actual: "${actual}" to not be null or undefined${tail(msg)}`);
}

/** @throws {AssertionError} the value is not an instance of the class. */
export function assertInstanceOf<T extends Class>(actual: unknown, expectedType: T, msg = ""): asserts actual is InstanceType<T> {
  check(
    actual instanceof expectedType,
    () => `Expected object to be an instance of "${expectedType.name}" but was ${show(actual)}${tail(msg)}`,
  );
}

/** @throws {AssertionError} not an Error, or not of that class, or its message lacks the text. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Class<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  check(error instanceof Error, () => `Expected "error" to be an Error object${tail(msg)} Got ${show(error)}`);
  check(
    !ErrorClass || error instanceof ErrorClass,
    () =>
      `Expected error to be instance of "${ErrorClass!.name}", but was "${error.constructor.name}"${
        tail(msg)
      } Its message: ${error.message}`,
  );
  if (msgMatches === undefined) return;
  const ok = typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches.test(error.message);
  check(ok, () => `Expected error message to include ${show(msgMatches)}, but got ${show(error.message)}${tail(msg)}`);
}

/** The two forms of arguments: (msg) or (ErrorClass, msgIncludes, msg). */
function throwArgs(first?: Class<Error> | string, msgIncludes?: string, msg?: string) {
  return typeof first === "function" ? { ErrorClass: first, msgIncludes, msg } : { msg: first };
}

function checkThrown(thrown: unknown, { ErrorClass, msgIncludes, msg }: ReturnType<typeof throwArgs>): unknown {
  if (ErrorClass) assertIsError(thrown, ErrorClass, msgIncludes, msg);
  return thrown;
}

/** Runs `fn` and returns what it threw. @throws {AssertionError} it did not throw, or not an error of that class and text. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(fn: () => unknown, ErrorClass: Class<E>, msgIncludes?: string, msg?: string): E;
export function assertThrows(fn: () => unknown, first?: Class<Error> | string, msgIncludes?: string, msg?: string): unknown {
  const args = throwArgs(first, msgIncludes, msg);
  try {
    fn();
  } catch (e) {
    return checkThrown(e, args);
  }
  throw new AssertionError(`Expected function to throw${tail(args.msg)}`);
}

/**
 * Awaits `fn` and returns what it rejected with. @throws {AssertionError} it did not reject, threw synchronously, or with another
 * error.
 */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  first?: Class<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const args = throwArgs(first, msgIncludes, msg);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (e) {
    throw new AssertionError(`Function throws when expected to reject${tail(args.msg)}`, { cause: e });
  }
  try {
    await promise;
  } catch (e) {
    return checkThrown(e, args);
  }
  throw new AssertionError(`Expected function to reject${tail(args.msg)}`);
}

/** @throws {AssertionError} the text does not match. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  check(expected.test(actual), () => `Expected actual: "${actual}" to match: "${expected}"${tail(msg)}`);
}

/** @throws {AssertionError} the text matches. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  check(!expected.test(actual), () => `Expected actual: "${actual}" to not match: "${expected}"${tail(msg)}`);
}

/** @throws {AssertionError} the text does not contain the other. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  check(actual.includes(expected), () => `Expected actual: "${actual}" to contain: "${expected}"${tail(msg)}`);
}

/** @throws {AssertionError} one of the `expected` elements is not in the array. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void {
  const missing = Array.from(expected).filter((e) => !Array.from(actual).some((a) => equal(a, e)));
  check(missing.length === 0, () => `Expected actual: ${show(actual)} to include: ${show(expected)}${tail(msg)} missing: ${show(missing)}`);
}

/** @throws {AssertionError} `actual` lacks a property of `expected`, or it differs; nested objects are compared the same way. */
export function assertObjectMatch(actual: Record<PropertyKey, unknown>, expected: Record<PropertyKey, unknown>, msg?: string): void {
  const matches = (a: unknown, e: unknown): boolean => {
    if (typeof e !== "object" || e === null || typeof a !== "object" || a === null || Object.getPrototypeOf(e) !== Object.prototype) {
      return equal(a, e);
    }
    return Reflect.ownKeys(e).every((k) => Reflect.has(a, k) && matches(Reflect.get(a, k), Reflect.get(e, k)));
  };
  check(matches(actual, expected), () => `Expected actual: ${show(actual)} to match: ${show(expected)}${tail(msg)}`);
}

/** @throws {AssertionError} `actual > expected` does not hold. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  check(actual > expected, () => `Expect ${show(actual)} > ${show(expected)}${tail(msg)}`);
}

/** @throws {AssertionError} `actual >= expected` does not hold. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  check(actual >= expected, () => `Expect ${show(actual)} >= ${show(expected)}${tail(msg)}`);
}

/** @throws {AssertionError} `actual < expected` does not hold. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  check(actual < expected, () => `Expect ${show(actual)} < ${show(expected)}${tail(msg)}`);
}

/** @throws {AssertionError} `actual <= expected` does not hold. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  check(actual <= expected, () => `Expect ${show(actual)} <= ${show(expected)}${tail(msg)}`);
}

/** @throws {AssertionError} always. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${tail(msg)}`);
}

/** @throws {AssertionError} always: the caller's code should not come here. */
export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable${tail(msg)}`);
}
