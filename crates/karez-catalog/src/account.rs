//! Accounts and memberships.

use karez_types::{AccountId, OrgRole, OwnerName, Timestamp, fold_name};

use crate::engine::{Engine, Tx, args, transact};
use crate::model::{Account, AccountCreated, AccountDeleted, AccountKind, AccountPatch, Membership, NewAccount};
use crate::row::Row;
use crate::{Catalog, CatalogError};

const TABLE: &str = "account";

/// Columns of an account, in the order in which [`account_at`] reads them.
macro_rules! account_columns {
    ($alias:literal) => {
        concat!(
            $alias,
            ".id, ",
            $alias,
            ".name, ",
            $alias,
            ".kind, ",
            $alias,
            ".fullname, ",
            $alias,
            ".email, ",
            $alias,
            ".is_admin, ",
            $alias,
            ".created"
        )
    };
}
pub(crate) use account_columns;

/// How many columns [`account_at`] reads.
pub(crate) const ACCOUNT_COLUMNS: usize = 7;

/// Reads an account whose first column is at this place.
pub(crate) fn account_at(row: &Row, at: usize) -> Result<Account, CatalogError> {
    Ok(Account {
        id: AccountId(row.int(at)?),
        name: row.word(TABLE, at + 1, |text| text.parse().ok())?,
        kind: row.word(TABLE, at + 2, AccountKind::from_word)?,
        fullname: row.text(at + 3)?,
        email: row.opt_text(at + 4)?,
        is_admin: row.flag(at + 5)?,
        created: row.moment(at + 6)?,
    })
}

impl Catalog {
    /// Creates an account, or gives the one that has the name.
    pub async fn account_create(&self, new: &NewAccount, now: Timestamp) -> Result<AccountCreated, CatalogError> {
        let folded = fold_name(new.name.as_str());
        let created = transact!(self, |tx| {
            let inserted = tx
                .execute(
                    "INSERT INTO account (name, name_folded, kind, fullname, email, is_admin, created)
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name_folded) DO NOTHING",
                    args![
                        &new.name,
                        &folded,
                        new.kind.as_str(),
                        &new.fullname,
                        new.email.as_deref(),
                        new.is_admin,
                        now
                    ],
                )
                .await?;
            Ok(inserted == 1)
        })?;
        let account = self.account_by_name(new.name.as_str()).await?;
        let account = crate::row::valid(TABLE, "an account vanished while it was created", account)?;
        Ok(if created { AccountCreated::Created(account) } else { AccountCreated::Taken(account) })
    }

    /// Finds an account by name, without regard to case.
    pub async fn account_by_name(&self, name: &str) -> Result<Option<Account>, CatalogError> {
        let row = self
            .pool
            .row(
                concat!("SELECT ", account_columns!("a"), " FROM account a WHERE a.name_folded = $1"),
                args![&fold_name(name)],
            )
            .await?;
        row.map(|row| account_at(&row, 0)).transpose()
    }

    /// Finds an account by id.
    pub async fn account_by_id(&self, id: AccountId) -> Result<Option<Account>, CatalogError> {
        let row = self
            .pool
            .row(concat!("SELECT ", account_columns!("a"), " FROM account a WHERE a.id = $1"), args![id])
            .await?;
        row.map(|row| account_at(&row, 0)).transpose()
    }

    /// Lists accounts by name: at most `limit` after the one named `after`.
    pub async fn account_list(&self, after: Option<&OwnerName>, limit: u64) -> Result<Vec<Account>, CatalogError> {
        let after = after.map(|name| fold_name(name.as_str())).unwrap_or_default();
        let rows = self
            .pool
            .rows(
                concat!(
                    "SELECT ",
                    account_columns!("a"),
                    " FROM account a WHERE a.name_folded > $1 ORDER BY a.name_folded LIMIT $2"
                ),
                args![&after, limit],
            )
            .await?;
        rows.iter().map(|row| account_at(row, 0)).collect()
    }

    /// Changes what the patch names; tells whether the account exists.
    pub async fn account_update(&self, id: AccountId, patch: &AccountPatch) -> Result<bool, CatalogError> {
        let email = patch.email.as_ref().and_then(|email| email.as_deref());
        let changed = transact!(self, |tx| {
            tx.execute(
                "UPDATE account SET fullname = COALESCE($2, fullname), is_admin = COALESCE($3, is_admin),
                        email = CASE WHEN $4 = 1 THEN $5 ELSE email END
                 WHERE id = $1",
                args![id, patch.fullname.as_deref(), patch.is_admin, i64::from(patch.email.is_some()), email],
            )
            .await
        })?;
        Ok(changed == 1)
    }

    /// Deletes an account that owns no repository, with its tokens and memberships.
    pub async fn account_delete(&self, id: AccountId) -> Result<AccountDeleted, CatalogError> {
        transact!(self, |tx| {
            let owned = tx.row("SELECT COUNT(*) FROM repo WHERE owner_id = $1", args![id]).await?;
            let owned = owned.map_or(Ok(0), |row| row.count("repo", 0))?;
            if owned > 0 {
                return Ok(AccountDeleted::OwnsRepos(owned));
            }
            // A repository created meanwhile makes this fail on its foreign key, and nothing changes.
            let deleted = tx.execute("DELETE FROM account WHERE id = $1", args![id]).await?;
            Ok(if deleted == 1 { AccountDeleted::Deleted } else { AccountDeleted::Missing })
        })
    }

    /// Makes a user a member of an organization, or changes the member's role. Tells whether both
    /// accounts exist and are what they must be.
    pub async fn member_set(&self, org: AccountId, user: AccountId, role: OrgRole) -> Result<bool, CatalogError> {
        let changed = transact!(self, |tx| { member_write(tx, org, user, role).await })?;
        Ok(changed == 1)
    }

    /// Ends a membership; tells whether there was one.
    pub async fn member_remove(&self, org: AccountId, user: AccountId) -> Result<bool, CatalogError> {
        let changed = transact!(self, |tx| {
            tx.execute("DELETE FROM membership WHERE org_id = $1 AND user_id = $2", args![org, user]).await
        })?;
        Ok(changed == 1)
    }

    /// As [`Catalog::member_set`] with a role that is not to administer, unless nobody would administer the
    /// organization any more. Tells whether that held, and nothing was changed if not.
    pub async fn member_set_unless_last(
        &self,
        org: AccountId,
        user: AccountId,
        role: OrgRole,
    ) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            if is_last_admin(tx, org, user).await? {
                return Ok(false);
            }
            member_write(tx, org, user, role).await?;
            Ok(true)
        })
    }

    /// Ends a membership, unless nobody would administer the organization any more. Tells whether that held.
    pub async fn member_remove_unless_last(&self, org: AccountId, user: AccountId) -> Result<bool, CatalogError> {
        transact!(self, |tx| {
            if is_last_admin(tx, org, user).await? {
                return Ok(false);
            }
            tx.execute("DELETE FROM membership WHERE org_id = $1 AND user_id = $2", args![org, user]).await?;
            Ok(true)
        })
    }

    /// Lists the members of an organization by name.
    pub async fn members(&self, org: AccountId) -> Result<Vec<(Account, OrgRole)>, CatalogError> {
        let rows = self
            .pool
            .rows(
                concat!(
                    "SELECT ",
                    account_columns!("a"),
                    ", m.role FROM membership m JOIN account a ON a.id = m.user_id
                     WHERE m.org_id = $1 ORDER BY a.name_folded"
                ),
                args![org],
            )
            .await?;
        rows.iter().map(account_and_role).collect()
    }

    /// Lists the organizations of a user by name.
    pub async fn memberships(&self, user: AccountId) -> Result<Vec<(Account, OrgRole)>, CatalogError> {
        let rows = self
            .pool
            .rows(
                concat!(
                    "SELECT ",
                    account_columns!("a"),
                    ", m.role FROM membership m JOIN account a ON a.id = m.org_id
                     WHERE m.user_id = $1 ORDER BY a.name_folded"
                ),
                args![user],
            )
            .await?;
        rows.iter().map(account_and_role).collect()
    }
}

