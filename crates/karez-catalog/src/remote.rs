//! Other nodes and hubs that the operator added, and people's own tokens for them.

use karez_types::{AccountId, RemoteId, Timestamp};

use crate::change::mirrors_changed;
use crate::engine::{Tx, args, transact};
use crate::mirror::hidden_settle;
use crate::model::{NewRemote, Remote, RemoteAdded, RemoteDeleted, RemoteKind, RemotePatch};
use crate::row::{Row, valid};
use crate::{Catalog, CatalogError};

const TABLE: &str = "remote";

/// Columns of a remote, in the order in which [`remote_at`] reads them.
macro_rules! select_remote {
    ($rest:literal) => {
        concat!("SELECT id, name, kind, url, log_key, witness_key, token, line, settings, added FROM remote ", $rest)
    };
}

fn remote_at(row: &Row) -> Result<Remote, CatalogError> {
    let settings = row.text(8)?;
    Ok(Remote {
        id: RemoteId(row.int(0)?),
        name: row.text(1)?,
        kind: row.word(TABLE, 2, RemoteKind::from_word)?,
        url: row.text(3)?,
        log_key: row.opt_text(4)?,
        witness_key: row.opt_text(5)?,
        token: row.opt_blob(6)?,
        line: row.text(7)?,
        settings: valid(TABLE, "settings are not JSON", serde_json::from_str(&settings).ok())?,
        added: row.moment(9)?,
    })
}

pub(crate) async fn remote_in(tx: &mut Tx, id: RemoteId) -> Result<Option<Remote>, CatalogError> {
    let row = tx.row(select_remote!("WHERE id = $1"), args![id]).await?;
    row.as_ref().map(remote_at).transpose()
}

impl Catalog {
    /// Adds a remote, or gives the one that has the name.
    pub async fn remote_insert(&self, new: &NewRemote, now: Timestamp) -> Result<RemoteAdded, CatalogError> {
        let settings = new.settings.to_string();
        transact!(self, |tx| {
            let added = tx
                .row(
                    "INSERT INTO remote (name, kind, url, log_key, witness_key, token, line, settings, added)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (name) DO NOTHING RETURNING id",
                    args![
                        &new.name,
                        new.kind.as_str(),
                        &new.url,
                        new.log_key.as_deref(),
                        new.witness_key.as_deref(),
                        new.token.as_deref(),
                        &new.line,
                        &settings,
                        now
                    ],
                )
                .await?;
            let row = tx.row(select_remote!("WHERE name = $1"), args![&new.name]).await?;
            let remote = row.as_ref().map(remote_at).transpose()?;
            let remote = valid(TABLE, "a remote vanished while it was added", remote)?;
            Ok(if added.is_some() { RemoteAdded::Added(remote) } else { RemoteAdded::Taken(remote) })
        })
    }

    /// Finds a remote by the name that the operator gave it.
    pub async fn remote_get_by_name(&self, name: &str) -> Result<Option<Remote>, CatalogError> {
        let row = self.pool.row(select_remote!("WHERE name = $1"), args![name]).await?;
        row.as_ref().map(remote_at).transpose()
    }

    /// Finds a remote by id.
    pub async fn remote_get(&self, id: RemoteId) -> Result<Option<Remote>, CatalogError> {
        let row = self.pool.quick_row(select_remote!("WHERE id = $1"), args![id]).await?;
        row.as_ref().map(remote_at).transpose()
    }

    /// Lists all remotes by name. The operator adds each by hand, so they are few.
    pub async fn remote_list(&self) -> Result<Vec<Remote>, CatalogError> {
        let rows = self.pool.rows(select_remote!("ORDER BY name"), args![]).await?;
        rows.iter().map(remote_at).collect()
    }

    /// Changes what the patch names; gives the remote as it is then. New settings decide at once
    /// whether what it withdrew is hidden.
    pub async fn remote_update(&self, id: RemoteId, patch: &RemotePatch) -> Result<Option<Remote>, CatalogError> {
        let settings = patch.settings.as_ref().map(ToString::to_string);
        let token = patch.token.as_ref().and_then(|token| token.as_deref());
        transact!(self, |tx| {
            tx.execute(
                "UPDATE remote SET url = COALESCE($2, url), log_key = COALESCE($3, log_key),
                        witness_key = COALESCE($4, witness_key), line = COALESCE($5, line),
                        settings = COALESCE($6, settings), token = CASE WHEN $7 = 1 THEN $8 ELSE token END
                 WHERE id = $1",
                args![
                    id,
                    patch.url.as_deref(),
                    patch.log_key.as_deref(),
                    patch.witness_key.as_deref(),
                    patch.line.as_deref(),
                    settings.as_deref(),
                    i64::from(patch.token.is_some()),
                    token
                ],
            )
            .await?;
            let Some(remote) = remote_in(tx, id).await? else { return Ok(None) };
            hidden_settle(tx, &remote, None).await?;
            // Its name and what it hides are part of what is known of its mirrors.
            mirrors_changed(tx, id).await?;
            Ok(Some(remote))
        })
    }

    /// Deletes a remote that no repository here comes from, with the names that were bound to it.
    pub async fn remote_delete(&self, id: RemoteId) -> Result<RemoteDeleted, CatalogError> {
        transact!(self, |tx| {
            let mirrors = tx.row("SELECT COUNT(*) FROM mirror WHERE remote_id = $1", args![id]).await?;
            let mirrors = mirrors.map_or(Ok(0), |row| row.count("mirror", 0))?;
            if mirrors > 0 {
                return Ok(RemoteDeleted::HasMirrors(mirrors));
            }
            // The accounts that only held these names. A repository created meanwhile makes this fail on
            // its foreign key, and nothing changes.
            tx.execute(
                "DELETE FROM account WHERE name_folded IN (SELECT owner_folded FROM owner_origin WHERE remote_id = $1)",
                args![id],
            )
            .await?;
            let deleted = tx.execute("DELETE FROM remote WHERE id = $1", args![id]).await?;
            Ok(if deleted == 1 { RemoteDeleted::Deleted } else { RemoteDeleted::Missing })
        })
    }

    /// Keeps a person's own token for a remote, sealed. Tells whether both are there.
    pub async fn remote_login_set(
        &self,
        remote: RemoteId,
        user: AccountId,
        token: &[u8],
    ) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            let both =
                tx.row("SELECT 1 FROM remote r, account a WHERE r.id = $1 AND a.id = $2", args![remote, user]).await?;
            if both.is_none() {
                return Ok(false);
            }
            tx.execute(
                "INSERT INTO remote_login (remote_id, user_id, token) VALUES ($1, $2, $3)
                 ON CONFLICT (remote_id, user_id) DO UPDATE SET token = excluded.token",
                args![remote, user, token],
            )
            .await?;
            Ok(true)
        })
    }

    /// Returns a person's own token for a remote, sealed.
    pub async fn remote_login_get(&self, remote: RemoteId, user: AccountId) -> Result<Option<Vec<u8>>, CatalogError> {
        let sql = "SELECT token FROM remote_login WHERE remote_id = $1 AND user_id = $2";
        let row = self.pool.quick_row(sql, args![remote, user]).await?;
        row.map(|row| row.blob(0)).transpose()
    }

    /// Forgets a person's own token for a remote; tells whether there was one.
    pub async fn remote_login_delete(&self, remote: RemoteId, user: AccountId) -> Result<bool, CatalogError> {
        let deleted = transact!(self, |tx| {
            tx.execute("DELETE FROM remote_login WHERE remote_id = $1 AND user_id = $2", args![remote, user]).await
        })?;
        Ok(deleted == 1)
    }
}
