//! Histories, and what one commit changed.

use karez_types::{RepoAddress, Timestamp};
use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use super::list::id;
use super::repo::{RepoHead, head};
use crate::address::file_url;
use crate::layout::Frame;
use crate::locale::{Locale, key};

/// A commit in a history.
#[derive(Debug, Clone)]
pub struct CommitLine {
    /// Its id.
    pub oid: String,
    /// Who made it.
    pub author: String,
    /// When.
    pub date: Timestamp,
    /// First line of its message.
    pub title: String,
}

/// A page of a history.
#[derive(Debug, Clone)]
pub struct CommitsPage {
    /// The top.
    pub head: RepoHead,
    /// The commits, newest first.
    pub commits: Vec<CommitLine>,
    /// Number of the next page.
    pub next: Option<u64>,
}

/// Returns a commit in one line.
pub(crate) fn line(l: &Locale, address: &RepoAddress, commit: &CommitLine) -> Markup {
    html! {
        div {
            a href=(file_url(address, "commit", &commit.oid, "")) {
                @if commit.title.trim().is_empty() { (l.t(key::NO_TITLE)) } @else { bdi { (crate::shown(&commit.title)) } }
            }
            div.soft {
                bdi { (crate::shown(&commit.author)) } " · " (l.date(commit.date)) " · "
                code dir="ltr" { (commit.oid.get(..9).unwrap_or(&commit.oid)) }
            }
        }
    }
}

/// Renders a page of a history.
pub fn commits(frame: &Frame, page: &CommitsPage) -> String {
    let l = frame.locale;
    let body = html! {
        (head(l, &page.head, Some(key::TAB_COMMITS)))
        ul.plain { @for commit in &page.commits { li { (line(l, &page.head.address, commit)) } } }
        @if let Some(next) = page.next { p { a rel="next" href=(frame.here_with("p", &next.to_string())) { (l.t(key::NEXT_PAGE)) } } }
    };
    frame.page(&format!("{} · {}", page.head.address.id(), l.plain(key::TAB_COMMITS)), &body)
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has other bytes.
    Changed,
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiffLine {
    /// Is in both.
    Same(String),
    /// Is only in the file before.
    Removed(String),
    /// Is only in the file after.
    Added(String),
    /// Lines that are the same were left out.
    Gap,
}

/// A file that a commit changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its path.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Its length before and after.
    pub bytes: (Option<u64>, Option<u64>),
    /// Its lines, when they are shown.
    pub lines: Option<Vec<DiffLine>>,
}

/// The page of a commit.
#[derive(Debug, Clone)]
pub struct CommitPage {
    /// The top.
    pub head: RepoHead,
    /// The commit.
    pub commit: CommitLine,
    /// The rest of its message.
    pub message: String,
    /// The commits that it follows.
    pub parents: Vec<String>,
    /// What it changed.
    pub changes: Vec<Change>,
    /// Where the list of changes goes on.
    pub next: Option<usize>,
}

/// Lines around a change that are shown too.
const CONTEXT_LINES: usize = 3;
/// Most lines of a file that are compared: the time for it grows with their product.
const LINES_MAX: usize = 2_000;

/// Compares two texts; `None` when they have too many lines. The lines hold at most `bytes_max` bytes, the
/// rest is cut.
pub fn diff_lines(before: &str, after: &str, bytes_max: usize) -> Option<Vec<DiffLine>> {
    if before.lines().count() > LINES_MAX || after.lines().count() > LINES_MAX {
        return None;
    }
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    let mut shown_bytes = 0;
    for (number, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if number > 0 {
            lines.push(DiffLine::Gap);
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches(['\n', '\r']);
            shown_bytes += text.len();
            if shown_bytes > bytes_max {
                lines.push(DiffLine::Gap);
                return Some(lines);
            }
            lines.push(match change.tag() {
                ChangeTag::Equal => DiffLine::Same(text.to_owned()),
                ChangeTag::Delete => DiffLine::Removed(text.to_owned()),
                ChangeTag::Insert => DiffLine::Added(text.to_owned()),
            });
        }
    }
    Some(lines)
}

