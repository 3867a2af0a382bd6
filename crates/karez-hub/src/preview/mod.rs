//! Previews of what datasets hold.
//!
//! A question is authorised here, as any read of the repository. Then a child process answers it, which has no rights
//! at all: it asks for ranges of the files of one split, and nothing else reaches it. What it says is remembered by
//! commit, since what a commit holds never changes; what it could not do, by the files, for a while.

mod child;
mod failures;
mod reading;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use karez_catalog::Repo;
use karez_preview::{
    Answer, Config, DataFile, FileBrief, Format, Hint, PreviewError, Question, ReaderOptions, Request, Split,
};
use karez_types::{GitOid, RepoAddress, RepoId, Revision};
use quick_cache::sync::Cache;
use serde_json::Value;

use crate::objects::{ByHeldBytes, Held};
use crate::{Actor, Hub, HubError, HubResult, RepoField, SiblingDetail};
use failures::{Asked, Failed, Failures};
use reading::Talked;
use turns::Turns;

pub use child::{PreviewChild, PreviewLauncher, PreviewProgram};

/// Files of a dataset that are looked at for its splits. More are known, but they are pictures one by one.
const FILES_MAX: usize = 50_000;
/// Files of one split whose rows are looked at.
const SPLIT_FILES_MAX: usize = 20_000;
/// Files of a mirror of which it is looked up whether they are here; of more it is taken that they are not.
const NEAR_FILES_MAX: usize = 200;
/// Bytes that are not here and that a question which looks through all of a split may need.
const FAR_WHOLE_BYTES_MAX: u64 = 8 << 20;
/// After this much time what was found so far is the answer: of a page, of a search, of statistics.
const PAGE_SOFT_MILLIS: u64 = 5_000;
const SEARCH_SOFT_MILLIS: u64 = 10_000;
/// Bytes of all cells of an answer (dataset viewer: 10 MB of content).
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Memory of what is remembered: answers, layouts, places of rows.
const ANSWERS_BYTES: u64 = 16 << 20;
const LAYOUTS_BYTES: u64 = 16 << 20;
const HINTS_BYTES: u64 = 8 << 20;

/// Which files of a commit make which split.
#[derive(Debug)]
pub struct Layout {
    /// The configurations.
    pub configs: Vec<Config>,
    /// Whether the card names data files, and none of them is there.
    pub has_unmatched: bool,
    /// Bytes of all files that belong to a split.
    pub data_bytes: u64,
    oids: HashMap<String, GitOid>,
}

/// A dataset at a commit that a caller may read.
#[derive(Debug, Clone)]
pub struct DataView {
    /// The repository.
    pub repo: Repo,
    /// The commit.
    pub commit: GitOid,
    /// Its splits.
    pub layout: Arc<Layout>,
}

impl DataView {
    /// Returns a configuration.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn config(&self, name: &str) -> HubResult<&Config> {
        let found = self.layout.configs.iter().find(|config| config.name == name);
        found.ok_or_else(|| HubError::Missing(format!("the dataset has no configuration {name:?}")))
    }

    /// Returns the configuration that is loaded when nobody names one.
    pub fn usual(&self) -> Option<&Config> {
        self.layout.configs.iter().find(|config| config.is_default).or_else(|| self.layout.configs.first())
    }

    /// Returns a split of a configuration.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn split(&self, config: &str, split: &str) -> HubResult<(&Config, &Split)> {
        let config = self.config(config)?;
        let found = config.splits.iter().find(|one| one.name == split);
        let missing = || HubError::Missing(format!("the configuration {:?} has no split {split:?}", config.name));
        Ok((config, found.ok_or_else(missing)?))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AnswerKey {
    repo: RepoId,
    commit: GitOid,
    config: String,
    split: String,
    question: String,
}

/// An answer as it is remembered, with the length that it came in.
#[derive(Clone)]
struct Remembered(Arc<Answer>, u64);

impl Held for Remembered {
    fn held_bytes(&self) -> u64 {
        // Values in memory take about four times what they take as text.
        self.1 * 4 + 512
    }
}

