// Test cases in a section, as docs/kernel_tests.md describes it: ones that pass and ones that end in every way there is. With "case=NAME" on the
// command line it runs that one by itself, with "case=alone::" those that begin so, and prints the results as KTAP.
struct test_case {
    const char *name;
    unsigned long length;
    void (*run)(void);
    unsigned long flags;
};
enum { IGNORED = 1, SHOULD_PANIC = 2 };
#define LIMIT_MS(n) ((unsigned long)(n) << 8)
#define CASE(function, path, flags)                                                                                       \
    static void function(void);                                                                                           \
    static const struct test_case case_##function                                                                         \
        __attribute__((used, section("bringup_tests"), aligned(sizeof(long)))) = {path, sizeof path - 1, function, flags}; \
    static void function(void)

static void print(const char *text) {
    while (*text) *(volatile unsigned char *)0x10000000 = *text++;
}
static void finish(unsigned value) {
    for (;;) *(volatile unsigned *)0x100000 = value;
}
static const char *chosen;
static int endless;
__attribute__((noinline)) void panic(const char *why) {
    print("panicked: ");
    print(why);
    print("\n");
    if (chosen) finish(1 << 16 | 0x3333);
    for (;;) {
        if (endless) print("and more\n");
    }
}

static int runs;
CASE(first, "alone::first", 0) {
    print("first\n");
    if (++runs != 1 && !chosen) panic("another case has run before");
}
CASE(second, "alone::second", 0) {
    if (++runs != 1 && !chosen) panic("another case has run before");
}
CASE(succeeds, "ends::with_success", 0) {
    print("good bye\n");
    finish(0x5555);
}
CASE(fails, "ends::with_failure", 0) { finish(3 << 16 | 0x3333); }
CASE(resets, "ends::with_reset", 0) { finish(0x7777); }
CASE(spins, "hangs::for_ever", LIMIT_MS(2)) {
    for (;;) {}
}
CASE(waits, "hangs::asleep", 0) {
    __asm__ volatile("csrw mie, zero");
    for (;;) __asm__ volatile("wfi");
}
CASE(listens, "hangs::for_input", 0) {
    *(volatile unsigned char *)0x10000001 = 1;         // the UART's interrupt when a byte has come
    *(volatile unsigned *)(0xc000000 + 4 * 10) = 1;    // its priority at the PLIC
    *(volatile unsigned *)0xc002000 = 1 << 10;
    __asm__ volatile("csrw mie, %0" ::"r"(1 << 11));
    for (;;) __asm__ volatile("wfi");
}
CASE(jumps, "dies", 0) {
    __asm__ volatile("csrw mtvec, zero");
    ((void (*)(void))8)();
}
CASE(panics, "panics::by_mistake", 0) { panic("by mistake"); }
CASE(should, "panics::on_purpose", SHOULD_PANIC) { panic("on purpose"); }
CASE(should_not, "panics::not_at_all", SHOULD_PANIC) {}
CASE(hangs_instead, "panics::hangs_instead", SHOULD_PANIC | LIMIT_MS(1)) {
    for (;;) {}
}
CASE(without_end, "panics::without_end", 0) {
    endless = 1;
    panic("without an end");
}
CASE(later, "some::day", IGNORED) { panic("it is not some day yet"); }

__attribute__((noinline)) void bringup_test_main(void) {
    print("nobody runs the cases\n");
    finish(0x5555);
}

/** What stands behind a word in the device tree, of which the command line is a part. */
static const char *after(const unsigned char *tree, const char *word) {
    unsigned long size = (unsigned long)tree[4] << 24 | tree[5] << 16 | tree[6] << 8 | tree[7];
    for (unsigned long at = 0; at < size; at++) {
        unsigned long n = 0;
        while (word[n] && tree[at + n] == (unsigned char)word[n]) n++;
        if (!word[n]) return (const char *)tree + at + n;
    }
    return 0;
}

extern const struct test_case __start_bringup_tests[], __stop_bringup_tests[];
static void run_chosen(void) {
    print("KTAP version 1\n");
    for (const struct test_case *c = __start_bringup_tests; c < __stop_bringup_tests; c++) {
        unsigned long n = 0;
        while (n < c->length && chosen[n] == c->name[n]) n++;
        if (chosen[n]) continue;
        c->run();
        print(runs == 2 ? "not ok " : "ok ");
        print(c->name);
        print("\n");
    }
    finish(0x5555);
}

void main(unsigned long hart, const unsigned char *tree) {
    print("booted\n");
    chosen = after(tree, "case=");
    if (chosen) run_chosen();
    bringup_test_main();
}
