// What firmware from a file is told through a device (fw_cfg).

/** An item of a fixed key, or a file. */
export type FirmwareItem = { readonly bytes: Uint8Array } & ({ readonly key: number } | { readonly name: string });

export interface TakesItems {
  /** Gives it what firmware reads from it; no part of its state. */
  provide(items: () => readonly FirmwareItem[]): void;
}
