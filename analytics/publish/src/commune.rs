//! What a commune downloads: one table per theme and one of recommendations, after the public gates.

use std::collections::{BTreeMap, BTreeSet};

use tournee_indicators::{Confidence, Indicator, Kind, Kinds, PublicationGates, ShownClasses, Theme, format};
use tournee_priority::{Recommendation, RuleSet};
use tournee_territory::{Section, Territory};

use crate::table::{Column, ColumnType, Feature, FeatureTable, Metadata, Style, StyleClass, Value, is_iso_date};
use crate::{PublicGate, PublishError, Withheld, monday_of, words};

/// What publication decides on: data files and when the values were computed.
#[derive(Clone, Debug)]
pub struct Published {
    /// Kinds of indicators.
    pub kinds: Kinds,
    /// Public gates.
    pub gates: PublicationGates,
    /// When the values were computed, ISO 8601; empty where not said.
    pub produced_at: String,
}

impl Published {
    /// The data files that ship with this version, and no time.
    ///
    /// # Errors
    /// Only if an embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, PublishError> {
        Ok(Self { kinds: Kinds::builtin()?, gates: PublicationGates::builtin()?, produced_at: String::new() })
    }
}

/// The tables of a commune with the data files that ship: for each theme its headline (`air`, `route`, `mobile`,
/// `chaleur`), its further indicators (`air_no2_ugm3`), and `recommandations`. Rows below the public gates are left out
/// and counted in the metadata. A theme without any indicator has no table.
///
/// # Errors
/// An unknown commune, or a value that no file can carry.
pub fn commune_tables(
    territory: &Territory,
    indicators: &[Indicator],
    recommendations: &[Recommendation],
    code_insee: &str,
) -> Result<Vec<FeatureTable>, PublishError> {
    commune_tables_with(&Published::builtin()?, territory, indicators, recommendations, code_insee)
}

/// [`commune_tables`] with the caller's data files and time.
///
/// # Errors
/// An unknown commune, or a value that no file can carry.
pub fn commune_tables_with(
    published: &Published,
    territory: &Territory,
    indicators: &[Indicator],
    recommendations: &[Recommendation],
    code_insee: &str,
) -> Result<Vec<FeatureTable>, PublishError> {
    let commune = territory.communes.iter().find(|commune| commune.code_insee == code_insee).ok_or_else(|| {
        PublishError::UnknownCommune { territory: territory.id.clone(), code_insee: code_insee.into() }
    })?;
    let sections: BTreeMap<&str, &Section> = territory
        .sections
        .iter()
        .filter(|section| section.code_insee == code_insee)
        .map(|section| (section.id.as_str(), section))
        .collect();
    let mut by_name: BTreeMap<&str, Vec<&Indicator>> = BTreeMap::new();
    for one in indicators.iter().filter(|one| one.territory == territory.id) {
        if sections.contains_key(one.section_id.as_str()) {
            by_name.entry(&one.indicator).or_default().push(one);
        }
    }
    let gate = PublicGate::new(&published.gates, territory, by_name.values().flatten().copied());
    let place = Place { published, territory, commune: &commune.name, sections: &sections, gate };
    let mut tables = Vec::new();
    for theme in Theme::ALL {
        let mut kinds: Vec<Kind> = by_name.keys().filter_map(|name| published.kinds.get(name)).collect();
        kinds.retain(|kind| kind.theme == theme);
        kinds.sort_by(|a, b| (!a.headline, &a.name).cmp(&(!b.headline, &b.name)));
        for kind in kinds {
            if let Some(rows) = by_name.get(kind.name.as_str()) {
                tables.push(place.indicator_table(&kind, rows)?);
            }
        }
    }
    let own: Vec<&Recommendation> = recommendations
        .iter()
        .filter(|one| one.territory == territory.id && sections.contains_key(one.section_id.as_str()))
        .collect();
    if !own.is_empty() {
        tables.push(place.recommendation_table(&own, &by_name)?);
    }
    Ok(tables)
}

struct Place<'a> {
    published: &'a Published,
    territory: &'a Territory,
    commune: &'a str,
    sections: &'a BTreeMap<&'a str, &'a Section>,
    gate: PublicGate,
}

/// Rows left out, by reason.
type LeftOut = BTreeMap<Withheld, u64>;

