//! User programs under paging (Sv39 on RV64, Sv32 on RV32): system calls, cooperative switching, demand paging, and a reason for every killed program.
#![no_std]
#![no_main]

use core::arch::global_asm;
use guests::trap::{self, Frame};
use guests::{csr_clear, csr_read, csr_set, csr_write, panic_prints_and_fails, print, println, sbi, time};

const PAGE: usize = 4096;
/// Levels of the page table, virtual page number bits of each, and `satp.MODE`.
#[cfg(target_arch = "riscv64")]
const PAGING: (usize, usize, usize) = (3, 9, 8 << 60);
#[cfg(target_arch = "riscv32")]
const PAGING: (usize, usize, usize) = (2, 10, 1 << 31);
const READ: usize = 1 << 1;
const WRITE: usize = 1 << 2;
const EXECUTE: usize = 1 << 3;
const USER: usize = 1 << 4;
const VALID: usize = 1;
const ACCESSED_DIRTY: usize = 0xc0;

const TEXT: usize = 0x1000_0000;
const STACK_TOP: usize = 0x1000_3000;
const HEAP: usize = 0x1100_0000;
const HEAP_PAGES: usize = 16;

const SYSCALL_PRINT: usize = 0;
const SYSCALL_YIELD: usize = 1;
const SYSCALL_EXIT: usize = 2;

/// `sstatus.SUM`: the kernel may touch user pages.
const STATUS_SUM: usize = 1 << 18;
const STATUS_SPIE: usize = 1 << 5;
const TIMER_ENABLE: usize = 1 << 5;
/// 10 ms of the board's 10 MHz timebase.
const TICK: u64 = 100_000;
const MAX_TICKS: usize = 3;

const ILLEGAL_INSTRUCTION: usize = 2;
const USER_CALL: usize = 8;
const INSTRUCTION_PAGE_FAULT: usize = 12;
const LOAD_PAGE_FAULT: usize = 13;
const STORE_PAGE_FAULT: usize = 15;

panic_prints_and_fails!();

// Each program is one page, mapped readable and executable at TEXT; `say` prints the string that follows it.
global_asm!(
    ".section .user, \"ax\"",
    ".macro call_kernel number",
    "    li a7, \\number",
    "    ecall",
    ".endm",
    ".macro say text:vararg",
    "    lla a0, 8f",
    "    li a1, 9f - 8f",
    "    call_kernel 0",
    "    j 7f",
    "8:  .ascii \\text",
    "9:  .balign 4",
    "7:",
    ".endm",
    ".balign 4096",
    "program_greet:",
    "    say \"greet: hello from U-mode\\n\"",
    "    call_kernel 1",
    "    say \"greet: back after a yield\\n\"",
    "    li a0, 0",
    "    call_kernel 2",
    ".balign 4096",
    "program_count:", // the digit lives on the stack, the limit in a saved register
    "    li s1, '4'",
    "    li s0, '1'",
    "1:  addi sp, sp, -16",
    "    sb s0, 0(sp)",
    "    say \"count: \"",
    "    mv a0, sp",
    "    li a1, 1",
    "    call_kernel 0",
    "    say \"\\n\"",
    "    call_kernel 1",
    "    lbu s0, 0(sp)",
    "    addi sp, sp, 16",
    "    addi s0, s0, 1",
    "    bne s0, s1, 1b",
    "    li a0, 7",
    "    call_kernel 2",
    ".balign 4096",
    "program_grow:", // writes one word into each of three pages that are not there yet, then adds them up
    "    li s0, 0x11000000",
    "    li s1, 0x11003000",
    "    li t0, 1",
    "1:  sw t0, 8(s0)",
    "    addi t0, t0, 10",
    "    li t1, 4096",
    "    add s0, s0, t1",
    "    bne s0, s1, 1b",
    "    li s0, 0x11000000",
    "    li a0, 0",
    "2:  lw t0, 8(s0)",
    "    add a0, a0, t0",
    "    li t1, 4096",
    "    add s0, s0, t1",
    "    bne s0, s1, 2b",
    "    call_kernel 2",
    ".balign 4096",
    "program_null:",
    "    say \"null: storing to address 0\\n\"",
    "    sw zero, 0(zero)",
    ".balign 4096",
    "program_spy:",
    "    say \"spy: reading the kernel\\n\"",
    "    li t0, 0x80200000 >> 12",
    "    slli t0, t0, 12",
    "    lw t0, 0(t0)",
    ".balign 4096",
    "program_stray:",
    "    say \"stray: jumping to its stack\\n\"",
    "    addi t0, sp, -16",
    "    jr t0",
    ".balign 4096",
    "program_patch:",
    "    say \"patch: writing to its own text\\n\"",
    "    lla t0, program_patch",
    "    sw zero, 0(t0)",
    ".balign 4096",
    "program_boss:",
    "    say \"boss: reading sstatus\\n\"",
    "    csrr t0, sstatus",
    ".balign 4096",
    "program_spin:",
    "    say \"spin: never gives up the processor\\n\"",
    "1:  j 1b",
    ".previous"
);

