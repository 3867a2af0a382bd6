//! What crawlers are told: which addresses there are, and which to leave alone.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use karez_hub::HubError;

use super::xml::{element, seconds};
use crate::AppState;
use crate::changing::changing_packed;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, QueryOf};

const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// Repository ids whose addresses stand in one file; the protocol allows 50,000 addresses and 50 MB.
const IDS_PER_FILE: u64 = 10_000;

/// Lists what the node publishes itself: what it mirrors has its place elsewhere.
pub(super) async fn sitemap(
    State(state): State<AppState>,
    Base(base): Base,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let catalog = state.hub.catalog();
    let parts = catalog.publication_parts(IDS_PER_FILE).await.map_err(HubError::from)?;
    let wanted = query.iter().find(|(name, _)| name == "part").map(|(_, value)| value.parse::<u64>());
    let wanted = wanted.transpose().map_err(|_| ApiError::invalid("part must be a whole number"))?;
    let part = match (wanted, parts.as_slice()) {
        (Some(part), _) => Some(part),
        (None, []) => Some(0),
        (None, [(part, _)]) => Some(*part),
        (None, _) => None,
    };
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    const SPACE: &str = "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"";
    let Some(part) = part else {
        out.push_str(&format!("<sitemapindex {SPACE}>\n"));
        for (part, _) in parts {
            out.push_str("<sitemap>");
            element(&mut out, "loc", &format!("{base}/sitemap.xml?part={part}"));
            out.push_str("</sitemap>\n");
        }
        out.push_str("</sitemapindex>\n");
        return Ok(changing_packed(&asked, out.into(), XML, KEEP));
    };
    let from = part.saturating_mul(IDS_PER_FILE);
    let listed = catalog
        .publications_by_repo(from, from.saturating_add(IDS_PER_FILE), IDS_PER_FILE)
        .await
        .map_err(HubError::from)?;
    out.push_str(&format!("<urlset {SPACE}>\n"));
    for one in listed {
        out.push_str("<url>");
        element(&mut out, "loc", &format!("{base}/{}", one.address.url_path()));
        element(&mut out, "lastmod", &seconds(one.changed));
        out.push_str("</url>\n");
    }
    out.push_str("</urlset>\n");
    Ok(changing_packed(&asked, out.into(), XML, KEEP))
}

pub(super) async fn robots(Base(base): Base) -> Response {
    // Lists with a query are without end, and the API is for programs that know what they want.
    let text = format!(
        "User-agent: *\nDisallow: /api/\nDisallow: /cas/\nDisallow: /-/sign-in\nDisallow: /*?\nAllow: /sitemap.xml\n\nSitemap: {base}/sitemap.xml\n"
    );
    text.into_response()
}
