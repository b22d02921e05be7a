// HOT: no bigint, no closures, no allocation.
// The exception that an instruction has raised, on its way to its delivery. A check that fails deep inside microcode throws FAULTED after
// it has recorded the exception; nothing of the guest's state has been changed by then, and the helper's wrapper or the delivery loop
// catches it. Translated code never sees it.
import { FAULT, type Status } from "../ir/frontend.ts";

/** Thrown when an exception has been recorded. */
export const FAULTED: unique symbol = Symbol("fault");

export class Faults {
  /** The recorded exception that will be delivered; -1: none. */
  vector = -1;
  errorCode = 0;
  /** The linear address that a page fault is about, and an operand that is not canonical. */
  addressLo = 0;
  addressHi = 0;

  record(vector: number, errorCode: number): Status {
    this.vector = vector;
    this.errorCode = errorCode;
    return FAULT;
  }
  /** The same for an access to an address. */
  recordAt(vector: number, errorCode: number, lo: number, hi: number): Status {
    this.addressLo = lo;
    this.addressHi = hi;
    return this.record(vector, errorCode);
  }
  /** Records an exception and gives up what is being done. */
  raise(vector: number, errorCode: number): never {
    this.record(vector, errorCode);
    throw FAULTED;
  }
}
