//! Withdrawals: an origin that makes a repository private, or deletes it, says so in its log. Here the
//! mirror is marked; whether people still see it is this node's policy. Nothing is deleted.

use karez_catalog::Mirror;

use super::FollowError;
use crate::Federation;

impl Federation {
    /// Marks a mirror as withdrawn by its origin.
    pub(super) async fn withdraw(&self, mirror: &Mirror) -> Result<(), FollowError> {
        self.mark(mirror, true).await
    }

    /// Marks a mirror as published by its origin again.
    pub(super) async fn publish_again(&self, mirror: &Mirror) -> Result<(), FollowError> {
        self.mark(mirror, false).await
    }

    async fn mark(&self, mirror: &Mirror, is_withdrawn: bool) -> Result<(), FollowError> {
        let Some(repo) = self.hub.catalog().repo_by_id(mirror.repo_id).await? else { return Ok(()) };
        let at = is_withdrawn.then(|| self.hub.clock().now());
        self.hub.mirror_withdraw(&repo, at).await?;
        tracing::warn!(repo = %repo.address(), is_withdrawn, "the origin of a mirror changed who may read it");
        Ok(())
    }
}
