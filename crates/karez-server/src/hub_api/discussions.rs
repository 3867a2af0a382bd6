//! Routes for discussions and pull requests.

use axum::extract::{Request, State};
use karez_hub::{ChangesWanted, DiscussionChange, DiscussionEvent, DiscussionFilter, DiscussionWish, HubError};
use karez_types::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::discussion_json::{commit_json, diff_of, discussion_json, event_json, event_seq};
use super::refs::optional_body;
use super::repos::{says_yes, values_of};
use crate::error::ApiResult;
use crate::extract::{Caller, JsonBody, Params, QueryOf, Target, json as json_body};
use crate::{AppState, BodyBound, Guard, Route, Verb};

/// Files of a pull request whose lines its diff has, and the longest of those, in bytes.
const DIFF_FILES_MAX: usize = 200;
const DIFF_FILE_BYTES_MAX: u64 = 256 << 10;

pub(super) fn routes() -> Vec<Route> {
    use {BodyBound as B, Guard as G, Verb as V};
    vec![
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/discussions", G::RepoRead, B::Empty, list),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/discussions", G::RepoPropose, B::Json, create),
        Route::new(V::Get, "/api/{kinds}/{owner}/{name}/discussions/{number}", G::RepoRead, B::Empty, details),
        Route::new(
            V::Post,
            "/api/{kinds}/{owner}/{name}/discussions/{number}/comment",
            G::RepoPropose,
            B::Json,
            comment,
        ),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/discussions/{number}/title", G::RepoPropose, B::Json, rename),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/discussions/{number}/status", G::RepoPropose, B::Json, status),
        Route::new(V::Post, "/api/{kinds}/{owner}/{name}/discussions/{number}/merge", G::RepoWrite, B::Json, merge),
        Route::new(
            V::Post,
            "/api/{kinds}/{owner}/{name}/discussions/{number}/comment/{event}/edit",
            G::RepoPropose,
            B::Json,
            edit,
        ),
        Route::new(
            V::Post,
            "/api/{kinds}/{owner}/{name}/discussions/{number}/comment/{event}/hide",
            G::RepoPropose,
            B::Empty,
            hide,
        ),
    ]
}

