//! One person, as administrators see them.

use karez_types::{OwnerName, Timestamp};
use maud::html;

use super::form::{Notice, button, notice, proof};
use super::list::id;
use crate::layout::Frame;
use crate::locale::key;

/// The page on which a person is administered.
#[derive(Debug, Clone)]
pub struct PersonPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// Who.
    pub name: OwnerName,
    /// Whether they administer the node.
    pub is_admin: bool,
    /// When they were blocked.
    pub blocked: Option<Timestamp>,
    /// Browsers that are signed in.
    pub sessions: u64,
    /// Access tokens.
    pub tokens: u64,
    /// Whether it is the reader.
    pub is_oneself: bool,
    /// What proves that the forms came from here.
    pub proof: String,
}

/// Renders the page on which a person is administered.
pub fn person(frame: &Frame, page: &PersonPage) -> String {
    let l = frame.locale;
    let url = format!("/-/admin/people/{}", page.name);
    let what = |what: &str| html! { (proof(&page.proof)) input type="hidden" name="do" value=(what); };
    let body = html! {
        p.crumbs { a href="/-/admin" { (l.t(key::ADMINISTRATION)) } }
        h1 {
            a href=(format!("/{}", page.name)) { (id(page.name.as_str())) }
            @if page.is_admin { " " span.tag { (l.t(key::ADMINISTRATOR)) } }
            @if page.blocked.is_some() { " " span.tag { (l.t(key::BLOCKED)) } }
        }
        (notice(l, page.notice.as_ref()))
        @if let Some(at) = page.blocked { p.warn { (l.fill(key::BLOCKED_ON, &[("date", l.date(at))])) } }
        p { (l.count(key::SESSIONS_COUNT, page.sessions)) " " (l.count(key::TOKENS_COUNT, page.tokens)) }
        @if page.sessions + page.tokens > 0 {
            form method="post" action=(url) { (what("sign-out")) (button(l, key::SIGN_INS_END)) }
        }
        h2 { (l.t(key::ADMINISTRATOR)) }
        p.soft { (l.t(key::ADMINISTRATOR_HOW)) }
        form method="post" action=(url) {
            @if page.is_admin { (what("unmake")) (button(l, key::ADMIN_UNMAKE)) } @else { (what("make")) (button(l, key::ADMIN_MAKE)) }
        }
        @if !page.is_oneself {
            h2 { (l.t(key::BLOCK)) }
            p.soft { (l.t(key::BLOCK_HOW)) }
            form method="post" action=(url) {
                @if page.blocked.is_some() { (what("unblock")) (button(l, key::UNBLOCK)) } @else { (what("block")) (button(l, key::BLOCK)) }
            }
        }
    };
    frame.page(page.name.as_str(), &body)
}
