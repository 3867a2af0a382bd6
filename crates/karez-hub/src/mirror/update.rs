//! What comes from a remote through git: objects and refs, checked and then true at once.

use std::collections::{HashMap, HashSet};

use karez_catalog::{MirrorWrite, NewObject, Repo, RepoFacts};
use karez_formats::git::{Commit, GitKind, TreeMode, object_id, parse_commit, parse_tag, parse_tree};
use karez_formats::lfs::LfsPointer;
use karez_types::{GitOid, RefName, Timestamp};

use crate::revision::{TAG_DEPTH_MAX, main_ref};
use crate::xorbs::task_lost;
use crate::{Hub, HubError, HubResult};

/// Git objects and refs of a mirror, as they came from its remote.
#[derive(Debug, Clone, Default)]
pub struct MirrorUpdate {
    /// Objects, whose ids are computed here.
    pub objects: Vec<(GitKind, Vec<u8>)>,
    /// Where refs point now; `None` for one that is gone. Refs that are not named stay.
    pub refs: Vec<(RefName, Option<GitOid>)>,
    /// Commits that may be asked for by id besides those that refs lead to.
    pub commits: Vec<GitOid>,
    /// Commits whose parents do not come along.
    pub shallow: Vec<GitOid>,
    /// Commits that were shallow and whose parents came now.
    pub unshallow: Vec<GitOid>,
    /// Whether with this all history is here.
    pub is_whole_history: bool,
    /// How it was verified, in a word, for people to read.
    pub verified_by: String,
}

impl Hub {
    /// Takes objects and refs of a mirror, all or nothing.
    ///
    /// # Errors
    /// [`HubError::Invalid`] with the first thing that is wrong or absent, [`HubError::TooLarge`] above
    /// `limits.git_pack_objects_max` and `limits.repo_refs_max`.
    pub async fn mirror_apply(&self, repo: &Repo, update: MirrorUpdate) -> HubResult<()> {
        let most = self.limits.git_pack_objects_max;
        if update.objects.len() as u64 > most {
            let limit = format!("{most} objects");
            return Err(HubError::TooLarge { what: "the update", limit, setting: "git_pack_objects_max" });
        }
        let MirrorUpdate { objects, refs, mut commits, shallow, unshallow, is_whole_history, verified_by } = update;
        let reading = tokio::task::spawn_blocking(move || Arrived::read(objects));
        let mut arrived = reading.await.map_err(task_lost)??;
        // One after another: each is checked against what the one before has left.
        let _turn = self.commit_turns.turn(repo.id).await;
        self.mirror_refs_check(repo, &refs).await?;

        // Where history will end, and where it ended and will not.
        let mut cut: HashSet<GitOid> = HashSet::new();
        let ends = self.catalog.mirror_shallow(repo.id).await?;
        if !is_whole_history {
            cut.extend(shallow.iter());
            cut.extend(ends.iter().filter(|oid| !unshallow.contains(oid)));
        }
        let grown: Vec<GitOid> = ends.into_iter().filter(|oid| !cut.contains(oid)).collect();
        let named = arrived.named(&refs, commits.iter().chain(&shallow).copied())?;
        self.history_check(repo, &arrived, &cut, &grown, named).await?;
        self.branches_check(&arrived, &refs).await?;
        self.trees_check(repo, &mut arrived).await?;

        let main = refs.iter().find(|(name, _)| *name == main_ref()).map(|(_, target)| *target);
        let (facts, modified) = self.mirror_facts(repo, &arrived, main).await?;
        commits.extend(arrived.own.iter());
        commits.sort_unstable();
        commits.dedup();
        let write = MirrorWrite {
            repo_id: repo.id,
            objects: arrived.objects,
            refs,
            commits,
            shallow: if is_whole_history { Vec::new() } else { shallow },
            unshallow,
            is_whole_history,
            facts,
            modified,
            verified_by,
        };
        if self.catalog.mirror_apply(&write, self.clock.now()).await? {
            Ok(())
        } else {
            Err(HubError::RepoMissing { address: repo.address().to_string(), anonymous: false })
        }
    }

