//! Accounts and tokens.

use karez_types::{AccountId, OrgRole, OwnerName, Timestamp, TokenId, TokenRole};

/// A person or an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// Somebody who can hold tokens.
    User,
    /// A group that owns repositories; its members act for it.
    Organization,
}

impl AccountKind {
    /// Returns the word used in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            AccountKind::User => "user",
            AccountKind::Organization => "org",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<AccountKind> {
        match word {
            "user" => Some(AccountKind::User),
            "org" => Some(AccountKind::Organization),
            _ => None,
        }
    }
}

/// An account to create.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Unique among users and organizations together, without regard to case.
    pub name: OwnerName,
    /// User or organization.
    pub kind: AccountKind,
    /// The name to show; may be empty.
    pub fullname: String,
    /// Mail address, if one was given.
    pub email: Option<String>,
    /// Whether the account administers the node.
    pub is_admin: bool,
}

/// A stored account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Never given to another account, also after this one is gone: it is a trust zone.
    pub id: AccountId,
    /// Name as its owner writes it.
    pub name: OwnerName,
    /// User or organization.
    pub kind: AccountKind,
    /// The name to show; may be empty.
    pub fullname: String,
    /// Mail address, if one was given.
    pub email: Option<String>,
    /// Whether the account administers the node.
    pub is_admin: bool,
    /// When it was created.
    pub created: Timestamp,
}

/// What `account_update` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountPatch {
    /// The name to show.
    pub fullname: Option<String>,
    /// Mail address; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// Whether the account administers the node.
    pub is_admin: Option<bool>,
}

/// How `account_create` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCreated {
    /// There is a new account.
    Created(Account),
    /// This account has the name already.
    Taken(Account),
}

/// How `account_delete` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountDeleted {
    /// The account, its tokens and its memberships are gone.
    Deleted,
    /// The account still owns this many repositories; nothing was changed.
    OwnsRepos(u64),
    /// There is no such account.
    Missing,
}

/// What a token says about the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The token's own id.
    pub id: TokenId,
    /// The name its user gave it.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it ends; the caller compares with its clock.
    pub expires: Option<Timestamp>,
    /// Whose token it is.
    pub user: Account,
    /// The organizations of that user.
    pub memberships: Vec<Membership>,
}

/// One organization of a user, and the user's role there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Id of the organization.
    pub org: AccountId,
    /// What the user may do there.
    pub role: OrgRole,
}

/// A token as listings show it; the token itself is nowhere stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBrief {
    /// The token's own id.
    pub id: TokenId,
    /// Whose token it is.
    pub user: AccountId,
    /// The name its user gave it.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it was created.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// How somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInWay {
    /// With a password.
    Password,
    /// With a token; the session ends with it.
    Token(TokenId),
    /// Through an OpenID provider.
    Provider,
}

impl SignInWay {
    /// The word for a token in the database.
    pub const TOKEN: &str = "token";

    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            SignInWay::Password => "password",
            SignInWay::Token(_) => SignInWay::TOKEN,
            SignInWay::Provider => "provider",
        }
    }
}

/// A browser that signs in.
#[derive(Debug, Clone, Copy)]
pub struct NewSession {
    /// Who.
    pub user: AccountId,
    /// How.
    pub way: SignInWay,
    /// What it may do.
    pub role: TokenRole,
    /// When it ends.
    pub expires: Timestamp,
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// How somebody signed in: `password`, `token` or `provider`.
    pub way: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it ends; the caller compares with its clock.
    pub expires: Timestamp,
    /// Who.
    pub user: Account,
    /// The organizations of that user.
    pub memberships: Vec<Membership>,
}

/// With what a person is signed in, and whether they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignIns {
    /// Browsers that are signed in.
    pub sessions: u64,
    /// Access tokens.
    pub tokens: u64,
    /// When the account was blocked; nothing when it is not.
    pub blocked: Option<Timestamp>,
}
