//! The registry routes that Ollama pulls GGUF models through.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{HubError, OllamaBlob, OllamaImage, OllamaLayer};
use karez_types::Sha256;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::error::{ApiResult, header_text};
use crate::extract::{Base, Caller, Params, Target};
use crate::{AppState, BodyBound, Guard, Route, Verb};

pub(crate) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/v2/", G::Anyone, B::Empty, version),
        Route::new(V::Get, "/v2/{owner}/{name}/manifests/{tag}", G::RepoRead, B::Empty, manifest_get),
        Route::new(V::Get, "/v2/{owner}/{name}/blobs/{digest}", G::RepoRead, B::Empty, blob_get),
    ]
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What stands for itself in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Says that this is a registry.
async fn version() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], "{}").into_response()
}

async fn manifest_get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let image = state.hub.ollama_image(&caller, &address, params.text("tag")).await?;
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(&image.config),
        "layers": image.layers.iter().map(describe).collect::<Vec<_>>(),
    });
    // llama.cpp of 2025 asks here which files to fetch.
    let agent = asked.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if agent.starts_with("llama-cpp") {
        add_file_names(&mut manifest, &image);
    }
    Ok(([(header::CONTENT_TYPE, MANIFEST)], manifest.to_string()).into_response())
}

fn describe(layer: &OllamaLayer) -> Value {
    json!({ "mediaType": layer.media_type, "digest": layer.digest_text(), "size": layer.layer_bytes })
}

fn add_file_names(manifest: &mut Value, image: &OllamaImage) {
    let file = |path: &str| json!({ "rfilename": path });
    manifest["ggufFile"] = file(&image.model_path);
    if let Some(path) = &image.projector_path {
        manifest["mmprojFile"] = file(path);
    }
}

/// Answers small layers here, and points to the file for large ones: that route knows ranges.
async fn blob_get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    Base(base): Base,
    params: Params,
) -> ApiResult<Response> {
    let text = params.text("digest");
    let missing = || HubError::Missing(format!("{} is no digest; write sha256: and 64 digits", text.escape_debug()));
    let digest: Sha256 = text.strip_prefix("sha256:").and_then(|digits| digits.parse().ok()).ok_or_else(missing)?;
    Ok(match state.hub.ollama_blob(&caller, &address, digest).await? {
        OllamaBlob::Bytes(bytes) => {
            ([(header::CONTENT_TYPE, "application/octet-stream"), (header::ACCEPT_RANGES, "none")], bytes)
                .into_response()
        }
        OllamaBlob::File { commit, path } => {
            let location =
                format!("{base}/{}/resolve/{commit}/{}", address.url_path(), utf8_percent_encode(&path, PATH));
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, header_text(&location))]).into_response()
        }
    })
}
