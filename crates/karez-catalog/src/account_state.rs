//! Who may sign in, and who administers the node.

use karez_types::{AccountId, Timestamp};

use crate::account::{account_at, account_columns};
use crate::engine::{Tx, args, transact};
use crate::model::{Account, SignIns};
use crate::{Catalog, CatalogError};

const TABLE: &str = "account";

impl Catalog {
    /// Blocks a person: ends all sessions, tokens and invitations, and no new one opens anything. Tells whether it was
    /// done: the last administrator who may sign in is not blocked.
    pub async fn account_block(&self, user: AccountId, now: Timestamp) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            if !others_administer(tx, user).await? {
                return Ok(false);
            }
            tx.execute("UPDATE account SET blocked = $2 WHERE id = $1", args![user, now]).await?;
            end_all(tx, user).await?;
            Ok(true)
        })
    }

    /// Lets a person sign in again.
    pub async fn account_unblock(&self, user: AccountId) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute("UPDATE account SET blocked = NULL WHERE id = $1", args![user]).await.map(drop)
        })
    }

    /// Makes a person an administrator of the node, or takes that away. Tells whether it was done: the last one who
    /// may sign in stays one.
    pub async fn account_admin_set(&self, user: AccountId, is_admin: bool) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            if !is_admin && !others_administer(tx, user).await? {
                return Ok(false);
            }
            tx.execute("UPDATE account SET is_admin = $2 WHERE id = $1", args![user, is_admin]).await?;
            Ok(true)
        })
    }

    /// Ends all sessions, tokens and invitations of a person; returns how many there were.
    pub async fn sign_ins_end(&self, user: AccountId) -> Result<u64, CatalogError> {
        transact!(self, |tx| { end_all(tx, user).await })
    }

    /// Returns with what a person is signed in now, and whether they may be.
    pub async fn sign_ins(&self, user: AccountId, now: Timestamp) -> Result<SignIns, CatalogError> {
        let sql = "SELECT (SELECT COUNT(*) FROM session s WHERE s.user_id = a.id AND s.expires > $2),
                          (SELECT COUNT(*) FROM token t WHERE t.user_id = a.id), a.blocked
                   FROM account a WHERE a.id = $1";
        let Some(row) = self.pool.row(sql, args![user, now]).await? else { return Ok(SignIns::default()) };
        Ok(SignIns {
            sessions: row.count(TABLE, 0)?,
            tokens: row.count(TABLE, 1)?,
            blocked: row.opt_int(2)?.map(Timestamp),
        })
    }

    /// Lists those who administer the node and may sign in, by name.
    pub async fn admins(&self) -> Result<Vec<Account>, CatalogError> {
        let sql = concat!(
            "SELECT ",
            account_columns!("a"),
            " FROM account a WHERE a.is_admin = 1 AND a.blocked IS NULL ORDER BY a.name_folded"
        );
        self.pool.rows(sql, args![]).await?.iter().map(|row| account_at(row, 0)).collect()
    }
}

/// Tells whether the node is left with an administrator who may sign in when this person is not one any more, and holds all of them so until
/// the transaction ends: two who take the right from each other at once do not both succeed.
async fn others_administer(tx: &mut Tx, user: AccountId) -> Result<bool, CatalogError> {
    tx.execute("UPDATE account SET is_admin = 1 WHERE is_admin = 1", args![]).await?;
    let sql = "SELECT COUNT(*) FROM account
               WHERE (is_admin = 1 AND blocked IS NULL AND id <> $1) OR (is_admin = 0 AND id = $1)";
    let others = tx.row(sql, args![user]).await?.map_or(Ok(0), |row| row.count(TABLE, 0))?;
    Ok(others > 0)
}

async fn end_all(tx: &mut Tx, user: AccountId) -> Result<u64, CatalogError> {
    let mut ended = 0;
    for sql in [
        "DELETE FROM session WHERE user_id = $1",
        "DELETE FROM token WHERE user_id = $1",
        "DELETE FROM invitation WHERE user_id = $1",
    ] {
        ended += tx.execute(sql, args![user]).await?;
    }
    Ok(ended)
}
