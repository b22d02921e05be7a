import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "./errors.ts";
import {
  biosGeometry,
  Disk,
  type DiskSource,
  drive,
  driveGeometry,
  FLOPPIES,
  kindOf,
  memorySource,
  sizeProblem,
  TRANSLATION,
} from "./disk.ts";
import { Random } from "../../tests/fuzz/random.ts";

const disk = (bytes: number, kind: "hard" | "floppy" | "cd" = "hard") => new Disk(memorySource(new Uint8Array(bytes).fill(7)), kind);

Deno.test("written sectors stay in memory; the last sector is filled up", () => {
  const d = disk(1300), { source } = d;
  assertEquals(d.sectors, 3);
  assertEquals([...d.read(2, 1)!.subarray(275, 277)], [7, 0]);
  assertEquals(d.read(2, 2), undefined);
  assertEquals(d.write(1, new Uint8Array(1024).fill(9)), true);
  assertEquals([d.read(0, 3)![511], d.read(0, 3)![512], d.read(2, 1)![0]], [7, 9, 9]);
  assertEquals(d.write(2, new Uint8Array(1024)), false);
  assertEquals(d.write(0, new Uint8Array(100)), false);
  assertEquals(source.read(0, 1300).every((b) => b === 7), true);
});

Deno.test("the state is what was written, in the order of the sectors, and is not shared with what comes later", () => {
  const d = disk(4096);
  d.write(5, new Uint8Array(512).fill(1));
  d.write(2, new Uint8Array(512).fill(2));
  const saved = d.save();
  assertEquals([...saved.keys()], [2, 5]);
  d.write(2, new Uint8Array(512).fill(3));
  d.load(saved);
  assertEquals([d.read(2, 1)![0], d.read(0, 1)![0]], [2, 7]);
});

Deno.test("flushing writes what has changed, and an older state takes it back", () => {
  const first = new Uint8Array(2048).fill(7), now = first.slice(), writes: number[] = [];
  const source: DiskSource = {
    ...memorySource(first),
    write(offset, data) {
      writes.push(offset);
      now.set(data, offset);
    },
  };
  const d = new Disk(source, "hard"), empty = d.save();
  d.write(1, new Uint8Array(1024).fill(8));
  assertEquals(writes, []);
  d.flush();
  d.flush();
  assertEquals([writes, now[511], now[512], now[1535], now[1536]], [[512, 1024], 7, 8, 8, 7]);
  d.load(empty);
  assertEquals(d.read(1, 1)![0], 7);
  d.flush();
  assertEquals(now, first);
});

Deno.test("a disk that can only be read", () => {
  assertEquals(disk(4096, "cd").write(0, new Uint8Array(2048)), false);
  assertEquals(new Disk(memorySource(new Uint8Array(512)), "hard", true).write(0, new Uint8Array(512)), false);
});

Deno.test("the kind of an image; a floppy is filled up to a format", () => {
  assertEquals(kindOf(memorySource(new Uint8Array(1_474_560))), "floppy");
  const small = new Uint8Array(737_280);
  assertEquals(kindOf(memorySource(small)), "hard");
  small.set([0, 2], 11);
  assertEquals(kindOf(memorySource(small)), "floppy");
  const cd = new Uint8Array(0x9000);
  cd.set(new TextEncoder().encode("CD001"), 0x8001);
  assertEquals(kindOf(memorySource(cd)), "cd");
  assertEquals([disk(512, "floppy").sectors, disk(163_840, "floppy").sectors, disk(5000, "cd").sectors], [2880, 320, 3]);
});

Deno.test("sizes that no disk has", () => {
  assertEquals(sizeProblem("hard", 1024), undefined);
  assertEquals(sizeProblem("hard", 1000), "an image of 1000 bytes does not consist of whole sectors of 512 bytes");
  assertEquals(sizeProblem("cd", 512), "an image of 512 bytes does not consist of whole sectors of 2048 bytes");
  assertEquals(sizeProblem("floppy", 3_000_000), "an image of 3000000 bytes is too large for a floppy, which has at most 2949120");
  assertEquals(sizeProblem("hard", 0), "the image is empty");
});

