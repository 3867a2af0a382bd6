//! One request to a remote, bounded in time and bytes.

use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use karez_types::RepoAddress;
use url::Url;

use super::api::refusal;
use super::failure::PullFailure;
use super::remotes::KnownRemote;
use super::rights::Credential;
use super::via::{VIA_HEADER, Via};
use crate::net::{HttpClient, HttpRequest, NetError};

/// A remote, and what it is shown.
#[derive(Clone)]
pub(crate) struct Call {
    http: HttpClient,
    base: Url,
    credential: Option<Credential>,
    via: HeaderValue,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Call {
    /// Returns a call that shows this, or nothing.
    pub(crate) fn new(remote: &KnownRemote, credential: Option<Credential>, via: &Via) -> Result<Call, PullFailure> {
        let (http, base) = remote.connection()?;
        Ok(Call { http: http.clone(), base: base.clone(), credential, via: via.to_header() })
    }

    /// Returns the same call that shows nothing.
    pub(crate) fn anyone(&self) -> Call {
        Call { credential: None, ..self.clone() }
    }

    /// Returns an address of the remote.
    pub(crate) fn url(&self, path: &str) -> Result<Url, PullFailure> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}")).map_err(|_| PullFailure::Wrong("an address that is none".to_owned()))
    }

    /// Asks for something of the Hub API. Redirects are answers: they may say that a repository has moved.
    pub(crate) async fn send(&self, method: Method, path: &str, bytes_max: usize) -> Result<Reply, PullFailure> {
        let url = self.url(path)?;
        let request = if method == Method::HEAD { HttpRequest::head(url) } else { HttpRequest::get(url).gzip() };
        let token = self.credential.as_ref().map(Credential::token);
        self.reply(request.bearer(token).no_redirects(), bytes_max).await
    }

    async fn reply(&self, request: HttpRequest, bytes_max: usize) -> Result<Reply, PullFailure> {
        let request = request.header(HeaderName::from_static(VIA_HEADER), self.via.clone());
        let answer = self.http.send(request).await?;
        let (status, headers) = (answer.status, answer.headers.clone());
        let body = answer.bytes(bytes_max as u64).await?;
        Ok(Reply { status, headers, body })
    }

    /// Sends one command to git; returns the answer as it arrives.
    pub(crate) async fn upload_pack(
        &self,
        repo: &RepoAddress,
        body: Vec<u8>,
        bytes_max: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, NetError>>, PullFailure> {
        let url = self.url(&format!("{}.git/git-upload-pack", repo.url_path()))?;
        let request = HttpRequest::post(url, "application/x-git-upload-pack-request", body)
            .header(HeaderName::from_static("git-protocol"), HeaderValue::from_static("version=2"))
            .header(HeaderName::from_static(VIA_HEADER), self.via.clone())
            .basic(self.credential.as_ref().map(Credential::token))
            .no_redirects();
        let answer = self.http.send(request).await?;
        if answer.status.is_success() {
            return Ok(answer.bounded(bytes_max)?);
        }
        let (status, headers) = (answer.status, answer.headers.clone());
        Err(refusal(&Reply { status, headers, body: Bytes::new() }))
    }
}

impl From<NetError> for PullFailure {
    fn from(error: NetError) -> PullFailure {
        match error {
            NetError::Wrong(_) | NetError::TooLarge { .. } => PullFailure::Wrong(error.to_string()),
            NetError::Stalled => PullFailure::Silent("did not answer in time".to_owned()),
            NetError::Unreachable(_) | NetError::Refused(_) => {
                PullFailure::Silent(format!("cannot be reached: {error}"))
            }
        }
    }
}
