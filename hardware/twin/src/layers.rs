//! The reference layers that no vehicle measures, made up to fit the town.

use crate::random::{gauss, hash, unit};
use crate::world::World;

/// One object of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinLayerRow {
    /// Id inside its layer.
    pub local_id: String,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Date of the observation, ISO 8601.
    pub date: String,
    /// Value in the layer's unit.
    pub value: f64,
}

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinLayer {
    /// `signage_defect`, `pedestrians`, `new_housing`, `dumping` or `density`.
    pub name: &'static str,
    /// Unit of the values.
    pub unit: &'static str,
    /// Its objects.
    pub rows: Vec<TwinLayerRow>,
}

/// Collects the rows of one layer.
struct Rows<'a> {
    world: &'a World,
    prefix: &'static str,
    rows: Vec<TwinLayerRow>,
}

impl Rows<'_> {
    fn add(&mut self, at: (f64, f64), date: String, value: f64) {
        let (lon_deg, lat_deg) = self.world.plane.to_degrees(at);
        let local_id = format!("{}{}", self.prefix, self.rows.len() + 1);
        // Seven digits are a centimetre; more would be noise in a file.
        let digits = |value: f64, scale: f64| (value * scale).round() / scale;
        self.rows.push(TwinLayerRow {
            local_id,
            lon_deg: digits(lon_deg, 1e7),
            lat_deg: digits(lat_deg, 1e7),
            date,
            value: digits(value, 1e2),
        });
    }
}

/// Streets with a place beside each, from the centre outwards.
struct Sites {
    /// (distance from the centre over the town's radius, a place on the kerb, key).
    places: Vec<(f64, (f64, f64), u64)>,
}

impl Sites {
    fn new(world: &World, seed: u64) -> Self {
        let driven: Vec<usize> = (0..world.places.len()).filter(|street| world.graph.drivable(*street)).collect();
        let middle = |street: &usize| world.places[*street].course.middle();
        let count = driven.len().max(1) as f64;
        let sum = driven.iter().map(middle).fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        let centre = (sum.0 / count, sum.1 / count);
        let from_centre = |at: (f64, f64)| (at.0 - centre.0).hypot(at.1 - centre.1);
        let radius = driven.iter().map(|street| from_centre(middle(street))).fold(1.0, f64::max);
        let mut places: Vec<(f64, (f64, f64), u64)> = driven
            .iter()
            .map(|street| {
                let course = &world.places[*street].course;
                let key = hash(&[seed, world.places[*street].key]);
                let at_m = course.length_m() * (0.2 + 0.6 * unit(hash(&[key, 1])));
                let ((x, y), angle) = (course.point(at_m), course.angle(at_m));
                // On the right-hand pavement, 4 m from the middle.
                let at = (x + 4.0 * angle.sin(), y - 4.0 * angle.cos());
                (from_centre(at) / radius, at, key)
            })
            .collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        Self { places }
    }
}

/// 2026-01-31, the last day of the demo's month, days since 1970.
const LAST_DAY: i64 = 20_484;

pub(crate) fn reference_layers(world: &World, seed: u64) -> Vec<TwinLayer> {
    let seed = hash(&[world.seed, seed, 71]);
    let sites = Sites::new(world, seed);
    let rows = |prefix| Rows { world, prefix, rows: Vec::new() };
    vec![
        layer("signage_defect", "severity 0-1", signage(&sites, rows("s"))),
        layer("pedestrians", "count/h", pedestrians(&sites, rows("p"))),
        layer("new_housing", "dwellings built in the last 5 years", housing(&sites, rows("h"))),
        layer("dumping", "events", dumping(&sites, rows("d"))),
        layer("density", "inhabitants/km²", density(&sites, rows("i"))),
    ]
}

fn layer(name: &'static str, unit: &'static str, rows: Rows<'_>) -> TwinLayer {
    TwinLayer { name, unit, rows: rows.rows }
}

/// People walk in the centre, and along a few streets more than along others.
fn walkers_per_h(far: f64, key: u64) -> f64 {
    (260.0 * (-(far / 0.35).powi(2)).exp() + 12.0) * (0.35 * gauss(hash(&[key, 2]))).exp()
}

fn people_per_km2(far: f64, key: u64) -> f64 {
    (4_200.0 * (-(far / 0.5).powi(2)).exp() + 350.0) * (0.15 * gauss(hash(&[key, 3]))).exp()
}

/// Signs on every third street; one in five is in a bad state, some of them where many people walk.
fn signage<'a>(sites: &Sites, mut rows: Rows<'a>) -> Rows<'a> {
    for (_, at, key) in sites.places.iter().step_by(3) {
        let draw = unit(hash(&[*key, 4]));
        let severity = if draw < 0.2 { 0.65 + 1.5 * draw } else { 0.5 * (draw - 0.2) };
        rows.add(*at, date(LAST_DAY - 20 - (hash(&[*key, 5]) % 100) as i64), severity.min(1.0));
    }
    rows
}

