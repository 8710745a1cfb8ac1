//! Lines as GeoPackage binary (OGC 12-128r18, 2.1.3): header with envelope, then well-known binary, all little-endian.

/// Smallest and largest easting, smallest and largest northing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Envelope {
    pub min_x: f64,
    pub max_x: f64,
    pub min_y: f64,
    pub max_y: f64,
}

impl Envelope {
    /// `None` for no points.
    pub(crate) fn of(points: &[[f64; 2]]) -> Option<Self> {
        let [x, y] = *points.first()?;
        let first = Self { min_x: x, max_x: x, min_y: y, max_y: y };
        Some(points.iter().fold(first, |all, [x, y]| Self {
            min_x: all.min_x.min(*x),
            max_x: all.max_x.max(*x),
            min_y: all.min_y.min(*y),
            max_y: all.max_y.max(*y),
        }))
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            min_x: self.min_x.min(other.min_x),
            max_x: self.max_x.max(other.max_x),
            min_y: self.min_y.min(other.min_y),
            max_y: self.max_y.max(other.max_y),
        }
    }
}

/// A LineString. Bit 0 of the flags: little-endian; bits 1-3: the envelope is [minx, maxx, miny, maxy].
pub(crate) fn line_string(points: &[[f64; 2]], envelope: Envelope, srs_id: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + 32 + 9 + points.len() * 16);
    out.extend(b"GP");
    out.push(0);
    out.push(0b0000_0011);
    out.extend(srs_id.to_le_bytes());
    for edge in [envelope.min_x, envelope.max_x, envelope.min_y, envelope.max_y] {
        out.extend(edge.to_le_bytes());
    }
    out.push(1);
    out.extend(2u32.to_le_bytes());
    out.extend(u32::try_from(points.len()).unwrap_or(u32::MAX).to_le_bytes());
    for value in points.iter().flatten() {
        out.extend(value.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_standard() {
        let points = [[1.0, 2.0], [3.0, 0.0]];
        let envelope = Envelope::of(&points).unwrap();
        let bytes = line_string(&points, envelope, 2154);
        assert_eq!(bytes[..8], [b'G', b'P', 0, 3, 0x6a, 0x08, 0, 0]);
        assert_eq!(bytes[8..16], 1f64.to_le_bytes());
        assert_eq!(bytes[16..24], 3f64.to_le_bytes());
        assert_eq!(bytes[40..49], [1, 2, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(bytes.len(), 8 + 32 + 9 + 32);
        assert_eq!(Envelope::of(&[]), None);
    }
}
