//! One's own account: tokens, password, browsers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use karez_hub::{HubError, NewToken, OwnerRoom, Right, SignInWay};
use karez_pages::{AccountPage, Notice, Room, TokenLine, account_page, key};
use karez_types::{TokenId, TokenRole};

use super::answer::form_page;
use super::asked::Asked;
use super::form::{Came, Form, answered, same_twice};
use super::session::form_proof;
use super::sign_in::signed_in;
use crate::AppState;
use crate::error::{ApiError, ApiResult};

/// Longest life of a token that is made here, in days.
const TOKEN_DAYS_MAX: i64 = 3_650;

/// Returns the name of who is signed in.
pub(super) fn me(asked: &Asked) -> ApiResult<String> {
    let needed = || ApiError(HubError::SignInNeeded("this page is for who is signed in".to_owned()));
    asked.caller.user().map(|user| user.account.name.to_string()).ok_or_else(needed)
}

/// Returns what an owner has and may have, as pages say it.
pub(super) fn room_of(owner_room: OwnerRoom) -> Room {
    Room { owned_bytes: owner_room.owned_bytes, bytes_max: owner_room.bytes_max }
}

async fn shown(
    state: &AppState,
    asked: &Asked,
    notice: Option<Notice>,
    new_token: Option<String>,
) -> ApiResult<Response> {
    let hub = &state.hub;
    let user = me(asked)?;
    let me = hub.whoami(&asked.caller).await?;
    let may_write = asked.caller.token_allows(Right::Write);
    let tokens = if may_write { hub.token_list(&asked.caller, &user).await? } else { Vec::new() };
    let line = |token: karez_hub::TokenBrief| TokenLine {
        id: token.id.0,
        name: token.name,
        may_write: token.role >= TokenRole::Write,
        expires: token.expires,
    };
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let id = me.signed_in.account.id;
    let mut orgs = Vec::with_capacity(me.orgs.len());
    for (org, _) in me.orgs {
        orgs.push((org.name, room_of(hub.catalog().owner_room(org.id).await?)));
    }
    let page = AccountPage {
        notice,
        user,
        may_write,
        is_by_token: asked.caller.user().is_some_and(|user| user.is_by_token),
        has_password: hub.password_has(&asked.caller).await?,
        new_token,
        tokens: tokens.into_iter().map(line).collect(),
        room: room_of(hub.catalog().owner_room(id).await?),
        sessions: hub.session_count(&asked.caller).await?,
        orgs,
        is_admin: asked.caller.is_node_admin(),
        proof,
    };
    Ok(form_page(asked, account_page(&asked.frame, &page), cookie))
}

pub(super) async fn account(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    shown(&state, &asked, None, None).await
}

/// Shows the page again with what came of a form.
async fn after(state: &AppState, form: &Form, done: Result<(), HubError>) -> ApiResult<Response> {
    let came = done.map(|()| Came::Done(key::SAVED));
    answered(came, async |notice| shown(state, &form.asked, notice, None).await).await
}

pub(super) async fn token_create(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let user = me(&form.asked)?;
    let role = if form.word("role") == "write" { TokenRole::Write } else { TokenRole::Read };
    let days = form.word("days").parse::<i64>().unwrap_or(0);
    if !(1..=TOKEN_DAYS_MAX).contains(&days) {
        let words = format!("say in how many days the token ends: 1 to {TOKEN_DAYS_MAX}");
        return after(&state, &form, Err(HubError::Invalid(words))).await;
    }
    let expires = Some(state.hub.clock().now().plus_secs(days * 86_400));
    let new = NewToken { name: form.word("token_name").to_owned(), role, expires };
    match state.hub.token_create(&form.asked.caller, &user, new).await {
        Ok(token) => shown(&state, &form.asked, None, Some(token)).await,
        Err(error) => after(&state, &form, Err(error)).await,
    }
}

pub(super) async fn token_revoke(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let user = me(&form.asked)?;
    let id = TokenId(form.word("id").parse().unwrap_or(-1));
    let done = state.hub.token_revoke(&form.asked.caller, &user, id).await;
    after(&state, &form, done).await
}

pub(super) async fn sessions_end(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let done = state.hub.session_end_others(&form.asked.caller, form.session().unwrap_or_default()).await;
    after(&state, &form, done.map(|_| ())).await
}

/// Changes the password. All sessions end; this browser gets a new one.
pub(super) async fn password_change(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let user = me(&form.asked)?;
    if let Some(notice) = same_twice(&form) {
        let mut response = shown(&state, &form.asked, Some(notice), None).await?;
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(response);
    }
    let now = state.hub.clock().now();
    if !state.sign_in_tries.take(None, Some(&user), now) {
        let mut response = shown(&state, &form.asked, Some(Notice::Trouble(key::TOO_MANY_TRIES)), None).await?;
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return Ok(response);
    }
    let caller = &form.asked.caller;
    match state.hub.password_change(caller, form.value("old"), form.value("password")).await {
        Ok(()) => {
            state.sign_in_tries.give_back(None, Some(&user));
            let account = caller.user().map(|user| user.account.clone());
            let account = account.ok_or_else(|| ApiError(HubError::TokenInvalid))?;
            let secret = state.hub.session_begin_as(&account, SignInWay::Password).await?;
            signed_in(&state, &form.asked, &secret, "/-/account").await
        }
        Err(error) => {
            if !matches!(error, HubError::PasswordWrong) {
                state.sign_in_tries.give_back(None, Some(&user));
            }
            after(&state, &form, Err(error)).await
        }
    }
}
