//! What handlers read from a request.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use base64::Engine as _;
use karez_hub::{Actor, HubError};
use karez_types::{RepoAddress, RepoKind, RepoPath, Revision};
use serde::de::DeserializeOwned;

use crate::AppState;
use crate::body::broken_body;
use crate::error::ApiError;
use crate::pages::session_secret;

/// Who is asking.
#[derive(Clone)]
pub(crate) struct Caller(pub Actor);

/// Returns the token in an `Authorization` header: `Bearer <token>`, or `Basic` with the token as
/// password (git, git-lfs) or, when the password is empty, as user name.
pub(crate) fn token_of(parts: &Parts) -> Result<Option<String>, ApiError> {
    let Some(value) = parts.headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let unreadable = || ApiError(HubError::TokenInvalid);
    let (scheme, rest) = value.to_str().map_err(|_| unreadable())?.split_once(' ').ok_or_else(unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let pair = base64::engine::general_purpose::STANDARD.decode(rest).map_err(|_| unreadable())?;
    let pair = String::from_utf8(pair).map_err(|_| unreadable())?;
    let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
    let token = if password.is_empty() { user } else { password };
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

/// Where programs ask, who show their token each time.
const FOR_PROGRAMS: [&str; 7] = ["/api/", "/cas/", "/v1/", "/v2/", "/federation/", "/log/", "/metrics"];

/// Returns the secret of a browser's session, where that counts: for reading pages and the files that they link to.
fn session_of(parts: &Parts) -> Option<&str> {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let is_for_programs = FOR_PROGRAMS.iter().any(|prefix| parts.uri.path().starts_with(prefix));
    if !reads || is_for_programs { None } else { session_secret(&parts.headers) }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(known) = parts.extensions.get::<Caller>() {
            return Ok(known.clone());
        }
        let token = token_of(parts)?;
        if token.is_none()
            && let Some(secret) = session_of(parts)
        {
            // A session that ended is as good as none: the page says who is signed in.
            return Ok(Caller(state.hub.session_actor(secret).await?));
        }
        match (state.hub.sign_in(token.as_deref()).await, token) {
            // Somebody whom an upstream may know.
            (Err(HubError::TokenInvalid), Some(token)) => {
                let guest = match &state.upstreams {
                    Some(upstreams) => upstreams.guest(&token).await?,
                    None => None,
                };
                guest.map(Caller).ok_or(ApiError(HubError::TokenInvalid))
            }
            (actor, _) => Ok(Caller(actor?)),
        }
    }
}

/// The parameters in the address, percent-decoded.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Returns a parameter as text; the route's template names it.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Returns a parameter parsed.
    pub(crate) fn parse<T>(&self, name: &str) -> Result<T, ApiError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.text(name).parse().map_err(|error: T::Err| ApiError::invalid(format!("{name}: {error}")))
    }

    /// Returns the parameter `rev`.
    pub(crate) fn revision(&self) -> Result<Revision, ApiError> {
        // A text that cannot be a revision is one that is not there.
        let missing = |_| ApiError(HubError::RevisionMissing { revision: self.text("rev").escape_debug().to_string() });
        self.text("rev").parse().map_err(missing)
    }

    /// Returns the parameter `path`.
    pub(crate) fn path(&self) -> Result<RepoPath, ApiError> {
        Ok(self.text("path").parse::<RepoPath>()?)
    }
}

impl FromRequestParts<AppState> for Params {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("the address is not valid UTF-8 after percent-decoding"))?;
        Ok(Params(raw.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }
}

/// The repository that the address names.
pub(crate) struct Target(pub RepoAddress);

impl FromRequestParts<AppState> for Target {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let params = Params::from_request_parts(parts, state).await?;
        let kind = parts.extensions.get::<RepoKind>().copied().unwrap_or(RepoKind::Model);
        let name = params.text("name").trim_end_matches(".git");
        Ok(Target(RepoAddress { kind, owner: params.text("owner").parse()?, name: name.parse()? }))
    }
}

/// The node's public address, without a trailing slash.
pub(crate) struct Base(pub String);

impl FromRequestParts<AppState> for Base {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(url) = &state.public_url {
            return Ok(Base(url.to_string()));
        }
        let host = parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
            return Err(ApiError::invalid("the Host header is missing or malformed; or set public_url on the node"));
        }
        Ok(Base(format!("http://{host}")))
    }
}

/// A JSON body. Wrong content types are forgiven: clients are not careful with them.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let bytes = whole_body(request, state).await?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::invalid(format!("the body is not the JSON that this address takes: {error}")))?;
        Ok(JsonBody(value))
    }
}

/// Reads a whole body, bounded by the route's layer.
pub(crate) async fn whole_body(request: Request, _state: &AppState) -> Result<bytes::Bytes, ApiError> {
    axum::body::to_bytes(request.into_body(), usize::MAX).await.map_err(|error| ApiError(broken_body(&error)))
}

/// The query, refused with a sentence when it does not parse.
pub(crate) struct QueryOf<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for QueryOf<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid(format!("the query is malformed: {}", rejection.body_text())))?;
        Ok(QueryOf(value))
    }
}

/// Answers JSON.
pub(crate) fn json<T: serde::Serialize>(value: T) -> Json<T> {
    Json(value)
}
