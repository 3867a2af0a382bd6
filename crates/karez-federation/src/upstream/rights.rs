//! With which right a remote is asked, and for whom.
//!
//! Public repositories are read with the node's own token or none. What that does not open is tried with
//! the asking person's own token, and what that opens is for that person alone: the mirror is restricted,
//! and the origin is asked again, with that token, whenever its word about the person has grown old: after
//! [`GRANT_SECS`], or sooner where the operator lets the upstream's words count for less.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use karez_catalog::{Mirror, MirrorGrant, Repo};
use karez_hub::{Actor, GRANT_SECS, Guest, HubError, HubResult, token_hash};
use karez_types::{RepoId, Timestamp};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::failure::PullFailure;
use super::flight::Flights;
use super::remotes::{KnownRemote, Remotes};
use super::settings::login_context;
use super::{Upstreams, Via, api, call};

/// A token for a remote. Never printed.
#[derive(Clone)]
pub(crate) struct Credential {
    token: Arc<str>,
    hash: [u8; 32],
}

impl Credential {
    pub(crate) fn new(token: &str) -> Credential {
        Credential { token: token.into(), hash: token_hash(token) }
    }

    /// Returns the token, for the header of a request.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Returns what tells tokens apart without being one.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// How long a request waits until it is known who asks; then it waits for what is asked.
const INTRODUCTION_WAIT: Duration = Duration::from_secs(4);
/// Tokens of guests that are remembered.
const GUESTS_MAX: usize = 10_000;
/// Seconds for which a token that an upstream does not know, or does not let in, is not tried again.
const STRANGER_SECS: i64 = 60;
/// Mirrors whose last right is remembered.
const OPENED_MAX: usize = 10_000;

/// What is remembered of rights. Tokens are in memory only, for [`GRANT_SECS`].
pub(crate) struct Rights {
    /// With what each restricted mirror was opened last: sealed addresses were given to somebody who could.
    opened: Cache<RepoId, (Credential, Timestamp)>,
    /// By hash of the token: until when, and who.
    guests: Cache<[u8; 32], (Timestamp, Option<Arc<Guest>>)>,
    questions: Flights<(RepoId, [u8; 32]), Result<bool, PullFailure>>,
    introductions: Flights<[u8; 32], Result<bool, PullFailure>>,
}

impl Default for Rights {
    fn default() -> Rights {
        Rights {
            opened: Cache::new(OPENED_MAX),
            guests: Cache::new(GUESTS_MAX),
            questions: Flights::new(),
            introductions: Flights::new(),
        }
    }
}

impl Upstreams {
    /// Returns the caller's own right at a remote.
    pub(super) async fn own_credential(
        &self,
        caller: &Actor,
        remote: &KnownRemote,
    ) -> Result<Option<Credential>, PullFailure> {
        match caller {
            Actor::User(user) => {
                let id = user.account.id;
                let sealed = self.hub.catalog().remote_login_get(remote.row.id, id).await.map_err(HubError::from)?;
                let opened = sealed.and_then(|sealed| self.hub.secret_open(&login_context(remote.row.id, id), &sealed));
                Ok(opened.map(|token| Credential::new(&token)))
            }
            Actor::Guest(guest) if guest.remote() == remote.row.id => Ok(Some(Credential::new(guest.token()))),
            Actor::Guest(_) | Actor::Anonymous | Actor::Operator => Ok(None),
        }
    }

    /// Returns the right with which a restricted mirror's bytes are fetched for a caller who may read it.
    pub(super) async fn file_credential(
        &self,
        caller: &Actor,
        remote: &KnownRemote,
        repo: &Repo,
    ) -> Result<Option<Credential>, PullFailure> {
        if !repo.mirror.is_some_and(|mark| mark.is_restricted) {
            return Ok(remote.token.clone());
        }
        if !matches!(caller, Actor::Operator) {
            return self.own_credential(caller, remote).await?.map(Some).ok_or(PullFailure::Gated);
        }
        // The holder of a sealed address: somebody who could read it was given that.
        let now = self.hub.clock().now();
        let opened = self.rights.opened.get(&repo.id).filter(|(_, until)| *until > now);
        opened.map(|(credential, _)| Some(credential)).ok_or(PullFailure::Gated)
    }

    /// Writes down what the origin said about a caller.
    pub(super) async fn grant(
        &self,
        caller: &Actor,
        repo: &Repo,
        own: &Credential,
        is_allowed: bool,
    ) -> Result<(), PullFailure> {
        let now = self.hub.clock().now();
        let until = now.plus_secs(GRANT_SECS);
        if is_allowed {
            self.rights.opened.insert(repo.id, (own.clone(), until));
        }
        match caller {
            Actor::User(user) => {
                let set = self.hub.catalog().mirror_grant_set(repo.id, user.account.id, is_allowed, now);
                set.await.map_err(HubError::from)?;
            }
            Actor::Guest(guest) if is_allowed => guest.grant(repo.id, until),
            Actor::Guest(guest) => guest.refuse(repo.id),
            Actor::Anonymous | Actor::Operator => {}
        }
        Ok(())
    }

