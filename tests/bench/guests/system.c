// The system-heavy guest: a small kernel in S-mode (Sv39, or Sv32 on RV32) with user programs that do nothing but enter it. The kernel
// command line says what and how often, "bench=syscall:1000000":
//   syscall  system calls
//   switch   calls that go on in another address space, with a full fence, as xv6 does
//   fault    page faults, each of which maps one page and unmaps another
//   fork     processes: page tables are copied, pages on write; the child writes to four of sixteen pages, ends, and all of it is freed
//   smc      a function is rewritten and called, FENCE.I between; in M-mode
//   all      all of them
#include <stddef.h>
#include "parameter.h"

typedef uintptr_t word;
enum { PAGE = 4096, ENTRIES = PAGE / sizeof(word), FAULT_PAGES = 256, PROCESSES = 2, FORK_PAGES = 16, FREE_PAGES = 64 };
// Page table bits (The RISC-V Instruction Set Manual, Volume II, 20240411, 10.3 and 10.4).
enum { V = 1, R = 2, W = 4, X = 8, U = 16, ACCESSED = 64, DIRTY = 128, COPY_ON_WRITE = 256 };
enum { CALL_NOTHING, CALL_YIELD, CALL_EXIT, CALL_FORK, CALL_END };
enum { CAUSE_ECALL = 8, CAUSE_LOAD = 13, CAUSE_STORE = 15 };

#define USER 0x40000000u            // code, then a page of data
#define USER_DATA (USER + PAGE)
#define USER_FAULTS (USER + 0x100000)
#define USER_FORK (USER + 0x10000)

#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((word)(value)) : "memory")
#define csr_read(name) ({ word value_; __asm__ volatile("csrr %0, " #name : "=r"(value_)::"memory"); value_; })

struct frame { word x[32]; };
void trap_entry(void);
_Noreturn void resume(struct frame *);

static word roots[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static word leaves[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static word middles[PROCESSES][ENTRIES] __attribute__((aligned(4096)));
static uint8_t data[PROCESSES][PAGE] __attribute__((aligned(4096)));
static uint8_t pool[FAULT_PAGES / 2][PAGE] __attribute__((aligned(4096)));
static struct frame frames[PROCESSES];
static word spaces[PROCESSES]; // values of satp
static unsigned current;
// Pages for processes that come and go, and how many tables map each.
static uint8_t pages[FREE_PAGES][PAGE] __attribute__((aligned(4096)));
static uint8_t references[FREE_PAGES], free_pages[FREE_PAGES];
static unsigned free_count;
static word *child[3]; // root, middle, leaf of process 1 while it was made by a fork

void *memset(void *to, int value, size_t count) {
    for (volatile uint8_t *p = to; count; count--) *p++ = (uint8_t)value;
    return to;
}

static void put(char c) { *(volatile uint8_t *)0x10000000 = (uint8_t)c; }

static void report(const char *name, uint32_t sum) {
    for (; *name; name++) put(*name);
    put(' ');
    for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[sum >> shift & 15]);
    put('\n');
}

static word call(word number, word argument) {
    register word a0 __asm__("a0") = argument;
    register word a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7) : "memory");
    return a0;
}

#define USER_CODE __attribute__((section(".user"), aligned(4096), noinline))
__attribute__((always_inline)) static inline word user_call(word number, word argument) { return call(number, argument); }

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
        volatile word *page = (volatile word *)(uintptr_t)(USER_FAULTS + i % FAULT_PAGES * PAGE);
        sum += *page += i;
    }
    user_call(CALL_EXIT, sum);
}

USER_CODE static void user_fork(word count) {
    volatile word *area = (volatile word *)USER_FORK;
    word sum = 0;
    for (word i = 0; i < count; i++) {
        word result = user_call(CALL_FORK, i);
        if (result == 0) {
            for (word page = 0; page < FORK_PAGES; page++) sum = 31 * sum + area[page * ENTRIES];
            for (word page = i % 4; page < FORK_PAGES; page += 4) area[page * ENTRIES + 1] = sum += page;
            user_call(CALL_END, sum);
        }
        sum = 31 * sum + result;
        area[i % FORK_PAGES * ENTRIES] += result;
        area[(i + 5) % FORK_PAGES * ENTRIES] ^= i;
    }
    user_call(CALL_EXIT, sum);
}

