//! What a page knows of its request: who reads it, and in which language.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use karez_hub::Actor;
use karez_pages::{Frame, Locale};
use karez_types::RepoAddress;
use percent_encoding::percent_decode_str;

use super::lists::FEED;
use crate::AppState;
use crate::extract::{Base, Caller, Target};
use crate::front::nothing_here;

/// The cookie that remembers the language.
pub(super) const LANGUAGE_COOKIE: &str = "karez_lang";
/// Values of a query that are looked at.
const QUERY_PAIRS_MAX: usize = 20;
/// Longest value of a query that a page carries on into its links, in bytes.
const QUERY_VALUE_BYTES_MAX: usize = 1_000;

/// A request for a page.
pub(super) struct Asked {
    /// Who reads it.
    pub caller: Actor,
    /// The frame of the page.
    pub frame: Frame,
    /// The node's public address.
    pub base: String,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The language that the address asks for, to be remembered.
    pub chosen: Option<&'static str>,
}

impl Asked {
    /// Returns a value of the query; the empty text when there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.frame.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Tells whether a request takes HTML: names it, or takes anything. What asks for JSON gets what it would get
/// without pages.
pub(crate) fn takes_page(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    values.peek().is_none()
        || values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|item| {
            matches!(
                item.split(';').next().unwrap_or_default().trim(),
                "text/html" | "text/*" | "*/*" | "application/xhtml+xml"
            )
        })
}

/// Tells whether a request asks for HTML by name, as browsers do.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.split(';').next().unwrap_or_default().trim() == "text/html")
}

/// Returns a cookie of a request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Returns the query as pairs; pairs that are not UTF-8, or longer than any that a page makes, are left out.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let decode =
        |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8().ok().map(|text| text.into_owned());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
            .filter(|(key, value)| key.len() < 64 && value.len() <= QUERY_VALUE_BYTES_MAX)
    };
    text.split('&').filter(|text| !text.is_empty()).take(QUERY_PAIRS_MAX).filter_map(pair).collect()
}

/// Returns the frame of a page, and the language that its address asks for.
pub(super) fn frame(state: &AppState, headers: &HeaderMap, uri: &Uri, caller: &Actor) -> (Frame, Option<&'static str>) {
    let mut query = pairs(uri.query().unwrap_or_default());
    let asked = query.iter().find(|(key, _)| key == "lang").map(|(_, value)| value.clone());
    query.retain(|(key, _)| key != "lang");
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let locale = Locale::choose(asked.as_deref(), cookie(headers, LANGUAGE_COOKIE), accepted);
    let chosen = asked.as_deref().and_then(Locale::find).map(|locale| locale.code);
    let user = caller.user().map(|user| user.account.name.to_string());
    let node = crate::log::node_words(state).name;
    (Frame { locale, path: own_path(uri), query, user, node, has_languages: true }, chosen)
}

/// Returns the path of a request as a page may link to it: with one slash at its beginning. Two of them, or a
/// backslash, would be the beginning of another host.
pub(super) fn own_path(uri: &Uri) -> String {
    format!("/{}", uri.path().trim_start_matches(['/', '\\']))
}

impl FromRequestParts<AppState> for Asked {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        // Feed readers take no HTML, and ask at the address of the page.
        let is_feed = pairs(parts.uri.query().unwrap_or_default()).contains(&("format".to_owned(), FEED.to_owned()));
        if !takes_page(&parts.headers) && !is_feed {
            let caller = Caller::from_request_parts(parts, state).await;
            return Err(nothing_here(caller, parts.uri.clone()).await);
        }
        let Caller(caller) = Caller::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let Base(base) = Base::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let (frame, chosen) = frame(state, &parts.headers, &parts.uri, &caller);
        Ok(Asked { caller, frame, base, headers: parts.headers.clone(), chosen })
    }
}

/// The repository that a page is about. An address that cannot be one is answered as any that nothing is at.
pub(super) struct PageTarget(pub RepoAddress);

impl FromRequestParts<AppState> for PageTarget {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        match Target::from_request_parts(parts, state).await {
            Ok(Target(address)) => Ok(PageTarget(address)),
            Err(_) => {
                let caller = Caller::from_request_parts(parts, state).await;
                Err(nothing_here(caller, parts.uri.clone()).await)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn who_asks_for_json_gets_no_page() {
        let with = |accept: &'static str| HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        assert!(takes_page(&HeaderMap::new()) && takes_page(&with("*/*")));
        assert!(takes_page(&with("application/json, text/html;q=0.5")));
        assert!(!takes_page(&with("application/json")) && !takes_page(&with("application/vnd.git-lfs+json")));
        assert!(wants_html(&with("text/html,application/xml;q=0.9")) && !wants_html(&with("*/*")));
    }

    #[test]
    fn a_path_never_names_a_host() {
        for (path, own) in [
            ("/a//b/", "/a//b/"),
            ("//evil.example/x", "/evil.example/x"),
            ("/\\/evil.example", "/evil.example"),
            ("/", "/"),
        ] {
            assert_eq!(own_path(&path.parse().unwrap()), own);
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let headers =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("xkarez_lang=a; karez_lang=fr;karez=b"))]);
        assert_eq!(cookie(&headers, LANGUAGE_COOKIE), Some("fr"));
        assert_eq!(cookie(&headers, "karez"), Some("b"));
        assert_eq!(cookie(&headers, "lang"), None);
    }
}
