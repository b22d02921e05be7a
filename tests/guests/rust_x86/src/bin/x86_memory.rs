//! Paging and a heap: walks the page tables through the map of all physical memory, makes a mapping of its own, then allocates.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{boxed::Box, collections::BTreeMap, rc::Rc, string::String, vec::Vec};
use bootloader::bootinfo::MemoryRegionType;
use bootloader::{BootInfo, entry_point};
use guests_x86::exit::{self, Verdict};
use guests_x86::{panic_reports_and_fails, println, serial_println};
use linked_list_allocator::LockedHeap;
use x86_64::structures::paging::{
    FrameAllocator, Mapper, OffsetPageTable, Page, PageTable, PageTableFlags, PhysFrame, Size4KiB, Translate,
};
use x86_64::{PhysAddr, VirtAddr};

panic_reports_and_fails!();
entry_point!(main);

#[global_allocator]
static ALLOCATOR: LockedHeap = LockedHeap::empty();
const HEAP_START: u64 = 0x4444_4444_0000;
const HEAP_SIZE: u64 = 100 * 1024;

/// Hands out the usable frames of the memory map, each once.
struct Frames<I: Iterator<Item = u64>>(I);

unsafe impl<I: Iterator<Item = u64>> FrameAllocator<Size4KiB> for Frames<I> {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        self.0.next().map(|at| PhysFrame::containing_address(PhysAddr::new(at)))
    }
}

fn main(boot_info: &'static BootInfo) -> ! {
    let offset = VirtAddr::new(boot_info.physical_memory_offset);
    let (root, _) = x86_64::registers::control::Cr3::read();
    let table = unsafe { &mut *(offset + root.start_address().as_u64()).as_mut_ptr::<PageTable>() };
    let mut mapper = unsafe { OffsetPageTable::new(table, offset) };
    for address in [0xb8000, offset.as_u64(), 0xdead_beef_0000] {
        serial_println!("{:?}", mapper.translate_addr(VirtAddr::new(address)));
    }

    let usable = boot_info.memory_map.iter().filter(|region| region.region_type == MemoryRegionType::Usable);
    let mut frames = Frames(usable.flat_map(|region| (region.range.start_addr()..region.range.end_addr()).step_by(4096)));
    let flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
    let screen = PhysFrame::containing_address(PhysAddr::new(0xb8000));
    let page = Page::<Size4KiB>::containing_address(VirtAddr::new(0xdead_beef_0000));
    unsafe { mapper.map_to(page, screen, flags, &mut frames) }.unwrap().flush();
    unsafe { page.start_address().as_mut_ptr::<u64>().offset(400).write_volatile(0xf021_f077_f065_f04e) };
    serial_println!("{:?}", mapper.translate_addr(VirtAddr::new(0xdead_beef_0018)));

    let heap = Page::range(
        Page::<Size4KiB>::containing_address(VirtAddr::new(HEAP_START)),
        Page::containing_address(VirtAddr::new(HEAP_START + HEAP_SIZE)),
    );
    for page in heap {
        let frame = frames.allocate_frame().unwrap();
        unsafe { mapper.map_to(page, frame, flags, &mut frames) }.unwrap().flush();
    }
    unsafe { ALLOCATOR.lock().init(HEAP_START as usize, HEAP_SIZE as usize) };

    serial_println!("box {}", Box::new(41));
    let numbers: Vec<u64> = (0..1000).collect();
    serial_println!("sum {}", numbers.iter().sum::<u64>());
    let shared = Rc::new(numbers);
    let other = shared.clone();
    serial_println!("count {}", Rc::strong_count(&other));
    drop(shared);
    serial_println!("count {}", Rc::strong_count(&other));
    let words: BTreeMap<usize, String> = "a kernel has a heap of its own".split(' ').map(String::from).enumerate().collect();
    serial_println!("{words:?}");
    (0..HEAP_SIZE).for_each(|i| assert_eq!(*Box::new(i), i));
    println!("It did not crash!");
    exit::exit(Verdict::Success)
}