Deno.test("geometry: 16 heads of 63 sectors unless the partition table knows better; translations of large disks", () => {
  const of = (sectors: number, partition?: readonly number[]) => {
    const first = new Uint8Array(512);
    first.set([0x55, 0xaa], 510);
    if (partition) first.set(partition, 446);
    const d = new Disk({ size: sectors * 512, read: (_, n) => first.slice(0, n) }, "hard");
    return [d.geometry, d.chs].flatMap((g) => [g.cylinders, g.heads, g.sectors]).concat(TRANSLATION[d.translation]);
  };
  assertEquals(of(100), [2, 16, 63, 2, 16, 63, 0]);
  assertEquals(of(20_160), [20, 16, 63, 20, 16, 63, 0]);
  assertEquals(of(2 ** 21), [2080, 16, 63, 1024, 32, 63, 1]);
  assertEquals(of(8 * 2 ** 21), [16383, 16, 63, 1024, 255, 63, 1]);
  const partition = (head: number, sector: number) => [0x80, 0, 1, 0, 6, head, sector, 9, 1, 0, 0, 0, 9, 0, 0, 0];
  assertEquals(of(3200, partition(3, 8)), [100, 4, 8, 100, 4, 8, 0]);
  assertEquals(of(2 ** 21, partition(254, 63)), [2080, 16, 63, 520, 64, 63, 2], "heads are doubled until the cylinders fit");
});

Deno.test("what is written over an image has a bound, which sectors that are written again do not count for", () => {
  const disk = new Disk(memorySource(new Uint8Array(64 * 512)), "hard"), sector = new Uint8Array(512).fill(7);
  disk.mostWritten = 4;
  for (let n = 0; n < 3; n++) assertEquals(disk.write(n, sector), true);
  assertEquals(disk.write(1, new Uint8Array(3 * 512)), true);
  for (let n = 0; n < 8; n++) assertEquals(disk.write(n % 4, sector), true);
  assertThrows(
    () => disk.write(2, new Uint8Array(3 * 512)),
    ConfigError,
    "the guest has written 2048 bytes of a disk, and memory holds all of that",
  );
  assertEquals(disk.save().size, 4);
});

Deno.test("every format of a floppy has the geometry of its drive, and images of these sizes with a parameter block are floppies", () => {
  // KiB, cylinders, heads, sectors, and the type in CMOS and int 13h, AH=08h.
  const formats = [
    [160, 40, 1, 8, 1],
    [180, 40, 1, 9, 1],
    [320, 40, 2, 8, 1],
    [360, 40, 2, 9, 1],
    [720, 80, 2, 9, 3],
    [1200, 80, 2, 15, 2],
    [
      1440,
      80,
      2,
      18,
      4,
    ],
    [2880, 80, 2, 36, 6],
  ];
  assertEquals(Object.keys(FLOPPIES).map(Number), formats.map(([kib]) => 2 * kib));
  for (const [kib, cylinders, heads, sectors, type] of formats) {
    assertEquals(FLOPPIES[2 * kib], { cylinders, heads, sectors, type }, `${kib} KiB`);
    assertEquals(cylinders * heads * sectors, 2 * kib);
    const image = new Uint8Array(1024 * kib), d = new Disk(memorySource(image), "floppy");
    assertEquals([d.chs.cylinders, d.chs.heads, d.chs.sectors], [cylinders, heads, sectors]);
    assertEquals(kindOf(memorySource(image)), kib === 1440 ? "floppy" : "hard");
    image.set([0, 2], 11);
    assertEquals(kindOf(memorySource(image)), "floppy");
  }
});

