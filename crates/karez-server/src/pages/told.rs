//! What went wrong, in a text of the languages; the error's own words, in English, stand beside it.

use karez_hub::HubError;
use karez_pages::{Key, Notice, key};

/// Returns what is said above a form that was not taken.
pub(super) fn notice(error: &HubError) -> Notice {
    use HubError as E;
    let text = told(error).unwrap_or(match error {
        E::Forbidden(_) => key::ADVICE_FORBIDDEN,
        E::Missing(_) => key::TOLD_MISSING,
        E::TooLarge { .. } => key::TOLD_TOO_LARGE,
        E::Busy => key::ADVICE_BUSY,
        E::Invalid(_) => key::TOLD_INVALID,
        _ => key::TOLD_REFUSED,
    });
    Notice::Told(text, error.to_string())
}

/// Returns what an error says, when that is more than its status says on a page of its own.
pub(crate) fn told(error: &HubError) -> Option<Key> {
    use HubError as E;
    Some(match error {
        E::BadName(_) => key::NAME_HOW,
        E::PasswordWrong => key::TOLD_PASSWORD_WRONG,
        E::PasswordWeak(_) => key::TOLD_PASSWORD_WEAK,
        E::InvitationOver => key::TOLD_INVITATION_OVER,
        E::Blocked => key::TOLD_BLOCKED,
        E::OnRequest { .. } => key::TOLD_ON_REQUEST,
        E::Exists(_) | E::RepoExists(_) | E::NameClash(_) | E::CollectionExists { .. } => key::TOLD_EXISTS,
        E::OverQuota(_) => key::TOLD_QUOTA,
        E::BranchMoved => key::TOLD_MOVED,
        E::StorageFull => key::TOLD_FULL,
        _ => return None,
    })
}
