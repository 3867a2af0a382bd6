//! Collections and their items.

use karez_types::{AccountId, RepoId, Timestamp};

use crate::engine::{args, transact};
use crate::row::Row;
use crate::{Catalog, CatalogError, Collection, CollectionItem, CollectionPatch, CollectionQuery, NewCollection};

const TABLE: &str = "collection";

macro_rules! select_collection {
    ($rest:expr) => {
        concat!(
            "SELECT c.id, c.mark, c.owner_id, a.name, c.title, c.description, c.theme, c.is_private, c.position,
                    c.modified
             FROM collection c JOIN account a ON a.id = c.owner_id ",
            $rest
        )
    };
}

impl Catalog {
    /// Makes a collection, behind the others of its owner, unless the owner has so many already.
    pub async fn collection_create(
        &self,
        new: &NewCollection,
        count_max: u64,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let made = transact!(self, |tx| {
            tx.execute(
                "INSERT INTO collection (mark, owner_id, title, description, theme, is_private, position, created,
                                         modified)
                 SELECT $1, $2, $3, $4, 'orange', $5, COUNT(*), $6, $6 FROM collection WHERE owner_id = $2
                 HAVING COUNT(*) < $7",
                args![&new.mark, new.owner, &new.title, &new.description, new.is_private, now, count_max],
            )
            .await
        })?;
        Ok(made == 1)
    }

    /// Returns a collection by the end of its address.
    pub async fn collection_get(&self, mark: &str) -> Result<Option<Collection>, CatalogError> {
        let row = self.pool.row(select_collection!("WHERE c.mark = $1"), args![mark]).await?;
        row.as_ref().map(collection_at).transpose()
    }

    /// Returns a collection of an owner by its title.
    pub async fn collection_titled(&self, owner: AccountId, title: &str) -> Result<Option<Collection>, CatalogError> {
        let sql = select_collection!("WHERE c.owner_id = $1 AND c.title = $2 ORDER BY c.id LIMIT 1");
        let row = self.pool.row(sql, args![owner, title]).await?;
        row.as_ref().map(collection_at).transpose()
    }

    /// Lists collections, the last changed first.
    pub async fn collections(&self, query: &CollectionQuery) -> Result<Vec<Collection>, CatalogError> {
        let (modified, id) = query.after.unwrap_or((Timestamp(i64::MAX), i64::MAX));
        let (owner, repo) = (query.owner.map_or(0, |owner| owner.0), query.repo.map_or(0, |repo| repo.0));
        let own: Vec<String> = query.private_of.iter().flatten().map(|owner| owner.0.to_string()).collect();
        // Ids are numbers of ours, so the list is part of the text; 0 is nobody.
        let own = if own.is_empty() { "0".to_owned() } else { own.join(", ") };
        let sql = format!(
            "{} AND (c.is_private = 0 OR $7 = 1 OR c.owner_id IN ({own}))
             ORDER BY c.modified DESC, c.id DESC LIMIT $8",
            select_collection!(
                "WHERE ($1 = 0 OR c.owner_id = $2)
                   AND ($3 = 0 OR EXISTS (SELECT 1 FROM collection_item i WHERE i.collection_id = c.id AND i.repo_id = $4))
                   AND (c.modified, c.id) < ($5, $6)"
            )
        );
        let sees_all = query.private_of.is_none();
        let args = args![owner, owner, repo, repo, modified, id, sees_all, query.limit];
        let rows = self.pool.rows(sqlx::AssertSqlSafe(sql), args).await?;
        rows.iter().map(collection_at).collect()
    }

    /// Changes what the patch names.
    pub async fn collection_update(
        &self,
        id: i64,
        patch: &CollectionPatch,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute(
                "UPDATE collection SET title = COALESCE($2, title), description = COALESCE($3, description),
                        theme = COALESCE($4, theme), is_private = COALESCE($5, is_private),
                        position = COALESCE($6, position), modified = $7
                 WHERE id = $1",
                args![
                    id,
                    patch.title.as_deref(),
                    patch.description.as_deref(),
                    patch.theme.as_deref(),
                    patch.is_private,
                    patch.position,
                    now
                ],
            )
            .await
        })?;
        Ok(())
    }

    /// Deletes a collection with its items.
    pub async fn collection_delete(&self, id: i64) -> Result<(), CatalogError> {
        transact!(self, |tx| { tx.execute("DELETE FROM collection WHERE id = $1", args![id]).await })?;
        Ok(())
    }

    /// Lists the items of a collection in their order.
    pub async fn collection_items(&self, id: i64, limit: u64) -> Result<Vec<CollectionItem>, CatalogError> {
        let sql = "SELECT id, repo_id, note, position FROM collection_item WHERE collection_id = $1
                   ORDER BY position, id LIMIT $2";
        let rows = self.pool.rows(sql, args![id, limit]).await?;
        let item = |row: &Row| {
            Ok(CollectionItem {
                id: row.int(0)?,
                repo: RepoId(row.int(1)?),
                note: row.text(2)?,
                position: row.count("collection_item", 3)?,
            })
        };
        rows.iter().map(item).collect()
    }

    /// Puts a repository at the end of a collection; tells whether it is there for the first time. Nothing
    /// when the collection is full.
    pub async fn collection_item_add(
        &self,
        id: i64,
        repo: RepoId,
        note: &str,
        count_max: u64,
        now: Timestamp,
    ) -> Result<Option<bool>, CatalogError> {
        transact!(self, |tx| {
            // Holds the collection, so that two who add at once get places one after the other.
            tx.execute("UPDATE collection SET modified = $2 WHERE id = $1", args![id, now]).await?;
            let sql = "SELECT COUNT(*), COALESCE(MAX(position), -1) + 1,
                              CAST(COALESCE(MAX(CASE WHEN repo_id = $2 THEN 1 ELSE 0 END), 0) AS BIGINT)
                       FROM collection_item WHERE collection_id = $1";
            let row = tx.row(sql, args![id, repo]).await?;
            let (count, position, is_there) = match row {
                Some(row) => (row.count(TABLE, 0)?, row.count(TABLE, 1)?, row.int(2)? == 1),
                None => (0, 0, false),
            };
            if is_there {
                return Ok(Some(false));
            }
            if count >= count_max {
                return Ok(None);
            }
            let sql = "INSERT INTO collection_item (collection_id, repo_id, note, position) VALUES ($1, $2, $3, $4)";
            tx.execute(sql, args![id, repo, note, position]).await?;
            Ok(Some(true))
        })
    }

    /// Changes note and place of an item; tells whether it is there. Items move aside for the place.
    pub async fn collection_item_update(
        &self,
        id: i64,
        item: i64,
        note: Option<&str>,
        position: Option<u64>,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            tx.execute("UPDATE collection SET modified = $2 WHERE id = $1", args![id, now]).await?;
            if let Some(position) = position {
                let sql = "UPDATE collection_item SET position = position + 1
                           WHERE collection_id = $1 AND position >= $2 AND id <> $3";
                tx.execute(sql, args![id, position, item]).await?;
            }
            let sql = "UPDATE collection_item SET note = COALESCE($3, note), position = COALESCE($4, position)
                       WHERE collection_id = $1 AND id = $2";
            Ok(tx.execute(sql, args![id, item, note, position]).await? == 1)
        })
    }

    /// Takes an item out; tells whether it was there.
    pub async fn collection_item_delete(&self, id: i64, item: i64, now: Timestamp) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            tx.execute("UPDATE collection SET modified = $2 WHERE id = $1", args![id, now]).await?;
            let sql = "DELETE FROM collection_item WHERE collection_id = $1 AND id = $2";
            Ok(tx.execute(sql, args![id, item]).await? == 1)
        })
    }
}

fn collection_at(row: &Row) -> Result<Collection, CatalogError> {
    Ok(Collection {
        id: row.int(0)?,
        mark: row.text(1)?,
        owner_id: AccountId(row.int(2)?),
        owner: row.word("account", 3, |text| text.parse().ok())?,
        title: row.text(4)?,
        description: row.text(5)?,
        theme: row.text(6)?,
        is_private: row.flag(7)?,
        position: row.count(TABLE, 8)?,
        modified: row.moment(9)?,
    })
}
