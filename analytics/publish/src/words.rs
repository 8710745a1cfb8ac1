//! French words of the files.

use tournee_indicators::{Confidence, Theme};

/// Layer name of a theme.
pub(crate) const fn theme(theme: Theme) -> &'static str {
    match theme {
        Theme::Air => "air",
        Theme::Road => "route",
        Theme::Mobile => "mobile",
        Theme::Heat => "chaleur",
    }
}

pub(crate) const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "élevée",
        Confidence::Medium => "moyenne",
        Confidence::Low => "faible",
        Confidence::Insufficient => "insuffisante",
    }
}

/// Of a recommendation's confidence, a word already.
pub(crate) fn confidence_word(word: &str) -> &str {
    match word {
        "high" => "élevée",
        "medium" => "moyenne",
        "low" => "faible",
        other => other,
    }
}

pub(crate) fn origin(origin: &str) -> &str {
    match origin {
        "measured" => "mesuré",
        "simulated" => "simulé",
        "partner" => "partenaire",
        "reference" => "référence",
        other => other,
    }
}
