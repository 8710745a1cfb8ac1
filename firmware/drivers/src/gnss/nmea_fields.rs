//! The fields of a sentence, to integers. An empty field is nothing; one that is not of its form is [`BadField`].

use super::civil;

/// Fields of a sentence at the most, its name included; GSA, the longest that is read, has 18 or 19.
const FIELDS_MAX: usize = 24;

/// A field is missing, not of its form, or out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadField;

/// A sentence cut at its commas; a field that is not there reads as empty.
pub(super) struct Fields<'a> {
    fields: [&'a [u8]; FIELDS_MAX],
    pub(super) count: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        let mut fields = [&body[..0]; FIELDS_MAX];
        let mut count = 0;
        for (place, field) in fields.iter_mut().zip(body.split(|byte| *byte == b',')) {
            *place = field;
            count += 1;
        }
        Self { fields, count }
    }

    pub(super) fn get(&self, index: usize) -> &'a [u8] {
        self.fields.get(index).copied().unwrap_or(&[])
    }

    pub(super) fn letter(&self, index: usize) -> Result<Option<u8>, BadField> {
        match self.get(index) {
            [] => Ok(None),
            [letter] => Ok(Some(*letter)),
            _ => Err(BadField),
        }
    }

    /// An unsigned decimal in units of 10⁻ᵈⁱᵍⁱᵗˢ, further digits cut off.
    pub(super) fn decimal(&self, index: usize, digits: u32) -> Result<Option<i64>, BadField> {
        match self.get(index) {
            [] => Ok(None),
            field => decimal(field, digits).map(Some),
        }
    }

    pub(super) fn small(&self, index: usize) -> Result<Option<u8>, BadField> {
        match self.decimal(index, 0)? {
            None => Ok(None),
            Some(value) => u8::try_from(value).map(Some).map_err(|_| BadField),
        }
    }

    /// `hhmmss` with or without a fraction.
    pub(super) fn time_us(&self, index: usize) -> Result<Option<i64>, BadField> {
        let field = self.get(index);
        if field.is_empty() {
            return Ok(None);
        }
        let whole = field.iter().position(|byte| *byte == b'.').unwrap_or(field.len());
        let value = decimal(field, 6)?;
        if whole != 6 {
            return Err(BadField);
        }
        let (seconds, micros) = (value / 1_000_000, value % 1_000_000);
        // Six digits: each pair is below 100.
        let [hour, minute, second] = [seconds / 10_000, seconds / 100 % 100, seconds % 100].map(|pair| pair as u8);
        civil::time_of_day_us(hour, minute, second, micros).map(Some).ok_or(BadField)
    }

    /// `ddmmyy`. The two digits of the year are of 1980 to 2079: GPS began in 1980.
    pub(super) fn date_days(&self, index: usize) -> Result<Option<i64>, BadField> {
        let field = self.get(index);
        match field.len() {
            0 => return Ok(None),
            6 => {}
            _ => return Err(BadField),
        }
        let value = decimal(field, 0)?;
        let [day, month, year] = [value / 10_000, value / 100 % 100, value % 100].map(|pair| pair as u8);
        let century = if year >= 80 { 1_900 } else { 2_000 };
        civil::days(century + u16::from(year), month, day).map(Some).ok_or(BadField)
    }

    /// Latitude and longitude in four fields, `ddmm.mmmm` and the hemisphere; degrees × 1e7.
    pub(super) fn position_e7(&self, index: usize) -> Result<Option<(i32, i32)>, BadField> {
        if (index..index + 4).all(|index| self.get(index).is_empty()) {
            return Ok(None);
        }
        let latitude = angle_e7(self.get(index), 90)?;
        let longitude = angle_e7(self.get(index + 2), 180)?;
        let latitude = match self.letter(index + 1)? {
            Some(b'N') => latitude,
            Some(b'S') => -latitude,
            _ => return Err(BadField),
        };
        let longitude = match self.letter(index + 3)? {
            Some(b'E') => longitude,
            Some(b'W') => -longitude,
            _ => return Err(BadField),
        };
        Ok(Some((latitude, longitude)))
    }

    pub(super) fn speed_mmps(&self, knots: usize) -> Result<Option<u32>, BadField> {
        let Some(micro_knots) = self.decimal(knots, 6)? else { return Ok(None) };
        // A knot is 1,852 m in 3,600 s.
        let mmps = micro_knots.checked_mul(1_852).ok_or(BadField)? / 3_600 + 500;
        u32::try_from(mmps / 1_000).map(Some).map_err(|_| BadField)
    }

    pub(super) fn heading_cdeg(&self, index: usize) -> Result<Option<u16>, BadField> {
        match self.decimal(index, 3)? {
            None => Ok(None),
            Some(mdeg @ 0..=360_000) => Ok(Some(((mdeg + 5) / 10 % 36_000) as u16)),
            Some(_) => Err(BadField),
        }
    }

    pub(super) fn hdop_centi(&self, index: usize) -> Result<Option<u16>, BadField> {
        Ok(self.decimal(index, 2)?.map(|centi| u16::try_from(centi).unwrap_or(u16::MAX)))
    }
}

fn decimal(field: &[u8], digits: u32) -> Result<i64, BadField> {
    let mut value: i64 = 0;
    let mut fraction = None;
    let mut any = false;
    for byte in field {
        match (byte, fraction) {
            (b'.', None) => fraction = Some(0),
            (b'0'..=b'9', Some(got)) if got >= digits => any = true,
            (b'0'..=b'9', _) => {
                any = true;
                fraction = fraction.map(|got| got + 1);
                // More than ten digits before the point are in no field that is read.
                if fraction.is_none() && value > 999_999_999 {
                    return Err(BadField);
                }
                value = value
                    .checked_mul(10)
                    .and_then(|value| value.checked_add(i64::from(byte - b'0')))
                    .ok_or(BadField)?;
            }
            _ => return Err(BadField),
        }
    }
    if !any {
        return Err(BadField);
    }
    let missing = digits - fraction.unwrap_or(0);
    value.checked_mul(10_i64.pow(missing)).ok_or(BadField)
}

fn angle_e7(field: &[u8], degrees_max: i64) -> Result<i32, BadField> {
    // Minutes in units of 1e-9, rounded once at the end: receivers give up to eight digits.
    let value = decimal(field, 9)?;
    let (degrees, minutes_e9) = (value / 100_000_000_000, value % 100_000_000_000);
    if minutes_e9 >= 60_000_000_000 {
        return Err(BadField);
    }
    let angle_e7 = degrees * 10_000_000 + (minutes_e9 + 3_000) / 6_000;
    if angle_e7 > degrees_max * 10_000_000 {
        return Err(BadField);
    }
    i32::try_from(angle_e7).map_err(|_| BadField)
}
