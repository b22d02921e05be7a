/** Trace channels: one row each; `--trace=help` and the help text print this table. */
export const CHANNELS = {
  advice: "what leads nowhere in a guest, and what to do about it; always on",
  guest: "the guest did something that the hardware's manual forbids",
  unimp: "the guest touched something that is not modelled",
  bus: "every device access",
  irq: "interrupt lines and deliveries",
  trap: "exceptions and interrupts taken by a CPU",
  mmu: "address translation changes and page faults",
  sbi: "SBI or BIOS calls served by the built-in firmware",
  exec: "every place that execution jumps to, with its first instruction",
  trace: "what devices say about themselves",
} as const;
export type Channel = keyof typeof CHANNELS;

/** Where log lines go. `on` is consulted before a line is built, so a silent channel costs nothing. */
export interface Log {
  on(channel: Channel): boolean;
  line(channel: Channel, source: string, text: string): void;
}

export const silent: Log = { on: () => false, line: () => {} };
