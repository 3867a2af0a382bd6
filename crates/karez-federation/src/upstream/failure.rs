//! Why something did not come from a remote. Shared by all who waited for it.

use std::sync::Arc;

use karez_hub::{Actor, HubError};
use karez_types::{RepoAddress, Revision};

/// Why a pull failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PullFailure {
    /// The remote has no such repository, or none that may be read with the right that was shown.
    #[error("it has no such repository, or not for you")]
    Missing,
    /// The repository is gated there, and the right that was shown does not open it.
    #[error("the repository is gated")]
    Gated,
    /// The repository is there, the revision is not.
    #[error("it has no such revision")]
    RevisionMissing,
    /// The repository has another address there now.
    #[error("it is now called {0}")]
    Moved(Box<RepoAddress>),
    /// The token that was shown is not one.
    #[error("the token is not valid there")]
    TokenRefused,
    /// It cannot be reached, or does not answer in time.
    #[error("{0}")]
    Silent(String),
    /// It answers nonsense, or more than is taken.
    #[error("{0}")]
    Wrong(String),
    /// What it has must not come here: an owner's name belongs to somebody else, or a ceiling.
    #[error("{0}")]
    Refused(String),
    /// The node itself failed.
    #[error("{0}")]
    Own(Arc<HubError>),
}

impl PullFailure {
    /// Tells whether asking again soon would give the same answer.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(
            self,
            PullFailure::Missing
                | PullFailure::Gated
                | PullFailure::RevisionMissing
                | PullFailure::Moved(_)
                | PullFailure::Refused(_)
        )
    }

    /// Returns the error for one of those who waited.
    pub(crate) fn for_caller(
        self,
        remote: &str,
        caller: &Actor,
        address: &RepoAddress,
        revision: Option<&Revision>,
    ) -> HubError {
        let anonymous = caller.is_anonymous();
        let address_text = address.to_string();
        match self {
            PullFailure::Moved(to) => HubError::RepoMoved { from: address.clone(), to: *to },
            PullFailure::Missing | PullFailure::TokenRefused => {
                HubError::RepoMissing { address: address_text, anonymous }
            }
            PullFailure::Gated => HubError::Gated { address: address_text, origin: remote.to_owned(), anonymous },
            PullFailure::RevisionMissing => {
                HubError::RevisionMissing { revision: revision.map_or_else(|| "main".to_owned(), ToString::to_string) }
            }
            PullFailure::Silent(why) => HubError::OriginSilent(format!(
                "{address} is not held here, and the upstream {remote} {why}; try again"
            )),
            PullFailure::Wrong(why) => HubError::OriginSilent(format!(
                "{address} is not held here, and the upstream {remote} sent what this node does not accept: {why}"
            )),
            PullFailure::Refused(why) => HubError::Forbidden(why),
            PullFailure::Own(error) => own(&error),
        }
    }
}

/// Repeats an error of the node for one more caller.
fn own(error: &HubError) -> HubError {
    match error {
        HubError::Busy => HubError::Busy,
        HubError::StorageFull => HubError::StorageFull,
        HubError::Refused(words) => HubError::Refused(words.clone()),
        HubError::Invalid(words) => HubError::Invalid(words.clone()),
        error => HubError::Damaged(error.to_string()),
    }
}

impl From<HubError> for PullFailure {
    fn from(error: HubError) -> PullFailure {
        PullFailure::Own(Arc::new(error))
    }
}
