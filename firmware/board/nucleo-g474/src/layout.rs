//! The two memory maps are one: the boot loader starts, swaps and restores what the image is linked for and writes.

use std::borrow::ToOwned;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::string::String;

type Regions = BTreeMap<String, (u64, u64)>;

/// One number of a linker script: hexadecimal, or decimal with K.
fn number(text: &str) -> Result<u64, Box<dyn Error>> {
    let text = text.trim();
    Ok(match (text.strip_prefix("0x"), text.strip_suffix('K')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16)?,
        (None, Some(digits)) => digits.parse::<u64>()? * 1024,
        (None, None) => text.parse()?,
    })
}

/// A number, or one less another.
fn size(text: &str) -> Result<u64, Box<dyn Error>> {
    match text.split_once('-') {
        Some((whole, less)) => Ok(number(whole)? - number(less)?),
        None => number(text),
    }
}

/// Region names to start and length.
fn regions(script: &str) -> Result<Regions, Box<dyn Error>> {
    let mut regions = Regions::new();
    for line in script.lines() {
        let Some((name, rest)) = line.split_once(": ORIGIN =") else { continue };
        let (origin, length) = rest.split_once(", LENGTH =").ok_or("a region without a length")?;
        regions.insert(name.trim().to_owned(), (number(origin)?, size(length)?));
    }
    Ok(regions)
}

fn read(path: &str) -> Result<Regions, Box<dyn Error>> {
    regions(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?)
}

#[test]
fn both_maps_agree() -> Result<(), Box<dyn Error>> {
    let (boot, image) = (read("../bootloader-g474/memory.x")?, read("memory.x")?);
    assert_eq!(boot["ACTIVE"], image["FLASH"]);
    assert_eq!(boot["DFU"], image["DFU"]);
    assert_eq!(boot["STATE"], image["STATE"]);
    Ok(())
}

#[test]
fn regions_lie_apart_on_whole_pages_in_the_right_bank() -> Result<(), Box<dyn Error>> {
    const PAGE: u64 = 2048;
    const BANK_2: u64 = 0x0804_0000;
    const FLASH_END: u64 = 0x0808_0000;
    let boot = read("../bootloader-g474/memory.x")?;
    let flash = ["FLASH", "ACTIVE", "DFU", "STATE"].map(|name| boot[name]);
    for (start, length) in flash {
        assert_eq!((start % PAGE, length % PAGE), (0, 0));
    }
    for pair in flash.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0);
    }
    assert!(boot["ACTIVE"].0 + boot["ACTIVE"].1 <= BANK_2, "the running image lies in the first bank");
    assert!(boot["DFU"].0 >= BANK_2 && boot["STATE"].0 + boot["STATE"].1 <= FLASH_END);
    Ok(())
}

#[test]
fn nobody_touches_what_is_kept() -> Result<(), Box<dyn Error>> {
    const RAM_END: u64 = 0x2002_0000;
    let (boot, image) = (read("../bootloader-g474/memory.x")?, read("memory.x")?);
    let (keep, length) = image["KEEP"];
    assert_eq!(keep + length, RAM_END);
    for region in [boot["RAM"], image["RAM"], image["STACK"]] {
        assert!(region.0 + region.1 <= keep);
    }
    assert_eq!(image["STACK"].0 + image["STACK"].1, image["RAM"].0);
    Ok(())
}
