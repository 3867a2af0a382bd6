//! What went wrong, and what to do about it.

use karez_types::RepoAddress;
use maud::html;

use crate::layout::Frame;
use crate::locale::{Key, key};

/// The page of an error.
#[derive(Debug, Clone)]
pub struct ErrorPage {
    /// The status of the answer.
    pub status: u16,
    /// The node's own words, in English.
    pub words: String,
    /// What they say, as far as a text of the languages says it.
    pub told: Option<Key>,
    /// The id of the request, for who is asked about it.
    pub request_id: String,
    /// The repository that the address is in, if it looks so: nothing says that it is there.
    pub repo: Option<RepoAddress>,
}

/// Returns the title of an error, and what to do.
fn advice(status: u16) -> (Key, Key) {
    match status {
        401 => (key::ERROR_SIGN_IN, key::ADVICE_SIGN_IN),
        403 => (key::ERROR_FORBIDDEN, key::ADVICE_FORBIDDEN),
        404 | 410 => (key::ERROR_MISSING, key::ADVICE_MISSING),
        413 => (key::ERROR_TOO_LARGE, key::ADVICE_TOO_LARGE),
        429 | 503 => (key::ERROR_BUSY, key::ADVICE_BUSY),
        502 | 504 => (key::ERROR_ORIGIN, key::ADVICE_ORIGIN),
        409 | 412 | 422 => (key::ERROR_REFUSED, key::TOLD_REFUSED),
        507 => (key::ERROR_NODE, key::TOLD_FULL),
        500..=599 => (key::ERROR_NODE, key::ADVICE_NODE),
        _ => (key::ERROR_REQUEST, key::ADVICE_REQUEST),
    }
}

/// Renders the page of an error.
pub fn error(frame: &Frame, page: &ErrorPage) -> String {
    let l = frame.locale;
    let (title, todo) = advice(page.status);
    let body = html! {
        h1 { (l.t(title)) }
        p { (l.t(page.told.unwrap_or(todo))) }
        @if matches!(page.status, 401 | 403 | 404) && frame.user.is_none() {
            p { a href=(format!("/-/sign-in?next={}", crate::encode_part(&frame.path))) { (l.t(key::SIGN_IN)) } }
        }
        @if let Some(repo) = &page.repo {
            p { a href=(crate::repo_url(repo)) { (l.fill(key::BACK_TO, &[("repo", super::list::id(&repo.id()))])) } }
        }
        @if !page.words.is_empty() { p.warn lang="en" dir="ltr" { (crate::shown(&page.words)) } }
        p.soft { (l.fill(key::ERROR_ID, &[("status", html! { (l.number(page.status.into())) }), ("id", html! { code dir="ltr" { (page.request_id) } })])) }
    };
    frame.page(l.plain(title), &body)
}
