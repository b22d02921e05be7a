//! The S-mode trap vector: saves every register in a `Frame`, calls `trap_handler(&mut Frame)` of the kernel, and goes back to what the frame says.
//! `sscratch` is 0 while the kernel runs and the kernel's stack pointer while a user program runs.

use core::arch::global_asm;

/// The interrupted registers; `x[0]` is unused.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frame {
    pub x: [usize; 32],
    pub pc: usize,
    pub status: usize,
    pub padding: [usize; 2], // the ABI wants the stack pointer at a multiple of 16
}

impl Frame {
    pub const ZERO: Frame = Frame { x: [0; 32], pc: 0, status: 0, padding: [0; 2] };
}

/// The top bit of `scause`: an interrupt, not an exception.
pub const INTERRUPT: usize = 1 << (usize::BITS - 1);
pub const SOFTWARE: usize = INTERRUPT | 1;
pub const TIMER: usize = INTERRUPT | 5;
pub const EXTERNAL: usize = INTERRUPT | 9;
/// `sstatus.SIE`: interrupts are taken in S-mode.
pub const STATUS_SIE: usize = 1 << 1;

#[cfg(target_arch = "riscv64")]
global_asm!(
    ".macro STORE register, index",
    "    sd \\register, \\index * 8(sp)",
    ".endm",
    ".macro LOAD register, index",
    "    ld \\register, \\index * 8(sp)",
    ".endm",
    ".equ FRAME, 36 * 8"
);
#[cfg(target_arch = "riscv32")]
global_asm!(
    ".macro STORE register, index",
    "    sw \\register, \\index * 4(sp)",
    ".endm",
    ".macro LOAD register, index",
    "    lw \\register, \\index * 4(sp)",
    ".endm",
    ".equ FRAME, 36 * 4"
);
global_asm!(
    ".macro EACH operation",
    "    \\operation x1, 1",
    "    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "    \\operation x\\n, \\n",
    "    .endr",
    ".endm",
    ".balign 4",
    ".globl trap_vector",
    "trap_vector:",
    "    csrrw sp, sscratch, sp",
    "    bnez sp, 1f",
    "    csrr sp, sscratch", // from the kernel: stay on its stack
    "1:  addi sp, sp, -FRAME",
    "    EACH STORE",
    "    csrrw t0, sscratch, zero",
    "    STORE t0, 2",
    "    csrr t0, sepc",
    "    STORE t0, 32",
    "    csrr t0, sstatus",
    "    STORE t0, 33",
    "    mv a0, sp",
    "    call trap_handler",
    ".globl trap_return", // with sp at the frame
    "trap_return:",
    "    LOAD t0, 32",
    "    csrw sepc, t0",
    "    LOAD t0, 33",
    "    csrw sstatus, t0",
    "    andi t0, t0, 0x100", // SPP
    "    bnez t0, 1f",
    "    addi t0, sp, FRAME",
    "    csrw sscratch, t0",
    "1:  EACH LOAD",
    "    LOAD sp, 2",
    "    sret"
);

unsafe extern "C" {
    fn trap_vector();
    fn trap_return() -> !;
}

/// Routes all traps of this hart to `trap_handler`.
pub fn install() {
    crate::csr_write!("sscratch", 0);
    crate::csr_write!("stvec", trap_vector as *const () as usize);
}

/// Leaves the kernel for a user program; the frame must be the highest thing in use on the kernel's stack.
pub fn enter_user(frame: &Frame) -> ! {
    unsafe { core::arch::asm!("mv sp, {}", "j {}", in(reg) frame, sym trap_return, options(noreturn)) }
}
