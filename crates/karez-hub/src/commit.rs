//! Commits: from a client's list of operations to one transaction that moves a ref.
//!
//! The body is taken piece by piece. Large files that came inside it go into chunks while the rest
//! arrives; what stays in memory is the content that git keeps anyway. When all has arrived the
//! operations are applied to the tip of the branch, and the ref is moved if it still is where it
//! was. Without a parent named by the client, a commit that lost a race is built again on the new tip.
//!
//! Nothing is visible before that transaction; a crash before it leaves chunks that nobody names.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use karez_catalog::{
    CommitContent, CommitOutcome, CommitWrite, FileBrief, NewDiscussion, NewObject, NewPullRequest, Proposal, Repo,
};
use karez_formats::attributes::{Attributes, lfs_line};
use karez_formats::commit_ndjson::{CommitBodyError, CommitParser, CommitProblem, Operation};
use karez_formats::git::{Commit, GitKind, encode_commit, object_id};
use karez_formats::lfs::LfsPointer;
use karez_types::{AccountId, GitOid, OwnerName, RefName, RepoAddress, RepoId, RepoPath, Revision, Sha256, Zone};
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::commit_tree::{TreeEditor, add_object};
use crate::first_commit::signature_of;
use crate::ingest::Expected;
use crate::preupload::GITATTRIBUTES;
use crate::push_access::{PushPlace, Pushing};
use crate::revision::main_ref;
use crate::{Actor, Hub, HubError, HubResult};

/// A commit whose body is still arriving.
pub struct CommitDraft {
    pushing: Pushing,
    author: OwnerName,
    author_id: AccountId,
    branch: RefName,
    opens_pull_request: bool,
    attributes: Attributes,
    parser: CommitParser,
    changes: Vec<Change>,
    _room: OwnedSemaphorePermit,
}

/// A commit made.
#[derive(Debug, Clone)]
pub struct CommitMade {
    /// The repository as it is spelled.
    pub address: RepoAddress,
    /// Id of the commit; that of the tip when nothing changed.
    pub oid: GitOid,
    /// The pull request that it opened.
    pub pull_request: Option<u64>,
}

/// One change of a tree.
enum Change {
    Small { path: RepoPath, content: Vec<u8> },
    Large { path: RepoPath, sha256: Sha256, file_bytes: Option<u64>, is_verified: bool },
    DeleteFile { path: RepoPath },
    DeleteFolder { path: RepoPath },
}

/// A change whose blob has its id.
enum Step {
    Put { path: RepoPath, oid: GitOid, is_large: bool },
    DeleteFile { path: RepoPath },
    DeleteFolder { path: RepoPath },
}

/// What a whole body asks for, ready to be applied to any tip.
struct Plan {
    summary: String,
    description: String,
    parent: Option<String>,
    steps: Vec<Step>,
    files: Vec<Sha256>,
}

/// Tries to win the branch. All processes of the node together commit to one branch one by one, so
/// each lost race is somebody else's commit.
const ATTEMPTS_MAX: u32 = 32;

impl Actor {
    /// Returns the name that commits of this caller bear.
    pub(crate) fn author<'a>(&'a self, repo: &'a Repo) -> &'a OwnerName {
        self.user().map_or(&repo.owner.name, |user| &user.account.name)
    }
}

impl From<CommitBodyError> for HubError {
    fn from(error: CommitBodyError) -> HubError {
        let too_large =
            |what, count: u64, unit, setting| HubError::TooLarge { what, limit: format!("{count} {unit}"), setting };
        match error.problem {
            CommitProblem::Path(_) => HubError::Refused(error.to_string()),
            CommitProblem::TooManyOperations { operations_max } => {
                too_large("the list of operations", operations_max, "operations", "commit_operations_max")
            }
            CommitProblem::InlineTooLarge { bytes_max } => {
                too_large("an inline file of the commit", bytes_max, "bytes", "commit_inline_file_bytes_max")
            }
            CommitProblem::BodyTooLarge { bytes_max } => {
                too_large("the commit", bytes_max, "bytes", "commit_body_bytes_max")
            }
            _ => HubError::Invalid(error.to_string()),
        }
    }
}

