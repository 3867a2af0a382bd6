//! What a peer says of itself, and whether it is still the same node.
//!
//! The key is the node. A description with another key at a known address is refused and named; one with
//! a lower sequence is an old one that somebody replays. Whether it has expired is not asked: the
//! sequence says which is newest, and clocks on poor lines are wrong by years.

use karez_catalog::{Catalog, Remote, RemotePatch};
use karez_governance::descriptor::DESCRIPTOR_BYTES_MAX;
use karez_governance::{Descriptor, DescriptorError, VerifierKey};

use super::{PeerError, Wire, WireError};
use crate::PeerSettings;

/// Where a node describes itself.
const PATH: &str = "/.well-known/karez";

/// A description that is signed by the key that it names, and the note itself.
#[derive(Debug, Clone)]
pub struct Described {
    /// What it says.
    pub descriptor: Descriptor,
    /// The signed note.
    pub note: String,
}

/// Asks a node what it is. Whether it is the right one is for [`described_check`].
pub async fn describe(wire: &Wire) -> Result<Described, PeerError> {
    let answer = wire.get(PATH, None, DESCRIPTOR_BYTES_MAX as u64).await?;
    described(&answer.body)
}

/// Reads a description from anywhere; its signature is what counts.
pub fn described(bytes: &[u8]) -> Result<Described, PeerError> {
    let descriptor = Descriptor::open(bytes)?;
    let note = String::from_utf8(bytes.to_vec())
        .map_err(|_| PeerError::Wire(WireError::Wrong { path: PATH.to_owned(), what: "it is not UTF-8".to_owned() }))?;
    Ok(Described { descriptor, note })
}

/// Returns the log key of a peer, as the operator confirmed it.
pub fn log_key(remote: &Remote) -> Result<VerifierKey, PeerError> {
    let text = remote.log_key.as_deref().ok_or_else(|| PeerError::Setup("its log key is not known".to_owned()))?;
    text.parse().map_err(|error| PeerError::Setup(format!("its log key: {error}")))
}

/// Returns the witness key of a peer, if it is known.
pub fn witness_key(remote: &Remote) -> Option<VerifierKey> {
    remote.witness_key.as_deref()?.parse().ok()
}

/// Checks that a description is of this peer, and not older than the one that is known.
pub fn described_check(remote: &Remote, described: &Described) -> Result<(), PeerError> {
    let key = log_key(remote)?;
    // Time 0: nothing has expired then. Sequences decide.
    match described.descriptor.check(0, Some((&key, PeerSettings::of(remote).sequence))) {
        Ok(()) | Err(DescriptorError::Expired { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Keeps what a peer says of itself, when it is newer than what is known. `url` becomes its address when
/// given. Returns the peer as it is then, or `None` when nothing changed.
pub async fn described_keep(
    catalog: &Catalog,
    remote: &Remote,
    described: &Described,
    url: Option<&str>,
) -> Result<Option<Remote>, PeerError> {
    described_check(remote, described)?;
    let descriptor = &described.descriptor;
    let old = PeerSettings::of(remote);
    let settings = PeerSettings {
        sequence: descriptor.sequence,
        own_name: descriptor.name.clone(),
        urls: descriptor.urls.clone(),
        note: described.note.clone(),
        ..old.clone()
    };
    let moves = url.filter(|url| *url != remote.url);
    let witness = Some(descriptor.witness_key.to_string());
    if settings == old && moves.is_none() && remote.witness_key == witness {
        return Ok(None);
    }
    let patch = RemotePatch {
        url: moves.map(str::to_owned),
        witness_key: witness,
        settings: Some(settings.to_value()),
        ..RemotePatch::default()
    };
    Ok(catalog.remote_update(remote.id, &patch).await?)
}
