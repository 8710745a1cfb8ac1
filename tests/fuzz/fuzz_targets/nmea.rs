//! The satellite receiver's line, NMEA: nothing panics, slices do not matter, no unbelievable fix.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_fuzz::{check_receiver, nmea_sentences, split_way};

fuzz_target!(|data: &[u8]| {
    match split_way(data) {
        Some((true, rest)) => check_receiver(&nmea_sentences(rest)),
        Some((false, rest)) => check_receiver(rest),
        None => {}
    }
});
