//! Quality bits of the `flags` field. Append-only: a bit, once given, never changes its meaning. `docs/flags.md` says
//! the same in prose; a test compares the two.

/// One named bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The bit itself.
    pub bit: u32,
    /// Its name in SQL and in the documentation.
    pub name: &'static str,
    /// What it says about the row.
    pub doc: &'static str,
}

macro_rules! flags {
    ($($(#[doc = $doc:literal])+ $name:ident = $shift:literal;)*) => {
        $($(#[doc = $doc])+ pub const $name: u32 = 1 << $shift;)*
        /// Every bit, lowest first.
        pub const ALL: &[Flag] = &[$(Flag { bit: $name, name: stringify!($name), doc: concat!($($doc),+) }),*];
    };
}

flags! {
    /// No time: the clock of this boot was never set within the waiting time.
    NO_TIME = 0;
    /// Time computed backwards: the sample was taken before the first fix of its boot.
    TIME_BEFORE_FIX = 1;
    /// The receiver's time disagrees with the clock of this boot, which is never stepped backwards.
    TIME_DISAGREES = 2;
    /// The stated error of the clock is above 0.5 s.
    TIME_COARSE = 3;
    /// No believable position: latitude and longitude are empty.
    NO_POSITION = 4;
    /// Position between two fixes more than 3 s apart.
    POSITION_BRIDGED = 5;
    /// Position by dead reckoning from the last fix.
    POSITION_RECKONED = 6;
    /// HDOP between 2 and 4: believed, to be weighted down.
    HDOP_WEAK = 7;
    /// Fix refused: fewer dimensions or satellites than asked for, HDOP too high, or position 0,0.
    FIX_REFUSED = 8;
    /// Fix refused: the jump from the last believed fix is faster than any vehicle.
    FIX_JUMP = 9;
    /// A value lay outside of what its field allows and was emptied.
    OUT_OF_RANGE = 10;
    /// The sensor reported a fault; its values are empty.
    SENSOR_FAULT = 11;
    /// NO2 is empty: the air temperature that its formula needs is missing.
    NO2_NO_TEMPERATURE = 12;
    /// NO2 within ten minutes of a fast temperature change, which the cell follows slowly; it is empty.
    NO2_TRANSIENT = 13;
    /// Roughness is empty: speed outside of its gate somewhere in the window.
    ROAD_SPEED = 14;
    /// Roughness is empty: braking or accelerating.
    ROAD_BRAKING = 15;
    /// Roughness is empty: turning.
    ROAD_TURNING = 16;
    /// Roughness is empty: too few acceleration samples in the window.
    ROAD_FEW_SAMPLES = 17;
    /// The window was cut short by a hole in positions or acceleration, or by the end of the round.
    ROAD_PARTIAL = 18;
    /// The modem named an NR cell beside its LTE cell but gave no values for it; the row holds the LTE cell.
    MOBILE_NR_WITHOUT_VALUES = 19;
    /// The modem is searching or limited to emergency calls.
    MOBILE_NO_SERVICE = 20;
    /// The air temperature that a facade reading needs is missing.
    THERMAL_NO_AMBIENT = 21;
    /// The partner's clock showed this local time twice (end of summer time); the first was taken.
    TIME_AMBIGUOUS = 22;
    /// A value of the source was a sentinel and not a measurement; its field is empty.
    SENTINEL = 23;
    /// Set by ingest: the event date was outside of what is believable and the row lies under the ingest date.
    DATE_CLAMPED = 24;
    /// Time by an exchange of stamps with the vehicle's computer, whose clock was synchronised: no satellite receiver gave one.
    TIME_FROM_HOST = 25;
    /// The receiver's date was 1024 weeks off (week roll-over) and was put right.
    TIME_ROLLOVER = 26;
    /// The vehicle's own exhaust may have been measured: a combustion engine, slower than 10 km/h or within 60 s of standing.
    OWN_EXHAUST = 27;
    /// CO2 or NO2 rose sharply while the vehicle's own exhaust may have been measured.
    OWN_EXHAUST_RISE = 28;
    /// Fix refused: the receiver repeats one that is more than 2 s old.
    FIX_OLD = 29;
}

/// Bits of the `gate` field of the thermal stream: 0 when the conditions allow a facade reading.
pub mod gate {
    use super::Flag;
    flags! {
        /// The sun is up, or was within the last two hours.
        DAYLIGHT = 0;
        /// Faster than the camera can follow.
        SPEED_HIGH = 1;
        /// Standing or crawling: one facade would be counted many times.
        SPEED_LOW = 2;
        /// Too few facade pixels are left after masking.
        FEW_PIXELS = 3;
        /// Outside is too warm for a difference of 10 K to the inside.
        AMBIENT_WARM = 4;
        /// Air temperature missing or old.
        NO_AMBIENT = 5;
        /// Time or position missing, so that the sun is unknown.
        SUN_UNKNOWN = 6;
        /// Speed missing.
        SPEED_UNKNOWN = 7;
        /// Beside AMBIENT_WARM: outside is cool enough for a difference of 5 K to the inside, a marginal reading.
        AMBIENT_MARGINAL = 8;
    }
}

/// The names of the bits that are set, for messages and tests.
#[must_use]
pub fn names(value: u32) -> Vec<&'static str> {
    ALL.iter().filter(|flag| value & flag.bit != 0).map(|flag| flag.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_distinct_and_documented() {
        let text = include_str!("../../../docs/flags.md");
        for list in [ALL, gate::ALL] {
            let mut seen = 0;
            for flag in list {
                assert_eq!(seen & flag.bit, 0, "{}", flag.name);
                seen |= flag.bit;
                let row = format!("| {} | `{}` |{} |", flag.bit.trailing_zeros(), flag.name, flag.doc);
                assert!(text.contains(&row), "docs/flags.md lacks the line: {row}");
            }
        }
    }

    #[test]
    fn names_of_a_value() {
        assert_eq!(names(NO_TIME | FIX_JUMP), ["NO_TIME", "FIX_JUMP"]);
    }
}