fn column(name: &str, kind: ColumnType, title: &str, description: impl Into<String>) -> Column {
    Column { name: name.into(), kind, title: title.into(), description: description.into() }
}

const REAL1: ColumnType = ColumnType::Real { decimals: 1 };

/// The columns that every table begins with.
fn place_columns() -> Vec<Column> {
    vec![
        column("id_section", ColumnType::Text, "Section", "Identifiant stable de la section de rue"),
        column("nom_voie", ColumnType::Text, "Voie", "Nom de la voie ; vide si elle n'en a pas"),
        column("code_insee", ColumnType::Text, "Code commune", "Code INSEE de la commune (texte)"),
        column("commune", ColumnType::Text, "Commune", "Nom de la commune"),
        column("longueur_m", REAL1, "Longueur", "Longueur de la section, mètres"),
    ]
}

impl Place<'_> {
    fn place_values(&self, section: &Section) -> Vec<Value> {
        vec![
            Value::Text(section.id.clone()),
            section.name.clone().map_or(Value::Null, Value::Text),
            Value::Text(section.code_insee.clone()),
            Value::Text(self.commune.to_owned()),
            real(section.length_m),
        ]
    }

    fn indicator_table(&self, kind: &Kind, rows: &[&Indicator]) -> Result<FeatureTable, PublishError> {
        let value = ColumnType::Real { decimals: kind.decimals };
        // A partner's numbers are whatever the partner says they are: no word on medians and corrections of ours.
        let partner = !rows.is_empty() && rows.iter().all(|one| one.origin == "partner");
        let what =
            if partner { "Valeur communiquée par un partenaire, reprise telle quelle." } else { &kind.caption.fr };
        let how = if partner { "Valeur du partenaire" } else { "Médiane des passages" };
        let worst = kind.classes.len();
        let mut columns = place_columns();
        columns.extend([
            column("indicateur", ColumnType::Text, "Indicateur", "Nom technique de l'indicateur"),
            column("indicateur_libelle", ColumnType::Text, "Indicateur", "Nom de l'indicateur"),
            column("valeur", value, "Valeur", format!("{how}, {}. {what}", kind.unit)),
            column("unite", ColumnType::Text, "Unité", "Unité de la valeur et de l'intervalle"),
            column("classe", ColumnType::Integer, "Classe", format!("De 1 (meilleure) à {worst} ; {}", kind.scale.fr)),
            column("classe_libelle", ColumnType::Text, "Classe", "Classe en toutes lettres"),
            column(
                "ic_bas",
                value,
                "Intervalle, bas",
                "Bas de l'intervalle à 95 % de la médiane ; à partir de 6 passages",
            ),
            column("ic_haut", value, "Intervalle, haut", "Haut de l'intervalle à 95 % de la médiane"),
            column("n_passages", ColumnType::Integer, "Passages", "Nombre de passages ; vide si inconnu"),
            column("n_jours", ColumnType::Integer, "Jours", "Nombre de jours différents ; vide si inconnu"),
            column("n_boitiers", ColumnType::Integer, "Boîtiers", "Nombre de boîtiers différents ; vide si inconnu"),
            column("confiance", ColumnType::Text, "Confiance", "élevée, moyenne, faible ou insuffisante"),
            column("premiere_date", ColumnType::Date, "Première semaine", "Lundi de la semaine de la première mesure"),
            column("derniere_date", ColumnType::Date, "Dernière semaine", "Lundi de la semaine de la dernière mesure"),
            column("origine", ColumnType::Text, "Origine", "mesuré, simulé ou partenaire"),
        ]);
        let classes = kind.classes.iter().enumerate().map(|(at, class)| StyleClass {
            value: (at + 1).to_string(),
            label: format!("{} – {}", at + 1, class.fr),
            colour: class.colour.clone(),
        });
        let style = Style { column: "classe".into(), classes: classes.collect() };
        let theme = words::theme(kind.theme);
        let name = if kind.headline { theme.to_owned() } else { format!("{theme}_{}", kind.name) };
        let mut table = FeatureTable::new(&name, &kind.label.fr, columns, Some(style))?;
        let (mut shown, mut left_out) = (Vec::new(), LeftOut::new());
        let mut sorted: Vec<&Indicator> = rows.to_vec();
        sorted.sort_by(|a, b| a.section_id.cmp(&b.section_id));
        for one in sorted {
            let Some(section) = self.sections.get(one.section_id.as_str()) else { continue };
            if let Some(why) = self.gate.withheld(one) {
                *left_out.entry(why).or_default() += 1;
                continue;
            }
            shown.push(one);
            let mut values = self.place_values(section);
            let class = one.class.filter(|_| self.shows_class(one.confidence));
            let words_of_class = class.and_then(|class| kind.class_of(class)).map(|class| class.fr.clone());
            values.extend([
                Value::Text(one.indicator.clone()),
                Value::Text(kind.label.fr.clone()),
                real(one.value),
                Value::Text(one.unit.clone()),
                class.map_or(Value::Null, |class| Value::Integer(i64::from(class) + 1)),
                words_of_class.map_or(Value::Null, Value::Text),
                one.lo.map_or(Value::Null, real),
                one.hi.map_or(Value::Null, real),
                known(one.n_passes),
                known(one.n_days),
                known(one.n_boxes),
                Value::Text(words::confidence(one.confidence).into()),
                public_date(one, &one.first_date).map_or(Value::Null, Value::Date),
                public_date(one, &one.last_date).map_or(Value::Null, Value::Date),
                Value::Text(words::origin(&one.origin).into()),
            ]);
            table.push(Feature { id: section.id.clone(), line: line(section), values })?;
        }
        table.metadata = self.metadata(format!("{what} Échelle : {}.", kind.scale.fr), &shown, &left_out);
        Ok(table)
    }

    /// Low confidence shows no class in public: the drawing rules say from where on.
    fn shows_class(&self, confidence: Confidence) -> bool {
        let mut rules = self.published.kinds.drawing().iter();
        rules.any(|rule| rule.confidence == confidence && rule.classes != ShownClasses::None)
    }

    fn recommendation_table(
        &self,
        rows: &[&Recommendation],
        by_name: &BTreeMap<&str, Vec<&Indicator>>,
    ) -> Result<FeatureTable, PublishError> {
        let rules = RuleSet::builtin().ok();
        let title = |rule: &str| {
            rules
                .as_ref()
                .and_then(|rules| rules.get(rule))
                .map_or_else(|| rule.to_owned(), |rule| rule.title.fr.clone())
        };
        let mut columns = place_columns();
        columns.extend([
            column("regle", ColumnType::Text, "Règle", "Nom technique de la règle"),
            column("regle_libelle", ColumnType::Text, "Règle", "Ce que la règle cherche"),
            column(
                "rang",
                ColumnType::Integer,
                "Rang",
                "Rang dans la règle et le territoire, de 1 ; les égalités partagent leur rang",
            ),
            column("score", ColumnType::Real { decimals: 3 }, "Score", "De 0 à 1"),
            column("confiance", ColumnType::Text, "Confiance", "Celle de la moins sûre des données mesurées"),
            column("action", ColumnType::Text, "À faire", "Recommandation"),
            column("motifs", ColumnType::Text, "Motifs", "Données qui la justifient, avec leur part du score"),
            column("origine", ColumnType::Text, "Origine", "Origines des données utilisées"),
        ]);
        let names: BTreeSet<&str> = rows.iter().map(|one| one.rule.as_str()).collect();
        let colours = ["#3B0F70", "#DE4968", "#FE9F6D", "#8C2981"];
        let classes = names.iter().zip(colours.iter().cycle()).map(|(rule, colour)| StyleClass {
            value: (*rule).to_owned(),
            label: title(rule),
            colour: (*colour).to_owned(),
        });
        let style = Style { column: "regle".into(), classes: classes.collect() };
        let mut table = FeatureTable::new("recommandations", "Recommandations", columns, Some(style))?;
        let (mut used, mut left_out) = (Vec::new(), LeftOut::new());
        let mut sorted: Vec<&Recommendation> = rows.to_vec();
        sorted.sort_by(|a, b| (&a.rule, a.rank, &a.section_id).cmp(&(&b.rule, b.rank, &b.section_id)));
        for one in sorted {
            let Some(section) = self.sections.get(one.section_id.as_str()) else { continue };
            match self.gate.facts_behind(one, by_name.values().flatten().copied()) {
                Ok(behind) => used.extend(behind),
                Err(why) => {
                    *left_out.entry(why).or_default() += 1;
                    continue;
                }
            }
            let mut values = self.place_values(section);
            values.extend([
                Value::Text(one.rule.clone()),
                Value::Text(title(&one.rule)),
                Value::Integer(i64::from(one.rank)),
                real(one.score),
                Value::Text(words::confidence_word(&one.confidence).into()),
                Value::Text(one.action_fr.clone()),
                Value::Text(motives(one)),
                Value::Text(origins(one)),
            ]);
            table.push(Feature { id: format!("{}/{}", one.rule, section.id), line: line(section), values })?;
        }
        table.metadata = self.metadata("Sections à traiter d'abord, avec les motifs.".into(), &used, &left_out);
        Ok(table)
    }

    fn metadata(&self, description: String, shown: &[&Indicator], left_out: &LeftOut) -> Metadata {
        let dates = |pick: fn(&Indicator) -> &str| shown.iter().filter_map(move |one| public_date(one, pick(one)));
        let vintage = match (dates(|one| &one.first_date).min(), dates(|one| &one.last_date).max()) {
            (Some(first), Some(last)) => format!("{first}/{last}"),
            _ => String::new(),
        };
        let licences: BTreeSet<&str> = self.territory.attributions.iter().map(|one| one.licence.as_str()).collect();
        let gates = &self.published.gates;
        let vehicles = format!(
            "protection de la vie privée, moins de {} véhicules ou de {} véhicules-jours",
            gates.k_anonymity.min_vehicles, gates.k_anonymity.min_vehicle_days
        );
        let buildings = format!(
            "protection de la vie privée, moins de {} bâtiments à moins de {} m",
            gates.heat.min_buildings, gates.heat.within_m
        );
        let count = |why| left_out.get(&why).copied().unwrap_or(0);
        let mut reasons = BTreeMap::from([(vehicles, count(Withheld::Vehicles))]);
        // Asked of heat alone: other tables need not speak of buildings.
        if count(Withheld::Buildings) > 0 {
            reasons.insert(buildings, count(Withheld::Buildings));
        }
        let (kinds, gates) = (self.published.kinds.version(), &self.published.gates.version);
        Metadata {
            description,
            statement: self.territory.statement.fr.clone(),
            licence: licences.into_iter().collect::<Vec<_>>().join(", "),
            credits: self.territory.attributions.iter().map(|one| one.credit.clone()).collect(),
            vintage,
            method_version: format!("tournee {}, indicateurs {kinds}, publication {gates}", env!("CARGO_PKG_VERSION")),
            produced_at: self.published.produced_at.clone(),
            left_out: reasons,
        }
    }
}

