//! Where a repository comes from, for people and programs to read.

use std::collections::HashMap;

use karez_catalog::{Mirror, Repo};
use karez_types::{RemoteId, RepoId};

use crate::{Hub, HubResult};

/// Where a mirror comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoOrigin {
    /// What the operator calls the remote.
    pub remote: String,
    /// What is known about the mirror.
    pub mirror: Mirror,
}

impl Hub {
    /// Returns where those of these repositories come from that are mirrors.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn origins(&self, repos: impl Iterator<Item = &Repo> + Send) -> HubResult<HashMap<RepoId, RepoOrigin>> {
        let ids: Vec<RepoId> = repos.filter(|repo| repo.mirror.is_some()).map(|repo| repo.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut names: HashMap<RemoteId, String> = HashMap::new();
        let mut origins = HashMap::with_capacity(ids.len());
        for mirror in self.catalog.mirrors_by_repos(&ids).await? {
            if !names.contains_key(&mirror.remote)
                && let Some(remote) = self.catalog.remote_get(mirror.remote).await?
            {
                names.insert(remote.id, remote.name);
            }
            let Some(remote) = names.get(&mirror.remote).cloned() else { continue };
            origins.insert(mirror.repo_id, RepoOrigin { remote, mirror });
        }
        Ok(origins)
    }
}
