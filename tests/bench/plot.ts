// The picture of the results: one dot per pair of runs, a bar at the median, on a logarithmic scale of the quotient. Vega-Lite's own command draws
// it, without a browser, in a process of its own with the lock file beside this one: nothing else in the repository depends on a plotting library.
import { join } from "@std/path";

/** A point of the plot. */
export interface Point {
  readonly group: string;
  readonly name: string;
  /** Ours divided by QEMU's. */
  readonly ratio: number;
  readonly median: number;
}

const COMMAND = "npm:vega-lite@6.5.0/vl2svg";

/** Writes an SVG of the quotients, grouped; left of the line at 1 ours is faster. @throws {Error} the library cannot be had. */
export async function plot(points: readonly Point[], file: string): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const input = join(folder, "plot.vl.json");
    await Deno.writeTextFile(input, JSON.stringify(specification(points)));
    const lock = `--lock=${join(import.meta.dirname!, "plot.lock")}`;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", lock, COMMAND, input, file],
    }).output();
    if (!success) throw new Error(`cannot draw ${file}: ${new TextDecoder().decode(stderr)}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** In the language of Vega-Lite 6. */
function specification(points: readonly Point[]): unknown {
  const name = { field: "name", type: "nominal", sort: null, title: null };
  const x = (field: string) => ({ field, type: "quantitative", scale: { type: "log" }, title: "time of ours / time of QEMU" });
  return {
    title: {
      text: "bringup against QEMU",
      subtitle: "each dot one pair of runs, the bar their median; left of 1 bringup is faster",
      anchor: "start",
    },
    data: { values: points },
    facet: {
      row: {
        field: "group",
        type: "nominal",
        sort: [...new Set(points.map(({ group }) => group))],
        title: null,
        header: { labelAngle: 0, labelAlign: "left", labelAnchor: "start", labelOrient: "top", labelFontWeight: "bold" },
      },
    },
    spacing: 8,
    resolve: { scale: { y: "independent" } },
    spec: {
      width: 520,
      height: { step: 14 },
      layer: [
        { mark: { type: "rule", color: "#888" }, encoding: { x: { datum: 1, type: "quantitative" } } },
        { mark: { type: "tick", thickness: 3, color: "#1f4e9c" }, encoding: { x: x("median"), y: name } },
        { mark: { type: "point", filled: true, size: 18, opacity: 0.5 }, encoding: { x: x("ratio"), y: name } },
      ],
    },
  };
}
