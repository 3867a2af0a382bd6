//! Listing what is in a commit.

use std::collections::HashSet;

use karez_catalog::Repo;
use karez_formats::git::{TreeEntry, TreeMode};
use karez_types::{FileHash, GitOid, RepoAddress, RepoPath, Revision, Sha256};

use crate::last_commit::LastCommit;
use crate::{Actor, Hub, HubError, HubResult};

/// A large file, as listings show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeFile {
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
    /// Length in bytes.
    pub file_bytes: u64,
    /// Length of the pointer that stands for it in git.
    pub pointer_bytes: u64,
    /// Xet id; `None` when the bytes are not on this node.
    pub hash: Option<FileHash>,
}

/// What a tree item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKind {
    /// A folder.
    Folder,
    /// A file kept in git.
    Small {
        /// Length in bytes.
        file_bytes: u64,
    },
    /// A file kept in chunks.
    Large(LargeFile),
}

/// One file or folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeItem {
    /// Path from the root.
    pub path: String,
    /// Id of the git object.
    pub oid: GitOid,
    /// File or folder.
    pub kind: TreeKind,
    /// The commit that last changed it, when that was asked for.
    pub last_commit: Option<LastCommit>,
}

impl TreeItem {
    /// Returns the length of the file; folders have none.
    pub fn file_bytes(&self) -> u64 {
        match self.kind {
            TreeKind::Folder => 0,
            TreeKind::Small { file_bytes } => file_bytes,
            TreeKind::Large(large) => large.file_bytes,
        }
    }
}

/// What a caller wants to see of a folder.
#[derive(Debug, Clone, Default)]
pub struct TreeQuery {
    /// The folder; `None` is the root.
    pub folder: Option<RepoPath>,
    /// Whether to list what is in its folders too.
    pub recursive: bool,
    /// Whether to find the commit that last changed each item.
    pub expand: bool,
    /// At most this many items; the node's own limit holds as well.
    pub limit: Option<u64>,
    /// Start after this path: the last one of the page before.
    pub after: Option<RepoPath>,
}

/// A page of a listing.
#[derive(Debug, Clone)]
pub struct TreePage {
    /// The repository.
    pub repo: Repo,
    /// The commit that was listed.
    pub commit: GitOid,
    /// The items, each folder before what is in it.
    pub items: Vec<TreeItem>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// Items on a page with `expand`, unless the caller says: finding the commits takes time.
const EXPANDED_PAGE_ITEMS: u64 = 50;
/// Most items on a page with `expand`.
const EXPANDED_PAGE_ITEMS_MAX: u64 = 1_000;
/// Deepest folder that is listed. Commits made here are shallower; a hostile mirror may not be.
const FOLDER_DEPTH_MAX: usize = 512;

/// An entry with its whole path.
type Walked = (String, TreeEntry);

impl Hub {
    /// Lists a folder of a commit.
    ///
    /// # Errors
    /// [`HubError::EntryMissing`] when there is no such folder.
    pub async fn tree_list(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        query: &TreeQuery,
    ) -> HubResult<TreePage> {
        let (repo, commit) = self.revision_see(actor, address, revision).await?;
        let limit = self.page_items(query);
        let root = self.folder_of(commit, query.folder.as_ref()).await?;
        let prefix = query.folder.as_ref().map_or_else(String::new, |folder| format!("{folder}/"));
        let after = match &query.after {
            Some(after) => Some(inside(after, &prefix)?),
            None => None,
        };
        // One more than a page tells whether there is another.
        let mut walked = self.walk(root, prefix, query.recursive, after.as_deref(), limit.saturating_add(1)).await?;
        let next = (walked.len() > limit).then(|| {
            walked.truncate(limit);
            walked.last().map_or_else(String::new, |(path, _)| path.clone())
        });
        let mut items = self.describe(&repo, walked).await?;
        if query.expand {
            self.find_last_commits(&repo, commit, &mut items).await?;
        }
        Ok(TreePage { repo, commit, items, next })
    }

    /// Describes some paths of a commit; those that are not there are left out.
    pub async fn paths_info(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        paths: &[String],
        expand: bool,
    ) -> HubResult<Vec<TreeItem>> {
        let (repo, commit) = self.revision_see(actor, address, revision).await?;
        let limit = self.limits.paths_info_paths_max;
        if paths.len() as u64 > limit {
            let what = "the list of paths";
            return Err(HubError::TooLarge { what, limit: format!("{limit} paths"), setting: "paths_info_paths_max" });
        }
        let mut found = Vec::with_capacity(paths.len());
        for path in paths {
            // What cannot be a path is not there either.
            let Ok(path) = path.trim_end_matches('/').parse::<RepoPath>() else { continue };
            if let Some(entry) = self.entry_find(commit, &path).await?
                && entry.mode != TreeMode::Submodule
            {
                found.push((path.to_string(), entry));
            }
        }
        let mut items = self.describe(&repo, found).await?;
        if expand {
            self.find_last_commits(&repo, commit, &mut items).await?;
        }
        Ok(items)
    }

