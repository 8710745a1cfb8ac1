//! Nearest names to a mistyped one.

/// Most names that are offered.
const MOST: usize = 3;
/// Least likeness of an offered name, 0 to 1.
const LEAST: f64 = 0.6;

/// The candidates most like `typed`, best first; case and underscores do not count.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let typed = plain(typed);
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|name| (likeness(&typed, &plain(name)), name))
        .filter(|(s, _)| *s >= LEAST)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// 0 to 1. A name that begins with what was typed, or the reverse, is near however long its unit suffix is.
fn likeness(typed: &str, name: &str) -> f64 {
    if typed.is_empty() || name.is_empty() {
        return 0.0;
    }
    let edits = strsim::normalized_damerau_levenshtein(typed, name);
    let shorter = typed.chars().count().min(name.chars().count());
    let common = typed.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    if common == shorter && shorter >= 2 {
        return 0.9 + 0.1 * edits;
    }
    // The common start counts, so that a mistyped unit or a wrong last letter stays near.
    let start = strsim::jaro_winkler(typed, name);
    let blended = edits.max(0.5 * (edits + start));
    let (short, long) = if typed.len() < name.len() { (typed, name) } else { (name, typed) };
    if shorter >= 4 && long.contains(short) {
        blended.max(0.85)
    } else if shorter >= 3 && short.len() * 2 >= long.len() && common >= 1 && abbreviates(short, long) {
        // "avg" of "averag", "tempdegc" of "temperaturedegc".
        blended.max(0.75 + 0.1 * edits)
    } else {
        blended
    }
}

/// The letters of `short` stand in `long`, in their order.
fn abbreviates(short: &str, long: &str) -> bool {
    let mut letters = long.chars();
    short.chars().all(|wanted| letters.any(|letter| letter == wanted))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const AIR: [&str; 12] = [
        "box_id",
        "epoch",
        "seq",
        "t",
        "lat_deg",
        "lon_deg",
        "pm1_ugm3",
        "pm25_ugm3",
        "pm10_ugm3",
        "no2_ugm3",
        "temp_degc",
        "rh_pct",
    ];

    #[test]
    fn near_names_come_first() {
        assert_eq!(nearest("pm2_5", AIR)[0], "pm25_ugm3");
        assert_eq!(nearest("PM10", AIR)[0], "pm10_ugm3");
        assert_eq!(nearest("temperature_degc", AIR)[0], "temp_degc");
        assert_eq!(nearest("latitude", AIR)[0], "lat_deg");
        assert_eq!(nearest("boxid", AIR)[0], "box_id");
        assert_eq!(nearest("NO2_ugm", AIR)[0], "no2_ugm3");
    }

    #[test]
    fn unlike_names_are_not_offered() {
        assert!(nearest("zzzzqq", AIR).is_empty());
        assert!(nearest("", AIR).is_empty());
        assert!(nearest("pm", AIR).len() <= 3);
    }
}
