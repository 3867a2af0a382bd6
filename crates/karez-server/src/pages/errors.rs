//! Errors as pages, for those who ask for HTML.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use karez_hub::Actor;
use karez_pages::{ErrorPage, Key, error_page};
use karez_types::{RepoAddress, RepoKind};

use super::answer::{go_to, packed};
use super::asked::{frame, own_path, wants_html};
use crate::AppState;

/// Put on an answer that says what went wrong, so that the outer layer can make it a page.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The words.
    pub words: String,
    /// What they say, as far as a text of the languages says it.
    pub told: Option<Key>,
    /// The status of the page.
    pub page_status: StatusCode,
}

/// Where programs ask, whatever they say that they take.
const FOR_PROGRAMS: [&str; 8] =
    ["/api/", "/cas/", "/v1/", "/v2/", "/federation/", "/log/", "/witness/", "/.well-known/"];

/// Returns what a page of an error needs of a request's headers; nothing for requests that do not ask for HTML by
/// name, which are most.
pub(crate) fn page_headers(headers: &HeaderMap) -> Option<HeaderMap> {
    const KEPT: [header::HeaderName; 3] = [header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::COOKIE];
    wants_html(headers).then(|| {
        let kept = KEPT.iter().flat_map(|name| headers.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        kept.collect()
    })
}

/// Returns the repository that an address is in, below its own page. That only looks at the address, so it says the
/// same of what is there and of what is not.
fn repo_of(path: &str) -> Option<RepoAddress> {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let kind = match *parts.peek()? {
        "-" => return None,
        "datasets" => RepoKind::Dataset,
        "spaces" => RepoKind::Space,
        "kernels" => RepoKind::Kernel,
        _ => RepoKind::Model,
    };
    if kind != RepoKind::Model || parts.peek() == Some(&"models") {
        parts.next();
    }
    let id = format!("{}/{}", parts.next()?, parts.next()?);
    parts.next()?;
    RepoAddress::parse(kind, &id).ok()
}

/// Makes a page of an answer that says what went wrong, when the request asks for HTML by name. The headers that
/// programs read stay, but not the challenge that opens a browser's own window for passwords.
pub(crate) async fn page_of_error(
    state: &AppState,
    headers: Option<&HeaderMap>,
    is_get: bool,
    uri: &Uri,
    mut response: Response,
    request_id: &str,
) -> Response {
    let Some(told) = response.extensions_mut().remove::<Told>() else { return response };
    let Some(headers) = headers else { return response };
    if FOR_PROGRAMS.iter().any(|prefix| uri.path().starts_with(prefix)) {
        return response;
    }
    // A slash at the end is a slip of the hand.
    let plain = own_path(uri);
    let plain = plain.trim_end_matches('/');
    if is_get && told.page_status == StatusCode::NOT_FOUND && uri.path().ends_with('/') && !plain.is_empty() {
        return go_to(&uri.query().map_or_else(|| plain.to_owned(), |query| format!("{plain}?{query}")));
    }
    let caller = match super::session::session_secret(headers) {
        Some(secret) => state.hub.session_actor(secret).await.unwrap_or(Actor::Anonymous),
        None => Actor::Anonymous,
    };
    let (mut frame, _) = frame(state, headers, uri, &caller);
    frame.has_languages = is_get;
    let page = ErrorPage {
        status: told.page_status.as_u16(),
        words: told.words,
        told: told.told,
        request_id: request_id.to_owned(),
        repo: repo_of(uri.path()),
    };
    let made = packed(headers, error_page(&frame, &page));
    let (mut parts, _) = response.into_parts();
    for name in [header::WWW_AUTHENTICATE, header::CONTENT_LENGTH, header::CONTENT_TYPE] {
        parts.headers.remove(name);
    }
    let (made_parts, body) = made.into_parts();
    parts.headers.extend(made_parts.headers);
    parts.headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    parts.headers.remove(header::ETAG);
    parts.extensions.extend(made_parts.extensions);
    parts.status = told.page_status;
    Response::from_parts(parts, Body::new(body))
}
