// Work in ring 3 on four levels of page tables, or on those of PAE in 32 bits: as tests/guests/asm/paged.c, with the timer of the local APIC.
#include <stdint.h>

typedef uint64_t word;
enum { PAGE = 4096, PAGES = 64, P = 1, W = 2, U = 4, TSS = 40, TIMER = 0x40, CALL = 0x80 };
#ifdef __x86_64__
#define MEMORY 0x8000000000u
extern word pml4[512];
#else
#define MEMORY 0x40000000u
#endif

extern word pdpt[512], gdt[];
extern uint8_t stack_top[];
void finish(void), timer_entry(void), call_entry(void), fault_entry(void);
_Noreturn void enter(void (*code)(uint8_t *), uintptr_t stack, uintptr_t argument);

static void put(char c) { __asm__ volatile("int $0x80" ::"a"(c) : "memory"); }
#include "../../../guests/asm/paged_x86_access.h"
#include "../../../guests/asm/paged_work.h"

static word upper[512] __attribute__((aligned(4096))), middle[512] __attribute__((aligned(4096))), leaf[512] __attribute__((aligned(4096)));
static uint8_t frames[PAGES][PAGE] __attribute__((aligned(4096)));
static word idt[512];
static uint32_t tss[26];
static unsigned interrupts;

static volatile uint32_t *apic(unsigned at) { return (volatile uint32_t *)(0xfee00000u + at); }
static void out(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }

// The program's vector registers are its own: nothing that an interrupt runs may use them.
#define GENERAL __attribute__((target("general-regs-only")))
GENERAL static void exchange(unsigned a, unsigned b) {
    word *x = (word *)(uintptr_t)(leaf[a] & -PAGE), *y = (word *)(uintptr_t)(leaf[b] & -PAGE), old = leaf[a];
    for (unsigned i = 0; i < PAGE / 8; i++) {
        word value = x[i];
        x[i] = y[i], y[i] = value;
    }
    leaf[a] = leaf[b], leaf[b] = old;
    __asm__ volatile("invlpg (%0)\n invlpg (%1)" ::"r"(MEMORY + a * PAGE), "r"(MEMORY + b * PAGE) : "memory");
}

GENERAL void timer(void) {
    *apic(0xb0) = 0;
    *apic(0x380) = 20000;
    unsigned a = ++interrupts * 7 % PAGES, b = interrupts * 13 % (PAGES - 1);
    if (a != b) exchange(a, b);
}
GENERAL void call(char c) {
    if (c) __asm__ volatile("outb %0, %1" ::"a"(c), "Nd"((uint16_t)0x3f8));
    else if (interrupts > 5) finish();
    else out(0xf4, 0x11);
}
void fault(void) { out(0xf4, 0x12); }

static void gate(unsigned vector, void (*entry)(void), word rights) {
    word at = (uintptr_t)entry, low = (at & 0xffff) | 8 << 16 | rights << 40 | (at >> 16 & 0xffff) << 48;
#ifdef __x86_64__
    idt[2 * vector] = low, idt[2 * vector + 1] = at >> 32;
#else
    idt[vector] = low;
#endif
}

static uint32_t seed;
static void user(uint8_t *memory) {
    work(memory, seed);
    put(0);
    for (;;);
}

// Xen's hvm_start_info: the address of the command line is at 24.
void x86_main(const uint8_t *info) {
    const char *line = (const char *)(uintptr_t)load4(info + 24);
    uint32_t length = 0;
    while (line && line[length]) length++;
    seed = work_find_seed((const uint8_t *)line, length);
    for (unsigned i = 0; i < PAGES; i++) leaf[i] = (uintptr_t)frames[i * 37 % PAGES] | P | W | U;
    middle[0] = (uintptr_t)leaf | P | W | U;
    ((word *)(uintptr_t)(pdpt[0] & -PAGE))[0] |= U; // the program's code is the kernel's
    uintptr_t top = (uintptr_t)stack_top, at = (uintptr_t)tss;
#ifdef __x86_64__
    pml4[1] = (word)upper | P | W | U, upper[0] = (word)middle | P | W | U;
    __asm__ volatile("mov %0, %%cr3" ::"r"(pml4) : "memory");
    *(word *)(tss + 1) = top;
    gdt[6] = at >> 32;
#else
    pdpt[1] = (uintptr_t)middle | P; // there are no rights in these (SDM volume 3A, 4.4.1)
    __asm__ volatile("mov %0, %%cr3" ::"r"(pdpt) : "memory");
    tss[1] = top, tss[2] = 16;
#endif
    gdt[5] = (sizeof tss - 1) | (word)(at & 0xffffff) << 16 | (word)0x89 << 40 | (word)(at >> 24 & 0xff) << 56;
    for (unsigned vector = 0; vector < 32; vector++) gate(vector, fault_entry, 0x8e);
    gate(TIMER, timer_entry, 0x8e), gate(CALL, call_entry, 0xee);
    struct __attribute__((packed)) { uint16_t limit; uintptr_t base; } table = { sizeof idt - 1, (uintptr_t)idt };
    __asm__ volatile("lidt %0" ::"m"(table));
    __asm__ volatile("ltr %w0" ::"r"(TSS));
    __asm__ volatile("outb %0, %1\n outb %0, %2" ::"a"((uint8_t)0xff), "Nd"((uint16_t)0x21), "Nd"((uint16_t)0xa1)); // the 8259s are not used
    *apic(0xf0) = 0x1ff, *apic(0x320) = TIMER, *apic(0x3e0) = 0xb, *apic(0x380) = 20000;
    enter(user, (uintptr_t)MEMORY + PAGES * PAGE - 8, MEMORY);
}
