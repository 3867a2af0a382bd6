//! The administration of upstream hubs: what `karez upstream` does, by the same methods.

use axum::extract::State;
use axum::response::Response;
use karez_federation::follow::DEFAULT_LINE;
use karez_federation::upstream::{self, TheirRepos, UpstreamChange, UpstreamSettings, UpstreamWish};
use karez_hub::{HubError, HubResult, Incident, Remote};
use karez_pages::{HeardOf, Notice, UpstreamLine, UpstreamTyped, UpstreamsPage, key, upstreams_page};
use karez_types::units::{parse_bytes, show_bytes};

use super::answer::form_page;
use super::asked::Asked;
use super::form::{Came, Form, answered};
use super::session::form_proof;
use crate::AppState;
use crate::error::ApiResult;

/// The newest incidents, among which the last one of each upstream hub is looked for.
const INCIDENTS_MAX: u64 = 200;

fn line_of(state: &AppState, remote: Remote, incidents: &[Incident]) -> UpstreamLine {
    let settings = UpstreamSettings::of(&remote);
    let (allow, deny) = settings.patterns();
    let incident = incidents.iter().find(|incident| incident.remote == remote.name);
    let heard = state.upstreams.as_ref().and_then(|upstreams| upstreams.last_heard(remote.id));
    UpstreamLine {
        has_token: remote.token.is_some(),
        allow,
        deny,
        passed_on: settings.passed_on(),
        file_bytes_max: settings.policy.file_bytes_max,
        repo_bytes_max: settings.policy.repo_bytes_max,
        revalidate: settings.revalidate(),
        allows_private: settings.allow_private,
        passes_tokens: settings.pass_tokens,
        heard: heard.map(|heard| HeardOf { at: heard.at, trouble: heard.trouble }),
        incident: incident.map(|it| (it.at, format!("{}: {}", it.kind, it.what))),
        added: remote.added,
        name: remote.name,
        url: remote.url,
        line: remote.line,
    }
}

async fn shown(state: &AppState, asked: &Asked, notice: Option<Notice>, typed: UpstreamTyped) -> ApiResult<Response> {
    let remotes = upstream::list(&state.hub, &asked.caller).await?;
    let incidents = state.hub.catalog().incident_list(INCIDENTS_MAX).await?;
    let mut lines: Vec<String> = state.hub.catalog().line_list().await?.into_iter().map(|line| line.name).collect();
    if !lines.iter().any(|line| line == DEFAULT_LINE) {
        lines.insert(0, DEFAULT_LINE.to_owned());
    }
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let page = UpstreamsPage {
        notice,
        upstreams: remotes.into_iter().map(|remote| line_of(state, remote, &incidents)).collect(),
        typed,
        lines,
        proof,
    };
    Ok(form_page(asked, upstreams_page(&asked.frame, &page), cookie))
}

pub(super) async fn upstreams(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    let typed = match asked.value("edit") {
        "" => UpstreamTyped { line: DEFAULT_LINE.to_owned(), ..UpstreamTyped::default() },
        name => set_of(&upstream::find(&state.hub, &asked.caller, name).await?),
    };
    shown(&state, &asked, None, typed).await
}

/// Returns what is set, as somebody would type it.
fn set_of(remote: &Remote) -> UpstreamTyped {
    let settings = UpstreamSettings::of(remote);
    let (allow, deny) = settings.patterns();
    // To the byte: what is not touched must not change.
    let bytes = |max: Option<u64>| {
        max.map_or_else(String::new, |max| {
            Some(show_bytes(max)).filter(|text| parse_bytes(text) == Ok(max)).unwrap_or_else(|| max.to_string())
        })
    };
    UpstreamTyped {
        is_change: true,
        name: remote.name.clone(),
        url: remote.url.clone(),
        allow: allow.join("\n"),
        deny: deny.join("\n"),
        passed_on: settings.passed_on().join("\n"),
        file_max: bytes(settings.policy.file_bytes_max),
        repo_max: bytes(settings.policy.repo_bytes_max),
        revalidate: settings.revalidate(),
        line: remote.line.clone(),
        allows_private: settings.allow_private,
        passes_tokens: settings.pass_tokens,
    }
}

