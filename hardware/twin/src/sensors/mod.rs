//! What each sensor of the box says about the place and the moment.

pub(crate) mod accel;
pub(crate) mod body;
pub(crate) mod gnss;
pub(crate) mod modem;
pub(crate) mod thermal;
