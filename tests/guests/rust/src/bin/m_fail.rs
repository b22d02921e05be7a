//! An M-mode kernel that ends by the test device with failure code 42.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::panic::PanicInfo;
use guests::{uart::Uart, wait_for_interrupt};

#[panic_handler]
fn panic(_info: &PanicInfo) -> ! {
    loop {
        wait_for_interrupt();
    }
}

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, _device_tree: usize) -> ! {
    let _ = writeln!(Uart, "ending with 42");
    unsafe { (0x10_0000 as *mut u32).write_volatile(42 << 16 | 0x3333) };
    loop {
        wait_for_interrupt();
    }
}
