//! What happens in discussions.

use karez_types::{AccountId, OwnerName, RepoId, Timestamp};

use crate::discussion::name_at;
use crate::engine::{Tx, args, transact};
use crate::model::{DiscussionEdit, DiscussionEvent, DiscussionOutcome, DiscussionStatus, EventKind, NewEvent};
use crate::{Catalog, CatalogError};

const TABLE: &str = "discussion_event";

/// Events of one discussion: one answer has them all.
pub const DISCUSSION_EVENTS_MAX: u64 = 1_000;
/// Bytes of all texts of one discussion, earlier versions included: what one answer may weigh.
pub const DISCUSSION_TEXT_BYTES_MAX: u64 = 4 << 20;

/// How a transaction that changes events ended.
enum Added {
    Event(u64),
    Missing,
    Unchanged,
    Full,
}

impl Catalog {
    /// Lists what happened in a discussion, in order.
    pub async fn discussion_events(&self, repo: RepoId, number: u64) -> Result<Vec<DiscussionEvent>, CatalogError> {
        self.events_read(repo, number, 0, u64::MAX).await
    }

    /// Returns who wrote a comment that is not hidden: `Some(None)` for an account that is gone, and `None` when
    /// there is no such comment.
    pub async fn discussion_comment_author(
        &self,
        repo: RepoId,
        number: u64,
        seq: u64,
    ) -> Result<Option<Option<OwnerName>>, CatalogError> {
        let sql = "SELECT a.name FROM discussion_event e LEFT JOIN account a ON a.id = e.author_id
                   WHERE e.repo_id = $1 AND e.number = $2 AND e.seq = $3 AND e.kind = 'comment' AND e.is_hidden = 0";
        let row = self.pool.row(sql, args![repo, number, seq]).await?;
        row.as_ref().map(|row| name_at(row, 0)).transpose()
    }

