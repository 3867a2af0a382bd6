//! Discussions and pull requests: reading them, and taking part.

use axum::extract::State;
use axum::response::Response;
use karez_hub::{
    Actor, Discussion, DiscussionFilter, DiscussionStatus, DiscussionWish, EventKind, HubError, Repo, Right,
};
use karez_pages::{
    COMMENTS_BYTES_MAX, Comment, DiscussionPage, DiscussionPart, DiscussionRow, DiscussionsPage, EVENTS_SHOWN, Notice,
    Said, cut_text, discussion_page, discussions_page, repo_url,
};
use karez_types::{OwnerName, RepoAddress};

use super::answer::{form_page, page};
use super::asked::{Asked, PageTarget};
use super::commits::{WANTED, compared, line};
use super::form::{Came, Form, answered};
use super::repo::{head, rendered};
use super::session::form_proof;
use crate::AppState;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Names somebody whose account is gone.
const GONE: &str = "—";
/// Conflicts that a page names.
const CONFLICTS_SHOWN: usize = 20;

fn name_of<T: ToString>(author: Option<&T>) -> String {
    author.map_or(GONE.to_owned(), ToString::to_string)
}

fn about(one: &Discussion) -> DiscussionRow {
    DiscussionRow {
        number: one.number,
        title: one.title.clone(),
        author: name_of(one.author.as_ref()),
        status: one.status.as_str(),
        is_pull_request: one.base.is_some(),
        created: one.created,
    }
}

/// Tells whether somebody may say something. What comes from elsewhere is talked about there.
fn takes_part(caller: &Actor, repo: &Repo) -> bool {
    repo.mirror.is_none() && !caller.is_anonymous() && caller.token_allows(Right::Write)
}

async fn list_shown(
    state: &AppState,
    asked: &Asked,
    address: &RepoAddress,
    notice: Option<Notice>,
) -> ApiResult<Response> {
    let number = match asked.value("p") {
        "" => 0,
        text => text.parse::<u64>().map_err(|_| ApiError::invalid("p must be a whole number"))?,
    };
    let found = state.hub.discussion_list(&asked.caller, address, &DiscussionFilter::default(), number).await?;
    let (proof, cookie) = match takes_part(&asked.caller, &found.repo) {
        true => {
            let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
            (Some(proof), cookie)
        }
        false => (None, None),
    };
    let has_form = proof.is_some();
    let made = DiscussionsPage {
        head: head(state, &found.repo, "main").await?,
        next: (found.start + (found.items.len() as u64) < found.count).then_some(number + 1),
        rows: found.items.iter().map(about).collect(),
        notice,
        proof,
    };
    let html = discussions_page(&asked.frame, &made);
    Ok(if has_form { form_page(asked, html, cookie) } else { page(asked, html) })
}

pub(super) async fn list(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
) -> ApiResult<Response> {
    list_shown(&state, &asked, &address, None).await
}

pub(super) async fn begin(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    form: Form,
) -> ApiResult<Response> {
    let wish = DiscussionWish {
        title: form.word("title").to_owned(),
        description: form.value("text").to_owned(),
        is_pull_request: false,
    };
    let begun = state.hub.discussion_create(&form.asked.caller, &address, wish).await;
    let came = begun.map(|number| Came::GoTo(url_of(&address, number)));
    answered(came, async |notice| list_shown(&state, &form.asked, &address, notice).await).await
}

fn url_of(address: &RepoAddress, number: u64) -> String {
    format!("{}/discussions/{number}", repo_url(address))
}

fn number_of(params: &Params) -> ApiResult<u64> {
    let missing = |_| HubError::Missing("there is no such discussion".to_owned());
    Ok(params.text("number").parse().map_err(missing)?)
}

/// A comment whose forms are open.
struct Opened {
    seq: u64,
    /// What somebody typed; unset: the editor holds what it says.
    typed: Option<String>,
}

