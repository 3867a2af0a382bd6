//! One file: its text with numbered lines, its card if it is Markdown, or what is known of it.

use maud::{Markup, html};

use super::list::id;
use super::repo::{CardView, RepoHead, crumbs, head};
use super::weights::{Weights, weights};
use crate::address::file_url;
use crate::layout::Frame;
use crate::locale::key;
use crate::notebook::{NotebookCell, notebook};

/// What a file shows of itself.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// Text, or the start of it.
    Text {
        /// The text.
        text: String,
        /// Whether there is more.
        is_cut: bool,
    },
    /// Markdown, rendered.
    Card(CardView),
    /// A picture that browsers draw.
    Picture,
    /// Bytes that are no text.
    Bytes,
    /// What a file of weights says of itself.
    Weights(Weights),
    /// A file of weights whose header is none.
    Unreadable,
    /// A notebook.
    Notebook {
        /// Its cells.
        cells: Vec<NotebookCell>,
        /// Whether there is more.
        is_cut: bool,
    },
    /// A large file; its bytes are not looked at.
    Large,
}

/// The page of a file.
#[derive(Debug, Clone)]
pub struct FilePage {
    /// The top.
    pub head: RepoHead,
    /// Its path.
    pub path: String,
    /// Its length.
    pub file_bytes: u64,
    /// SHA-256 of a large file.
    pub sha256: Option<String>,
    /// Whether its bytes are on this node.
    pub is_here: bool,
    /// What it shows of itself.
    pub content: FileContent,
    /// Where the text goes on, in bytes from its beginning.
    pub next: Option<u64>,
}

fn content(frame: &Frame, page: &FilePage) -> Markup {
    let l = frame.locale;
    let raw = file_url(&page.head.address, "resolve", &page.head.revision, &page.path);
    match &page.content {
        FileContent::Text { text, is_cut } => html! {
            pre.lines dir="ltr" { code { @for line in text.lines() { span { (crate::shown(line)) "\n" } } } }
            @if *is_cut { p.soft { (l.t(key::TEXT_CUT)) } }
        },
        FileContent::Card(card) => html! {
            p { a href=(frame.here_with("plain", "1")) { (l.t(key::SOURCE)) } }
            div.card dir="auto" lang=[card.language.as_deref()] { (card.html) }
            @if let Some(next) = page.next {
                p { a rel="next" href=(frame.here_with("from", &next.to_string())) { (l.t(key::NEXT_PAGE)) } }
            }
        },
        FileContent::Picture => html! { p.card { img src=(raw) alt=(page.path); } },
        FileContent::Bytes => html! { p { (l.t(key::NOT_TEXT)) } },
        FileContent::Weights(found) => html! {
            // An index is text, and people may want to read it.
            @if page.path.ends_with(".json") { p { a href=(frame.here_with("plain", "1")) { (l.t(key::SOURCE)) } } }
            (weights(l, found))
        },
        FileContent::Unreadable => html! { p.warn { (l.t(key::WEIGHTS_UNREADABLE)) } },
        FileContent::Notebook { cells, is_cut } => html! {
            p { a href=(frame.here_with("plain", "1")) { (l.t(key::SOURCE)) } }
            (notebook(l, cells))
            @if *is_cut { p.soft { (l.t(key::TEXT_CUT)) } }
        },
        FileContent::Large => html! { p { (l.t(key::LARGE_FILE)) } },
    }
}

/// Renders the page of a file.
pub fn file(frame: &Frame, page: &FilePage) -> String {
    let l = frame.locale;
    let raw = file_url(&page.head.address, "resolve", &page.head.revision, &page.path);
    let name = page.path.rsplit('/').next().unwrap_or_default();
    let body = html! {
        (head(l, &page.head, Some(key::TAB_FILES)))
        (crumbs(&page.head, &page.path))
        h2 { (id(name)) }
        dl {
            dt { (l.t(key::SIZE)) } dd { (l.bytes(page.file_bytes)) @if !page.is_here { " · " (l.t(key::NOT_HERE)) } }
            @if let Some(sha256) = &page.sha256 { dt { "SHA-256" } dd { code dir="ltr" { (sha256) } } }
        }
        nav aria-label=(l.plain(key::NAV_FILE)) {
            a href=(format!("{raw}?download=true")) { (l.t(key::DOWNLOAD)) }
            @if page.sha256.is_none() { a href=(raw) { (l.t(key::RAW)) } }
        }
        (content(frame, page))
    };
    frame.page(&format!("{} · {}", crate::shown(&page.path), page.head.address.id()), &body)
}
