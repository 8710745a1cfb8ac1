//! Weights from pairwise judgements (AHP) and a second opinion on a ranking (TOPSIS).

/// Random consistency index by number of criteria (Saaty 1980).
const RANDOM_INDEX: [f64; 8] = [0.0, 0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32];

/// Judgements more inconsistent than this are refused (Saaty 1980).
pub const MAX_CONSISTENCY_RATIO: f64 = 0.10;

/// Why pairwise judgements cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum AhpError {
    /// Not 2 to 7 criteria, or not square.
    #[error("give a square table of 2 to 7 criteria")]
    Size,
    /// Not positive, or a(j, i) is not 1 / a(i, j).
    #[error("judgement of criterion {row} over {column} must be positive and the inverse of the opposite one")]
    NotReciprocal {
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// The judgements contradict each other.
    #[error("judgements contradict each other: consistency ratio {ratio:.3} is above 0.10; ask again")]
    Inconsistent {
        /// Consistency ratio.
        ratio: f64,
    },
}

/// Weights that pairwise judgements imply.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahp {
    /// Weight of each criterion; they add up to 1.
    pub weights: Vec<f64>,
    /// Principal eigenvalue.
    pub lambda: f64,
    /// Consistency ratio.
    pub consistency_ratio: f64,
}

/// Principal eigenvector of a reciprocal table by power iteration.
///
/// # Errors
/// Wrong size, not reciprocal, or more inconsistent than [`MAX_CONSISTENCY_RATIO`].
pub fn ahp(judgements: &[Vec<f64>]) -> Result<Ahp, AhpError> {
    let n = judgements.len();
    if !(2..RANDOM_INDEX.len()).contains(&n) || judgements.iter().any(|row| row.len() != n) {
        return Err(AhpError::Size);
    }
    for (row, values) in judgements.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            let opposite = judgements.get(column).and_then(|other| other.get(row)).copied().unwrap_or(f64::NAN);
            let reciprocal = *value > 0.0 && value.is_finite() && (value * opposite - 1.0).abs() < 1e-6;
            if !reciprocal {
                return Err(AhpError::NotReciprocal { row, column });
            }
        }
    }
    let mut weights = vec![1.0 / n as f64; n];
    let mut lambda = n as f64;
    for _ in 0..200 {
        let next: Vec<f64> = judgements.iter().map(|row| row.iter().zip(&weights).map(|(a, w)| a * w).sum()).collect();
        lambda = next.iter().sum();
        weights = next.iter().map(|value| value / lambda).collect();
    }
    let random = RANDOM_INDEX.get(n).copied().unwrap_or(0.0);
    let ratio = if random > 0.0 { (lambda - n as f64) / (n as f64 - 1.0) / random } else { 0.0 };
    if ratio > MAX_CONSISTENCY_RATIO {
        return Err(AhpError::Inconsistent { ratio });
    }
    Ok(Ahp { weights, lambda, consistency_ratio: ratio })
}

/// TOPSIS closeness of each row to the ideal, 0 to 1, all columns being benefits; `None` when rows and weights do not
/// have one length or a value is not finite. Columns are vector-normalised (Hwang and Yoon 1981).
#[must_use]
pub fn topsis(rows: &[Vec<f64>], weights: &[f64]) -> Option<Vec<f64>> {
    if rows.iter().any(|row| row.len() != weights.len() || row.iter().any(|value| !value.is_finite())) {
        return None;
    }
    let norms: Vec<f64> = (0..weights.len())
        .map(|j| rows.iter().filter_map(|row| row.get(j)).map(|v| v * v).sum::<f64>().sqrt())
        .collect();
    let scaled: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let scale =
                |((value, norm), weight): ((&f64, &f64), &f64)| if *norm > 0.0 { value / norm * weight } else { 0.0 };
            row.iter().zip(&norms).zip(weights).map(scale).collect()
        })
        .collect();
    let end = |pick: fn(f64, f64) -> f64, start: f64| -> Vec<f64> {
        (0..weights.len()).map(|j| scaled.iter().filter_map(|row| row.get(j)).copied().fold(start, pick)).collect()
    };
    let (best, worst) = (end(f64::max, f64::NEG_INFINITY), end(f64::min, f64::INFINITY));
    let distance = |row: &[f64], to: &[f64]| row.iter().zip(to).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    Some(
        scaled
            .iter()
            .map(|row| {
                let (up, down) = (distance(row, &best), distance(row, &worst));
                if up + down > 0.0 { down / (up + down) } else { 0.5 }
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-5, "{a} is not {b}");
    }

    #[test]
    fn golden_s1_ahp() {
        let third = 1.0 / 3.0;
        let table = vec![vec![1.0, 3.0, 5.0], vec![third, 1.0, 3.0], vec![0.2, third, 1.0]];
        let result = ahp(&table).unwrap();
        for (a, b) in result.weights.iter().zip([0.636986, 0.258285, 0.104729]) {
            close(*a, b);
        }
        close(result.lambda, 3.038511);
        close(result.consistency_ratio, 0.033199);
    }

    #[test]
    fn contradictions_are_refused() {
        let table = vec![vec![1.0, 9.0, 1.0 / 9.0], vec![1.0 / 9.0, 1.0, 9.0], vec![9.0, 1.0 / 9.0, 1.0]];
        assert!(matches!(ahp(&table), Err(AhpError::Inconsistent { ratio }) if ratio > 0.1));
        assert_eq!(ahp(&[vec![1.0, 2.0], vec![2.0, 1.0]]), Err(AhpError::NotReciprocal { row: 0, column: 1 }));
        assert_eq!(ahp(&[vec![1.0]]), Err(AhpError::Size));
        assert_eq!(ahp(&[vec![1.0, 2.0], vec![0.5]]), Err(AhpError::Size));
    }

    #[test]
    fn golden_s2_topsis() {
        let rows = [vec![80.0, 2000.0, 3.0], vec![60.0, 5000.0, 1.0], vec![30.0, 800.0, 5.0]];
        let closeness = topsis(&rows, &[0.5, 0.3, 0.2]).unwrap();
        for (a, b) in closeness.iter().zip([0.590414, 0.621766, 0.288791]) {
            close(*a, b);
        }
        assert_eq!(topsis(&rows, &[1.0]), None);
        assert_eq!(topsis(&[vec![1.0]], &[1.0]), Some(vec![0.5]));
    }
}
