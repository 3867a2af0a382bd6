//! Collections: lists of repositories that somebody put together.

use karez_types::{OwnerName, RepoKind, Timestamp};
use maud::{Markup, html};

use super::list::{RepoRow, id, row};
use crate::layout::Frame;
use crate::locale::{Locale, key};

/// A collection as lists show it.
#[derive(Debug, Clone)]
pub struct CollectionRow {
    /// Its address: `owner/title-mark`.
    pub slug: String,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Whose it is.
    pub owner: OwnerName,
    /// Whether only its owner sees it.
    pub is_private: bool,
    /// When it last changed.
    pub modified: Timestamp,
}

/// A page of collections.
#[derive(Debug, Clone)]
pub struct CollectionsPage {
    /// The collections, the last changed first.
    pub rows: Vec<CollectionRow>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The page of one collection.
#[derive(Debug, Clone)]
pub struct CollectionPage {
    /// What it is.
    pub about: CollectionRow,
    /// What is in it, with what its owner says of each.
    pub items: Vec<(RepoRow, String)>,
    /// Whether it has more than are shown.
    pub has_more: bool,
}

/// Returns the rows of a list of collections.
pub(crate) fn collection_rows(l: &Locale, rows: &[CollectionRow]) -> Markup {
    html! {
        ul.plain {
            @for row in rows {
                li {
                    a href=(format!("/collections/{}", row.slug)) { bdi { (crate::shown(&row.title)) } }
                    div.soft {
                        @if row.is_private { span.tag { (l.t(key::PRIVATE)) } " " }
                        (id(row.owner.as_str())) " · "
                        (l.fill(key::UPDATED_ON, &[("date", l.date(row.modified))]))
                    }
                }
            }
        }
    }
}

/// Renders a list of collections.
pub fn collections(frame: &Frame, page: &CollectionsPage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::COLLECTIONS)) }
        @if page.rows.is_empty() { p { (l.t(key::NOTHING_YET)) } }
        (collection_rows(l, &page.rows))
        @if let Some(next) = &page.next { p { a rel="next" href=(frame.here_with("cursor", next)) { (l.t(key::NEXT_PAGE)) } } }
    };
    frame.page(l.plain(key::COLLECTIONS), &body)
}

/// Renders a collection.
pub fn collection(frame: &Frame, page: &CollectionPage) -> String {
    let l = frame.locale;
    let about = &page.about;
    let body = html! {
        p.crumbs {
            a href="/collections" { (l.t(key::COLLECTIONS)) } " / "
            a href=(format!("/{}", about.owner)) { (id(about.owner.as_str())) }
        }
        h1 { bdi { (crate::shown(&about.title)) } @if about.is_private { " " span.tag { (l.t(key::PRIVATE)) } } }
        @if !about.description.is_empty() { p dir="auto" { (crate::shown(&about.description)) } }
        @if page.items.is_empty() { p { (l.t(key::NOTHING_YET)) } }
        ul.plain {
            @for (repo, note) in &page.items {
                li {
                    (row(l, repo, repo.address.kind != RepoKind::Model))
                    @if !note.is_empty() { p dir="auto" { (crate::shown(note)) } }
                }
            }
        }
        @if page.has_more { p.soft { (l.t(key::MORE_NOT_SHOWN)) } }
    };
    frame.page(&about.title, &body)
}