    /// Sees to it that what the origin says about a caller's right to a restricted mirror is not too old.
    /// Returns whether the caller may read.
    ///
    /// # Errors
    /// [`HubError::OriginSilent`] when the origin cannot be asked, only for those whom it allowed before.
    pub(super) async fn right_ensure(
        self: &Arc<Self>,
        caller: &Actor,
        remote: &Arc<KnownRemote>,
        repo: &Repo,
        mirror: &Mirror,
        via: &Via,
        deadline: Instant,
    ) -> HubResult<bool> {
        let now = self.hub.clock().now();
        let (is_known, was_allowed) = match caller {
            Actor::Operator => return Ok(true),
            Actor::Anonymous => return Ok(false),
            Actor::Guest(guest) => {
                let until = guest.readable_until(repo.id);
                let is_new = |until: Timestamp| until.plus_secs(grant_secs(remote) - GRANT_SECS) > now;
                (until.is_some_and(is_new), until.is_some())
            }
            Actor::User(user) if user.account.is_admin => return Ok(true),
            Actor::User(user) => match self.hub.catalog().mirror_grant_get(repo.id, user.account.id).await? {
                Some(grant) if grant.checked <= now && grant.checked.plus_secs(word_secs(remote, &grant)) > now => {
                    return Ok(grant.is_allowed);
                }
                grant => (false, grant.is_some_and(|grant| grant.is_allowed)),
            },
        };
        if is_known {
            return Ok(true);
        }
        let nobody = |failure: PullFailure| failure.for_caller(remote.name(), caller, &repo.address(), None);
        let Some(own) = self.own_credential(caller, remote).await.map_err(nobody)? else { return Ok(false) };
        let question = self.rights.questions.join((repo.id, own.hash()), || {
            let (remote, own, via) = (Arc::clone(remote), own.clone(), via.clone());
            let remote_repo = mirror.remote_repo.clone();
            async move {
                let call = call::Call::new(&remote, Some(own), &via)?;
                api::may_read(&call, &remote_repo).await
            }
        });
        let said = match tokio::time::timeout_at(deadline, question).await {
            Ok(Some(said)) => said,
            Ok(None) | Err(_) => Err(PullFailure::Silent("did not answer in time".to_owned())),
        };
        match said {
            Ok(is_allowed) => {
                self.grant(caller, repo, &own, is_allowed).await.map_err(nobody)?;
                Ok(is_allowed)
            }
            Err(failure) if was_allowed => Err(HubError::OriginSilent(format!(
                "{} says who may read {}, and cannot be asked: {failure}; try again",
                remote.name(),
                repo.address()
            ))),
            // Others must not learn that there is something to ask about.
            Err(_) => Ok(false),
        }
    }

    /// Returns who shows a token that this node does not know, if the upstream that takes such tokens knows it.
    ///
    /// # Errors
    /// When the catalog fails. An upstream that does not answer knows nobody.
    pub async fn guest(self: &Arc<Self>, token: &str) -> HubResult<Option<Actor>> {
        let remotes = self.shelf.remotes(&self.hub).await?;
        let Some(remote) = pass_remote(&remotes) else { return Ok(None) };
        let credential = Credential::new(token);
        let now = self.hub.clock().now();
        if let Some((until, guest)) = self.rights.guests.get(&credential.hash())
            && until > now
            && guest.as_ref().is_none_or(|guest| guest.remote() == remote.row.id)
        {
            return Ok(guest.map(Actor::Guest));
        }
        let introduction = self.rights.introductions.join(credential.hash(), || {
            let (remote, credential) = (Arc::clone(remote), credential.clone());
            let via = Via::default().and(&self.node);
            async move {
                let call = call::Call::new(&remote, Some(credential), &via)?;
                api::knows_token(&call).await
            }
        });
        let is_known = match tokio::time::timeout(INTRODUCTION_WAIT, introduction).await {
            Ok(Some(Ok(is_known))) => is_known,
            Ok(Some(Err(_)) | None) | Err(_) => return Ok(None),
        };
        let guest = is_known.then(|| Arc::new(Guest::new(remote.row.id, token)));
        let secs = if is_known { GRANT_SECS } else { STRANGER_SECS };
        self.rights.guests.insert(credential.hash(), (now.plus_secs(secs), guest.clone()));
        Ok(guest.map(Actor::Guest))
    }
}

/// Returns how long a remote's word about a person counts, in seconds: who was refused has perhaps been
/// granted access since, and tries again.
fn word_secs(remote: &KnownRemote, grant: &MirrorGrant) -> i64 {
    if grant.is_allowed { grant_secs(remote) } else { grant_secs(remote).min(STRANGER_SECS) }
}

/// Returns how long a remote's yes counts, in seconds.
fn grant_secs(remote: &KnownRemote) -> i64 {
    i64::try_from(remote.settings.policy.revalidate_secs).unwrap_or(i64::MAX).min(GRANT_SECS)
}

/// Returns the upstream at which strange tokens are tried: the first that takes them. Only one, since each
/// would see the tokens of all others.
fn pass_remote(remotes: &Remotes) -> Option<&Arc<KnownRemote>> {
    remotes.upstreams().iter().find(|remote| remote.settings.pass_tokens)
}
