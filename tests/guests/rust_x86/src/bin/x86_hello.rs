//! "Hello World!" in light cyan at the screen's top left corner, as the second post of the tutorial prints it, then the debug exit.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use guests_x86::exit::{self, Verdict};

static HELLO: &[u8] = b"Hello World!";
const LIGHT_CYAN: u8 = 0x0b;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let screen = 0xb8000 as *mut u8;
    for (i, &byte) in HELLO.iter().enumerate() {
        unsafe {
            screen.add(i * 2).write_volatile(byte);
            screen.add(i * 2 + 1).write_volatile(LIGHT_CYAN);
        }
    }
    exit::exit(Verdict::Success)
}

#[panic_handler]
fn panic(_info: &PanicInfo) -> ! {
    exit::exit(Verdict::Failed)
}
