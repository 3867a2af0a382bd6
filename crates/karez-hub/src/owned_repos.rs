//! Everything that an owner has, of every kind, with what it weighs.

use karez_catalog::{AccountKind, Repo, RepoCursor, RepoQuery, RepoSort};
use karez_types::RepoKind;

use crate::{Actor, Hub, HubError, HubResult, Purpose, Right};

/// Repositories on one page: each costs a sum over its files.
const PAGE_ITEMS: u64 = 100;

/// A repository and what it weighs.
#[derive(Debug, Clone)]
pub struct OwnedRepo {
    /// The catalog's row.
    pub repo: Repo,
    /// Bytes of its large files.
    pub stored_bytes: u64,
}

/// One page of what an owner has.
#[derive(Debug, Clone)]
pub struct OwnedPage {
    /// The repositories.
    pub items: Vec<OwnedRepo>,
    /// Where the next page begins; nothing after the last one.
    pub next: Option<String>,
}

impl Hub {
    /// Lists what the caller, or an organisation that the caller belongs to, has.
    ///
    /// # Errors
    /// [`HubError::SignInNeeded`], [`HubError::Missing`], [`HubError::Forbidden`] for others, and
    /// [`HubError::Invalid`] for a forged cursor.
    pub async fn owned_repos(&self, actor: &Actor, org: Option<&str>, cursor: Option<&str>) -> HubResult<OwnedPage> {
        let me = &self.signed_in(actor)?.account;
        let owner = match org {
            Some(org) => self.account_of_kind(org, AccountKind::Organization).await?,
            None => me.clone(),
        };
        if actor.right_over(owner.id).is_none_or(|right| right < Right::Read) {
            return Err(HubError::Forbidden(format!("only members of {} may see what it has", owner.name)));
        }
        let (first_kind, mut after) = match cursor {
            Some(cursor) => self.owned_cursor_open(cursor)?,
            None => (0, None),
        };
        let mut page = OwnedPage { items: Vec::new(), next: None };
        for (place, &kind) in RepoKind::ALL.iter().enumerate().skip(first_kind) {
            let left = PAGE_ITEMS - page.items.len() as u64;
            let query = RepoQuery {
                owner: Some(owner.name.to_string()),
                after: after.take(),
                ..RepoQuery::all(kind, self.viewer(actor), left)
            };
            for repo in self.catalog.repo_list(&query).await? {
                let stored_bytes = self.catalog.repo_stored_bytes(repo.id).await?;
                page.items.push(OwnedRepo { repo, stored_bytes });
            }
            if page.items.len() as u64 >= PAGE_ITEMS {
                let last = page.items.last().map(|item| RepoCursor::after(&item.repo, RepoSort::Modified));
                page.next =
                    last.map(|last| self.signer.seal(Purpose::Cursor, format!("owned {place} {last}").as_bytes()));
                break;
            }
        }
        Ok(page)
    }

    fn owned_cursor_open(&self, sealed: &str) -> HubResult<(usize, Option<RepoCursor>)> {
        let opened = || {
            let message = String::from_utf8(self.signer.open(Purpose::Cursor, sealed)?).ok()?;
            let (place, cursor) = message.strip_prefix("owned ")?.split_once(' ')?;
            Some((place.parse().ok()?, Some(cursor.parse().ok()?)))
        };
        opened().ok_or_else(|| {
            HubError::Invalid("the cursor is not one that this node gave out; start again without it".into())
        })
    }
}
