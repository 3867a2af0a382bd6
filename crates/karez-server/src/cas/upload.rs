//! Xorbs and shards on their way in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::try_unfold;
use karez_hub::{HubError, HubResult, ShardProgress};
use karez_types::XorbHash;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::XetWriter;
use crate::AppState;
use crate::body::body_pieces;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, whole_body};

/// How long a shard may take before the answer begins with progress. Quick failures keep their status.
const QUIET: Duration = Duration::from_secs(2);

/// How often progress is repeated; the reference server does every 20 s, proxies cut at 30 or 60.
const FRAME_PAUSE: Duration = Duration::from_secs(5);

/// Says whether a xorb must be sent. A client that hears 404 sends it to [`xorb_put`]; no address of
/// another host is ever granted.
pub(super) async fn xorb_grant(
    State(state): State<AppState>,
    XetWriter(grant): XetWriter,
    params: Params,
    request: Request,
) -> ApiResult<Response> {
    let hash: XorbHash = params.parse("hash")?;
    whole_body(request, &state).await?;
    if state.hub.xorb_known(&grant, hash).await? {
        return Ok(Json(json!({ "was_inserted": false })).into_response());
    }
    Err(ApiError(HubError::Missing(format!("xorb {hash} is not stored; send it to /v1/xorbs"))))
}

pub(super) async fn xorb_put(
    State(state): State<AppState>,
    XetWriter(grant): XetWriter,
    params: Params,
    request: Request,
) -> ApiResult<Json<Value>> {
    let hash = params.parse("hash")?;
    let was_inserted = state.hub.xorb_put(&grant, hash, body_pieces(request.into_body())).await?;
    Ok(Json(json!({ "was_inserted": was_inserted })))
}

pub(super) async fn shard_put(
    State(state): State<AppState>,
    XetWriter(grant): XetWriter,
    request: Request,
) -> ApiResult<Json<Value>> {
    let bytes = whole_body(request, &state).await?;
    let was_new = state.hub.shard_put(&grant, bytes, &|_| {}).await?;
    Ok(Json(json!({ "result": u8::from(was_new) })))
}

/// Takes a shard and reports progress, one JSON object per line, while its files are read through.
///
/// The work goes on when the client leaves: it then finds its files registered when it comes back.
pub(super) async fn shard_put_with_progress(
    State(state): State<AppState>,
    XetWriter(grant): XetWriter,
    request: Request,
) -> ApiResult<Response> {
    let bytes = whole_body(request, &state).await?;
    let latest = Arc::new(Mutex::new(ShardProgress::Validating { verified: 0, total: 0 }));
    let shared = Arc::clone(&latest);
    let mut work = tokio::spawn(async move {
        let note = move |progress| *shared.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        state.hub.shard_put(&grant, bytes, &note).await
    });
    let frames = match timeout_at(Instant::now() + QUIET, &mut work).await {
        Ok(done) => {
            outcome(done)?;
            Body::from(line(&json!({ "type": "result" })))
        }
        Err(_) => Body::from_stream(frames(Some(work), latest)),
    };
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/x-ndjson")], frames).into_response())
}

type Work = JoinHandle<HubResult<bool>>;

fn frames(
    work: Option<Work>,
    latest: Arc<Mutex<ShardProgress>>,
) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    try_unfold((work, latest, Duration::ZERO), |(work, latest, pause)| async move {
        let Some(mut work) = work else { return Ok(None) };
        let frame = match timeout_at(Instant::now() + pause, &mut work).await {
            Ok(done) => {
                let last = match outcome(done) {
                    Ok(()) => json!({ "type": "result" }),
                    Err(error) => error_frame(error),
                };
                return Ok(Some((line(&last), (None, latest, FRAME_PAUSE))));
            }
            Err(_) => match *latest.lock().unwrap_or_else(PoisonError::into_inner) {
                ShardProgress::Validating { verified, total } => {
                    json!({ "type": "validating", "verified": verified, "total": total })
                }
                ShardProgress::Committing => json!({ "type": "committing", "stage": "syncing" }),
            },
        };
        Ok(Some((line(&frame), (Some(work), latest, FRAME_PAUSE))))
    })
}

fn outcome(done: Result<HubResult<bool>, tokio::task::JoinError>) -> ApiResult<()> {
    match done {
        Ok(result) => Ok(result.map(|_| ())?),
        Err(error) => {
            tracing::error!(%error, "the registration of a shard was lost");
            Err(ApiError(HubError::Busy))
        }
    }
}

fn error_frame(error: ApiError) -> Value {
    let (status, message) = error.told_late();
    json!({ "type": "error", "message": message, "retryable": status.is_server_error() })
}

fn line(frame: &Value) -> Bytes {
    Bytes::from(format!("{frame}\n"))
}

/// Takes what clients report about a transfer. It is logged and not kept.
pub(super) async fn telemetry(
    State(state): State<AppState>,
    super::XetReader(_): super::XetReader,
    request: Request,
) -> ApiResult<Json<Value>> {
    let bytes = whole_body(request, &state).await?;
    tracing::debug!(report_bytes = bytes.len(), "a client reported on its transfer");
    Ok(Json(json!({})))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::sync::oneshot;

    use super::*;

    /// Frames of a registration that ends when the test says so.
    async fn told(outcome: HubResult<bool>) -> Vec<Value> {
        let (end, ended) = oneshot::channel::<HubResult<bool>>();
        let work = tokio::spawn(async move { ended.await.unwrap() });
        let latest = Arc::new(Mutex::new(ShardProgress::Validating { verified: 3, total: 9 }));
        let mut frames = Box::pin(frames(Some(work), latest));
        let mut lines = vec![frames.next().await.unwrap().unwrap()];
        end.send(outcome).unwrap();
        while let Some(frame) = frames.next().await {
            lines.push(frame.unwrap());
        }
        assert!(lines.iter().all(|line| line.ends_with(b"\n")));
        lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn progress_comes_first_and_the_outcome_last() {
        let progress = json!({ "type": "validating", "verified": 3, "total": 9 });
        assert_eq!(told(Ok(true)).await, [progress.clone(), json!({ "type": "result" })]);
        let error = |message: String, retryable| json!({ "type": "error", "message": message, "retryable": retryable });
        let wrong = HubError::Invalid("wrong".to_owned());
        assert_eq!(told(Err(wrong)).await, [progress.clone(), error("wrong".to_owned(), false)]);
        let busy = error(HubError::Busy.to_string(), true);
        assert_eq!(told(Err(HubError::Busy)).await, [progress, busy]);
    }
}
