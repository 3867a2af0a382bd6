//! Signing in with a token, and out again.

use axum::extract::{Extension, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{Actor, HubError};
use karez_pages::{SignInPage, SignInState, sign_in_page};

use super::answer::{go_to, page};
use super::asked::{Asked, pairs};
use super::session::{CameFrom, form_is_ours, form_proof, session_cookie};
use crate::AppState;
use crate::error::{ApiResult, header_text};
use crate::extract::whole_body;

/// Returns a path of this node that a browser may be sent to.
fn safe_next(next: &str) -> &str {
    let is_safe = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(|c: char| c == '\\' || c.is_control() || !c.is_ascii());
    if is_safe { next } else { "/" }
}

fn shown(state: &AppState, asked: &Asked, sign_in: SignInState, next: &str) -> Response {
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let html = sign_in_page(&asked.frame, &SignInPage { state: sign_in, proof, next: safe_next(next).to_owned() });
    let mut response = page(asked, html);
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, header_text(&cookie));
    }
    response
}

pub(super) async fn form(State(state): State<AppState>, asked: Asked) -> Response {
    let sign_in = match asked.caller.user() {
        Some(user) => SignInState::In { user: user.account.name.to_string(), token_name: user.token_name.clone() },
        None => SignInState::Out,
    };
    let next = asked.value("next").to_owned();
    shown(&state, &asked, sign_in, &next)
}

pub(super) async fn sign_in(
    State(state): State<AppState>,
    from: Option<Extension<CameFrom>>,
    asked: Asked,
    request: Request,
) -> ApiResult<Response> {
    let body = whole_body(request, &state).await?;
    let form = pairs(std::str::from_utf8(&body).unwrap_or_default());
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let next = safe_next(value("next"));
    let refused = |status: StatusCode, why: SignInState| {
        let mut response = shown(&state, &asked, why, next);
        *response.status_mut() = status;
        response
    };
    if !form_is_ours(&state, &asked.headers, &asked.base, value("proof")) {
        return Ok(refused(StatusCode::BAD_REQUEST, SignInState::Stale));
    }
    let now = state.hub.clock().now();
    let from = from.map(|Extension(CameFrom(address))| address);
    if from.is_some_and(|from| state.sign_in_tries.is_over(from, now)) {
        let mut response = refused(StatusCode::TOO_MANY_REQUESTS, SignInState::TooMany);
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
        return Ok(response);
    }
    let token = value("token").trim();
    match state.hub.sign_in((!token.is_empty()).then_some(token)).await {
        Ok(Actor::User(_)) => {
            let mut response = go_to(next);
            let cookie = session_cookie(&state, &asked.base, Some(token));
            response.headers_mut().append(header::SET_COOKIE, header_text(&cookie));
            Ok(response)
        }
        Ok(_) | Err(HubError::TokenInvalid) => {
            if let Some(from) = from {
                state.sign_in_tries.count_wrong(from, now);
            }
            Ok(refused(StatusCode::UNPROCESSABLE_ENTITY, SignInState::Refused))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn sign_out(State(state): State<AppState>, asked: Asked, request: Request) -> ApiResult<Response> {
    let body = whole_body(request, &state).await?;
    let form = pairs(std::str::from_utf8(&body).unwrap_or_default());
    let proof = form.iter().find(|(key, _)| key == "proof").map_or("", |(_, value)| value.as_str());
    if !form_is_ours(&state, &asked.headers, &asked.base, proof) {
        return Ok((StatusCode::BAD_REQUEST, shown(&state, &asked, SignInState::Stale, "/")).into_response());
    }
    let mut response = go_to("/");
    response.headers_mut().append(header::SET_COOKIE, header_text(&session_cookie(&state, &asked.base, None)));
    Ok(response)
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
