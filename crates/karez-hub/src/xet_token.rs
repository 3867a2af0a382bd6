//! Tokens for the Xet routes: what a repository's reader or writer may do with stored bytes.
//!
//! A token is a sealed statement of the node, so that no table is asked when it comes back. It names
//! the repository by its row id, which stays when the repository moves. Who loses a right keeps the
//! token until it ends, `limits.xet_token_secs` later; the same holds for addresses signed with it.

use karez_types::{AccountId, RepoAddress, RepoId, Timestamp, Zone};

use crate::push_access::{PushPlace, Pushing};
use crate::{Actor, GRANT_SECS, Hub, HubError, HubResult, Purpose, Right};

/// What a Xet token is good for, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum XetScope {
    /// Read the files of the repository.
    Read,
    /// Also bring bytes for it.
    Write,
}

/// A Xet token on its way to the client.
#[derive(Debug, Clone)]
pub struct XetToken {
    /// What the client sends back.
    pub text: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// What a Xet token said: the caller of every Xet route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XetGrant {
    /// The repository.
    pub repo_id: RepoId,
    /// Whose zone bytes join: the owner of the repository when the token was made, or who proposes a change to it.
    pub owner: AccountId,
    /// Who asked for the token; `None` for anonymous readers and the operator.
    pub user: Option<AccountId>,
    /// What it is good for.
    pub scope: XetScope,
    /// When it ends.
    pub expires: Timestamp,
}

/// First byte of a sealed token; another layout gets another number.
const LAYOUT: u8 = 1;
/// Layout, scope, repository, owner, user, expiry.
const TOKEN_BYTES: usize = 2 + 4 * 8;

impl XetGrant {
    /// Returns the zones that the caller may learn of: writers know the bytes of that owner, readers only
    /// what is public. Whoever reads one file of a private owner learns nothing about the others.
    pub fn known_zones(&self) -> Vec<Zone> {
        match self.scope {
            XetScope::Read => vec![Zone::PUBLIC],
            XetScope::Write => vec![Zone::PUBLIC, self.zone()],
        }
    }

    /// Returns the zone that bytes brought with this token become members of.
    pub fn zone(&self) -> Zone {
        Zone::of_owner(self.owner)
    }

    fn encode(&self) -> [u8; TOKEN_BYTES] {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = LAYOUT;
        bytes[1] = match self.scope {
            XetScope::Read => 0,
            XetScope::Write => 1,
        };
        let words = [self.repo_id.0, self.owner.0, self.user.map_or(0, |user| user.0), self.expires.unix_secs()];
        for (place, word) in bytes[2..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<XetGrant> {
        let bytes: &[u8; TOKEN_BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| i64::from_le_bytes(bytes[2 + at * 8..10 + at * 8].try_into().expect("eight bytes"));
        let scope = match (bytes[0], bytes[1]) {
            (LAYOUT, 0) => XetScope::Read,
            (LAYOUT, 1) => XetScope::Write,
            _ => return None,
        };
        let user = (word(2) != 0).then(|| AccountId(word(2)));
        let expires = Timestamp(0).plus_secs(word(3));
        Some(XetGrant { repo_id: RepoId(word(0)), owner: AccountId(word(1)), user, scope, expires })
    }
}

impl Hub {
    /// Makes a Xet token for a repository that the caller may read.
    ///
    /// # Errors
    /// As [`Hub::repo_open`].
    pub async fn xet_read_token(&self, actor: &Actor, address: &RepoAddress) -> HubResult<XetToken> {
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let mut token_secs = self.limits.xet_token_secs;
        if repo.mirror.is_some_and(|mirror| mirror.is_restricted) || repo.is_on_request() {
            // What the origin, or the owner, said about the caller counts no longer than this.
            token_secs = token_secs.min(GRANT_SECS.unsigned_abs());
        }
        Ok(self.xet_token_issue(repo.id, repo.owner.id, actor, XetScope::Read, token_secs))
    }

    /// Makes a Xet token for a repository that the caller may push to.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing, unless it is for a pull request.
    pub async fn xet_write_token(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        place: PushPlace<'_>,
    ) -> HubResult<XetToken> {
        let Pushing { repo, bringer } = self.push_open(actor, address, place).await?;
        Ok(self.xet_token_issue(repo.id, bringer, actor, XetScope::Write, self.limits.xet_token_secs))
    }

    pub(crate) fn xet_token_issue(
        &self,
        repo: RepoId,
        owner: AccountId,
        actor: &Actor,
        scope: XetScope,
        token_secs: u64,
    ) -> XetToken {
        let lifetime_secs = i64::try_from(token_secs).unwrap_or(i64::MAX);
        // Whole seconds: what the client is told is exactly what the token says.
        let expires = Timestamp(self.clock.now().unix_secs().saturating_mul(1000)).plus_secs(lifetime_secs);
        let user = actor.user().map(|user| user.account.id);
        let grant = XetGrant { repo_id: repo, owner, user, scope, expires };
        XetToken { text: self.signer.seal(Purpose::XetToken, &grant.encode()), expires }
    }

    /// Finds out what a Xet token says, and whether it is strong enough.
    ///
    /// # Errors
    /// [`HubError::XetTokenInvalid`] when there is none or it is forged or over,
    /// [`HubError::Forbidden`] when it only reads and `scope` writes.
    pub fn xet_sign_in(&self, token: Option<&str>, scope: XetScope) -> HubResult<XetGrant> {
        let invalid = |reason: &str| {
            HubError::XetTokenInvalid(format!(
                "the Xet token {reason}; ask the repository's xet-read-token or xet-write-token address for one"
            ))
        };
        let token = token.ok_or_else(|| invalid("is missing"))?;
        let sealed = self.signer.open(Purpose::XetToken, token).ok_or_else(|| invalid("is not from this node"))?;
        let grant = XetGrant::decode(&sealed).ok_or_else(|| invalid("is of another version of this node"))?;
        if grant.expires <= self.clock.now() {
            return Err(invalid("has expired"));
        }
        if grant.scope < scope {
            let message =
                "this Xet token may only read; ask the repository's xet-write-token address for one that writes";
            return Err(HubError::Forbidden(message.to_owned()));
        }
        Ok(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back() {
        for (scope, user) in [(XetScope::Read, None), (XetScope::Write, Some(AccountId(7)))] {
            let expires = Timestamp(1_700_000_000_000);
            let grant = XetGrant { repo_id: RepoId(3), owner: AccountId(9), user, scope, expires };
            assert_eq!(XetGrant::decode(&grant.encode()), Some(grant));
        }
        assert_eq!(XetGrant::decode(&[1; 5]), None);
        assert_eq!(XetGrant::decode(&[2; TOKEN_BYTES]), None);
    }
}
