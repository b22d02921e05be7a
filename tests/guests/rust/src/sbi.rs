//! Supervisor binary interface calls (RISC-V SBI 2.0): arguments in a0-a5, function in a6, extension in a7; error in a0, value in a1.

use core::arch::asm;

pub const BASE: usize = 0x10;
pub const TIME: usize = 0x5449_4d45;
pub const IPI: usize = 0x0073_5049;
pub const RFENCE: usize = 0x5246_4e43;
pub const HSM: usize = 0x0048_534d;
pub const SRST: usize = 0x5352_5354;
pub const DBCN: usize = 0x4442_434e;
const LEGACY_PUTCHAR: usize = 1;
const LEGACY_GETCHAR: usize = 2;
const LEGACY_SHUTDOWN: usize = 8;

/// Makes one call and returns `(error, value)`.
pub fn call(extension: usize, function: usize, args: [usize; 5]) -> (isize, usize) {
    let error: isize;
    let value: usize;
    unsafe {
        asm!("ecall", in("a7") extension, in("a6") function, inlateout("a0") args[0] => error, inlateout("a1") args[1] => value,
            in("a2") args[2], in("a3") args[3], in("a4") args[4]);
    }
    (error, value)
}

/// True when the firmware implements the extension.
pub fn probe(extension: usize) -> bool {
    call(BASE, 3, [extension, 0, 0, 0, 0]).1 != 0
}

/// Legacy extension 1: writes one byte to the console.
pub fn putchar(byte: u8) {
    call(LEGACY_PUTCHAR, 0, [byte as usize, 0, 0, 0, 0]);
}

/// Legacy extension 2: a byte from the console if there is one.
pub fn getchar() -> Option<u8> {
    u8::try_from(call(LEGACY_GETCHAR, 0, [0; 5]).0).ok()
}

/// DBCN: writes as many bytes as the firmware takes and returns their number.
pub fn console_write(bytes: &[u8]) -> usize {
    let (error, written) = call(DBCN, 0, [bytes.len(), bytes.as_ptr() as usize, 0, 0, 0]);
    if error == 0 { written } else { 0 }
}

/// TIME: asks for a timer interrupt at `deadline` (in ticks of the `time` CSR); it also clears a pending one.
pub fn set_timer(deadline: u64) {
    call(TIME, 0, [deadline as usize, (deadline >> 32) as usize * (size_of::<usize>() == 4) as usize, 0, 0, 0]);
}

/// SRST: powers off; `failure` is reset reason 1. Firmware without SRST gets the legacy shutdown.
pub fn shutdown(failure: bool) -> ! {
    call(SRST, 0, [0, failure as usize, 0, 0, 0]);
    call(LEGACY_SHUTDOWN, 0, [0; 5]);
    loop {
        crate::wait_for_interrupt();
    }
}
