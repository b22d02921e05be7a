// Work in ring 3 on four levels of page tables: as tests/guests/asm/paged.c, with the timer of the local APIC.
#include <stdint.h>

typedef uint64_t word;
enum { PAGE = 4096, PAGES = 64, P = 1, W = 2, U = 4, TSS = 40, TIMER = 0x40, CALL = 0x80 };
#define MEMORY 0x8000000000u

extern word pml4[512], pdpt[512], gdt[];
extern uint8_t stack_top[];
void finish(void), timer_entry(void), call_entry(void), fault_entry(void);
_Noreturn void enter(void (*code)(uint8_t *), word stack, word argument);

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

static void exchange(unsigned a, unsigned b) {
    word *x = (word *)(leaf[a] & -PAGE), *y = (word *)(leaf[b] & -PAGE), old = leaf[a];
    for (unsigned i = 0; i < PAGE / 8; i++) {
        word value = x[i];
        x[i] = y[i], y[i] = value;
    }
    leaf[a] = leaf[b], leaf[b] = old;
    __asm__ volatile("invlpg (%0)\n invlpg (%1)" ::"r"(MEMORY + a * PAGE), "r"(MEMORY + b * PAGE) : "memory");
}

// The program's vector registers are its own: nothing here may use them.
#define GENERAL __attribute__((target("general-regs-only")))
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
    word at = (word)entry;
    idt[2 * vector] = (at & 0xffff) | 8 << 16 | rights << 40 | (at >> 16 & 0xffff) << 48;
    idt[2 * vector + 1] = at >> 32;
}

static void user(uint8_t *memory) {
    work(memory);
    put(0);
    for (;;);
}

void x86_main(void) {
    for (unsigned i = 0; i < PAGES; i++) leaf[i] = (word)frames[i * 37 % PAGES] | P | W | U;
    pml4[1] = (word)upper | P | W | U, upper[0] = (word)middle | P | W | U, middle[0] = (word)leaf | P | W | U;
    *(word *)(pdpt[0] & -PAGE) |= U; // the program's code is the kernel's
    __asm__ volatile("mov %0, %%cr3" ::"r"(pml4) : "memory");
    for (unsigned vector = 0; vector < 32; vector++) gate(vector, fault_entry, 0x8e);
    gate(TIMER, timer_entry, 0x8e), gate(CALL, call_entry, 0xee);
    struct __attribute__((packed)) { uint16_t limit; word base; } table = { sizeof idt - 1, (word)idt };
    __asm__ volatile("lidt %0" ::"m"(table));
    *(word *)(tss + 1) = (word)stack_top;
    word at = (word)tss;
    gdt[5] = (sizeof tss - 1) | (at & 0xffffff) << 16 | (word)0x89 << 40 | (at >> 24 & 0xff) << 56, gdt[6] = at >> 32;
    __asm__ volatile("ltr %w0" ::"r"(TSS));
    __asm__ volatile("outb %0, %1\n outb %0, %2" ::"a"((uint8_t)0xff), "Nd"((uint16_t)0x21), "Nd"((uint16_t)0xa1)); // the 8259s are not used
    *apic(0xf0) = 0x1ff, *apic(0x320) = TIMER, *apic(0x3e0) = 0xb, *apic(0x380) = 20000;
    enter(user, MEMORY + PAGES * PAGE - 8, MEMORY);
}
