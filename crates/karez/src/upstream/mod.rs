//! `karez upstream`. Works on the node's database directly; a running node notices within seconds.

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, bail};
use karez_catalog::Remote;
use karez_federation::upstream::{
    self, TheirRepos, UpstreamChange, UpstreamSettings, UpstreamWish, login_context, token_of,
};
use karez_hub::{Actor, Hub, SECRET_BYTES_MAX};
use karez_types::OwnerName;
use serde_json::{Value, json};

use crate::cli::{Upstream, UpstreamAdd, UpstreamSet};
use crate::config::Settings;
use crate::{node, print};

/// Runs one command.
pub async fn run(command: Upstream, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let hub = node::open_existing(settings).await?;
    match command {
        Upstream::Add(wish) => {
            let remote = add(&hub, wish).await?;
            let sentence = format!(
                "Added the upstream hub {} at {}. To see whether it answers: karez upstream check {}",
                remote.name, remote.url, remote.name
            );
            print::either(as_json, &remote_json(&remote), &sentence);
        }
        Upstream::Set(typed) => {
            let remote = set(&hub, typed).await?;
            let mut lines = vec![format!("{} at {} is now set so:", remote.name, remote.url)];
            lines.extend(sentences(&remote));
            print::either(as_json, &remote_json(&remote), &lines.join("\n"));
        }
        Upstream::List => {
            let remotes = upstream::list(&hub, &Actor::Operator).await?;
            let json = Value::Array(remotes.iter().map(remote_json).collect());
            let cells: Vec<_> = remotes.iter().map(list_row).collect();
            let when_empty = "There are no upstream hubs. To add one: karez upstream add NAME URL";
            print::table(as_json, &json, &["NAME", "ADDRESS", "ASKED FOR", "NOT FOR"], &cells, when_empty);
        }
        Upstream::Show { name } => show(&hub, &find(&hub, &name).await?, as_json).await?,
        Upstream::Remove { name, with_repositories } => {
            let repos = if with_repositories { TheirRepos::Delete } else { TheirRepos::Keep };
            upstream::remove(&hub, &Actor::Operator, &name, repos).await?;
            print::either(as_json, &json!({ "removed": name }), &format!("Removed the upstream hub {name}."));
        }
        Upstream::Check { name } => return check(&hub, &find(&hub, &name).await?, settings, as_json).await,
        Upstream::Login { name, user } => {
            let remote = find(&hub, &name).await?;
            login(&hub, &remote, &user).await?;
            let sentence =
                format!("The token of {user} for {name} is kept, sealed. {user} can read there what the token can.");
            print::either(as_json, &json!({ "upstream": name, "user": user }), &sentence);
        }
        Upstream::Logout { name, user } => {
            let remote = find(&hub, &name).await?;
            let account = hub.catalog().account_by_name(user.as_str()).await?;
            let account = account.with_context(|| format!("there is no user named {user}"))?;
            let was_there = hub.catalog().remote_login_delete(remote.id, account.id).await?;
            let sentence = match was_there {
                true => format!("Forgot the token of {user} for {name}."),
                false => format!("There was no token of {user} for {name}."),
            };
            print::either(as_json, &json!({ "upstream": name, "user": user, "forgotten": was_there }), &sentence);
        }
    }
    hub.catalog().close().await;
    Ok(ExitCode::SUCCESS)
}

async fn find(hub: &Hub, name: &str) -> anyhow::Result<Remote> {
    Ok(upstream::find(hub, &Actor::Operator, name).await?)
}

async fn add(hub: &Hub, typed: UpstreamAdd) -> anyhow::Result<Remote> {
    let token = if typed.token_stdin { Some(token_from_stdin()?) } else { None };
    let wish = UpstreamWish {
        name: typed.name,
        url: typed.url,
        token,
        allow: typed.allow,
        deny: typed.deny,
        pass_through: typed.pass_through,
        file_max: typed.file_max,
        repo_max: typed.repo_max,
        revalidate: typed.revalidate,
        allow_private: typed.allow_private,
        pass_tokens: typed.pass_tokens,
        line: Some(typed.line),
    };
    Ok(upstream::add(hub, &Actor::Operator, wish).await?)
}

