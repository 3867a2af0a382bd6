//! Collections: lists of repositories that somebody put together.

use karez_types::{OwnerName, RepoAddress, RepoKind, Timestamp};
use maud::{Markup, html};

use super::form::{Notice, button, line, notice, owners, proof, visibility};
use super::list::{RepoRow, id, kind_key, row};
use super::repo::{RepoHead, head};
use crate::address::repo_url;
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

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
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// The form for a new one, for who may make it.
    pub new: Option<NewCollection>,
}

/// A collection that somebody is about to make.
#[derive(Debug, Clone)]
pub struct NewCollection {
    /// Whose it may be.
    pub owners: Vec<OwnerName>,
    /// What was typed.
    pub title: String,
    /// What was typed.
    pub description: String,
    /// What proves that the form came from here.
    pub proof: String,
}

/// A repository in a collection.
#[derive(Debug, Clone)]
pub struct CollectionItemRow {
    /// Its number in the collection.
    pub id: i64,
    /// The repository.
    pub repo: RepoRow,
    /// What the owner says of it.
    pub note: String,
    /// All of the note, when its forms are open.
    pub opened: Option<String>,
}

/// The page of one collection.
#[derive(Debug, Clone)]
pub struct CollectionPage {
    /// What it is.
    pub about: CollectionRow,
    /// All of its description, for who changes it.
    pub description: String,
    /// What is in it.
    pub items: Vec<CollectionItemRow>,
    /// Whether it has more than are shown.
    pub has_more: bool,
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// What proves that the forms came from here; nothing for who may only read.
    pub proof: Option<String>,
}

/// What the page of a repository offers to everybody with an account.
#[derive(Debug, Clone)]
pub struct Social {
    /// Whether the reader likes it.
    pub is_liked: bool,
    /// What proves that the form came from here.
    pub proof: String,
}

/// The page on which a repository is put into a collection.
#[derive(Debug, Clone)]
pub struct CollectPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// The repository.
    pub head: RepoHead,
    /// The collections that the reader may change: address, title, owner.
    pub choices: Vec<(String, String, OwnerName)>,
    /// The one that was chosen.
    pub chosen: String,
    /// Title of a new one, as typed.
    pub title: String,
    /// What is said of the repository, as typed.
    pub note: String,
    /// Whose a new one may be.
    pub owners: Vec<OwnerName>,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Longest title, and longest text, of a collection in characters. The hub counts them as well.
const TITLE_CHARS_MAX: usize = 200;
const TEXT_CHARS_MAX: usize = 2_000;

/// Returns a field for some lines of text.
fn lines(l: &Locale, name: &str, label: Key, value: &str) -> Markup {
    html! {
        div {
            label for=(name) { (l.t(label)) }
            textarea id=(name) name=(name) rows="3" maxlength=(TEXT_CHARS_MAX) dir="auto" { "\n" (value) }
        }
    }
}

/// Returns what anybody with an account can do with a repository.
pub(crate) fn social(l: &Locale, address: &RepoAddress, offered: &Social) -> Markup {
    let url = repo_url(address);
    let (what, text) = if offered.is_liked { ("unlike", key::UNLIKE) } else { ("like", key::LIKE) };
    html! {
        form method="post" action=(format!("{url}/like")) {
            (proof(&offered.proof))
            input type="hidden" name="do" value=(what);
            (button(l, text))
            a.button href=(format!("{url}/collect")) { (l.t(key::COLLECT)) }
        }
    }
}

/// Renders the page on which a repository is put into a collection.
pub fn collect(frame: &Frame, page: &CollectPage) -> String {
    let l = frame.locale;
    let address = &page.head.address;
    let body = html! {
        (head(l, &page.head, None))
        h2 { (l.t(key::COLLECT)) }
        (notice(l, page.notice.as_ref()))
        form.tall method="post" action=(format!("{}/collect", repo_url(address))) {
            (proof(&page.proof))
            @if !page.choices.is_empty() {
                div {
                    label for="collection" { (l.t(key::COLLECTION)) }
                    select #collection name="collection" {
                        @for (slug, title, owner) in &page.choices {
                            option value=(slug) selected[*slug == page.chosen] { (crate::shown(title)) " · " (owner) }
                        }
                    }
                }
            }
            (line(l, "note", key::COLLECTION_NOTE, &page.note, TEXT_CHARS_MAX))
            h3 { (l.t(key::COLLECTION_NEW)) }
            p.soft { (l.t(key::COLLECTION_NEW_HOW)) }
            (line(l, "title", key::TITLE, &page.title, TITLE_CHARS_MAX))
            (owners(l, &page.owners, ""))
            (visibility(l, false))
            (button(l, key::SAVE))
        }
    };
    frame.page(&format!("{} · {}", address.id(), l.plain(key::COLLECT)), &body)
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
        @if let Some(new) = &page.new {
            h2 { (l.t(key::COLLECTION_NEW)) }
            (notice(l, page.notice.as_ref()))
            form.tall method="post" action="/collections" {
                (proof(&new.proof))
                (line(l, "title", key::TITLE, &new.title, TITLE_CHARS_MAX))
                (lines(l, "description", key::COLLECTION_ABOUT, &new.description))
                (owners(l, &new.owners, ""))
                (visibility(l, false))
                (button(l, key::CREATE))
            }
        }
    };
    frame.page(l.plain(key::COLLECTIONS), &body)
}

