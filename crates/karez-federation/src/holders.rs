//! Who has a file: the remote that publishes it, and nodes that hold what it publishes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture, Either};
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use karez_catalog::{Catalog, CatalogError};
use karez_types::{RemoteId, RepoAddress};
use tokio::time::sleep;

use crate::file_ways::over_line;
use crate::source::RemotePlanner;
use crate::transfer::{FileWanted, Plan, Planner, SourceError};

/// How long the remote may take to say how a file is put together before holders are asked as well.
const FIRST_ALONE: Duration = Duration::from_secs(3);

/// Holders that are asked for one file: more sources than this bring nothing to one line.
const HOLDERS_MAX: usize = 8;

/// A remote that can be asked for files, and the line that it is at the other end of.
pub(crate) type Dialled = (RemotePlanner, String);

/// Finds the way to remotes.
pub(crate) trait Dial: Send + Sync {
    /// Returns how a remote is asked for files that are public; `None` when it cannot be.
    fn dial(&self, remote: RemoteId) -> BoxFuture<'_, Option<Dialled>>;
}

/// What a peer publishes, and the nodes that say they hold it whole.
pub(crate) struct Holders {
    pub(crate) catalog: Catalog,
    /// The peer that publishes.
    pub(crate) origin: RemoteId,
    /// The name of its log.
    pub(crate) log: String,
    /// What it calls the repository.
    pub(crate) repo: RepoAddress,
    pub(crate) dial: Arc<dyn Dial>,
}

impl Holders {
    /// Returns how those are asked that hold what the peer publishes now.
    async fn find(&self) -> Result<Vec<Dialled>, CatalogError> {
        let published = self.catalog.feed_repo(self.origin, &self.repo).await?;
        let Some(idx) = published.and_then(|published| published.head_idx) else { return Ok(Vec::new()) };
        let holders = self.catalog.have_holders(&self.log, idx).await?;
        let mut found = Vec::new();
        for holder in holders.into_iter().filter(|&id| id != self.origin) {
            if found.len() == HOLDERS_MAX {
                break;
            }
            found.extend(self.dial.dial(holder).await);
        }
        Ok(found)
    }

    /// As [`Holders::find`]: without the catalog there are none.
    async fn found(&self) -> Vec<Dialled> {
        match self.find().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(repo = %self.repo, %error, "could not look up who else holds a repository");
                Vec::new()
            }
        }
    }
}

/// Plans files of one remote. Whoever answers first says how a file is put together; the others
/// become further sources.
pub(crate) struct SourcesPlanner {
    pub(crate) first: Dialled,
    /// Who else may have it; unset: nobody, or nobody else should know that it is wanted.
    pub(crate) holders: Option<Holders>,
}

async fn plan_of((planner, line): &Dialled, file: &FileWanted) -> Result<Plan, SourceError> {
    planner.plan(file).await.map(|plan| over_line(plan, line))
}

impl SourcesPlanner {
    async fn holders(&self) -> Vec<Dialled> {
        match &self.holders {
            Some(holders) => holders.found().await,
            None => Vec::new(),
        }
    }
}

impl Planner for SourcesPlanner {
    fn name(&self) -> &str {
        self.first.0.name()
    }

    fn plan<'a>(&'a self, file: &'a FileWanted) -> BoxFuture<'a, Result<Plan, SourceError>> {
        Box::pin(async move {
            let first = plan_of(&self.first, file);
            let alone = pin!(sleep(FIRST_ALONE));
            let rest = match future::select(Box::pin(first), alone).await {
                Either::Left((Ok(plan), _)) => return Ok(plan),
                Either::Left((Err(error), _)) => Either::Left(future::ready(Err(error))),
                Either::Right(((), first)) => Either::Right(first),
            };
            let holders = self.holders().await;
            let others = holders.iter().map(|holder| plan_of(holder, file));
            let mut answers: FuturesUnordered<_> = others.map(Either::Right).collect();
            answers.push(Either::Left(rest));
            let mut refused = None;
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(plan) => return Ok(plan),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
            Err(refused.unwrap_or(SourceError::Gone))
        })
    }

    fn others<'a>(&'a self, file: &'a FileWanted, known: &'a [String]) -> BoxStream<'a, Plan> {
        let ask = async move {
            let mut asked = self.holders().await;
            asked.retain(|(planner, _)| !known.iter().any(|name| name == planner.name()));
            let ask_first = !known.iter().any(|name| name == self.first.0.name());
            let plans: FuturesUnordered<BoxFuture<'a, Option<Plan>>> = FuturesUnordered::new();
            for holder in asked {
                plans.push(Box::pin(async move { plan_of(&holder, file).await.ok() }));
            }
            if ask_first {
                plans.push(Box::pin(async move { plan_of(&self.first, file).await.ok() }));
            }
            plans.filter_map(future::ready)
        };
        stream::once(ask).flatten().boxed()
    }
}
