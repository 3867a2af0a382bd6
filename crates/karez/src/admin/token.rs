//! `karez token`

use std::process::ExitCode;

use karez_hub::{Actor, NewToken};
use karez_types::TokenId;
use serde_json::{Value, json};

use crate::cli::Token;
use crate::config::Settings;
use crate::{node, print};

const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// Runs one command.
pub async fn run(command: Token, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let actor = Actor::Operator;
    match command {
        Token::Create { user, role, name, expires_days } => {
            let expires = expires_days.map(|days| hub.clock().now().plus_secs(i64::from(days) * SECS_PER_DAY));
            let new = NewToken { name, role, expires };
            let token = hub.token_create(&actor, user.as_str(), new).await?;
            let json = json!({ "token": token, "user": user, "role": role.as_str(), "expires": expires });
            let what = match role {
                karez_types::TokenRole::Read => "read",
                karez_types::TokenRole::Write => "read and write",
            };
            let sentence =
                format!("This token of {user} may {what}. Keep it. It is not shown again.\n  export HF_TOKEN={token}");
            print::either(as_json, &json, &sentence);
        }
        Token::List { user } => {
            let tokens = hub.token_list(&actor, user.as_str()).await?;
            let brief = |token: &karez_catalog::TokenBrief| {
                json!({
                    "id": token.id, "name": token.name, "role": token.role.as_str(),
                    "created": token.created, "expires": token.expires,
                })
            };
            let json = Value::Array(tokens.iter().map(brief).collect());
            let row = |token: &karez_catalog::TokenBrief| {
                let expires = token.expires.map_or("never".to_owned(), |moment| moment.to_string());
                vec![
                    token.id.to_string(),
                    token.name.clone(),
                    token.role.to_string(),
                    token.created.to_string(),
                    expires,
                ]
            };
            let rows: Vec<_> = tokens.iter().map(row).collect();
            let heading = ["ID", "NAME", "MAY", "CREATED", "ENDS"];
            print::table(as_json, &json, &heading, &rows, &format!("{user} has no tokens."));
        }
        Token::Revoke { user, id } => {
            hub.token_revoke(&actor, user.as_str(), TokenId(id)).await?;
            print::either(as_json, &json!({ "revoked": id }), &format!("The token {id} of {user} works no more."));
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}
