//! A UART driven by interrupts through the PLIC: echoes lines until `exit` or Ctrl-D.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicUsize, Ordering};
use guests::trap::{self, Frame};
use guests::{csr_read, csr_set, panic_prints_and_fails, plic, print, println, sbi, uart, wait_for_interrupt};

/// `sie.SEIE`
const EXTERNAL_ENABLE: usize = 1 << 9;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;
const LINE_LENGTH: usize = 64;

/// The line so far; only the trap handler touches it.
static mut LINE: [u8; LINE_LENGTH] = [0; LINE_LENGTH];
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static HART: AtomicUsize = AtomicUsize::new(0);

panic_prints_and_fails!();

fn finish_line() {
    let line = unsafe { core::slice::from_raw_parts((&raw const LINE).cast::<u8>(), LENGTH.swap(0, Ordering::Relaxed)) };
    println!();
    if line == b"exit" {
        println!("bye");
        sbi::shutdown(false);
    }
    print!("{} bytes: ", line.len());
    line.iter().for_each(|&byte| sbi::putchar(byte));
    print!("\n> ");
}

fn take(byte: u8) {
    let length = LENGTH.load(Ordering::Relaxed);
    match byte {
        CTRL_D => {
            println!("\nend of input");
            sbi::shutdown(false)
        }
        b'\r' | b'\n' => finish_line(),
        BACKSPACE | DELETE if length > 0 => {
            LENGTH.store(length - 1, Ordering::Relaxed);
            print!("\x08 \x08");
        }
        b' '.. if byte != DELETE && length < LINE_LENGTH => {
            unsafe { (&raw mut LINE[length]).write(byte) };
            LENGTH.store(length + 1, Ordering::Relaxed);
            uart::send(byte);
        }
        _ => {}
    }
}

#[unsafe(no_mangle)]
extern "C" fn trap_handler(_frame: &mut Frame) {
    assert_eq!(csr_read!("scause"), trap::EXTERNAL);
    let hart = HART.load(Ordering::Relaxed);
    let source = plic::claim(hart);
    if source == plic::UART_SOURCE {
        while let Some(byte) = uart::receive() {
            take(byte);
        }
    }
    if source != 0 {
        plic::complete(hart, source);
    }
}

#[unsafe(no_mangle)]
extern "C" fn main(hart: usize, _device_tree: usize) -> ! {
    HART.store(hart, Ordering::Relaxed);
    trap::install();
    plic::enable(hart, plic::UART_SOURCE);
    uart::enable_receive_interrupt();
    csr_set!("sie", EXTERNAL_ENABLE);
    print!("type lines, exit ends\n> ");
    csr_set!("sstatus", trap::STATUS_SIE);
    loop {
        wait_for_interrupt();
    }
}
