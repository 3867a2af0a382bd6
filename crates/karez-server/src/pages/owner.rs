//! A person or an organisation.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use karez_hub::HubError;
use karez_pages::{OwnerPage, owner_page};
use karez_types::{OwnerName, RepoKind};

use super::answer::page;
use super::asked::Asked;
use super::collections::about;
use super::lists::{Looking, find, row};
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Params;
use crate::front::nothing_here;

/// Repositories of each kind on the page.
const ITEMS: u64 = 10;
/// Collections on the page.
const COLLECTIONS_MAX: usize = 5;
/// Members, or organisations, on the page.
const RELATED_MAX: usize = 100;

pub(super) async fn owner(
    State(state): State<AppState>,
    asked: Asked,
    params: Params,
    uri: axum::http::Uri,
) -> ApiResult<Response> {
    // Addresses of the node itself are not owners, and nothing is at those that no route knows.
    let Ok(name) = params.text("owner").parse::<OwnerName>() else {
        return Ok(nothing_here(Ok(crate::extract::Caller(asked.caller)), uri).await.into_response());
    };
    let hub = &state.hub;
    let (account, is_organization, related) = match hub.org_overview(&asked.caller, name.as_str()).await {
        Ok(found) => (found.account, true, hub.org_members(&asked.caller, name.as_str()).await?),
        Err(HubError::Missing(_)) => {
            let found = hub.user_overview(&asked.caller, name.as_str()).await?;
            (found.account, false, found.orgs)
        }
        Err(error) => return Err(error.into()),
    };
    let mut repos = Vec::new();
    for kind in RepoKind::ALL {
        let looking = Looking { author: account.name.to_string(), items: ITEMS, ..Looking::default() };
        let found = find(&state, &asked.caller, *kind, &looking).await?;
        repos.push((*kind, found.items.iter().map(row).collect(), found.next.is_some()));
    }
    let found = hub.collection_list(&asked.caller, Some(account.name.as_str()), None, None).await?;
    let collections = found.items.iter().take(COLLECTIONS_MAX).map(about).collect();
    let related = related.into_iter().take(RELATED_MAX).map(|(account, _)| account.name).collect();
    let owner =
        OwnerPage { name: account.name, fullname: account.fullname, is_organization, related, collections, repos };
    Ok(page(&asked, owner_page(&asked.frame, &owner)))
}
