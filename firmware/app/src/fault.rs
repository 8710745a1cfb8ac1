//! From a driver's error to the fault that the line carries.

use embedded_hal_async::i2c::ErrorKind;
use tournee_drivers::Error;
use tournee_link::Fault;

pub(crate) fn fault<E: embedded_hal_async::i2c::Error>(error: Error<E>) -> Fault {
    match error {
        Error::Bus(error) => match error.kind() {
            ErrorKind::NoAcknowledge(_) => Fault::NoAnswer,
            _ => Fault::Bus,
        },
        Error::Checksum => Fault::Checksum,
        Error::Identity(_) => Fault::Identity,
        Error::Restarted => Fault::Restarted,
        Error::Range => Fault::Range,
        Error::Internal(_) => Fault::Internal,
    }
}
