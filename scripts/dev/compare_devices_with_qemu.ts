// Compares our devices with QEMU's, register by register: `deno run -A scripts/dev/compare_devices_with_qemu.ts [FAMILY...] [--seeds=N] [--record]`.
// QEMU answers through its qtest protocol while its CPU stands still. `--record` writes what it said to src/devices/testing/qemu_registers.txt,
// from which qemu_registers_test.ts checks the devices without QEMU.
import { type Access, accesses, FAMILIES } from "../../src/devices/testing/streams.ts";
import { BOARDS, DISK_BYTES, RTC_BASE } from "../../src/devices/testing/boards.ts";

const LETTER = { 1: "b", 2: "w", 4: "l" } as const;
const QEMU = {
  pc: ["qemu-system-x86_64", "-M", "pc", "-rtc", `base=${RTC_BASE},clock=vm`],
  virt: ["qemu-system-riscv64", "-M", "virt", "-smp", "2", "-bios", "none"],
  virtio: virtio(true),
  virtio_modern: virtio(false),
} as const;
function virtio(legacy: boolean): string[] {
  const devices = ["virtio-blk-device,drive=d", "virtio-rng-device", "virtio-serial-device,max_ports=1"];
  return [
    ...["qemu-system-riscv64", "-M", "virt", "-bios", "none", "-global", `virtio-mmio.force-legacy=${legacy}`],
    ...["-blockdev", `null-co,node-name=d,size=${DISK_BYTES}`],
    ...devices.flatMap((d, slot) => ["-device", `${d},bus=virtio-mmio-bus.${slot}`]),
  ];
}
const QUIET = "-S -qtest stdio -qtest-log none -display none -serial null -monitor none -nic none".split(" ");
/** Accesses of each device in the recorded file. */
const RECORDED = 800;

const hex = (n: number) => n.toString(16);

/** QEMU's answers: one number for each access, 0 for a write. */
async function ask(board: keyof typeof QEMU, list: readonly Access[]): Promise<number[]> {
  const [program, ...args] = QEMU[board];
  const child = new Deno.Command(program, { args: [...args, ...QUIET], stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  const commands = list.map((a) => {
    const [write, read] = board === "pc" && a.address < 0x1_0000 ? ["out", "in"] : ["write", "read"];
    return `${a.kind === "W" ? write : read}${LETTER[a.size]} 0x${hex(a.address)}${a.kind === "W" ? ` 0x${hex(a.value)}` : ""}\n`;
  });
  const stdin = child.stdin.getWriter();
  const sent = stdin.write(new TextEncoder().encode(commands.join("")));
  const answers: number[] = [];
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith("OK")) answers.push(Number(line.split(" ")[1] ?? 0));
    if (answers.length >= list.length) break;
  }
  await sent;
  child.kill("SIGKILL");
  await child.status;
  return answers;
}

const flags = Deno.args.filter((a) => a.startsWith("--"));
const names = Deno.args.filter((a) => !a.startsWith("--"));
const seeds = Number(flags.find((f) => f.startsWith("--seeds="))?.slice(8) ?? 1);
let recorded = "", failed = false;
for (const family of names.length ? names : Object.keys(FAMILIES)) {
  const name = FAMILIES[family].board;
  let reads = 0, different = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const list = accesses(family, seed, flags.includes("--record") ? RECORDED : 8 * RECORDED);
    const answers = await ask(name, list), board = BOARDS[name]();
    if (flags.includes("--record")) recorded += `# ${family} ${name}\n`;
    for (const [i, a] of list.entries()) {
      if (flags.includes("--record")) {
        recorded += `${a.kind} ${a.size} ${hex(a.address)} ${a.kind === "W" ? hex(a.value) : `${hex(answers[i])} ${hex(a.mask)}`}\n`;
      }
      if (a.kind === "W") board.write(a.address, a.size, a.value);
      else {
        const ours = board.read(a.address, a.size);
        reads++;
        if (((ours ^ answers[i]) & a.mask) === 0) continue;
        if (different++ === 0) {
          console.log(`${family}, seed ${seed}, access ${i}: read of 0x${hex(a.address)}: QEMU 0x${hex(answers[i])}, ours 0x${hex(ours)}`);
        }
      }
    }
  }
  failed ||= different > 0;
  console.log(`${family}: ${reads} reads, ${different} different`);
}
if (flags.includes("--record")) {
  await Deno.writeTextFile(new URL("../../src/devices/testing/qemu_registers.txt", import.meta.url), recorded);
}
if (failed) Deno.exit(1);
