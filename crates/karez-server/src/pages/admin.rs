//! Members of an organisation, and the administration of the node.

use axum::extract::State;
use axum::response::Response;
use karez_federation::views;
use karez_hub::{AccountKind, HubError, Quota, Remote, RemoteKind, new_organization, new_user, quota_of_words};
use karez_pages::{
    AccountLine, AdminPage, JobLine, Notice, OrgPage, RemoteLine, RemoteState, admin_page, key, org_page,
};
use karez_types::{OrgRole, OwnerName};

use super::account::{me, room_of};
use super::answer::form_page;
use super::asked::Asked;
use super::form::{Came, Form, answered};
use super::session::form_proof;
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Params;

/// Accounts on one page.
const ACCOUNTS_MAX: u64 = 50;
/// Jobs, incidents and repositories on the page.
const LINES_MAX: u64 = 20;

async fn org_shown(state: &AppState, asked: &Asked, org: &str, notice: Option<Notice>) -> ApiResult<Response> {
    let found = state.hub.org_overview(&asked.caller, org).await?;
    let members = state.hub.org_members(&asked.caller, org).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let page = OrgPage {
        notice,
        may_change: state.hub.may_administer(&asked.caller, &found.account),
        name: found.account.name,
        members: members.into_iter().map(|(account, role)| (account.name, role)).collect(),
        proof,
    };
    Ok(form_page(asked, org_page(&asked.frame, &page), cookie))
}

pub(super) async fn org(State(state): State<AppState>, asked: Asked, params: Params) -> ApiResult<Response> {
    me(&asked)?;
    org_shown(&state, &asked, params.text("org"), None).await
}

pub(super) async fn org_change(State(state): State<AppState>, params: Params, form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let (org, user, caller) = (params.text("org"), form.word("user"), &form.asked.caller);
    let done = match (form.word("do"), form.word("role").parse::<OrgRole>()) {
        ("remove", _) => state.hub.member_remove(caller, org, user).await,
        ("set", Ok(role)) => state.hub.member_set(caller, org, user, role).await,
        _ => Err(HubError::Invalid("the form does not say what to change".to_owned())),
    };
    // Who changed their own right is somebody else from now on.
    let is_own = caller.user().is_some_and(|me| me.account.name.as_str().eq_ignore_ascii_case(user));
    let came = done.map(|()| if is_own { Came::GoTo(format!("/-/org/{org}")) } else { Came::Done(key::SAVED) });
    answered(came, async |notice| org_shown(&state, &form.asked, org, notice).await).await
}

async fn admin_shown(
    state: &AppState,
    asked: &Asked,
    notice: Option<Notice>,
    invitation: Option<(String, String)>,
) -> ApiResult<Response> {
    let (hub, catalog) = (&state.hub, state.hub.catalog());
    let after = asked.value("after").parse::<OwnerName>().ok();
    let found = hub.account_list(&asked.caller, after.as_ref(), ACCOUNTS_MAX).await?;
    let next = found.last().filter(|_| found.len() as u64 == ACCOUNTS_MAX).map(|last| last.name.to_string());
    let mut accounts = Vec::with_capacity(found.len());
    for account in found {
        let owner_room = catalog.owner_room(account.id).await?;
        accounts.push(AccountLine {
            has_own_quota: owner_room.quota != Quota::OfNode,
            room: room_of(owner_room),
            is_organization: account.kind == AccountKind::Organization,
            is_admin: account.is_admin,
            name: account.name,
        });
    }
    let remotes = catalog.remote_list().await?.into_iter().filter(|remote| !remote.is_removed());
    let peers = views::peers(catalog).await?;
    let state_of = |remote: &Remote| {
        let feed = peers.iter().find(|(peer, _)| peer.id == remote.id).and_then(|(_, feed)| feed.as_ref());
        (remote.kind == RemoteKind::Peer).then(|| RemoteState {
            entries: feed.map_or(0, |feed| feed.tree.size),
            asked: feed.map(|feed| feed.polled),
            trouble: feed.and_then(|feed| feed.trouble.clone()),
        })
    };
    let jobs = catalog.transfer_list(LINES_MAX).await?;
    let incidents = catalog.incident_list(LINES_MAX).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let page = AdminPage {
        notice,
        invitation,
        accounts,
        next,
        remotes: remotes
            .map(|remote| RemoteLine { peer: state_of(&remote), name: remote.name, url: remote.url })
            .collect(),
        jobs: jobs
            .into_iter()
            .map(|job| JobLine {
                path: job.path,
                repo: job.repo,
                state: job.state.as_str().to_owned(),
                done_bytes: job.done_bytes,
                file_bytes: job.file_bytes,
                trouble: job.trouble,
            })
            .collect(),
        incidents: incidents
            .into_iter()
            .map(|it| format!("{} {} {}: {}", it.at, it.remote, it.kind, it.what))
            .collect(),
        stored_bytes: catalog.stored_bytes().await?,
        // A folder that cannot be asked is told of by the node's health.
        free_bytes: hub.store().free_bytes().ok().flatten(),
        largest: catalog.repos_largest(LINES_MAX).await?,
        proof,
    };
    Ok(form_page(asked, admin_page(&asked.frame, &page), cookie))
}

pub(super) async fn admin(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    admin_shown(&state, &asked, None, None).await
}

pub(super) async fn admin_change(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    let (hub, caller) = (&state.hub, &form.asked.caller);
    let done = match form.word("do") {
        "invite" => hub
            .invitation_create(caller, form.word("user"))
            .await
            .map(|code| Some((form.word("user").to_owned(), format!("{}/-/invited?code={code}", form.asked.base)))),
        "create" => match form.word("name").parse::<OwnerName>() {
            Ok(name) if form.word("kind") == "org" => {
                hub.account_create(caller, new_organization(name)).await.map(|_| None)
            }
            Ok(name) => hub.account_create(caller, new_user(name, false)).await.map(|_| None),
            Err(error) => Err(error.into()),
        },
        "quota" => match quota_of_words(form.word("quota")) {
            Ok(quota) => hub.quota_set(caller, form.word("owner"), quota).await.map(|_| None),
            Err(error) => Err(error),
        },
        _ => Err(HubError::Invalid("the form does not say what to change".to_owned())),
    };
    let mut invitation = None;
    let came = done.map(|made| {
        invitation = made;
        if invitation.is_some() { Came::Shown } else { Came::Done(key::SAVED) }
    });
    answered(came, async |notice| admin_shown(&state, &form.asked, notice, invitation).await).await
}
