//! A repository as clients read it (`ModelInfo`, `DatasetInfo`, `SpaceInfo`, `KernelInfo`).

use axum::http::{HeaderName, HeaderValue};
use karez_hub::{Repo, RepoField, RepoInfo, RepoOrigin, Sibling};
use karez_types::{RepoKind, Visibility};
use serde_json::{Map, Value, json};

use crate::error::header_text;

/// Returns the repository with these fields. A field of which the node knows nothing is left out:
/// clients read that as unknown.
pub(super) fn repo_json(info: &RepoInfo, fields: &[RepoField]) -> Value {
    let id = info.repo.address().id();
    let mut body = Map::new();
    body.insert("_id".to_owned(), format!("{:024x}", info.repo.id.0).into());
    body.insert("id".to_owned(), id.clone().into());
    if info.repo.kind == RepoKind::Model {
        body.insert("modelId".to_owned(), id.into());
    }
    for field in fields {
        if let Some(value) = field_json(info, *field) {
            body.insert(field.as_str().to_owned(), value);
        }
    }
    if let Some(origin) = &info.origin {
        body.insert("origin".to_owned(), origin_json(origin));
    }
    Value::Object(body)
}

/// Returns where a repository comes from. Clients of other hubs pass over the key.
fn origin_json(RepoOrigin { remote, mirror }: &RepoOrigin) -> Value {
    json!({
        "remote": remote,
        "repo": mirror.remote_repo.id(),
        "heldSince": mirror.held_since,
        "checked": mirror.checked,
        "verifiedBy": mirror.verified_by,
        "withdrawn": mirror.withdrawn,
        "override": mirror.local_override,
        "keep": mirror.keep.as_str(),
    })
}

/// Returns the header that says when its origin withdrew a repository that is still readable here.
pub(super) fn withdrawn_header(repo: &Repo) -> Option<(HeaderName, HeaderValue)> {
    let at = repo.mirror?.withdrawn?;
    Some((HeaderName::from_static("x-karez-withdrawn"), header_text(&at.to_string())))
}

fn field_json(info: &RepoInfo, field: RepoField) -> Option<Value> {
    use RepoField as F;
    let repo = &info.repo;
    let of_card = |key: &str| info.card.as_ref()?.get(key).cloned();
    let is_model = matches!(repo.kind, RepoKind::Model | RepoKind::Kernel);
    match field {
        F::Author => Some(repo.owner.name.as_str().into()),
        F::CardData => info.card.clone(),
        F::Config => info.config.clone(),
        F::CreatedAt => Some(repo.created.to_string().into()),
        F::Datasets => of_card("datasets"),
        F::Description => of_card("description"),
        F::Disabled => Some(false.into()),
        F::Downloads | F::DownloadsAllTime => Some(repo.downloads.into()),
        F::Gated => Some(gated_json(&repo.gated)),
        F::InferenceProviderMapping => Some(json!([])),
        F::LastModified => Some(info.modified.to_string().into()),
        F::LibraryName => repo.library_name.as_deref().map(Into::into),
        F::Likes => Some(repo.likes.into()),
        F::TrendingScore => Some(trending_score(repo).into()),
        F::MainSize => Some(files_bytes(info.siblings.as_deref()?).into()),
        F::ModelIndex => of_card("model-index").or_else(|| is_model.then_some(Value::Null)),
        F::Models => of_card("models"),
        F::PaperswithcodeId => of_card("paperswithcode_id"),
        F::PipelineTag => repo.pipeline_tag.as_deref().map(Into::into),
        F::Private => Some((repo.visibility == Visibility::Private).into()),
        F::Safetensors => {
            let counts = info.safetensors.as_ref()?;
            Some(json!({ "parameters": counts.by_dtype, "total": counts.total() }))
        }
        F::Sdk => repo.sdk.as_deref().map(Into::into),
        F::Sha => info.commit.map(|commit| commit.to_string().into()),
        F::Siblings => Some(info.siblings.as_deref()?.iter().map(sibling_json).collect()),
        F::Spaces => Some(json!([])),
        F::Tags => Some(repo.tags.clone().into()),
        F::UsedStorage => info.stored_bytes.map(Into::into),
        F::BaseModels
        | F::ChildrenModelCount
        | F::Citation
        | F::EvalResults
        | F::Gguf
        | F::Inference
        | F::MaskToken
        | F::Region
        | F::ResourceGroup
        | F::Runtime
        | F::Subdomain
        | F::TransformersInfo
        | F::WidgetData => None,
    }
}

/// Returns how much a repository is used, as it counted when it last changed: whole numbers, and the order of lists.
/// What is told needs no clock, so that an answer is the same as long as nothing happens.
fn trending_score(repo: &Repo) -> i64 {
    // In halves of a week since 1970, a thousandth of the stored unit: monotone, and small enough for every client.
    repo.trend.0 / 1_000
}

/// Returns `false`, `"auto"` or `"manual"`.
pub(super) fn gated_json(word: &str) -> Value {
    match word {
        "false" => Value::Bool(false),
        word => word.into(),
    }
}

fn files_bytes(siblings: &[Sibling]) -> u64 {
    siblings.iter().filter_map(|sibling| sibling.blob).map(|blob| blob.file_bytes()).sum()
}

fn sibling_json(sibling: &Sibling) -> Value {
    let mut body = json!({ "rfilename": sibling.path });
    if let Some(blob) = sibling.blob {
        body["size"] = blob.file_bytes().into();
        body["blobId"] = blob.oid.to_string().into();
        if let Some(pointer) = blob.pointer {
            body["lfs"] = json!({
                "sha256": pointer.sha256,
                "size": pointer.file_bytes,
                "pointerSize": blob.blob_bytes,
            });
        }
    }
    body
}
