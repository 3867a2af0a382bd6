//! Lists of repositories: all of a kind, or those that words find.

use karez_types::{RepoAddress, RepoKind, Timestamp};
use maud::{Markup, html};

use crate::address::repo_url;
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

/// A repository in a list.
#[derive(Debug, Clone)]
pub struct RepoRow {
    /// Where it is.
    pub address: RepoAddress,
    /// Whether only some may see it.
    pub is_private: bool,
    /// Whether one must ask for access where it comes from.
    pub is_gated: bool,
    /// What a model is for.
    pub task: Option<String>,
    /// Its licence, as an id.
    pub license: Option<String>,
    /// When it last changed.
    pub modified: Timestamp,
    /// How often files were downloaded.
    pub downloads: u64,
    /// The remote that it comes from.
    pub remote: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ListPage {
    /// What is listed.
    pub kind: RepoKind,
    /// The words that were looked for.
    pub search: String,
    /// A tag that all have.
    pub tag: String,
    /// `modified`, `created`, `downloads` or `likes`.
    pub sort: String,
    /// The repositories.
    pub rows: Vec<RepoRow>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Returns the name of a kind, in the plural.
pub(crate) fn kind_key(kind: RepoKind) -> Key {
    match kind {
        RepoKind::Model => key::MODELS,
        RepoKind::Dataset => key::DATASETS,
        RepoKind::Space => key::SPACES,
        RepoKind::Kernel => key::KERNELS,
    }
}

/// Returns an identifier, which reads from left to right in every language.
pub(crate) fn id(text: &str) -> Markup {
    html! { bdi dir="ltr" { (crate::shown(text)) } }
}

/// Returns the rows of a list.
pub(crate) fn rows(l: &Locale, rows: &[RepoRow]) -> Markup {
    html! {
        ul.plain {
            @for row in rows {
                li {
                    a href=(repo_url(&row.address)) { (id(&row.address.id())) }
                    div.soft {
                        @if row.is_private { span.tag { (l.t(key::PRIVATE)) } " " }
                        @if row.is_gated { span.tag { (l.t(key::GATED)) } " " }
                        @if let Some(task) = &row.task { (id(task)) " · " }
                        @if let Some(license) = &row.license { (id(license)) " · " }
                        (l.fill(key::UPDATED_ON, &[("date", l.date(row.modified))])) " · "
                        (l.count(key::DOWNLOADS, row.downloads))
                        @if let Some(remote) = &row.remote { " · " (l.fill(key::FROM_REMOTE, &[("remote", id(remote))])) }
                    }
                }
            }
        }
    }
}

/// Returns the form that looks for words.
pub(crate) fn search_form(l: &Locale, kind: RepoKind, words: &str, sort: Option<&str>) -> Markup {
    const SORTS: [(&str, Key); 3] =
        [("modified", key::SORT_MODIFIED), ("created", key::SORT_CREATED), ("downloads", key::SORT_DOWNLOADS)];
    html! {
        form role="search" action=(format!("/{}", kind.plural())) method="get" {
            div {
                label for="q" { (l.t(key::SEARCH_LABEL)) }
                input #q type="search" name="search" value=(words) maxlength="200" dir="auto";
            }
            @if let Some(sort) = sort {
                div {
                    label for="sort" { (l.t(key::SORT)) }
                    select #sort name="sort" {
                        @for (word, text) in SORTS { option value=(word) selected[word == sort] { (l.plain(text)) } }
                    }
                }
            }
            button type="submit" { (l.t(key::SEARCH)) }
        }
    }
}

/// Renders a list.
pub fn list(frame: &Frame, page: &ListPage) -> String {
    let l = frame.locale;
    let name = kind_key(page.kind);
    let body = html! {
        h1 { (l.t(name)) }
        (search_form(l, page.kind, &page.search, Some(&page.sort)))
        @if !page.tag.is_empty() { p { (l.fill(key::WITH_TAG, &[("tag", id(&page.tag))])) } }
        @if page.rows.is_empty() {
            p { (l.t(if page.search.is_empty() && page.tag.is_empty() { key::NOTHING_YET } else { key::NOTHING_FOUND })) }
        }
        (rows(l, &page.rows))
        @if let Some(next) = &page.next {
            p { a rel="next" href=(frame.here_with("cursor", next)) { (l.t(key::NEXT_PAGE)) } }
        }
    };
    frame.page(l.plain(name), &body)
}