Deno.test("flushing an image that ends inside of a sector, or before the disk does, writes no more than it has, and nothing beyond", () => {
  for (const [bytes, last] of [[1025, [[1024, 1]]], [1024, []]] as const) {
    const writes: [number, number][] = [],
      source: DiskSource = {
        ...memorySource(new Uint8Array(bytes)),
        write: (offset, data) => void writes.push([offset, data.length]),
      };
    const d = new Disk(source, "floppy");
    for (const lba of [1, 2, 3, 2000]) d.write(lba, new Uint8Array(512).fill(1));
    d.flush();
    assertEquals(writes, [[512, 512], ...last] as [number, number][]);
  }
});

Deno.test("floppies: as many sectors as their geometry has, and the drive that takes them (int 13h, function 8)", () => {
  const types: Record<number, number> = { 320: 1, 360: 1, 640: 1, 720: 1, 1440: 3, 2400: 2, 2880: 4, 5760: 6 };
  assertEquals(
    Object.entries(FLOPPIES).map(([n, g]) => [Number(n), g.cylinders * g.heads * g.sectors, g.type]),
    Object.entries(types).map(([n, type]) => [Number(n), Number(n), type]),
  );
  assertEquals(Object.values(FLOPPIES).map((g) => [g.heads, g.sectors]), [[1, 8], [1, 9], [2, 8], [2, 9], [2, 9], [2, 15], [2, 18], [
    2,
    36,
  ]]);
});

Deno.test("the last sector of a file is flushed as far as the file goes, be it a byte", () => {
  for (const rest of [0, 1, 2, 511]) {
    const bytes = new Uint8Array(1024 + rest).fill(7), now = bytes.slice();
    const d = new Disk({ ...memorySource(bytes), write: (offset, data) => now.set(data, offset) }, "hard");
    for (let n = 0; n < d.sectors; n++) d.write(n, new Uint8Array(512).fill(9));
    d.flush();
    assertEquals(now.every((b) => b === 9), true, `${rest} bytes more`);
  }
});

Deno.test("geometries: of no partition table, of tables with and without sense, and what int 13h makes of them", () => {
  const table = (...entries: readonly (readonly [at: number, heads: number, sectors: number, length: number])[]) => {
    const first = new Uint8Array(512);
    first.set([0x55, 0xaa], 510);
    for (const [at, lastHead, perTrack, length] of entries) {
      first.set([0, 0, 0, 0, 0x83, lastHead, perTrack, 0, 0, 0, 0, 0, length], 446 + 16 * at);
    }
    return first;
  };
  const none = new Uint8Array(512), GiB = 2 ** 21;
  const cases: readonly (readonly [
    sectors: number,
    first: Uint8Array,
    cylinders: number,
    heads: number,
    perTrack: number,
    translation: string,
    bios: readonly number[],
  ])[] = [
    [100, none, 2, 16, 63, "none", [2, 16, 63]],
    [1024 * 1008, none, 1024, 16, 63, "none", [1024, 16, 63]],
    [1025 * 1008, none, 1025, 16, 63, "lba", [1024, 16, 63]],
    [4 * GiB, none, 8322, 16, 63, "lba", [522, 255, 63]],
    [8 * GiB, none, 16383, 16, 63, "lba", [1024, 255, 63]],
    [100 * GiB, none, 16383, 16, 63, "lba", [1024, 255, 63]],
    [4000, table([0, 3, 10, 1]), 100, 4, 10, "none", [100, 4, 10]],
    [4000, table([1, 3, 10, 1]), 100, 4, 10, "none", [100, 4, 10]],
    [4000, table([3, 3, 10 | 0xc0, 1]), 100, 4, 10, "none", [100, 4, 10]],
    [4000, table([0, 3, 10, 0], [1, 0, 10, 1], [2, 3, 0, 1]), 3, 16, 63, "none", [3, 16, 63]], // nothing in them
    [20, table([0, 3, 10, 1]), 2, 16, 63, "none", [2, 16, 63]], // no cylinder
    [16384 * 40, table([0, 3, 10, 1]), 650, 16, 63, "none", [650, 16, 63]], // too many
    [16383 * 40, table([0, 3, 10, 1]), 16383, 4, 10, "lba", [650, 16, 63]],
    [2 * GiB, table([0, 31, 63, 1]), 4161, 16, 63, "large", [520, 128, 63]],
    [8 * GiB, table([0, 254, 63, 1]), 16383, 16, 63, "lba", [1024, 255, 63]],
    [8192 * 1008, table([0, 254, 63, 1]), 8192, 16, 63, "large", [1024, 128, 63]],
    [8193 * 1008, table([0, 254, 63, 1]), 8193, 16, 63, "lba", [1024, 128, 63]],
  ];
  for (const [sectors, first, cylinders, heads, perTrack, translation, bios] of cases) {
    const drive = driveGeometry(sectors, first), g = biosGeometry(sectors, drive);
    assertEquals([drive.cylinders, drive.heads, drive.sectors, drive.translation, g.cylinders, g.heads, g.sectors], [
      cylinders,
      heads,
      perTrack,
      translation,
      ...bios,
    ], `${sectors} sectors`);
  }
  const bad = table([0, 3, 10, 1]);
  bad[511] = 0;
  assertEquals(driveGeometry(4000, bad).heads, 16);
  bad.set([0x54, 0xaa], 510);
  assertEquals(driveGeometry(4000, bad).heads, 16);
});

