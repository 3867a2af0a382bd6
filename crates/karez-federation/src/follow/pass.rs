//! One pass of following: everything that peers published since the last one is looked at, and what the
//! rules ask for is begun.
//!
//! A pass ends; it does not wait for large files. What could not be done stays pending and is looked at
//! again in the next pass.

use std::collections::HashMap;

use karez_catalog::{CatalogError, FeedRepo, FeedState, Mirror, MirrorPatch, Remote};
use karez_hub::HubError;
use karez_types::{RemoteId, RepoAddress, RepoId, fold_name};

use super::{LoadedRule, LocalName, facts_of, local_name, rule_for, rules_load};
use crate::Federation;
use crate::peer::{Peer, PeerError, Table};

/// Repositories that are looked at in one go.
const PAGE_REPOS: u64 = 200;

/// What a pass has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowPass {
    /// Repositories of peers that were looked at.
    pub looked_at: u64,
    /// Of these, those with which everything is done.
    pub done: u64,
    /// Mirrors whose history was brought up to date.
    pub mirrored: u64,
    /// Large files that are not here yet.
    pub waiting: u64,
    /// Mirrors that were marked as withdrawn.
    pub withdrawn: u64,
    /// Owner names that clash.
    pub clashes: u64,
    /// What did not work, in sentences.
    pub troubles: Vec<String>,
}

/// Why something of a repository could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The peer did not give what was asked of it.
    #[error("{0}")]
    Peer(#[from] PeerError),
    /// The hub did not take it.
    #[error("{0}")]
    Hub(#[from] HubError),
    /// The catalog failed.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    /// Not now: a line is closed, a limit is reached. In words.
    #[error("{0}")]
    Later(String),
}

/// What does not change during a pass.
pub(super) struct Scene {
    pub(super) table: std::sync::Arc<Table>,
    pub(super) remotes: Vec<Remote>,
    pub(super) rules: Vec<LoadedRule>,
    /// Places by requests at this node: remote and folded address.
    ranks: HashMap<(RemoteId, String), u64>,
}

impl Federation {
    /// Looks at everything that peers publish and this node has not acted on.
    pub async fn follow_pass(self: &std::sync::Arc<Self>) -> Result<FollowPass, FollowError> {
        let catalog = self.hub.catalog();
        let scene = Scene {
            table: self.table(),
            remotes: catalog.remote_list().await?,
            rules: rules_load(catalog).await?,
            ranks: self.ranks().await?,
        };
        let mut pass = FollowPass::default();
        let mut after: Option<FeedRepo> = None;
        loop {
            let page = catalog.feed_pending(after.as_ref(), PAGE_REPOS).await?;
            let Some(last) = page.last() else { return Ok(pass) };
            after = Some(last.clone());
            for repo in &page {
                // Of a peer that was removed, nothing is done and nothing is lost.
                let Some(peer) = scene.table.by_id(repo.remote) else { continue };
                pass.looked_at += 1;
                match self.follow_repo(&scene, peer, repo, &mut pass).await {
                    Ok(true) => {
                        catalog.feed_done(repo.remote, &repo.repo, repo.idx).await?;
                        pass.done += 1;
                    }
                    Ok(false) => {}
                    Err(error) => pass.troubles.push(format!("{} of {}: {error}", repo.repo, peer.remote.name)),
                }
            }
        }
    }

    /// Does what one repository of a peer asks for; tells whether everything is done.
    async fn follow_repo(
        self: &std::sync::Arc<Self>,
        scene: &Scene,
        peer: &Peer,
        repo: &FeedRepo,
        pass: &mut FollowPass,
    ) -> Result<bool, FollowError> {
        let catalog = self.hub.catalog();
        let mirrors = catalog.mirrors_of(repo.remote, &repo.repo).await?;
        match repo.state {
            FeedState::Withdrawn | FeedState::Deleted => {
                for mirror in mirrors.iter().filter(|mirror| mirror.withdrawn.is_none()) {
                    self.withdraw(mirror).await?;
                    pass.withdrawn += 1;
                }
                return Ok(true);
            }
            FeedState::Moved => {
                if let Some(to) = &repo.moved_to {
                    for mirror in &mirrors {
                        let patch = MirrorPatch { remote_repo: Some(to.clone()), ..MirrorPatch::default() };
                        catalog.mirror_update(mirror.repo_id, &patch).await?;
                    }
                }
                return Ok(true);
            }
            FeedState::Public => {}
        }
        for mirror in mirrors.iter().filter(|mirror| mirror.withdrawn.is_some()) {
            self.publish_again(mirror).await?;
        }
        let rank = scene.ranks.get(&(repo.remote, fold_name(&repo.repo.to_string()))).copied();
        let Some(rule) = rule_for(&scene.rules, repo.remote, &facts_of(repo, rank)) else { return Ok(true) };
        let Some(address) = self.address_here(scene, peer, repo, &mirrors, pass).await? else { return Ok(true) };
        self.follow_whole(peer, repo, rule, &address, pass).await
    }

    /// Returns what a repository of a peer is called here; `None` when it may not be taken.
    async fn address_here(
        &self,
        scene: &Scene,
        peer: &Peer,
        repo: &FeedRepo,
        mirrors: &[Mirror],
        pass: &mut FollowPass,
    ) -> Result<Option<RepoAddress>, FollowError> {
        let catalog = self.hub.catalog();
        if let Some(mirror) = mirrors.first()
            && let Some(here) = catalog.repo_by_id(mirror.repo_id).await?
        {
            return Ok(Some(here.address()));
        }
        let name = local_name(catalog, &scene.remotes, &peer.remote, &repo.repo.owner).await?;
        Ok(match name {
            LocalName::Bound(owner) | LocalName::Free(owner) => Some(RepoAddress { owner, ..repo.repo.clone() }),
            LocalName::Refused => None,
            LocalName::Clash(why) => {
                pass.clashes += 1;
                let owner = &repo.repo.owner;
                let what = format!(
                    "the owner name {owner} cannot be taken: {why}. Nothing of {owner} comes here before you decide: \
                     karez names alias, or karez names refuse"
                );
                self.incident(&peer.remote.name, "name-clash", &what).await;
                None
            }
        })
    }

    /// Returns the places of mirrors by how often they were asked for here, 1 for the most.
    async fn ranks(&self) -> Result<HashMap<(RemoteId, String), u64>, CatalogError> {
        let mut asked = Vec::new();
        let mut after: Option<RepoId> = None;
        loop {
            let page = self.hub.catalog().mirror_list(None, after, PAGE_REPOS).await?;
            let Some((_, last)) = page.last() else { break };
            after = Some(last.repo_id);
            let counted = page.into_iter().filter(|(repo, _)| repo.downloads > 0);
            asked.extend(counted.map(|(repo, mirror)| (repo.downloads, mirror.remote, mirror.remote_repo.to_string())));
        }
        asked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.2.cmp(&b.2)));
        let placed = asked.into_iter().zip(1u64..);
        Ok(placed.map(|((_, remote, repo), rank)| ((remote, fold_name(&repo)), rank)).collect())
    }
}
