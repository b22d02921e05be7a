// Performance monitoring unit. Source: SBI specification 3.0, chapter 11. The counters are `cycle`, `instret`, and firmware counters as many
// as OpenSBI has; there are no others in a hart (csr.ts). Cache events are not supported: what a cache would do here would be the host's
// doing and not the guest's. Nor are raw events, the shared memory of snapshots, which stands for overflow interrupts (Sscofpmf), and the list
// of events (FID 8): those functions answer SBI_ERR_NOT_SUPPORTED.
import { ERR, fail, ok, type PmuState, type SbiArguments, type SbiExtension, type SbiHost, type SbiResult } from "./host.ts";

/** Numbers of the hardware's counters and their CSRs; 1 is `time`, which is none. */
const CYCLE = 0, INSTRET = 2, FIRST_FIRMWARE = 3, FIRMWARE_COUNTERS = 16, COUNTERS = FIRST_FIRMWARE + FIRMWARE_COUNTERS;
const CSR_CYCLE = 0xc00;
/** Hardware events ("PMU Hardware Events") by the counter that has them. */
const HARDWARE_EVENTS: Readonly<Record<number, number>> = { 1: CYCLE, 2: INSTRET };
const HARDWARE = 0, FIRMWARE = 15;
/** Firmware events ("PMU Firmware Events") end before this number. */
const FIRMWARE_EVENTS = 22;
const SKIP_MATCH = 1n, CLEAR_VALUE = 2n, AUTO_START = 4n, CONFIG_FLAGS = 0xffn;
const SET_INIT_VALUE = 1n, START_FROM_SNAPSHOT = 2n, STOP_RESET = 1n, STOP_SNAPSHOT = 2n;

/** Firmware events that are counted; the others never come here, since their traps are delegated or their extension is not there. */
export const EVENT = {
  SET_TIMER: 5,
  IPI_SENT: 6,
  IPI_RECEIVED: 7,
  FENCE_I_SENT: 8,
  FENCE_I_RECEIVED: 9,
  SFENCE_VMA_SENT: 10,
  SFENCE_VMA_RECEIVED: 11,
  SFENCE_VMA_ASID_SENT: 12,
  SFENCE_VMA_ASID_RECEIVED: 13,
} as const;

export const noCounters = (): PmuState => ({
  events: Array<number>(COUNTERS).fill(-1),
  values: Array<bigint>(FIRMWARE_COUNTERS).fill(0n),
  running: 0,
});

/** Notes an event of the firmware. */
export function countEvent(host: SbiHost, hart: number, event: number): void {
  const pmu = host.pmu[hart];
  if (pmu.running === 0) return;
  for (let n = 0; n < FIRMWARE_COUNTERS; n++) {
    if (pmu.running >> n & 1 && pmu.events[FIRST_FIRMWARE + n] === (FIRMWARE << 16 | event)) {
      pmu.values[n] = BigInt.asUintN(64, pmu.values[n] + 1n);
    }
  }
}
/** Notes that a hart has asked others for something, and that they have done it. */
export function countRequest(host: SbiHost, from: number, to: readonly number[], sent: number): void {
  for (const hart of to) {
    if (hart === from) continue;
    countEvent(host, from, sent);
    countEvent(host, hart, sent + 1);
  }
}

const exists = (n: number) => n < COUNTERS && n !== 1;
const isFirmware = (n: number) => n >= FIRST_FIRMWARE;

/** The counters of a base and a mask, the lowest first; undefined when one does not exist, or when there is none. */
function counterList({ a }: SbiArguments): number[] | undefined {
  const base = a[0], list: number[] = [];
  for (let n = 0, mask = a[1]; mask > 0n; n++, mask >>= 1n) {
    if (!(mask & 1n)) continue;
    const counter = base + BigInt(n);
    if (counter >= BigInt(COUNTERS) || !exists(Number(counter))) return undefined;
    list.push(Number(counter));
  }
  return list.length ? list : undefined;
}

const runs = (c: SbiArguments, n: number): boolean =>
  isFirmware(n) ? (c.host.pmu[c.hart].running >> (n - FIRST_FIRMWARE) & 1) !== 0 : c.host.counterRuns(c.hart, n);

function set(c: SbiArguments, n: number, run: boolean, value?: bigint): void {
  if (!isFirmware(n)) return c.host.setCounter(c.hart, n, run, value);
  const pmu = c.host.pmu[c.hart], bit = 1 << (n - FIRST_FIRMWARE);
  pmu.running = run ? pmu.running | bit : pmu.running & ~bit;
  if (value !== undefined) pmu.values[n - FIRST_FIRMWARE] = value;
}

