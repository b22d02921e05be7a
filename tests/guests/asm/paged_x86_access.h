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
ACCESS(8, uint64_t)
static inline void copy_double(void *to, const void *from) {
    __asm__ volatile("movsd (%1), %%xmm0\n movsd %%xmm0, (%0)" ::"r"(to), "r"(from) : "xmm0", "memory");
}
static inline void copy_float(void *to, const void *from) {
    __asm__ volatile("movss (%1), %%xmm1\n movss %%xmm1, (%0)" ::"r"(to), "r"(from) : "xmm1", "memory");
}
