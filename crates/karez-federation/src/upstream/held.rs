//! Requests for what is held: news are looked for, and their absence holds nobody up.

use std::sync::Arc;

use karez_catalog::{Mirror, MirrorPatch, RemoteKind, Repo};
use karez_hub::{Actor, HubError, HubResult};
use karez_types::{GitOid, Revision, fold_name};
use tokio::time::Instant;

use super::failure::PullFailure;
use super::metadata::{Ask, Want};
use super::remotes::KnownRemote;
use super::rights::Credential;
use super::{Held, NEWS_WAIT, Purpose, Upstreams, Warning};
use crate::policy::upstream::Verdict;

impl Upstreams {
    /// Tells whether a mirror is to be treated as one that is not here, because only others may read it. Then the
    /// origin is asked as for any other: what is private answers as what does not exist, also while the origin
    /// does not answer, and that the origin has opened it to everybody is found out.
    pub(super) async fn is_shut(self: &Arc<Self>, caller: &Actor, held: &Held<'_>) -> HubResult<bool> {
        let Held { remotes, repo, mirror, .. } = held;
        let Some(remote) = remotes.get(mirror.remote).filter(|_| mirror.is_restricted) else { return Ok(false) };
        Ok(!self.right_ensure(caller, remote, repo, mirror, &held.via, held.deadline).await?)
    }

    /// As [`Upstreams::repo_wanted`], for a repository that is held and not shut to the caller.
    pub(super) async fn held_wanted(
        self: &Arc<Self>,
        caller: &Actor,
        held: &Held<'_>,
        revision: Option<&Revision>,
        purpose: Purpose,
    ) -> HubResult<Option<Warning>> {
        let Held { remotes, repo, mirror, .. } = held;
        // A remote that the operator took away is not asked any more.
        let Some(remote) = remotes.get(mirror.remote) else { return Ok(None) };
        let mut credential = remote.token.clone();
        let mut right = None;
        if mirror.is_restricted {
            credential = self.own_credential(caller, remote).await.map_err(|failure| self.failed(held, failure))?;
            right = credential.as_ref().map(Credential::hash);
            if credential.is_none() {
                return Ok(None);
            }
        }
        if matches!(remote.settings.policy.repo(&mirror.remote_repo), Verdict::Refuse(_)) {
            return Ok(None);
        }
        let main = Revision::main();
        let ask = |want| Ask {
            remote: mirror.remote,
            remote_repo: mirror.remote_repo.clone(),
            address: repo.address(),
            want,
            right,
        };
        let is_whole = mirror.is_whole_history;
        match purpose {
            Purpose::History if !is_whole => {
                let pulled = self.pull(remote, ask(Want::History), credential.clone(), &held.via, held.deadline).await;
                if let Err(failure) = pulled {
                    return Ok(Some(format!(
                        "the history of {} before what is shown is not held here, and {} could not give it: {failure}",
                        repo.address(),
                        remote.name()
                    )));
                }
                return Ok(None);
            }
            Purpose::Refs | Purpose::History => {
                if !self.refs_are_new(remote, repo) {
                    let pulled =
                        self.pull(remote, ask(Want::Refs), credential.clone(), &held.via, held.news_by()).await;
                    return self.news(caller, held, remote, pulled).await;
                }
                return Ok(None);
            }
            Purpose::Metadata => {}
        }
        let revision = revision.unwrap_or(&main);
        if self.hub.revision_held(repo, revision).await?.is_none() {
            let pulled =
                self.pull(remote, ask(Want::Revision(revision.clone())), credential, &held.via, held.deadline).await;
            return match pulled {
                Ok(()) | Err(PullFailure::RevisionMissing | PullFailure::Missing) => Ok(None),
                Err(PullFailure::Gated) => self.news(caller, held, remote, pulled).await,
                Err(PullFailure::Silent(why)) => Err(HubError::OriginSilent(format!(
                    "revision {revision} of {} is not held here, and {} {why}; try again",
                    repo.address(),
                    remote.name()
                ))),
                Err(failure) => Err(self.failed(held, failure)),
            };
        }
        // What a commit id names never changes.
        let is_commit = revision.as_str().parse::<GitOid>().is_ok();
        if is_commit || !self.is_stale(remote, repo, mirror).await? {
            return Ok(None);
        }
        let pulled = self.pull(remote, ask(Want::News), credential, &held.via, held.news_by()).await;
        self.news(caller, held, remote, pulled).await
    }

