//! The route that gives files: what every download begins with.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use karez_federation::upstream::VIA_HEADER;
use karez_formats::http_range::{RangeRequest, parse};
use karez_hub::{Actor, HubError, Resolved};
use karez_types::{ByteRange, RepoAddress, RepoPath, Revision};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::repo_json::withdrawn_header;
use crate::error::{ApiResult, header_text};
use crate::extract::{Base, Caller, Params, Target};
use crate::pages::{CameFrom, network};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Head, "/{repo}/resolve/{rev}/{*path}", G::RepoRead, B::Empty, file_resolve),
        Route::new(V::Get, "/{repo}/resolve/{rev}/{*path}", G::RepoRead, B::Empty, file_resolve),
        Route::new(V::Head, "/api/{kinds}/{owner}/{name}/resolve/{rev}/{*path}", G::RepoRead, B::Empty, file_resolve),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/resolve/{rev}/{*path}", G::RepoRead, B::Empty, file_resolve),
    ]
}

/// Marks requests made inside a download call (huggingface_hub 2.x).
const DOWNLOAD_COUNTER: &str = "x-hf-download-counter";

/// Answers HEAD and GET. HEAD never redirects: clients read the headers of the last hop, and some
/// follow no redirect at all.
async fn file_resolve(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Base(base): Base,
    Target(address): Target,
    params: Params,
    request: Request,
) -> ApiResult<Response> {
    let (revision, path) = place(&params)?;
    let (repo, file) = state.hub.file_resolve(&caller, &address, &revision, &path).await?;
    let asked = request.headers();
    let etag = format!("\"{}\"", file.etag());
    let mut headers = describe(&base, &repo.address(), &file, &etag, wants_attachment(request.uri()));
    headers.extend(withdrawn_header(&repo));
    let is_head = request.method() == Method::HEAD;
    if counts_as_download(is_head, asked, &file) {
        if let Some(reader) = reader_of(&caller, &request) {
            state.hub.download_count(repo.id, &reader);
        }
        if let (Some(large), Some(upstreams)) = (&file.large, &state.upstreams) {
            let saved_bytes = if large.hash.is_some() { large.file_bytes } else { 0 };
            upstreams.file_used(&repo, large.sha256, saved_bytes);
        }
    }
    if names_tag(asked, header::IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if is_head {
        headers.insert(header::CONTENT_LENGTH, file.file_bytes.into());
        return Ok((headers, Body::empty()).into_response());
    }
    let range = match wanted_range(asked, &etag, file.file_bytes) {
        RangeRequest::Unsatisfiable => return Err(HubError::RangeOutside { total_bytes: file.file_bytes }.into()),
        RangeRequest::Whole => None,
        RangeRequest::Part(range) => Some(range),
    };
    let bytes = range.unwrap_or(ByteRange { start: 0, end: file.file_bytes });
    headers.insert(header::CONTENT_LENGTH, bytes.byte_count().into());
    let mut status = StatusCode::OK;
    if let Some(range) = range {
        status = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, file.file_bytes);
        headers.insert(header::CONTENT_RANGE, header_text(&text));
    }
    let body = match file.large {
        None => Body::from(state.hub.small_file_read(&file, bytes).await?),
        Some(_) => Body::from_stream(state.hub.large_file_stream(&caller, &repo, &file, bytes).await?),
    };
    Ok((status, headers, body).into_response())
}

/// Tells whether the address says that a browser should save the file.
fn wants_attachment(uri: &Uri) -> bool {
    uri.query()
        .is_some_and(|query| query.split('&').any(|pair| matches!(pair, "download" | "download=true" | "download=1")))
}

/// Returns revision and path. Some callers write `refs/pr/1` without encoding its slashes.
fn place(params: &Params) -> ApiResult<(Revision, RepoPath)> {
    let path = params.text("path");
    if params.text("rev") == "refs"
        && let [space @ ("pr" | "convert"), name, rest] = path.splitn(3, '/').collect::<Vec<_>>()[..]
        && let Ok(revision) = format!("refs/{space}/{name}").parse()
    {
        return Ok((revision, rest.parse()?));
    }
    Ok((params.revision()?, params.path()?))
}

/// Returns the revision that an address names, whatever its route; `None` when it names none.
pub(crate) fn revision_in(params: &Params) -> ApiResult<Option<Revision>> {
    match params.text("rev") {
        "" => Ok(None),
        "refs" => Ok(Some(place(params)?.0)),
        _ => params.revision().map(Some),
    }
}

/// Returns the headers that tell a client all about a file.
fn describe(base: &str, address: &RepoAddress, file: &Resolved, etag: &str, as_attachment: bool) -> HeaderMap {
    const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
    const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
    const REPO_COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
    const XET_HASH: HeaderName = HeaderName::from_static("x-xet-hash");
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(REPO_COMMIT, header_text(&file.commit.to_string()));
    headers.insert(header::ETAG, header_text(etag));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_TYPE, content_type(file));
    headers
        .insert(header::CONTENT_DISPOSITION, disposition(file.path.file_name(), as_attachment || file.large.is_some()));
    // Files are other people's: a browser must neither guess that they are pages nor run them.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    if let Some(large) = &file.large {
        headers.insert(LINKED_ETAG, header_text(etag));
        headers.insert(LINKED_SIZE, large.file_bytes.into());
        if let Some(hash) = large.hash {
            headers.insert(XET_HASH, header_text(&hash.to_string()));
            let (kinds, id) = (address.kind.plural(), address.id());
            let route = format!("<{base}/api/{kinds}/{id}/xet-read-token/{}>; rel=\"xet-auth\"", file.commit);
            headers.insert(header::LINK, header_text(&route));
        }
    }
    headers
}

