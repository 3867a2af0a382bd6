//! What people do with repositories of others: like them, and put them into collections.

use axum::extract::State;
use axum::response::Response;
use karez_hub::{Actor, CollectionWish, HubError, Liking, Repo, Right, Standing, collection_slug};
use karez_pages::{AccessStanding, CollectPage, Notice, Social, collect_page, key, repo_url};
use karez_types::RepoAddress;

use super::account::me;
use super::answer::form_page;
use super::asked::{Asked, PageTarget};
use super::form::{Came, Form, answered};
use super::make::owners;
use super::repo::head;
use super::session::form_proof;
use crate::AppState;
use crate::error::ApiResult;

/// What the page of a repository offers to its reader.
pub(super) struct Offered {
    /// The button to like it; nothing for who may not.
    pub social: Option<Social>,
    /// The cookie for its forms.
    pub cookie: Option<String>,
    /// How the reader stands to files that they may not read.
    pub access: Option<AccessStanding>,
}

/// Returns what the page of a repository offers to its reader.
pub(super) async fn offered(state: &AppState, asked: &Asked, repo: &Repo) -> ApiResult<Offered> {
    let access = match state.hub.standing(&asked.caller, repo).await? {
        Standing::Reads => None,
        Standing::MayAsk => Some(AccessStanding::MayAsk),
        Standing::Waits => Some(AccessStanding::Waits),
        Standing::Rejected => Some(AccessStanding::Rejected),
    };
    if !may_take_part(&asked.caller) {
        return Ok(Offered { social: None, cookie: None, access });
    }
    let is_liked = state.hub.likes_it(&asked.caller, repo).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    Ok(Offered { social: Some(Social { is_liked, proof }), cookie, access })
}

pub(super) async fn access_ask(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    form: Form,
) -> ApiResult<Response> {
    state.hub.access_ask(&form.asked.caller, &address).await?;
    Ok(super::answer::go_to(&repo_url(&address)))
}

fn may_take_part(caller: &Actor) -> bool {
    caller.user().is_some() && caller.token_allows(Right::Write)
}

pub(super) async fn like(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    form: Form,
) -> ApiResult<Response> {
    let likes = match form.word("do") {
        "like" => Liking::Yes,
        "unlike" => Liking::No,
        _ => return Err(HubError::Invalid("the form does not say what to do".to_owned()).into()),
    };
    state.hub.like(&form.asked.caller, &address, likes).await?;
    Ok(super::answer::go_to(&repo_url(&address)))
}

async fn collect_shown(
    state: &AppState,
    asked: &Asked,
    address: &RepoAddress,
    notice: Option<Notice>,
    form: Option<&Form>,
) -> ApiResult<Response> {
    let repo = state.hub.repo_open(&asked.caller, address, Right::See).await?;
    me(asked)?;
    let own = state.hub.collections_own(&asked.caller).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let value = |name: &str| form.map_or(String::new(), |form| form.word(name).to_owned());
    let page = CollectPage {
        notice,
        head: head(state, &repo, "main").await?,
        choices: own.iter().map(|one| (collection_slug(one), one.title.clone(), one.owner.clone())).collect(),
        chosen: value("collection"),
        title: value("title"),
        note: value("note"),
        owners: owners(state, asked).await?,
        proof,
    };
    Ok(form_page(asked, collect_page(&asked.frame, &page), cookie))
}

pub(super) async fn collect_form(
    State(state): State<AppState>,
    asked: Asked,
    PageTarget(address): PageTarget,
) -> ApiResult<Response> {
    collect_shown(&state, &asked, &address, None, None).await
}

/// Returns the collection that a form chooses, and makes it when it is a new one.
async fn chosen(state: &AppState, form: &Form) -> Result<String, HubError> {
    if !form.word("title").is_empty() {
        let wish = CollectionWish {
            title: form.word("title").to_owned(),
            owner: Some(form.word("owner").to_owned()).filter(|owner| !owner.is_empty()),
            description: String::new(),
            is_private: form.word("visibility") == "private",
        };
        return match state.hub.collection_create(&form.asked.caller, wish).await {
            // Whoever writes the title of one that is there means it.
            Err(HubError::CollectionExists { slug }) => Ok(slug),
            made => made.map(|made| made.slug()),
        };
    }
    Ok(form.word("collection").to_owned())
}

pub(super) async fn collect(
    State(state): State<AppState>,
    PageTarget(address): PageTarget,
    form: Form,
) -> ApiResult<Response> {
    let (hub, caller) = (&state.hub, &form.asked.caller);
    me(&form.asked)?;
    hub.repo_open(caller, &address, Right::See).await?;
    let came = match chosen(&state, &form).await {
        Ok(slug) if slug.is_empty() => Ok(Came::Not(key::COLLECTION_CHOOSE)),
        Ok(slug) => match hub.collection_item_add(caller, &slug, &address, form.word("note")).await {
            // It is there already, which is what was wanted.
            Ok(_) | Err(HubError::Exists(_)) => Ok(Came::GoTo(format!("/collections/{slug}"))),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    answered(came, async |notice| collect_shown(&state, &form.asked, &address, notice, Some(&form)).await).await
}
