import type { CharPort } from "../core/device.ts";

/** A console as the outside sees it: what the guest writes is noted for the digest on its way. */
export class Tap implements CharPort {
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};
  constructor(readonly inner: CharPort, readonly note: (byte: number) => void) {
    inner.onByte = (byte) => this.write(byte);
    inner.onRoom = () => this.onRoom();
  }
  /** A byte from the guest, or from its firmware. */
  write(byte: number): void {
    this.note(byte);
    this.onByte(byte);
  }
  room(): number {
    return this.inner.room();
  }
  get interrupts(): boolean {
    return this.inner.interrupts === true;
  }
  receive(byte: number): void {
    this.inner.receive(byte);
  }
  take(): number {
    return this.inner.take?.() ?? -1;
  }
}
