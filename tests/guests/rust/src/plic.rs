//! The platform-level interrupt controller of QEMU's `virt` board; context 2h+1 is hart h in S-mode.

const BASE: usize = 0x0c00_0000;
pub const UART_SOURCE: u32 = 10;

fn register(offset: usize) -> *mut u32 {
    (BASE + offset) as *mut u32
}

fn context(hart: usize) -> usize {
    2 * hart + 1
}

/// Lets one source interrupt this hart in S-mode.
pub fn enable(hart: usize, source: u32) {
    unsafe {
        register(4 * source as usize).write_volatile(1);
        register(0x2000 + 0x80 * context(hart) + 4 * (source as usize / 32)).write_volatile(1 << (source % 32));
        register(0x20_0000 + 0x1000 * context(hart)).write_volatile(0);
    }
}

/// Takes the most urgent pending source, 0 when none is left.
pub fn claim(hart: usize) -> u32 {
    unsafe { register(0x20_0004 + 0x1000 * context(hart)).read_volatile() }
}

/// Tells the controller that a claimed source has been served.
pub fn complete(hart: usize, source: u32) {
    unsafe { register(0x20_0004 + 0x1000 * context(hart)).write_volatile(source) }
}
