//! A firmware image from the line into a store: by offset, one part at a time, checked before it may run.

use tournee_link::{Checksum, FirmwareBegin, FirmwareChunk, NakReason, Refusal};

/// Where a firmware image is kept until it runs.
pub trait FirmwareStore {
    /// Why the store failed.
    type Error;

    /// Bytes of an image at the most; 0 on a board without a store.
    fn capacity(&self) -> u32;
    /// Makes room for an image of `len` bytes.
    ///
    /// # Errors
    /// The memory's.
    fn begin(&mut self, len: u32) -> Result<(), Self::Error>;
    /// Writes a part; parts come in order and without holes, all but the last [`tournee_link::FIRMWARE_CHUNK_MAX`] bytes long.
    ///
    /// # Errors
    /// The memory's.
    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error>;
    /// Reads back.
    ///
    /// # Errors
    /// The memory's.
    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error>;
    /// Has the image started at the next boot, on trial. `None` on a board that can keep an image but not start it.
    ///
    /// # Errors
    /// The memory's.
    fn try_out(&mut self) -> Option<Result<(), Self::Error>>;
    /// The running image is good. `None` on a board that cannot start images.
    ///
    /// # Errors
    /// The memory's.
    fn confirm(&mut self) -> Option<Result<(), Self::Error>>;
}

/// A board without a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl FirmwareStore for NoStore {
    type Error = ();

    fn capacity(&self) -> u32 {
        0
    }

    fn begin(&mut self, _: u32) -> Result<(), ()> {
        Err(())
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), ()> {
        Err(())
    }

    fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), ()> {
        Err(())
    }

    fn try_out(&mut self) -> Option<Result<(), ()>> {
        None
    }

    fn confirm(&mut self) -> Option<Result<(), ()>> {
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Receiving { len: u32, crc: u32, next: u32 },
    Checked { len: u32 },
}

/// The transfer, as the box sees it.
#[derive(Debug)]
pub struct Update<S> {
    store: S,
    phase: Phase,
}

const fn refuse(reason: NakReason, detail: u32) -> Refusal {
    Refusal { reason, detail }
}

impl<S: FirmwareStore> Update<S> {
    /// No image yet.
    pub const fn new(store: S) -> Self {
        Self { store, phase: Phase::Idle }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    pub(crate) fn begin(&mut self, begin: &FirmwareBegin) -> Result<u32, Refusal> {
        let FirmwareBegin { len, crc } = *begin;
        let capacity = self.store.capacity();
        if capacity == 0 {
            return Err(refuse(NakReason::Unsupported, 0));
        }
        if len == 0 || len > capacity {
            return Err(refuse(NakReason::TooLarge, capacity));
        }
        self.phase = Phase::Idle;
        self.store.begin(len).map_err(|_| refuse(NakReason::Storage, 0))?;
        self.phase = Phase::Receiving { len, crc, next: 0 };
        Ok(0)
    }

    pub(crate) fn chunk(&mut self, chunk: &FirmwareChunk) -> Result<u32, Refusal> {
        let Phase::Receiving { len, crc, next } = self.phase else { return Err(refuse(NakReason::State, 0)) };
        let end = u32::try_from(chunk.data.len()).ok().and_then(|count| chunk.offset.checked_add(count));
        let Some(end) = end.filter(|end| *end <= len) else { return Err(refuse(NakReason::TooLarge, len)) };
        if end <= next {
            // Sent again because its answer was lost.
            return Ok(next);
        }
        if chunk.offset != next {
            return Err(refuse(NakReason::Offset, next));
        }
        self.store.write(next, &chunk.data).map_err(|_| refuse(NakReason::Storage, next))?;
        self.phase = Phase::Receiving { len, crc, next: end };
        Ok(end)
    }

    pub(crate) fn end(&mut self) -> Result<u32, Refusal> {
        let (len, crc) = match self.phase {
            Phase::Checked { len } => return Ok(len),
            Phase::Receiving { len, crc, next } if next == len => (len, crc),
            Phase::Receiving { next, .. } => return Err(refuse(NakReason::Offset, next)),
            Phase::Idle => return Err(refuse(NakReason::State, 0)),
        };
        let found = self.stored_checksum(len)?;
        if found != crc {
            self.phase = Phase::Idle;
            return Err(refuse(NakReason::Checksum, found));
        }
        self.phase = Phase::Checked { len };
        Ok(len)
    }

    /// Of what the store holds, not of what came over the line.
    fn stored_checksum(&mut self, len: u32) -> Result<u32, Refusal> {
        let mut sum = Checksum::new();
        let mut buffer = [0_u8; 64];
        let mut offset = 0;
        while offset < len {
            let count = (len - offset).min(buffer.len() as u32);
            let part = buffer.get_mut(..count as usize).unwrap_or_default();
            self.store.read(offset, part).map_err(|_| refuse(NakReason::Storage, offset))?;
            sum.update(part);
            offset += count;
        }
        Ok(sum.finish())
    }

    pub(crate) fn commit(&mut self) -> Result<u32, Refusal> {
        let Phase::Checked { len } = self.phase else { return Err(refuse(NakReason::State, 0)) };
        match self.store.try_out() {
            None => Err(refuse(NakReason::Unsupported, 0)),
            Some(Err(_)) => Err(refuse(NakReason::Storage, 0)),
            Some(Ok(())) => Ok(len),
        }
    }

    pub(crate) fn confirm(&mut self) -> Result<u32, Refusal> {
        match self.store.confirm() {
            None => Err(refuse(NakReason::Unsupported, 0)),
            Some(Err(_)) => Err(refuse(NakReason::Storage, 0)),
            Some(Ok(())) => Ok(0),
        }
    }
}
