//! A QGIS style: one colour per class over a dark casing, so that pale classes stay readable on white.

use std::fmt::Write as _;

use crate::table::Style;

/// QML of a categorised line style; what has none of the values is drawn grey and dashed.
pub(crate) fn categorised_lines(style: &Style) -> String {
    let mut categories = String::new();
    let mut symbols = String::new();
    for (at, class) in style.classes.iter().enumerate() {
        let (value, label) = (xml(&class.value), xml(&class.label));
        let _ = write!(categories, r#"<category value="{value}" symbol="{at}" label="{label}" render="true"/>"#);
        symbols.push_str(&symbol(at, &class.colour, "solid"));
    }
    let last = style.classes.len();
    let _ =
        write!(categories, r#"<category value="" symbol="{last}" label="à confirmer ou non mesuré" render="true"/>"#);
    symbols.push_str(&symbol(last, "#BDBDBD", "dash"));
    let column = xml(&style.column);
    format!(
        r#"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'><qgis version="3.22.0" styleCategories="Symbology"><renderer-v2 type="categorizedSymbol" attr="{column}" symbollevels="0" enableorderby="0" forceraster="0"><categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2><layerGeometryType>1</layerGeometryType></qgis>"#
    )
}

fn symbol(name: usize, colour: &str, pen: &str) -> String {
    let casing = layer("60,60,60,255", "1.3", "solid");
    let line = layer(&rgba(colour), "0.9", pen);
    format!(r#"<symbol type="line" name="{name}" alpha="1" clip_to_extent="1" force_rhr="0">{casing}{line}</symbol>"#)
}

fn layer(rgba: &str, width_mm: &str, pen: &str) -> String {
    let props = [
        ("line_color", rgba),
        ("line_style", pen),
        ("line_width", width_mm),
        ("line_width_unit", "MM"),
        ("capstyle", "round"),
        ("joinstyle", "round"),
    ];
    // Older versions read <prop>, newer ones <Option>; both are written.
    let mut old = String::new();
    let mut new = String::new();
    for (key, value) in props {
        let _ = write!(old, r#"<prop k="{key}" v="{value}"/>"#);
        let _ = write!(new, r#"<Option type="QString" name="{key}" value="{value}"/>"#);
    }
    format!(
        r#"<layer class="SimpleLine" pass="0" enabled="1" locked="0"><Option type="Map">{new}</Option>{old}</layer>"#
    )
}

/// `#RRGGBB` → `r,g,b,255`; grey for anything else.
fn rgba(colour: &str) -> String {
    let part = |at: usize| colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
    match (part(1), part(3), part(5)) {
        (Some(r), Some(g), Some(b)) => format!("{r},{g},{b},255"),
        _ => "189,189,189,255".into(),
    }
}

fn xml(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StyleClass;

    #[test]
    fn classes_colours_and_hostile_labels() {
        let classes = vec![StyleClass { value: "1".into(), label: "\"<Bon>\" & co".into(), colour: "#50F0E6".into() }];
        let qml = categorised_lines(&Style { column: "classe".into(), classes });
        assert!(qml.contains(r#"label="&quot;&lt;Bon&gt;&quot; &amp; co""#));
        assert!(qml.contains(r#"value="80,240,230,255""#));
        assert!(qml.contains(r#"attr="classe""#));
        assert_eq!(rgba("rouge"), "189,189,189,255");
        assert_eq!(rgba("é"), "189,189,189,255");
    }
}
