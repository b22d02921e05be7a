//! A kernel that panics: message and place in red on the screen and on the serial port, then the debug exit with failure.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use guests_x86::exit::{self, Verdict};
use guests_x86::vga::{Colour, set_colours};
use guests_x86::{println, serial_println};

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    set_colours(Colour::LightRed, Colour::Black);
    println!("{info}");
    serial_println!("{info}");
    exit::exit(Verdict::Failed)
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    println!("about to look behind the end of an array");
    let numbers = [1, 2, 3];
    let index = core::hint::black_box(7);
    println!("never printed: {}", numbers[index]);
    unreachable!()
}
