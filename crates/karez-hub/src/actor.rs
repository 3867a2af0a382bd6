//! Who is asking, and what they may do.

use karez_catalog::{Account, Membership, Repo, TokenRow};
use karez_types::{AccountId, OrgRole, TokenRole, Visibility};

/// Who is asking.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Nobody signed in.
    Anonymous,
    /// A person with a token.
    User(Box<SignedIn>),
    /// The operator at the command line, who owns the machine.
    Operator,
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
    /// The organisations that the person belongs to.
    pub memberships: Vec<Membership>,
}

/// What somebody wants to do with a repository, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See it and read its files.
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
            Actor::Anonymous | Actor::Operator => None,
        }
    }

    /// Tells whether no token was given.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Actor::Anonymous)
    }

    /// Returns the strongest right that the person (whatever the token) has as to this owner.
    pub fn right_over(&self, owner: AccountId) -> Option<Right> {
        let user = match self {
            Actor::Anonymous => return None,
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
            Actor::Anonymous => false,
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

    /// Tells whether the token, apart from its person, is strong enough.
    pub fn token_allows(&self, right: Right) -> bool {
        match self {
            Actor::Anonymous => right == Right::Read,
            Actor::Operator => true,
            Actor::User(user) => right == Right::Read || user.token_role >= TokenRole::Write,
        }
    }
}

impl From<TokenRow> for Actor {
    fn from(row: TokenRow) -> Actor {
        Actor::User(Box::new(SignedIn {
            account: row.user,
            token_role: row.role,
            token_name: row.name,
            memberships: row.memberships,
        }))
    }
}