/// Makes a user a member of an organization, or changes the role; returns how many rows that wrote, one or none.
async fn member_write(tx: &mut Tx, org: AccountId, user: AccountId, role: OrgRole) -> Result<u64, CatalogError> {
    tx.execute(
        "INSERT INTO membership (org_id, user_id, role)
         SELECT o.id, u.id, CAST($3 AS TEXT) FROM account o, account u
         WHERE o.id = $1 AND o.kind = 'org' AND u.id = $2 AND u.kind = 'user'
         ON CONFLICT (user_id, org_id) DO UPDATE SET role = excluded.role",
        args![org, user, role.as_str()],
    )
    .await
}

/// Tells whether somebody is the only one who administers an organization. Holds the organization until the
/// transaction ends, so that two do not take the right from each other at once.
async fn is_last_admin(tx: &mut Tx, org: AccountId, user: AccountId) -> Result<bool, CatalogError> {
    // SQLite has one writer, and this is it.
    if tx.engine() != Engine::Sqlite {
        tx.row("SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE", args![org]).await?;
    }
    const OTHERS: &str = "SELECT COUNT(*) FROM membership WHERE org_id = $1 AND role = 'admin' AND user_id <> $2";
    const OWN: &str = "SELECT COUNT(*) FROM membership WHERE org_id = $1 AND role = 'admin' AND user_id = $2";
    let count = |row: Option<Row>| row.map_or(Ok(0), |row| row.count("membership", 0));
    let others = count(tx.row(OTHERS, args![org, user]).await?)?;
    Ok(others == 0 && count(tx.row(OWN, args![org, user]).await?)? == 1)
}

fn account_and_role(row: &Row) -> Result<(Account, OrgRole), CatalogError> {
    Ok((account_at(row, 0)?, row.word("membership", ACCOUNT_COLUMNS, OrgRole::from_word)?))
}

/// Reads a membership of a left join, where both columns are there or neither.
pub(crate) fn membership_at(row: &Row, at: usize) -> Result<Option<Membership>, CatalogError> {
    let Some(org) = row.opt_int(at)? else { return Ok(None) };
    Ok(Some(Membership { org: AccountId(org), role: row.word("membership", at + 1, OrgRole::from_word)? }))
}
