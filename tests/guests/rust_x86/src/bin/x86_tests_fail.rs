//! A kernel with a test runner of its own (`custom_test_frameworks`); the last test fails: status 35.
#![no_std]
#![no_main]
#![cfg_attr(not(test), allow(dead_code, unused_imports))]
#![feature(custom_test_frameworks)]
#![test_runner(guests_x86::run_tests)]
#![reexport_test_harness_main = "test_main"]

use guests_x86::exit::{self, Verdict};
use guests_x86::{panic_reports_and_fails, println};

panic_reports_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    #[cfg(test)]
    test_main();
    exit::exit(Verdict::Success)
}

#[test_case]
fn trivial_assertion() {
    assert_eq!(1, core::hint::black_box(1));
}

#[test_case]
fn println_does_not_panic() {
    (0..200).for_each(|line| println!("line {line}"));
}

#[test_case]
fn division_rounds_to_zero() {
    assert_eq!(-7 / core::hint::black_box(2), -4);
}
