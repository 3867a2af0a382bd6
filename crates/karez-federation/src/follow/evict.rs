//! Room for mirrors: when they hold more than `federation.cache_bytes_max`, the large files that are worth least are
//! no longer kept. See [`policy::evict`](crate::policy::evict) for what a file is worth.
//!
//! A file that goes is one that its mirrors do not serve any more: readers see a file that is not here, and the next who
//! wants it brings it back. Its bytes leave the store after a grace (karez-hub, `garbage.rs`). Until then a file
//! that is wanted again is taken from there instead of from afar.
//!
//! What pull-through brings is admitted before it is kept (`upstream::stay`); what following brings is wanted whole. What
//! admission would always refuse and is here all the same, above all what is larger than all the room, goes first.

use std::collections::{BTreeMap, HashMap};

use karez_catalog::{HeldFile, Keep, Remote};
use karez_hub::HubResult;
use karez_types::{RemoteId, RepoId, Sha256};

use super::line_load;
use crate::Federation;
use crate::policy::evict::{Candidate, Disk, LastCopies, Popularity, admits, plan};
use crate::policy::line::CostClass;
use crate::policy::units::show_bytes;

/// Files that are read in one go.
const PAGE_FILES: u64 = 1_000;

/// What was done to make room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Files that are no longer kept.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that are still too many: the rest is pinned, kept whole, or at no other node.
    pub short_bytes: u64,
}

/// A file with all mirrors that serve it.
struct Held {
    candidate: Candidate<Sha256>,
    repos: Vec<RepoId>,
    /// Whether it would be let in, were there room.
    is_welcome: bool,
}

/// What is known of an origin.
#[derive(Clone, Copy)]
struct Origin {
    cost: CostClass,
    is_there: bool,
}

impl Federation {
    /// Makes room where mirrors hold more than they may. Pinned mirrors and those that are kept whole keep their files,
    /// and so do those whose origin does not show them any more: there may be no other copy.
    ///
    /// # Errors
    /// When the catalog fails; what was not done is done the next time.
    pub async fn evict(&self) -> HubResult<Evicted> {
        let most = self.settings.cache_bytes_max;
        let catalog = self.hub.catalog();
        if most == 0 {
            return Ok(Evicted::default());
        }
        let too_many = catalog.held_bytes().await?.saturating_sub(most);
        if too_many == 0 {
            return Ok(Evicted::default());
        }
        // What was asked for a moment ago counts.
        if let Some(ways) = &self.ways {
            ways.uses.flush(&self.hub).await?;
        }
        let now = self.hub.clock().now();
        let held = self.held(most).await?;
        let of = |is_welcome| held.values().filter(move |file| file.is_welcome == is_welcome);
        let of = |is_welcome| of(is_welcome).map(|file| file.candidate.clone()).collect::<Vec<_>>();
        let first = plan(&of(false), too_many, now, LastCopies::Stay);
        let then = plan(&of(true), too_many.saturating_sub(first.freed_bytes), now, LastCopies::Stay);
        let mut evicted = Evicted { short_bytes: then.short_bytes, ..Evicted::default() };
        let mut leaving: BTreeMap<RepoId, Vec<Sha256>> = BTreeMap::new();
        for victim in first.victims.iter().chain(&then.victims) {
            evicted.files += 1;
            evicted.bytes = evicted.bytes.saturating_add(victim.disk_bytes);
            for repo in held.get(&victim.key).map_or(&[][..], |file| &file.repos) {
                leaving.entry(*repo).or_default().push(victim.key);
            }
        }
        for (repo, files) in &leaving {
            catalog.mirror_files_remove(*repo, files).await?;
        }
        if evicted.files > 0 {
            tracing::info!(
                files = evicted.files,
                bytes = evicted.bytes,
                "mirrors held {} more than the {} that they may: {} of the least used files are no longer kept",
                show_bytes(too_many),
                show_bytes(most),
                show_bytes(evicted.bytes)
            );
        } else {
            tracing::debug!(short_bytes = evicted.short_bytes, "mirrors hold too much, and none of it may go");
        }
        Ok(evicted)
    }

    /// Returns all files that are here for mirrors.
    async fn held(&self, most: u64) -> HubResult<HashMap<Sha256, Held>> {
        let catalog = self.hub.catalog();
        let mut remotes: HashMap<RemoteId, Origin> = HashMap::new();
        for remote in catalog.remote_list().await? {
            let cost = line_load(catalog, &remote.line).await?.cost;
            remotes.insert(remote.id, Origin { cost, is_there: is_there(&remote) });
        }
        let mut held: HashMap<Sha256, Held> = HashMap::new();
        let mut after: Option<(RepoId, Sha256)> = None;
        loop {
            let page = catalog.held_files(after.as_ref().map(|(repo, sha256)| (*repo, sha256)), PAGE_FILES).await?;
            let Some(last) = page.last() else { return Ok(held) };
            after = Some((last.repo_id, last.sha256));
            let mut repos: Vec<RepoId> = page.iter().map(|file| file.repo_id).collect();
            repos.dedup();
            let mirrors = catalog.mirrors_by_repos(&repos).await?;
            let withdrawn: Vec<RepoId> =
                mirrors.iter().filter(|mirror| mirror.withdrawn.is_some()).map(|mirror| mirror.repo_id).collect();
            for file in page {
                let origin = remotes.get(&file.remote).copied();
                let origin = origin.unwrap_or(Origin { cost: CostClass::Metered, is_there: false });
                let is_there = origin.is_there && !withdrawn.contains(&file.repo_id);
                let here = held_of(&file, Origin { is_there, ..origin }, most);
                match held.get_mut(&file.sha256) {
                    None => drop(held.insert(file.sha256, here)),
                    Some(known) => known.join(here),
                }
            }
        }
    }
}

impl Held {
    /// The same file in another mirror.
    fn join(&mut self, other: Held) {
        self.repos.extend(other.repos);
        self.is_welcome |= other.is_welcome;
        let (mine, theirs) = (&mut self.candidate, other.candidate);
        mine.is_pinned |= theirs.is_pinned;
        mine.cost = mine.cost.min(theirs.cost);
        mine.copies_elsewhere += theirs.copies_elsewhere;
    }
}

/// Whether the operator still has this remote: then what it publishes can come again.
fn is_there(remote: &Remote) -> bool {
    !remote.is_removed()
}

fn held_of(file: &HeldFile, origin: Origin, most: u64) -> Held {
    let popularity = Popularity { milli_requests: file.requests.saturating_mul(1000), last_used: file.last_used };
    let room = Disk { used_bytes: 0, limit_bytes: most };
    let is_pinned = file.is_pinned || file.keep == Keep::Whole;
    Held {
        is_welcome: admits(room, file.file_bytes, popularity.milli_requests, file.keep, file.is_pinned),
        candidate: Candidate {
            key: file.sha256,
            disk_bytes: file.file_bytes,
            refetch_bytes: file.file_bytes,
            cost: origin.cost,
            popularity,
            is_pinned,
            copies_elsewhere: u64::from(origin.is_there),
        },
        repos: vec![file.repo_id],
    }
}
