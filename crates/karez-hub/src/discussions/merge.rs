//! Merging a pull request: file by file, against the commit where it left the branch.
//!
//! A file that only one side changed is taken from that side. A file that both changed in different ways is a
//! conflict: then nothing is merged, and the paths are named. Contents are never mixed.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use karez_catalog::{CommitContent, CommitOutcome, CommitWrite, Merge, NewObject, Proposal};
use karez_formats::git::{Commit, GitKind, encode_commit};
use karez_types::{GitOid, RefName, RepoAddress, RepoPath};

use crate::commit::zones_of;
use crate::commit_tree::{TreeEditor, add_object};
use crate::first_commit::signature_of;
use crate::quota::over_quota;
use crate::revision::main_ref;
use crate::{Actor, Hub, HubError, HubResult, Right};

/// Commits that are looked at for the one where two histories part.
const HISTORY_COMMITS_MAX: usize = 20_000;
/// Files that one side of a merge may have changed.
const CHANGES_MAX: usize = 10_000;
/// Conflicts that are named.
const CONFLICTS_MAX: usize = 100;
/// Times that somebody may be faster.
const ATTEMPTS_MAX: u32 = 32;

/// A side of a history: from the branch, from the pull request, from both.
const OURS: u8 = 1;
const THEIRS: u8 = 2;

/// What a merge puts in the place of a file: its blob, or nothing.
type Taken = BTreeMap<String, Option<GitOid>>;

impl Hub {
    /// Returns the newest commit that both histories have; `None` when they have nothing in common.
    pub(super) async fn merge_base(&self, ours: GitOid, theirs: GitOid) -> HubResult<Option<GitOid>> {
        let mut sides: HashMap<GitOid, u8> = HashMap::new();
        let mut waiting = BinaryHeap::new();
        for (oid, side) in [(ours, OURS), (theirs, THEIRS)] {
            *sides.entry(oid).or_default() |= side;
            waiting.push((self.commit_read(oid).await?.committer.unix_secs, oid));
        }
        while let Some((_, oid)) = waiting.pop() {
            let side = sides[&oid];
            if side == OURS | THEIRS {
                return Ok(Some(oid));
            }
            if sides.len() > HISTORY_COMMITS_MAX {
                return Err(HubError::Refused(format!(
                    "the pull request and its branch parted more than {HISTORY_COMMITS_MAX} commits ago; merge them with git"
                )));
            }
            for parent in &self.commit_read(oid).await?.parents {
                let known = sides.entry(*parent).or_default();
                if *known & side != side {
                    *known |= side;
                    waiting.push((self.commit_read(*parent).await?.committer.unix_secs, *parent));
                }
            }
        }
        Ok(None)
    }

    /// Returns what a merge takes from the pull request, and the paths that both sides changed.
    async fn merge_compare(&self, fork: GitOid, tip: GitOid, head: GitOid) -> HubResult<(Taken, Vec<String>)> {
        let tree = async |oid| HubResult::Ok(self.commit_read(oid).await?.tree);
        let (before, ours, theirs) = (tree(fork).await?, tree(tip).await?, tree(head).await?);
        let (ours, more_ours) = self.trees_compare(Some(before), ours, CHANGES_MAX).await?;
        let (theirs, more_theirs) = self.trees_compare(Some(before), theirs, CHANGES_MAX).await?;
        if more_ours || more_theirs {
            return Err(HubError::Refused(format!(
                "more than {CHANGES_MAX} files were changed since the pull request began; merge it with git"
            )));
        }
        let ours: HashMap<String, Option<GitOid>> = ours.into_iter().map(|(path, _, after)| (path, after)).collect();
        let (mut taken, mut conflicts) = (Taken::new(), Vec::new());
        for (path, _, after) in theirs {
            match ours.get(&path) {
                None => drop(taken.insert(path, after)),
                Some(other) if *other == after => {}
                Some(_) if conflicts.len() < CONFLICTS_MAX => conflicts.push(path),
                Some(_) => {}
            }
        }
        Ok((taken, conflicts))
    }

    /// Returns the paths that stand in the way of a merge.
    pub(super) async fn merge_conflicts(&self, fork: GitOid, tip: GitOid, head: GitOid) -> HubResult<Vec<String>> {
        if fork == tip || fork == head {
            return Ok(Vec::new());
        }
        Ok(self.merge_compare(fork, tip, head).await?.1)
    }

