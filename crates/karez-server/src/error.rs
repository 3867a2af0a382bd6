//! The one table that turns errors into HTTP.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use karez_hub::{HubError, Trouble};
use karez_types::RepoAddress;
use serde_json::json;

use crate::pages::Told;

/// An error on its way out.
#[derive(Debug)]
pub struct ApiError(pub HubError);

/// Result of every handler.
pub type ApiResult<T> = Result<T, ApiError>;

impl<E: Into<HubError>> From<E> for ApiError {
    fn from(error: E) -> ApiError {
        ApiError(error.into())
    }
}

impl ApiError {
    /// Returns an error for a request that makes no sense, with a sentence that says what to change.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError(HubError::Invalid(message.into()))
    }

    /// Returns the status and the words for answers that began before the error came.
    pub(crate) fn told_late(&self) -> (StatusCode, String) {
        let (status, _) = row(&self.0);
        (status, public_message(&self.0, status))
    }
}

/// Status, the `X-Error-Code` that clients branch on (hub-api notes, section 1), and whether the
/// words may leave the node.
fn row(error: &HubError) -> (StatusCode, Option<&'static str>) {
    use StatusCode as S;
    match error {
        HubError::TokenInvalid | HubError::SignInNeeded(_) => (S::UNAUTHORIZED, None),
        HubError::Forbidden(_) | HubError::Blocked => (S::FORBIDDEN, None),
        HubError::RepoMissing { anonymous: true, .. } => (S::UNAUTHORIZED, Some("RepoNotFound")),
        HubError::RepoMissing { anonymous: false, .. } => (S::NOT_FOUND, Some("RepoNotFound")),
        HubError::RepoMoved { .. } => (S::TEMPORARY_REDIRECT, None),
        HubError::RevisionMissing { .. } => (S::NOT_FOUND, Some("RevisionNotFound")),
        HubError::EntryMissing { .. } | HubError::NothingToDelete { .. } => (S::NOT_FOUND, Some("EntryNotFound")),
        HubError::Missing(_) | HubError::InvitationOver => (S::NOT_FOUND, None),
        HubError::RepoExists(_) | HubError::CollectionExists { .. } | HubError::Exists(_) | HubError::NameClash(_) => {
            (S::CONFLICT, None)
        }
        HubError::BranchMoved => (S::PRECONDITION_FAILED, None),
        HubError::Invalid(_)
        | HubError::BodyBroken(_)
        | HubError::XorbMissing(_)
        | HubError::BadName(_)
        | HubError::PasswordWeak(_) => (S::BAD_REQUEST, None),
        HubError::Refused(_) | HubError::PasswordWrong | HubError::LastAdmin(_) => (S::UNPROCESSABLE_ENTITY, None),
        HubError::TooLarge { .. } | HubError::OverQuota(_) => (S::PAYLOAD_TOO_LARGE, None),
        HubError::RangeOutside { .. } => (S::RANGE_NOT_SATISFIABLE, None),
        HubError::XetTokenInvalid(_) => (S::UNAUTHORIZED, None),
        HubError::SignatureInvalid(_) => (S::FORBIDDEN, None),
        HubError::StorageFull => (S::INSUFFICIENT_STORAGE, None),
        HubError::Busy | HubError::LogBehind { .. } => (S::SERVICE_UNAVAILABLE, None),
        HubError::TooMany(_) => (S::TOO_MANY_REQUESTS, None),
        HubError::OriginSilent(_) => (S::GATEWAY_TIMEOUT, None),
        HubError::Gated { anonymous: true, .. } | HubError::OnRequest { anonymous: true, .. } => {
            (S::UNAUTHORIZED, Some("GatedRepo"))
        }
        HubError::Gated { anonymous: false, .. } | HubError::OnRequest { anonymous: false, .. } => {
            (S::FORBIDDEN, Some("GatedRepo"))
        }
        HubError::HighWater(_) => (S::INTERNAL_SERVER_ERROR, None),
        HubError::Preview(error) => match error.trouble {
            Trouble::Question => (S::UNPROCESSABLE_ENTITY, Some("InvalidParameter")),
            Trouble::TooLarge => (S::UNPROCESSABLE_ENTITY, Some("TooBigContentError")),
            Trouble::Malformed => (S::UNPROCESSABLE_ENTITY, Some("StreamingRowsError")),
            Trouble::Unsupported => (S::UNPROCESSABLE_ENTITY, Some("FormatNotSupported")),
            Trouble::Unreadable => (S::SERVICE_UNAVAILABLE, None),
        },
        HubError::Damaged(_) | HubError::Search(_) | HubError::Catalog(_) | HubError::Store(_) => {
            (S::INTERNAL_SERVER_ERROR, None)
        }
    }
}