    /// Checks that the mirror will not have more refs than a repository may.
    async fn mirror_refs_check(&self, repo: &Repo, refs: &[(RefName, Option<GitOid>)]) -> HubResult<()> {
        let mut names: HashSet<RefName> =
            self.catalog.ref_list(repo.id).await?.into_iter().map(|(name, _)| name).collect();
        for (name, target) in refs {
            match target {
                Some(_) => names.insert(name.clone()),
                None => names.remove(name),
            };
        }
        let most = self.limits.repo_refs_max;
        let proposals = names.iter().filter(|name| name.pull_request_number().is_some()).count() as u64;
        if proposals > most || names.len() as u64 - proposals > most {
            let limit = format!("{most} branches and tags, and as many pull requests");
            return Err(HubError::TooLarge { what: "the list of refs", limit, setting: "repo_refs_max" });
        }
        Ok(())
    }

    /// Checks that what is named and did not come was the mirror's before, and that every parent is there
    /// or is where history ends.
    async fn history_check(
        &self,
        repo: &Repo,
        arrived: &Arrived,
        cut: &HashSet<GitOid>,
        grown: &[GitOid],
        mut needed: HashMap<GitOid, String>,
    ) -> HubResult<()> {
        let mut need = |parent: GitOid, child: GitOid| {
            if !arrived.commits.contains_key(&parent) {
                needed.entry(parent).or_insert_with(|| child.to_string());
            }
        };
        for (&oid, commit) in arrived.commits.iter().filter(|(oid, _)| !cut.contains(oid)) {
            commit.parents.iter().for_each(|&parent| need(parent, oid));
        }
        for &oid in grown {
            self.commit_read(oid).await?.parents.iter().for_each(|&parent| need(parent, oid));
        }
        let asked: Vec<GitOid> = needed.keys().copied().collect();
        let own: HashSet<GitOid> = self.catalog.repo_commits_among(repo.id, &asked).await?.into_iter().collect();
        match needed.iter().find(|(oid, _)| !own.contains(oid)) {
            None => Ok(()),
            Some((oid, who)) => Err(wrong(format!("the commit {oid}, which {who} needs, did not come along"))),
        }
    }

    /// Checks that branches which now point at what was the mirror's before do not point at a tag.
    async fn branches_check(&self, arrived: &Arrived, refs: &[(RefName, Option<GitOid>)]) -> HubResult<()> {
        let branches = refs.iter().filter(|(name, _)| !name.is_tag()).filter_map(|(_, target)| *target);
        let before: Vec<GitOid> = branches.filter(|oid| !arrived.commits.contains_key(oid)).collect();
        match self.catalog.object_stats(&before).await?.iter().find(|stat| stat.kind != GitKind::Commit) {
            None => Ok(()),
            Some(stat) => Err(wrong(format!("a branch points at the {} {}", stat.kind, stat.oid))),
        }
    }