static word entry(const void *page, word bits) { return (word)page / PAGE << 10 | bits | V; }

// One address space: the kernel at its physical addresses, the user's pages at USER.
static void make_space(unsigned process, void (*code)(word)) {
    word *root = roots[process], *middle = middles[process], *leaf = leaves[process];
    memset(root, 0, PAGE);
    memset(middle, 0, PAGE);
    memset(leaf, 0, PAGE);
    const word all = V | R | W | X | ACCESSED | DIRTY;
#if __riscv_xlen == 64
    root[0] = all;
    root[2] = (word)0x80000000 / PAGE << 10 | all;
    root[1] = entry(middle, 0);
    middle[0] = entry(leaf, 0);
    const word mode = (word)8 << 60;
#else
    (void)middle;
    for (word i = 0; i < 256; i++) root[i] = i << 20 | all, root[512 + i] = (512 + i) << 20 | all;
    root[256] = entry(leaf, 0);
    const word mode = (word)1 << 31;
#endif
    leaf[0] = entry((const void *)code, R | X | U | ACCESSED);
    leaf[1] = entry(data[process], R | W | U | ACCESSED | DIRTY);
    spaces[process] = mode | (word)root / PAGE;
}

static const char *running;
static void next_program(void);

// A fault maps its page and unmaps the one that is half the area away, so that a walk over the area faults on every page.
static void map_page(word address) {
    word index = (address - USER_FAULTS) / PAGE, old = index ^ (FAULT_PAGES / 2);
    leaves[0][256 + old] = 0;
    __asm__ volatile("sfence.vma %0, zero" ::"r"((word)USER_FAULTS + old * PAGE) : "memory");
    leaves[0][256 + index] = entry(pool[index % (FAULT_PAGES / 2)], R | W | U | ACCESSED | DIRTY);
    __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}

static void *take_page(void) {
    unsigned page = free_pages[--free_count];
    references[page] = 1;
    return pages[page];
}
static void give_page(const void *at) {
    unsigned page = (unsigned)((const uint8_t(*)[PAGE])at - pages);
    if (--references[page] == 0) free_pages[free_count++] = (uint8_t)page;
}
static void copy_page(void *to, const void *from) {
    for (unsigned i = 0; i < ENTRIES; i++) ((word *)to)[i] = ((const word *)from)[i];
}
static void *page_of(word entry) { return (void *)(entry >> 10 << 12); }

enum { FORK_FIRST = (USER_FORK - USER) / PAGE };
static void start_fork(void) {
    free_count = 0;
    for (unsigned page = 0; page < FREE_PAGES; page++) free_pages[free_count++] = (uint8_t)page;
    for (unsigned i = 0; i < FORK_PAGES; i++) {
        void *page = take_page();
        memset(page, 0, PAGE);
        leaves[0][FORK_FIRST + i] = entry(page, R | W | U | ACCESSED | DIRTY);
    }
}

// Copies the tables of process 0; its pages are shared until one of the two writes.
static void fork(void) {
    for (unsigned i = 0; i < 3; i++) child[i] = take_page();
    copy_page(child[0], roots[0]);
    copy_page(child[1], middles[0]);
    for (unsigned i = 0; i < FORK_PAGES; i++) {
        word *shared = leaves[0] + FORK_FIRST + i;
        if (*shared & W) *shared = (*shared & ~(word)W) | COPY_ON_WRITE;
        references[(uint8_t(*)[PAGE])page_of(*shared) - pages]++;
    }
    copy_page(child[2], leaves[0]);
#if __riscv_xlen == 64
    child[0][1] = entry(child[1], 0);
    child[1][0] = entry(child[2], 0);
#else
    child[0][256] = entry(child[2], 0);
#endif
    frames[1] = frames[0];
    frames[1].x[10] = 0;
    spaces[1] = (spaces[0] & ~(((word)1 << 22) - 1)) | (word)child[0] / PAGE;
}
static void end_child(void) {
    for (unsigned i = 0; i < FORK_PAGES; i++) give_page(page_of(child[2][FORK_FIRST + i]));
    for (unsigned i = 0; i < 3; i++) give_page(child[i]);
}
static void copy_on_write(word address) {
    word *shared = (current ? child[2] : leaves[0]) + (address - USER) / PAGE;
    void *old = page_of(*shared);
    if (references[(uint8_t(*)[PAGE])old - pages] > 1) {
        void *new = take_page();
        copy_page(new, old);
        give_page(old);
        *shared = entry(new, R | W | U | ACCESSED | DIRTY);
    } else *shared = entry(old, R | W | U | ACCESSED | DIRTY);
    __asm__ volatile("sfence.vma %0, zero" ::"r"(address) : "memory");
}
static struct frame *switch_to(unsigned process) {
    current = process;
    csr_write(satp, spaces[process]);
    __asm__ volatile("sfence.vma" ::: "memory");
    return frames + process;
}

