//! Field ids by name, for `Sample::set`. A test holds them against the contract's table.

pub use tournee_payload::field::{BOOT_ID, FLAGS, H_ACC_M, HEADING_DEG, LAT_DEG, LON_DEG, SPEED_MPS, T_US, TICK_US};

macro_rules! ids {
    ($($module:ident = $stream:ident { $($NAME:ident = $id:literal $field:literal,)* })*) => {
        $(#[doc = concat!("Fields of the ", stringify!($module), " stream.")]
        pub mod $module { $(#[doc = $field] pub const $NAME: u16 = $id;)* })*
        #[cfg(test)]
        const TABLE: &[(tournee_payload::Stream, u16, &str)] =
            &[$($((tournee_payload::Stream::$stream, $id, $field),)*)*];
    };
}

ids! {
    air = Air {
        PM1 = 16 "pm1_ugm3", PM25 = 17 "pm25_ugm3", PM10 = 18 "pm10_ugm3", NO2 = 19 "no2_ugm3", CO2 = 20 "co2_ppm",
        TEMP = 21 "temp_degc", RH = 22 "rh_pct", PRESSURE = 23 "pressure_hpa",
    }
    road = Road {
        LENGTH = 16 "length_m", RMS = 17 "rms_vert_mps2", ROUGH = 18 "rough_mps2", PEAK = 19 "peak_mps2",
        SAMPLES = 20 "samples", EVENTS = 21 "events", PPE = 22 "ppe_m2ps4",
    }
    road_event = RoadEvent { KIND = 16 "kind", PEAK = 17 "peak_mps2", Z = 18 "z_score", }
    mobile = Mobile {
        OPERATOR = 16 "operator_mccmnc", RAT = 17 "rat", REGISTERED = 18 "registered", RSRP = 19 "rsrp_dbm",
        RSRQ = 20 "rsrq_db", SINR = 21 "sinr_db", CELL_ID = 22 "cell_id", PCI = 23 "pci", ARFCN = 24 "arfcn",
        RSSI = 25 "rssi_dbm", TAC = 26 "tac", BAND = 27 "band", ANCHOR_PCI = 28 "anchor_pci",
        ANCHOR_ARFCN = 29 "anchor_arfcn", ANCHOR_RSRP = 30 "anchor_rsrp_dbm", ANCHOR_RSRQ = 31 "anchor_rsrq_db",
        ANCHOR_SINR = 32 "anchor_sinr_db", PROBE = 33 "probe", PROBE_DNS = 34 "probe_dns_ms",
        PROBE_CONNECT = 35 "probe_connect_ms", PROBE_RESPONSE = 36 "probe_response_ms", PROBE_BYTES = 37 "probe_bytes",
    }
    thermal = Thermal {
        SIDE = 16 "side", FACADE = 17 "facade_degc", FACADE_P90 = 18 "facade_p90_degc", AMBIENT = 19 "ambient_degc",
        DELTA = 20 "delta_k", PIXELS = 21 "pixels", MASKED = 22 "masked_pixels", GATE = 23 "gate",
        MASKED_SKY = 24 "masked_sky_pixels", MASKED_PERSON = 25 "masked_person_pixels",
        MASKED_EXHAUST = 26 "masked_exhaust_pixels", REFLECTED = 27 "reflected_degc",
    }
    track = Track { FIX = 16 "fix", SATS = 17 "sats", HDOP = 18 "hdop", }
    health = Health {
        FRAMES_OK = 16 "frames_ok", FRAMES_BAD = 17 "frames_bad", FRAMES_LOST = 18 "frames_lost",
        FRAMES_UNKNOWN = 19 "frames_unknown", QUEUE_DROPS = 20 "queue_drops", SUPPLY = 21 "supply_mv",
        MCU = 22 "mcu_degc", TRIMMED = 23 "trimmed_samples", HOURS = 24 "hours_samples",
        PLACES = 25 "places_samples", WITHHELD = 26 "withheld_samples", MODEM_UNKNOWN = 27 "modem_unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_agree_with_the_contract() {
        for (stream, id, name) in TABLE {
            let found = tournee_payload::fields(*stream).iter().find(|field| field.id == *id);
            assert_eq!(found.map(|field| field.name), Some(*name));
        }
    }
}
