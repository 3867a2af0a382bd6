//! Whose an owner name is on this node: its own, or a remote's.
//!
//! A name that is bound has an account, an organization without members, so that nobody else can take
//! it. Names without a row here are the node's own.

use karez_types::{AccountId, OwnerName, RemoteId, Timestamp, fold_name};

use crate::engine::{Tx, args, transact};
use crate::model::{OwnerBound, OwnerOrigin, OwnerUnbound};
use crate::remote::remote_in;
use crate::row::{Row, valid};
use crate::{Catalog, CatalogError};

const TABLE: &str = "owner_origin";

/// Columns of a binding, in the order in which [`origin_at`] reads them.
macro_rules! select_origin {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.name, o.remote_id, o.remote_owner, o.bound
             FROM owner_origin o JOIN account a ON a.name_folded = o.owner_folded ",
            $rest
        )
    };
}

fn origin_at(row: &Row) -> Result<OwnerOrigin, CatalogError> {
    Ok(OwnerOrigin {
        account: AccountId(row.int(0)?),
        owner: row.word("account", 1, |text| text.parse().ok())?,
        remote: RemoteId(row.int(2)?),
        remote_owner: row.word(TABLE, 3, |text| text.parse().ok())?,
        bound: row.moment(4)?,
    })
}

async fn origin_in(tx: &mut Tx, folded: &str) -> Result<Option<OwnerOrigin>, CatalogError> {
    let row = tx.row(select_origin!("WHERE o.owner_folded = $1"), args![folded]).await?;
    row.as_ref().map(origin_at).transpose()
}

impl Catalog {
    /// Returns whose this owner name is, if it is not the node's own.
    pub async fn owner_origin_get(&self, owner: &OwnerName) -> Result<Option<OwnerOrigin>, CatalogError> {
        let folded = fold_name(owner.as_str());
        let row = self.pool.quick_row(select_origin!("WHERE o.owner_folded = $1"), args![&folded]).await?;
        row.as_ref().map(origin_at).transpose()
    }

    /// Lists the names on this node that a remote's owner has.
    pub async fn owner_origin_aliases(
        &self,
        remote: RemoteId,
        remote_owner: &OwnerName,
    ) -> Result<Vec<OwnerOrigin>, CatalogError> {
        let folded = fold_name(remote_owner.as_str());
        let sql = select_origin!("WHERE o.remote_id = $1 AND LOWER(o.remote_owner) = $2 ORDER BY o.owner_folded");
        let rows = self.pool.rows(sql, args![remote, &folded]).await?;
        rows.iter().map(origin_at).collect()
    }

    /// Lists bindings by name: at most `limit` after the one named `after`.
    pub async fn owner_origin_list(
        &self,
        after: Option<&OwnerName>,
        limit: u64,
    ) -> Result<Vec<OwnerOrigin>, CatalogError> {
        let after = after.map(|name| fold_name(name.as_str())).unwrap_or_default();
        let sql = select_origin!("WHERE o.owner_folded > $1 ORDER BY o.owner_folded LIMIT $2");
        let rows = self.pool.rows(sql, args![&after, limit]).await?;
        rows.iter().map(origin_at).collect()
    }

    /// Gives an owner name of this node to an owner of a remote, unless it is somebody else's.
    pub async fn owner_origin_bind(
        &self,
        owner: &OwnerName,
        remote: RemoteId,
        remote_owner: &OwnerName,
        now: Timestamp,
    ) -> Result<OwnerBound, CatalogError> {
        transact!(self, |tx| {
            let bound = origin_bind(tx, owner, remote, remote_owner, now).await?;
            match bound {
                OwnerBound::Bound(_) => Ok(bound),
                refused => tx.give_up(refused),
            }
        })
    }

    /// Frees a name that nothing of the remote is under any more.
    pub async fn owner_origin_unbind(&self, owner: &OwnerName) -> Result<OwnerUnbound, CatalogError> {
        let folded = fold_name(owner.as_str());
        transact!(self, |tx| {
            let Some(origin) = origin_in(tx, &folded).await? else { return Ok(OwnerUnbound::Missing) };
            let mirrors = tx.row("SELECT COUNT(*) FROM repo WHERE owner_id = $1", args![origin.account]).await?;
            let mirrors = mirrors.map_or(Ok(0), |row| row.count("repo", 0))?;
            if mirrors > 0 {
                return Ok(OwnerUnbound::HasMirrors(mirrors));
            }
            tx.execute("DELETE FROM owner_origin WHERE owner_folded = $1", args![&folded]).await?;
            // A mirror created meanwhile makes this fail on its foreign key, and nothing changes.
            tx.execute("DELETE FROM account WHERE id = $1", args![origin.account]).await?;
            Ok(OwnerUnbound::Unbound)
        })
    }
}

/// Gives a name to a remote's owner inside a transaction, which must be given up when the outcome is
/// not `Bound`.
pub(crate) async fn origin_bind(
    tx: &mut Tx,
    owner: &OwnerName,
    remote: RemoteId,
    remote_owner: &OwnerName,
    now: Timestamp,
) -> Result<OwnerBound, CatalogError> {
    let folded = fold_name(owner.as_str());
    let same = |origin: OwnerOrigin| {
        let is_same =
            origin.remote == remote && fold_name(origin.remote_owner.as_str()) == fold_name(remote_owner.as_str());
        if is_same { OwnerBound::Bound(origin) } else { OwnerBound::Elsewhere(origin) }
    };
    if let Some(origin) = origin_in(tx, &folded).await? {
        return Ok(same(origin));
    }
    if remote_in(tx, remote).await?.is_none() {
        return Ok(OwnerBound::RemoteMissing);
    }
    let created = tx
        .execute(
            "INSERT INTO account (name, name_folded, kind, fullname, email, is_admin, created)
             VALUES ($1, $2, 'org', '', NULL, 0, $3) ON CONFLICT (name_folded) DO NOTHING",
            args![owner, &folded, now],
        )
        .await?;
    if created == 0 {
        // Somebody may have bound it while this waited.
        if let Some(origin) = origin_in(tx, &folded).await? {
            return Ok(same(origin));
        }
        let unused = tx
            .row(
                "SELECT 1 FROM account a WHERE a.name_folded = $1 AND a.kind = 'org'
                   AND NOT EXISTS (SELECT 1 FROM repo r WHERE r.owner_id = a.id)
                   AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.org_id = a.id)",
                args![&folded],
            )
            .await?;
        if unused.is_none() {
            return Ok(OwnerBound::Own);
        }
    }
    tx.execute(
        "INSERT INTO owner_origin (owner_folded, remote_id, remote_owner, bound) VALUES ($1, $2, $3, $4)",
        args![&folded, remote, remote_owner, now],
    )
    .await?;
    let origin = origin_in(tx, &folded).await?;
    Ok(OwnerBound::Bound(valid(TABLE, "a binding vanished while it was made", origin)?))
}