    async fn events_read(
        &self,
        repo: RepoId,
        number: u64,
        from: u64,
        to: u64,
    ) -> Result<Vec<DiscussionEvent>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT e.seq, e.kind, a.name, e.created, e.content, e.was, e.is_hidden, e.edited, b.name
                 FROM discussion_event e
                 LEFT JOIN account a ON a.id = e.author_id LEFT JOIN account b ON b.id = e.editor_id
                 WHERE e.repo_id = $1 AND e.number = $2 AND e.seq >= $3 AND e.seq <= $4 ORDER BY e.seq",
                args![repo, number, from, to],
            )
            .await?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let edited = match row.opt_int(7)? {
                None => None,
                Some(moment) => Some((Timestamp(moment), name_at(row, 8)?)),
            };
            events.push(DiscussionEvent {
                seq: row.count(TABLE, 0)?,
                kind: row.word(TABLE, 1, EventKind::from_word)?,
                author: name_at(row, 2)?,
                created: row.moment(3)?,
                content: row.text(4)?,
                was: row.opt_text(5)?,
                is_hidden: row.flag(6)?,
                edited,
                history: Vec::new(),
            });
        }
        let rows = self
            .pool
            .rows(
                "SELECT e.seq, a.name, e.created, e.content FROM discussion_edit e LEFT JOIN account a ON a.id = e.author_id
                 WHERE e.repo_id = $1 AND e.number = $2 AND e.seq >= $3 AND e.seq <= $4 ORDER BY e.seq, e.edit",
                args![repo, number, from, to],
            )
            .await?;
        for row in &rows {
            let seq = row.count(TABLE, 0)?;
            let edit = DiscussionEdit { author: name_at(row, 1)?, created: row.moment(2)?, content: row.text(3)? };
            if let Ok(place) = events.binary_search_by_key(&seq, |event| event.seq) {
                events[place].history.push(edit);
            }
        }
        Ok(events)
    }

    async fn event_done(&self, repo: RepoId, number: u64, seq: u64) -> Result<DiscussionOutcome, CatalogError> {
        let found = self.events_read(repo, number, seq, seq).await?.pop();
        Ok(found.map_or(DiscussionOutcome::Missing, DiscussionOutcome::Done))
    }

    async fn added(&self, repo: RepoId, number: u64, added: Added) -> Result<DiscussionOutcome, CatalogError> {
        match added {
            Added::Event(seq) => self.event_done(repo, number, seq).await,
            Added::Missing => Ok(DiscussionOutcome::Missing),
            Added::Unchanged => Ok(DiscussionOutcome::Unchanged),
            Added::Full => Ok(DiscussionOutcome::Full),
        }
    }

    /// Adds to a discussion, and changes what the event says about it.
    pub async fn discussion_event_add(
        &self,
        repo: RepoId,
        number: u64,
        author: Option<AccountId>,
        event: &NewEvent,
        now: Timestamp,
    ) -> Result<DiscussionOutcome, CatalogError> {
        let (kind, content) = match event {
            NewEvent::Comment(text) => (EventKind::Comment, text.as_str()),
            NewEvent::Status(status) => (EventKind::Status, status.as_str()),
            NewEvent::Title(title) => (EventKind::Title, title.as_str()),
        };
        let added = transact!(self, |tx| {
            // The lock on the discussion comes first.
            let row = tx
                .row(
                    "UPDATE discussion SET events = events + 1, text_bytes = text_bytes + $3
                     WHERE repo_id = $1 AND number = $2 RETURNING events, text_bytes, title, status",
                    args![repo, number, content.len() as u64],
                )
                .await?;
            let Some(row) = row else { return Ok(Added::Missing) };
            let seq = row.count(TABLE, 0)?;
            if seq > DISCUSSION_EVENTS_MAX || row.count(TABLE, 1)? > DISCUSSION_TEXT_BYTES_MAX {
                return tx.give_up(Added::Full);
            }
            let status = row.word(TABLE, 3, DiscussionStatus::from_word)?;
            let was = (kind == EventKind::Title).then(|| row.text(2)).transpose()?;
            let is_same = match event {
                NewEvent::Comment(_) => false,
                NewEvent::Status(new) => *new == status || status == DiscussionStatus::Merged,
                NewEvent::Title(new) => was.as_ref() == Some(new),
            };
            if is_same {
                return tx.give_up(Added::Unchanged);
            }
            let change = match event {
                NewEvent::Comment(_) => None,
                NewEvent::Status(_) => Some("UPDATE discussion SET status = $3 WHERE repo_id = $1 AND number = $2"),
                NewEvent::Title(_) => Some("UPDATE discussion SET title = $3 WHERE repo_id = $1 AND number = $2"),
            };
            if let Some(sql) = change {
                tx.execute(sql, args![repo, number, content]).await?;
            }
            event_insert(tx, (repo, number, seq), kind, author, (content, was.as_deref()), now).await?;
            Ok(Added::Event(seq))
        })?;
        self.added(repo, number, added).await
    }

    /// Replaces what a comment says; what it said before stays in its history.
    pub async fn discussion_comment_edit(
        &self,
        repo: RepoId,
        number: u64,
        seq: u64,
        (content, editor): (&str, Option<AccountId>),
        now: Timestamp,
    ) -> Result<DiscussionOutcome, CatalogError> {
        let edited = transact!(self, |tx| {
            let row = tx
                .row(
                    "UPDATE discussion SET text_bytes = text_bytes + $3 WHERE repo_id = $1 AND number = $2 RETURNING text_bytes",
                    args![repo, number, content.len() as u64],
                )
                .await?;
            let Some(row) = row else { return Ok(Added::Missing) };
            if row.count(TABLE, 0)? > DISCUSSION_TEXT_BYTES_MAX {
                return tx.give_up(Added::Full);
            }
            let copied = tx
                .execute(
                    "INSERT INTO discussion_edit (repo_id, number, seq, edit, author_id, created, content)
                     SELECT repo_id, number, seq, edits + 1, CASE WHEN edits = 0 THEN author_id ELSE editor_id END,
                         COALESCE(edited, created), content
                     FROM discussion_event
                     WHERE repo_id = $1 AND number = $2 AND seq = $3 AND kind = 'comment' AND is_hidden = 0",
                    args![repo, number, seq],
                )
                .await?;
            if copied == 0 {
                return tx.give_up(Added::Missing);
            }
            tx.execute(
                "UPDATE discussion_event SET content = $4, edits = edits + 1, edited = $5, editor_id = $6
                 WHERE repo_id = $1 AND number = $2 AND seq = $3",
                args![repo, number, seq, content, now, editor.map(|id| id.0)],
            )
            .await?;
            Ok(Added::Event(seq))
        })?;
        self.added(repo, number, edited).await
    }

    /// Hides a comment for good: what it said, and had said before, is gone.
    pub async fn discussion_comment_hide(
        &self,
        repo: RepoId,
        number: u64,
        seq: u64,
        (editor, now): (Option<AccountId>, Timestamp),
    ) -> Result<DiscussionOutcome, CatalogError> {
        transact!(self, |tx| {
            let place = args![repo, number, seq];
            tx.execute("DELETE FROM discussion_edit WHERE repo_id = $1 AND number = $2 AND seq = $3", place).await?;
            tx.execute(
                "UPDATE discussion_event SET is_hidden = 1, content = '', edited = $4, editor_id = $5
                 WHERE repo_id = $1 AND number = $2 AND seq = $3 AND kind = 'comment' AND is_hidden = 0",
                args![repo, number, seq, now, editor.map(|id| id.0)],
            )
            .await?;
            Ok(())
        })?;
        match self.event_done(repo, number, seq).await? {
            DiscussionOutcome::Done(event) if event.kind != EventKind::Comment => Ok(DiscussionOutcome::Missing),
            outcome => Ok(outcome),
        }
    }
}

/// Writes an event; `content` comes with what was before.
pub(crate) async fn event_insert(
    tx: &mut Tx,
    (repo, number, seq): (RepoId, u64, u64),
    kind: EventKind,
    author: Option<AccountId>,
    (content, was): (&str, Option<&str>),
    now: Timestamp,
) -> Result<(), CatalogError> {
    tx.execute(
        "INSERT INTO discussion_event (repo_id, number, seq, kind, author_id, created, content, was, is_hidden, edits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)",
        args![repo, number, seq, kind.as_str(), author.map(|id| id.0), now, content, was],
    )
    .await?;
    Ok(())
}
