//! What a rule asks for of one repository: its history and small files, then its large files.

use karez_catalog::FeedRepo;
use karez_types::RepoAddress;

use super::{FollowError, FollowPass, LoadedRule};
use crate::Federation;
use crate::peer::Peer;

impl Federation {
    /// Brings a repository here as far as its rule says; tells whether everything is here.
    pub(super) async fn follow_whole(
        &self,
        peer: &Peer,
        repo: &FeedRepo,
        rule: &LoadedRule,
        address: &RepoAddress,
        _pass: &mut FollowPass,
    ) -> Result<bool, FollowError> {
        let name = &peer.remote.name;
        let keep = rule.row.keep.as_str();
        Err(FollowError::Later(format!("{} of {name} is to be kept {keep} as {address}", repo.repo)))
    }
}
