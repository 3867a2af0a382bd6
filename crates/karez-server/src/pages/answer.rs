//! How pages are answered: the headers that browsers hold them to, packed, and the style.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_hub::HubError;
use karez_pages::{CONTENT_POLICY, SCRIPT, SCRIPT_NAME, SCRIPT_POLICY, STYLE, STYLE_NAME};

use super::asked::{Asked, LANGUAGE_COOKIE};
use crate::changing::changing_packed;
use crate::error::{ApiResult, header_text};
use crate::extract::Params;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// Pages differ by reader, and change; a browser may keep one, and asks whether it is still good.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");
/// The address of the style names its content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For how long a language is remembered, in seconds: a year.
const LANGUAGE_SECS: u32 = 31_536_000;

/// Says that an answer is a page, for the layer around all routes.
#[derive(Clone, Copy)]
pub(crate) struct IsPage;

/// Answers a page.
pub(super) fn page(asked: &Asked, html: String) -> Response {
    let mut response = packed(&asked.headers, html);
    if let Some(code) = asked.chosen {
        let cookie = format!("{LANGUAGE_COOKIE}={code}; Path=/; Max-Age={LANGUAGE_SECS}; SameSite=Lax; HttpOnly");
        response.headers_mut().append(header::SET_COOKIE, header_text(&cookie));
    }
    response
}

/// Answers the page of a form: never kept, and with the cookie that its proof is for.
pub(super) fn form_page(asked: &Asked, html: String, cookie: Option<String>) -> Response {
    let mut response = page(asked, html);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    with_cookie(response, cookie)
}

/// Has a browser keep a cookie.
pub(super) fn with_cookie(mut response: Response, cookie: Option<String>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, header_text(&cookie));
    }
    response
}

/// Lets the node's own script run on a page.
pub(super) fn with_script(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(SCRIPT_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Answers HTML under the policy of all pages.
pub(super) fn packed(headers: &HeaderMap, html: String) -> Response {
    let mut response = changing_packed(headers, html.into(), HTML, ASK_AGAIN);
    guard(response.headers_mut());
    response.extensions_mut().insert(IsPage);
    response
}

/// Sets what browsers hold pages to.
pub(super) fn guard(headers: &mut HeaderMap) {
    const VARIES: &str = "accept, accept-encoding, accept-language, authorization, cookie";
    let fixed: [(HeaderName, &'static str); 7] = [
        (header::VARY, VARIES),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Answers the style, or the script, under the name of its content; an older name is gone.
pub(super) async fn style(params: Params, headers: HeaderMap) -> ApiResult<Response> {
    let (content, kind) = match params.text("style") {
        name if name == format!("style-{}.css", *STYLE_NAME) => (STYLE, "text/css; charset=utf-8"),
        name if name == format!("upload-{}.js", *SCRIPT_NAME) => (SCRIPT, "text/javascript; charset=utf-8"),
        _ => return Err(HubError::Missing("there is no such page".to_owned()).into()),
    };
    let mut response = changing_packed(&headers, content.into(), HeaderValue::from_static(kind), FOREVER);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Sends a browser to another page of the node.
pub(super) fn go_to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, header_text(path))]).into_response()
}
