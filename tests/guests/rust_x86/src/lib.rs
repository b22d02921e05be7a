//! What the x86-64 guest kernels share: debug exit, serial port, VGA text buffer, interrupts. They are started by the `bootloader` crate in
//! long mode.
#![no_std]

pub mod exit;
pub mod gdt;
pub mod serial;
pub mod vga;

/// What `test_runner` of a kernel runs.
pub trait Testable {
    fn run(&self);
}

impl<T: Fn()> Testable for T {
    fn run(&self) {
        serial_print!("{}...\t", core::any::type_name::<T>());
        self();
        serial_println!("[ok]");
    }
}

/// Runs the test cases of a kernel and ends the run.
pub fn run_tests(tests: &[&dyn Testable]) -> ! {
    serial_println!("Running {} tests", tests.len());
    tests.iter().for_each(|test| test.run());
    exit::exit(exit::Verdict::Success)
}

/// A panic handler that reports on the serial port and ends the run as failed.
#[macro_export]
macro_rules! panic_reports_and_fails {
    () => {
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            $crate::serial_println!("[failed]\n\nError: {info}\n");
            $crate::exit::exit($crate::exit::Verdict::Failed)
        }
    };
}
