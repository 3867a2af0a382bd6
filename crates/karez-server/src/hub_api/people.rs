//! Routes about people and organisations.

use axum::extract::State;
use axum::http::Uri;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use karez_hub::{Account, OrgOverview, OwnedPage, RepoCounts};
use karez_types::{OrgRole, TokenRole};
use serde_json::{Value, json};

use super::repos::values_of;
use crate::error::{ApiResult, header_text};
use crate::extract::{Base, Caller, Params, QueryOf, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/whoami-v2", G::SignedIn, B::Empty, whoami),
        Route::new(V::Get, "/api/users/{user}/overview", G::Anyone, B::Empty, user_overview),
        Route::new(V::Get, "/api/users/{user}/{list}", G::Anyone, B::Empty, user_list),
        Route::new(V::Get, "/api/organizations/{org}/overview", G::Anyone, B::Empty, org_overview),
        Route::new(V::Get, "/api/organizations/{org}/members", G::Anyone, B::Empty, org_members),
        Route::new(V::Get, "/api/organizations/{org}/followers", G::Anyone, B::Empty, org_followers),
        Route::new(V::Get, "/api/settings/repositories", G::SignedIn, B::Empty, own_repos),
        Route::new(V::Get, "/api/organizations/{org}/settings/repositories", G::SignedIn, B::Empty, org_repos),
    ]
}

async fn whoami(State(state): State<AppState>, Caller(caller): Caller) -> ApiResult<axum::Json<Value>> {
    let me = state.hub.whoami(&caller).await?;
    let person = &me.signed_in;
    let role = match person.token_role {
        TokenRole::Read => "read",
        TokenRole::Write => "write",
    };
    let orgs: Vec<Value> = me.orgs.iter().map(|(org, role)| own_org_json(org, *role)).collect();
    Ok(json(json!({
        "type": "user",
        "id": account_id(&person.account),
        "name": person.account.name,
        "fullname": shown_name(&person.account),
        "email": person.account.email,
        "emailVerified": person.account.email.is_some(),
        "avatarUrl": "",
        "isPro": false,
        "canPay": false,
        "periodEnd": null,
        "orgs": orgs,
        "auth": {
            "type": "access_token",
            "accessToken": { "displayName": person.token_name, "role": role },
        },
    })))
}

/// Ids of accounts are texts to clients.
fn account_id(account: &Account) -> String {
    format!("{:024x}", account.id.0)
}

/// Returns the full name, or the name of who gave none.
fn shown_name(account: &Account) -> &str {
    if account.fullname.is_empty() { account.name.as_str() } else { &account.fullname }
}

fn org_json(org: &Account) -> Value {
    json!({
        "type": "org",
        "id": account_id(org),
        "name": org.name,
        "fullname": shown_name(org),
        "avatarUrl": "",
        "isEnterprise": false,
    })
}

fn own_org_json(org: &Account, role: OrgRole) -> Value {
    let mut body = org_json(org);
    body["roleInOrg"] = role.as_str().into();
    body["canPay"] = false.into();
    body
}

fn counts_into(body: &mut Value, counts: RepoCounts) {
    body["numModels"] = counts.models.into();
    body["numDatasets"] = counts.datasets.into();
    body["numSpaces"] = counts.spaces.into();
}

async fn user_overview(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let found = state.hub.user_overview(&caller, params.text("user")).await?;
    let mut body = user_json(&found.account);
    body["createdAt"] = found.account.created.to_string().into();
    body["orgs"] = found.orgs.iter().map(|(org, _)| org_json(org)).collect();
    for key in ["numDiscussions", "numPapers", "numUpvotes", "numFollowing", "numFollowers"] {
        body[key] = 0.into();
    }
    body["numLikes"] = state.hub.liked_by(&caller, params.text("user")).await?.len().into();
    counts_into(&mut body, found.counts);
    Ok(json(body))
}

