//! Repositories as a whole: create, delete, move, change settings.

use karez_catalog::{Account, AccountKind, NewRepo, Repo, RepoCreated, RepoMoved, RepoPatch};
use karez_types::{OwnerName, RepoAddress, RepoKind, RepoName, Visibility};

use crate::first_commit::first_commit;
use crate::quota::over_quota;
use crate::{Actor, Hub, HubError, HubResult, Right};

/// What spaces may run on (`SPACES_SDK_TYPES` in huggingface_hub).
const SPACE_SDKS: [&str; 4] = ["gradio", "streamlit", "docker", "static"];
/// What the setting `gated` may be, as stored.
const GATED_WORDS: [&str; 3] = ["false", "auto", "manual"];

/// A repository that somebody wants to have.
#[derive(Debug, Clone)]
pub struct RepoWish {
    /// Model, dataset, space or kernel.
    pub kind: RepoKind,
    /// Whose it shall be; the caller's own when unset.
    pub owner: Option<OwnerName>,
    /// Name within the owner.
    pub name: RepoName,
    /// Who may see it.
    pub visibility: Visibility,
    /// What a space runs on.
    pub sdk: Option<String>,
}

/// Settings to change; what is unset stays.
#[derive(Debug, Clone, Default)]
pub struct RepoSettings {
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// `false`, `auto` or `manual`.
    pub gated: Option<String>,
}

impl Hub {
    /// Creates a repository with its first commit, which holds `.gitattributes`.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`] or [`HubError::Forbidden`] as to the owner,
    /// [`HubError::RepoExists`], or [`HubError::Invalid`] for a space without an sdk.
    pub async fn repo_create(&self, actor: &Actor, wish: RepoWish) -> HubResult<Repo> {
        let owner = self.wished_owner(actor, &wish)?;
        let owner = self.owner_to_write(actor, wish.kind, &owner).await?;
        sdk_check(wish.kind, wish.sdk.as_deref())?;
        let now = self.clock.now();
        let author = actor.user().map_or(&owner.name, |user| &user.account.name);
        let content = first_commit(wish.kind, author, now);
        let new =
            NewRepo { kind: wish.kind, owner: owner.id, name: wish.name, visibility: wish.visibility, sdk: wish.sdk };
        match self.catalog.repo_create(&new, &content, now).await? {
            RepoCreated::Created(repo) => Ok(repo),
            RepoCreated::Taken(repo) => Err(HubError::RepoExists(repo.address())),
            RepoCreated::OverQuota(over) => Err(over_quota(&owner.name, over)),
            RepoCreated::OwnerMissing => Err(HubError::Missing(format!("{} is gone", owner.name))),
        }
    }

    /// Deletes a repository. Its bytes stay until nothing else needs them. The local copy of what comes from
    /// a remote is deleted by the node's administrators only; its origin keeps it.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]. An old address of a moved repository counts as missing: a deletion
    /// must name what it deletes.
    pub async fn repo_delete(&self, actor: &Actor, address: &RepoAddress) -> HubResult<()> {
        let repo = match self.repo_open_exactly(actor, address, Right::See).await? {
            copy if copy.mirror.is_some() && actor.is_node_admin() && actor.token_allows(Right::Admin) => copy,
            _ => self.repo_open_exactly(actor, address, Right::Admin).await?,
        };
        self.catalog.repo_delete(repo.id, self.clock.now()).await?;
        self.mapped_files.forget();
        Ok(())
    }

    /// Gives a repository another owner or name. Its old address redirects from then on.
    ///
    /// # Errors
    /// As [`Hub::repo_delete`] for where it is, as [`Hub::repo_create`] for where it goes, and
    /// [`HubError::Exists`] when something is there; [`HubError::OverQuota`] when its files are too much for a new owner.
    pub async fn repo_move(&self, actor: &Actor, from: &RepoAddress, to: &RepoAddress) -> HubResult<Repo> {
        let repo = self.repo_open_exactly(actor, from, Right::Admin).await?;
        let owner = self.owner_to_write(actor, to.kind, &to.owner).await?;
        let exists = || HubError::Exists(format!("A {} repository called {} already exists", to.kind, to.id()));
        if repo.address() == *to {
            return Err(exists());
        }
        match self.catalog.repo_move(repo.id, owner.id, &to.name, self.clock.now()).await? {
            RepoMoved::Moved(repo) => {
                self.mapped_files.forget();
                Ok(repo)
            }
            RepoMoved::Taken(_) => Err(exists()),
            RepoMoved::OverQuota(over) => Err(over_quota(&owner.name, over)),
            RepoMoved::Missing => Err(missing(actor, from)),
        }
    }

