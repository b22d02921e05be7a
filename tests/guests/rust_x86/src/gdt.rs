//! A task state segment with a stack of its own for double faults, and the descriptor table it needs.

use lazy_static::lazy_static;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

/// Entry of the interrupt stack table.
pub const DOUBLE_FAULT_STACK: u16 = 0;
const STACK_SIZE: usize = 5 * 4096;

lazy_static! {
    static ref TSS: TaskStateSegment = {
        static mut STACK: [u8; STACK_SIZE] = [0; STACK_SIZE];
        let mut tss = TaskStateSegment::new();
        tss.interrupt_stack_table[DOUBLE_FAULT_STACK as usize] = VirtAddr::from_ptr(&raw const STACK) + STACK_SIZE;
        tss
    };
    static ref GDT: (GlobalDescriptorTable, SegmentSelector, SegmentSelector) = {
        let mut gdt = GlobalDescriptorTable::new();
        let code = gdt.add_entry(Descriptor::kernel_code_segment());
        let tss = gdt.add_entry(Descriptor::tss_segment(&TSS));
        (gdt, code, tss)
    };
}

/// Loads the table and its selectors.
pub fn init() {
    GDT.0.load();
    unsafe {
        CS::set_reg(GDT.1);
        SS::set_reg(SegmentSelector(0));
        load_tss(GDT.2);
    }
}
