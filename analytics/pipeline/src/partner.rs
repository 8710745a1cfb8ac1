//! A partner's measurements as indicators of a territory.

use tournee_indicators::{Confidence, Indicator, Kinds, partner_indicator};
use tournee_territory::partner::PartnerLayer;

/// The layer's values as indicators with origin `partner`, sorted by section and indicator, and how many were left out
/// because this version has no such indicator or the value is not a number. The period stands as first and last date
/// where it is given to the day.
#[must_use]
pub fn partner_indicators(territory: &str, layer: &PartnerLayer, kinds: &Kinds) -> (Vec<Indicator>, u64) {
    let confidence = match layer.meta.confidence.as_str() {
        "high" => Confidence::High,
        "medium" => Confidence::Medium,
        "low" => Confidence::Low,
        _ => Confidence::Insufficient,
    };
    let mut left_out = 0;
    let mut found: Vec<Indicator> = layer
        .values
        .iter()
        .filter_map(|value| {
            let made =
                partner_indicator(kinds, territory, &value.section_id, &value.indicator, value.value, confidence);
            left_out += u64::from(made.is_none());
            let mut made = made?;
            made.first_date = day(&layer.meta.period_start, 1);
            made.last_date = day(&layer.meta.period_end, 28);
            Some(made)
        })
        .collect();
    found.sort_by(|a, b| (&a.section_id, &a.indicator).cmp(&(&b.section_id, &b.indicator)));
    // One value per section and indicator: tables and maps have one row for each.
    found.dedup_by(|later, kept| {
        let same = (&later.section_id, &later.indicator) == (&kept.section_id, &kept.indicator);
        left_out += u64::from(same);
        same
    });
    (found, left_out)
}

/// A day of the period: the text where it is a day, its month's `day_of_month` where it is a month (28 is in every
/// month), else empty.
fn day(text: &str, day_of_month: u32) -> String {
    let month = format!("{text}-{day_of_month:02}");
    [text.to_owned(), month]
        .into_iter()
        .find(|date| tournee_query::columns::date_days(date).is_some())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_days_become_days() {
        assert_eq!(day("2021-05", 1), "2021-05-01");
        assert_eq!(day("2022-08", 28), "2022-08-28");
        assert_eq!(day("2022-08-16", 28), "2022-08-16");
        assert_eq!(day("summer", 1), "");
    }

    #[test]
    fn dublin_becomes_indicators() {
        let (territory, layer, _) = tournee_territory::demo::dublin_with_report().unwrap();
        let kinds = Kinds::builtin().unwrap();
        let (found, left_out) = partner_indicators(&territory.id, &layer, &kinds);
        assert_eq!(found.len() as u64 + left_out, layer.values.len() as u64);
        assert!(found.iter().any(|one| one.indicator == "no2_ugm3"));
        assert!(found.iter().all(|one| one.origin == "partner" && one.n_passes == 0 && one.value.is_finite()));
        assert!(
            found
                .windows(2)
                .all(|pair| { (&pair[0].section_id, &pair[0].indicator) < (&pair[1].section_id, &pair[1].indicator) })
        );
    }
}
