//! Whose owner names are on this node, and what an operator decides about single mirrors.

use karez_catalog::{Mirror, MirrorPatch, OwnerBound, OwnerOrigin, OwnerUnbound, Repo};
use karez_types::{OwnerName, RemoteId, Timestamp};

use crate::{Hub, HubError, HubResult};

/// Bindings read at once.
const PAGE_ROWS: u64 = 1_000;

/// A name to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAlias {
    /// The owner name on this node.
    pub owner: OwnerName,
    /// The remote that it shall belong to.
    pub remote: RemoteId,
    /// The owner name over there.
    pub remote_owner: OwnerName,
}

impl Hub {
    /// Lists all owner names of this node that belong to a remote.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn name_bindings(&self) -> HubResult<Vec<OwnerOrigin>> {
        let mut bindings: Vec<OwnerOrigin> = Vec::new();
        loop {
            let after = bindings.last().map(|last| last.owner.clone());
            let page = self.catalog.owner_origin_list(after.as_ref(), PAGE_ROWS).await?;
            let is_last = (page.len() as u64) < PAGE_ROWS;
            bindings.extend(page);
            if is_last {
                return Ok(bindings);
            }
        }
    }

    /// Gives an owner name of this node to an owner of a remote.
    ///
    /// # Errors
    /// [`HubError::NameClash`] when the name belongs to this node or to something else over there.
    pub async fn name_bind(&self, alias: &NameAlias) -> HubResult<OwnerOrigin> {
        let now = self.clock.now();
        let bound = self.catalog.owner_origin_bind(&alias.owner, alias.remote, &alias.remote_owner, now).await?;
        match bound {
            OwnerBound::Bound(origin) => Ok(origin),
            clash => Err(self.name_clash(&alias.owner, alias.remote, clash).await?),
        }
    }

    /// Frees a name that no repository here is under.
    ///
    /// # Errors
    /// [`HubError::Refused`] while there are repositories, [`HubError::Missing`] for a name that is not bound.
    pub async fn name_unbind(&self, owner: &OwnerName) -> HubResult<()> {
        match self.catalog.owner_origin_unbind(owner).await? {
            OwnerUnbound::Unbound => Ok(()),
            OwnerUnbound::HasMirrors(count) => Err(HubError::Refused(format!(
                "{count} repositories under {owner} come from its remote; delete the copies here first"
            ))),
            OwnerUnbound::Missing => Err(HubError::Missing(format!("the owner name {owner} is not bound to a remote"))),
        }
    }

    /// Notes that the origin withdrew a repository; `None`: it is there again. What readers see then is
    /// the operator's to decide: the remote's setting `withdrawn` (`keep`, `hide`), or a word about this
    /// one ([`Hub::mirror_override`]). Nothing is deleted.
    ///
    /// # Errors
    /// [`HubError::Missing`] when it is not a mirror.
    pub async fn mirror_withdraw(&self, repo: &Repo, at: Option<Timestamp>) -> HubResult<Mirror> {
        self.mirror_change(repo, &MirrorPatch { withdrawn: Some(at), ..MirrorPatch::default() }).await
    }

    /// Decides for one mirror whether it stays readable when its origin withdraws it: `keep`, `hide`, or
    /// `None` for what the remote's setting says.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for another word, [`HubError::Missing`] when it is not a mirror.
    pub async fn mirror_override(&self, repo: &Repo, word: Option<&str>) -> HubResult<Mirror> {
        if word.is_some_and(|word| !["keep", "hide"].contains(&word)) {
            return Err(HubError::Invalid("the word about a withdrawal must be `keep` or `hide`".to_owned()));
        }
        let local_override = Some(word.map(str::to_owned));
        self.mirror_change(repo, &MirrorPatch { local_override, ..MirrorPatch::default() }).await
    }

    /// Changes what is known about a mirror.
    ///
    /// # Errors
    /// [`HubError::Missing`] when it is not a mirror.
    pub async fn mirror_change(&self, repo: &Repo, patch: &MirrorPatch) -> HubResult<Mirror> {
        let changed = self.catalog.mirror_update(repo.id, patch).await?;
        changed.ok_or_else(|| HubError::Missing(format!("{} is not a mirror", repo.address())))
    }
}