/// Returns text for what people read, and bytes for all else; never a type that a browser runs.
fn content_type(file: &Resolved) -> HeaderValue {
    const TEXT_ENDINGS: [&str; 12] =
        ["md", "txt", "json", "jsonl", "csv", "tsv", "yaml", "yml", "py", "toml", "gitattributes", "gitignore"];
    let ending = file.path.file_name().rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_text = file.large.is_none() && TEXT_ENDINGS.iter().any(|text| ending.eq_ignore_ascii_case(text));
    HeaderValue::from_static(if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" })
}

fn disposition(name: &str, as_attachment: bool) -> HeaderValue {
    let how = if as_attachment { "attachment" } else { "inline" };
    let plain: String = name.chars().map(|c| if matches!(c, '"' | '\\') || !c.is_ascii() { '_' } else { c }).collect();
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
    header_text(&format!("{how}; filename*=UTF-8''{encoded}; filename=\"{plain}\""))
}

/// A download is counted once: where a client says that it downloads and the bytes will come through
/// Xet, on its HEAD; otherwise on the GET of the first byte.
fn counts_as_download(is_head: bool, asked: &HeaderMap, file: &Resolved) -> bool {
    let comes_through_xet =
        asked.contains_key(DOWNLOAD_COUNTER) && file.large.is_some_and(|large| large.hash.is_some());
    let range = asked.get(header::RANGE).and_then(|value| value.to_str().ok());
    // A picture that a browser draws as a part of a page was not downloaded by anybody.
    if asked.get("sec-fetch-dest").is_some_and(|value| value == "image") {
        return false;
    }
    let from_start = range.is_none_or(|range| range.trim_start().starts_with("bytes=0-"));
    if comes_through_xet { is_head } else { !is_head && from_start }
}

/// Returns who is counted for a download; nobody for other nodes, which fetch for readers that they count themselves.
fn reader_of(caller: &Actor, request: &Request) -> Option<String> {
    let headers = request.headers();
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if headers.contains_key(VIA_HEADER) || agent.starts_with("karez/") {
        return None;
    }
    if let Some(user) = caller.user() {
        return Some(format!("account {}", user.account.id.0));
    }
    // Where it is not known, all are one.
    let from = request.extensions().get::<CameFrom>().map(|from| network(from.0));
    Some(from.map_or_else(String::new, |from| from.to_string()))
}

/// Tells whether a header lists this tag. Weak tags count: the tag names the bytes themselves.
pub(crate) fn names_tag(asked: &HeaderMap, name: HeaderName, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    let wanted = strong(etag);
    let lists = |value: &HeaderValue| {
        let tags = value.to_str().unwrap_or("");
        tags.trim() == "*" || tags.split(',').any(|tag| strong(tag) == wanted)
    };
    asked.get_all(name).iter().any(lists)
}

/// Returns what part is wanted. A range under `If-Range` counts only when that names these bytes;
/// dates never do, for files have none here.
pub(crate) fn wanted_range(asked: &HeaderMap, etag: &str, total_bytes: u64) -> RangeRequest {
    let Some(range) = asked.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return RangeRequest::Whole;
    };
    if asked.contains_key(header::IF_RANGE) && !names_tag(asked, header::IF_RANGE, etag) {
        return RangeRequest::Whole;
    }
    parse(range, total_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_quoted_weak_and_listed() {
        for (value, expected) in
            [("\"ab\"", true), ("W/\"ab\"", true), ("\"x\", \"ab\"", true), ("*", true), ("\"abc\"", false)]
        {
            let mut asked = HeaderMap::new();
            asked.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(names_tag(&asked, header::IF_NONE_MATCH, "\"ab\""), expected, "{value}");
        }
    }

    #[test]
    fn a_file_name_cannot_break_out_of_its_header() {
        let value = disposition("a\"; b=é\\.txt", true);
        assert_eq!(
            value.to_str().unwrap(),
            "attachment; filename*=UTF-8''a%22%3B%20b%3D%C3%A9%5C%2Etxt; filename=\"a_; b=__.txt\""
        );
    }

    #[test]
    fn a_range_under_another_tag_is_the_whole() {
        let mut asked = HeaderMap::new();
        asked.insert(header::RANGE, HeaderValue::from_static("bytes=2-3"));
        assert_eq!(wanted_range(&asked, "\"ab\"", 10), RangeRequest::Part(ByteRange { start: 2, end: 4 }));
        asked.insert(header::IF_RANGE, HeaderValue::from_static("\"cd\""));
        assert_eq!(wanted_range(&asked, "\"ab\"", 10), RangeRequest::Whole);
    }
}
