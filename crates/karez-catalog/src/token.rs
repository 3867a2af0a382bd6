//! Access tokens.

use karez_types::{AccountId, Timestamp, TokenId, TokenRole};

use crate::account::{ACCOUNT_COLUMNS, account_at, account_columns, membership_at};
use crate::engine::{args, transact};
use crate::model::{TokenBrief, TokenRow};
use crate::row::{Row, valid};
use crate::{Catalog, CatalogError};

const TABLE: &str = "token";

impl Catalog {
    /// Stores a token by its SHA-256. The hash must not be stored yet: tokens are random.
    pub async fn token_create(
        &self,
        user: AccountId,
        hash: &[u8; 32],
        name: &str,
        role: TokenRole,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<TokenId, CatalogError> {
        let row = transact!(self, |tx| {
            tx.row(
                "INSERT INTO token (hash, user_id, name, role, created, expires)
                 VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                args![hash, user, name, role.as_str(), now, expires],
            )
            .await
        })?;
        Ok(TokenId(valid(TABLE, "no id for a new token", row)?.int(0)?))
    }

    /// Finds a token by its SHA-256, with its user and the user's organizations. One query: this runs
    /// on each request. Whether the token has expired is for the caller to say; nobody is found whose account is
    /// blocked.
    pub async fn token_lookup(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>, CatalogError> {
        let rows = self
            .pool
            .quick_rows(
                concat!(
                    "SELECT ",
                    account_columns!("a"),
                    ", t.id, t.name, t.role, t.expires, m.org_id, m.role
                     FROM token t JOIN account a ON a.id = t.user_id LEFT JOIN membership m ON m.user_id = a.id
                     WHERE t.hash = $1 AND a.blocked IS NULL ORDER BY m.org_id"
                ),
                args![hash],
            )
            .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        const TOKEN: usize = ACCOUNT_COLUMNS;
        let mut memberships = Vec::new();
        for row in &rows {
            memberships.extend(membership_at(row, TOKEN + 4)?);
        }
        Ok(Some(TokenRow {
            id: TokenId(first.int(TOKEN)?),
            name: first.text(TOKEN + 1)?,
            role: first.word(TABLE, TOKEN + 2, TokenRole::from_word)?,
            expires: first.opt_int(TOKEN + 3)?.map(Timestamp),
            user: account_at(first, 0)?,
            memberships,
        }))
    }

    /// Lists the tokens of a user, oldest first.
    pub async fn token_list(&self, user: AccountId) -> Result<Vec<TokenBrief>, CatalogError> {
        let rows = self
            .pool
            .rows(
                "SELECT id, user_id, name, role, created, expires FROM token WHERE user_id = $1 ORDER BY id",
                args![user],
            )
            .await?;
        rows.iter().map(token_brief).collect()
    }

    /// Revokes a token; tells whether there was one.
    pub async fn token_revoke(&self, id: TokenId) -> Result<bool, CatalogError> {
        let deleted = transact!(self, |tx| { tx.execute("DELETE FROM token WHERE id = $1", args![id]).await })?;
        Ok(deleted == 1)
    }
}

fn token_brief(row: &Row) -> Result<TokenBrief, CatalogError> {
    Ok(TokenBrief {
        id: TokenId(row.int(0)?),
        user: AccountId(row.int(1)?),
        name: row.text(2)?,
        role: row.word(TABLE, 3, TokenRole::from_word)?,
        created: row.moment(4)?,
        expires: row.opt_int(5)?.map(Timestamp),
    })
}