fn pedestrians<'a>(sites: &Sites, mut rows: Rows<'a>) -> Rows<'a> {
    for (far, at, key) in sites.places.iter().step_by(2) {
        rows.add(*at, date(LAST_DAY - 60), walkers_per_h(*far, *key).round());
    }
    rows
}

/// Towns grow outwards: a few estates at the rim, and one where the radio has its hole.
fn housing<'a>(sites: &Sites, mut rows: Rows<'a>) -> Rows<'a> {
    let (hole, radius) = rows.world.radio.hole();
    for (far, at, key) in &sites.places {
        let from_hole = (at.0 - hole.0).hypot(at.1 - hole.1) / radius;
        let chance = if from_hole < 1.2 { 0.7 } else { 0.14 * far };
        if unit(hash(&[*key, 6])) < chance {
            let dwellings = (3.0 + 22.0 * unit(hash(&[*key, 7]))).round();
            rows.add(*at, date(LAST_DAY - 100 - (hash(&[*key, 8]) % 1_600) as i64), dwellings);
        }
    }
    rows
}

/// One place in fifteen is used again and again, on different days of the last twelve weeks; some others once.
fn dumping<'a>(sites: &Sites, mut rows: Rows<'a>) -> Rows<'a> {
    for (far, at, key) in &sites.places {
        let draw = unit(hash(&[*key, 9]));
        // Recurrent dumping needs many people and few bins.
        let again = if *far < 0.5 { 0.12 } else { 0.03 };
        let events = if draw < again { 4 + hash(&[*key, 10]) % 4 } else { u64::from(draw > 0.93) };
        for event in 0..events {
            let day = 1 + (hash(&[*key, 11]) % 7 + event * (70 / events)) as i64;
            let off = |what: u64| 3.0 * gauss(hash(&[*key, what, event]));
            rows.add((at.0 + off(12), at.1 + off(13)), date(LAST_DAY - day), 1.0);
        }
    }
    rows
}

fn density<'a>(sites: &Sites, mut rows: Rows<'a>) -> Rows<'a> {
    for (far, at, key) in sites.places.iter().step_by(2) {
        rows.add(*at, date(LAST_DAY - 30), people_per_km2(*far, *key).round());
    }
    rows
}

/// ISO date of a day since 1970 (Howard Hinnant's civil_from_days).
fn date(day: i64) -> String {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (d, m) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let y = yoe + era * 400 + i64::from(m <= 2);
    format!("{y:04}-{m:02}-{d:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::town::Town;

    #[test]
    fn dates_are_right() {
        assert_eq!(
            [date(0), date(LAST_DAY), date(19_782)],
            ["1970-01-01", "2026-01-31", "2024-02-29"].map(String::from)
        );
    }

    #[test]
    fn the_layers_hold_what_the_rules_look_for() {
        let world = World::new(5, Town::grid(8, 8, 100.0)).unwrap();
        let layers = world.reference_layers(5);
        let of = |name: &str| &layers.iter().find(|layer| layer.name == name).unwrap().rows;
        let near = |a: &TwinLayerRow, b: &TwinLayerRow, metres: f64| {
            let dy = (a.lat_deg - b.lat_deg) * 111_195.0;
            let dx = (a.lon_deg - b.lon_deg) * 111_195.0 * 47.65_f64.to_radians().cos();
            dx.hypot(dy) < metres
        };
        let p75 = |rows: &[TwinLayerRow]| {
            let mut values: Vec<f64> = rows.iter().map(|row| row.value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() * 3 / 4]
        };
        let (busy, dense) = (p75(of("pedestrians")), p75(of("density")));
        let signs = of("signage_defect").iter().filter(|sign| {
            sign.value >= 0.6 && of("pedestrians").iter().any(|walk| walk.value >= busy && near(sign, walk, 60.0))
        });
        assert!(signs.count() >= 2, "bad signs where many walk");
        let recurrent = of("dumping").iter().filter(|event| {
            of("dumping").iter().filter(|other| near(event, other, 20.0)).count() >= 3
                && of("density").iter().any(|people| people.value >= dense && near(event, people, 100.0))
        });
        assert!(recurrent.count() >= 3, "recurrent dumping where it is dense");
        let poor = of("new_housing").iter().filter(|house| {
            let at = world.plane.to_metres((house.lon_deg, house.lat_deg));
            world.radio.serving(at).rsrp_dbm < -105.0
        });
        assert!(poor.count() >= 2, "new housing with poor signal");
        assert_eq!(world.reference_layers(5), layers);
    }
}