    fn page_items(&self, query: &TreeQuery) -> usize {
        let (usual, most) = if query.expand {
            (EXPANDED_PAGE_ITEMS, EXPANDED_PAGE_ITEMS_MAX)
        } else {
            (self.limits.tree_page_entries, self.limits.tree_page_entries)
        };
        usize::try_from(query.limit.unwrap_or(usual).clamp(1, most.max(1))).unwrap_or(usize::MAX - 1)
    }

    /// Returns the tree of a folder of a commit.
    async fn folder_of(&self, commit: GitOid, folder: Option<&RepoPath>) -> HubResult<GitOid> {
        let Some(path) = folder else {
            return Ok(self.commit_read(commit).await?.tree);
        };
        match self.entry_find(commit, path).await? {
            Some(entry) if entry.mode == TreeMode::Folder => Ok(entry.oid),
            _ => Err(HubError::EntryMissing { path: path.to_string(), commit: Some(commit) }),
        }
    }

    /// Walks a folder in the order of git, each folder before what is in it, from after a path.
    async fn walk(
        &self,
        root: GitOid,
        prefix: String,
        recursive: bool,
        after: Option<&str>,
        limit: usize,
    ) -> HubResult<Vec<Walked>> {
        let mut walked = Vec::new();
        // For each open folder: its path, its entries, and the position of the next one.
        let mut open = vec![(prefix, self.folder_read(root).await?, 0)];
        if let Some(after) = after {
            self.skip_to(&mut open, after, recursive).await?;
        }
        while let Some((prefix, folder, next)) = open.last_mut() {
            let Some(entry) = folder.entries().get(*next) else {
                open.pop();
                continue;
            };
            *next += 1;
            if entry.mode == TreeMode::Submodule {
                continue;
            }
            let path = format!("{prefix}{}", entry.name);
            let entry = entry.clone();
            let (mode, oid) = (entry.mode, entry.oid);
            if recursive && mode == TreeMode::Folder {
                if open.len() >= FOLDER_DEPTH_MAX {
                    return Err(HubError::Damaged(format!("folders of git tree {root} lie too deep")));
                }
                open.push((format!("{path}/"), self.folder_read(oid).await?, 0));
            }
            walked.push((path, entry));
            if walked.len() >= limit {
                break;
            }
        }
        Ok(walked)
    }

    /// Moves a walk to behind a path that it has given out before.
    async fn skip_to(
        &self,
        open: &mut Vec<(String, std::sync::Arc<crate::objects::Folder>, usize)>,
        after: &str,
        recursive: bool,
    ) -> HubResult<()> {
        for part in after.split('/') {
            let (prefix, folder, next) = open.last_mut().expect("a walk begins with one open folder");
            let unknown = || HubError::Invalid("the cursor is not of this listing; start again without it".to_owned());
            let position = folder.position(part).ok_or_else(unknown)?;
            *next = position + 1;
            let entry = &folder.entries()[position];
            if entry.mode == TreeMode::Folder && recursive {
                let (path, oid) = (format!("{prefix}{part}/"), entry.oid);
                open.push((path, self.folder_read(oid).await?, 0));
            }
        }
        Ok(())
    }

    /// Finds out what listings show of entries.
    async fn describe(&self, repo: &Repo, walked: Vec<Walked>) -> HubResult<Vec<TreeItem>> {
        let blobs: Vec<GitOid> =
            walked.iter().filter(|(_, entry)| entry.mode.is_blob()).map(|(_, entry)| entry.oid).collect();
        let stats = self.blob_stats(&blobs).await?;
        let hashes: Vec<Sha256> = stats.values().filter_map(|stat| Some(stat.pointer?.sha256)).collect();
        let mut files = self.files_read(&hashes).await?;
        if repo.mirror.is_some() {
            // What is stored here for others is not this repository's to show.
            let own: HashSet<Sha256> = self.catalog.repo_files_among(repo.id, &hashes).await?.into_iter().collect();
            files.retain(|sha256, _| own.contains(sha256));
        }
        let kind_of = |entry: &TreeEntry| match stats.get(&entry.oid) {
            None => TreeKind::Folder,
            Some(stat) => match stat.pointer {
                None => TreeKind::Small { file_bytes: stat.blob_bytes },
                Some(pointer) => TreeKind::Large(LargeFile {
                    sha256: pointer.sha256,
                    file_bytes: pointer.file_bytes,
                    pointer_bytes: stat.blob_bytes,
                    hash: files
                        .get(&pointer.sha256)
                        .filter(|file| file.file_bytes == pointer.file_bytes)
                        .map(|file| file.hash),
                }),
            },
        };
        let item = |(path, entry): Walked| TreeItem { path, oid: entry.oid, kind: kind_of(&entry), last_commit: None };
        Ok(walked.into_iter().map(item).collect())
    }
}

/// Returns a path without the prefix of the folder that it must lie in.
fn inside(path: &RepoPath, prefix: &str) -> HubResult<String> {
    let outside = || HubError::Invalid("the cursor is not of this folder; start again without it".to_owned());
    path.as_str().strip_prefix(prefix).map(str::to_owned).ok_or_else(outside)
}