    /// Checks that folders and files of all that came are there: in the update, or in a commit that was
    /// the mirror's before.
    async fn trees_check(&self, repo: &Repo, arrived: &mut Arrived) -> HubResult<()> {
        let mut needed = arrived.needed()?;
        let empty = object_id(GitKind::Tree, b"");
        if needed.remove(&empty).is_some() {
            // git knows it without being told, and may leave it out.
            let kind = GitKind::Tree;
            arrived.objects.push(NewObject { oid: empty, kind, content: Vec::new(), lfs: None });
        }
        if needed.is_empty() {
            return Ok(());
        }
        let mut tips: Vec<GitOid> = arrived.commits.values().flat_map(|commit| commit.parents.clone()).collect();
        for (name, target) in self.catalog.ref_list(repo.id).await? {
            tips.push(if name.is_tag() { self.peel(target).await? } else { target });
        }
        tips.sort_unstable();
        tips.dedup();
        let mut seen: HashSet<GitOid> = HashSet::new();
        for tip in self.catalog.repo_commits_among(repo.id, &tips).await? {
            let mut waiting = vec![self.commit_read(tip).await?.tree];
            while let Some(tree) = waiting.pop() {
                if !seen.insert(tree) {
                    continue;
                }
                if seen.len() as u64 > self.limits.git_pack_objects_max {
                    return Err(wrong("the files that did not come along are too many to look for".to_owned()));
                }
                found(&mut needed, tree, GitKind::Tree)?;
                if needed.is_empty() {
                    return Ok(());
                }
                for entry in self.folder_read(tree).await?.entries() {
                    match entry.mode {
                        TreeMode::Folder => waiting.push(entry.oid),
                        TreeMode::Submodule => {}
                        _ => found(&mut needed, entry.oid, GitKind::Blob)?,
                    }
                }
            }
            if needed.is_empty() {
                return Ok(());
            }
        }
        match needed.into_iter().next() {
            None => Ok(()),
            Some((oid, Need { kind, by })) => {
                Err(wrong(format!("the {kind} {oid}, which {by} needs, did not come along")))
            }
        }
    }

    /// Returns what the main branch says after the update, and when it was last changed.
    async fn mirror_facts(
        &self,
        repo: &Repo,
        arrived: &Arrived,
        main: Option<Option<GitOid>>,
    ) -> HubResult<(Option<RepoFacts>, Option<Timestamp>)> {
        let Some(target) = main else { return Ok((None, None)) };
        let Some(target) = target else { return Ok((Some(RepoFacts::default()), None)) };
        let (tree, unix_secs) = match arrived.commits.get(&target) {
            Some(commit) => (commit.tree, commit.committer.unix_secs),
            None => {
                let commit = self.commit_read(target).await?;
                (commit.tree, commit.committer.unix_secs)
            }
        };
        let before = match self.catalog.ref_get(repo.id, &main_ref()).await? {
            Some(before) => Some(self.commit_read(before).await?.tree),
            None => None,
        };
        let facts = self.facts_if_changed(repo, before, tree, &arrived.objects).await?;
        // A clock over there that is years ahead does not pin the repository to the top of listings.
        let now = self.clock.now();
        let modified = Timestamp(unix_secs.saturating_mul(1_000).clamp(0, now.0.max(0)));
        Ok((facts, Some(modified)))
    }
}

fn wrong(what: String) -> HubError {
    HubError::Invalid(format!("the update from the remote cannot be taken: {what}"))
}

/// A folder or file that is still to be found, and what names it.
struct Need {
    kind: GitKind,
    by: GitOid,
}

type Needed = HashMap<GitOid, Need>;

fn found(needed: &mut Needed, oid: GitOid, kind: GitKind) -> HubResult<()> {
    match needed.remove(&oid) {
        Some(need) if need.kind != kind => {
            Err(wrong(format!("{} takes the {kind} {oid} for a {}", need.by, need.kind)))
        }
        _ => Ok(()),
    }
}

/// Objects that came, with their ids, and what was read in them.
struct Arrived {
    objects: Vec<NewObject>,
    kinds: HashMap<GitOid, GitKind>,
    commits: HashMap<GitOid, Commit>,
    /// What tags point at.
    tags: HashMap<GitOid, GitOid>,
    /// Commits and tags.
    own: HashSet<GitOid>,
}

