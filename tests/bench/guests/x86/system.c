// The system-heavy guest for x86-64, as ../system.c for RISC-V: a small kernel on four levels of page tables, with user programs that do
// nothing but enter it. "bench=syscall:1000000":
//   syscall  system calls by SYSCALL and SYSRET
//   switch   calls that go on in another address space: CR3 is written, everything but global pages is forgotten
//   fault    page faults, each of which maps one page and unmaps another
//   smc      a function is rewritten and called
//   all      all of them
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "../parameter.h"

typedef uint64_t word;
enum { PAGE = 4096, ENTRIES = 512, FAULT_PAGES = 256, PROCESSES = 2 };
// Page table bits (SDM volume 3, 4.5.5).
enum { P = 1, W = 2, U = 4, ACCESSED = 32, DIRTY = 64 };
enum { CALL_NOTHING, CALL_YIELD, CALL_EXIT };
enum { KERNEL_CODE = 8, KERNEL_DATA = 16, TSS = 40 };
enum { STAR = 0xc0000081, LSTAR = 0xc0000082, FMASK = 0xc0000084, KERNEL_GS_BASE = 0xc0000102 };

#define USER 0x8000000000u // the second PML4 entry: code, then a page of data
#define USER_DATA (USER + PAGE)
#define USER_FAULTS (USER + 0x100000)

struct frame { word rax, rbx, rcx, rdx, rsi, rdi, rbp, r[8], rip, rflags, rsp; };
void syscall_entry(void);
void fault_entry(void);
_Noreturn void resume(struct frame *);
_Noreturn void finish(void);
extern word gdt[], pml4[], pdpt[];
extern uint8_t stack_top[];

