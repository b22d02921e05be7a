// Every program of bench.c and the floating-point ones in single and double precision, in one image; the command line says which one runs
// and how often ("bench=fib:10": ten times 150 million instructions). "integer" runs the nine integer programs, "all" everything.
#define SUITE
#include "bench.c"
#include "parameter.h"

#define REAL double
#define NAMED(name) name##_double
#define SQRT(x) __builtin_sqrt(x)
#include "real.h"
#undef REAL
#undef NAMED
#undef SQRT
#define REAL float
#define NAMED(name) name##_single
#define SQRT(x) __builtin_sqrtf(x)
#include "real.h"

struct program { const char *name; uint32_t rounds, (*run)(void); };

static const struct program reals[] = {
    { "nbody_double", 40, nbody_double },
    { "nbody_single", 40, nbody_single },
    { "mandel_double", 10, mandel_double },
    { "mandel_single", 10, mandel_single },
    { "linpack_double", 50, linpack_double },
    { "linpack_single", 50, linpack_single },
    { "fft_double", 80, fft_double },
    { "fft_single", 80, fft_single },
};

static void measure(const char *name, uint32_t rounds, uint32_t (*run)(void)) {
    uint32_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        seed = 2463534242u + round;
        sum = 16777619 * sum ^ run();
    }
    for (; *name; name++) put(*name);
    put(' ');
    for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[sum >> shift & 15]);
    put('\n');
}

static void suite(struct parameter wanted) {
    int all = equal(wanted.name, "all");
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        int integer = programs[i].run != mandelbrot && equal(wanted.name, "integer");
        if (all || integer || equal(wanted.name, programs[i].name)) measure(programs[i].name, wanted.count * programs[i].rounds, programs[i].run);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        if (all || equal(wanted.name, reals[i].name)) measure(reals[i].name, wanted.count * reals[i].rounds, reals[i].run);
    }
}

#ifdef NATIVE
int main(int count, char **arguments) {
    suite(parse(count > 1 ? arguments[1] : "all"));
    return 0;
}
#else
int main(uintptr_t hart, const uint8_t *tree) {
    (void)hart;
    suite(parse(find_parameter(tree)));
    return 0;
}
#endif
