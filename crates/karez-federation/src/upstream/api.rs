//! What an upstream hub is asked through the Hub API: the facts about a repository, and who may read it.

use std::time::Duration;

use http::{Method, StatusCode};
use karez_types::{GitOid, RepoAddress, RepoKind, Revision};
use serde_json::Value;

use super::call::{Call, Reply};
use super::failure::PullFailure;

/// Most bytes of an answer of the Hub API: facts are a few hundred, an error page a few thousand.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Redirects that are followed: a renamed repository may have been renamed before.
const REDIRECTS_MAX: usize = 3;

/// What an upstream says about a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepoFacts {
    /// What it is called there, as it is written there.
    pub address: RepoAddress,
    /// Whether only some people see it.
    pub is_private: bool,
    /// `auto` or `manual` when people must ask before they read it.
    pub gated: Option<String>,
}

/// Returns the facts about a repository.
pub(crate) async fn repo_facts(call: &Call, address: &RepoAddress) -> Result<RepoFacts, PullFailure> {
    let mut asked = address.clone();
    for _ in 0..=REDIRECTS_MAX {
        let path = format!("api/{}/{}?expand=private&expand=gated", asked.kind.plural(), asked.id());
        let reply = call.send(Method::GET, &path, ANSWER_BYTES_MAX).await?;
        match reply.status {
            StatusCode::OK => return facts_of(&asked, &reply),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let to = reply.header("location").and_then(|location| moved_to(asked.kind, location));
                asked =
                    to.ok_or_else(|| PullFailure::Wrong("a redirect that does not name a repository".to_owned()))?;
            }
            _ => return Err(refusal(&reply)),
        }
    }
    Err(PullFailure::Wrong("redirects without end".to_owned()))
}

fn facts_of(asked: &RepoAddress, reply: &Reply) -> Result<RepoFacts, PullFailure> {
    let wrong = |what: &str| PullFailure::Wrong(format!("an answer about a repository that {what}"));
    let body: Value = serde_json::from_slice(&reply.body).map_err(|_| wrong("is not JSON"))?;
    let id = body.get("id").and_then(Value::as_str).ok_or_else(|| wrong("has no id"))?;
    let address = RepoAddress::parse(asked.kind, id).map_err(|error| wrong(&format!("has a bad id: {error}")))?;
    if !address.id().eq_ignore_ascii_case(&asked.id()) {
        return Err(wrong("is about another one"));
    }
    let gated = match body.get("gated") {
        None | Some(Value::Bool(false) | Value::Null) => None,
        Some(Value::String(word)) if word == "manual" => Some("manual".to_owned()),
        Some(_) => Some("auto".to_owned()),
    };
    let is_private = body.get("private").and_then(Value::as_bool).unwrap_or(false);
    Ok(RepoFacts { address, is_private, gated })
}

/// Reads the repository out of where its API address moved.
fn moved_to(kind: RepoKind, location: &str) -> Option<RepoAddress> {
    let (_, rest) = location.split_once(&format!("/api/{}/", kind.plural()))?;
    let id = rest.split(['?', '#']).next()?;
    let mut parts = id.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    RepoAddress::parse(kind, &format!("{owner}/{name}")).ok()
}

/// Reads why the upstream did not answer with success.
pub(crate) fn refusal(reply: &Reply) -> PullFailure {
    if reply.header("x-error-message").is_some_and(|words| words.starts_with("Invalid credentials")) {
        return PullFailure::TokenRefused;
    }
    match (reply.status, reply.header("x-error-code")) {
        (_, Some("GatedRepo")) => PullFailure::Gated,
        (_, Some("RevisionNotFound")) => PullFailure::RevisionMissing,
        // Missing and private look the same to those who may not know.
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
            PullFailure::Missing
        }
        (status, _) => PullFailure::Silent(format!("answered with status {}", status.as_u16())),
    }
}

/// Returns the commit that an abbreviated id names.
pub(crate) async fn revision_commit(
    call: &Call,
    address: &RepoAddress,
    revision: &Revision,
) -> Result<GitOid, PullFailure> {
    let path = format!("api/{}/{}/revision/{revision}?expand=sha", address.kind.plural(), address.id());
    let reply = call.send(Method::GET, &path, ANSWER_BYTES_MAX).await?;
    if !reply.status.is_success() {
        return Err(refusal(&reply));
    }
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let sha = body.as_ref().and_then(|body| body.get("sha")?.as_str()?.parse().ok());
    sha.ok_or_else(|| PullFailure::Wrong("an answer about a revision without its commit".to_owned()))
}

