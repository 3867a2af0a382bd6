//! Routes that list what is in a commit.

use axum::extract::{Request, State};
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use karez_hub::{TreeItem, TreeKind, TreeQuery};
use karez_types::{GitOid, RepoAddress};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::repos::{says_yes, values_of};
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{Base, Caller, Params, QueryOf, Target, json as json_body, whole_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/tree/{rev}", G::RepoRead, B::Empty, tree_list),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/tree/{rev}/{*path}", G::RepoRead, B::Empty, tree_list),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/paths-info/{rev}", G::RepoRead, B::Json, paths_info),
    ]
}

async fn tree_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    Target(address): Target,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let limit = values_of(&query, "limit").into_iter().next();
    let after = values_of(&query, "cursor").into_iter().next();
    let folder = params.text("path").trim_end_matches('/');
    let wanted = TreeQuery {
        folder: (!folder.is_empty()).then(|| folder.parse()).transpose()?,
        recursive: says_yes(&query, "recursive"),
        expand: says_yes(&query, "expand"),
        limit: limit
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| ApiError::invalid("limit must be a whole number"))?,
        after: after.map(|text| text.parse()).transpose()?,
    };
    let page = state.hub.tree_list(&caller, &address, &params.revision()?, &wanted).await?;
    let items: Vec<Value> = page.items.iter().map(item_json).collect();
    let mut response = json_body(items).into_response();
    if let Some(next) = page.next {
        let link = next_link(&base, &address, page.commit, &wanted, &next);
        response.headers_mut().insert(LINK, header_text(&link));
    }
    Ok(response)
}

/// Returns the address of the next page. It names the commit, so that a push between two pages does
/// not tear the listing.
fn next_link(base: &str, address: &RepoAddress, commit: GitOid, query: &TreeQuery, next: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut link = format!("<{base}/api/{}/{}/tree/{commit}", address.kind.plural(), address.id());
    if let Some(folder) = &query.folder {
        link.push_str(&format!("/{}", encode(folder.as_str())));
    }
    link.push_str(&format!("?recursive={}&expand={}&", query.recursive, query.expand));
    if let Some(limit) = query.limit {
        link.push_str(&format!("limit={limit}&"));
    }
    format!("{link}cursor={}>; rel=\"next\"", encode(next))
}

fn item_json(item: &TreeItem) -> Value {
    let kind = if item.kind == TreeKind::Folder { "directory" } else { "file" };
    let mut body = json!({ "type": kind, "oid": item.oid, "size": item.file_bytes(), "path": item.path });
    if let TreeKind::Large(large) = item.kind {
        body["lfs"] = json!({ "oid": large.sha256, "size": large.file_bytes, "pointerSize": large.pointer_bytes });
        if let Some(hash) = large.hash {
            body["xetHash"] = json!(hash);
        }
    }
    if let Some(last) = &item.last_commit {
        body["lastCommit"] = json!({ "id": last.commit, "title": last.title, "date": last.date });
    }
    body
}

/// What a JSON caller (huggingface.js) sends; Python sends a form.
#[derive(Deserialize)]
struct PathsBody {
    paths: Vec<String>,
    #[serde(default)]
    expand: bool,
}

async fn paths_info(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    request: Request,
) -> ApiResult<axum::Json<Vec<Value>>> {
    let bytes = whole_body(request, &state).await?;
    let body = if bytes.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(&bytes).map_err(|error| {
            ApiError::invalid(format!("the body must be {{\"paths\": [...], \"expand\": ...}}: {error}"))
        })?
    } else {
        let pairs = form_pairs(&bytes)?;
        let expand = values_of(&pairs, "expand").iter().any(|value| matches!(value.as_str(), "1" | "true" | "True"));
        PathsBody { paths: values_of(&pairs, "paths"), expand }
    };
    let found = state.hub.paths_info(&caller, &address, &params.revision()?, &body.paths, body.expand).await?;
    Ok(json_body(found.iter().map(item_json).collect()))
}

/// Reads `application/x-www-form-urlencoded`.
fn form_pairs(body: &[u8]) -> ApiResult<Vec<(String, String)>> {
    let unreadable = || ApiError::invalid("the body is neither JSON nor a form in UTF-8");
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| unreadable())
    };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(key)?, decode(value)?))
    };
    text.trim().split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        let pairs = form_pairs(b"paths=a%2Fb+c&paths=d&expand=True").unwrap();
        assert_eq!(values_of(&pairs, "paths"), ["a/b c", "d"]);
        assert!(form_pairs(b"paths=%ff").is_err());
    }
}
