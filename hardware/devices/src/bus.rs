//! What a part on an I²C bus can be asked, and the checked words that Sensirion's parts send over it.

/// A part refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nack {
    /// Nothing at this address, or the part is busy.
    Address,
    /// A byte that the part does not take.
    Data,
}

/// One part of a transaction, as in embedded-hal: adjacent ones of the same kind are one transfer, a change of direction
/// is a repeated start condition.
#[derive(Debug)]
pub enum Op<'a> {
    /// Host to part.
    Write(&'a [u8]),
    /// Part to host.
    Read(&'a mut [u8]),
}

/// A part on the bus. `now_us` never goes back between two calls.
pub trait I2cDevice {
    /// Takes what the host writes after the address.
    ///
    /// # Errors
    /// [`Nack`] as the part would.
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack>;

    /// Fills what the host reads.
    ///
    /// # Errors
    /// [`Nack`] as the part would.
    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack>;

    /// Loses its supply and gets it back: settings and volatile registers are gone.
    fn power_cycle(&mut self, now_us: u64);
}

/// What a host reads where no part drives the line: the pull-up's ones.
pub(crate) const RELEASED: u8 = 0xFF;

/// The check byte of a 16-bit word: CRC-8, polynomial 0x31, initial value 0xFF, nothing reflected, no final XOR
/// (SPS30 data sheet, section 6.2 "Checksum calculation"; SCD4x data sheet, section "Checksum calculation").
pub(crate) fn crc8(bytes: [u8; 2]) -> u8 {
    bytes.iter().fold(0xFF, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x31 })
    })
}

/// A command of Sensirion's parts: 16 bits, then words of two bytes and their check byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) code: u16,
    argument: &'a [u8],
}

impl<'a> Command<'a> {
    /// What was written, if it is at least a command's two bytes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (code, argument) = bytes.split_first_chunk::<2>()?;
        Some(Self { code: u16::from_be_bytes(*code), argument })
    }

    /// Whether nothing follows the command.
    pub(crate) fn is_bare(&self) -> bool {
        self.argument.is_empty()
    }

    /// The words that follow.
    ///
    /// # Errors
    /// [`Nack::Data`] when it is not exactly `N` words or a check byte is wrong.
    pub(crate) fn words<const N: usize>(&self) -> Result<[u16; N], Nack> {
        let (chunks, rest) = self.argument.as_chunks::<3>();
        let chunks: &[[u8; 3]; N] = chunks.try_into().map_err(|_| Nack::Data)?;
        let good = rest.is_empty() && chunks.iter().all(|[high, low, check]| crc8([*high, *low]) == *check);
        if good { Ok(chunks.map(|[high, low, _]| u16::from_be_bytes([high, low]))) } else { Err(Nack::Data) }
    }
}

/// Words as they go over the line, each with its check byte.
pub(crate) fn checked(words: &[u16]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| {
            let [high, low] = word.to_be_bytes();
            [high, low, crc8([high, low])]
        })
        .collect()
}

/// Copies what the part has to say; a host that reads on finds the line released.
pub(crate) fn answer(data: &[u8], buffer: &mut [u8]) {
    buffer.fill(RELEASED);
    for (to, from) in buffer.iter_mut().zip(data) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_bytes_of_the_data_sheets() {
        // SPS30 and SCD4x: 0xBEEF has 0x92; SPS30, start in float format: 0x0300 has 0xAC.
        assert_eq!(crc8([0xBE, 0xEF]), 0x92);
        assert_eq!(crc8([0x03, 0x00]), 0xAC);
        assert_eq!(checked(&[0xBEEF, 0x0300]), [0xBE, 0xEF, 0x92, 0x03, 0x00, 0xAC]);
    }
}
