//! `karez user quota` and `karez org quota`

use anyhow::ensure;
use karez_catalog::{Account, AccountKind, OwnerRoom, Quota};
use karez_hub::{Actor, Hub, quota_of_words};
use karez_types::OwnerName;
use karez_types::units::show_bytes;
use serde_json::{Map, Value, json};

use super::account_json;
use crate::print;

/// Returns what an account owns and may own, for programs: bytes; `null` is without a bound.
fn room_fields(owner_room: &OwnerRoom) -> Map<String, Value> {
    let own = match owner_room.quota {
        Quota::OfNode => json!("default"),
        Quota::Unbounded => json!("none"),
        Quota::Bytes(bytes) => json!(bytes),
    };
    let mut fields = Map::new();
    fields.insert("owned_bytes".to_owned(), owner_room.owned_bytes.into());
    fields.insert("owned_bytes_max".to_owned(), owner_room.bytes_max.into());
    fields.insert("quota".to_owned(), own);
    fields
}

/// Returns what an account owns and may own, for people.
pub fn room_words(owner_room: &OwnerRoom) -> String {
    let owned = show_bytes(owner_room.owned_bytes);
    match owner_room.bytes_max {
        Some(bytes_max) => format!("{owned} of {}", show_bytes(bytes_max)),
        None => owned,
    }
}

/// Returns accounts with what each owns and may own.
pub async fn with_room(hub: &Hub, accounts: Vec<Account>) -> anyhow::Result<Vec<(Account, OwnerRoom)>> {
    let mut found = Vec::with_capacity(accounts.len());
    for account in accounts {
        let owner_room = hub.catalog().owner_room(account.id).await?;
        found.push((account, owner_room));
    }
    Ok(found)
}

/// Returns an account with what it owns and may own, for programs.
pub fn json((account, owner_room): &(Account, OwnerRoom)) -> Value {
    let mut json = account_json(account);
    if let Value::Object(fields) = &mut json {
        fields.extend(room_fields(owner_room));
    }
    json
}

/// Says how much an account may own, or shows it.
pub async fn run(
    hub: &Hub,
    name: &OwnerName,
    kind: AccountKind,
    amount: Option<&str>,
    as_json: bool,
) -> anyhow::Result<()> {
    let account = hub.catalog().account_by_name(name.as_str()).await?.filter(|account| account.kind == kind);
    let word = if kind == AccountKind::User { "user" } else { "organisation" };
    ensure!(account.is_some(), "there is no {word} named {name}");
    if let Some(amount) = amount {
        hub.quota_set(&Actor::Operator, name.as_str(), quota_of_words(amount)?).await?;
    }
    let owner_room = hub.owner_room(&Actor::Operator, name.as_str()).await?;
    let mut json = room_fields(&owner_room);
    json.insert("name".to_owned(), json!(name));
    let owned = show_bytes(owner_room.owned_bytes);
    let sentence = match owner_room.bytes_max {
        None => format!("{name} may own large files without a bound, and owns {owned}."),
        Some(bytes_max) => {
            let over =
                if owner_room.owned_bytes > bytes_max { " What is there stays; nothing can be added." } else { "" };
            format!("{name} may own {} of large files, and owns {owned}.{over}", show_bytes(bytes_max))
        }
    };
    print::either(as_json, &Value::Object(json), &sentence);
    Ok(())
}