/** Bytes as a text, one character each: compared at once. */
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder("latin1").decode(bytes);

/** An image that may be read and written within its bounds only; what is written to it is in `now`. */
function strictSource(bytes: Uint8Array, writable = false) {
  const now = bytes.slice(), ranges: [number, number][] = [];
  const within = (offset: number, length: number) => {
    if (length !== 0 && !(offset >= 0 && length > 0 && offset + length <= bytes.length)) {
      throw new Error(`${length} bytes at ${offset} of ${bytes.length}`);
    }
  };
  const source: DiskSource = {
    size: bytes.length,
    read: (offset, length) => {
      within(offset, length);
      return bytes.subarray(offset, offset + length);
    },
    ...(writable && {
      write: (offset: number, data: Uint8Array) => {
        within(offset, data.length);
        ranges.push([offset, data.length]);
        now.set(data, offset);
      },
    }),
  };
  return { source, now, ranges };
}

Deno.test("random reads, writes, flushes and restored states, against an array of bytes", () => {
  const random = new Random(11), below = (n: number) => random.below(n);
  let flushed = 0;
  for (
    const [kind, bytes] of [["hard", 8 * 512], ["hard", 8 * 512 - 100], ["hard", 100], ["floppy", 3072], ["cd", 5 * 2048 + 1]] as const
  ) {
    for (const writable of [false, true]) {
      const image = Uint8Array.from({ length: bytes }, (_, i) => i * 7), { source, now, ranges } = strictSource(image, writable);
      const d = new Disk(source, kind, false), size = d.sectorSize, all = new Uint8Array(d.sectors * size), accesses: number[] = [];
      all.set(image);
      const states: [ReturnType<Disk["save"]>, Uint8Array][] = [[d.save(), all.slice()]];
      d.onAccess = (n) => accesses.push(n);
      for (let n = 0; n < (kind === "floppy" ? 40 : 120); n++) {
        const near = Math.min(d.sectors, 10),
          lba = below(8) ? below(near) : d.sectors - 1 + below(3) - 1,
          count = below(4) - (below(20) ? 0 : 1);
        const fits = lba >= 0 && count >= 0 && lba + count <= d.sectors, from = lba * size;
        accesses.length = 0;
        const got = d.read(lba, count);
        assertEquals(
          text(got),
          fits ? text(all.subarray(from, from + count * size)) : undefined,
          `${count} sectors at ${lba} of ${d.sectors}`,
        );
        assertEquals(accesses, fits ? [count] : []);
        if (below(2) && count >= 0) {
          const odd = below(8) ? 0 : 1, data = Uint8Array.from({ length: count * size + odd }, () => random.bits()), given = data.slice();
          accesses.length = 0;
          assertEquals(d.write(lba, data), fits && !odd);
          assertEquals(accesses, fits && !odd ? [count] : []);
          if (fits && !odd) all.set(data, from);
          // What was given may be used again.
          data.fill(0xee);
          assertEquals(text(d.read(lba, count)), fits ? text(odd ? got : given) : undefined);
        }
        if (below(10) === 0) states.push([d.save(), all.slice()]);
        if (below(10) === 0) {
          const [state, then] = random.pick(states.slice(-4));
          d.load(state);
          all.set(then);
        }
        if (below(6) === 0) {
          const before = now.slice();
          ranges.length = 0;
          d.flush();
          if (writable) assertEquals(text(now), text(all.subarray(0, bytes)));
          // Each sector that differs, once; those that were written again as they were may be among them.
          for (const [offset, length] of ranges) {
            assertEquals([offset % size, length > 0, length], [
              0,
              true,
              Math.min(size, bytes - offset),
            ]);
          }
          assertEquals(new Set(ranges.map(([offset]) => offset)).size, ranges.length);
          for (let at = 0; at < bytes; at += size) {
            const same = text(before.subarray(at, at + size)) === text(now.subarray(at, at + size));
            if (!same) assert(ranges.some(([offset]) => offset === at));
          }
          flushed += ranges.length;
          ranges.length = 0;
          d.flush();
          assertEquals(ranges, [], "what is there is not written again");
        }
      }
      // What the image was is still what its source gives.
      assertEquals(text(source.read(0, bytes)), text(image));
    }
  }
  assert(flushed > 80, `${flushed} sectors flushed`);
});

