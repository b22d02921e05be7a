//! The same text by whole strings through the debug console extension where the firmware has it, and byte by byte where not.
#![no_std]
#![no_main]

use guests::{console, panic_prints_and_fails, println, sbi};

panic_prints_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, _device_tree: usize) -> ! {
    console::use_debug_console();
    println!("Hello, world!");
    println!("谁家 OS 还不支持中文啊");
    println!("{:-<70}", "a long line ");
    sbi::shutdown(false)
}
