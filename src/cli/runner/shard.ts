// Which part of the tests is run here: `--shard I/N`, or what a CI system or batch engine tells the machines among which it divides a job.
import { ConfigError } from "../../core/errors.ts";
import type { Shard } from "./results.ts";

/** How an engine says which machine this is, and of how many. */
interface Engine {
  readonly name: string;
  readonly index: string;
  readonly total: string;
  /** The number of the first machine; or the variable that holds it. */
  readonly first: number | string;
  /** The variable that holds by how much the number of the next one is higher; else it is 1. */
  readonly step?: string;
}

/** Ours, where an engine has no variables, or others than are meant. */
const OWN: Engine = { name: "BRINGUP_SHARD_INDEX", index: "BRINGUP_SHARD_INDEX", total: "BRINGUP_SHARD_TOTAL", first: 0 };

export const ENGINES: readonly Engine[] = [
  { name: "GitLab", index: "CI_NODE_INDEX", total: "CI_NODE_TOTAL", first: 1 },
  { name: "CircleCI", index: "CIRCLE_NODE_INDEX", total: "CIRCLE_NODE_TOTAL", first: 0 },
  { name: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", total: "BUILDKITE_PARALLEL_JOB_COUNT", first: 0 },
  { name: "Azure Pipelines", index: "SYSTEM_JOBPOSITIONINPHASE", total: "SYSTEM_TOTALJOBSINPHASE", first: 1 },
  { name: "Bitbucket", index: "BITBUCKET_PARALLEL_STEP", total: "BITBUCKET_PARALLEL_STEP_COUNT", first: 0 },
  { name: "Semaphore", index: "SEMAPHORE_JOB_INDEX", total: "SEMAPHORE_JOB_COUNT", first: 1 },
  {
    name: "Slurm",
    index: "SLURM_ARRAY_TASK_ID",
    total: "SLURM_ARRAY_TASK_COUNT",
    first: "SLURM_ARRAY_TASK_MIN",
    step: "SLURM_ARRAY_TASK_STEP",
  },
  { name: "AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", total: "AWS_BATCH_JOB_ARRAY_SIZE", first: 0 },
  // It does not tell how many there are: the manifest does.
  { name: "Kubernetes", index: "JOB_COMPLETION_INDEX", total: OWN.total, first: 0 },
];

type Variables = Readonly<Record<string, string | undefined>>;

/** The part that `--shard` names. @throws {ConfigError} it names none. */
export function parseShard(text: string, env: Variables): Shard {
  if (text === "auto") return automatic(env);
  const [, index, total] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [], shard = { index: Number(index), total: Number(total) };
  if (index === undefined || shard.index < 1 || shard.index > shard.total) {
    throw new ConfigError(`--shard: expected I/N with I from 1 to N, such as 2/4, or auto; got '${text}'`);
  }
  return shard;
}

function automatic(env: Variables): Shard {
  if (env[OWN.index]) return shardOf(OWN, env);
  const there = ENGINES.filter((e) => env[e.index]).map((engine) => ({ engine, shard: shardOf(engine, env) }));
  // Some engines always say that there is one machine, and inside of one there may be another.
  const several = there.filter(({ shard }) => shard.total > 1);
  if (several.length > 1) {
    const said = several.map(({ engine, shard }) => `${engine.name} says ${shard.index}/${shard.total}`).join(" and ");
    throw new ConfigError(`--shard auto: ${said}; set ${OWN.index} (from 0) and ${OWN.total}, or give --shard I/N`);
  }
  const found = (several[0] ?? there[0])?.shard;
  if (found) return found;
  // GitLab has no index where a job is not divided.
  if (ENGINES.some((e) => env[e.total] === "1")) return { index: 1, total: 1 };
  throw new ConfigError(
    `--shard auto: nothing says which part this is: neither ${OWN.index} and ${OWN.total} are set nor the variables of ${
      ENGINES.map((e) => e.name).join(", ")
    }`,
  );
}

function shardOf(engine: Engine, env: Variables): Shard {
  const number = (name: string) => {
    const text = env[name];
    if (text === undefined || text === "") {
      throw new ConfigError(
        `--shard auto: ${engine.index} is set, but not ${name}, which says ${
          name === engine.total ? "of how many" : "what the first one is"
        }`,
      );
    }
    if (!/^\d{1,9}$/.test(text)) throw new ConfigError(`--shard auto: ${name} is '${text}': expected a number`);
    return Number(text);
  };
  const total = number(engine.total), first = typeof engine.first === "number" ? engine.first : number(engine.first);
  const step = engine.step !== undefined && env[engine.step] ? number(engine.step) : 1, at = (number(engine.index) - first) / step;
  if (!Number.isInteger(at) || at < 0 || at >= total) {
    throw new ConfigError(
      `--shard auto: ${engine.index} is ${
        env[engine.index]
      }, which is none of the ${total} that ${engine.total} tells of, from ${first} on${step === 1 ? "" : ` by ${step}`}`,
    );
  }
  return { index: at + 1, total };
}

/**
 * The part of all tests that belongs to a shard. All have been sorted alike everywhere: parts follow each other, so that a file's tests stay
 * together where they can, are of equal length but for one, and make up the whole.
 */
export function partOf<T>(all: readonly T[], { index, total }: Shard): T[] {
  const from = (n: number) => Math.floor(n * all.length / total);
  return all.slice(from(index - 1), from(index));
}
