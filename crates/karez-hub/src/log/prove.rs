//! Proof, as one file, that a revision is in the log.

use karez_formats::log_entry::address_text;
use karez_governance::tree::{consistency_proof, inclusion_proof};
use karez_governance::{LogProof, Note, TreeHash};
use karez_types::{GitOid, RepoAddress, Revision, fold_name};

use crate::{Actor, Hub, HubError, HubResult};

/// Where a revision stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// The commit that the revision names.
    pub commit: GitOid,
    /// Index of the newest entry that names it.
    pub index: u64,
}

impl Hub {
    /// Finds the newest entry of the log that names a revision of a repository.
    ///
    /// # Errors
    /// As [`Hub::revision_open`], and [`HubError::Missing`] when no signed entry names it.
    pub async fn log_place(&self, actor: &Actor, address: &RepoAddress, revision: &Revision) -> HubResult<LogPlace> {
        let (repo, commit) = self.revision_open(actor, address, revision).await?;
        let folded = fold_name(&address_text(&repo.address()));
        let missing = || {
            HubError::Missing(format!(
                "no signed entry of this node's log names the revision {revision} of {address}: only what a public \
                 repository's refs pointed at, under its present address, is there"
            ))
        };
        let index = self.catalog.log_entry_of(&folded, commit).await?.ok_or_else(missing)?;
        let signed = self.log_signed().await?.size;
        if index < signed { Ok(LogPlace { commit, index }) } else { Err(missing()) }
    }

    /// Returns a proof file for the newest entry that names a revision; it carries the entry itself.
    ///
    /// # Errors
    /// As [`Hub::log_place`].
    pub async fn log_prove(&self, actor: &Actor, address: &RepoAddress, revision: &Revision) -> HubResult<String> {
        let place = self.log_place(actor, address, revision).await?;
        Ok(self.log_proof(place.index).await?.to_string())
    }

    /// Returns the proof that an entry is in the signed tree.
    pub async fn log_proof(&self, index: u64) -> HubResult<LogProof> {
        let tree = self.log_signed().await?;
        let (size, missing) = (tree.size, || HubError::Missing(format!("the signed log has no entry {index}")));
        if index >= size {
            return Err(missing());
        }
        let hashes = self
            .log_read(|reader| inclusion_proof(index, size, reader), |tiles| inclusion_proof(index, size, tiles))
            .await?;
        let entry = self.catalog.log_entries(index, 1).await?.pop().ok_or_else(missing)?;
        let note = Note::parse(tree.note.as_bytes()).map_err(|error| HubError::Damaged(error.to_string()))?;
        Ok(LogProof { extra: Some(entry), index, hashes, note })
    }

    /// Returns the proof that the tree of size `old` is the beginning of the tree of size `new`, which is
    /// signed: what a witness is shown.
    ///
    /// # Errors
    /// [`HubError::Invalid`] when the sizes are not in order or not signed.
    pub async fn log_consistency(&self, old: u64, new: u64) -> HubResult<Vec<TreeHash>> {
        let signed = self.log_signed().await?.size;
        if old > new || new > signed {
            return Err(HubError::Invalid(format!(
                "the signed log has {signed} entries; it cannot go from {old} to {new}"
            )));
        }
        self.log_read(|reader| consistency_proof(old, new, reader), |tiles| consistency_proof(old, new, tiles)).await
    }
}
