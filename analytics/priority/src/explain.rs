//! Scores and the shares of their terms. The shares of a score add up to it.

use crate::rule::Combine;

/// A utility of this or less counts as absent in the shares of a product.
const FLOOR: f64 = 0.01;

/// Score of `(utility, weight)` terms with utilities in 0..1.
pub(crate) fn score(combine: Combine, terms: &[(f64, f64)]) -> f64 {
    match combine {
        Combine::Additive => {
            let total: f64 = terms.iter().map(|term| term.1).sum();
            if total > 0.0 { terms.iter().map(|(u, w)| u * w).sum::<f64>() / total } else { 0.0 }
        }
        Combine::Product => {
            let top = terms.iter().map(|term| term.1).fold(0.0, f64::max);
            if top > 0.0 { terms.iter().map(|(u, w)| u.powf(w / top)).product() } else { 0.0 }
        }
    }
}

/// What each term adds to the score.
///
/// An additive term adds `w u / Σ w`. A product has no terms to add, so its score is split by logarithms: a term's
/// share is proportional to `w ln(u / 0.01)`, how far it lifts the score above a utility of 0.01, where a term counts
/// as absent. A higher utility thus has the larger share, and a zero has none.
pub(crate) fn contributions(combine: Combine, terms: &[(f64, f64)]) -> Vec<f64> {
    let parts: Vec<f64> = match combine {
        Combine::Additive => terms.iter().map(|(u, w)| u * w).collect(),
        Combine::Product => terms.iter().map(|(u, w)| w * (u.max(FLOOR) / FLOOR).ln()).collect(),
    };
    let whole: f64 = parts.iter().sum();
    let score = score(combine, terms);
    if whole > 0.0 {
        parts.iter().map(|part| score * part / whole).collect()
    } else {
        vec![score / terms.len().max(1) as f64; terms.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_s3_additive() {
        let rows = [[0.8, 0.4, 0.6], [0.6, 1.0, 0.2], [0.3, 0.16, 1.0]];
        let weights = [0.5, 0.3, 0.2];
        let got = rows
            .map(|row| score(Combine::Additive, &[(row[0], weights[0]), (row[1], weights[1]), (row[2], weights[2])]));
        for (a, b) in got.iter().zip([0.64, 0.64, 0.398]) {
            assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        }
    }

    #[test]
    fn a_product_is_a_product_and_one_zero_vetoes() {
        assert!((score(Combine::Product, &[(0.8, 1.0), (0.9, 1.0)]) - 0.72).abs() < 1e-12);
        assert_eq!(score(Combine::Product, &[(0.8, 1.0), (0.0, 1.0)]), 0.0);
        assert_eq!(contributions(Combine::Product, &[(0.0, 1.0), (0.0, 1.0)]), [0.0, 0.0]);
        let shares = contributions(Combine::Product, &[(0.7, 1.0), (0.9, 1.0)]);
        assert!(shares[1] > shares[0]);
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_score(
            terms in proptest::collection::vec((0.0..=1.0f64, 0.01..5.0f64), 1..7),
            product in any::<bool>(),
        ) {
            let combine = if product { Combine::Product } else { Combine::Additive };
            let (whole, shares) = (score(combine, &terms), contributions(combine, &terms));
            prop_assert!((0.0..=1.0 + 1e-12).contains(&whole));
            prop_assert!((shares.iter().sum::<f64>() - whole).abs() < 1e-12);
            prop_assert!(shares.iter().all(|share| *share >= 0.0));
        }
    }
}
