//! A node of our own kind: every chunk's hash is known before its bytes come.

use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use karez_types::{ByteRange, RepoAddress, Sha256};

use super::Remote;
use super::fetch::ranged;
use crate::net::HttpRequest;
use crate::transfer::{ByteStream, CostClass, Place, Source, SourceError};

/// Ranges of xorbs under `/federation/v1/xorb`. Any web server that carries copies of those addresses will do.
#[derive(Debug, Clone)]
pub struct PeerSource {
    remote: Remote,
    repo: RepoAddress,
    sha256: Sha256,
}

impl PeerSource {
    /// Returns the source of a file that a repository at the remote holds.
    pub fn new(remote: Remote, repo: RepoAddress, sha256: Sha256) -> PeerSource {
        PeerSource { remote, repo, sha256 }
    }
}

impl Source for PeerSource {
    fn name(&self) -> &str {
        self.remote.name()
    }

    fn cost(&self) -> CostClass {
        self.remote.cost()
    }

    fn fills_line_alone(&self) -> bool {
        self.remote.sends_with_bbr()
    }

    fn open<'a>(
        &'a self,
        place: &'a Place,
        bytes: ByteRange,
        _encoding: &'static str,
    ) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        Box::pin(async move {
            // A peer is only asked for what a map says, and maps speak of xorbs.
            let Place::Xorb { xorb, start } = *place else { return Err(SourceError::Gone) };
            let asked = ByteRange { start: start + bytes.start, end: start + bytes.end };
            let (sha256, xorb) = (self.sha256.to_string(), xorb.to_string());
            let repo = &self.repo;
            let parts = ["federation", "v1", "xorb", repo.kind.plural(), repo.owner.as_str(), repo.name.as_str()];
            let url = self.remote.url(parts.into_iter().chain([sha256.as_str(), xorb.as_str()]));
            let answer = self.remote.ask(HttpRequest::get(url).range(asked)).await?;
            match answer.status {
                StatusCode::PARTIAL_CONTENT => ranged(answer, asked, None),
                status => Err(self.remote.failure(status)),
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        Box::pin(self.remote.probe(self.remote.base()))
    }

    fn redial(&self) {
        self.remote.client().redial();
    }
}
