// The guests of asm/hostile.S and asm/x86_hostile.asm: which number each has in its image.
import { ROOT } from "../cli.ts";
import { IMAGES } from "./guests.ts";
import { X86_HOSTILE } from "./x86.ts";

const GUESTS = {
  riscv: [
    ...["idle_then_slow", "denormals", "storm", "changing"],
    ...["masked", "disarmed", "far_alarm", "uart", "uart_masked", "supervisor", "last_hart", "claimed"],
  ],
  x86: [
    ...["idle_then_slow", "fw_cfg", "state", "changing", "bars", "outs", "disk", "fill"],
    ...["dead", "masked", "far_alarm", "keyboard", "apic", "nmi", "writes", "writes_all"],
    ...["pic_unended", "pic_ended", "pic_slave_unended", "pic_master_unended", "pic_both_ended", "pic_higher"],
    ...["apic_unended", "apic_ended", "apic_priority", "apic_lower", "apic_same", "apic_higher", "ioapic_unended", "rtc_unread"],
  ],
};
const IMAGE = { riscv: IMAGES.find((i) => i.name === "hostile")!.image, x86: X86_HOSTILE.image };
const MACHINE = { riscv: "machines/virt.toml", x86: "machines/pc.toml" };
const MARK = new TextEncoder().encode("<which>:");
export const DISK_SIZE = 64 << 20;

/** "riscv masked": the architecture and the name in its source. */
export type HostileGuest = string;

export const scratch: string = Deno.makeTempDirSync({ prefix: "bringup-hostile-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

/** An image of one guest, its machine and what the machine has to be set to. @throws {Error} there is no such guest. */
export function guestFile(guest: HostileGuest): { machine: string; kernel: string; set: Record<string, string | number> } {
  const [arch, name] = guest.split(" ") as ["riscv" | "x86", string], which = GUESTS[arch].indexOf(name);
  if (which < 0) throw new Error(`no guest ${guest}`);
  const image = Deno.readFileSync(ROOT + IMAGE[arch]);
  const at = image.findIndex((_, i) => MARK.every((b, j) => image[i + j] === b));
  new DataView(image.buffer).setUint32(at + MARK.length, which, true);
  const kernel = `${scratch}/${arch}_${name}.elf`;
  Deno.writeFileSync(kernel, image);
  const set: Record<string, string | number> = arch === "riscv" ? { "firmware.sbi": "none" } : {};
  return { machine: ROOT + MACHINE[arch], kernel, set };
}