impl Arrived {
    fn read(objects: Vec<(GitKind, Vec<u8>)>) -> HubResult<Arrived> {
        let count = objects.len();
        let mut arrived = Arrived {
            objects: Vec::with_capacity(count),
            kinds: HashMap::with_capacity(count),
            commits: HashMap::new(),
            tags: HashMap::new(),
            own: HashSet::new(),
        };
        for (kind, content) in objects {
            let oid = object_id(kind, &content);
            if arrived.kinds.insert(oid, kind).is_some() {
                continue;
            }
            let unreadable = |error| wrong(format!("the {kind} {oid}: {error}"));
            let mut lfs = None;
            match kind {
                GitKind::Blob => lfs = LfsPointer::parse(&content),
                // Names that escape are refused here; `trees_check` looks for what folders hold.
                GitKind::Tree => drop(parse_tree(&content).map_err(unreadable)?),
                GitKind::Commit => {
                    arrived.commits.insert(oid, parse_commit(&content).map_err(unreadable)?);
                    arrived.own.insert(oid);
                }
                GitKind::Tag => {
                    let tag = parse_tag(&content).map_err(unreadable)?;
                    arrived.tags.insert(oid, tag.target);
                    arrived.own.insert(oid);
                }
            }
            arrived.objects.push(NewObject { oid, kind, content, lfs });
        }
        Ok(arrived)
    }

    /// Checks that refs, tags and the commits that are named by id lead to commits. Returns those that did
    /// not come along, and what names them.
    fn named(
        &self,
        refs: &[(RefName, Option<GitOid>)],
        commits: impl Iterator<Item = GitOid>,
    ) -> HubResult<HashMap<GitOid, String>> {
        let mut elsewhere = HashMap::new();
        for (name, target) in refs {
            let Some(target) = *target else { continue };
            if !name.is_tag() && self.kinds.get(&target).is_some_and(|kind| *kind != GitKind::Commit) {
                return Err(wrong(format!("{name} does not point at a commit")));
            }
            if let Some(oid) = self.behind(target)? {
                elsewhere.insert(oid, name.to_string());
            }
        }
        for oid in commits.chain(self.tags.keys().copied()) {
            if let Some(oid) = self.behind(oid)? {
                elsewhere.insert(oid, oid.to_string());
            }
        }
        Ok(elsewhere)
    }

    /// Follows tags to the commit that they stand on; returns what did not come along on the way there.
    fn behind(&self, from: GitOid) -> HubResult<Option<GitOid>> {
        let mut oid = from;
        for _ in 0..TAG_DEPTH_MAX {
            match (self.kinds.get(&oid), self.tags.get(&oid)) {
                (None, _) => return Ok(Some(oid)),
                (Some(GitKind::Commit), _) => return Ok(None),
                (Some(_), Some(target)) => oid = *target,
                (Some(_), None) => break,
            }
        }
        Err(wrong(format!("{from} does not lead to a commit")))
    }

    /// Returns the folders and files that are named and did not come, and checks that those that came are
    /// what they are named as.
    fn needed(&self) -> HubResult<Needed> {
        let mut needed: Needed = HashMap::new();
        let mut need = |oid: GitOid, kind: GitKind, by: GitOid| match self.kinds.get(&oid) {
            Some(found) if *found == kind => Ok(()),
            Some(found) => Err(wrong(format!("{by} takes the {found} {oid} for a {kind}"))),
            None => match needed.insert(oid, Need { kind, by }) {
                Some(other) if other.kind != kind => {
                    Err(wrong(format!("{} takes {oid} for a {}, {by} for a {kind}", other.by, other.kind)))
                }
                _ => Ok(()),
            },
        };
        for (&oid, commit) in &self.commits {
            need(commit.tree, GitKind::Tree, oid)?;
        }
        for object in self.objects.iter().filter(|object| object.kind == GitKind::Tree) {
            let entries = parse_tree(&object.content).map_err(|error| wrong(format!("{}: {error}", object.oid)))?;
            for entry in entries {
                match entry.mode {
                    TreeMode::Submodule => {}
                    TreeMode::Folder => need(entry.oid, GitKind::Tree, object.oid)?,
                    _ => need(entry.oid, GitKind::Blob, object.oid)?,
                }
            }
        }
        Ok(needed)
    }
}
