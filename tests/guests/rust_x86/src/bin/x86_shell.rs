//! A shell on the screen, driven by the keyboard's interrupts; what it answers goes to the serial port, too.
#![no_std]
#![no_main]
#![feature(abi_x86_interrupt)]

use core::sync::atomic::{AtomicU8, Ordering};
use guests_x86::exit::{self, Verdict};
use guests_x86::vga::{Colour, WRITER, set_colours};
use guests_x86::{panic_reports_and_fails, print, println, serial_print, serial_println};
use lazy_static::lazy_static;
use pc_keyboard::{DecodedKey, HandleControl, Keyboard, ScancodeSet1, layouts};
use pic8259::ChainedPics;
use spin::Mutex;
use x86_64::instructions::{interrupts, port::Port};
use x86_64::structures::idt::{InterruptDescriptorTable, InterruptStackFrame};

panic_reports_and_fails!();

const TIMER: u8 = 32;
const KEYBOARD: u8 = TIMER + 1;
const LINE: usize = 64;
static PICS: Mutex<ChainedPics> = Mutex::new(unsafe { ChainedPics::new(TIMER, TIMER + 8) });

/// Scan codes that the handler has read and the shell has not: a ring.
static CODES: [AtomicU8; 64] = [const { AtomicU8::new(0) }; 64];
static WRITTEN: AtomicU8 = AtomicU8::new(0);

lazy_static! {
    static ref IDT: InterruptDescriptorTable = {
        let mut idt = InterruptDescriptorTable::new();
        idt[KEYBOARD as usize].set_handler_fn(keyboard);
        idt
    };
}

extern "x86-interrupt" fn keyboard(_frame: InterruptStackFrame) {
    let code: u8 = unsafe { Port::new(0x60).read() };
    let at = WRITTEN.load(Ordering::Relaxed);
    CODES[at as usize % CODES.len()].store(code, Ordering::Relaxed);
    WRITTEN.store(at.wrapping_add(1), Ordering::Release);
    unsafe { PICS.lock().notify_end_of_interrupt(KEYBOARD) };
}

fn prompt() {
    set_colours(Colour::LightGreen, Colour::Black);
    print!("> ");
    set_colours(Colour::White, Colour::Black);
    serial_print!("> ");
}

fn answer(line: &str) {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("", _) => return,
        ("echo", text) => {
            println!("{text}");
            serial_println!("{text}");
        }
        ("warn", text) => {
            set_colours(Colour::Yellow, Colour::Red);
            println!("{text}");
            serial_println!("{text}");
        }
        ("exit", _) => {
            serial_println!("bye");
            println!("bye");
            exit::exit(Verdict::Success)
        }
        (command, _) => {
            set_colours(Colour::LightRed, Colour::Black);
            println!("unknown command: {command}");
            serial_println!("unknown command: {command}");
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut decoder = Keyboard::new(ScancodeSet1::new(), layouts::Us104Key, HandleControl::Ignore);
    let mut line = [0_u8; LINE];
    let mut length = 0;
    let mut read = 0_u8;
    IDT.load();
    unsafe {
        PICS.lock().initialize();
        PICS.lock().write_masks(0xfd, 0xff);
    }
    prompt();
    loop {
        interrupts::disable();
        if read == WRITTEN.load(Ordering::Acquire) {
            interrupts::enable_and_hlt();
            continue;
        }
        interrupts::enable();
        let code = CODES[read as usize % CODES.len()].load(Ordering::Relaxed);
        read = read.wrapping_add(1);
        let Ok(Some(event)) = decoder.add_byte(code) else { continue };
        match decoder.process_keyevent(event) {
            Some(DecodedKey::Unicode('\n')) => {
                println!();
                serial_println!();
                answer(core::str::from_utf8(&line[..length]).unwrap());
                length = 0;
                prompt();
            }
            Some(DecodedKey::Unicode('\u{8}')) => {
                if length > 0 {
                    length -= 1;
                    interrupts::without_interrupts(|| WRITER.lock().backspace());
                    serial_print!("\u{8} \u{8}");
                }
            }
            Some(DecodedKey::Unicode(key)) if key.is_ascii() && length < LINE => {
                line[length] = key as u8;
                length += 1;
                print!("{key}");
                serial_print!("{key}");
            }
            _ => {}
        }
    }
}
