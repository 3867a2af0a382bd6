//! Discussions and pull requests.

use karez_types::Timestamp;
use maud::{Markup, html};

use super::commits::{Change, CommitLine, change};
use super::form::{Notice, button, line, notice, proof};
use super::list::id;
use super::repo::{RepoHead, head};
use crate::address::{file_url, repo_url};
use crate::layout::Frame;
use crate::locale::{Locale, key};

/// A discussion as lists show it.
#[derive(Debug, Clone)]
pub struct DiscussionRow {
    /// Its number.
    pub number: u64,
    /// What it is about.
    pub title: String,
    /// Who began it.
    pub author: String,
    /// `draft`, `open`, `closed` or `merged`.
    pub status: &'static str,
    /// Whether it proposes a change.
    pub is_pull_request: bool,
    /// When it began.
    pub created: Timestamp,
}

/// A page of discussions.
#[derive(Debug, Clone)]
pub struct DiscussionsPage {
    /// The top.
    pub head: RepoHead,
    /// The discussions, the newest first.
    pub rows: Vec<DiscussionRow>,
    /// Number of the next page.
    pub next: Option<u64>,
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// What proves that the form came from here; unset: the reader cannot begin one.
    pub proof: Option<String>,
}

/// What a reader may do with a discussion.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// What proves that the forms came from here.
    pub proof: String,
    /// Rename it, close it, open it.
    pub may_change: bool,
    /// Merge it.
    pub may_merge: bool,
}

