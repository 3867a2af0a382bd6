//! What people sign in with besides tokens: passwords, sessions of browsers, invitations, identities elsewhere.

use karez_types::{AccountId, Timestamp, TokenRole};

use crate::account::{ACCOUNT_COLUMNS, account_at, account_columns, membership_at};
use crate::engine::{args, transact};
use crate::model::{Account, NewSession, SessionRow, SignInWay};
use crate::{Catalog, CatalogError};

const TABLE: &str = "session";

impl Catalog {
    /// Stores a password's hash in the place of the one before, and ends all sessions and invitations of the
    /// person: who knew the old password is out.
    pub async fn password_set(&self, user: AccountId, phc: &str, now: Timestamp) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute(
                "INSERT INTO password (user_id, phc, changed) VALUES ($1, $2, $3)
                 ON CONFLICT (user_id) DO UPDATE SET phc = excluded.phc, changed = excluded.changed",
                args![user, phc, now],
            )
            .await?;
            tx.execute("DELETE FROM session WHERE user_id = $1", args![user]).await?;
            tx.execute("DELETE FROM invitation WHERE user_id = $1", args![user]).await?;
            Ok(())
        })
    }

    /// Returns the hash of a person's password.
    pub async fn password_get(&self, user: AccountId) -> Result<Option<String>, CatalogError> {
        let row = self.pool.row("SELECT phc FROM password WHERE user_id = $1", args![user]).await?;
        row.map(|row| row.text(0)).transpose()
    }

    /// Stores a session by the SHA-256 of its secret.
    pub async fn session_create(&self, hash: &[u8; 32], new: NewSession, now: Timestamp) -> Result<(), CatalogError> {
        let token = match new.way {
            SignInWay::Token(token) => Some(token.0),
            SignInWay::Password | SignInWay::Provider => None,
        };
        transact!(self, |tx| {
            tx.execute(
                "INSERT INTO session (hash, user_id, token_id, way, role, created, expires)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                args![hash, new.user, token, new.way.as_str(), new.role.as_str(), now, new.expires],
            )
            .await?;
            Ok(())
        })
    }

    /// Finds a session, with its user and the user's organizations. One query: this runs on each request. Nobody is
    /// found whose account is blocked.
    pub async fn session_lookup(&self, hash: &[u8; 32]) -> Result<Option<SessionRow>, CatalogError> {
        let rows = self
            .pool
            .rows(
                concat!(
                    "SELECT ",
                    account_columns!("a"),
                    ", s.way, s.role, s.expires, m.org_id, m.role
                     FROM session s JOIN account a ON a.id = s.user_id LEFT JOIN membership m ON m.user_id = a.id
                     WHERE s.hash = $1 AND a.blocked IS NULL ORDER BY m.org_id"
                ),
                args![hash],
            )
            .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        const SESSION: usize = ACCOUNT_COLUMNS;
        let mut memberships = Vec::new();
        for row in &rows {
            memberships.extend(membership_at(row, SESSION + 3)?);
        }
        Ok(Some(SessionRow {
            way: first.text(SESSION)?,
            role: first.word(TABLE, SESSION + 1, TokenRole::from_word)?,
            expires: first.moment(SESSION + 2)?,
            user: account_at(first, 0)?,
            memberships,
        }))
    }

    /// Ends a session; tells whether there was one.
    pub async fn session_end(&self, hash: &[u8; 32]) -> Result<bool, CatalogError> {
        let ended = transact!(self, |tx| { tx.execute("DELETE FROM session WHERE hash = $1", args![hash]).await })?;
        Ok(ended == 1)
    }

    /// Ends all sessions of a person but this one; returns how many.
    pub async fn session_end_others(&self, user: AccountId, kept: &[u8; 32]) -> Result<u64, CatalogError> {
        transact!(self, |tx| {
            tx.execute("DELETE FROM session WHERE user_id = $1 AND hash <> $2", args![user, kept]).await
        })
    }

    /// Counts the sessions of a person that have not ended.
    pub async fn session_count(&self, user: AccountId, now: Timestamp) -> Result<u64, CatalogError> {
        let sql = "SELECT COUNT(*) FROM session WHERE user_id = $1 AND expires > $2";
        let row = self.pool.row(sql, args![user, now]).await?;
        row.map_or(Ok(0), |row| row.count(TABLE, 0))
    }

    /// Forgets sessions and invitations whose time is over; returns how many.
    pub async fn sessions_sweep(&self, now: Timestamp) -> Result<u64, CatalogError> {
        transact!(self, |tx| {
            let sessions = tx.execute("DELETE FROM session WHERE expires <= $1", args![now]).await?;
            Ok(sessions + tx.execute("DELETE FROM invitation WHERE expires <= $1", args![now]).await?)
        })
    }

    /// Stores a person's invitation in the place of the one before.
    pub async fn invitation_set(
        &self,
        user: AccountId,
        hash: &[u8; 32],
        expires: Timestamp,
    ) -> Result<(), CatalogError> {
        transact!(self, |tx| {
            tx.execute(
                "INSERT INTO invitation (user_id, hash, expires) VALUES ($1, $2, $3)
                 ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires",
                args![user, hash, expires],
            )
            .await?;
            Ok(())
        })
    }

    /// Finds whom an invitation is for, and until when.
    pub async fn invitation_get(&self, hash: &[u8; 32]) -> Result<Option<(Account, Timestamp)>, CatalogError> {
        let sql = concat!(
            "SELECT ",
            account_columns!("a"),
            ", i.expires FROM invitation i JOIN account a ON a.id = i.user_id WHERE i.hash = $1"
        );
        let row = self.pool.row(sql, args![hash]).await?;
        row.map(|row| Ok((account_at(&row, 0)?, row.moment(ACCOUNT_COLUMNS)?))).transpose()
    }

    /// Takes an invitation, so that nobody else can; of several at once one hears yes.
    pub async fn invitation_take(&self, hash: &[u8; 32]) -> Result<bool, CatalogError> {
        let taken = transact!(self, |tx| { tx.execute("DELETE FROM invitation WHERE hash = $1", args![hash]).await })?;
        Ok(taken == 1)
    }

    /// Finds the person of an identity at a provider.
    pub async fn identity_find(&self, issuer: &str, subject: &str) -> Result<Option<Account>, CatalogError> {
        let sql = concat!(
            "SELECT ",
            account_columns!("a"),
            " FROM identity i JOIN account a ON a.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2"
        );
        let row = self.pool.row(sql, args![issuer, subject]).await?;
        row.map(|row| account_at(&row, 0)).transpose()
    }

    /// Ties an identity at a provider to a person; tells whether it was free.
    pub async fn identity_add(&self, issuer: &str, subject: &str, user: AccountId) -> Result<bool, CatalogError> {
        let added = transact!(self, |tx| {
            tx.execute(
                "INSERT INTO identity (issuer, subject, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                args![issuer, subject, user],
            )
            .await
        })?;
        Ok(added == 1)
    }
}