/// Returns what somebody typed, for the form to show again; without the token, which no page repeats.
fn typed_of(form: &Form) -> UpstreamTyped {
    let text = |name: &str| form.value(name).trim().to_owned();
    let is_change = form.word("do") == "set";
    UpstreamTyped {
        is_change,
        name: text(if is_change { "upstream" } else { "name" }),
        url: text("url"),
        allow: text("allow"),
        deny: text("deny"),
        passed_on: text("passed_on"),
        file_max: text("file_max"),
        repo_max: text("repo_max"),
        revalidate: text("revalidate"),
        line: if form.word("line").is_empty() { DEFAULT_LINE.to_owned() } else { text("line") },
        allows_private: form.word("allow_private") == "yes",
        passes_tokens: form.word("pass_tokens") == "yes",
    }
}

fn wish_of(typed: &UpstreamTyped, token: &str) -> UpstreamWish {
    let patterns = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let maybe = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    UpstreamWish {
        name: typed.name.clone(),
        url: typed.url.clone(),
        token: maybe(token),
        allow: patterns(&typed.allow),
        deny: patterns(&typed.deny),
        pass_through: patterns(&typed.passed_on),
        file_max: maybe(&typed.file_max),
        repo_max: maybe(&typed.repo_max),
        revalidate: maybe(&typed.revalidate),
        allow_private: typed.allows_private,
        pass_tokens: typed.passes_tokens,
        line: maybe(&typed.line),
    }
}

/// All that the form shows; a token only when one was typed.
fn change_of(typed: &UpstreamTyped, token: &str) -> UpstreamChange {
    let wish = wish_of(typed, token);
    UpstreamChange {
        url: Some(wish.url),
        token: wish.token.map(Some),
        allow: Some(wish.allow),
        deny: Some(wish.deny),
        pass_through: Some(wish.pass_through),
        file_max: Some(wish.file_max),
        repo_max: Some(wish.repo_max),
        revalidate: wish.revalidate,
        allow_private: Some(wish.allow_private),
        pass_tokens: Some(wish.pass_tokens),
        line: wish.line,
    }
}

async fn removed(state: &AppState, form: &Form) -> HubResult<Came> {
    let name = form.word("upstream");
    if form.word("confirm") != name {
        // Whether there is one of that name is for administrators to know.
        upstream::find(&state.hub, &form.asked.caller, name).await?;
        return Ok(Came::Not(key::DELETE_DIFFERS));
    }
    let repos = if form.word("repos") == "delete" { TheirRepos::Delete } else { TheirRepos::Keep };
    upstream::remove(&state.hub, &form.asked.caller, name, repos).await?;
    Ok(Came::Done(key::UPSTREAM_REMOVED))
}

async fn checked(state: &AppState, form: &Form) -> HubResult<Came> {
    let remote = upstream::find(&state.hub, &form.asked.caller, form.word("upstream")).await?;
    let Some(upstreams) = &state.upstreams else {
        return Err(HubError::Refused("this process asks nothing of others".to_owned()));
    };
    match upstreams.check_now(&remote).await {
        Ok(_) => Ok(Came::Done(key::UPSTREAM_ANSWERS)),
        Err(why) => Err(HubError::Refused(format!("{} does not answer as it should: {why}", remote.name))),
    }
}

pub(super) async fn upstreams_change(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let mut typed = UpstreamTyped { line: DEFAULT_LINE.to_owned(), ..UpstreamTyped::default() };
    let came = match form.word("do") {
        "add" => {
            let wish = wish_of(&typed_of(&form), form.word("token"));
            let added = upstream::add(&state.hub, &form.asked.caller, wish).await;
            if added.is_err() {
                typed = typed_of(&form);
            }
            added.map(|_| Came::Done(key::UPSTREAM_ADDED))
        }
        "set" => {
            let new = typed_of(&form);
            let change = change_of(&new, form.word("token"));
            let changed = upstream::change(&state.hub, &form.asked.caller, &new.name, change).await;
            if changed.is_err() {
                typed = new;
            }
            changed.map(|_| Came::Done(key::SAVED))
        }
        "remove" => removed(&state, &form).await,
        "check" => checked(&state, &form).await,
        _ => Err(HubError::Invalid("the form does not say what to change".to_owned())),
    };
    if let (Ok(Came::Done(_)), Some(upstreams)) = (&came, &state.upstreams) {
        upstreams.remotes_changed();
    }
    answered(came, async |notice| shown(&state, &form.asked, notice, typed).await).await
}
