//! A file as anybody serves it: ranges of `/resolve/`, wherever that leads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use karez_types::ByteRange;
use url::Url;

use super::Remote;
use super::fetch::{exactly, ranged};
use super::rolling::Rolling;
use crate::net::{HttpAnswer, HttpRequest};
use crate::transfer::{ByteStream, CostClass, Place, Source, SourceError};

/// Ranges of the file itself. A server that does not know ranges is read once, from the beginning.
pub struct PlainSource {
    remote: Remote,
    url: Url,
    file_bytes: u64,
    /// Where the address led last: the signed address of a store, most often. Saves a round trip a range.
    led_to: Mutex<Option<Url>>,
    /// Whether such an address refused the next range: the public hub signs one for each.
    leads_elsewhere: AtomicBool,
    /// Whether the server answered a range with everything.
    knows_no_ranges: AtomicBool,
    rolling: Rolling,
}

impl PlainSource {
    /// Returns the source of a file of this length at an address of the remote.
    pub fn new(remote: Remote, url: Url, file_bytes: u64) -> PlainSource {
        PlainSource {
            remote,
            url,
            file_bytes,
            led_to: Mutex::new(None),
            leads_elsewhere: AtomicBool::new(false),
            knows_no_ranges: AtomicBool::new(false),
            rolling: Rolling::default(),
        }
    }

    fn led_to(&self) -> Option<Url> {
        self.led_to.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, url: Option<Url>) {
        *self.led_to.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    async fn range(&self, asked: ByteRange) -> Result<ByteStream, SourceError> {
        if let Some(url) = self.led_to() {
            let answer = self.remote.ask(HttpRequest::get(url).range(asked)).await?;
            if answer.status == StatusCode::PARTIAL_CONTENT {
                return ranged(answer, asked, Some(self.file_bytes));
            }
            // It has expired, or was for one range only; where the file is now is asked below.
            self.leads_elsewhere.store(true, Ordering::Relaxed);
            self.remember(None);
        }
        let answer = self.remote.ask(HttpRequest::get(self.url.clone()).range(asked)).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                if answer.url != self.url && !self.leads_elsewhere.load(Ordering::Relaxed) {
                    self.remember(Some(answer.url.clone()));
                }
                ranged(answer, asked, Some(self.file_bytes))
            }
            StatusCode::OK => {
                self.knows_no_ranges.store(true, Ordering::Relaxed);
                let whole = self.whole(answer)?;
                self.rolling.read(asked, || std::future::ready(Ok(whole))).await
            }
            status => Err(self.remote.failure(status)),
        }
    }

    fn whole(&self, answer: HttpAnswer) -> Result<ByteStream, SourceError> {
        if answer.content_length().is_some_and(|length| length != self.file_bytes) {
            let message = format!("sent a file of another length than {} bytes", self.file_bytes);
            return Err(SourceError::Wrong(message));
        }
        let is_chunked = answer.headers.contains_key(http::header::TRANSFER_ENCODING);
        Ok(exactly(answer.stream(), self.file_bytes, is_chunked))
    }

    async fn open_whole(&self) -> Result<ByteStream, SourceError> {
        let answer = self.remote.ask(HttpRequest::get(self.url.clone())).await?;
        match answer.status {
            StatusCode::OK => self.whole(answer),
            status => Err(self.remote.failure(status)),
        }
    }
}

impl Source for PlainSource {
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
            let Place::File { start } = *place else { return Err(SourceError::Gone) };
            let asked = ByteRange { start: start + bytes.start, end: start + bytes.end };
            if self.knows_no_ranges.load(Ordering::Relaxed) {
                return self.rolling.read(asked, || self.open_whole()).await;
            }
            self.range(asked).await
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Duration, SourceError>> {
        Box::pin(async move {
            let url = self.led_to().unwrap_or_else(|| self.url.clone());
            self.remote.probe(&url).await
        })
    }

    fn redial(&self) {
        self.remote.client().redial();
    }
}
