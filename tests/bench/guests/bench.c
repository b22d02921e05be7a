// The benchmark guest: ten small programs, each prints its name and a checksum. -DONLY=name runs one of them, -DSCALE=n makes all n times as long,
// -DNATIVE builds it for the host, -DSUITE leaves `main` to suite.c. No library, no allocation, no time in the output: every run of every machine prints the same text.
#include <stddef.h>
#include <stdint.h>

#ifndef SCALE
#define SCALE 1
#endif

#ifdef NATIVE
#include <stdio.h>
#include <string.h>
static void put(char c) { putchar(c); }
#else
static void put(char c) { *(volatile uint8_t *)0x10000000 = (uint8_t)c; }

void *memset(void *to, int value, size_t count) {
    for (uint8_t *p = to; count; count--) *p++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t count) {
    uint8_t *p = to;
    const uint8_t *q = from;
    for (; count; count--) *p++ = *q++;
    return to;
}
#endif

static uint32_t arena[1 << 19]; // 2 MiB, shared by all

static uint32_t seed;
static uint32_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

// Primes below 1,000,000: byte stores with strides.
static uint32_t sieve(void) {
    enum { LIMIT = 1000000 };
    uint8_t *composite = (uint8_t *)arena;
    memset(composite, 0, LIMIT);
    uint32_t primes = 0;
    for (uint32_t i = 2; i < LIMIT; i++) {
        if (composite[i]) continue;
        primes++;
        for (uint32_t j = 2 * i; j < LIMIT; j += i) composite[j] = 1;
    }
    return primes;
}

// A product of two 128 x 128 matrices of integers.
static uint32_t matmul(void) {
    enum { N = 128 };
    uint32_t *a = arena, *b = a + N * N, *c = b + N * N;
    for (uint32_t i = 0; i < N * N; i++) a[i] = next_random(), b[i] = i * 7 + 1;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < N; j++) {
            uint32_t cell = 0;
            for (uint32_t k = 0; k < N; k++) cell += a[i * N + k] * b[k * N + j];
            sum = 16777619 * sum ^ (c[i * N + j] = cell);
        }
    }
    return sum;
}

// Recursive quicksort of 200,000 words: unpredictable branches.
static void sort(uint32_t *low, uint32_t *high) {
    while (high - low > 1) {
        uint32_t pivot = low[(high - low - 1) / 2], *i = low - 1, *j = high;
        for (;;) {
            while (*++i < pivot) { }
            while (*--j > pivot) { }
            if (i >= j) break;
            uint32_t swap = *i;
            *i = *j;
            *j = swap;
        }
        sort(low, j + 1);
        low = j + 1;
    }
}

static uint32_t quicksort(void) {
    enum { COUNT = 200000 };
    for (uint32_t i = 0; i < COUNT; i++) arena[i] = next_random();
    sort(arena, arena + COUNT);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < COUNT; i++) sum = 16777619 * sum ^ arena[i];
    return sum;
}

// CRC-32 of 1 MiB by a table: byte loads and table look-ups.
static uint32_t crc(void) {
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        table[i] = value;
    }
    for (uint32_t i = 0; i < 1 << 18; i++) arena[i] = i * 2654435761u;
    const uint8_t *bytes = (const uint8_t *)arena;
    uint32_t value = ~0u;
    for (uint32_t i = 0; i < 1 << 20; i++) value = table[(value ^ bytes[i]) & 0xff] ^ value >> 8;
    return ~value;
}

