// Prints what a supervisor finds when firmware starts it: registers, CSRs, what is delegated, what U-mode may do, what memory can be reached,
// which extensions of the SBI are there. tests/entry_test.ts compares the lines under several firmwares.
typedef unsigned long ulong;
typedef unsigned char byte;
typedef ulong (*Code)(ulong, ulong);

extern ulong attempt(Code f, ulong a, ulong b), user(Code f, ulong a, ulong b);
extern long sbi(ulong a0, ulong a1, ulong a2, ulong extension, ulong function);
extern long sbi_event(ulong a0, ulong a1, ulong a2, ulong a3, ulong function);
extern ulong trap_a0, trap_value, sbi_value;

static void put(const char *s) {
  for (; *s; s++) sbi(*s, 0, 0, 1, 0);
}
static void put_hex(ulong v) {
  put("0x");
  int at = 60 < 8 * (int)sizeof v - 4 ? 60 : 8 * (int)sizeof v - 4;
  while (at > 0 && !(v >> at)) at -= 4;
  for (; at >= 0; at -= 4) sbi("0123456789abcdef"[v >> at & 15], 0, 0, 1, 0);
}
static void put_number(ulong v) {
  char text[24];
  int n = sizeof text;
  text[--n] = 0;
  do text[--n] = '0' + v % 10;
  while (v /= 10);
  put(text + n);
}
static void line(const char *key, ulong value) {
  put(key);
  put(" = ");
  put_hex(value);
  put("\n");
}
/** What came of an attempt. */
static void outcome(const char *key, ulong trapped, int with_value) {
  put(key);
  put(": ");
  if (trapped == 0 || trapped == 9) {
    put("done");
    if (with_value) put(", "), put_hex(trap_a0);
  } else {
    put("trap ");
    put_number(trapped - 1);
    if (with_value) put(", stval "), put_hex(trap_value);
  }
  put("\n");
}

/** One instruction and a return, made at run time. In .user: its page is mapped for U-mode too. */
static unsigned code[2] __attribute__((section(".data"), aligned(8)));
static Code make(unsigned word) {
  code[0] = word;
  code[1] = 0x00008067;  // ret
  asm volatile("fence.i" ::: "memory");
  return (Code)(ulong)code;
}
static Code csrr(unsigned number) { return make(number << 20 | 2 << 12 | 10 << 7 | 0x73); }
static Code csrw(unsigned number) { return make(number << 20 | 10 << 15 | 1 << 12 | 0x73); }

static const struct {
  unsigned number;
  const char *name;
} NAMES[] = {
  {0x001, "fflags"}, {0x002, "frm"}, {0x003, "fcsr"}, {0x100, "sstatus"}, {0x104, "sie"}, {0x105, "stvec"}, {0x106, "scounteren"},
  {0x10a, "senvcfg"}, {0x140, "sscratch"}, {0x141, "sepc"}, {0x142, "scause"}, {0x143, "stval"}, {0x144, "sip"}, {0x14d, "stimecmp"},
  {0x180, "satp"}, {0xc00, "cycle"}, {0xc01, "time"}, {0xc02, "instret"},
};
static void put_csr(unsigned number) {
  for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    if (NAMES[i].number == number) return put(NAMES[i].name);
  }
  if (number >= 0xc03 && number <= 0xc1f) put("hpmcounter"), put_number(number - 0xc00);
  else put("csr "), put_hex(number);
}

/** Every CSR of U and S that can be read. What our own doing has left in them is not shown. */
static void registers(void) {
  for (unsigned number = 0; number < 0x1000; number++) {
    if ((number >> 8 & 3) > 1) continue;
    if (number > 0xc12 && number < 0xc20) continue;  // QEMU has 16 event counters, and OpenSBI dies of others there
    Code read = csrr(number);
    if (attempt(read, 0, 0)) continue;
    ulong value = trap_a0;
    put_csr(number);
    if (number >= 0xc00 && number <= 0xc02) {
      attempt(read, 0, 0);
      put(trap_a0 == value && number != 0xc01 ? " stands\n" : " counts\n");
    } else if (number == 0x105 || (number >= 0x141 && number <= 0x143)) put(" is there\n");
    else put(" = "), put_hex(value), put("\n");
  }
}

static void writable(const char *key, unsigned number, ulong value) {
  Code read = csrr(number);
  if (attempt(read, 0, 0)) return outcome(key, attempt(read, 0, 0), 0);
  ulong before = trap_a0;
  attempt(csrw(number), value, 0);
  attempt(csrr(number), 0, 0);
  ulong after = trap_a0;
  attempt(csrw(number), before, 0);
  put("after ");
  put_hex(value);
  put(": ");
  line(key, after);
}

