//! What the guest kernels share: the entry point, SBI calls, `println!`, the trap vector and the UART. Everything works on RV32 and RV64.
#![no_std]

pub mod console;
pub mod plic;
pub mod sbi;
pub mod start;
pub mod trap;
pub mod uart;

/// Writes a control and status register by name.
#[macro_export]
macro_rules! csr_write {
    ($csr:literal, $value:expr) => {
        unsafe { core::arch::asm!(concat!("csrw ", $csr, ", {}"), in(reg) $value as usize) }
    };
}

/// Sets bits in a control and status register by name.
#[macro_export]
macro_rules! csr_set {
    ($csr:literal, $bits:expr) => {
        unsafe { core::arch::asm!(concat!("csrs ", $csr, ", {}"), in(reg) $bits as usize) }
    };
}

/// Clears bits in a control and status register by name.
#[macro_export]
macro_rules! csr_clear {
    ($csr:literal, $bits:expr) => {
        unsafe { core::arch::asm!(concat!("csrc ", $csr, ", {}"), in(reg) $bits as usize) }
    };
}

/// Reads a control and status register by name.
#[macro_export]
macro_rules! csr_read {
    ($csr:literal) => {{
        let value: usize;
        unsafe { core::arch::asm!(concat!("csrr {}, ", $csr), out(reg) value) };
        value
    }};
}

/// Stops this hart until an interrupt is pending.
pub fn wait_for_interrupt() {
    unsafe { core::arch::asm!("wfi") }
}

/// The `time` CSR as 64 bits; RV32 reads it in two halves and repeats when the low half wrapped in between.
pub fn time() -> u64 {
    #[cfg(target_arch = "riscv64")]
    return csr_read!("time") as u64;
    #[cfg(target_arch = "riscv32")]
    loop {
        let high = csr_read!("timeh");
        let low = csr_read!("time");
        if csr_read!("timeh") == high {
            return (high as u64) << 32 | low as u64;
        }
    }
}
