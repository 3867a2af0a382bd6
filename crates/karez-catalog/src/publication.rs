//! What this node tells the world that it publishes: the latest word of its log about each address. Rows are
//! written with the entries, in `log_append`.
//!
//! Harvesters read it in the order of the log, so what changes while somebody reads comes again at the end and
//! nothing is missed; and what is gone stays as a row, so that they learn of it.

use karez_types::{RepoAddress, RepoId, RepoKind, Timestamp, fold_name};

use crate::engine::args;
use crate::row::Row;
use crate::{Catalog, CatalogError, Publication, PublicationQuery};

const TABLE: &str = "publication";

impl Catalog {
    /// Lists publications in the order of their latest entries.
    pub async fn publications(&self, query: &PublicationQuery) -> Result<Vec<Publication>, CatalogError> {
        let (index, address) = query.after.clone().unwrap_or((0, String::new()));
        let prefix = query.kind.map_or_else(|| "%".to_owned(), |kind| format!("{}/%", kind.plural()));
        let rows = self
            .pool
            .rows(
                "SELECT address, idx, changed, repo_id FROM publication
                 WHERE (idx, address) > ($1, $2) AND address LIKE $3 AND changed >= $4 AND changed <= $5
                   AND is_gone <= $6
                 ORDER BY idx, address LIMIT $7",
                args![
                    index,
                    &address,
                    &prefix,
                    query.from.unwrap_or(Timestamp(0)),
                    query.until.unwrap_or(Timestamp(i64::MAX)),
                    query.with_gone,
                    query.limit
                ],
            )
            .await?;
        rows.iter().map(publication_at).collect()
    }

    /// Returns one publication by its address in lower case, `models/owner/name`.
    pub async fn publication_get(&self, address: &str) -> Result<Option<Publication>, CatalogError> {
        let sql = "SELECT address, idx, changed, repo_id FROM publication WHERE address = $1";
        let row = self.pool.row(sql, args![address]).await?;
        row.as_ref().map(publication_at).transpose()
    }

    /// Returns when the first of all publications last changed; nothing when there is none.
    pub async fn publication_first(&self) -> Result<Option<Timestamp>, CatalogError> {
        let row = self.pool.row("SELECT MIN(changed) FROM publication", args![]).await?;
        Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(Timestamp))
    }

    /// Counts what is published, and says in which ranges of so many repository ids it lies.
    pub async fn publication_parts(&self, ids_per_part: u64) -> Result<Vec<(u64, u64)>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT repo_id / $1, COUNT(*) FROM publication WHERE is_gone = 0 AND repo_id IS NOT NULL
                 GROUP BY 1 ORDER BY 1",
                args![ids_per_part],
            )
            .await?;
        rows.iter().map(|row| Ok((row.count(TABLE, 0)?, row.count(TABLE, 1)?))).collect()
    }

    /// Lists the addresses of what is published with repository ids from `from` to below `until`.
    pub async fn publications_by_repo(
        &self,
        from: u64,
        until: u64,
        limit: u64,
    ) -> Result<Vec<Publication>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT p.address, p.idx, p.changed, p.repo_id, a.name, r.name FROM publication p
                 JOIN repo r ON r.id = p.repo_id JOIN account a ON a.id = r.owner_id
                 WHERE p.repo_id >= $1 AND p.repo_id < $2 AND p.is_gone = 0 ORDER BY p.repo_id LIMIT $3",
                args![from, until, limit],
            )
            .await?;
        // The log knows addresses in lower case; people write names as their owners do.
        let as_written = |row: &Row| {
            let mut publication = publication_at(row)?;
            let id = format!("{}/{}", row.text(4)?, row.text(5)?);
            if fold_name(&id) == fold_name(&publication.address.id())
                && let Ok(written) = RepoAddress::parse(publication.address.kind, &id)
            {
                publication.address = written;
            }
            Ok(publication)
        };
        rows.iter().map(as_written).collect()
    }
}

fn publication_at(row: &Row) -> Result<Publication, CatalogError> {
    Ok(Publication {
        address: row.word(TABLE, 0, address_of)?,
        index: row.count(TABLE, 1)?,
        changed: row.moment(2)?,
        repo: row.opt_int(3)?.map(RepoId),
    })
}

/// Reads `models/owner/name`.
fn address_of(text: &str) -> Option<RepoAddress> {
    let (plural, id) = text.split_once('/')?;
    let kind = *RepoKind::ALL.iter().find(|kind| kind.plural() == plural)?;
    RepoAddress::parse(kind, id).ok()
}
