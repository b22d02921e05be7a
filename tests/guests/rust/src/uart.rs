//! The ns16550a UART of QEMU's `virt` board, programmed directly.

const BASE: usize = 0x1000_0000;
const RBR_THR: usize = 0;
const IER: usize = 1;
const FCR: usize = 2;
const LSR: usize = 5;
const LSR_RX_READY: u8 = 0x01;
const LSR_THR_EMPTY: u8 = 0x20;

fn read(register: usize) -> u8 {
    unsafe { ((BASE + register) as *const u8).read_volatile() }
}

fn write(register: usize, value: u8) {
    unsafe { ((BASE + register) as *mut u8).write_volatile(value) }
}

/// Waits until the transmitter is free and sends a byte.
pub fn send(byte: u8) {
    while read(LSR) & LSR_THR_EMPTY == 0 {}
    write(RBR_THR, byte);
}

/// A received byte if there is one.
pub fn receive() -> Option<u8> {
    (read(LSR) & LSR_RX_READY != 0).then(|| read(RBR_THR))
}

/// Enables the FIFO and the interrupt for received data.
pub fn enable_receive_interrupt() {
    write(FCR, 0x01);
    write(IER, 0x01);
}

/// Text output by the UART itself, for kernels without firmware.
pub struct Uart;

impl core::fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(send);
        Ok(())
    }
}
