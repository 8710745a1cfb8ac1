//! Does the measure know a smooth road from a rough one? Labelled recordings of Tartu (Wu and Hadachi, IEEE Intelligent
//! Vehicles 2020): a phone in a car, 10 Hz, gravity removed, a label per session, no position and no speed. They are
//! GPL-3.0 and no part of the repository.
//!
//! At 10 Hz the band of the roughness (0.5 to 20 Hz) cannot be had, nor the windows of 20 m, nor the correction of
//! speed. What can be had is chosen by argument and not by trial: **the standard deviation of the vertical axis over
//! 10 s, of which each session gives its median**.
//!
//! - Sampling below twice the highest frequency folds the spectrum but keeps the variance of a random signal, so that the
//!   standard deviation over all frequencies survives, while everything that needs order in time (a band, a
//!   predictor, steps from sample to sample) does not mean what it meant.
//! - 10 s are 100 samples: the deviation of one window is known to 7 %, and a traffic light spoils few windows.
//! - The label belongs to the session, and so does the independent observation; the median leaves out stops and single
//!   holes.
//!
//! The other measures are printed beside it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "iri_common/mod.rs"]
mod common;

use common::{read_gzip, rows};
use tournee_features::road::events::{MAD_TO_SIGMA, median_and_mad};
use tournee_features::road::filter::Band;
use tournee_features::road::ppe::{FRAME, SCORED, ppe};

/// Samples of a window: 10 s.
const WINDOW: usize = 100;

struct Session {
    label: String,
    /// Phone axes x, y, z and world axis z, m/s².
    raw: [Vec<f64>; 3],
    vertical: Vec<f64>,
}

