//! What all pages share: the frame with its landmarks, the languages at its foot, and the style.

use std::fmt::Write as _;
use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::address::encode_part;
use crate::locale::{Locale, key};

/// The style of all pages.
pub const STYLE: &str = include_str!("style.css");

/// The address of the style, which names its content and so never changes what it answers.
pub static STYLE_PATH: LazyLock<String> = LazyLock::new(|| format!("/-/style-{}.css", *STYLE_NAME));

/// First digits of the style's SHA-256.
pub static STYLE_NAME: LazyLock<String> = LazyLock::new(|| name_of(STYLE));

/// The one script: it sends large files in parts, on the page for uploads.
pub const SCRIPT: &str = include_str!("upload.js");

/// First digits of the script's SHA-256.
pub static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| name_of(SCRIPT));

/// The policy of the page that has the script, which speaks to the node alone.
pub const SCRIPT_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn name_of(content: &str) -> String {
    Sha256::digest(content)[..6].iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String grows");
        text
    })
}

/// The policy that browsers hold pages to: nothing runs, nothing comes from elsewhere, nobody frames them.
pub const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Returns a block of JSON-LD, which browsers keep as data and never run. No character of it can end the block.
pub(crate) fn data_block(json: &str) -> Markup {
    let safe = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let safe = safe.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    html! { script type="application/ld+json" { (PreEscaped(safe)) } }
}

/// What the frame of a page needs to know of its request.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The language.
    pub locale: &'static Locale,
    /// Path of the page, for the links to its other languages.
    pub path: String,
    /// Its query, but for the language.
    pub query: Vec<(String, String)>,
    /// Who is signed in.
    pub user: Option<String>,
    /// What people call the node.
    pub node: String,
    /// Whether the address of the page shows it once more, so that it can be read in another language. What a form
    /// was answered with cannot.
    pub has_languages: bool,
}

impl Frame {
    /// Returns the address of this page with one value of its query changed.
    pub fn here_with(&self, name: &str, value: &str) -> String {
        let mut url = format!("{}?", self.path);
        for (key, old) in self.query.iter().filter(|(key, _)| key != name) {
            write!(url, "{}={}&", encode_part(key), encode_part(old)).expect("a String grows");
        }
        write!(url, "{}={}", encode_part(name), encode_part(value)).expect("a String grows");
        url
    }

    /// Returns the address of this page, from its beginning, with one more pair in its query.
    pub fn here_adding(&self, name: &str, value: &str) -> String {
        self.url(self.pairs().chain([(name, value)]))
    }

    /// Returns the address of this page, from its beginning, without this pair.
    pub fn here_removing(&self, name: &str, value: &str) -> String {
        self.url(self.pairs().filter(|pair| *pair != (name, value)))
    }

    /// The query, but for the place in a list.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.query.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        pairs.filter(|(key, _)| *key != "cursor")
    }

    fn url<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let pairs: Vec<String> =
            pairs.map(|(key, value)| format!("{}={}", encode_part(key), encode_part(value))).collect();
        if pairs.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, pairs.join("&")) }
    }

    /// Puts a page together. The title is plain text.
    pub fn page(&self, title: &str, body: &Markup) -> String {
        self.whole(title, &Markup::default(), body, None)
    }

    /// Puts the page together that has the script, and is whole without it.
    pub(crate) fn page_with_script(&self, title: &str, body: &Markup) -> String {
        self.whole(title, &Markup::default(), body, Some(format!("/-/upload-{}.js", *SCRIPT_NAME)))
    }

    /// Puts a page together that tells programs where else to look: `head` stands in its head.
    pub(crate) fn page_with(&self, title: &str, head: &Markup, body: &Markup) -> String {
        self.whole(title, head, body, None)
    }

    fn whole(&self, title: &str, head: &Markup, body: &Markup, script: Option<String>) -> String {
        let l = self.locale;
        let kinds = [
            ("/models", key::MODELS),
            ("/datasets", key::DATASETS),
            ("/spaces", key::SPACES),
            ("/collections", key::COLLECTIONS),
        ];
        let page = html! {
            (DOCTYPE)
            html lang=(l.code) dir=(l.direction()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    title { (title) @if title != self.node { " · " (self.node) } }
                    link rel="stylesheet" href=(*STYLE_PATH);
                    @if let Some(script) = &script { script src=(script) defer {} }
                    (head)
                }
                body {
                    a.skip href="#main" { (l.t(key::SKIP)) }
                    header {
                        a.brand href="/" { bdi { (self.node) } }
                        nav aria-label=(l.plain(key::NAV_MAIN)) {
                            @for (url, text) in kinds {
                                a href=(url) aria-current=[(self.path == url).then_some("page")] { (l.t(text)) }
                            }
                            a href="/-/node" { (l.t(key::NODE)) }
                            @match &self.user {
                                Some(user) => a href="/-/account" { bdi { (user) } },
                                None => a href="/-/sign-in" { (l.t(key::SIGN_IN)) },
                            }
                        }
                    }
                    main #main tabindex="-1" { (body) }
                    @if self.has_languages { footer {
                        nav aria-label=(l.plain(key::NAV_LANGUAGES)) {
                            @for other in Locale::all() {
                                a href=(self.here_with("lang", other.code)) lang=(other.code) hreflang=(other.code) dir=(other.direction())
                                    aria-current=[(other.code == l.code).then_some("true")] { (other.name) }
                            }
                        }
                    } }
                }
            }
        };
        page.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_its_block() {
        let block = data_block("{\"a\":\"</script><script>alert(1)</script>&\u{2028}\"}").0;
        assert_eq!(block.matches('<').count(), 2, "{block}");
        assert!(block.contains("\\u003c/script\\u003e") && !block.contains('&'), "{block}");
    }
}