unsafe extern "C" {
    static program_greet: u8;
    static program_count: u8;
    static program_grow: u8;
    static program_null: u8;
    static program_spy: u8;
    static program_stray: u8;
    static program_patch: u8;
    static program_boss: u8;
    static program_spin: u8;
    static kernel_end: u8;
}

#[derive(Clone, Copy)]
struct Task {
    name: &'static str,
    frame: Frame,
    satp: usize,
    ticks: usize,
    alive: bool,
}

const TASKS: usize = 9;
const DEAD: Task = Task { name: "", frame: Frame::ZERO, satp: 0, ticks: 0, alive: false };

/// Traps from U-mode put the frame at the very top of this stack.
#[repr(C, align(16))]
struct KernelStack {
    space: [u8; 4 * PAGE],
    frame: Frame,
}

/// Everything the kernel knows; one hart, interrupts off, so only one borrow is ever alive.
struct Kernel {
    tasks: [Task; TASKS],
    current: usize,
    next_page: usize,
}

static mut STACK: KernelStack = KernelStack { space: [0; 4 * PAGE], frame: Frame::ZERO };
static mut KERNEL: Kernel = Kernel { tasks: [DEAD; TASKS], current: 0, next_page: 0 };

impl Kernel {
    fn allocate_page(&mut self) -> usize {
        let page = self.next_page;
        self.next_page += PAGE;
        unsafe { (page as *mut u8).write_bytes(0, PAGE) };
        page
    }

    /// Maps `vaddr` to `paddr` by a leaf at `level` (0 is a 4 KiB page).
    fn map(&mut self, root: usize, vaddr: usize, paddr: usize, level: usize, flags: usize) {
        let (levels, bits, _) = PAGING;
        let mut table = root;
        for at in (level..levels).rev() {
            let index = vaddr >> (12 + bits * at) & ((1 << bits) - 1);
            let entry = unsafe { &mut *(table as *mut usize).add(index) };
            if at == level {
                *entry = paddr >> 12 << 10 | flags | ACCESSED_DIRTY | VALID;
                return;
            }
            if *entry & VALID == 0 {
                *entry = self.allocate_page() >> 12 << 10 | VALID;
            }
            table = *entry >> 10 << 12;
        }
    }

    fn spawn(&mut self, slot: usize, name: &'static str, program: *const u8) {
        let root = self.allocate_page();
        // The kernel, identity mapped by its largest pages: 16 MiB of RAM are enough.
        let (levels, bits, mode) = PAGING;
        let step = 1_usize << (12 + bits * (levels - 1));
        for offset in (0..1 << 24).step_by(step) {
            self.map(root, 0x8000_0000 + offset, 0x8000_0000 + offset, levels - 1, READ | WRITE | EXECUTE);
        }
        self.map(root, TEXT, program as usize, 0, READ | EXECUTE | USER);
        let stack = self.allocate_page();
        self.map(root, STACK_TOP - PAGE, stack, 0, READ | WRITE | USER);
        let mut frame = Frame::ZERO;
        frame.x[2] = STACK_TOP;
        frame.pc = TEXT;
        frame.status = STATUS_SPIE;
        self.tasks[slot] = Task { name, frame, satp: mode | root >> 12, ticks: 0, alive: true };
    }

    /// Puts the next living program after the current one into `frame`, or powers off.
    fn switch(&mut self, frame: &mut Frame) {
        let Some(next) = (1..=TASKS).map(|step| (self.current + step) % TASKS).find(|&slot| self.tasks[slot].alive) else {
            println!("[kernel] all programs have ended");
            sbi::shutdown(false);
        };
        self.tasks[self.current].frame = *frame;
        self.current = next;
        self.tasks[next].ticks = 0;
        *frame = self.tasks[next].frame;
        csr_write!("satp", self.tasks[next].satp);
        unsafe { core::arch::asm!("sfence.vma") };
    }

