//! The dataset viewer's API, as notebooks, tools and the `datasets` library know it (openapi of 2026-08).
//!
//! Served under `/datasets-server/`, and at the root of the host `datasets-server.<this host>`, which is what the
//! library makes of the node's address. A dataset is named in the query; whoever may read it there may see it here.

mod asked;
mod assets;
mod host;
mod shape;
mod summary;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use karez_hub::{Answer, HubError, PAGE_ROWS_MAX, PreviewError, Question, Trouble};
use serde_json::json;

use crate::error::{ApiError, ApiResult};
use crate::{AppState, BodyBound, Guard, Route, Verb};
pub(crate) use asked::Asker;
use asked::{Viewed, answer};
pub(crate) use host::from_virtual_host;

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/datasets-server/is-valid", G::Anyone, B::Empty, is_valid),
        Route::new(V::Get, "/datasets-server/splits", G::Anyone, B::Empty, splits),
        Route::new(V::Get, "/datasets-server/first-rows", G::Anyone, B::Empty, first_rows),
        Route::new(V::Get, "/datasets-server/rows", G::Anyone, B::Empty, rows),
        Route::new(V::Get, "/datasets-server/search", G::Anyone, B::Empty, search),
        Route::new(V::Get, "/datasets-server/filter", G::Anyone, B::Empty, filter),
        Route::new(V::Get, "/datasets-server/statistics", G::Anyone, B::Empty, statistics),
        Route::new(V::Get, "/datasets-server/size", G::Anyone, B::Empty, summary::size),
        Route::new(V::Get, "/datasets-server/parquet", G::Anyone, B::Empty, summary::parquet),
        Route::new(V::Get, "/datasets-server/info", G::Anyone, B::Empty, summary::info),
        Route::new(V::Get, "/datasets-server/assets", G::Anyone, B::Empty, assets::asset),
    ]
}

async fn is_valid(viewed: Viewed) -> ApiResult<Response> {
    let is = viewed.view.layout.configs.iter().any(|config| config.format.is_some());
    Ok(answer(&viewed, json!({ "preview": is, "viewer": is, "search": is, "filter": is, "statistics": is })))
}

async fn splits(viewed: Viewed) -> ApiResult<Response> {
    let only = viewed.value("config");
    let dataset = viewed.dataset();
    let configs = viewed.view.layout.configs.iter().filter(|config| only.is_empty() || config.name == only);
    let splits: Vec<_> = configs
        .flat_map(|config| config.splits.iter().map(move |split| (config, split)))
        .map(|(config, split)| json!({ "dataset": dataset, "config": config.name, "split": split.name }))
        .collect();
    if splits.is_empty() {
        return Err(empty(&viewed).into());
    }
    Ok(answer(&viewed, json!({ "splits": splits, "pending": [], "failed": [] })))
}

fn empty(viewed: &Viewed) -> HubError {
    match viewed.value("config") {
        "" => HubError::Preview(PreviewError::unsupported("the dataset has no data files that are known as such")),
        config => HubError::Missing(format!("the dataset has no configuration {config:?}")),
    }
}

/// Asks about the split that the query names.
async fn ask(state: &AppState, viewed: &Viewed, question: Question) -> ApiResult<Arc<Answer>> {
    let (config, split) = (viewed.needed("config")?, viewed.needed("split")?);
    Ok(state.hub.preview_ask(&viewed.caller, &viewed.asker, &viewed.view, config, split, question).await?)
}

async fn first_rows(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let mut length = PAGE_ROWS_MAX;
    // As on the Hub, as many rows as fit; whoever asks cannot ask for fewer.
    let found = loop {
        match ask(&state, &viewed, Question::Rows { offset: 0, length }).await {
            Err(ApiError(HubError::Preview(error))) if error.trouble == Trouble::TooLarge && length > 1 => length /= 5,
            other => break other?,
        }
    };
    let body = shape::FirstRows {
        dataset: viewed.dataset(),
        config: viewed.value("config").to_owned(),
        split: viewed.value("split").to_owned(),
        features: shape::features(&found.columns),
        rows: shape::rows(&viewed, &found),
        truncated: found.is_partial || found.rows_total > found.rows.len() as u64,
    };
    Ok(answer(&viewed, body))
}

fn page(viewed: &Viewed, found: &Answer) -> Response {
    let body = shape::Page {
        features: shape::features(&found.columns),
        rows: shape::rows(viewed, found),
        num_rows_total: found.rows_total,
        num_rows_per_page: PAGE_ROWS_MAX,
        partial: found.is_partial,
    };
    answer(viewed, body)
}

async fn rows(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let (offset, length) = viewed.place()?;
    Ok(page(&viewed, &*ask(&state, &viewed, Question::Rows { offset, length }).await?))
}

async fn search(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let (offset, length) = viewed.place()?;
    let query = viewed.needed("query")?.to_owned();
    Ok(page(&viewed, &*ask(&state, &viewed, Question::Search { query, offset, length }).await?))
}

async fn filter(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let (offset, length) = viewed.place()?;
    let (condition, order_by) = (viewed.value("where").to_owned(), viewed.value("orderby").to_owned());
    Ok(page(&viewed, &*ask(&state, &viewed, Question::Filter { condition, order_by, offset, length }).await?))
}

async fn statistics(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let found = ask(&state, &viewed, Question::Statistics).await?;
    let body = json!({ "num_examples": found.rows_total, "statistics": found.statistics, "partial": found.is_partial });
    Ok(answer(&viewed, body))
}
