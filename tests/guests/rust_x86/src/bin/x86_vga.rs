//! A writer for the VGA text buffer: formatted text, colours, long lines, scrolling.
#![no_std]
#![no_main]

use guests_x86::exit::{self, Verdict};
use guests_x86::vga::{Colour, attribute, set_colours};
use guests_x86::{panic_reports_and_fails, print, println};

panic_reports_and_fails!();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    println!("Hello World{}", "!");
    for line in 0..30 {
        println!("line {line}: {} {:#06x} {:?}", line * line, line * 4099, [line, -line]);
    }
    for (foreground, background) in [
        (Colour::White, Colour::Red),
        (Colour::Black, Colour::LightGrey),
        (Colour::LightGreen, Colour::Blue),
        (Colour::Pink, Colour::Black),
    ] {
        set_colours(foreground, background);
        println!("attribute {:#04x}", attribute(foreground, background));
    }
    set_colours(Colour::LightCyan, Colour::Black);
    for number in 0..40 {
        print!("{number} ");
    }
    println!("Wörter");
    print!("the end");
    exit::exit(Verdict::Success)
}
