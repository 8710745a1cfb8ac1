//! The streams and their fields. Append-only: an id, once given, never changes its meaning, unit or scale.

/// What a box measures, one independent sequence each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stream {
    /// 1 Hz air quality.
    Air = 1,
    /// One row per 20 m of road.
    Road = 2,
    /// Potholes and bumps.
    RoadEvent = 3,
    /// 1 Hz mobile network.
    Mobile = 4,
    /// Facade statistics per side and frame.
    Thermal = 5,
    /// 1 Hz positions; what map matching reads.
    Track = 6,
    /// Once a minute: the box, the line and the queue.
    Health = 7,
    /// Samples that were given up, as ranges of the other streams.
    Gap = 8,
}

impl Stream {
    /// Every stream, in the order of their codes.
    pub const ALL: [Self; 8] =
        [Self::Air, Self::Road, Self::RoadEvent, Self::Mobile, Self::Thermal, Self::Track, Self::Health, Self::Gap];

    /// The name in topics, tables and SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::Road => "road",
            Self::RoadEvent => "road_event",
            Self::Mobile => "mobile",
            Self::Thermal => "thermal",
            Self::Track => "track",
            Self::Health => "health",
            Self::Gap => "gap",
        }
    }

    /// The stream of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// The stream of this code, if there is one.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| *stream as u32 == code)
    }
}

/// One field of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The number on the wire.
    pub id: u16,
    /// The column name, unit last.
    pub name: &'static str,
    /// Decimal digits: wire integer = value × 10^scale.
    pub scale: u8,
    /// Smallest believable wire integer.
    pub min: i64,
    /// Largest believable wire integer.
    pub max: i64,
    /// Unit and meaning, for the column comment.
    pub doc: &'static str,
}

const fn f(id: u16, name: &'static str, scale: u8, min: i64, max: i64, doc: &'static str) -> Field {
    Field { id, name, scale, min, max, doc }
}

/// Field ids that several streams share.
pub mod field {
    /// Event time, UTC, microseconds since 1970; absent while the clock is unknown.
    pub const T_US: u16 = 1;
    /// The box's own monotonic ticks, microseconds since its boot.
    pub const TICK_US: u16 = 2;
    /// Random number of the box's boot.
    pub const BOOT_ID: u16 = 3;
    /// Latitude, WGS 84, 7 digits.
    pub const LAT_DEG: u16 = 4;
    /// Longitude, WGS 84, 7 digits.
    pub const LON_DEG: u16 = 5;
    /// Horizontal accuracy.
    pub const H_ACC_M: u16 = 6;
    /// Speed over ground.
    pub const SPEED_MPS: u16 = 7;
    /// Course over ground, clockwise from north.
    pub const HEADING_DEG: u16 = 8;
    /// Quality bits, see `tournee_features::flags`.
    pub const FLAGS: u16 = 9;
    /// First id that belongs to one stream alone.
    pub const FIRST_OWN: u16 = 16;
}

/// 1990-01-01 to 2100-01-01: wider than any believable clock, so that a wrong clock is stored and flagged, not lost.
const T_MIN_US: i64 = 631_152_000_000_000;
const T_MAX_US: i64 = 4_102_444_800_000_000;

