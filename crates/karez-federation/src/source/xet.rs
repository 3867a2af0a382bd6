//! A Xet hub: places of chunks by reconstruction, bytes from signed addresses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use karez_types::{ByteRange, FileHash, GitOid, RepoAddress, XorbHash};
use serde::Deserialize;
use url::Url;

use super::fetch::ranged;
use super::rolling::Rolling;
use super::xet_answer::{Fetch, Fetches, Reconstruction, fetch_of};
use super::{ANSWER_BYTES_MAX, PLAN_BYTES_MAX, Remote};
use crate::net::{HttpRequest, NetError};
use crate::transfer::{ByteStream, CostClass, Place, Source, SourceError, XetTerm};

/// What a repository's `xet-read-token` address answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    cas_url: String,
    access_token: String,
}

/// Ranges of xorbs at signed addresses. They are asked for without any token.
///
/// The public hub signs an address for one Range header exactly; ours takes every range inside. Where only the
/// whole range is given, it is read once and handed out in stretches.
pub struct XetSource {
    remote: Remote,
    fetches: Fetches,
    /// Whether an address has refused a part of its range and given the whole.
    gives_whole_ranges: AtomicBool,
    /// Streams of whole ranges, by xorb and first byte.
    rolling: Mutex<HashMap<(XorbHash, u64), Rolling>>,
}

impl XetSource {
    /// Asks a hub how a file is put together.
    ///
    /// # Errors
    /// [`SourceError::Gone`] when the hub gives no token or does not know the file, [`SourceError::Wrong`] when
    /// its answer contradicts the length of the file.
    pub(super) async fn plan(
        remote: &Remote,
        repo: &RepoAddress,
        commit: GitOid,
        hash: FileHash,
        file_bytes: u64,
    ) -> Result<(Vec<XetTerm>, XetSource), SourceError> {
        let token = token(remote, repo, commit).await?;
        let wrong = || SourceError::Wrong("names a Xet server whose address is none".to_owned());
        let cas = Url::parse(&token.cas_url).map_err(|_| wrong())?;
        let answer = reconstruction(remote, &cas, &token.access_token, hash).await?;
        let (terms, fetches) = answer.read(file_bytes)?;
        let source = XetSource {
            remote: remote.clone(),
            fetches,
            gives_whole_ranges: AtomicBool::new(false),
            rolling: Mutex::default(),
        };
        Ok((terms, source))
    }

    /// Asks a signed address for a range.
    async fn get(&self, fetch: &Fetch, range: ByteRange) -> Result<ByteStream, SourceError> {
        let request = HttpRequest::get(Url::clone(&fetch.url)).range(range);
        let answer = self.remote.client().send(request).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => ranged(answer, range, None),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Err(SourceError::Expired),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceError::Gone),
            status => Err(self.remote.failure(status)),
        }
    }

    fn rolling_of(&self, xorb: XorbHash, fetch: &Fetch) -> Rolling {
        let mut rolling = self.rolling.lock().unwrap_or_else(PoisonError::into_inner);
        rolling.entry((xorb, fetch.bytes.start)).or_default().clone()
    }

    async fn range(&self, xorb: XorbHash, asked: ByteRange) -> Result<ByteStream, SourceError> {
        let fetch = fetch_of(&self.fetches, xorb, asked).ok_or(SourceError::Gone)?;
        let within = ByteRange { start: asked.start - fetch.bytes.start, end: asked.end - fetch.bytes.start };
        if self.gives_whole_ranges.load(Ordering::Relaxed) {
            return self.rolling_of(xorb, fetch).read(within, || self.get(fetch, fetch.bytes)).await;
        }
        match self.get(fetch, asked).await {
            // Over, or signed for the whole range only? The whole range tells.
            Err(SourceError::Expired) if asked != fetch.bytes => {
                let whole = self.get(fetch, fetch.bytes).await?;
                self.gives_whole_ranges.store(true, Ordering::Relaxed);
                self.rolling_of(xorb, fetch).read(within, || std::future::ready(Ok(whole))).await
            }
            other => other,
        }
    }

    /// Returns an address from which bytes will come.
    fn any_url(&self) -> &Url {
        self.fetches.values().flatten().next().map_or(self.remote.base(), |fetch| &fetch.url)
    }
}

/// Gets a Xet token. The address that the hub links to is not used: the token of the operator would go
/// wherever that leads.
async fn token(remote: &Remote, repo: &RepoAddress, commit: GitOid) -> Result<Token, SourceError> {
    let commit = commit.to_string();
    let (kind, owner, name) = (repo.kind.plural(), repo.owner.as_str(), repo.name.as_str());
    let url = remote.url(["api", kind, owner, name, "xet-read-token", commit.as_str()]);
    let answer = remote.ask(HttpRequest::get(url)).await?;
    match answer.status {
        StatusCode::OK => Ok(answer.json(ANSWER_BYTES_MAX).await?),
        status => Err(remote.failure(status)),
    }
}

/// Asks for the reconstruction, in the newer version first.
async fn reconstruction(
    remote: &Remote,
    cas: &Url,
    token: &str,
    hash: FileHash,
) -> Result<Reconstruction, SourceError> {
    let hash = hash.to_string();
    for version in ["v2", "v1"] {
        let mut url = cas.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([version, "reconstructions", hash.as_str()]);
        }
        let answer = remote.client().send(HttpRequest::get(url).bearer(Some(token))).await?;
        match answer.status {
            StatusCode::OK => {
                return match answer.json(PLAN_BYTES_MAX).await {
                    Err(NetError::TooLarge { .. }) => Err(SourceError::Gone),
                    other => Ok(other?),
                };
            }
            StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => {}
            // The token is seconds old.
            status => return Err(SourceError::Refused { status: status.as_u16() }),
        }
    }
    Err(SourceError::Gone)
}

impl Source for XetSource {
    fn name(&self) -> &str {
        self.remote.name()
    }

    fn cost(&self) -> CostClass {
        self.remote.cost()
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        _encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            let Place::Xorb { xorb, start } = *place else { return Err(SourceError::Gone) };
            let asked = ByteRange { start: start + bytes.start, end: start + bytes.end };
            self.range(xorb, asked).await
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        Box::pin(self.remote.probe(self.any_url()))
    }

    fn redial(&self) {
        self.remote.client().redial();
    }
}