impl Held for Arc<Layout> {
    fn held_bytes(&self) -> u64 {
        512 + self.oids.keys().map(|path| path.len() as u64 * 2 + 128).sum::<u64>()
    }
}

impl Held for Hint {
    fn held_bytes(&self) -> u64 {
        let looks = self.looks.iter().map(|(name, look)| name.len() as u64 + look.held_bytes());
        128 + self.marks.len() as u64 * 16 + looks.sum::<u64>()
    }
}

/// What previews need.
pub(crate) struct PreviewDesk {
    launcher: std::sync::OnceLock<Arc<dyn PreviewLauncher>>,
    turns: Turns,
    answers: Cache<AnswerKey, Remembered, ByHeldBytes>,
    layouts: Cache<(RepoId, GitOid), Arc<Layout>, ByHeldBytes>,
    hints: Cache<(GitOid, Format, ReaderOptions), Hint, ByHeldBytes>,
    failures: Failures,
}

impl Default for PreviewDesk {
    fn default() -> PreviewDesk {
        PreviewDesk {
            launcher: std::sync::OnceLock::new(),
            turns: Turns::default(),
            answers: Cache::with_weighter(1_000, ANSWERS_BYTES, ByHeldBytes),
            layouts: Cache::with_weighter(200, LAYOUTS_BYTES, ByHeldBytes),
            hints: Cache::with_weighter(10_000, HINTS_BYTES, ByHeldBytes),
            failures: Failures::default(),
        }
    }
}

impl Hub {
    /// Sets how children are started. The first word counts; without one there are no previews.
    pub fn preview_open(&self, launcher: Arc<dyn PreviewLauncher>) {
        let _ = self.preview.launcher.set(launcher);
    }

    /// Opens a dataset for a caller, and finds its splits.
    ///
    /// # Errors
    /// As [`Hub::revision_open`].
    pub async fn preview_dataset(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
    ) -> HubResult<DataView> {
        let (repo, commit) = self.revision_open(actor, address, revision).await?;
        let key = (repo.id, commit);
        if let Some(layout) = self.preview.layouts.get(&key) {
            return Ok(DataView { repo, commit, layout });
        }
        let at = Revision::from(commit);
        let fields = [RepoField::CardData, RepoField::Siblings];
        let info = self.repo_info(actor, address, Some(&at), &fields, SiblingDetail::Blob).await?;
        let card = info.card.unwrap_or(Value::Null);
        let siblings = info.siblings.unwrap_or_default();
        let (mut files, mut oids) = (Vec::new(), HashMap::new());
        for sibling in siblings.into_iter().take(FILES_MAX) {
            let Some(blob) = sibling.blob else { continue };
            oids.insert(sibling.path.clone(), blob.oid);
            files.push(DataFile { path: sibling.path, file_bytes: blob.file_bytes() });
        }
        let names_files = card["configs"].as_array().is_some_and(|configs| !configs.is_empty());
        // Many patterns on many files take a second; other requests go on meanwhile.
        let configs = tokio::task::spawn_blocking(move || karez_preview::configs(&card, &files));
        let configs = configs.await.map_err(|error| HubError::Damaged(format!("finding splits failed: {error}")))?;
        let mut data: HashMap<&str, u64> = HashMap::new();
        for file in configs.iter().flat_map(|config| &config.splits).flat_map(|split| &split.files) {
            data.insert(&file.path, file.file_bytes);
        }
        let data_bytes = data.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
        oids.retain(|path, _| data.contains_key(path.as_str()));
        let layout = Arc::new(Layout { has_unmatched: names_files && configs.is_empty(), configs, data_bytes, oids });
        self.preview.layouts.insert(key, Arc::clone(&layout));
        Ok(DataView { repo, commit, layout })
    }