/// A comment, and what the reader may do with it.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Its number in the discussion.
    pub seq: u64,
    /// What it says, sanitised.
    pub text: Markup,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// Edit it.
    pub may_edit: bool,
    /// Hide it.
    pub may_hide: bool,
    /// What the editor holds, when the forms of this comment are open.
    pub opened: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Said {
    /// A comment.
    Comment(Comment),
    /// A comment that was hidden.
    Hidden,
    /// A new status.
    Status(&'static str),
    /// A new title.
    Title(String),
    /// A commit of a pull request.
    Commit(CommitLine),
}

/// The page of one discussion.
#[derive(Debug, Clone)]
pub struct DiscussionPage {
    /// The top.
    pub head: RepoHead,
    /// What it is.
    pub about: DiscussionRow,
    /// What happened: by whom, when, and what; the oldest first.
    pub events: Vec<(String, Timestamp, Said)>,
    /// Files that both sides changed.
    pub conflicts: Vec<String>,
    /// Of a pull request: the files that it changes.
    pub changes: Vec<Change>,
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// What the reader may do; unset: nothing but read.
    pub part: Option<Part>,
    /// Whether more happened than is shown.
    pub has_more: bool,
}

fn status(l: &Locale, word: &str) -> Markup {
    l.t(match word {
        "draft" => key::STATUS_DRAFT,
        "closed" => key::STATUS_CLOSED,
        "merged" => key::STATUS_MERGED,
        _ => key::STATUS_OPEN,
    })
}

fn facts(l: &Locale, row: &DiscussionRow) -> Markup {
    html! {
        div.soft {
            span.tag { (status(l, row.status)) } " "
            @if row.is_pull_request { (l.t(key::PULL_REQUEST)) " · " }
            (id(&row.author)) " · " (l.date(row.created))
        }
    }
}

/// Returns the field for what somebody says.
fn text(l: &Locale) -> Markup {
    html! { div { label for="text" { (l.t(key::COMMENT)) } textarea #text name="text" rows="6" maxlength="32768" dir="auto" {} } }
}

/// Returns what the reader can do: say something, and what goes with it.
fn forms(l: &Locale, url: &str, page: &DiscussionPage, part: &Part) -> Markup {
    let what = |what: &str| html! { (proof(&part.proof)) input type="hidden" name="do" value=(what); };
    let is_over = matches!(page.about.status, "closed" | "merged");
    html! {
        form method="post" action=(url) { (what("comment")) (text(l)) (button(l, key::SEND)) }
        @if part.may_merge && !is_over {
            form method="post" action=(url) { (what("merge")) (button(l, key::MERGE)) }
        }
        @if part.may_change && page.about.status != "merged" {
            form method="post" action=(url) {
                @if is_over { (what("open")) (button(l, key::OPEN_AGAIN)) } @else { (what("close")) (button(l, key::CLOSE)) }
            }
            form method="post" action=(url) {
                (what("title")) (line(l, "title", key::DISCUSSION_TITLE, &page.about.title, 200)) (button(l, key::SAVE))
            }
        }
    }
}

/// Returns a comment with the way to its forms, or with the forms. They are open for one comment at a time: what
/// somebody says is on the page once, and the other time only for who asked.
fn comment(l: &Locale, url: &str, author: &str, said: &Comment, part: Option<&Part>) -> Markup {
    let what = |part: &Part, what: &str| {
        html! {
            (proof(&part.proof))
            input type="hidden" name="do" value=(what);
            input type="hidden" name="comment" value=(said.seq);
        }
    };
    let way = if said.may_edit { key::EDIT } else { key::HIDE };
    html! {
        div.card dir="auto" { (said.text) }
        @if let Some(part) = part { @match &said.opened {
            None => @if said.may_edit || said.may_hide {
                p.doors { a href=(format!("{url}?comment={0}#comment-{0}", said.seq)) aria-label=(format!("{}: {author}", l.plain(way))) { (l.t(way)) } }
            },
            Some(text) => {
                @if said.may_edit {
                    form.tall method="post" action=(url) {
                        (what(part, "edit"))
                        div {
                            label for="edited" { (l.t(key::COMMENT)) }
                            textarea #edited name="text" rows="6" maxlength="32768" dir="auto" { "\n" (text) }
                        }
                        (button(l, key::SAVE))
                    }
                }
                @if said.may_hide {
                    form method="post" action=(url) { (what(part, "hide")) p { (l.t(key::HIDE_HOW)) } (button(l, key::HIDE)) }
                }
            },
        } }
    }
}

/// Renders a list of discussions.
pub fn discussions(frame: &Frame, page: &DiscussionsPage) -> String {
    let l = frame.locale;
    let url = repo_url(&page.head.address);
    let body = html! {
        (head(l, &page.head, Some(key::TAB_DISCUSSIONS)))
        @if page.rows.is_empty() { p { (l.t(key::NO_DISCUSSIONS)) } }
        ul.plain {
            @for row in &page.rows {
                li {
                    a href=(format!("{url}/discussions/{}", row.number)) { bdi { (crate::shown(&row.title)) } } " #" (l.number(row.number))
                    (facts(l, row))
                }
            }
        }
        @if let Some(next) = page.next { p { a rel="next" href=(frame.here_with("p", &next.to_string())) { (l.t(key::NEXT_PAGE)) } } }
        (notice(l, page.notice.as_ref()))
        @match &page.proof {
            Some(secret) => {
                h2 { (l.t(key::BEGIN_DISCUSSION)) }
                form method="post" action=(format!("{url}/discussions")) {
                    (proof(secret)) (line(l, "title", key::DISCUSSION_TITLE, "", 200)) (text(l)) (button(l, key::SEND))
                }
            }
            None => @if frame.user.is_none() { p.soft { a href="/-/sign-in" { (l.t(key::SIGN_IN_TO_TALK)) } } },
        }
    };
    frame.page(&format!("{} · {}", page.head.address.id(), l.plain(key::TAB_DISCUSSIONS)), &body)
}

/// Renders a discussion.
pub fn discussion(frame: &Frame, page: &DiscussionPage) -> String {
    let l = frame.locale;
    let address = &page.head.address;
    let revision = format!("refs/pr/{}", page.about.number);
    let url = format!("{}/discussions/{}", repo_url(address), page.about.number);
    let body = html! {
        (head(l, &page.head, Some(key::TAB_DISCUSSIONS)))
        h2 { bdi { (crate::shown(&page.about.title)) } " #" (l.number(page.about.number)) }
        (facts(l, &page.about))
        @if page.about.is_pull_request {
            p { a href=(file_url(address, "tree", &revision, "")) { (l.t(key::ALL_FILES)) } }
        }
        @if !page.conflicts.is_empty() {
            div.warn { (l.t(key::CONFLICTS)) " " @for (n, path) in page.conflicts.iter().enumerate() { @if n > 0 { ", " } (id(path)) } }
        }
        @for (author, at, said) in &page.events {
            @let of_comment = if let Said::Comment(said) = said { Some(said) } else { None };
            div.soft id=[of_comment.map(|said| format!("comment-{}", said.seq))] {
                (id(author)) " · " (l.date(*at))
                @if let Some(edited) = of_comment.and_then(|said| said.edited) { " · " (l.fill(key::EDITED_ON, &[("date", l.date(edited))])) }
            }
            @match said {
                Said::Comment(said) => (comment(l, &url, author, said, page.part.as_ref())),
                Said::Hidden => p.soft { (l.t(key::COMMENT_HIDDEN)) },
                Said::Status(word) => p { span.tag { (status(l, word)) } },
                Said::Title(title) => p { (l.t(key::RENAMED_TO)) " " bdi { (crate::shown(title)) } },
                Said::Commit(commit) => (super::commits::line(l, address, commit)),
            }
        }
        @if page.has_more { p.soft { (l.t(key::MORE_NOT_SHOWN)) } }
        @if !page.changes.is_empty() {
            h3 { (l.count(key::CHANGES, page.changes.len() as u64)) }
            ul.plain { @for one in &page.changes { (change(l, address, &revision, one)) } }
        }
        (notice(l, page.notice.as_ref()))
        @match &page.part {
            Some(part) => (forms(l, &url, page, part)),
            None => @if frame.user.is_none() { p.soft { a href="/-/sign-in" { (l.t(key::SIGN_IN_TO_TALK)) } } },
        }
    };
    frame.page(&format!("{} · {}", page.about.title, address.id()), &body)
}