impl Hub {
    /// Begins a commit to a branch, or one that opens a pull request from it. `body_bytes` is the
    /// announced length of the body; many large ones at once wait here for memory.
    ///
    /// # Errors
    /// As [`Hub::repo_open`] for writing; [`HubError::RevisionMissing`] when there is no such branch.
    pub async fn commit_begin(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
        opens_pull_request: bool,
        body_bytes: Option<u64>,
    ) -> HubResult<CommitDraft> {
        let place = if opens_pull_request { PushPlace::NewPullRequest } else { PushPlace::Revision(revision) };
        let pushing = self.push_open(actor, address, place).await?;
        let repo = &pushing.repo;
        let branch = branch_of(revision)?;
        let missing = || HubError::RevisionMissing { revision: revision.to_string() };
        let tip = self.catalog.ref_get(repo.id, &branch).await?.ok_or_else(missing)?;
        let attributes = self.attributes_of(tip).await?;
        let body_bytes = body_bytes.unwrap_or(self.limits.commit_body_bytes_max);
        Ok(CommitDraft {
            author: actor.author(repo).clone(),
            author_id: actor.user().map_or(repo.owner.id, |user| user.account.id),
            pushing,
            branch,
            opens_pull_request,
            attributes,
            parser: CommitParser::new(&self.limits),
            changes: Vec::new(),
            _room: self.commit_turns.room(body_bytes).await,
        })
    }

    /// Takes the next piece of the body.
    ///
    /// # Errors
    /// With what is wrong in it; the draft is of no use afterwards.
    pub async fn commit_push(&self, draft: &mut CommitDraft, piece: &[u8]) -> HubResult<()> {
        draft.parser.push(piece)?;
        let operations = draft.parser.take_operations();
        self.operations_take(draft, operations).await
    }

    /// Ends the body and makes the commit.
    ///
    /// # Errors
    /// [`HubError::BranchMoved`] when the branch is not where the client thought,
    /// [`HubError::Refused`] for a large file that was not uploaded,
    /// [`HubError::OverQuota`], [`HubError::NothingToDelete`].
    pub async fn commit_finish(&self, mut draft: CommitDraft) -> HubResult<CommitMade> {
        let parser = std::mem::replace(&mut draft.parser, CommitParser::new(&self.limits));
        let body = parser.finish()?;
        self.operations_take(&mut draft, body.operations).await?;
        let changes = std::mem::take(&mut draft.changes);
        let mut objects = Vec::new();
        let (steps, files) = self.changes_settle(&draft.pushing, changes, &mut objects).await?;
        let (summary, description) = (body.summary, body.description);
        let plan = Plan { summary, description, parent: body.parent, steps, files };
        self.plan_apply(&draft, &plan, objects).await
    }

    /// Makes the commit of operations that are here as a whole.
    pub(crate) async fn commit_whole(
        &self,
        mut draft: CommitDraft,
        summary: &str,
        parent: Option<String>,
        operations: Vec<Operation>,
    ) -> HubResult<CommitMade> {
        self.operations_take(&mut draft, operations).await?;
        let changes = std::mem::take(&mut draft.changes);
        let mut objects = Vec::new();
        let (steps, files) = self.changes_settle(&draft.pushing, changes, &mut objects).await?;
        let (summary, description) = (summary.to_owned(), String::new());
        let plan = Plan { summary, description, parent, steps, files };
        self.plan_apply(&draft, &plan, objects).await
    }

    /// Turns operations into changes; files that are too large for git go into chunks.
    async fn operations_take(&self, draft: &mut CommitDraft, operations: Vec<Operation>) -> HubResult<()> {
        for operation in operations {
            let change = match operation {
                Operation::File { path, content } => self.inline_take(draft, path, content).await?,
                Operation::LfsFile { path, sha256, file_bytes } => {
                    Change::Large { path, sha256, file_bytes, is_verified: false }
                }
                Operation::DeleteFile { path } => Change::DeleteFile { path },
                Operation::DeleteFolder { path } => Change::DeleteFolder { path },
            };
            draft.changes.push(change);
        }
        Ok(())
    }

