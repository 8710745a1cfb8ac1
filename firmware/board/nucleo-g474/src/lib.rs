//! The arithmetic of the Nucleo-G474RE board, free of hardware so that the host tests it:
//! `cargo test --target x86_64-unknown-linux-gnu -p tournee-box-g474 --lib`.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod cause;
pub mod die;
pub mod image;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod swap;
pub mod timing;
