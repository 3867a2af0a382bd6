//! Repositories whose history is made elsewhere.
//!
//! What comes from a remote is believed in nothing: ids are computed again, folders and commits must
//! parse, and everything that a ref needs must come along or belong to this very mirror already. That
//! an object or a file is stored here for somebody else counts for nothing: a remote that names it would
//! open it to its own readers. Large files become readable one by one, each when it is whole and has the
//! sha256 that git names.

mod chunks;
mod files;
mod names;
mod origin;
mod update;

use std::collections::HashSet;

use karez_catalog::{Mirror, MirrorCreated, NewMirror, OwnerBound, Repo};
use karez_types::{GitOid, OwnerName, RemoteId, RepoAddress, Visibility, Zone};

pub use files::{FileClaim, MirrorFile};
pub use names::NameAlias;
pub use origin::RepoOrigin;
pub use update::MirrorUpdate;

use crate::{Hub, HubError, HubResult};

impl Hub {
    /// Finds a mirror by its address here. Whoever asks has checked who wants to know.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn mirror_find(&self, address: &RepoAddress) -> HubResult<Option<(Repo, Mirror)>> {
        Ok(self.catalog.mirror_find(address).await?)
    }

    /// Creates a mirror without a commit, and its owner's account and binding when needed; gives the one
    /// that is there already.
    ///
    /// # Errors
    /// [`HubError::NameClash`] when the owner's name or the address belongs to something else.
    pub async fn mirror_create(&self, new: &NewMirror) -> HubResult<(Repo, Mirror)> {
        match self.catalog.mirror_create(new, self.clock.now()).await? {
            MirrorCreated::Created(made) | MirrorCreated::Exists(made) => Ok(*made),
            MirrorCreated::NameClash(bound) => Err(self.name_clash(&new.address.owner, new.remote, bound).await?),
            MirrorCreated::Taken(repo) => {
                let what = match repo.mirror {
                    Some(mark) => format!("comes from {}", self.remote_name(mark.remote).await?),
                    None => "is this node's own".to_owned(),
                };
                Err(HubError::NameClash(format!(
                    "{} is taken: the repository of that name {what}, and not from where this one comes",
                    new.address
                )))
            }
        }
    }

    /// Returns what a name that belongs to something else is refused with.
    async fn name_clash(&self, owner: &OwnerName, remote: RemoteId, bound: OwnerBound) -> HubResult<HubError> {
        let belongs = match bound {
            OwnerBound::RemoteMissing => return Ok(HubError::Missing("the remote is gone".to_owned())),
            OwnerBound::Own => "this node itself".to_owned(),
            OwnerBound::Elsewhere(origin) | OwnerBound::Bound(origin) => {
                format!("{} of {}", origin.remote_owner, self.remote_name(origin.remote).await?)
            }
        };
        let remote = self.remote_name(remote).await?;
        Ok(HubError::NameClash(format!(
            "the owner name {owner} belongs to {belongs}, so what {remote} has under it needs another name here: \
             bind an alias to it"
        )))
    }

    /// Returns the commits of a repository at which history ends here although they have parents: of
    /// mirrors only.
    pub(crate) async fn history_ends(&self, repo: &Repo) -> HubResult<HashSet<GitOid>> {
        if repo.mirror.is_none() {
            return Ok(HashSet::new());
        }
        Ok(self.catalog.mirror_shallow(repo.id).await?.into_iter().collect())
    }

    /// Returns what the operator calls a remote.
    pub(crate) async fn remote_name(&self, remote: RemoteId) -> HubResult<String> {
        let remote = self.catalog.remote_get(remote).await?;
        Ok(remote.map_or_else(|| "a remote that is gone".to_owned(), |remote| format!("the remote {}", remote.name)))
    }
}

/// Returns the zones that the files of a mirror join.
fn zones_joined(repo: &Repo) -> Vec<Zone> {
    match repo.visibility {
        Visibility::Public => vec![Zone::PUBLIC, repo.zone()],
        Visibility::Private => vec![repo.zone()],
    }
}

/// Returns the zones whose bytes a mirror may use.
fn zones_used(repo: &Repo) -> [Zone; 2] {
    [Zone::PUBLIC, repo.zone()]
}
