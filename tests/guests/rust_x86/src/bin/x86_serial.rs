//! Text on the first serial port and the debug exit.
#![no_std]
#![no_main]

use guests_x86::exit::{self, Verdict};
use guests_x86::{panic_reports_and_fails, serial_println};

panic_reports_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    serial_println!("Hello Host{}", "!");
    for power in 0..8 {
        serial_println!("7^{power} = {}", 7_u64.pow(power));
    }
    exit::exit(Verdict::Success)
}
