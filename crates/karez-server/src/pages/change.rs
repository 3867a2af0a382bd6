//! Changing a repository: settings, uploads, the card.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use karez_formats::card::body;
use karez_hub::{
    AccessStatus, Actor, ChangeWay, CommitMade, HubError, LfsAction, LfsObject, Repo, RepoSettings, Right, SimpleChange,
};
use karez_pages::{
    AccessLine, CARD_BYTES_MAX, DIFF_SHOWN_BYTES_MAX, DiffLine, Doors, EditPage, Notice, RepoSettingsPage, UploadPage,
    diff_lines, edit_page, file_url, key, repo_settings_page, repo_url, upload_page,
};
use karez_types::{ByteRange, GitOid, RepoAddress, RepoPath, Revision, Visibility};
use serde_json::json;

use super::answer::{form_page, go_to, with_script};
use super::asked::{Asked, PageTarget};
use super::files::as_text;
use super::form::{Came, Form, FormFile, answered};
use super::repo::{head, rendered};
use super::session::form_proof;
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::{Params, json};

/// The file that is a card.
const CARD: &str = "README.md";
/// People of each sort that the settings list; the API tells all.
const PEOPLE_SHOWN: usize = 100;
/// What the editor begins a card with.
const CARD_BEGINNING: &str = "---\nlicense: \nlanguage: \ntags: []\n---\n# \n";

/// Returns what a reader may do with a repository. What comes from elsewhere is only read.
pub(super) fn doors(caller: &Actor, repo: &Repo) -> Doors {
    let may = |right| {
        repo.mirror.is_none()
            && caller.token_allows(right)
            && caller.right_over(repo.owner.id).is_some_and(|has| has >= right)
    };
    let (write, has_account) = (may(Right::Write), caller.user().is_some() && caller.token_allows(Right::Write));
    Doors { write, admin: may(Right::Admin), propose: !write && has_account && repo.mirror.is_none() }
}

async fn settings_shown(
    state: &AppState,
    asked: &Asked,
    address: &RepoAddress,
    notice: Option<Notice>,
) -> ApiResult<Response> {
    let repo = state.hub.repo_open(&asked.caller, address, Right::Admin).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let head = head(state, &repo, "main").await?;
    let access = if repo.is_on_request() { people_of(state, &asked.caller, address).await? } else { Vec::new() };
    let page = RepoSettingsPage { notice, head, gated: repo.gated.clone(), access, proof };
    Ok(form_page(asked, repo_settings_page(&asked.frame, &page), cookie))
}

/// Returns who asked to read the files of a repository, and who was let in: first who waits.
async fn people_of(state: &AppState, caller: &Actor, address: &RepoAddress) -> ApiResult<Vec<AccessLine>> {
    let mut lines = Vec::new();
    for status in [AccessStatus::Pending, AccessStatus::Accepted, AccessStatus::Rejected] {
        let found = state.hub.access_list(caller, address, status).await?;
        let found = found.into_iter().take(PEOPLE_SHOWN);
        lines.extend(found.map(|request| AccessLine { user: request.user.name, status: status.as_str() }));
    }
    Ok(lines)
}

pub(super) async fn settings(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
) -> ApiResult<Response> {
    settings_shown(&state, &asked, &address, None).await
}

pub(super) async fn settings_change(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    form: Form,
) -> ApiResult<Response> {
    let (hub, caller) = (&state.hub, &form.asked.caller);
    let repo = hub.repo_open(caller, &address, Right::Admin).await?;
    let saved = |_: Repo| Came::Done(key::SAVED);
    let came = match form.word("do") {
        "visibility" => {
            let is_private = form.word("visibility") == "private";
            let visibility = Some(if is_private { Visibility::Private } else { Visibility::Public });
            let settings = RepoSettings { visibility, gated: None };
            hub.repo_settings_change(caller, &address, settings).await.map(saved)
        }
        "gated" => {
            let settings = RepoSettings { visibility: None, gated: Some(form.word("gated").to_owned()) };
            hub.repo_settings_change(caller, &address, settings).await.map(saved)
        }
        "grant" => hub.access_grant(caller, &address, form.word("user")).await.map(|()| Came::Done(key::SAVED)),
        "access" => match AccessStatus::from_word(form.word("status")) {
            Some(status) => hub
                .access_answer(caller, &address, form.word("user"), status, "")
                .await
                .map(|()| Came::Done(key::SAVED)),
            None => Err(HubError::Invalid("the form does not say what to change".to_owned())),
        },
        "move" => match RepoAddress::parse(address.kind, form.word("to")) {
            Ok(to) => hub.repo_move(caller, &address, &to).await.map(|repo| Came::GoTo(repo_url(&repo.address()))),
            Err(error) => Err(error.into()),
        },
        "delete" if form.word("confirm") != repo.address().id() => Ok(Came::Not(key::DELETE_DIFFERS)),
        "delete" => hub.repo_delete(caller, &address).await.map(|()| Came::GoTo(format!("/{}", repo.owner.name))),
        _ => Err(HubError::Invalid("the form does not say what to change".to_owned())),
    };
    answered(came, async |notice| settings_shown(&state, &form.asked, &address, notice).await).await
}

