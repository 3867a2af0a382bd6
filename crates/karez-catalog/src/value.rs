//! Arguments of statements.

use karez_types::Timestamp;
use sqlx::Arguments;

use crate::CatalogError;

/// One argument of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
    Blob(Option<&'a [u8]>),
}

/// PostgreSQL cannot hold NUL in text. Names and paths never have it; free text gets the sign for an
/// unreadable character instead, on both engines, so that it is neither an error nor found again.
pub(crate) fn arguments<A: Arguments>(values: &[Value<'_>]) -> Result<A, CatalogError>
where
    for<'t> Option<i64>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<&'t str>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<String>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    for<'t> Option<&'t [u8]>: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
{
    let mut arguments = A::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added = match *value {
            Value::Int(number) => arguments.add(number),
            Value::Text(Some(text)) if text.contains('\0') => arguments.add(Some(text.replace('\0', "\u{FFFD}"))),
            Value::Text(text) => arguments.add(text),
            Value::Blob(bytes) => arguments.add(bytes),
        };
        added.map_err(|error| CatalogError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}

macro_rules! value_from {
    ($($type:ty, |$value:ident| $to:expr;)+) => { $(
        impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Value<'a> { $to }
        }
    )+ };
}

value_from! {
    i64, |number| Value::Int(Some(number));
    u32, |number| Value::Int(Some(i64::from(number)));
    // Lengths and counts; nothing that is counted here comes near 2^63.
    u64, |number| Value::Int(Some(i64::try_from(number).unwrap_or(i64::MAX)));
    Option<i64>, |number| Value::Int(number);
    Option<u64>, |number| Value::Int(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)));
    bool, |yes| Value::Int(Some(i64::from(yes)));
    Option<bool>, |yes| Value::Int(yes.map(i64::from));
    Timestamp, |moment| Value::Int(Some(moment.0));
    Option<Timestamp>, |moment| Value::Int(moment.map(|moment| moment.0));
    karez_types::AccountId, |id| Value::Int(Some(id.0));
    karez_types::RepoId, |id| Value::Int(Some(id.0));
    karez_types::TokenId, |id| Value::Int(Some(id.0));
    karez_types::RemoteId, |id| Value::Int(Some(id.0));
    karez_types::Zone, |zone| Value::Int(Some(zone.0));
    &'a str, |text| Value::Text(Some(text));
    &'a String, |text| Value::Text(Some(text));
    Option<&'a str>, |text| Value::Text(text);
    &'a karez_types::OwnerName, |name| Value::Text(Some(name.as_str()));
    &'a karez_types::RepoName, |name| Value::Text(Some(name.as_str()));
    &'a karez_types::RefName, |name| Value::Text(Some(name.as_str()));
    Option<&'a [u8]>, |bytes| Value::Blob(bytes);
    &'a [u8], |bytes| Value::Blob(Some(bytes));
    &'a [u8; 32], |bytes| Value::Blob(Some(bytes));
    &'a Vec<u8>, |bytes| Value::Blob(Some(bytes));
    &'a karez_types::GitOid, |hash| Value::Blob(Some(hash.as_bytes()));
    &'a karez_types::Sha256, |hash| Value::Blob(Some(hash.as_bytes()));
    Option<&'a karez_types::Sha256>, |hash| Value::Blob(hash.map(|hash| hash.as_bytes().as_slice()));
    &'a karez_types::ChunkHash, |hash| Value::Blob(Some(hash.as_bytes()));
    &'a karez_types::XorbHash, |hash| Value::Blob(Some(hash.as_bytes()));
    &'a karez_types::FileHash, |hash| Value::Blob(Some(hash.as_bytes()));
}
