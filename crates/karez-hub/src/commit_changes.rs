//! What a commit changed, for people to read.

use std::collections::VecDeque;

use bytes::Bytes;
use karez_catalog::Repo;
use karez_formats::git::{TreeEntry, TreeMode};
use karez_types::{GitOid, RepoAddress, Revision};

use crate::commits::describe;
use crate::{Actor, CommitInfo, Hub, HubResult};

/// Folders that are compared for one answer: a commit that touches more is listed as far as that goes.
const FOLDERS_MAX: usize = 2_000;

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSide {
    /// Id of the blob; of the pointer, when the file is large.
    pub oid: GitOid,
    /// Length of the file.
    pub file_bytes: u64,
    /// The whole content of a small file, when it was asked for.
    pub content: Option<Bytes>,
}

/// A file that a commit changed: added when it was not there before, removed when it is not there after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// The file before.
    pub before: Option<ChangeSide>,
    /// The file after.
    pub after: Option<ChangeSide>,
}

/// What a commit changed.
#[derive(Debug, Clone)]
pub struct CommitChanges {
    /// The repository.
    pub repo: Repo,
    /// The commit.
    pub commit: CommitInfo,
    /// The files, in the order of their folders.
    pub changes: Vec<FileChange>,
    /// Whether it changed more than is listed.
    pub has_more: bool,
}

/// How much of a commit's changes is wanted.
#[derive(Debug, Clone, Copy)]
pub struct ChangesWanted {
    /// Files that were listed before, and are left out.
    pub skipped: usize,
    /// Files that are listed.
    pub changes_max: usize,
    /// Files that come with their content.
    pub contents_max: usize,
    /// Longest file that comes with its content, in bytes.
    pub content_bytes_max: u64,
}

/// Two folders at one path that are to be compared.
struct Pair {
    prefix: String,
    before: Option<GitOid>,
    after: Option<GitOid>,
}

/// A file of which one side, or both, is there.
type Found = (String, Option<GitOid>, Option<GitOid>);

impl Hub {
    /// Says what a commit changed against the first commit that it follows. A commit whose parents are not here
    /// changed nothing that anybody could say.
    ///
    /// # Errors
    /// As [`Hub::revision_open`].
    pub async fn commit_changes(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        wanted: ChangesWanted,
    ) -> HubResult<CommitChanges> {
        let (repo, oid) = self.revision_open(actor, address, revision).await?;
        let read = self.commit_read(oid).await?;
        let commit = describe(oid, &read);
        if self.history_ends(&repo).await?.contains(&oid) {
            return Ok(CommitChanges { repo, commit, changes: Vec::new(), has_more: false });
        }
        let before = match read.parents.first() {
            Some(parent) => Some(self.commit_read(*parent).await?.tree),
            None => None,
        };
        let (changes, has_more) = self.changes_between(before, read.tree, wanted).await?;
        Ok(CommitChanges { repo, commit, changes, has_more })
    }

    /// Says which files differ between two root folders; tells also whether there are more than are listed.
    pub(crate) async fn changes_between(
        &self,
        before: Option<GitOid>,
        after: GitOid,
        wanted: ChangesWanted,
    ) -> HubResult<(Vec<FileChange>, bool)> {
        let changes_max = wanted.skipped.saturating_add(wanted.changes_max);
        let (found, has_more) = self.trees_compare(before, after, changes_max).await?;
        let mut changes = Vec::with_capacity(found.len().saturating_sub(wanted.skipped));
        for (number, (path, before, after)) in found.into_iter().skip(wanted.skipped).enumerate() {
            let bytes_max = if number < wanted.contents_max { wanted.content_bytes_max } else { 0 };
            let (before, after) = (self.side(before, bytes_max).await?, self.side(after, bytes_max).await?);
            changes.push(FileChange { path, before, after });
        }
        Ok((changes, has_more))
    }

    async fn side(&self, oid: Option<GitOid>, content_bytes_max: u64) -> HubResult<Option<ChangeSide>> {
        let Some(oid) = oid else { return Ok(None) };
        let stat = self.blob_stat(oid).await?;
        let is_wanted = stat.pointer.is_none() && stat.blob_bytes <= content_bytes_max;
        let content = if is_wanted { Some(self.blob_read(oid).await?) } else { None };
        let file_bytes = stat.pointer.map_or(stat.blob_bytes, |pointer| pointer.file_bytes);
        Ok(Some(ChangeSide { oid, file_bytes, content }))
    }

    /// Compares two root folders, reading only those below that differ. Tells also whether there is more.
    pub(crate) async fn trees_compare(
        &self,
        before: Option<GitOid>,
        after: GitOid,
        changes_max: usize,
    ) -> HubResult<(Vec<Found>, bool)> {
        let mut found: Vec<Found> = Vec::new();
        let mut pairs = VecDeque::from([Pair { prefix: String::new(), before, after: Some(after) }]);
        let mut folders = 0;
        while let Some(Pair { prefix, before, after }) = pairs.pop_front() {
            folders += 1;
            if folders > FOLDERS_MAX {
                return Ok((found, true));
            }
            let (before, after) = (self.entries_of(before).await?, self.entries_of(after).await?);
            for (name, before, after) in merged(&before, &after) {
                let path = format!("{prefix}{name}");
                let folder =
                    |entry: Option<&TreeEntry>| entry.filter(|it| it.mode == TreeMode::Folder).map(|it| it.oid);
                let file = |entry: Option<&TreeEntry>| entry.filter(|it| it.mode.is_blob()).map(|it| it.oid);
                if folder(before) != folder(after) {
                    pairs.push_back(Pair { prefix: format!("{path}/"), before: folder(before), after: folder(after) });
                }
                if file(before) != file(after) {
                    if found.len() >= changes_max {
                        return Ok((found, true));
                    }
                    found.push((path, file(before), file(after)));
                }
            }
        }
        Ok((found, false))
    }

    async fn entries_of(&self, folder: Option<GitOid>) -> HubResult<Vec<TreeEntry>> {
        match folder {
            Some(oid) => Ok(self.folder_read(oid).await?.entries().to_vec()),
            None => Ok(Vec::new()),
        }
    }
}

/// Returns the entries of two folders by name, each name once.
fn merged<'a>(
    before: &'a [TreeEntry],
    after: &'a [TreeEntry],
) -> Vec<(&'a str, Option<&'a TreeEntry>, Option<&'a TreeEntry>)> {
    let mut by_name = std::collections::BTreeMap::new();
    for entry in before {
        by_name.insert(entry.name.as_str(), (Some(entry), None));
    }
    for entry in after {
        by_name.entry(entry.name.as_str()).or_insert((None, None)).1 = Some(entry);
    }
    by_name.into_iter().map(|(name, (before, after))| (name, before, after)).collect()
}
