// What a C kernel checks first: .bss is zero, .data and .rodata have their values, calls nest, the stack is aligned and local arrays live on it.
#include <stdint.h>

#define UART ((volatile uint8_t *)0x10000000)
#define TEST_DEVICE ((volatile uint32_t *)0x100000)

static uint32_t zeroed[256];
static uint32_t initialised[4] = { 1, 2, 3, 4 };
static const char *const words[] = { "zero", "one", "two" };
static uint32_t failures;

static void print(const char *text) {
    for (; *text; text++) {
        while (!(UART[5] & 0x20)) { }
        UART[0] = (uint8_t)*text;
    }
}

static void check(const char *name, int good) {
    print(name);
    print(good ? ": ok\n" : ": WRONG\n");
    failures += !good;
}

__attribute__((noinline)) static uint32_t ackermann(uint32_t m, uint32_t n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

__attribute__((noinline)) static uint32_t on_stack(uint32_t depth) {
    volatile uint32_t local[16];
    for (uint32_t i = 0; i < 16; i++) local[i] = depth * i;
    uint32_t below = depth ? on_stack(depth - 1) : 0;
    for (uint32_t i = 0; i < 16; i++) below += local[i];
    return below;
}

void main(void) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 256; i++) sum |= zeroed[i];
    check(".bss is zero", sum == 0);
    check(".data is initialised", initialised[0] == 1 && initialised[3] == 4);
    initialised[0] = 5;
    check(".data is writable", ((volatile uint32_t *)initialised)[0] == 5);
    check(".rodata pointers", words[2][0] == 't' && words[2][3] == 0);
    check("stack alignment", ((uintptr_t)__builtin_frame_address(0) & 15) == 0);
    check("recursion", ackermann(2, 9) == 21);
    check("locals", on_stack(20) == 120 * 210);
    *TEST_DEVICE = failures ? failures << 16 | 0x3333 : 0x5555;
}
