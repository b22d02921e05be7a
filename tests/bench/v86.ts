// Runs a 32-bit Linux kernel in v86, with its serial port on stdout. SeaBIOS and its VGA ROM are the host's.
// v86 is an npm package with a lock file of its own beside this one: nothing else in the repository depends on it, so its name is no literal import.
// Usage: deno run -A --no-config --lock=tests/bench/v86.lock tests/bench/v86.ts KERNEL INITRD CMDLINE
const PACKAGE = "npm:v86@0.5.462";

const [kernel, initrd, cmdline] = Deno.args;
const { V86 } = await import(`${PACKAGE}`);
const url = (path: string) => ({ url: path });
const emulator = new V86({
  wasm_path: new URL(import.meta.resolve(`${PACKAGE}/build/v86.wasm`)).pathname,
  memory_size: 256 << 20,
  bios: url("/usr/share/seabios/bios.bin"),
  vga_bios: url("/usr/share/seabios/vgabios-stdvga.bin"),
  bzimage: url(kernel),
  initrd: url(initrd),
  cmdline,
  autostart: true,
  disable_speaker: true,
});
emulator.add_listener("serial0-output-byte", (byte: number) => Deno.stdout.writeSync(Uint8Array.of(byte)));