fn sessions() -> Option<Vec<Session>> {
    let text = read_gzip("road_surface/tartu_road_surface_10hz.csv.gz")?;
    let mut out: Vec<Session> = Vec::new();
    let (mut key, mut not_ready, mut count) = (String::new(), 0, 0);
    for row in rows(&text) {
        let [collector, session, _, x, y, z, world_x, world_y, world_z, label] = row[..] else { panic!("{row:?}") };
        let now = format!("{collector} {session} {label}");
        if now != key {
            let new = Session { label: label.to_owned(), raw: Default::default(), vertical: Vec::new() };
            out.push(new);
            key = now;
        }
        count += 1;
        // The world frame begins with zeros until the phone knows its attitude.
        if [world_x, world_y, world_z].iter().all(|value| value.parse::<f64>().unwrap() == 0.0) {
            not_ready += 1;
            continue;
        }
        let last = out.last_mut().unwrap();
        for (axis, value) in last.raw.iter_mut().zip([x, y, z]) {
            axis.push(value.parse().unwrap());
        }
        last.vertical.push(world_z.parse().unwrap());
    }
    println!("{count} rows, {not_ready} before the world frame was known, {} sessions", out.len());
    assert_eq!(count, 32_556);
    Some(out)
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

type Measure = fn(&Session) -> Vec<f64>;

fn windows(values: &[f64], of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    values.chunks_exact(WINDOW).map(of).collect()
}

/// Every measure gives one value per window of a session; the chosen one stands first.
const MEASURES: [(&str, Measure); 7] = [
    ("standard deviation of the vertical, 10 s", |s| windows(&s.vertical, deviation)),
    ("the same after a high-pass of 0.5 Hz", |s| {
        let mut band = Band::new(0.5, 20.0, 10.0);
        let filtered: Vec<f64> = s.vertical.iter().map(|a| band.step(*a)).collect();
        windows(&filtered, deviation)
    }),
    ("1.4826 MAD of the vertical, 10 s", |s| {
        windows(&s.vertical, |w| MAD_TO_SIGMA * median_and_mad(&mut w.to_vec()).1)
    }),
    ("largest of the vertical, 10 s", |s| windows(&s.vertical, |w| w.iter().fold(0.0, |top, a| a.abs().max(top)))),
    ("mean step of the vertical (Z-DIFF), 10 s", |s| {
        windows(&s.vertical, |w| w.windows(2).map(|p| (p[1] - p[0]).abs()).sum::<f64>() / (w.len() - 1) as f64)
    }),
    ("deviation of all three phone axes, 10 s", |s| {
        let axes = s.raw.each_ref().map(|axis| windows(axis, |w| deviation(w).powi(2)));
        (0..axes[0].len()).map(|n| (axes[0][n] + axes[1][n] + axes[2][n]).sqrt()).collect()
    }),
    ("prediction error of the phone axes, 15 s", |s| {
        let frames = s
            .raw
            .each_ref()
            .map(|axis| (0..).map_while(|n| ppe(axis.get(n * SCORED..n * SCORED + FRAME)?)).collect::<Vec<f64>>());
        (0..frames[0].len()).map(|n| (frames[0][n] + frames[1][n] + frames[2][n]) / 3.0).collect()
    }),
];

/// Area under the ROC curve: the share of pairs in which the rougher road has the larger value, ties count a half; and
/// its standard error after Hanley and McNeil (Radiology 143, 1982).
fn auc(smoother: &[f64], rougher: &[f64]) -> (f64, f64) {
    let mut sum = 0.0;
    for low in smoother {
        for high in rougher {
            sum += if high > low { 1.0 } else { f64::from(high == low) / 2.0 };
        }
    }
    let (m, n) = (smoother.len() as f64, rougher.len() as f64);
    let area = sum / (m * n);
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let square = area * (1.0 - area) + (n - 1.0) * (q1 - area * area) + (m - 1.0) * (q2 - area * area);
    (area, (square / (m * n)).sqrt())
}

fn median(mut values: Vec<f64>) -> f64 {
    median_and_mad(&mut values).0
}

#[test]
fn the_area_is_that_of_the_pairs() {
    assert_eq!(auc(&[1.0, 2.0], &[3.0, 4.0]).0, 1.0);
    assert_eq!(auc(&[3.0, 4.0], &[1.0, 2.0]).0, 0.0);
    assert_eq!(auc(&[1.0, 2.0], &[2.0, 1.0]).0, 0.5);
    assert_eq!(auc(&[1.0, 3.0], &[2.0]).0, 0.5);
}

#[test]
fn smooth_and_rough_are_told_apart() {
    let Some(sessions) = sessions() else { return };
    let of = |label: &str, measure: Measure| -> Vec<Vec<f64>> {
        sessions.iter().filter(|session| session.label == label).map(measure).collect()
    };
    println!(
        "area under the ROC curve (± standard error)  | Smooth/Rough        | by window | Smooth/Bumpy | Bumpy/Rough"
    );
    let mut chosen = None;
    for (name, measure) in MEASURES {
        let by_label = ["Smooth", "Bumpy", "Rough"].map(|label| of(label, measure));
        let [smooth, bumpy, rough] = by_label.each_ref().map(|label| -> Vec<f64> {
            label.iter().filter(|session| !session.is_empty()).map(|session| median(session.clone())).collect()
        });
        let [smooth_windows, _, rough_windows] = by_label.map(|label| label.concat());
        let (area, error) = auc(&smooth, &rough);
        println!(
            "{name:44} | {area:.3} ± {error:.3} {:>2}/{:>2} | {:9.3} | {:12.3} | {:.3}",
            smooth.len(),
            rough.len(),
            auc(&smooth_windows, &rough_windows).0,
            auc(&smooth, &bumpy).0,
            auc(&bumpy, &rough).0
        );
        chosen.get_or_insert((area, smooth.len(), rough.len()));
    }
    let (area, smooth, rough) = chosen.unwrap();
    assert!(smooth >= 25 && rough >= 15, "{smooth} smooth and {rough} rough sessions");
    assert!(area >= 0.95, "{area}");
}
