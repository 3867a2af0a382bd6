//! What the formats of this folder have in common: values of cards, and files as media types.

use karez_hub::{Repo, language_code};
use serde_json::Value;

/// Values of one sort that are told.
const VALUES_MAX: usize = 100;

/// Returns the text or texts of a value of a card.
pub(super) fn texts<'a>(card: &'a Value, key: &str) -> Vec<&'a str> {
    let list = match &card[key] {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let texts = list.iter().filter_map(Value::as_str).map(str::trim);
    texts.filter(|text| !text.is_empty()).take(VALUES_MAX).collect()
}

/// Returns the licence: where it is explained when the card says so, else its id or name.
pub(super) fn license(card: &Value) -> Option<String> {
    let link = texts(card, "license_link").into_iter().find(|link| is_web(link));
    let name = texts(card, "license_name").into_iter().next();
    let id = texts(card, "license").into_iter().find(|id| *id != "other");
    link.or(id).or(name).map(str::to_owned)
}

/// Tells whether a text is an address on the web.
pub(super) fn is_web(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://")) && !text.contains(char::is_whitespace)
}

/// Returns languages as ISO 639-3.
pub(super) fn languages(card: &Value) -> Vec<String> {
    let mut codes: Vec<String> = texts(card, "language").into_iter().filter_map(language_code).collect();
    codes.dedup();
    codes
}

/// Returns the tags that are words: those that say something of their own.
pub(super) fn keywords(repo: &Repo) -> Vec<&str> {
    let is_word = |tag: &&str| !tag.contains(':') && tag.chars().count() > 2;
    repo.tags.iter().map(String::as_str).filter(is_word).take(VALUES_MAX).collect()
}

/// Returns the media type that the ending of a path stands for.
pub(super) fn media_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("csv") => "text/csv",
        Some("tsv") => "text/tab-separated-values",
        // The name that Croissant gives it.
        Some("jsonl" | "ndjson") => "application/jsonlines",
        Some("json") => "application/json",
        Some("parquet") => "application/x-parquet",
        Some("md") => "text/markdown",
        Some("txt") => "text/plain",
        Some("zip") => "application/zip",
        Some("gz" | "tgz") => "application/gzip",
        Some("tar") => "application/x-tar",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("wav") => "audio/wav",
        Some("mp3") => "audio/mpeg",
        Some("flac") => "audio/flac",
        Some("mp4") => "video/mp4",
        Some("pdf") => "application/pdf",
        Some("xml") => "application/xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_licence_is_an_address_an_id_or_a_name() {
        assert_eq!(license(&json!({ "license": "mit" })).as_deref(), Some("mit"));
        let own = json!({ "license": "other", "license_name": "own", "license_link": "https://e.example/l" });
        assert_eq!(license(&own).as_deref(), Some("https://e.example/l"));
        assert_eq!(license(&json!({ "license": "other", "license_link": "javascript:x" })), None);
        assert_eq!(license(&json!(null)), None);
    }

    #[test]
    fn endings_are_media_types() {
        assert_eq!(media_type("a.b/c.CSV"), "text/csv");
        assert_eq!(media_type("a.csv/noending"), "application/octet-stream");
    }
}
