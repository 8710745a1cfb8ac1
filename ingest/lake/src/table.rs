//! The raw tables and their columns. Append-only: a column never changes its name, type, unit or scale. Readers find
//! columns by name, so a new column may stand anywhere.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};

use crate::column::{Column, Encoding, Kind, column, dec, int};

/// Version of the raw tables' schemas.
pub const LAKE_SCHEMA_VERSION: u32 = 1;

/// Bytes of a refused message that quarantine keeps; its full length is noted in `length_bytes`.
pub const QUARANTINE_BYTES_MAX: usize = 64 * 1024;

/// Bit in `flags` that ingest sets when it clamped the partition date because the event time was not believable.
pub const DATE_CLAMPED: i64 = 1 << 24;

/// A raw table: one per stream, and `quarantine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// 1 Hz air quality.
    Air,
    /// One row per 20 m of road.
    Road,
    /// Potholes and bumps.
    RoadEvent,
    /// 1 Hz mobile network.
    Mobile,
    /// Facade statistics per side and frame.
    Thermal,
    /// 1 Hz positions.
    Track,
    /// The box, the line and the queue.
    Health,
    /// Samples that were given up, as ranges of the other streams.
    Gap,
    /// What could not be decoded or believed.
    Quarantine,
}

impl Table {
    /// Every raw table.
    pub const ALL: [Self; 9] = [
        Self::Air,
        Self::Road,
        Self::RoadEvent,
        Self::Mobile,
        Self::Thermal,
        Self::Track,
        Self::Health,
        Self::Gap,
        Self::Quarantine,
    ];

    /// The tables that hold one stream each: all but `quarantine`.
    pub const STREAMS: [Self; 8] =
        [Self::Air, Self::Road, Self::RoadEvent, Self::Mobile, Self::Thermal, Self::Track, Self::Health, Self::Gap];

    /// Name in paths and SQL; for a stream's table the stream's name.
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
            Self::Quarantine => "quarantine",
        }
    }

    /// The table of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// One sentence for the table's description.
    #[must_use]
    pub const fn comment(self) -> &'static str {
        match self {
            Self::Air => "Air quality, one row per second",
            Self::Road => "Road roughness, one row per 20 m of travel",
            Self::RoadEvent => "Potholes and bumps, one row each",
            Self::Mobile => "Mobile network, one row per second",
            Self::Thermal => "Apparent facade temperature, one row per side and thermal frame",
            Self::Track => "Positions, one row per second",
            Self::Health => "The box, its line and its queue, one row per minute",
            Self::Gap => "Ranges of samples that a vehicle had to give up, with the reason",
            Self::Quarantine => "Messages and rows that ingest refused, with the reason",
        }
    }

    /// The columns, in the order of the schema.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        static COLUMNS: LazyLock<Vec<Vec<Column>>> =
            LazyLock::new(|| Table::ALL.iter().map(|table| table.build_columns()).collect());
        // `ALL` is in the order of the declaration, so the discriminant is the position.
        COLUMNS.get(self as usize).map_or(&[], Vec::as_slice)
    }

    fn build_columns(self) -> Vec<Column> {
        match self {
            Self::Quarantine => QUARANTINE.to_vec(),
            _ => [IDENTITY, COMMON, self.own(), TAIL].concat(),
        }
    }

    /// The stream's own columns, between the common ones and the tail.
    const fn own(self) -> &'static [Column] {
        match self {
            Self::Air => AIR,
            Self::Road => ROAD,
            Self::RoadEvent => ROAD_EVENT,
            Self::Mobile => MOBILE,
            Self::Thermal => THERMAL,
            Self::Track => TRACK,
            Self::Health => HEALTH,
            Self::Gap => GAP,
            Self::Quarantine => &[],
        }
    }

    /// The Arrow schema, partition column included (last).
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        Arc::new(Schema::new(self.columns().iter().map(Column::field).collect::<Vec<_>>()))
    }

    /// The schema of the Parquet files: without the partition columns, whose value is in the path and in the log.
    #[must_use]
    pub fn file_schema(self) -> SchemaRef {
        let kept = self.columns().iter().filter(|column| column.encoding != Encoding::Partition);
        Arc::new(Schema::new(kept.map(Column::field).collect::<Vec<_>>()))
    }

    /// Partition columns: the event date only, never the box (40,000 boxes would make 40,000 small files a day).
    #[must_use]
    pub const fn partition_columns(self) -> &'static [&'static str] {
        &["date"]
    }

    /// Where the table lies under the lake's root.
    #[must_use]
    pub fn path(self, lake_root: &Path) -> PathBuf {
        lake_root.join(self.name())
    }
}

