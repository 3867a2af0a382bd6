//! Collections: reading them, and keeping one's own.

use axum::extract::State;
use axum::response::Response;
use karez_hub::{CollectionPatch, CollectionView, CollectionWish, HubError, Right};
use karez_pages::{
    COLLECTION_ITEMS_SHOWN, CollectionItemRow, CollectionPage, CollectionRow, CollectionsPage, NOTES_BYTES_MAX,
    NewCollection, Notice, collection_page, collections_page, cut_text, key,
};
use karez_types::{RepoAddress, RepoKind};

use super::account::me;
use super::answer::{form_page, page};
use super::asked::Asked;
use super::form::{Came, Form, answered};
use super::lists::row;
use super::make::owners;
use super::session::form_proof;
use crate::AppState;
use crate::error::ApiResult;
use crate::extract::Params;

/// Returns a collection as pages show it.
pub(super) fn about(view: &CollectionView) -> CollectionRow {
    let collection = &view.collection;
    CollectionRow {
        slug: view.slug(),
        title: collection.title.clone(),
        description: cut_text(&collection.description, NOTES_BYTES_MAX / 4).0.to_owned(),
        owner: collection.owner.clone(),
        is_private: collection.is_private,
        modified: collection.modified,
    }
}

async fn list_shown(
    state: &AppState,
    asked: &Asked,
    notice: Option<Notice>,
    form: Option<&Form>,
) -> ApiResult<Response> {
    let given = |name: &str| Some(asked.value(name)).filter(|value| !value.is_empty());
    let found = state.hub.collection_list(&asked.caller, given("owner"), None, given("cursor")).await?;
    let (mut new, mut cookie) = (None, None);
    if asked.caller.user().is_some() && asked.caller.token_allows(Right::Write) {
        let (proof, set) = form_proof(state, &asked.headers, &asked.base);
        let value = |name: &str| form.map_or(String::new(), |form| form.value(name).to_owned());
        let owners = owners(state, asked).await?;
        new = Some(NewCollection { owners, title: value("title"), description: value("description"), proof });
        cookie = set;
    }
    let has_form = new.is_some();
    let made = CollectionsPage { rows: found.items.iter().map(about).collect(), next: found.next, notice, new };
    let html = collections_page(&asked.frame, &made);
    Ok(if has_form { form_page(asked, html, cookie) } else { page(asked, html) })
}

pub(super) async fn list(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    list_shown(&state, &asked, None, None).await
}

pub(super) async fn create(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let wish = CollectionWish {
        title: form.word("title").to_owned(),
        owner: Some(form.word("owner").to_owned()).filter(|owner| !owner.is_empty()),
        description: form.value("description").replace("\r\n", "\n"),
        is_private: form.word("visibility") == "private",
    };
    let came = match state.hub.collection_create(&form.asked.caller, wish).await {
        Err(HubError::CollectionExists { slug }) => Ok(Came::GoTo(format!("/collections/{slug}"))),
        made => made.map(|made| Came::GoTo(format!("/collections/{}", made.slug()))),
    };
    answered(came, async |notice| list_shown(&state, &form.asked, notice, Some(&form)).await).await
}

async fn one_shown(
    state: &AppState,
    asked: &Asked,
    address: &str,
    opened: Option<i64>,
    notice: Option<Notice>,
) -> ApiResult<Response> {
    let view = state.hub.collection_get(&asked.caller, address).await?;
    let mut left_bytes = NOTES_BYTES_MAX;
    let mut note = |note: &str| {
        let shown = cut_text(note, left_bytes).0.to_owned();
        left_bytes -= shown.len();
        shown
    };
    let items = view.items.iter().take(COLLECTION_ITEMS_SHOWN);
    let items = items.map(|(item, info)| CollectionItemRow {
        id: item.id,
        repo: row(info),
        // Whoever changes a note has all of it before them.
        opened: (opened == Some(item.id)).then(|| item.note.clone()),
        note: note(&item.note),
    });
    let (mut proof, mut cookie) = (None, None);
    if state.hub.collection_may_change(&asked.caller, &view.collection) {
        let (secret, set) = form_proof(state, &asked.headers, &asked.base);
        (proof, cookie) = (Some(secret), set);
    }
    let has_form = proof.is_some();
    let made = CollectionPage {
        about: about(&view),
        description: view.collection.description.clone(),
        items: items.collect(),
        has_more: view.items.len() > COLLECTION_ITEMS_SHOWN,
        notice,
        proof,
    };
    let html = collection_page(&asked.frame, &made);
    Ok(if has_form { form_page(asked, html, cookie) } else { page(asked, html) })
}

