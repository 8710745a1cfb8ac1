//! A small lake with drives over the real streets of the demo territory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::operations::create::CreateBuilder;
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use tournee_lake::Table;
use tournee_territory::geom::point_at;
use tournee_territory::graph::NetworkGraph;
use tournee_territory::{SectionIx, Territory};

pub const SECOND: i64 = 1_000_000;
/// 2026-01-12T07:00:00Z, a Monday.
pub const MONDAY: i64 = 1_768_201_200;

/// Columns of physical values by name; NaN is empty.
#[derive(Default, Clone)]
pub struct Rows {
    pub boxes: Vec<String>,
    pub columns: BTreeMap<&'static str, Vec<f64>>,
}

impl Rows {
    pub fn push(&mut self, box_id: &str, values: &[(&'static str, f64)]) {
        self.boxes.push(box_id.to_owned());
        for (name, value) in values {
            let column = self.columns.entry(name).or_default();
            column.resize(self.boxes.len() - 1, f64::NAN);
            column.push(*value);
        }
    }

    pub fn reverse(&mut self) {
        let n = self.boxes.len();
        self.boxes.reverse();
        for column in self.columns.values_mut() {
            column.resize(n, f64::NAN);
            column.reverse();
        }
    }

    fn batch(&self, table: Table) -> RecordBatch {
        let n = self.boxes.len();
        let schema = table.schema();
        let of = |name: &str| -> Vec<Option<f64>> {
            let mut column = self.columns.get(name).cloned().unwrap_or_default();
            column.resize(n, f64::NAN);
            column.into_iter().map(|value| value.is_finite().then_some(value)).collect()
        };
        let columns = schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                match (field.name().as_str(), field.data_type()) {
                    ("box_id", _) => Arc::new(StringArray::from(self.boxes.clone())),
                    ("date", _) => {
                        let days = of("t").into_iter().map(|t| t.map(|t| (t / 86_400e6).floor() as i32));
                        Arc::new(days.collect::<Date32Array>())
                    }
                    ("seq", _) => Arc::new((0..n as i64).collect::<Int64Array>()),
                    ("epoch", _) => Arc::new(std::iter::repeat_n(7, n).collect::<Int64Array>()),
                    (name, DataType::Decimal128(precision, scale)) => Arc::new(
                        of(name)
                            .into_iter()
                            .map(|value| value.map(|value| (value * 10f64.powi(i32::from(*scale))).round() as i128))
                            .collect::<Decimal128Array>()
                            .with_precision_and_scale(*precision, *scale)
                            .unwrap(),
                    ),
                    (name, DataType::Timestamp(..)) => {
                        let name = if name == "ingested_at" { "t" } else { name };
                        let array: TimestampMicrosecondArray =
                            of(name).into_iter().map(|value| value.map(|value| value as i64)).collect();
                        Arc::new(array.with_timezone("UTC"))
                    }
                    (name, DataType::Int64) => {
                        let name = if name == "h3_r10" { "none" } else { name };
                        Arc::new(
                            of(name).into_iter().map(|value| value.map(|value| value as i64)).collect::<Int64Array>(),
                        )
                    }
                    (name, other) => panic!("{name} {other}"),
                }
            })
            .collect();
        RecordBatch::try_new(schema, columns).unwrap()
    }
}

/// Writes one lake table.
pub async fn write(data_dir: &Path, table: Table, rows: &Rows) {
    let folder = table.path(&data_dir.join("lake"));
    std::fs::create_dir_all(&folder).unwrap();
    let schema: StructType = table.schema().as_ref().try_into_kernel().unwrap();
    let mut delta = CreateBuilder::new()
        .with_location(folder.to_string_lossy())
        .with_columns(schema.fields().cloned())
        .with_partition_columns(table.partition_columns().iter().copied())
        .await
        .unwrap();
    if !rows.boxes.is_empty() {
        let mut writer = RecordBatchWriter::for_table(&delta).unwrap();
        writer.write(rows.batch(table)).await.unwrap();
        writer.flush_and_commit(&mut delta).await.unwrap();
    }
}

/// The rows of a fleet.
#[derive(Default, Clone)]
pub struct Fleet {
    pub track: Rows,
    pub air: Rows,
    pub road: Rows,
    pub mobile: Rows,
    pub thermal: Rows,
}