    /// Answers a question about a split of a dataset that was opened for the caller.
    ///
    /// # Errors
    /// [`HubError::Missing`] when there is no such split, [`HubError::Preview`] when its files cannot be shown,
    /// [`HubError::Busy`] when too many ask, [`HubError::TooMany`] when the asker does: an account, or a network.
    pub async fn preview_ask(
        &self,
        actor: &Actor,
        asker: &str,
        view: &DataView,
        config: &str,
        split: &str,
        question: Question,
    ) -> HubResult<Arc<Answer>> {
        let (found, files) = view.split(config, split)?;
        let unshown = || PreviewError::unsupported("files of this format cannot be shown");
        let format = found.format.ok_or_else(unshown).map_err(HubError::Preview)?;
        let unread = |name: &String| {
            let words = format!(
                "the card sets `{name}` for the configuration {config:?}, which previews do not follow, so nothing of it \
                 is shown; the `datasets` library loads it"
            );
            HubError::Preview(PreviewError::unsupported(words))
        };
        let options = found.options.as_ref().map_err(unread)?;
        let key = AnswerKey {
            repo: view.repo.id,
            commit: view.commit,
            config: config.to_owned(),
            split: split.to_owned(),
            question: serde_json::to_string(&question).unwrap_or_default(),
        };
        // Who asks the same meanwhile waits for this answer.
        let work = self.preview_work(actor, asker, view, files, (format, options), question);
        Ok(self.preview.answers.get_or_insert_async(&key, work).await?.0)
    }

