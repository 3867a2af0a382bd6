//! The first page: what this is, what is new, what is used.

use karez_types::RepoKind;
use maud::html;

use super::list::{RepoRow, id, kind_key, rows, search_form};
use crate::layout::Frame;
use crate::locale::key;

/// What the first page shows.
#[derive(Debug, Clone)]
pub struct HomePage {
    /// The node's public address, for tools.
    pub base: String,
    /// The newest of each kind.
    pub newest: Vec<(RepoKind, Vec<RepoRow>)>,
    /// Whether the reader may make something here.
    pub may_write: bool,
    /// The models that were downloaded most.
    pub most_used: Vec<RepoRow>,
}

/// Renders the first page.
pub fn home(frame: &Frame, page: &HomePage) -> String {
    let l = frame.locale;
    let is_empty = page.newest.iter().all(|(_, rows)| rows.is_empty());
    let tools =
        format!("export HF_ENDPOINT={base}\nhf download owner/name\nhf upload owner/name file", base = page.base);
    let body = html! {
        h1 { bdi { (frame.node) } }
        p { (l.t(key::HOME_WHAT)) }
        (search_form(l, None, "", None, &[]))
        @if is_empty {
            p { (l.t(key::NOTHING_YET)) }
        }
        @for (kind, newest) in page.newest.iter().filter(|(_, rows)| !rows.is_empty()) {
            h2 { a href=(format!("/{}", kind.plural())) { (l.t(kind_key(*kind))) } " · " (l.t(key::NEWEST)) }
            (rows(l, newest))
        }
        @if page.most_used.iter().any(|row| row.downloads > 0) {
            h2 { a href="/models?sort=downloads" { (l.t(key::MODELS)) } " · " (l.t(key::MOST_USED)) }
            (rows(l, &page.most_used))
        }
        @if page.may_write {
            p { a href="/-/publish" { (l.t(key::PUBLISH_TABLE)) } " · " a href="/-/new" { (l.t(key::NEW_REPO)) } }
        }
        @if frame.user.is_none() { p { a href="/-/sign-in?next=%2F-%2Fpublish" { (l.t(key::PUBLISH_TABLE)) } } }
        h2 { (l.t(key::HOME_TOOLS)) }
        p { (l.fill(key::HOME_TOOLS_HOW, &[("variable", id("HF_ENDPOINT"))])) }
        pre dir="ltr" { code { (tools) } }
    };
    frame.page(&frame.node, &body)
}
