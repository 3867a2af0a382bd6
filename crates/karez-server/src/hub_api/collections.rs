//! Routes for collections.

use axum::extract::State;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use karez_hub::{CollectionItem, CollectionPatch, CollectionView, CollectionWish, HubError, RepoField, RepoInfo};
use karez_types::{RepoAddress, RepoKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::owner_json;
use super::repo_json::repo_json;
use super::repos::values_of;
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{Base, Caller, JsonBody, Params, QueryOf, json as json_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    let (one, items) = ("/api/collections/{namespace}/{slug}", "/api/collections/{namespace}/{slug}/items");
    let item = "/api/collections/{namespace}/{slug}/items/{item}";
    vec![
        Route::new(V::Get, "/api/collections", G::Anyone, B::Empty, collection_list),
        Route::new(V::Post, "/api/collections", G::SignedIn, B::Json, collection_create),
        Route::new(V::Get, one, G::Anyone, B::Empty, collection_get),
        Route::new(V::Patch, one, G::SignedIn, B::Json, collection_update),
        Route::new(V::Delete, one, G::SignedIn, B::Empty, collection_delete),
        Route::new(V::Post, items, G::SignedIn, B::Json, item_add),
        Route::new(V::Patch, item, G::SignedIn, B::Json, item_update),
        Route::new(V::Delete, item, G::SignedIn, B::Empty, item_delete),
    ]
}

fn item_json((item, info): &(CollectionItem, RepoInfo)) -> Value {
    let mut body = repo_json(info, &RepoField::of_listing());
    body["_id"] = format!("{:024x}", item.id).into();
    body["id"] = info.repo.address().id().into();
    body["type"] = info.repo.kind.as_str().into();
    body["repoType"] = info.repo.kind.as_str().into();
    body["position"] = item.position.into();
    if !item.note.is_empty() {
        body["note"] = json!({ "text": item.note });
    }
    body
}

fn collection_json(view: &CollectionView) -> Value {
    let collection = &view.collection;
    json!({
        "slug": view.slug(),
        "title": collection.title,
        "description": collection.description,
        "owner": owner_json(&view.owner),
        "items": view.items.iter().map(item_json).collect::<Vec<_>>(),
        "lastUpdated": collection.modified,
        "position": collection.position,
        "private": collection.is_private,
        "gating": false,
        "theme": collection.theme,
        "upvotes": 0,
        "isUpvotedByUser": false,
    })
}

/// Returns the address of the collection that the request names.
fn address(params: &Params) -> String {
    format!("{}/{}", params.text("namespace"), params.text("slug"))
}

async fn collection_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let first = |name: &str| values_of(&query, name).into_iter().next();
    let repo = first("item").map(|item| repo_of(&item)).transpose()?;
    let owner = first("owner");
    let page = state.hub.collection_list(&caller, owner.as_deref(), repo.as_ref(), first("cursor").as_deref()).await?;
    let list = page.items.iter().map(|view| {
        let mut body = collection_json(view);
        // Lists count the place themselves.
        body.as_object_mut().expect("a collection is an object").remove("position");
        body
    });
    let mut response = json_body(list.collect::<Vec<_>>()).into_response();
    if let Some(cursor) = page.next {
        let kept: String = [("owner", owner), ("item", first("item"))]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}&", karez_pages::encode_part(&value?))))
            .collect();
        let link = format!("<{base}/api/collections?{kept}cursor={}>; rel=\"next\"", karez_pages::encode_part(&cursor));
        response.headers_mut().insert(LINK, header_text(&link));
    }
    Ok(response)
}

/// Reads what clients write as an item: `models/owner/name`.
fn repo_of(item: &str) -> ApiResult<RepoAddress> {
    let found = item.split_once('/').and_then(|(plural, id)| {
        let kind = RepoKind::ALL.iter().copied().find(|kind| kind.plural() == plural)?;
        RepoAddress::parse(kind, id).ok()
    });
    found.ok_or_else(|| ApiError::invalid("write item as models/owner/name, datasets/owner/name or spaces/owner/name"))
}

#[derive(Deserialize)]
struct CreateBody {
    title: String,
    namespace: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    private: bool,
    item: Option<ItemOf>,
}

#[derive(Deserialize)]
struct ItemOf {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

impl ItemOf {
    fn address(&self) -> ApiResult<RepoAddress> {
        let kind = RepoKind::from_word(&self.kind)
            .ok_or_else(|| ApiError::invalid("this node keeps models, datasets, spaces and kernels in collections"))?;
        Ok(RepoAddress::parse(kind, &self.id).map_err(HubError::from)?)
    }
}

async fn collection_create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<CreateBody>,
) -> ApiResult<axum::Json<Value>> {
    let wish = CollectionWish {
        title: body.title,
        owner: body.namespace,
        description: body.description,
        is_private: body.private,
    };
    let item = body.item.map(|item| item.address()).transpose()?;
    let mut made = state.hub.collection_create(&caller, wish).await?;
    if let Some(repo) = item {
        made = state.hub.collection_item_add(&caller, &made.slug(), &repo, "").await?;
    }
    Ok(json_body(collection_json(&made)))
}

async fn collection_get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    Ok(json_body(collection_json(&state.hub.collection_get(&caller, &address(&params)).await?)))
}

#[derive(Deserialize)]
struct UpdateBody {
    title: Option<String>,
    description: Option<String>,
    theme: Option<String>,
    private: Option<bool>,
    position: Option<u64>,
}

async fn collection_update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
    JsonBody(body): JsonBody<UpdateBody>,
) -> ApiResult<axum::Json<Value>> {
    let UpdateBody { title, description, theme, private: is_private, position } = body;
    let position = position.map(|position| position.min(1_000_000));
    let patch = CollectionPatch { title, description, theme, is_private, position };
    let changed = state.hub.collection_update(&caller, &address(&params), patch).await?;
    Ok(json_body(json!({ "success": true, "data": collection_json(&changed) })))
}

async fn collection_delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    state.hub.collection_delete(&caller, &address(&params)).await?;
    Ok(json_body(json!({ "success": true })))
}

#[derive(Deserialize)]
struct ItemBody {
    item: ItemOf,
    #[serde(default)]
    note: String,
}

async fn item_add(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
    JsonBody(body): JsonBody<ItemBody>,
) -> ApiResult<axum::Json<Value>> {
    let repo = body.item.address()?;
    let changed = state.hub.collection_item_add(&caller, &address(&params), &repo, &body.note).await?;
    Ok(json_body(collection_json(&changed)))
}

/// Reads the id of an item.
fn item_id(params: &Params) -> ApiResult<i64> {
    let missing = || ApiError(HubError::Missing("the collection has no such item".to_owned()));
    i64::from_str_radix(params.text("item"), 16).map_err(|_| missing())
}

#[derive(Deserialize)]
struct ItemPatch {
    note: Option<String>,
    position: Option<u64>,
}

async fn item_update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
    JsonBody(body): JsonBody<ItemPatch>,
) -> ApiResult<axum::Json<Value>> {
    let (address, item) = (address(&params), item_id(&params)?);
    state.hub.collection_item_update(&caller, &address, item, body.note.as_deref(), body.position).await?;
    Ok(json_body(json!({ "success": true })))
}

async fn item_delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    state.hub.collection_item_delete(&caller, &address(&params), item_id(&params)?).await?;
    Ok(json_body(json!({ "success": true })))
}
