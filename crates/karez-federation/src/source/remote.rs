//! One remote as it is asked for bytes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderName, StatusCode, header};
use karez_types::{RepoAddress, RepoPath, Revision};
use url::Url;

use crate::net::{HttpAnswer, HttpClient, HttpRequest, NetError};
use crate::transfer::{CostClass, SourceError};

/// One remote as it is asked for bytes: where it is, and in whose name it is asked.
#[derive(Clone)]
pub struct Remote {
    name: String,
    base: Url,
    client: HttpClient,
    token: Option<String>,
    cost: CostClass,
    /// Whether it has said that it sends with BBR.
    sends_with_bbr: Arc<AtomicBool>,
}

/// Where a node says with which congestion control it sends, if that is better than most.
const CONGESTION_HEADER: HeaderName = HeaderName::from_static("karez-congestion");

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({} at {})", self.name, self.base)
    }
}

impl Remote {
    /// Returns a remote. `token` is shown to `base`'s origin only; `cost` is what its line costs now.
    pub fn new(name: &str, base: Url, client: HttpClient, token: Option<&str>, cost: CostClass) -> Remote {
        let sends_with_bbr = Arc::default();
        Remote { name: name.to_owned(), base, client, token: token.map(str::to_owned), cost, sends_with_bbr }
    }

    /// Returns what the operator calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it answers.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Returns the client through which it is asked.
    pub fn client(&self) -> &HttpClient {
        &self.client
    }

    /// Returns what a byte from it costs now.
    pub fn cost(&self) -> CostClass {
        self.cost
    }

    /// Returns an address below the remote's own; each part is encoded.
    pub(crate) fn url<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    /// Returns the address of a file at a revision.
    pub(crate) fn resolve_url(&self, repo: &RepoAddress, revision: &Revision, path: &RepoPath) -> Url {
        let parts =
            prefix(repo).into_iter().chain([repo.owner.as_str(), repo.name.as_str(), "resolve", revision.as_str()]);
        self.url(parts.chain(path.parts()))
    }

    /// Returns the request with the remote's token, if it goes to the remote.
    pub(crate) fn signed(&self, request: HttpRequest) -> HttpRequest {
        let is_own = request.url().origin() == self.base.origin();
        request.bearer(self.token.as_deref().filter(|_| is_own))
    }

    /// Sends a request in the remote's name.
    pub(crate) async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, NetError> {
        let answer = self.client.send(self.signed(request)).await?;
        if answer.header(&CONGESTION_HEADER) == Some("bbr") {
            self.sends_with_bbr.store(true, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// Tells whether it has said that it sends with BBR.
    pub(crate) fn sends_with_bbr(&self) -> bool {
        self.sends_with_bbr.load(Ordering::Relaxed)
    }

    /// Sends a request in the remote's name, with the token as password, as git shows it.
    pub(crate) async fn ask_as_git(&self, request: HttpRequest) -> Result<HttpAnswer, NetError> {
        let is_own = request.url().origin() == self.base.origin();
        self.client.send(request.basic(self.token.as_deref().filter(|_| is_own))).await
    }

    /// Says what a status means that is not the one hoped for.
    pub(crate) fn failure(&self, status: StatusCode) -> SourceError {
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => SourceError::Gone,
            // How hubs say "missing" to whoever shows no token.
            StatusCode::UNAUTHORIZED if self.token.is_none() => SourceError::Gone,
            StatusCode::RANGE_NOT_SATISFIABLE => {
                SourceError::Wrong("does not have the range that it promised".to_owned())
            }
            status => SourceError::Refused { status: status.as_u16() },
        }
    }

    /// Connects to where bytes come from, and returns how long that took.
    pub(crate) async fn probe(&self, url: &Url) -> Result<Duration, SourceError> {
        Ok(self.client.probe(url).await?)
    }
}

/// Returns the part of an address that stands for the kind of repository.
fn prefix(repo: &RepoAddress) -> Option<&'static str> {
    Some(repo.kind.url_prefix().trim_end_matches('/')).filter(|prefix| !prefix.is_empty())
}

/// Returns a header as text without its quotes and weakness.
pub(crate) fn tag_of(answer: &HttpAnswer, name: &'static str) -> Option<String> {
    let text = answer.headers.get(name)?.to_str().ok()?;
    Some(text.trim().trim_start_matches("W/").trim_matches('"').to_owned())
}

/// Returns the length that an answer to HEAD gives: `X-Linked-Size`, or its own.
pub(crate) fn length_of(answer: &HttpAnswer) -> Option<u64> {
    let linked = answer.headers.get("x-linked-size").and_then(|value| value.to_str().ok()?.parse().ok());
    linked.or_else(|| {
        let is_encoded = answer.headers.contains_key(header::CONTENT_ENCODING);
        answer.content_length().filter(|_| answer.status.is_success() && !is_encoded)
    })
}
