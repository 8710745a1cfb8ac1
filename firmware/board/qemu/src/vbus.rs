//! An I²C bus whose parts live in the host: requests and replies in shared memory, one byte of a serial line as the
//! bell. The drivers above cannot tell it from a bus with a time-out.

use embassy_time::{Duration, with_timeout};
use embedded_hal_async::i2c::{Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use embedded_io_async::{Read, Write};

use crate::layout::{
    OP_HEAD_BYTES, OP_READ, OP_WRITE, REPLY, REQUEST, STATUS_NACK_ADDRESS, STATUS_NACK_DATA, STATUS_OK, TRANSFER_BYTES,
    TRANSFER_HEAD_BYTES,
};
use crate::shared;

/// How long the host may take: a hundred times what it needs, and short beside the two seconds of the watchdog.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Why a transaction did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VbusError {
    /// Nobody took the address.
    NackAddress,
    /// A byte was not taken.
    NackData,
    /// The host did not answer in time.
    Timeout,
    /// The transaction is longer than the shared memory has room for.
    TooLong,
    /// The host did not understand, or answered something else.
    Protocol,
}

impl Error for VbusError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NackAddress => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address),
            Self::NackData => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data),
            Self::Timeout | Self::TooLong | Self::Protocol => ErrorKind::Other,
        }
    }
}

/// The bus.
pub struct Vbus<R, W> {
    /// Number of the last request. Begins anywhere, so that a box that starts anew does not repeat one.
    number: u32,
    bell_in: R,
    bell_out: W,
}

impl<R: Read, W: Write> Vbus<R, W> {
    /// A bus whose requests are numbered from `start`.
    pub const fn new(start: u32, bell_in: R, bell_out: W) -> Self {
        Self { number: start, bell_in, bell_out }
    }

    /// Rings, and waits until the reply carries this request's number: a late reply to an older one does not count.
    async fn exchange(&mut self) -> Result<(), VbusError> {
        let [bell, ..] = self.number.to_le_bytes();
        self.bell_out.write_all(&[bell]).await.map_err(|_| VbusError::Protocol)?;
        let mut rings = [0; 8];
        while shared::read_word(REPLY) != self.number {
            self.bell_in.read(&mut rings).await.map_err(|_| VbusError::Protocol)?;
        }
        Ok(())
    }
}

impl<R, W> ErrorType for Vbus<R, W> {
    type Error = VbusError;
}

impl<R: Read, W: Write> I2c for Vbus<R, W> {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), VbusError> {
        // The number is taken away while the request is being written: the host may look at any moment.
        shared::write_word(REQUEST, 0);
        self.number = self.number.wrapping_add(1).max(1);
        write_request(address, operations)?;
        shared::write_word(REQUEST, self.number);

        match with_timeout(TIMEOUT, self.exchange()).await {
            Ok(exchanged) => exchanged?,
            Err(_) => return Err(VbusError::Timeout),
        }
        read_reply(operations)
    }
}

/// Everything of a request but its number.
fn write_request(address: u8, operations: &[Operation<'_>]) -> Result<(), VbusError> {
    let count = u8::try_from(operations.len()).map_err(|_| VbusError::TooLong)?;
    let mut at = TRANSFER_HEAD_BYTES;
    let mut answer = TRANSFER_HEAD_BYTES;
    for operation in operations {
        let (kind, len, data): (u8, usize, &[u8]) = match operation {
            Operation::Write(bytes) => (OP_WRITE, bytes.len(), bytes),
            Operation::Read(buffer) => (OP_READ, buffer.len(), &[]),
        };
        let len16 = u16::try_from(len).map_err(|_| VbusError::TooLong)?;
        let [low, high] = len16.to_le_bytes();
        let end = at + OP_HEAD_BYTES + data.len();
        if kind == OP_READ {
            answer += len;
        }
        if end > TRANSFER_BYTES || answer > TRANSFER_BYTES {
            return Err(VbusError::TooLong);
        }
        let written =
            shared::write(REQUEST + at, &[kind, 0, low, high]) && shared::write(REQUEST + at + OP_HEAD_BYTES, data);
        if !written {
            return Err(VbusError::TooLong);
        }
        at = end;
    }
    shared::write(REQUEST + 4, &[address, count, 0, 0]);
    Ok(())
}

/// The reply, whose number is the request's.
fn read_reply(operations: &mut [Operation<'_>]) -> Result<(), VbusError> {
    let mut head = [0; 4];
    shared::read(REPLY + 4, &mut head);
    let [status, _, low, high] = head;
    match status {
        STATUS_OK => {}
        STATUS_NACK_ADDRESS => return Err(VbusError::NackAddress),
        STATUS_NACK_DATA => return Err(VbusError::NackData),
        _ => return Err(VbusError::Protocol),
    }
    let mut at = TRANSFER_HEAD_BYTES;
    let end = at + usize::from(u16::from_le_bytes([low, high]));
    for operation in operations {
        if let Operation::Read(buffer) = operation {
            if at + buffer.len() > end || !shared::read(REPLY + at, buffer) {
                return Err(VbusError::Protocol);
            }
            at += buffer.len();
        }
    }
    if at == end { Ok(()) } else { Err(VbusError::Protocol) }
}
