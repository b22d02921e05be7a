// A run that is forked, put back, and carried on by machines that were restored, at random points: it must end as one that nobody disturbed.
// `fork_test.ts` has few points; run by hand, this file has as many as one likes, also of Debian's Linux (`scripts/dev/fetch_debian.ts`):
//   deno run -A tests/forks.ts [SUBJECT...] [--points N] [--seed N]
import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli";
import { boot, type BootOptions, type MachineSession } from "../mod.ts";
import { eventsOfText } from "../src/scenario/keyboard.ts";
import { Random } from "./fuzz/random.ts";

const ROOT = new URL("..", import.meta.url).pathname, GUESTS = `${ROOT}tests/guests/bin/`, LINUX = `${ROOT}cache/linux/`;

/** A guest with what it is given at which age, in ticks. */
export interface Subject {
  readonly machine: string;
  readonly options: BootOptions;
  readonly inputs: readonly (readonly [at: number, give: (m: MachineSession) => void])[];
  /** When it is compared, unless it has ended before. */
  readonly end: number;
}

const typed = (keys: string, at: number): Subject["inputs"][number] => [at, (m) => m.keyboard.keys.press(eventsOfText(keys), 1e6, 1e6)];
const sent = (text: string, at: number, pace = 0): Subject["inputs"][number] => [
  at,
  (m) => m.serial.enqueue(new TextEncoder().encode(text), pace),
];

/** Small guests, too, have compiled code soon. */
const COMPILED = { threshold: 300 };

export const SUBJECTS: Readonly<Record<string, Subject>> = {
  bios: {
    machine: "pc",
    options: { kernel: `${GUESTS}x86_shell.img`, set: { memory: "8MiB" }, tuning: COMPILED },
    inputs: [[3_000_000, (m) => m.machine.reset()], typed("warn one\n", 9_000_000), typed("exit\n", 40_000_000)],
    end: 80_000_000,
  },
  harts: {
    machine: "virt",
    options: { kernel: `${GUESTS}smp.rv64.elf`, set: { memory: "8MiB", harts: 4 }, tuning: COMPILED },
    inputs: [],
    end: 60_000_000,
  },
  echo: {
    machine: "virt",
    options: { kernel: `${GUESTS}echo.rv64.elf`, set: { memory: "8MiB" }, tuning: COMPILED },
    inputs: [sent("hello\r", 100_000, 20_000), sent("again and again\r", 300_000, 5_000), sent("exit\r", 900_000)],
    end: 20_000_000,
  },
  amd64: {
    machine: "pc",
    options: {
      kernel: `${ROOT}cache/linux_amd64/vmlinuz`,
      initrd: `${ROOT}cache/linux_amd64/initramfs.cpio.gz`,
      append: "console=ttyS0",
      set: { memory: "256MiB", harts: 2 },
    },
    inputs: [],
    end: 1_500_000_000,
  },
  linux: {
    machine: "virt",
    options: {
      kernel: `${LINUX}Image`,
      initrd: `${LINUX}initramfs.cpio.gz`,
      append: "console=ttyS0 earlycon=sbi",
      set: { memory: "256MiB" },
    },
    inputs: [sent("seq 2000 | md5sum\n", 600_000_000)],
    end: 1_000_000_000,
  },
};

/** A session, and how much of its input it was given. */
interface Run {
  m: MachineSession;
  given: number;
}
const start = async ({ machine, options }: Subject): Promise<Run> => ({ m: await boot(machine, options), given: 0 });

/** Lets it go on to an age, or to its end. */
async function advance(run: Run, { inputs, end }: Subject, until: number): Promise<void> {
  const { m } = run, to = Math.min(until, end);
  while (!m.stop && m.machine.age < to) {
    const next = inputs[run.given]?.[0] ?? Infinity;
    if (m.machine.age < next) await m.run({ instructions: Math.min(next, to) - m.machine.age });
    if (!m.stop && m.machine.age >= next) inputs[run.given++][1](m);
  }
}

/** Everything that tells two runs apart. */
const result = ({ m }: Run) => ({
  digest: m.machine.digest(),
  age: m.machine.age,
  stop: m.stop,
  text: [...m.consoles.values()].map((c) => c.text()),
  inputs: m.inputs,
});

type Way = (run: Run, subject: Subject, random: Random, others: Run[]) => Promise<Run> | Run;
/** What is done with a run at a point; the one that goes on from there. `others` were left elsewhere. */
const WAYS: Readonly<Record<string, Way>> = {
  fork: ({ m, given }) => ({ m: m.fork(), given }),
  "fork of a fork": ({ m, given }) => ({ m: m.fork().fork(), given }),
  // The child, which is older by then, forks nothing of its parent.
  "parent goes on": async (run, subject, random) => {
    const child = { m: run.m.fork(), given: run.given };
    await advance(run, subject, run.m.machine.age + random.below(subject.end / 10));
    return child;
  },
  rewind: async (run, subject, random) => {
    const { given } = run;
    run.m.snapshot();
    for (let n = random.below(3); n >= 0; n--) {
      await advance(run, subject, run.m.machine.age + random.below(subject.end / 10));
      run.m.rewind();
      run.given = given;
    }
    return run;
  },
  file: async ({ m, given }, { machine, options }) => {
    const file = Deno.makeTempFileSync();
    try {
      await m.save(file);
      return { m: await boot(machine, { ...options, load: file }), given };
    } finally {
      Deno.removeSync(file);
    }
  },
  // A machine that has run something else takes the state up.
  restore: ({ m, given }, _subject, random, others) => {
    if (others.length === 0) return { m: m.fork(), given };
    const other = others[random.below(others.length)].m;
    other.restore(m.snapshot());
    return { m: other, given };
  },
};

/** Disturbs a run at so many points, and compares it, and some of those that were left behind, with one that nobody disturbed. */
export async function check(subject: Subject, points: number, seed: number, say: (text: string) => void = () => {}): Promise<void> {
  const random = new Random(seed), undisturbed = await start(subject);
  await advance(undisturbed, subject, subject.end);
  const expected = result(undisturbed), { age } = undisturbed.m.machine;
  let run = await start(subject);
  const others: Run[] = [], at = Array.from({ length: points }, () => random.below(age)).sort((a, b) => a - b);
  for (const point of at) {
    await advance(run, subject, point);
    const [name, way] = random.pick(Object.entries(WAYS)), next = await way(run, subject, random, others);
    say(`${name} at ${point} of ${age}`);
    if (next.m !== run.m) others.splice(0, others.length, ...others.filter((o) => o.m !== next.m), run);
    // Those that were left behind go on, too; few of them to the end.
    if (others.length > 2) {
      const [left] = others.splice(random.below(others.length), 1);
      await advance(left, subject, random.one(10) ? subject.end : left.m.machine.age + random.below(age / 10));
      if (left.m.stop || left.m.machine.age >= subject.end) assertEquals(result(left), expected, `left behind at ${point}`);
    }
    run = next;
  }
  for (const last of [run, ...others]) {
    await advance(last, subject, subject.end);
    assertEquals(result(last), expected, `seed ${seed}, ${points} points`);
  }
}

if (import.meta.main) {
  const { _: names, points, seed, verbose } = parseArgs(Deno.args, { string: ["points", "seed"], boolean: ["verbose"] });
  for (const name of names.length ? names.map(String) : Object.keys(SUBJECTS)) {
    const count = Number(points ?? 100), from = Number(seed ?? 1), began = performance.now();
    await check(SUBJECTS[name], count, from, verbose ? console.log : undefined);
    console.log(`${name}: ${count} points, seed ${from}: equal (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  }
}
