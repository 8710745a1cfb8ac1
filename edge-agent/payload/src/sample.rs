//! One row of a stream.

use crate::stream::{Field, Stream, field, fields};

/// One row: the values of a stream's fields, in the order of [`fields`]. Each value is physical × 10^scale, or absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The stream that the row belongs to.
    pub stream: Stream,
    /// As many as `fields(stream)`.
    pub values: Vec<Option<i64>>,
}

/// The place of a field in the rows of a stream.
pub(crate) fn index_of(stream: Stream, field_id: u16) -> Option<usize> {
    let list = fields(stream);
    // Where it stands as long as no id was left out: asked for several times a row by whoever reads millions of them.
    let likely = if field_id < field::FIRST_OWN {
        usize::from(field_id).wrapping_sub(1)
    } else {
        usize::from(field_id - field::FIRST_OWN) + COMMON
    };
    match list.get(likely) {
        Some(found) if found.id == field_id => Some(likely),
        _ => list.binary_search_by_key(&field_id, |field| field.id).ok(),
    }
}

/// Fields that every stream has.
const COMMON: usize = field::FLAGS as usize;

impl Sample {
    /// A row with every value absent.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, values: vec![None; fields(stream).len()] }
    }

    /// The wire integer of a field; absent too when the stream has no such field.
    #[must_use]
    pub fn get(&self, field_id: u16) -> Option<i64> {
        self.values.get(index_of(self.stream, field_id)?).copied().flatten()
    }

    /// The physical value of a field, in its unit.
    #[must_use]
    pub fn get_scaled(&self, field_id: u16) -> Option<f64> {
        let at = index_of(self.stream, field_id)?;
        let scale = fields(self.stream).get(at)?.scale;
        let value = self.values.get(at).copied().flatten()?;
        Some(value as f64 / 10f64.powi(i32::from(scale)))
    }

    /// Sets the wire integer of a field. A field that the stream does not have is a mistake of the caller: asserted in
    /// debug builds, ignored otherwise.
    pub fn set(&mut self, field_id: u16, value: Option<i64>) {
        let slot = index_of(self.stream, field_id).and_then(|at| self.values.get_mut(at));
        debug_assert!(slot.is_some(), "stream {} has no field {field_id}", self.stream.name());
        if let Some(slot) = slot {
            *slot = value;
        }
    }

    /// Sets a field from a physical value: × 10^scale, rounded half away from zero. What is not finite or does not fit
    /// an `i64` becomes absent.
    pub fn set_scaled(&mut self, field_id: u16, value: f64) {
        let Some(field) = index_of(self.stream, field_id).and_then(|at| fields(self.stream).get(at)) else {
            self.set(field_id, None);
            return;
        };
        let scaled = (value * 10f64.powi(i32::from(field.scale))).round();
        // 2^63 is exact in f64; the largest i64 is not.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&scaled);
        self.set(field_id, fits.then_some(scaled as i64));
    }

    /// The first value outside `Field::min..=Field::max`, with its field.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static Field, i64)> {
        fields(self.stream).iter().zip(&self.values).find_map(|(field, value)| {
            value.filter(|value| !(field.min..=field.max).contains(value)).map(|value| (field, value))
        })
    }

    /// Makes every value outside `Field::min..=Field::max` absent and says how many there were.
    pub fn void_out_of_range(&mut self) -> usize {
        let mut voided = 0;
        for (field, value) in fields(self.stream).iter().zip(&mut self.values) {
            if value.is_some_and(|value| !(field.min..=field.max).contains(&value)) {
                *value = None;
                voided += 1;
            }
        }
        voided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field;

    #[test]
    fn scaling_rounds_half_away_from_zero() {
        let mut sample = Sample::new(Stream::Air);
        sample.set_scaled(19, 12.25);
        assert_eq!(sample.get(19), Some(123));
        sample.set_scaled(19, -12.25);
        assert_eq!(sample.get(19), Some(-123));
        assert_eq!(sample.get_scaled(19), Some(-12.3));
        for void in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            sample.set_scaled(19, void);
            assert_eq!(sample.get(19), None, "{void}");
        }
        sample.set_scaled(field::LAT_DEG, 47.651_234_5);
        assert_eq!(sample.get(field::LAT_DEG), Some(476_512_345));
    }

    #[test]
    fn ranges() {
        let mut sample = Sample::new(Stream::Track);
        assert_eq!(sample.out_of_range(), None);
        sample.set(field::LAT_DEG, Some(900_000_001));
        sample.set(field::HEADING_DEG, Some(3_600));
        assert_eq!(sample.out_of_range().map(|(field, value)| (field.name, value)), Some(("lat_deg", 900_000_001)));
        assert_eq!(sample.void_out_of_range(), 1);
        assert_eq!(sample.get(field::LAT_DEG), None);
        assert_eq!(sample.get(field::HEADING_DEG), Some(3_600));
    }
}
