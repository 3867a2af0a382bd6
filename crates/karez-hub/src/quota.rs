//! How much an owner may own: who decides it, where it is foreseen, and what is said when it is not enough.
//!
//! The catalog checks inside the transaction that would add to what an owner has; that is the rule. Before
//! bytes travel the same is foreseen from what the client says of them, so that nobody sends in vain. What is
//! foreseen is never more than what the commit would find: nothing that fits is refused early, unless somebody
//! who may not write proposes it: they are not told what the owner has elsewhere.

use std::collections::{HashMap, HashSet};

use karez_catalog::{Account, OverQuota, OwnerRoom, Quota};
use karez_types::units::{parse_bytes, show_bytes};
use karez_types::{OwnerName, Sha256};

use crate::push_access::Pushing;
use crate::{Actor, Hub, HubError, HubResult};

/// Reads what was decided for an account: an amount such as `20 GB`, `none` for no bound, `default` for what the
/// node allows everybody.
///
/// # Errors
/// [`HubError::Invalid`] says what can be written.
pub fn quota_of_words(words: &str) -> HubResult<Quota> {
    match words.trim().to_ascii_lowercase().as_str() {
        "none" => Ok(Quota::Unbounded),
        "default" => Ok(Quota::OfNode),
        _ => parse_bytes(words).map(Quota::Bytes).map_err(|error| {
            HubError::Invalid(format!("{error}, `none` for no bound, or `default` for what the node allows everybody"))
        }),
    }
}

/// Returns what is said to somebody who may write for the owner.
pub(crate) fn over_quota(owner: &OwnerName, over: OverQuota) -> HubError {
    HubError::OverQuota(format!(
        "not enough room: {owner} may own {} of large files on this node and owns {}; this would add {}. Nothing was \
         changed. Delete repositories that nobody needs, or ask an administrator of this node for more room",
        show_bytes(over.bytes_max),
        show_bytes(over.owned_bytes),
        show_bytes(over.new_bytes),
    ))
}

impl Pushing {
    /// Returns what is said to who pushes. Others than the owner's people do not learn how much there is.
    pub(crate) fn over_quota(&self, over: OverQuota) -> HubError {
        let owner = &self.repo.owner.name;
        if self.is_own() {
            return over_quota(owner, over);
        }
        HubError::OverQuota(format!(
            "not enough room: {owner} cannot take so many bytes of large files on this node. Nothing was changed. Propose \
             less, or ask {owner} to make room"
        ))
    }

    /// Tells whether who pushes may write for the owner.
    fn is_own(&self) -> bool {
        self.bringer == self.repo.owner.id
    }
}

impl Hub {
    /// Returns what an account owns and may own. Its own people and the node's administrators may know.
    ///
    /// # Errors
    /// [`HubError::Missing`], [`HubError::Forbidden`], or [`HubError::SignInNeeded`].
    pub async fn owner_room(&self, actor: &Actor, name: &str) -> HubResult<OwnerRoom> {
        let account = self.account(name).await?;
        if actor.right_over(account.id).is_none() {
            self.node_admin_check(actor)?;
        }
        Ok(self.catalog.owner_room(account.id).await?)
    }

    /// Decides how much a person or an organisation may own. What they have stays, also when it is more. Only
    /// who administers the node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] or [`HubError::Missing`].
    pub async fn quota_set(&self, actor: &Actor, name: &str, quota: Quota) -> HubResult<Account> {
        self.node_admin_check(actor)?;
        let account = self.account(name).await?;
        self.catalog.quota_set(account.id, quota).await?;
        Ok(account)
    }

    /// Refuses a push of these files, with the lengths that the client says they have, when it could not be
    /// committed.
    ///
    /// # Errors
    /// [`HubError::OverQuota`].
    pub(crate) async fn quota_foresee(&self, pushing: &Pushing, files: &HashMap<Sha256, u64>) -> HubResult<()> {
        let owner = pushing.repo.owner.id;
        if files.is_empty() || self.catalog.owner_bytes_max(owner).await?.is_none() {
            return Ok(());
        }
        let hashes: Vec<Sha256> = files.keys().copied().collect();
        let held: HashSet<Sha256> = if pushing.is_own() {
            self.catalog.owner_files_among(owner, &hashes).await?
        } else {
            // Otherwise the answer would tell strangers which files are in private repositories.
            self.catalog.repo_files_among(pushing.repo.id, &hashes).await?.into_iter().collect()
        };
        let lengths = files.iter().filter(|(hash, _)| !held.contains(hash)).map(|(_, bytes)| *bytes);
        self.new_bytes_check(pushing, lengths).await
    }

    /// As [`Hub::quota_foresee`] when nothing is known of the files but how long they are: a file of a length that
    /// no file of the owner has is new, and files of one length may be the same.
    ///
    /// # Errors
    /// [`HubError::OverQuota`].
    pub(crate) async fn quota_foresee_lengths(&self, pushing: &Pushing, lengths: HashSet<u64>) -> HubResult<()> {
        let owner = pushing.repo.owner.id;
        if lengths.is_empty() || !pushing.is_own() || self.catalog.owner_bytes_max(owner).await?.is_none() {
            return Ok(());
        }
        let asked: Vec<u64> = lengths.iter().copied().collect();
        let held = self.catalog.owner_lengths_among(owner, &asked).await?;
        self.new_bytes_check(pushing, lengths.difference(&held).copied()).await
    }

    async fn new_bytes_check(&self, pushing: &Pushing, lengths: impl Iterator<Item = u64>) -> HubResult<()> {
        let new_bytes = lengths.fold(0, u64::saturating_add);
        let OwnerRoom { owned_bytes, bytes_max: Some(bytes_max), .. } =
            self.catalog.owner_room(pushing.repo.owner.id).await?
        else {
            return Ok(());
        };
        if new_bytes == 0 || owned_bytes.saturating_add(new_bytes) <= bytes_max {
            return Ok(());
        }
        Err(pushing.over_quota(OverQuota { owned_bytes, new_bytes, bytes_max }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_written_as_people_write_it() {
        for (words, quota) in [
            ("20 GB", Quota::Bytes(20_000_000_000)),
            ("0", Quota::Bytes(0)),
            (" none ", Quota::Unbounded),
            ("Default", Quota::OfNode),
        ] {
            assert_eq!(quota_of_words(words).unwrap(), quota, "{words}");
        }
        for words in ["", "much", "-1", "20 Gb", "none at all"] {
            let said = quota_of_words(words).unwrap_err().to_string();
            assert!(said.contains("20 GB") && said.contains("`none`") && said.contains("`default`"), "{said}");
        }
    }
}
