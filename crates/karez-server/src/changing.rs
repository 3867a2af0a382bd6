//! Answers that change now and then, and are asked for again and again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::error::header_text;
use crate::hub_api::names_tag;

/// Answers bytes that change now and then: with 304 when the caller has them already.
pub(crate) fn changing(asked: &HeaderMap, body: Bytes, content_type: HeaderValue, keep: HeaderValue) -> Response {
    let digest = Sha256::digest(&body);
    let etag: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{etag}\"");
    let headers = [(header::ETAG, header_text(&etag)), (header::CACHE_CONTROL, keep)];
    if names_tag(asked, header::IF_NONE_MATCH, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
