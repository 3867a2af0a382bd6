//! Collections: lists of repositories that somebody put together and explains.
//!
//! A collection shows of its items what its reader may see. Its address is `owner/title-mark`; the mark alone
//! finds it, so that it keeps its links when the title changes.

use std::collections::HashMap;

use karez_catalog::{Account, Collection, CollectionItem, CollectionPatch, CollectionQuery, NewCollection};
use karez_types::{OrgRole, RepoAddress, RepoId, Timestamp};

use crate::{Actor, Hub, HubError, HubResult, RepoField, RepoInfo, Right};

/// Repositories in one collection.
pub const COLLECTION_ITEMS_MAX: u64 = 500;
/// Collections of one owner.
const COLLECTIONS_MAX: u64 = 1_000;
/// Collections on one page of a list.
const PAGE_ITEMS: u64 = 20;
/// Collections of each owner that somebody chooses from.
const CHOICE_ITEMS: u64 = 100;
/// Owners whose collections somebody chooses from.
const CHOICE_OWNERS_MAX: usize = 20;
/// Highest place of an item. Places grow as items move: with one move a second they take thirty thousand years.
const POSITION_MAX: u64 = 1 << 40;
/// Items of each collection that a list shows.
const LISTED_ITEMS: u64 = 4;
/// Longest title, description and note, in characters.
const TITLE_CHARS_MAX: usize = 200;
const TEXT_CHARS_MAX: usize = 2_000;
/// Colours that clients know.
const THEMES: [&str; 6] = ["orange", "blue", "green", "purple", "pink", "indigo"];

/// A collection with what its reader may see of it.
#[derive(Debug, Clone)]
pub struct CollectionView {
    /// The collection.
    pub collection: Collection,
    /// Whose it is.
    pub owner: Account,
    /// Its items, in their order.
    pub items: Vec<(CollectionItem, RepoInfo)>,
}

impl CollectionView {
    /// Returns the address: `owner/title-mark`.
    pub fn slug(&self) -> String {
        slug(&self.collection)
    }
}

/// Returns the address of a collection: `owner/title-mark`.
pub fn slug(collection: &Collection) -> String {
    let words: String =
        collection.title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut title = words.join("-");
    title.truncate(60);
    let title = title.trim_end_matches('-');
    let dash = if title.is_empty() { "" } else { "-" };
    format!("{}/{title}{dash}{}", collection.owner, collection.mark)
}

/// What somebody wants a collection to be.
#[derive(Debug, Clone)]
pub struct CollectionWish {
    /// What it is called.
    pub title: String,
    /// Whose it is to be; the caller's own when unset.
    pub owner: Option<String>,
    /// What it is for.
    pub description: String,
    /// Whether only its owner sees it.
    pub is_private: bool,
}

