// Runs `examples/slurm.sh`, an array of four, on a Slurm of this machine, and compares what its parts come to with a run that is not divided.
// By hand, as root, with Debian's `slurm-wlm` installed (its services need not run: this starts its own, in a folder of its own).
// Run: deno run -A scripts/dev/slurm.ts [ARGUMENT OF bringup test]...
import type { Summary } from "../../src/cli/runner/results.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname), dir = Deno.makeTempDirSync({ prefix: "bringup-slurm-" });
const host = Deno.hostname(), args = Deno.args.length ? Deno.args : ["scripts", "--filter", "/^(?!Debian's Linux)/"];
const env = { SLURM_CONF: `${dir}/slurm.conf`, PATH: `${dir}/bin:${Deno.env.get("PATH")}` };

async function run(program: string, args: readonly string[], cwd = dir): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd, env, stdin: "null" }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}
async function must(program: string, args: readonly string[], cwd = dir): Promise<string> {
  const { code, text } = await run(program, args, cwd);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: status ${code}\n${text}`);
  return text;
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

for (const folder of ["bin", "state", "spool", "munge", "work"]) Deno.mkdirSync(`${dir}/${folder}`);
Deno.writeTextFileSync(`${dir}/bin/bringup`, `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-check "${ROOT}mod.ts" "$@"\n`, {
  mode: 0o755,
});
Deno.writeFileSync(`${dir}/munge/key`, crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o400 });
Deno.writeTextFileSync(
  `${dir}/slurm.conf`,
  [
    "ClusterName=bringup",
    `SlurmctldHost=${host}(127.0.0.1)`,
    "SlurmUser=root",
    "SlurmdUser=root",
    "AuthType=auth/munge",
    `AuthInfo=socket=${dir}/munge/socket`,
    `StateSaveLocation=${dir}/state`,
    `SlurmdSpoolDir=${dir}/spool`,
    `SlurmctldPidFile=${dir}/slurmctld.pid`,
    `SlurmdPidFile=${dir}/slurmd.pid`,
    "SlurmctldPort=26817",
    "SlurmdPort=26818",
    "ProctrackType=proctrack/linuxproc",
    "TaskPlugin=task/none",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core",
    "MpiDefault=none",
    "AccountingStorageType=accounting_storage/none",
    "JobAcctGatherType=jobacct_gather/none",
    `NodeName=${host} NodeAddr=127.0.0.1 CPUs=${navigator.hardwareConcurrency} State=UNKNOWN`,
    "PartitionName=all Nodes=ALL Default=YES State=UP",
    "",
  ].join("\n"),
);

const daemons: Deno.ChildProcess[] = [];
const daemon = (program: string, args: readonly string[]) =>
  daemons.push(new Deno.Command(program, { args: [...args], env, stdin: "null", stdout: "null", stderr: "null" }).spawn());
let failed = false;
try {
  const at = (name: string) => `${dir}/munge/${name}`;
  daemon("munged", [
    "-F",
    "-f",
    "-S",
    at("socket"),
    "--key-file",
    at("key"),
    "--pid-file",
    at("pid"),
    "--log-file",
    at("log"),
    "--seed-file",
    at("seed"),
  ]);
  await pause(500);
  daemon("slurmctld", ["-D"]);
  daemon("slurmd", ["-D"]);
  for (let i = 0; !/\bidle\b/.test((await run("sinfo", ["-h", "-o", "%T"])).text); i++) {
    if (i > 60) throw new Error("no node of Slurm is idle after 30 s");
    await pause(500);
  }
  console.log((await must("sinfo", ["--version"])).trim() + ", " + (await must("sinfo", ["-h", "-N", "-o", "%n %c CPUs %T"])).trim());
  const work = `${dir}/work`;
  for (const name of Deno.readDirSync(ROOT)) if (name.name !== "reports") Deno.symlinkSync(`${ROOT}${name.name}`, `${work}/${name.name}`);
  const { code, text } = await run("sbatch", ["--wait", "--output=%a.out", `${ROOT}examples/slurm.sh`, ...args], work);
  console.log(`sbatch --wait: status ${code}\n${text.trim()}`);
  for (const n of [1, 2, 3, 4]) console.log(`--- task ${n}\n${Deno.readTextFileSync(`${work}/${n}.out`).trim()}`);
  console.log("--- bringup merge reports");
  const merged = await run("bringup", ["merge", "reports", "--json", "all.json", "--junit", "all.xml", "--html", "all.html"], work);
  console.log(`${merged.text.trim()}\nstatus ${merged.code}`);
  const whole = await run("bringup", ["test", ...args, "--reporter", "json=whole.json", "--digests"], work);
  const told = (file: string) =>
    (JSON.parse(Deno.readTextFileSync(`${work}/${file}`)) as Summary).results.map((r) => `${r.file}: ${r.name}: ${r.status}`);
  const parts = told("all.json"), all = told("whole.json");
  failed = code !== whole.code || merged.code !== whole.code || JSON.stringify(parts) !== JSON.stringify(all);
  console.log(`the parts together ${failed ? "DIFFER from" : "are"} the run that is not divided: ${parts.length} and ${all.length} tests`);
} finally {
  for (const child of daemons.reverse()) {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await child.status;
  }
  Deno.removeSync(dir, { recursive: true });
}
Deno.exit(failed ? 1 : 0);
