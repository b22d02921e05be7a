// What can wake processors that all wait, on random boards: what moves is found by going over all of them until nothing new is found.
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { VirtualClock } from "../core/clock.ts";
import type { Cpu } from "../core/cpu.ts";
import type { Device, Sources } from "../core/device.ts";
import type { Edge, MachineGraph } from "./machine_graph.ts";
import { Reach, type Sleep } from "./reach.ts";

/** A device, as its output lets something through: as whatever is in it moves; its output 1 alone; an input of a name; a message of a kind. */
type Rule = "moves" | "second" | "input" | "message" | "special";
interface Part {
  readonly id: string;
  readonly rule: Rule;
  readonly offers: "char" | "keyboard" | "mouse" | undefined;
  /** What it sends, if it does: when its input "send" may rise; `special`: NMIs only. */
  readonly sends: { readonly special: boolean; readonly vector: number } | undefined;
  readonly plugged: string | undefined;
  readonly alarm: "none" | "set" | "never";
}

const RULES: Record<Rule, (output: number, from: Sources) => boolean> = {
  moves: () => false,
  second: (output) => output === 1,
  input: (_, from) => from.input("x"),
  message: (_, from) => from.message(false, ({ vector }) => vector === 7),
  special: (_, from) => from.message(true, () => true),
};

function deviceOf({ rule, offers, sends }: Part): Device {
  const device: Device & Record<string, unknown> = { state: {}, reset() {} };
  if (offers) device[offers] = {};
  if (rule !== "moves") device.mayRaise = RULES[rule];
  if (sends) {
    const message = { mode: 0, vector: sends.vector, destination: 0, logical: false };
    device.maySend = (special, from, accepts) => special === sends.special && accepts(message) && from.input("send");
  }
  return device;
}

Deno.test("random boards: alarms, what the outside may give, rules of outputs, messages, plugged devices", () => {
  const random = new Random(51), counts: Record<string, number> = { dead: 0, input: 0, wakes: 0 };
  for (let round = 0; round < 1500; round++) {
    const size = 1 + random.below(5), clock = new VirtualClock(1000);
    const parts = Array.from({ length: size }, (_, i): Part => ({
      id: `d${i}`,
      rule: random.pick(["moves", "moves", "second", "input", "message", "special"]),
      offers: random.pick([undefined, undefined, "char", "keyboard", "mouse"]),
      sends: random.one(3) ? { special: random.one(2), vector: random.pick([7, 8]) } : undefined,
      // Into one before it: nothing is plugged in a circle.
      plugged: i && random.one(3) ? `d${random.below(i)}` : undefined,
      alarm: random.pick(["none", "none", "none", "none", "set", "never"]),
    }));
    // Wires lead from later devices to earlier ones and to harts: no circles. A hart's own output wakes nobody.
    const edges = Array.from({ length: 1 + random.below(6) }, (): Pick<Edge, "from" | "to"> => {
      const from = random.below(size), to = random.below(from + 1), output = random.below(2);
      if (random.one(8)) return { from: { hart: 0, output: "ferr" }, to: { hart: 0, input: "irq" } };
      const inner = to < from && random.below(3), input = random.pick(["x", "send", "other"]);
      return {
        from: { device: `d${from}`, output },
        to: inner ? { device: `d${to}`, input } : { hart: random.below(2), input: random.pick(["irq", "nmi"]) },
      };
    });
    // One of them could otherwise ask itself for a message that waits for its own input.
    if (parts.some((p) => p.rule === "message" || p.rule === "special") && edges.some(({ to }) => "device" in to && to.input === "send")) {
      const sender = (id: string) => parts.find((p) => p.id === id)!.sends;
      if (edges.some(({ from, to }) => "device" in to && "device" in from && sender(to.device))) continue;
    }
    const platform = random.pick(["none", "set", "never"]);
    const set = (name: string, device: string | undefined, alarm: string) => {
      if (alarm === "none") return;
      const a = clock.alarm(name, () => {}, device);
      if (alarm === "set") a.scheduleAt(5);
    };
    for (const p of parts) set("alarm", p.id, p.alarm);
    set("timer", undefined, platform);
    const graph = {
      edges,
      devices: parts.map(({ id, plugged }) => ({ id, ...(plugged && { pci: { host: plugged, device: 1, func: 0 } }) })),
    };
    const devices = new Map(parts.map((p) => [p.id, deviceOf(p)]));
    const wakers = [random.pick([[], ["irq"], ["nmi"], ["irq", "nmi"]]), random.pick([[], ["timer"], ["irq", "timer"]])];
    const cpus = wakers.map((w, index) => ({ index, wakers: w })) as unknown as readonly Cpu[];

    /** What may move: devices, outputs ("d0.1"), inputs ("d0:x", "cpu0.irq"). */
    const moving = (outside: boolean): Set<string> => {
      const found = new Set<string>(), name = (to: Edge["to"]) => "hart" in to ? `cpu${to.hart}.${to.input}` : `${to.device}:${to.input}`;
      for (let before = -1; before < found.size;) {
        before = found.size;
        const message = (special: boolean, vectors: readonly number[]) =>
          parts.some((p) => p.sends?.special === special && vectors.includes(p.sends.vector) && found.has(`${p.id}:send`));
        for (const p of parts) {
          const inputs = edges.flatMap(({ to }) => "device" in to && to.device === p.id ? [name(to)] : []);
          const plugged = parts.some((q) => q.plugged === p.id && found.has(q.id));
          if (p.alarm === "set" || (outside && p.offers) || inputs.some((i) => found.has(i)) || plugged) found.add(p.id);
          for (const output of [0, 1]) {
            const may = {
              moves: found.has(p.id),
              second: output === 1,
              input: found.has(`${p.id}:x`),
              message: message(false, [7]),
              special: message(true, [7, 8]),
            };
            if (may[p.rule]) found.add(`${p.id}.${output}`);
          }
        }
        for (const { from, to } of edges) if ("device" in from && found.has(`${from.device}.${from.output}`)) found.add(name(to));
      }
      return found;
    };
    const wakes = (outside: boolean) => {
      const found = moving(outside);
      return wakers.some((w, n) => w.some((input) => input === "timer" ? platform === "set" : found.has(`cpu${n}.${input}`)));
    };
    const wanted: Sleep = wakes(false) ? undefined : wakes(true) ? "input" : "dead";
    const reach = new Reach(graph as unknown as MachineGraph, devices, clock);
    assertEquals(reach.sleep(cpus), wanted, Deno.inspect({ parts, edges, wakers, platform }, { depth: 9 }));
    counts[wanted ?? "wakes"]++;
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 100, `${what}: ${n}`);
});
