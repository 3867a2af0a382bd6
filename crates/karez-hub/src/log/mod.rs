//! The node's own log: signing what the catalog has written, proving it, and witnessing others.
//!
//! Entries are written by the transactions of the acts that they record (see the catalog). Here they get
//! their place in the tree: [`Hub::log_advance`] reads what is new, computes the tiles, signs a checkpoint
//! and stores all three in one step, if nobody else did meanwhile. Everything that is served is under the
//! newest signed checkpoint, never ahead of it.
//!
//! A log must never show two histories, and a database restored from an old backup would: acts that come
//! after it are others than those that came then. Two guards stand before every signature. The high water
//! is kept outside of the database, with the root of the tree, and written before a checkpoint can be seen.
//! The floor is what others have seen, as witnesses tell. Both only stop the signing; reads go on.

mod describe;
mod high_water;
mod prove;
mod sequencer;
mod serve;
mod verify;
mod witness;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_catalog::LogTree;
use karez_governance::{SigningKey, VerifierKey};
use tokio::time::Instant;

use crate::{HubError, HubResult};

pub use describe::{DESCRIPTOR_DAYS, NodeWords};
pub use high_water::{HighWater, HighWaterMark, NoHighWater};
pub use prove::LogPlace;
pub use sequencer::LogState;
pub use serve::{LogBytes, SignedHead};
pub use verify::LogVerified;
pub use witness::{SeenCheckpoint, WitnessAnswer};

/// The two keys of a node: one signs its log, the other cosigns the logs of others.
#[derive(Debug, Clone)]
pub struct LogKeys {
    log: Arc<SigningKey>,
    witness: Arc<SigningKey>,
}

impl LogKeys {
    /// Returns the keys that these seeds give.
    ///
    /// # Errors
    /// When both are the same: what one signs must never pass for what the other signs.
    pub fn from_seeds(log_seed: &[u8; 32], witness_seed: &[u8; 32]) -> HubResult<LogKeys> {
        if log_seed == witness_seed {
            let words = "the log key and the witness key of a node must differ; was one copied over the other?";
            return Err(HubError::Invalid(words.to_owned()));
        }
        let (log, witness) = (SigningKey::of_log(log_seed), SigningKey::of_witness(witness_seed));
        Ok(LogKeys { log: Arc::new(log), witness: Arc::new(witness) })
    }

    /// Returns the name of the log.
    pub fn origin(&self) -> &str {
        self.log.verifier().name()
    }

    /// Returns the key that verifies the log.
    pub fn log_key(&self) -> &VerifierKey {
        self.log.verifier()
    }

    /// Returns the key that verifies this node's cosignatures.
    pub fn witness_key(&self) -> &VerifierKey {
        self.witness.verifier()
    }
}

/// For how long a checkpoint is answered from memory when another process may have signed a newer one.
const NEWEST_FOR: Duration = Duration::from_secs(1);

/// What the hub remembers of its log between requests.
pub(crate) struct LogDesk {
    pub(crate) keys: LogKeys,
    pub(crate) high_water: Arc<dyn HighWater>,
    /// One process advances its log one step at a time.
    turn: tokio::sync::Mutex<()>,
    /// The tree that was signed last, as this process has seen it, and when. Another process may be ahead.
    newest: Mutex<Option<(Arc<LogTree>, Instant)>>,
    /// One more than the size at which both guards were content; 0: look again.
    guarded: AtomicU64,
    described: Mutex<Option<describe::Described>>,
}

impl LogDesk {
    pub(crate) fn new(keys: LogKeys, high_water: Arc<dyn HighWater>) -> LogDesk {
        LogDesk {
            keys,
            high_water,
            turn: tokio::sync::Mutex::new(()),
            newest: Mutex::default(),
            guarded: AtomicU64::new(0),
            described: Mutex::default(),
        }
    }

    fn newest(&self) -> Option<Arc<LogTree>> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|(_, seen)| seen.elapsed() < NEWEST_FOR).map(|(tree, _)| Arc::clone(tree))
    }

    fn newest_set(&self, tree: Option<Arc<LogTree>>) {
        let newest = tree.map(|tree| (tree, Instant::now()));
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
    }
}
