//! Filling the placeholders of a rule's texts.

/// Names in braces, in order.
pub(crate) fn placeholders(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|pair| pair.0)).collect()
}

/// Replaces `{name}` by what `value` gives for it; an unknown name stays as it stands.
pub(crate) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) => {
                match value(name) {
                    Some(shown) => out.push_str(&shown),
                    None => out.extend(["{", name, "}"]),
                }
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_what_is_known_once() {
        let value = |name: &str| (name == "a").then(|| "{a}".to_owned());
        assert_eq!(fill("x {a} {b} {", value), "x {a} {b} {");
        assert_eq!(placeholders("x {a} {b} {"), ["a", "b"]);
    }
}
