//! What peers publish, as this node has read it from their logs.

use karez_formats::log_entry::parse_address;
use karez_types::{GitOid, RemoteId, RepoAddress, RepoKind, Timestamp, fold_name};

use crate::engine::{Tx, args, transact};
use crate::model::{Feed, FeedFacts, FeedOwner, FeedRepo, FeedState, FeedTree};
use crate::repo_list::{SEARCH_WORDS_MAX, like_escape};
use crate::row::{Row, valid};
use crate::value::Value;
use crate::{Catalog, CatalogError};

pub(crate) const TABLE: &str = "feed_repo";

/// Writes `SELECT` and the columns of [`repo_at`].
macro_rules! select_feed_repo {
    ($rest:literal) => {
        concat!(
            "SELECT remote_id, kind, id, head, at, idx, head_idx, done_idx, state, moved_to, file_bytes, tags, license,
                    pipeline_tag, library_name
             FROM feed_repo ",
            $rest
        )
    };
}

impl Catalog {
    /// Returns how far a peer's log was followed; `None` when it never was.
    pub async fn feed_get(&self, remote: RemoteId) -> Result<Option<Feed>, CatalogError> {
        let sql = "SELECT remote_id, size, frontier, note, polled, changed, trouble FROM feed WHERE remote_id = $1";
        let row = self.pool.row(sql, args![remote]).await?;
        row.map(|row| feed_at(&row)).transpose()
    }

    /// Returns how far each peer's log was followed.
    pub async fn feed_list(&self) -> Result<Vec<Feed>, CatalogError> {
        let sql =
            "SELECT remote_id, size, frontier, note, polled, changed, trouble FROM feed ORDER BY remote_id LIMIT 10000";
        let rows = self.pool.rows(sql, args![]).await?;
        rows.iter().map(feed_at).collect()
    }

    /// Notes that a peer was asked with success and had nothing new: any earlier trouble is over.
    pub async fn feed_polled(&self, remote: RemoteId, now: Timestamp) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            let sql = "UPDATE feed SET polled = $2, trouble = NULL WHERE remote_id = $1";
            tx.execute(sql, args![remote, now]).await.map(drop)
        })
    }

    /// Notes why a peer's log is not followed, or that it is again.
    pub async fn feed_trouble_set(&self, remote: RemoteId, trouble: Option<&str>) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            feed_begin(tx, remote).await?;
            let sql = "UPDATE feed SET trouble = $2 WHERE remote_id = $1";
            tx.execute(sql, args![remote, trouble]).await.map(drop)
        })
    }

    /// Finds a repository among all that peers publish, by its address there.
    pub async fn feed_find(&self, repo: &RepoAddress) -> Result<Vec<FeedRepo>, CatalogError> {
        let sql = select_feed_repo!("WHERE kind = $1 AND id_folded = $2 ORDER BY remote_id");
        let rows = self.pool.rows(sql, args![repo.kind.as_str(), &fold_name(&repo.id())]).await?;
        rows.iter().map(repo_at).collect()
    }

    /// Returns one repository of one peer.
    pub async fn feed_repo(&self, remote: RemoteId, repo: &RepoAddress) -> Result<Option<FeedRepo>, CatalogError> {
        let sql = select_feed_repo!("WHERE remote_id = $1 AND kind = $2 AND id_folded = $3");
        let row = self.pool.row(sql, args![remote, repo.kind.as_str(), &fold_name(&repo.id())]).await?;
        row.map(|row| repo_at(&row)).transpose()
    }

    /// Returns the peers that publish under an owner name.
    pub async fn feed_owner(&self, owner: &str) -> Result<Vec<FeedOwner>, CatalogError> {
        let sql = "SELECT remote_id, MIN(id), COUNT(*) FROM feed_repo
                   WHERE owner_folded = $1 AND state = 'public' GROUP BY remote_id ORDER BY remote_id";
        let rows = self.pool.rows(sql, args![&fold_name(owner)]).await?;
        rows.iter().map(owner_at).collect()
    }

    /// Returns a page of the owner names that peers publish under, by name and peer; the next page
    /// begins after the last one's name without regard to case, and its peer.
    pub async fn feed_owners(
        &self,
        after: Option<(&str, RemoteId)>,
        limit: u64,
    ) -> Result<Vec<FeedOwner>, CatalogError> {
        let (owner, remote) = after.map_or((String::new(), RemoteId(0)), |(owner, remote)| (fold_name(owner), remote));
        let sql = "SELECT remote_id, MIN(id), COUNT(*), owner_folded FROM feed_repo
                   WHERE state = 'public' AND (owner_folded, remote_id) > ($1, $2)
                   GROUP BY owner_folded, remote_id ORDER BY owner_folded, remote_id LIMIT $3";
        let rows = self.pool.rows(sql, args![&owner, remote, limit]).await?;
        rows.iter().map(owner_at).collect()
    }

    /// Returns a page of what a peer's log speaks of, by kind and address; also what is gone.
    pub async fn feed_page(
        &self,
        remote: RemoteId,
        after: Option<&RepoAddress>,
        limit: u64,
    ) -> Result<Vec<FeedRepo>, CatalogError> {
        let (kind, id) = after.map_or(("", String::new()), |repo| (repo.kind.as_str(), fold_name(&repo.id())));
        let sql = select_feed_repo!(
            "WHERE remote_id = $1 AND (kind, id_folded) > ($2, $3) ORDER BY kind, id_folded LIMIT $4"
        );
        let rows = self.pool.rows(sql, args![remote, kind, &id, limit]).await?;
        rows.iter().map(repo_at).collect()
    }

    /// Returns a page of what this node has not acted on yet, by peer, kind and address.
    pub async fn feed_pending(&self, after: Option<&FeedRepo>, limit: u64) -> Result<Vec<FeedRepo>, CatalogError> {
        let (remote, kind, id) = after.map_or((RemoteId(0), "", String::new()), |last| {
            (last.remote, last.repo.kind.as_str(), fold_name(&last.repo.id()))
        });
        let sql = select_feed_repo!(
            "WHERE done_idx < idx AND (remote_id, kind, id_folded) > ($1, $2, $3)
             ORDER BY remote_id, kind, id_folded LIMIT $4"
        );
        let rows = self.pool.rows(sql, args![remote, kind, &id, limit]).await?;
        rows.iter().map(repo_at).collect()
    }

    /// Notes that this node has acted on everything up to this entry about a repository.
    pub async fn feed_done(&self, remote: RemoteId, repo: &RepoAddress, idx: u64) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            let sql = "UPDATE feed_repo SET done_idx = $4
                       WHERE remote_id = $1 AND kind = $2 AND id_folded = $3 AND done_idx < $4";
            tx.execute(sql, args![remote, repo.kind.as_str(), &fold_name(&repo.id()), idx]).await.map(drop)
        })
    }

    /// Finds public repositories of peers whose address or tags have all these words, by address.
    pub async fn feed_search(&self, words: &str, limit: u64) -> Result<Vec<FeedRepo>, CatalogError> {
        let patterns: Vec<String> = words
            .split_whitespace()
            .take(SEARCH_WORDS_MAX)
            .map(|word| format!("%{}%", like_escape(&word.to_lowercase())))
            .collect();
        let mut sql = select_feed_repo!("WHERE state = 'public'").to_owned();
        let mut values: Vec<Value> = Vec::new();
        for pattern in &patterns {
            values.push(pattern.into());
            let place = values.len();
            sql.push_str(&format!(
                " AND (id_folded LIKE ${place} ESCAPE '\\' OR LOWER(tags) LIKE ${place} ESCAPE '\\')"
            ));
        }
        values.push(limit.into());
        sql.push_str(&format!(" ORDER BY id_folded, kind, remote_id LIMIT ${}", values.len()));
        let rows = self.pool.rows(sqlx::AssertSqlSafe(sql), &values).await?;
        rows.iter().map(repo_at).collect()
    }
}

