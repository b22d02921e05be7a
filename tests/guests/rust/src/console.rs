//! `print!` and `println!` over SBI: one byte at a time by the legacy call, or by DBCN once a kernel has asked for it.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

static DEBUG_CONSOLE: AtomicBool = AtomicBool::new(false);

/// Prints by the debug console extension from now on, if the firmware has it.
pub fn use_debug_console() {
    DEBUG_CONSOLE.store(crate::sbi::probe(crate::sbi::DBCN), Ordering::Relaxed);
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        if DEBUG_CONSOLE.load(Ordering::Relaxed) {
            while !rest.is_empty() {
                rest = &rest[crate::sbi::console_write(rest)..];
            }
        }
        rest.iter().for_each(|&byte| crate::sbi::putchar(byte));
        Ok(())
    }
}

#[doc(hidden)]
pub fn print_args(args: fmt::Arguments) {
    let _ = Console.write_fmt(args);
}

/// Prints to the SBI console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print_args(format_args!($($arg)*)) };
}

/// Prints a line to the SBI console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::print!("{}\n", format_args!($($arg)*)) };
}

/// Defines a panic handler that prints message and place and shuts down with failure.
#[macro_export]
macro_rules! panic_prints_and_fails {
    () => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::println!("{info}");
            $crate::sbi::shutdown(true)
        }
    };
}
