// Accesses of x86, of which none has to be aligned.
#define ACCESS(bytes, type)                                                                                            \
    static inline type load##bytes(const void *at) {                                                                   \
        type value;                                                                                                    \
        __asm__ volatile("mov %1, %0" : "=r"(value) : "m"(*(const type(*))at) : "memory");                             \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void store##bytes(void *at, type value) { __asm__ volatile("mov %1, %0" : "=m"(*(type(*))at) : "r"(value) : "memory"); }
ACCESS(2, uint16_t)
ACCESS(4, uint32_t)
#ifdef __x86_64__
ACCESS(8, uint64_t)
static inline void add8(void *at, uint64_t value) { __asm__ volatile("addq %1, (%0)" ::"r"(at), "r"(value) : "cc", "memory"); }
static inline void copy_double(void *to, const void *from) {
    __asm__ volatile("movsd (%1), %%xmm0\n movsd %%xmm0, (%0)" ::"r"(to), "r"(from) : "xmm0", "memory");
}
#else
static inline uint64_t load8(const void *at) {
    union { double d; uint64_t u; } bits;
    __asm__ volatile("movsd (%1), %0" : "=x"(bits.d) : "r"(at) : "memory");
    return bits.u;
}
static inline void store8(void *at, uint64_t value) {
    union { uint64_t u; double d; } bits = { value };
    __asm__ volatile("movsd %1, (%0)" ::"r"(at), "x"(bits.d) : "memory");
}
static inline void add8(void *at, uint64_t value) {
    __asm__ volatile("addl %1, (%0)\n adcl %2, 4(%0)" ::"r"(at), "r"((uint32_t)value), "r"((uint32_t)(value >> 32)) : "cc", "memory");
}
// Integers of 64 bits go through the x87 unchanged.
static inline void copy_double(void *to, const void *from) { __asm__ volatile("fildll (%1)\n fistpll (%0)" ::"r"(to), "r"(from) : "memory"); }
#endif
static inline void copy_float(void *to, const void *from) {
    __asm__ volatile("movss (%1), %%xmm1\n movss %%xmm1, (%0)" ::"r"(to), "r"(from) : "xmm1", "memory");
}
static inline void copy16(void *to, const void *from) {
    __asm__ volatile("movups (%1), %%xmm2\n movups %%xmm2, (%0)" ::"r"(to), "r"(from) : "xmm2", "memory");
}
static inline void add4(void *at, uint32_t value) { __asm__ volatile("addl %1, (%0)" ::"r"(at), "r"(value) : "cc", "memory"); }
static inline uint32_t exchange4(void *at, uint32_t value) {
    __asm__ volatile("xchgl %0, (%1)" : "+r"(value) : "r"(at) : "memory");
    return value;
}
#define MOVE(instruction) __asm__ volatile(instruction : "+D"(to), "+S"(from), "+c"(count)::"cc", "memory")
#define FILL(instruction) __asm__ volatile(instruction : "+D"(to), "+c"(count) : "a"((uintptr_t)value) : "memory")
static void copy_block(uint8_t *to, const uint8_t *from, uint32_t bytes, uint32_t unit, int backwards) {
    if (unit > sizeof(uintptr_t)) unit = sizeof(uintptr_t);
    uintptr_t count = bytes / unit;
    if (backwards) to += bytes - unit, from += bytes - unit;
    if (unit == 1 && backwards) MOVE("std\n rep movsb\n cld");
    else if (unit == 1) MOVE("rep movsb");
    else if (unit == 2 && backwards) MOVE("std\n rep movsw\n cld");
    else if (unit == 2) MOVE("rep movsw");
    else if (unit == 4 && backwards) MOVE("std\n rep movsl\n cld");
    else if (unit == 4) MOVE("rep movsl");
#ifdef __x86_64__
    else if (backwards) MOVE("std\n rep movsq\n cld");
    else MOVE("rep movsq");
#endif
}
static void fill_block(uint8_t *to, uint32_t bytes, uint32_t unit, uint64_t value) {
    if (unit > sizeof(uintptr_t)) unit = sizeof(uintptr_t);
    uintptr_t count = bytes / unit;
    if (unit == 1) FILL("rep stosb");
    else if (unit == 2) FILL("rep stosw");
    else if (unit == 4) FILL("rep stosl");
#ifdef __x86_64__
    else FILL("rep stosq");
#endif
}
static inline uint32_t divide(uint32_t high, uint32_t low, uint32_t by, uint32_t *rest) {
    __asm__("divl %4" : "=a"(low), "=d"(*rest) : "a"(low), "d"(high), "r"(by) : "cc");
    return low;
}