static ulong load(ulong at, ulong unused) { return *(volatile unsigned *)at; }
static ulong store(ulong at, ulong value) { return *(volatile unsigned *)at = value; }
static ulong jump(ulong at, ulong unused) { return ((Code)at)(0, 0); }
static ulong floating(ulong a, ulong unused) {
  double x;
  asm volatile("fcvt.d.w %0, %1\n fmul.d %0, %0, %0\n fcvt.w.d %1, %0" : "=f"(x), "+r"(a));
  return a;
}
static ulong zero_block(ulong at, ulong unused) {
  asm volatile("mv a0, %0\n .word 0x0045200f" ::"r"(at) : "a0", "memory");  // cbo.zero (a0)
  return *(volatile ulong *)at;
}
static ulong clean_block(ulong at, ulong unused) {
  asm volatile("mv a0, %0\n .word 0x0015200f" ::"r"(at) : "a0", "memory");  // cbo.clean (a0)
  return 0;
}
static ulong invalidate_block(ulong at, ulong unused) {
  asm volatile("mv a0, %0\n .word 0x0005200f" ::"r"(at) : "a0", "memory");  // cbo.inval (a0)
  return 0;
}
static ulong misaligned(ulong at, ulong unused) { return *(volatile unsigned *)(at + 1); }

static ulong root[512] __attribute__((aligned(4096))), middle[512] __attribute__((aligned(4096))), leaf[512] __attribute__((aligned(4096)));
static ulong page[512] __attribute__((aligned(4096)));
#define V 1
#define RWX 14
#define A 0x40
#define D 0x80
static void translate(ulong pte) {
  for (int i = 0; i < 4; i++) root[i] = (ulong)i << 28 | V | RWX | A | D;  // the lowest 4 GiB as they are
  root[8] = (ulong)middle >> 2 | V;
  middle[0] = (ulong)leaf >> 2 | V;
  leaf[0] = (ulong)page >> 2 | pte;
  asm volatile("sfence.vma\n csrw satp, %0\n sfence.vma" ::"r"(8ul << 60 | (ulong)root >> 12) : "memory");
}
/** Which of Sv39, Sv48 and Sv57 there are. */
static void modes(void) {
  ulong *tables[] = {root, middle, leaf};
  for (int i = 0; i < 4; i++) root[i] = (ulong)i << 28 | V | RWX | A | D;
  middle[0] = (ulong)root >> 2 | V;
  leaf[0] = (ulong)middle >> 2 | V;
  for (ulong i = 0; i < 3; i++) {
    ulong mode;
    asm volatile("csrw satp, %1\n csrr %0, satp\n csrw satp, x0" : "=&r"(mode) : "r"((8 + i) << 60 | (ulong)tables[i] >> 12) : "memory");
    line(i == 0 ? "mode of satp for Sv39" : i == 1 ? "for Sv48" : "for Sv57", mode >> 60);
  }
}
static void physical(void) { asm volatile("csrw satp, x0\n sfence.vma" ::: "memory"); }
static void paging(const char *key, ulong pte, Code f) {
  translate(pte);
  ulong trapped = attempt(f, 8ul << 30, 7), after = leaf[0], value = trap_value;
  physical();
  trap_a0 = after & (A | D);
  trap_value = value;
  outcome(key, trapped, 1);
}

static void delegation(void) {
  outcome("illegal instruction", attempt(make(0), 0, 0), 1);
  outcome("ebreak", attempt(make(0x00100073), 0, 0), 0);
  outcome("misaligned load", attempt(misaligned, (ulong)page, 0), 0);
  outcome("ecall from U", user(make(0x00000073), 0, 0), 0);
  outcome("load of the firmware's memory", attempt(load, 0x80000000, 0), 0);
  outcome("load of the last word below the kernel", attempt(load, 0x801ffffc, 0), 0);
  outcome("load where nothing is", attempt(load, 0x1000000, 0), 0);
  outcome("store where nothing is", attempt(store, 0x1000000, 0), 0);
  outcome("jump to where nothing is", attempt(jump, 0x1000000, 0), 0);
  outcome("load of the CLINT", attempt(load, 0x2000000, 0), 0);
  outcome("load of mtime", attempt(load, 0x200bff8, 0), 0);
  outcome("load of the PLIC", attempt(load, 0xc000004, 0), 1);
  outcome("load of the finisher", attempt(load, 0x100000, 0), 1);
  outcome("load of the clock", attempt(load, 0x101018, 0), 1);
  outcome("load of the reset vector", attempt(load, 0x1000, 0), 0);
  outcome("load of the first word of RAM behind the image", attempt(load, 0x84000000, 0), 1);
  outcome("mret", attempt(make(0x30200073), 0, 0), 1);
  outcome("a machine's register", attempt(csrr(0x300), 0, 0), 1);
  outcome("wfi in U", user(make(0x10500073), 0, 0), 1);
  outcome("sfence.vma in U", user(make(0x12000073), 0, 0), 1);
  paging("load without A", V | RWX | D, load);
  paging("store without D", V | RWX | A, store);
  paging("fetch page fault", V | 6 | A | D, jump);
  paging("load page fault", 0, load);
  paging("store page fault", V | 2 | A | D, store);
  paging("load of non-cacheable memory (Svpbmt)", V | RWX | A | D | 1ul << 61, load);
  paging("load of 64 KiB (Svnapot)", 1ul << 63 | V | RWX | A | D, load);
}