macro_rules! with_common {
    ($($own:expr),* $(,)?) => {
        const { &[
            f(field::T_US, "t_us", 0, T_MIN_US, T_MAX_US, "event time, UTC, microseconds since 1970; empty while the clock is unknown"),
            f(field::TICK_US, "tick_us", 0, 0, i64::MAX, "box ticks, microseconds since boot"),
            f(field::BOOT_ID, "boot_id", 0, 0, u32::MAX as i64, "random number of the box's boot"),
            f(field::LAT_DEG, "lat_deg", 7, -900_000_000, 900_000_000, "latitude, degrees, WGS 84"),
            f(field::LON_DEG, "lon_deg", 7, -1_800_000_000, 1_800_000_000, "longitude, degrees, WGS 84"),
            f(field::H_ACC_M, "h_acc_m", 1, 0, 1_000_000, "horizontal accuracy, metres, one standard deviation"),
            f(field::SPEED_MPS, "speed_mps", 2, 0, 10_000, "speed over ground, metres per second"),
            f(field::HEADING_DEG, "heading_deg", 1, 0, 3_600, "course over ground, degrees clockwise from north"),
            f(field::FLAGS, "flags", 0, 0, u32::MAX as i64, "quality bits, documented in docs/flags.md"),
            $($own),*
        ] as &'static [Field] }
    };
}

/// The fields of a stream, by id.
#[must_use]
pub const fn fields(stream: Stream) -> &'static [Field] {
    match stream {
        Stream::Air => with_common![
            f(16, "pm1_ugm3", 1, 0, 20_000, "PM1, µg/m³, as the sensor gives it"),
            f(17, "pm25_ugm3", 1, 0, 20_000, "PM2.5, µg/m³, as the sensor gives it"),
            f(18, "pm10_ugm3", 1, 0, 20_000, "PM10, µg/m³, as the sensor gives it"),
            f(
                19,
                "no2_ugm3",
                1,
                -5_000,
                50_000,
                "NO2, µg/m³ at 20 °C and 101.325 kPa, Alphasense algorithm 1; may be negative near zero"
            ),
            f(20, "co2_ppm", 0, 0, 40_000, "CO2, ppm by volume"),
            f(21, "temp_degc", 2, -6_000, 10_000, "air temperature, °C"),
            f(22, "rh_pct", 1, 0, 1_000, "relative humidity, %"),
            f(23, "pressure_hpa", 1, 3_000, 11_500, "air pressure, hPa"),
        ],
        Stream::Road => with_common![
            f(16, "length_m", 1, 0, 10_000, "length of the window, metres of travel"),
            f(17, "rms_vert_mps2", 4, 0, 2_000_000, "RMS of vertical acceleration in 0.5-20 Hz, m/s²"),
            f(
                18,
                "rough_mps2",
                4,
                0,
                2_000_000,
                "speed-neutral roughness: rms_vert_mps2 × sqrt(50 km/h / speed), m/s²"
            ),
            f(19, "peak_mps2", 3, 0, 500_000, "largest absolute vertical acceleration in the window, m/s²"),
            f(20, "samples", 0, 0, 1_000_000, "acceleration samples in the window"),
            f(21, "events", 0, 0, 10_000, "road events in the window"),
            f(
                22,
                "ppe_m2ps4",
                6,
                0,
                999_999_999,
                "power of the prediction error of the acceleration, whatever the orientation, at 50 km/h, m²/s⁴"
            ),
        ],
        Stream::RoadEvent => with_common![
            f(16, "kind", 0, 0, 255, "1 pothole or bump by robust z, 2 both wheels (joint, hump)"),
            f(17, "peak_mps2", 3, 0, 500_000, "largest absolute vertical acceleration, m/s²"),
            f(18, "z_score", 1, 0, 100_000, "robust z of the peak"),
        ],
        Stream::Mobile => with_common![
            f(
                16,
                "operator_mccmnc",
                0,
                0,
                999_999,
                "operator of the serving cell, MCC and MNC as one number, e.g. 20801"
            ),
            f(17, "rat", 0, 0, 9, "0 none, 2 GSM, 3 UMTS, 4 LTE, 5 NR standalone, 6 NR non-standalone"),
            f(18, "registered", 0, 0, 1, "1 when the modem is registered; 0 is a measurement, not a hole"),
            f(19, "rsrp_dbm", 1, -2_000, -200, "RSRP (LTE) or SS-RSRP (NR), dBm"),
            f(20, "rsrq_db", 1, -500, 300, "RSRQ or SS-RSRQ, dB"),
            f(21, "sinr_db", 1, -500, 600, "SINR or SS-SINR, dB"),
            f(22, "cell_id", 0, 0, i64::MAX, "cell identity of the serving cell"),
            f(23, "pci", 0, 0, 1_007, "physical cell identity"),
            f(24, "arfcn", 0, 0, 3_279_165, "EARFCN or NR-ARFCN"),
            f(25, "rssi_dbm", 1, -2_000, 0, "RSSI, dBm"),
            f(26, "tac", 0, 0, 16_777_215, "tracking area code of the serving cell"),
            f(27, "band", 0, 0, 1_024, "band of the serving cell, e.g. 20 for B20, 78 for n78"),
            f(28, "anchor_pci", 0, 0, 503, "physical cell identity of the LTE anchor under NR non-standalone"),
            f(29, "anchor_arfcn", 0, 0, 262_143, "EARFCN of the LTE anchor under NR non-standalone"),
            f(30, "anchor_rsrp_dbm", 1, -2_000, -200, "RSRP of the LTE anchor under NR non-standalone, dBm"),
            f(31, "anchor_rsrq_db", 1, -500, 300, "RSRQ of the LTE anchor under NR non-standalone, dB"),
            f(32, "anchor_sinr_db", 1, -500, 600, "SINR of the LTE anchor under NR non-standalone, dB"),
            f(
                33,
                "probe",
                0,
                1,
                255,
                "service probe that ended here: 1 success, 2 no service, 3 name server silent, 4 name not found, 5 no \
                 connection, 6 connection timed out, 7 ended early, 8 answer timed out, 9 not HTTP, 10 another status"
            ),
            f(34, "probe_dns_ms", 0, 0, 600_000, "service probe: question to address, ms"),
            f(35, "probe_connect_ms", 0, 0, 600_000, "service probe: address to connection, ms"),
            f(36, "probe_response_ms", 0, 0, 600_000, "service probe: request to the head of the answer, ms"),
            f(37, "probe_bytes", 0, 0, 999_999_999, "service probe: bytes over the air, both ways"),
        ],
        Stream::Thermal => with_common![
            f(16, "side", 0, 0, 1, "0 left, 1 right, in the direction of travel"),
            f(17, "facade_degc", 2, -10_000, 30_000, "median apparent temperature of the facade strip, °C"),
            f(18, "facade_p90_degc", 2, -10_000, 30_000, "90th percentile of the facade strip, °C"),
            f(19, "ambient_degc", 2, -6_000, 10_000, "air temperature at that moment, °C"),
            f(20, "delta_k", 2, -20_000, 30_000, "facade_degc - ambient_degc, K"),
            f(21, "pixels", 0, 0, 768, "facade pixels that were used"),
            f(22, "masked_pixels", 0, 0, 768, "pixels masked as sky, person or exhaust"),
            f(23, "gate", 0, 0, 65_535, "0 when the conditions allow a facade reading, else bits, see docs/flags.md"),
            f(24, "masked_sky_pixels", 0, 0, 768, "of the masked pixels, those of the sky"),
            f(25, "masked_person_pixels", 0, 0, 768, "of the masked pixels, those of people and animals"),
            f(26, "masked_exhaust_pixels", 0, 0, 768, "of the masked pixels, those of exhausts and other hot spots"),
            f(27, "reflected_degc", 2, -10_000, 10_000, "reflected temperature that the correction used, °C"),
        ],
        Stream::Track => with_common![
            f(16, "fix", 0, 0, 9, "0 none, 2 2D, 3 3D, 4 differential"),
            f(17, "sats", 0, 0, 255, "satellites used"),
            f(18, "hdop", 2, 0, 10_000, "horizontal dilution of precision"),
        ],
        Stream::Health => with_common![
            f(16, "frames_ok", 0, 0, i64::MAX, "link frames decoded since the agent started"),
            f(17, "frames_bad", 0, 0, i64::MAX, "link frames broken on the line since the agent started"),
            f(18, "frames_lost", 0, 0, i64::MAX, "link frames missing by sequence number since the agent started"),
            f(19, "frames_unknown", 0, 0, i64::MAX, "whole frames with a message that this agent does not know"),
            f(20, "queue_drops", 0, 0, i64::MAX, "messages that the box dropped since its boot"),
            f(21, "supply_mv", 0, 0, 100_000, "supply voltage, mV"),
            f(22, "mcu_degc", 1, -1_000, 2_000, "microcontroller temperature, °C"),
            f(
                23,
                "trimmed_samples",
                0,
                0,
                i64::MAX,
                "samples kept on board by the privacy trim since the agent started"
            ),
            f(24, "hours_samples", 0, 0, i64::MAX, "samples not kept outside of working hours since the agent started"),
            f(25, "places_samples", 0, 0, i64::MAX, "samples not kept at configured places since the agent started"),
            f(26, "withheld_samples", 0, 0, i64::MAX, "samples not kept by switch or command since the agent started"),
            f(27, "modem_unknown", 0, 0, i64::MAX, "modem lines that were not understood since the agent started"),
        ],
        Stream::Gap => with_common![
            f(16, "gap_stream", 0, 1, 7, "code of the stream that lost samples"),
            f(17, "first_seq", 0, 0, i64::MAX, "first sequence number given up"),
            f(18, "last_seq", 0, 0, i64::MAX, "last sequence number given up"),
            f(
                19,
                "reason",
                0,
                0,
                255,
                "1 spool at its byte cap, 2 spool page unreadable, 3 larger than a broker accepts"
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_names_are_unique() {
        for stream in Stream::ALL {
            let list = fields(stream);
            assert!(list.windows(2).all(|pair| pair[0].id < pair[1].id), "{}", stream.name());
            let names: std::collections::BTreeSet<_> = list.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), list.len(), "{}", stream.name());
            assert!(list.iter().all(|field| field.min <= field.max));
            assert_eq!(Stream::from_name(stream.name()), Some(stream));
        }
    }
}
