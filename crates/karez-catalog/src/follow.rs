//! Rules of what to follow. What a rule means is not the catalog's business.

use karez_types::{RemoteId, Timestamp};

use crate::engine::{Tx, args, transact};
use crate::model::{FollowRow, Keep, NewFollow};
use crate::row::{Row, valid};
use crate::{Catalog, CatalogError};

/// Rules that are read; nobody writes so many by hand.
const RULES_MAX: u64 = 10_000;

impl Catalog {
    /// Stores a rule after all others. Everything that peers publish is looked at again.
    pub async fn follow_insert(&self, new: &NewFollow, now: Timestamp) -> Result<FollowRow, CatalogError> {
        let row = transact!(self, |tx| {
            look_again(tx, new.remote).await?;
            tx.row(
                "INSERT INTO follow (remote_id, rule, keep, copies, added) VALUES ($1, $2, $3, $4, $5)
                 RETURNING id, remote_id, rule, keep, copies, added",
                args![new.remote.map(|remote| remote.0), &new.rule, new.keep.as_str(), new.copies, now],
            )
            .await
        })?;
        follow_at(&valid("follow", "no row for a new rule", row)?)
    }

    /// Lists the rules in the order in which they are tried.
    pub async fn follow_list(&self) -> Result<Vec<FollowRow>, CatalogError> {
        let sql = "SELECT id, remote_id, rule, keep, copies, added FROM follow ORDER BY id LIMIT $1";
        let rows = self.pool.rows(sql, args![RULES_MAX]).await?;
        rows.iter().map(follow_at).collect()
    }

    /// Deletes a rule; tells whether there was one. What was fetched by it stays.
    pub async fn follow_delete(&self, id: i64) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            let sql = "DELETE FROM follow WHERE id = $1 RETURNING remote_id";
            let Some(row) = tx.row(sql, args![id]).await? else { return Ok(false) };
            look_again(tx, row.opt_int(0)?.map(RemoteId)).await?;
            Ok(true)
        })
    }

    /// Asks for another look at everything that one peer, or all, publish.
    pub async fn feed_look_again(&self, remote: Option<RemoteId>) -> Result<(), CatalogError> {
        transact!(self, |tx| { look_again(tx, remote).await })
    }
}

async fn look_again(tx: &mut Tx, remote: Option<RemoteId>) -> Result<(), CatalogError> {
    match remote {
        Some(remote) => tx.execute("UPDATE feed_repo SET done_idx = -1 WHERE remote_id = $1", args![remote]).await,
        None => tx.execute("UPDATE feed_repo SET done_idx = -1", args![]).await,
    }
    .map(drop)
}

fn follow_at(row: &Row) -> Result<FollowRow, CatalogError> {
    let copies = row.opt_int(4)?.map(|copies| valid("follow", "a negative number", u64::try_from(copies).ok()));
    Ok(FollowRow {
        id: row.int(0)?,
        remote: row.opt_int(1)?.map(RemoteId),
        rule: row.text(2)?,
        keep: row.word("follow", 3, Keep::from_word)?,
        copies: copies.transpose()?,
        added: row.moment(5)?,
    })
}
