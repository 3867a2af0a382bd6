//! Histories, commits, branches and tags.

use axum::extract::State;
use axum::response::Response;
use karez_hub::{ChangeSide, ChangesWanted, CommitInfo, FileChange, RefInfo};
use karez_pages::{
    CHANGES_MAX, CHANGES_NAMES_BYTES_MAX, Change, ChangeKind, CommitLine, CommitPage, CommitsPage, DIFF_FILE_BYTES_MAX,
    DIFF_SHOWN_BYTES_MAX, DiffLine, PAGE_ITEMS, REFS_BYTES_MAX, RefsPage, commit_page, commits_page, cut_text,
    diff_lines, fitting, refs_page,
};

use super::answer::page;
use super::asked::{Asked, PageTarget};
use super::files::as_text;
use super::repo::head;
use crate::AppState;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Files of a commit that are compared line by line.
const COMPARED_MAX: usize = 20;
/// Bytes of a commit's message that its page shows.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Longest title, in bytes.
const TITLE_BYTES_MAX: usize = 200;
/// Longest name of an author, in bytes.
const AUTHOR_BYTES_MAX: usize = 100;
/// Changed files that may stand on the pages before this one.
const SKIPPED_MAX: usize = 100_000;

/// Returns a commit as histories show it.
pub(super) fn line(commit: &CommitInfo) -> CommitLine {
    CommitLine {
        oid: commit.oid.to_string(),
        author: cut_text(&commit.author, AUTHOR_BYTES_MAX).0.to_owned(),
        date: commit.date,
        title: cut_text(&commit.title, TITLE_BYTES_MAX).0.to_owned(),
    }
}

/// Returns where a page of a list begins, as its address says.
fn from(asked: &Asked) -> ApiResult<usize> {
    match asked.value("from") {
        "" => Ok(0),
        text => text.parse().map_err(|_| ApiError::invalid("from must be a whole number")),
    }
}

pub(super) async fn commits(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let revision = params.revision()?;
    let number = match asked.value("p") {
        "" => 0,
        text => text.parse().map_err(|_| ApiError::invalid("p must be a whole number"))?,
    };
    // Titles are long where there are many.
    let items = PAGE_ITEMS / 2;
    let found = state.hub.commit_list(&asked.caller, &address, &revision, number, Some(items)).await?;
    let made = CommitsPage {
        head: head(&state, &found.repo, revision.as_str()).await?,
        commits: found.commits.iter().map(line).collect(),
        next: found.next_page,
    };
    Ok(page(&asked, commits_page(&asked.frame, &made)))
}

/// Returns the lines of a change that fit into what is left of the page, and takes them from it.
fn lines(change: &FileChange, left_bytes: &mut usize) -> Option<Vec<DiffLine>> {
    let text = |side: &Option<ChangeSide>| match side {
        None => Some(String::new()),
        Some(side) => Some(as_text(side.content.as_deref()?)?.to_owned()),
    };
    if *left_bytes == 0 {
        return None;
    }
    let lines = diff_lines(&text(&change.before)?, &text(&change.after)?, *left_bytes)?;
    let length = |line: &DiffLine| match line {
        // Lines have their tags.
        DiffLine::Same(text) | DiffLine::Removed(text) | DiffLine::Added(text) => text.len() + 10,
        DiffLine::Gap => 10,
    };
    *left_bytes = left_bytes.saturating_sub(lines.iter().map(length).sum());
    Some(lines)
}

/// What a page asks of changes.
pub(super) const WANTED: ChangesWanted = ChangesWanted {
    skipped: 0,
    changes_max: CHANGES_MAX,
    contents_max: COMPARED_MAX,
    content_bytes_max: DIFF_FILE_BYTES_MAX as u64,
};

/// Compares changed files line by line, as far as a page shows that.
pub(super) async fn compared(changes: Vec<FileChange>) -> ApiResult<Vec<Change>> {
    let compare = move || {
        let mut left_bytes = DIFF_SHOWN_BYTES_MAX;
        let change = |change: &FileChange| Change {
            path: change.path.clone(),
            kind: match (&change.before, &change.after) {
                (None, _) => ChangeKind::Added,
                (_, None) => ChangeKind::Removed,
                _ => ChangeKind::Changed,
            },
            bytes: (
                change.before.as_ref().map(|side| side.file_bytes),
                change.after.as_ref().map(|side| side.file_bytes),
            ),
            lines: lines(change, &mut left_bytes),
        };
        changes.iter().map(change).collect()
    };
    let compared = tokio::task::spawn_blocking(compare).await;
    Ok(compared.map_err(|error| karez_hub::HubError::Damaged(format!("comparing changed files: {error}")))?)
}

pub(super) async fn commit(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let revision = params.revision()?;
    let wanted = ChangesWanted { skipped: from(&asked)?.min(SKIPPED_MAX), ..WANTED };
    let mut found = state.hub.commit_changes(&asked.caller, &address, &revision, wanted).await?;
    let shown = fitting(found.changes.iter().map(|change| change.path.as_str()), CHANGES_NAMES_BYTES_MAX);
    let has_more = found.has_more || shown < found.changes.len();
    found.changes.truncate(shown);
    let next = (has_more && !found.changes.is_empty()).then(|| wanted.skipped + found.changes.len());
    let changes = compared(found.changes).await?;
    let made = CommitPage {
        head: head(&state, &found.repo, "main").await?,
        commit: line(&found.commit),
        message: cut_text(&found.commit.message, MESSAGE_BYTES_MAX).0.to_owned(),
        parents: found.commit.parents.iter().map(ToString::to_string).collect(),
        changes,
        next,
    };
    Ok(page(&asked, commit_page(&asked.frame, &made)))
}

pub(super) async fn refs(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
) -> ApiResult<Response> {
    let info = state.hub.repo_info(&asked.caller, &address, None, &[], karez_hub::SiblingDetail::Name).await?;
    let lists = state.hub.ref_list(&asked.caller, &address).await?;
    let short = |one: &RefInfo| (one.name.short().to_owned(), one.commit.to_string());
    let full = |one: &RefInfo| (one.name.as_str().to_owned(), one.commit.to_string());
    let branches = lists.branches.iter().map(|one| (0, short(one)));
    let tags = lists.tags.iter().map(|one| (1, short(one)));
    let others = lists.converts.iter().chain(&lists.pull_requests).map(|one| (2, full(one)));
    let from = from(&asked)?;
    let all: Vec<(usize, (String, String))> = branches.chain(tags).chain(others).skip(from).collect();
    let shown = fitting(all.iter().flat_map(|(_, (name, commit))| [name.as_str(), commit]), REFS_BYTES_MAX).div_ceil(2);
    let next = (shown < all.len()).then_some(from + shown);
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for (list, one) in all.into_iter().take(shown) {
        lists[list].push(one);
    }
    let [branches, tags, others] = lists;
    let made = RefsPage { head: head(&state, &info.repo, "main").await?, branches, tags, others, next };
    Ok(page(&asked, refs_page(&asked.frame, &made)))
}
