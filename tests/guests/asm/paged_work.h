// Work for a program without privileges whose pages have frames in any order: copies by units of all sizes at any address, blocks of memory, a
// hash, a sort, large numbers and an interpreter of byte code, all of them over page ends. Prints a checksum for each; tests/models/paged_work.ts
// does the same work. Whoever includes it has `put`, and accesses that need no alignment: load2, load4, load8, store2, store4, store8, add4, add8,
// exchange4, copy_double, copy_float, copy16; copy_block and fill_block by a unit of 1, 2, 4 or 8 bytes, the copy backwards when told; and divide
// (64 by 32 bits, the quotient has 32).
enum { WORK_BYTES = 60 * 4096, WORK_BLOCK = 9000 };

static uint32_t work_seed;
// The number behind "seed=" in this text, or one of our own.
static uint32_t work_find_seed(const uint8_t *text, uint32_t size) {
    for (uint32_t i = 0; i + 6 < size; i++) {
        if (text[i] != 's' || text[i + 1] != 'e' || text[i + 2] != 'e' || text[i + 3] != 'd' || text[i + 4] != '=') continue;
        uint32_t seed = 0;
        for (i += 5; i < size && text[i] >= '0' && text[i] <= '9'; i++) seed = seed * 10 + text[i] - '0';
        return seed;
    }
    return 2463534242u;
}
static uint32_t work_random(void) {
    work_seed ^= work_seed << 13, work_seed ^= work_seed >> 17, work_seed ^= work_seed << 5;
    return work_seed;
}

static void work_report(const char *name, uint32_t sum) {
    for (; *name; name++) put(*name);
    put(' ');
    for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[sum >> shift & 15]);
    put('\n');
}

static uint32_t work_sum(const uint8_t *from, uint32_t bytes) {
    uint32_t sum = 2166136261u;
    for (uint32_t i = 0; i < bytes; i++) sum = (sum ^ from[i]) * 16777619u;
    return sum;
}

// Somewhere within 24 bytes of a page's end, mostly in front of it.
static uint32_t work_place(void) { return (1 + work_random() % 58) * 4096 - 24 + work_random() % 32; }

static void work_copies(uint8_t *m, uint32_t rounds) {
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t to = work_place(), from = work_place(), unit = round % 9;
        for (uint32_t i = 0; i < 40; i += 8) {
            uint8_t *d = m + to + i;
            const uint8_t *s = m + from + i;
            if (unit == 0) store8(d, load8(s) + 0x0123456789abcdefu * round);
            else if (unit == 1) store4(d, load4(s) ^ round), store4(d + 4, load4(s + 4));
            else if (unit == 2) store2(d + 1, load2(s + 1) + round), store2(d + 3, load2(s + 5)), store2(d + 5, load2(s + 3));
            else if (unit == 3) copy_double(d, s);
            else if (unit == 4) copy_float(d, s), copy_float(d + 4, s + 3);
            else if (unit == 5) store8(d, load8(d) ^ load8(s)), store4(d + 3, load4(d + 5)), *d = (uint8_t)(*s + 1);
            else if (unit == 6) store8(d + 5, load4(s)), store2(d - 1, (uint16_t)load8(s + 2)), d[7] ^= s[1];
            else if (unit == 7) add8(d, load8(s)), add4(d + 3, round), store4(d + 8, exchange4(d + 6, load4(s + 1)));
            else copy16(d, s);
        }
    }
    work_report("copies", work_sum(m, WORK_BYTES));
}

// Blocks of any length, which may lie over each other, and fills.
static void work_blocks(uint8_t *m, uint32_t rounds) {
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t unit = 1u << round % 4, bytes = work_random() % WORK_BLOCK & -unit, to = 64 + work_random() % (WORK_BYTES - WORK_BLOCK - 128);
        uint32_t from = round & 4 ? to - 32 + work_random() % 64 : work_random() % (WORK_BYTES - WORK_BLOCK);
        copy_block(m + to, m + from, bytes, unit, from < to);
        uint32_t at = work_place(), length = work_random() % 160 & -unit;
        fill_block(m + at, length, unit, work_random() * 0x100000001u);
    }
    work_report("blocks", work_sum(m, WORK_BYTES));
}

