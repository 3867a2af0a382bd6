//! What was last heard of each remote, for who administers the node. Memory of one process: lost on restart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use karez_types::{RemoteId, Timestamp};

use super::failure::PullFailure;

/// The last word of a remote, or about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastHeard {
    /// When.
    pub at: Timestamp,
    /// What was wrong, in English; unset: it answered as it should.
    pub trouble: Option<String>,
}

/// One word for each remote: as many as the operator ever added while the process runs.
#[derive(Default)]
pub(super) struct Heard(Mutex<HashMap<RemoteId, LastHeard>>);

impl Heard {
    /// Notes how a question ended. What the node itself did not manage says nothing about the remote.
    pub(super) fn note<T>(&self, remote: RemoteId, at: Timestamp, answer: &Result<T, PullFailure>) {
        let trouble = match answer {
            Err(PullFailure::Own(_)) => return,
            Err(failure @ (PullFailure::Silent(_) | PullFailure::Wrong(_) | PullFailure::TokenRefused)) => {
                Some(failure.to_string())
            }
            // It answered: that it has no such thing, or that this node does not take it.
            Ok(_)
            | Err(
                PullFailure::Missing
                | PullFailure::Gated
                | PullFailure::RevisionMissing
                | PullFailure::Moved(_)
                | PullFailure::Refused(_),
            ) => None,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(remote, LastHeard { at, trouble });
    }

    /// Returns the last word, if the remote was asked at all.
    pub(super) fn of(&self, remote: RemoteId) -> Option<LastHeard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&remote).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use karez_hub::HubError;

    use super::*;

    #[test]
    fn the_last_word_counts_and_the_nodes_own_trouble_does_not() {
        let (heard, remote, other) = (Heard::default(), RemoteId(1), RemoteId(2));
        assert_eq!(heard.of(remote), None);
        heard.note::<()>(remote, Timestamp(1), &Err(PullFailure::Silent("did not answer in time".to_owned())));
        heard.note(other, Timestamp(2), &Ok(()));
        let silent = LastHeard { at: Timestamp(1), trouble: Some("did not answer in time".to_owned()) };
        assert_eq!(heard.of(remote), Some(silent.clone()));
        heard.note::<()>(remote, Timestamp(3), &Err(PullFailure::Own(Arc::new(HubError::Busy))));
        assert_eq!(heard.of(remote), Some(silent));
        // Whoever says that something is not there has answered.
        heard.note::<()>(remote, Timestamp(4), &Err(PullFailure::Missing));
        assert_eq!(heard.of(remote), Some(LastHeard { at: Timestamp(4), trouble: None }));
    }
}