Deno.test("how much may be written over an image: a gibibyte unless the drive says otherwise, told in bytes or MiB", () => {
  for (const [kind, size] of [["hard", 512], ["floppy", 512], ["cd", 2048]] as const) {
    assertEquals(disk(4096, kind).mostWritten, 2 ** 30 / size);
  }
  const refused = (most: number) => {
    const d = new Disk({ size: 2 ** 24, read: (_, n) => new Uint8Array(n) }, "hard");
    d.mostWritten = most;
    assertEquals(d.write(8, new Uint8Array(most * 512)), true);
    return assertThrows(() => d.write(7, new Uint8Array(2 * 512)), ConfigError).message;
  };
  assertEquals(
    [1, 2047, 2048, 4096, 3072].map((most) => /written (.*) of a disk/.exec(refused(most))![1]),
    ["512 bytes", `${2047 * 512} bytes`, "1 MiB", "2 MiB", "1.5 MiB"],
  );
});

Deno.test("a floppy has a floppy's geometry whatever its boot sector says, and one that is too large that of 1.44 MB", () => {
  const first = new Uint8Array(2880 * 512);
  first.set([0x80, 0, 1, 0, 6, 254, 1, 9, 1, 0, 0, 0, 9, 0, 0, 0], 446);
  first.set([0x55, 0xaa], 510);
  const floppy = new Disk(memorySource(first), "floppy");
  assertEquals([floppy.geometry, floppy.chs, floppy.translation], [FLOPPIES[2880], FLOPPIES[2880], "none"]);
  const large = disk(5761 * 512, "floppy");
  assertEquals([large.sectors, large.geometry], [5761, FLOPPIES[2880]]);
  assertEquals([2881, 5759, 5760].map((n) => disk(n * 512, "floppy").sectors), [5760, 5760, 5760]);
});

Deno.test("the keys of a drive: what it takes, and what holds when the machine file does not say", () => {
  const { keys, optional } = drive("", ["hard", "cd"]);
  assertEquals(optional, true);
  const { file, media, overlay, readonly, written } = keys;
  assertEquals([file.optional, file.large, media.choices, media.default, overlay.default, readonly.default, written.default, written.min], [
    true,
    true,
    ["hard", "cd"],
    "hard",
    true,
    false,
    2 ** 30,
    512,
  ]);
});

