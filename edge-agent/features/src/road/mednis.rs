//! The pothole algorithms of Mednis and others, "Real time pothole detection using Android smartphones with
//! accelerometers" (DCOSS 2011), on acceleration in g with gravity. For comparison with the robust z that the agent uses:
//! their thresholds depend on rate and mounting.

/// Groups of samples with `|a_z − 1| > limit_g`, merged when `merge` or fewer samples lie between.
#[must_use]
pub fn z_thresh(az_g: &[f64], limit_g: f64, merge: usize) -> usize {
    groups(az_g.iter().enumerate().filter(|(_, a)| (*a - 1.0).abs() > limit_g).map(|(at, _)| at), merge)
}

/// Groups of steps with `|a_z[i] − a_z[i−1]| > limit_g`.
#[must_use]
pub fn z_diff(az_g: &[f64], limit_g: f64, merge: usize) -> usize {
    groups(
        az_g.windows(2).enumerate().filter(|(_, w)| matches!(w, [a, b] if (b - a).abs() > limit_g)).map(|(at, _)| at),
        merge,
    )
}

/// Groups of samples in which all three axes are below `limit_g`: free fall.
#[must_use]
pub fn g_zero(a_g: &[[f64; 3]], limit_g: f64, merge: usize) -> usize {
    groups(a_g.iter().enumerate().filter(|(_, a)| a.iter().all(|x| x.abs() < limit_g)).map(|(at, _)| at), merge)
}

fn groups(places: impl Iterator<Item = usize>, merge: usize) -> usize {
    let mut count = 0;
    let mut last: Option<usize> = None;
    for place in places {
        if last.is_none_or(|last| place - last > merge + 1) {
            count += 1;
        }
        last = Some(place);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_p3() {
        let mut az = vec![1.0; 200];
        az[100] = 1.5;
        assert_eq!(z_thresh(&az, 0.4, 10), 1);
        assert_eq!(az.windows(2).filter(|w| (w[1] - w[0]).abs() > 0.2).count(), 2);
        assert_eq!(z_diff(&az, 0.2, 10), 1);
        let axes: Vec<[f64; 3]> = az.iter().map(|a| [0.0, 0.0, *a]).collect();
        assert_eq!(g_zero(&axes, 0.8, 10), 0);
        assert_eq!(g_zero(&[[0.1, 0.2, 0.3]], 0.8, 10), 1);
    }
}