/// Makes the row of a feed that has read nothing yet, unless there is one or the peer is gone.
pub(crate) async fn feed_begin(tx: &mut Tx, remote: RemoteId) -> Result<(), CatalogError> {
    let empty: &[u8] = &[];
    if tx.row("SELECT id FROM remote WHERE id = $1", args![remote]).await?.is_some() {
        let sql = "INSERT INTO feed (remote_id, size, frontier, note, polled, changed, trouble)
                   VALUES ($1, 0, $2, '', 0, 0, NULL) ON CONFLICT DO NOTHING";
        tx.execute(sql, args![remote, empty]).await?;
    }
    Ok(())
}

fn feed_at(row: &Row) -> Result<Feed, CatalogError> {
    Ok(Feed {
        remote: RemoteId(row.int(0)?),
        tree: FeedTree { size: row.count("feed", 1)?, frontier: row.blob(2)?, note: row.text(3)? },
        polled: row.moment(4)?,
        changed: row.moment(5)?,
        trouble: row.opt_text(6)?,
    })
}

fn repo_at(row: &Row) -> Result<FeedRepo, CatalogError> {
    let kind = row.word(TABLE, 1, RepoKind::from_word)?;
    let moved_to = row.opt_text(9)?;
    let idx = row.count(TABLE, 5)?;
    let head_idx = row.opt_int(6)?.map(|idx| valid(TABLE, "a negative index", u64::try_from(idx).ok()));
    Ok(FeedRepo {
        remote: RemoteId(row.int(0)?),
        repo: row.word(TABLE, 2, |id| RepoAddress::parse(kind, id).ok())?,
        head: row
            .opt_blob(3)?
            .map(|head| valid(TABLE, "a hash of the wrong length", GitOid::from_slice(&head)))
            .transpose()?,
        at: row.moment(4)?,
        idx,
        head_idx: head_idx.transpose()?,
        is_done: u64::try_from(row.int(7)?).is_ok_and(|done| done >= idx),
        state: row.word(TABLE, 8, FeedState::from_word)?,
        moved_to: moved_to.map(|text| valid(TABLE, "not an address", parse_address(&text))).transpose()?,
        facts: FeedFacts {
            file_bytes: row.count(TABLE, 10)?,
            tags: row.word(TABLE, 11, |tags| serde_json::from_str(tags).ok())?,
            license: row.opt_text(12)?,
            pipeline_tag: row.opt_text(13)?,
            library_name: row.opt_text(14)?,
        },
    })
}

fn owner_at(row: &Row) -> Result<FeedOwner, CatalogError> {
    let owner = row.word(TABLE, 1, |id| id.split_once('/').map(|(owner, _)| owner.to_owned()))?;
    Ok(FeedOwner { remote: RemoteId(row.int(0)?), owner, repos: row.count(TABLE, 2)? })
}
