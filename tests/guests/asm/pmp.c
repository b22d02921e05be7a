// Physical memory protection at its edges: accesses of all sizes and alignments round the ends of entries and pages, and code that runs
// into what it may not execute. Every line is what a spec-conforming hart with a grain of 4 bytes prints.
#include <stdint.h>

#define UART ((volatile uint8_t *)0x10000000)
#define TEST_DEVICE ((volatile uint32_t *)0x100000)

typedef void access(void);
extern access load1, load2, load4, load8, store1, store2, store4, store8;
extern int attempt(access *how, uintptr_t address, int user);
extern int run_user(uintptr_t address);
extern uintptr_t trap_pc, trap_value;

static uint8_t area[3 * 4096] __attribute__((aligned(4096)));

enum { R = 1, W = 2, X = 4, TOR = 0x08, NA4 = 0x10, NAPOT = 0x18, LOCKED = 0x80 };

static void print(const char *text) {
    for (; *text; text++) UART[0] = (uint8_t)*text;
}
static void print_hex(uintptr_t n, int digits) {
    while (digits--) UART[0] = "0123456789abcdef"[n >> 4 * digits & 15];
}

static void entries(uint32_t configuration, uintptr_t a0, uintptr_t a1, uintptr_t a2, uintptr_t a3) {
    asm volatile("csrw pmpaddr0, %0; csrw pmpaddr1, %1; csrw pmpaddr2, %2; csrw pmpaddr3, %3"
                 :: "r"(a0 >> 2), "r"(a1 >> 2), "r"(a2 >> 2), "r"(a3 >> 2));
    asm volatile("csrw pmpcfg0, %0; sfence.vma" :: "r"((uintptr_t)configuration));
}
static uintptr_t napot(void *start, uintptr_t bytes) {
    return (uintptr_t)start | (bytes / 2 - 1);
}
#define ALL (~(uintptr_t)0)
#define CONFIGURE(c0, c1, c2, c3) ((uint32_t)(c0) | (uint32_t)(c1) << 8 | (uint32_t)(c2) << 16 | (uint32_t)(c3) << 24)

// One letter for each address: '.' done, 'l' load access fault, 's' store access fault, 'x' fetch access fault.
static char letter(int result) {
    return result == 0 ? '.' : result == 1 + 5 ? 'l' : result == 1 + 7 ? 's' : result == 1 + 1 ? 'x' : '?';
}

static const struct { const char *name; access *how; } accesses[] = {
    { "load  1", load1 }, { "store 1", store1 }, { "load  2", load2 }, { "store 2", store2 }, { "load  4", load4 }, { "store 4", store4 },
#if __riscv_xlen == 64
    { "load  8", load8 }, { "store 8", store8 },
#endif
};

static void edges(const char *what, uint8_t *from, int user) {
    print(what);
    print(user ? ", user\n" : ", machine\n");
    for (unsigned i = 0; i < sizeof accesses / sizeof *accesses; i++) {
        print("  ");
        print(accesses[i].name);
        print(" ");
        for (int at = 0; at < 28; at++) UART[0] = (uint8_t)letter(attempt(accesses[i].how, (uintptr_t)from + at, user));
        print("\n");
    }
}

// User code at area + 0x200 - before, of 2-byte instructions but for what `wide` puts at its end; prints where it stopped and why.
static void fetches(const char *what, int before) {
    asm volatile("fence.i");
    for (int round = 0; round < 3; round++) {
        int result = run_user((uintptr_t)area + 0x200 - before);
        if (round) continue;
        print(what);
        print(": ");
        UART[0] = (uint8_t)(result == 1 + 8 ? 'e' : letter(result));
        print(" at ");
        print_hex(trap_pc - (uintptr_t)area, 4);
        if (result == 1 + 1) {
            print(", value ");
            print_hex(trap_value - (uintptr_t)area, 4);
        }
        print("\n");
    }
}

void main(void) {
    uint8_t *a = area + 0x100;
    uint32_t open = NAPOT | R | W | X;
    entries(CONFIGURE(0, TOR | R, open, 0), (uintptr_t)a + 12, (uintptr_t)a + 20, ALL, 0);
    edges("8 bytes that may only be read", a, 1);
    entries(CONFIGURE(NA4, open, 0, 0), (uintptr_t)a + 12, ALL, 0, 0);
    edges("4 closed bytes", a, 1);
    entries(CONFIGURE(NA4 | R | W | X, open, 0, 0), (uintptr_t)a + 12, ALL, 0, 0);
    edges("4 bytes of an entry of their own", a, 1);
    edges("4 bytes of an entry of their own", a, 0);
    entries(CONFIGURE(NAPOT | R, open, 0, 0), napot(area + 4096, 4096), ALL, 0, 0);
    edges("a page that may only be read", area + 4096 - 12, 1);
    entries(CONFIGURE(NAPOT | R | W, 0, 0, 0), napot(area + 4096, 4096), 0, 0, 0);
    edges("one open page", area + 4096 - 12, 1);
    edges("one open page", area + 2 * 4096 - 12, 1);

    uint16_t *code = (uint16_t *)area;
    for (int i = 0; i < 4096; i++) code[i] = 0x0001; // c.nop
    code[0x240 / 2] = 0x0073; // ecall
    code[0x242 / 2] = 0;
    entries(CONFIGURE(open, 0, 0, 0), ALL, 0, 0, 0);
    fetches("everything open", 8);
    entries(CONFIGURE(0, TOR | R, open, 0), (uintptr_t)area + 0x200, (uintptr_t)area + 0x240, ALL, 0);
    fetches("runs into closed code", 8);
    fetches("starts there", 0);
    fetches("starts behind it", -0x40);
    code[0x1fe / 2] = 0x0013; // nop of 4 bytes, the second half of which is beyond
    code[0x200 / 2] = 0x0000;
    fetches("an instruction that lies across", 8);
    entries(CONFIGURE(open, 0, 0, 0), ALL, 0, 0, 0);
    fetches("everything open again", 8);
    entries(CONFIGURE(0, TOR | R, open, 0), (uintptr_t)area + 0x200, (uintptr_t)area + 0x240, ALL, 0);
    fetches("and closed again", 8);
    for (int i = 0; i < 1000; i++) run_user((uintptr_t)area + 0x200 - 0x40);
    fetches("after a thousand runs", 0x40);

    // Locked entries bind M-mode, too, and stay.
    entries(CONFIGURE(0, TOR | R | LOCKED, 0, 0), (uintptr_t)a + 12, (uintptr_t)a + 20, 0, 0);
    edges("8 locked bytes that may only be read", a, 0);
    entries(CONFIGURE(open, open, 0, 0), ALL, ALL, 0, 0);
    edges("the same after an attempt to open them", a, 0);
    *TEST_DEVICE = 0x5555;
}
