//! Pull-through: what people ask for and is not here comes from a remote, once, and is kept.
//!
//! # How a request goes
//! [`Upstreams::repo_wanted`] stands before every route that reads a repository. A name of the node's own is
//! never asked for elsewhere. What is held is answered at once; when it was last checked too long ago, its
//! refs are looked up anew, and the answer waits for that a moment only. What is not held is looked for where
//! its owner's name belongs, else at the peer whose log publishes it, else at the upstream hubs in their
//! order. Whoever asks for the same meanwhile waits for the same answer ([`flight`]); nobody waits longer than
//! clients do, and what takes longer goes on for the next who asks.
//!
//! Refs, commits, folders and small files come by git's smart HTTP, one commit deep, and get the ids that
//! they have at the origin ([`metadata`]). Large files come when somebody reads them ([`files`]), and most are
//! kept ([`stay`]).
//!
//! # Rights
//! See [`rights`]: what only some may read at the origin is for those same people here.

mod api;
mod call;
mod failure;
mod files;
mod flight;
mod git;
mod heard;
mod held;
mod metadata;
mod operate;
mod remotes;
mod rights;
mod settings;
mod stay;
mod uses;
mod via;

use std::sync::Arc;
use std::time::Duration;

use karez_catalog::{FeedState, Mirror, Remote, Repo};
use karez_hub::{Actor, Hub, HubError, HubResult};
use karez_types::{RemoteId, RepoAddress, RepoId, Revision, Timestamp, fold_name};
use quick_cache::sync::Cache;
use tokio::time::Instant;

pub use heard::LastHeard;
pub use operate::{TheirRepos, UpstreamChange, UpstreamWish, add, change, find, list, mirrors, remove, token_of};
pub use remotes::address_check;
pub use settings::{UpstreamSettings, login_context, token_context};
pub(crate) use uses::Uses;
pub use via::{VIA_HEADER, Via};

use crate::file_ways::FileWays;
use crate::net::ProxyChoice;
use crate::policy::upstream::Verdict;
use crate::{FederationSettings, PeerSettings};
use failure::PullFailure;
use flight::Flights;
use metadata::{Ask, Want};
use remotes::{KnownRemote, OwnerPlace, Remotes, Shelf};

/// What a request is about to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One revision.
    Metadata,
    /// The list of branches and tags.
    Refs,
    /// All commits.
    History,
}

/// How long somebody waits for what is not here. Clients give a HEAD request 10 seconds and do not repeat it
/// (huggingface_hub, `HF_HUB_ETAG_TIMEOUT`).
const ANSWER_WAIT: Duration = Duration::from_secs(8);
/// How long somebody waits for news of what is here.
const NEWS_WAIT: Duration = Duration::from_secs(2);
/// Seconds for which "it is not there" is believed, if the operator did not say that less is.
const ABSENT_SECS: u64 = 60;
/// Answers "it is not there" that are remembered.
const ABSENT_MAX: usize = 10_000;

/// Brings what is not here from where it is.
pub struct Upstreams {
    hub: Arc<Hub>,
    /// How large files come.
    ways: FileWays,
    /// What this node is called in [`Via`].
    node: String,
    shelf: Arc<Shelf>,
    pulls: Flights<Ask, Result<(), PullFailure>>,
    /// Questions that were answered with no, and when.
    absent: Cache<Ask, (Timestamp, PullFailure)>,
    rights: rights::Rights,
    /// When all refs of a mirror were last looked at.
    refs_listed: Cache<RepoId, Timestamp>,
    turns: Turns,
    heard: heard::Heard,
    /// How long somebody waits for what is not here.
    answer_wait: Duration,
    /// Bytes of large files that mirrors may hold together; 0: no bound.
    cache_bytes_max: u64,
}

/// Who asks, and through which nodes.
pub struct Asking<'a> {
    /// Who asks.
    pub caller: &'a Actor,
    /// The nodes that the question came through.
    pub via: Via,
}

/// Something worth telling the reader besides the answer.
pub type Warning = String;

