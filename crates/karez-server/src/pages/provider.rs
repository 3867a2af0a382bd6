//! Signing in through an OpenID provider.
//!
//! What the browser must bring back is sealed in a cookie for ten minutes, so a code that somebody else obtained
//! signs nobody in. An account is found by what the provider calls the person, never by a name or a mail address,
//! which the person chose there.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use karez_federation::provider::{Provider, ProviderError, ProviderIdentity, Question};
use karez_hub::{HubError, SignInWay};
use karez_pages::{Key, NamePage, Notice, key, newcomer_page};
use karez_types::OwnerName;

use super::answer::{form_page, go_to};
use super::asked::{Asked, cookie};
use super::form::{Form, notice_of};
use super::session::{form_proof, open, seal, secure};
use super::sign_in::{safe_next, shown, signed_in};
use crate::AppState;
use crate::error::{ApiError, ApiResult, header_text};

/// The cookie that keeps a question.
const QUESTION_COOKIE: &str = "karez_provider";
/// For how long somebody may take at the provider, in seconds.
const QUESTION_SECS: i64 = 600;
/// What a newcomer's identity is sealed for.
const NEWCOMER: &str = "karez newcomer";

fn provider(state: &AppState) -> ApiResult<&Provider> {
    let none = || ApiError(HubError::Missing("this node has no provider for signing in".to_owned()));
    state.provider.as_deref().ok_or_else(none)
}

fn back(asked: &Asked) -> String {
    format!("{}/-/provider/back", asked.base)
}

fn question_cookie(base: &str, value: &str, secs: i64) -> String {
    format!("{QUESTION_COOKIE}={value}; Path=/-/provider; Max-Age={secs}; HttpOnly; SameSite=Lax{}", secure(base))
}

/// Shows the page for signing in again, and why. What exactly went wrong is in the log.
fn failed(state: &AppState, asked: &Asked, why: Key, status: StatusCode) -> Response {
    let mut response = shown(state, asked, Some(Notice::Trouble(why)), "/", "");
    *response.status_mut() = status;
    response.headers_mut().append(header::SET_COOKIE, header_text(&question_cookie(&asked.base, "", 0)));
    response
}

/// Sends a browser to the provider.
pub(super) async fn start(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    let provider = provider(&state)?;
    let draw = || state.hub.mark_draw();
    let next = safe_next(asked.value("next")).to_owned();
    // 43 characters at least (RFC 7636).
    let question = Question { state: draw(), nonce: draw(), verifier: format!("{}{}", draw(), draw()), next };
    match provider.ask(&question, &back(&asked), state.hub.clock().now()).await {
        Ok(url) => {
            let text = serde_json::to_string(&question).unwrap_or_default();
            let sealed = seal(&state, QUESTION_COOKIE, QUESTION_SECS, &text);
            let mut response = go_to(url.as_str());
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            let cookie = question_cookie(&asked.base, &sealed, QUESTION_SECS);
            headers.append(header::SET_COOKIE, header_text(&cookie));
            Ok(response)
        }
        Err(error) => {
            tracing::warn!(%error, "a browser could not be sent to the provider");
            Ok(failed(&state, &asked, key::PROVIDER_FAILED, StatusCode::BAD_GATEWAY))
        }
    }
}

/// Takes a browser back from the provider.
pub(super) async fn come_back(State(state): State<AppState>, mut asked: Asked) -> ApiResult<Response> {
    // The address answers once.
    asked.frame.has_languages = false;
    let provider = provider(&state)?;
    let refused = |status| Ok(failed(&state, &asked, key::PROVIDER_FAILED, status));
    let sealed = cookie(&asked.headers, QUESTION_COOKIE).unwrap_or_default();
    let question = open(&state, QUESTION_COOKIE, sealed).and_then(|text| serde_json::from_str::<Question>(&text).ok());
    let Some(question) = question.filter(|question| question.state == asked.value("state")) else {
        return refused(StatusCode::BAD_REQUEST);
    };
    let issuer = Some(asked.value("iss")).filter(|issuer| !issuer.is_empty());
    let now = state.hub.clock().now();
    let identity = match provider.identity(&question, asked.value("code"), issuer, &back(&asked), now).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(%error, "somebody came back from the provider and was not let in");
            let is_theirs = matches!(error, ProviderError::Provider(_));
            return refused(if is_theirs { StatusCode::BAD_GATEWAY } else { StatusCode::BAD_REQUEST });
        }
    };
    let mut response = match state.hub.identity_find(&identity.issuer, &identity.subject).await? {
        Some(user) => {
            let secret = state.hub.session_begin_as(&user, SignInWay::Provider).await?;
            signed_in(&state, &asked, &secret, safe_next(&question.next)).await?
        }
        None if provider.takes_new_people() => {
            let text = serde_json::to_string(&identity).unwrap_or_default();
            newcomer_shown(&state, &asked, &seal(&state, NEWCOMER, QUESTION_SECS, &text), &name_of(&identity), None)
        }
        None => failed(&state, &asked, key::PROVIDER_UNKNOWN, StatusCode::FORBIDDEN),
    };
    // A question is answered once.
    response.headers_mut().append(header::SET_COOKIE, header_text(&question_cookie(&asked.base, "", 0)));
    Ok(response)
}

/// Returns a name that may be chosen, out of the one that the provider gives.
fn name_of(identity: &ProviderIdentity) -> String {
    let given = identity.preferred_username.as_deref().unwrap_or_default();
    let first = given.split('@').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { Some(c) } else { matches!(c, '-' | '.' | '_').then_some('-') };
    let name: String = first.chars().filter_map(plain).take(39).collect();
    name.trim_matches('-').parse::<OwnerName>().map_or(String::new(), |name| name.to_string())
}

fn newcomer_shown(state: &AppState, asked: &Asked, sealed: &str, name: &str, notice: Option<Notice>) -> Response {
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let page = NamePage { notice, name: name.to_owned(), sealed: sealed.to_owned(), proof };
    form_page(asked, newcomer_page(&asked.frame, &page), cookie)
}

/// Makes the account of a newcomer.
pub(super) async fn name_choose(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let provider = provider(&state)?;
    let sealed = form.value("sealed");
    let identity = open(&state, NEWCOMER, sealed).and_then(|text| serde_json::from_str::<ProviderIdentity>(&text).ok());
    let Some(identity) =
        identity.filter(|identity| provider.takes_new_people() && identity.issuer == provider.issuer())
    else {
        return Ok(failed(&state, &form.asked, key::PROVIDER_FAILED, StatusCode::BAD_REQUEST));
    };
    let made = match form.word("name").parse::<OwnerName>() {
        Ok(name) => {
            let fullname = identity.name.as_deref().unwrap_or_default();
            state.hub.newcomer_create(name, fullname, &identity.issuer, &identity.subject).await
        }
        Err(error) => Err(error.into()),
    };
    match made {
        Ok(user) => {
            let secret = state.hub.session_begin_as(&user, SignInWay::Provider).await?;
            signed_in(&state, &form.asked, &secret, "/-/account").await
        }
        Err(error) => {
            let mut response = newcomer_shown(&state, &form.asked, sealed, form.word("name"), Some(notice_of(error)?));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_only_a_hint() {
        let identity = |name: &str| ProviderIdentity {
            issuer: String::new(),
            subject: String::new(),
            preferred_username: Some(name.to_owned()),
            name: None,
        };
        for (given, expected) in
            [("amina.k@example.org", "amina-k"), ("<script>", "script"), ("", ""), ("ай", ""), ("api", "")]
        {
            assert_eq!(name_of(&identity(given)), expected, "{given}");
        }
    }
}
