//! Collections.

use axum::extract::State;
use axum::response::Response;
use karez_hub::CollectionView;
use karez_pages::{
    COLLECTION_ITEMS_SHOWN, CollectionPage, CollectionRow, CollectionsPage, NOTES_BYTES_MAX, collection_page,
    collections_page, cut_text,
};

use super::answer::page;
use super::asked::Asked;
use super::lists::row;
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Params;

/// Returns a collection as pages show it.
pub(super) fn about(view: &CollectionView) -> CollectionRow {
    let collection = &view.collection;
    CollectionRow {
        slug: view.slug(),
        title: collection.title.clone(),
        description: cut_text(&collection.description, NOTES_BYTES_MAX / 4).0.to_owned(),
        owner: collection.owner.clone(),
        is_private: collection.is_private,
        modified: collection.modified,
    }
}

pub(super) async fn list(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    let given = |name: &str| Some(asked.value(name)).filter(|value| !value.is_empty());
    let found = state.hub.collection_list(&asked.caller, given("owner"), None, given("cursor")).await?;
    let made = CollectionsPage { rows: found.items.iter().map(about).collect(), next: found.next };
    Ok(page(&asked, collections_page(&asked.frame, &made)))
}

pub(super) async fn one(State(state): State<AppState>, asked: Asked, params: Params) -> ApiResult<Response> {
    let address = format!("{}/{}", params.text("namespace"), params.text("slug"));
    let view = state.hub.collection_get(&asked.caller, &address).await?;
    let mut left_bytes = NOTES_BYTES_MAX;
    let mut note = |note: &str| {
        let shown = cut_text(note, left_bytes).0.to_owned();
        left_bytes -= shown.len();
        shown
    };
    let items = view.items.iter().take(COLLECTION_ITEMS_SHOWN);
    let items = items.map(|(item, info)| (row(info), note(&item.note))).collect();
    let has_more = view.items.len() > COLLECTION_ITEMS_SHOWN;
    Ok(page(&asked, collection_page(&asked.frame, &CollectionPage { about: about(&view), items, has_more })))
}