const IDENTITY: &[Column] = &[
    column("box_id", Kind::Text, false, Encoding::Dictionary, "the box; row key is box_id, table, epoch, seq"),
    column("epoch", Kind::Int64, false, Encoding::Dictionary, "random number of the box's spool"),
    column("seq", Kind::Int64, false, Encoding::DeltaBinaryPacked, "number of the sample in its stream, from 0"),
];

const COMMON: &[Column] = &[
    column(
        "t",
        Kind::TimestampUs,
        true,
        Encoding::DeltaBinaryPacked,
        "event time, UTC; empty while the box's clock was unknown",
    ),
    int("tick_us", "box ticks, microseconds since its boot"),
    int("boot_id", "random number of the box's boot").repeating(),
    dec("lat_deg", 9, 7, "latitude, degrees, WGS 84"),
    dec("lon_deg", 10, 7, "longitude, degrees, WGS 84"),
    dec("h_acc_m", 9, 1, "horizontal accuracy, metres, one standard deviation"),
    dec("speed_mps", 9, 2, "speed over ground, metres per second"),
    dec("heading_deg", 9, 1, "course over ground, degrees clockwise from north"),
    int("flags", "quality bits, documented in docs/flags.md").repeating(),
];

const TAIL: &[Column] = &[
    int("h3_r10", "H3 cell of the position at resolution 10, as the 64-bit index; empty without a position")
        .repeating(),
    column("ingested_at", Kind::TimestampUs, false, Encoding::Dictionary, "when ingest received the row, UTC"),
    column("date", Kind::Date, false, Encoding::Partition, "event date, UTC; clamped to [2000-01-01, ingest day + 1]"),
];

const AIR: &[Column] = &[
    dec("pm1_ugm3", 9, 1, "PM1, µg/m³, as the sensor gives it"),
    dec("pm25_ugm3", 9, 1, "PM2.5, µg/m³, as the sensor gives it"),
    dec("pm10_ugm3", 9, 1, "PM10, µg/m³, as the sensor gives it"),
    dec("no2_ugm3", 9, 1, "NO2, µg/m³ at 20 °C and 101.325 kPa; may be negative near zero"),
    int("co2_ppm", "CO2, ppm by volume"),
    dec("temp_degc", 9, 2, "air temperature, °C"),
    dec("rh_pct", 9, 1, "relative humidity, %"),
    dec("pressure_hpa", 9, 1, "air pressure, hPa"),
];

const ROAD: &[Column] = &[
    dec("length_m", 9, 1, "length of the window, metres of travel"),
    dec("rms_vert_mps2", 9, 4, "RMS of vertical acceleration in 0.5-20 Hz, m/s²"),
    dec("rough_mps2", 9, 4, "speed-neutral roughness: rms_vert_mps2 × sqrt(50 km/h / speed), m/s²"),
    dec("peak_mps2", 9, 3, "largest absolute vertical acceleration in the window, m/s²"),
    int("samples", "acceleration samples in the window"),
    int("events", "road events in the window").repeating(),
    dec(
        "ppe_m2ps4",
        9,
        6,
        "power of the prediction error of the acceleration, whatever the orientation, at 50 km/h, m²/s⁴",
    ),
];