    async fn inline_take(&self, draft: &CommitDraft, path: RepoPath, content: Vec<u8>) -> HubResult<Change> {
        // A pointer sent as a file names a large file like any other operation, and is checked like
        // one: otherwise it would open the bytes of strangers to whoever knows their hash.
        if let Some(LfsPointer { sha256, file_bytes }) = LfsPointer::parse(&content) {
            return Ok(Change::Large { path, sha256, file_bytes: Some(file_bytes), is_verified: false });
        }
        if self.is_regular(&path, content.len() as u64, &draft.attributes) {
            return Ok(Change::Small { path, content });
        }
        let body = futures::stream::iter([Ok(Bytes::from(content))]);
        let file = self.ingest(draft.pushing.bringer, Expected::default(), body).await?;
        Ok(Change::Large { path, sha256: file.sha256, file_bytes: Some(file.file_bytes), is_verified: true })
    }

    /// Checks that all large files are stored and may be named here, and gives every blob its id.
    async fn changes_settle(
        &self,
        pushing: &Pushing,
        changes: Vec<Change>,
        objects: &mut Vec<NewObject>,
    ) -> HubResult<(Vec<Step>, Vec<Sha256>)> {
        let large = |change: &Change| match change {
            Change::Large { sha256, is_verified, .. } => Some((*sha256, *is_verified)),
            _ => None,
        };
        let named: Vec<(Sha256, bool)> = changes.iter().filter_map(large).collect();
        let files: Vec<Sha256> = named.iter().map(|(sha256, _)| *sha256).collect();
        let unverified: Vec<Sha256> =
            named.iter().filter(|(_, is_verified)| !is_verified).map(|(hash, _)| *hash).collect();
        let known = self.files_promised(&unverified, &pushing.zones()).await?;
        let known: HashSet<Sha256> = known.into_iter().collect();
        let briefs = self.files_read(&files).await?;
        let mut steps = Vec::with_capacity(changes.len());
        for change in changes {
            steps.push(match change {
                Change::Small { path, content } => {
                    Step::Put { path, oid: add_object(GitKind::Blob, content, objects), is_large: false }
                }
                Change::Large { path, sha256, file_bytes, is_verified } => {
                    let may_name = is_verified || known.contains(&sha256);
                    let brief = briefs.get(&sha256).filter(|_| may_name);
                    let pointer = settle_large(&path, sha256, file_bytes, brief)?;
                    let content = pointer.encode();
                    let oid = object_id(GitKind::Blob, &content);
                    objects.push(NewObject { oid, kind: GitKind::Blob, content, lfs: Some(pointer) });
                    Step::Put { path, oid, is_large: true }
                }
                Change::DeleteFile { path } => Step::DeleteFile { path },
                Change::DeleteFolder { path } => Step::DeleteFolder { path },
            });
        }
        Ok((steps, files))
    }

    /// Applies a plan to the tip of its branch until it is the next commit.
    async fn plan_apply(&self, draft: &CommitDraft, plan: &Plan, mut objects: Vec<NewObject>) -> HubResult<CommitMade> {
        let repo = &draft.pushing.repo;
        let made = |oid, pull_request| CommitMade { address: repo.address(), oid, pull_request };
        // Within this process commits to one repository queue here instead of building trees in vain.
        let _turn = self.commit_turns.turn(repo.id).await;
        let blob_count = objects.len();
        for _ in 0..ATTEMPTS_MAX {
            objects.truncate(blob_count);
            let base = self.base_find(draft, plan.parent.as_deref()).await?;
            let base_tree = self.commit_read(base).await?.tree;
            let tree = self.steps_apply(base_tree, base, &plan.steps, &mut objects).await?;
            if tree == base_tree && !draft.opens_pull_request {
                return Ok(made(base, None));
            }
            let commit = self.commit_content(draft, plan, base, tree);
            let target = add_object(GitKind::Commit, encode_commit(&commit), &mut objects);
            let facts = if draft.branch == main_ref() && !draft.opens_pull_request {
                self.facts_if_changed(repo, Some(base_tree), tree, &objects).await?
            } else {
                None
            };
            let zones = zones_of(repo);
            let content = CommitContent { target, objects, files: plan.files.clone(), zones, facts };
            let (ref_name, expected, request) = self.place_of(draft, plan, base).await?;
            let number = request.as_ref().map(|request| request.number);
            let proposal = request.map(Proposal::Opens);
            let write = CommitWrite { repo_id: repo.id, ref_name, expected, content, proposal };
            match self.catalog.commit_apply(&write, self.clock.now()).await? {
                CommitOutcome::Applied => return Ok(made(target, number)),
                CommitOutcome::Conflict { .. } => objects = write.content.objects,
                CommitOutcome::RepoMissing | CommitOutcome::NotOpen => {
                    return Err(HubError::RepoMissing { address: repo.address().to_string(), anonymous: false });
                }
                CommitOutcome::OverQuota(over) => return Err(draft.pushing.over_quota(over)),
                CommitOutcome::FileMissing(sha256) => return Err(not_uploaded(&sha256.to_string())),
            }
        }
        Err(HubError::BranchMoved)
    }