    /// Puts what was taken into the tree of the branch.
    async fn merge_tree(&self, tree: GitOid, taken: &Taken, objects: &mut Vec<NewObject>) -> HubResult<GitOid> {
        let mut editor = TreeEditor::open(self, tree).await?;
        let path_of = |path: &String| {
            path.parse::<RepoPath>()
                .map_err(|_| HubError::Refused(format!("`{}` cannot be merged", path.escape_debug())))
        };
        // What goes makes room for what comes.
        for (path, _) in taken.iter().filter(|(_, after)| after.is_none()) {
            editor.delete_file(&path_of(path)?).await?;
        }
        for (path, after) in taken {
            if let Some(oid) = after {
                editor.put(&path_of(path)?, *oid).await?;
            }
        }
        editor.finish(objects)
    }

    /// Merges a pull request into its branch, and returns the commit that does it.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing; [`HubError::Missing`] when there is no such pull request,
    /// [`HubError::Refused`] when it is closed, has no commits, or conflicts with the branch: then the paths are named.
    pub async fn pull_request_merge(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        number: u64,
        comment: Option<&str>,
    ) -> HubResult<GitOid> {
        let repo = self.repo_open(actor, address, Right::Write).await?;
        let discussion = self.discussion_find(&repo, number).await?;
        let Some(base) = discussion.base else {
            return Err(HubError::Refused(format!(
                "discussion {number} is no pull request: there is nothing to merge"
            )));
        };
        let comment = super::write::said(comment)?;
        let _turn = self.commit_turns.turn(repo.id).await;
        for _ in 0..ATTEMPTS_MAX {
            let missing = |name: &RefName| HubError::RevisionMissing { revision: name.to_string() };
            let request = RefName::pull_request(number);
            let head = self.catalog.ref_get(repo.id, &request).await?.ok_or_else(|| missing(&request))?;
            let tip = self.catalog.ref_get(repo.id, &base).await?.ok_or_else(|| missing(&base))?;
            let fork = self.merge_base(tip, head).await?;
            let fork = fork.ok_or_else(|| HubError::Refused("the two histories have nothing in common".to_owned()))?;
            if fork == head {
                return Err(HubError::Refused(format!("pull request {number} has no commits that {base} lacks")));
            }
            let (taken, conflicts) = self.merge_compare(fork, tip, head).await?;
            if !conflicts.is_empty() {
                return Err(HubError::Refused(format!(
                    "{} changed since the pull request began, in another way: {}. Bring it up to date first",
                    if conflicts.len() == 1 { "a file was" } else { "files were" },
                    conflicts.join(", ")
                )));
            }
            let mut objects = Vec::new();
            let before = self.commit_read(tip).await?.tree;
            let tree = self.merge_tree(before, &taken, &mut objects).await?;
            let signature = signature_of(actor.author(&repo), self.clock.now());
            let commit = Commit {
                tree,
                parents: vec![tip, head],
                author: signature.clone(),
                committer: signature,
                extra_headers: Vec::new(),
                message: format!("{} (#{number})", discussion.title),
            };
            let target = add_object(GitKind::Commit, encode_commit(&commit), &mut objects);
            let facts = match base == main_ref() {
                true => self.facts_if_changed(&repo, Some(before), tree, &objects).await?,
                false => None,
            };
            let blobs: Vec<GitOid> = taken.values().flatten().copied().collect();
            let stats = self.blob_stats(&blobs).await?;
            let files = stats.values().filter_map(|stat| stat.pointer.as_ref()).map(|pointer| pointer.sha256).collect();
            let content = CommitContent { target, objects, files, zones: zones_of(&repo), facts };
            let merge = Merge { number, by: actor.user().map(|user| user.account.id), comment: comment.clone() };
            let write = CommitWrite {
                repo_id: repo.id,
                ref_name: base.clone(),
                expected: Some(tip),
                content,
                proposal: Some(Proposal::Merges(merge)),
            };
            match self.catalog.commit_apply(&write, self.clock.now()).await? {
                CommitOutcome::Applied => return Ok(target),
                CommitOutcome::Conflict { .. } => {}
                CommitOutcome::NotOpen => {
                    return Err(HubError::Refused(format!("pull request {number} is closed or merged already")));
                }
                CommitOutcome::OverQuota(over) => return Err(over_quota(&repo.owner.name, over)),
                CommitOutcome::RepoMissing | CommitOutcome::FileMissing(_) => {
                    return Err(HubError::RepoMissing { address: address.to_string(), anonymous: false });
                }
            }
        }
        Err(HubError::BranchMoved)
    }
}
