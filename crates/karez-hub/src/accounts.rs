//! People and organisations.

use karez_catalog::{Account, AccountCreated, AccountDeleted, AccountKind, NewAccount};
use karez_types::{AccountId, OrgRole, OwnerName, RepoKind, Visibility};

use crate::{Actor, Hub, HubError, HubResult, Right, SignedIn};

/// What somebody learns about themselves.
#[derive(Debug, Clone)]
pub struct Me {
    /// The person and the token that was shown.
    pub signed_in: SignedIn,
    /// The organisations that the person belongs to, with the role in each.
    pub orgs: Vec<(Account, OrgRole)>,
}

/// How many repositories of each kind an owner has that the caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepoCounts {
    /// Models.
    pub models: u64,
    /// Datasets.
    pub datasets: u64,
    /// Spaces.
    pub spaces: u64,
}

/// What everyone may know of a person.
#[derive(Debug, Clone)]
pub struct UserOverview {
    /// The person.
    pub account: Account,
    /// The organisations that the person belongs to.
    pub orgs: Vec<(Account, OrgRole)>,
    /// What the person has.
    pub counts: RepoCounts,
}

/// What everyone may know of an organisation.
#[derive(Debug, Clone)]
pub struct OrgOverview {
    /// The organisation.
    pub account: Account,
    /// How many members it has.
    pub member_count: u64,
    /// What the organisation has.
    pub counts: RepoCounts,
}

impl Hub {
    /// Tells a signed-in person who they are.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`] when no token was shown.
    pub async fn whoami(&self, actor: &Actor) -> HubResult<Me> {
        let signed_in = self.signed_in(actor)?.clone();
        let orgs = self.catalog.memberships(signed_in.account.id).await?;
        Ok(Me { signed_in, orgs })
    }

    /// Describes a person.
    ///
    /// # Errors
    /// [`HubError::Missing`] when there is no such person.
    pub async fn user_overview(&self, actor: &Actor, name: &str) -> HubResult<UserOverview> {
        let account = self.account_of_kind(name, AccountKind::User).await?;
        let orgs = self.catalog.memberships(account.id).await?;
        let counts = self.repo_counts(actor, &account).await?;
        Ok(UserOverview { account, orgs, counts })
    }

    /// Describes an organisation.
    ///
    /// # Errors
    /// [`HubError::Missing`] when there is no such organisation.
    pub async fn org_overview(&self, actor: &Actor, name: &str) -> HubResult<OrgOverview> {
        let account = self.account_of_kind(name, AccountKind::Organization).await?;
        let member_count = self.catalog.members(account.id).await?.len() as u64;
        let counts = self.repo_counts(actor, &account).await?;
        Ok(OrgOverview { account, member_count, counts })
    }

    /// Lists the members of an organisation.
    ///
    /// # Errors
    /// [`HubError::Missing`] when there is no such organisation.
    pub async fn org_members(&self, _actor: &Actor, name: &str) -> HubResult<Vec<(Account, OrgRole)>> {
        let account = self.account_of_kind(name, AccountKind::Organization).await?;
        Ok(self.catalog.members(account.id).await?)
    }

    /// Creates a person or an organisation. Only who administers the node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`], or [`HubError::Exists`] when the name is taken by either kind.
    pub async fn account_create(&self, actor: &Actor, account: NewAccount) -> HubResult<Account> {
        self.node_admin_check(actor)?;
        let name = account.name.clone();
        match self.catalog.account_create(&account, self.clock.now()).await? {
            AccountCreated::Created(account) => Ok(account),
            AccountCreated::Taken(_) => Err(HubError::Exists(format!("the name {name} is taken; choose another"))),
        }
    }

    /// Lists people and organisations by name, from after this one on. Only who administers the
    /// node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`].
    pub async fn account_list(&self, actor: &Actor, after: Option<&OwnerName>, limit: u64) -> HubResult<Vec<Account>> {
        self.node_admin_check(actor)?;
        Ok(self.catalog.account_list(after, limit).await?)
    }

    /// Deletes a person or an organisation that owns nothing any more. Only who administers the
    /// node may.
    ///
    /// # Errors
    /// [`HubError::Forbidden`], [`HubError::Missing`], or [`HubError::Refused`] when there are
    /// repositories left, and for the last administrator.
    pub async fn account_delete(&self, actor: &Actor, name: &str) -> HubResult<()> {
        self.node_admin_check(actor)?;
        let account = self.account(name).await?;
        let admins = self.catalog.admins().await?;
        if admins.len() == 1 && admins[0].id == account.id {
            let words =
                format!("{name} is the last who administers this node; make somebody else an administrator first");
            return Err(HubError::Refused(words));
        }
        match self.catalog.account_delete(account.id).await? {
            AccountDeleted::Deleted => Ok(()),
            AccountDeleted::Missing => Err(account_missing(name)),
            AccountDeleted::OwnsRepos(count) => {
                Err(HubError::Refused(format!("{name} still owns {count} repositories; delete or move them first")))
            }
        }
    }

