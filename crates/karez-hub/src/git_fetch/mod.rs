//! What `git clone` and `git fetch` read.
//!
//! A fetch is planned first and sent afterwards: the plan ([`walk`]) holds ids only, 20 bytes an
//! object, because the header of a pack says how many objects follow; the pack is then read from the
//! catalog in small batches ([`pack`]). What may be wanted is what a ref of the repository points at
//! and every commit that the repository holds: objects are shared between repositories, so an id
//! alone gives nothing.

mod pack;
mod walk;

use karez_catalog::Repo;
use karez_formats::git::GitKind;
use karez_formats::git::upload_pack::{AdvertisedRef, Depth, FetchRequest, Stage};
use karez_types::{GitOid, RepoAddress};

pub use pack::PackPlan;

use crate::revision::main_ref;
use crate::{Actor, Hub, HubError, HubResult, Right};

/// The refs of a repository, as git lists them.
#[derive(Debug, Clone)]
pub struct GitRefs {
    /// `HEAD` first when its branch exists, then all others by name.
    pub refs: Vec<AdvertisedRef>,
    /// The branch that `HEAD` stands for.
    pub head_target: String,
    /// Commits at which history ends here although they have parents.
    pub shallow: Vec<GitOid>,
}

/// The answer to a fetch.
#[derive(Debug, Clone)]
pub struct GitFetch {
    /// What the client has of what we have.
    pub common: Vec<GitOid>,
    /// Commits at which the client's history will end.
    pub shallow: Vec<GitOid>,
    /// Commits at which it ended so far and no longer will.
    pub unshallow: Vec<GitOid>,
    /// What to send; unset while the client still tells what it has.
    pub pack: Option<PackPlan>,
}

impl Hub {
    /// Lists refs for git.
    ///
    /// # Errors
    /// As [`Hub::repo_open`].
    pub async fn git_refs(&self, actor: &Actor, address: &RepoAddress) -> HubResult<GitRefs> {
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let head_target = main_ref().to_string();
        let mut refs = self.refs_read(&repo).await?;
        let main = refs.iter().find(|shown| shown.name == head_target);
        if let Some(oid) = main.map(|main| main.oid) {
            let symref_target = Some(head_target.clone());
            refs.insert(0, AdvertisedRef { name: "HEAD".to_owned(), oid, peeled: None, symref_target });
        }
        let mut shallow: Vec<GitOid> = self.history_ends(&repo).await?.into_iter().collect();
        shallow.sort_unstable();
        Ok(GitRefs { refs, head_target, shallow })
    }

    async fn refs_read(&self, repo: &Repo) -> HubResult<Vec<AdvertisedRef>> {
        let rows = self.catalog.ref_list(repo.id).await?;
        // Only an annotated tag is something else than it leads to.
        let targets: Vec<GitOid> = rows.iter().filter(|(name, _)| name.is_tag()).map(|&(_, target)| target).collect();
        let stats = self.catalog.object_stats(&targets).await?;
        let mut refs = Vec::with_capacity(rows.len() + 1);
        for (name, oid) in rows {
            let is_annotated = name.is_tag() && stats.iter().any(|stat| stat.oid == oid && stat.kind == GitKind::Tag);
            let peeled = if is_annotated { Some(self.peel(oid).await?) } else { None };
            refs.push(AdvertisedRef { name: name.to_string(), oid, peeled, symref_target: None });
        }
        Ok(refs)
    }

    /// Answers one request of a fetch.
    ///
    /// # Errors
    /// As [`Hub::repo_open`]; [`HubError::Invalid`] for a want that is not ours to give,
    /// [`HubError::TooLarge`] when the answer would have too many objects.
    pub async fn git_fetch(&self, actor: &Actor, address: &RepoAddress, request: &FetchRequest) -> HubResult<GitFetch> {
        let repo = self.repo_open(actor, address, Right::Read).await?;
        let refs = self.refs_read(&repo).await?;
        for want in &request.wants {
            if !refs.iter().any(|shown| shown.oid == *want) && !self.is_own_commit(&repo, *want).await? {
                return Err(HubError::Invalid(format!("upload-pack: not our ref {want}")));
            }
        }
        let mut common = Vec::new();
        for have in &request.haves {
            if self.is_own_commit(&repo, *have).await? {
                common.push(*have);
            }
        }
        let mut answer = GitFetch { common, shallow: Vec::new(), unshallow: Vec::new(), pack: None };
        // What we share is enough as soon as it is anything: histories here are short and rarely fork.
        let is_ready = request.stage == Stage::Negotiate && request.pack_when_ready && !answer.common.is_empty();
        let sends_pack = request.stage == Stage::Done || is_ready;
        if !sends_pack && request.depth == Depth::Whole {
            return Ok(answer);
        }
        let ends = self.history_ends(&repo).await?;
        // What the client has may be named by an annotated tag as well.
        let mut shared = Vec::with_capacity(answer.common.len());
        for &common in &answer.common {
            shared.push(self.peel(common).await?);
        }
        let history = walk::History::read(self, request, &shared, &ends).await?;
        answer.shallow.clone_from(&history.shallow);
        answer.unshallow.clone_from(&history.unshallow);
        if sends_pack {
            answer.pack = Some(self.pack_plan(request, &refs, &history).await?);
        }
        Ok(answer)
    }

    async fn pack_plan(
        &self,
        request: &FetchRequest,
        refs: &[AdvertisedRef],
        history: &walk::History,
    ) -> HubResult<PackPlan> {
        let mut objects = walk::Objects::new(self.limits.git_pack_objects_max);
        for &commit in &history.sent {
            objects.add(commit)?;
        }
        // An annotated tag goes along when it is wanted, or when what it names goes and the client asks so.
        let follows = |shown: &AdvertisedRef| {
            let goes = shown.peeled.is_some_and(|commit| request.include_tag && history.sent.contains(&commit));
            shown.peeled.is_some() && (goes || request.wants.contains(&shown.oid))
        };
        for tag in refs.iter().filter(|shown| follows(shown)) {
            self.tags_add(tag.oid, &mut objects).await?;
        }
        objects.add_files(self, history).await?;
        Ok(objects.into_plan())
    }
}