const ROAD_EVENT: &[Column] = &[
    int("kind", "1 pothole or bump by robust z, 2 both wheels (joint, hump)").repeating(),
    dec("peak_mps2", 9, 3, "largest absolute vertical acceleration, m/s²"),
    dec("z_score", 9, 1, "robust z of the peak"),
];

const MOBILE: &[Column] = &[
    int("operator_mccmnc", "operator of the serving cell, MCC and MNC as one number, e.g. 20801").repeating(),
    int("rat", "0 none, 2 GSM, 3 UMTS, 4 LTE, 5 NR standalone, 6 NR non-standalone").repeating(),
    int("registered", "1 when the modem is registered; 0 is a measurement, not a hole").repeating(),
    dec("rsrp_dbm", 9, 1, "RSRP (LTE) or SS-RSRP (NR), dBm"),
    dec("rsrq_db", 9, 1, "RSRQ or SS-RSRQ, dB").repeating(),
    dec("sinr_db", 9, 1, "SINR or SS-SINR, dB").repeating(),
    int("cell_id", "cell identity of the serving cell").repeating(),
    int("pci", "physical cell identity").repeating(),
    int("arfcn", "EARFCN or NR-ARFCN").repeating(),
    dec("rssi_dbm", 9, 1, "RSSI, dBm"),
    int("tac", "tracking area code of the serving cell").repeating(),
    int("band", "band of the serving cell, e.g. 20 for B20, 78 for n78").repeating(),
    int("anchor_pci", "physical cell identity of the LTE anchor under NR non-standalone").repeating(),
    int("anchor_arfcn", "EARFCN of the LTE anchor under NR non-standalone").repeating(),
    dec("anchor_rsrp_dbm", 9, 1, "RSRP of the LTE anchor under NR non-standalone, dBm"),
    dec("anchor_rsrq_db", 9, 1, "RSRQ of the LTE anchor under NR non-standalone, dB"),
    dec("anchor_sinr_db", 9, 1, "SINR of the LTE anchor under NR non-standalone, dB"),
    int(
        "probe",
        "service probe that ended here: 1 success, 2 no service, 3 name server silent, 4 name not found, 5 no connection, 6 \
         connection timed out, 7 ended early, 8 answer timed out, 9 not HTTP, 10 another status",
    ).repeating(),
    int("probe_dns_ms", "service probe: question to address, ms"),
    int("probe_connect_ms", "service probe: address to connection, ms"),
    int("probe_response_ms", "service probe: request to the head of the answer, ms"),
    int("probe_bytes", "service probe: bytes over the air, both ways"),
];

const THERMAL: &[Column] = &[
    int("side", "0 left, 1 right, in the direction of travel").repeating(),
    dec("facade_degc", 9, 2, "median apparent temperature of the facade strip, °C"),
    dec("facade_p90_degc", 9, 2, "90th percentile of the facade strip, °C"),
    dec("ambient_degc", 9, 2, "air temperature at that moment, °C"),
    dec("delta_k", 9, 2, "facade_degc - ambient_degc, K"),
    int("pixels", "facade pixels that were used").repeating(),
    int("masked_pixels", "pixels masked as sky, person or exhaust").repeating(),
    int("gate", "0 when the conditions allow a facade reading, else bits, see docs/flags.md").repeating(),
    int("masked_sky_pixels", "of the masked pixels, those of the sky").repeating(),
    int("masked_person_pixels", "of the masked pixels, those of people and animals").repeating(),
    int("masked_exhaust_pixels", "of the masked pixels, those of exhausts and other hot spots").repeating(),
    dec("reflected_degc", 9, 2, "reflected temperature that the correction used, °C"),
];

const TRACK: &[Column] = &[
    int("fix", "0 none, 2 2D, 3 3D, 4 differential").repeating(),
    int("sats", "satellites used").repeating(),
    dec("hdop", 9, 2, "horizontal dilution of precision"),
];

