//! `karez follow`

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use karez_catalog::{Keep, NewFollow};
use karez_federation::follow::rules_load;
use karez_federation::policy::files::{FileChoice, WeightFormat};
use karez_federation::policy::rules::Rule;
use karez_federation::policy::units::parse_bytes;
use serde_json::{Value, json};

use super::cli::{Follow, FollowAdd};
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: Follow, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    let catalog = hub.catalog();
    match command {
        Follow::Add(add) => {
            let remote = match &add.remote {
                Some(name) => Some(super::peer(catalog, name).await?.id),
                None => None,
            };
            let keep = Keep::from_word(&add.keep)
                .ok_or_else(|| anyhow!("--keep {}: use metadata, demand or whole", add.keep))?;
            let rule = rule_of(&add)?;
            let new = NewFollow { remote, rule: serde_json::to_string(&rule)?, keep, copies: add.copies };
            let row = catalog.follow_insert(&new, hub.clock().now()).await?;
            let from = add.remote.as_deref().unwrap_or("every peer");
            let json = json!({ "id": row.id, "remote": add.remote, "rule": rule, "keep": keep.as_str(),
                               "copies": row.copies });
            let sentence = format!(
                "Rule {}: of {from}, {rule}: keep {}.\n\
                 What matches begins to come within a minute. To watch it: karez transfers --watch",
                row.id,
                keep.as_str()
            );
            print::either(as_json, &json, &sentence);
        }
        Follow::List => {
            let remotes = catalog.remote_list().await?;
            let name = |id| remotes.iter().find(|remote| remote.id == id).map(|remote| remote.name.clone());
            let rules = rules_load(catalog).await?;
            let json = rules.iter().map(|rule| {
                json!({ "id": rule.row.id, "remote": rule.row.remote.and_then(name), "rule": rule.rule,
                        "keep": rule.row.keep.as_str(), "copies": rule.row.copies, "added": rule.row.added })
            });
            let json = Value::Array(json.collect());
            let cells: Vec<Vec<String>> = rules
                .iter()
                .map(|rule| {
                    let copies = rule.row.copies.map_or("-".to_owned(), |copies| copies.to_string());
                    let remote = rule.row.remote.and_then(name).unwrap_or_else(|| "every peer".to_owned());
                    let keep = rule.row.keep.as_str().to_owned();
                    vec![rule.row.id.to_string(), remote, rule.rule.to_string(), keep, copies]
                })
                .collect();
            let when_empty = "There are no rules: nothing is taken from peers by itself.";
            print::table(as_json, &json, &["RULE", "OF", "WHAT", "KEEP", "COPIES"], &cells, when_empty);
        }
        Follow::Remove { id } => {
            if !catalog.follow_delete(id).await? {
                bail!("there is no rule {id}. To see all: karez follow list");
            }
            print::either(as_json, &json!({ "removed": id }), &format!("Rule {id} is gone. What came by it stays."));
        }
    }
    catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Reads a list of words of any type that says itself what is wrong.
fn words<T: std::str::FromStr<Err = String>>(option: &str, texts: &[String]) -> anyhow::Result<Vec<T>> {
    texts.iter().map(|text| text.parse().map_err(|error| anyhow!("--{option}: {error}"))).collect()
}

fn rule_of(add: &FollowAdd) -> anyhow::Result<Rule> {
    let bytes = |text: &Option<String>| text.as_deref().map(parse_bytes).transpose();
    let format = |word: &String| {
        serde_json::from_value::<WeightFormat>(Value::from(word.to_lowercase()))
            .map_err(|_| anyhow!("--format {word}: use safetensors, gguf, pickle, onnx, tensorflow or flax"))
    };
    Ok(Rule {
        owners: words("owner", &add.owner)?,
        repos: words("repo", &add.repo)?,
        kinds: add.kind.clone(),
        tags: words("tag", &add.tag)?,
        languages: words("language", &add.language)?,
        licenses: words("license", &add.license)?,
        tasks: words("task", &add.task)?,
        libraries: words("library", &add.library)?,
        bytes_min: bytes(&add.min_bytes)?,
        bytes_max: bytes(&add.max_bytes)?,
        top: add.top,
        files: FileChoice {
            include: words("include", &add.include)?,
            exclude: words("exclude", &add.exclude)?,
            formats: add.format.iter().map(format).collect::<anyhow::Result<_>>()?,
            variant: add.variant.clone(),
        },
    })
}
