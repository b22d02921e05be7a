// JUnit XML as Jenkins' schema (junit-10.xsd of its xUnit plugin, which is Surefire's) has it: a suite for each file, a case for each test, flaky
// ones marked as Surefire marks them. Everything that Ant's schema demands is there, too.
import { type Attempt, lastOf, msOf, type Summary, type TestError, type TestResult, titleOf } from "./results.ts";
import { element, type Node } from "../xml.ts";

export interface JUnitSuite {
  readonly name: string;
  readonly timestamp: string;
  readonly hostname: string;
  readonly properties: readonly (readonly [name: string, value: string])[];
  readonly cases: readonly {
    readonly node: Node;
    readonly seconds: number;
    readonly outcome: "passed" | "failure" | "error" | "skipped";
  }[];
}

const seconds = (ms: number) => (ms / 1000).toFixed(3);

/** The document that tells of a run. */
export function junitOf({ results, started, shard }: Summary, hostname = "localhost"): string {
  const files: [string, TestResult[]][] = [...Map.groupBy(results, (r) => r.file)];
  // That this part has no tests is told, too.
  if (files.length === 0 && shard) files.push(["(no tests)", []]);
  return junitDocument(files.map(([file, of]) => ({
    name: file,
    timestamp: started.toISOString().slice(0, 19),
    hostname,
    properties: [
      ...shard ? [["shard", `${shard.index}/${shard.total}`] as const] : [],
      ...of.filter((r) => r.status === "flaky").map((r) => ["flaky", titleOf(r)] as const),
    ],
    cases: of.map((r) => ({ node: caseOf(r), seconds: msOf(r) / 1000, outcome: outcomeOf(r) })),
  })));
}

/** Suites as a document. */
export function junitDocument(suites: readonly JUnitSuite[]): string {
  const nodes = suites.map(({ name, timestamp, hostname, properties, cases }, id) => {
    const count = (outcome: string) => cases.filter((c) => c.outcome === outcome).length;
    const attributes = {
      name,
      package: "bringup",
      id,
      timestamp,
      hostname,
      tests: cases.length,
      failures: count("failure"),
      errors: count("error"),
      skipped: count("skipped"),
      time: seconds(cases.reduce((sum, c) => sum + c.seconds * 1000, 0)),
    };
    return element("testsuite", attributes, [
      element("properties", {}, properties.map(([name, value]) => element("property", { name, value }))),
      ...cases.map((c) => c.node),
      element("system-out", {}),
      element("system-err", {}),
    ]);
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element("testsuites", {}, nodes)}\n`;
}

function outcomeOf(result: TestResult): "passed" | "failure" | "error" | "skipped" {
  if (result.status === "skipped") return "skipped";
  return result.status !== "failed" ? "passed" : lastOf(result)?.error?.broken ? "error" : "failure";
}

function caseOf(result: TestResult): Node {
  const { attempts, status } = result, last = lastOf(result), before = attempts.slice(0, -1);
  const why = ({ type, message, text }: TestError, name: string) => element(name, { message, type }, text);
  const again = ({ error }: Attempt) => error ? [why(error, status === "flaky" ? "flakyFailure" : "rerunFailure")] : [];
  const output = attempts.map((a) => a.output).join("");
  return element("testcase", { name: titleOf(result), classname: result.file, time: seconds(msOf(result)) }, [
    ...status === "skipped" ? [element("skipped", {})] : [],
    ...last?.error ? [why(last.error, outcomeOf(result))] : [],
    ...before.flatMap(again),
    ...output ? [element("system-out", {}, output)] : [],
  ]);
}