fn address_of(params: &Params) -> String {
    format!("{}/{}", params.text("namespace"), params.text("slug"))
}

pub(super) async fn one(State(state): State<AppState>, asked: Asked, params: Params) -> ApiResult<Response> {
    one_shown(&state, &asked, &address_of(&params), asked.value("item").parse().ok(), None).await
}

/// Moves an item one place up, past the item before it that the caller sees.
async fn move_up(state: &AppState, form: &Form, address: &str, item: i64) -> Result<(), HubError> {
    let (hub, caller) = (&state.hub, &form.asked.caller);
    let view = hub.collection_get(caller, address).await?;
    let place = view.items.iter().position(|(other, _)| other.id == item);
    let before = place.and_then(|place| place.checked_sub(1)).map(|place| view.items[place].0.position);
    match before {
        Some(position) => hub.collection_item_update(caller, address, item, None, Some(position)).await,
        // It is the first, or gone.
        None => Ok(()),
    }
}

/// Moves an item one place down: the item after it goes up.
async fn move_down(state: &AppState, form: &Form, address: &str, item: i64) -> Result<(), HubError> {
    let view = state.hub.collection_get(&form.asked.caller, address).await?;
    let place = view.items.iter().position(|(other, _)| other.id == item);
    let after = place.and_then(|place| view.items.get(place + 1)).map(|(after, _)| after.id);
    match after {
        Some(after) => move_up(state, form, address, after).await,
        None => Ok(()),
    }
}

pub(super) async fn change(State(state): State<AppState>, params: Params, form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let (hub, caller, address) = (&state.hub, &form.asked.caller, address_of(&params));
    // What a title becomes is in the address, so the page is looked for anew.
    let view = hub.collection_get(caller, &address).await?;
    // No item has the number 0.
    let item = form.word("item").parse().unwrap_or(0);
    let here = format!("/collections/{}", view.slug());
    let there = format!("{here}#item-{item}");
    let came = match form.word("do") {
        "about" => {
            let patch = CollectionPatch {
                title: Some(form.word("title").to_owned()),
                description: Some(form.value("description").replace("\r\n", "\n")),
                is_private: Some(form.word("visibility") == "private"),
                ..CollectionPatch::default()
            };
            let changed = hub.collection_update(caller, &address, patch).await;
            changed.map(|view| Came::GoTo(format!("/collections/{}", view.slug())))
        }
        "delete" if form.word("confirm") != view.collection.title => Ok(Came::Not(key::DELETE_DIFFERS)),
        "delete" => hub.collection_delete(caller, &address).await.map(|()| Came::GoTo("/collections".to_owned())),
        "add" => {
            let kind = form.word("kind").parse().unwrap_or(RepoKind::Model);
            match RepoAddress::parse(kind, form.word("repo")) {
                Ok(repo) => match hub.collection_item_add(caller, &address, &repo, form.word("note")).await {
                    Ok(_) | Err(HubError::Exists(_)) => Ok(Came::GoTo(here)),
                    // The collection is there: what is not is what was typed.
                    Err(HubError::RepoMissing { address, .. }) => {
                        Err(HubError::Missing(format!("there is no repository {address} that you may see")))
                    }
                    Err(error) => Err(error),
                },
                Err(error) => Err(error.into()),
            }
        }
        "note" => {
            let note = form.value("note").replace("\r\n", "\n");
            hub.collection_item_update(caller, &address, item, Some(&note), None).await.map(|()| Came::GoTo(there))
        }
        "up" => move_up(&state, &form, &address, item).await.map(|()| Came::GoTo(there)),
        "down" => move_down(&state, &form, &address, item).await.map(|()| Came::GoTo(there)),
        "remove" => hub.collection_item_delete(caller, &address, item).await.map(|()| Came::GoTo(here)),
        _ => Err(HubError::Invalid("the form does not say what to change".to_owned())),
    };
    answered(came, async |notice| one_shown(&state, &form.asked, &address, Some(item), notice).await).await
}
