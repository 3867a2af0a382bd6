//! Signing in and out, and choosing a password by invitation.

use maud::html;

use super::form::{Notice, button, line, notice, password, proof};
use super::list::id;
use crate::layout::Frame;
use crate::locale::key;

/// The page for signing in and out.
#[derive(Debug, Clone)]
pub struct SignInPage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// Who is signed in.
    pub user: Option<String>,
    /// The name that was typed.
    pub name: String,
    /// What people call the provider that the operator chose.
    pub provider: Option<String>,
    /// What proves that the form came from here.
    pub proof: String,
    /// The page to go back to: a path of this node.
    pub next: String,
    /// Where to reach who runs the node; empty when they do not say.
    pub contact: String,
}

/// Renders the page for signing in and out.
pub fn sign_in(frame: &Frame, page: &SignInPage) -> String {
    let l = frame.locale;
    let title = if page.user.is_some() { key::ACCOUNT } else { key::SIGN_IN };
    let next = html! { input type="hidden" name="next" value=(page.next); };
    let body = html! {
        h1 { (l.t(title)) }
        (notice(l, page.notice.as_ref()))
        @if let Some(user) = &page.user {
            p { (l.fill(key::SIGNED_IN_AS, &[("user", html! { a href="/-/account" { (id(user)) } })])) }
            form method="post" action="/-/sign-out" { (proof(&page.proof)) (button(l, key::SIGN_OUT)) }
        } @else {
            p { (l.t(key::SIGN_IN_HOW)) }
            p {
                (l.t(key::NO_ACCOUNT))
                @if !page.contact.is_empty() { " " (super::node::contact(&page.contact)) }
                @else { " " a href="/-/node" { (l.t(key::NODE_WHO)) } }
            }
            @if let Some(provider) = &page.provider {
                p { a.button href=(format!("/-/provider?next={}", crate::encode_part(&page.next))) { (l.fill(key::WITH_PROVIDER, &[("provider", html! { bdi { (crate::shown(provider)) } })])) } }
            }
            form method="post" action="/-/sign-in" {
                (proof(&page.proof)) (next)
                div {
                    label for="name" { (l.t(key::USER_NAME)) }
                    input #name type="text" name="name" value=(page.name) required autocomplete="username" maxlength="96" dir="ltr" spellcheck="false" autocapitalize="none";
                }
                (password(l, "password", key::PASSWORD, "current-password"))
                (button(l, key::SIGN_IN))
            }
            h2 { (l.t(key::WITH_TOKEN)) }
            form method="post" action="/-/sign-in" {
                (proof(&page.proof)) (next)
                div {
                    label for="token" { (l.t(key::TOKEN)) }
                    input #token type="password" name="token" required autocomplete="off" maxlength="200" dir="ltr" spellcheck="false";
                }
                (button(l, key::SIGN_IN))
            }
            p.soft { (l.fill(key::TOKEN_FROM, &[("command", html! { code dir="ltr" { "karez token create" } })])) }
        }
    };
    frame.page(l.plain(title), &body)
}

/// The page where somebody chooses a password.
#[derive(Debug, Clone)]
pub struct InvitedPage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// Who is invited.
    pub user: String,
    /// The code of the invitation.
    pub code: String,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Renders the page where somebody chooses a password.
pub fn invited(frame: &Frame, page: &InvitedPage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::CHOOSE_PASSWORD)) }
        (notice(l, page.notice.as_ref()))
        p { (l.fill(key::INVITED_AS, &[("user", id(&page.user))])) " " (l.t(key::PASSWORD_HOW)) }
        form method="post" action="/-/invited" {
            (proof(&page.proof))
            input type="hidden" name="code" value=(page.code);
            input type="hidden" name="username" value=(page.user) autocomplete="username";
            (password(l, "password", key::PASSWORD, "new-password"))
            (password(l, "again", key::PASSWORD_AGAIN, "new-password"))
            (button(l, key::SAVE))
        }
    };
    frame.page(l.plain(key::CHOOSE_PASSWORD), &body)
}

/// The page that asks for one line more: the name of somebody whom a provider knows and the node does not.
#[derive(Debug, Clone)]
pub struct NamePage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// The name that the provider gives.
    pub name: String,
    /// What the provider said, sealed.
    pub sealed: String,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Renders the page where a newcomer chooses a name.
pub fn newcomer(frame: &Frame, page: &NamePage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::CHOOSE_NAME)) }
        (notice(l, page.notice.as_ref()))
        p { (l.t(key::CHOOSE_NAME_HOW)) }
        form method="post" action="/-/provider/name" {
            (proof(&page.proof))
            input type="hidden" name="sealed" value=(page.sealed);
            (line(l, "name", key::USER_NAME, &page.name, 42))
            (button(l, key::SAVE))
        }
    };
    frame.page(l.plain(key::CHOOSE_NAME), &body)
}