/** The first free counter of a list that can count an event. */
function match(list: readonly number[], events: readonly number[], event: number): number | undefined {
  const type = event >> 16, code = event & 0xffff;
  if (type === FIRMWARE) return code < FIRMWARE_EVENTS ? list.find((n) => isFirmware(n) && events[n] < 0) : undefined;
  const counter = type === HARDWARE ? HARDWARE_EVENTS[code] : undefined;
  return counter !== undefined && list.includes(counter) && events[counter] < 0 ? counter : undefined;
}

function info({ host, a }: SbiArguments): SbiResult {
  if (a[0] >= BigInt(COUNTERS) || !exists(Number(a[0]))) return fail(ERR.INVALID_PARAM);
  const n = Number(a[0]), width = 63n << 12n;
  return ok(isFirmware(n) ? 1n << BigInt(host.xlen - 1) | width : BigInt(CSR_CYCLE + n) | width);
}

/** Modes cannot be left out of a count: those flags are requests that need not be granted (11.7). */
function configure(c: SbiArguments): SbiResult {
  const { host, hart, a } = c, flags = a[2], list = counterList(c), { events } = host.pmu[hart];
  if (!list || flags & ~CONFIG_FLAGS || a[3] >> 20n) return fail(ERR.INVALID_PARAM);
  let counter: number | undefined;
  if (flags & SKIP_MATCH) {
    counter = list[0];
    if (events[counter] < 0) return fail(ERR.INVALID_PARAM);
  } else {
    counter = match(list, events, Number(a[3]));
    if (counter === undefined) return fail(ERR.NOT_SUPPORTED);
    events[counter] = Number(a[3]);
  }
  set(c, counter, (flags & AUTO_START) !== 0n, flags & CLEAR_VALUE ? 0n : undefined);
  return ok(BigInt(counter));
}

/** The first value of a start: one register, or two with the low half first when xlen is 32. */
const initial = ({ host, a }: SbiArguments) => host.xlen === 32 ? a[4] << 32n | a[3] : a[3];

function start(c: SbiArguments): SbiResult {
  const flags = c.a[2], list = counterList(c);
  if (!list || flags & ~(SET_INIT_VALUE | START_FROM_SNAPSHOT)) return fail(ERR.INVALID_PARAM);
  if (flags & START_FROM_SNAPSHOT) return fail(ERR.NO_SHMEM);
  if (list.some((n) => c.host.pmu[c.hart].events[n] < 0)) return fail(ERR.INVALID_PARAM);
  const stopped = list.filter((n) => !runs(c, n));
  for (const n of stopped) set(c, n, true, flags & SET_INIT_VALUE ? initial(c) : undefined);
  return stopped.length < list.length ? fail(ERR.ALREADY_STARTED) : ok();
}

function stop(c: SbiArguments): SbiResult {
  const flags = c.a[2], list = counterList(c);
  if (!list || flags & ~(STOP_RESET | STOP_SNAPSHOT)) return fail(ERR.INVALID_PARAM);
  if (flags & STOP_SNAPSHOT) return fail(ERR.NO_SHMEM);
  const running = list.filter((n) => runs(c, n));
  for (const n of running) set(c, n, false);
  if (flags & STOP_RESET) { for (const n of list) c.host.pmu[c.hart].events[n] = -1; }
  return running.length < list.length ? fail(ERR.ALREADY_STOPPED) : ok();
}

/** The value of a firmware's counter, or its half above a register. */
const read = (high: boolean) => ({ host, hart, a }: SbiArguments): SbiResult => {
  const n = Number(a[0]) - FIRST_FIRMWARE, pmu = host.pmu[hart];
  if (n < 0 || n >= FIRMWARE_COUNTERS || pmu.events[FIRST_FIRMWARE + n] < 0) return fail(ERR.INVALID_PARAM);
  return ok(high ? pmu.values[n] >> BigInt(host.xlen) : BigInt.asUintN(host.xlen, pmu.values[n]));
};

export const pmu: SbiExtension = {
  name: "pmu",
  eid: 0x50_4d55n,
  functions: [
    { name: "num_counters", call: () => ok(BigInt(COUNTERS)) },
    { name: "counter_get_info", call: info },
    { name: "counter_config_matching", call: configure },
    { name: "counter_start", call: start },
    { name: "counter_stop", call: stop },
    { name: "counter_fw_read", call: read(false) },
    { name: "counter_fw_read_hi", call: read(true) },
  ],
};
