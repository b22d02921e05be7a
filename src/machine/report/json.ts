// A death report for programs: the facts as they are, addresses and other 64-bit values as texts ("0x80200000").
import type { DeathReport } from "./facts.ts";

/** Plain data, as JSON has it. */
export const reportData = (report: DeathReport): unknown => JSON.parse(reportJson(report));
export const reportJson = (report: DeathReport): string =>
  JSON.stringify(report, (_, value) => typeof value === "bigint" ? `0x${value.toString(16)}` : value, 2);