/// Returns what the owner can do with an item: a link to its forms, or the forms, which are open for one at a time.
fn item_forms(l: &Locale, url: &str, item: &CollectionItemRow, secret: &str) -> Markup {
    let what = |what: &str| {
        html! {
            (proof(secret)) input type="hidden" name="do" value=(what); input type="hidden" name="item" value=(item.id);
        }
    };
    let name = item.repo.address.id();
    let small = |word: &str, text: Key| {
        html! {
            form method="post" action=(url) {
                (what(word)) button type="submit" aria-label=(format!("{}: {name}", l.plain(text))) { (l.t(text)) }
            }
        }
    };
    html! {
        @match &item.opened {
            None => p.doors {
                a href=(format!("{url}?item={0}#item-{0}", item.id)) aria-label=(format!("{}: {name}", l.plain(key::EDIT))) { (l.t(key::EDIT)) }
            },
            Some(note) => {
                form.tall method="post" action=(url) { (what("note")) (lines(l, "note", key::COLLECTION_NOTE, note)) (button(l, key::SAVE)) }
                (small("up", key::MOVE_UP)) (small("down", key::MOVE_DOWN)) (small("remove", key::REMOVE))
            }
        }
    }
}

/// Returns what the owner can do with a collection as a whole.
fn collection_forms(l: &Locale, url: &str, page: &CollectionPage, secret: &str) -> Markup {
    let about = &page.about;
    let what = |what: &str| html! { (proof(secret)) input type="hidden" name="do" value=(what); };
    html! {
        h2 { (l.t(key::COLLECTION_ADD)) }
        form method="post" action=(url) {
            (what("add"))
            div {
                label for="kind" { (l.t(key::KIND)) }
                select #kind name="kind" {
                    @for kind in RepoKind::ALL { option value=(kind.as_str()) { (l.plain(kind_key(*kind))) } }
                }
            }
            (line(l, "repo", key::OWNER_AND_NAME, "", TITLE_CHARS_MAX))
            (button(l, key::SAVE))
        }
        h2 { (l.t(key::SETTINGS)) }
        form.tall method="post" action=(url) {
            (what("about"))
            (line(l, "title", key::TITLE, &about.title, TITLE_CHARS_MAX))
            (lines(l, "description", key::COLLECTION_ABOUT, &page.description))
            (visibility(l, about.is_private))
            (button(l, key::SAVE))
        }
        h2 { (l.t(key::DELETE)) }
        p { (l.t(key::COLLECTION_DELETE_HOW)) }
        form method="post" action=(url) {
            (what("delete")) (line(l, "confirm", key::COLLECTION_DELETE_CONFIRM, "", TITLE_CHARS_MAX)) (button(l, key::DELETE))
        }
    }
}

/// Renders a collection.
pub fn collection(frame: &Frame, page: &CollectionPage) -> String {
    let l = frame.locale;
    let about = &page.about;
    let url = format!("/collections/{}", about.slug);
    let body = html! {
        p.crumbs {
            a href="/collections" { (l.t(key::COLLECTIONS)) } " / "
            a href=(format!("/{}", about.owner)) { (id(about.owner.as_str())) }
        }
        h1 { bdi { (crate::shown(&about.title)) } @if about.is_private { " " span.tag { (l.t(key::PRIVATE)) } } }
        (notice(l, page.notice.as_ref()))
        @if !about.description.is_empty() { p dir="auto" { (crate::shown(&about.description)) } }
        @if page.items.is_empty() { p { (l.t(key::NOTHING_YET)) } }
        ul.plain {
            @for item in &page.items {
                li id=[page.proof.as_ref().map(|_| format!("item-{}", item.id))] {
                    (row(l, &item.repo, item.repo.address.kind != RepoKind::Model))
                    @if !item.note.is_empty() { p dir="auto" { (crate::shown(&item.note)) } }
                    @if let Some(secret) = &page.proof { (item_forms(l, &url, item, secret)) }
                }
            }
        }
        @if page.has_more { p.soft { (l.t(key::MORE_NOT_SHOWN)) } }
        @if let Some(secret) = &page.proof { (collection_forms(l, &url, page, secret)) }
    };
    frame.page(&about.title, &body)
}