Deno.test("kinds at the edges of what they are told by; each image is read within its bounds", () => {
  const kind = (bytes: number, ...parts: [at: number, text: string][]) => {
    const image = new Uint8Array(bytes);
    for (const [at, text] of parts) image.set(new TextEncoder().encode(text), at);
    return kindOf(strictSource(image).source);
  };
  assertEquals([kind(0x8006, [0x8001, "CD001"]), kind(0x8007, [0x8001, "CD001"]), kind(0x9000, [0x8001, "CD002"])], ["hard", "cd", "hard"]);
  const bpb: [number, string] = [11, "\0\x02"];
  assertEquals([kind(163_840, bpb), kind(163_840 + 1, bpb), kind(163_840 + 512, bpb)], ["floppy", "hard", "hard"]);
  assertEquals([kind(163_840, [11, "\x01\x02"]), kind(163_840, [11, "\0\x04"]), kind(163_840, [12, "\0\x02"]), kind(0), kind(1)], [
    "hard",
    "hard",
    "hard",
    "hard",
    "hard",
  ]);
  assertEquals([sizeProblem("floppy", 2_949_120), sizeProblem("floppy", 1), sizeProblem("cd", 2048)], [undefined, undefined, undefined]);
  assertEquals(
    sizeProblem("floppy", 2_949_121),
    "an image of 2949121 bytes is too large for a floppy, which has at most 2949120",
  );
});

Deno.test("geometries at each edge: cylinders, heads and translations", () => {
  const first = (lastHead: number, perTrack: number, length = [1, 0, 0, 0]) => {
    const bytes = new Uint8Array(600);
    bytes.set([0x80, 0, 1, 0, 6, lastHead, perTrack, 9, 1, 0, 0, 0, ...length], 44 + 446);
    bytes.set([0x55, 0xaa], 44 + 510);
    return bytes.subarray(44, 556);
  };
  const of = (sectors: number, ...partition: Parameters<typeof first>) => {
    const d = driveGeometry(sectors, first(...partition)), g = biosGeometry(sectors, d);
    return [d.cylinders, d.heads, d.sectors, d.translation, g.cylinders, g.heads, g.sectors];
  };
  // 0 and 1 cylinder; 16 and 17 heads; a partition whose length has its bytes in the upper half.
  assertEquals(of(39, 3, 10), [2, 16, 63, "none", 2, 16, 63]);
  assertEquals(of(40, 3, 10), [1, 4, 10, "none", 1, 4, 10]);
  assertEquals(of(1600, 15, 10), [10, 16, 10, "none", 10, 16, 10]);
  assertEquals(of(1700, 16, 10), [2, 16, 63, "large", 2, 16, 63]);
  assertEquals(of(40, 3, 10, [0, 0, 0, 1]), [1, 4, 10, "none", 1, 4, 10]);
  assertEquals(of(1600, 15, 63), [2, 16, 63, "none", 2, 16, 63].map((v, i) => i % 4 === 0 && i < 5 ? 1 : v));
  // Large: halved until at most 1024 cylinders are left, or more than 127 heads.
  for (const cylinders of [1023, 1024, 1025, 2047, 2048, 2049, 4097, 8191, 8192]) {
    const [c, h] = of(cylinders * 1008, 254, 63).slice(4) as number[];
    let [wantC, wantH] = [cylinders, 16];
    while (wantC > 1024 && wantH < 128) [wantC, wantH] = [wantC >> 1, 2 * wantH];
    assertEquals([c, h], [Math.min(1024, wantC), wantH], `${cylinders} cylinders`);
  }
  // LBA: the fewest heads with which at most 1024 cylinders of 63 sectors are enough (phases of 1024 tracks).
  for (const tracks of [16, 32, 64, 128].flatMap((heads) => [1024 * heads, 1024 * (heads + 1) - 1, 1024 * (heads + 1)])) {
    const sectors = tracks * 63, heads = [16, 32, 64, 128].find((n) => tracks < 1024 * (n + 1)) ?? 255;
    const g = biosGeometry(sectors, { cylinders: 16383, heads: 16, sectors: 63, translation: "lba" });
    assertEquals(g, { cylinders: Math.min(1024, Math.floor(tracks / heads)), heads, sectors: 63 }, `${tracks} tracks`);
  }
});
