//! Which objects a fetch sends.

use std::collections::{HashMap, HashSet, VecDeque};

use karez_formats::git::upload_pack::{Depth, FetchRequest};
use karez_formats::git::{GitKind, TreeMode, parse_tag, parse_tree};
use karez_types::GitOid;

use super::PackPlan;
use crate::{Hub, HubError, HubResult};

/// Commits of a fetch.
pub(super) struct History {
    /// Commits to send, newest first.
    pub sent: Vec<GitOid>,
    /// Commits that the client has right before or after those to send: files shared with them stay.
    pub edge: Vec<GitOid>,
    /// Where history will end.
    pub shallow: Vec<GitOid>,
    /// Where it ended so far.
    pub unshallow: Vec<GitOid>,
}

impl History {
    /// Walks the commits from the wants back to what the client has, as deep as it asks, or to where
    /// history ends here.
    pub(super) async fn read(
        hub: &Hub,
        request: &FetchRequest,
        common: &[GitOid],
        ends: &HashSet<GitOid>,
    ) -> HubResult<History> {
        let cut: HashSet<GitOid> = request.shallow.iter().copied().collect();
        let has = ancestors(hub, common, &cut.union(ends).copied().collect()).await?;
        let mut history = History { sent: Vec::new(), edge: Vec::new(), shallow: Vec::new(), unshallow: Vec::new() };
        let mut depths: HashMap<GitOid, u32> = HashMap::new();
        let mut queue: VecDeque<GitOid> = VecDeque::new();
        let first = match request.depth {
            Depth::Deeper(_) => 0,
            Depth::Whole | Depth::Commits(_) => 1,
        };
        for &want in &request.wants {
            let commit = hub.peel(want).await?;
            if depths.insert(commit, first).is_none() {
                queue.push_back(commit);
            }
        }
        // Breadth first, so each commit is met at its least depth. Counting from where the client's
        // history ends begins at its cuts; above them the depth is 0 and stays so.
        while let Some(oid) = queue.pop_front() {
            too_many(depths.len() as u64, hub.limits.git_pack_objects_max)?;
            let depth = depths[&oid];
            let is_new = !has.contains(&oid);
            if is_new {
                history.sent.push(oid);
            }
            if ends.contains(&oid) {
                if !cut.contains(&oid) && (is_new || request.depth != Depth::Whole) {
                    history.shallow.push(oid);
                }
                continue;
            }
            let parents = &hub.commit_read(oid).await?.parents;
            let goes_on = match request.depth {
                Depth::Whole => is_new && !cut.contains(&oid),
                Depth::Commits(most) | Depth::Deeper(most) => {
                    let at_the_end = match first {
                        0 => depth >= most && depth > 0,
                        _ => depth >= most,
                    };
                    match (at_the_end && !parents.is_empty(), cut.contains(&oid)) {
                        (true, false) => history.shallow.push(oid),
                        (false, true) => history.unshallow.push(oid),
                        (true, true) | (false, false) => {}
                    }
                    !at_the_end
                }
            };
            for &parent in parents {
                match (is_new, has.contains(&parent)) {
                    (true, true) => history.edge.push(parent),
                    (false, false) => history.edge.push(oid),
                    (true, false) | (false, true) => {}
                }
                let counts = first == 1 || depth > 0 || cut.contains(&oid);
                let parent_depth = if counts { depth.saturating_add(1) } else { 0 };
                if goes_on && !depths.contains_key(&parent) {
                    depths.insert(parent, parent_depth);
                    queue.push_back(parent);
                }
            }
        }
        Ok(history)
    }
}

/// Returns these commits and all that they follow, as far as the client's history goes.
async fn ancestors(hub: &Hub, tips: &[GitOid], cut: &HashSet<GitOid>) -> HubResult<HashSet<GitOid>> {
    let mut found: HashSet<GitOid> = HashSet::new();
    let mut waiting = tips.to_vec();
    while let Some(oid) = waiting.pop() {
        if found.insert(oid) && !cut.contains(&oid) {
            too_many(found.len() as u64, hub.limits.git_pack_objects_max)?;
            waiting.extend(hub.commit_read(oid).await?.parents.iter().filter(|parent| !found.contains(*parent)));
        }
    }
    Ok(found)
}

