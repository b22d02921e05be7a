//! Starts every other hart by HSM, wakes them by IPI, and lets all of them count under a lock; prints in an order that does not depend on timing.
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use guests::trap::{self, Frame};
use guests::{csr_clear, csr_read, csr_set, panic_prints_and_fails, println, sbi, wait_for_interrupt};

const MAX_HARTS: usize = 8;
const ROUNDS: usize = 1000;
/// `sie.SSIE` and `sip.SSIP`
const SOFTWARE: usize = 1 << 1;
const HSM_START: usize = 0;
const HSM_STOP: usize = 1;
const HSM_STATUS: usize = 2;
const STOPPED: usize = 1;

static STARTED: AtomicUsize = AtomicUsize::new(0);
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);
static FINISHED: AtomicUsize = AtomicUsize::new(0);
static LOCK: AtomicBool = AtomicBool::new(false);
static mut COUNTER: usize = 0;

panic_prints_and_fails!();

// a0 is the hart id, a1 the opaque value given to HSM: its stack.
global_asm!(".globl secondary_start", "secondary_start:", "    mv sp, a1", "    j secondary_main");

#[repr(C, align(16))]
struct Stack([u8; 4096]);
static mut STACKS: [Stack; MAX_HARTS] = [const { Stack([0; 4096]) }; MAX_HARTS];

unsafe extern "C" {
    fn secondary_start();
}

#[unsafe(no_mangle)]
extern "C" fn trap_handler(_frame: &mut Frame) {
    assert_eq!(csr_read!("scause"), trap::SOFTWARE);
    csr_clear!("sip", SOFTWARE);
    INTERRUPTS.fetch_add(1, Ordering::Release);
}

fn count_under_lock() {
    for _ in 0..ROUNDS {
        while LOCK.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {}
        unsafe { COUNTER += 1 };
        LOCK.store(false, Ordering::Release);
    }
}

#[unsafe(no_mangle)]
extern "C" fn secondary_main(_hart: usize) -> ! {
    trap::install();
    csr_set!("sie", SOFTWARE);
    STARTED.fetch_add(1, Ordering::Release);
    csr_set!("sstatus", trap::STATUS_SIE);
    let mine = STARTED.load(Ordering::Acquire);
    while INTERRUPTS.load(Ordering::Acquire) < mine {
        wait_for_interrupt();
    }
    count_under_lock();
    FINISHED.fetch_add(1, Ordering::Release);
    sbi::call(sbi::HSM, HSM_STOP, [0; 5]);
    panic!("hart_stop came back");
}

fn wait_for(counter: &AtomicUsize, value: usize) {
    while counter.load(Ordering::Acquire) < value {
        core::hint::spin_loop();
    }
}

#[unsafe(no_mangle)]
extern "C" fn main(boot_hart: usize, _device_tree: usize) -> ! {
    let harts = (0..MAX_HARTS).take_while(|&hart| sbi::call(sbi::HSM, HSM_STATUS, [hart, 0, 0, 0, 0]).0 == 0).count();
    println!("harts: {harts}");
    let others = || (0..harts).filter(|&hart| hart != boot_hart);
    for (index, hart) in others().enumerate() {
        let stack = unsafe { (&raw mut STACKS[index]).add(1) } as usize;
        let (error, _) = sbi::call(sbi::HSM, HSM_START, [hart, secondary_start as *const () as usize, stack, 0, 0]);
        assert_eq!(error, 0);
        wait_for(&STARTED, index + 1);
        println!("started {} of {}", index + 1, harts - 1);
        sbi::call(sbi::IPI, 0, [1 << hart, 0, 0, 0, 0]);
        wait_for(&INTERRUPTS, index + 1);
        println!("interrupted {} of {}", index + 1, harts - 1);
    }
    let (error, _) = sbi::call(sbi::HSM, HSM_START, [boot_hart, secondary_start as *const () as usize, 0, 0, 0]);
    println!("starting a running hart: error {error}");
    count_under_lock();
    wait_for(&FINISHED, harts - 1);
    println!("counted to {}", unsafe { (&raw const COUNTER).read() });
    for hart in others() {
        while sbi::call(sbi::HSM, HSM_STATUS, [hart, 0, 0, 0, 0]).1 != STOPPED {}
    }
    println!("all others stopped");
    sbi::shutdown(false)
}
