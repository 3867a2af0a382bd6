//! The batch request: which objects to send or fetch, and how.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{HubError, LfsAction, LfsAddress, LfsObject, LfsOperation, LfsPlan, LfsTransfer};
use karez_types::{RepoAddress, Sha256};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::LFS_JSON;
use crate::AppState;
use crate::cas::{refresh_address, token_headers};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, JsonBody, Target};

/// What clients send; fields that nothing depends on are left out.
#[derive(Deserialize)]
pub(super) struct BatchBody {
    operation: String,
    #[serde(default)]
    transfers: Vec<String>,
    objects: Vec<ObjectBody>,
    #[serde(default)]
    hash_algo: Option<String>,
    #[serde(default, rename = "ref")]
    revision: Option<RefBody>,
}

#[derive(Deserialize)]
struct RefBody {
    name: String,
}

#[derive(Deserialize)]
pub(super) struct ObjectBody {
    oid: Sha256,
    size: u64,
}

impl From<ObjectBody> for LfsObject {
    fn from(body: ObjectBody) -> LfsObject {
        LfsObject { sha256: body.oid, file_bytes: body.size }
    }
}

pub(super) async fn batch(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Target(address): Target,
    Base(base): Base,
    JsonBody(body): JsonBody<BatchBody>,
) -> ApiResult<Response> {
    let operation = match body.operation.as_str() {
        "download" => LfsOperation::Download,
        "upload" => LfsOperation::Upload,
        _ => return Err(ApiError::invalid("operation must be `download` or `upload`")),
    };
    // huggingface.js writes it with an underscore.
    if body.hash_algo.is_some_and(|algorithm| !["sha256", "sha_256"].contains(&algorithm.as_str())) {
        return Err(ApiError::invalid("hash_algo must be `sha256`"));
    }
    let offered: Vec<LfsTransfer> = body.transfers.iter().filter_map(|name| transfer_named(name)).collect();
    let objects = body.objects.into_iter().map(LfsObject::from).collect();
    let plan = state.hub.lfs_batch(&actor, &address, operation, &offered, objects).await?;
    let revision = body
        .revision
        .as_ref()
        .map_or("main", |revision| revision.name.strip_prefix("refs/heads/").unwrap_or(&revision.name));
    let answers = Answers { base: &base, address: &address, revision, now_secs: state.hub.clock().now().unix_secs() };
    Ok(with_lfs_type(Json(answers.plan(&plan)).into_response()))
}

/// `Json` sets its own content type; LFS clients want theirs.
fn with_lfs_type(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(LFS_JSON));
    response
}

fn transfer_named(name: &str) -> Option<LfsTransfer> {
    match name {
        "basic" => Some(LfsTransfer::Basic),
        "multipart" => Some(LfsTransfer::Multipart),
        "xet" => Some(LfsTransfer::Xet),
        _ => None,
    }
}

struct Answers<'a> {
    base: &'a str,
    address: &'a RepoAddress,
    revision: &'a str,
    now_secs: i64,
}

impl Answers<'_> {
    fn plan(&self, plan: &LfsPlan) -> Value {
        let transfer = match plan.transfer {
            LfsTransfer::Basic => "basic",
            LfsTransfer::Multipart => "multipart",
            LfsTransfer::Xet => "xet",
        };
        let objects: Vec<Value> = plan.objects.iter().map(|(object, action)| self.object(object, action)).collect();
        json!({ "transfer": transfer, "objects": objects, "hash_algo": "sha256" })
    }

    fn object(&self, object: &LfsObject, action: &LfsAction) -> Value {
        let mut answer = json!({ "oid": object.sha256, "size": object.file_bytes });
        let fields = answer.as_object_mut().expect("just made as an object");
        let error = |code: u16, message: &str| json!({ "code": code, "message": message });
        match action {
            LfsAction::Nothing => {}
            LfsAction::Missing => {
                fields.insert("error".to_owned(), error(404, "the object is not in this repository"));
            }
            LfsAction::Refused(message) => {
                fields.insert("error".to_owned(), error(422, message));
            }
            LfsAction::Fetch(address) => {
                let action = self.action(format!("{}/-/lfs/object/{}", self.base, address.text), address, Map::new());
                self.actions(fields, "download", action);
            }
            LfsAction::Send(address) => {
                let action = self.action(self.upload_address(address), address, Map::new());
                self.actions(fields, "upload", action);
            }
            LfsAction::SendParts { address, part_bytes, part_count } => {
                let href = self.upload_address(address);
                let mut header = Map::new();
                header.insert("chunk_size".to_owned(), part_bytes.to_string().into());
                for part in 1..=*part_count {
                    header.insert(format!("{part:05}"), format!("{href}/{part}").into());
                }
                let action = self.action(href, address, header);
                self.actions(fields, "upload", action);
            }
            LfsAction::Xet(token) => {
                let href = refresh_address(self.base, self.address, self.revision);
                let header: Map<String, Value> = token_headers(self.base, token)
                    .map(|(name, value)| (title_case(name), value.into()))
                    .into_iter()
                    .collect();
                let address = LfsAddress { text: String::new(), expires: token.expires };
                let action = self.action(href, &address, header);
                self.actions(fields, "upload", action);
            }
        }
        answer
    }

    fn upload_address(&self, address: &LfsAddress) -> String {
        format!("{}/-/lfs/upload/{}", self.base, address.text)
    }

    fn action(&self, href: String, address: &LfsAddress, header: Map<String, Value>) -> Value {
        json!({
            "href": href,
            "header": header,
            "expires_at": address.expires,
            "expires_in": address.expires.unix_secs() - self.now_secs,
        })
    }

    fn actions(&self, fields: &mut Map<String, Value>, name: &str, action: Value) {
        // Sealed addresses need no token, and git-lfs would otherwise send one.
        fields.insert("authenticated".to_owned(), true.into());
        fields.insert("actions".to_owned(), json!({ name: action }));
    }
}

/// `x-xet-cas-url` becomes `X-Xet-Cas-Url`: clients look names up in JSON as they are written.
fn title_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

pub(super) async fn verify(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Target(address): Target,
    JsonBody(body): JsonBody<ObjectBody>,
) -> ApiResult<Response> {
    state.hub.lfs_verify(&actor, &address, body.into()).await?;
    Ok(with_lfs_type(Json(json!({})).into_response()))
}

/// There are no locks; git-lfs takes 404 as that.
pub(super) async fn locks(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Target(address): Target,
) -> ApiResult<Response> {
    state.hub.repo_open(&actor, &address, karez_hub::Right::Read).await?;
    Err(ApiError(HubError::Missing("this node has no file locks".to_owned())))
}
