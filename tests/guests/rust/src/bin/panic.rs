//! A kernel that panics: the handler prints message and place and shuts down with failure.
#![no_std]
#![no_main]

use guests::{panic_prints_and_fails, println};

panic_prints_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, _device_tree: usize) -> ! {
    println!("about to look behind the end of an array");
    let numbers = [1, 2, 3];
    let index = core::hint::black_box(7);
    println!("never printed: {}", numbers[index]);
    unreachable!()
}
