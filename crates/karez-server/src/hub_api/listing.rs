//! Routes that list and search repositories.

use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use karez_hub::{Direction, RepoField, RepoSearch, RepoSort};
use karez_types::RepoKind;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::repo_json::repo_json;
use super::repos::{says_yes, values_of};
use crate::error::{ApiError, ApiResult, header_text};
use crate::extract::{Base, Caller, QueryOf, json};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(Verb::Get, "/api/{kinds}", Guard::Anyone, BodyBound::Empty, repo_list)]
}

/// Filters that this node cannot answer. To pass over one would answer with what was not asked for.
const FILTERS_WITHOUT_ANSWER: [&str; 5] = ["num_parameters", "apps", "linked", "datasets", "models"];

async fn repo_list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    Extension(kind): Extension<RepoKind>,
    uri: Uri,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let search = search_of(kind, &query)?;
    let fields = search.fields.clone();
    let served_elsewhere = ["inference", "inference_provider"].iter().any(|name| !values_of(&query, name).is_empty());
    if served_elsewhere {
        // No model is served by an inference provider here.
        return Ok(json(Value::Array(Vec::new())).into_response());
    }
    let page = state.hub.repo_list(&caller, search).await?;
    let items: Vec<Value> = page.items.iter().map(|info| repo_json(info, &fields)).collect();
    let mut response = json(items).into_response();
    if let Some(cursor) = page.next {
        let link = next_link(&base, uri.path(), &query, &cursor);
        response.headers_mut().insert(LINK, header_text(&link));
    }
    Ok(response)
}

/// Returns the address of the next page: the same query from the cursor on.
fn next_link(base: &str, path: &str, query: &[(String, String)], cursor: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut link = format!("<{base}{path}?");
    for (key, value) in query.iter().filter(|(key, _)| key != "cursor") {
        link.push_str(&format!("{}={}&", encode(key), encode(value)));
    }
    format!("{link}cursor={}>; rel=\"next\"", encode(cursor))
}

fn search_of(kind: RepoKind, query: &[(String, String)]) -> ApiResult<RepoSearch> {
    if let Some(name) = FILTERS_WITHOUT_ANSWER.iter().find(|name| !values_of(query, name).is_empty()) {
        return Err(ApiError::invalid(format!("this node cannot filter by {name} yet; ask without it")));
    }
    let first = |name: &str| values_of(query, name).into_iter().next();
    let words = values_of(query, "search");
    Ok(RepoSearch {
        search: (!words.is_empty()).then(|| words.join(" ")),
        author: first("author"),
        tags: tags_of(kind, query),
        pipeline_tag: first("pipeline_tag"),
        library: first("library"),
        gated: first("gated").map(|word| yes_or_no("gated", &word)).transpose()?,
        sort: first("sort").map(|word| sort_of(&word)).transpose()?,
        direction: match first("direction").as_deref() {
            None | Some("-1" | "desc") => Direction::Descending,
            Some("1" | "asc") => Direction::Ascending,
            Some(_) => return Err(ApiError::invalid("direction must be -1 (largest or newest first) or 1")),
        },
        page_items: first("limit").map(|word| limit_of(&word)).transpose()?,
        cursor: first("cursor"),
        fields: fields_of(kind, query)?,
        ..RepoSearch::all(kind)
    })
}

/// Filters may be repeated, or joined by commas. Models carry languages as bare tags.
fn tags_of(kind: RepoKind, query: &[(String, String)]) -> Vec<String> {
    let values = values_of(query, "filter").into_iter().chain(values_of(query, "tags"));
    let split: Vec<String> = values.flat_map(|value| value.split(',').map(str::to_owned).collect::<Vec<_>>()).collect();
    let bare = |tag: String| match (kind, tag.strip_prefix("language:")) {
        (RepoKind::Model, Some(language)) => language.to_owned(),
        _ => tag,
    };
    split.into_iter().filter(|tag| !tag.is_empty()).map(bare).collect()
}

fn fields_of(kind: RepoKind, query: &[(String, String)]) -> ApiResult<Vec<RepoField>> {
    let expand = values_of(query, "expand");
    if !expand.is_empty() {
        return Ok(RepoField::parse_all(kind, &expand)?);
    }
    let mut fields = RepoField::of_listing();
    if says_yes(query, "full") {
        fields.extend([RepoField::Siblings, RepoField::CardData]);
    }
    if says_yes(query, "cardData") && !fields.contains(&RepoField::CardData) {
        fields.push(RepoField::CardData);
    }
    if says_yes(query, "config") {
        fields.push(RepoField::Config);
    }
    Ok(fields)
}

fn sort_of(word: &str) -> ApiResult<RepoSort> {
    match word {
        "lastModified" | "last_modified" | "modified" => Ok(RepoSort::Modified),
        "createdAt" | "created_at" => Ok(RepoSort::Created),
        "downloads" => Ok(RepoSort::Downloads),
        "likes" => Ok(RepoSort::Likes),
        "trendingScore" | "trending_score" | "trending" => Ok(RepoSort::Trending),
        _ => Err(ApiError::invalid("sort must be one of lastModified, trendingScore, createdAt, downloads, likes")),
    }
}

fn yes_or_no(name: &str, word: &str) -> ApiResult<bool> {
    match word {
        "true" | "True" | "1" => Ok(true),
        "false" | "False" | "0" => Ok(false),
        _ => Err(ApiError::invalid(format!("{name} must be true or false"))),
    }
}

fn limit_of(word: &str) -> ApiResult<u64> {
    word.parse().map_err(|_| ApiError::invalid("limit must be a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn filters_are_repeated_or_joined() {
        let query =
            query(&[("filter", "license:mit,gguf"), ("filter[]", "language:fr"), ("search", "a"), ("search", "b")]);
        let search = search_of(RepoKind::Model, &query).unwrap();
        assert_eq!(search.tags, ["license:mit", "gguf", "fr"]);
        assert_eq!(search.search.as_deref(), Some("a b"));
        assert_eq!(search_of(RepoKind::Dataset, &query).unwrap().tags[2], "language:fr");
    }

    #[test]
    fn the_next_page_repeats_the_query() {
        let link = next_link("http://n", "/api/models", &query(&[("search", "a b"), ("cursor", "old")]), "c.d");
        assert_eq!(link, "<http://n/api/models?search=a%20b&cursor=c%2Ed>; rel=\"next\"");
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for (key, value) in
            [("num_parameters", "min:6B"), ("sort", "beauty"), ("limit", "-1"), ("gated", "maybe"), ("expand", "x")]
        {
            assert!(search_of(RepoKind::Model, &query(&[(key, value)])).is_err(), "{key}");
        }
    }
}
