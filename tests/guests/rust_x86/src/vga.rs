//! The VGA text buffer: a writer that scrolls, with colours.

use core::fmt::{Arguments, Result, Write};
use lazy_static::lazy_static;
use spin::Mutex;
use volatile::Volatile;

const ROWS: usize = 25;
const COLUMNS: usize = 80;

/// The sixteen colours in the adapter's order.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Colour {
    Black,
    Blue,
    Green,
    Cyan,
    Red,
    Magenta,
    Brown,
    LightGrey,
    DarkGrey,
    LightBlue,
    LightGreen,
    LightCyan,
    LightRed,
    Pink,
    Yellow,
    White,
}

/// Foreground and background as one attribute byte.
pub const fn attribute(foreground: Colour, background: Colour) -> u8 {
    (background as u8) << 4 | foreground as u8
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Cell {
    character: u8,
    attribute: u8,
}

#[repr(transparent)]
struct Buffer {
    cells: [[Volatile<Cell>; COLUMNS]; ROWS],
}

/// Writes in the last row; a newline moves everything up.
pub struct Writer {
    column: usize,
    pub attribute: u8,
    buffer: &'static mut Buffer,
}

lazy_static! {
    pub static ref WRITER: Mutex<Writer> = Mutex::new(Writer {
        column: 0,
        attribute: attribute(Colour::Yellow, Colour::Black),
        buffer: unsafe { &mut *(0xb8000 as *mut Buffer) },
    });
}

impl Writer {
    fn byte(&mut self, byte: u8) {
        if byte == b'\n' {
            return self.newline();
        }
        if self.column >= COLUMNS {
            self.newline();
        }
        // What code page 437 has no letter for is shown as a block.
        let character = if matches!(byte, 0x20..=0x7e) { byte } else { 0xfe };
        self.buffer.cells[ROWS - 1][self.column].write(Cell { character, attribute: self.attribute });
        self.column += 1;
    }

    fn newline(&mut self) {
        for row in 1..ROWS {
            for column in 0..COLUMNS {
                let cell = self.buffer.cells[row][column].read();
                self.buffer.cells[row - 1][column].write(cell);
            }
        }
        for column in 0..COLUMNS {
            self.buffer.cells[ROWS - 1][column].write(Cell { character: b' ', attribute: self.attribute });
        }
        self.column = 0;
    }

    /// Takes back the last character of the row.
    pub fn backspace(&mut self) {
        if self.column > 0 {
            self.column -= 1;
            self.buffer.cells[ROWS - 1][self.column].write(Cell { character: b' ', attribute: self.attribute });
        }
    }
}

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> Result {
        text.bytes().for_each(|byte| self.byte(byte));
        Ok(())
    }
}

/// Prints without an interrupt handler in between, which would wait for the screen for ever.
pub fn print(args: Arguments) {
    x86_64::instructions::interrupts::without_interrupts(|| WRITER.lock().write_fmt(args).unwrap());
}

/// The colours of what is printed from now on.
pub fn set_colours(foreground: Colour, background: Colour) {
    x86_64::instructions::interrupts::without_interrupts(|| WRITER.lock().attribute = attribute(foreground, background));
}

#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::vga::print(format_args!($($arg)*)) };
}

#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::print!("{}\n", format_args!($($arg)*)) };
}
