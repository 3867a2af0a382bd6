//! Which commit last changed each item of a listing.
//!
//! Walks the history from the listed commit along first parents. A step compares only the folders
//! that hold items not yet found, and a folder whose id did not change is not opened at all. Where the
//! history of a mirror ends here, what is not found yet counts as changed there.

use std::collections::HashMap;

use karez_catalog::Repo;
use karez_formats::git::TreeMode;
use karez_types::{GitOid, Timestamp};

use crate::tree::TreeItem;
use crate::{Hub, HubResult};

/// The commit that last changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCommit {
    /// Its id.
    pub commit: GitOid,
    /// First line of its message.
    pub title: String,
    /// When it was made.
    pub date: Timestamp,
}

/// How far back the walk goes. Items unchanged for longer show the oldest commit that was reached.
const HISTORY_STEPS_MAX: usize = 5_000;

/// Items of one folder that are not found yet: position in the listing and name.
type Open = HashMap<String, Vec<(usize, String)>>;

impl Hub {
    /// Fills in the commit that last changed each of these items of a commit.
    pub(crate) async fn find_last_commits(&self, repo: &Repo, commit: GitOid, items: &mut [TreeItem]) -> HubResult<()> {
        let ends = self.history_ends(repo).await?;
        let mut open: Open = HashMap::new();
        for (position, item) in items.iter().enumerate() {
            let (folder, name) = item.path.rsplit_once('/').unwrap_or(("", &item.path));
            open.entry(folder.to_owned()).or_default().push((position, name.to_owned()));
        }
        let mut current = commit;
        for step in 1.. {
            let read = self.commit_read(current).await?;
            let goes_on = step < HISTORY_STEPS_MAX && !ends.contains(&current);
            let parent = read.parents.first().copied().filter(|_| goes_on);
            let parent_tree = match parent {
                Some(parent) => Some(self.commit_read(parent).await?.tree),
                None => None,
            };
            let changed = self.changed_items(read.tree, parent_tree, &mut open).await?;
            if !changed.is_empty() {
                let date = Timestamp(read.committer.unix_secs.saturating_mul(1000));
                let last = LastCommit { commit: current, title: read.summary().to_owned(), date };
                for position in changed {
                    items[position].last_commit = Some(last.clone());
                }
            }
            match parent {
                Some(parent) if !open.is_empty() => current = parent,
                _ => break,
            }
        }
        Ok(())
    }

    /// Takes those items out of `open` that differ between a tree and its parent's.
    async fn changed_items(&self, tree: GitOid, parent: Option<GitOid>, open: &mut Open) -> HubResult<Vec<usize>> {
        let mut changed = Vec::new();
        let folders: Vec<String> = open.keys().cloned().collect();
        for folder in folders {
            let now = self.subtree(tree, &folder).await?;
            let before = match parent {
                Some(parent) => self.subtree(parent, &folder).await?,
                None => None,
            };
            if now.is_some() && now == before {
                continue;
            }
            let now = self.folder_or_empty(now).await?;
            let before = self.folder_or_empty(before).await?;
            let waiting = open.get_mut(&folder).expect("the key was just read");
            waiting.retain(|(position, name)| {
                let same = now.get(name).map(|entry| entry.oid) == before.get(name).map(|entry| entry.oid);
                if !same {
                    changed.push(*position);
                }
                same
            });
            if waiting.is_empty() {
                open.remove(&folder);
            }
        }
        Ok(changed)
    }

    async fn folder_or_empty(&self, tree: Option<GitOid>) -> HubResult<std::sync::Arc<crate::objects::Folder>> {
        match tree {
            Some(tree) => self.folder_read(tree).await,
            None => Ok(std::sync::Arc::default()),
        }
    }

    /// Returns the tree at a path below a tree.
    async fn subtree(&self, tree: GitOid, path: &str) -> HubResult<Option<GitOid>> {
        let mut tree = tree;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match self.folder_read(tree).await?.get(part) {
                Some(entry) if entry.mode == TreeMode::Folder => tree = entry.oid,
                _ => return Ok(None),
            }
        }
        Ok(Some(tree))
    }
}