// Recursive Fibonacci: calls and returns.
__attribute__((noinline)) static uint32_t fibonacci(uint32_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t fib(void) {
    volatile uint32_t n = 27;
    return fibonacci(n);
}

// Walks a list of 100,000 nodes in random order, thirty times: dependent loads.
struct node { struct node *next; uint32_t value; };
static uint32_t list(void) {
    enum { COUNT = 100000 };
    struct node *nodes = (struct node *)arena;
    for (uint32_t i = 0; i < COUNT; i++) nodes[i].next = nodes + i, nodes[i].value = i;
    for (uint32_t i = COUNT - 1; i; i--) { // Sattolo: one cycle through all nodes
        uint32_t j = next_random() % i;
        struct node *swap = nodes[i].next;
        nodes[i].next = nodes[j].next;
        nodes[j].next = swap;
    }
    uint32_t sum = 0;
    const struct node *at = nodes;
    for (uint32_t i = 0; i < 30 * COUNT; i++) sum = sum * 3 + at->value, at = at->next;
    return sum;
}

// SHA-256 (FIPS 180-4) of 512 KiB: rotates and adds in registers.
static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

// FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sha256(void) {
    // FIPS 180-4, 5.3.3: the same of the square roots of the first 8 primes.
    uint32_t hash[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    for (uint32_t i = 0; i < 1 << 17; i++) arena[i] = i * 2654435761u;
    for (uint32_t block = 0; block < 1 << 13; block++) {
        uint32_t w[64], s[8];
        for (int i = 0; i < 16; i++) w[i] = arena[16 * block + i];
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        for (int i = 0; i < 8; i++) s[i] = hash[i];
        for (int i = 0; i < 64; i++) {
            uint32_t s1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
            uint32_t t1 = s[7] + s1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_constants[i] + w[i];
            uint32_t s0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
            uint32_t t2 = s0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + t1, s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) hash[i] += s[i];
    }
    return hash[0] ^ hash[7];
}

// Copies 64 KiB between places of the arena by words, 200 times.
static uint32_t copy(void) {
    enum { WORDS = 1 << 14 };
    for (uint32_t i = 0; i < WORDS; i++) arena[i] = next_random();
    for (uint32_t round = 0; round < 200; round++) {
        const volatile size_t *from = (const volatile size_t *)(arena + (round % 8) * WORDS);
        volatile size_t *to = (volatile size_t *)(arena + ((round + 1) % 8) * WORDS);
        for (size_t i = 0; i < WORDS * sizeof *arena / sizeof *to; i++) to[i] = from[i];
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 8 * WORDS; i++) sum = 16777619 * sum ^ arena[i];
    return sum;
}

// Counts short words in 1 MiB of letters by naive search: compares and branches on bytes.
static uint32_t search(void) {
    static const char *const words[] = { "abca", "cabb", "bbbbbbbb", "acbacb" };
    enum { LENGTH = 1 << 20 };
    char *text = (char *)arena;
    for (uint32_t i = 0; i < LENGTH; i++) text[i] = (char)('a' + next_random() % 3);
    text[LENGTH - 1] = 0;
    uint32_t found = 0;
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        for (const char *at = text; *at; at++) {
            const char *p = at, *q = words[w];
            while (*q && *p == *q) p++, q++;
            found += !*q;
        }
    }
    return found;
}

// Points of the Mandelbrot set on a 160 x 120 grid: double precision multiply and add.
static uint32_t mandelbrot(void) {
    uint32_t sum = 0;
    for (int row = 0; row < 120; row++) {
        for (int column = 0; column < 160; column++) {
            double cr = column / 60.0 - 2.0, ci = row / 60.0 - 1.0, r = 0, i = 0;
            int steps = 0;
            for (; steps < 200 && r * r + i * i < 4; steps++) {
                double next = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = next;
            }
            sum = 16777619 * sum ^ (uint32_t)steps;
        }
    }
    return sum;
}

// The rounds make each program about 150 million instructions long.
static const struct { const char *name; uint32_t rounds, (*run)(void); } programs[] = {
    { "sieve", 6, sieve },
    { "matmul", 9, matmul },
    { "quicksort", 5, quicksort },
    { "crc", 12, crc },
    { "fib", 20, fib },
    { "list", 7, list },
    { "sha256", 4, sha256 },
    { "copy", 16, copy },
    { "search", 2, search },
    { "mandelbrot", 10, mandelbrot },
};

#ifndef SUITE
int main(void) {
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
#ifdef ONLY
        if (programs[i].run != ONLY) continue;
#endif
        uint32_t sum = 0;
        for (uint32_t round = 0; round < SCALE * programs[i].rounds; round++) {
            seed = 2463534242u + round;
            sum = 16777619 * sum ^ programs[i].run();
        }
        for (const char *name = programs[i].name; *name; name++) put(*name);
        put(' ');
        for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[sum >> shift & 15]);
        put('\n');
    }
    return 0;
}
#endif
