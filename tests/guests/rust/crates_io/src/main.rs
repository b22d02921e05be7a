//! The same ladder with crates from crates.io: `riscv-rt` starts it, `riscv` reads its CSRs, `sbi-rt` calls the firmware.
#![no_std]
#![no_main]

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use riscv::register::{scause, sie, sstatus, time};
use riscv_rt::{core_interrupt, entry};

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        #[allow(deprecated)]
        text.bytes().for_each(|byte| {
            sbi_rt::legacy::console_putchar(byte as usize);
        });
        Ok(())
    }
}

macro_rules! println {
    ($($arg:tt)*) => { writeln!(Console, $($arg)*).unwrap() };
}

static mut TICKS: u32 = 0;

#[core_interrupt(riscv::interrupt::Interrupt::SupervisorTimer)]
fn tick() {
    unsafe { TICKS += 1 };
    println!("tick {}, interrupt: {}", unsafe { TICKS }, scause::read().is_interrupt());
    sbi_rt::set_timer(time::read64() + 10_000);
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    println!("{info}");
    sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::SystemFailure);
    loop {
        riscv::asm::wfi();
    }
}

#[entry]
fn main() -> ! {
    println!("Hello from riscv-rt");
    println!("timer extension: {}", sbi_rt::probe_extension(sbi_rt::Timer).is_available());
    sbi_rt::set_timer(time::read64() + 10_000);
    unsafe {
        sie::set_stimer();
        sstatus::set_sie();
    }
    while unsafe { (&raw const TICKS).read_volatile() } < 3 {
        riscv::asm::wfi();
    }
    sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::NoReason);
    panic!("system_reset came back");
}