async fn upload_shown(
    state: &AppState,
    asked: &Asked,
    address: &RepoAddress,
    revision: &Revision,
    folder: &str,
    notice: Option<Notice>,
) -> ApiResult<Response> {
    let (repo, way) = state.hub.change_way(&asked.caller, address, revision).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let is_proposal = way == ChangeWay::Propose;
    let page = UploadPage {
        notice,
        is_proposal,
        head: head(state, &repo, revision.as_str()).await?,
        folder: folder.to_owned(),
        bytes_max: state.hub.limits().form_upload_bytes_max,
        proof,
    };
    let shown = form_page(asked, upload_page(&asked.frame, &page), cookie);
    // The script makes a commit of each file, and would open as many pull requests.
    Ok(if is_proposal { shown } else { with_script(shown) })
}

pub(super) async fn upload_form(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let folder = asked.value("folder").to_owned();
    upload_shown(&state, &asked, &address, &params.revision()?, &folder, None).await
}

/// Returns where a file goes: into the folder that the form names, under its own name.
fn place(folder: &str, name: &str) -> Result<RepoPath, HubError> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let folder = folder.trim_matches('/');
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    Ok(path.parse::<RepoPath>()?)
}

fn summary<'a>(form: &'a Form, otherwise: &'a str) -> &'a str {
    if form.word("message").is_empty() { otherwise } else { form.word("message") }
}

pub(super) async fn upload(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    params: Params,
    mut form: Form,
) -> ApiResult<Response> {
    let revision = params.revision()?;
    let (files, excess) = (std::mem::take(&mut form.files), form.excess.take());
    let caller = &form.asked.caller;
    state.hub.change_way(caller, &address, &revision).await?;
    let change = |file: FormFile| {
        Ok(SimpleChange::File { path: place(form.word("folder"), &file.name)?, content: file.content })
    };
    let came = if let Some(excess) = excess {
        Ok(Came::TooMuch(excess))
    } else if files.is_empty() {
        Ok(Came::Not(key::FILE_MISSING))
    } else {
        match files.into_iter().map(change).collect::<Result<Vec<_>, HubError>>() {
            Ok(changes) => {
                let made =
                    state.hub.commit_simply(caller, &address, &revision, summary(&form, "Upload files"), None, changes);
                made.await.map(|made| {
                    Came::GoTo(proposal_or(&made, |address| tree_url(address, &revision, form.word("folder"))))
                })
            }
            Err(error) => Err(error),
        }
    };
    let folder = form.word("folder");
    let shown = async |notice| upload_shown(&state, &form.asked, &address, &revision, folder, notice).await;
    answered(came, shown).await
}

/// Returns where a change is looked at: the pull request that it became, or else what was changed.
fn proposal_or(made: &CommitMade, changed: impl FnOnce(&RepoAddress) -> String) -> String {
    match made.pull_request {
        Some(number) => format!("{}/discussions/{number}", repo_url(&made.address)),
        None => changed(&made.address),
    }
}

fn tree_url(address: &RepoAddress, revision: &Revision, folder: &str) -> String {
    file_url(address, "tree", revision.as_str(), folder.trim_matches('/'))
}

fn object(form: &Form) -> Result<LfsObject, HubError> {
    let wrong = || HubError::Invalid("the form names no file by sha256 and size".to_owned());
    let sha256 = form.word("sha256").parse().map_err(|_| wrong())?;
    Ok(LfsObject { sha256, file_bytes: form.word("size").parse().map_err(|_| wrong())? })
}