__attribute__((used)) struct frame *handle(struct frame *frame) {
    word cause = csr_read(scause);
    if (cause == CAUSE_LOAD || cause == CAUSE_STORE) {
        word address = csr_read(stval);
        if (address < USER_FAULTS) copy_on_write(address);
        else map_page(address);
        return frame;
    }
    if (cause != CAUSE_ECALL) {
        report("unexpected", (uint32_t)cause);
        *(volatile uint32_t *)0x100000 = 0x13333;
    }
    frame->x[0] += 4;
    switch (frame->x[17]) {
    case CALL_NOTHING:
        frame->x[10] ^= 1;
        return frame;
    case CALL_YIELD:
        return switch_to(current ^ 1);
    case CALL_FORK:
        fork();
        return switch_to(1);
    case CALL_END:
        frames[0].x[10] = frames[1].x[10] | 1;
        end_child();
        return switch_to(0);
    default:
        report(running, (uint32_t)frame->x[10]);
        next_program();
    }
    return frame;
}

static struct parameter wanted;
static unsigned next;
static const struct { const char *name; void (*code)(word); } programs[] = {
    { "syscall", user_syscall },
    { "switch", user_switch },
    { "fault", user_fault },
    { "fork", user_fork },
};

// Starts the next program that is wanted, in all address spaces; powers off after the last one.
static void next_program(void) {
    csr_write(satp, 0); // the tables are about to be written
    __asm__ volatile("sfence.vma" ::: "memory");
    for (; next < sizeof programs / sizeof *programs; next++) {
        if (!equal(wanted.name, "all") && !equal(wanted.name, programs[next].name)) continue;
        void (*code)(word) = programs[next].code;
        running = programs[next++].name;
        // A fork is about ten events: calls, switches, pages that are copied.
        word count = code == user_switch ? wanted.count / 2 : code == user_fork ? wanted.count / 10 : wanted.count;
        for (unsigned process = 0; process < PROCESSES; process++) {
            make_space(process, code);
            memset(data[process], 0, PAGE);
            memset(frames + process, 0, sizeof(struct frame));
            frames[process].x[0] = USER;
            frames[process].x[2] = USER_DATA + PAGE;
            frames[process].x[10] = count;
        }
        if (code == user_fork) start_fork();
        resume(switch_to(0));
    }
    *(volatile uint32_t *)0x100000 = 0x5555;
    for (;;) { }
}

// addi a0, a0, i; ret - with another i every time.
static void self_modifying(uint32_t count) {
    static volatile uint32_t code[2] __attribute__((aligned(64)));
    uint32_t sum = 0;
    code[1] = 0x00008067;
    for (uint32_t i = 0; i < count; i++) {
        code[0] = (i % 2048) << 20 | 0x00050513;
        __asm__ volatile("fence.i" ::: "memory");
        sum = ((uint32_t(*)(uint32_t))(uintptr_t)code)(sum);
    }
    report("smc", sum);
}

int main(uintptr_t hart, const uint8_t *tree) {
    (void)hart;
    wanted = parse(find_parameter(tree));
    if (equal(wanted.name, "all") || equal(wanted.name, "smc")) self_modifying(wanted.count);
    csr_write(pmpaddr0, -1); // everything is open to S and U
    csr_write(pmpcfg0, 0x1f);
    csr_write(medeleg, 0xffff);
    csr_write(stvec, trap_entry);
    csr_write(mstatus, 0x800); // MPP = S
    __asm__ volatile("la t0, 1f\n csrw mepc, t0\n mret\n1:" ::: "t0", "memory");
    next_program();
    return 0;
}
