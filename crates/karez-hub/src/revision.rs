//! From what a caller names to a commit.
//!
//! All repositories share one object table, so an id alone gives nothing: a commit is found only
//! through a ref of the repository, or because the catalog knows that the repository made it.

use karez_catalog::Repo;
use karez_formats::git::{GitKind, parse_tag};
use karez_types::{GitOid, RefName, RepoAddress, Revision};

use crate::{Actor, Hub, HubError, HubResult, Right};

/// Tags of tags are followed this far.
pub(crate) const TAG_DEPTH_MAX: u32 = 8;
/// Shortest abbreviation of a commit id, in digits: as git.
const SHORT_ID_DIGITS_MIN: usize = 4;

/// Returns the ref of the default branch.
pub(crate) fn main_ref() -> RefName {
    RefName::branch("main").expect("`main` obeys the rules of ref names")
}

impl Hub {
    /// Opens a repository for reading at a revision.
    ///
    /// # Errors
    /// As [`Hub::repo_open`], and [`HubError::RevisionMissing`].
    pub async fn revision_open(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
    ) -> HubResult<(Repo, GitOid)> {
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let commit = self.revision_resolve(&repo, revision).await?;
        Ok((repo, commit))
    }

    /// Opens a repository at a revision for seeing what is there, and not what it says.
    ///
    /// # Errors
    /// As [`Hub::repo_open`], and [`HubError::RevisionMissing`].
    pub async fn revision_see(
        &self,
        actor: &Actor,
        address: &RepoAddress,
        revision: &Revision,
    ) -> HubResult<(Repo, GitOid)> {
        let repo = self.repo_open(actor, address, Right::See).await?;
        let commit = self.revision_resolve(&repo, revision).await?;
        Ok((repo, commit))
    }

    /// Returns the commit that a revision names in a repository.
    pub(crate) async fn revision_resolve(&self, repo: &Repo, revision: &Revision) -> HubResult<GitOid> {
        self.revision_find(repo, revision)
            .await?
            .ok_or_else(|| HubError::RevisionMissing { revision: revision.to_string() })
    }

    async fn revision_find(&self, repo: &Repo, revision: &Revision) -> HubResult<Option<GitOid>> {
        let text = revision.as_str();
        // The repository's row holds the tip of `main`: the usual revision costs no query.
        if matches!(text, "main" | "HEAD" | "refs/heads/main") && repo.head.is_some() {
            return Ok(repo.head);
        }
        if text.parse::<GitOid>().is_ok() {
            return self.id_find(repo, text).await;
        }
        for name in ref_names(text) {
            if let Some(target) = self.catalog.ref_get(repo.id, &name).await? {
                return self.peel(target).await.map(Some);
            }
        }
        self.id_find(repo, text).await
    }

    /// Tells whether a commit belongs to a repository.
    pub(crate) async fn is_own_commit(&self, repo: &Repo, commit: GitOid) -> HubResult<bool> {
        let key = (repo.id, commit);
        if repo.head == Some(commit) || self.objects.own_commits.contains_key(&key) {
            return Ok(true);
        }
        let is_own = self.catalog.repo_commit_contains(repo.id, commit).await?;
        if is_own {
            self.objects.own_commits.insert(key, ());
        }
        Ok(is_own)
    }

    /// Finds the one commit of the repository whose id begins with these digits.
    pub(crate) async fn id_find(&self, repo: &Repo, text: &str) -> HubResult<Option<GitOid>> {
        if let Ok(oid) = text.parse() {
            // The catalog knows annotated tags by id as well.
            let is_own = self.is_own_commit(repo, oid).await?;
            return if is_own { self.peel(oid).await.map(Some) } else { Ok(None) };
        }
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(SHORT_ID_DIGITS_MIN..GitOid::LEN * 2).contains(&text.len()) {
            return Ok(None);
        }
        let found = self.catalog.oid_by_prefix(repo.id, text).await?;
        match found[..] {
            [oid] => self.peel(oid).await.map(Some),
            [] => Ok(None),
            _ => Err(HubError::Invalid(format!("the commit id {text} is ambiguous here; give more of its digits"))),
        }
    }

    /// Follows annotated tags to the commit.
    pub(crate) async fn peel(&self, mut oid: GitOid) -> HubResult<GitOid> {
        for _ in 0..TAG_DEPTH_MAX {
            if self.objects.commits.contains_key(&oid) {
                return Ok(oid);
            }
            let missing = || HubError::Damaged(format!("git object {oid}: missing"));
            let object = self.catalog.object_get(oid).await?.ok_or_else(missing)?;
            let tag = match object.kind {
                GitKind::Commit => return Ok(oid),
                GitKind::Tag => parse_tag(&object.content),
                GitKind::Blob | GitKind::Tree => break,
            };
            oid = tag.map_err(|error| HubError::Damaged(format!("git object {oid}: {error}")))?.target;
        }
        Err(HubError::Damaged(format!("git object {oid}: a ref must lead to a commit")))
    }
}

/// Returns the refs that a text may mean, likeliest first.
fn ref_names(text: &str) -> Vec<RefName> {
    if text == "HEAD" {
        return vec![main_ref()];
    }
    if text.starts_with("refs/") {
        return text.parse().into_iter().collect();
    }
    let mut names: Vec<RefName> = RefName::branch(text).into_iter().chain(RefName::tag(text)).collect();
    // Clients also write `pr/5`.
    if let Some(number) = text.strip_prefix("pr/").and_then(|digits| digits.parse().ok()) {
        names.push(RefName::pull_request(number));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_branches_before_tags() {
        let names = |text| ref_names(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("v1"), ["refs/heads/v1", "refs/tags/v1"]);
        assert_eq!(names("refs/pr/5"), ["refs/pr/5"]);
        assert_eq!(names("refs/convert/parquet"), ["refs/convert/parquet"]);
        assert_eq!(names("pr/5"), ["refs/heads/pr/5", "refs/tags/pr/5", "refs/pr/5"]);
        assert_eq!(names("HEAD"), ["refs/heads/main"]);
        assert!(names("refs/x").is_empty());
    }
}
