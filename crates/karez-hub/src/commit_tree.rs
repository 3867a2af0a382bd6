//! Changing the tree of a commit in memory.
//!
//! Folders are read when a change first goes through them; on the way out only folders that a
//! change went through are written again. Emptied folders vanish, as in git.

use std::collections::BTreeMap;

use karez_catalog::NewObject;
use karez_formats::git::{GitKind, TreeEntry, TreeMode, encode_tree, object_id};
use karez_types::{GitOid, RepoPath};

use crate::{Hub, HubError, HubResult};

/// Deepest path that a commit may write: file systems and git stop soon after.
const PATH_PARTS_MAX: usize = 128;

/// A tree that is being changed.
pub(crate) struct TreeEditor<'a> {
    hub: &'a Hub,
    root: Open,
}

/// A folder that was read.
#[derive(Default)]
struct Open {
    entries: BTreeMap<String, Child>,
    changed: bool,
}

enum Child {
    File { mode: TreeMode, oid: GitOid },
    Unread(GitOid),
    Folder(Open),
}

impl<'a> TreeEditor<'a> {
    /// Returns an editor of this tree.
    pub(crate) async fn open(hub: &'a Hub, tree: GitOid) -> HubResult<TreeEditor<'a>> {
        Ok(TreeEditor { hub, root: read(hub, tree).await? })
    }

    /// Returns the blob at a path.
    pub(crate) async fn get(&mut self, path: &RepoPath) -> HubResult<Option<GitOid>> {
        let Some(folder) = self.folder_of(path).await? else { return Ok(None) };
        Ok(match folder.entries.get(path.file_name()) {
            Some(Child::File { mode, oid }) if mode.is_blob() => Some(*oid),
            _ => None,
        })
    }

    /// Puts a blob at a path, in the place of the file that is there.
    pub(crate) async fn put(&mut self, path: &RepoPath, oid: GitOid) -> HubResult<()> {
        if path.parts().count() > PATH_PARTS_MAX {
            return Err(HubError::Refused(format!("`{path}` lies too deep; at most {PATH_PARTS_MAX} parts")));
        }
        let mut parts = path.parts().peekable();
        let mut folder = &mut self.root;
        while let Some(part) = parts.next() {
            folder.changed = true;
            let entry = folder.entries.entry(part.to_owned());
            if parts.peek().is_none() {
                let mode = match entry {
                    std::collections::btree_map::Entry::Occupied(ref taken) => match taken.get() {
                        Child::File { mode: TreeMode::Executable, .. } => TreeMode::Executable,
                        Child::File { .. } => TreeMode::File,
                        Child::Unread(_) | Child::Folder(_) => {
                            return Err(HubError::Refused(format!(
                                "`{path}` is a folder; delete it first or use another name"
                            )));
                        }
                    },
                    std::collections::btree_map::Entry::Vacant(_) => TreeMode::File,
                };
                entry.insert_entry(Child::File { mode, oid });
                break;
            }
            let child = entry.or_insert_with(|| Child::Folder(Open::default()));
            if let Child::Unread(tree) = child {
                *child = Child::Folder(read(self.hub, *tree).await?);
            }
            match child {
                Child::Folder(inner) => folder = inner,
                _ => {
                    let message =
                        format!("`{path}` cannot be there: `{part}` is a file; delete it first or use another name");
                    return Err(HubError::Refused(message));
                }
            }
        }
        Ok(())
    }

    /// Takes a file away; tells whether it was there.
    pub(crate) async fn delete_file(&mut self, path: &RepoPath) -> HubResult<bool> {
        self.delete(path, |child| matches!(child, Child::File { .. })).await
    }

    /// Takes a folder away with all that is in it; tells whether it was there.
    pub(crate) async fn delete_folder(&mut self, path: &RepoPath) -> HubResult<bool> {
        self.delete(path, |child| matches!(child, Child::Folder(_) | Child::Unread(_))).await
    }

    async fn delete(&mut self, path: &RepoPath, fits: fn(&Child) -> bool) -> HubResult<bool> {
        let Some(folder) = self.folder_of(path).await? else { return Ok(false) };
        if !folder.entries.get(path.file_name()).is_some_and(fits) {
            return Ok(false);
        }
        folder.entries.remove(path.file_name());
        self.mark_changed(path);
        Ok(true)
    }

    /// Marks the folders above a path, which are all open, as changed.
    fn mark_changed(&mut self, path: &RepoPath) {
        let mut folder = &mut self.root;
        folder.changed = true;
        for part in path.parts() {
            let Some(Child::Folder(inner)) = folder.entries.get_mut(part) else { break };
            inner.changed = true;
            folder = inner;
        }
    }

    /// Returns the folder that a path lies in, opened; `None` when there is none.
    async fn folder_of(&mut self, path: &RepoPath) -> HubResult<Option<&mut Open>> {
        let mut folder = &mut self.root;
        let mut parts = path.parts();
        parts.next_back();
        for part in parts {
            let Some(child) = folder.entries.get_mut(part) else { return Ok(None) };
            if let Child::Unread(tree) = child {
                *child = Child::Folder(read(self.hub, *tree).await?);
            }
            match child {
                Child::Folder(inner) => folder = inner,
                _ => return Ok(None),
            }
        }
        Ok(Some(folder))
    }

    /// Returns the id of the changed tree, and adds the folders that have to be written.
    pub(crate) fn finish(self, objects: &mut Vec<NewObject>) -> HubResult<GitOid> {
        let content = encode(self.root, objects)?.unwrap_or_default();
        Ok(add_object(GitKind::Tree, content, objects))
    }
}

async fn read(hub: &Hub, tree: GitOid) -> HubResult<Open> {
    let folder = hub.folder_read(tree).await?;
    let child = |entry: &TreeEntry| match entry.mode {
        TreeMode::Folder => Child::Unread(entry.oid),
        mode => Child::File { mode, oid: entry.oid },
    };
    let entries = folder.entries().iter().map(|entry| (entry.name.clone(), child(entry))).collect();
    Ok(Open { entries, changed: false })
}

/// Returns the bytes of a folder; `None` when nothing is left in it.
fn encode(folder: Open, objects: &mut Vec<NewObject>) -> HubResult<Option<Vec<u8>>> {
    let mut entries = Vec::with_capacity(folder.entries.len());
    for (name, child) in folder.entries {
        let (mode, oid) = match child {
            Child::File { mode, oid } => (mode, oid),
            Child::Unread(oid) => (TreeMode::Folder, oid),
            Child::Folder(inner) => {
                let changed = inner.changed;
                let Some(content) = encode(inner, objects)? else { continue };
                let oid = if changed {
                    add_object(GitKind::Tree, content, objects)
                } else {
                    object_id(GitKind::Tree, &content)
                };
                (TreeMode::Folder, oid)
            }
        };
        entries.push(TreeEntry { mode, name, oid });
    }
    if entries.is_empty() {
        return Ok(None);
    }
    encode_tree(&entries).map(Some).map_err(|error| HubError::Refused(error.to_string()))
}

/// Adds an object and returns its id.
pub(crate) fn add_object(kind: GitKind, content: Vec<u8>, objects: &mut Vec<NewObject>) -> GitOid {
    let oid = object_id(kind, &content);
    objects.push(NewObject { oid, kind, content, lfs: None });
    oid
}
