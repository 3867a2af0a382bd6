//! The route that lists a history.

use axum::extract::State;
use axum::http::Uri;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use karez_hub::CommitInfo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::repos::values_of;
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{Base, Caller, Params, QueryOf, Target, json as json_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(
        Verb::Get,
        "/api/{kinds}/{owner}/{name}/commits/{rev}",
        Guard::RepoRead,
        BodyBound::Empty,
        commit_list,
    )]
}

async fn commit_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    Target(address): Target,
    params: Params,
    uri: Uri,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let number = |name: &str| -> ApiResult<Option<u64>> {
        let text = values_of(&query, name).into_iter().next();
        text.map(|text| text.parse().map_err(|_| ApiError::invalid(format!("{name} must be a whole number"))))
            .transpose()
    };
    let formatted = values_of(&query, "expand").iter().any(|value| value == "formatted");
    let (page_number, limit) = (number("p")?.unwrap_or(0), number("limit")?);
    let page = state.hub.commit_list(&caller, &address, &params.revision()?, page_number, limit).await?;
    let items: Vec<Value> = page.commits.iter().map(|commit| commit_json(commit, formatted)).collect();
    let mut response = json_body(items).into_response();
    if let Some(next) = page.next_page {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let kept = query.iter().filter(|(key, _)| key != "p");
        let kept: String = kept.map(|(key, value)| format!("{}={}&", encode(key), encode(value))).collect();
        let link = format!("<{base}{}?{kept}p={next}>; rel=\"next\"", uri.path());
        response.headers_mut().insert(LINK, header_text(&link));
    }
    Ok(response)
}

fn commit_json(commit: &CommitInfo, formatted: bool) -> Value {
    let mut body = json!({
        "id": commit.oid,
        "authors": [{ "user": commit.author }],
        "date": commit.date,
        "title": commit.title,
        "message": commit.message,
        "parents": commit.parents,
    });
    if formatted {
        body["formatted"] = json!({ "title": html(&commit.title), "message": html(&commit.message) });
    }
    body
}

/// Returns the text as HTML that shows it.
fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("<br>"),
            _ => escaped.push(c),
        }
    }
    escaped
}
