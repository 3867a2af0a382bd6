//! What a list can be narrowed by: properties with counts, as links.

use karez_types::RepoKind;
use maud::{Markup, html};

use super::list::{id, kind_key};
use crate::address::encode_part;
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};
use crate::{FACET_VALUES_SHOWN, FACETS_BYTES_MAX, NARROWED_QUERY_BYTES_MAX};

/// A value of a facet.
#[derive(Debug, Clone)]
pub struct FacetValue {
    /// The value, as in addresses.
    pub value: String,
    /// What it is called in the reader's language, where that is known.
    pub name: Option<String>,
    /// How many of what was found have it.
    pub count: u64,
}

/// A property with its most frequent values.
#[derive(Debug, Clone)]
pub struct FacetView {
    /// Its word in addresses: `task`, `language` and so on.
    pub word: &'static str,
    /// Values, most frequent first.
    pub values: Vec<FacetValue>,
}

/// Something that a list is narrowed to.
#[derive(Debug, Clone)]
pub struct Narrowing {
    /// Name of the pair in the query.
    pub word: String,
    /// Its value.
    pub value: String,
    /// What the value is called in the reader's language, where that is known.
    pub name: Option<String>,
}

/// Returns what a facet is called.
fn facet_key(word: &str) -> Key {
    match word {
        "type" => key::FACET_TYPE,
        "task" => key::TASK,
        "language" => key::FACET_LANGUAGE,
        "licence" => key::LICENSE,
        "size" => key::SIZE,
        "library" => key::LIBRARY,
        "sdg" => key::FACET_SDG,
        "campaign" => key::FACET_CAMPAIGN,
        "origin" => key::FACET_ORIGIN,
        "held" => key::FACET_HELD,
        "author" => key::FACET_OWNER,
        _ => key::FACET_TAG,
    }
}

/// Returns a value in the words of the language.
fn value_text(l: &Locale, word: &str, value: &str, name: Option<&str>) -> Markup {
    match (word, value) {
        ("type", _) if RepoKind::from_word(value).is_some() => {
            html! { @if let Some(kind) = RepoKind::from_word(value) { (l.t(kind_key(kind))) } }
        }
        ("held", "yes") => l.t(key::YES),
        ("held", "part") => l.t(key::HELD_PART),
        ("held", "no") => l.t(key::NO),
        ("origin", "here") => l.t(key::NODE),
        ("sdg", _) => html! { (value) @if let Some(name) = name { " " bdi { (name) } } },
        _ => match name {
            Some(name) => html! { bdi { (name) } },
            None => id(value),
        },
    }
}

/// Returns what a list is narrowed to, each with a link that takes it away.
pub(crate) fn narrowings(frame: &Frame, chosen: &[Narrowing]) -> Markup {
    let l = frame.locale;
    html! {
        @if !chosen.is_empty() {
            ul.tags aria-label=(l.plain(key::NARROWED_TO)) {
                @for one in chosen {
                    li { a href=(frame.here_removing(&one.word, &one.value)) title=(l.plain(key::NARROWED_LESS)) {
                        (l.t(facet_key(&one.word))) ": " (value_text(l, &one.word, &one.value, one.name.as_deref())) " ✕"
                    } }
                }
            }
        }
    }
}

/// Returns the facets as links, folded away: on a small screen they would push the results off it.
pub(crate) fn facets(frame: &Frame, facets: &[FacetView], chosen: &[Narrowing]) -> Markup {
    let l = frame.locale;
    let query_bytes: usize = frame.pairs().map(|(key, value)| encode_part(key).len() + encode_part(value).len()).sum();
    let is_chosen = |word: &str, value: &str| chosen.iter().any(|one| one.word == word && one.value == value);
    let mut left_bytes = FACETS_BYTES_MAX;
    let mut fits = |value: &FacetValue| {
        let cost = encode_part(&value.value).len() + value.name.as_ref().map_or(value.value.len(), String::len);
        let fits = cost <= left_bytes;
        left_bytes = left_bytes.saturating_sub(if fits { cost } else { 0 });
        fits
    };
    let mut shown: Vec<(&FacetView, Vec<&FacetValue>)> = Vec::new();
    for facet in facets {
        let most = if facet.word == "sdg" { facet.values.len() } else { FACET_VALUES_SHOWN };
        let open = facet.values.iter().filter(|value| !is_chosen(facet.word, &value.value)).take(most);
        let values: Vec<&FacetValue> = open.filter(|value| fits(value)).collect();
        if !values.is_empty() {
            shown.push((facet, values));
        }
    }
    html! {
        @if query_bytes <= NARROWED_QUERY_BYTES_MAX && !shown.is_empty() {
            details { summary { (l.t(key::NARROW)) }
                dl.facets {
                    @for (facet, values) in &shown {
                        dt { (l.t(facet_key(facet.word))) }
                        dd { ul.tags { @for value in values {
                            li { a href=(frame.here_adding(facet.word, &value.value)) rel="nofollow" {
                                (value_text(l, facet.word, &value.value, value.name.as_deref())) " "
                                span.soft { (l.number(value.count)) }
                            } }
                        } } }
                    }
                }
            }
        }
    }
}
