/** One channel of a DMA controller as the device behind it sees it. */
export interface DmaChannel {
  /**
   * Moves bytes between the device and memory, at most up to the end of the count (`done`: terminal count was reached). Undefined while the
   * channel is masked or the controller is off.
   */
  move(data: Uint8Array, toMemory: boolean): { readonly moved: number; readonly done: boolean } | undefined;
  /** Set by the device; called when the channel may have become ready. */
  onReady: () => void;
}

/** A DMA controller. */
export interface DmaController {
  /** A channel, from 0. */
  dma(channel: number): DmaChannel;
}