    /// Returns the commit that the new one follows.
    async fn base_find(&self, draft: &CommitDraft, parent: Option<&str>) -> HubResult<GitOid> {
        let repo = &draft.pushing.repo;
        if let Some(digits) = parent.filter(|_| draft.opens_pull_request) {
            // A pull request may start from any commit of the repository.
            let missing = || HubError::RevisionMissing { revision: digits.to_owned() };
            return self.id_find(repo, digits).await?.ok_or_else(missing);
        }
        match self.catalog.ref_get(repo.id, &draft.branch).await? {
            Some(tip) if parent.is_none_or(|digits| tip.to_string().starts_with(digits)) => Ok(tip),
            _ => Err(HubError::BranchMoved),
        }
    }

    /// Returns which ref moves, from where, and the pull request that it stands for if it is new.
    async fn place_of(
        &self,
        draft: &CommitDraft,
        plan: &Plan,
        base: GitOid,
    ) -> HubResult<(RefName, Option<GitOid>, Option<NewPullRequest>)> {
        if !draft.opens_pull_request {
            return Ok((draft.branch.clone(), Some(base), None));
        }
        self.refs_check(&draft.pushing.repo, &RefName::pull_request(0)).await?;
        let gone = || HubError::RepoMissing { address: draft.pushing.repo.address().to_string(), anonymous: false };
        let number = self.catalog.discussion_number_next(draft.pushing.repo.id).await?.ok_or_else(gone)?;
        let discussion = NewDiscussion {
            title: plan.summary.clone(),
            description: plan.description.clone(),
            author: draft.author_id,
        };
        let request = NewPullRequest { number, discussion, base: draft.branch.clone(), is_draft: false };
        Ok((RefName::pull_request(number), None, Some(request)))
    }

    /// Applies the steps to a tree; returns the new tree, whose folders are added to the objects.
    async fn steps_apply(
        &self,
        base_tree: GitOid,
        base: GitOid,
        steps: &[Step],
        objects: &mut Vec<NewObject>,
    ) -> HubResult<GitOid> {
        let mut editor = TreeEditor::open(self, base_tree).await?;
        for step in steps {
            let done = match step {
                Step::Put { path, oid, .. } => {
                    editor.put(path, *oid).await?;
                    true
                }
                Step::DeleteFile { path } => editor.delete_file(path).await?,
                Step::DeleteFolder { path } => editor.delete_folder(path).await?,
            };
            if let (false, Step::DeleteFile { path } | Step::DeleteFolder { path }) = (done, step) {
                return Err(HubError::NothingToDelete { path: path.to_string(), commit: base });
            }
        }
        self.attributes_complete(&mut editor, steps, objects).await?;
        editor.finish(objects)
    }

