//! A kernel without firmware: M-mode at the start of RAM, prints by the UART and powers off by the test device.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::panic::PanicInfo;
use guests::uart::Uart;
use guests::{csr_read, wait_for_interrupt};

const TEST_DEVICE: *mut u32 = 0x10_0000 as *mut u32;
const PASS: u32 = 0x5555;
const FAIL: u32 = 0x3333;

fn power_off(value: u32) -> ! {
    unsafe { TEST_DEVICE.write_volatile(value) };
    loop {
        wait_for_interrupt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let _ = writeln!(Uart, "{info}");
    power_off(1 << 16 | FAIL)
}

#[unsafe(no_mangle)]
extern "C" fn main(hart: usize, _device_tree: usize) -> ! {
    let _ = writeln!(Uart, "Hello from M-mode");
    let _ = writeln!(Uart, "hart {hart}, mhartid {}", csr_read!("mhartid"));
    power_off(PASS)
}