async fn set(hub: &Hub, typed: UpstreamSet) -> anyhow::Result<Remote> {
    // One word stands for the empty list, which cannot be typed.
    let list = |texts: Vec<String>, empty: &str| match texts.as_slice() {
        [] => None,
        [word] if word == empty => Some(Vec::new()),
        _ => Some(texts),
    };
    let ceiling = |text: Option<String>| text.map(|text| Some(text).filter(|text| text != "none"));
    let token = match (typed.token_stdin, typed.no_token) {
        (true, _) => Some(Some(token_from_stdin()?)),
        (false, true) => Some(None),
        (false, false) => None,
    };
    let change = UpstreamChange {
        url: typed.url,
        token,
        allow: list(typed.allow, "all"),
        deny: list(typed.deny, "none"),
        pass_through: list(typed.pass_through, "none"),
        file_max: ceiling(typed.file_max),
        repo_max: ceiling(typed.repo_max),
        revalidate: typed.revalidate,
        allow_private: typed.allow_private,
        pass_tokens: typed.pass_tokens,
        line: typed.line,
    };
    Ok(upstream::change(hub, &Actor::Operator, &typed.name, change).await?)
}

fn remote_json(remote: &Remote) -> Value {
    json!({
        "name": remote.name,
        "url": remote.url,
        "has_token": remote.token.is_some(),
        "line": remote.line,
        "settings": remote.settings,
        "added": remote.added,
    })
}

fn list_row(remote: &Remote) -> Vec<String> {
    let settings = UpstreamSettings::of(remote);
    let joined = |patterns: &[String], none: &str| match patterns {
        [] => none.to_owned(),
        patterns => patterns.join(" "),
    };
    let (allow, deny) = settings.patterns();
    vec![remote.name.clone(), remote.url.clone(), joined(&allow, "everything"), joined(&deny, "-")]
}

async fn show(hub: &Hub, remote: &Remote, as_json: bool) -> anyhow::Result<()> {
    let mirrors = upstream::mirrors(hub, remote.id).await?;
    let mut json = remote_json(remote);
    json["repositories"] = mirrors.len().into();
    if as_json {
        print::lines(&format!("{json:#}"));
        return Ok(());
    }
    let mut lines = vec![format!("{} at {}, since {}", remote.name, remote.url, remote.added)];
    lines.extend(sentences(remote));
    lines.push(format!("{} repositories here came from it.", mirrors.len()));
    print::lines(&lines.join("\n"));
    Ok(())
}

/// What is set, in words.
fn sentences(remote: &Remote) -> Vec<String> {
    let mut lines = UpstreamSettings::of(remote).sentences();
    lines.push(match remote.token {
        Some(_) => "It is asked with a token for public reads.".to_owned(),
        None => "It is asked without a token.".to_owned(),
    });
    lines.push(format!("Reached over the line {}.", remote.line));
    lines
}

async fn check(hub: &Hub, remote: &Remote, settings: &Settings, as_json: bool) -> anyhow::Result<ExitCode> {
    let report = upstream::check(hub, remote, &settings.federation).await;
    let (json, sentence, code) = match &report {
        Ok(report) => {
            let json = json!({ "upstream": remote.name, "answers": true, "milliseconds": report.millis });
            let sentence = format!("{} answers, in {} ms.", remote.name, report.millis);
            (json, sentence, ExitCode::SUCCESS)
        }
        Err(error) => {
            let json = json!({ "upstream": remote.name, "answers": false, "error": error });
            (json, format!("{} does not answer: {error}", remote.name), ExitCode::FAILURE)
        }
    };
    print::either(as_json, &json, &sentence);
    hub.catalog().close().await;
    Ok(code)
}

async fn login(hub: &Hub, remote: &Remote, user: &OwnerName) -> anyhow::Result<()> {
    let account = hub.catalog().account_by_name(user.as_str()).await?;
    let account = account.with_context(|| format!("there is no user named {user}"))?;
    let sealed = hub.secret_seal(&login_context(remote.id, account.id), &token_from_stdin()?);
    if !hub.catalog().remote_login_set(remote.id, account.id, &sealed).await? {
        bail!("the upstream hub {} or the user {user} was removed meanwhile", remote.name);
    }
    Ok(())
}

/// Reads a token. A command line would show it to everybody on the machine.
fn token_from_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    let bytes_max = SECRET_BYTES_MAX as u64;
    std::io::stdin().lock().take(bytes_max + 1).read_to_string(&mut text).context("cannot read the token")?;
    match token_of(&text) {
        Ok(token) if text.len() as u64 <= bytes_max => Ok(token.to_owned()),
        _ => bail!(
            "there is no token on standard input. Write it there, for example: printf %s \"$TOKEN\" | karez upstream login NAME USER"
        ),
    }
}