    fn failed(&self, held: &Held<'_>, failure: PullFailure) -> HubError {
        let remote = held.remotes.get(held.mirror.remote).map_or("", |remote| remote.name());
        failure.for_caller(remote, &Actor::Operator, &held.repo.address(), None)
    }

    /// Tells whether it is time to ask whether refs have moved. A peer's log says so by itself.
    async fn is_stale(&self, remote: &KnownRemote, repo: &Repo, mirror: &Mirror) -> HubResult<bool> {
        if remote.row.kind == RemoteKind::Peer
            && let Some(published) = self.hub.catalog().feed_repo(mirror.remote, &mirror.remote_repo).await?
            && published.head == repo.head
        {
            return Ok(false);
        }
        Ok(remote.settings.policy.is_stale(mirror.checked, self.hub.clock().now()))
    }

    fn refs_are_new(&self, remote: &KnownRemote, repo: &Repo) -> bool {
        let listed = self.refs_listed.get(&repo.id);
        listed.is_some_and(|at| !remote.settings.policy.is_stale(at, self.hub.clock().now()))
    }

    /// Says what readers should know when there are no news.
    ///
    /// # Errors
    /// [`HubError::Gated`] when the news are that the origin has closed it to the caller.
    async fn news(
        self: &Arc<Self>,
        caller: &Actor,
        held: &Held<'_>,
        remote: &KnownRemote,
        pulled: Result<(), PullFailure>,
    ) -> HubResult<Option<Warning>> {
        let (repo, mirror) = (held.repo, held.mirror);
        if matches!(pulled, Err(PullFailure::Gated))
            && let Some((repo, mirror)) = self.hub.mirror_find(&repo.address()).await?
        {
            let now = Held { repo: &repo, mirror: &mirror, via: held.via.clone(), ..*held };
            if self.is_shut(caller, &now).await? {
                return now.gated(caller).map_or(Ok(None), Err);
            }
        }
        Ok(match pulled {
            Ok(()) => None,
            Err(PullFailure::Missing | PullFailure::Gated | PullFailure::RevisionMissing) => {
                Some(format!("{} is no longer public at {}; this is what was held", repo.address(), remote.name()))
            }
            Err(failure) => Some(format!(
                "{} may be older than at {}: last checked {}; {failure}",
                repo.address(),
                remote.name(),
                mirror.checked
            )),
        })
    }

    /// Notes that the origin does not show a held repository any more. What happens then is the operator's to say.
    pub(super) async fn withdrawn_note(&self, repo: &Repo, mirror: &Mirror) -> HubResult<()> {
        let now = self.hub.clock().now();
        let withdrawn = if mirror.withdrawn.is_none() { Some(Some(now)) } else { None };
        self.hub.mirror_change(repo, &MirrorPatch { withdrawn, checked: Some(now), ..MirrorPatch::default() }).await?;
        Ok(())
    }
}

impl Held<'_> {
    /// Returns what somebody is told to whom it is shut: nothing, unless everybody may know that it is gated.
    pub(super) fn gated(&self, caller: &Actor) -> Option<HubError> {
        let remote = self.remotes.get(self.mirror.remote)?;
        let gated = || PullFailure::Gated.for_caller(remote.name(), caller, &self.repo.address(), None);
        (self.repo.gated != "false").then(gated)
    }

    /// Returns until when news are waited for.
    pub(super) fn news_by(&self) -> Instant {
        (Instant::now() + NEWS_WAIT).min(self.deadline)
    }
}

/// Tells whether two names are the same to a hub.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    fold_name(one) == fold_name(other)
}
