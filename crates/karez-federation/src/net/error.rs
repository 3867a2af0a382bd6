//! Why an exchange with a remote failed.

use std::error::Error;

use super::guard::Refusal;
use crate::transfer::SourceError;

/// Why an exchange with a remote failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The address is one that must not be dialled. Nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer did not come, or stopped, or dripped.
    #[error("no answer came in time")]
    Stalled,
    /// The answer breaks the protocol or a bound.
    #[error("it {0}")]
    Wrong(String),
    /// The body is longer than the caller takes.
    #[error("its answer has more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
}

impl NetError {
    /// Reads what the client says: what our own lookup said is found in its chain of causes.
    pub(super) fn of_reqwest(error: &reqwest::Error) -> NetError {
        let mut words = String::new();
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(own) = error.downcast_ref::<NetError>() {
                return own.clone();
            }
            words = error.to_string();
            cause = error.source();
        }
        if error.is_timeout() && !error.is_connect() {
            return NetError::Stalled;
        }
        // The innermost cause says what happened; those around it repeat the address, which may be signed.
        NetError::Unreachable(words)
    }
}

impl From<NetError> for SourceError {
    fn from(error: NetError) -> SourceError {
        match error {
            NetError::Unreachable(why) => SourceError::Unreachable(why),
            // No lie: the pages on which hotels and mobile networks ask for money lead to private addresses
            // too, in the name of whoever was asked. In a minute it may lead elsewhere.
            NetError::Refused(refusal) => SourceError::Unreachable(refusal.to_string()),
            NetError::Stalled => SourceError::Stalled,
            NetError::Wrong(what) => SourceError::Wrong(what),
            NetError::TooLarge { bytes_max } => SourceError::Wrong(format!("sent more than {bytes_max} bytes")),
        }
    }
}