/// Where a repository that is not here may be.
struct Candidate {
    remote: Arc<KnownRemote>,
    /// What it is called there.
    remote_repo: RepoAddress,
}

impl Upstreams {
    /// Returns a pull-through for a hub. It brings the hub's large files as long as it lives.
    pub fn new(hub: Arc<Hub>, settings: &FederationSettings, ways: FileWays) -> Arc<Upstreams> {
        let upstreams = Upstreams::apart(hub, settings, ways, ANSWER_WAIT);
        upstreams.hub.far_files_set(&upstreams);
        upstreams
    }

    /// Returns a pull-through that brings what it is asked for, and nothing to the hub's readers.
    pub(crate) fn apart(
        hub: Arc<Hub>,
        settings: &FederationSettings,
        ways: FileWays,
        answer_wait: Duration,
    ) -> Arc<Upstreams> {
        Arc::new(Upstreams {
            shelf: Arc::new(Shelf::new(ProxyChoice::of_setting(settings.proxy.as_deref()))),
            pulls: Flights::new(),
            absent: Cache::new(ABSENT_MAX),
            rights: rights::Rights::default(),
            refs_listed: Cache::new(ABSENT_MAX),
            turns: Turns::default(),
            heard: heard::Heard::default(),
            ways,
            node: via::node_name(&hub),
            hub,
            answer_wait,
            cache_bytes_max: settings.cache_bytes_max,
        })
    }

    /// Returns how large files come.
    pub fn ways(&self) -> &FileWays {
        &self.ways
    }

    /// Returns a remote, if it is still the operator's.
    pub(crate) async fn remote(&self, id: RemoteId) -> HubResult<Option<Arc<KnownRemote>>> {
        Ok(self.shelf.remotes(&self.hub).await?.get(id).cloned())
    }

