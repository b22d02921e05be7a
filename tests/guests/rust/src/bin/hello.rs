//! The first kernel of every tutorial: prints through the legacy SBI console, byte by byte, and powers off.
#![no_std]
#![no_main]

use guests::{panic_prints_and_fails, println, sbi};

static GREETINGS: u32 = 3;
static mut ZEROED: [u8; 64] = [0; 64];

panic_prints_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, device_tree: usize) -> ! {
    println!("Hello, world!");
    println!("谁家 OS 还不支持中文啊");
    for number in 1..=GREETINGS {
        println!("line {number} of {GREETINGS}: {:#010x} {:>6} {:?}", number * 0x1234, number * 100, "text");
    }
    let zeroed = unsafe { (&raw const ZEROED).read_volatile() };
    println!(".bss is zero: {}", zeroed == [0; 64]);
    println!("a device tree was passed: {}", unsafe { (device_tree as *const u32).read() } == 0xd00d_feed_u32.swap_bytes());
    sbi::shutdown(false)
}
