//! Signing in with a password or a token, out again, and choosing a password by invitation.

use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use karez_hub::{HubError, SignInWay};
use karez_pages::{InvitedPage, Key, Notice, SignInPage, invited_page, key, sign_in_page};

use super::answer::{form_page, go_to};
use super::asked::Asked;
use super::form::{Form, notice_of, same_twice};
use super::session::{CameFrom, form_proof, session_cookie};
use crate::AppState;
use crate::error::{ApiResult, header_text};

/// Returns a path of this node that a browser may be sent to.
pub(super) fn safe_next(next: &str) -> &str {
    let is_safe = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(|c: char| c == '\\' || c.is_control() || !c.is_ascii());
    if is_safe { next } else { "/" }
}

/// Shows the page for signing in and out.
pub(super) fn shown(state: &AppState, asked: &Asked, notice: Option<Notice>, next: &str, name: &str) -> Response {
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let user = asked.caller.user().map(|user| user.account.name.to_string());
    let provider = state.provider.as_ref().map(|provider| provider.name().to_owned());
    let next = safe_next(next).to_owned();
    let page =
        SignInPage { notice, user, name: name.to_owned(), provider, proof, next, contact: state.node.contact.clone() };
    form_page(asked, sign_in_page(&asked.frame, &page), cookie)
}

pub(super) async fn form(State(state): State<AppState>, asked: Asked) -> Response {
    let next = asked.value("next").to_owned();
    shown(&state, &asked, None, &next, "")
}

/// Keeps a browser signed in from now on, and sends it on. What it was signed in with before ends.
pub(super) async fn signed_in(state: &AppState, asked: &Asked, secret: &str, next: &str) -> ApiResult<Response> {
    if let Some(old) = super::session::session_secret(&asked.headers) {
        state.hub.session_end(old).await?;
    }
    let mut response = go_to(next);
    response.headers_mut().append(header::SET_COOKIE, header_text(&session_cookie(&asked.base, Some(secret))));
    Ok(response)
}

pub(super) async fn sign_in(
    State(state): State<AppState>,
    from: Option<Extension<CameFrom>>,
    form: Form,
) -> ApiResult<Response> {
    let (next, name, token) = (safe_next(form.value("next")), form.word("name"), form.word("token"));
    let refused = |status: StatusCode, why: Key| {
        let mut response = shown(&state, &form.asked, Some(Notice::Trouble(why)), next, name);
        *response.status_mut() = status;
        response
    };
    let now = state.hub.clock().now();
    let from = from.map(|Extension(CameFrom(address))| address);
    let account = token.is_empty().then_some(name);
    if !state.sign_in_tries.take(from, account, now) {
        let mut response = refused(StatusCode::TOO_MANY_REQUESTS, key::TOO_MANY_TRIES);
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
        return Ok(response);
    }
    let secret = if token.is_empty() {
        match state.hub.password_verify(name, form.value("password")).await? {
            Some(user) => state.hub.session_begin_as(&user, SignInWay::Password).await?,
            None => return Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, key::PASSWORD_REFUSED)),
        }
    } else {
        match state.hub.session_begin_with_token(token).await {
            Ok(secret) => secret,
            Err(HubError::TokenInvalid) => {
                return Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, key::TOKEN_REFUSED));
            }
            Err(error) => return Err(error.into()),
        }
    };
    state.sign_in_tries.give_back(from, account);
    signed_in(&state, &form.asked, &secret, next).await
}

pub(super) async fn sign_out(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    if let Some(secret) = form.session() {
        state.hub.session_end(secret).await?;
    }
    let mut response = go_to("/");
    response.headers_mut().append(header::SET_COOKIE, header_text(&session_cookie(&form.asked.base, None)));
    Ok(response)
}

async fn invited_shown(state: &AppState, asked: &Asked, code: &str, notice: Option<Notice>) -> ApiResult<Response> {
    let user = state.hub.invitation_open(code).await?.name.to_string();
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let page = InvitedPage { notice, user, code: code.to_owned(), proof };
    Ok(form_page(asked, invited_page(&asked.frame, &page), cookie))
}

pub(super) async fn invited(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    let code = asked.value("code").to_owned();
    invited_shown(&state, &asked, &code, None).await
}

pub(super) async fn invitation_use(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let code = form.value("code");
    let again = async |notice: Notice| -> ApiResult<Response> {
        let mut response = invited_shown(&state, &form.asked, code, Some(notice)).await?;
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        Ok(response)
    };
    if let Some(notice) = same_twice(&form) {
        return again(notice).await;
    }
    match state.hub.invitation_use(code, form.value("password")).await {
        Ok(user) => {
            let secret = state.hub.session_begin_as(&user, SignInWay::Password).await?;
            signed_in(&state, &form.asked, &secret, "/-/account").await
        }
        Err(error) => again(notice_of(error)?).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(safe_next("/alice/m?x=1"), "/alice/m?x=1");
        for next in
            ["", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nx: y", "/é"]
        {
            assert_eq!(safe_next(next), "/", "{next:?}");
        }
    }
}