/// Returns lines that differ.
pub(crate) fn diff(lines: &[DiffLine]) -> Markup {
    html! {
        pre.diff dir="ltr" {
            @for line in lines {
                @match line {
                    DiffLine::Same(text) => samp { (crate::shown(text)) },
                    DiffLine::Removed(text) => del { (crate::shown(text)) },
                    DiffLine::Added(text) => ins { (crate::shown(text)) },
                    DiffLine::Gap => samp { "…" },
                }
            }
        }
    }
}

/// Returns a changed file with its lines; `revision` has the file as it is after.
pub(crate) fn change(l: &Locale, address: &RepoAddress, revision: &str, change: &Change) -> Markup {
    let what = match change.kind {
        ChangeKind::Added => key::ADDED,
        ChangeKind::Removed => key::REMOVED,
        ChangeKind::Changed => key::CHANGED,
    };
    html! {
        li {
            span.tag { (l.t(what)) } " "
            @if change.kind == ChangeKind::Removed { (id(&change.path)) }
            @else { a href=(file_url(address, "blob", revision, &change.path)) { (id(&change.path)) } }
            " " span.soft {
                @if let Some(bytes) = change.bytes.0 { (l.bytes(bytes)) }
                @if let (Some(_), Some(_)) = change.bytes { " → " }
                @if let Some(bytes) = change.bytes.1 { (l.bytes(bytes)) }
            }
            @if let Some(lines) = &change.lines {
                (diff(lines))
            }
        }
    }
}

/// Renders the page of a commit.
pub fn commit(frame: &Frame, page: &CommitPage) -> String {
    let l = frame.locale;
    let address = &page.head.address;
    let body = html! {
        (head(l, &page.head, None))
        h2 { @if page.commit.title.trim().is_empty() { (l.t(key::NO_TITLE)) } @else { bdi { (crate::shown(&page.commit.title)) } } }
        @if !page.message.is_empty() { pre dir="auto" { (page.message) } }
        dl {
            dt { (l.t(key::AUTHOR)) } dd { bdi { (crate::shown(&page.commit.author)) } }
            dt { (l.t(key::DATE)) } dd { (l.date(page.commit.date)) }
            dt { (l.t(key::COMMIT)) } dd { code dir="ltr" { (page.commit.oid) } }
            @if !page.parents.is_empty() {
                dt { (l.t(key::PARENTS)) }
                dd { @for parent in &page.parents {
                    a href=(file_url(address, "commit", parent, "")) { code dir="ltr" { (parent.get(..9).unwrap_or(parent)) } } " "
                } }
            }
        }
        p { a href=(file_url(address, "tree", &page.commit.oid, "")) { (l.t(key::FILES_THEN)) } }
        h2 { (l.count(key::CHANGES, page.changes.len() as u64)) }
        ul.plain { @for one in &page.changes { (change(l, address, &page.commit.oid, one)) } }
        @if let Some(next) = page.next { p { a rel="next" href=(frame.here_with("from", &next.to_string())) { (l.t(key::NEXT_PAGE)) } } }
    };
    let short = page.commit.oid.get(..9).unwrap_or(&page.commit.oid);
    frame.page(&format!("{} · {short}", address.id()), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_changed_and_little_around_it() {
        let before: String = (0..30).map(|n| format!("{n}\n")).collect();
        let after = before.replace("15\n", "fifteen\n");
        let lines = diff_lines(&before, &after, 10_000).unwrap();
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(lines.contains(&DiffLine::Removed("15".into())) && lines.contains(&DiffLine::Added("fifteen".into())));
    }

    #[test]
    fn a_diff_is_bounded() {
        let after: String = (0..1_000).map(|n| format!("{n}\n")).collect();
        let lines = diff_lines("", &after, 100).unwrap();
        assert!(lines.len() < 100 && lines.last() == Some(&DiffLine::Gap), "{}", lines.len());
        assert!(diff_lines("", &"\n".repeat(LINES_MAX + 1), 100).is_none());
    }
}
