//! The timer's interrupts through the pair of 8259s: a dot for each, at the 18.2 Hz of the BIOS; halts in between.
#![no_std]
#![no_main]
#![feature(abi_x86_interrupt)]

use core::sync::atomic::{AtomicU32, Ordering};
use guests_x86::exit::{self, Verdict};
use guests_x86::{panic_reports_and_fails, print, println, serial_print, serial_println};
use lazy_static::lazy_static;
use pic8259::ChainedPics;
use spin::Mutex;
use x86_64::instructions::{hlt, interrupts};
use x86_64::structures::idt::{InterruptDescriptorTable, InterruptStackFrame};

panic_reports_and_fails!();

const TIMER: u8 = 32;
const WANTED: u32 = 10;
static PICS: Mutex<ChainedPics> = Mutex::new(unsafe { ChainedPics::new(TIMER, TIMER + 8) });
static TICKS: AtomicU32 = AtomicU32::new(0);

lazy_static! {
    static ref IDT: InterruptDescriptorTable = {
        let mut idt = InterruptDescriptorTable::new();
        idt[TIMER as usize].set_handler_fn(timer);
        idt
    };
}

extern "x86-interrupt" fn timer(_frame: InterruptStackFrame) {
    print!(".");
    serial_print!(".");
    TICKS.fetch_add(1, Ordering::Relaxed);
    unsafe { PICS.lock().notify_end_of_interrupt(TIMER) };
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    IDT.load();
    unsafe {
        PICS.lock().initialize();
        PICS.lock().write_masks(0xfe, 0xff);
    }
    interrupts::enable();
    while TICKS.load(Ordering::Relaxed) < WANTED {
        hlt();
    }
    interrupts::disable();
    println!(" {WANTED} ticks");
    serial_println!(" {WANTED} ticks");
    exit::exit(Verdict::Success)
}
