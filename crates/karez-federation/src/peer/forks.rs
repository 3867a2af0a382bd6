//! Keeping the evidence of a fork, so that anyone can verify it later, without us.

use karez_catalog::{Catalog, NewFork};
use karez_governance::{ForkEvidence, VerifiedCheckpoint};
use karez_types::{Sha256, Timestamp};
use sha2::Digest as _;

use super::PeerError;
use super::log_reader::LogReader;

/// Makes and keeps the evidence that a log has signed two histories, and says in a sentence what it shows.
///
/// # Errors
/// When there is no evidence: the log is unsound, but what it signed does not contradict itself.
pub async fn fork_keep(
    catalog: &Catalog,
    old: Option<&VerifiedCheckpoint>,
    new: &VerifiedCheckpoint,
    reader: &LogReader<'_>,
    now: Timestamp,
) -> Result<String, PeerError> {
    let unsound = || PeerError::Unsound("its entries do not lead to the root that it signed".to_owned());
    let old = old.filter(|old| old.size() > 0).ok_or_else(unsound)?;
    let evidence = if old.size() == new.size() {
        ForkEvidence::of_same_size(old, new)
    } else {
        let (other_root, proof) = reader.root_at(old, new).await?;
        ForkEvidence::of_proof(old, new, other_root, &proof)
    };
    let evidence = evidence.ok_or_else(unsound)?;
    fork_store(catalog, new.origin(), &evidence, now).await?;
    Ok(match old.size() == new.size() {
        true => format!("two different trees of {} entries", new.size()),
        false => format!("its tree of {} entries does not begin with its tree of {}", new.size(), old.size()),
    })
}

/// Keeps evidence. Tells whether it is new.
pub async fn fork_store(
    catalog: &Catalog,
    origin: &str,
    evidence: &ForkEvidence,
    now: Timestamp,
) -> Result<bool, PeerError> {
    let evidence = evidence.to_string();
    let sha256 = Sha256(sha2::Sha256::digest(evidence.as_bytes()).into());
    let fork = NewFork { origin: origin.to_owned(), evidence, sha256 };
    Ok(catalog.fork_insert(&fork, now).await?)
}
