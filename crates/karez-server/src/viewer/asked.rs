//! What every address of the viewer reads from its query, and what every answer carries.

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use karez_hub::{Actor, DataView, HubError, PAGE_ROWS_MAX, PreviewError};
use karez_types::{RepoAddress, RepoKind, Revision};
use serde::Serialize;

use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, Caller, json};
use crate::{AppState, pages, pull_through};

/// The header that says which commit an answer is of.
pub(crate) const X_REVISION: &str = "x-revision";

/// Whose share of the previews a request takes: an account's, or that of the network that it came from.
pub(crate) struct Asker(pub String);

impl FromRequestParts<AppState> for Asker {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(caller) = Caller::from_request_parts(parts, state).await?;
        if let Some(user) = caller.user() {
            return Ok(Asker(format!("account {}", user.account.id.0)));
        }
        // Where it is not known, all are one.
        let from = parts.extensions.get::<pages::CameFrom>().map(|from| pages::network(from.0));
        Ok(Asker(from.map_or_else(String::new, |from| from.to_string())))
    }
}

/// A request of the viewer: who asks about which dataset.
pub(crate) struct Viewed {
    /// Who asks.
    pub caller: Actor,
    /// Whose share of the previews it takes.
    pub asker: String,
    /// The node's public address.
    pub base: String,
    /// The dataset.
    pub view: DataView,
    query: Vec<(String, String)>,
}

/// Returns the error for a question that lacks something.
fn question(words: String) -> ApiError {
    ApiError(HubError::Preview(PreviewError::question(words)))
}

impl Viewed {
    /// Returns a value of the query; the empty text when there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        value(&self.query, name)
    }

    /// Returns a value of the query that must be there.
    pub(crate) fn needed(&self, name: &str) -> ApiResult<&str> {
        match self.value(name) {
            "" => Err(question(format!("the parameter `{name}` is required"))),
            value => Ok(value),
        }
    }

    /// Returns a number of the query.
    pub(crate) fn number(&self, name: &str, usual: u64) -> ApiResult<u64> {
        match self.value(name) {
            "" => Ok(usual),
            text => text.parse().map_err(|_| question(format!("the parameter `{name}` must be a number from 0 on"))),
        }
    }

    /// Returns which rows are asked for: the first, and how many.
    pub(crate) fn place(&self) -> ApiResult<(u64, u64)> {
        let (offset, length) = (self.number("offset", 0)?, self.number("length", PAGE_ROWS_MAX)?);
        if length > PAGE_ROWS_MAX {
            return Err(question(format!("the parameter `length` must be at most {PAGE_ROWS_MAX}")));
        }
        Ok((offset, length))
    }

    /// Returns the dataset as `owner/name`.
    pub(crate) fn dataset(&self) -> String {
        self.view.repo.address().id()
    }
}

fn value<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

impl FromRequestParts<AppState> for Viewed {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(caller) = Caller::from_request_parts(parts, state).await?;
        let Asker(asker) = Asker::from_request_parts(parts, state).await?;
        let Base(base) = Base::from_request_parts(parts, state).await?;
        let query = pages::pairs(parts.uri.query().unwrap_or_default());
        let dataset = value(&query, "dataset");
        if dataset.is_empty() {
            return Err(question("the parameter `dataset` is required".to_owned()));
        }
        let (owner, name) = dataset.split_once('/').ok_or_else(|| {
            ApiError(HubError::RepoMissing { address: dataset.to_owned(), anonymous: caller.is_anonymous() })
        })?;
        let address = RepoAddress { kind: RepoKind::Dataset, owner: owner.parse()?, name: name.parse()? };
        let revision: Revision = match value(&query, "revision") {
            "" => Revision::main(),
            text => text.parse()?,
        };
        pull_through::look_for(state, &caller, &parts.headers, &address, &revision).await?;
        let view = state.hub.preview_dataset(&caller, &address, &revision).await?;
        Ok(Viewed { caller, asker, base, view, query })
    }
}

/// Answers JSON about the dataset.
pub(super) fn answer<T: Serialize>(viewed: &Viewed, body: T) -> Response {
    let mut response = json(body).into_response();
    let commit = HeaderValue::try_from(viewed.view.commit.to_string()).expect("an id is a header value");
    response.headers_mut().insert(X_REVISION, commit);
    response
}
