//! A stack overflow without a stack for double faults: the processor shuts down and resets the machine.
#![no_std]
#![no_main]
#![feature(abi_x86_interrupt)]

use guests_x86::{panic_reports_and_fails, serial_println};
use lazy_static::lazy_static;
use x86_64::structures::idt::{InterruptDescriptorTable, InterruptStackFrame};

panic_reports_and_fails!();

lazy_static! {
    static ref IDT: InterruptDescriptorTable = {
        let mut idt = InterruptDescriptorTable::new();
        idt.double_fault.set_handler_fn(double_fault);
        idt
    };
}

extern "x86-interrupt" fn double_fault(_frame: InterruptStackFrame, _code: u64) -> ! {
    panic!("there was a stack for the double fault")
}

#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    overflow(core::hint::black_box(depth + 1)) + core::hint::black_box(depth)
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    IDT.load();
    serial_println!("stack overflow follows");
    overflow(0);
    panic!("execution went on after a stack overflow")
}