async fn one_shown(
    state: &AppState,
    asked: &Asked,
    address: &RepoAddress,
    number: u64,
    opened: Option<Opened>,
    notice: Option<Notice>,
) -> ApiResult<Response> {
    let view = state.hub.discussion_open(&asked.caller, address, number, WANTED).await?;
    let repo = &view.repo;
    let right = asked.caller.right_over(repo.owner.id);
    let writes = right.is_some_and(|right| right >= Right::Write);
    let own = asked.caller.user().map(|user| &user.account.name);
    let is_own = |author: Option<&OwnerName>| own.is_some() && own == author;
    let mut left_bytes = COMMENTS_BYTES_MAX;
    let mut events = Vec::new();
    for event in view.events.iter().take(EVENTS_SHOWN) {
        let said = match event.kind {
            EventKind::Comment if event.is_hidden => Said::Hidden,
            EventKind::Comment => {
                let text = cut_text(&event.content, left_bytes).0.to_owned();
                left_bytes -= text.len();
                let text = rendered(text, repo_url(address), "main".to_owned(), String::new()).await;
                let opened = opened.as_ref().filter(|opened| opened.seq == event.seq);
                Said::Comment(Comment {
                    seq: event.seq,
                    text,
                    edited: event.edited.as_ref().map(|(at, _)| *at),
                    may_edit: is_own(event.author.as_ref()),
                    may_hide: writes || is_own(event.author.as_ref()),
                    opened: opened.map(|opened| opened.typed.clone().unwrap_or_else(|| event.content.clone())),
                })
            }
            EventKind::Status => {
                Said::Status(DiscussionStatus::from_word(&event.content).map_or("open", DiscussionStatus::as_str))
            }
            EventKind::Title => Said::Title(event.content.clone()),
        };
        events.push((name_of(event.author.as_ref()), event.created, said));
    }
    let (mut conflicts, mut changes, mut has_more) = (Vec::new(), Vec::new(), false);
    if let Some(proposal) = view.proposal {
        for commit in &proposal.commits {
            events.push((cut_text(&commit.author, 200).0.to_owned(), commit.date, Said::Commit(line(commit))));
        }
        events.sort_by_key(|(_, at, _)| at.unix_secs());
        conflicts = proposal.conflicts;
        conflicts.truncate(CONFLICTS_SHOWN);
        changes = compared(proposal.changes).await?;
        has_more = proposal.has_more;
    }
    let (part, cookie) = match takes_part(&asked.caller, repo) {
        false => (None, None),
        true => {
            let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
            let may_change = writes || is_own(view.discussion.author.as_ref());
            let may_merge = writes && view.discussion.base.is_some() && conflicts.is_empty() && !changes.is_empty();
            (Some(DiscussionPart { proof, may_change, may_merge }), cookie)
        }
    };
    let has_form = part.is_some();
    let made = DiscussionPage {
        head: head(state, repo, "main").await?,
        about: about(&view.discussion),
        events,
        conflicts,
        changes,
        notice,
        part,
        has_more: has_more || view.events.len() > EVENTS_SHOWN || left_bytes == 0,
    };
    let html = discussion_page(&asked.frame, &made);
    Ok(if has_form { form_page(asked, html, cookie) } else { page(asked, html) })
}

pub(super) async fn one(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let opened = asked.value("comment").parse().ok().map(|seq| Opened { seq, typed: None });
    one_shown(&state, &asked, &address, number_of(&params)?, opened, None).await
}

pub(super) async fn change(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    params: Params,
    form: Form,
) -> ApiResult<Response> {
    let number = number_of(&params)?;
    let (hub, caller, text) = (&state.hub, &form.asked.caller, form.value("text"));
    // No comment has the number 0.
    let seq = form.word("comment").parse().unwrap_or(0);
    let mut url = url_of(&address, number);
    let mut opened = None;
    let done = match form.word("do") {
        "comment" => hub.discussion_comment(caller, &address, number, text).await.map(drop),
        "title" => hub.discussion_rename(caller, &address, number, form.word("title")).await.map(drop),
        "close" => hub.discussion_status(caller, &address, number, false, None).await.map(drop),
        "open" => hub.discussion_status(caller, &address, number, true, None).await.map(drop),
        "merge" => hub.pull_request_merge(caller, &address, number, None).await.map(drop),
        "edit" => {
            opened = Some(Opened { seq, typed: Some(text.to_owned()) });
            url.push_str(&format!("#comment-{seq}"));
            hub.discussion_comment_edit(caller, &address, number, seq, text).await.map(drop)
        }
        "hide" => hub.discussion_comment_hide(caller, &address, number, seq).await.map(drop),
        _ => Err(HubError::Invalid("the form does not say what to do".to_owned())),
    };
    let came = done.map(|()| Came::GoTo(url));
    answered(came, async |notice| one_shown(&state, &form.asked, &address, number, opened, notice).await).await
}
