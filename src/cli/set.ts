// `--set KEY=VALUE`, given any number of times.
import { ConfigError } from "../core/errors.ts";

/** Overrides by key path. @throws {ConfigError} not KEY=VALUE, or a key is set twice. */
export function parseSet(pairs: readonly string[]): Record<string, unknown> {
  const set: Record<string, unknown> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0) throw new ConfigError(`--set ${pair}: expected KEY=VALUE, such as memory.dram.size=2GiB`);
    const key = pair.slice(0, at);
    if (Object.hasOwn(set, key)) throw new ConfigError(`--set: ${key} is set twice`);
    set[key] = pair.slice(at + 1);
  }
  return set;
}