    /// Tells whether there is any remote, at next to no cost.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn has_remotes(&self) -> HubResult<bool> {
        Ok(!self.shelf.remotes(&self.hub).await?.is_empty())
    }

    /// Makes the next request read what the operator set, instead of up to two seconds later.
    pub fn remotes_changed(&self) {
        self.shelf.forget();
    }

    /// Returns what this process last heard of a remote; nothing before it was asked.
    pub fn last_heard(&self, remote: RemoteId) -> Option<LastHeard> {
        self.heard.of(remote)
    }

    /// Asks a remote whether it answers, no longer than somebody waits for a page.
    ///
    /// # Errors
    /// In words for the operator.
    pub async fn check_now(&self, remote: &Remote) -> Result<CheckReport, String> {
        let asked = tokio::time::timeout(self.answer_wait, greet(&self.hub, remote, self.shelf.proxy())).await;
        let asked = asked.unwrap_or_else(|_| Err(PullFailure::Silent("did not answer in time".to_owned())));
        self.heard.note(remote.id, self.hub.clock().now(), &asked);
        asked.map_err(|failure| failure.to_string())
    }

    /// Sees to it that what a request is about to read is here and new enough, if it can be. `Ok` also when it
    /// is nowhere: then the request answers so itself.
    ///
    /// # Errors
    /// When a remote should have it and does not answer, or says that the caller may not read it.
    pub async fn repo_wanted(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        address: &RepoAddress,
        revision: Option<&Revision>,
        purpose: Purpose,
    ) -> HubResult<Option<Warning>> {
        let remotes = self.shelf.remotes(&self.hub).await?;
        // Two nodes may be upstream of each other: a question that came from here goes no further.
        if remotes.is_empty() || asking.via.has(&self.node) {
            return Ok(None);
        }
        let via = asking.via.and(&self.node);
        let place = self.shelf.owner(&self.hub, &address.owner).await?;
        if place == OwnerPlace::Own {
            return Ok(None);
        }
        let mut deadline = Instant::now() + self.answer_wait;
        // Of what is held here and not for the caller, what the caller may know of it.
        let mut shut = None;
        if let Some((repo, mirror)) = self.hub.mirror_find(address).await? {
            let held = Held { remotes: &remotes, repo: &repo, mirror: &mirror, via: via.clone(), deadline };
            if !self.is_shut(asking.caller, &held).await? {
                return self.held_wanted(asking.caller, &held, revision, purpose).await;
            }
            shut = held.gated(asking.caller);
            // The answer is known, unless the origin has opened it since.
            if shut.is_some() {
                deadline = held.news_by();
            }
        }
        let want = match (purpose, revision) {
            (Purpose::Metadata, Some(revision)) => Want::Revision(revision.clone()),
            (Purpose::Metadata, None) => Want::Revision(Revision::main()),
            (Purpose::Refs, _) => Want::Refs,
            (Purpose::History, _) => Want::History,
        };
        for candidate in self.candidates(&remotes, place, address).await? {
            let ask = Ask {
                remote: candidate.remote.row.id,
                remote_repo: candidate.remote_repo,
                address: address.clone(),
                want: want.clone(),
                right: None,
            };
            match self.pull_for(asking.caller, &candidate.remote, ask, &via, deadline).await {
                Ok(()) => return Ok(None),
                Err(PullFailure::Missing) => shut = None,
                // Everybody may know that it is gated, also while nobody can be asked.
                Err(PullFailure::Silent(_)) if shut.is_some() => break,
                Err(failure) => {
                    return Err(failure.for_caller(candidate.remote.name(), asking.caller, address, revision));
                }
            }
        }
        shut.map_or(Ok(None), Err)
    }

    /// Returns where a repository that is not here may be, likeliest first.
    async fn candidates(
        &self,
        remotes: &Remotes,
        place: OwnerPlace,
        address: &RepoAddress,
    ) -> HubResult<Vec<Candidate>> {
        let permits =
            |remote: &KnownRemote, repo: &RepoAddress| !matches!(remote.settings.policy.repo(repo), Verdict::Refuse(_));
        if let OwnerPlace::Bound(id, remote_owner) = place {
            let remote_repo = RepoAddress { owner: remote_owner, ..address.clone() };
            let remote = remotes.get(id).filter(|remote| permits(remote, address) && permits(remote, &remote_repo));
            return Ok(remote
                .map(|remote| Candidate { remote: Arc::clone(remote), remote_repo })
                .into_iter()
                .collect());
        }
        let mut owners = self.hub.catalog().feed_owner(address.owner.as_str()).await?;
        owners.dedup_by_key(|owner| owner.remote);
        let is_refused = |remote: &KnownRemote| PeerSettings::of(&remote.row).refuses(address.owner.as_str());
        let peers: Vec<&Arc<KnownRemote>> =
            owners.iter().filter_map(|owner| remotes.get(owner.remote)).filter(|remote| !is_refused(remote)).collect();
        if peers.len() > 1 {
            let names: Vec<&str> = peers.iter().map(|remote| remote.name()).collect();
            return Err(HubError::NameClash(format!(
                "several peers publish under the name {}: {}. The operator of this node must say whose it is here, or \
                 give one of them another name",
                address.owner,
                names.join(", ")
            )));
        }
        // A name that a peer publishes under is the peer's: a hub far away must not take it.
        let asked: Vec<(&Arc<KnownRemote>, RepoAddress)> = match peers.first() {
            Some(peer) => {
                let found = self.hub.catalog().feed_repo(peer.row.id, address).await?;
                let found = found.filter(|found| found.state == FeedState::Public);
                found.map(|found| (*peer, found.repo)).into_iter().collect()
            }
            None => remotes.upstreams().iter().map(|remote| (remote, address.clone())).collect(),
        };
        let permitted = asked.into_iter().filter(|(remote, repo)| permits(remote, repo));
        Ok(permitted.map(|(remote, remote_repo)| Candidate { remote: Arc::clone(remote), remote_repo }).collect())
    }

    /// Brings something for one caller: with the public right first, then with the caller's own.
    async fn pull_for(
        self: &Arc<Self>,
        caller: &Actor,
        remote: &Arc<KnownRemote>,
        ask: Ask,
        via: &Via,
        deadline: Instant,
    ) -> Result<(), PullFailure> {
        let failure = match self.pull(remote, ask.clone(), remote.token.clone(), via, deadline).await {
            Err(failure @ (PullFailure::Missing | PullFailure::Gated)) => failure,
            other => return other,
        };
        let Some(own) = self.own_credential(caller, remote).await? else { return Err(failure) };
        let ask = Ask { right: Some(own.hash()), ..ask };
        let address = ask.address.clone();
        match self.pull(remote, ask, Some(own.clone()), via, deadline).await {
            // Gated says more than missing: the public right has seen that it is there.
            Err(PullFailure::Missing) => Err(failure),
            Err(other) => Err(other),
            Ok(()) => {
                if let Some((repo, mirror)) = self.hub.mirror_find(&address).await?
                    && mirror.is_restricted
                {
                    self.grant(caller, &repo, &own, true).await?;
                }
                Ok(())
            }
        }
    }

    /// Brings something with one right, or joins those who wait for the same.
    async fn pull(
        self: &Arc<Self>,
        remote: &Arc<KnownRemote>,
        ask: Ask,
        credential: Option<rights::Credential>,
        via: &Via,
        deadline: Instant,
    ) -> Result<(), PullFailure> {
        if let Some((until, failure)) = self.absent.get(&ask) {
            if self.hub.clock().now() < until {
                return Err(failure);
            }
            self.absent.remove(&ask);
        }
        let flight = self.pulls.join(ask.clone(), || {
            let (upstreams, remote, via) = (Arc::clone(self), Arc::clone(remote), via.clone());
            async move {
                let pulled = upstreams.metadata_pull(&remote, &ask, credential, &via).await;
                upstreams.heard.note(remote.row.id, upstreams.hub.clock().now(), &pulled);
                if let Err(failure) = &pulled {
                    tracing::info!(remote = remote.name(), repo = %ask.address, error = %failure, "not pulled");
                    if failure.is_settled() {
                        let secs = remote.settings.policy.revalidate_secs.min(ABSENT_SECS);
                        let until = upstreams.hub.clock().now().plus_secs(secs.cast_signed());
                        upstreams.absent.insert(ask, (until, failure.clone()));
                    }
                }
                pulled
            }
        });
        match tokio::time::timeout_at(deadline, flight).await {
            Ok(Some(pulled)) => pulled,
            Ok(None) => Err(PullFailure::Silent("could not be asked".to_owned())),
            Err(_) => Err(PullFailure::Silent("did not answer in time".to_owned())),
        }
    }
}