/// Says to the page's script where it sends the parts of a file. The address is sealed: it takes this file only.
pub(super) async fn upload_begin(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    form: Form,
) -> ApiResult<Response> {
    let action = state.hub.lfs_begin_in_parts(&form.asked.caller, &address, object(&form)?).await?;
    Ok(match action {
        LfsAction::SendParts { address, part_bytes, .. } => json(json!({
            "address": format!("/-/lfs/upload/{}", address.text),
            "part_bytes": part_bytes,
            "until": address.expires.unix_secs(),
        }))
        .into_response(),
        _ => json(json!({})).into_response(),
    })
}

/// Commits a file whose parts are all there.
pub(super) async fn upload_end(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    params: Params,
    form: Form,
) -> ApiResult<Response> {
    let (revision, LfsObject { sha256, file_bytes }) = (params.revision()?, object(&form)?);
    let path = place(form.word("folder"), form.value("file"))?;
    let changes = vec![SimpleChange::Uploaded { path, sha256, file_bytes }];
    let summary = summary(&form, "Upload a file");
    let made = state.hub.commit_simply(&form.asked.caller, &address, &revision, summary, None, changes).await?;
    Ok(json(json!({ "url": tree_url(&made.address, &revision, form.word("folder")) })).into_response())
}

/// A text file as it is in a commit.
struct Text {
    text: String,
    parent: String,
}

/// Reads a text file to edit; a file that is not there is new.
async fn text_read(
    state: &AppState,
    caller: &Actor,
    address: &RepoAddress,
    revision: &Revision,
    path: &RepoPath,
) -> ApiResult<Option<Text>> {
    let (_, commit) = state.hub.revision_open(caller, address, revision).await?;
    let parent = commit.to_string();
    let file = match state.hub.file_resolve(caller, address, revision, path).await {
        Ok((_, file)) => file,
        Err(HubError::EntryMissing { .. }) => {
            let text = if path.as_str() == CARD { CARD_BEGINNING.to_owned() } else { String::new() };
            return Ok(Some(Text { text, parent }));
        }
        Err(error) => return Err(error.into()),
    };
    if file.large.is_some() || file.file_bytes > CARD_BYTES_MAX as u64 {
        return Ok(None);
    }
    let bytes = state.hub.small_file_read(&file, ByteRange { start: 0, end: file.file_bytes }).await?;
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| as_text(text.as_bytes()));
    Ok(text.map(|text| Text { text: text.to_owned(), parent }))
}

/// What the page of the editor shows.
struct Editing<'a> {
    address: &'a RepoAddress,
    revision: &'a Revision,
    path: &'a RepoPath,
    text: Text,
    /// What others changed since the reader began.
    theirs: Option<Vec<DiffLine>>,
    notice: Option<Notice>,
    has_preview: bool,
}

/// Finds out what others did to a file since the reader began. When they left it alone, the reader's text may follow
/// on what the branch has now; else the page shows what they changed.
///
/// Returns the commit that the branch is at, and the lines that differ; no lines when none do.
async fn meanwhile(
    state: &AppState,
    caller: &Actor,
    (address, revision, path): (&RepoAddress, &Revision, &RepoPath),
    parent: &str,
) -> ApiResult<(String, Option<Vec<DiffLine>>)> {
    let now = text_read(state, caller, address, revision, path).await?;
    let (now, at) = match now {
        Some(now) => (Some(now.text), now.parent),
        None => (None, state.hub.revision_open(caller, address, revision).await?.1.to_string()),
    };
    let seen = match parent.parse::<GitOid>() {
        Ok(_) => text_read(state, caller, address, &parent.parse()?, path).await?.map(|seen| seen.text),
        Err(_) => None,
    };
    if seen.is_some() && seen == now {
        return Ok((at, None));
    }
    let (before, after) = (seen.unwrap_or_default(), now.unwrap_or_default());
    let compare = move || diff_lines(&before, &after, DIFF_SHOWN_BYTES_MAX).unwrap_or_default();
    let lines = tokio::task::spawn_blocking(compare).await;
    Ok((at, Some(lines.map_err(|error| HubError::Damaged(format!("comparing a file: {error}")))?)))
}

