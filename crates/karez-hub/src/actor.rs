//! Who is asking, and what they may do.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use karez_catalog::{Account, Membership, Repo, TokenRow};
use karez_types::{AccountId, OrgRole, RemoteId, RepoId, Timestamp, TokenRole, Visibility};

use crate::{HubError, HubResult};

/// Who is asking.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Nobody signed in.
    Anonymous,
    /// A person with a token.
    User(Box<SignedIn>),
    /// Somebody with a token that this node does not know, but an upstream does.
    Guest(Arc<Guest>),
    /// The operator at the command line, who owns the machine.
    Operator,
}

/// Somebody whom an upstream knows. As good as nobody here, but for the restricted mirrors of that upstream
/// that it opens to the token. Lives in memory, for [`crate::GRANT_SECS`].
pub struct Guest {
    remote: RemoteId,
    token: String,
    /// Until when each mirror may be read.
    readable: Mutex<HashMap<RepoId, Timestamp>>,
}

impl Guest {
    /// Returns a guest who may read nothing yet.
    pub fn new(remote: RemoteId, token: &str) -> Guest {
        Guest { remote, token: token.to_owned(), readable: Mutex::default() }
    }

    /// Returns the upstream that knows the guest.
    pub fn remote(&self) -> RemoteId {
        self.remote
    }

    /// Returns the token, to show it to that upstream and to nobody else.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Notes that the upstream opens a mirror to the guest.
    pub fn grant(&self, repo: RepoId, until: Timestamp) {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner).insert(repo, until);
    }

    /// Tells whether the upstream opened the mirror, not too long ago.
    pub fn may_read(&self, repo: RepoId, now: Timestamp) -> bool {
        let readable = self.readable.lock().unwrap_or_else(PoisonError::into_inner);
        readable.get(&repo).is_some_and(|until| *until > now)
    }

    /// Notes that the upstream does not open a mirror to the guest, or not any more.
    pub fn refuse(&self, repo: RepoId) {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner).remove(&repo);
    }

    /// Returns until when the guest may read a mirror, also when that is over; `None` when the upstream never
    /// opened it, or took it back.
    pub fn readable_until(&self, repo: RepoId) -> Option<Timestamp> {
        self.readable.lock().unwrap_or_else(PoisonError::into_inner).get(&repo).copied()
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guest of remote {}", self.remote)
    }
}

/// A person who showed a valid token.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The person.
    pub account: Account,
    /// What the token may do.
    pub token_role: TokenRole,
    /// Name of the token, which clients store it under.
    pub token_name: String,
    /// Whether a token is all that says who this is, to a tool or for a session of a browser. Otherwise the
    /// person knew their password, or a provider did.
    pub is_by_token: bool,
    /// The organisations that the person belongs to.
    pub memberships: Vec<Membership>,
}

/// What somebody wants to do with a repository, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Know of it: its card, the names of its files, its history, what is said about it.
    See,
    /// Read its files. What is given on request is for those only who were let in.
    Read,
    /// Push, branch, tag.
    Write,
    /// Delete, move, change settings.
    Admin,
}

impl Actor {
    /// Returns the person, if one is signed in.
    pub fn user(&self) -> Option<&SignedIn> {
        match self {
            Actor::User(user) => Some(user),
            Actor::Anonymous | Actor::Guest(_) | Actor::Operator => None,
        }
    }

    /// Tells whether nobody is signed in here.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Actor::Anonymous | Actor::Guest(_))
    }

    /// Returns the strongest right that the person (whatever the token) has as to this owner.
    pub fn right_over(&self, owner: AccountId) -> Option<Right> {
        let user = match self {
            Actor::Anonymous | Actor::Guest(_) => return None,
            Actor::Operator => return Some(Right::Admin),
            Actor::User(user) => user,
        };
        if user.account.id == owner || user.account.is_admin {
            return Some(Right::Admin);
        }
        let membership = user.memberships.iter().find(|membership| membership.org == owner)?;
        Some(match membership.role {
            OrgRole::Read => Right::Read,
            OrgRole::Write => Right::Write,
            OrgRole::Admin => Right::Admin,
        })
    }

    /// Tells whether the caller administers the node.
    pub fn is_node_admin(&self) -> bool {
        match self {
            Actor::Anonymous | Actor::Guest(_) => false,
            Actor::Operator => true,
            Actor::User(user) => user.account.is_admin,
        }
    }

    /// Tells whether the caller may know that this repository exists, by what the node knows itself:
    /// a grant of the origin can open a restricted mirror besides (see [`crate::Hub::repo_open`]).
    pub(crate) fn can_see(&self, repo: &Repo) -> bool {
        if repo.mirror.is_some_and(|mirror| mirror.is_restricted || mirror.is_hidden) {
            return self.is_node_admin();
        }
        repo.visibility == Visibility::Public || self.right_over(repo.owner.id).is_some()
    }

    /// Refuses who has nothing to show but a token: what they make would outlive it.
    ///
    /// # Errors
    /// [`HubError::Refused`].
    pub(crate) fn more_than_token_check(&self) -> HubResult<()> {
        if self.user().is_some_and(|user| user.is_by_token) {
            return Err(HubError::Refused(
                "a token makes no token and no password; sign in with a password first, or ask the operator for an \
                 invitation"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Tells whether the token, apart from its person, is strong enough.
    pub fn token_allows(&self, right: Right) -> bool {
        match self {
            Actor::Anonymous | Actor::Guest(_) => right <= Right::Read,
            Actor::Operator => true,
            Actor::User(user) => right <= Right::Read || user.token_role >= TokenRole::Write,
        }
    }
}

impl From<TokenRow> for Actor {
    fn from(row: TokenRow) -> Actor {
        Actor::User(Box::new(SignedIn {
            account: row.user,
            token_role: row.role,
            token_name: row.name,
            is_by_token: true,
            memberships: row.memberships,
        }))
    }
}