async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<axum::Json<Value>> {
    let first = |name: &str| values_of(&query, name).into_iter().next().unwrap_or_default();
    let (kind, status, author) = (first("type"), first("status"), first("author"));
    let filter = DiscussionFilter {
        is_pull_request: match kind.as_str() {
            "pull_request" => Some(true),
            "discussion" => Some(false),
            _ => None,
        },
        is_over: match status.as_str() {
            "open" => Some(false),
            "closed" => Some(true),
            _ => None,
        },
        author: &author,
    };
    let found = state.hub.discussion_list(&caller, &address, &filter, first("p").parse().unwrap_or(0)).await?;
    let items: Vec<Value> = found.items.iter().map(|item| discussion_json(&found.repo, item)).collect();
    Ok(json_body(json!({ "discussions": items, "count": found.count, "start": found.start })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    pull_request: bool,
}

async fn create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    JsonBody(body): JsonBody<CreateBody>,
) -> ApiResult<axum::Json<Value>> {
    let CreateBody { title, description, pull_request } = body;
    let wish = DiscussionWish { title, description, is_pull_request: pull_request };
    let number = state.hub.discussion_create(&caller, &address, wish).await?;
    Ok(json_body(json!({ "num": number, "pullRequest": pull_request })))
}

fn number_of(params: &Params) -> ApiResult<u64> {
    let text = params.text("number");
    let missing = || HubError::Missing(format!("there is no discussion `{}`", text.escape_debug()));
    Ok(text.parse().map_err(|_| missing())?)
}

async fn details(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    QueryOf(query): QueryOf<Vec<(String, String)>>,
) -> ApiResult<axum::Json<Value>> {
    let number = number_of(&params)?;
    let has_diff = says_yes(&query, "diff");
    let wanted = ChangesWanted {
        skipped: 0,
        changes_max: if has_diff { DIFF_FILES_MAX } else { 0 },
        contents_max: DIFF_FILES_MAX,
        content_bytes_max: DIFF_FILE_BYTES_MAX,
    };
    let found = state.hub.discussion_open(&caller, &address, number, wanted).await?;
    let made = move || {
        let mut body = discussion_json(&found.repo, &found.discussion);
        // Commits know seconds only: of one second comes what opened the discussion, then commits, then the rest.
        let order = |moment: Timestamp, rank: u8| (moment.unix_secs(), rank, moment);
        let rank = |event: &DiscussionEvent| if event.seq == 1 { 0 } else { 2 };
        let event =
            |event: &DiscussionEvent| (order(event.created, rank(event)), event_json(&found.repo, number, event));
        let mut events: Vec<_> = found.events.iter().map(event).collect();
        if let (Some(proposal), Some(base)) = (found.proposal, &found.discussion.base) {
            events.extend(proposal.commits.iter().map(|commit| (order(commit.date, 1), commit_json(commit))));
            events.sort_by_key(|(place, _)| *place);
            body["changes"] = json!({ "base": base.as_str() });
            if let Some(merged) = found.discussion.merge_commit {
                body["changes"]["mergeCommitId"] = json!(merged);
            }
            body["filesWithConflicts"] = json!(proposal.conflicts);
            if has_diff {
                body["diff"] = diff_of(&proposal.changes, proposal.has_more).into();
            }
        }
        body["events"] = events.into_iter().map(|(_, event)| event).collect();
        body
    };
    let made = tokio::task::spawn_blocking(made).await;
    let body = made.map_err(|error| HubError::Damaged(format!("comparing the files of a pull request: {error}")))?;
    Ok(json_body(body))
}

#[derive(Deserialize)]
struct CommentBody {
    comment: String,
}

async fn comment(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    JsonBody(body): JsonBody<CommentBody>,
) -> ApiResult<axum::Json<Value>> {
    let number = number_of(&params)?;
    let done = state.hub.discussion_comment(&caller, &address, number, &body.comment).await?;
    Ok(event_answer(number, "newMessage", &done))
}

/// Answers with an event under the name that clients look for.
fn event_answer(number: u64, name: &str, done: &DiscussionChange) -> axum::Json<Value> {
    json_body(json!({ name: event_json(&done.repo, number, &done.event) }))
}

#[derive(Deserialize)]
struct TitleBody {
    title: String,
}

async fn rename(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    JsonBody(body): JsonBody<TitleBody>,
) -> ApiResult<axum::Json<Value>> {
    let number = number_of(&params)?;
    let done = state.hub.discussion_rename(&caller, &address, number, &body.title).await?;
    Ok(event_answer(number, "newTitle", &done))
}

#[derive(Deserialize)]
struct StatusBody {
    status: String,
    comment: Option<String>,
}

async fn status(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    JsonBody(body): JsonBody<StatusBody>,
) -> ApiResult<axum::Json<Value>> {
    let number = number_of(&params)?;
    let is_open = match body.status.as_str() {
        "open" => true,
        "closed" => false,
        other => {
            let what = format!("the status is `open` or `closed`, not `{}`", other.escape_debug());
            return Err(HubError::Invalid(what).into());
        }
    };
    let comment = body.comment.as_deref();
    let done = state.hub.discussion_status(&caller, &address, number, is_open, comment).await?;
    Ok(event_answer(number, "newStatus", &done))
}

#[derive(Deserialize, Default)]
struct MergeBody {
    comment: Option<String>,
}

async fn merge(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    request: Request,
) -> ApiResult<axum::Json<Value>> {
    let body: MergeBody = optional_body(request, &state).await?;
    let number = number_of(&params)?;
    let oid = state.hub.pull_request_merge(&caller, &address, number, body.comment.as_deref()).await?;
    Ok(json_body(json!({ "mergeCommitId": oid })))
}

fn seq_of(params: &Params, number: u64) -> ApiResult<u64> {
    let missing = || HubError::Missing(format!("there is no such comment in discussion {number}"));
    Ok(event_seq(number, params.text("event")).ok_or_else(missing)?)
}

#[derive(Deserialize)]
struct EditBody {
    content: String,
}

async fn edit(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
    JsonBody(body): JsonBody<EditBody>,
) -> ApiResult<axum::Json<Value>> {
    let number = number_of(&params)?;
    let seq = seq_of(&params, number)?;
    let done = state.hub.discussion_comment_edit(&caller, &address, number, seq, &body.content).await?;
    Ok(event_answer(number, "updatedComment", &done))
}

async fn hide(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Target(address): Target,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let number = number_of(&params)?;
    let seq = seq_of(&params, number)?;
    let done = state.hub.discussion_comment_hide(&caller, &address, number, seq).await?;
    Ok(event_answer(number, "updatedComment", &done))
}
