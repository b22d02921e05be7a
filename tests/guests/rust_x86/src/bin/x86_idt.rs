//! CPU exceptions: a breakpoint that returns, a page fault with its error code, a division error, and a stack overflow that ends in a double
//! fault on a stack of its own.
#![no_std]
#![no_main]
#![feature(abi_x86_interrupt)]

use guests_x86::exit::{self, Verdict};
use guests_x86::{gdt, panic_reports_and_fails, println, serial_println};
use lazy_static::lazy_static;
use x86_64::registers::control::Cr2;
use x86_64::structures::idt::{InterruptDescriptorTable, InterruptStackFrame, PageFaultErrorCode};

panic_reports_and_fails!();

/// Where the page fault handler maps nothing but skips the instruction: it is two bytes long.
const NOWHERE: u64 = 0xdead_beef;

lazy_static! {
    static ref IDT: InterruptDescriptorTable = {
        let mut idt = InterruptDescriptorTable::new();
        idt.breakpoint.set_handler_fn(breakpoint);
        idt.page_fault.set_handler_fn(page_fault);
        idt.invalid_opcode.set_handler_fn(invalid_opcode);
        unsafe { idt.double_fault.set_handler_fn(double_fault).set_stack_index(gdt::DOUBLE_FAULT_STACK) };
        idt
    };
}

extern "x86-interrupt" fn breakpoint(_frame: InterruptStackFrame) {
    println!("EXCEPTION: BREAKPOINT");
    serial_println!("EXCEPTION: BREAKPOINT");
}

extern "x86-interrupt" fn invalid_opcode(mut frame: InterruptStackFrame) {
    serial_println!("EXCEPTION: INVALID OPCODE");
    unsafe { frame.as_mut().update(|f| f.instruction_pointer += 2_u64) };
}

extern "x86-interrupt" fn page_fault(mut frame: InterruptStackFrame, code: PageFaultErrorCode) {
    let address = Cr2::read().as_u64();
    // The fault that a stack overflow raises has no stack for its handler.
    serial_println!("EXCEPTION: PAGE FAULT at {address:#x}, code {:#x}", code.bits());
    unsafe { frame.as_mut().update(|f| f.instruction_pointer += 2_u64) };
}

extern "x86-interrupt" fn double_fault(_frame: InterruptStackFrame, code: u64) -> ! {
    println!("EXCEPTION: DOUBLE FAULT");
    serial_println!("EXCEPTION: DOUBLE FAULT, code {code}");
    exit::exit(Verdict::Success)
}

#[allow(unconditional_recursion)]
fn overflow(depth: u64) -> u64 {
    overflow(core::hint::black_box(depth + 1)) + core::hint::black_box(depth)
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    println!("Hello World!");
    gdt::init();
    IDT.load();
    x86_64::instructions::interrupts::int3();
    unsafe {
        core::arch::asm!("ud2");
        core::arch::asm!("mov [rax], ecx", in("rax") NOWHERE);
        core::arch::asm!("mov ecx, [rax]", in("rax") NOWHERE + 0x1000, out("ecx") _);
    }
    serial_println!("It did not crash!");
    println!("It did not crash!");
    overflow(0);
    panic!("execution went on after a stack overflow")
}
