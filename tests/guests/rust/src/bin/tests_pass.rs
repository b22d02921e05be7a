//! A kernel with a test runner of its own (`custom_test_frameworks`); the result is the exit status.
#![no_std]
#![no_main]
#![cfg_attr(not(test), allow(dead_code))]
#![feature(custom_test_frameworks)]
#![test_runner(run_tests)]
#![reexport_test_harness_main = "test_main"]

use core::panic::PanicInfo;
use guests::{print, println, sbi};

trait Testable {
    fn run(&self);
}

impl<T: Fn()> Testable for T {
    fn run(&self) {
        print!("{}...\t", core::any::type_name::<T>());
        self();
        println!("[ok]");
    }
}

#[cfg(test)]
fn run_tests(tests: &[&dyn Testable]) {
    println!("Running {} tests", tests.len());
    tests.iter().for_each(|test| test.run());
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    println!("[failed]\n\nError: {info}\n");
    sbi::shutdown(true)
}

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, _device_tree: usize) -> ! {
    #[cfg(test)]
    test_main();
    sbi::shutdown(false)
}

#[test_case]
fn trivial_assertion() {
    assert_eq!(1, 1);
}

#[test_case]
fn multiplication_wraps() {
    assert_eq!(0xffff_ffff_u32.wrapping_mul(core::hint::black_box(3)), 0xffff_fffd);
}

#[test_case]
fn division_rounds_to_zero() {
    assert_eq!(-7 / core::hint::black_box(2), -3);
}