async fn edit_shown(state: &AppState, asked: &Asked, editing: Editing<'_>) -> ApiResult<Response> {
    let Editing { address, revision, path, text, theirs, notice, has_preview } = editing;
    let (repo, way) = state.hub.change_way(&asked.caller, address, revision).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let folder = path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let preview = if has_preview && path.as_str().to_ascii_lowercase().ends_with(".md") {
        Some(rendered(body(&text.text).to_owned(), repo_url(address), revision.to_string(), folder).await)
    } else {
        None
    };
    let page = EditPage {
        notice,
        is_proposal: way == ChangeWay::Propose,
        head: head(state, &repo, revision.as_str()).await?,
        path: path.to_string(),
        findings: if path.as_str() == CARD { state.hub.card_check(&text.text) } else { Vec::new() },
        text: text.text,
        parent: text.parent,
        theirs,
        preview,
        proof,
    };
    Ok(form_page(asked, edit_page(&asked.frame, &page), cookie))
}

pub(super) async fn edit_form(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
    params: Params,
) -> ApiResult<Response> {
    let (revision, path) = (params.revision()?, params.path()?);
    state.hub.change_way(&asked.caller, &address, &revision).await?;
    let (text, notice) = match text_read(&state, &asked.caller, &address, &revision, &path).await? {
        Some(text) => (text, None),
        None => return Ok(go_to(&file_url(&address, "blob", revision.as_str(), path.as_str()))),
    };
    let (address, revision, path) = (&address, &revision, &path);
    let editing = Editing { address, revision, path, text, theirs: None, notice, has_preview: false };
    edit_shown(&state, &asked, editing).await
}

pub(super) async fn edit(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    params: Params,
    form: Form,
) -> ApiResult<Response> {
    let (revision, path) = (params.revision()?, params.path()?);
    let caller = &form.asked.caller;
    state.hub.change_way(caller, &address, &revision).await?;
    // Browsers end lines as HTTP does.
    let text = form.value("text").replace("\r\n", "\n");
    let has_errors = path.as_str() == CARD && state.hub.card_check(&text).iter().any(karez_hub::Finding::is_error);
    let mut parent = form.word("parent").to_owned();
    let mut theirs = None;
    let came = if text.len() > CARD_BYTES_MAX {
        Ok(Came::Not(key::EDIT_NOT_TEXT))
    } else if has_errors && form.word("do") == "save" {
        // What is to be changed is said below.
        Ok(Came::Not(key::EDIT_NOT_SAVED))
    } else if form.word("do") == "save" {
        let words = format!("Edit {path}");
        let save = async |parent: &str| {
            let changes = vec![SimpleChange::File { path: path.clone(), content: text.clone().into_bytes() }];
            let seen = Some(parent.to_owned());
            state.hub.commit_simply(caller, &address, &revision, summary(&form, &words), seen, changes).await
        };
        let mut made = save(&parent).await;
        if matches!(made, Err(HubError::BranchMoved)) {
            (parent, theirs) = meanwhile(&state, caller, (&address, &revision, &path), &parent).await?;
            if theirs.is_none() {
                made = save(&parent).await;
            }
        }
        made.map(|made| {
            Came::GoTo(proposal_or(&made, |address| match (path.as_str(), revision.as_str()) {
                (CARD, "main") => repo_url(address),
                _ => file_url(address, "blob", revision.as_str(), path.as_str()),
            }))
        })
    } else {
        Ok(Came::Shown)
    };
    let (address, revision, path, text) = (&address, &revision, &path, Text { text, parent });
    let came = if theirs.is_some() { Ok(Came::Not(key::EDIT_CONFLICT)) } else { came };
    answered(came, async |notice| {
        let editing = Editing { address, revision, path, text, theirs, notice, has_preview: true };
        edit_shown(&state, &form.asked, editing).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_into_the_folder_that_is_named() {
        assert_eq!(place("/a/b/", "C:\\x\\y.txt").unwrap().as_str(), "a/b/y.txt");
        assert_eq!(place("", "y.txt").unwrap().as_str(), "y.txt");
        for (folder, name) in [("..", "x"), ("a/../..", "x"), (".git", "config"), ("a", ".."), ("", "")] {
            assert!(place(folder, name).is_err(), "{folder} {name}");
        }
    }
}
