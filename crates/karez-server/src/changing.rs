//! Answers that change now and then, and are asked for again and again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use karez_formats::gzip;
use sha2::{Digest as _, Sha256};

use crate::error::header_text;
use crate::hub_api::names_tag;

/// Bytes below which packing is not worth its headers.
const PACK_BYTES_MIN: usize = 256;

fn tag_of(body: &[u8]) -> String {
    Sha256::digest(body)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers bytes that change now and then: with 304 when the caller has them already.
pub(crate) fn changing(asked: &HeaderMap, body: Bytes, content_type: HeaderValue, keep: HeaderValue) -> Response {
    let etag = format!("\"{}\"", tag_of(&body));
    let headers = [(header::ETAG, header_text(&etag)), (header::CACHE_CONTROL, keep)];
    if names_tag(asked, header::IF_NONE_MATCH, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// Answers bytes that change now and then and compress well: packed for those who take gzip, under a tag of
/// its own.
pub(crate) fn changing_packed(
    asked: &HeaderMap,
    body: Bytes,
    content_type: HeaderValue,
    keep: HeaderValue,
) -> Response {
    let takes = takes_gzip(asked) && body.len() >= PACK_BYTES_MIN;
    let etag = format!("\"{}{}\"", tag_of(&body), if takes { "-gzip" } else { "" });
    let vary = HeaderValue::from_static("accept-encoding");
    let headers = [(header::ETAG, header_text(&etag)), (header::CACHE_CONTROL, keep), (header::VARY, vary)];
    if names_tag(asked, header::IF_NONE_MATCH, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = [(header::CONTENT_TYPE, content_type)];
    if !takes {
        return (headers, kind, body).into_response();
    }
    let packed = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
    (headers, kind, packed, gzip::pack(&body)).into_response()
}

/// Tells whether the caller takes gzip: named, or by `*`, and not with weight zero.
pub(crate) fn takes_gzip(asked: &HeaderMap) -> bool {
    let weight_of = |wanted: &str| {
        let values = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).find_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight)
        })
    };
    weight_of("gzip").or_else(|| weight_of("*")).is_some_and(|weight: f32| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, *", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip;q=x", false),
            ("identity", false),
            ("xgzip", false),
        ] {
            let mut asked = HeaderMap::new();
            asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(takes_gzip(&asked), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
