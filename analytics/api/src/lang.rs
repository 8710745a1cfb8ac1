//! French first, English on request.

/// Language of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// French: what is spoken when nothing else is asked for.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// BCP 47 tag.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// One of two texts.
    #[must_use]
    pub const fn pick<'a>(self, fr: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }

    /// From `?lang=` where it names a language we speak, else from `Accept-Language`, else French.
    #[must_use]
    pub fn of_request(query: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked =
            query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("lang="))).and_then(Self::of_tag);
        asked.or_else(|| accept_language.and_then(Self::of_accept_language)).unwrap_or_default()
    }

    fn of_tag(tag: &str) -> Option<Self> {
        match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "fr" => Some(Self::Fr),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The language with the highest weight; the first one of equals, as browsers list by preference.
    fn of_accept_language(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for part in header.split(',').take(16) {
            let mut pieces = part.split(';');
            let Some(lang) = pieces.next().and_then(Self::of_tag) else { continue };
            let weight = pieces
                .find_map(|piece| piece.trim().strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn french_unless_something_else_is_asked_for() {
        assert_eq!(Lang::of_request(None, None), Lang::Fr);
        assert_eq!(Lang::of_request(None, Some("de-DE,de;q=0.9")), Lang::Fr);
        assert_eq!(Lang::of_request(None, Some("de-DE,en;q=0.9,fr;q=0.8")), Lang::En);
        assert_eq!(Lang::of_request(None, Some("fr-FR,en;q=0.9")), Lang::Fr);
        assert_eq!(Lang::of_request(None, Some("en;q=0,fr;q=0.1")), Lang::Fr);
    }

    #[test]
    fn the_query_wins_and_nonsense_in_it_is_ignored() {
        assert_eq!(Lang::of_request(Some("a=b&lang=en"), Some("fr")), Lang::En);
        assert_eq!(Lang::of_request(Some("lang=xx"), Some("en")), Lang::En);
        assert_eq!(Lang::of_request(Some("lang=é"), None), Lang::Fr);
    }
}
