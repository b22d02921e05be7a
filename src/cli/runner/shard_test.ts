import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { ENGINES, parseShard, partOf } from "./shard.ts";

Deno.test("parts are disjoint, make up the whole in its order, and differ by one at most; a part is the same wherever it is taken", () => {
  for (let n = 0; n <= 60; n++) {
    const all = Array.from({ length: n }, (_, i) => `test ${i}`);
    for (let total = 1; total <= 70; total++) {
      const parts = Array.from({ length: total }, (_, i) => partOf(all, { index: i + 1, total }));
      assertEquals(parts.flat(), all, `${n} in ${total}`);
      const lengths = parts.map((p) => p.length);
      assertEquals(Math.max(...lengths) - Math.min(...lengths) <= 1, true, `${n} in ${total}: ${lengths}`);
    }
  }
  assertEquals(partOf(["a", "b", "c", "d"], parseShard("2/2", {})), ["c", "d"]);
});

Deno.test("a shard is I/N with I from 1 to N", () => {
  assertEquals(parseShard("1/1", {}), { index: 1, total: 1 });
  assertEquals(parseShard("4/4", {}), { index: 4, total: 4 });
  for (const text of ["", "0/4", "5/4", "1", "1/0", "a/b", "1/2/3", "-1/2", "1.5/2", " 1/2", "AUTO"]) {
    assertThrows(() => parseShard(text, {}), ConfigError, `--shard: expected I/N with I from 1 to N, such as 2/4, or auto; got '${text}'`);
  }
});

/** What engines set, and which part of how many that is. */
const SETTINGS: readonly (readonly [variables: string, part: string])[] = [
  ["CI_NODE_INDEX=1 CI_NODE_TOTAL=4", "1/4"],
  ["CI_NODE_INDEX=4 CI_NODE_TOTAL=4", "4/4"],
  // A GitLab job that is not divided.
  ["CI_NODE_TOTAL=1", "1/1"],
  ["CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=4", "1/4"],
  ["CIRCLE_NODE_INDEX=3 CIRCLE_NODE_TOTAL=4", "4/4"],
  ["BUILDKITE_PARALLEL_JOB=2 BUILDKITE_PARALLEL_JOB_COUNT=3", "3/3"],
  ["SYSTEM_JOBPOSITIONINPHASE=2 SYSTEM_TOTALJOBSINPHASE=3", "2/3"],
  ["BITBUCKET_PARALLEL_STEP=0 BITBUCKET_PARALLEL_STEP_COUNT=2", "1/2"],
  ["SEMAPHORE_JOB_INDEX=2 SEMAPHORE_JOB_COUNT=2", "2/2"],
  ["SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_STEP=1", "1/4"],
  ["SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1", "4/4"],
  // sbatch --array=10-16:3
  ["SLURM_ARRAY_TASK_ID=16 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_STEP=3", "3/3"],
  ["AWS_BATCH_JOB_ARRAY_INDEX=1 AWS_BATCH_JOB_ARRAY_SIZE=2", "2/2"],
  ["JOB_COMPLETION_INDEX=1 BRINGUP_SHARD_TOTAL=3", "2/3"],
  ["BRINGUP_SHARD_INDEX=0 BRINGUP_SHARD_TOTAL=3", "1/3"],
  // What is said for us goes before all else; an engine that always says "one of one" does not hide another.
  ["BRINGUP_SHARD_INDEX=2 BRINGUP_SHARD_TOTAL=3 CI_NODE_INDEX=1 CI_NODE_TOTAL=4", "3/3"],
  ["CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=1 SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=1", "2/4"],
];

const WRONG: readonly (readonly [variables: string, message: string])[] = [
  [
    "",
    "--shard auto: nothing says which part this is: neither BRINGUP_SHARD_INDEX and BRINGUP_SHARD_TOTAL are set nor the variables of GitLab",
  ],
  ["CI_NODE_TOTAL=4", "--shard auto: nothing says which part this is"],
  ["CIRCLE_NODE_INDEX=1", "--shard auto: CIRCLE_NODE_INDEX is set, but not CIRCLE_NODE_TOTAL, which says of how many"],
  ["JOB_COMPLETION_INDEX=1", "--shard auto: JOB_COMPLETION_INDEX is set, but not BRINGUP_SHARD_TOTAL, which says of how many"],
  ["BRINGUP_SHARD_INDEX=1", "--shard auto: BRINGUP_SHARD_INDEX is set, but not BRINGUP_SHARD_TOTAL, which says of how many"],
  ["SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=4", "SLURM_ARRAY_TASK_MIN, which says what the first one is"],
  ["CI_NODE_INDEX=0 CI_NODE_TOTAL=4", "CI_NODE_INDEX is 0, which is none of the 4 that CI_NODE_TOTAL tells of, from 1 on"],
  ["CI_NODE_INDEX=5 CI_NODE_TOTAL=4", "CI_NODE_INDEX is 5, which is none of the 4"],
  ["CIRCLE_NODE_INDEX=4 CIRCLE_NODE_TOTAL=4", "CIRCLE_NODE_INDEX is 4, which is none of the 4"],
  ["CIRCLE_NODE_INDEX=one CIRCLE_NODE_TOTAL=4", "CIRCLE_NODE_INDEX is 'one': expected a number"],
  // sbatch --array=1,5,9: which of them is the second one is not told.
  ["SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_ID is 9, which is none of the 3"],
  [
    "SLURM_ARRAY_TASK_ID=12 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_STEP=3",
    "SLURM_ARRAY_TASK_ID is 12, which is none of the 3 that SLURM_ARRAY_TASK_COUNT tells of, from 10 on by 3",
  ],
  [
    "CI_NODE_INDEX=1 CI_NODE_TOTAL=2 CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=4",
    "--shard auto: GitLab says 1/2 and CircleCI says 1/4; set BRINGUP_SHARD_INDEX (from 0) and BRINGUP_SHARD_TOTAL, or give --shard I/N",
  ],
];

const variables = (text: string) => Object.fromEntries(text.split(" ").filter(Boolean).map((pair) => pair.split("=")));

Deno.test("--shard auto is what CI systems and batch engines set, and nothing is guessed", () => {
  for (const [set, part] of SETTINGS) {
    const { index, total } = parseShard("auto", variables(set));
    assertEquals(`${index}/${total}`, part, set);
  }
  for (const [set, message] of WRONG) assertThrows(() => parseShard("auto", variables(set)), ConfigError, message, set);
  // Every engine was asked.
  for (const { index } of ENGINES) assertEquals(SETTINGS.some(([set]) => set.includes(`${index}=`)), true, index);
});
