// A machine is a function of its file, its image and its input: what ran before in the same process, or runs in turn with it, changes nothing.
// Each guest alone in a new process; all in one process, in two orders; all in turn; and from snapshots that go on between the others.
import { assertEquals } from "@std/assert";
import { finish, start, type Subject, SUBJECTS } from "./history_guests.ts";

const GUESTS = new URL("history_guests.ts", import.meta.url).pathname;

async function alone(n: number): Promise<string> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--quiet", GUESTS, String(n)] }).output();
  assertEquals(success, true, SUBJECTS[n].name);
  return new TextDecoder().decode(stdout).trim();
}
const digests = new Map<Subject, string>();
const expect = (subject: Subject, digest: string, when: string) => assertEquals(digest, digests.get(subject), `${subject.name}, ${when}`);

Deno.test("guests in processes of their own", async () => {
  for (const [n, subject] of SUBJECTS.entries()) digests.set(subject, await alone(n));
  assertEquals(new Set(digests.values()).size, SUBJECTS.length);
});

Deno.test("the same guests one after the other in one process, there and back", async () => {
  for (const subject of [...SUBJECTS, ...SUBJECTS.toReversed()]) expect(subject, finish(await start(subject), subject), "after others");
});

Deno.test("the same guests in turn", async () => {
  const running = await Promise.all(SUBJECTS.map(async (subject) => ({ subject, machine: await start(subject) })));
  for (let at = 1009, busy = true; busy; at += 1009) {
    busy = false;
    for (const { machine, subject: { until } } of running) {
      if (machine.stopped || machine.clock.ticks >= until) continue;
      machine.run(Math.min(at, until));
      busy = true;
    }
  }
  for (const { subject, machine } of running) expect(subject, machine.digest(), "in turn with others");
});

Deno.test("snapshots of them go on in other machines of the process, and the machines themselves do, too", async () => {
  for (const [n, subject] of SUBJECTS.entries()) {
    const machine = await start(subject), other = SUBJECTS[(n + 5) % SUBJECTS.length];
    machine.run(20_000 + 7_777 * n);
    const snapshot = structuredClone(machine.snapshot()), fork = await start(subject);
    expect(other, finish(await start(other), other), "between a snapshot and what goes on from it");
    fork.restore(snapshot);
    fork.run(machine.clock.ticks + 3_000);
    expect(subject, finish(machine, subject), "after a snapshot was taken");
    expect(subject, finish(fork, subject), "from a snapshot");
  }
});