static word roots[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static word uppers[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static word middles[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static word leaves[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static uint8_t data[PROCESSES][PAGE] __attribute__((aligned(4096)));
static uint8_t pool[FAULT_PAGES / 2][PAGE] __attribute__((aligned(4096)));
static struct frame frames[PROCESSES];
static unsigned current;
static struct { struct frame *frame; } processor; // at %gs:0 in the kernel
static uint32_t tss[26];
static word idt[2 * 32];

static void report(const char *name, uint32_t sum) {
    for (; *name; name++) putchar(*name);
    putchar(' ');
    for (int shift = 28; shift >= 0; shift -= 4) putchar("0123456789abcdef"[sum >> shift & 15]);
    putchar('\n');
}

static void write_msr(uint32_t n, word value) {
    __asm__ volatile("wrmsr" ::"c"(n), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static void write_cr3(const void *root) { __asm__ volatile("mov %0, %%cr3" ::"r"(root) : "memory"); }
static void flush(word address) { __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory"); }

__attribute__((always_inline)) static inline word user_call(word number, word argument) {
    __asm__ volatile("syscall" : "+a"(number) : "D"(argument) : "rcx", "r10", "r11", "memory");
    return number;
}

#define USER_CODE __attribute__((section(".user"), aligned(4096), noinline))

USER_CODE static void user_syscall(word count) {
    word sum = 0;
    for (word i = 0; i < count; i++) sum += user_call(CALL_NOTHING, i);
    user_call(CALL_EXIT, sum);
}

USER_CODE static void user_switch(word count) {
    volatile word *own = (volatile word *)USER_DATA;
    for (word i = 0; i < count; i++) {
        own[i % 64] += i;
        user_call(CALL_YIELD, 0);
    }
    word sum = 0;
    for (int i = 0; i < 64; i++) sum = 31 * sum + own[i];
    user_call(CALL_EXIT, sum);
}

USER_CODE static void user_fault(word count) {
    word sum = 0;
    for (word i = 0; i < count; i++) {
        volatile word *page = (volatile word *)(USER_FAULTS + i % FAULT_PAGES * PAGE);
        sum += *page += i;
    }
    user_call(CALL_EXIT, sum);
}

static word entry(const void *page, word bits) { return (word)page | bits | P; }

// One address space: the kernel at its physical addresses, the user's pages at USER.
static void make_space(unsigned process, void (*code)(word)) {
    memset(roots[process], 0, PAGE);
    memset(leaves[process], 0, PAGE);
    roots[process][0] = entry(pdpt, W);
    roots[process][1] = entry(uppers[process], W | U);
    uppers[process][0] = entry(middles[process], W | U);
    middles[process][0] = entry(leaves[process], W | U);
    leaves[process][0] = entry((const void *)code, U | ACCESSED);
    leaves[process][1] = entry(data[process], W | U | ACCESSED | DIRTY);
}

static const char *running;
static _Noreturn void next_program(void);

// A fault maps its page and unmaps the one that is half the area away, so that a walk over the area faults on every page.
__attribute__((used)) void page_fault(word address) {
    word index = (address - USER_FAULTS) / PAGE, old = index ^ (FAULT_PAGES / 2);
    if (index >= FAULT_PAGES) {
        report("unexpected", (uint32_t)address);
        finish();
    }
    leaves[0][256 + old] = 0;
    flush(USER_FAULTS + old * PAGE);
    leaves[0][256 + index] = entry(pool[index % (FAULT_PAGES / 2)], W | U | ACCESSED | DIRTY);
}

__attribute__((used)) struct frame *handle(struct frame *frame) {
    switch (frame->rax) {
    case CALL_NOTHING:
        frame->rax = frame->rdi ^ 1;
        return frame;
    case CALL_YIELD:
        current ^= 1;
        write_cr3(roots[current]);
        return frames + current;
    default:
        report(running, (uint32_t)frame->rdi);
        next_program();
    }
}

static struct parameter wanted;
static unsigned next;
static const struct { const char *name; void (*code)(word); } programs[] = {
    { "syscall", user_syscall },
    { "switch", user_switch },
    { "fault", user_fault },
};

// Starts the next program that is wanted, in all address spaces; powers off after the last one.
static _Noreturn void next_program(void) {
    write_cr3(pml4); // the other tables are about to be written
    for (; next < sizeof programs / sizeof *programs; next++) {
        if (!equal(wanted.name, "all") && !equal(wanted.name, programs[next].name)) continue;
        void (*code)(word) = programs[next].code;
        running = programs[next++].name;
        for (unsigned process = 0; process < PROCESSES; process++) {
            make_space(process, code);
            memset(data[process], 0, PAGE);
            memset(frames + process, 0, sizeof(struct frame));
            frames[process].rip = USER;
            frames[process].rflags = 2;
            frames[process].rsp = USER_DATA + PAGE - 8;
            frames[process].rdi = code == user_switch ? wanted.count / 2 : wanted.count;
        }
        current = 0;
        write_cr3(roots[0]);
        resume(frames);
    }
    finish();
}

// add $i, %eax; ret - with another i every time.
static void self_modifying(uint32_t count) {
    static volatile uint8_t code[8] __attribute__((aligned(64))) = { 0x8d, 0x87, 0, 0, 0, 0, 0xc3 };
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        *(volatile uint32_t *)(code + 2) = i % 2048;
        sum = ((uint32_t(*)(uint32_t))(uintptr_t)code)(sum);
    }
    report("smc", sum);
}

int main(int count, char **arguments) {
    wanted = parse(count > 1 ? arguments[1] : "all");
    if (equal(wanted.name, "all") || equal(wanted.name, "smc")) self_modifying(wanted.count);
    word stack = (word)stack_top, base = (word)tss, fault = (word)fault_entry;
    tss[1] = (uint32_t)stack;
    tss[2] = (uint32_t)(stack >> 32);
    tss[25] = sizeof tss << 16;
    gdt[TSS / 8] = (sizeof tss - 1) | (base & 0xffffff) << 16 | (word)0x89 << 40 | (base >> 24 & 0xff) << 56;
    gdt[TSS / 8 + 1] = base >> 32;
    __asm__ volatile("ltr %w0" ::"r"(TSS));
    idt[2 * 14] = (fault & 0xffff) | KERNEL_CODE << 16 | (word)0x8e00 << 32 | (fault >> 16 & 0xffff) << 48;
    idt[2 * 14 + 1] = fault >> 32;
    struct __attribute__((packed)) { uint16_t limit; word base; } pointer = { sizeof idt - 1, (word)idt };
    __asm__ volatile("lidt %0" ::"m"(pointer));
    write_msr(STAR, (word)KERNEL_DATA << 48 | (word)KERNEL_CODE << 32); // SYSRET: SS = 16 + 8, CS = 16 + 16
    write_msr(LSTAR, (word)syscall_entry);
    write_msr(FMASK, 0x200);
    write_msr(KERNEL_GS_BASE, 0);
    __asm__ volatile("swapgs");
    write_msr(KERNEL_GS_BASE, 0);
    write_msr(0xc0000101, (word)&processor); // the GS base of now, the kernel's
    next_program();
}
