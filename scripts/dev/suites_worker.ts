// A worker of suites.ts: runs the tests that it is sent, one at a time.
import { runTest, type Test, type Tuning } from "./suites.ts";

const scope = self as unknown as { onmessage(event: MessageEvent<{ test: Test; tuning: Tuning }>): void; postMessage(data: unknown): void };
scope.onmessage = async ({ data: { test, tuning } }) => scope.postMessage(await runTest(test, tuning));
