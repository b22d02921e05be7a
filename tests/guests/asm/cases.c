// Test cases in a section, as docs/kernel_tests.md describes it: ones that pass and ones that end in every way there is.
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
        __attribute__((used, section(".bringup_tests"), aligned(sizeof(long)))) = {path, sizeof path - 1, function, flags}; \
    static void function(void)

static void print(const char *text) {
    while (*text) *(volatile unsigned char *)0x10000000 = *text++;
}
static void finish(unsigned value) {
    for (;;) *(volatile unsigned *)0x100000 = value;
}
__attribute__((noinline)) void panic(const char *why) {
    print("panicked: ");
    print(why);
    print("\n");
    for (;;) {}
}

static int runs;
CASE(first, "alone::first", 0) {
    print("first\n");
    if (++runs != 1) panic("another case has run before");
}
CASE(second, "alone::second", 0) {
    if (++runs != 1) panic("another case has run before");
}
CASE(succeeds, "ends::with_success", 0) {
    print("good bye\n");
    finish(0x5555);
}
CASE(fails, "ends::with_failure", 0) { finish(3 << 16 | 0x3333); }
CASE(spins, "hangs::for_ever", LIMIT_MS(2)) {
    for (;;) {}
}
CASE(waits, "hangs::asleep", 0) {
    __asm__ volatile("csrw mie, zero");
    for (;;) __asm__ volatile("wfi");
}
CASE(jumps, "dies", 0) {
    __asm__ volatile("csrw mtvec, zero");
    ((void (*)(void))8)();
}
CASE(panics, "panics::by_mistake", 0) { panic("by mistake"); }
CASE(should, "panics::on_purpose", SHOULD_PANIC) { panic("on purpose"); }
CASE(should_not, "panics::not_at_all", SHOULD_PANIC) {}
CASE(later, "some::day", IGNORED) { panic("it is not some day yet"); }

__attribute__((noinline)) void bringup_test_main(void) {
    print("nobody runs the cases\n");
    finish(0x5555);
}

void main(void) {
    print("booted\n");
    bringup_test_main();
}