    async fn preview_work(
        &self,
        actor: &Actor,
        asker: &str,
        view: &DataView,
        split: &Split,
        (format, options): (Format, &ReaderOptions),
        question: Question,
    ) -> HubResult<Remembered> {
        let off = || PreviewError::unsupported("this node shows no previews");
        let launcher = self.preview.launcher.get().ok_or_else(off).map_err(HubError::Preview)?;
        let (soft_millis, is_long) = match question {
            Question::Statistics => (self.limits.preview_secs_max.saturating_mul(1_000), true),
            Question::Search { .. } | Question::Filter { .. } => (SEARCH_SOFT_MILLIS, true),
            Question::Describe | Question::Rows { .. } | Question::Cell { .. } => (PAGE_SOFT_MILLIS, false),
        };
        let mut files: Vec<DataFile> = split.files.iter().take(SPLIT_FILES_MAX).cloned().collect();
        let has_more = split.files.len() > files.len();
        files.extend(split.folder.as_ref().and_then(|folder| folder.described_by.clone()));
        let oids: Vec<Option<GitOid>> = files.iter().map(|file| view.layout.oids.get(&file.path).copied()).collect();
        let asked = Asked::of(view.repo.id, (format, options), &files, &oids, &question);
        let failed_before = || match asked.as_ref().and_then(|asked| self.preview.failures.get(asked, self.clock())) {
            Some(error) => Err(HubError::Preview(error)),
            None => Ok(()),
        };
        failed_before()?;
        let far = self.preview_far(view, &files).await?;
        let far_bytes = files.iter().zip(&far).filter(|(_, is_far)| **is_far).map(|(file, _)| file.file_bytes);
        let far_bytes = far_bytes.fold(0, u64::saturating_add);
        if is_long && far_bytes > FAR_WHOLE_BYTES_MAX {
            let words = format!(
                "this looks through all rows, and {far_bytes} bytes of their files are not on this node: they would come \
                 over its line. Rows can be looked at; for the rest, download the dataset through this node first"
            );
            return Err(HubError::Preview(PreviewError::unsupported(words)));
        }
        let brief = |((file, oid), is_far): ((&DataFile, &Option<GitOid>), &bool)| FileBrief {
            path: file.path.clone(),
            file_bytes: file.file_bytes,
            is_far: *is_far,
            hint: oid.and_then(|oid| self.preview.hints.get(&(oid, format, options.clone()))).unwrap_or_default(),
        };
        let files: Vec<FileBrief> = files.iter().zip(&oids).zip(&far).map(brief).collect();
        let request = Request {
            question,
            format,
            options: options.clone(),
            files,
            folder: split.folder.clone(),
            soft_millis,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let line = self.preview.turns.line(asker);
        let job = async {
            // Who was before in the line may have asked the same files.
            failed_before()?;
            self.preview_run(actor, view, &request, launcher.as_ref()).await
        };
        let (failed, error) = match line.turn(is_long, job).await? {
            Talked::Said(Ok(answer), outcome_bytes) => {
                nothing_reached(&request.question, &answer)?;
                return Ok(self.preview_keep(answer, outcome_bytes, &oids, (format, options), has_more));
            }
            Talked::Said(Err(error), _) => (Failed::Found, error),
            Talked::Spent(error) => (Failed::Spent, error),
        };
        if let Some(asked) = &asked {
            self.preview.failures.remember(asked, self.clock(), failed, &error);
        }
        Err(HubError::Preview(error))
    }

    /// Tells of each file whether its bytes are on another node.
    async fn preview_far(&self, view: &DataView, files: &[DataFile]) -> HubResult<Vec<bool>> {
        let mut far = vec![view.repo.mirror.is_some(); files.len()];
        for (file, is_far) in files.iter().zip(&mut far).take(NEAR_FILES_MAX) {
            *is_far = *is_far && self.preview_file(view, &file.path).await?.is_far();
        }
        Ok(far)
    }

    /// Lets a child answer.
    async fn preview_run(
        &self,
        actor: &Actor,
        view: &DataView,
        request: &Request,
        launcher: &dyn PreviewLauncher,
    ) -> HubResult<Talked> {
        let secs_max = request.soft_millis / 1_000 + self.limits.preview_secs_max;
        let child = launcher.launch(karez_preview::worker::WorkerLimits {
            memory_bytes: self.limits.preview_memory_bytes_max,
            cpu_secs: secs_max,
        });
        let child = child.map_err(|error| {
            tracing::error!(%error, "a preview process could not be started");
            HubError::Busy
        })?;
        let job = self.preview_converse(actor, view, request, child);
        match tokio::time::timeout(Duration::from_secs(secs_max), job).await {
            Ok(talked) => talked,
            // The line is slow, which says nothing of the file.
            Err(_) if request.files.iter().any(|file| file.is_far) => Err(HubError::OriginSilent(
                "the file is not on this node, and what a preview needs of it has not come in time; what came is kept for a \
                 minute, try again"
                    .to_owned(),
            )),
            Err(_) => {
                let words = "the file asks for more time than a preview may take";
                Ok(Talked::Spent(PreviewError::too_large(words)))
            }
        }
    }

    /// Remembers what an answer says of places of rows.
    fn preview_keep(
        &self,
        mut answer: Answer,
        outcome_bytes: u64,
        oids: &[Option<GitOid>],
        (format, options): (Format, &ReaderOptions),
        has_more: bool,
    ) -> Remembered {
        for (number, hint) in std::mem::take(&mut answer.hints) {
            if let Some(oid) = oids.get(number).copied().flatten() {
                self.preview.hints.insert((oid, format, options.clone()), hint);
            }
        }
        answer.is_partial |= has_more;
        Remembered(Arc::new(answer), outcome_bytes)
    }
}

/// Refuses an answer for which time ran out before the first row that was asked for: it would say that there is none.
///
/// # Errors
/// [`HubError::Busy`] when nothing was looked at, else what was reached.
fn nothing_reached(question: &Question, answer: &Answer) -> HubResult<()> {
    let offset = match question {
        Question::Rows { offset, length: 1.. } => Some(*offset),
        Question::Search { .. } | Question::Filter { .. } | Question::Statistics => None,
        _ => return Ok(()),
    };
    if !answer.is_partial || !answer.rows.is_empty() {
        return Ok(());
    }
    match offset {
        _ if answer.rows_seen == 0 => Err(HubError::Busy),
        Some(offset) if offset >= answer.rows_total => Err(HubError::Preview(PreviewError::too_large(format!(
            "row {offset} is not reached in the time that a page may take; {} rows before it are",
            answer.rows_total
        )))),
        _ => Ok(()),
    }
}
