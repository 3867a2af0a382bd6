//! Keys of the node, shared by all processes that use the database.

use crate::engine::{args, transact};
use crate::row::valid;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Returns the key with this name; the candidate becomes it when there is none yet.
    pub async fn secret_get_or_create(&self, name: &str, candidate: [u8; 32]) -> Result<[u8; 32], CatalogError> {
        let row = transact!(self, |tx| {
            let sql = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            tx.execute(sql, args![name, &candidate]).await?;
            tx.row("SELECT value FROM secret WHERE name = $1", args![name]).await
        })?;
        let value = row.map(|row| row.blob(0)).transpose()?;
        valid("secret", "a key is not 32 bytes", value.and_then(|value| value.try_into().ok()))
    }
}