fn too_many(count: u64, most: u64) -> HubResult<()> {
    if count <= most {
        return Ok(());
    }
    let limit = format!("{most} objects; clone with --depth 1");
    Err(HubError::TooLarge { what: "the fetch", limit, setting: "git_pack_objects_max" })
}

/// Trees asked of the catalog in one query.
const TREES_BATCH: usize = 200;

/// Objects to send, each once.
pub(super) struct Objects {
    seen: HashSet<GitOid>,
    order: Vec<GitOid>,
    most: u64,
}

impl Objects {
    pub(super) fn new(most: u64) -> Objects {
        Objects { seen: HashSet::new(), order: Vec::new(), most }
    }

    /// Adds an object; tells whether it is new.
    pub(super) fn add(&mut self, oid: GitOid) -> HubResult<bool> {
        let is_new = self.seen.insert(oid);
        if is_new {
            self.order.push(oid);
            too_many(self.order.len() as u64, self.most)?;
        }
        Ok(is_new)
    }

    pub(super) fn into_plan(self) -> PackPlan {
        PackPlan::new(self.order)
    }

    /// Adds folders and files of the commits to send, without those that the client has.
    pub(super) async fn add_files(&mut self, hub: &Hub, history: &History) -> HubResult<()> {
        let mut known = Vec::with_capacity(history.edge.len());
        for &commit in &history.edge {
            known.push(hub.commit_read(commit).await?.tree);
        }
        self.walk_trees(hub, known, false).await?;
        let mut roots = Vec::with_capacity(history.sent.len());
        for &commit in &history.sent {
            roots.push(hub.commit_read(commit).await?.tree);
        }
        self.walk_trees(hub, roots, true).await
    }

    /// Marks all that these folders hold as seen, and as to be sent if so wished.
    async fn walk_trees(&mut self, hub: &Hub, roots: Vec<GitOid>, sends: bool) -> HubResult<()> {
        let mut waiting = Vec::new();
        for root in roots {
            if self.mark(root, sends)? {
                waiting.push(root);
            }
        }
        while !waiting.is_empty() {
            // From the end: depth first keeps the list short.
            let batch = waiting.split_off(waiting.len().saturating_sub(TREES_BATCH));
            let found = hub.catalog.objects_get(&batch).await?;
            if found.len() != batch.len() {
                return Err(HubError::Damaged(format!("a folder of {} is missing", batch.len())));
            }
            for (oid, object) in found {
                let entries = parse_tree(&object.content)
                    .map_err(|error| HubError::Damaged(format!("git object {oid}: {error}")))?;
                for entry in entries.iter().filter(|entry| entry.mode != TreeMode::Submodule) {
                    if self.mark(entry.oid, sends)? && entry.mode == TreeMode::Folder {
                        waiting.push(entry.oid);
                    }
                }
            }
        }
        Ok(())
    }

    fn mark(&mut self, oid: GitOid, sends: bool) -> HubResult<bool> {
        if sends {
            return self.add(oid);
        }
        too_many(self.seen.len() as u64, self.most)?;
        Ok(self.seen.insert(oid))
    }
}

impl Hub {
    /// Adds an annotated tag, and the tags that it may stand on.
    pub(super) async fn tags_add(&self, mut oid: GitOid, objects: &mut Objects) -> HubResult<()> {
        while let Some(object) = self.catalog.object_get(oid).await?.filter(|object| object.kind == GitKind::Tag) {
            if !objects.add(oid)? {
                break;
            }
            oid = parse_tag(&object.content)
                .map_err(|error| HubError::Damaged(format!("git object {oid}: {error}")))?
                .target;
        }
        Ok(())
    }
}
