//! What the emulated box and its host keep in the memory that they share: offsets into it, and the codes there.
//!
//! The one truth for both ends: `hardware/twin` includes this file. All words are little endian.

/// Bytes of the shared memory: the whole PSRAM of mps2-an386.
pub const MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// Written by the host before the box starts: [`HOST_MAGIC`], a seed (u32), the serial number padded with zeros.
pub const HOST_BLOCK: usize = 0x0000;
/// First word of the host block.
pub const HOST_MAGIC: u32 = 0x5455_524E;
/// Bytes of the serial number there, as many as the link's Hello carries.
pub const SERIAL_BYTES: usize = 24;

/// Written by the box, outlives its resets: [`BOX_MAGIC`], boots (u32), why the last boot ended (u32, as the link's
/// reset causes).
pub const BOX_BLOCK: usize = 0x0100;
/// First word of the box block.
pub const BOX_MAGIC: u32 = 0x424F_5821;

/// A bus request, box to host: number (u32, written last), address (u8), operations (u8), 0 (u16), then the
/// operations: kind (u8), 0 (u8), length (u16), and the bytes of a write.
pub const REQUEST: usize = 0x1000;
/// The answer: number of the request (u32, written last), status (u8), 0 (u8), length (u16), then the bytes of all
/// reads.
pub const REPLY: usize = 0x2000;
/// Bytes that a request and a reply each may take.
pub const TRANSFER_BYTES: usize = 0x1000;
/// Bytes before the operations of a request and before the data of a reply.
pub const TRANSFER_HEAD_BYTES: usize = 8;
/// Bytes before the data of an operation.
pub const OP_HEAD_BYTES: usize = 4;

/// Kind of an operation: host to part.
pub const OP_WRITE: u8 = 0;
/// Kind of an operation: part to host.
pub const OP_READ: u8 = 1;

/// Status of a reply: done.
pub const STATUS_OK: u8 = 0;
/// Status of a reply: nobody took the address.
pub const STATUS_NACK_ADDRESS: u8 = 1;
/// Status of a reply: a byte was not taken.
pub const STATUS_NACK_DATA: u8 = 2;
/// Status of a reply: the request was not one.
pub const STATUS_BAD_REQUEST: u8 = 3;

/// State of the firmware store, written by the box.
pub const STORE_STATE: usize = 0x000F_0000;
/// A received firmware image lies here: RAM that plays the second flash bank.
pub const STORE: usize = 0x0010_0000;
/// Bytes of the firmware store.
pub const STORE_BYTES: usize = 128 * 1024;

/// What a byte on the pins' line means: rising edge of the pulse per second.
pub const PIN_PPS: u8 = b'P';
/// What a byte on the pins' line means: the driver has switched the collection off.
pub const PIN_COLLECTION_OFF: u8 = b'0';
/// What a byte on the pins' line means: the driver has switched the collection on.
pub const PIN_COLLECTION_ON: u8 = b'1';
