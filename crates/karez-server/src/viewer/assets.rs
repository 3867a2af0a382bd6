//! Pictures and sounds that stand in cells. Their bytes are a stranger's: they are sent as what their header says,
//! if that is a picture or a sound, and never as anything that a browser would run.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use karez_hub::{HubError, Media, PreviewError, Question, media_of_bytes};

use super::asked::Viewed;
use crate::AppState;
use crate::error::{ApiError, ApiResult};

pub(super) async fn asset(State(state): State<AppState>, viewed: Viewed) -> ApiResult<Response> {
    let cell = Question::Cell { row: viewed.number("row", 0)?, column: viewed.needed("column")?.to_owned() };
    let found = super::ask(&state, &viewed, cell).await?;
    let bytes = STANDARD.decode(found.cell.as_deref().unwrap_or_default()).unwrap_or_default();
    let no_media = || ApiError(HubError::Preview(PreviewError::unsupported("the cell holds no picture and no sound")));
    let kind = media_of_bytes(&bytes).as_ref().map(Media::kind).ok_or_else(no_media)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400")),
    ];
    Ok((headers, bytes).into_response())
}
