//! Files that are given on request: asking for them, and letting people in.

use karez_types::{OwnerName, RepoAddress};
use maud::{Markup, html};

use super::form::{button, line, proof};
use super::list::id;
use crate::address::repo_url;
use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

/// How the reader stands to files that are given on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessStanding {
    /// They may ask.
    MayAsk,
    /// They asked, and wait.
    Waits,
    /// They were not let in.
    Rejected,
}

/// Somebody who asked, or was let in.
#[derive(Debug, Clone)]
pub struct AccessLine {
    /// Who.
    pub user: OwnerName,
    /// `pending`, `accepted` or `rejected`.
    pub status: &'static str,
}

/// Returns what a reader is told who may not read the files, with the way to them.
pub(crate) fn ask(frame: &Frame, address: &RepoAddress, standing: AccessStanding, secret: Option<&str>) -> Markup {
    let (l, url) = (frame.locale, repo_url(address));
    html! {
        div.warn {
            (l.t(key::ACCESS_WHAT)) " "
            @match standing {
                AccessStanding::Waits => (l.t(key::ACCESS_WAITS)),
                AccessStanding::Rejected => (l.t(key::ACCESS_REJECTED)),
                AccessStanding::MayAsk => @match secret {
                    Some(secret) => form method="post" action=(format!("{url}/ask-access")) { (proof(secret)) (button(l, key::ACCESS_ASK)) },
                    None => @if frame.user.is_none() {
                        a href=(format!("/-/sign-in?next={}", crate::encode_part(&url))) { (l.t(key::SIGN_IN)) }
                    },
                },
            }
        }
    }
}

/// Returns who asked and who was let in, with what the owner can do about it.
pub(crate) fn people(l: &Locale, url: &str, lines: &[AccessLine], secret: &str) -> Markup {
    let lists = [
        (
            key::ACCESS_PENDING,
            "pending",
            [Some(("accepted", key::ACCESS_GIVE)), Some(("rejected", key::ACCESS_REFUSE))],
        ),
        (key::ACCESS_ACCEPTED, "accepted", [Some(("rejected", key::ACCESS_TAKE)), None]),
        (key::ACCESS_REFUSED, "rejected", [Some(("accepted", key::ACCESS_GIVE)), None]),
    ];
    let answer = |user: &OwnerName, status: &str, text: Key| {
        html! {
            form method="post" action=(url) {
                (proof(secret))
                input type="hidden" name="do" value="access";
                input type="hidden" name="user" value=(user);
                input type="hidden" name="status" value=(status);
                button type="submit" aria-label=(format!("{}: {user}", l.plain(text))) { (l.t(text)) }
            }
        }
    };
    html! {
        form method="post" action=(url) {
            (proof(secret))
            input type="hidden" name="do" value="grant";
            (line(l, "user", key::USER_NAME, "", 42))
            (button(l, key::ACCESS_GIVE))
        }
        @for (title, status, answers) in lists {
            @if lines.iter().any(|line| line.status == status) {
                h3 { (l.t(title)) }
                ul.plain { @for line in lines.iter().filter(|line| line.status == status) {
                    li {
                        a href=(format!("/{}", line.user)) { (id(line.user.as_str())) }
                        @for (status, text) in answers.iter().flatten() { (answer(&line.user, status, *text)) }
                    }
                } }
            }
        }
    }
}
