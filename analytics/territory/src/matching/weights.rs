//! The two probabilities of Newson and Krumm (2009), as natural logarithms.

use crate::config::MatchConfig;

/// Log density of a fix `distance` metres from the street when its standard deviation is `sigma` metres.
#[must_use]
pub fn log_emission(distance: f64, sigma: f64) -> f64 {
    let z = distance / sigma;
    -0.5 * z * z - (sigma * (2.0 * std::f64::consts::PI).sqrt()).ln()
}

/// Log density of a road distance that differs by `difference` metres from the straight one.
#[must_use]
pub fn log_transition(difference: f64, beta: f64) -> f64 {
    -difference.abs() / beta - beta.ln()
}

/// Scale of the transition for fixes `interval_s` seconds apart: the table, interpolated, held at its ends.
#[must_use]
pub fn beta_m(config: &MatchConfig, interval_s: f64) -> f64 {
    let table = &config.transition;
    let after = table.iter().position(|t| t.interval_s >= interval_s);
    match after {
        Some(0) => table.first().map_or(1.0, |t| t.beta_m),
        Some(i) => match (table.get(i - 1), table.get(i)) {
            (Some(a), Some(b)) => {
                let share = (interval_s - a.interval_s) / (b.interval_s - a.interval_s);
                a.beta_m + share * (b.beta_m - a.beta_m)
            }
            _ => 1.0,
        },
        None => table.last().map_or(1.0, |t| t.beta_m),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_numbers() {
        for (d, expected) in [(0.0, 0.098_020_22), (4.07, 0.059_452_27), (10.0, 0.004_791_019)] {
            assert!((log_emission(d, 4.07).exp() - expected).abs() < 1e-8, "{d}");
        }
        assert!((log_emission(4.07, 4.07) + 2.822_58).abs() < 1e-5);
        // Transition at beta 0.490… for a difference of 1 m, and at beta 2.007… for 5 m.
        assert!((log_transition(1.0, 0.490_376_73).exp() - 0.265_360_20).abs() < 1e-8);
        assert!((log_transition(5.0, 2.007_192_98).exp() - 0.041_263_45).abs() < 1e-8);
    }

    #[test]
    fn table_is_interpolated_and_held() {
        let config = MatchConfig::embedded().unwrap();
        let at = |s: f64| beta_m(&config, s);
        assert_eq!((at(0.2), at(1.0), at(30.0), at(500.0)), (0.490_376_73, 0.490_376_73, 34.569_911_41, 34.569_911_41));
        assert!((at(7.5) - (2.007_192_98 + 4.095_117_75) / 2.0).abs() < 1e-12);
    }
}
