// The floating-point programs, for one type: REAL is it, NAMED(x) makes a name for it, SQRT its square root. Included once per type.
// Results are hashed bit by bit: with contraction off they are the same on every IEEE 754 machine.

static uint32_t NAMED(hash)(const REAL *values, uint32_t count) {
    const volatile uint8_t *bytes = (const volatile uint8_t *)values;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count * sizeof(REAL); i++) sum = 16777619 * sum ^ bytes[i];
    return sum;
}

// Five bodies that attract each other, 10,000 steps: multiplies, adds, a division and a square root per pair.
static uint32_t NAMED(nbody)(void) {
    enum { BODIES = 5 };
    struct body { REAL at[3], speed[3], mass; } bodies[BODIES];
    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].at[k] = (REAL)((i + 1) * (k + 2) % 7) + (REAL)i * 3;
            bodies[i].speed[k] = (REAL)((i * 3 + k) % 5 - 2) / 16;
        }
        bodies[i].mass = i ? (REAL)1 / 64 : 16;
    }
    const REAL dt = (REAL)1 / 1024;
    for (int step = 0; step < 10000; step++) {
        for (int i = 0; i < BODIES; i++) {
            struct body *a = bodies + i;
            for (int j = i + 1; j < BODIES; j++) {
                struct body *b = bodies + j;
                REAL x = a->at[0] - b->at[0], y = a->at[1] - b->at[1], z = a->at[2] - b->at[2];
                REAL square = x * x + y * y + z * z + (REAL)1 / 16;
                REAL pull = dt / (square * SQRT(square)), pull_a = pull * b->mass, pull_b = pull * a->mass;
                a->speed[0] -= x * pull_a, a->speed[1] -= y * pull_a, a->speed[2] -= z * pull_a;
                b->speed[0] += x * pull_b, b->speed[1] += y * pull_b, b->speed[2] += z * pull_b;
            }
        }
        for (int i = 0; i < BODIES; i++) {
            for (int k = 0; k < 3; k++) bodies[i].at[k] += dt * bodies[i].speed[k];
        }
    }
    return NAMED(hash)((REAL *)bodies, BODIES * sizeof(struct body) / sizeof(REAL));
}

// Points of the Mandelbrot set on a 160 x 120 grid, up to 200 steps each.
static uint32_t NAMED(mandel)(void) {
    uint32_t sum = 0;
    for (int row = 0; row < 120; row++) {
        for (int column = 0; column < 160; column++) {
            REAL cr = (REAL)column / 60 - 2, ci = (REAL)row / 60 - 1, r = 0, i = 0;
            int steps = 0;
            for (; steps < 200 && r * r + i * i < 4; steps++) {
                REAL next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
            }
            sum = 16777619 * sum ^ (uint32_t)steps;
        }
    }
    return sum;
}

// Solves 100 equations by elimination with partial pivoting: long loops of y += a * x.
static uint32_t NAMED(linpack)(void) {
    enum { N = 100 };
    REAL(*a)[N + 1] = (REAL(*)[N + 1])arena;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j <= N; j++) a[i][j] = (REAL)((int32_t)next_random() >> 8) / 65536;
    }
    for (int k = 0; k < N; k++) {
        int pivot = k;
        for (int i = k + 1; i < N; i++) {
            REAL candidate = a[i][k] < 0 ? -a[i][k] : a[i][k], best = a[pivot][k] < 0 ? -a[pivot][k] : a[pivot][k];
            if (candidate > best) pivot = i;
        }
        for (int j = k; j <= N; j++) {
            REAL swap = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        for (int i = k + 1; i < N; i++) {
            REAL factor = a[i][k] / a[k][k];
            for (int j = k; j <= N; j++) a[i][j] -= factor * a[k][j];
        }
    }
    REAL solution[N];
    for (int i = N - 1; i >= 0; i--) {
        REAL rest = a[i][N];
        for (int j = i + 1; j < N; j++) rest -= a[i][j] * solution[j];
        solution[i] = rest / a[i][i];
    }
    return NAMED(hash)(solution, N);
}

// A Fourier transform of 4096 complex points, radix 2, in place.
static uint32_t NAMED(fft)(void) {
    enum { LOG = 12, N = 1 << LOG };
    struct complex { REAL re, im; } *data = (struct complex *)arena, *roots = data + N;
    // The roots of unity by halving the angle: cos(t / 2) = sqrt((1 + cos t) / 2), from cos(pi / 2) = 0.
    REAL c = 0, s = 1;
    for (int k = 0; k < LOG - 2; k++) {
        REAL half = SQRT((1 + c) / 2);
        s = s / (2 * half);
        c = half;
    }
    roots[0].re = 1, roots[0].im = 0;
    for (int i = 1; i < N / 2; i++) {
        roots[i].re = roots[i - 1].re * c + roots[i - 1].im * s;
        roots[i].im = roots[i - 1].im * c - roots[i - 1].re * s;
    }
    for (uint32_t i = 0; i < N; i++) {
        uint32_t reversed = 0;
        for (int bit = 0; bit < LOG; bit++) reversed |= (i >> bit & 1) << (LOG - 1 - bit);
        data[reversed].re = (REAL)((int32_t)next_random() >> 8) / 65536;
        data[reversed].im = 0;
    }
    for (uint32_t half = 1; half < N; half *= 2) {
        for (uint32_t start = 0; start < N; start += 2 * half) {
            for (uint32_t k = 0; k < half; k++) {
                struct complex *low = data + start + k, *high = low + half, w = roots[k * (N / 2 / half)];
                REAL re = high->re * w.re - high->im * w.im, im = high->re * w.im + high->im * w.re;
                high->re = low->re - re, high->im = low->im - im;
                low->re += re, low->im += im;
            }
        }
    }
    return NAMED(hash)((REAL *)data, 2 * N);
}
