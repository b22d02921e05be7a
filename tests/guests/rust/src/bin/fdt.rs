//! Walks the device tree it was given (Devicetree Specification 0.4, chapter 5) and prints what every kernel looks for in it.
#![no_std]
#![no_main]

use guests::{panic_prints_and_fails, println, sbi};

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

panic_prints_and_fails!();

/// The big-endian word at a byte offset.
fn word(tree: usize, offset: usize) -> u32 {
    u32::from_be(unsafe { ((tree + offset) as *const u32).read() })
}

/// The text at a byte offset, up to its zero.
fn text(tree: usize, offset: usize) -> &'static str {
    unsafe { core::ffi::CStr::from_ptr((tree + offset) as *const _) }.to_str().unwrap()
}

/// The 64-bit number made of two cells.
fn number(tree: usize, offset: usize) -> u64 {
    (word(tree, offset) as u64) << 32 | word(tree, offset + 4) as u64
}

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, tree: usize) -> ! {
    println!("magic {:#x}, version {}, compatible with {}", word(tree, 0), word(tree, 20), word(tree, 24));
    let strings = word(tree, 12) as usize;
    let mut at = word(tree, 8) as usize;
    let mut path: [&str; 8] = [""; 8];
    let mut depth = 0;
    let mut cpus = 0;
    let mut found = [""; 3];
    let mut numbers = [0; 5];
    loop {
        let token = word(tree, at);
        at += 4;
        match token {
            BEGIN_NODE => {
                path[depth] = text(tree, at);
                cpus += path[depth].starts_with("cpu@") as u32;
                at += path[depth].len() + 4 & !3;
                depth += 1;
            }
            END_NODE => depth -= 1,
            PROPERTY => {
                let length = word(tree, at) as usize;
                let name = text(tree, strings + word(tree, at + 4) as usize);
                let value = at + 8;
                at = value + length + 3 & !3;
                let node = path[depth - 1];
                match (node, name) {
                    ("", "model") => found[0] = text(tree, value),
                    ("", "compatible") => found[1] = text(tree, value),
                    ("chosen", "bootargs") => found[2] = text(tree, value),
                    ("cpus", "timebase-frequency") => numbers[0] = word(tree, value) as u64,
                    (_, "reg") if node.starts_with("memory@") => {
                        numbers[1] = number(tree, value);
                        numbers[2] = number(tree, value + 8);
                    }
                    (_, "reg") if node.starts_with("serial@") => numbers[3] = number(tree, value),
                    (_, "interrupts") if node.starts_with("serial@") => numbers[4] = word(tree, value) as u64,
                    _ => {}
                }
            }
            NOP => {}
            _ => break,
        }
    }
    println!("model {}, compatible {}", found[0], found[1]);
    println!("command line: {}", found[2]);
    println!("cpus: {cpus}, timebase {} Hz", numbers[0]);
    println!("memory: {:#x} bytes at {:#x}", numbers[2], numbers[1]);
    println!("serial: at {:#x}, interrupt {}", numbers[3], numbers[4]);
    sbi::shutdown(false)
}