/// Asks whether what the call shows opens a repository.
///
/// # Errors
/// When the upstream did not say.
pub(crate) async fn may_read(call: &Call, address: &RepoAddress) -> Result<bool, PullFailure> {
    let path = format!("api/{}/{}/auth-check", address.kind.plural(), address.id());
    let reply = call.send(Method::GET, &path, ANSWER_BYTES_MAX).await?;
    if reply.status.is_success() {
        return Ok(true);
    }
    match refusal(&reply) {
        PullFailure::Missing | PullFailure::Gated | PullFailure::TokenRefused => Ok(false),
        failure => Err(failure),
    }
}

/// Asks whether the upstream knows the token that the call shows.
///
/// # Errors
/// When the upstream did not say.
pub(crate) async fn knows_token(call: &Call) -> Result<bool, PullFailure> {
    let reply = call.send(Method::GET, "api/whoami-v2", ANSWER_BYTES_MAX).await?;
    match reply.status {
        StatusCode::OK => Ok(true),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(false),
        _ => Err(refusal(&reply)),
    }
}

/// Asks for something that every hub has; returns how long the answer took.
///
/// # Errors
/// When there was none, or not one of the Hub API.
pub(crate) async fn greets(call: &Call) -> Result<Duration, PullFailure> {
    let began = tokio::time::Instant::now();
    let reply = call.send(Method::GET, "api/models?limit=1", ANSWER_BYTES_MAX).await?;
    let is_list = serde_json::from_slice::<Value>(&reply.body).is_ok_and(|body| body.is_array());
    match reply.status.is_success() && is_list {
        true => Ok(began.elapsed()),
        false if reply.status.is_success() => {
            Err(PullFailure::Wrong("its answer is not one of the Hub API; is the address right?".to_owned()))
        }
        false => Err(PullFailure::Silent(format!("it answered with status {}", reply.status.as_u16()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn reply(status: u16, code: Option<&'static str>, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(code) = code {
            headers.insert("x-error-code", http::HeaderValue::from_static(code));
        }
        let status = StatusCode::from_u16(status).unwrap();
        Reply { status, headers, body: Bytes::from(body.to_owned()) }
    }

    #[test]
    fn facts_are_read_and_nonsense_is_refused() {
        let asked = RepoAddress::parse(RepoKind::Model, "qwen/tiny").unwrap();
        let read = |body: &str| facts_of(&asked, &reply(200, None, body));
        let facts = read(r#"{"id":"Qwen/Tiny","private":false,"gated":"manual"}"#).unwrap();
        assert_eq!((facts.address.id().as_str(), facts.gated.as_deref()), ("Qwen/Tiny", Some("manual")));
        assert_eq!(read(r#"{"id":"Qwen/Tiny","gated":false}"#).unwrap().gated, None);
        for body in ["", "[]", r#"{"id":5}"#, r#"{"id":"other/tiny"}"#, r#"{"id":"../x"}"#] {
            assert!(matches!(read(body), Err(PullFailure::Wrong(_))), "{body}");
        }
    }

    #[test]
    fn refusals_follow_the_words_of_hubs() {
        assert!(matches!(refusal(&reply(403, Some("GatedRepo"), "")), PullFailure::Gated));
        assert!(matches!(refusal(&reply(404, Some("RevisionNotFound"), "")), PullFailure::RevisionMissing));
        assert!(matches!(refusal(&reply(401, None, "")), PullFailure::Missing));
        assert!(matches!(refusal(&reply(404, Some("RepoNotFound"), "")), PullFailure::Missing));
        assert!(matches!(refusal(&reply(503, None, "")), PullFailure::Silent(_)));
        assert!(matches!(refusal(&reply(429, None, "")), PullFailure::Silent(_)));
    }

    #[test]
    fn a_moved_repository_is_found() {
        let to = |location: &str| moved_to(RepoKind::Dataset, location).map(|address| address.id());
        assert_eq!(to("/api/datasets/fresh/name?expand=x").as_deref(), Some("fresh/name"));
        assert_eq!(to("https://hub.example/api/datasets/fresh/name/revision/main").as_deref(), Some("fresh/name"));
        for location in ["/api/models/fresh/name", "/", "/api/datasets/x", "/api/datasets/../y"] {
            assert_eq!(to(location), None, "{location}");
        }
    }
}