static uint32_t work_rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }
// The rounds of SHA-256 (FIPS 180-4, 6.2) with constants of our own.
static void work_hash(const uint8_t *m, uint32_t blocks) {
    uint32_t h[8], w[64];
    for (int i = 0; i < 8; i++) h[i] = 0x9e3779b9u * (i + 1);
    for (uint32_t block = 0; block < blocks; block++) {
        for (int i = 0; i < 16; i++) w[i] = load4(m + 64 * block + 4 * i);
        for (int i = 16; i < 64; i++) {
            uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (work_rotate(a, 7) ^ work_rotate(a, 18) ^ a >> 3) + w[i - 7] + (work_rotate(b, 17) ^ work_rotate(b, 19) ^ b >> 10);
        }
        uint32_t s[8];
        for (int i = 0; i < 8; i++) s[i] = h[i];
        for (int i = 0; i < 64; i++) {
            uint32_t t = s[7] + (work_rotate(s[4], 6) ^ work_rotate(s[4], 11) ^ work_rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                0x85ebca6bu * (i + 1) + w[i];
            uint32_t u = (work_rotate(s[0], 2) ^ work_rotate(s[0], 13) ^ work_rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            for (int k = 7; k > 0; k--) s[k] = s[k - 1];
            s[4] += t, s[0] = t + u;
        }
        for (int i = 0; i < 8; i++) h[i] += s[i];
    }
    work_report("hash", h[0] ^ h[7]);
}

// A heap sort of words that are nowhere aligned: every 1024th lies across a page's end.
static void work_sort(uint8_t *m, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) store4(m + 4 * i, work_random());
    for (uint32_t start = count / 2, end = count; end > 1;) {
        uint32_t value, at;
        if (start > 0) at = --start, value = load4(m + 4 * at);
        else value = load4(m + 4 * --end), store4(m + 4 * end, load4(m)), at = 0;
        for (uint32_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && load4(m + 4 * child) < load4(m + 4 * child + 4)) child++;
            if (load4(m + 4 * child) <= value) break;
            store4(m + 4 * at, load4(m + 4 * child));
        }
        store4(m + 4 * at, value);
    }
    uint32_t wrong = 0;
    for (uint32_t i = 1; i < count; i++) wrong += load4(m + 4 * i - 4) > load4(m + 4 * i);
    work_report("sort", work_sum(m, 4 * count) + wrong);
}

// A factorial, in words at an odd address across a page's end.
static void work_factorial(uint8_t *m, uint32_t n) {
    uint32_t words = 1;
    store4(m, 1);
    for (uint32_t k = 2; k <= n; k++) {
        uint64_t carry = 0;
        for (uint32_t i = 0; i < words; i++) carry += (uint64_t)load4(m + 4 * i) * k, store4(m + 4 * i, (uint32_t)carry), carry >>= 32;
        if (carry) store4(m + 4 * words++, (uint32_t)carry);
    }
    work_report("factorial", work_sum(m, 4 * words));
}

static uint64_t work_multiply(uint64_t a, uint64_t b, uint64_t *high) {
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = product >> 64;
    return product;
#else
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t low = al * bl, one = ah * bl + (low >> 32), two = al * bh + (uint32_t)one;
    *high = ah * bh + (one >> 32) + (two >> 32);
    return two << 32 | (uint32_t)low;
#endif
}

// The product of two numbers of so many words of 64 bits at odd addresses, and its decimal digits: remainders of 1,000,000,000.
static void work_product(uint8_t *m, uint32_t words) {
    uint8_t *a = m, *b = a + 8 * words + 3, *product = b + 8 * words + 2;
    for (uint32_t i = 0; i < 2 * words; i++) store8(product + 8 * i, 0);
    for (uint32_t i = 0; i < words; i++) {
        uint64_t carry = 0, high;
        for (uint32_t j = 0; j < words; j++) {
            uint8_t *at = product + 8 * (i + j);
            uint64_t low = work_multiply(load8(a + 8 * i), load8(b + 8 * j), &high), sum = load8(at) + low, more = sum < low;
            sum += carry, more += sum < carry;
            store8(at, sum);
            carry = high + more;
        }
        store8(product + 8 * (i + words), carry);
    }
    work_report("product", work_sum(product, 16 * words));
    uint32_t digits = 2166136261u;
    for (uint32_t left = 4 * words; left > 0;) {
        uint32_t rest = 0;
        for (uint32_t i = left; i-- > 0;) store4(product + 4 * i, divide(rest, load4(product + 4 * i), 1000000000u, &rest));
        digits = (digits ^ rest) * 16777619u;
        while (left > 0 && load4(product + 4 * left - 4) == 0) left--;
    }
    work_report("digits", digits);
}

// Byte code of one byte and an immediate of two, at an odd address; its stack grows down across a page's end.
static void work_code(uint8_t *m, uint32_t steps) {
    uint8_t *code = m + 4096 - 301, *top = m + 2 * 4096 + 37;
    for (uint32_t i = 0; i < 200; i++) code[3 * i] = (uint8_t)(work_random() % 8), store2(code + 3 * i + 1, (uint16_t)work_random());
    uint32_t at = 0, sum = 1;
    uint8_t *sp = top;
    for (uint32_t n = 0; n < steps; n++) {
        uint32_t operation = code[3 * at], immediate = load2(code + 3 * at + 1);
        at = at == 199 ? 0 : at + 1;
        if (operation < 3 && sp > top - 120) sp -= 5, store4(sp, sum + immediate);
        else if (operation < 5 && sp < top) sum += load4(sp) * (2 * immediate + 1), sp += 5;
        else if (operation == 5) store8(sp - 8, load8(sp - 8) * 3 + sum);
        else if (operation == 6 && sum & 1) at = immediate % 200;
        else sum = work_rotate(sum, 7) ^ (uint32_t)load8(sp - 3) ^ immediate;
    }
    work_report("code", sum);
}

// Any seed but 0.
static void work(uint8_t *m, uint32_t seed) {
    work_seed = seed;
    for (uint32_t i = 0; i < WORK_BYTES; i += 4) store4(m + i, work_random());
    work_copies(m, 4000);
    work_blocks(m, 120);
    work_hash(m + 4096 - 13, 300);
    work_sort(m + 4093, 6000);
    work_factorial(m + 8 * 4096 - 99, 400);
    work_product(m + 13 * 4096 - 500, 61);
    work_code(m + 20 * 4096, 60000);
    work_report("memory", work_sum(m, WORK_BYTES));
}
