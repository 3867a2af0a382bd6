//! What happens to every request around its handler.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use karez_hub::HubError;
use karez_types::Limits;
use tokio::sync::oneshot;

use crate::body::{BoundedBody, drain};
use crate::error::{ApiError, EXPOSED_HEADERS, MovedTo, REQUEST_ID, header_text};
use crate::pages::{IsPage, Told, page_headers, page_of_error};
use crate::{AppState, BodyBound};

/// What one route knows of its bodies.
#[derive(Clone, Copy)]
struct Bound {
    bytes_max: u64,
    setting: &'static str,
    idle: Duration,
    /// Whether a browser's form that is too long is read as far as it may be, so that its page is shown again.
    is_page_form: bool,
}

/// Refuses bodies that announce more than the route takes, and bounds the others while they come.
pub(crate) fn bound_body(row: MethodRouter<AppState>, body: BodyBound, limits: &Limits) -> MethodRouter<AppState> {
    let bound = Bound {
        bytes_max: body.bytes_max(limits),
        setting: body.setting(),
        is_page_form: matches!(body, BodyBound::Upload),
        idle: Duration::from_secs(limits.body_idle_secs_max.max(1)),
    };
    // The bound below takes the place of the framework's own.
    row.layer(DefaultBodyLimit::disable()).layer(from_fn_with_state(bound, check_body))
}

/// Bytes of a body that are read although nobody wants them, so that the sender reads the answer
/// instead of finding the connection closed: enough for a xorb that is refused.
const DRAIN_BYTES_MAX: u64 = 128 << 20;

async fn check_body(State(bound): State<Bound>, request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_none() && !request.headers().contains_key(header::TRANSFER_ENCODING) {
        return next.run(request).await;
    }
    // Who expects a word before sending gets the answer as that word.
    let drains =
        announced.is_none_or(|bytes: u64| bytes <= DRAIN_BYTES_MAX) && !request.headers().contains_key(header::EXPECT);
    let is_read = bound.is_page_form && drains && page_headers(request.headers()).is_some();
    if !is_read && announced.is_some_and(|bytes| bytes > bound.bytes_max) {
        if drains {
            drain(request.into_body(), DRAIN_BYTES_MAX, bound.idle).await;
        }
        let limit = format!("{} bytes", bound.bytes_max);
        return ApiError(HubError::TooLarge { what: "the body", limit, setting: bound.setting }).into_response();
    }
    let (sender, mut leftover) = oneshot::channel();
    let bounded = |body| Body::new(BoundedBody::new(body, bound.bytes_max, bound.setting, bound.idle, sender));
    let response = next.run(request.map(bounded)).await;
    if let Ok(body) = leftover.try_recv()
        && drains
    {
        drain(body, DRAIN_BYTES_MAX, bound.idle).await;
    }
    response
}

/// Puts the layers that all routes share around a router.
pub(crate) fn around(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    router.layer(from_fn_with_state(state.clone(), dress))
}

/// Where programs ask again and again, over lines that are paid for by the byte. What goes well there has
/// nobody to report it by an id, and no page reads its headers.
const LEAN: [&str; 4] = [BETWEEN_NODES, "/log/", "/witness/", "/.well-known/karez"];
/// What only nodes ask for.
const BETWEEN_NODES: &str = "/federation/v1/";

/// Gives every answer its request id and cross-origin headers, answers preflights, and points
/// requests for moved repositories to where they are.
async fn dress(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let request_id = request_id(&request);
    let moved_from = request.uri().clone();
    let is_lean = LEAN.iter().any(|prefix| moved_from.path().starts_with(prefix));
    let is_preflight = request.method() == Method::OPTIONS;
    let is_get = request.method() == Method::GET;
    let asked = page_headers(request.headers());
    let mut response = if is_preflight { preflight() } else { next.run(request).await };
    if response.extensions().get::<Told>().is_some() {
        let id = request_id.to_str().unwrap_or_default();
        response = page_of_error(&state, asked.as_ref(), is_get, &moved_from, response, id).await;
    }
    if let Some(moved) = response.extensions_mut().remove::<MovedTo>() {
        let location = moved_location(moved_from.path(), moved_from.query(), &moved);
        response.headers_mut().insert(header::LOCATION, header_text(&location));
    }
    let went_well = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let is_page = response.extensions().get::<IsPage>().is_some();
    let headers = response.headers_mut();
    if is_lean && went_well && !is_preflight {
        // Whoever verifies a log in a page must be able to read it.
        if !moved_from.path().starts_with(BETWEEN_NODES) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        return response;
    }
    headers.insert(REQUEST_ID, request_id);
    if is_page {
        // For people, in their own browser; programs of other sites have the API.
        return response;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    response
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Returns the caller's own id for the request when it is plain, otherwise a running number.
fn request_id(request: &Request) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = ["x-request-id", "x-amzn-trace-id"].iter().find_map(|name| request.headers().get(*name));
    let plain = |value: &&HeaderValue| value.len() <= 128 && value.to_str().is_ok();
    given
        .filter(plain)
        .cloned()
        .unwrap_or_else(|| header_text(&format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed))))
}

/// Returns the same address with the new owner and name, relative to the node.
fn moved_location(path: &str, query: Option<&str>, moved: &MovedTo) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let plain = |segment: &str| segment.trim_end_matches(".git").to_ascii_lowercase();
    let (owner, name) = (moved.from.owner.as_str().to_ascii_lowercase(), moved.from.name.as_str().to_ascii_lowercase());
    let at = segments.windows(2).position(|pair| plain(pair[0]) == owner && plain(pair[1]) == name);
    let mut location = match at {
        Some(at) => {
            let suffix = if segments[at + 1].ends_with(".git") { ".git" } else { "" };
            let mut parts: Vec<String> = segments.iter().map(|&segment| segment.to_owned()).collect();
            parts[at] = moved.to.owner.to_string();
            parts[at + 1] = format!("{}{suffix}", moved.to.name);
            parts.join("/")
        }
        None => format!("/{}", moved.to.url_path()),
    };
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    location
}
