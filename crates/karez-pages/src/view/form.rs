//! Parts that forms share: the proof, labelled fields, and what went wrong.

use karez_types::{OwnerName, RepoAddress};
use maud::{Markup, html};

use crate::layout::Frame;
use crate::locale::{Key, Locale, key};

/// Why a form is shown again, or what came of it.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A text of the languages: trouble.
    Trouble(Key),
    /// The same, with amounts in its places.
    Amounts(Key, Vec<(&'static str, Amount)>),
    /// The node's own words, in English.
    Words(String),
    /// A text of the languages: trouble; and the node's own words, which say more, in English.
    Told(Key, String),
    /// A text of the languages: it was done.
    Done(Key),
}

/// An amount in a text.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// So many bytes.
    Bytes(u64),
}

impl Amount {
    fn shown(self, l: &Locale) -> Markup {
        match self {
            Amount::Count(n) => html! { (l.number(n)) },
            Amount::Bytes(bytes) => l.bytes(bytes),
        }
    }
}

/// Returns what is said above a form.
pub(crate) fn notice(l: &Locale, notice: Option<&Notice>) -> Markup {
    html! {
        @match notice {
            None => {},
            Some(Notice::Trouble(text)) => p.warn role="alert" { (l.t(*text)) },
            Some(Notice::Amounts(text, amounts)) => {
                @let places: Vec<_> = amounts.iter().map(|(place, amount)| (*place, amount.shown(l))).collect();
                p.warn role="alert" { (l.fill(*text, &places)) }
            },
            Some(Notice::Words(words)) => p.warn role="alert" lang="en" dir="ltr" { (crate::shown(words)) },
            Some(Notice::Told(text, words)) => div.warn role="alert" { (told(l, *text, words)) },
            Some(Notice::Done(text)) => p.done role="status" { (l.t(*text)) },
        }
    }
}

/// Returns what is told in the reader's language, with the node's own words beside it. Who reads English gets these alone:
/// they say the same and more.
pub(crate) fn told(l: &Locale, text: Key, words: &str) -> Markup {
    let is_english = l.code == Locale::english().code;
    html! {
        @if !is_english { (l.t(text)) " " }
        span.soft[!is_english] lang="en" dir="ltr" { (crate::shown(words)) }
    }
}

/// Returns the proof that a form carries. It comes first: what follows is not read before it was checked.
pub(crate) fn proof(proof: &str) -> Markup {
    html! { input type="hidden" name="proof" value=(proof); }
}

/// Returns a field for one line of text.
pub(crate) fn line(l: &Locale, name: &str, label: Key, value: &str, bytes_max: usize) -> Markup {
    html! {
        div {
            label for=(name) { (l.t(label)) }
            input id=(name) type="text" name=(name) value=(value) maxlength=(bytes_max) dir="auto" autocomplete="off" spellcheck="false";
        }
    }
}

/// Returns a field for a password. `auto` tells password managers what it is.
pub(crate) fn password(l: &Locale, name: &str, label: Key, auto: &str) -> Markup {
    html! {
        div {
            label for=(name) { (l.t(label)) }
            input id=(name) type="password" name=(name) required autocomplete=(auto) maxlength="256" dir="ltr";
        }
    }
}

/// Returns the choice of an owner.
pub(crate) fn owners(l: &Locale, owners: &[OwnerName], chosen: &str) -> Markup {
    html! {
        div {
            label for="owner" { (l.t(key::OWNER)) }
            select #owner name="owner" {
                @for owner in owners { option value=(owner) selected[owner.as_str() == chosen] { (owner) } }
            }
        }
    }
}

/// Returns the choice of who may see something.
pub(crate) fn visibility(l: &Locale, is_private: bool) -> Markup {
    html! {
        div {
            label for="visibility" { (l.t(key::VISIBILITY)) }
            select #visibility name="visibility" {
                option value="public" selected[!is_private] { (l.plain(key::VISIBLE_ALL)) }
                option value="private" selected[is_private] { (l.plain(key::VISIBLE_MEMBERS)) }
            }
        }
    }
}

/// Returns a button.
pub(crate) fn button(l: &Locale, text: Key) -> Markup {
    html! { button type="submit" { (l.t(text)) } }
}

/// What the reader may do with a repository.
#[derive(Debug, Clone, Copy, Default)]
pub struct Doors {
    /// Upload and edit.
    pub write: bool,
    /// Change settings, move, delete.
    pub admin: bool,
    /// Upload and edit by pull requests.
    pub propose: bool,
}

/// Returns the links to what the reader may do.
pub(crate) fn doors(l: &Locale, address: &RepoAddress, doors: Doors) -> Markup {
    let url = crate::repo_url(address);
    html! {
        @if doors.write || doors.propose {
            p.doors {
                @if doors.propose { (l.t(key::PROPOSE)) ": " }
                a href=(format!("{url}/upload/main")) { (l.t(key::UPLOAD)) } " · "
                a href=(format!("{url}/edit/main/README.md")) { (l.t(key::EDIT_CARD)) }
                @if doors.admin { " · " a href=(format!("{url}/settings")) { (l.t(key::SETTINGS)) } }
            }
        }
    }
}

/// The page that says why a form was not taken.
pub fn stale(frame: &Frame, back: &str) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::FORM_REFUSED)) }
        p.warn role="alert" { (l.t(key::FORM_STALE)) }
        p { a href=(back) { (l.t(key::BACK)) } }
    };
    frame.page(l.plain(key::FORM_REFUSED), &body)
}

/// A form that came too late, or for another session: what was typed, to be sent again.
#[derive(Debug, Clone)]
pub struct AgainPage {
    /// Where it goes: a path of this node.
    pub action: String,
    /// Its fields.
    pub fields: Vec<(String, String)>,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Fields that people write in, with what they are called. Others were chosen, and go as they are.
const WRITTEN: [(&str, Key); 4] =
    [("text", key::TEXT), ("title", key::TITLE), ("message", key::MESSAGE), ("about", key::ABOUT)];

/// Renders a form that came too late, with what was typed.
pub fn again(frame: &Frame, page: &AgainPage) -> String {
    let l = frame.locale;
    let label = |name: &str| WRITTEN.iter().find(|(written, _)| *written == name).map(|(_, label)| *label);
    let body = html! {
        h1 { (l.t(key::SEND_AGAIN)) }
        p.warn role="alert" { (l.t(key::FORM_OLD)) }
        @if frame.user.is_none() {
            p { (l.t(key::SIGN_IN_FIRST)) " " a href="/-/sign-in" target="_blank" { (l.t(key::SIGN_IN)) } }
        }
        form.tall method="post" action=(page.action) {
            (proof(&page.proof))
            @for (name, value) in &page.fields {
                @match label(name) {
                    Some(text) => div {
                        label for=(name) { (l.t(text)) }
                        @if name == "text" || name == "about" {
                            textarea id=(name) name=(name) rows="16" dir="auto" { "\n" (value) }
                        } @else {
                            input id=(name) type="text" name=(name) value=(value) dir="auto" autocomplete="off";
                        }
                    },
                    None => input type="hidden" name=(name) value=(value);,
                }
            }
            (button(l, key::SEND_AGAIN))
        }
    };
    frame.page(l.plain(key::SEND_AGAIN), &body)
}
