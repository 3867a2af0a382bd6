//! One's own account: tokens, password, browsers, organisations.

use karez_types::{OwnerName, Timestamp};
use maud::html;

use super::form::{Notice, button, line, notice, password, proof};
use super::list::id;
use super::room::{Room, room};
use crate::layout::Frame;
use crate::locale::key;

/// A token, as its owner sees it.
#[derive(Debug, Clone)]
pub struct TokenLine {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it may write.
    pub may_write: bool,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// The page of one's own account.
#[derive(Debug, Clone)]
pub struct AccountPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// Who is signed in.
    pub user: String,
    /// Whether the session may change anything.
    pub may_write: bool,
    /// Whether only a token says who it is: then no token is made, and no first password.
    pub is_by_token: bool,
    /// Whether there is a password.
    pub has_password: bool,
    /// A token that was just made: shown once.
    pub new_token: Option<String>,
    /// All tokens.
    pub tokens: Vec<TokenLine>,
    /// What the person owns and may own.
    pub room: Room,
    /// Browsers that are signed in.
    pub sessions: u64,
    /// Organisations, with what each owns and may own.
    pub orgs: Vec<(OwnerName, Room)>,
    /// Whether the person administers the node.
    pub is_admin: bool,
    /// What proves that the forms came from here.
    pub proof: String,
}

/// Renders the page of one's own account.
pub fn account(frame: &Frame, page: &AccountPage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::ACCOUNT)) }
        (notice(l, page.notice.as_ref()))
        p { (l.fill(key::SIGNED_IN_AS, &[("user", html! { a href=(format!("/{}", page.user)) { (id(&page.user)) } })])) }
        @if let Some(token) = &page.new_token {
            p.done role="status" { (l.t(key::TOKEN_NEW)) }
            pre dir="ltr" { code { (token) } }
        }
        @if page.may_write {
            ul.tags {
                li { a href="/-/publish" { (l.t(key::PUBLISH_TABLE)) } }
                li { a href="/-/new" { (l.t(key::NEW_REPO)) } }
                @if page.is_admin { li { a href="/-/admin" { (l.t(key::ADMINISTRATION)) } } }
            }
        }
        h2 { (l.t(key::ROOM)) }
        p { (room(l, page.room)) }
        @if !page.orgs.is_empty() {
            h2 { (l.t(key::ORGANIZATIONS)) }
            ul.plain { @for (org, its) in &page.orgs { li { a href=(format!("/-/org/{org}")) { (id(org.as_str())) } " · " (room(l, *its)) } } }
        }
        @if page.may_write {
            h2 { (l.t(key::TOKENS)) }
            p { (l.t(key::TOKENS_HOW)) }
            @if !page.tokens.is_empty() {
                ul.plain { @for token in &page.tokens {
                    li {
                        bdi { (crate::shown(&token.name)) } " · " (l.t(if token.may_write { key::MAY_WRITE } else { key::MAY_READ }))
                        @if let Some(expires) = token.expires { " · " (l.fill(key::ENDS_ON, &[("date", l.date(expires))])) }
                        form method="post" action="/-/account/revoke" {
                            (proof(&page.proof))
                            input type="hidden" name="id" value=(token.id);
                            button type="submit" aria-label=(format!("{}: {}", l.plain(key::REVOKE), token.name)) { (l.t(key::REVOKE)) }
                        }
                    }
                } }
            }
            @if page.is_by_token { p { (l.t(key::TOKEN_SESSION)) } } @else { form method="post" action="/-/account/token" {
                (proof(&page.proof))
                (line(l, "token_name", key::NAME, "", 100))
                div {
                    label for="role" { (l.t(key::MAY)) }
                    select #role name="role" {
                        option value="read" { (l.plain(key::MAY_READ)) }
                        option value="write" { (l.plain(key::MAY_WRITE)) }
                    }
                }
                div {
                    label for="days" { (l.t(key::DAYS)) }
                    input #days type="number" name="days" value="90" min="1" max="3650" required;
                }
                (button(l, key::MAKE_TOKEN))
            } }
            @if page.has_password || !page.is_by_token {
            h2 { (l.t(key::PASSWORD)) }
            p { (l.t(key::PASSWORD_HOW)) }
            form method="post" action="/-/account/password" {
                (proof(&page.proof))
                input type="hidden" name="username" value=(page.user) autocomplete="username";
                @if page.has_password { (password(l, "old", key::PASSWORD_OLD, "current-password")) }
                (password(l, "password", key::PASSWORD_NEW, "new-password"))
                (password(l, "again", key::PASSWORD_AGAIN, "new-password"))
                (button(l, key::SAVE))
            }
            }
        }
        h2 { (l.t(key::BROWSERS)) }
        p { (l.count(key::BROWSERS_COUNT, page.sessions)) }
        form method="post" action="/-/account/others" { (proof(&page.proof)) (button(l, key::SIGN_OUT_OTHERS)) }
        form method="post" action="/-/sign-out" { (proof(&page.proof)) (button(l, key::SIGN_OUT)) }
    };
    frame.page(l.plain(key::ACCOUNT), &body)
}