    /// Makes a person a member of an organisation, or changes their role there. Its last administrator stays one:
    /// nobody would be left to let anybody in. Only the operator may do otherwise.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] unless the caller administers the organisation; [`HubError::Missing`];
    /// [`HubError::LastAdmin`].
    pub async fn member_set(&self, actor: &Actor, org: &str, user: &str, role: OrgRole) -> HubResult<()> {
        let (org_id, user_id) = self.member_open(actor, org, user).await?;
        if role == OrgRole::Admin || matches!(actor, Actor::Operator) {
            self.catalog.member_set(org_id, user_id, role).await?;
        } else if !self.catalog.member_set_unless_last(org_id, user_id, role).await? {
            return Err(HubError::LastAdmin(org.to_owned()));
        }
        Ok(())
    }

    /// Takes a person out of an organisation; not being a member is fine.
    ///
    /// # Errors
    /// As [`Hub::member_set`].
    pub async fn member_remove(&self, actor: &Actor, org: &str, user: &str) -> HubResult<()> {
        let (org_id, user_id) = self.member_open(actor, org, user).await?;
        if matches!(actor, Actor::Operator) {
            self.catalog.member_remove(org_id, user_id).await?;
        } else if !self.catalog.member_remove_unless_last(org_id, user_id).await? {
            return Err(HubError::LastAdmin(org.to_owned()));
        }
        Ok(())
    }

    /// Tells whether the caller may change the members of an organisation.
    pub fn may_administer(&self, actor: &Actor, org: &Account) -> bool {
        org.kind == AccountKind::Organization
            && self.right_check(actor, org.id, Right::Admin, org.name.as_str()).is_ok()
    }

    async fn member_open(&self, actor: &Actor, org: &str, user: &str) -> HubResult<(AccountId, AccountId)> {
        let org = self.account_of_kind(org, AccountKind::Organization).await?;
        self.right_check(actor, org.id, Right::Admin, org.name.as_str())?;
        let user = self.account_of_kind(user, AccountKind::User).await?;
        Ok((org.id, user.id))
    }

    /// Returns the person, or says that a token is needed.
    pub(crate) fn signed_in<'a>(&self, actor: &'a Actor) -> HubResult<&'a SignedIn> {
        let needed =
            || HubError::SignInNeeded("this needs a token; sign in with `hf auth login` or set HF_TOKEN".into());
        actor.user().ok_or_else(needed)
    }

    /// Lets only the operator, and administrators with a token that may write, pass.
    ///
    /// # Errors
    /// [`HubError::Forbidden`]; [`HubError::SignInNeeded`] when nobody is signed in.
    pub fn node_admin_check(&self, actor: &Actor) -> HubResult<()> {
        match actor {
            Actor::Operator => Ok(()),
            Actor::User(user) if user.account.is_admin && actor.token_allows(Right::Admin) => Ok(()),
            Actor::User(_) => Err(HubError::Forbidden("only an administrator of the node may do this".to_owned())),
            Actor::Anonymous | Actor::Guest(_) => self.signed_in(actor).map(|_| ()),
        }
    }

    /// Returns the account of this name, whatever its kind.
    pub(crate) async fn account(&self, name: &str) -> HubResult<Account> {
        // What breaks the grammar of names was never one.
        let well_formed: OwnerName = name.parse().map_err(|_| account_missing(name))?;
        self.catalog.account_by_name(well_formed.as_str()).await?.ok_or_else(|| account_missing(name))
    }

    pub(crate) async fn account_of_kind(&self, name: &str, kind: AccountKind) -> HubResult<Account> {
        let account = self.account(name).await?;
        if account.kind == kind { Ok(account) } else { Err(account_missing(name)) }
    }

    async fn repo_counts(&self, actor: &Actor, owner: &Account) -> HubResult<RepoCounts> {
        let visibility = match actor.right_over(owner.id) {
            Some(_) => None,
            None => Some(Visibility::Public),
        };
        let count = async |kind| self.catalog.repo_count(kind, owner.id, visibility).await;
        Ok(RepoCounts {
            models: count(RepoKind::Model).await?,
            datasets: count(RepoKind::Dataset).await?,
            spaces: count(RepoKind::Space).await?,
        })
    }
}

fn account_missing(name: &str) -> HubError {
    let shown: String = name.chars().take(100).flat_map(char::escape_debug).collect();
    HubError::Missing(format!("there is no user or organisation named {shown}"))
}

/// Returns a person to create, with nothing but a name.
pub fn new_user(name: OwnerName, is_admin: bool) -> NewAccount {
    NewAccount { name, kind: AccountKind::User, fullname: String::new(), email: None, is_admin }
}

/// Returns an organisation to create, with nothing but a name.
pub fn new_organization(name: OwnerName) -> NewAccount {
    NewAccount { name, kind: AccountKind::Organization, fullname: String::new(), email: None, is_admin: false }
}
