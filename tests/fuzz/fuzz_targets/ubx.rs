//! The satellite receiver's line, UBX: nothing panics, slices do not matter, no unbelievable fix.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_fuzz::{check_receiver, split_way, ubx_frames};

fuzz_target!(|data: &[u8]| {
    match split_way(data) {
        Some((true, rest)) => check_receiver(&ubx_frames(rest)),
        Some((false, rest)) => check_receiver(rest),
        None => {}
    }
});