    fn kill(&mut self, frame: &mut Frame, reason: &str) {
        let address = csr_read!("stval");
        println!(
            "[kernel] {} killed: {reason}, address {address:#x}, at +{:#x}",
            self.tasks[self.current].name,
            frame.pc.wrapping_sub(TEXT)
        );
        self.tasks[self.current].alive = false;
        self.switch(frame);
    }

    fn system_call(&mut self, frame: &mut Frame) {
        frame.pc += 4;
        self.tasks[self.current].ticks = 0;
        match frame.x[17] {
            SYSCALL_PRINT => {
                csr_set!("sstatus", STATUS_SUM);
                let text = unsafe { core::slice::from_raw_parts(frame.x[10] as *const u8, frame.x[11]) };
                print!("{}", core::str::from_utf8(text).unwrap());
                csr_clear!("sstatus", STATUS_SUM);
            }
            SYSCALL_YIELD => self.switch(frame),
            SYSCALL_EXIT => {
                println!("[kernel] {} exited with {}", self.tasks[self.current].name, frame.x[10]);
                self.tasks[self.current].alive = false;
                self.switch(frame);
            }
            _ => self.kill(frame, "unknown system call"),
        }
    }

    fn page_fault(&mut self, frame: &mut Frame, reason: &str) {
        let address = csr_read!("stval");
        if !(HEAP..HEAP + HEAP_PAGES * PAGE).contains(&address) {
            return self.kill(frame, reason);
        }
        println!("[kernel] {}: {reason} at {address:#x}, a page is mapped", self.tasks[self.current].name);
        let root = self.tasks[self.current].satp << 12;
        let page = self.allocate_page();
        self.map(root, address, page, 0, READ | WRITE | USER);
        unsafe { core::arch::asm!("sfence.vma {}, zero", in(reg) address) };
    }

    fn timer(&mut self, frame: &mut Frame) {
        sbi::set_timer(time() + TICK);
        self.tasks[self.current].ticks += 1;
        if self.tasks[self.current].ticks == MAX_TICKS {
            println!("[kernel] {} killed: {MAX_TICKS} ticks without a system call", self.tasks[self.current].name);
            self.tasks[self.current].alive = false;
            self.switch(frame);
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn trap_handler(frame: &mut Frame) {
    let kernel = unsafe { &mut *(&raw mut KERNEL) };
    match csr_read!("scause") {
        USER_CALL => kernel.system_call(frame),
        ILLEGAL_INSTRUCTION => kernel.kill(frame, "illegal instruction"),
        INSTRUCTION_PAGE_FAULT => kernel.page_fault(frame, "instruction page fault"),
        LOAD_PAGE_FAULT => kernel.page_fault(frame, "load page fault"),
        STORE_PAGE_FAULT => kernel.page_fault(frame, "store page fault"),
        trap::TIMER => kernel.timer(frame),
        cause => panic!("unexpected trap {cause:#x} at {:#x}", frame.pc),
    }
}

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, _device_tree: usize) -> ! {
    trap::install();
    let kernel = unsafe { &mut *(&raw mut KERNEL) };
    kernel.next_page = &raw const kernel_end as usize;
    let programs = [
        ("greet", &raw const program_greet),
        ("count", &raw const program_count),
        ("grow", &raw const program_grow),
        ("null", &raw const program_null),
        ("spy", &raw const program_spy),
        ("stray", &raw const program_stray),
        ("patch", &raw const program_patch),
        ("boss", &raw const program_boss),
        ("spin", &raw const program_spin),
    ];
    for (slot, (name, program)) in programs.into_iter().enumerate() {
        kernel.spawn(slot, name, program);
    }
    println!("[kernel] {} programs", programs.len());
    sbi::set_timer(time() + TICK);
    csr_set!("sie", TIMER_ENABLE);
    let stack = unsafe { &mut *(&raw mut STACK) };
    stack.frame = kernel.tasks[0].frame;
    csr_write!("satp", kernel.tasks[0].satp);
    unsafe { core::arch::asm!("sfence.vma") };
    trap::enter_user(&stack.frame)
}
