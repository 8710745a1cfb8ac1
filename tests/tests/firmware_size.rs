//! What the box's images take of the microcontroller: printed and bounded.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use object::{Object, ObjectSection, SectionFlags, SectionKind};
use tournee_tests::firmware;

/// What an application may take: the size of the partition that it runs in (firmware/board/nucleo-g474/memory.x).
const APPLICATION_FLASH_BYTES: u64 = 128 * 1024;
/// The boot loader's partition.
const BOOT_LOADER_FLASH_BYTES: u64 = 24 * 1024;
/// RAM of an STM32G474RE beside the 64 KiB that are kept for the stack.
const RAM_BYTES: u64 = 64 * 1024;

/// Bytes in flash, bytes of static RAM.
fn sizes(image: &str) -> (u64, u64) {
    let elf = std::fs::read(firmware(image).unwrap()).unwrap();
    let file = object::File::parse(&*elf).unwrap();
    let (mut flash, mut ram) = (0, 0);
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { continue };
        if sh_flags & u64::from(object::elf::SHF_ALLOC) == 0 {
            continue;
        }
        let in_ram = section.address() >= 0x2000_0000;
        let has_bytes = !matches!(section.kind(), SectionKind::UninitializedData);
        flash += if has_bytes { section.size() } else { 0 };
        ram += if in_ram { section.size() } else { 0 };
    }
    (flash, ram)
}

#[test]
fn the_images_fit() {
    println!("image                     flash, bytes  static RAM, bytes");
    for (image, flash_max) in [
        ("tournee-box-qemu", APPLICATION_FLASH_BYTES),
        ("tournee-box-g474", APPLICATION_FLASH_BYTES),
        ("tournee-bootloader-g474", BOOT_LOADER_FLASH_BYTES),
    ] {
        let (flash, ram) = sizes(image);
        println!("{image:<25} {flash:>12}  {ram:>17}");
        assert!(flash > 1_000, "{image} is empty");
        assert!(flash <= flash_max, "{image}: {flash} bytes of flash, {flash_max} are there");
        assert!(ram <= RAM_BYTES, "{image}: {ram} bytes of static RAM, {RAM_BYTES} are there");
    }
}