/// Followers and following: lists that clients ask for and that are empty here; and likes.
async fn user_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    if params.text("list") == "likes" {
        let liked = state.hub.liked_by(&caller, params.text("user")).await?;
        let like = |(repo, at): &(karez_hub::Repo, karez_types::Timestamp)| json!({ "createdAt": at, "repo": { "name": repo.address().id(), "type": repo.kind.as_str() } });
        return Ok(json(liked.iter().map(like).collect()));
    }
    if !["followers", "following"].contains(&params.text("list")) {
        return Err(
            karez_hub::HubError::Missing("users have an overview, followers, following and likes".into()).into()
        );
    }
    state.hub.user_overview(&caller, params.text("user")).await?;
    Ok(json(json!([])))
}

/// Returns a person or an organisation, as the owner of something.
pub(super) fn owner_json(account: &Account) -> Value {
    match account.kind {
        karez_hub::AccountKind::Organization => org_json(account),
        karez_hub::AccountKind::User => {
            let mut body = user_json(account);
            body["name"] = account.name.as_str().into();
            body
        }
    }
}

pub(super) fn user_json(account: &Account) -> Value {
    json!({
        "_id": account_id(account),
        "type": "user",
        "user": account.name,
        "fullname": shown_name(account),
        "avatarUrl": "",
        "isPro": false,
        "isFollowing": false,
    })
}

async fn org_overview(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let OrgOverview { account, member_count, counts } = state.hub.org_overview(&caller, params.text("org")).await?;
    let mut body = org_json(&account);
    body["isVerified"] = false.into();
    body["isFollowing"] = false.into();
    body["numUsers"] = member_count.into();
    body["numFollowers"] = 0.into();
    body["numPapers"] = 0.into();
    counts_into(&mut body, counts);
    Ok(json(body))
}

async fn org_members(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let members = state.hub.org_members(&caller, params.text("org")).await?;
    Ok(json(members.iter().map(|(member, _)| user_json(member)).collect()))
}

async fn org_followers(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    state.hub.org_overview(&caller, params.text("org")).await?;
    Ok(json(json!([])))
}

async fn own_repos(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    uri: Uri,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let cursor = values_of(&query, "cursor").pop();
    let page = state.hub.owned_repos(&caller, None, cursor.as_deref()).await?;
    Ok(owned_json(&page, cursor.is_none(), &base, uri.path()))
}

async fn org_repos(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    uri: Uri,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let cursor = values_of(&query, "cursor").pop();
    let page = state.hub.owned_repos(&caller, Some(params.text("org")), cursor.as_deref()).await?;
    Ok(owned_json(&page, cursor.is_none(), &base, uri.path()))
}

/// Shares of the whole are told only when one page holds the whole.
fn owned_json(page: &OwnedPage, is_first: bool, base: &str, path: &str) -> Response {
    let total: u64 = page.items.iter().map(|item| item.stored_bytes).sum();
    let is_whole = is_first && page.next.is_none() && total > 0;
    let percent = |bytes: u64| is_whole.then(|| bytes as f64 * 100.0 / total as f64);
    let body: Vec<Value> = page
        .items
        .iter()
        .map(|item| {
            json!({
                "id": item.repo.address().id(),
                "type": item.repo.kind.as_str(),
                "updatedAt": item.repo.modified,
                "visibility": item.repo.visibility.as_str(),
                "storage": item.stored_bytes,
                "storagePercent": percent(item.stored_bytes),
            })
        })
        .collect();
    let mut response = json(body).into_response();
    if let Some(cursor) = &page.next {
        let link = format!("<{base}{path}?cursor={cursor}>; rel=\"next\"");
        response.headers_mut().insert(LINK, header_text(&link));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_texts_of_fixed_length() {
        let account = Account {
            id: karez_types::AccountId(7),
            name: "alice".parse().unwrap(),
            kind: karez_hub::AccountKind::User,
            fullname: String::new(),
            email: None,
            is_admin: false,
            created: karez_types::Timestamp(0),
        };
        assert_eq!(account_id(&account), "000000000000000000000007");
        assert_eq!(shown_name(&account), "alice");
    }
}
