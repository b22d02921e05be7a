//! `serial_println!` on COM1.

use core::fmt::{Arguments, Write};
use lazy_static::lazy_static;
use spin::Mutex;
use uart_16550::SerialPort;

lazy_static! {
    static ref COM1: Mutex<SerialPort> = {
        let mut port = unsafe { SerialPort::new(0x3f8) };
        port.init();
        Mutex::new(port)
    };
}

/// Prints without an interrupt handler in between, which would wait for the port for ever.
pub fn print(args: Arguments) {
    x86_64::instructions::interrupts::without_interrupts(|| COM1.lock().write_fmt(args).unwrap());
}

#[macro_export]
macro_rules! serial_print {
    ($($arg:tt)*) => { $crate::serial::print(format_args!($($arg)*)) };
}

#[macro_export]
macro_rules! serial_println {
    () => { $crate::serial_print!("\n") };
    ($($arg:tt)*) => { $crate::serial_print!("{}\n", format_args!($($arg)*)) };
}