/// Put on the answer so that the outer layer, which knows the request's address, can redirect.
#[derive(Debug, Clone)]
pub(crate) struct MovedTo {
    /// Where the repository was asked for.
    pub from: RepoAddress,
    /// Where it is.
    pub to: RepoAddress,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.0;
        let (status, code) = row(&error);
        let message = public_message(&error, status);
        let mut headers = HeaderMap::new();
        if let Some(code) = code {
            headers.insert("x-error-code", HeaderValue::from_static(code));
        }
        headers.insert("x-error-message", header_text(&message));
        match &error {
            HubError::RangeOutside { total_bytes } => {
                headers.insert(header::CONTENT_RANGE, header_text(&format!("bytes */{total_bytes}")));
            }
            HubError::EntryMissing { commit: Some(commit), .. } | HubError::NothingToDelete { commit, .. } => {
                headers.insert("x-repo-commit", header_text(&commit.to_string()));
            }
            HubError::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            HubError::OriginSilent(_) | HubError::TooMany(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            HubError::TokenInvalid
            | HubError::SignInNeeded(_)
            | HubError::RepoMissing { anonymous: true, .. }
            | HubError::Gated { anonymous: true, .. }
            | HubError::OnRequest { anonymous: true, .. } => {
                // git and curl ask for a password only when they see this.
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"karez\""));
            }
            _ => {}
        }
        // To people, what they may not see is missing, whether they signed in or not: the page says both.
        let is_missing = matches!(error, HubError::RepoMissing { .. });
        let page_status = if is_missing { StatusCode::NOT_FOUND } else { status };
        let told = Told { words: message.clone(), told: crate::pages::told(&error), page_status };
        // LFS clients read `message`, all others `error`.
        let mut body = json!({ "error": message, "message": message });
        if let HubError::CollectionExists { slug } = &error {
            // Clients that do not mind go on with the one that is there.
            body["slug"] = slug.as_str().into();
        }
        let body = Json(body);
        let mut response = (status, headers, body).into_response();
        response.extensions_mut().insert(told);
        if let HubError::RepoMoved { from, to } = error {
            response.extensions_mut().insert(MovedTo { from, to });
        }
        response
    }
}

/// Returns the words that may leave the node; what must not goes to the log.
fn public_message(error: &HubError, status: StatusCode) -> String {
    let is_ours = status.is_server_error()
        && status != StatusCode::SERVICE_UNAVAILABLE
        && status != StatusCode::GATEWAY_TIMEOUT
        && status != StatusCode::INSUFFICIENT_STORAGE;
    if is_ours {
        // The chain goes to the log; the caller learns only that it is not their fault.
        tracing::error!(error = error_chain(error), "request failed");
        "the node failed to do this; its log says why".to_owned()
    } else {
        error.to_string()
    }
}

/// Returns a header value of this text: characters that headers cannot hold become `?`.
pub(crate) fn header_text(text: &str) -> HeaderValue {
    let plain: String = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    HeaderValue::from_str(&plain).expect("printable ASCII is a header value")
}

/// Returns the headers of which scripts on other sites may read the values (huggingface.js needs them).
pub(crate) const EXPOSED_HEADERS: &str = "X-Repo-Commit, X-Linked-Size, X-Linked-ETag, X-Xet-Hash, Link, X-Error-Code, \
     X-Error-Message, X-Revision, X-Karez-Withdrawn, X-Request-Id, ETag, Content-Range, Accept-Ranges, Content-Disposition";

/// Name of the header that carries the id of a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