fn line(section: &Section) -> Vec<[f64; 2]> {
    section.line.coords().map(|point| [point.x, point.y]).collect()
}

fn real(value: f64) -> Value {
    if value.is_finite() { Value::Real(value) } else { Value::Null }
}

/// A count; 0 means that a partner does not say.
fn known(count: u32) -> Value {
    if count == 0 { Value::Null } else { Value::Integer(i64::from(count)) }
}

/// A date as coarse as the public may see it: the Monday of its week; a partner's date as the partner gives it.
fn public_date(row: &Indicator, date: &str) -> Option<String> {
    if row.origin == "partner" { is_iso_date(date).then(|| date.to_owned()) } else { monday_of(date) }
}

/// "Indice d'uni (indicatif) : 0,82 m/s², > 0,61, 12 passages, 64 % du score ; …"
fn motives(one: &Recommendation) -> String {
    let parts = one.reasons.iter().map(|reason| {
        let decimals = if reason.value.fract() == 0.0 { 0 } else { 2 };
        let mut text = format!("{} : {}", reason.label_fr, format::quantity_fr(reason.value, decimals, &reason.unit));
        if !reason.threshold.is_empty() {
            text.push_str(&format!(", {}", reason.threshold));
        }
        if let Some(n) = reason.n_passes.filter(|n| *n > 0) {
            text.push_str(&format!(", {n} passages"));
        }
        if one.score > 0.0 && reason.contribution > 0.0 {
            let share = format::number_fr(100.0 * reason.contribution / one.score, 0);
            text.push_str(&format!(", {share}{}% du score", format::NBSP));
        }
        text
    });
    parts.collect::<Vec<_>>().join(" ; ")
}

fn origins(one: &Recommendation) -> String {
    let all: BTreeSet<&str> = one
        .reasons
        .iter()
        .map(|reason| words::origin(&reason.origin))
        .filter(|origin| *origin != "référence")
        .collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}
