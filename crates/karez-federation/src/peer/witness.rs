//! Asking peers to cosign this node's checkpoints (C2SP tlog-witness): what many have signed cannot be
//! rewritten quietly, not even by whoever holds the key.

use karez_governance::note::{NOTE_BYTES_MAX, Note};
use karez_governance::{AddCheckpoint, Checkpoint};
use karez_hub::{Hub, HubError};

use super::gossip::seen_of;
use super::table::{Memory, Peer};
use super::{PeerError, WireError};

/// Where a node takes checkpoints to cosign.
const PATH: &str = "/witness/add-checkpoint";
/// Questions about one checkpoint: the second begins at the size that the first was told.
const ATTEMPTS_MAX: u32 = 3;

/// How a request for a cosignature ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The peer has cosigned; so many lines were added.
    Cosigned(usize),
    /// The peer has cosigned this size already.
    Nothing,
    /// The peer does not follow this node: its operator has not added it.
    NotFollowed,
    /// The peer has seen more of this node's log than this node has: the database is an old one.
    Behind {
        /// What the peer has seen.
        seen: u64,
    },
}

/// Shows the newest checkpoint to a peer and takes in its cosignature.
pub async fn witness_ask(hub: &Hub, peer: &Peer, memory: &mut Memory) -> Result<Asked, PeerError> {
    let Some(text) = hub.log_checkpoint().await.map_err(hub_failed)? else { return Ok(Asked::Nothing) };
    let note = Note::parse(text.as_bytes()).map_err(|error| PeerError::Unsound(error.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text())?;
    if memory.cosigned == Some(checkpoint.size) {
        return Ok(Asked::Nothing);
    }
    let mut old_size = memory.cosigned.unwrap_or(0).min(checkpoint.size);
    for _ in 0..ATTEMPTS_MAX {
        let proof = hub.log_consistency(old_size, checkpoint.size).await.map_err(hub_failed)?;
        let request = AddCheckpoint { old_size, proof, note: note.clone() };
        let answer = peer.wire.post(PATH, request.to_string(), NOTE_BYTES_MAX as u64).await?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status {
            200 => {
                let added = hub.log_cosignatures_add(&body).await.map_err(hub_failed)?;
                if added == 0 && memory.cosigned.is_some() {
                    return Err(wrong("the signature is not of its witness key"));
                }
                memory.cosigned = Some(checkpoint.size);
                return Ok(Asked::Cosigned(added));
            }
            404 => return Ok(Asked::NotFollowed),
            409 => {
                let held: u64 = body.trim().parse().map_err(|_| wrong("409 without the size that it holds"))?;
                if held > checkpoint.size {
                    return behind(hub, peer, &checkpoint.origin, held).await;
                }
                if held == old_size {
                    return Err(wrong("409, and it holds the size that was named"));
                }
                old_size = held;
            }
            422 => {
                return Err(PeerError::Refused("says that this node's log does not continue what it has seen".into()));
            }
            status => return Err(WireError::Status { path: PATH.to_owned(), status }.into()),
        }
    }
    Err(wrong("another size each time"))
}

/// A peer says that it has seen a larger log of ours. It must show it: a mere number would let anyone stop
/// this node from signing.
async fn behind(hub: &Hub, peer: &Peer, origin: &str, held: u64) -> Result<Asked, PeerError> {
    let note = seen_of(&peer.wire, origin).await?;
    let note = note.ok_or_else(|| wrong("it has seen more of this node's log, and does not show what"))?;
    match hub.log_own_seen(note.as_bytes()).await {
        // It is one that this log knows: an older one than it says.
        Ok(true) => Err(wrong("it has seen more of this node's log, and shows less")),
        Ok(false) => Ok(Asked::Behind { seen: held }),
        Err(HubError::Invalid(_)) => Err(wrong("what it shows of this node's log is not signed by this node")),
        Err(error) => Err(hub_failed(error)),
    }
}

fn wrong(what: &str) -> PeerError {
    WireError::Wrong { path: PATH.to_owned(), what: what.to_owned() }.into()
}

fn hub_failed(error: HubError) -> PeerError {
    PeerError::Here(error.to_string())
}
