//! Discussions and pull requests. The commits of a pull request are the ref `refs/pr/N`.

use karez_types::{GitOid, RepoId, Timestamp, fold_name};

use crate::discussion_event::event_insert;
use crate::engine::{Tx, args, transact};
use crate::model::{Discussion, DiscussionFilter, DiscussionStatus, EventKind, Merge, NewDiscussion, NewPullRequest};
use crate::row::Row;
use crate::{Catalog, CatalogError};

const TABLE: &str = "discussion";

/// Columns of a discussion, in the order in which [`discussion_at`] reads them.
macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT d.number, d.title, a.name, d.status, d.base, d.merge_commit, d.created, d.events
             FROM discussion d LEFT JOIN account a ON a.id = d.author_id WHERE ",
            $rest
        )
    };
}

/// What a filter means; `-1` and the empty name stand for everything.
macro_rules! matching {
    () => {
        "d.repo_id = $1
         AND ($2 < 0 OR CASE WHEN d.base <> '' THEN 1 ELSE 0 END = $2)
         AND ($3 < 0 OR CASE WHEN d.status IN ('closed', 'merged') THEN 1 ELSE 0 END = $3)
         AND ($4 = '' OR a.name_folded = $4)"
    };
}

impl Catalog {
    /// Takes the next number, which nobody else gets; `None` when the repository is gone.
    pub async fn discussion_number_next(&self, repo: RepoId) -> Result<Option<u64>, CatalogError> {
        transact!(self, |tx| { number_next(tx, repo).await })
    }

    /// Opens a discussion that is no pull request, and returns its number; `None` when the repository is gone.
    pub async fn discussion_create(
        &self,
        repo: RepoId,
        new: &NewDiscussion,
        now: Timestamp,
    ) -> Result<Option<u64>, CatalogError> {
        transact!(self, |tx| {
            let Some(number) = number_next(tx, repo).await? else { return Ok(None) };
            discussion_insert(tx, repo, number, new, "", DiscussionStatus::Open, now).await?;
            Ok(Some(number))
        })
    }

    /// Returns one discussion.
    pub async fn discussion_get(&self, repo: RepoId, number: u64) -> Result<Option<Discussion>, CatalogError> {
        let sql = select!("d.repo_id = $1 AND d.number = $2");
        let row = self.pool.row(sql, args![repo, number]).await?;
        row.as_ref().map(discussion_at).transpose()
    }

    /// Lists discussions, newest first: at most `limit` after `offset`, and how many there are in all.
    pub async fn discussion_list(
        &self,
        repo: RepoId,
        filter: &DiscussionFilter<'_>,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<Discussion>, u64), CatalogError> {
        let author = fold_name(filter.author);
        let either = |wanted: Option<bool>| wanted.map_or(-1, i64::from);
        let (pull_request, over) = (either(filter.is_pull_request), either(filter.is_over));
        let sql =
            concat!("SELECT COUNT(*) FROM discussion d LEFT JOIN account a ON a.id = d.author_id WHERE ", matching!());
        let row = self.pool.row(sql, args![repo, pull_request, over, &author]).await?;
        let count = row.map_or(Ok(0), |row| row.count(TABLE, 0))?;
        let sql = select!(concat!(matching!(), " ORDER BY d.number DESC LIMIT $5 OFFSET $6"));
        let rows = self.pool.rows(sql, args![repo, pull_request, over, &author, limit, offset]).await?;
        Ok((rows.iter().map(discussion_at).collect::<Result<_, _>>()?, count))
    }
}

fn discussion_at(row: &Row) -> Result<Discussion, CatalogError> {
    let base = row.text(4)?;
    let merge_commit = row.opt_blob(5)?.map(|bytes| {
        let oid = GitOid::from_slice(&bytes);
        crate::row::valid(TABLE, "a hash of the wrong length", oid)
    });
    Ok(Discussion {
        number: row.count(TABLE, 0)?,
        title: row.text(1)?,
        author: name_at(row, 2)?,
        status: row.word(TABLE, 3, DiscussionStatus::from_word)?,
        base: if base.is_empty() { None } else { Some(row.word(TABLE, 4, |text| text.parse().ok())?) },
        merge_commit: merge_commit.transpose()?,
        created: row.moment(6)?,
        events: row.count(TABLE, 7)?,
    })
}

/// Reads the name of an account that may be gone.
pub(crate) fn name_at(row: &Row, column: usize) -> Result<Option<karez_types::OwnerName>, CatalogError> {
    match row.opt_text(column)? {
        None => Ok(None),
        Some(_) => row.word("account", column, |text| text.parse().ok()).map(Some),
    }
}

async fn number_next(tx: &mut Tx, repo: RepoId) -> Result<Option<u64>, CatalogError> {
    let sql = "UPDATE repo SET pull_requests = pull_requests + 1 WHERE id = $1 RETURNING pull_requests";
    tx.row(sql, args![repo]).await?.map(|row| row.count("repo", 0)).transpose()
}

async fn discussion_insert(
    tx: &mut Tx,
    repo: RepoId,
    number: u64,
    new: &NewDiscussion,
    base: &str,
    status: DiscussionStatus,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let has_comment = !new.description.is_empty();
    tx.execute(
        "INSERT INTO discussion (repo_id, number, title, author_id, base, created, status, events, text_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            repo,
            number,
            &new.title,
            new.author,
            base,
            now,
            status.as_str(),
            has_comment,
            new.description.len() as u64
        ],
    )
    .await?;
    if has_comment {
        event_insert(tx, (repo, number, 1), EventKind::Comment, Some(new.author), (&new.description, None), now)
            .await?;
    }
    Ok(())
}

/// Opens a pull request in the transaction of the commit that makes its ref.
pub(crate) async fn pull_request_insert(
    tx: &mut Tx,
    repo: RepoId,
    request: &NewPullRequest,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let status = if request.is_draft { DiscussionStatus::Draft } else { DiscussionStatus::Open };
    discussion_insert(tx, repo, request.number, &request.discussion, request.base.as_str(), status, now).await
}

/// Notes in the transaction of the commit that merges a pull request that it did. Tells whether it was still open.
pub(crate) async fn pull_request_merge(
    tx: &mut Tx,
    repo: RepoId,
    merge: &Merge,
    commit: GitOid,
    now: Timestamp,
) -> Result<bool, CatalogError> {
    let says_something = !merge.comment.is_empty();
    let row = tx
        .row(
            "UPDATE discussion SET status = 'merged', merge_commit = $3, events = events + $4, text_bytes = text_bytes + $5
             WHERE repo_id = $1 AND number = $2 AND base <> '' AND status IN ('open', 'draft') RETURNING events",
            args![repo, merge.number, &commit, 1 + u64::from(says_something), merge.comment.len() as u64],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    let last = row.count(TABLE, 0)?;
    if says_something {
        let place = (repo, merge.number, last - 1);
        event_insert(tx, place, EventKind::Comment, merge.by, (&merge.comment, None), now).await?;
    }
    let merged = DiscussionStatus::Merged.as_str();
    event_insert(tx, (repo, merge.number, last), EventKind::Status, merge.by, (merged, None), now).await?;
    Ok(true)
}