impl Fleet {
    pub async fn write(&self, data_dir: &Path) {
        write(data_dir, Table::from_name("track").unwrap(), &self.track).await;
        write(data_dir, Table::from_name("air").unwrap(), &self.air).await;
        write(data_dir, Table::from_name("road").unwrap(), &self.road).await;
        write(data_dir, Table::from_name("mobile").unwrap(), &self.mobile).await;
        write(data_dir, Table::from_name("thermal").unwrap(), &self.thermal).await;
    }

    pub fn reverse(&mut self) {
        for rows in [&mut self.track, &mut self.air, &mut self.road, &mut self.mobile, &mut self.thermal] {
            rows.reverse();
        }
    }
}

/// What is true on a section: rises with its number, differently per theme.
pub fn truth(section: SectionIx) -> f64 {
    f64::from(section.0.wrapping_mul(2_654_435_761) >> 20) / 4_096.0
}

/// Boxes that drive between fixed corners of the territory, `days` mornings, `seconds` each, 8 m/s, one fix a second.
pub fn fleet(territory: &Territory, boxes: u32, days: i64, seconds: usize) -> Fleet {
    let graph = NetworkGraph::from_sections(&territory.sections);
    let nodes: Vec<_> = graph.largest_strongly_connected().into_iter().collect();
    let mut fleet = Fleet::default();
    for vehicle in 0..boxes {
        // The same tour every day.
        let mut way: Vec<(SectionIx, bool)> = Vec::new();
        let mut metres = 0.0;
        let mut at = nodes[vehicle as usize * 17 % nodes.len()];
        let mut step = 1_usize;
        while metres < seconds as f64 * 8.0 {
            let to = nodes[(step * 7_919 + vehicle as usize * 104_729) % nodes.len()];
            step += 1;
            let Some(path) = graph.shortest_path(at, to) else { continue };
            metres += path.iter().map(|(ix, _)| territory.sections[ix.0 as usize].length_m).sum::<f64>();
            way.extend(path);
            at = to;
        }
        for day in 0..days {
            let start = (MONDAY + day * 86_400 + i64::from(vehicle) * 600) * SECOND;
            morning(territory, &mut fleet, &format!("box-{vehicle}"), day, start, seconds, &way);
        }
    }
    fleet
}

fn morning(
    territory: &Territory,
    fleet: &mut Fleet,
    box_id: &str,
    day: i64,
    start: i64,
    seconds: usize,
    way: &[(SectionIx, bool)],
) {
    let mut wobble = day as u32 * 31 + 7;
    let mut noise = move || {
        wobble = wobble.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(wobble >> 8) / f64::from(1_u32 << 24) - 0.5
    };
    let (mut leg, mut leg_start) = (0, 0.0);
    for second in 0..seconds {
        let along = second as f64 * 8.0;
        while along > leg_start + territory.sections[way[leg].0.0 as usize].length_m {
            leg_start += territory.sections[way[leg].0.0 as usize].length_m;
            leg += 1;
        }
        let (ix, forward) = way[leg];
        let section = &territory.sections[ix.0 as usize];
        let offset = if forward { along - leg_start } else { section.length_m - (along - leg_start) };
        let place = point_at(&section.line, offset).unwrap();
        let t = (start + second as i64 * SECOND) as f64;
        let boot = (day + 1) as f64;
        let key = [("t", t), ("tick_us", second as f64 * 1e6), ("boot_id", boot), ("flags", 0.0), ("speed_mps", 8.0)];
        let with = |more: &[(&'static str, f64)]| [&key[..], more].concat();
        let (dx, dy) = (noise() * 8e-5, noise() * 5e-5);
        fleet.track.push(
            box_id,
            &with(&[("lat_deg", place.y + dy), ("lon_deg", place.x + dx), ("h_acc_m", 3.0), ("fix", 3.0)]),
        );
        let level = truth(ix);
        let hour = (day % 2) as f64 * 15.0;
        fleet.air.push(box_id, &with(&[("pm25_ugm3", 5.0 + 20.0 * level + hour), ("no2_ugm3", 10.0 + 30.0 * level)]));
        fleet.mobile.push(
            box_id,
            &with(&[
                ("operator_mccmnc", 20_801.0),
                ("rat", 4.0),
                ("registered", 1.0),
                ("rsrp_dbm", -70.0 - 50.0 * level),
            ]),
        );
        for side in [0.0, 1.0] {
            let delta = 4.0 * level + day as f64 * 0.7;
            fleet.thermal.push(box_id, &with(&[("side", side), ("delta_k", delta), ("gate", 0.0)]));
        }
        if second % 5 == 2 {
            fleet.road.push(box_id, &with(&[("length_m", 20.0), ("rough_mps2", 0.5 + 2.0 * level)]));
        }
    }
}