/// A page of collections.
#[derive(Debug, Clone)]
pub struct CollectionPage {
    /// The collections.
    pub items: Vec<CollectionView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Hub {
    /// Makes a collection.
    ///
    /// # Errors
    /// [`HubError::Exists`] with the address of the one that the owner has under this title;
    /// [`HubError::Forbidden`] for owners that are not the caller's.
    pub async fn collection_create(&self, actor: &Actor, wish: CollectionWish) -> HubResult<CollectionView> {
        let user = self.writer(actor, "making a collection")?;
        let owner = match &wish.owner {
            None => user.account.clone(),
            Some(name) => self.account_named(name).await?,
        };
        self.right_check(actor, owner.id, Right::Write, &format!("the collections of {}", owner.name))?;
        let title = text_checked("title", &wish.title, TITLE_CHARS_MAX)?;
        if title.is_empty() {
            return Err(HubError::Invalid("give the collection a title".to_owned()));
        }
        if let Some(found) = self.catalog.collection_titled(owner.id, &title).await? {
            return Err(HubError::CollectionExists { slug: slug(&found) });
        }
        let mark = self.collection_mark_draw();
        let description = text_checked("description", &wish.description, TEXT_CHARS_MAX)?;
        let new =
            NewCollection { mark: mark.clone(), owner: owner.id, title, description, is_private: wish.is_private };
        if !self.catalog.collection_create(&new, COLLECTIONS_MAX, self.clock.now()).await? {
            return Err(HubError::Refused(format!("an owner has at most {COLLECTIONS_MAX} collections")));
        }
        self.collection_get(actor, &mark).await
    }

    fn collection_mark_draw(&self) -> String {
        let mut bytes = [0; 12];
        self.entropy.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the account of this name, a person or an organisation.
    async fn account_named(&self, name: &str) -> HubResult<Account> {
        match self.user_overview(&Actor::Anonymous, name).await {
            Err(HubError::Missing(_)) => Ok(self.org_overview(&Actor::Anonymous, name).await?.account),
            found => Ok(found?.account),
        }
    }

    /// Finds a collection by its address, or by the mark at its end.
    ///
    /// # Errors
    /// [`HubError::Missing`] when there is none that the caller may see.
    pub async fn collection_get(&self, actor: &Actor, address: &str) -> HubResult<CollectionView> {
        let collection = self.collection_open(actor, address).await?;
        self.collection_view(actor, collection, COLLECTION_ITEMS_MAX).await
    }

    async fn collection_open(&self, actor: &Actor, address: &str) -> HubResult<Collection> {
        let missing = || HubError::Missing("there is no such collection, or it is private".to_owned());
        let tail = address.rsplit('/').next().unwrap_or(address);
        let mark = tail.len().checked_sub(24).and_then(|at| tail.get(at..)).ok_or_else(missing)?;
        let found = self.catalog.collection_get(mark).await?.ok_or_else(missing)?;
        let is_seen = !found.is_private || actor.right_over(found.owner_id).is_some();
        if is_seen { Ok(found) } else { Err(missing()) }
    }

    /// Opens a collection for changing it.
    async fn collection_change(&self, actor: &Actor, address: &str) -> HubResult<Collection> {
        self.writer(actor, "changing a collection")?;
        let found = self.collection_open(actor, address).await?;
        self.right_check(actor, found.owner_id, Right::Write, &format!("the collections of {}", found.owner))?;
        Ok(found)
    }

    async fn collection_view(&self, actor: &Actor, found: Collection, items_max: u64) -> HubResult<CollectionView> {
        let items = self.catalog.collection_items(found.id, items_max).await?;
        let ids: Vec<RepoId> = items.iter().map(|item| item.repo).collect();
        let repos = self.catalog.repos_visible(&ids, &self.viewer(actor)).await?;
        let infos = self.infos(repos, &RepoField::of_listing()).await?;
        let mut infos: HashMap<RepoId, RepoInfo> = infos.into_iter().map(|info| (info.repo.id, info)).collect();
        let seen = |item: CollectionItem| infos.remove(&item.repo).map(|info| (item, info));
        let items = items.into_iter().filter_map(seen).collect();
        let owner = self.account_named(found.owner.as_str()).await?;
        Ok(CollectionView { collection: found, owner, items })
    }

    /// Lists collections that the caller may see, the last changed first; each with its first items.
    ///
    /// # Errors
    /// [`HubError::Missing`] for an owner that is not there; [`HubError::Invalid`] for a forged cursor.
    pub async fn collection_list(
        &self,
        actor: &Actor,
        owner: Option<&str>,
        item: Option<&RepoAddress>,
        cursor: Option<&str>,
    ) -> HubResult<CollectionPage> {
        const ORDER: &str = "collections";
        let after = cursor.map(|cursor| self.cursor_open::<Place>(ORDER, cursor)).transpose()?;
        let owner = match owner {
            None => None,
            Some(name) => Some(self.account_named(name).await?.id),
        };
        let repo = match item {
            None => None,
            Some(address) => Some(self.repo_open(actor, address, Right::See).await?.id),
        };
        let private_of = match actor {
            Actor::Operator => None,
            Actor::User(user) if user.account.is_admin => None,
            Actor::User(user) => {
                let orgs = user.memberships.iter().map(|membership| membership.org);
                Some(std::iter::once(user.account.id).chain(orgs).collect())
            }
            Actor::Anonymous | Actor::Guest(_) => Some(Vec::new()),
        };
        let after = after.map(|place| (place.0, place.1));
        let query = CollectionQuery { owner, repo, private_of, after, limit: PAGE_ITEMS + 1 };
        let mut found = self.catalog.collections(&query).await?;
        let has_more = found.len() as u64 > PAGE_ITEMS;
        found.truncate(PAGE_ITEMS as usize);
        let last = found.last().filter(|_| has_more).map(|last| Place(last.modified, last.id));
        let mut items = Vec::with_capacity(found.len());
        for collection in found {
            items.push(self.collection_view(actor, collection, LISTED_ITEMS).await?);
        }
        Ok(CollectionPage { items, next: last.map(|place| self.cursor_seal(ORDER, &place)) })
    }

    /// Lists the collections that the caller may change, the last changed first for each owner.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`] and [`HubError::Forbidden`] without a token that may write.
    pub async fn collections_own(&self, actor: &Actor) -> HubResult<Vec<Collection>> {
        let user = self.writer(actor, "changing a collection")?;
        let orgs = user.memberships.iter().filter(|membership| membership.role >= OrgRole::Write);
        let owners = std::iter::once(user.account.id).chain(orgs.map(|membership| membership.org));
        let mut found = Vec::new();
        for owner in owners.take(CHOICE_OWNERS_MAX) {
            let query = CollectionQuery {
                owner: Some(owner),
                repo: None,
                private_of: Some(vec![owner]),
                after: None,
                limit: CHOICE_ITEMS,
            };
            found.extend(self.catalog.collections(&query).await?);
        }
        Ok(found)
    }

    /// Tells whether the caller may change a collection that they see.
    pub fn collection_may_change(&self, actor: &Actor, collection: &Collection) -> bool {
        actor.user().is_some()
            && actor.token_allows(Right::Write)
            && actor.right_over(collection.owner_id).is_some_and(|has| has >= Right::Write)
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] for collections of others, [`HubError::Invalid`] for texts that are too long.
    pub async fn collection_update(
        &self,
        actor: &Actor,
        address: &str,
        patch: CollectionPatch,
    ) -> HubResult<CollectionView> {
        let found = self.collection_change(actor, address).await?;
        let text = |what, text: Option<String>, most| text.map(|text| text_checked(what, &text, most)).transpose();
        let patch = CollectionPatch {
            title: text("title", patch.title, TITLE_CHARS_MAX)?.filter(|title| !title.is_empty()),
            description: text("description", patch.description, TEXT_CHARS_MAX)?,
            ..patch
        };
        if patch.theme.as_ref().is_some_and(|theme| !THEMES.contains(&theme.as_str())) {
            return Err(HubError::Invalid(format!("theme must be one of {}", THEMES.join(", "))));
        }
        self.catalog.collection_update(found.id, &patch, self.clock.now()).await?;
        self.collection_get(actor, &found.mark).await
    }

    /// Deletes a collection; what it lists stays.
    ///
    /// # Errors
    /// As [`Hub::collection_update`].
    pub async fn collection_delete(&self, actor: &Actor, address: &str) -> HubResult<()> {
        let found = self.collection_change(actor, address).await?;
        Ok(self.catalog.collection_delete(found.id).await?)
    }

    /// Puts a repository that the caller can see into a collection.
    ///
    /// # Errors
    /// [`HubError::Exists`] when it is in it already.
    pub async fn collection_item_add(
        &self,
        actor: &Actor,
        address: &str,
        repo: &RepoAddress,
        note: &str,
    ) -> HubResult<CollectionView> {
        let found = self.collection_change(actor, address).await?;
        let note = text_checked("note", note, TEXT_CHARS_MAX)?;
        let repo = self.repo_open(actor, repo, Right::See).await?;
        let added =
            self.catalog.collection_item_add(found.id, repo.id, &note, COLLECTION_ITEMS_MAX, self.clock.now()).await?;
        match added {
            Some(true) => self.collection_get(actor, &found.mark).await,
            Some(false) => Err(HubError::Exists(format!("{} is in the collection already", repo.address()))),
            None => Err(HubError::Refused(format!("a collection holds at most {COLLECTION_ITEMS_MAX} repositories"))),
        }
    }

    /// Changes note or place of an item.
    ///
    /// # Errors
    /// [`HubError::Missing`] when the collection has no such item.
    pub async fn collection_item_update(
        &self,
        actor: &Actor,
        address: &str,
        item: i64,
        note: Option<&str>,
        position: Option<u64>,
    ) -> HubResult<()> {
        let found = self.collection_change(actor, address).await?;
        let note = note.map(|note| text_checked("note", note, TEXT_CHARS_MAX)).transpose()?;
        let position = position.map(|position| position.min(POSITION_MAX));
        let now = self.clock.now();
        let is_there = self.catalog.collection_item_update(found.id, item, note.as_deref(), position, now).await?;
        if is_there { Ok(()) } else { Err(no_item()) }
    }

    /// Takes an item out of a collection.
    ///
    /// # Errors
    /// [`HubError::Missing`] when the collection has no such item.
    pub async fn collection_item_delete(&self, actor: &Actor, address: &str, item: i64) -> HubResult<()> {
        let found = self.collection_change(actor, address).await?;
        let was_there = self.catalog.collection_item_delete(found.id, item, self.clock.now()).await?;
        if was_there { Ok(()) } else { Err(no_item()) }
    }
}

fn no_item() -> HubError {
    HubError::Missing("the collection has no such item".to_owned())
}

/// Returns a text without control characters, or says that it is too long.
fn text_checked(what: &str, text: &str, chars_max: usize) -> HubResult<String> {
    if text.chars().count() > chars_max {
        return Err(HubError::Invalid(format!("the {what} of a collection has at most {chars_max} characters")));
    }
    Ok(text.chars().filter(|c| !c.is_control() || *c == '\n').collect::<String>().trim().to_owned())
}

/// The place after a collection in a list.
struct Place(Timestamp, i64);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.0.0, self.1)
    }
}

impl std::str::FromStr for Place {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Place, Self::Err> {
        let (at, id) = text.split_once('_').unwrap_or((text, ""));
        Ok(Place(Timestamp(at.parse()?), id.parse()?))
    }
}
