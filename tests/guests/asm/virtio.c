// What a driver needs of virtio disks over mmio, of either version: one request at a time, and an interrupt for its end. The first sector of the first
// disk says what is done: "test" reads, writes and runs what it has read; "loop" writes and flushes for ever, and says what was flushed.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __UINTPTR_TYPE__ word;

#define SLOT(n) (0x10001000u + 0x1000u * (n))
#define REG(slot, at) (*(volatile u32 *)(word)(SLOT(slot) + (at)))
#define PLIC(at) (*(volatile u32 *)(word)(0x0c000000u + (at)))
#define UART (*(volatile u8 *)(word)0x10000000u)

enum { READ = 0, WRITE = 1, FLUSH = 4, IDENTITY = 8, WRITE_ZEROES = 13, SIZE = 8, SECTOR = 512 };

static void put(const char *s) {
  for (; *s; s++) UART = *s;
}
static void number(u64 n) {
  char text[21], *p = text + 20;
  *p = 0;
  do *--p = '0' + n % 10;
  while (n /= 10);
  put(p);
}
static void line(const char *what, u64 n) {
  put(what);
  number(n);
  put("\n");
}
static void end(void) {
  *(volatile u32 *)(word)0x100000u = 0x5555;
  for (;;) {}
}

// Descriptors, the ring of what is offered behind them, and on the next page that of what was used: as version 1 has it.
static u8 rings[2][8192] __attribute__((aligned(4096)));
struct request {
  u32 type, reserved;
  u64 sector;
};
static struct request request;
static u8 data[8 * SECTOR] __attribute__((aligned(4096))), status;
static u16 offered[2];

static void start(u32 slot, u32 disk) {
  u32 legacy = REG(slot, 4) == 1, features = REG(slot, 0x10) & (1 << 9 | 1 << 14);
  REG(slot, 0x70) = 0;
  REG(slot, 0x70) = 3;
  REG(slot, 0x24) = 0;
  REG(slot, 0x20) = features;
  if (legacy) REG(slot, 0x28) = 4096;
  else {
    REG(slot, 0x24) = 1;
    REG(slot, 0x20) = 1;
    REG(slot, 0x70) = 11;
  }
  word ring = (word)rings[disk];
  REG(slot, 0x30) = 0;
  REG(slot, 0x38) = SIZE;
  if (legacy) {
    REG(slot, 0x3c) = 4096;
    REG(slot, 0x40) = ring / 4096;
  } else {
    REG(slot, 0x80) = ring;
    REG(slot, 0x84) = 0;
    REG(slot, 0x90) = ring + 16 * SIZE;
    REG(slot, 0x94) = 0;
    REG(slot, 0xa0) = ring + 4096;
    REG(slot, 0xa4) = 0;
    REG(slot, 0x44) = 1;
  }
  REG(slot, 0x70) = legacy ? 7 : 15;
  PLIC(4 * (slot + 1)) = 1;
  PLIC(0x2000) |= 2u << slot;
}

static void descriptor(u32 disk, u32 n, void *at, u32 bytes, u32 flags) {
  volatile u32 *d = (volatile u32 *)(rings[disk] + 16 * n);
  d[0] = (word)at;
  d[1] = 0;
  d[2] = bytes;
  d[3] = flags | (n + 1) << 16;
}

// One request, up to its interrupt; returns its status.
static u32 ask(u32 slot, u32 disk, u32 type, u64 sector, u32 bytes) {
  request = (struct request){type, 0, sector};
  status = 0xee;
  descriptor(disk, 0, &request, 16, 1);
  if (bytes) descriptor(disk, 1, data, bytes, type == WRITE || type == WRITE_ZEROES ? 1 : 3);
  descriptor(disk, bytes ? 2 : 1, &status, 1, 2);
  volatile u16 *ring = (volatile u16 *)(rings[disk] + 16 * SIZE), *used = (volatile u16 *)(rings[disk] + 4096);
  ring[2 + offered[disk] % SIZE] = 0;
  __sync_synchronize();
  ring[1] = ++offered[disk];
  __sync_synchronize();
  REG(slot, 0x50) = 0;
  u32 claimed;
  while (!(claimed = PLIC(0x200004))) __asm__ volatile("wfi");
  if (claimed != slot + 1) line("an interrupt of source ", claimed);
  REG(slot, 0x64) = REG(slot, 0x60);
  PLIC(0x200004) = claimed;
  if (used[1] != offered[disk]) line("not used: ", offered[disk]);
  __sync_synchronize();
  return *(volatile u8 *)&status;
}

static u32 sum(u32 bytes) {
  u32 s = 1;
  for (u32 i = 0; i < bytes; i++) s = s * 31 + data[i];
  return s;
}

static void test(u32 slot, u32 disk) {
  u64 sectors = REG(slot, 0x100) | (u64)REG(slot, 0x104) << 32;
  line("sectors: ", sectors);
  for (u32 n = 0; n < sectors; n += 8) {
    line("read: ", ask(slot, disk, READ, n, sizeof data));
    line("sum: ", sum(sizeof data));
  }
  // What was read is run, over and over, and is other code the next time.
  u32 (*code)(void) = (u32(*)(void))data, total = 0;
  for (u32 n = 0; n < 6; n++) {
    ask(slot, disk, READ, 1 + n % 2, SECTOR);
    __asm__ volatile("fence.i" ::: "memory");
    for (u32 i = 0; i < 100; i++) total = total * 3 + code();
  }
  line("code: ", total);
  for (u32 n = 0; n < 8; n++) {
    for (u32 i = 0; i < 2 * SECTOR; i++) data[i] = n * i + (i >> 3);
    line("written: ", ask(slot, disk, WRITE, 8 + 3 * n, 2 * SECTOR));
  }
  for (u32 i = 0; i < 16; i++) data[i] = i == 0 ? 10 : i == 8 ? 5 : 0;
  line("zeroes: ", ask(slot, disk, WRITE_ZEROES, 0, 16));
  line("flushed: ", ask(slot, disk, FLUSH, 0, 0));
  line("read: ", ask(slot, disk, READ, 8, sizeof data));
  line("sum: ", sum(sizeof data));
  line("behind the end: ", ask(slot, disk, READ, sectors - 1, 2 * SECTOR));
  line("unknown: ", ask(slot, disk, 99, 0, SECTOR));
  ask(slot, disk, IDENTITY, 0, 20);
  data[20] = 0;
  put("identity: ");
  put((char *)data);
  put("\n");
}

// Each round fills four sectors with its number, flushes, and says so.
static void loop(u32 slot, u32 disk) {
  for (u32 round = 1;; round++) {
    for (u32 i = 0; i < sizeof data / 4; i++) ((volatile u32 *)data)[i] = round;
    ask(slot, disk, WRITE, 8 + 4 * (round % 64), 4 * SECTOR);
    if (ask(slot, disk, FLUSH, 0, 0) == 0) line("flushed ", round);
  }
}

void main(void) {
  u32 disks = 0;
  __asm__ volatile("csrs mie, %0" ::"r"(1 << 11));
  for (u32 slot = 0; slot < 8; slot++) {
    if (REG(slot, 0) != 0x74726976 || REG(slot, 8) != 2) continue;
    put("slot ");
    number(slot);
    line(": a disk, version ", REG(slot, 4));
    start(slot, disks);
    ask(slot, disks, READ, 0, SECTOR);
    if (data[0] == 'l') loop(slot, disks);
    test(slot, disks);
    if (++disks == 2) break;
  }
  end();
}