const HEALTH: &[Column] = &[
    int("frames_ok", "link frames decoded since the agent started"),
    int("frames_bad", "link frames broken on the line since the agent started"),
    int("frames_lost", "link frames missing by sequence number since the agent started"),
    int("frames_unknown", "whole frames with a message that this agent does not know").repeating(),
    int("queue_drops", "messages that the box dropped since its boot").repeating(),
    int("supply_mv", "supply voltage, mV"),
    dec("mcu_degc", 9, 1, "microcontroller temperature, °C"),
    int("trimmed_samples", "samples kept on board by the privacy trim since the agent started"),
    int("hours_samples", "samples not kept outside of working hours since the agent started"),
    int("places_samples", "samples not kept at configured places since the agent started"),
    int("withheld_samples", "samples not kept by switch or command since the agent started"),
    int("modem_unknown", "modem lines that were not understood since the agent started"),
];

const GAP: &[Column] = &[
    int("gap_stream", "code of the stream that lost samples").repeating(),
    int("first_seq", "first sequence number given up"),
    int("last_seq", "last sequence number given up"),
    int("reason", "1 spool at its byte cap, 2 spool page unreadable, 3 larger than a broker accepts").repeating(),
];

const QUARANTINE: &[Column] = &[
    column("received_at", Kind::TimestampUs, false, Encoding::DeltaBinaryPacked, "when ingest refused it, UTC"),
    column("box_id", Kind::Text, true, Encoding::Dictionary, "the box that the topic or payload names, if readable"),
    column("topic", Kind::Text, false, Encoding::Dictionary, "MQTT topic, or the source of an import"),
    column("stream", Kind::Text, true, Encoding::Dictionary, "stream, if readable"),
    int("epoch", "epoch of a refused row; empty for a message that could not be read"),
    int("seq", "sequence number of a refused row; such a row counts as refused and is not sent again"),
    column("reason", Kind::Text, false, Encoding::Dictionary, "short code, e.g. crc, version, wrong_box, position_0_0"),
    column("detail", Kind::Text, false, Encoding::DeltaLength, "what exactly was wrong, in one line"),
    column("bytes", Kind::Binary, true, Encoding::DeltaLength, "the message, cut at 64 KiB; empty for a refused row"),
    int("length_bytes", "full length of the message, bytes"),
    int("shard", "shard of the topic; 0 where the topic could not be read"),
    column("date", Kind::Date, false, Encoding::Partition, "day it was received, UTC"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// `table: column type, …`, `?` where a column may be empty. Not the encoding: each file says its own, and a better one may
    /// be found.
    fn text() -> String {
        let mut out = String::new();
        for table in Table::ALL {
            let columns: Vec<String> = table
                .columns()
                .iter()
                .map(|column| {
                    let mark = if column.nullable { "?" } else { "" };
                    format!("{} {}{mark}", column.name, column.data_type())
                })
                .collect();
            out.push_str(&format!("{}: {}\n", table.name(), columns.join(", ")));
        }
        out
    }

    #[test]
    fn schema_version_1_stands() {
        let frozen = include_str!("raw.frozen.txt");
        let lines: String =
            frozen.lines().skip_while(|line| !line.is_empty()).skip(1).map(|l| format!("{l}\n")).collect();
        assert_eq!(text(), lines, "revert your change: published columns never change");
        assert_eq!(LAKE_SCHEMA_VERSION, 1);
    }

    #[test]
    fn tables_are_found_by_name_and_stand_in_order() {
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, position);
            assert_eq!(Table::from_name(table.name()), Some(table));
            assert_eq!(table.schema().fields().len(), table.columns().len());
            assert_eq!(table.file_schema().fields().len() + table.partition_columns().len(), table.columns().len());
            let names: std::collections::BTreeSet<_> = table.columns().iter().map(|column| column.name).collect();
            assert_eq!(names.len(), table.columns().len(), "{}", table.name());
        }
    }
}
