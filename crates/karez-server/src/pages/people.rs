//! One person, as administrators see them.

use axum::extract::State;
use axum::response::Response;
use karez_hub::HubError;
use karez_pages::{Notice, PersonPage, key, person_page};

use super::answer::form_page;
use super::asked::Asked;
use super::form::{Came, Form, answered};
use super::session::form_proof;
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Params;

async fn person_shown(state: &AppState, asked: &Asked, user: &str, notice: Option<Notice>) -> ApiResult<Response> {
    let (account, sign_ins) = state.hub.user_sign_ins(&asked.caller, user).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let page = PersonPage {
        notice,
        is_admin: account.is_admin,
        blocked: sign_ins.blocked,
        sessions: sign_ins.sessions,
        tokens: sign_ins.tokens,
        is_oneself: asked.caller.user().is_some_and(|own| own.account.id == account.id),
        name: account.name,
        proof,
    };
    Ok(form_page(asked, person_page(&asked.frame, &page), cookie))
}

pub(super) async fn person(State(state): State<AppState>, asked: Asked, params: Params) -> ApiResult<Response> {
    person_shown(&state, &asked, params.text("user"), None).await
}

pub(super) async fn person_change(State(state): State<AppState>, params: Params, form: Form) -> ApiResult<Response> {
    let (hub, caller, user) = (&state.hub, &form.asked.caller, params.text("user"));
    hub.node_admin_check(caller)?;
    let is_oneself = caller.user().is_some_and(|own| own.account.name.as_str().eq_ignore_ascii_case(user));
    let done = match form.word("do") {
        "sign-out" => hub.user_sign_out(caller, user).await.map(drop),
        "block" => hub.user_block(caller, user).await,
        "unblock" => hub.user_unblock(caller, user).await,
        "make" => hub.user_admin_make(caller, user).await,
        "unmake" => hub.user_admin_unmake(caller, user).await,
        _ => Err(HubError::Invalid("the form does not say what to change".to_owned())),
    };
    let came = done.map(|()| match form.word("do") {
        // Who has just signed themselves out, or does not administer any more, has nothing to see here.
        "sign-out" | "unmake" if is_oneself => Came::GoTo("/".to_owned()),
        _ => Came::Done(key::SAVED),
    });
    answered(came, async |notice| person_shown(&state, &form.asked, user, notice).await).await
}
