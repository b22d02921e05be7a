//! Timer interrupts by SBI TIME: counts five ticks of 10 ms, asleep in between.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};
use guests::trap::{self, Frame};
use guests::{csr_read, csr_set, panic_prints_and_fails, println, sbi, time, wait_for_interrupt};

/// 10 ms of the board's 10 MHz timebase.
const INTERVAL: u64 = 100_000;
/// `sie.STIE`
const TIMER_ENABLE: usize = 1 << 5;

static TICKS: AtomicU32 = AtomicU32::new(0);

panic_prints_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn trap_handler(_frame: &mut Frame) {
    assert_eq!(csr_read!("scause"), trap::TIMER);
    TICKS.fetch_add(1, Ordering::Relaxed);
    sbi::set_timer(time() + INTERVAL);
}

#[unsafe(no_mangle)]
extern "C" fn main(_hart: usize, _device_tree: usize) -> ! {
    trap::install();
    let start = time();
    sbi::set_timer(start + INTERVAL);
    csr_set!("sie", TIMER_ENABLE);
    csr_set!("sstatus", trap::STATUS_SIE);
    for tick in 1..=5 {
        while TICKS.load(Ordering::Relaxed) < tick {
            wait_for_interrupt();
        }
        println!("tick {tick}");
    }
    println!("at least 50 ms have passed: {}", time() - start >= 5 * INTERVAL);
    sbi::shutdown(false)
}
