//! Lists of repositories: all of a kind, or those that words find.

use karez_types::{RepoAddress, RepoKind, Timestamp};
use maud::{Markup, html};

use super::facets::{FacetView, Narrowing, facets, narrowings};
use crate::address::repo_url;
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

/// A repository in a list.
#[derive(Debug, Clone)]
pub struct RepoRow {
    /// Where it is.
    pub address: RepoAddress,
    /// What people call it, where that says more than its name.
    pub title: Option<String>,
    /// What it is, in a sentence; empty when nobody said.
    pub summary: String,
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
    /// How many people like it.
    pub likes: u64,
    /// The remote that it comes from.
    pub remote: Option<String>,
}

/// How the words of a search were taken, when not as they were typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looser {
    /// Most of them occur.
    MostWords,
    /// The name contains them.
    PartOfName,
    /// They occur with another letter.
    Typos,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ListPage {
    /// What is listed; every kind when unset.
    pub kind: Option<RepoKind>,
    /// The words that were looked for.
    pub search: String,
    /// `modified`, `created`, `downloads`, `likes` or `trending`; what fits best when empty.
    pub sort: String,
    /// What the list is narrowed to.
    pub chosen: Vec<Narrowing>,
    /// What it can be narrowed by.
    pub facets: Vec<FacetView>,
    /// How many there are on all pages, where that is known.
    pub total: Option<u64>,
    /// How the words were taken, when not as they were typed.
    pub looser: Option<Looser>,
    /// When nothing was found: those of several words that nothing has.
    pub missing: Vec<String>,
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

/// Returns the rows of a list of one kind.
pub(crate) fn rows(l: &Locale, rows: &[RepoRow]) -> Markup {
    rows_of(l, rows, false)
}

fn rows_of(l: &Locale, rows: &[RepoRow], is_mixed: bool) -> Markup {
    html! {
        ul.plain {
            @for one in rows { li { (row(l, one, is_mixed)) } }
        }
    }
}

/// Returns a repository as lists show it; with its kind where there are several.
pub(crate) fn row(l: &Locale, row: &RepoRow, is_mixed: bool) -> Markup {
    html! {
        a href=(repo_url(&row.address)) { (id(&row.address.id())) }
        @if let Some(title) = &row.title { " " bdi dir="auto" { (crate::shown(title)) } }
        @if !row.summary.is_empty() { div dir="auto" { (crate::shown(&row.summary)) } }
        div.soft {
            @if is_mixed { (l.t(kind_key(row.address.kind))) " · " }
            @if row.is_private { span.tag { (l.t(key::PRIVATE)) } " " }
            @if row.is_gated { span.tag { (l.t(key::GATED)) } " " }
            @if let Some(task) = &row.task { (id(task)) " · " }
            @if let Some(license) = &row.license { (id(license)) " · " }
            (l.fill(key::UPDATED_ON, &[("date", l.date(row.modified))])) " · "
            (l.count(key::DOWNLOADS, row.downloads))
            @if row.likes > 0 { " · " (l.count(key::LIKES, row.likes)) }
            @if let Some(remote) = &row.remote { " · " (l.fill(key::FROM_REMOTE, &[("remote", id(remote))])) }
        }
    }
}

/// Returns words as somebody typed them, one after another.
fn quoted(words: &[String]) -> Markup {
    html! {
        @for (number, word) in words.iter().enumerate() {
            @if number > 0 { ", " }
            bdi { "“" (crate::shown(word)) "”" }
        }
    }
}

/// Address of the search over all kinds.
pub const SEARCH_PATH: &str = "/-/search";

fn list_path(kind: Option<RepoKind>) -> String {
    kind.map_or(SEARCH_PATH.to_owned(), |kind| format!("/{}", kind.plural()))
}

/// Returns the form that looks for words. What the list is narrowed to stays.
pub(crate) fn search_form(
    l: &Locale,
    kind: Option<RepoKind>,
    words: &str,
    sort: Option<&str>,
    chosen: &[Narrowing],
) -> Markup {
    const SORTS: [(&str, Key); 6] = [
        ("", key::SORT_BEST),
        ("modified", key::SORT_MODIFIED),
        ("created", key::SORT_CREATED),
        ("downloads", key::SORT_DOWNLOADS),
        ("likes", key::SORT_LIKES),
        ("trending", key::SORT_TRENDING),
    ];
    html! {
        form role="search" action=(list_path(kind)) method="get" {
            div {
                label for="q" { (l.t(key::SEARCH_LABEL)) }
                input #q type="search" name="search" value=(words) maxlength="200" dir="auto";
            }
            @for one in chosen { input type="hidden" name=(one.word) value=(one.value); }
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
    let name = page.kind.map_or(key::SEARCH, kind_key);
    let is_narrowed = !page.search.is_empty() || !page.chosen.is_empty();
    let looser = page.looser.map(|looser| match looser {
        Looser::MostWords => key::FOUND_MOST_WORDS,
        Looser::PartOfName => key::FOUND_PART_OF_NAME,
        Looser::Typos => key::FOUND_TYPOS,
    });
    let body = html! {
        h1 { (l.t(name)) }
        (search_form(l, page.kind, &page.search, Some(&page.sort), &page.chosen))
        (narrowings(frame, &page.chosen))
        (facets(frame, &page.facets, &page.chosen))
        @if page.rows.is_empty() {
            p role="status" {
                @if !page.missing.is_empty() { (l.fill(key::NOTHING_HAS, &[("words", quoted(&page.missing))])) " " }
                (l.t(if is_narrowed { key::NOTHING_FOUND } else { key::NOTHING_YET }))
            }
        } @else if let Some(total) = page.total {
            p.soft role="status" { (l.count(key::FOUND, total)) @if let Some(looser) = looser { " " (l.t(looser)) } }
        }
        (rows_of(l, &page.rows, page.kind.is_none()))
        @if let Some(next) = &page.next {
            p { a rel="next" href=(frame.here_with("cursor", next)) { (l.t(key::NEXT_PAGE)) } }
        }
    };
    let head = html! { link rel="alternate" type="application/atom+xml" href=(frame.here_adding("format", "atom")); };
    frame.page_with(l.plain(name), &head, &body)
}
