//! Typed rows of the lake, sorted by box and time: what the pipeline and the web read.
//!
//! Missing numbers are NaN. Rows without an event time cannot be placed and are counted in `without_time`, not returned.

use datafusion::prelude::SessionContext;

use crate::columns::Reader;
use crate::error::QueryError;

macro_rules! stream {
    ($(#[$doc:meta])* $name:ident, $read:ident, $table:literal, $($(#[$field_doc:meta])* $field:ident),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            /// Distinct boxes, sorted; `box_ix` indexes this.
            pub boxes: Vec<String>,
            /// Box of each row.
            pub box_ix: Vec<u32>,
            /// Event time of each row, UTC microseconds since 1970.
            pub t_us: Vec<i64>,
            /// Random number of the box's boot, 0 where unknown.
            pub boot_id: Vec<i64>,
            $($(#[$field_doc])* pub $field: Vec<f64>,)+
            /// Rows that have no event time and were left out.
            pub without_time: usize,
        }

        impl $name {
            /// Rows.
            #[must_use]
            pub fn len(&self) -> usize {
                self.t_us.len()
            }

            /// There are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.t_us.is_empty()
            }

            /// The rows of a box, by its index in `boxes`.
            #[must_use]
            pub fn rows_of(&self, box_ix: u32) -> std::ops::Range<usize> {
                let start = self.box_ix.partition_point(|&ix| ix < box_ix);
                start..self.box_ix.partition_point(|&ix| ix <= box_ix)
            }

            /// The rows of a box, by its name.
            #[must_use]
            pub fn rows_of_box(&self, name: &str) -> std::ops::Range<usize> {
                match self.boxes.binary_search_by(|known| known.as_str().cmp(name)) {
                    Ok(index) => self.rows_of(u32::try_from(index).unwrap_or(u32::MAX)),
                    Err(_) => 0..0,
                }
            }
        }

        #[doc = concat!("Reads the table `", $table, "`; a table that does not exist yet has no rows.")]
        ///
        /// # Errors
        /// When the table cannot be read or lacks a column.
        pub async fn $read(ctx: &SessionContext) -> Result<$name, QueryError> {
            let keyed = keyed(ctx, $table, &[$(stringify!($field)),+]).await?;
            let mut columns = keyed.columns.into_iter();
            Ok($name {
                boxes: keyed.boxes,
                box_ix: keyed.box_ix,
                t_us: keyed.t_us,
                boot_id: keyed.boot_id,
                $($field: columns.next().unwrap_or_default(),)+
                without_time: keyed.without_time,
            })
        }
    };
}

stream! {
    /// Positions, about 1 Hz.
    Track, read_track, "track",
    /// Latitude, degrees.
    lat_deg,
    /// Longitude, degrees.
    lon_deg,
    /// Horizontal accuracy, metres.
    h_acc_m,
    /// Speed, metres per second.
    speed_mps,
    /// Course, degrees clockwise from north.
    heading_deg,
    /// 0 none, 2 2D, 3 3D, 4 differential.
    fix,
    /// Satellites used.
    sats,
    /// Horizontal dilution of precision.
    hdop,
    /// Quality bits.
    flags,
}

stream! {
    /// Air quality, about 1 Hz.
    Air, read_air, "air",
    /// Speed, metres per second.
    speed_mps,
    /// PM2.5, µg/m³, as the sensor gives it.
    pm25_ugm3,
    /// PM10, µg/m³, as the sensor gives it.
    pm10_ugm3,
    /// NO2, µg/m³.
    no2_ugm3,
    /// Air temperature, °C.
    temp_degc,
    /// Relative humidity, %.
    rh_pct,
    /// Quality bits.
    flags,
}

stream! {
    /// Road windows of about 20 m; `t_us` is the time at the middle of the window.
    Road, read_road, "road",
    /// Speed, metres per second.
    speed_mps,
    /// Length of the window, metres.
    length_m,
    /// RMS of vertical acceleration, m/s².
    rms_vert_mps2,
    /// Speed-neutral roughness, m/s².
    rough_mps2,
    /// Acceleration samples.
    samples,
    /// Quality bits.
    flags,
}

stream! {
    /// Mobile network, about 1 Hz.
    Mobile, read_mobile, "mobile",
    /// Operator, MCC and MNC as one number.
    operator_mccmnc,
    /// Radio technology.
    rat,
    /// 1 when registered.
    registered,
    /// RSRP or SS-RSRP, dBm.
    rsrp_dbm,
    /// Quality bits.
    flags,
}

stream! {
    /// Facade statistics, per frame and side.
    Thermal, read_thermal, "thermal",
    /// Speed, metres per second.
    speed_mps,
    /// 0 left, 1 right.
    side,
    /// Median apparent temperature of the facade strip, °C.
    facade_degc,
    /// Air temperature, °C.
    ambient_degc,
    /// Facade minus air, K.
    delta_k,
    /// Facade pixels used.
    pixels,
    /// 0 when the conditions allow a facade reading.
    gate,
    /// Quality bits.
    flags,
}

struct Keyed {
    boxes: Vec<String>,
    box_ix: Vec<u32>,
    t_us: Vec<i64>,
    boot_id: Vec<i64>,
    columns: Vec<Vec<f64>>,
    without_time: usize,
}

/// Reads columns and puts the rows in an order that does not depend on files: box, time, boot, ticks, epoch, number.
async fn keyed(ctx: &SessionContext, table: &'static str, wanted: &[&'static str]) -> Result<Keyed, QueryError> {
    const KEY: [&str; 6] = ["box_id", "epoch", "seq", "t", "tick_us", "boot_id"];
    let names: Vec<&str> = KEY.iter().chain(wanted).copied().collect();
    let batches = collect(ctx, table, &names).await?;
    let reader = Reader::new(table, &batches);
    let (names, box_of) = reader.interned("box_id")?;
    let mut order: Vec<u32> = (0..u32::try_from(names.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|&a, &b| names.get(a as usize).cmp(&names.get(b as usize)));
    let mut rank = vec![0u32; names.len()];
    for (place, &index) in order.iter().enumerate() {
        if let Some(slot) = rank.get_mut(index as usize) {
            *slot = u32::try_from(place).unwrap_or(u32::MAX);
        }
    }
    let t = reader.t_us("t")?;
    let (tick, boot) = (reader.i64("tick_us")?, reader.i64("boot_id")?);
    let (epoch, seq) = (reader.i64("epoch")?, reader.i64("seq")?);
    let box_ix: Vec<u32> = box_of.iter().map(|&ix| rank.get(ix as usize).copied().unwrap_or(u32::MAX)).collect();
    let mut rows: Vec<usize> = (0..t.len()).filter(|&row| t.get(row).copied().flatten().is_some()).collect();
    let without_time = t.len() - rows.len();
    rows.sort_by_cached_key(|&row| {
        let of = |column: &[Option<i64>]| column.get(row).copied().flatten();
        (box_ix.get(row).copied(), of(&t), of(&boot), of(&tick), of(&epoch), of(&seq))
    });
    let integers = |column: &[Option<i64>]| -> Vec<i64> {
        rows.iter().map(|&row| column.get(row).copied().flatten().unwrap_or(0)).collect()
    };
    let mut columns = Vec::with_capacity(wanted.len());
    for name in wanted {
        let values = reader.f64(name)?;
        columns.push(rows.iter().map(|&row| values.get(row).copied().unwrap_or(f64::NAN)).collect());
    }
    Ok(Keyed {
        boxes: order.iter().filter_map(|&index| names.get(index as usize).cloned()).collect(),
        box_ix: rows.iter().filter_map(|&row| box_ix.get(row).copied()).collect(),
        t_us: integers(&t),
        boot_id: integers(&boot),
        columns,
        without_time,
    })
}

/// The named columns of a whole table; no batches where the table does not exist.
pub(crate) async fn collect(
    ctx: &SessionContext,
    table: &'static str,
    columns: &[&str],
) -> Result<Vec<arrow::array::RecordBatch>, QueryError> {
    if !ctx.table_exist(table)? {
        return Ok(Vec::new());
    }
    let provider = ctx.table_provider(table).await?;
    if let Some(missing) = columns.iter().find(|&&name| provider.schema().index_of(name).is_err()) {
        return Err(QueryError::Column { table: table.to_owned(), column: (*missing).to_owned() });
    }
    let ctx = ctx.clone();
    let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    // On a worker thread: its stack is deep enough, the caller's may not be.
    let task = tokio::spawn(async move {
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        ctx.table(table).await?.select_columns(&names)?.collect().await
    });
    Ok(task.await.map_err(|error| QueryError::Interrupted(error.to_string()))??)
}