static void what_u_may(void) {
  static const unsigned COUNTERS[] = {0xc00, 0xc01, 0xc02, 0xc03, 0xc12};
  for (int i = 0; i < 5; i++) {
    put("U reads ");
    put_csr(COUNTERS[i]);
    outcome("", user(csrr(COUNTERS[i]), 0, 0), 0);
  }
  outcome("floating point in S", attempt(floating, 3, 0), 1);
  outcome("floating point in U", user(floating, 5, 0), 1);
  outcome("cbo.zero in S", attempt(zero_block, (ulong)page, 0), 0);
  outcome("cbo.clean in S", attempt(clean_block, (ulong)page, 0), 0);
  outcome("cbo.inval in S", attempt(invalidate_block, (ulong)page, 0), 0);
  outcome("cbo.zero in U", user(zero_block, (ulong)page, 0), 0);
  outcome("cbo.clean in U", user(clean_block, (ulong)page, 0), 0);
  writable("senvcfg", 0x10a, ~0ul);
  outcome("cbo.zero in U after senvcfg was cleared", user(zero_block, (ulong)page, 0), 0);
}

static ulong word(const byte *p) { return (ulong)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static int equal(const char *a, const char *b) {
  for (; *a && *a == *b; a++, b++) continue;
  return *a == *b;
}
/** The nodes below the root, those of /chosen, /cpus and /reserved-memory, and a few properties. */
static void device_tree(const byte *tree) {
  const byte *p = tree + word(tree + 8);
  const char *strings = (const char *)tree + word(tree + 12), *path[8] = {0};
  for (int depth = 0;;) {
    ulong token = word(p);
    p += 4;
    if (token == 1) {
      const char *name = (const char *)p;
      path[depth++ & 7] = name;
      int n = 0;
      while (p[n]) n++;
      p += (n + 4) & ~3;
      int inner = depth == 3 && (equal(path[1], "cpus") || equal(path[1], "reserved-memory") || equal(path[1], "soc"));
      if (depth != 2 && !inner) continue;
      put("node ");
      for (int i = 1; i < depth; i++) put("/"), put(path[i]);
      put("\n");
    } else if (token == 2) depth--;
    else if (token == 3) {
      ulong length = word(p);
      const char *name = strings + word(p + 4);
      p += 8;
      int chosen = depth == 2 && equal(path[1], "chosen"), reserved = depth == 3 && equal(path[1], "reserved-memory");
      if (chosen || reserved) {
        put("property ");
        put(path[depth - 1]);
        put(".");
        put(name);
        if (reserved && equal(name, "reg")) put(" "), put_hex(word(p + 4)), put(" "), put_hex(word(p + 12));
        put("\n");
      } else if (depth == 3 && equal(path[1], "cpus") && (equal(name, "status") || equal(name, "mmu-type"))) {
        put("property ");
        put(path[2]);
        put(".");
        put(name);
        put(" ");
        put((const char *)p);
        put("\n");
      }
      p += (length + 3) & ~3ul;
    } else if (token == 9) return;
  }
}

static const struct {
  ulong number;
  const char *name;
} EXTENSIONS[] = {
  {0, "legacy set_timer"}, {1, "legacy console_putchar"}, {2, "legacy console_getchar"}, {3, "legacy clear_ipi"}, {4, "legacy send_ipi"},
  {5, "legacy remote_fence_i"}, {6, "legacy remote_sfence_vma"}, {7, "legacy remote_sfence_vma_asid"}, {8, "legacy shutdown"},
  {0x10, "base"}, {0x54494d45, "TIME"}, {0x735049, "IPI"}, {0x52464e43, "RFNC"}, {0x48534d, "HSM"}, {0x53525354, "SRST"}, {0x504d55, "PMU"},
  {0x4442434e, "DBCN"}, {0x53555350, "SUSP"}, {0x43505043, "CPPC"}, {0x4e41434c, "NACL"}, {0x535441, "STA"}, {0x535345, "SSE"},
  {0x46574654, "FWFT"}, {0x44425452, "DBTR"}, {0x4d505859, "MPXY"},
};
#define PMU 0x504d55
static ulong instret(void) {
  ulong n;
  asm volatile("csrr %0, instret" : "=r"(n));
  return n;
}
/** Counts with `instret`, and with the firmware's counter `first`. */
static void counting(ulong first) {
  enum { INFO = 1, CONFIG, START, STOP, READ };
  enum { COUNTERS = 5, CLEAR = 2, AUTO = 4, SET = 1, RESET = 1, INSTRUCTIONS = 2, CYCLES = 1, SET_TIMER = 0xf0005 };
  // Far enough from 0 that what starts there has not come so far, on a machine whose counter is the host's clock either.
  const ulong FROM = 1UL << 40;
  line("PMU stop of what runs from the start", sbi_event(0, COUNTERS, RESET, 0, STOP));
  long error = sbi_event(0, COUNTERS, CLEAR, INSTRUCTIONS, CONFIG);
  ulong counter = sbi_value, before;
  line("PMU instructions", error), line("PMU their counter", counter);
  before = instret();
  line("PMU configured, it counts", instret() != before);
  line("PMU start with a value", sbi_event(2, 1, SET, FROM, START));
  before = instret();
  line("PMU started, it counts", instret() != before);
  line("PMU from that value", before >= FROM && before - FROM < FROM);
  line("PMU start of what runs", sbi_event(2, 1, 0, 0, START));
  line("PMU stop", sbi_event(2, 1, 0, 0, STOP));
  before = instret();
  line("PMU stopped, it counts", instret() != before);
  line("PMU references of the first-level data cache", sbi_event(0, COUNTERS, 0, 0x10000, CONFIG));
  // OpenSBI 1.6 takes counter 1 for a firmware event, and dies if it is to be cleared.
  sbi(0, 0, 0, 0x10, 1);
  ulong implementation = sbi_value;
  sbi(0, 0, 0, 0x10, 2);
  if (implementation == 1 && sbi_value >= 0x10006) return;
  error = sbi_event(first, 0xff, AUTO | CLEAR, SET_TIMER, CONFIG);
  counter = sbi_value;
  line("PMU calls of set_timer", error);
  line("PMU the first firmware counter", counter - first);
  for (int i = 0; i < 3; i++) sbi(~0ul, 0, 0, 0x54494d45, 0);
  error = sbi_event(counter, 0, 0, 0, READ);
  ulong n = sbi_value;
  line("PMU read", error), line("PMU calls of set_timer that were counted", n);
  line("PMU stop and forget", sbi_event(counter, 1, RESET, 0, STOP));
  line("PMU stop of all", sbi_event(0, COUNTERS, RESET, 0, STOP));
}
static void calls(ulong hart) {
  sbi(0, 0, 0, 0x10, 0), line("SBI version", sbi_value);
  for (unsigned i = 0; i < sizeof EXTENSIONS / sizeof *EXTENSIONS; i++) {
    sbi(EXTENSIONS[i].number, 0, 0, 0x10, 3);
    ulong there = sbi_value;
    put("SBI ");
    put(EXTENSIONS[i].name);
    put(there ? ": yes\n" : ": no\n");
  }
  sbi(0, 0, 0, 0x10, 4), line("mvendorid", sbi_value);
  sbi(hart, 0, 0, 0x48534d, 2), line("state of this hart", sbi_value);
  sbi(0, 0, 0, 0x54494d45, 0);  // a time that is over
  ulong pending;
  asm volatile("csrr %0, sip" : "=r"(pending));
  line("sip after set_timer(0)", pending);
  sbi(~0ul, 0, 0, 0x54494d45, 0);
  asm volatile("csrr %0, sip" : "=r"(pending));
  line("sip after set_timer(-1)", pending);
  if (sbi(0, 0, 0, PMU, 0)) return;
  ulong counters = sbi_value, firmware = 0, hardware = 0, first = 0;
  for (ulong n = 0; n < counters; n++) {
    if (sbi(n, 0, 0, PMU, 1)) continue;
    ulong info = sbi_value;
    if ((long)info < 0) {
      if (firmware++) continue;
      first = n;
      put("PMU firmware counters have a width - 1 of ");
      put_number(info >> 12 & 63);
      put("\n");
    } else {
      hardware++;
      put("PMU counter ");
      put_csr(info & 0xfff);
      line(": width - 1", info >> 12 & 63);
    }
  }
  line("PMU firmware counters", firmware);
  line("PMU hardware counters", hardware);
  counting(first);
}

void main(ulong hart, const byte *tree) {
  line("a0", hart);
  put(word(tree) == 0xd00dfeed && ((ulong)tree & 7) == 0 ? "a1 is an aligned device tree\n" : "a1 is something else\n");
  registers();
  writable("sie", 0x104, ~0ul);
  writable("sip", 0x144, ~0ul);
  writable("scounteren", 0x106, ~0ul);
  writable("sstatus", 0x100, ~0ul);
  modes();
  delegation();
  what_u_may();
  calls(hart);
  device_tree(tree);
  put("end\n");
  sbi(0, 0, 0, 8, 0);
}