    /// Adds a line to `.gitattributes` for each new large file that none matches, so that git-lfs
    /// puts its bytes in the place of the pointer.
    async fn attributes_complete(
        &self,
        editor: &mut TreeEditor<'_>,
        steps: &[Step],
        objects: &mut Vec<NewObject>,
    ) -> HubResult<()> {
        let rules_path: RepoPath = GITATTRIBUTES.parse().expect("a plain name is a path");
        let large = |step: &Step| match step {
            Step::Put { path, oid, is_large: true } => Some((path.clone(), *oid)),
            _ => None,
        };
        let puts: Vec<(RepoPath, GitOid)> = steps.iter().filter_map(large).collect();
        if puts.is_empty() {
            return Ok(());
        }
        let mut text = match editor.get(&rules_path).await? {
            None => String::new(),
            Some(oid) => {
                let new = objects.iter().find(|object| object.oid == oid).map(|object| object.content.clone());
                let bytes = match new {
                    Some(content) => Bytes::from(content),
                    None => self.blob_read(oid).await?,
                };
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        let attributes = Attributes::parse(&text);
        let length_before = text.len();
        let mut added = HashSet::new();
        for (path, oid) in puts {
            // A later step of the same commit may have taken the file away again.
            let is_there = editor.get(&path).await? == Some(oid);
            if is_there && !attributes.is_lfs(path.as_str()) && added.insert(path.clone()) {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&lfs_line(path.as_str()));
            }
        }
        if text.len() > length_before {
            let oid = add_object(GitKind::Blob, text.into_bytes(), objects);
            editor.put(&rules_path, oid).await?;
        }
        Ok(())
    }

    fn commit_content(&self, draft: &CommitDraft, plan: &Plan, base: GitOid, tree: GitOid) -> Commit {
        let signature = signature_of(&draft.author, self.clock.now());
        let summary = if plan.summary.trim().is_empty() { "Change files" } else { plan.summary.as_str() };
        let message = match plan.description.trim() {
            "" => summary.to_owned(),
            description => format!("{summary}\n\n{description}"),
        };
        let (author, committer) = (signature.clone(), signature);
        Commit { tree, parents: vec![base], author, committer, extra_headers: Vec::new(), message }
    }
}

/// Returns the ref that a commit to this revision moves.
fn branch_of(revision: &Revision) -> HubResult<RefName> {
    let text = revision.as_str();
    let not_a_branch = || HubError::Invalid(format!("commits go to a branch or a pull request; `{text}` is neither"));
    if text == "HEAD" {
        return Ok(main_ref());
    }
    if text.starts_with("refs/") {
        let name: RefName = text.parse().map_err(|_| not_a_branch())?;
        return if name.is_tag() { Err(not_a_branch()) } else { Ok(name) };
    }
    RefName::branch(text).map_err(|_| not_a_branch())
}

/// Returns the zones that the files of a commit to this repository join.
pub(crate) fn zones_of(repo: &Repo) -> Vec<Zone> {
    if repo.is_open() { vec![Zone::PUBLIC, repo.zone()] } else { vec![repo.zone()] }
}

fn not_uploaded(sha256: &str) -> HubError {
    HubError::Refused(format!(
        "the file with sha256 {sha256} is not stored here; upload its bytes first, through Xet or LFS, then commit again"
    ))
}

/// Returns the pointer to a large file that may be named.
fn settle_large(
    path: &RepoPath,
    sha256: Sha256,
    file_bytes: Option<u64>,
    brief: Option<&FileBrief>,
) -> HubResult<LfsPointer> {
    let brief = brief.ok_or_else(|| not_uploaded(&sha256.to_string()))?;
    match file_bytes {
        Some(claimed) if claimed != brief.file_bytes => Err(HubError::Refused(format!(
            "`{path}`: the file with sha256 {sha256} has {} bytes, not {claimed}; send its true size",
            brief.file_bytes
        ))),
        _ => Ok(LfsPointer { sha256, file_bytes: brief.file_bytes }),
    }
}

/// Small files of all commits that are arriving, in KiB: they stay in memory until the transaction.
const ARRIVING_KIB_MAX: u32 = 256 << 10;

/// Keeps the order of commits within one process, and their memory in bounds.
pub(crate) struct CommitTurns {
    turns: [Mutex<()>; 64],
    arriving_kib: Arc<Semaphore>,
}

impl Default for CommitTurns {
    fn default() -> CommitTurns {
        let arriving_kib = Arc::new(Semaphore::new(ARRIVING_KIB_MAX as usize));
        CommitTurns { turns: std::array::from_fn(|_| Mutex::default()), arriving_kib }
    }
}

impl CommitTurns {
    /// Waits until no other commit to this repository is being made here.
    pub(crate) async fn turn(&self, repo: RepoId) -> MutexGuard<'_, ()> {
        let place = usize::try_from(repo.0.rem_euclid(64)).unwrap_or(0);
        self.turns[place].lock().await
    }

    /// Waits until there is room for a body of this length. All of it is taken at once: commits that
    /// each held a part and waited for the rest would wait for one another.
    async fn room(&self, body_bytes: u64) -> OwnedSemaphorePermit {
        let kib = u32::try_from(body_bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(ARRIVING_KIB_MAX);
        let room = Arc::clone(&self.arriving_kib).acquire_many_owned(kib).await;
        room.expect("the semaphore is never closed")
    }
}