/// Writers of one mirror come one after another: its creation and what it is filled with belong together.
struct Turns([tokio::sync::Mutex<()>; TURNS]);

/// Mirrors that share a turn wait for each other's database write, no more; 64 make that rare.
const TURNS: usize = 64;

impl Default for Turns {
    fn default() -> Turns {
        Turns(std::array::from_fn(|_| tokio::sync::Mutex::new(())))
    }
}

impl Turns {
    fn of(&self, address: &RepoAddress) -> &tokio::sync::Mutex<()> {
        let bytes = fold_name(&address.to_string());
        let sum = bytes.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.0[sum % TURNS]
    }
}

/// A mirror that somebody asks for.
struct Held<'a> {
    remotes: &'a Remotes,
    repo: &'a Repo,
    mirror: &'a Mirror,
    via: Via,
    deadline: Instant,
}

/// What a remote said to a first question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckReport {
    /// Milliseconds until the answer was there.
    pub millis: u64,
}

/// Asks a remote whether it answers.
///
/// # Errors
/// In words for the operator.
pub async fn check(hub: &Hub, remote: &Remote, settings: &FederationSettings) -> Result<CheckReport, String> {
    let proxy = ProxyChoice::of_setting(settings.proxy.as_deref());
    greet(hub, remote, &proxy).await.map_err(|failure| failure.to_string())
}

async fn greet(hub: &Hub, remote: &Remote, proxy: &ProxyChoice) -> Result<CheckReport, PullFailure> {
    let known = KnownRemote::new(hub, remote.clone(), proxy);
    let via = Via::default().and(&via::node_name(hub));
    let call = call::Call::new(&known, known.token.clone(), &via)?;
    let took = api::greets(&call).await?;
    Ok(CheckReport { millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) })
}
