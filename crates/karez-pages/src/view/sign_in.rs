//! Signing in and out.

use maud::html;

use super::list::id;
use crate::layout::Frame;
use crate::locale::key;

/// How far somebody is.
#[derive(Debug, Clone)]
pub enum SignInState {
    /// Nobody is signed in.
    Out,
    /// The token was not one of this node.
    Refused,
    /// The form was too old, or not from here.
    Stale,
    /// Too many wrong tokens came from there.
    TooMany,
    /// Somebody is signed in, with a token of this name.
    In {
        /// The person.
        user: String,
        /// The token.
        token_name: String,
    },
}

/// The page for signing in and out.
#[derive(Debug, Clone)]
pub struct SignInPage {
    /// How far somebody is.
    pub state: SignInState,
    /// What proves that the form came from here.
    pub proof: String,
    /// The page to go back to: a path of this node.
    pub next: String,
}

/// Renders the page for signing in and out.
pub fn sign_in(frame: &Frame, page: &SignInPage) -> String {
    let l = frame.locale;
    let trouble = match page.state {
        SignInState::Refused => Some(key::TOKEN_REFUSED),
        SignInState::Stale => Some(key::FORM_STALE),
        SignInState::TooMany => Some(key::TOO_MANY_TRIES),
        SignInState::Out | SignInState::In { .. } => None,
    };
    let title = if matches!(page.state, SignInState::In { .. }) { key::ACCOUNT } else { key::SIGN_IN };
    let body = html! {
        h1 { (l.t(title)) }
        @if let Some(trouble) = trouble { p.warn role="alert" { (l.t(trouble)) } }
        @if let SignInState::In { user, token_name } = &page.state {
            p { (l.fill(key::SIGNED_IN_AS, &[("user", html! { a href=(format!("/{user}")) { (id(user)) } }), ("token", id(token_name))])) }
            form method="post" action="/-/sign-out" {
                input type="hidden" name="proof" value=(page.proof);
                button type="submit" { (l.t(key::SIGN_OUT)) }
            }
        } @else {
            p { (l.t(key::SIGN_IN_HOW)) }
            form method="post" action="/-/sign-in" {
                input type="hidden" name="proof" value=(page.proof);
                input type="hidden" name="next" value=(page.next);
                div {
                    label for="token" { (l.t(key::TOKEN)) }
                    input #token type="password" name="token" required autocomplete="current-password" maxlength="200" dir="ltr" spellcheck="false";
                }
                button type="submit" { (l.t(key::SIGN_IN)) }
            }
            p.soft { (l.fill(key::TOKEN_FROM, &[("command", html! { code dir="ltr" { "karez token create" } })])) }
        }
    };
    frame.page(l.plain(title), &body)
}
