//! The first page.

use axum::extract::State;
use axum::response::Response;
use karez_hub::Right;
use karez_pages::{HomePage, home_page};
use karez_types::RepoKind;

use super::answer::page;
use super::asked::Asked;
use super::lists::{Looking, find, row};
use crate::AppState;
use crate::error::ApiResult;

/// Repositories of each sort on the first page.
const ITEMS: u64 = 5;

pub(super) async fn home(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    let mut newest = Vec::new();
    for kind in [RepoKind::Model, RepoKind::Dataset, RepoKind::Space] {
        let found = find(
            &state,
            &asked.caller,
            kind,
            &Looking { sort: "created".to_owned(), items: ITEMS, ..Looking::default() },
        )
        .await?;
        newest.push((kind, found.items.iter().map(row).collect()));
    }
    let used = Looking { sort: "downloads".to_owned(), items: ITEMS, ..Looking::default() };
    let used = find(&state, &asked.caller, RepoKind::Model, &used).await?;
    let most_used = used.items.iter().filter(|info| info.repo.downloads > 0).map(row).collect();
    let may_write = !asked.caller.is_anonymous() && asked.caller.token_allows(Right::Write);
    let home = HomePage { base: asked.base.clone(), newest, may_write, most_used };
    Ok(page(&asked, home_page(&asked.frame, &home)))
}