    /// Changes who may see a repository, and whether people must ask for access.
    ///
    /// # Errors
    /// As [`Hub::repo_open`], and [`HubError::Invalid`] for an unknown value of `gated`.
    pub async fn repo_settings_change(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        settings: RepoSettings,
    ) -> HubResult<Repo> {
        let repo = self.repo_open(actor, address, Right::Admin).await?;
        if let Some(word) = &settings.gated
            && !GATED_WORDS.contains(&word.as_str())
        {
            return Err(HubError::Invalid("gated must be \"auto\", \"manual\" or false".to_owned()));
        }
        let patch = RepoPatch { visibility: settings.visibility, gated: settings.gated, sdk: None };
        let changed =
            self.catalog.repo_update(repo.id, &patch, self.clock.now()).await?.ok_or_else(|| missing(actor, address));
        self.mapped_files.forget();
        changed
    }

    /// Opens a repository by its present address only.
    async fn repo_open_exactly(&self, actor: &Actor, address: &RepoAddress, right: Right) -> HubResult<Repo> {
        match self.repo_open(actor, address, right).await {
            Err(HubError::RepoMoved { .. }) => Err(missing(actor, address)),
            other => other,
        }
    }

    /// Returns the name of the owner that a new repository shall have.
    fn wished_owner(&self, actor: &Actor, wish: &RepoWish) -> HubResult<OwnerName> {
        match (&wish.owner, actor) {
            (Some(owner), Actor::Operator | Actor::User(_)) => Ok(owner.clone()),
            (None, Actor::User(user)) => Ok(user.account.name.clone()),
            (None, Actor::Operator) => {
                Err(HubError::Invalid("say whose repository it shall be: owner/name".to_owned()))
            }
            (_, Actor::Anonymous | Actor::Guest(_)) => Err(HubError::SignInNeeded(
                "creating a repository needs a token; sign in with `hf auth login` or set HF_TOKEN".to_owned(),
            )),
        }
    }

    /// Returns the account that a repository shall belong to, if the caller may create there.
    pub(crate) async fn owner_to_write(&self, actor: &Actor, kind: RepoKind, owner: &OwnerName) -> HubResult<Account> {
        // An owner that is not there answers as one where the caller has no rights: clients then
        // look whether the repository exists already, which is what create with exist_ok means.
        let refused = || {
            HubError::Forbidden(format!("You don't have the rights to create a {kind} under the namespace \"{owner}\""))
        };
        let account = self.catalog.account_by_name(owner.as_str()).await?.ok_or_else(refused)?;
        if let Some(origin) = self.catalog.owner_origin_get(owner).await?
            && !actor.is_anonymous()
        {
            let remote = self.remote_name(origin.remote).await?;
            return Err(HubError::Forbidden(format!(
                "the owner name {owner} belongs to {remote}; create the {kind} there, or under a name of your own"
            )));
        }
        let what = match account.kind {
            AccountKind::User => format!("repositories of {owner}"),
            AccountKind::Organization => format!("repositories of the organisation {owner}"),
        };
        match self.right_check(actor, account.id, Right::Write, &what) {
            Err(HubError::Forbidden(_)) if actor.token_allows(Right::Write) => Err(refused()),
            other => other.map(|()| account),
        }
    }
}

fn sdk_check(kind: RepoKind, sdk: Option<&str>) -> HubResult<()> {
    let known = SPACE_SDKS.join(", ");
    match (kind, sdk) {
        (RepoKind::Space, None) => Err(HubError::Invalid(format!("a space needs an sdk, one of: {known}"))),
        (RepoKind::Space, Some(sdk)) if !SPACE_SDKS.contains(&sdk) => {
            Err(HubError::Invalid(format!("the sdk of a space must be one of: {known}")))
        }
        _ => Ok(()),
    }
}

fn missing(actor: &Actor, address: &RepoAddress) -> HubError {
    HubError::RepoMissing { address: address.to_string(), anonymous: actor.is_anonymous() }
}
